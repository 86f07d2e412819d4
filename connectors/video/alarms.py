"""What the video protocols share: which camera it was, what kind of alarm, and the way to a Report."""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from connectors import fields, kinds
from connectors.base import Answer, Appeal, Connector, Context, Parse, Record, to_report
from connectors.bodies import Broken, Message, Parsed, decode_text, media_type
from connectors.errors import Refusal
from schemas.ids import digest_id

XML_TYPES: Final = frozenset(("application/xml", "text/xml", "application/soap+xml", "application/manscdp+xml"))
#: Content-Types of senders that tell none: the bytes tell what they are.
UNTOLD_TYPES: Final = frozenset(("", "application/octet-stream"))

#: A run of base64 this long is a picture or a recording. The lookbehind and the possessive + keep the search linear.
_RUN: Final = 2048
_LONG: Final = re.compile(rb"(?<![A-Za-z0-9+/=_\\\r\n-])[A-Za-z0-9+/=_\\\r\n-]{%d,}+" % _RUN)
#: How base64 of a JPEG (in JSON with escapes too), PNG, GIF and WebP begins.
_BEGINNINGS: Final = (rb"/9j/", rb"\\/9j\\/", rb"iVBORw0KGgo", rb"R0lGOD", rb"UklGR")
#: A shorter one is a picture where it says so: as a data: URI, or by its beginning. Branches that begin with letters, and look
#: behind later, let the search skip over what begins none.
_SHORT: Final = re.compile(
    b"|".join(
        [rb"%s:(?:image|video|audio|application)\b[^\"'<>\s]*+" % scheme for scheme in (b"data", b"Data", b"DATA")]
        + [rb"%s(?<![A-Za-z0-9+/=_-]%s)[A-Za-z0-9+/=_\\-]*+" % (first, first) for first in _BEGINNINGS]
    )
)
#: A picture's own bytes, to the next delimiter of a multipart body.
_BYTES: Final = re.compile(
    rb"(?:\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF.{4}WEBP)(?:[^\n]++|\n(?!--[!-~]{1,200}\r?(?:\n|\Z)))*+", re.DOTALL
)
_CUT: Final = re.compile(r"\[\d+ bytes cut\]", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=_\s-]+")
_MEDIA: Final = ("image/", "video/", "audio/")
_DECLARED: Final = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<\?xml[^>]{0,200}?encoding\s*=")


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


def video_connector(
    parse: Parse, normalise: Callable[[Message, Context], Record | None], answer: Answer | None = None
) -> Connector:
    """The connector of a video protocol: its senders can't mend a message, and no original of it, sealed in a report or a dead
    letter, keeps a picture.
    """

    def read(body: bytes, content_type: str, ctx: Context) -> Parsed:
        try:
            parsed = parse(body, content_type, ctx)
        except Refusal as refusal:
            return Parsed([Broken(without_pictures(body), refusal)], single=True)
        return Parsed((replace(item, raw=without_pictures(item.raw)) for item in parsed.items), parsed.single)

    return Connector(read, normalise, repeats=False, answer=answer)


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
    return to_report(appeal, meaning, raw, ctx)


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
    """The message with pictures cut out, as base64 and as they are: what is sealed must fit a Kafka record, and pictures are
    not kept. Nothing is left of bytes that are no text even so.
    """
    left = raw
    for picture in (_BYTES, _LONG, _SHORT) if len(raw) >= _RUN else (_BYTES, _SHORT):
        left = picture.sub(lambda found: b"[%d bytes cut]" % len(found[0]), left)
    return b"" if b"\0" in left and not _is_text(left) else left


def _is_text(raw: bytes) -> bool:
    try:
        decode_text(raw, local_label(raw, ""))
    except Refusal:
        return False
    return True


def is_picture(value: str) -> bool:
    """Whether text that should be a picture's address is the picture itself, or what was left when that was cut out."""
    text = value.strip()
    return bool(
        _SHORT.match(text.encode(errors="replace"))
        or _CUT.search(text)
        or (len(text) > fields.TEXT_LIMIT and _BASE64.fullmatch(text))
    )


def is_media(content_type: str, body: bytes) -> bool:
    """Whether a part of a multipart body is a picture or a recording, by its name or its first bytes."""
    return media_type(content_type)[0].startswith(_MEDIA) or _BYTES.match(body) is not None


def with_charset(body: bytes, content_type: str) -> str:
    """The Content-Type of XML with the charset of `local_label`, where neither it nor the XML declares one."""
    if media_type(content_type)[1] or _DECLARED.match(body):
        return content_type
    return f"{content_type.partition(';')[0] or 'application/xml'}; charset={local_label(body, '')}"


def local_label(body: bytes, label: str) -> str:
    """The charset of a Chinese device's text: as it says, else UTF-8 where the bytes are that, else GB18030 where they can be."""
    if label:
        return label
    for encoding in ("utf-8", "gb18030"):
        try:
            body.removeprefix(codecs.BOM_UTF8).decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "utf-8"


def mask_plate(plate: str) -> str:
    """A number plate as 鲁B****. Cameras read plates wrong, so that the masks of free text do not know each of them."""
    return f"{plate[:2]}****" if plate else ""
