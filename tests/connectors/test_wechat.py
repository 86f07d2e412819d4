"""WeChat whole: three modes, two forms, replies, ids, events. Keys, names and messages are made up."""

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import fromstring
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from connectors import wechat, wechat_crypto
from connectors.auth import ChannelSecret, wechat_signature
from connectors.base import Context, Outcome, Reply
from connectors.bodies import Message
from connectors.errors import Refusal
from schemas.records import Report
from tests.connectors.make import NOW, OPENID, PHONE, PLACES, PRIVACY, PROFILE

TOKEN = "a-made-up-token"
KEY = "zhishuMadeUpEncodingAESKey0123456789abcdefg"
OLD_KEY = "gfedcba9876543210yeKSEAgnidocnEpUedaMuhsihz"
APP_ID = "wx0000madeup000001"
UNION = "uMadeUp_union-00000000000001"
#: Made with this module and, byte for byte, with `openssl enc -aes-256-cbc -nopad`.
INNER = "<xml><Content><![CDATA[路灯不亮（虚构）]]></Content></xml>".encode()
ENCRYPTED = (
    "iBiJ5Gi+HmpBd2+LmXEvGVdYF5zf9Q1Jd7TFN4WqhIHqdxYXZa1twJdiyG4Ef7nldlTbNUIB++Fh2lxnGjAF7jUyZUSsz6JKJBH2/KjGQ4xjonBR7s"
    "b+PvTomnZd6KnqwVNpraaVpG/wBVz/WRmS9NC1EhPleDvV2ZgUEGbOEoQ="
)
MESSAGE_SIGNATURE = "c8e4c8d2bf0775709ec06fe134f705df1b9d0c56"
PLAIN_SIGNATURE = "89e8ff2fdbd1c76daf458919e3eae947d44dc140"
STAMP = {"timestamp": "1749090600", "nonce": "88442211"}
PLAIN = ChannelSecret(token=TOKEN)
SAFE = ChannelSecret(token=TOKEN, aes_keys=(KEY,), app_id=APP_ID)
TEXT: dict[str, Any] = {
    "ToUserName": "gh_madeup",
    "FromUserName": OPENID,
    "CreateTime": 1749090600,
    "MsgType": "text",
    "Content": f"大埠东社区的路灯不亮了，请联系{PHONE}",
    "MsgId": 23456789012345678,
}


def context(secret: ChannelSecret = PLAIN, query: Mapping[str, str] | None = None, **constants: str) -> Context:
    channel = replace(PROFILE.channels["demo-wechat"], constants=constants)
    return Context(PROFILE, channel, PRIVACY, PLACES, ZoneInfo("Asia/Shanghai"), NOW, secret, query or {})


def xml(message: Mapping[str, Any]) -> bytes:
    return wechat.write_fields(message, as_json=False)


def as_json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode()


