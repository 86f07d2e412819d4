"""Access of readers as profiles/access.py tells it: a database of views for each part, and users on a server.

A part (a role with a row filter) has a database of its own, with the views of database bi as far as they can be told apart by
case. They are made from the texts of the views themselves, so that a new one needs no word here:

- The cases of a part are a view hub_parts.<role> of hub.cases, filtered, which no reader may ask.
- A view that reads nothing but hub.cases, other such views and tables of the profile is the same text over the part's cases
  and views: its figures are those of the part, whatever columns it has.
- A view that reads the profile's tables only, or none, holds no report, and is shown whole.
- Any other view with a column report_id shows the rows of the part's cases.
- What is left is not there, nor what reads by a table function such as merge(): the default is closed.

docs/decisions/0025-access.md says why not row policies, and what the LIMIT is for.
"""

# ruff: noqa: S608 - what stands in the SQL are names and codes of the profile, checked and quoted

import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from profiles.access import WHOLE, Part, Reader, SecuritySpec, role_database
from sinks.migrate import Ddl, read_views

PARTS: Final = "hub_parts"

#: Nothing is taken by it, and no condition of a reader's passes below it: the engine would otherwise be free to test rows for the
#: reader before it asks whose they are, and an error that the reader provokes (throwIf, a cast) would tell of others' rows.
BARRIER: Final = "LIMIT 18446744073709551615"

#: Has a column report_id, and shows the titles of other reports beside it.
_CLOSED: Final = frozenset(("review_queue",))
_VIEW: Final = re.compile(
    r"CREATE OR REPLACE VIEW bi\.(\w+) \{on_cluster\}\n\((.*?)\n\)\nDEFINER[^\n]*\nAS\n(.*)\n(COMMENT '[^\n]*')",
    re.DOTALL,
)
_COLUMN: Final = re.compile(r"^\s*`?(\w+)`? ", re.MULTILINE)
_READ: Final = re.compile(r"\b(hub|bi)`?\s*\.\s*`?(\w+)")
#: hub.cases as a text asks for it; a view has no FINAL.
_CASES: Final = re.compile(r"\bhub\.cases\b(?:(\s+AS\s+\w+)?\s+FINAL\b)?")
#: A table function, whose arguments say what it reads.
_FUNCTION: Final = re.compile(r"(?:\bFROM|(?<!ARRAY )\bJOIN)\s+(?!SELECT\b|numbers\b)\w+\s*\(", re.IGNORECASE)
#: Tables that hold no report.
_OF_NOBODY: Final = re.compile(r"parameters|dim_\w+")
#: Names of roles as profiles.access makes them.
_OURS: Final = re.compile(r"bi_(.+_)?reader")

#: What a BI client asks at connect; a server shows there what the reader may see otherwise.
_SYSTEM: Final = (
    *(f"system.{table}" for table in ("one", "tables", "columns", "databases", "settings")),
    "INFORMATION_SCHEMA.*",
    "information_schema.*",
)


class AccessError(ValueError):
    """Users and passwords do not fit together; the message says what to do."""


@dataclass(frozen=True)
class View:
    """A view of database bi as its file has it; `columns` is the text of the list, `names` are those of the columns."""

    name: str
    columns: str
    text: str
    comment: str

    @property
    def names(self) -> frozenset[str]:
        return frozenset(_COLUMN.findall(self.columns))

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """Database and name of everything of ours that the text names."""
        return frozenset(_READ.findall(self.text))


def bi_views(templates: list[str] | None = None) -> list[View]:
    """The views of database bi, in an order in which each finds what it reads."""
    found = (_VIEW.fullmatch(template) for template in (read_views() if templates is None else templates))
    return [View(*one.groups()) for one in found if one is not None]


def part_views(role: str, part: Part, views: list[View]) -> dict[str, str]:
    """Templates of the statements that make a role's views, by full name, in order."""
    database = role_database(role)
    cases = f"{PARTS}.{role}"
    made = {
        cases: f"CREATE OR REPLACE VIEW {cases} {{on_cluster}} DEFINER = {{definer}} SQL SECURITY DEFINER\n"
        f"AS SELECT * FROM hub.cases FINAL WHERE {_filter(part)} {BARRIER}"
    }
    for view in sorted(views, key=lambda view: view.name != "cases"):
        text = _part_text(view, database, cases, made.keys())
        if text is not None:
            made[f"{database}.{view.name}"] = (
                f"CREATE OR REPLACE VIEW {database}.{view.name} {{on_cluster}}\n({view.columns}\n)\n"
                f"DEFINER = {{definer}} SQL SECURITY DEFINER\nAS\n{text}\n{view.comment}"
            )
    return made


def _part_text(view: View, database: str, cases: str, made: Collection[str]) -> str | None:
    """The question that shows a part of a view; None where it shows nothing."""
    if _FUNCTION.search(view.text):
        return None
    facts = {name for place, name in view.reads if place == "hub" and not _OF_NOBODY.fullmatch(name)}
    if facts - {"cases"}:
        if "report_id" not in view.names or view.name in _CLOSED:
            return None
        return f"SELECT * FROM bi.{view.name} WHERE report_id IN (SELECT report_id FROM {database}.cases) {BARRIER}"
    inner = {f"{database}.{name}" for place, name in view.reads if place == WHOLE}
    if not facts and not inner:
        return f"SELECT * FROM bi.{view.name}"
    text = _CASES.sub(lambda found: f"{cases}{found[1] or ''}", view.text)
    text = re.sub(r"\bbi\.(?=\w)", f"{database}.", text)
    unfiltered = {(place, name) for place, name in _READ.findall(text) if place == WHOLE or name == "cases"}
    return None if unfiltered or inner - set(made) else text


