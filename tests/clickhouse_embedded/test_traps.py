"""The traps of the embedded engine that once cost days, each held shut over HTTP by a test with its number.

Trap 5 (ways out for BI users) is in test_bi.py; traps 4 and 9 (the data directory) in test_process.py.
"""

import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from hub.clickhouse_embedded import EmbeddedClickHouse
from tests.clickhouse_embedded.conftest import ask, connect

pytestmark = pytest.mark.clickhouse

Make = Callable[..., str]


@pytest.mark.parametrize("where", ["command", "raw_insert", "one body", "url and body", "values"])
def test_rows_with_blank_lines_are_inserted_and_never_executed(
    clickhouse: EmbeddedClickHouse, hub: Any, table: Make, where: str
) -> None:
    """Trap 1: chDB ends inline data at the first blank line and runs the rest as SQL."""
    victim, name = table(), table()
    text = f"x\n\nDROP TABLE {victim};\n\nSELECT 1"
    row = f'1,"{text}"\n'
    if where == "command":
        hub.command(f"INSERT INTO {name} FORMAT CSV", data=row)
    elif where == "raw_insert":
        hub.raw_insert(name, ["a", "b"], row.encode(), fmt="CSV")
    elif where == "one body":
        assert ask(clickhouse, f"INSERT INTO {name} FORMAT CSV\n{row}").status == 200
    elif where == "url and body":
        assert ask(clickhouse, row, query=f"INSERT INTO {name} FORMAT CSV").status == 200
    else:
        assert ask(clickhouse, f"INSERT INTO {name} VALUES\n\n(1, '{text}')\n\n").status == 200
    assert hub.query(f"SELECT a, b FROM {name}").result_rows == [(1, text)]
    assert hub.command(f"EXISTS TABLE {victim}") == 1


def test_native_rows_with_blank_lines_are_inserted(hub: Any, table: Make) -> None:
    """Trap 1: the binary format broke on a blank line in a text."""
    victim, name = table(), table()
    rows = [[number, f"\n\nDROP TABLE {victim}\n\n;"] for number in range(100)]
    hub.insert(name, rows, column_names=["a", "b"])
    assert [list(row) for row in hub.query(f"SELECT a, b FROM {name} ORDER BY a").result_rows] == rows
    assert hub.command(f"EXISTS TABLE {victim}") == 1


@pytest.mark.parametrize("user", ["hub", "bi"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DROP TABLE {victim}",
        "SELECT 1;DROP TABLE {victim};",
        "SELECT 1;\n\n/* x */ DROP TABLE {victim}",
        "DROP TABLE {victim}; SELEC (",
        "SET max_threads = 1; DROP TABLE {victim}",
        "INSERT INTO {victim} VALUES (1, 'x'); DROP TABLE {victim}",
        "INSERT INTO {victim} SELECT 1, 'x'; DROP TABLE {victim}",
    ],
)
def test_more_than_one_statement_is_refused_before_any_runs(
    clickhouse: EmbeddedClickHouse, table: Make, sql: str, user: str
) -> None:
    """Trap 2: chDB runs them all."""
    victim = table()
    reply = ask(clickhouse, sql.format(victim=victim), who=user)
    assert (reply.status, reply.code) == (400, 62), reply.body
    assert ask(clickhouse, f"SELECT count() FROM {victim}").body == b"0\n"


def test_a_closing_semicolon_is_no_second_statement(clickhouse: EmbeddedClickHouse) -> None:
    """Trap 2: what is refused is a second statement, not the end of the first."""
    assert ask(clickhouse, "SELECT 1;").body == b"1\n"


def test_concurrent_readers_get_their_own_parameters(clickhouse: EmbeddedClickHouse) -> None:
    """Trap 3: threads that share a chDB handle get each other's parameters, or none."""
    start = threading.Barrier(8)

    def read(thread: int) -> int:
        client = connect(clickhouse)
        start.wait()
        wrong = 0
        for number in range(40):
            value = f"{thread}-{number}"
            sql = "SELECT {a:String}, {b:UInt32}, getSetting('max_block_size')"
            answer = client.query(sql, parameters={"a": value, "b": number}, settings={"max_block_size": thread + 1})
            wrong += answer.result_rows != [(value, number, thread + 1)]
        client.close()
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(read, range(8))) == 0


def test_async_inserts_are_visible_when_acknowledged(hub: Any, table: Make) -> None:
    """Trap 6: async_insert is accepted and ignored; a sink that asks for it loses nothing by that."""
    name = table()
    for number in range(5):
        hub.insert(name, [[number, "x"]], column_names=["a", "b"], settings={"async_insert": 1})
        assert hub.command(f"SELECT count() FROM {name}") == number + 1


def test_equal_batches_with_their_own_tokens_are_kept_and_a_replay_is_dropped(hub: Any, table: Make) -> None:
    """Trap 7: the token, not the rows, is a batch's identity."""
    name = table(settings="non_replicated_deduplication_window = 100")

    def insert(value: str, token: str) -> int:
        settings = {"async_insert": 0, "insert_deduplication_token": token}
        hub.insert(name, [[1, value]] * 10, column_names=["a", "b"], settings=settings)
        return int(hub.command(f"SELECT count() FROM {name}"))

    assert insert("x", "sink:0:0-9") == 10
    assert insert("x", "sink:0:0-9") == 10
    assert insert("x", "sink:0:10-19") == 20
    assert insert("other rows, same token", "sink:0:0-9") == 20


def test_equal_batches_without_a_token_are_dropped(hub: Any, table: Make) -> None:
    """Trap 7: why sinks always send a token; should this change, the rule can go."""
    name = table(settings="non_replicated_deduplication_window = 100")
    for _ in range(3):
        hub.insert(name, [[1, "x"]], column_names=["a", "b"])
    assert hub.command(f"SELECT count() FROM {name}") == 1


def test_a_table_without_a_window_ignores_tokens(hub: Any, table: Make) -> None:
    """Trap 7: the window must be set with the table."""
    name = table()
    for _ in range(2):
        hub.insert(name, [[1, "x"]], column_names=["a", "b"], settings={"insert_deduplication_token": "t"})
    assert hub.command(f"SELECT count() FROM {name}") == 2


def test_datetime64_keeps_its_zone_and_the_server_is_in_utc(hub: Any, table: Make) -> None:
    """Trap 8: the Native format of chDB drops the zone of DateTime('tz')."""
    name = table("a DateTime64(3, 'Asia/Shanghai')")
    moment = dt.datetime(2024, 5, 1, 0, 0, tzinfo=dt.UTC)
    hub.insert(name, [[moment]], column_names=["a"])
    read = hub.query(f"SELECT a FROM {name}").result_rows[0][0]
    assert read == moment
    assert read.utcoffset() == dt.timedelta(hours=8)
    assert hub.command("SELECT timezone()") == "UTC"


def test_the_file_system_is_no_database_for_bi(bi: Any) -> None:
    """Trap 10: chDB's database `default` has every file of the machine as a table."""
    for sql in ("SELECT * FROM `/etc/hostname`", "SELECT * FROM default.`/etc/hostname`"):
        with pytest.raises(DatabaseError):
            bi.query(sql)
    assert bi.command("SELECT currentDatabase()") == "bi"


def test_own_databases_are_atomic(hub: Any) -> None:
    """Trap 10: unlike `default`, they have UUIDs, so that EXCHANGE and UNDROP work."""
    found = hub.query("SELECT name, engine FROM system.databases WHERE name IN ('hub', 'bi') ORDER BY name")
    assert found.result_rows == [("bi", "Atomic"), ("hub", "Atomic")]
