"""Messages to a WeChat official account (plain mode): citizens' petitions. docs/connectors/wechat.md describes the feed."""

import re
from typing import Final

from connectors import fields, times
from connectors.base import Appeal, Connector, Context, Record, Reporter, to_report
from connectors.bodies import Message, Parsed
from connectors.errors import Refusal
from connectors.xml import children, local_name, parse_xml

_KNOWN: Final = fields.words(
    "FromUserName CreateTime MsgType Content PicUrl MediaId ThumbMediaId Format Recognition Location_X Location_Y "
    "Label MsgId Encrypt"
)
_MSG_ID: Final = re.compile(r"\d{1,20}", re.ASCII)
_PETITIONS: Final = frozenset(("text", "image", "voice", "video", "shortvideo", "location"))
#: Menu clicks, subscriptions, shared links and messages of bound devices ask for nothing.
_IGNORED: Final = frozenset(("event", "link", "device_event", "device_text", "hardware"))
#: Text that stands for what a picture, a voice or a place shows.
_TEXT_FIELDS: Final = {"text": "Content", "voice": "Recognition"}


def parse(body: bytes, content_type: str, max_records: int | None = None) -> Parsed:
    """One message; WeChat sends nothing else."""
    root = parse_xml(body, content_type)
    if local_name(root) != "xml":
        raise Refusal("unsupported_type", "the XML must be a WeChat message (root element xml)")
    return Parsed([Message(dict(children(root)), body)], single=True)


def normalise(message: Message, ctx: Context) -> Record | None:
    """A message becomes a Report; events and links become nothing."""
    data = fields.pick(message.fields, _KNOWN)
    if "Encrypt" in data and "MsgType" not in data:
        raise Refusal("unsupported_type", "the message is encrypted; set the account to plain mode (明文模式)")
    kind = fields.text(data, "MsgType", required=True)
    if kind in _IGNORED:
        return None
    if kind not in _PETITIONS:
        raise Refusal("unsupported_type", "MsgType: must be text, image, voice, video, shortvideo or location")
    person = fields.identifier(data, "FromUserName")
    attachments = [fields.text(data, name) for name in ("PicUrl", "MediaId", "ThumbMediaId")]
    located = kind == "location"
    appeal = Appeal(
        upstream_id=fields.code(data, "MsgId", _MSG_ID, "digits", required=True),
        reported_at=times.epoch_time(data, "CreateTime"),
        appeal_type="other",
        content=fields.text(data, _TEXT_FIELDS[kind], fields.CONTENT_LIMIT, required=kind == "text")
        if kind in _TEXT_FIELDS
        else "",
        address=fields.text(data, "Label") if located else "",
        via="微信",
        # WeChat's X is the latitude.
        lon=fields.number(data, "Location_Y", "bad_location") if located else None,
        lat=fields.number(data, "Location_X", "bad_location") if located else None,
        reporter=Reporter(account=("openid", person)),
        attachments=[attachment for attachment in attachments if attachment],
        extra={"message_type": kind},
    )
    return to_report(appeal, data, message.raw, ctx)


CONNECTOR: Final = Connector(parse, normalise, repeats=False)
