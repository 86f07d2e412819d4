"""A BI tool as user bi: the views can be listed and read while the sink writes, and nothing else can."""

import time
from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from hub.up import Hub
from tests.e2e.hubs import Background

pytestmark = pytest.mark.e2e
VIEWS = {"reports", "progress", "cases", "alerts", "dead_letters", "kpi_daily"}


@pytest.fixture
def bi(played: Hub) -> Iterator[Client]:
    client = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=played.settings.clickhouse_port,
        username="bi",
        password=played.secrets.clickhouse["bi"],
        database="bi",
    )
    yield client
    client.close()


def test_the_dialect_lists_the_views_and_reads_them_while_the_sink_writes(played: Hub) -> None:
    from tests.e2e.test_bad_input import send_canonical

    password, port = played.secrets.clickhouse["bi"], played.settings.clickhouse_port
    engine = create_engine(f"clickhousedb://bi:{password}@127.0.0.1:{port}/bi")
    until = time.monotonic() + 5
    writing = Background(lambda: [send_canonical(played, f"bi-{n}") for n in range(1_000) if time.monotonic() < until])
    writing.start()
    reads = 0
    with engine.connect() as connection:
        assert set(inspect(connection).get_view_names("bi")) >= VIEWS
        while writing.is_alive():
            for view in sorted(VIEWS):
                assert connection.execute(text(f"SELECT count() FROM bi.{view}")).scalar_one() >= 0
                reads += 1
    assert len(writing.finish(30)) > 10
    assert reads >= len(VIEWS)
    engine.dispose()


def test_every_column_of_the_views_has_a_comment(bi: Client) -> None:
    rows = bi.query("SELECT table, name FROM system.columns WHERE database = 'bi' AND comment = ''").result_rows
    assert rows == []


@pytest.mark.parametrize(
    ("user", "own"), [("zhujian_fenxi", "agency_code = 'zhujian'"), ("zhonghan_daping", "street_code = '370212001'")]
)
def test_a_user_of_an_agency_or_a_street_sees_its_cases_and_their_figures(
    played: Hub, bi: Client, user: str, own: str
) -> None:
    part = clickhouse_connect.get_client(
        host="127.0.0.1",
        port=played.settings.clickhouse_port,
        username=user,
        password=played.secrets.clickhouse[user],
    )
    ids = "SELECT groupArray(report_id) FROM (SELECT report_id FROM {} ORDER BY 1)"
    mine = bi.query(ids.format(f"bi.cases WHERE {own}")).first_row[0]
    assert 0 < len(mine) < bi.query("SELECT count() FROM bi.cases").first_row[0]
    assert part.query(ids.format("cases")).first_row[0] == mine
    days = part.query("SELECT sum(accepted), sum(closed_numerator) FROM kpi_daily").first_row
    assert (
        days
        == bi.query(
            f"SELECT count(), countIf(is_closed) FROM bi.cases WHERE {own} AND appeal_type != 'alarm'"
        ).first_row
    )
    with pytest.raises(ClickHouseError):
        part.query("SELECT count() FROM bi.cases")
    part.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM hub.routed LIMIT 1",
        "SELECT * FROM hub.sealed_originals LIMIT 1",
        "SELECT original FROM hub.dead_letters LIMIT 1",
        "SELECT * FROM merge('hub', '.*') LIMIT 1",
        "SELECT file('/etc/hostname')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT 1; SELECT 2",
        "INSERT INTO bi.reports SELECT * FROM bi.reports",
        "CREATE TABLE bi.mine (a UInt8) ENGINE = Memory",
        "DROP VIEW bi.reports",
        "SELECT * FROM system.users",
        "SELECT * FROM bi.reports INTO OUTFILE '/tmp/stolen'",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
    ],
)
def test_bi_can_read_nothing_else(bi: Client, statement: str) -> None:
    with pytest.raises(ClickHouseError):
        bi.command(statement)


def test_the_dialect_is_refused_outside_its_views_too(played: Hub) -> None:
    password, port = played.secrets.clickhouse["bi"], played.settings.clickhouse_port
    engine = create_engine(f"clickhousedb://bi:{password}@127.0.0.1:{port}/bi")
    with engine.connect() as connection, pytest.raises(DBAPIError):
        connection.execute(text("SELECT count() FROM hub.routed"))
    engine.dispose()


def test_a_wrong_password_lets_nobody_in(played: Hub) -> None:
    with pytest.raises(ClickHouseError):
        clickhouse_connect.get_client(
            host="127.0.0.1", port=played.settings.clickhouse_port, username="bi", password="wrong"
        )


def test_the_views_show_no_reporter_key_no_seal_and_no_confidential_reporter(bi: Client) -> None:
    columns = {row[0] for row in bi.query("SELECT name FROM system.columns WHERE database = 'bi'").result_rows}
    assert not columns & {"reporter_key", "sealed", "original", "content_hash"}
    shown = bi.query(
        "SELECT count(), countIf(reporter_mask IS NOT NULL) FROM bi.reports WHERE confidential"
    ).result_rows
    assert shown[0][0] > 0
    assert shown[0][1] == 0
