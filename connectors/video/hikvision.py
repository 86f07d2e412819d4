"""Hikvision ISAPI: EventNotificationAlert as XML, JSON, and multipart with pictures. docs/feeds/hikvision.md describes it."""

import codecs
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from connectors import fields, times
from connectors.base import Context, Record
from connectors.bodies import Broken, Message, Parsed, media_type, parse_json
from connectors.errors import Refusal
from connectors.multipart import Part, split_body
from connectors.video.alarms import (
    UNTOLD_TYPES,
    XML_TYPES,
    Alarm,
    inputs,
    is_media,
    mask_plate,
    sender,
    to_alarm,
    video_connector,
    with_charset,
)
from connectors.xml import children, local_name, parse_xml

_ROOT: Final = "EventNotificationAlert"
_JSON: Final = "application/json"
# What a device changes when it sends an alarm again (its address, isDataRetransmission) is left out.
_KNOWN: Final = fields.words(
    "deviceID macAddress serialNumber channelID dynChannelID dateTime activePostCount eventType eventState eventDescription "
    "channelName detectionTarget regionID licensePlate inputIOPortID"
)
#: Told inside other elements, some of them several times; the namespace differs by firmware, so that the name counts.
_INSIDE: Final = frozenset(("detectionTarget", "regionID", "licensePlate", "serialNumber"))
_INSIDE_LIMIT: Final = 8
#: An ampersand that begins no entity: some firmware writes channel names as they are. Before < the text is broken anyway.
_BARE_AMPERSAND: Final = re.compile(rb"&(?!#?[A-Za-z0-9]{1,31};|<)")
#: Field of ours beside those of an alert.
_PICTURES: Final = "multipart pictures"
_PICTURES_TOLD: Final = 10
#: What a camera saw without anything being wrong: of persons and their faces, and nobody asks for it.
_CAPTURES: Final = frozenset(
    ("facecapture", "facesnap", "captureresult", "humanbodyrecognition", "mixedtargetdetection")
)


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """One alert (XML), one or several (JSON), or a multipart body of alerts and their pictures."""
    media, _ = media_type(content_type)
    if media.startswith("multipart/"):
        return _multipart(split_body(body, content_type, 2 * ctx.channel.max_records), ctx)
    if is_media(content_type, body):  # a part of a stream: the picture of the alert before it
        return Parsed((), single=False)
    items, single = _read(body, content_type, ctx)
    return Parsed(items, single)


def _read(body: bytes, content_type: str, ctx: Context) -> tuple[Iterable[Message | Broken], bool]:
    media, _ = media_type(content_type)
    if media in XML_TYPES or _looks_like(b"<", body):  # a dead letter of a batch calls itself JSON whatever it is
        return [Message(_xml_fields(_tolerant(body, content_type)), body)], True
    parsed = parse_json(body, _JSON if media in UNTOLD_TYPES else content_type, ctx)
    return (_json_alert(item) for item in parsed.items), parsed.single


def _looks_like(beginnings: bytes, body: bytes) -> bool:
    return body[:64].removeprefix(codecs.BOM_UTF8).lstrip()[:1] in [bytes((one,)) for one in beginnings]


#: What a part holds that is an alert, though it does not begin like one.
_PIECE: Final = re.compile(rb"EventNotificationAlert|eventType|eventState")


def _tolerant(body: bytes, content_type: str) -> Element:
    content_type = with_charset(body, content_type)
    try:
        root = parse_xml(body, content_type)
    except Refusal as refusal:
        if refusal.code != "bad_xml":
            raise
        root = parse_xml(_BARE_AMPERSAND.sub(b"&amp;", body), content_type)
    if local_name(root) != _ROOT:
        raise Refusal("unsupported_type", f"the XML must be an {_ROOT}")
    return root


def _xml_fields(root: Element) -> dict[str, Any]:
    inside = ((local_name(element), (element.text or "").strip()) for element in root.iter() if len(element) == 0)
    return {**children(root), **_joined(inside)}


def _json_alert(item: Message | Broken) -> Message | Broken:
    if isinstance(item, Broken):
        return item
    alert = item.fields.get(_ROOT, item.fields)
    if not isinstance(alert, dict):
        return Broken(item.raw, Refusal("bad_json", f"{_ROOT}: must be an object"))
    return Message({**alert, **_joined(_leaves(alert))}, item.raw)


