"""Messages to a WeChat official account or mini-program: citizens' petitions. docs/feeds/wechat.md describes the feed.

Plain, compatible and safe mode; XML, and JSON as mini-programs may send it. A channel with aes_keys takes encrypted messages
only: WeChat's plain signature does not cover the body, so that whoever saw one could put any words into it.
"""

import re
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final

import orjson

from connectors import fields, times, wechat_crypto
from connectors.auth import check_wechat, wechat_signature
from connectors.base import Appeal, Connector, Context, Outcome, Record, Reply, Reporter, to_report
from connectors.bodies import Message, Parsed, decode_text, media_type
from connectors.errors import Refusal
from connectors.xml import children, local_name, parse_xml
from monitoring import metrics
from schemas.ids import digest_id

#: What a citizen is told at once, where the channel's constant `reply` says nothing else; {id} is the report's id.
REPLY: Final = "您反映的问题已收到，编号：{id}"

_KNOWN: Final = {
    **fields.words(
        "FromUserName CreateTime MsgType Content PicUrl MediaId ThumbMediaId Format Recognition Location_X Location_Y "
        "Label MsgId UnionID"
    ),
    "UnionId": "UnionID",
    "unionid": "UnionID",
}
_MSG_ID: Final = re.compile(r"\d{1,20}", re.ASCII)
_PETITIONS: Final = frozenset(("text", "image", "voice", "video", "shortvideo", "location"))
#: Menu clicks, subscriptions, shared links and cards, messages of bound devices ask for nothing.
_IGNORED: Final = frozenset(("event", "link", "miniprogrampage", "device_event", "device_text", "hardware"))
#: Words of the metric's label `event`; all others count as "other".
_EVENTS: Final = frozenset(("subscribe", "unsubscribe", "scan", "location", "click", "view", "link"))
#: Text that stands for what a voice says.
_TEXT_FIELDS: Final = {"text": "Content", "voice": "Recognition"}
_SUCCESS: Final = Reply(b"success", "text/plain")


def parse(body: bytes, content_type: str, ctx: Context) -> Parsed:
    """One message, decrypted where it is encrypted; WeChat sends nothing else."""
    raw, data, _ = _opened(body, content_type, ctx)
    return Parsed([Message(data, raw)], single=True)


def _opened(body: bytes, content_type: str, ctx: Context) -> tuple[bytes, dict[str, Any], str]:
    """The message's own bytes and fields, and the key it was encrypted with; no key where it was not."""
    data = read_fields(body, content_type)
    encrypted = data.get("Encrypt")
    # Of a message in compatible mode a channel without aes_keys reads the plain copy.
    if not ctx.secret.aes_keys and (not encrypted or "MsgType" in data):
        return body, data, ""
    if not encrypted or not isinstance(encrypted, str):
        raise Refusal("bad_signature", "the message is not encrypted; set the account to safe mode (安全模式)")
    wechat_crypto.check(ctx.secret, encrypted, ctx.query)
    inner, key = wechat_crypto.decrypt(ctx.secret, encrypted)
    return inner, read_fields(inner, ""), key


def read_fields(body: bytes, content_type: str) -> dict[str, Any]:
    """Fields of an XML or JSON message; its first character tells which, since the account's setting comes in no header.

    Raises Refusal.
    """
    if not is_json(body):
        root = parse_xml(body, content_type)
        if local_name(root) != "xml":
            raise Refusal("unsupported_type", "the XML must be a WeChat message (root element xml)")
        return dict(children(root))
    try:
        found = orjson.loads(decode_text(body, media_type(content_type)[1]))
    except orjson.JSONDecodeError:
        raise Refusal("bad_json", "not valid JSON; send one WeChat message") from None
    # An object, since it begins as one. Nothing that WeChat sends and we read is nested.
    return {name: value for name, value in found.items() if isinstance(value, str | int | float)}


