"""Times of the sources to whole milliseconds UTC.

The `read_*` functions take a value; the `*_time` functions take it from the field `name` of a message and name the field in
the error. All raise Refusal: missing_field, bad_field for a wrong type, bad_time.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from connectors.errors import Refusal

Fields = Mapping[str, Any]

_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?(?:Z|[+-]\d\d:?\d\d))?", re.ASCII | re.IGNORECASE
)
# Year first, as spreadsheets, forms and older systems write it: 2019/7/19 18:19:54, 2019-7-19, 2019年7月19日 下午6时19分.
_CLOCK: Final = r"(上午|下午)? ?(\d{1,2})(?::(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?|[时点](?:(\d{1,2})分(?:(\d{1,2})秒)?)?)"
_YEAR_FIRST: Final = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[ T]" + _CLOCK + ")?", re.ASCII)
_CHINESE: Final = re.compile(r"(\d{4})(年)(\d{1,2})月(\d{1,2})[日号](?: ?" + _CLOCK + ")?", re.ASCII)
#: yyyyMMdd, yyyyMMddHHmm and yyyyMMddHHmmss.
_COMPACT: Final = re.compile(r"(20\d\d|2100)(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?", re.ASCII)
_DAY_FIRST: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d\d|20\d\d) (\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_SERIAL: Final = re.compile(r"\d{5}(?:\.\d{1,20})?", re.ASCII)
_DIGITS: Final = re.compile(r"\d{9,13}", re.ASCII)
_DAY_MS: Final = 24 * 3600 * 1000
#: Years taken, UTC. Older and later dates are keying errors or devices without a clock.
EARLIEST_MS: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
LATEST_MS: Final = int(datetime(2101, 1, 1, tzinfo=UTC).timestamp() * 1000)
#: Epoch numbers above this are milliseconds: as seconds it would be the year 5138.
_MS_FROM: Final = 100_000_000_000
#: Day 0 of a spreadsheet's dates (the 1900 system after its invented 29 February), and the serials of 2000 to 2100.
_SERIAL_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - the zone follows below
_SERIALS: Final = range(36_526, 73_416)

_NOT_REAL: Final = "names no real date and time"
_OUTSIDE: Final = "is outside the years 2000 to 2100; check the sender's clock"
_SHAPE: Final = "must read YYYY-MM-DD HH:MM:SS, with or without an offset"


def read_local(value: Any, zone: tzinfo) -> int:
    """A date and time with the year first; without an offset it is meant in `zone`, without a time of day at 0:00.

    ISO 8601 with T or a space; one-digit parts, slashes or dots; 年月日时分秒, 上午 and 下午; 20250912101108, 202509121011 and
    20250912; a spreadsheet's serial day number as text (45912.4244).
    """
    # Most times are in this form: read it without looking at the others.
    if value.__class__ is str and len(value) == 19 and value[4:17:3] == "-- ::":
        return _iso(value, zone)
    stamp = _text(value)
    if _ISO.fullmatch(stamp):
        return _iso(stamp, zone)
    if found := _YEAR_FIRST.fullmatch(stamp) or _CHINESE.fullmatch(stamp):
        year, _, month, day, half, hour, minute, second, minute_zh, second_zh = found.groups()
        return _moment((year, month, day, _hour(half, hour), minute or minute_zh, second or second_zh), zone)
    if found := _COMPACT.fullmatch(stamp):
        return _moment(found.groups(), zone)
    if _SERIAL.fullmatch(stamp):
        return _serial(float(stamp), zone)
    raise Refusal("bad_time", _SHAPE)


def read_day_first(value: Any, zone: tzinfo) -> int:
    """D/M/YY H:MM of the 110 transfers, local, with or without seconds: 6/5/25 14:57 is 6 May 2025. Year first is taken too."""
    stamp = _text(value)
    found = _DAY_FIRST.fullmatch(stamp)
    if not found:
        try:
            return read_local(stamp, zone)
        except Refusal as refusal:
            shape = refusal.reason == _SHAPE
            raise Refusal("bad_time", "must read D/M/YY H:MM, the day first" if shape else refusal.reason) from None
    day, month, year, *clock = found.groups()
    try:
        return _moment((year if len(year) == 4 else f"20{year}", month, day, *clock), zone)
    except Refusal as refusal:
        shape = refusal.reason == _NOT_REAL
        raise Refusal("bad_time", f"{_NOT_REAL}; the day stands before the month" if shape else _OUTSIDE) from None


def read_formatted(value: Any, zone: tzinfo, pattern: str) -> int:
    """A time in the strptime `pattern` that the profile's channel declares."""
    try:
        moment = datetime.strptime(_text(value), pattern)  # noqa: DTZ007 - the zone follows below
    except (ValueError, re.error):  # re.error: a pattern that names one part of the time twice
        raise Refusal("bad_time", "does not fit the channel's time_format") from None
    return _milliseconds(moment, zone)


