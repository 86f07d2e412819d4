"""What the video protocols share: which camera it was, what kind of alarm, and the way to a Report."""

import codecs
import re
from dataclasses import dataclass, field
from typing import Any, Final

from connectors import fields, kinds
from connectors.base import Appeal, Context, Record, to_report
from schemas.ids import digest_id

XML_TYPES: Final = frozenset(("application/xml", "text/xml", "application/soap+xml", "application/manscdp+xml"))
#: Content-Types of senders that tell none: the bytes tell what they are.
UNTOLD_TYPES: Final = frozenset(("", "application/octet-stream"))

#: A run of base64 this long is a picture or a recording. The lookbehind and the possessive + keep the search linear.
_PICTURE: Final = re.compile(rb"(?<![A-Za-z0-9+/=_\\\r\n-])[A-Za-z0-9+/=_\\\r\n-]{2048,}+")


@dataclass(slots=True)
class Alarm:
    """What a connector read of one alarm.

    devices: names of the camera, the message's own first; the register may hold any of them. events: codes by which the
    profile may know its kind, the most exact first; event_field names their field for errors. occurred_at: milliseconds
    UTC. number: tells it from another alarm of the same camera, kind and moment. confidential: it is about a person.
    """

    devices: tuple[str, ...]
    events: tuple[str, ...]
    event_field: str
    occurred_at: int
    number: str = ""
    description: str = ""
    confidential: bool = False
    links: list[str] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)


def to_alarm(alarm: Alarm, meaning: dict[str, Any], raw: bytes, ctx: Context) -> Record:
    """The Report of an alarm; `meaning` and `raw` as for `to_report`. Raises Refusal (unknown_code, bad_time).

    Its id is made of what the message says, so that it stays the same when the register changes.
    """
    profile, table = ctx.profile, ctx.channel.table
    known = (event for event in alarm.events if (profile.city, table, "alarm", event) in profile.kinds)
    kind = kinds.by_code(profile, table, "alarm", next(known, alarm.events[0]), alarm.event_field)
    camera = next((found for name in alarm.devices if (found := profile.cameras.get(name))), None)
    appeal = Appeal(
        upstream_id=digest_id(alarm.devices[0], alarm.events[0], str(alarm.occurred_at), alarm.number),
        reported_at=alarm.occurred_at,
        appeal_type="alarm",
        title=kind.name,
        content=alarm.description,
        kind=kind,
        camera=camera,
        device_id=camera.device_id if camera else alarm.devices[0],
        confidential=alarm.confidential,
        attachments=[link for link in alarm.links if link],
        extra=alarm.extra if camera else {**alarm.extra, "camera": "unregistered"},
    )
    return to_report(appeal, meaning, without_pictures(raw), ctx)


def sender(ctx: Context, otherwise: str = "") -> str:
    """The device that speaks, where its messages do not say: the end of the address it sends to, else the channel's
    constant `device`, else `otherwise`, else the channel itself. Raises Refusal (bad_field, field_too_long) for an address
    that is no name.
    """
    named = fields.identifier({"address": ctx.tail.strip("/")}, "address", required=False)
    return named or ctx.channel.constants.get("device", "") or otherwise or ctx.channel.id


def inputs(device: str, channel: str) -> tuple[str, ...]:
    """Names of one input of a device: `<device>/<channel>`, and the device itself, which may be the camera."""
    return (f"{device}/{channel}", device) if channel else (device,)


def without_pictures(raw: bytes) -> bytes:
    """The message with base64 of pictures cut out: what is sealed must fit a Kafka record, and pictures are not kept."""
    return _PICTURE.sub(lambda found: b"[%d bytes cut]" % len(found[0]), raw)


def local_label(body: bytes, label: str) -> str:
    """The charset of a Chinese device's text: as it says, else UTF-8 where the bytes are that, else GB18030."""
    if label:
        return label
    try:
        body.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def mask_plate(plate: str) -> str:
    """A number plate as 鲁B****. Cameras read plates wrong, so that the masks of free text do not know each of them."""
    return f"{plate[:2]}****" if plate else ""
