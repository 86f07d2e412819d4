"""Video alarms: Hikvision's EventNotificationAlert (XML) and the flat JSON of AI boxes. docs/connectors/video.md describes them.

A camera is located by the profile's register, never by its messages.
"""

from typing import Any, Final

from connectors import fields, kinds, times
from connectors.base import Appeal, Connector, Context, Record, to_report
from connectors.bodies import Message, Parsed, media_type, parse_json
from connectors.errors import Refusal
from connectors.xml import children, local_name, parse_xml
from schemas.ids import digest_id

_XML_TYPES: Final = frozenset(("application/xml", "text/xml"))
_ROOT: Final = "EventNotificationAlert"
# What a device changes when it sends an alarm again (addresses, isDataRetransmission) is left out.
_HIKVISION: Final = fields.words(
    "deviceID macAddress channelID dynChannelID dateTime activePostCount eventType eventState eventDescription "
    "channelName detectionTarget regionID"
)
_BOX: Final = fields.words("camera_id event_type timestamp confidence image_snapshot_url video_clip_url")


def parse(body: bytes, content_type: str, max_records: int | None = None) -> Parsed:
    """XML (one alert) or JSON (object, array, NDJSON), by Content-Type."""
    if media_type(content_type)[0] not in _XML_TYPES:
        return parse_json(body, content_type, max_records)
    root = parse_xml(body, content_type)
    if local_name(root) != _ROOT:
        raise Refusal("unsupported_type", f"the XML must be an {_ROOT}")
    alert = children(root)
    for entry in root.iter():
        if local_name(entry) == "DetectionRegionEntry":
            for name, value in children(entry).items():
                alert.setdefault(name, value)
    return Parsed([Message(dict(alert), body)], single=True)


def normalise(message: Message, ctx: Context) -> Record | None:
    """An alarm becomes a Report; heartbeats and ends of alarms become nothing."""
    if "event_type" in message.fields:
        return _box(message, ctx)
    return _hikvision(message, ctx)


def _hikvision(message: Message, ctx: Context) -> Record | None:
    data = fields.pick(message.fields, _HIKVISION)
    event = fields.text(data, "eventType", fields.ID_LIMIT, required=True)
    active = fields.text(data, "eventState") != "inactive"
    # Older devices send an inactive videoloss as their sign of life, newer ones heartBeat.
    if not active or event.lower() == "heartbeat":
        return None
    device = fields.identifier(data, "deviceID", required=False)
    if not device:
        channel = fields.token(data, "channelID" if "channelID" in data else "dynChannelID")
        device = f"{fields.identifier(data, 'macAddress').lower()}/{channel}"
    count = fields.token(data, "activePostCount", required=False)
    extra = {
        "channel_name": fields.text(data, "channelName"),
        "target": fields.text(data, "detectionTarget"),
        "region": fields.token(data, "regionID", required=False),
        "post_count": count,
    }
    occurred_at = times.local_time(data, "dateTime", ctx.zone)
    description = fields.text(data, "eventDescription")
    return _alarm(message, data, ctx, (device, event, "eventType"), occurred_at, count, description, [], extra)


def _box(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _BOX)
    device = fields.identifier(data, "camera_id")
    event = fields.text(data, "event_type", fields.ID_LIMIT, required=True)
    confidence = fields.number(data, "confidence")
    links = [fields.text(data, name) for name in ("image_snapshot_url", "video_clip_url")]
    occurred_at = times.any_time(data, "timestamp", ctx.zone)
    extra = {"confidence": "" if confidence is None else f"{confidence:g}"}
    return _alarm(
        message, data, ctx, (device, event, "event_type"), occurred_at, "", "", [link for link in links if link], extra
    )


def _alarm(
    message: Message,
    data: dict[str, Any],
    ctx: Context,
    what: tuple[str, str, str],
    occurred_at: int,
    count: str,
    description: str,
    links: list[str],
    extra: dict[str, str],
) -> Record:
    """`what`: device, event type, and the name of the field that held the type."""
    device, event, field = what
    kind = kinds.by_code(ctx.profile, ctx.channel.table, "alarm", event, field)
    camera = ctx.profile.cameras.get(device)
    appeal = Appeal(
        # Alarms carry no number of their own.
        upstream_id=digest_id(device, event, str(occurred_at), count),
        reported_at=occurred_at,
        appeal_type="alarm",
        title=kind.name,
        content=description,
        kind=kind,
        camera=camera,
        device_id=device,
        attachments=links,
        extra=extra if camera else {**extra, "camera": "unregistered"},
    )
    return to_report(appeal, data, message.raw, ctx)


CONNECTOR: Final = Connector(parse, normalise, repeats=False)
