"""A source's own objects in the names of its protocol, as the profile's channel declares: no code for a new channel.

`[mapping]` holds target field = where it stands in the source's object: a plain name, a dotted path, or, after `=`, a JMESPath
expression. The target `*` names a list inside the body: each of its objects is a message, which finds the whole body under
`_`. `[constants]` are put in first, `[codes.<target>]` turn the source's words into ours (`*`: any other word).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
import orjson
from jmespath import functions
from jmespath.exceptions import JMESPathError

from connectors.bodies import CSV_TYPE, Broken, Message, Parsed, media_type, parse_csv, parse_json
from connectors.errors import Refusal
from connectors.shapes import EXACT_LIMIT, Clock, Shape
from profiles import Channel, ProfileError

if TYPE_CHECKING:
    from connectors.base import Context

#: The target that names the list of messages inside a body, and the name under which they see the body's plain values.
EACH: Final = "*"
BODY: Final = "_"
#: Most bytes of the body around its messages: each message's own original repeats it.
_AROUND_BYTES: Final = 16 * 1024
#: Constants about the channel itself; every other one is a field of each message.
_ABOUT_CHANNEL: Final = frozenset(("timezone", "time_format", "zero_point", "city", "orders_channel"))
_POINTS: Final = (("lon", "lat"), ("lng", "lat"), ("经度", "纬度"))
_ZEROS: Final = frozenset(("0", "0.0", "0.000000"))
#: Quoted parts of an expression, which stay, and names with Chinese characters, which JMESPath wants quoted.
_NAMES: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|(\w*[^\W\x00-\x7f]\w*)""")

Getter = Callable[[Mapping[str, Any]], Any]


_TEXT: Final = {"types": ["string", "null"]}
_WORD: Final = {"types": ["string"]}
_LIST: Final = {"types": ["array", "null"]}
_NUMBER: Final = {"types": ["number"]}
_ANY: Final = {"types": [], "variadic": True}


def _concat(_: Any, *parts: Any) -> str:
    return "".join(str(part) for part in parts if isinstance(part, str | int | float))


#: What mappings need beyond JMESPath's own functions, with the types of their arguments; null in gives null out.
_FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], tuple[dict[str, Any], ...]]]] = {
    "replace": (lambda _, text, old, new: text and text.replace(old, new), (_TEXT, _WORD, _WORD)),
    "split": (
        lambda _, text, mark: [part.strip() for part in text.split(mark)] if text and mark else None,
        (_TEXT, _WORD),
    ),
    "trim": (lambda _, text: text and text.strip(), (_TEXT,)),
    "lower": (lambda _, text: text and text.lower(), (_TEXT,)),
    "part": (lambda _, text, start, end: text and text[int(start) : int(end)], (_TEXT, _NUMBER, _NUMBER)),
    "digits": (lambda _, text: text and "".join(filter(str.isdecimal, text)), (_TEXT,)),
    "first": (lambda _, items: items[0] if items else None, (_LIST,)),
    "last": (lambda _, items: items[-1] if items else None, (_LIST,)),
    "concat": (_concat, (_ANY,)),
}
_Functions: Final[Any] = type(
    "_Functions",
    (functions.Functions,),
    {f"_func_{name}": functions.signature(*types)(function) for name, (function, types) in _FUNCTIONS.items()},
)
_OPTIONS: Final = jmespath.Options(custom_functions=_Functions())


@dataclass(frozen=True, slots=True)
class Compiled:
    """A channel's declaration, ready to run. `each`: finds the messages of a body; None: the body is the message."""

    channel: Channel
    fields: tuple[tuple[str, Getter], ...]
    constants: tuple[tuple[str, str], ...]
    codes: tuple[tuple[str, Mapping[str, str]], ...]
    each: Getter | None
    zone: ZoneInfo | None
    drops_zero_point: bool

    def apply(self, source: Mapping[str, Any]) -> Mapping[str, Any]:
        """The source's object in the names of the protocol; raises Refusal. Without `[mapping]` its own fields stay."""
        if not (self.fields or self.constants or self.codes or self.drops_zero_point):
            return source
        found: dict[str, Any] = {} if self.fields else dict(source)
        for target, constant in self.constants:
            _put(found, target, constant)
        for target, get in self.fields:
            value = get(source)
            if value is not None and value != "":
                _put(found, target, _exact_text(value))
        for target, words in self.codes:
            if (value := _at(found, target)) is not None:
                _put(found, target, _coded(value, words))
        if self.drops_zero_point:
            for lon, lat in _POINTS:
                if _is_zero(found.get(lon)) and _is_zero(found.get(lat)):
                    del found[lon], found[lat]
        return found


_COMPILED: dict[int, Compiled] = {}
#: Channels are made once in a process; more than this many are tests'.
_MANY: Final = 1_000


def compiled(channel: Channel) -> Compiled:
    """The channel's declaration, compiled once; raises ProfileError, naming channel and target."""
    found = _COMPILED.get(id(channel))
    if found is None or found.channel is not channel:
        if len(_COMPILED) >= _MANY:
            _COMPILED.clear()
        found = _COMPILED[id(channel)] = _compile(channel)
    return found


def check(channel: Channel, kind_field: str, shapes: Mapping[str, type[Shape]]) -> None:
    """Raises ProfileError where the channel's declaration does not compile or names a field that its protocol lacks."""
    compiled(channel)
    known = {spelling: name for shape in shapes.values() for spelling, name in shape.spellings.items()}
    for part, targets in (
        ("mapping", channel.mapping),
        ("constants", {name: "" for name in channel.constants if name not in _ABOUT_CHANNEL}),
        ("codes", channel.codes),
    ):
        for target in targets:
            if target.partition(".")[0] not in known and target not in (EACH, kind_field):
                raise ProfileError(f"channel {channel.id}, {part} {target}: {channel.protocol} has no such field")


