"""A bad message of every kind to every feed gets its 4xx with one line of reason, or a dead letter, and stops nothing."""

import hashlib
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from connectors.auth import SIGNATURE_HEADER, TIME_HEADER, signature, wechat_signature
from hub.deadletters import read_letters
from hub.up import Hub
from schemas.codec import Codec
from schemas.registry import FileRegistry
from tests.e2e.hubs import query, settle, url, wait_until

pytestmark = pytest.mark.e2e

ORDER = {
    "message": "order",
    "record_number": "250912101108115409",
    "channel": "电话",
    "accepted_at": "2025-09-12 10:11:08",
    "appeal_type": "投诉",
    "category_code": "010101",
    "title": "（虚构）",
    "content": "（虚构）夜里施工太吵",
    "lng": 120.46,
    "lat": 36.1,
}
TRANSFER = {
    "message": "transfer",
    "事件编号": "ZHW202505069999",
    "事件描述": "（虚构）来电称消费纠纷 #非警务#消费问题",
    "警情类别": "600500",
    "上报时间": "6/5/25 14:57",
    "经度": 120.46,
    "纬度": 36.1,
}
CASE = {
    "message": "case",
    "case_code": "3702122025051200001",
    "category_type": "event",
    "big_code": "01",
    "small_code": "02",
    "source_type": "collector",
    "lng": 120.46,
    "lat": 36.1,
    "description": "（虚构）暴露垃圾",
    "report_time": "2025-05-12 09:00:00",
}
ALARM = {
    "camera_id": "37021200001320000001",
    "event_type": "illegalParking",
    "timestamp": "2025-06-05T10:30:00+08:00",
}
CANONICAL = {
    "record": "report",
    "upstream_id": "c-1",
    "reported_at": "2025-06-05T10:30:00+08:00",
    "appeal_type": "complaint",
    "content": "（虚构）路灯不亮",
    "code": "020201",
    "lon": 120.46,
    "lat": 36.1,
}
HIKVISION = (
    '<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">'
    "<macAddress>00:00:00:00:00:01</macAddress><channelID>1</channelID><dateTime>{time}</dateTime>"
    "<activePostCount>1</activePostCount><eventType>{kind}</eventType><eventState>active</eventState>"
    "</EventNotificationAlert>"
)
WECHAT = (
    "<xml><ToUserName><![CDATA[gh_demo]]></ToUserName><FromUserName><![CDATA[oDEMO_bad]]></FromUserName>"
    "<CreateTime>{time}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
    "<Content><![CDATA[（虚构）路灯不亮]]></Content><MsgId>{id}</MsgId></xml>"
)
LOCATION = (
    "<xml><ToUserName><![CDATA[gh_demo]]></ToUserName><FromUserName><![CDATA[oDEMO_bad]]></FromUserName>"
    "<CreateTime>1757643068</CreateTime><MsgType><![CDATA[location]]></MsgType><Location_X>0.0</Location_X>"
    "<Location_Y>0.0</Location_Y><Scale>20</Scale><Label><![CDATA[]]></Label><MsgId>77</MsgId></xml>"
)
JSON_FEEDS: dict[str, tuple[dict[str, Any], str, str, tuple[str, str]]] = {
    # channel: a good message, its time field, its code field, its coordinates
    "demo-hotline": (ORDER, "accepted_at", "category_code", ("lng", "lat")),
    "demo-police": (TRANSFER, "上报时间", "警情类别", ("经度", "纬度")),
    "demo-citymgmt": (CASE, "report_time", "small_code", ("lng", "lat")),
    "demo-aibox": (ALARM, "timestamp", "event_type", ("", "")),
    "demo-canonical": (CANONICAL, "reported_at", "code", ("lon", "lat")),
}
TIMES = {
    "accepted_at": ("1900-01-01 00:00:00", "2300-01-01 00:00:00"),
    "上报时间": ("1/1/1900 0:00", "1/1/2300 0:00"),
    "report_time": ("1900-01-01 00:00:00", "2300-01-01 00:00:00"),
    "timestamp": ("1900-01-01T00:00:00+08:00", "2300-01-01T00:00:00+08:00"),
    "reported_at": ("1900-01-01T00:00:00+08:00", "2300-01-01T00:00:00+08:00"),
}


