"""The day of the Spring Festival, which moves with the moon."""

from datetime import date
from functools import cache

from lunar_python import Lunar


@cache
def spring_festival(year: int) -> date:
    """正月初一 that falls in `year` of the calendar, between 21 January and 21 February."""
    day = Lunar.fromYmd(year, 1, 1).getSolar()
    return date(day.getYear(), day.getMonth(), day.getDay())
