"""ONVIF events: SOAP Notify and PullMessagesResponse (ONVIF Core, event handling). docs/feeds/onvif.md describes them."""

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

from connectors import fields, times
from connectors.base import Context, Record
from connectors.bodies import Message, Parsed
from connectors.errors import Refusal
from connectors.video.alarms import Alarm, inputs, sender, to_alarm, video_connector
from connectors.xml import local_name, parse_xml

_MESSAGE: Final = "NotificationMessage"
#: Bodies that are whole without a message: the poll of a quiet device.
_MAY_BE_EMPTY: Final = frozenset(("PullMessagesResponse", "Notify", "MetadataStream"))
#: The state when one subscribed, and the end of a property: neither happened now.
_NO_CHANGE: Final = frozenset(("initialized", "deleted"))
#: First parts of topics by which devices tell of themselves.
_OPERATION: Final = frozenset(
    ("Monitoring", "Media", "Configuration", "RecordingConfig", "RecordingHistory", "EventBuffer")
)
_TRUTH: Final = {"true": True, "1": True, "active": True, "false": False, "0": False, "inactive": False}
#: Names of states that devices write as 1 and 0 too.
_STATES: Final = frozenset(("state", "logicalstate", "motion", "active", "value"))
#: Source items that name the input of a device.
_INPUTS: Final = (
    "VideoSourceConfigurationToken",
    "VideoSourceToken",
    "VideoSource",
    "SourceToken",
    "Source",
    "InputToken",
)


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """The messages of a SOAP envelope, or of what stands in one."""
    root = parse_xml(body, content_type)
    found = [element for element in root.iter() if local_name(element) == _MESSAGE]
    if not found and not any(local_name(element) in _MAY_BE_EMPTY for element in root.iter()):
        raise Refusal("unsupported_type", f"the XML must hold a {_MESSAGE}")
    if len(found) > ctx.channel.max_records:
        raise Refusal("too_many_records", f"more than {ctx.channel.max_records} messages; send smaller bodies")
    if len(found) == 1:
        return Parsed([Message(_fields(found[0]), body)], single=True)
    return Parsed([Message(_fields(element), tostring(element, "utf-8")) for element in found], single=False)


def _fields(message: Element) -> dict[str, Any]:
    told: dict[str, Any] = {"source": {}, "data": {}}
    for element in message.iter():
        name = local_name(element)
        if name == "Topic":
            told["topic"] = (element.text or "").strip()
        elif name == "Address":
            told["address"] = (element.text or "").strip()
        elif name == "Message" and "UtcTime" in element.attrib:
            told |= {key: element.attrib.get(key) for key in ("UtcTime", "PropertyOperation")}
        elif name in ("Source", "Key", "Data"):
            told["data" if name == "Data" else "source"] |= dict(_items(element))
    return told


def _items(element: Element) -> Iterator[tuple[str, str]]:
    for item in element.iter():
        if local_name(item) == "SimpleItem":
            yield item.attrib.get("Name", ""), item.attrib.get("Value", "")


def normalise(message: Message, ctx: Context) -> Record | None:
    """A change to a state that holds, or an event without state, becomes a Report."""
    given = message.fields
    topic = "/".join(part.rpartition(":")[2] for part in fields.text(given, "topic", required=True).split("/"))
    change = str(given.get("PropertyOperation") or "").strip().casefold()
    if change in _NO_CHANGE or topic.partition("/")[0] in _OPERATION or _ended(given["data"]):
        return None
    source: dict[str, str] = given["source"]
    token = "_".join(next((source[name] for name in _INPUTS if source.get(name)), "").split())[: fields.ID_LIMIT]
    producer = fields.text(given, "address")
    meaning = {name: given[name] for name in ("topic", "UtcTime", "source", "data") if given.get(name)}
    alarm = Alarm(
        devices=inputs(sender(ctx, producer if len(producer) <= fields.ID_LIMIT else ""), token),
        events=(topic,),
        event_field="Topic",
        occurred_at=times.local_time(given, "UtcTime", UTC),
        number="&".join(f"{name}={value}" for name, value in sorted({**source, **given["data"]}.items())),
        extra={"rule": fields.text(source, "Rule"), "source": token},
    )
    return to_alarm(alarm, meaning, message.raw, ctx)


def _ended(data: dict[str, str]) -> bool:
    """Whether the data hold a state, and none that is true."""
    states = [
        _TRUTH[value.strip().lower()]
        for name, value in data.items()
        if value.strip().lower() in _TRUTH
        and (not value.strip().isdigit() or name.lower() in _STATES or name.startswith("Is"))
    ]
    return bool(states) and not any(states)


CONNECTOR: Final = video_connector(parse, normalise)
