"""Rows: what a record becomes, and that the code's columns are the tables' columns."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.registry import schema
from sinks.rows import (
    ALERTS,
    DEAD_LETTERS,
    PROGRESS,
    ROUTED,
    SEALED_ORIGINALS,
    TABLES,
    WHOLE,
    BadRowError,
    Origin,
    Table,
    dead_letter_rows,
    progress_rows,
    routed_rows,
    year_of_day,
)
from tests.sinks.records import letter, local, report, routed, step, utc

ORIGIN = Origin("routed", 3, 7, 1_700_000_000_000)


def by_name(table: Table, values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(table.columns, values, strict=True))


def fields(subject: Any) -> set[str]:
    return {field["name"] for field in schema(subject)["fields"]}


def test_every_field_of_the_contract_has_its_column() -> None:
    sealed = {"sealed", "sealed_key_id"}
    assert set(ROUTED.record_columns) == (fields("routed_report") - {"report"}) | (fields("report") - sealed)
    assert sealed < set(SEALED_ORIGINALS.record_columns)
    assert set(PROGRESS.record_columns) == fields("progress")
    assert set(ALERTS.record_columns) == fields("alert")
    assert set(DEAD_LETTERS.record_columns) == fields("dead_letter")


@pytest.mark.clickhouse
@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_columns_of_the_code_are_those_of_the_table(table: Table, hub: Any) -> None:
    described = hub.query(f"DESCRIBE TABLE {table.name}").result_rows
    found = {name: kind for name, kind, default, *_ in described if not default}
    # The server breaks the lines of a tuple's type.
    assert {name: "".join(kind.split()) for name, kind in found.items()} == {
        name: "".join(kind.split()) for name, kind in table.columns.items()
    }


def test_a_decision_is_one_flat_row_with_its_origin() -> None:
    record = routed(report("a", lon=None), relation="joined", score=0.8)
    row, member = routed_rows(record, ORIGIN)
    assert member.table == "hub.members"
    values = by_name(ROUTED, row.values)
    assert (values["report_id"], values["relation"], values["score"], values["lon"]) == (
        "hotline12345-a",
        "joined",
        0.8,
        None,
    )
    assert (values["_topic"], values["_partition"], values["_offset"], values["_timestamp"]) == ORIGIN
    assert row.source_at == record["report"]["reported_at"]


def test_the_sealed_original_goes_to_a_table_of_its_own() -> None:
    rows = routed_rows(routed(report("a", sealed=b"\x00secret", sealed_key_id="seal-1")), ORIGIN)
    assert [row.table for row in rows] == ["hub.routed", "hub.sealed_originals", "hub.members"]
    assert b"\x00secret" not in rows[0].values
    assert by_name(SEALED_ORIGINALS, rows[1].values)["sealed"] == b"\x00secret"


@pytest.mark.parametrize(
    ("at", "year"),
    [
        (utc("2024-12-31 23:59:59.999"), "2024"),
        (utc("2025-01-01 00:00"), "2025"),
        (local("2025-01-01 07:59"), "2024"),
        (local("2025-01-01 08:00"), "2025"),
        (0, "1970"),
    ],
)
def test_a_row_belongs_to_the_utc_year_of_its_time(at: int, year: str) -> None:
    assert progress_rows(step("a", "close", at), ORIGIN)[0].table_partition == year


@given(st.integers(0, 84_000))
def test_the_year_of_a_day_is_the_calendars(day: int) -> None:
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    assert year_of_day(day) == str(date.year)


def test_a_letter_belongs_to_no_year() -> None:
    assert dead_letter_rows(letter("a"), ORIGIN)[0].table_partition == WHOLE


@pytest.mark.parametrize("at", [-1, utc("2199-12-31 23:59:59.999") + 1, 2**62])
@pytest.mark.parametrize("column", ["reported_at", "received_at", "source_due_at"])
def test_a_time_outside_the_stored_years_is_refused_by_the_name_of_its_column(at: int, column: str) -> None:
    with pytest.raises(BadRowError, match=column) as refused:
        routed_rows(routed(report("a"), report=report("a", **{column: at})), ORIGIN)
    assert str(at) not in str(refused.value)
    assert refused.value.code == "bad_time"


@pytest.mark.parametrize(
    ("column", "value"), [("score", 1.5), ("score", -0.1), ("lon", 180.5), ("lat", -90.5), ("lat", float("nan"))]
)
def test_a_number_outside_its_range_is_refused(column: str, value: float) -> None:
    of = report("a", **({} if column == "score" else {column: value}))
    with pytest.raises(BadRowError, match=column) as refused:
        routed_rows(routed(of, **({column: value} if column == "score" else {})), ORIGIN)
    assert refused.value.code == "bad_record"


def test_an_unknown_level_or_rating_is_refused_since_figures_stand_on_them() -> None:
    with pytest.raises(BadRowError, match="level"):
        routed_rows(routed(report("a"), level="county"), ORIGIN)
    for changed in ({"level": "county"}, {"satisfaction": "meh"}):
        with pytest.raises(BadRowError, match="is none of"):
            progress_rows(step("a", "rate", 0, **changed), ORIGIN)


def test_the_ends_of_a_range_are_inside_it() -> None:
    assert routed_rows(routed(report("a", lon=-180.0, lat=90.0), score=1.0), ORIGIN)
    assert routed_rows(routed(report("a", lon=None, lat=None), score=0.0, level=None), ORIGIN)