def post(
    hub: Hub, channel: str, body: bytes, content_type: str = "application/json", wrong_signature: bool = False
) -> tuple[int, dict[str, Any]]:
    """Status and answer of one signed request; WeChat's plain text comes as {"text": ...}."""
    path = f"/intake/{channel}"
    headers = {"Content-Type": content_type}
    query_part = ""
    secret = hub.secrets.channels[channel]
    if channel == "demo-wechat":
        token = "wrong" if wrong_signature else secret.token or ""
        query_part = f"?signature={wechat_signature(token, '1757643068', '42')}&timestamp=1757643068&nonce=42"
    else:
        now = str(int(time.time()))
        key = b"wrong" if wrong_signature else secret.key or b""
        headers |= {TIME_HEADER: now, SIGNATURE_HEADER: signature(key, "POST", path, now, body)}
    request = urllib.request.Request(url(hub) + path + query_part, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, _read(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _read(error.read())


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"text": body.decode()}
    return found if isinstance(found, dict) else {"text": body.decode()}


def send_canonical(hub: Hub, upstream_id: str) -> int:
    """One good report through the canonical feed."""
    status, _ = post(hub, "demo-canonical", json.dumps({**CANONICAL, "upstream_id": upstream_id}).encode())
    assert status == 200
    return status


def check(answer: tuple[int, dict[str, Any]], status: int, code: str) -> None:
    """The right status, the right code, and a reason of one line."""
    assert answer[0] == status, answer
    assert answer[1]["code"] == code
    assert answer[1]["reason"]
    assert "\n" not in answer[1]["reason"]


@pytest.mark.parametrize("channel", sorted(JSON_FEEDS))
class TestEveryJsonFeed:
    """The same kinds of bad message to each feed that speaks JSON."""

    def test_a_good_message_is_accepted_so_that_a_refusal_means_something(self, played: Hub, channel: str) -> None:
        assert post(played, channel, json.dumps(JSON_FEEDS[channel][0]).encode())[0] == 200

    def test_broken_json(self, played: Hub, channel: str) -> None:
        check(post(played, channel, b'{"message": '), 400, "bad_json")

    def test_wrong_signature(self, played: Hub, channel: str) -> None:
        body = json.dumps(JSON_FEEDS[channel][0]).encode()
        check(post(played, channel, body, wrong_signature=True), 401, "bad_signature")

    def test_wrong_encoding(self, played: Hub, channel: str) -> None:
        body = json.dumps({**JSON_FEEDS[channel][0], "title": "噪声"}, ensure_ascii=False).encode("gbk")
        check(post(played, channel, body), 400, "bad_encoding")

    def test_unknown_code(self, played: Hub, channel: str) -> None:
        message, _, code, _ = JSON_FEEDS[channel]
        wrong = {"警情类别": "609999", "small_code": "98", "event_type": "dancing"}.get(code, "999999")
        check(post(played, channel, json.dumps({**message, code: wrong}).encode()), 422, "unknown_code")

    def test_huge_body(self, played: Hub, channel: str) -> None:
        limit = played.profile.channels[channel].max_body_bytes
        check(post(played, channel, b" " * (limit + 1)), 413, "too_large")

    @pytest.mark.parametrize("which", [0, 1], ids=["1900", "2300"])
    def test_impossible_year(self, played: Hub, channel: str, which: int) -> None:
        message, field, _, _ = JSON_FEEDS[channel]
        check(post(played, channel, json.dumps({**message, field: TIMES[field][which]}).encode()), 422, "bad_time")


# A camera is located by the register, never by its message.
@pytest.mark.parametrize("channel", sorted(set(JSON_FEEDS) - {"demo-aibox"}))
def test_a_point_at_zero_is_refused(played: Hub, channel: str) -> None:
    message, _, _, (lon, lat) = JSON_FEEDS[channel]
    check(post(played, channel, json.dumps({**message, lon: 0.0, lat: 0.0}).encode()), 422, "bad_location")


def letters(hub: Hub) -> dict[tuple[int, int], str]:
    """Reason code of the gateway's letters by their place in the topic: the same message again is a letter of the same id."""
    codec = Codec(FileRegistry())
    found = read_letters(str(hub.settings.kafka_bootstrap), codec, everything=True)
    return {(x.partition, x.offset): x.record["reason_code"] for x in found if x.record["stage"] == "connector"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<xml><ToUserName>", "bad_xml"),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>', "forbidden_xml"),
        (WECHAT.format(time=-2208988800, id=71).encode(), "bad_time"),
        (WECHAT.format(time=10413792000, id=72).encode(), "bad_time"),
        (WECHAT.format(time=1757643068, id="no-digits").encode(), "bad_field"),
        (LOCATION.encode(), "bad_location"),
        (WECHAT.format(time=1757643068, id=73).encode("gbk"), "bad_encoding"),
    ],
)
def test_what_wechat_can_not_mend_becomes_a_dead_letter_and_is_not_asked_for_again(
    played: Hub, body: bytes, code: str
) -> None:
    before = letters(played)
    status, answer = post(played, "demo-wechat", body, "text/xml")
    assert (status, answer) == (200, {"text": "success"})
    new = {i: c for i, c in letters(played).items() if i not in before}
    assert list(new.values()) == [code]


