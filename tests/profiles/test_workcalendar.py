"""Working time, against the State Council's notices of 2025 and 2026 and against counting by hand."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import LimitUnit
from profiles.workcalendar import WorkCalendar
from tests.streams.make import PROFILE, UNHURRIED

ZONE = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar.of(PROFILE)
BARE = WorkCalendar({}, PROFILE.work_time, PROFILE.timezone)  # without the profile's own days


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


def local(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, ZONE).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize("calendar", [CALENDAR, BARE])
@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2025-09-26", 1, "2025-09-28"),  # a Sunday that is made up
        ("2025-09-30", 5, "2025-10-14"),  # the eight days of National Day and Mid-Autumn
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-04-30", 15, "2026-05-25"),
        ("2026-09-24", 2, "2026-09-29"),
    ],
)
def test_working_days_follow_holidays_and_make_up_days(
    calendar: WorkCalendar, start: str, days: float, end: str
) -> None:
    assert local(calendar.due(at(f"{start} 10:00"), days, "work_day")) == f"{end} 17:30"
    assert local(calendar.due(at(f"{start} 23:59"), days, "work_day")) == f"{end} 17:30"


def test_a_year_without_a_notice_falls_back_to_monday_to_friday() -> None:
    assert local(CALENDAR.due(at("2030-10-04 10:00"), 1, "work_day")) == "2030-10-07 17:30"
    assert local(CALENDAR.due(at("2030-09-30 10:00"), 1, "work_day")) == "2030-10-01 17:30"


def test_the_profiles_own_days_beat_the_public_ones() -> None:
    own = WorkCalendar({date(2025, 10, 1): True, date(2025, 9, 28): False}, PROFILE.work_time, PROFILE.timezone)
    assert own.is_working_day(date(2025, 10, 1))
    assert not own.is_working_day(date(2025, 9, 28))


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2025-09-12 10:00", 1, "2025-09-12 11:00"),
        ("2025-09-12 11:00", 2, "2025-09-12 14:30"),  # across lunch
        ("2025-09-12 12:30", 1, "2025-09-12 14:30"),  # starts in the lunch break
        ("2025-09-12 11:00", 1, "2025-09-12 12:00"),  # ends with the span, not with the next one
        ("2025-09-12 16:30", 2, "2025-09-15 09:30"),  # across the evening and the weekend
        ("2025-09-13 09:00", 7.5, "2025-09-15 17:30"),  # a whole day from a Saturday
        ("2025-09-30 17:00", 1, "2025-10-09 09:00"),  # across the holidays
        ("2025-09-12 03:00", 4, "2025-09-12 14:00"),
    ],
)
def test_working_hours_run_only_in_the_spans_of_working_days(start: str, hours: float, end: str) -> None:
    assert local(CALENDAR.due(at(start), hours, "work_hour")) == end


def test_urgent_hours_and_natural_days_run_through_the_night() -> None:
    assert local(CALENDAR.due(at("2025-10-01 23:00"), 2, "urgent_hour")) == "2025-10-02 01:00"
    assert local(CALENDAR.due(at("2025-10-01 23:00"), 3, "natural_day")) == "2025-10-04 23:00"


def test_a_daylight_saving_night_has_no_effect_on_hours_of_the_clock() -> None:
    york = WorkCalendar({}, PROFILE.work_time, "America/New_York")
    start = datetime(2026, 3, 6, 17, 0, tzinfo=ZoneInfo("America/New_York"))  # clocks go forward on Sunday the 8th
    due = datetime.fromtimestamp(york.due(round(start.timestamp() * 1000), 1, "work_hour") / 1000, start.tzinfo)
    assert due.strftime("%Y-%m-%d %H:%M") == "2026-03-09 09:00"


instants = st.integers(at("2024-01-01"), at("2027-01-01"))


@UNHURRIED
@given(instants, st.integers(1, 60))
def test_working_minutes_counted_one_by_one_give_the_same_due_time(start: int, quarters: int) -> None:
    start -= start % 60_000
    left, moment = quarters * 15, datetime.fromtimestamp(start / 1000, ZONE)
    while left:
        inside = CALENDAR.is_working_day(moment.date()) and any(
            begin <= moment.time() < end for begin, end in PROFILE.work_time.spans
        )
        left -= inside
        moment += timedelta(minutes=1)
    assert CALENDAR.due(start, quarters / 4, "work_hour") == round(moment.timestamp() * 1000)


@UNHURRIED
@given(instants, instants, st.integers(1, 30), st.sampled_from(["natural_day", "urgent_hour", "work_day", "work_hour"]))
def test_a_later_start_is_never_due_earlier(one: int, other: int, limit: int, unit: LimitUnit) -> None:
    first, second = sorted((one, other))
    assert first < CALENDAR.due(first, limit, unit) <= CALENDAR.due(second, limit, unit)


@pytest.mark.parametrize(
    ("start", "ends"),
    [  # start + 1, 2, 5 and 15 working days
        ("2025-09-26", ("2025-09-28", "2025-09-29", "2025-10-10", "2025-10-23")),
        ("2025-09-30", ("2025-10-09", "2025-10-10", "2025-10-14", "2025-10-28")),
        ("2026-02-13", ("2026-02-14", "2026-02-24", "2026-02-27", "2026-03-12")),
        ("2026-04-30", ("2026-05-06", "2026-05-07", "2026-05-11", "2026-05-25")),
        ("2026-09-24", ("2026-09-28", "2026-09-29", "2026-10-09", "2026-10-22")),
    ],
)
def test_the_notices_of_two_years_give_the_days_counted_by_hand(start: str, ends: tuple[str, ...]) -> None:
    for days, end in zip((1, 2, 5, 15), ends, strict=True):
        assert local(BARE.due(at(f"{start} 10:00"), days, "work_day")) == f"{end} 17:30"


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2025-10-10 16:30", 3, "2025-10-11 10:30"),  # into the Saturday that is made up
        ("2025-10-11 11:00", 4, "2025-10-11 16:30"),  # within it, across lunch
        ("2025-10-11 17:00", 8, "2025-10-13 17:30"),  # out of it, over the Sunday
        ("2026-02-14 11:30", 7.5, "2026-02-24 11:30"),  # out of a made-up Saturday, over the Spring Festival
    ],
)
def test_working_hours_run_on_a_saturday_that_is_made_up(start: str, hours: float, end: str) -> None:
    assert local(BARE.due(at(start), hours, "work_hour")) == end


def test_a_term_in_words_ends_as_its_number_and_unit_do() -> None:
    start = at("2025-09-26 10:00")
    assert CALENDAR.after(start, "5 work_day") == CALENDAR.due(start, 5, "work_day")
    assert CALENDAR.after(start, "0.5 urgent_hour") == start + 30 * 60 * 1000


def test_a_year_that_nobody_knows_is_told_once_until_the_profile_has_its_days() -> None:
    told: list[int] = []
    bare = WorkCalendar({}, PROFILE.work_time, PROFILE.timezone, told.append)
    bare.due(at("2041-03-04 10:00"), 1, "work_day")
    bare.due(at("2041-05-06 10:00"), 1, "work_day")
    assert told == [2041]
    own = WorkCalendar({date(2042, 1, 1): False}, PROFILE.work_time, PROFILE.timezone, told.append)
    own.due(at("2042-03-04 10:00"), 1, "work_day")
    assert told == [2041]
