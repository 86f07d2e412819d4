"""Times of the sources to whole milliseconds UTC.

Every function reads the field `name` of a message and raises Refusal: missing_field, bad_field for a wrong type, bad_time.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from connectors.errors import Refusal

Fields = Mapping[str, Any]

_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?", re.ASCII | re.IGNORECASE
)
#: Year first, as spreadsheets and older systems write it: 2019/7/19 18:19:54, 2019-7-19 18:19.
_YEAR_FIRST: Final = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2}) (\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d\d) (\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_DIGITS: Final = re.compile(r"\d{9,13}", re.ASCII)
_DAY_MS: Final = 24 * 3600 * 1000
#: Years taken, UTC. Older and later dates are keying errors or devices without a clock.
EARLIEST_MS: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST_MS: Final = int(datetime(2101, 1, 1, tzinfo=UTC).timestamp() * 1000)
#: Epoch numbers above this are milliseconds: as seconds it would be the year 5138.
_MS_FROM: Final = 100_000_000_000


def local_time(data: Fields, name: str, zone: tzinfo) -> int:
    """ISO 8601 with T or a space, or year first with one-digit parts or slashes; without an offset it is meant in `zone`."""
    stamp = _text(data, name)
    plain = _YEAR_FIRST.fullmatch(stamp)
    if plain is None and not _ISO.fullmatch(stamp):
        raise Refusal("bad_time", f"{name}: must read YYYY-MM-DD HH:MM:SS, with or without an offset")
    try:
        if plain is not None:
            year, month, day, hour, minute, second = (int(plain[n] or 0) for n in (1, 3, 4, 5, 6, 7))
            moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone follows below
        else:
            moment = datetime.fromisoformat(stamp.replace(",", ".").replace(" +", "+").replace(" -", "-"))
    except ValueError:
        raise Refusal("bad_time", f"{name}: names no real date and time") from None
    return _milliseconds(moment, name, zone)


def day_first_time(data: Fields, name: str, zone: tzinfo) -> int:
    """D/M/YY H:MM of the 110 transfers, local. Example: 6/5/25 14:57 is 6 May 2025."""
    found = _DAY_FIRST.fullmatch(_text(data, name))
    if not found:
        raise Refusal("bad_time", f"{name}: must read D/M/YY H:MM, the day before the month")
    day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone follows below
    except ValueError:
        raise Refusal("bad_time", f"{name}: names no real date and time; the day stands before the month") from None
    return _milliseconds(moment, name, zone)


def formatted_time(data: Fields, name: str, zone: tzinfo, pattern: str) -> int:
    """A time in the strptime `pattern` that the profile's channel declares."""
    try:
        moment = datetime.strptime(_text(data, name), pattern)  # noqa: DTZ007 - the zone follows below
    except (ValueError, re.error):  # re.error: a pattern that names one part of the time twice
        raise Refusal("bad_time", f"{name}: does not fit the channel's time_format") from None
    return _milliseconds(moment, name, zone)


def epoch_time(data: Fields, name: str) -> int:
    """Seconds or milliseconds since 1970, as a number or as digits."""
    value = _given(data, name)
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("bad_time", f"{name}: must be seconds or milliseconds since 1970")
    if not 0 <= value < LATEST_MS:
        raise Refusal("bad_time", f"{name}: is outside the years 2000 to 2100; check the sender's clock")
    return in_range(int(value if value >= _MS_FROM else value * 1000), name)


def any_time(data: Fields, name: str, zone: tzinfo) -> int:
    """Epoch number, epoch digits, or ISO 8601."""
    value = _given(data, name)
    if isinstance(value, str) and not _DIGITS.fullmatch(value.strip()):
        return local_time(data, name, zone)
    return epoch_time(data, name)


def not_later(moment: int, name: str, received_at: int) -> int:
    """The same moment; refuses one more than 24 h after the hub received the message."""
    if moment > received_at + _DAY_MS:
        raise Refusal(
            "bad_time", f"{name}: lies more than 24 h in the future; check the sender's clock and date format"
        )
    return moment


def in_range(moment: int, name: str) -> int:
    """The same moment; refuses years outside 2000 to 2100."""
    if not EARLIEST_MS <= moment < LATEST_MS:
        raise Refusal("bad_time", f"{name}: is outside the years 2000 to 2100; check the sender's clock")
    return moment


def _given(data: Fields, name: str) -> Any:
    value = data.get(name)
    if value is None or value == "":
        raise Refusal("missing_field", f"{name}: is missing or empty; it must be given")
    return value


def _text(data: Fields, name: str) -> str:
    value = _given(data, name)
    if not isinstance(value, str):
        raise Refusal("bad_field", f"{name}: must be a date and time as text")
    return value.strip()


def _milliseconds(moment: datetime, name: str, zone: tzinfo) -> int:
    # Before the conversion, which overflows at the ends of the calendar.
    if not 1999 <= moment.year <= 2101:
        raise Refusal("bad_time", f"{name}: is outside the years 2000 to 2100; check the sender's clock")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return in_range(int(moment.timestamp() * 1000), name)
