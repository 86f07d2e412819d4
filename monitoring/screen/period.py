"""Which local days the screen counts: the reader's choice, and the days it means once the data is known. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

#: The year of data: what the screen shows when nothing else is asked for.
YEAR_DAYS: Final = 365
_MAX_DAYS: Final = 3660


class PeriodError(ValueError):
    """The asked period makes no sense; the message says what to send."""


@dataclass(frozen=True, order=True)
class Period:
    """Local days, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True)
class LastDays:
    """The last so many days that have data."""

    days: int


Choice = LastDays | Period


def parse_choice(query: Mapping[str, str]) -> Choice:
    """The choice in `?from=YYYY-MM-DD&to=YYYY-MM-DD` or `?days=N`; the year of data for neither. Raises PeriodError."""
    if "from" in query or "to" in query:
        if "days" in query or not ("from" in query and "to" in query):
            raise PeriodError("give both from and to as YYYY-MM-DD, or days alone")
        period = Period(_day("from", query["from"]), _day("to", query["to"]))
        if not 1 <= period.days <= _MAX_DAYS:
            raise PeriodError(f"from must not be after to, and at most {_MAX_DAYS} days may lie between them")
        return period
    text = query.get("days", str(YEAR_DAYS))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= _MAX_DAYS):
        raise PeriodError(f"days must be a whole number from 1 to {_MAX_DAYS}")
    return LastDays(int(text))


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # fromisoformat takes 20250301 and 2025-W10-1, too
        raise PeriodError(f"{name} must be a day of the calendar as YYYY-MM-DD")
    return day


def resolve(choice: Choice, span: Period | None, today: date) -> Period:
    """The days a choice means. The last days end with the data, so that a replayed year shows; never after today."""
    if isinstance(choice, Period):
        return choice
    last = min(span.last, today) if span else today
    return Period(last - timedelta(days=choice.days - 1), last)
