"""The chDB engine behind the HTTP interface: one handle per request, settings, roles, results, cancelling.

chDB mixes up query parameters and settings of threads that share a handle, so no two requests ever do; opening a
handle costs 0.2 ms. A handle runs one statement at a time and may be used by different threads one after the other.
"""

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb

from hub.clickhouse_embedded import gate
from hub.clickhouse_embedded.errors import ClickHouseError
from hub.clickhouse_embedded.users import config_xml, users_xml
from profiles.access import Reader, SecuritySpec

# Formats whose blocks can be sent one behind the other: chDB streams each block as a document of its own, with its
# own header (CSVWithNames) or frame (JSON, Arrow), so all others are answered whole.
STREAMED = frozenset(
    [
        "CSV",
        "JSONCompactEachRow",
        "JSONEachRow",
        "Native",
        "RowBinary",
        "TSKV",
        "TSV",
        "TSVRaw",
        "TabSeparated",
        "TabSeparatedRaw",
    ]
)

# What chdb itself stands on and exports; its own Connection would load pyarrow for nothing.
_chdb: Any = chdb._chdb

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
# What chDB sets otherwise than a server does: "1 + 1" as a query, and functions that read the process's memory.
_AS_A_SERVER = {"implicit_select": "0", "allow_introspection_functions": "0"}

# What the engine adds to the text of an error about an insert's rows: to the client they are no file.
_OF_FILE = re.compile(r": \(in file/uri [^)]*\)|: While executing File: data for INSERT was parsed from file\b")
_TAG = "zhishu:"


@dataclass(frozen=True)
class Summary:
    """What X-ClickHouse-Summary tells about a finished query."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0

    def header(self) -> str:
        """Return the header's JSON; ClickHouse writes its numbers as strings."""
        return json.dumps({**{k: str(v) for k, v in vars(self).items()}, "total_rows_to_read": "0"})


@dataclass
class Session:
    """A client's session of the user ``hub``: its own handle, with its temporary tables and its SET statements."""

    handle: "Handle | None" = None
    statements: list[bytes] = field(default_factory=list)
    of_request: set[str] = field(default_factory=set)

    def close(self) -> None:
        """Drop the session's state."""
        if self.handle is not None:
            self.handle.close()
            self.handle = None


@dataclass(frozen=True)
class Request:
    """One query as it came over HTTP, after authentication; ``text`` holds the statement and any rows behind it.

    ``reader`` tells what its user may read; None for the user ``hub``, who may do everything.
    """

    text: bytes
    tag: str
    reader: Reader | None = None
    database: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    default_format: str = "TabSeparated"
    may_stream: bool = False
    read_only: bool = False
    session: Session | None = None


@dataclass(frozen=True)
class Answer:
    """A finished query: its result, and the result's format (None where the statement has no result)."""

    body: bytes
    format: str | None
    summary: Summary


class Stream:
    """A running SELECT whose result is fetched block by block; close it in any case."""

    def __init__(self, handle: "Handle", result: Any, first: bytes, form: str, close: Callable[[], None]) -> None:
        """``first`` is the first block, already fetched; ``close`` gives the handle back."""
        self.first = first
        self.format = form
        self._handle = handle
        self._result = result
        self._close = close
        self._open = True
        self._lock = threading.Lock()  # a client may leave while a block is being fetched

    def fetch(self) -> bytes:
        """Return the next block, empty at the end and after :meth:`close`; raises ClickHouseError."""
        with self._lock:
            return self._handle.fetch(self._result) if self._open else b""

    def close(self) -> None:
        """Stop the query and give the handle back; no effect the second time."""
        with self._lock:
            if self._open:
                self._open = False
                try:
                    self._handle.cancel(self._result)
                finally:
                    self._close()


