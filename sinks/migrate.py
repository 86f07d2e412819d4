"""Numbered, forward-only migrations of the ClickHouse schema, and the views as they stand now.

`migrations/NNNN_name.sql` holds statements that end in `;`. One template serves one machine and a cluster; the places
to fill are the fields of `Ddl`. What was applied is recorded in `hub.migrations` with a hash of the file. Statements
are idempotent (`IF NOT EXISTS`, `OR REPLACE`), so that two processes that start at once do no harm; what can't be is written
`WHEN SELECT ... DO ...` and done where the first column of the answer is not 0.

`views/NN_name.sql` holds the views of database bi, one a file, in an order in which each finds what it reads. Views keep
nothing, so that they are simply made anew each time; a change to one is a change to its file.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sinks.figures import places

_FOLDER: Final = Path(__file__).parent / "migrations"
_VIEWS: Final = Path(__file__).parent / "views"
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
#: A quoted text or name, a comment, a semicolon, or one other character.
_PIECE: Final = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|--[^\n]*|/\*.*?\*/|;|.", re.DOTALL
)
_PLACE: Final = re.compile(r"\{(\w+)\}")
_GUARDED: Final = re.compile(r"WHEN (SELECT\b.*?)\sDO (.*)", re.DOTALL)

_BOOTSTRAP: Final = (
    "CREATE DATABASE IF NOT EXISTS hub {on_cluster}",
    """CREATE TABLE IF NOT EXISTS hub.migrations {on_cluster}
    (
        number UInt32 COMMENT 'Number of the migration',
        name String COMMENT 'File name',
        sha256 String COMMENT 'SHA-256 of the file, hexadecimal',
        applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied, UTC'
    )
    ENGINE = {replicated}ReplacingMergeTree
    ORDER BY (number, sha256)
    COMMENT 'Migrations applied to this schema'""",
)


class MigrationError(RuntimeError):
    """The migrations on file and those applied do not fit; the message says what to do."""


@dataclass(frozen=True)
class Ddl:
    """How the templates are filled: empty and `default` for one machine.

    On a cluster: `on_cluster` such as `ON CLUSTER hub`, `replicated` = `Replicated` (the servers' macros give path and
    replica), `definer` = the user whose rights the bi views run with. of_reports: what narrows the reading of
    tables by report where a view's text is asked for some reports only (sinks/keyed.py); empty in a view.
    """

    on_cluster: str = ""
    replicated: str = ""
    definer: str = "default"
    of_reports: str = ""

    def fill(self, template: str) -> str:
        """Text of a template; raises MigrationError for a place that is no field of this class."""

        def value(found: re.Match[str]) -> str:
            if found[1] not in self.__dataclass_fields__:
                raise MigrationError(
                    f"a migration names {{{found[1]}}}; the places are {', '.join(self.__dataclass_fields__)}"
                )
            return str(getattr(self, found[1]))

        return _PLACE.sub(value, template)


@dataclass(frozen=True)
class Migration:
    """One file: its number, name, SHA-256 and text."""

    number: int
    name: str
    sha256: str
    text: str


def read_migrations(folder: Path = _FOLDER) -> list[Migration]:
    """Migrations on file in order; raises MigrationError when the numbers are not 1, 2, 3... or a name is odd."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise MigrationError(f"{path.name}: name a migration NNNN_lower_case.sql")
        data = path.read_bytes()
        found.append(Migration(int(name[1]), path.name, hashlib.sha256(data).hexdigest(), data.decode()))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"the migrations must be numbered 0001, 0002, ... once each; there are {len(found)} files")
    return found


def statements(text: str) -> list[str]:
    """Statements of a file without its comments; a semicolon inside quotes or a comment ends nothing."""
    parts = [""]
    for piece in _PIECE.findall(text):
        if piece == ";":
            parts.append("")
        elif not piece.startswith(("--", "/*")):
            parts[-1] += piece
    return [part.strip() for part in parts if part.strip()]


def read_views(folder: Path = _VIEWS) -> list[str]:
    """Statements that make the views, in order, with the figures (sinks/figures.py) in their places."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        text = path.read_text("utf-8")
        for name, value in places().items():
            text = text.replace(f"{{{name}}}", value)
        found += statements(text)
    return found


def templates() -> list[str]:
    """Every statement that makes the schema, in order: what migrations keep their record in, the migrations, the views."""
    migrations = [statement for migration in read_migrations() for statement in statements(migration.text)]
    return [*_BOOTSTRAP, *migrations, *read_views()]


def apply(client: Any, statement: str) -> None:
    """Runs a filled statement; one with WHEN only where its condition holds. Raises what ClickHouse raises."""
    guarded = _GUARDED.fullmatch(statement)
    if guarded is None:
        client.command(statement)
    elif _holds(client, guarded[1]):
        try:
            client.command(guarded[2])
        except Exception:
            # Where another process did it in between, nothing is left to do.
            if _holds(client, guarded[1]):
                raise


def _holds(client: Any, condition: str) -> bool:
    return bool(client.query(condition).result_rows[0][0])


def migrate(client: Any, ddl: Ddl | None = None, folder: Path = _FOLDER, views: Path = _VIEWS) -> list[int]:
    """Applies the missing migrations, makes the views, and returns the migrations' numbers; safe to run by several
    processes at once.

    `client` is a clickhouse-connect client. Raises MigrationError when an applied file was edited or is missing.
    """
    ddl = ddl or Ddl()
    on_file = read_migrations(folder)
    for statement in _BOOTSTRAP:
        client.command(ddl.fill(statement))
    applied = {}
    for number, sha256, name in client.query(
        "SELECT number, sha256, name FROM hub.migrations ORDER BY number"
    ).result_rows:
        same = [migration for migration in on_file if migration.number == number]
        if not same:
            raise MigrationError(
                f"{name} was applied here, but this release has no such migration: run a newer release"
            )
        if same[0].sha256 != sha256:
            raise MigrationError(
                f"{name} was edited after it was applied: restore it, and put the change in a new file"
            )
        applied[number] = sha256
    missing = [migration for migration in on_file if migration.number not in applied]
    for migration in missing:
        for statement in statements(migration.text):
            apply(client, ddl.fill(statement))
        client.insert(
            "hub.migrations",
            [(migration.number, migration.name, migration.sha256)],
            column_names=("number", "name", "sha256"),
            settings={"async_insert": 0},
        )
    for statement in read_views(views):
        client.command(ddl.fill(statement))
    return [migration.number for migration in missing]
