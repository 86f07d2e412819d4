"""Each message of a JSON feed declared once: its fields with their spellings, types, limits, meaning and an example.

A message is a `Shape` (a pydantic model). What it declares reads the message (`read`: the first problem as a Refusal),
checks it (`problems`: all of them) and describes it (`Shape.model_json_schema()`). Errors name the field as the sender
spells it and never its value. Absent, null and blank all mean "not given".
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Annotated, Any, ClassVar, Final, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from connectors import times, words
from connectors.errors import Refusal
from connectors.fields import CONTENT_LIMIT, ID_LIMIT, INVISIBLE, LIST_LIMIT, TEXT_LIMIT, TITLE_LIMIT
from profiles import Crs
from schemas.reasons import ReasonCode

#: Whole numbers from here on may have lost digits on their way: JSON numbers are floating-point numbers to many senders.
EXACT_LIMIT: Final = 2**53
_DECIMAL: Final = re.compile(r"[+-]?\d{1,12}(?:\.\d{1,20})?", re.ASCII)
#: Full-width forms would make another number of the same number; controls and white space stand in none.
_IDENTIFIER: Final = re.compile(r"[^\s\x00-\x20\x7f-\xa0\uff01-\uff5e]{1,64}")
_PLAIN_NUMBER: Final = re.compile(r"[\w./()〔〕-]+")
_MISSING: Final = "is missing or empty; it must be given"
#: Own words for pydantic's findings, by its error type; anything else is of the wrong shape.
_SAID: Final[dict[str, tuple[ReasonCode, str]]] = {
    "missing": ("missing_field", _MISSING),
    "string_type": ("bad_field", "must be text; send it in quotes"),
    "model_type": ("bad_field", "must be an object"),
    "model_attributes_type": ("bad_field", "must be an object"),
}


@dataclass(frozen=True, slots=True)
class Clock:
    """How a channel writes times: the zone of those without an offset, and a strptime pattern where it has its own."""

    zone: tzinfo
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a message; `field` as the sender spells it, dotted where nested, empty for the whole."""

    field: str
    refusal: Refusal


