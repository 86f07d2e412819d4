"""Typed reading of message fields. Every function raises Refusal, naming the field and never its value.

`data` is one message as a flat or nested JSON object; absent, null and empty text all mean "not given".
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from connectors.errors import Refusal
from schemas.reasons import ReasonCode

ID_LIMIT: Final = 64
TITLE_LIMIT: Final = 500
CONTENT_LIMIT: Final = 20_000
TEXT_LIMIT: Final = 1_000
LIST_LIMIT: Final = 50

#: Control characters but tab and newline, and the invisible ones that could hide a phone number from the masks.
INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,20})?", re.ASCII)

Fields = Mapping[str, Any]
T = TypeVar("T")


def text(data: Fields, name: str, limit: int = TEXT_LIMIT, *, required: bool = False) -> str:
    """Trimmed text without invisible characters; empty when not given."""
    value = data.get(name)
    if value is None:
        value = ""
    elif not isinstance(value, str):
        raise Refusal("bad_field", f"{name}: must be text; send it in quotes")
    if len(value) > limit:
        raise Refusal("field_too_long", f"{name}: longer than {limit} characters; shorten it")
    if not value.isprintable():
        value = INVISIBLE.sub("", value)
    value = value.strip()
    if required and not value:
        raise Refusal("missing_field", f"{name}: is missing or empty; it must be given")
    return value


def identifier(data: Fields, name: str, *, required: bool = True) -> str:
    """An opaque number of the source: text, at most 64 characters, no white space, leading zeros kept."""
    value = text(data, name, ID_LIMIT, required=required)
    if not value.isprintable() or any(character.isspace() for character in value):
        raise Refusal("bad_field", f"{name}: must hold no white space or control characters")
    return value


def token(data: Fields, name: str, *, required: bool = True) -> str:
    """Like `identifier`, but a whole number is taken too: for small numbers such as a camera's channel."""
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return identifier({name: str(value)}, name, required=required)
    return identifier(data, name, required=required)


def code(data: Fields, name: str, pattern: re.Pattern[str], shape: str, *, required: bool = False) -> str:
    """A code that must match `pattern` whole; `shape` tells the sender how it looks. Empty when not given."""
    value = text(data, name, ID_LIMIT, required=required)
    if value and not pattern.fullmatch(value):
        raise Refusal("bad_field", f"{name}: must be {shape}")
    return value


def number(data: Fields, name: str, wrong: ReasonCode = "bad_field") -> float | None:
    """A finite number, also when written as decimal text; None when not given."""
    value = data.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refusal(wrong, f"{name}: must be a number, or left out")
    return float(value)


def choice(data: Fields, name: str, table: Mapping[str, T], default: T) -> T:
    """The value's entry in `table`; `default` when not given; unknown_code for any other value."""
    value = text(data, name)
    if not value:
        return default
    if value not in table:
        raise Refusal("unknown_code", f"{name}: must be one of {', '.join(table)}")
    return table[value]


def needed(data: Fields, name: str, table: Mapping[str, T]) -> T:
    """Like `choice`, for a field that must be given."""
    text(data, name, required=True)
    return choice(data, name, table, next(iter(table.values())))


def nested(data: Fields, name: str) -> dict[str, Any]:
    """An object inside the message; empty when not given."""
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal("bad_field", f"{name}: must be an object")
    return value


def pick(data: Fields, names: Mapping[str, str]) -> dict[str, Any]:
    """The message's given fields that the protocol knows, by their first spelling (`names`: spelling -> first spelling)."""
    return {names[key]: value for key, value in data.items() if key in names and value is not None and value != ""}


def words(spaced: str) -> dict[str, str]:
    """Words that stand for themselves, as a table for `pick`, `choice` and `needed`."""
    return {word: word for word in spaced.split()}
