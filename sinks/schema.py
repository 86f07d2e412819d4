"""The schema as it runs: read, written down as a data dictionary, and compared with what this release makes.

What a release makes is not kept in a file of its own, which another version of ClickHouse would write in another way: the
same migrations and views are made in databases of a passing name beside the real ones, without rows, and both are asked
of the same server. docs/decisions/0030-schema.md.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sinks.migrate import Ddl, apply, read_migrations, templates

#: The databases of the hub; those of the parts (sinks/access.py) are made anew from their views at every `zhishu init`.
DATABASES: Final = ("hub", "bi")

_PASSING: Final = "passing_"
_TABLES: Final = """
SELECT concat(database, '.', name) AS full_name, formatQuery(create_table_query) FROM system.tables
WHERE database IN {databases:Array(String)} ORDER BY full_name
"""
_COLUMNS: Final = """
SELECT concat(database, '.', table) AS full_name, name, type, comment FROM system.columns
WHERE database IN {databases:Array(String)} ORDER BY full_name, position
"""
_COMMENTS: Final = """
SELECT concat(database, '.', name), comment FROM system.tables WHERE database IN {databases:Array(String)}
"""
#: Databases that a check left when it was killed: the name tells the second in which it began.
_LEFT: Final = """
SELECT name FROM system.databases
WHERE toUInt64OrZero(extract(name, concat('^', {prefix:String}, '([0-9]+)_'))) BETWEEN 1 AND toUnixTimestamp(now()) - 3600
"""
_NAMED: Final = re.compile(r"(?<![\w.])(?:hub|bi)(?=\.\w)|(?<=')hub(?=')|(?<=DATABASE IF NOT EXISTS )(?:hub|bi)\b")
_DECLARED: Final = re.compile(r" {4}(?:`((?:[^`\\]|\\.)+)`|(INDEX|PROJECTION|CONSTRAINT) (\S+)) ")
_CLAUSE: Final = re.compile(
    r"(ENGINE|PARTITION BY|PRIMARY KEY|ORDER BY|SAMPLE BY|TTL|SETTINGS|COMMENT|DEFINER)\b(?: =)? ?(.*)"
)
_SETTING: Final = re.compile(r"(\w+) = ('(?:[^'\\]|\\.)*'|[^,]+)")
#: A replicated engine with the path and the replica that the server put in.
_REPLICATED: Final = re.compile(r"Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?(.*)\)")


@dataclass(frozen=True)
class Shape:
    """A table or view as the engine declares it. pieces: by name, as `column x`, `index x`, `setting x`, `ENGINE`, `ORDER BY`,
    `TTL`; of a view its question is `AS`."""

    is_view: bool
    pieces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as this release makes it. name: full name of the table or view; piece: what of it."""

    name: str
    piece: str
    sentence: str


def shape(statement: str) -> Shape:
    """Reads a CREATE statement as formatQuery writes it; a replicated engine reads as the plain one."""
    head, *lines = statement.split("\n")
    pieces: dict[str, str] = {}
    current = ""
    inside = False
    for number, line in enumerate(lines):
        if line in ("(", ")"):
            inside = line == "("
            current = ""
        elif inside:
            if found := _DECLARED.match(line):
                current = f"column {found[1]}" if found[1] else f"{found[2].lower()} {found[3]}"
                pieces[current] = line.strip()
            else:
                pieces[current] += f" {line.strip()}"
        elif line.startswith("AS "):
            pieces["AS"] = "\n".join(lines[number:])
            break
        elif found := _CLAUSE.match(line):
            current = found[1]
            pieces[current] = found[2]
        elif current:
            pieces[current] += f" {line.strip()}"
    pieces = {name: text.removesuffix(",") for name, text in pieces.items()}
    for name, value in _SETTING.findall(pieces.pop("SETTINGS", "")):
        pieces[f"setting {name}"] = value
    if "ENGINE" in pieces:
        pieces["ENGINE"] = _REPLICATED.sub(
            lambda found: found[1] + (f"({found[2]})" if found[2] else ""), pieces["ENGINE"]
        )
    return Shape("VIEW" in head.split("(")[0].split(), pieces)


