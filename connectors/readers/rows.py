"""A database's values as a message's fields, and its clock column as something to count back from."""

import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil, isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from connectors.bodies import Broken, Message
from connectors.errors import Refusal

#: A double holds 15 decimal digits: a longer number is not the one that was stored.
_DOUBLE_LIMIT: Final = 10**15
_EPOCHS: Final = {"epoch_s": 1, "epoch_ms": 1000}


def to_message(row: Mapping[str, Any], zone: ZoneInfo | None) -> Message | Broken:
    """The row's given values by column. Whole numbers become text, since ids are no quantities; times without a zone are
    meant in `zone`, or left to the channel where it is None.
    """
    fields: dict[str, Any] = {}
    problem: Refusal | None = None
    for name, value in row.items():
        try:
            if value is not None:
                fields[name] = json_value(value, zone)
        except UnicodeDecodeError:
            problem = Refusal("bad_encoding", f"{name}: neither UTF-8 nor GB18030; set client_encoding in the DSN")
        except OverflowError:
            problem = Refusal("bad_field", f"{name}: a floating-point number of more than 15 digits; store it as text")
    try:
        raw = orjson.dumps(fields, default=str)
    except orjson.JSONEncodeError:
        lost = [name for name, value in fields.items() if not _fits_json(value)]
        raw = orjson.dumps({name: value for name, value in fields.items() if name not in lost}, default=str)
        problem = Refusal(
            "bad_field", f"{', '.join(lost)}: too deep, or a number or text that JSON has not; store it as text"
        )
    return Broken(raw, problem) if problem else Message(fields, raw)


def _fits_json(value: Any) -> bool:
    try:
        orjson.dumps(value, default=str)
    except orjson.JSONEncodeError:
        return False
    return True


def json_value(value: Any, zone: ZoneInfo | None = None) -> Any:
    """One value as JSON holds it; raises UnicodeDecodeError for bytes that are no text, OverflowError for lost digits."""
    if isinstance(value, str):
        return value.rstrip(" ")  # CHAR(n) is padded
    if isinstance(value, bool | dict | list):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return ""
        return format(value.to_integral_value() if value == value.to_integral_value() else value, "f")
    if isinstance(value, float):
        if not isfinite(value):
            return ""
        if abs(value) >= _DOUBLE_LIMIT:
            raise OverflowError
        return str(int(value)) if value == int(value) else value
    if isinstance(value, datetime):
        return (value.replace(tzinfo=zone) if value.tzinfo is None and zone else value).isoformat(" ")
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    return str(value)


def _decoded(value: bytes) -> str:
    try:
        return value.decode().rstrip(" \x00")
    except UnicodeDecodeError:
        return value.decode("gb18030").rstrip(" \x00")


class Clock:
    """Values of a clock column: comparable moments, how JSON stores them, and what lies before them.

    pattern: as SqlSource.clock_format. zone: of moments without one.
    """

    def __init__(self, pattern: str, zone: ZoneInfo) -> None:
        self._pattern = pattern
        self._zone = zone
        self.per_second = _EPOCHS.get(pattern)
        self.text = bool(pattern) and self.per_second is None

    def moment(self, value: Any) -> Any:
        """The value as something that has an order; None for one that does not fit the pattern, or that is no time at all."""
        if self.per_second:
            try:
                return int(value)
            except (ValueError, OverflowError):  # NaN, infinity, text
                return None
        if self.text:
            try:
                return datetime.strptime(str(value).strip(), self._pattern)  # noqa: DTZ007 - the column's own time
            except ValueError:
                return None
        return None if isinstance(value, str) else value

    def now(self, like: Any) -> Any:
        """The present as a moment of the same kind as `like`."""
        if self.per_second:
            return int(time.time() * self.per_second)
        if not isinstance(like, datetime):
            return datetime.now(self._zone).date()
        moment = datetime.now(like.tzinfo or self._zone)
        return moment if like.tzinfo else moment.replace(tzinfo=None)

    def back(self, moment: Any, seconds: float) -> Any:
        """A moment before; for days at least the day before. Before the first there is the first."""
        if self.per_second:
            return moment - ceil(seconds * self.per_second)
        try:
            if not isinstance(moment, datetime):
                return moment - timedelta(days=ceil(seconds / 86_400))
            return moment - timedelta(seconds=seconds)
        except OverflowError:
            return moment

    def store(self, moment: Any) -> Any:
        """The moment as JSON holds it."""
        return moment if self.per_second else moment.isoformat()

    def restore(self, stored: Any) -> Any:
        """The moment that was stored; raises ValueError, TypeError."""
        if self.per_second:
            return int(stored)
        return date.fromisoformat(stored) if len(stored) == len("2025-01-01") else datetime.fromisoformat(stored)

    def parameter(self, moment: Any) -> Any:
        """The moment as the column writes it."""
        return moment.strftime(self._pattern) if self.text else moment
