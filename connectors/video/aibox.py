"""Callbacks of AI boxes and alarm platforms: flat JSON under many names. docs/feeds/aibox.md describes it."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from connectors import fields, times
from connectors.base import Context, Record
from connectors.bodies import Broken, Message, Parsed, parse_json
from connectors.errors import Refusal
from connectors.video.alarms import Alarm, is_picture, to_alarm, video_connector

#: Our name: what senders write. The first one given counts.
_NAMES: Final = {
    "camera_id": "camera_id cameraId GbId gb_id device_id deviceId DeviceId cameraIndexCode srcIndex cameraCode channelId",
    "event_type": "event_type eventType alarm_type alarmType algorithm_code algorithmCode type",
    "alarm": "Alarm alarm",
    "sub_alarm": "SubAlarm sub_alarm",
    "timestamp": "timestamp StartTime happenTime alarm_time alarmTime event_time eventTime occur_time time Time",
    "alarm_id": "alarm_id alarmId event_id eventId id uuid",
    "confidence": "confidence score probability",
    "state": "event_state eventState state action",
    "status": "status",
    "image": "image_snapshot_url imageUrl image_url picUrl pic_url snapshot_url",
    "video": "video_clip_url videoUrl video_url",
    "description": "description alarm_desc alarmDesc",
}
_SPELLINGS: Final = {
    spelling: (name, rank) for name, told in _NAMES.items() for rank, spelling in enumerate(told.split())
}
#: Addresses of what was recorded. Some senders put the picture itself there, which is not kept.
_LINKS: Final = ("image", "video")
#: Objects in which some senders wrap their events, and the lists of them.
_WRAPPERS: Final = ("params", "data")
_LISTS: Final = ("events", "alarms", "alarmList", "list")
_ENDS: Final = frozenset(("inactive", "stop", "end", "ended", "over"))
#: status of an OnEventNotify of 综合安防管理平台: 2 end, 4 result of a linkage, 5 pictures that come later.
_NOTIFY: Final = "OnEventNotify"
_NO_BEGINNING: Final = frozenset(("2", "4", "5"))

#: A longer number of a camera must be text: on its way as a JSON number it may have lost digits.
_WHOLE: Final = 10**9


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """An object, an array, or NDJSON; each may wrap a list of events, which are a batch."""
    parsed = parse_json(body, content_type, ctx)
    found = (event for item in parsed.items for event in _events(item))
    events = list(islice(found, ctx.channel.max_records + 1))  # counted before more of them are made
    if len(events) > ctx.channel.max_records:
        raise Refusal("too_many_records", f"more than {ctx.channel.max_records} events; send smaller batches")
    return Parsed(events, single=parsed.single and len(events) == 1)


def _events(item: Message | Broken) -> Iterator[Message | Broken]:
    if isinstance(item, Broken):
        yield item
        return
    told = item.fields
    own = _picked(told)
    if "camera_id" in own:  # an event by itself; what lies in it are details
        yield Message(own, item.raw)
        return
    inner: Any = next((told[name] for name in _WRAPPERS if isinstance(told.get(name), dict | list)), {})
    several = inner if isinstance(inner, list) else _listed(inner) or _listed(told)
    if several is None:
        yield Message({**own, **_picked(inner)}, item.raw)
        return
    method = {"method": told["method"]} if isinstance(told.get("method"), str) else {}
    for event in several:
        try:
            raw = orjson.dumps({**method, "params": {"events": [event]}})
        except TypeError:  # the only thing that can be read and not be written
            yield Broken(item.raw, Refusal("bad_json", "nested too deeply; send the fields of an event flat"))
            continue
        if isinstance(event, dict):
            yield Message({**_picked(event), **method}, raw)
        else:
            yield Broken(raw, Refusal("bad_json", "each event must be a JSON object"))


def _listed(told: dict[str, Any]) -> list[Any] | None:
    """The first list of events in it that has one."""
    return next((found for name in _LISTS if isinstance(found := told.get(name), list)), None)


def _picked(told: dict[str, Any]) -> dict[str, Any]:
    """The given fields by our name; of several spellings of one the first in `_NAMES` counts."""
    found: dict[str, tuple[int, Any]] = {}
    for spelling, value in told.items():
        name, rank = _SPELLINGS.get(spelling, ("", 0))
        if name in _LINKS and isinstance(value, str) and is_picture(value):
            continue
        if name and value is not None and value != "" and (name not in found or rank < found[name][0]):
            found[name] = rank, value
    return {name: value for name, (_, value) in found.items()}


def normalise(message: Message, ctx: Context) -> Record | None:
    """An alarm becomes a Report; its end becomes nothing."""
    data = dict(message.fields)
    notify = data.pop("method", None) == _NOTIFY
    state = data.pop("state", "")
    status = fields.token(data, "status", required=False) if notify else ""
    data.pop("status", None)
    if (isinstance(state, str) and state.lower() in _ENDS) or status in _NO_BEGINNING:
        return None
    if isinstance(given := data.get("camera_id"), int) and 0 <= given < _WHOLE:
        data["camera_id"] = str(given)
    device = fields.identifier(data, "camera_id")
    event = fields.token(data, "event_type", required=False)
    if not event and "alarm" in data:  # the method and type of GB/T 28181 in fields of their own
        event = "/".join(
            part for part in (fields.token(data, name, required=False) for name in ("alarm", "sub_alarm")) if part
        )
    if not event:
        raise Refusal("missing_field", "event_type: is missing or empty; it must be given")
    confidence = fields.number(data, "confidence")
    alarm = Alarm(
        devices=(device,),
        events=(event,),
        event_field="event_type",
        occurred_at=times.any_time(data, "timestamp", ctx.zone),
        number=fields.token(data, "alarm_id", required=False),
        description=fields.text(data, "description"),
        links=[fields.text(data, "image"), fields.text(data, "video")],
        extra={"confidence": "" if confidence is None else f"{confidence:g}"},
    )
    return to_alarm(alarm, data, message.raw, ctx)


CONNECTOR: Final = video_connector(parse, normalise)