def clock(channel: Channel, zone: ZoneInfo) -> Clock:
    """How the channel writes times; `zone` where its constants name no other."""
    return _clock(compiled(channel).zone or zone, channel.constants.get("time_format", ""))


@lru_cache(maxsize=256)
def _clock(zone: ZoneInfo, pattern: str) -> Clock:
    return Clock(zone, pattern)


def parse(body: bytes, content_type: str, ctx: "Context") -> Parsed:
    """JSON (object, array, NDJSON) or CSV with a header row; the messages inside a body where the channel's mapping says so."""
    read = parse_csv if media_type(content_type)[0] == CSV_TYPE else parse_json
    parsed = read(body, content_type, ctx)
    each = compiled(ctx.channel).each
    if each is None:
        return parsed
    bodies = list(parsed.items)
    inside = [each(body.fields) if isinstance(body, Message) else None for body in bodies]
    count = sum(len(found) if isinstance(found, list) else 1 for found in inside)
    if count > ctx.channel.max_records:
        raise Refusal("too_many_records", f"more than {ctx.channel.max_records} messages; send smaller batches")
    # One by one, as they are asked for: each repeats what stands around it.
    return Parsed((m for body, found in zip(bodies, inside, strict=True) for m in _inside(body, found)), single=False)


def _inside(body: Message | Broken, found: Any) -> Iterator[Message | Broken]:
    if isinstance(body, Broken):
        yield body
        return
    if not isinstance(found, list) or not found:
        yield Broken(body.raw, Refusal("missing_field", "the body holds no messages where the channel's mapping looks"))
        return
    around = _plain(body.fields, 2)
    if len(orjson.dumps(around)) > _AROUND_BYTES:
        yield Broken(
            body.raw, Refusal("too_large", f"what stands around the messages is over {_AROUND_BYTES} bytes; send less")
        )
        return
    for element in found:
        if isinstance(element, dict):
            fields = {**element, BODY: around}
            yield Message(fields, orjson.dumps(fields))
        else:
            yield Broken(orjson.dumps(element), Refusal("bad_json", "each message must be a JSON object"))


def _plain(fields: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """The object without its lists, to a depth."""
    return {
        name: _plain(value, depth - 1) if isinstance(value, dict) else value
        for name, value in fields.items()
        if not isinstance(value, list) and (depth > 1 or not isinstance(value, dict))
    }


def _compile(channel: Channel) -> Compiled:
    fields = {target: _getter(channel, target, path) for target, path in channel.mapping.items()}
    each = fields.pop(EACH, None)
    zone = channel.constants.get("timezone")
    try:
        own_zone = ZoneInfo(zone) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ProfileError(
            f"channel {channel.id}, constants timezone: must be an IANA name such as Asia/Shanghai"
        ) from None
    return Compiled(
        channel,
        tuple(fields.items()),
        tuple((name, value) for name, value in channel.constants.items() if name not in _ABOUT_CHANNEL),
        tuple(channel.codes.items()),
        each,
        own_zone,
        channel.constants.get("zero_point") == "none",
    )


def _getter(channel: Channel, target: str, path: str) -> Getter:
    if not path.startswith("="):
        return _plain_getter(path)
    where = f"channel {channel.id}, mapping {target}"
    quoted = _NAMES.sub(lambda found: f'"{found[1]}"' if found[1] else found[0], path[1:])
    try:
        expression = jmespath.compile(quoted)
    except JMESPathError as error:
        raise ProfileError(f"{where}: not a valid expression ({' '.join(str(error).split())})") from None
    if unknown := _called(expression.parsed) - {*_Functions.FUNCTION_TABLE}:
        raise ProfileError(f"{where}: no such function as {', '.join(sorted(unknown))}")

    def get(source: Mapping[str, Any]) -> Any:
        try:
            return expression.search(source, _OPTIONS)
        except (JMESPathError, ArithmeticError):
            raise Refusal("bad_field", f"{target}: the channel's expression for it can't read this message") from None

    return get


def _called(node: Any) -> set[str]:
    """Names of the functions that a parsed expression calls."""
    found = {node["value"]} if node["type"] == "function_expression" else set()
    return found.union(*(_called(child) for child in node["children"] if isinstance(child, dict)))


def _plain_getter(path: str) -> Getter:
    parts = path.split(".")

    def get(source: Mapping[str, Any]) -> Any:
        found: Any = source.get(path)
        if found is None and len(parts) > 1:
            found = source
            for part in parts:
                found = found.get(part) if isinstance(found, dict) else None
        return found

    return get


def _put(found: dict[str, Any], target: str, value: Any) -> None:
    *parents, name = target.split(".")
    for parent in parents:
        inner = found.get(parent)
        found[parent] = found = dict(inner) if isinstance(inner, dict) else {}
    found[name] = value


def _at(found: Any, target: str) -> Any:
    for part in target.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _exact_text(value: Any) -> Any:
    """A source's own objects may number what is text here, such as a postcode. Numbers too long to be exact stay as they are."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < EXACT_LIMIT:
        return str(value)
    return value


def _coded(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_coded(item, words) for item in value]
    word = str(value).strip() if isinstance(value, str | int | float) else ""
    return words.get(word, words.get("*", value))


def _is_zero(value: Any) -> bool:
    return value == 0 or (isinstance(value, str) and value.strip() in _ZEROS)