def read_schema(client: Any, databases: Iterable[str] = DATABASES) -> dict[str, Shape]:
    """Tables and views by their full names; empty where the databases are missing."""
    found = client.query(_TABLES, parameters={"databases": list(databases)}).result_rows
    return {name: shape(statement) for name, statement in found}


def expected_schema(client: Any, ddl: Ddl, further: Iterable[str] = ()) -> dict[str, Shape]:
    """What the migrations, the views and `further` templates make, asked of this server; leaves nothing behind.

    The databases have a name of their own for each call, so that two processes may look at once. Raises what ClickHouse raises.
    """
    plain = Ddl(definer=ddl.definer)
    for (left,) in client.query(_LEFT, parameters={"prefix": _PASSING}).result_rows:
        client.command(f"DROP DATABASE IF EXISTS {left} SYNC")
    ((now,),) = client.query("SELECT toUnixTimestamp(now())").result_rows
    prefix = f"{_PASSING}{now}_{secrets.token_hex(4)}_"
    try:
        for template in (*templates(), *further):
            apply(client, _NAMED.sub(lambda found: f"{prefix}{found[0]}", plain.fill(template)))
        found = client.query(_TABLES, parameters={"databases": [f"{prefix}{name}" for name in DATABASES]}).result_rows
    finally:
        for name in reversed(DATABASES):
            client.command(f"DROP DATABASE IF EXISTS {prefix}{name} SYNC")
    return {name.replace(prefix, ""): shape(statement.replace(prefix, "")) for name, statement in found}


def drift(client: Any, ddl: Ddl | None = None, further: Iterable[str] = ()) -> list[Difference]:
    """How the schema differs from what this release makes of it with `further` templates (sinks/retention.py); none for equal.

    `client` is a clickhouse-connect client of a user that may do everything. Raises what ClickHouse raises.
    """
    if missing := _not_applied(client):
        return missing
    return compare(read_schema(client), expected_schema(client, ddl or Ddl(), further))


def _not_applied(client: Any) -> list[Difference]:
    applied: set[int] = set()
    if client.query("EXISTS TABLE hub.migrations").result_rows[0][0]:
        applied = {number for (number,) in client.query("SELECT number FROM hub.migrations").result_rows}
    return [
        Difference(
            "hub.migrations",
            f"migration {migration.number:04}",
            f"Migration {migration.name} was not applied here: run `zhishu init`, then look again.",
        )
        for migration in read_migrations()
        if migration.number not in applied
    ]


def compare(running: Mapping[str, Shape], expected: Mapping[str, Shape]) -> list[Difference]:
    """Differences of two schemas, in the order of names; each sentence says what to do."""
    found: list[Difference] = []
    for name in sorted(running.keys() | expected.keys()):
        here, wanted = running.get(name), expected.get(name)
        if wanted is None:
            sentence = "is not of this release: drop it, or keep what is your own in a database of its own."
            found.append(Difference(name, "", f"{name} {sentence}"))
        elif here is None:
            remedy = "run `zhishu init`, which makes the views anew" if wanted.is_view else "restore it from a backup"
            found.append(Difference(name, "", f"{name} is missing: {remedy}."))
        elif here.is_view != wanted.is_view:
            kind = "view" if wanted.is_view else "table"
            found.append(
                Difference(name, "", f"{name} should be a {kind}: rename what is there now, then run `zhishu init`.")
            )
        elif wanted.is_view:
            if here != wanted:
                what = ", ".join(_differing(here, wanted))
                sentence = f"The view {name} was changed by hand ({what}): run `zhishu init`, which makes it anew."
                found.append(Difference(name, what, sentence))
        else:
            found += _table_differences(name, here, wanted)
    return found


def _differing(here: Shape, wanted: Shape) -> list[str]:
    names = sorted(here.pieces.keys() | wanted.pieces.keys())
    return [name for name in names if here.pieces.get(name) != wanted.pieces.get(name)]


