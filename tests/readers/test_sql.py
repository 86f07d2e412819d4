"""An exchange table on a real PostgreSQL: nothing is lost, and nothing comes twice but as a replay."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import pytest

from connectors.readers.database import Database
from connectors.readers.loop import Reader, SourceError
from connectors.readers.sql import SqlOrigin
from profiles.sources import SqlSource
from tests.readers.parts import PROFILE, ROWS, Kept, channel, reader, run_until, until
from tests.readers.postgres import connect, dsn

SHANGHAI = ZoneInfo("Asia/Shanghai")
TABLE = """
CREATE TABLE orders (
    id bigint PRIMARY KEY, number text, made_at timestamp, text text, phone text, updated_at timestamptz
)"""
START = datetime(2025, 9, 12, tzinfo=UTC)
#: Makes the readers of one test: keyword arguments are those of the source.
Make = Callable[..., Reader]


@pytest.fixture
def make(tmp_path: Path, postgres_folder: Path, database: str, kept: Kept) -> Make:
    def made(**source: object) -> Reader:
        given = {"table": "orders", "key": "id", "clock": "updated_at", "every_s": 0.01, **source}
        if "query" in given:
            del given["table"]
        lines = "\n".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in given.items())
        one = channel(tmp_path, f"{ROWS}[channel.source]\nkind = 'sql'\n{lines}\n")
        assert isinstance(one.source, SqlSource)
        held = Database(dsn(postgres_folder, database), None, one.source.timeout_s)
        origin = SqlOrigin(one.id, one.source, ZoneInfo(PROFILE.timezone), held)
        return reader(one, origin, kept, tmp_path / "cursors")

    return made


def put(pg: psycopg.Connection, number: int, clock: datetime | None, text: str = "夜间噪声") -> None:
    pg.execute(
        "INSERT INTO orders VALUES (%s, %s, '2025-09-12 10:11:08', %s, '13800001234', %s)",
        (number, f"N{number}", text, clock),
    )


def passed(one: Reader, times: int = 1) -> None:
    for _ in range(times):
        asyncio.run(one.pass_once())


def test_rows_become_reports_and_a_second_pass_takes_none_again(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    for number in range(1, 8):
        put(pg, number, START + timedelta(minutes=number))
    one = make(batch=3)
    passed(one, 3)
    assert kept.ids() == [f"N{number}" for number in range(1, 8)]
    (report, *_) = kept.reports()
    assert report["reported_at"] == int(datetime(2025, 9, 12, 2, 11, 8, tzinfo=UTC).timestamp() * 1000)
    assert report["reporter_mask"] == "138****1234"


def test_a_new_reader_goes_on_where_the_last_one_stopped(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    passed(make())
    put(pg, 2, START + timedelta(hours=1))
    passed(make())
    assert kept.ids() == ["N1", "N2"]


def test_a_lost_cursor_costs_replays_with_the_same_ids(
    pg: psycopg.Connection, make: Make, kept: Kept, tmp_path: Path
) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    passed(make())
    (tmp_path / "cursors" / "table.json").write_bytes(b"{ broken")
    passed(make())
    first, again = kept.reports()
    assert first["report_id"] == again["report_id"]
    assert first["content_hash"] == again["content_hash"]


def test_a_row_committed_late_with_an_older_clock_is_taken(
    pg: psycopg.Connection, make: Make, kept: Kept, postgres_folder: Path, database: str
) -> None:
    pg.execute(TABLE)
    with connect(postgres_folder, database) as slow:
        slow.autocommit = False
        slow.execute("INSERT INTO orders VALUES (1, 'N1', '2025-09-12 10:00', '慢', '', %s)", (START,))
        put(pg, 2, START + timedelta(seconds=30))
        one = make(lag_s=60)
        passed(one)
        assert kept.ids() == ["N2"]
        slow.commit()
    passed(one, 2)
    assert kept.ids() == ["N2", "N1"]


def test_equal_clocks_across_the_border_of_a_batch_are_all_taken(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    for number in range(1, 11):
        put(pg, number, START)
    passed(make(batch=3, lag_s=0), 2)
    put(pg, 11, START)
    passed(make(batch=3, lag_s=0))
    assert Counter(kept.ids()) == Counter(f"N{number}" for number in range(1, 12))


def test_an_update_is_taken_as_a_revision(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    put(pg, 2, START)
    one = make(lag_s=0)
    passed(one)
    pg.execute("UPDATE orders SET text = '改了', updated_at = %s WHERE id = 1", (START + timedelta(days=1),))
    passed(one)
    assert kept.ids() == ["N1", "N2", "N1"]
    assert kept.reports()[-1]["content"] == "改了"


def test_an_update_that_leaves_the_clock_is_seen_within_the_lag_window(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    one = make()
    passed(one)
    pg.execute("UPDATE orders SET text = '改了'")
    passed(one, 2)
    assert [report["content"] for report in kept.reports()] == ["夜间噪声", "改了"]


def test_rows_without_a_clock_are_taken_once_and_their_changes_too(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    for number in range(1, 6):
        put(pg, number, None)
    put(pg, 6, START)
    one = make(batch=2)
    passed(one, 2)
    assert sorted(kept.ids()) == [f"N{number}" for number in range(1, 7)]
    pg.execute("UPDATE orders SET text = '改了' WHERE id = 2")
    put(pg, 7, None)
    passed(one, 2)
    assert kept.ids()[6:] == ["N2", "N7"]


def test_a_table_without_a_clock_is_read_by_key_and_late_numbers_are_found(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    for number in (1, 2, 9, 10, 11):
        put(pg, number, None)
    one = make(clock="", batch=2, lag_rows=3)
    passed(one)
    put(pg, 8, None)  # before the oldest of the three rows that are read again
    put(pg, 10_000, None)
    passed(one)
    assert kept.ids()[5:] == ["N10000"]
    put(pg, 9_999, None)
    passed(one, 2)
    assert kept.ids()[6:] == ["N9999"]


def test_a_table_that_was_emptied_goes_on_with_what_is_put_in_then(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    for number in (101, 102):
        put(pg, number, None)
    put(pg, 103, START)
    one = make()
    passed(one)
    pg.execute("TRUNCATE orders")
    passed(one)
    put(pg, 1, None)
    put(pg, 2, START + timedelta(minutes=1))
    passed(one, 2)
    assert kept.ids() == ["N103", "N101", "N102", "N2", "N1"]


def test_a_clock_in_the_far_future_hides_no_row_that_follows(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    put(pg, 1, datetime(2099, 1, 1, tzinfo=UTC))
    one = make()
    passed(one)
    put(pg, 2, datetime.now(UTC))
    passed(one, 2)
    assert kept.ids() == ["N1", "N2"]


@pytest.mark.parametrize(
    ("kind", "options", "early", "late"),
    [
        ("timestamp", {"zone": "Asia/Shanghai"}, "'2025-09-12 10:00:00.123456'", "'2025-09-12 10:00:00.123457'"),
        ("date", {}, "'2025-09-12'", "'2025-09-13'"),
        ("bigint", {"clock_format": "epoch_ms"}, "1757642400000", "1757642400001"),
        ("numeric(12)", {"clock_format": "epoch_s"}, "1757642400", "1757642401"),
        ("varchar(20)", {"clock_format": "%Y-%m-%d %H:%M:%S"}, "'2025-09-12 10:00:00'", "'2025-09-12 10:00:01'"),
        ("char(16)", {"clock_format": "%Y%m%d%H%M%S"}, "'20250912100000'", "'20250912100001'"),
    ],
)
def test_a_clock_may_be_a_time_a_day_a_number_or_a_text(
    pg: psycopg.Connection, make: Make, kept: Kept, kind: str, options: dict[str, str], early: str, late: str
) -> None:
    pg.execute(f"CREATE TABLE orders (id text, number text, made_at text, text text, updated_at {kind})")
    first = ", ".join(f"('{n}', 'N{n}', '2025-09-12 10:11:08', '噪声', {early})" for n in range(5))
    pg.execute(f"INSERT INTO orders VALUES {first}")
    one = make(batch=2, **options)
    passed(one)
    pg.execute(f"INSERT INTO orders VALUES ('5', 'N5', '2025-09-12 10:11:08', '噪声', {late})")
    passed(one, 2)
    assert kept.ids() == [f"N{n}" for n in range(6)]


def test_the_columns_types_become_what_a_mapping_can_read(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(
        "CREATE TABLE orders (id numeric(18), number numeric(18), made_at timestamptz, text bytea, phone char(20), "
        "updated_at timestamptz)"
    )
    pg.execute(
        "INSERT INTO orders VALUES (1, 250912101108115409, '2025-09-12 10:11:08+08', %s, '13800001234', now())",
        ("夜间噪声".encode("gbk"),),
    )
    passed(make())
    (report,) = kept.reports()
    assert report["upstream_id"] == "250912101108115409"
    assert report["content"] == "夜间噪声"
    assert report["reported_at"] == int(datetime(2025, 9, 12, 2, 11, 8, tzinfo=UTC).timestamp() * 1000)


def test_a_database_of_gbk_bytes_is_read_with_its_encoding_named(
    postgres_folder: Path, make: Make, kept: Kept, tmp_path: Path
) -> None:
    with connect(postgres_folder) as owner:
        owner.execute("CREATE DATABASE old ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with connect(postgres_folder, "old", client_encoding="SQL_ASCII") as pg:
        pg.execute(TABLE.encode())
        row = "INSERT INTO orders VALUES (%d, 'N%d', '2025-09-12 10:00', '%s', '', now())".encode("gbk")
        for number, text in enumerate(("夜间噪声".encode("gbk"), b"\xff\xff", "甲".encode("gbk")), start=1):
            pg.execute(row % (number, number, text))
    one = channel(tmp_path, f"{ROWS}[channel.source]\nkind='sql'\ntable='orders'\nkey='number'\nclock='updated_at'\n")
    assert isinstance(one.source, SqlSource)
    held = Database(dsn(postgres_folder, "old", client_encoding="gbk"), None, 5)
    passed(reader(one, SqlOrigin(one.id, one.source, SHANGHAI, held), kept, tmp_path / "old"))
    assert [report["content"] for report in kept.reports()] == ["夜间噪声", "甲"]
    assert "neither UTF-8 nor GB18030" in kept.letters()[0]["reason"]


def test_a_query_is_read_like_a_table_and_mixed_case_names_are_kept(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute('CREATE TABLE "工单" ("Id" int, "编号" text, "时间" timestamp, "诉求" text, "更新" timestamptz)')
    pg.execute(
        "INSERT INTO \"工单\" VALUES (1, 'N1', '2025-09-12 10:00', '甲', now()), (2, 'N2', '2025-09-12 10:00', '乙', now())"
    )
    columns = '"Id", "编号" AS number, "时间" AS made_at, "诉求" AS text, "更新"::timestamptz AS "更新"'
    query = f'SELECT {columns} FROM "工单" WHERE "Id" > 1'
    passed(make(query=query, key="Id", clock="更新"), 2)
    assert kept.ids() == ["N2"]


def test_the_reader_can_change_nothing_in_the_database(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    pg.execute("CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM orders; SELECT 1'")
    put(pg, 1, START)
    with pytest.raises(SourceError, match="ReadOnlySqlTransaction"):
        passed(make(query="SELECT *, wipe() AS gone FROM orders"))
    assert pg.execute("SELECT count(*) FROM orders").fetchone() == (1,)


def test_a_question_that_takes_too_long_is_broken_off(pg: psycopg.Connection, make: Make) -> None:
    with pytest.raises(SourceError, match="QueryCanceled"):
        passed(make(query="SELECT 1 AS id, now() AS updated_at, pg_sleep(60)", timeout_s=0.2))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"table": "nothing"}, "UndefinedTable"),
        ({"clock": "nothing"}, "UndefinedColumn"),
        ({"query": "SELECT 1 AS other, now() AS updated_at"}, "UndefinedColumn"),
    ],
)
def test_a_wrong_source_is_told_without_its_question(
    pg: psycopg.Connection, make: Make, source: dict[str, object], told: str
) -> None:
    pg.execute(TABLE)
    with pytest.raises(SourceError, match=told) as refused:
        passed(make(**source))
    assert "SELECT" not in str(refused.value)


def test_a_row_whose_key_is_null_is_a_letter_once_and_the_others_are_read(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE.replace("bigint PRIMARY KEY", "bigint"))
    for number in range(1, 8):
        put(pg, number, START)
    pg.execute("UPDATE orders SET id = NULL WHERE id = 4")
    passed(make(batch=3), 3)
    assert kept.ids() == ["N1", "N2", "N3", "N5", "N6", "N7"]
    assert len(kept.letters()) == 1
    assert "id: is null" in kept.letters()[0]["reason"]


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "12025-09-12 10:11:08", "0044-03-15 12:00:00 BC"])
@pytest.mark.parametrize("column", ["made_at", "updated_at"])
def test_a_time_that_no_program_holds_costs_its_row_alone_in_whatever_column(
    pg: psycopg.Connection, make: Make, kept: Kept, column: str, moment: str
) -> None:
    pg.execute(TABLE)
    for number in range(1, 8):
        put(pg, number, START + timedelta(minutes=number))
    pg.execute(f"UPDATE orders SET {column} = %s WHERE id = 4", (moment,))  # type: ignore[arg-type]
    one = make(batch=3)
    passed(one, 2)
    expected = {"N1", "N2", "N3", "N5", "N6", "N7"} | ({"N4"} if column == "updated_at" else set())
    assert set(kept.ids()) == expected
    assert len(kept.ids()) == len(expected)
    put(pg, 8, START + timedelta(hours=1))
    passed(one)
    assert "N8" in kept.ids()


@pytest.mark.parametrize(
    ("kind", "form", "moment", "good"),
    [
        *(
            (kind, "", moment, START.date() if kind == "date" else START)
            for kind in ("timestamptz", "timestamp", "date")
            for moment in ("infinity", "-infinity", "12025-09-12", "0044-03-15 BC", "0001-01-01")
        ),
        ("numeric", "epoch_s", "NaN", START.timestamp()),
        ("float8", "epoch_ms", "Infinity", START.timestamp() * 1000),
        ("text", "%Y-%m-%d %H:%M:%S", "0001-01-01 00:00:00", "2025-09-12 10:00:00"),
        ("text", "%Y-%m-%d %H:%M:%S", "2025-99-99 10:00:00", "2025-09-12 10:00:00"),
    ],
)
def test_a_page_may_begin_and_end_at_a_clock_that_is_none(
    pg: psycopg.Connection, make: Make, kept: Kept, kind: str, form: str, moment: str, good: object
) -> None:
    pg.execute(TABLE.replace("updated_at timestamptz", f"updated_at {kind}"))
    row = f"INSERT INTO orders VALUES (%s, %s, '2025-09-12 10:11:08', '夜间噪声', '13800001234', %s::text::{kind})"
    pg.execute(row, (9, "N9", moment))  # type: ignore[arg-type]
    one = make(batch=1, clock_format=form)
    passed(one, 2)
    for number in (1, 2, 3):
        pg.execute(row, (number, f"N{number}", str(good)))  # type: ignore[arg-type]
    passed(one, 2)
    assert sorted(kept.ids()) == ["N1", "N2", "N3", "N9"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("time", "24:00:00"),
        ("timetz", "24:00:00+08"),
        ("interval", "3000000 years"),
        ("json", '"\\ud800"'),
        ("json", '{"a": 1' + "0" * 30 + "}"),
        ("json", "[" * 700 + "]" * 700),
        ("json", "[" * 2000 + "]" * 2000),
    ],
)
def test_a_value_that_no_program_holds_costs_its_row_alone(
    pg: psycopg.Connection, make: Make, kept: Kept, kind: str, value: str
) -> None:
    pg.execute(TABLE)
    pg.execute(f"ALTER TABLE orders ADD other {kind}")  # type: ignore[arg-type]
    for number in (1, 2, 3):
        put(pg, number, START)
    pg.execute(f"UPDATE orders SET other = %s::text::{kind} WHERE id = 2", (value,))  # type: ignore[arg-type]
    passed(make(), 2)
    assert {"N1", "N3"} <= set(kept.ids())
    assert len(kept.ids()) + len(kept.letters()) == 3


@pytest.mark.parametrize(
    ("kind", "keys"), [("uuid", (2, 1)), ("timestamp", ("2025-01-01", "infinity")), ("numeric", ("1.5", "NaN"))]
)
def test_rows_without_a_clock_are_read_whatever_their_key_is(
    pg: psycopg.Connection, make: Make, kept: Kept, kind: str, keys: tuple[object, object]
) -> None:
    pg.execute(TABLE.replace("bigint", kind))
    first, second = (str(UUID(int=key)) if isinstance(key, int) else key for key in keys)
    row = f"INSERT INTO orders VALUES (%s::text::{kind}, %s, '2025-09-12', 'x', '', NULL)"
    one = make(batch=1)
    pg.execute(row, (first, "N1"))  # type: ignore[arg-type]
    passed(one, 2)
    pg.execute(row, (second, "N2"))  # type: ignore[arg-type]
    passed(one, 2)
    assert kept.ids() == ["N1", "N2"]


def test_a_key_that_comes_twice_at_the_end_of_a_page_is_told(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE.replace("bigint PRIMARY KEY", "bigint"))
    for number in (1, 2, 2, 3):
        put(pg, number, START)
    with pytest.raises(SourceError, match="has a value twice"):
        passed(make(batch=2))
    pg.execute("UPDATE orders SET updated_at = NULL")
    with pytest.raises(SourceError, match="has a value twice"):
        passed(make(batch=2, clock=""))


def test_a_driver_that_cuts_the_clock_is_told_and_not_asked_for_ever(tmp_path: Path, kept: Kept) -> None:
    class Cut(Database):
        """Gives the page it gave before, as one does whose clock is cut to whole seconds when it is asked with."""

        asked = 0

        async def rows(self, question: object) -> list[dict[str, object]]:
            self.asked += 1
            assert self.asked < 10
            return [
                {"id": number, "number": f"N{number}", "made_at": START, "text": "x", "updated_at": START}
                for number in range(4)
            ]

    one = channel(
        tmp_path,
        f"{ROWS}[channel.source]\nkind='sql'\ntable='orders'\nkey='id'\nclock='updated_at'\nbatch=3\n",
    )
    assert isinstance(one.source, SqlSource)
    held = Cut("postgresql://reader@/none", None, 5)
    with pytest.raises(SourceError, match="do not part the rows"):
        passed(reader(one, SqlOrigin(one.id, one.source, SHANGHAI, held), kept, tmp_path / "cut"))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (("8", "9", "10"), "cast it in a query"),
        (("8", "9"), "cast it in a query"),
        (("A8",), "cast it in a query"),
        (("2509121011", "25091210110"), "cast it in a query"),
        (("a", "a", "b"), "has a value twice"),
    ],
)
def test_a_key_by_whose_order_rows_would_be_lost_is_told(
    pg: psycopg.Connection, make: Make, keys: tuple[str, ...], told: str
) -> None:
    pg.execute(TABLE.replace("bigint PRIMARY KEY", "text").replace("updated_at timestamptz", "updated_at text"))
    for key in keys:
        pg.execute("INSERT INTO orders VALUES (%s, 'N1', '2025-09-12 10:11:08', 'x', '', '')", (key,))
    with pytest.raises(SourceError, match=told):
        passed(make(clock=""))


def test_rows_that_are_refused_are_dead_lettered_once(pg: psycopg.Connection, make: Make, kept: Kept) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    pg.execute("INSERT INTO orders VALUES (2, '', '2025-09-12', '13800001234', '', %s)", (START,))
    one = make()
    passed(one, 3)
    assert kept.ids() == ["N1"]
    (letter,) = kept.letters()
    assert letter["channel"] == "table"
    assert "13800001234" not in letter["reason"]


def test_killed_connections_and_a_kafka_that_is_away_lose_and_double_nothing(
    pg: psycopg.Connection, make: Make, kept: Kept
) -> None:
    pg.execute(TABLE)
    count = 300
    one = make(batch=10, lag_s=60)

    async def beside() -> None:
        for number in range(1, count + 1):
            put(pg, number, START + timedelta(seconds=number // 7))
            if number % 20 == 0:
                pg.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            if number % 50 == 0:
                kept.refusals = 1
            await asyncio.sleep(0)

    asyncio.run(run_until(one, lambda: len(set(kept.ids())) == count, beside))
    assert Counter(kept.ids()) == Counter(f"N{number}" for number in range(1, count + 1))
    assert kept.refused > 0


def test_a_connection_killed_in_the_middle_of_an_answer_is_made_anew(
    pg: psycopg.Connection, make: Make, kept: Kept, database: str
) -> None:
    pg.execute(TABLE)
    put(pg, 1, START)
    one = make(query="SELECT * FROM orders, pg_sleep(0.5)")

    def asked() -> list[int]:
        found = pg.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%pg_sleep(0.5)%%' AND pid <> pg_backend_pid()",
            (database,),
        )
        return [pid for (pid,) in found.fetchall()]

    async def kill() -> None:
        await until(lambda: bool(asked()))
        for pid in asked():
            pg.execute("SELECT pg_terminate_backend(%s)", (pid,))
        await until(lambda: one.state.failures == 1)
        assert "SQLSTATE" in one.state.last_error

    asyncio.run(run_until(one, lambda: bool(kept.records), kill))
    assert kept.ids() == ["N1"]
    assert one.state.failures == 0


@pytest.mark.parametrize("dsn_given", ["no url", "postgresql://u:secret@h:port/db", "sybase://u:secret@h/db"])
def test_a_dsn_that_can_not_be_used_is_told_without_its_password(dsn_given: str) -> None:
    with pytest.raises(ValueError, match=r"dsn|driver") as refused:
        Database(dsn_given, None, 1)
    assert "secret" not in str(refused.value)