def sealed(message: bytes, key: str = KEY, app_id: str = APP_ID, **plain: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of an encrypted message, `plain` beside them as in compatible mode, and the query that signs it."""
    encrypted = wechat_crypto.encrypt(key, app_id, message)
    signed = wechat_signature(TOKEN, STAMP["timestamp"], STAMP["nonce"], encrypted)
    return {**plain, "ToUserName": "gh_madeup", "Encrypt": encrypted}, {**STAMP, "msg_signature": signed}


def read(body: bytes, ctx: Context) -> Report | None:
    [item] = wechat.parse(body, "text/xml", ctx).items
    assert isinstance(item, Message)
    record = wechat.normalise(item, ctx)
    assert record is None or record[0] == "report"
    return record[1] if record else None  # type: ignore[return-value]


def report(body: bytes, ctx: Context | None = None) -> Report:
    found = read(body, ctx or context())
    assert found is not None
    return found


def refused(body: bytes, ctx: Context) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(body, ctx)
    return caught.value


# -- the envelope ------------------------------------------------------------------------------------------------------


def test_the_envelope_is_what_another_implementation_makes() -> None:
    assert wechat_crypto.encrypt(KEY, APP_ID, INNER, b"0123456789abcdef") == ENCRYPTED
    assert wechat_crypto.decrypt(SAFE, ENCRYPTED) == (INNER, KEY)
    assert wechat_signature(TOKEN, *STAMP.values()) == PLAIN_SIGNATURE
    wechat_crypto.check(SAFE, ENCRYPTED, {**STAMP, "msg_signature": MESSAGE_SIGNATURE})


@given(st.binary(max_size=300), st.text(max_size=20))
def test_what_is_encrypted_is_decrypted_whole_whatever_its_length(message: bytes, app_id: str) -> None:
    app_id = app_id.encode(errors="ignore").decode() or "x"
    secret = replace(SAFE, app_id=app_id)
    assert wechat_crypto.decrypt(secret, wechat_crypto.encrypt(KEY, app_id, message)) == (message, KEY)


@given(st.text(max_size=120) | st.binary(max_size=96).map(lambda data: base64.b64encode(data).decode()))
def test_no_bytes_break_the_envelope(encrypted: str) -> None:
    with pytest.raises(Refusal, match=r"-400\d\d"):
        wechat_crypto.decrypt(SAFE, encrypted)


@pytest.mark.parametrize(
    ("secret", "encrypted", "code", "told"),
    [
        (PLAIN, ENCRYPTED, "unsupported_type", "set the channel's app_id"),
        (replace(SAFE, aes_keys=("short",)), ENCRYPTED, "bad_encoding", "-40004"),
        (replace(SAFE, app_id="wx0000madeup000002"), ENCRYPTED, "bad_signature", "-40005"),
        (replace(SAFE, aes_keys=(OLD_KEY,)), ENCRYPTED, "bad_encoding", "-40007"),
        (SAFE, "no base64 ***", "bad_encoding", "-40010"),
    ],
)
def test_what_can_not_be_opened_is_told_with_wechats_own_number(
    secret: ChannelSecret, encrypted: str, code: str, told: str
) -> None:
    with pytest.raises(Refusal, match=told) as caught:
        wechat_crypto.decrypt(secret, encrypted)
    assert caught.value.code == code


# -- modes and forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [xml, as_json])
def test_all_modes_and_forms_give_the_same_report(write: Any) -> None:
    plain = report(xml(TEXT))
    for secret, (fields, query) in [
        (PLAIN, (TEXT, dict(STAMP))),
        (PLAIN, sealed(write(TEXT), **TEXT)),  # compatible mode, read by a channel that has no keys yet
        (SAFE, sealed(write(TEXT), **TEXT)),
        (SAFE, sealed(write(TEXT))),
        (replace(SAFE, aes_keys=(OLD_KEY, KEY)), sealed(write(TEXT))),
    ]:
        found = report(write(fields), context(secret, query))
        # Words and numbers are the same; JSON's numbers are numbers, so that the hash over them may differ.
        assert {**found, "sealed": None, "content_hash": ""} == {**plain, "sealed": None, "content_hash": ""}


def test_the_sealed_original_of_an_encrypted_message_is_what_was_inside() -> None:
    fields, query = sealed(xml(TEXT))
    found = report(xml(fields), context(SAFE, query))
    assert PRIVACY.unseal(found["sealed"] or b"", found["report_id"], "seal-test") == xml(TEXT)


def test_in_compatible_mode_the_encrypted_copy_counts_where_there_are_keys() -> None:
    fields, query = sealed(xml(TEXT), **{**TEXT, "Content": "forged words"})
    assert "路灯" in report(xml(fields), context(SAFE, query))["content"]


def test_a_channel_with_keys_takes_no_plain_message() -> None:
    """WeChat's plain signature covers no words: whoever saw one could put others under it."""
    assert refused(xml(TEXT), context(SAFE, STAMP)).code == "bad_signature"


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", ["", "0", "签名"])
def test_an_encrypted_message_with_another_signature_is_refused(name: str, value: str) -> None:
    fields, query = sealed(xml(TEXT))
    found = refused(xml(fields), context(SAFE, {**query, name: value}))
    assert found.code == "bad_signature"
    assert "-40001" in found.reason


def test_what_was_inside_and_is_no_message_is_refused() -> None:
    fields, query = sealed(b"no xml")
    assert refused(xml(fields), context(SAFE, query)).code == "bad_xml"
    fields, query = sealed(b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>')
    assert refused(xml(fields), context(SAFE, query)).code == "forbidden_xml"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*TEXT, "Encrypt", "UnionID"]), JSON))
