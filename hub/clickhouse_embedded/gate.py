"""What a statement is, and whether it may run: pure functions on SQL text, before the engine sees it.

The engine's own parser counts the statements and prints the text anew (see ``engine.py``); what is here reads tokens.
It must never hand data to the engine as SQL: chDB ends inline data at the first blank line and runs the rest.

For BI users the checks here are added to the engine's grants, which they can't replace: they refuse what the embedded
engine allows to everyone (``file()``, INTO OUTFILE, most tables of ``system``).
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hub.clickhouse_embedded.errors import ClickHouseError
from profiles.access import Limits

_TOKEN = re.compile(
    rb"""
    (?P<skip>    \s+ | --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ )
  | (?P<string>  '(?:[^'\\]|\\.|'')*' | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<quoted>  `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*" )
  | (?P<number>  [0-9][\w.]* )
  | (?P<word>    [A-Za-z_][\w$]* )  # ASCII, as in the engine, where a no-break space ends a word
  | (?P<other>   . )
    """,
    re.DOTALL | re.VERBOSE,
)


class Token(NamedTuple):
    """One token: its kind (string, quoted, number, word, other), its bytes, and where they lie in the text."""

    kind: str
    text: bytes
    start: int
    end: int

    @property
    def keyword(self) -> bytes:
        """The word in capitals; empty for what is no bare word."""
        return self.text.upper() if self.kind == "word" else b""

    @property
    def identifier(self) -> bytes:
        """The name that a bare word or a quoted identifier stands for; empty for other tokens."""
        if self.kind == "quoted":
            return re.sub(rb"\\(.)|``|\"\"", lambda m: m[1] or m[0][:1], self.text[1:-1], flags=re.DOTALL)
        return self.text if self.kind == "word" else b""


def tokens(sql: bytes, start: int = 0) -> Iterator[Token]:
    """Yield the tokens from ``start`` on, one by one, so that data behind a statement is not read."""
    for found in _TOKEN.finditer(sql, start):
        if found.lastgroup != "skip":
            # An inner group (the heredoc's tag) never is the last one to close: `string` closes after it.
            yield Token(str(found.lastgroup), found[0], found.start(), found.end())


@dataclass(frozen=True)
class Insert:
    """An INSERT whose rows follow the statement: what names the table, SETTINGS, the format's name, and the rows."""

    target: bytes
    settings: bytes
    format: bytes
    data: memoryview

    @property
    def statement(self) -> bytes:
        """The statement without rows, as the client wrote it."""
        return self.target + self.settings + b"FORMAT " + self.format

    def from_file(self, path: str) -> bytes:
        """Return the statement that reads the rows from a file of ours; ``path`` must need no quoting."""
        source = b"\nFROM INFILE '%b' COMPRESSION 'none'\n" % path.encode()
        return self.target + source + self.settings + b"\nFORMAT " + self.format


def split_insert(text: bytes) -> Insert | None:
    """Split ``INSERT ... FORMAT f <rows>`` or ``INSERT ... VALUES <rows>``; None for every other statement.

    Raises ClickHouseError: 48 for SETTINGS between FORMAT and the rows, 62 for text behind the rows of VALUES.
    """
    reader = tokens(text)
    if not _begin_insert(reader):
        return None
    name = next(reader, None)
    if name and name.keyword in (b"TABLE", b"FUNCTION"):
        name = next(reader, None)
    if name is None:
        return None
    depth = 1 if name.text in (b"(", b"{") else 0
    after_dot = False  # `hub.values` is a name, too
    settings = None  # where they begin
    for token in reader:
        if token.text in (b"(", b"[", b"{"):
            depth += 1
        elif token.text in (b")", b"]", b"}"):
            depth -= 1
        elif depth == 0 and not after_dot:
            if token.keyword in (b"SELECT", b"WITH", b"FROM", b"WATCH"):
                return None
            if token.keyword == b"SETTINGS" and settings is None:
                settings = token.start
            cut = token.start if settings is None else settings
            if token.keyword == b"VALUES":
                _refuse_second_statement(text, token.end)
                return Insert(text[:cut], text[cut : token.start], b"Values", memoryview(text)[token.end :])
            if token.keyword == b"FORMAT":
                form = next(reader, None)
                if form is None or not form.identifier:
                    return None
                if form.identifier.lower() == b"values":
                    _refuse_second_statement(text, form.end)
                return Insert(text[:cut], text[cut : token.start], form.text, _rows(text, form.end))
        after_dot = token.text == b"."
    return None


def _begin_insert(reader: Iterator[Token]) -> bool:
    """Read up to the INTO of an INSERT, which may stand behind a WITH clause; False for any other statement."""
    first = next(reader, None)
    if first is None or first.keyword not in (b"INSERT", b"WITH"):
        return False
    before = first.keyword
    for token in reader:
        if before == b"INSERT" and token.keyword == b"INTO":
            return True
        if first.keyword == b"INSERT":
            return False
        before = token.keyword
    return False