def test_a_wrong_wechat_signature_is_refused_and_leaves_no_letter(played: Hub) -> None:
    before = letters(played)
    body = WECHAT.format(time=1757643068, id=74).encode()
    check(post(played, "demo-wechat", body, "text/xml", wrong_signature=True), 401, "bad_signature")
    assert letters(played) == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"<EventNotificationAlert><a>", 400, "bad_xml"),
        (HIKVISION.format(time="1900-01-01T00:00:00+08:00", kind="illegalParking").encode(), 422, "bad_time"),
        (HIKVISION.format(time="2025-06-05T10:30:00+08:00", kind="dancing").encode(), 422, "unknown_code"),
    ],
)
def test_a_camera_gets_its_4xx_and_its_message_is_kept_as_a_letter(
    played: Hub, body: bytes, status: int, code: str
) -> None:
    before = letters(played)
    check(post(played, "demo-hikvision", body, "application/xml"), status, code)
    assert [c for i, c in letters(played).items() if i not in before] == [code]


def test_one_bad_record_of_a_batch_keeps_no_good_one_back(played: Hub) -> None:
    good = [{**CANONICAL, "upstream_id": f"batch-{n}"} for n in range(3)]
    lines = [json.dumps(good[0]), "{broken", json.dumps({**good[1], "reported_at": "1900-01-01"}), json.dumps(good[2])]
    status, answer = post(played, "demo-canonical", "\n".join(lines).encode(), "application/x-ndjson")
    assert status == 207
    assert (answer["accepted"], answer["refused"]) == (2, 2)
    assert [outcome["status"] for outcome in answer["outcomes"]] == ["accepted", "refused", "refused", "accepted"]
    assert [outcome.get("code") for outcome in answer["outcomes"]] == [None, "bad_json", "bad_time", None]


def test_after_all_of_it_a_good_report_still_reaches_its_row(played: Hub) -> None:
    upstream_id = hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:12]
    send_canonical(played, upstream_id)
    wait_until(
        lambda: query(played, f"SELECT count() FROM hub.routed WHERE upstream_id = '{upstream_id}'") == [(1,)],
        "the report is stored",
    )
    assert settle(played).good