def test_any_json_object_is_taken_or_refused(fields: dict[str, Any]) -> None:
    for secret in (PLAIN, SAFE):
        with suppress(Refusal):
            read(as_json({**TEXT, **fields}), context(secret, STAMP))


# -- what becomes what -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "expected"),
    [
        ("text", {"Content": "大埠东社区路灯不亮"}, {"content": "大埠东社区路灯不亮", "attachments": []}),
        ("image", {"PicUrl": "http://p.invalid/1", "MediaId": "m1"}, {"attachments": ["http://p.invalid/1", "m1"]}),
        ("voice", {"MediaId": "m2", "Format": "amr"}, {"content": "", "attachments": ["m2"]}),
        ("voice", {"MediaId": "m2", "Recognition": "路灯不亮"}, {"content": "路灯不亮", "attachments": ["m2"]}),
        ("video", {"MediaId": "m3", "ThumbMediaId": "t3"}, {"attachments": ["m3", "t3"]}),
        ("shortvideo", {"MediaId": "m4", "ThumbMediaId": "t4"}, {"attachments": ["m4", "t4"]}),
        (
            "location",
            {"Location_X": "36.1", "Location_Y": "120.47", "Label": "示例路"},
            {"source_lat": 36.1, "source_lon": 120.47, "source_crs": "GCJ-02", "address": "示例路"},
        ),
    ],
)
def test_every_kind_of_petition_becomes_a_report(kind: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    base = {name: value for name, value in TEXT.items() if name != "Content"}
    found = report(xml({**base, "MsgType": kind, **fields}))
    assert {name: found[name] for name in expected} == expected  # type: ignore[literal-required]
    assert (found["via"], found["appeal_type"], found["extra"]) == ("微信", "other", {"message_type": kind})
    assert found["reported_at"] == 1749090600_000


@pytest.mark.parametrize("zero", ["0", "0.000000", 0])
def test_a_location_of_zero_with_a_label_is_taken_at_the_label_and_without_coordinates(zero: object) -> None:
    place = {**TEXT, "MsgType": "location", "Location_X": zero, "Location_Y": zero, "Label": "大埠东社区门口"}
    found = report(as_json(place))
    assert (found["address"], found["location_method"]) == ("大埠东社区门口", "text")
    assert [found[name] for name in ("lon", "lat", "source_lon", "source_lat", "source_crs")] == [None] * 5  # type: ignore[literal-required]
    for rest in ({"Label": ""}, {"Location_X": "36.1"}):
        assert refused(as_json({**place, **rest}), context()).code == "bad_location"


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "SCAN", "LOCATION", "CLICK", "VIEW", "user_pay"])
def test_an_event_is_counted_by_its_word_and_is_no_petition(event: str) -> None:
    body = xml({**TEXT, "MsgType": "event", "Event": event, "EventKey": "V1001", "MsgId": ""})
    ctx = context()
    assert read(body, ctx) is None
    word = "other" if event == "user_pay" else event.lower()
    before = REGISTRY.get_sample_value("zhishu_wechat_events_total", {"feed": "wechat", "event": word}) or 0
    assert wechat.answer(body, "text/xml", [Outcome("ignored")], ctx).body == b"success"
    assert REGISTRY.get_sample_value("zhishu_wechat_events_total", {"feed": "wechat", "event": word}) == before + 1


def test_a_link_is_no_petition_and_an_unknown_kind_is_refused() -> None:
    assert read(xml({**TEXT, "MsgType": "link"}), context()) is None
    assert refused(xml({**TEXT, "MsgType": "hologram"}), context()).code == "unsupported_type"


def test_the_number_is_msg_id_else_sender_second_and_words() -> None:
    assert report(xml(TEXT))["upstream_id"] == report(as_json(TEXT))["upstream_id"] == "23456789012345678"
    bare = {name: value for name, value in TEXT.items() if name != "MsgId"}
    first = report(xml(bare))
    assert first["report_id"] == report(xml(bare))["report_id"]
    assert OPENID not in first["upstream_id"]
    for other in ({"CreateTime": 1749090601}, {"FromUserName": OPENID + "x"}, {"Content": "另一句"}):
        assert report(xml({**bare, **other}))["report_id"] != first["report_id"]