_LINE_END = re.compile(rb"[ \t\f]*(\r?\n)?")
_SETTINGS_BEFORE_ROWS = re.compile(rb"[ \t]*SETTINGS[ \t]+\w+[ \t]*=", re.IGNORECASE)


def _rows(text: bytes, end: int) -> memoryview:
    """Return what follows the format's name: blanks and one line end are not part of the rows."""
    if _SETTINGS_BEFORE_ROWS.match(text, end):
        raise ClickHouseError(48, "NOT_IMPLEMENTED", "SETTINGS after FORMAT is not supported: put it before FORMAT.")
    gap = _LINE_END.match(text, end)
    return memoryview(text)[gap.end() if gap else end :]


def _refuse_second_statement(text: bytes, start: int) -> None:
    ended = False
    for token in tokens(text, start):
        if ended and token.text != b";":
            raise multi_statement()
        ended = ended or token.text == b";"


def refuse_unseen_rows(sql: bytes) -> None:
    """Raise ClickHouseError 62 for an INSERT that :func:`split_insert` left whole and that is no plain INSERT SELECT.

    Its rows would come from a file of this machine (FROM INFILE), or follow it as text: chDB runs text behind a blank
    line as SQL, and gives ``input()`` no rows at all while it reports success.
    """
    reader = tokens(sql)
    if not _begin_insert(reader):
        return
    selects = unseen = False
    before, name = b"INTO", b""
    for token in reader:
        selects = selects or token.keyword == b"SELECT"
        unseen = unseen or (before == b"FROM" and token.keyword == b"INFILE")
        unseen = unseen or (name == b"input" and token.text == b"(")
        # `INSERT INTO input (a)` and `INSERT INTO hub.input (a)` name a table.
        name = b"" if before in (b"INTO", b"TABLE", b".") else token.identifier.lower()
        before = token.keyword or token.text
    if unseen or not selects:
        raise ClickHouseError(
            62,
            "SYNTAX_ERROR",
            "Syntax error: INSERT needs FORMAT or VALUES with rows in the request, or a SELECT; "
            "FROM INFILE and input() are not supported here.",
        )


def multi_statement() -> ClickHouseError:
    """Return the error for more than one statement in a request, in ClickHouse's words."""
    return ClickHouseError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")


@dataclass(frozen=True)
class Outline:
    """What the answer depends on: the statement's first word, its text without FORMAT, and that format's name."""

    verb: bytes
    core: bytes
    format: str | None
    words: frozenset[bytes]


def outline(sql: bytes) -> Outline:
    """Read one statement; ``verb`` and ``words`` (its bare words) are in capitals."""
    found = list(tokens(sql))
    while found and found[-1].text == b";":
        found.pop()
    verb = next((token.keyword for token in found if token.text != b"("), b"")
    words = frozenset(token.keyword for token in found if token.kind == "word")
    end = found[-1].end if found else 0
    # FORMAT closes the statement; only SETTINGS may follow it.
    for place in range(len(found) - 2, 0, -1):
        if found[place].keyword == b"FORMAT":
            name = found[place + 1].identifier
            rest = found[place + 2].keyword if place + 2 < len(found) else b"SETTINGS"
            if name and rest == b"SETTINGS":
                return Outline(verb, sql[: found[place].start], name.decode("latin-1"), words)
            break
    return Outline(verb, sql[:end], None, words)


# Engines that chDB can't run. A failed CREATE of a Kafka table leaves a file behind after which the directory can
# never be opened again, so these never reach the engine.
_ENGINES_REFUSED = frozenset((b"kafka", b"nats", b"rabbitmq"))


def refuse_broken_engines(sql: bytes) -> None:
    """Raise ClickHouseError 48 when the statement names a table engine that would break the data directory."""
    before: tuple[bytes, bytes] = (b"", b"")
    for token in tokens(sql):
        named = before[1] == b"ENGINE" or before == (b"ENGINE", b"=")
        if named and token.identifier.lower() in _ENGINES_REFUSED:
            raise ClickHouseError(
                48,
                "NOT_IMPLEMENTED",
                f"ENGINE = {token.identifier.decode()} is refused by the embedded ClickHouse, because it would make the "
                "data directory unusable: let the sink read the topic, or use a ClickHouse server.",
            )
        before = (before[1], token.keyword or token.text)


