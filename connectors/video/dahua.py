"""Dahua's event stream (eventManager, action=attach): Code=..;action=..;index=..;data={..}. docs/feeds/dahua.md describes it."""

from typing import Any, Final

import orjson

from connectors import fields, times
from connectors.base import Context, Record
from connectors.bodies import Broken, Message, Parsed, decode_text, media_type, parse_json
from connectors.errors import Refusal
from connectors.multipart import split_body
from connectors.video.alarms import (
    Alarm,
    inputs,
    is_media,
    local_label,
    mask_plate,
    sender,
    to_alarm,
    video_connector,
)

_KNOWN: Final = fields.words("name Code action index data")
_JSON: Final = frozenset(("application/json", "application/x-ndjson", "application/ndjson", "application/jsonl"))
_ACTIONS: Final = {"Start": True, "Pulse": True, "Stop": False}
#: What a device that is asked for all codes tells of itself, and of whom and what it saw without anything being wrong.
_NO_ALARM: Final = frozenset(
    (
        *("Heartbeat", "NTPAdjustTime", "TimeChange", "NewFile", "RtspSessionDisconnect", "VideoMotionInfo"),
        *("IntelliFrame", "LeFunctionStatusSync", "_DoTalkAction_"),
        *("FaceDetection", "FaceRecognition", "HumanTrait", "TrafficJunction", "NumberStat"),
    )
)
#: Times of an event, the surest first. UTC comes last: much firmware puts its local clock there.
_TIMES: Final = ("RealUTC", "LocaleTime", "UTC")
_NUMBERS: Final = ("EventID", "GroupID", "EventSeq")


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """A piece of the stream (multipart), one event (text), or events as JSON with the same keys."""
    media, charset = media_type(content_type)
    text = body.lstrip().startswith(
        (b"Code=", b"Heartbeat")
    )  # a dead letter of a batch calls itself JSON whatever it is
    if media in _JSON and not text:
        return parse_json(body, content_type, ctx)
    if media.startswith("multipart/"):
        parts = split_body(body, content_type, 2 * ctx.channel.max_records)
        events = [part for part in parts if not is_media(part.content_type, part.body)]
        if len(events) > ctx.channel.max_records:
            raise Refusal("too_many_records", f"more than {ctx.channel.max_records} events; send smaller bodies")
        items = [_event(part.body, media_type(part.content_type)[1]) for part in events]
        return Parsed(items, single=len(items) == 1)
    if is_media(content_type, body):  # a part of a stream: the picture of the event before it
        return Parsed((), single=False)
    if media not in ("", "text/plain") and not text:
        raise Refusal("unsupported_type", "send Content-Type multipart/x-mixed-replace, text/plain or application/json")
    event = _event(body, charset)
    if isinstance(event, Broken):
        raise event.refusal
    return Parsed([event], single=True)


def _event(body: bytes, charset: str) -> Message | Broken:
    """The event of one part. Its data may be absent, no JSON, and hold any sign; the rest may not hold ; or =."""
    try:
        text = decode_text(body, local_label(body, charset)).strip()
    except Refusal as refusal:
        return Broken(body, refusal)
    head, _, data = text.partition(";data=")
    if head == "Heartbeat":
        return Message({"Code": head}, body)
    pairs = dict(pair.split("=", 1) for pair in head.split(";") if "=" in pair)
    event: dict[str, Any] = {name.strip(): value.strip() for name, value in pairs.items()}
    if "Code" not in event:
        return Broken(body, Refusal("missing_field", "Code: is missing; an event reads Code=..;action=..;index=.."))
    try:
        event["data"] = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        event["data"] = {}  # text of the vendor's own; the sealed original has it
    return Message(event, body)


def normalise(message: Message, ctx: Context) -> Record | None:
    """The start of an event and an instantaneous one become a Report; its end, captures and operation nothing."""
    given = fields.pick(message.fields, _KNOWN)
    code = fields.text(given, "Code", fields.ID_LIMIT, required=True)
    if code in _NO_ALARM or not fields.needed(given, "action", _ACTIONS):
        return None
    data = given.get("data")
    data = data if isinstance(data, dict) else {}
    target = _first_object(data)
    named = fields.identifier(given, "name", required=False) or sender(ctx)
    plate = fields.text(fields.nested(data, "TrafficCar"), "PlateNumber")
    kind = fields.text(target, "ObjectType")
    if not plate and kind == "Plate":
        plate = fields.text(target, "Text")
    rule = fields.text(data, "Name")
    numbers = {name: fields.token(data, name, required=False) for name in _NUMBERS}
    alarm = Alarm(
        devices=inputs(named, fields.token(given, "index", required=False) or "0"),
        events=(code,),
        event_field="Code",
        occurred_at=_occurred_at(data, ctx),
        number="/".join((*numbers.values(), rule)),
        extra={"rule": rule, "target": kind, "plate": mask_plate(plate), **numbers},
    )
    return to_alarm(alarm, given, message.raw, ctx)


def _first_object(data: dict[str, Any]) -> dict[str, Any]:
    several = data.get("Objects")
    if isinstance(several, list) and several and isinstance(several[0], dict):
        return several[0]
    return fields.nested(data, "Object")


def _occurred_at(data: dict[str, Any], ctx: Context) -> int:
    """The event's own time; that of receipt where it has none, as plain motion events do."""
    name = next((name for name in _TIMES if data.get(name)), None)
    return times.any_time(data, name, ctx.zone) if name else ctx.received_at


CONNECTOR: Final = video_connector(parse, normalise)
