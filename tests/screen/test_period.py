"""Which days a reader's choice means."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.screen.period import LastDays, Period, PeriodError, parse_choice, resolve

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def test_nothing_asked_is_the_year_of_data() -> None:
    assert parse_choice({}) == LastDays(365)


def test_both_days_are_counted() -> None:
    period = parse_choice({"from": "2025-03-01", "to": "2025-03-31"})
    assert period == Period(date(2025, 3, 1), date(2025, 3, 31))
    assert period.days == 31


@given(DAYS, st.integers(0, 3659))
def test_every_period_in_the_limit_is_read_back(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    assert parse_choice({"from": first.isoformat(), "to": last.isoformat()}) == Period(first, last)


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2025-03-01"},
        {"to": "2025-03-01"},
        {"from": "2025-03-01", "to": "2025-03-31", "days": "30"},
        {"from": "2025-03-02", "to": "2025-03-01"},
        {"from": "1990-01-01", "to": "2025-03-01"},
        {"from": "2025-02-29", "to": "2025-03-01"},
        {"from": "20250301", "to": "20250302"},
        {"from": "2025-W10-1", "to": "2025-03-31"},
        {"from": "'; DROP", "to": "2025-03-31"},
        {"days": "0"},
        {"days": "-1"},
        {"days": "3661"},
        {"days": "1e3"},
        {"days": "٣"},
        {"days": ""},
    ],
)
def test_a_senseless_period_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(PeriodError):
        parse_choice(query)


def test_the_last_days_end_with_the_data() -> None:
    span = Period(date(2025, 1, 1), date(2025, 12, 31))
    assert resolve(LastDays(365), span, date(2026, 6, 1)) == span
    assert resolve(LastDays(30), span, date(2026, 6, 1)) == Period(date(2025, 12, 2), date(2025, 12, 31))


def test_a_report_from_the_future_does_not_move_the_last_days() -> None:
    span = Period(date(2025, 1, 1), date(2099, 1, 1))
    assert resolve(LastDays(2), span, date(2025, 6, 2)) == Period(date(2025, 6, 1), date(2025, 6, 2))


def test_without_data_the_last_days_end_today() -> None:
    assert resolve(LastDays(1), None, date(2025, 6, 2)) == Period(date(2025, 6, 2), date(2025, 6, 2))
