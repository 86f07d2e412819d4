"""Questions to a relational database: read only, bounded in time, and off the event loop."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg.types import datetime as psycopg_datetime
from psycopg.types import json as psycopg_json
from psycopg.types import string as psycopg_string
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from connectors.readers.loop import SourceError
from profiles.sources import SqlSource

#: What makes a transaction read only and its statements finite, by SQLAlchemy's name of the database; {ms}, {s}: the limit.
_SESSION: Final[dict[str, tuple[str, ...]]] = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = {ms}"),
    "mysql": ("SET SESSION MAX_EXECUTION_TIME = {ms}", "START TRANSACTION READ ONLY"),
    "mariadb": ("SET SESSION max_statement_time = {s}", "START TRANSACTION READ ONLY"),
    "oracle": ("SET TRANSACTION READ ONLY",),
    "dm": ("SET TRANSACTION READ ONLY",),
}
#: A line that was cut without a word is noticed after a minute.
_CONNECT: Final[dict[str, dict[str, int]]] = {
    "postgresql": {"connect_timeout": 10, "keepalives_idle": 20, "keepalives_interval": 10, "tcp_user_timeout": 60_000},
    "mysql": {"connect_timeout": 10},
    "mariadb": {"connect_timeout": 10},
}
#: A URL without a driver means the one that is installed with the hub.
_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mysql": "mysql+pymysql"}
#: Seconds over a statement's own limit after which the answer is not waited for any more.
_GRACE_S: Final = 90.0


def _tolerant(connection: Any, _record: object) -> None:
    """Values that Python has none for (infinity, the year 12025, 24:00, JSON without an end) come as the text they are, text
    that its encoding can't be comes as bytes, and none fails its page.
    """
    for name, kind in _LOADERS.items():
        connection.adapters.register_loader(name, kind)


def _or_text(loader: type[Any]) -> type[Any]:
    class Tolerant(loader):  # type: ignore[misc]
        def load(self, data: Any) -> Any:
            try:
                return super().load(data)
            except (psycopg.DataError, ValueError, OverflowError, RecursionError):
                try:
                    return bytes(data).decode()
                except UnicodeDecodeError:
                    return bytes(data)

    return Tolerant


_LOADERS: Final = {
    "date": _or_text(psycopg_datetime.DateLoader),
    "time": _or_text(psycopg_datetime.TimeLoader),
    "timetz": _or_text(psycopg_datetime.TimetzLoader),
    "timestamp": _or_text(psycopg_datetime.TimestampLoader),
    "timestamptz": _or_text(psycopg_datetime.TimestamptzLoader),
    "interval": _or_text(psycopg_datetime.IntervalLoader),
    "json": _or_text(psycopg_json.JsonLoader),
    "jsonb": _or_text(psycopg_json.JsonbLoader),
    **dict.fromkeys(("text", "varchar", "bpchar"), _or_text(psycopg_string.TextLoader)),
}


class Database:
    """One database behind a DSN (SQLAlchemy's URL). Each question has a connection and a transaction of its own: polling is
    rare, and nothing is held while Kafka is waited for. Raises ValueError for a DSN that can't be used, without telling it.
    """

    def __init__(self, dsn: str, password: str | None, timeout_s: float) -> None:
        url = _url(dsn, password)
        self._timeout_s = timeout_s
        self._busy = False
        try:
            self._engine = sa.create_engine(
                url,
                poolclass=NullPool,
                hide_parameters=True,
                connect_args=_CONNECT.get(url.get_backend_name(), {}),
            )
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            name = url.drivername
            raise ValueError(f"no driver for {name} ({type(error).__name__}); install it beside the hub") from None
        if url.get_driver_name() == "psycopg":
            sa.event.listen(self._engine, "connect", _tolerant)
        limit = {"ms": int(timeout_s * 1000), "s": timeout_s}
        self._session = [text.format(**limit) for text in _SESSION.get(url.get_backend_name(), ())]

    def relation(self, source: SqlSource) -> tuple[sa.FromClause, Any, Any]:
        """What is read, and its columns key and clock (the key again where there is no clock)."""
        columns: list[sa.ColumnClause[Any]] = [
            sa.column(name) for name in dict.fromkeys((source.key, source.clock or source.key))
        ]
        rows: sa.FromClause
        if source.query:
            rows = sa.text(source.query).columns(*columns).subquery("feed")
        else:
            schema, _, name = source.table.rpartition(".")
            rows = sa.table(name, *columns, schema=schema or None)
        return rows, rows.c[source.key], rows.c[source.clock or source.key]

    async def rows(self, question: sa.Select[Any]) -> Sequence[Mapping[str, Any]]:
        """The answer's rows by column name. Raises SourceError, which quotes neither question nor values."""
        try:
            async with asyncio.timeout(self._timeout_s + _GRACE_S):
                return await self._aside(lambda: self._ask(question))
        except TimeoutError:
            raise SourceError("the database does not answer") from None
        except sa.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            told = type(error.orig).__name__ + (f", SQLSTATE {state}" if state else "")
            raise SourceError(f"the database refused or broke off ({told}); docs/feeds/sql.md says more") from None
        except sa.exc.SQLAlchemyError as error:
            raise SourceError(
                f"the question can't be asked ({type(error).__name__}); check table, query, columns"
            ) from None

    def _ask(self, question: sa.Select[Any]) -> Sequence[Mapping[str, Any]]:
        with self._engine.connect() as connection, connection.begin():
            for statement in self._session:
                connection.execute(sa.text(statement))
            return [dict(row) for row in connection.execute(question).mappings()]

    async def _aside(self, ask: Callable[[], Sequence[Mapping[str, Any]]]) -> Sequence[Mapping[str, Any]]:
        """Runs in a thread that neither other sources nor the end of the process wait for."""
        if self._busy:
            raise SourceError("the database has not answered the question before this one yet")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Mapping[str, Any]]] = loop.create_future()

        def finish(rows: Sequence[Mapping[str, Any]] | None, error: Exception | None) -> None:
            if answer.done():  # nobody waits any more
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(rows or [])

        def work() -> None:
            rows, failed = None, None
            try:
                rows = ask()
            except Exception as error:
                failed = error
            self._busy = False
            if not loop.is_closed():
                loop.call_soon_threadsafe(finish, rows, failed)

        self._busy = True
        threading.Thread(target=work, name="database", daemon=True).start()
        return await answer


def _url(dsn: str, password: str | None) -> URL:
    try:
        url = make_url(dsn)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError("dsn must be a database URL, as in postgresql://reader@host:5432/database") from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    return url.set(password=password) if password and not url.password else url