def read_epoch(value: Any) -> int:
    """Seconds or milliseconds since 1970, as a number or as digits."""
    value = _given(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value.strip())  # int() alone does not strip all that strip() does
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("bad_time", "must be seconds or milliseconds since 1970")
    if not 0 <= value < LATEST_MS:
        raise Refusal("bad_time", _OUTSIDE)
    return _in_range(int(value if value >= _MS_FROM else value * 1000))


def read_any(value: Any, zone: tzinfo) -> int:
    """Epoch number or digits, a spreadsheet's serial as a number, or what `read_local` reads."""
    value = _given(value)
    if isinstance(value, str):
        stamp = value.strip()
        # Twelve digits that begin with 20 are a date and time: as milliseconds they would lie in 1976.
        if not _DIGITS.fullmatch(stamp) or (len(stamp) == 12 and stamp.startswith("20")):
            return read_local(stamp, zone)
    elif not isinstance(value, bool) and isinstance(value, int | float) and _SERIALS.start <= value < _SERIALS.stop:
        return _serial(value, zone)
    return read_epoch(value)


def local_time(data: Fields, name: str, zone: tzinfo) -> int:
    """`read_local` of a field."""
    return _named(name, lambda: read_local(data.get(name), zone))


def epoch_time(data: Fields, name: str) -> int:
    """`read_epoch` of a field."""
    return _named(name, lambda: read_epoch(data.get(name)))


def any_time(data: Fields, name: str, zone: tzinfo) -> int:
    """`read_any` of a field."""
    return _named(name, lambda: read_any(data.get(name), zone))


def not_later(moment: int, name: str, received_at: int) -> int:
    """The same moment; refuses one more than 24 h after the hub received the message."""
    if moment > received_at + _DAY_MS:
        raise Refusal(
            "bad_time", f"{name}: lies more than 24 h in the future; check the sender's clock and date format"
        )
    return moment


def _named(name: str, read: Callable[[], int]) -> int:
    try:
        return read()
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{name}: {refusal.reason}") from None


def _given(value: Any) -> Any:
    if value is None or value == "":
        raise Refusal("missing_field", "is missing or empty; it must be given")
    return value


def _text(value: Any) -> str:
    value = _given(value)
    if not isinstance(value, str):
        raise Refusal("bad_field", "must be a date and time as text")
    return value.strip()


def _hour(half: str | None, hour: str | None) -> str | None:
    """The hour of 24; a 12-hour clock's 12 is its 0."""
    if half is None or hour is None:
        return hour
    if int(hour) > 12:
        raise Refusal("bad_time", _NOT_REAL)
    return str(int(hour) % 12 + (12 if half == "下午" else 0))


def _iso(stamp: str, zone: tzinfo) -> int:
    try:
        if len(stamp) > 19:
            stamp = stamp.upper().replace(",", ".").replace(" +", "+").replace(" -", "-").replace(" Z", "Z")
        return _milliseconds(datetime.fromisoformat(stamp), zone)
    except ValueError:
        raise Refusal("bad_time", _NOT_REAL) from None


def _moment(parts: tuple[str | None, ...], zone: tzinfo) -> int:
    """Year, month, day, hour, minute, second; the last three may be None."""
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    try:
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone follows below
    except ValueError:
        raise Refusal("bad_time", _NOT_REAL) from None
    return _milliseconds(moment, zone)


def _serial(days: float, zone: tzinfo) -> int:
    """A spreadsheet's day number: to the second, since its fractions are rounded."""
    if not _SERIALS.start <= days < _SERIALS.stop:
        raise Refusal("bad_time", _OUTSIDE)
    return _milliseconds(_SERIAL_ZERO + timedelta(seconds=round(days * 86_400)), zone)


def _milliseconds(moment: datetime, zone: tzinfo) -> int:
    # Before the conversion, which overflows at the ends of the calendar.
    if not 1999 <= moment.year <= 2101:
        raise Refusal("bad_time", _OUTSIDE)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return _in_range(int(moment.timestamp() * 1000))


def _in_range(moment: int) -> int:
    if not EARLIEST_MS <= moment < LATEST_MS:
        raise Refusal("bad_time", _OUTSIDE)
    return moment