def _leaves(found: Any) -> Iterator[tuple[str, str]]:
    waiting = deque([("", found)])
    while waiting:
        name, value = waiting.popleft()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += ((name, entry) for entry in value)
        elif isinstance(value, str | int):
            yield name, str(value).strip()


def _joined(leaves: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The `_INSIDE` fields, several values of one joined by a comma."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in leaves:
        if name in _INSIDE and value not in ("", *found[name]) and len(found[name]) < _INSIDE_LIMIT:
            found[name].append(value)
    return {name: ",".join(values) for name, values in found.items() if values}


def _multipart(parts: Iterable[Part], ctx: Context) -> Parsed:
    """Alerts in order; a picture belongs to the alert before it, the first ones to the first alert."""
    items: list[Message | Broken] = []
    pictures: list[list[str]] = [[]]
    for part in parts:
        media, _ = media_type(part.content_type)
        # Devices label an alert as they like: only what is a picture is not looked at.
        recorded = is_media(part.content_type, part.body)
        if not recorded and (media in XML_TYPES or media == _JSON or _looks_like(b"<{[", part.body)):
            try:
                labelled = media in XML_TYPES or media == _JSON or _looks_like(b"<", part.body)
                items += _read(part.body, part.content_type if labelled else "", ctx)[0]
            except Refusal as refusal:
                items.append(Broken(part.body, refusal))
            pictures += [[] for _ in range(len(items) - len(pictures) + 1)]
        elif not recorded and media in ("", "text/plain", "text/html"):
            if _PIECE.search(part.body):
                items.append(Broken(part.body, Refusal("bad_xml", "a part of the body is a piece of an alert")))
                pictures.append([])
        else:
            # Its file name may hold a plate, and is not told.
            pictures[-1].append(f"{media or 'picture'} {len(part.body)} bytes")
    if not items and not pictures[0]:
        raise Refusal("unsupported_type", "the body's parts hold neither an alert nor a picture")
    if len(items) > ctx.channel.max_records:
        raise Refusal("too_many_records", f"more than {ctx.channel.max_records} alerts; send smaller bodies")
    for number, item in enumerate(items):
        told = [*pictures[0], *pictures[1]] if number == 0 else pictures[number + 1]
        if isinstance(item, Message) and told:
            item.fields[_PICTURES] = ", ".join(told[:_PICTURES_TOLD])
    return Parsed(items, single=len(items) == 1)


def normalise(message: Message, ctx: Context) -> Record | None:
    """An alert becomes a Report; signs of life, ends of alarms and captures of persons become nothing."""
    data = fields.pick(message.fields, _KNOWN)
    event = fields.text(data, "eventType", fields.ID_LIMIT, required=True)
    # Older devices send an inactive videoloss as their sign of life, newer ones heartBeat.
    if fields.text(data, "eventState").lower() == "inactive" or event.lower() in _CAPTURES | {"heartbeat"}:
        return None
    count = fields.token(data, "activePostCount", required=False)
    plate = fields.text(data, "licensePlate")
    extra = {
        "channel_name": fields.text(data, "channelName"),
        "target": fields.text(data, "detectionTarget"),
        "region": fields.text(data, "regionID"),
        "input": fields.token(data, "inputIOPortID", required=False),
        "post_count": count,
        "plate": mask_plate(plate),
        "pictures": fields.text(message.fields, _PICTURES),
    }
    alarm = Alarm(
        devices=_devices(data, fields.identifier(message.fields, "ipAddress", required=False), ctx),
        events=(event, event.lower()),
        event_field="eventType",
        occurred_at=times.local_time(data, "dateTime", ctx.zone),
        # Two regions or inputs may alarm in one second.
        number="/".join(filter(None, (count, extra["input"], extra["region"], extra["target"]))),
        description=fields.text(data, "eventDescription"),
        extra=extra,
    )
    return to_alarm(alarm, data, message.raw, ctx)


def _devices(data: dict[str, Any], address: str, ctx: Context) -> tuple[str, ...]:
    """deviceID, then MAC address, serial number, sender's name and IP address, each with its channel where one is told."""
    channel = fields.token(data, "channelID" if "channelID" in data else "dynChannelID", required=False)
    mac = fields.identifier(data, "macAddress", required=False).lower()
    owners = (mac, fields.identifier(data, "serialNumber", required=False), sender(ctx), address)
    named = tuple(name for owner in owners if owner for name in inputs(owner, channel))
    own = fields.identifier(data, "deviceID", required=False)
    return (own, *named) if own else named


CONNECTOR: Final = video_connector(parse, normalise)