class Shape(BaseModel):
    """A kind of message. `spellings`: every name of a field -> its first one; `required`: first names that must be given."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, populate_by_name=False)

    spellings: ClassVar[dict[str, str]] = {}
    required: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.spellings = {
            name: str(info.alias)
            for info in cls.model_fields.values()
            for name in (str(info.alias), *_other_spellings(info))
        }
        cls.required = frozenset(str(info.alias) for info in cls.model_fields.values() if info.is_required())


S = TypeVar("S", bound=Shape)
#: A message's given, known fields by first spelling.
Given = dict[str, Any]


def needed(spellings: str, says: str, example: Any = None) -> Any:
    """A field that must be given. spellings: its names in messages, apart by spaces, the first one first."""
    return _field(..., spellings, says, example)


def given(spellings: str, says: str, example: Any = None, default: Any = "") -> Any:
    """A field that may be left out: empty text, or the default, stands for it then."""
    return _field(default, spellings, says, example)


def maybe(spellings: str, says: str, example: Any = None) -> Any:
    """A field that may be left out: None stands for it then."""
    return _field(None, spellings, says, example)


def kept() -> Any:
    """The field `extra`: what a source gives besides, under its own names."""
    return Field(default_factory=dict, alias="extra", description="further fields worth keeping, masked")


def _field(default: Any, spellings: str, says: str, example: Any) -> Any:
    first, *others = spellings.split()
    return Field(
        default,
        alias=first,
        description=says,
        examples=None if example is None else [example],
        json_schema_extra={"x-spellings": [*others]} if others else None,
    )


def _other_spellings(info: FieldInfo) -> Sequence[str]:
    extra = info.json_schema_extra
    found = extra.get("x-spellings", []) if isinstance(extra, dict) else []
    return [str(name) for name in found] if isinstance(found, list) else []


def picked(fields: Mapping[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    """The given fields that the shape knows, by first spelling, texts trimmed and without invisible characters.

    Of two spellings of one field that are both given, the one declared first counts.
    """
    found: dict[str, Any] = {}
    first_of = spellings.get
    twice = False
    for key, value in fields.items():
        first = first_of(key)
        if first is None:
            continue
        # Most values are printable texts, for which this is `clean`.
        plain = value.__class__ is str and value.isprintable()
        cleaned = (value.strip() or None) if plain else clean(value)
        if cleaned is None:
            continue
        if first in found:
            twice = True
        found[first] = cleaned
    if twice:
        for key in reversed([*spellings]):
            if (cleaned := clean(fields.get(key))) is not None:
                found[spellings[key]] = cleaned
    return found


def clean(value: Any, depth: int = 2) -> Any:
    """The value with its texts trimmed and without invisible characters; None when nothing is left of it."""
    if isinstance(value, str):
        if not value.isprintable():
            value = INVISIBLE.sub("", value)
        return value.strip() or None
    if depth and isinstance(value, dict):
        return {name: inner for name, item in value.items() if (inner := clean(item, depth - 1)) is not None}
    if depth and isinstance(value, list):
        return [inner for item in value if (inner := clean(item, depth - 1)) is not None]
    return value


def read(shape: type[S], fields: Mapping[str, Any], clock: Clock) -> tuple[S, dict[str, Any]]:
    """The message, and its given, known fields by first spelling (over which the content hash runs).

    Raises Refusal for the first problem, in the order of the declaration.
    """
    data = picked(fields, shape.spellings)
    try:
        return cast(S, shape.__pydantic_validator__.validate_python(data, context=clock)), data
    except ValidationError as error:
        raise _found(shape, fields, error)[0].refusal from None


def problems(shape: type[Shape], fields: Mapping[str, Any], clock: Clock) -> list[Problem]:
    """Everything that is wrong with the message by itself; codes that only the profile knows are not looked up."""
    try:
        shape.model_validate(picked(fields, shape.spellings), context=clock)
    except ValidationError as error:
        return _found(shape, fields, error)
    return []


def kind_of(fields: Mapping[str, Any], name: str, shapes: Mapping[str, type[Shape]], also: Mapping[str, str]) -> str:
    """Which of the shapes the message is: by the field `name` (`also`: other words for the kinds).

    Without it, the only one whose required fields are all given. Raises Refusal (unsupported_type).
    """
    word = fields.get(name)
    if isinstance(word, str) and word:
        if (kind := also.get(word, word)) in shapes:
            return kind
    elif word is None or word == "":
        fitting = [
            kind
            for kind, shape in shapes.items()
            if shape.required <= {shape.spellings.get(key) for key, value in fields.items() if clean(value) is not None}
        ]
        if len(fitting) == 1:
            return fitting[0]
    raise Refusal("unsupported_type", f"{name}: must be one of {', '.join(shapes)}; or give all that one of them needs")


def _found(shape: type[Shape], fields: Mapping[str, Any], error: ValidationError) -> list[Problem]:
    return [_problem(shape, fields, finding) for finding in error.errors(include_url=False, include_input=False)]


def _problem(shape: type[Shape], fields: Mapping[str, Any], finding: Any) -> Problem:
    context: dict[str, Any] = finding.get("ctx", {})
    said = context.get("error")
    parts = [str(part) for part in finding["loc"] if isinstance(part, str)]
    first, *rest = parts or [said.field if isinstance(said, Wrong) else ""]
    spelt = next((key for key, name in shape.spellings.items() if name == first and key in fields), first)
    name = ".".join((spelt, *rest))
    code: ReasonCode
    if isinstance(said, Wrong):
        code, reason = said.code, said.reason
    elif finding["type"] == "string_too_long":
        code, reason = "field_too_long", f"longer than {context['max_length']} characters; shorten it"
    else:
        code, reason = _SAID.get(finding["type"], ("bad_field", "has the wrong type or shape"))
    return Problem(name, Refusal(code, f"{name}: {reason}" if name else reason))


class Wrong(ValueError):  # noqa: N818 - it is told to the sender, as a Refusal is
    """What a field's reader finds wrong; `field` only where the whole message is read."""

    def __init__(self, code: ReasonCode, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.code: ReasonCode = code
        self.reason, self.field = reason, field


class Leaf:
    """A type of field: how a given value is read, and its JSON schema. What is not given never comes here."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    def read(self, value: Any) -> Any:
        """The value as the connector takes it; raises Wrong."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return dict(self.schema)


def _number_as_text(value: Any) -> str:
    """Text, or a whole number that no sender can have rounded."""
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) < EXACT_LIMIT:
            return str(value)
        raise Wrong("bad_field", "has lost digits as a JSON number; send it in quotes")
    if not isinstance(value, str):
        raise Wrong("bad_field", "must be text; send it in quotes")
    return value