def test_a_union_id_makes_one_person_of_two_accounts() -> None:
    one = report(xml({**TEXT, "UnionID": UNION}))
    other = report(as_json({**TEXT, "FromUserName": "oAnother_madeup-000000000001", "unionid": UNION}))
    assert one["reporter_key"] == other["reporter_key"] != report(xml(TEXT))["reporter_key"]
    assert not any(secret in str({**one, "sealed": None}) for secret in (OPENID, UNION, PHONE))


# -- answers -----------------------------------------------------------------------------------------------------------


ACCEPTED = Outcome("accepted", "wechat-0abc", "report")


def told(body: bytes, ctx: Context, outcome: Outcome = ACCEPTED) -> Reply:
    return wechat.answer(body, "text/xml", [outcome], ctx)


def test_a_petition_is_answered_with_its_tracking_id() -> None:
    reply = told(xml(TEXT), context())
    assert reply.content_type == "text/xml"
    found = {child.tag: child.text for child in fromstring(reply.body)}  # noqa: S314 - our own answer
    assert found == {
        "ToUserName": OPENID,
        "FromUserName": "gh_madeup",
        "CreateTime": str(NOW // 1000),
        "MsgType": "text",
        "Content": "您反映的问题已收到，编号：wechat-0abc",
    }


def test_the_reply_is_the_channels_own_text_and_may_be_none() -> None:
    reply = told(xml(TEXT), context(reply="收到 {id} ]]> 请等候"))
    assert fromstring(reply.body).findtext("Content") == "收到 wechat-0abc ]]> 请等候"  # noqa: S314
    assert told(xml(TEXT), context(reply="")).body == b"success"


@pytest.mark.parametrize("outcome", [Outcome("ignored"), Outcome("refused", refusal=Refusal("bad_time", "x"))])
def test_all_else_is_answered_success(outcome: Outcome) -> None:
    assert told(xml(TEXT), context(), outcome) == Reply(b"success", "text/plain")


@pytest.mark.parametrize("write", [xml, as_json])
def test_a_reply_has_the_form_of_its_message_and_is_encrypted_where_that_was(write: Any) -> None:
    secret = replace(SAFE, aes_keys=(OLD_KEY, KEY))
    fields, query = sealed(write(TEXT))
    ctx = context(secret, query)
    reply = told(write(fields), ctx)
    outer = wechat.read_fields(reply.body, reply.content_type)
    signed = wechat_signature(TOKEN, str(outer["TimeStamp"]), outer["Nonce"], outer["Encrypt"])
    assert outer["MsgSignature"] == signed
    inner, key = wechat_crypto.decrypt(secret, outer["Encrypt"])
    assert key == KEY, "the key that the message came with"
    assert inner == told(write(TEXT), context()).body


# -- the address -------------------------------------------------------------------------------------------------------


def test_the_address_is_proved_in_plain_and_encrypted() -> None:
    plain = {**STAMP, "signature": PLAIN_SIGNATURE, "echostr": "4375120948"}
    assert wechat.url_check(context(PLAIN, plain)).body == b"4375120948"
    encrypted = {**STAMP, "msg_signature": MESSAGE_SIGNATURE, "echostr": ENCRYPTED}
    assert wechat.url_check(context(SAFE, encrypted)).body == INNER


@pytest.mark.parametrize(
    "query", [{}, {**STAMP, "signature": "0"}, {**STAMP, "msg_signature": "0", "echostr": ENCRYPTED}]
)
@pytest.mark.parametrize("secret", [PLAIN, SAFE, ChannelSecret()])
def test_an_unproved_question_for_the_address_is_refused(secret: ChannelSecret, query: dict[str, str]) -> None:
    with pytest.raises(Refusal) as caught:
        wechat.url_check(context(secret, query))
    assert caught.value.code == "bad_signature"


def test_nothing_of_the_person_can_be_read_without_the_key() -> None:
    for body in (xml(TEXT), as_json({**TEXT, "UnionID": UNION})):
        found = report(body)
        assert found["reporter_mask"] in {"oM****01", "uM****01"}
