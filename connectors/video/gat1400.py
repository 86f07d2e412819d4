"""GA/T 1400.4 (公安视频图像信息应用系统): pushes to /VIID/, answered in its own words. docs/feeds/gat1400.md describes them.

Only notifications of a watch or behaviour rule (DispositionNotification) become reports. Captures of persons, faces and
vehicles are counted and dropped: they are personal data and nobody asks for anything. Of a notification only the fields
named here are kept, in the sealed original too.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import orjson

from connectors import fields, times
from connectors.base import Connector, Context, Outcome, Record, Reply
from connectors.bodies import Broken, Message, Parsed, decode_text, media_type
from connectors.errors import Refusal
from connectors.video.alarms import UNTOLD_TYPES, Alarm, mask_plate, to_alarm
from connectors.video.viid import CALLS, DROPPED, NOT_SERVED, NOTICE

_JSON: Final = "application/VIID+JSON"
_TYPES: Final = UNTOLD_TYPES | {"application/json", "text/json", "application/viid+json"}
_NOTICE_FIELDS: Final = (
    "NotificationID",
    "DispositionID",
    "SubscribeID",
    "Title",
    "TriggerTime",
    "AlarmLevel",
    "AlarmRuleType",
)
_OBJECT_FIELDS: Final = ("DeviceID", "TollgateID", "EventSort", "ShotTime", "PassTime", "OccuredTime", "PlateNo")
_TIMES: Final = ("TriggerTime", "ShotTime", "PassTime", "OccuredTime")
_PERSONS: Final = frozenset(("PersonObject", "FaceObject"))
#: ConfirmStatusType of GA/T 1400.3.
_OK: Final = (0, "OK")
_NOT_DONE: Final = (4, "InvalidOperation")
_BAD_FORMAT: Final = 7
_BAD_CONTENT: Final = 8

Found = tuple[str, dict[str, Any]]


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """One message for each object of a push; a call about the link, or without a body, is one message of no content.

    Of a body that can't be taken nothing is kept: it may be faces.
    """
    try:
        found = _objects(body, content_type, ctx.channel.max_records + 1)
        if len(found) > ctx.channel.max_records:
            raise Refusal("too_many_records", f"more than {ctx.channel.max_records} objects; send smaller bodies")
    except Refusal as refusal:
        return Parsed([Broken(b"", refusal)], single=True)
    return Parsed([_message(kind, item) for kind, item in found], single=len(found) == 1)


def _message(kind: str, item: dict[str, Any]) -> Message | Broken:
    if kind == NOTICE:
        return _kept(item)
    if kind.lower() in DROPPED:
        return Message({}, b"")
    return Broken(b"", Refusal("unsupported_type", "an object of the body is of no kind that is known here"))


def _objects(body: bytes, content_type: str, most: int) -> list[Found]:
    """The first `most` objects of a body in order, each with its kind, as in Face of FaceListObject.

    ("", {}) stands for an empty body.
    """
    media, charset = media_type(content_type)
    if media not in _TYPES:
        raise Refusal("unsupported_type", f"send Content-Type {_JSON} or application/json")
    if not body.strip():
        return [("", {})]
    try:
        told = orjson.loads(decode_text(body, charset))
    except orjson.JSONDecodeError as error:
        raise Refusal("bad_json", f"not valid JSON at line {error.lineno}, column {error.colno}") from None
    if not isinstance(told, dict):
        raise Refusal("bad_json", "the body must be a JSON object")
    found = list(islice((item for name, value in told.items() for item in _listed(name, value)), most))
    if not found:
        raise Refusal("missing_field", "the body holds no ...Object of GA/T 1400")
    return found


def _listed(name: str, value: Any) -> Iterator[Found]:
    """Of {"FaceListObject": {"FaceObject": [..]}}, {"FaceListObject": [..]} and {"FaceObject": [..]} alike; a single object
    needs no list."""
    lower = name.lower()
    if lower.endswith("listobject") and isinstance(value, dict):
        for inner, items in value.items():
            if not inner.lower().endswith("listobject"):
                yield from _listed(inner, items)
    elif lower.endswith("object"):
        kind = name[: -len("ListObject" if lower.endswith("listobject") else "Object")]
        kind = NOTICE if kind.lower() == NOTICE.lower() else kind
        for item in value if isinstance(value, list) else [value]:
            yield kind, item if isinstance(item, dict) else {}


def _kept(notice: dict[str, Any]) -> Message:
    """The fields of a notification that are kept: none about a person or a vehicle but which camera saw it, and when."""
    objects = [name for name, value in notice.items() if name.endswith("Object") and isinstance(value, dict)]
    about = min(objects, key=lambda name: name not in _PERSONS, default="")
    own = _scalars(notice, _NOTICE_FIELDS)
    seen = _scalars(notice[about], _OBJECT_FIELDS) if about else {}
    if plate := str(seen.get("PlateNo", "")):
        seen["PlateNo"] = mask_plate(plate)
    if about in _PERSONS:
        own.pop("Title", None)
    elif len(plate) > 1 and "Title" in own:
        own["Title"] = str(own["Title"]).replace(plate, mask_plate(plate))
    raw = orjson.dumps({f"{NOTICE}Object": [{**own, about: seen} if about else own]})
    return Message({**seen, **own, "about": about.removesuffix("Object")}, raw)


def _scalars(told: dict[str, Any], names: Iterable[str]) -> dict[str, str | int]:
    return {name: value for name in names if isinstance(value := told.get(name), str | int) and value != ""}


def normalise(message: Message, ctx: Context) -> Record | None:
    """A notification becomes a Report, one about a person a confidential one; anything else nothing."""
    data = message.fields
    if not data:
        return None
    devices = tuple(
        name for key in ("DeviceID", "TollgateID") if (name := fields.identifier(data, key, required=False))
    )
    if not devices:
        raise Refusal("missing_field", "DeviceID: the notification's object names neither DeviceID nor TollgateID")
    about = data["about"] or "Disposition"
    rule = fields.token(data, "AlarmRuleType", required=False) or fields.token(data, "EventSort", required=False)
    alarm = Alarm(
        devices=devices,
        events=(f"{about}/{rule}", about) if rule else (about,),
        event_field="AlarmRuleType, EventSort",
        occurred_at=times.local_time(data, next((name for name in _TIMES if data.get(name)), "TriggerTime"), ctx.zone),
        number=fields.identifier(data, "NotificationID"),
        description=fields.text(data, "Title"),
        confidential=f"{about}Object" in _PERSONS,
        extra={
            "about": about,
            "disposition": fields.identifier(data, "DispositionID", required=False),
            "level": fields.token(data, "AlarmLevel", required=False),
            "plate": fields.text(data, "PlateNo"),
        },
    )
    return to_alarm(alarm, data, message.raw, ctx)


def answer(body: bytes, content_type: str, outcomes: Sequence[Outcome], ctx: Context) -> Reply:
    """SystemTimeObject, ResponseStatusObject for calls about the link, else a ResponseStatusListObject, one entry an object."""
    call = ctx.tail.rstrip("/").rpartition("/")[2]
    now = datetime.fromtimestamp(ctx.received_at / 1000, ctx.zone).strftime("%Y%m%d%H%M%S")
    if call == "Time":
        server = ctx.channel.constants.get("server_id", "")
        told = {"VIIDServerID": server, "TimeMode": "1", "LocalTime": now, "TimeZone": ctx.zone.key}
        return _reply({"SystemTimeObject": told})
    try:
        found = _objects(body, content_type, ctx.channel.max_records)
    except Refusal:
        found = []
    entries = []
    for number, outcome in enumerate(outcomes):
        kind, item = found[number] if number < len(found) else ("", {})
        code, text = _status(kind, call, outcome)
        identity = item.get(f"{kind}ID") or item.get("NotificationID") or item.get("DeviceID")
        entries.append(
            {
                "RequestURL": f"/{ctx.tail}",
                "StatusCode": code,
                "StatusString": text,
                "Id": identity if isinstance(identity, str) and len(identity) <= fields.ID_LIMIT else "",
                "LocalTime": now,
            }
        )
    if call in CALLS and entries:
        return _reply({"ResponseStatusObject": entries[0]}, 200 if found else 400)
    return _reply({"ResponseStatusListObject": {"ResponseStatusObject": entries}}, 200 if found else 400)


def _status(kind: str, call: str, outcome: Outcome) -> tuple[int, str]:
    if outcome.refusal is None:
        return _NOT_DONE if kind in NOT_SERVED or (not kind and call not in CALLS) else _OK
    if outcome.refusal.code in ("bad_json", "bad_encoding", "unsupported_type"):
        return _BAD_FORMAT, outcome.refusal.reason
    return _BAD_CONTENT, outcome.refusal.reason


def _reply(told: dict[str, Any], status: int = 200) -> Reply:
    return Reply(orjson.dumps(told), f"{_JSON}; charset=UTF-8", status)


CONNECTOR: Final = Connector(parse, normalise, repeats=False, answer=answer, roots=("VIID",))