def _short(value: str, limit: int) -> str:
    if len(value) > limit:
        raise Wrong("field_too_long", f"longer than {limit} characters; shorten it")
    return value


class _Identifier(Leaf):
    def read(self, value: Any) -> str:
        number = value if value.__class__ is str else _number_as_text(value)
        if not _IDENTIFIER.fullmatch(_short(number, ID_LIMIT)):
            raise Wrong("bad_field", "must hold no white space, control or full-width characters")
        return number


class _Phone(Leaf):
    def read(self, value: Any) -> str:
        return _short(value if value.__class__ is str else _number_as_text(value), TEXT_LIMIT)


class Code(Leaf):
    """Text that matches a pattern whole; `shape` tells the sender how it looks."""

    def __init__(self, pattern: str, shape: str) -> None:
        super().__init__({"type": "string", "pattern": f"^(?:{pattern})$"})
        self._pattern, self._reason = re.compile(pattern, re.ASCII), f"must be {shape}"

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("bad_field", "must be text; send it in quotes")
        if not self._pattern.fullmatch(_short(value, ID_LIMIT)):
            raise Wrong("bad_field", self._reason)
        return value


class Choice(Leaf):
    """One of a table's words, also as JSON boolean or number where the table has it; gives the word's entry."""

    def __init__(self, table: Mapping[str, Any], code: ReasonCode = "unknown_code") -> None:
        spoken = {"true": True, "false": False, **{word: int(word) for word in table if word.isdecimal()}}
        super().__init__({"enum": [*table, *(value for word, value in spoken.items() if word in table)]})
        self._table, self._code, self._reason = table, code, f"must be one of {', '.join(table)}"

    def read(self, value: Any) -> Any:
        if value.__class__ is str and value in self._table:
            return self._table[value]
        if isinstance(value, bool | int):
            value = str(value).lower()
        if not isinstance(value, str):
            raise Wrong("bad_field", "must be text; send it in quotes")
        if (lower := value.lower()) in self._table:
            return self._table[lower]
        raise Wrong(self._code, self._reason)