def _table_differences(name: str, here: Shape, wanted: Shape) -> Iterator[Difference]:
    for piece in _differing(here, wanted):
        now, then = here.pieces.get(piece), wanted.pieces.get(piece)
        told = f"has {now}" if then is None else f"lacks {then}" if now is None else f"has {now} instead of {then}"
        yield Difference(name, piece, f"{name}, {piece}: the table {told}. {_remedy(name, piece, now, then)}")


def _remedy(name: str, piece: str, now: str | None, then: str | None) -> str:
    """What to do about a piece of a table."""
    kind, _, which = piece.partition(" ")
    alter = f"ALTER TABLE {name}"
    if piece == "TTL" or (kind == "column" and "TTL " in f"{now}{then}" and _without_ttl(now) == _without_ttl(then)):
        return "Run `zhishu init`, which sets the retention of the profile."
    if kind == "column":
        if then is None:
            return f"Nothing of the hub reads it: {alter} DROP COLUMN {which}."
        return f"Put it right: {alter} {'ADD' if now is None else 'MODIFY'} COLUMN {then}."
    if kind in ("index", "projection", "constraint"):
        drop = f"{alter} DROP {kind.upper()} {which}"
        return (
            f"Put it right: {drop}."
            if then is None
            else f"Put it right: {'' if now is None else drop + '; '}{alter} ADD {then}."
        )
    if kind == "setting":
        change = f"RESET SETTING {which}" if then is None else f"MODIFY SETTING {which} = {then}"
        return f"Put it right: {alter} {change}."
    if piece == "COMMENT":
        return f"Put it right: {alter} MODIFY COMMENT {then or chr(39) * 2}."
    return (
        "It cannot be altered: stop the sinks, rename the table, run the statements of the migrations "
        f"that make {name}, and copy the rows."
    )


def _without_ttl(declaration: str | None) -> str:
    return (declaration or "").partition(" TTL ")[0]


def dictionary(client: Any) -> str:
    """The data dictionary of the running schema, Markdown; ends with a line break."""
    asked = {"databases": list(DATABASES)}
    shapes = read_schema(client)
    comments = dict(client.query(_COMMENTS, parameters=asked).result_rows)
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for name, *column in client.query(_COLUMNS, parameters=asked).result_rows:
        columns.setdefault(name, []).append(tuple(column))
    lines = [
        "# Data dictionary 数据字典",
        "",
        "Made by `zhishu schema dictionary` from the schema of a fresh engine; do not edit. Database `bi` is what analysts read",
        "(docs/bi.md), `hub` is behind it. Times are UTC. How long rows stay is the profile's `[retention]`;",
        "the defaults are shown.",
    ]
    for database, title in (("bi", "bi: what analysts read 分析库"), ("hub", "hub: the tables behind it 基础库")):
        lines += ["", f"## {title}"]
        for name in (name for name in shapes if name.startswith(f"{database}.")):
            lines += ["", f"### {name}", "", f"{comments[name]}.", *_facts(shapes[name]), ""]
            lines += ["| column | type | what it is |", "| --- | --- | --- |"]
            lines += [f"| `{column}` | `{kind}` | {_cell(comment)} |" for column, kind, comment in columns[name]]
    return "\n".join(lines) + "\n"


def _facts(one: Shape) -> list[str]:
    if one.is_view:
        return []
    told = [f"Engine `{one.pieces['ENGINE']}`"]
    told += [f"{words} `{one.pieces[piece]}`" for piece, words in _WORDS.items() if piece in one.pieces]
    told += [f"{piece.replace('index', 'index on', 1)}" for piece in one.pieces if piece.startswith("index ")]
    told += [
        f"`{piece.removeprefix('column ')}` is emptied at `{text.partition(' TTL ')[2]}`"
        for piece, text in one.pieces.items()
        if piece.startswith("column ") and " TTL " in text
    ]
    return ["", f"{'; '.join(told)}."]


_WORDS: Final = {"PARTITION BY": "partitions", "ORDER BY": "sorted by", "TTL": "rows go at"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