class Handle:
    """One chDB handle: its state (settings, database, role) belongs to one request or one session."""

    def __init__(self, connection: str) -> None:
        """Open a handle to the engine of this process; raises ClickHouseError."""
        self._chdb = _guard(_chdb.connect, connection)

    def query(self, sql: bytes, form: str = "TabSeparated", params: Mapping[str, str] | None = None) -> Any:
        """Run one statement (or several of ours) and return chDB's result; raises ClickHouseError."""
        return _guard(self._chdb.query, sql, form, params=dict(params or {}))

    def start(self, sql: bytes, form: str, params: Mapping[str, str]) -> Any:
        """Start a SELECT whose blocks are fetched one by one; raises ClickHouseError."""
        return _guard(self._chdb.send_query, sql, form, params=dict(params))

    def fetch(self, result: Any) -> bytes:
        """Return the next block of a started SELECT, empty at its end; raises ClickHouseError."""
        block = _guard(self._chdb.streaming_fetch_result, result)
        return bytes(block.bytes()) if block.rows_read() else b""

    def cancel(self, result: Any) -> None:
        """Stop a started SELECT; no effect when it has ended."""
        _guard(self._chdb.streaming_cancel_query, result)

    def insert(self, insert: gate.Insert, params: Mapping[str, str]) -> Any:
        """Insert rows in their input format and return chDB's result; nothing in the rows is ever read as SQL.

        Raises ClickHouseError, also for what fails after the rows were read (chDB's ``send_insert`` reports success
        then, and the rows are gone).
        """
        try:
            with _file_of(insert.data) as path:
                return self.query(insert.from_file(path), params=params)
        except ClickHouseError as error:
            raise ClickHouseError(error.code, error.name, _OF_FILE.sub("", error.text)) from None

    def classify(self, sql: bytes) -> tuple[str, int]:
        """Return the engine's class of the statement (READ_ONLY, MUTATING, ...) and how many statements it sees."""
        seen = self._chdb.classify_query(sql)
        return str(seen["query_class"].name), int(seen["statement_count"])

    def normalise(self, sql: bytes) -> bytes:
        """Return one statement as the engine's parser prints it; raises ClickHouseError 62 (SYNTAX_ERROR)."""
        try:
            printed = self.query(
                b"SELECT formatQuerySingleLine(base64Decode({q:String}))",
                "RawBLOB",
                {"q": base64.b64encode(sql).decode()},
            )
        except ClickHouseError as error:
            # The engine's text goes on with our own query around the client's.
            raise ClickHouseError(error.code, error.name, error.text.split(": In scope SELECT formatQ")[0]) from None
        return bytes(printed.bytes())

    def close(self) -> None:
        """Give the handle back to the engine."""
        self._chdb.close()