class Number(Leaf):
    """A finite number, also as decimal text."""

    def __init__(self, code: ReasonCode = "bad_field") -> None:
        super().__init__({"anyOf": [{"type": "number"}, {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"}]})
        self._code = code

    def read(self, value: Any) -> float:
        if value.__class__ is float and math.isfinite(value):
            return value
        if isinstance(value, str) and _DECIMAL.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Wrong(self._code, "must be a number, or left out")
        return float(value)


class Texts(Leaf):
    """A list of at most 50 texts; one text stands for a list of one, or is split where `apart` is given."""

    def __init__(self, limit: int = TEXT_LIMIT, apart: str = "") -> None:
        one = {"type": "string", "maxLength": limit}
        super().__init__({"anyOf": [{"type": "array", "items": one, "maxItems": LIST_LIMIT}, one]})
        self._limit, self._apart = limit, re.compile(apart) if apart else None

    def read(self, value: Any) -> list[str]:
        if isinstance(value, str):
            value = [part for part in self._apart.split(value) if part] if self._apart else [value]
        if not isinstance(value, list):
            raise Wrong("bad_field", "must be a list of texts")
        if len(value) > LIST_LIMIT:
            raise Wrong("field_too_long", f"more than {LIST_LIMIT} entries; shorten it")
        return [_short(_number_as_text(item), self._limit) for item in value]


class _Numbers(Texts):
    """Numbers of the source's, as a list or as one text with any marks between them."""

    def read(self, value: Any) -> list[str]:
        numbers = super().read(value)
        if not all(_PLAIN_NUMBER.fullmatch(number) for number in numbers):
            raise Wrong("bad_field", "must hold numbers only: letters, digits and - . / _ ( )")
        return numbers


class _Extra(Leaf):
    def read(self, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise Wrong("bad_field", "must be an object")
        if len(value) > LIST_LIMIT or any(len(name) > ID_LIMIT for name in value):
            raise Wrong("field_too_long", f"at most {LIST_LIMIT} entries with names of {ID_LIMIT}")
        found = {name: str(item) if isinstance(item, int | float) else item for name, item in value.items()}
        if not all(isinstance(item, str) for item in found.values()):
            raise Wrong("bad_field", "must hold texts only")
        return {name: _short(item, TEXT_LIMIT) for name, item in found.items()}


class Time(Leaf):
    """A time in whole milliseconds UTC, read by `reader` or by the channel's own pattern."""

    def __init__(self, reader: Callable[[Any, tzinfo], int], shape: str) -> None:
        super().__init__({"anyOf": [{"type": "string"}, {"type": "number"}], "x-form": shape})
        self._reader = reader

    def _timed(self, value: Any, info: core_schema.ValidationInfo) -> int:
        clock = cast(Clock, info.context)
        try:
            if clock.pattern:
                return times.read_formatted(value, clock.zone, clock.pattern)
            return self._reader(value, clock.zone)
        except Refusal as refusal:
            raise Wrong(refusal.code, refusal.reason) from None

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._timed)


_ID_SCHEMA: Final = {"type": "string", "maxLength": ID_LIMIT, "pattern": r"^\S+$"}

Text = Annotated[str, StringConstraints(max_length=TEXT_LIMIT)]
Title = Annotated[str, StringConstraints(max_length=TITLE_LIMIT)]
Content = Annotated[str, StringConstraints(max_length=CONTENT_LIMIT)]
#: A source's own number, opaque: leading zeros kept, at most 64 characters.
Identifier = Annotated[str, _Identifier(_ID_SCHEMA)]
Phone = Annotated[str, _Phone({"type": "string", "maxLength": TEXT_LIMIT})]
Yes = Annotated[bool, Choice(words.YES_NO, "bad_field")]
Degrees = Annotated[float | None, Number("bad_location")]
MaybeYes = Annotated[bool | None, Choice(words.YES_NO, "bad_field")]
AreaCode = Annotated[str, Code(r"\d{9}|\d{12}", "9 digits (street) or 12 digits (community) as text")]
ClassCode = Annotated[str, Code(r"\S(?:.{0,62}\S)?", "1 to 64 characters")]
CrsName = Annotated[Crs, Choice({name: name for name in get_args(Crs)}, "bad_location")]
Names = Annotated[list[str], Texts()]
Numbers = Annotated[list[str], _Numbers(ID_LIMIT, r"[\s,，、;；|]+")]
Extra = Annotated[
    dict[str, str],
    _Extra({"type": "object", "additionalProperties": {"type": ["string", "number"]}, "maxProperties": LIST_LIMIT}),
]
#: Year first, in any of the forms of `times.read_local`.
LocalTime = Annotated[int, Time(times.read_local, "YYYY-MM-DD HH:MM:SS")]
DayFirstTime = Annotated[int, Time(times.read_day_first, "D/M/YY H:MM")]
AnyTime = Annotated[int, Time(times.read_any, "ISO 8601, or seconds or milliseconds since 1970")]


def schema(shape: type[Shape], kind_field: str, kind: str) -> dict[str, Any]:
    """The shape's JSON schema, by first spellings, with the field that names its kind."""
    found = shape.model_json_schema(by_alias=True)
    found["properties"] = {kind_field: {"const": kind, "type": "string"}} | found["properties"]
    return found
