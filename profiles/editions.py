"""What changes its name or place on a day: several lines of one code in a file, each in force until the next one of that code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, NamedTuple, TypeVar

from profiles.files import ProfileError, raise_all

T = TypeVar("T")

COLUMN: Final = "valid_from"
#: From when on the first line of a code holds, whatever it says: before it, too, there must be a name.
ALWAYS: Final = date(1970, 1, 1)
#: The last day that ClickHouse's Date can tell: what holds still, holds until then.
EVER: Final = date(2149, 6, 6)


@dataclass(frozen=True)
class Edition(Generic[T]):
    """What holds for a code on the local days `valid_from` to `valid_to`, both included."""

    valid_from: date
    valid_to: date
    what: T


class Told(NamedTuple, Generic[T]):
    """A line of a file: where it stands, its code, the day in its column `valid_from`, and what it says."""

    where: str
    code: str
    valid_from: date
    what: T


def day_of(where: str, text: str) -> date:
    """The day of a column `valid_from`; raises ProfileError. Empty: always."""
    if not text:
        return ALWAYS
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or not ALWAYS <= day < EVER:
        raise ProfileError(f"{where}: {COLUMN} must be a day as YYYY-MM-DD, or empty")
    return day


def editions(told: Iterable[Told[T]]) -> dict[str, tuple[Edition[T], ...]]:
    """Editions by code, in order of their days: they cover all days and never overlap. Raises ProfileError."""
    lines: dict[str, dict[date, Told[T]]] = {}
    problems = []
    for one in told:
        days = lines.setdefault(one.code, {})
        if one.valid_from in days:
            problems.append(f"{one.where}: {days[one.valid_from].where} has the same code and {COLUMN}; keep one")
        days[one.valid_from] = one
    raise_all(problems)
    return {code: _of_a_code(days) for code, days in lines.items()}


def _of_a_code(days: Mapping[date, Told[T]]) -> tuple[Edition[T], ...]:
    begins = [ALWAYS, *sorted(days)[1:]]
    ends = [date.fromordinal(day.toordinal() - 1) for day in begins[1:]] + [EVER]
    whats = [days[day].what for day in sorted(days)]
    return tuple(Edition(*one) for one in zip(begins, ends, whats, strict=True))


def in_force(found: Mapping[str, tuple[Edition[T], ...]], today: date) -> dict[str, T]:
    """What each code is on a day."""
    return {
        code: next(edition.what for edition in of_code if edition.valid_from <= today <= edition.valid_to)
        for code, of_code in found.items()
    }