@contextmanager
def _file_of(rows: memoryview) -> Iterator[str]:
    """Put rows into a file in memory, and yield a path under which only this process and its user can open it.

    It has no name in any directory and goes with its descriptor, so that a crash leaves nothing behind.
    """
    with open(os.memfd_create("rows"), "wb") as file:
        file.write(rows)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _guard(call: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Call chDB and turn what it raises into ClickHouseError."""
    try:
        return call(*args, **named)
    except (RuntimeError, UnicodeDecodeError) as error:
        raise ClickHouseError.of_engine(error) from None


class Engine:
    """The one engine of this process; its methods may be called from any thread."""

    def __init__(self, directory: Path, memory_bytes: int, access: SecuritySpec) -> None:
        """Open (or create) the data under ``directory``; the process must run with TZ=UTC. ``access`` has the roles.

        Raises ClickHouseError when the engine can't open it; the reason is in the log of this process.
        """
        directory.mkdir(parents=True, exist_ok=True)
        users, config = directory / "users.xml", directory / "config.xml"
        users.write_text(users_xml(access))
        config.write_text(config_xml(str(users), memory_bytes))
        self._connection = f"{directory / 'engine'}?config-file={config}"
        # The engine lives as long as a handle does: this one is kept open, and used for nothing else.
        self._anchor = Handle(self._connection)
        self.version, self.time_zone = self._text("SELECT version(), timezone()").split("\t")
        names = self._text("SELECT lower(name) FROM system.table_functions")
        self._table_functions = frozenset(name.encode() for name in names.split())

    def close(self) -> None:
        """Close the engine; no request may be running."""
        self._anchor.close()

    def run(self, request: Request) -> Answer | Stream:
        """Run one request to its end, or to the first block where it may stream; raises ClickHouseError."""
        insert = gate.split_insert(request.text)
        sql = insert.statement if insert else request.text
        handle, release = self._handle(request)
        try:
            kind, count = handle.classify(sql)
            if count != 1 or kind == "UNKNOWN":
                handle.normalise(sql)  # raises what is wrong with it
                raise gate.multi_statement()
            if kind != "READ_ONLY":
                gate.refuse_broken_engines(sql)
                if insert is None:
                    gate.refuse_unseen_rows(sql)
                if request.read_only:
                    raise ClickHouseError(
                        164, "READONLY", "Cannot execute query in readonly mode. Method GET implies readonly: use POST."
                    )
            if request.reader:
                gate.check_bi(handle.normalise(sql), self._table_functions)
                if kind != "READ_ONLY":
                    raise ClickHouseError(497, "ACCESS_DENIED", "Not enough privileges: this user may only read.")
            self._prepare(handle, request)
            answer = self._insert(handle, request, insert) if insert else self._query(handle, request, kind, release)
        except BaseException:
            release()
            raise
        if isinstance(answer, Answer):
            release()
        return answer

    def kill(self, tag: str) -> None:
        """Cancel the SELECT of the request with this tag, if one is running; writes are left to end."""
        handle = Handle(self._connection)
        try:
            mark = _literal(_TAG + tag)
            handle.query(b"KILL QUERY WHERE query_kind = 'Select' AND Settings['log_comment'] = " + mark + b" ASYNC")
        finally:
            handle.close()

    def _text(self, sql: str) -> str:
        handle = Handle(self._connection)
        try:
            return bytes(handle.query(sql.encode()).bytes()).decode().strip()
        finally:
            handle.close()

    def _handle(self, request: Request) -> tuple[Handle, Callable[[], None]]:
        """Return the request's handle and what gives it back."""
        session = request.session
        if session is None:
            handle = Handle(self._connection)
            return handle, handle.close
        if session.handle is None:
            session.handle = Handle(self._connection)
        elif session.of_request:
            # What the last request set for itself ends with it; what the session itself has SET or USEd stays.
            reset = ", ".join(f"{name} = DEFAULT" for name in session.of_request)
            session.handle.query(f"SET {reset}; USE default".encode())
            for statement in session.statements:
                session.handle.query(statement)
            session.of_request.clear()
        return session.handle, lambda: None

    def _prepare(self, handle: Handle, request: Request) -> None:
        """Give the handle the request's settings, database and role."""
        settings = {name: value for name, value in request.settings.items() if name != "log_comment"}
        database = request.database
        reader = request.reader
        if reader:
            settings = gate.bi_settings(settings, gate.bi_limits(reader.limits))
            if database not in ("", reader.database):
                raise ClickHouseError(
                    497,
                    "ACCESS_DENIED",
                    f"Not enough privileges: connect this user to the database {reader.database!r}.",
                )
            database = reader.database
        for name in settings:
            if not _NAME.fullmatch(name):
                raise ClickHouseError(115, "UNKNOWN_SETTING", f"Unknown setting {name[:80]!r}.")
        settings = _AS_A_SERVER | settings | {"log_comment": _TAG + request.tag}
        handle.query(b"SET " + b", ".join(name.encode() + b" = " + _literal(value) for name, value in settings.items()))
        if request.session is not None:
            request.session.of_request.update(settings)
        if database:
            handle.query(b"USE " + _quoted(database))
        if reader:
            handle.query(f"SET ROLE {reader.role}; SET readonly = 1".encode())

    def _insert(self, handle: Handle, request: Request, insert: gate.Insert) -> Answer:
        done = handle.insert(insert, request.params)
        summary = Summary(
            written_rows=done.rows_written(),
            written_bytes=done.bytes_written(),
            result_rows=done.rows_written(),
            elapsed_ns=int(done.elapsed() * 1e9),
        )
        return Answer(b"", None, summary)

    def _query(self, handle: Handle, request: Request, kind: str, release: Callable[[], None]) -> Answer | Stream:
        seen = gate.outline(request.text)
        form = seen.format or request.default_format
        selects = kind == "READ_ONLY" and seen.verb in (b"SELECT", b"WITH")
        # chDB loses totals and extremes when it streams.
        extra = b"TOTALS" in seen.words or b"EXTREMES" in seen.words or "extremes" in request.settings
        if selects and request.may_stream and form in STREAMED and not extra:
            result = handle.start(request.text, form, request.params)
            first = handle.fetch(result)
            if not first and form == "Native":
                handle.cancel(result)
                first = self._native_header(handle, request, seen)
            return Stream(handle, result, first, form, release)
        result = handle.query(request.text, form, request.params)
        body = bytes(result.bytes())
        if request.session is not None and seen.verb in (b"SET", b"USE"):
            request.session.statements.append(request.text)
        if not body and form == "Native" and kind == "READ_ONLY":
            body = self._native_header(handle, request, seen)
        summary = Summary(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=len(body),
            elapsed_ns=int(result.elapsed() * 1e9),
        )
        return Answer(body, form if body or kind == "READ_ONLY" else None, summary)

    def _native_header(self, handle: Handle, request: Request, seen: gate.Outline) -> bytes:
        """Return the block without rows that tells an empty result's columns; chDB leaves it out."""
        if seen.verb in (b"SELECT", b"WITH"):
            described = handle.query(b"DESCRIBE (" + seen.core + b"\n)", "JSONCompact", request.params)
            columns = [row[:2] for row in json.loads(described.bytes())["data"]]
        else:
            again = handle.query(seen.core, "JSONCompact", request.params)
            columns = [[column["name"], column["type"]] for column in json.loads(again.bytes())["meta"]]
        return _varint(len(columns)) + _varint(0) + b"".join(_string(text) for column in columns for text in column)


def _literal(text: str) -> bytes:
    """Return an SQL string literal; what came as other bytes than UTF-8 keeps its bytes."""
    raw = text.encode(errors="surrogateescape")
    return b"'" + raw.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0") + b"'"


def _quoted(name: str) -> bytes:
    return b"`" + name.encode(errors="surrogateescape").replace(b"\\", b"\\\\").replace(b"`", b"\\`") + b"`"


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _string(text: str) -> bytes:
    raw = text.encode()
    return _varint(len(raw)) + raw
