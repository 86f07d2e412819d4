"""GB/T 28181: the MANSCDP alarm Notify, as a video platform passes it on by HTTP. docs/feeds/gb28181.md describes it."""

import re
from collections.abc import Sequence
from typing import Any, Final
from xml.sax.saxutils import escape

from connectors import fields, times
from connectors.base import Context, Outcome, Record, Reply
from connectors.bodies import Message, Parsed
from connectors.errors import Refusal
from connectors.video.alarms import Alarm, to_alarm, video_connector, with_charset
from connectors.xml import children, local_name, parse_xml

_TYPE: Final = "Application/MANSCDP+xml"
_ROOTS: Final = frozenset(("Notify", "Response", "Query", "Control"))
# SN counts messages: the same alarm passed on again has another one. A camera is located by the register, so that
# Longitude and Latitude, often 0.0, are not read.
_KNOWN: Final = fields.words(
    "CmdType DeviceID AlarmPriority AlarmMethod AlarmTime AlarmDescription AlarmType EventType"
)
_METHOD: Final = re.compile(r"[0-9]{1,7}", re.ASCII)


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """One MANSCDP message. Without a charset it is UTF-8 where it can be, else GB18030: the standard's GB2312 is part of that."""
    root = parse_xml(body, with_charset(body, content_type))
    if local_name(root) not in _ROOTS:
        raise Refusal("unsupported_type", "the XML must be a MANSCDP message (Notify)")
    told: dict[str, Any] = {**children(root), "root": local_name(root)}
    for info in root:
        if local_name(info) == "Info":
            inner = {local_name(element): (element.text or "").strip() for element in info.iter() if len(element) == 0}
            # The inner AlarmType is the camera's own, the outer one often a platform's filling.
            told |= {name: inner[name] for name in ("AlarmType", "EventType") if inner.get(name)}
    return Parsed([Message(told, body)], single=True)


def normalise(message: Message, ctx: Context) -> Record | None:
    """An alarm becomes a Report; keep-alives, catalogues, answers and queries become nothing."""
    told = message.fields
    command = told.get("CmdType") or ("Alarm" if told.get("AlarmMethod") or told.get("AlarmTime") else "")
    if told["root"] != "Notify" or command not in ("Alarm", ""):
        return None
    data = fields.pick(told, _KNOWN)
    device = fields.identifier(data, "DeviceID")
    kind = fields.token(data, "AlarmType", required=False)
    alarm = Alarm(
        devices=(device,),
        events=_codes(fields.code(data, "AlarmMethod", _METHOD, "digits 1 to 7", required=True), kind),
        event_field="AlarmMethod, AlarmType",
        occurred_at=times.local_time(data, "AlarmTime", ctx.zone),
        description=fields.text(data, "AlarmDescription"),
        extra={
            "priority": fields.text(data, "AlarmPriority"),
            "method": fields.text(data, "AlarmMethod"),
            "type": kind,
            "event_type": fields.text(data, "EventType"),
        },
    )
    return to_alarm(alarm, {**data, "CmdType": "Alarm"}, message.raw, ctx)


def _codes(methods: str, kind: str) -> tuple[str, ...]:
    """Codes to look for, as in 5/6: each method of a combined one (12) with the type, then with any type (5/*), or alone."""
    exact = tuple(f"{method}/{kind}" if kind else method for method in methods)
    return (*exact, *(f"{method}/*" for method in methods))


def answer(body: bytes, content_type: str, outcomes: Sequence[Outcome], ctx: Context) -> Reply:
    """The Response that MANSCDP has for an alarm; nothing for what asks for none."""
    try:
        told = next(iter(parse(body, content_type, ctx).items)).fields  # type: ignore[union-attr]
    except Refusal:
        told = {}
    refused = any(outcome.refusal for outcome in outcomes)
    if not refused and not any(outcome.id for outcome in outcomes):
        return Reply(b"", _TYPE)
    lines = {"CmdType": "Alarm", "SN": told.get("SN") or "0", "DeviceID": told.get("DeviceID") or ""}
    inside = "".join(f"<{name}>{escape(value)}</{name}>\r\n" for name, value in lines.items())
    result = "ERROR" if refused else "OK"
    text = (
        f'<?xml version="1.0" encoding="GB2312"?>\r\n<Response>\r\n{inside}<Result>{result}</Result>\r\n</Response>\r\n'
    )
    return Reply(text.encode("gb18030"), _TYPE, 422 if refused else 200)


CONNECTOR: Final = video_connector(parse, normalise, answer)