_BI_VERBS = frozenset((b"SELECT", b"WITH", b"SHOW", b"DESCRIBE", b"EXISTS"))
_BI_SHOW = frozenset(
    (b"DATABASES", b"TABLES", b"FULL", b"COLUMNS", b"FIELDS", b"CREATE", b"FUNCTIONS", b"SETTINGS", b"SETTING")
)
_BI_SYSTEM_TABLES = frozenset(
    b"one numbers zeros tables columns databases settings functions data_type_families formats table_engines "
    b"table_functions time_zones keywords".split()
)
_BI_TABLE_FUNCTIONS = frozenset(
    b"numbers numbers_mt zeros zeros_mt generateseries generate_series primes values sqlstandardvalues view null "
    b"format generaterandom".split()
)
# Functions that reach beyond the granted data, also by their bare name, as in arrayMap(file, ...).
_BI_NAMES_REFUSED = frozenset(
    b"file eval python executable url remote remotesecure cluster clusterallreplicas merge loop input viewexplain "
    b"catboostevaluate showcertificate getmacro getserversetting addresstoline addresstolinewithinlines "
    b"addresstosymbol queryid initialqueryid zookeepersessionuptime currentrequesturl getclienthttpheader "
    b"authenticateduser filesystemavailable filesystemcapacity filesystemunreserved".split()
)
# These call a model over the network, or read a dictionary or a Join table by a name that grants do not cover.
_BI_FAMILIES_REFUSED = re.compile(rb"(ai|dict)[A-Z]\w*|joinGet\w*")


def check_bi(normalised: bytes, table_functions: Collection[bytes]) -> None:
    """Refuse a statement that a BI user may not run.

    ``normalised`` is one statement as printed by ``formatQuerySingleLine``: no comments, keywords in capitals,
    identifiers quoted with backticks only where needed. ``table_functions`` are the engine's, in small letters: all
    that are not known as harmless are refused, also those of a later release.

    Raises ClickHouseError 497 (ACCESS_DENIED), naming what was refused.
    """
    found = list(tokens(normalised))
    verb = next((token.keyword for token in found if token.text != b"("), b"")
    if verb not in _BI_VERBS:
        raise _denied("only SELECT, WITH, SHOW, DESCRIBE and EXISTS are open to this user")
    if verb == b"SHOW" and (len(found) < 2 or found[1].keyword not in _BI_SHOW):
        raise _denied("this SHOW is not open to this user")
    for place, token in enumerate(found):
        following = found[place + 1].text if place + 1 < len(found) else b""
        name = token.identifier
        if token.kind == "word" and token.text == b"SETTINGS" and verb != b"SHOW":
            raise _denied("SETTINGS in a query are not open to this user")
        if token.text == b"INTO" and following == b"OUTFILE":
            raise _denied("INTO OUTFILE is not open to this user")
        if token.text == b":" and following == b"Identifier":
            raise _denied("a parameter of the type Identifier is not open to this user")
        if name.lower() in _BI_NAMES_REFUSED or _BI_FAMILIES_REFUSED.fullmatch(name):
            raise _denied(f"the name {name.decode(errors='replace')!r} is not open to this user")
        if following == b"(" and name.lower() in table_functions and name.lower() not in _BI_TABLE_FUNCTIONS:
            raise _denied(f"the table function {name.decode(errors='replace')!r} is not open to this user")
        if name == b"system" and following == b"." and place + 2 < len(found):
            table = found[place + 2].identifier
            if table not in _BI_SYSTEM_TABLES:
                raise _denied(f"the table system.{table.decode(errors='replace')} is not open to this user")


def _denied(what: str) -> ClickHouseError:
    return ClickHouseError(497, "ACCESS_DENIED", f"Not enough privileges: {what}. Read the views of your database.")


# Settings of a request that change how an answer looks, nothing else. Clients send these at connect.
_BI_SETTINGS = frozenset(
    [
        "cancel_http_readonly_queries_on_client_close",
        "cast_string_to_dynamic_use_inference",
        "date_time_input_format",
        "date_time_output_format",
        "extremes",
        "http_headers_progress_interval_ms",
        "join_use_nulls",
        "max_block_size",
        "max_threads",
        "output_format_json_named_tuples_as_objects",
        "output_format_json_quote_64bit_floats",
        "output_format_json_quote_64bit_integers",
        "output_format_json_quote_decimals",
        "output_format_json_quote_denormals",
        "output_format_native_encode_types_in_binary_format",
        "output_format_write_statistics",
        "result_overflow_mode",
        "send_progress_in_http_headers",
        "session_timezone",
    ]
)


def bi_limits(limits: Limits) -> dict[str, int]:
    """Return the settings that hold a reader's query within its limits."""
    return {
        "max_execution_time": limits.seconds,
        "max_result_rows": limits.result_rows,
        "max_memory_usage": limits.memory_mib << 20,
    }


def bi_settings(settings: dict[str, str], limits: dict[str, int]) -> dict[str, str]:
    """Return the settings a BI request runs with: those of the allow-list, and the limits, lowered where asked for.

    Raises ClickHouseError 164 (READONLY), naming the setting, for any other.
    """
    allowed: dict[str, str] = {}
    for name, value in settings.items():
        if name in limits:
            continue
        if name not in _BI_SETTINGS:
            raise ClickHouseError(
                164, "READONLY", f"Cannot modify {name[:80]!r} setting in readonly mode: leave it out of the request."
            )
        allowed[name] = value
    for name, limit in limits.items():
        asked = settings.get(name, "")
        lower = asked.isascii() and asked.isdigit() and 0 < int(asked) < limit
        allowed[name] = asked if lower else str(limit)
    return allowed