def is_json(body: bytes) -> bool:
    """Whether a body is one JSON object, and not XML."""
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def normalise(message: Message, ctx: Context) -> Record | None:
    """A message becomes a Report; events and links become nothing."""
    data = fields.pick(message.fields, _KNOWN)
    kind = fields.text(data, "MsgType", required=True)
    if kind in _IGNORED:
        return None
    if kind not in _PETITIONS:
        raise Refusal("unsupported_type", "MsgType: must be text, image, voice, video, shortvideo or location")
    person = fields.identifier(data, "FromUserName")
    union = fields.identifier(data, "UnionID", required=False)
    reported_at = times.epoch_time(data, "CreateTime")
    attachments = [fields.text(data, name) for name in ("PicUrl", "MediaId", "ThumbMediaId")]
    label, lat, lon = _place(data) if kind == "location" else ("", None, None)
    appeal = Appeal(
        upstream_id=_number(data, person, reported_at, ctx),
        reported_at=reported_at,
        appeal_type="other",
        content=fields.text(data, _TEXT_FIELDS[kind], fields.CONTENT_LIMIT, required=kind == "text")
        if kind in _TEXT_FIELDS
        else "",
        address=label,
        via="微信",
        lon=lon,
        lat=lat,
        # An OpenID is one account's own; the UnionID is the person's in all accounts of one owner.
        reporter=Reporter(account=("unionid", union) if union else ("openid", person)),
        attachments=[attachment for attachment in attachments if attachment],
        extra={"message_type": kind},
    )
    return to_report(appeal, data, message.raw, ctx)


def _place(data: fields.Fields) -> tuple[str, float | None, float | None]:
    """Label, latitude (WeChat's X) and longitude; 0, 0 is a phone that does not know where it is, and the label may."""
    label = fields.text(data, "Label")
    lat, lon = (fields.number(data, name, "bad_location") for name in ("Location_X", "Location_Y"))
    return (label, None, None) if label and lat == lon == 0 else (label, lat, lon)


def _number(data: fields.Fields, person: str, reported_at: int, ctx: Context) -> str:
    """MsgId; without one the sender and the second, as WeChat advises, hashed since the OpenID must not be read.

    The words count too: two messages of one second are two.
    """
    given = fields.token(data, "MsgId", required=False)
    if given:
        return fields.code({"MsgId": given}, "MsgId", _MSG_ID, "digits")
    words = ctx.privacy.fingerprint(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))
    return digest_id(person, str(reported_at), words)


def answer(body: bytes, content_type: str, outcomes: Sequence[Outcome], ctx: Context) -> Reply:
    """`success`; for a petition the passive reply with its id, in the message's own form, encrypted where that was.

    Also `success` for what was refused: it is kept as a dead letter, and WeChat would only send it twice more.
    """
    outcome = outcomes[0]
    if outcome.status == "ignored":
        _, data, _ = _opened(body, content_type, ctx)
        word = str(data.get("Event") or data.get("MsgType")).lower()
        metrics.WECHAT_EVENTS.labels(ctx.channel.feed, word if word in _EVENTS else "other").inc()
    text = ctx.channel.constants.get("reply", REPLY).replace("{id}", outcome.id)
    if outcome.status != "accepted" or not text:
        return _SUCCESS
    _, data, key = _opened(body, content_type, ctx)
    as_json = is_json(body)
    now = ctx.received_at // 1000
    reply: dict[str, str | int] = {
        "ToUserName": str(data.get("FromUserName", "")),
        "FromUserName": str(data.get("ToUserName", "")),
        "CreateTime": now,
        "MsgType": "text",
        "Content": text,
    }
    if key:
        reply = _encrypted(write_fields(reply, as_json), key, now, ctx)
    return Reply(write_fields(reply, as_json), "application/json" if as_json else "text/xml")


def _encrypted(message: bytes, key: str, now: int, ctx: Context) -> dict[str, str | int]:
    """The envelope of a reply. `key`: the one its message came with, which WeChat has still."""
    secret, nonce = ctx.secret, token_hex(8)
    encrypted = wechat_crypto.encrypt(key, secret.app_id, message)
    signed = wechat_signature(secret.token or "", str(now), nonce, encrypted)
    return {"Encrypt": encrypted, "MsgSignature": signed, "TimeStamp": now, "Nonce": nonce}


def write_fields(message: Mapping[str, str | int], as_json: bool) -> bytes:
    """A message in either form."""
    if as_json:
        return orjson.dumps(message)
    return f"<xml>{''.join(f'<{name}>{_cdata(value)}</{name}>' for name, value in message.items())}</xml>".encode()


def _cdata(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return f"<![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]>"


def url_check(ctx: Context) -> Reply:
    """What proves the address to WeChat (GET): its echo string, decrypted where it is encrypted. Raises Refusal."""
    query, echo = ctx.query, ctx.query.get("echostr", "")
    if "signature" in query or "msg_signature" not in query:
        check_wechat(ctx.secret.token, query.get("timestamp", ""), query.get("nonce", ""), query.get("signature", ""))
        return Reply(echo.encode(errors="backslashreplace"), "text/plain")
    wechat_crypto.check(ctx.secret, echo, query)
    return Reply(wechat_crypto.decrypt(ctx.secret, echo)[0], "text/plain")


CONNECTOR: Final = Connector(parse, normalise, repeats=False, answer=answer)
