"""One engine for all tests of this folder, and what they need to talk to it."""

import http.client
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import clickhouse_connect
import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.process import LOOPBACK
from profiles.access import SecuritySpec
from sinks.access import BARRIER

#: Beside `bi`, who sees all: `li` sees a part, and asks no more than ten times an hour where `wu` does.
ACCESS = SecuritySpec.model_validate(
    {
        "role": {
            "west": {"streets": ["1"], "limits": {"seconds": 5, "result_rows": 10_000, "memory_mib": 64}},
            "east": {"streets": ["2"], "limits": {"queries_per_hour": 10}},
        },
        "user": {"li": {"role": "west"}, "wu": {"role": "east"}},
    }
)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int | None:
        """ClickHouse's error code."""
        code = self.headers.get("x-clickhouse-exception-code")
        return None if code is None else int(code)


def ask(
    server: EmbeddedClickHouse,
    body: bytes | str = b"",
    *,
    who: str | None = "hub",
    method: str = "POST",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    **url: Any,
) -> Reply:
    """Send one plain HTTP request as the user ``who`` (None: as nobody); ``url`` becomes its parameters."""
    connection = http.client.HTTPConnection(LOOPBACK, server.port, timeout=60)
    sent = dict(headers or {})
    if who is not None:
        sent |= {"X-ClickHouse-User": who, "X-ClickHouse-Key": server.passwords[who]}
    try:
        target = f"{path}?{urlencode(url)}" if url else path
        connection.request(method, target, body.encode() if isinstance(body, str) else body, sent)
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def connect(server: EmbeddedClickHouse, user: str = "hub", **named: Any) -> Any:
    """Return a clickhouse-connect client."""
    named = {"autogenerate_session_id": False} | named
    return clickhouse_connect.get_client(
        host=LOOPBACK, port=server.port, username=user, password=server.passwords[user], **named
    )


def _part(database: str, place: int) -> str:
    """A view as sinks.access makes them, of one place."""
    return (
        f"CREATE VIEW {database}.places DEFINER = default SQL SECURITY DEFINER "
        f"AS SELECT * FROM bi.places WHERE id = {place} {BARRIER}"
    )


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """Run the engine, with the databases hub and bi, one table, and one view of it that BI may read."""
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse"), access=ACCESS) as server:
        for sql in (
            "CREATE DATABASE hub",
            "CREATE DATABASE bi",
            "CREATE TABLE hub.secret (id UInt64, phone String, place String) ENGINE = MergeTree ORDER BY id",
            "INSERT INTO hub.secret VALUES (1, '13800000000', '城关'), (2, '13900000000', '河东')",
            "CREATE VIEW bi.places DEFINER = default SQL SECURITY DEFINER AS SELECT id, place FROM hub.secret",
            "CREATE DATABASE bi_west",
            _part("bi_west", 1),
            "CREATE DATABASE bi_east",
            _part("bi_east", 2),
        ):
            assert ask(server, sql).status == 200
        yield server


@pytest.fixture
def hub(clickhouse: EmbeddedClickHouse) -> Iterator[Any]:
    """Return a client of the user hub, without a session."""
    client = connect(clickhouse)
    yield client
    client.close()


@pytest.fixture
def bi(clickhouse: EmbeddedClickHouse) -> Iterator[Any]:
    """Return a client of the user bi."""
    client = connect(clickhouse, "bi", database="bi")
    yield client
    client.close()


_numbers = itertools.count(1)


@pytest.fixture
def table(clickhouse: EmbeddedClickHouse) -> Iterator[Callable[..., str]]:
    """Return a maker of tables in hub: columns, settings, partition in, the table's name out; they go with the test."""
    made: list[str] = []

    def make(columns: str = "a Int64, b String", settings: str = "", partition: str = "tuple()") -> str:
        name = f"hub.t{next(_numbers)}"
        extra = f" SETTINGS {settings}" if settings else ""
        engine = f"MergeTree PARTITION BY {partition} ORDER BY tuple()"
        reply = ask(clickhouse, f"CREATE TABLE {name} ({columns}) ENGINE = {engine}{extra}")
        assert reply.status == 200, reply.body
        made.append(name)
        return name

    yield make
    for name in made:
        ask(clickhouse, f"DROP TABLE IF EXISTS {name}")
