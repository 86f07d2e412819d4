"""The clients people use: clickhouse-connect, sync and async, and SQLAlchemy."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import clickhouse_connect
import pandas as pd
import pytest
import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import DatabaseError, DataError, StreamFailureError

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.process import LOOPBACK
from tests.clickhouse_embedded.conftest import connect

pytestmark = pytest.mark.clickhouse

Make = Callable[..., str]

ROWS = [[number, f"第{number}件"] for number in range(1000)]


@pytest.mark.parametrize("compress", [True, False, "lz4", "zstd", "gzip"])
def test_rows_written_are_read_back_in_every_compression(
    clickhouse: EmbeddedClickHouse, table: Make, compress: bool | str
) -> None:
    client = connect(clickhouse, compress=compress)
    name = table()
    assert client.insert(name, ROWS, column_names=["a", "b"]).written_rows == 1000
    assert [list(row) for row in client.query(f"SELECT a, b FROM {name} ORDER BY a").result_rows] == ROWS
    client.close()


def test_parameters_frames_streams_and_raw_inserts_work(hub: Any, table: Make) -> None:
    name = table()
    hub.insert_df(name, pd.DataFrame({"a": [1, 2], "b": ["x", "it's\t\\"]}))
    hub.raw_insert(name, ["a", "b"], b"3,z\n", fmt="CSV")
    found = hub.query(f"SELECT b FROM {name} WHERE a IN {{ids:Array(Int64)}} ORDER BY a", parameters={"ids": [2, 3]})
    assert found.result_rows == [("it's\t\\",), ("z",)]
    assert hub.query("SELECT {v:String}, {n:Nullable(Int8)}", parameters={"v": "a\nb", "n": None}).result_rows == [
        ("a\nb", None)
    ]
    assert list(hub.query_df(f"SELECT a FROM {name} ORDER BY a")["a"]) == [1, 2, 3]
    assert hub.query(f"SELECT a, b FROM {name} WHERE a > 99").column_names == ("a", "b")
    assert hub.query(f"SELECT a, b FROM {name} LIMIT 0").column_names == ("a", "b")
    assert hub.command(f"SELECT count() FROM {name}") == 3
    assert hub.raw_query(f"SELECT a FROM {name} ORDER BY a", fmt="CSV") == b"1\n2\n3\n"
    with hub.query_row_block_stream("SELECT number FROM numbers(200000)") as blocks:
        assert sum(len(block) for block in blocks) == 200_000


def test_bad_values_are_the_clients_own_error_and_insert_nothing(hub: Any, table: Make) -> None:
    name = table("a Int8, b String")
    with pytest.raises(DataError, match="column `a`"):
        hub.insert(name, [[1, "x"], [1000, "y"]], column_names=["a", "b"])
    assert hub.command(f"SELECT count() FROM {name}") == 0


def test_an_error_in_the_middle_of_a_stream_reaches_the_reader(hub: Any) -> None:
    sql = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000)"
    seen: list[int] = []

    def read() -> None:
        with hub.query_row_block_stream(sql, settings={"max_threads": 1}) as blocks:
            seen.extend(len(block) for block in blocks)

    with pytest.raises((StreamFailureError, DatabaseError), match="throwIf"):
        read()
    assert 0 < sum(seen) < 4_000_000


def test_a_client_with_a_session_keeps_its_temporary_table(clickhouse: EmbeddedClickHouse) -> None:
    client = connect(clickhouse, autogenerate_session_id=True)
    client.command("CREATE TEMPORARY TABLE mine (a Int64)")
    client.insert("mine", [[1], [2]], column_names=["a"], column_type_names=["Int64"])
    assert client.command("SELECT sum(a) FROM mine") == 3
    client.close()


def test_long_parameters_travel_in_form_fields(clickhouse: EmbeddedClickHouse) -> None:
    client = connect(clickhouse, form_encode_query_params=True)
    value = "长" * 100_000
    assert client.query("SELECT length({v:String})", parameters={"v": value}).result_rows == [(300_000,)]
    client.close()


def test_many_async_queries_and_inserts_run_at_once(clickhouse: EmbeddedClickHouse, table: Make) -> None:
    name = table()

    async def run() -> list[int]:
        client = await clickhouse_connect.get_async_client(
            host=LOOPBACK,
            port=clickhouse.port,
            username="hub",
            password=clickhouse.passwords["hub"],
            autogenerate_session_id=False,
        )
        await asyncio.gather(*(client.insert(name, [[n, str(n)]], column_names=["a", "b"]) for n in range(20)))
        sql = f"SELECT a FROM {name} WHERE b = {{b:String}}"
        found = await asyncio.gather(*(client.query(sql, parameters={"b": str(n)}) for n in range(20)))
        async with await client.query_row_block_stream("SELECT number FROM numbers(100000)") as blocks:
            streamed = 0
            async for block in blocks:
                streamed += len(block)
        assert streamed == 100_000
        await client.close()
        return [answer.result_rows[0][0] for answer in found]

    assert asyncio.run(run()) == list(range(20))


def test_a_reader_of_a_part_asks_asynchronously(clickhouse: EmbeddedClickHouse) -> None:
    async def run() -> list[Any]:
        client = await clickhouse_connect.get_async_client(
            host=LOOPBACK,
            port=clickhouse.port,
            username="li",
            password=clickhouse.passwords["li"],
            database="bi_west",
            autogenerate_session_id=False,
        )
        found = await asyncio.gather(*(client.query("SELECT place FROM places") for _ in range(8)))
        with pytest.raises(DatabaseError):
            await client.query("SELECT place FROM bi.places")
        await client.close()
        return [answer.result_rows for answer in found]

    assert asyncio.run(run()) == [[("城关",)]] * 8


def test_times_keep_their_zone(hub: Any, table: Make) -> None:
    name = table("a DateTime64(3, 'UTC')")
    moment = dt.datetime(2024, 2, 29, 12, 30, 15, 250_000, tzinfo=dt.UTC)
    hub.insert(name, [[moment]], column_names=["a"])
    answer = hub.query(f"SELECT a FROM {name}", tz_mode="aware")
    assert answer.result_rows == [(moment,)]
    assert answer.result_rows[0][0].utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize(("user", "database", "known"), [("bi", "bi", "河东"), ("li", "bi_west", "城关")])
def test_sqlalchemy_as_a_reader_lists_its_views_and_reads_them(
    clickhouse: EmbeddedClickHouse, user: str, database: str, known: str
) -> None:
    password = quote(clickhouse.passwords[user], safe="")
    engine = sa.create_engine(f"clickhousedb://{user}:{password}@{LOOPBACK}:{clickhouse.port}/{database}")
    inspector = sa.inspect(engine)
    assert database in inspector.get_schema_names()
    assert not ({"hub", "bi", "bi_east"} - {database}) & set(inspector.get_schema_names())
    assert "places" in inspector.get_view_names() + inspector.get_table_names()
    assert [column["name"] for column in inspector.get_columns("places")] == ["id", "place"]
    places = sa.Table("places", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        found = connection.execute(sa.select(places.c.place).where(places.c.place == known)).all()
        assert [tuple(row) for row in found] == [(known,)]
        frame = pd.read_sql("SELECT place FROM places ORDER BY id", connection)
        assert list(frame["place"]) == (["城关", "河东"] if user == "bi" else ["城关"])
    engine.dispose()
