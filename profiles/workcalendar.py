"""Working time: when a limit of the responsibility list runs out. Times are milliseconds since 1970, UTC.

A day is a working day by the profile's own calendar where that sets it, else by the Chinese public holidays with their
make-up days (调休) where the library knows the State Council's notice for the year, else from Monday to Friday. A year that
neither the library nor the profile knows is told to whoever asked: enter its days in calendar.csv.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from profiles import LimitUnit, Profile, WorkTime
from profiles.duties import parse_limit

_HOUR_MS: Final = 3600 * 1000
_ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5


class WorkCalendar:
    """Working days and working hours of one deployment."""

    def __init__(
        self,
        overrides: Mapping[date, bool],
        work_time: WorkTime,
        timezone: str,
        on_unknown_year: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`overrides`: True for a working day, False for a day off. `work_time`: spans of a working day, local time.

        `on_unknown_year` hears once of each year whose working days were asked for and nobody knows.
        """
        self._overrides = overrides
        self._spans = work_time.spans
        self._zone = ZoneInfo(timezone)
        self._public = holidays.country_holidays("CN")
        #: Years whose notice the library holds; for others it knows the festivals, but not the days made up for.
        self._covered = frozenset(self._public.special_public_holidays)
        self._own_years = frozenset(day.year for day in overrides)
        self._on_unknown_year = on_unknown_year
        self._warned: set[int] = set()
        self._spans_of = lru_cache(maxsize=4096)(self._span_times)
        self._end_of_nth_day = lru_cache(maxsize=4096)(self._find_end_of_nth_day)

    @classmethod
    def of(cls, profile: Profile, on_unknown_year: Callable[[int], None] = lambda _: None) -> "WorkCalendar":
        """Calendar of a profile."""
        return cls(profile.calendar, profile.work_time, profile.timezone, on_unknown_year)

    def is_working_day(self, day: date) -> bool:
        """Say whether people work on a local day."""
        if day in self._overrides:
            return self._overrides[day]
        if day.year in self._covered:
            return bool(self._public.is_working_day(day))
        if day.year not in self._own_years and day.year not in self._warned:
            self._warned.add(day.year)
            self._on_unknown_year(day.year)
        return day.weekday() < _SATURDAY

    def due(self, start: int, limit: float, unit: LimitUnit) -> int:
        """Time at which `limit` units after `start` have run out.

        natural_day: 24 hours each. urgent_hour: runs day and night. work_day: the end of the n-th working day after
        the local day of the start, which itself never counts. work_hour: runs only in the spans of working days.
        """
        if unit == "natural_day":
            return start + round(limit * 24 * _HOUR_MS)
        if unit == "urgent_hour":
            return start + round(limit * _HOUR_MS)
        if unit == "work_day":
            return self._end_of_nth_day(self._local(start).date(), math.ceil(limit))
        return self._after_working_hours(start, round(limit * _HOUR_MS))

    def after(self, start: int, term: str) -> int:
        """Time at which a term such as `5 work_day` has run out."""
        limit = parse_limit("term", "it", term)
        return self.due(start, limit.amount, limit.unit)

    def _local(self, instant: int) -> datetime:
        return datetime.fromtimestamp(instant / 1000, self._zone)

    def _span_times(self, day: date) -> list[tuple[int, int]]:
        """Working spans of a local day as instants; none on a day off."""
        if not self.is_working_day(day):
            return []
        return [
            (
                round(datetime.combine(day, begin, self._zone).timestamp() * 1000),
                round(datetime.combine(day, end, self._zone).timestamp() * 1000),
            )
            for begin, end in self._spans
        ]

    def _find_end_of_nth_day(self, day: date, count: int) -> int:
        while count > 0:
            day += _ONE_DAY
            count -= self.is_working_day(day)
        return self._spans_of(day)[-1][1]

    def _after_working_hours(self, start: int, left: int) -> int:
        day = self._local(start).date()
        while True:
            for begin, end in self._spans_of(day):
                begins = max(begin, start)
                if begins + left <= end:
                    return begins + left
                left -= max(0, end - begins)
            day += _ONE_DAY
