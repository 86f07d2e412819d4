"""How long rows stay: what is old goes, what is fresh stays whatever time it tells, and a start alters only what differs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.clickhouse_embedded import EmbeddedClickHouse
from profiles.retention import Retention
from sinks.migrate import Ddl, migrate
from sinks.retention import keep, templates
from sinks.writer import open_clickhouse
from tests.sinks.conftest import url

#: Ten whole years after the end of the year: eleven years ago a year may still be there, twelve years ago never.
OLD, FRESH = "now() - INTERVAL 12 YEAR", "now() - INTERVAL 1 DAY"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    with EmbeddedClickHouse(tmp_path) as server:
        client = open_clickhouse(url(server))
        migrate(client)
        yield client


def rows(client: Any, table: str, columns: str = "report_id") -> list[Any]:
    client.command(f"OPTIMIZE TABLE {table} FINAL SETTINGS mutations_sync = 2")
    return list(client.query(f"SELECT {columns} FROM {table} FINAL ORDER BY ALL").result_rows)


def routed(client: Any, report_id: str, came: str, told: str) -> None:
    client.command(
        "INSERT INTO hub.routed (report_id, intake_topic, outcome, reported_at, _timestamp) "
        f"SELECT '{report_id}', 'intake.a', 'routed', {told}, {came}"
    )


def store_originals(client: Any) -> None:
    for name, came in (("old", "now() - INTERVAL 32 DAY"), ("fresh", "now() - INTERVAL 28 DAY")):
        client.command(
            "INSERT INTO hub.sealed_originals (report_id, reported_at, sealed, _timestamp) "
            f"SELECT '{name}', now(), 'bytes', {came}"
        )
        client.command(
            "INSERT INTO hub.dead_letters (dead_letter_id, reason_code, original, _timestamp) "
            f"SELECT '{name}', 'bad_xml', 'bytes', {came}"
        )


def assert_only_fresh_originals(client: Any) -> None:
    assert rows(client, "hub.sealed_originals") == [("fresh",)]
    assert rows(client, "hub.dead_letters", "dead_letter_id, reason_code, original") == [
        ("fresh", "bad_xml", "bytes"),
        ("old", "bad_xml", ""),
    ]


@pytest.mark.clickhouse
def test_facts_that_came_long_ago_go_and_what_is_told_late_stays(client: Any) -> None:
    keep(client, Retention())
    routed(client, "old", OLD, OLD)
    routed(client, "told late", FRESH, OLD)
    routed(client, "fresh", FRESH, FRESH)
    for report_id, came in (("old", OLD), ("fresh", FRESH)):
        client.command(f"INSERT INTO hub.cases (report_id, first_day, day) SELECT '{report_id}', {came}, {came}")
        client.command(f"INSERT INTO hub.members (matter_id, report_id, _timestamp) SELECT 'm', '{report_id}', {came}")
    assert rows(client, "hub.cases") == [("fresh",)]
    assert rows(client, "hub.members") == [("fresh",)]
    # Of the year of "old", one part holds what came yesterday too: it goes as a whole or not at all.
    assert {("told late",), ("fresh",)} <= set(rows(client, "hub.routed"))


@pytest.mark.clickhouse
def test_a_part_whose_rows_all_came_long_ago_is_dropped(client: Any) -> None:
    keep(client, Retention())
    routed(client, "old", OLD, OLD)
    assert rows(client, "hub.routed") == []


@pytest.mark.clickhouse
def test_what_came_without_a_time_stays_and_its_original_goes_by_when_it_was_stored(client: Any) -> None:
    keep(client, Retention(originals_days=30))
    routed(client, "timeless", "0", FRESH)
    client.command("INSERT INTO hub.cases (report_id, first_day, day) SELECT 'timeless', toDate(0), toDate(0)")
    for name, stored in (("old", "now() - INTERVAL 32 DAY"), ("fresh", "now() - INTERVAL 28 DAY")):
        client.command(
            "INSERT INTO hub.sealed_originals (report_id, reported_at, sealed, _timestamp, _ingested_at) "
            f"SELECT '{name}', now(), 'bytes', 0, {stored}"
        )
    assert rows(client, "hub.routed") == rows(client, "hub.cases") == [("timeless",)]
    assert rows(client, "hub.sealed_originals") == [("fresh",)]


@pytest.mark.clickhouse
def test_sealed_originals_go_by_the_day_and_letters_stay_without_theirs(client: Any) -> None:
    keep(client, Retention(originals_days=30))
    store_originals(client)
    assert_only_fresh_originals(client)


@pytest.mark.clickhouse
def test_a_shorter_time_takes_originals_that_were_stored_before_it(client: Any) -> None:
    keep(client, Retention())
    store_originals(client)
    keep(client, Retention(originals_days=30))
    assert_only_fresh_originals(client)


@pytest.mark.clickhouse
def test_a_start_alters_what_the_profile_changed_and_nothing_else(client: Any) -> None:
    assert keep(client, Retention()) == [Ddl().fill(template) for template in templates(Retention())]
    assert keep(client, Retention()) == []
    changed = keep(client, Retention(originals_days=90))
    assert [statement.split(" MODIFY")[0].split() for statement in changed] == [
        ["ALTER", "TABLE", "hub.sealed_originals"],
        ["ALTER", "TABLE", "hub.dead_letters"],
    ]
    assert keep(client, Retention(originals_days=90)) == []


@pytest.mark.clickhouse
def test_a_shorter_time_takes_what_was_stored_before_it(client: Any) -> None:
    keep(client, Retention(facts_years=20))
    routed(client, "old", OLD, OLD)
    assert rows(client, "hub.routed") == [("old",)]
    keep(client, Retention(facts_years=10))
    assert rows(client, "hub.routed") == []


@pytest.mark.parametrize(
    "wrong",
    [{"facts_years": 0}, {"originals_days": 0}, {"facts_years": 1, "originals_days": 400}, {"days": 3}],
    ids=str,
)
def test_times_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Retention(**wrong)