def _filter(part: Part) -> str:
    """A condition on hub.cases; a case without an agency, or without a place, is nobody's part."""
    told = [
        f"ifNull({column} IN ({', '.join(map(_quoted, codes))}), false)"
        for column, codes in (("agency_code", part.agencies), ("street_code", part.streets))
        if codes
    ]
    return " AND ".join(told)


def open_databases(client: Any, spec: SecuritySpec, ddl: Ddl | None = None) -> None:
    """Makes the databases of the roles what the file says: their views anew, and those of roles that are gone away.

    `client` is a clickhouse-connect client of a user that may do everything, of a migrated database.
    """
    ddl = ddl or Ddl()

    def run(template: str) -> None:
        client.command(ddl.fill(template))

    def stored(database: str) -> set[str]:
        sql = "SELECT name FROM system.tables WHERE database = {d:String}"
        return {name for (name,) in client.query(sql, parameters={"d": database}).result_rows}

    views = bi_views()
    run(f"CREATE DATABASE IF NOT EXISTS {PARTS} {{on_cluster}}")
    for role, part in spec.role.items():
        database = role_database(role)
        run(f"CREATE DATABASE IF NOT EXISTS {database} {{on_cluster}}")
        made = part_views(role, part, views)
        for statement in made.values():
            run(statement)
        for name in stored(database):
            if f"{database}.{name}" not in made:
                run(f"DROP VIEW IF EXISTS {database}.{name} {{on_cluster}}")
    for role in stored(PARTS) - spec.role.keys():
        run(f"DROP DATABASE IF EXISTS {role_database(role)} {{on_cluster}}")
        run(f"DROP VIEW IF EXISTS {PARTS}.{role} {{on_cluster}}")


def grants(reader: Reader) -> list[str]:
    """What the role of a reader may do, as GRANT has it before TO."""
    return [
        f"SELECT, SHOW DATABASES, SHOW TABLES, SHOW COLUMNS ON {reader.database}.*",
        *(f"SELECT ON {table}" for table in _SYSTEM),
    ]


def server_statements(spec: SecuritySpec, passwords: Mapping[str, str]) -> Iterator[str]:
    """Templates of the statements that make roles, limits and users of a ClickHouse server; each can be run again.

    `passwords` has one for each user of the file and for `bi`; the statements hold salted hashes. Raises AccessError.
    """
    readers = spec.readers()
    if missing := sorted(readers.keys() - passwords.keys()):
        raise AccessError(
            f"there is no password for {', '.join(missing)}: add it to ZHISHU_CLICKHOUSE_READERS as user=password"
        )
    if unknown := sorted(passwords.keys() - readers.keys()):
        raise AccessError(
            f"ZHISHU_CLICKHOUSE_READERS names {', '.join(unknown)}: add the user to access.toml, or leave it out"
        )
    for reader in spec.roles().values():
        role, limits = reader.role, reader.limits
        yield f"CREATE ROLE IF NOT EXISTS {role} {{on_cluster}}"
        # One statement, so that a reader at work is never without: what it may do from now on is this and nothing else.
        yield f"GRANT {{on_cluster}} {', '.join(grants(reader))} TO {role} WITH REPLACE OPTION"
        # readonly = 2: a client may set how an answer looks, and lower its limits; 0 would mean no limit.
        bounded = (
            ("max_execution_time", limits.seconds),
            ("max_result_rows", limits.result_rows),
            ("max_memory_usage", limits.memory_mib << 20),
        )
        settings = ", ".join(f"{name} = {value} MIN 1 MAX {value}" for name, value in bounded)
        yield f"CREATE SETTINGS PROFILE OR REPLACE {role} {{on_cluster}} SETTINGS readonly = 2, {settings} TO {role}"
        queries = f"MAX queries = {limits.queries_per_hour}" if limits.queries_per_hour else "TRACKING ONLY"
        yield f"CREATE QUOTA OR REPLACE {role} {{on_cluster}} KEYED BY user_name FOR INTERVAL 1 hour {queries} TO {role}"
    for user, reader in readers.items():
        salt = secrets.token_hex(16)
        proof = hashlib.sha256(f"{passwords[user]}{salt}".encode()).hexdigest().upper()
        known_by = f"IDENTIFIED WITH sha256_hash BY '{proof}' SALT '{salt}'"
        yield f"CREATE USER IF NOT EXISTS {user} {{on_cluster}} {known_by}"
        yield f"GRANT {{on_cluster}} {reader.role} TO {user} WITH REPLACE OPTION"
        yield (
            f"ALTER USER {user} {{on_cluster}} {known_by} HOST ANY "
            f"DEFAULT DATABASE {reader.database} DEFAULT ROLE {reader.role}"
        )


def open_server(client: Any, spec: SecuritySpec, passwords: Mapping[str, str], ddl: Ddl | None = None) -> None:
    """Makes roles and users of a ClickHouse server what the file says, and drops those that are no longer in it.

    `client` as for open_databases, which must have run. Raises AccessError.
    """
    ddl = ddl or Ddl()
    for statement in server_statements(spec, passwords):
        client.command(ddl.fill(statement))
    holders = client.query("SELECT user_name, granted_role_name FROM system.role_grants WHERE user_name IS NOT NULL")
    for user, role in holders.result_rows:
        if _OURS.fullmatch(role) and user not in spec.readers():
            client.command(ddl.fill(f"DROP USER IF EXISTS {_name(user)} {{on_cluster}}"))
    for (role,) in client.query("SELECT name FROM system.roles").result_rows:
        if _OURS.fullmatch(role) and role not in spec.roles():
            for kind in ("QUOTA", "SETTINGS PROFILE", "ROLE"):
                client.command(ddl.fill(f"DROP {kind} IF EXISTS {_name(role)} {{on_cluster}}"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _name(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"
