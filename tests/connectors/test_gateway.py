"""HTTP semantics of the intake, over a real aiohttp server and a sink in memory."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY

from connectors import auth
from connectors.auth import ChannelSecret
from connectors.base import Context, Record
from connectors.bodies import Message, Parsed
from connectors.gateway import OUTCOME_HEADER, REPLAY_COUNT_HEADER, Limits
from connectors.producer import KafkaRecord
from connectors.registry import CONNECTORS
from connectors.video import aibox
from hub.deadletters import _Replay
from profiles import Profile
from schemas.codec import Codec
from schemas.records import DeadLetter
from schemas.topics import MAX_RECORD_BYTES
from tests.connectors import make
from tests.connectors.make import NOW, PHONE, PRIVACY, PROFILE, as_json
from tests.connectors.served import MemorySink, gateway

KEY = b"a made-up channel key"
TOKEN = "a-made-up-token"
SECRETS = {channel: ChannelSecret((KEY,), TOKEN) for channel in PROFILE.channels}

Client = TestClient[web.Request, web.Application]
LIMITS = Limits()
NDJSON = "application/x-ndjson"


def run(
    codec: Codec,
    scenario: Callable[[Client, MemorySink], Awaitable[None]],
    profile: Profile = PROFILE,
    secrets: Mapping[str, ChannelSecret] = SECRETS,
    limits: Limits = LIMITS,
) -> None:
    async def inner() -> None:
        sink = MemorySink()
        app = gateway(codec, sink, secrets, profile=profile, limits=limits)
        async with TestClient(TestServer(app)) as client:
            await scenario(client, sink)

    asyncio.run(inner())


async def post(
    client: Client, channel: str, body: bytes, content_type: str = "application/json", suffix: str = "", **headers: str
) -> tuple[int, Any]:
    path, stamp = f"/intake/{channel}{suffix}", str(NOW // 1000)
    signed = {
        "Content-Type": content_type,
        auth.TIME_HEADER: stamp,
        auth.SIGNATURE_HEADER: auth.signature(KEY, "POST", path, stamp, body),
    }
    async with client.post(path, data=body, headers=signed | headers) as answer:
        return answer.status, json.loads(await answer.read())


async def post_wechat(client: Client, body: str, token: str = TOKEN) -> tuple[int, str]:
    status, text, _ = await wechat_answer(client, body, token)
    return status, text


async def wechat_answer(client: Client, body: str, token: str = TOKEN, **headers: str) -> tuple[int, str, str]:
    """Status, text and outcome header of a WeChat message."""
    query = {"timestamp": "1", "nonce": "n", "signature": auth.wechat_signature(token, "1", "n")}
    async with client.post(
        "/intake/demo-wechat", params=query, data=body.encode(), headers={"Content-Type": "text/xml"} | headers
    ) as a:
        return a.status, await a.text(), a.headers.get(OUTCOME_HEADER, "")


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def lines(*messages: dict[str, Any]) -> bytes:
    return b"\n".join(as_json(message) for message in messages)


def numbered(number: int) -> dict[str, Any]:
    return make.ORDER | {"record_number": f"{250912101108000000 + number}"}


def test_one_message_is_answered_with_its_id_and_stands_in_its_topic_under_its_place(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        status, answer = await post(client, "demo-hotline", as_json(make.ORDER))
        ((topic, key, value),) = sink.records
        assert (status, answer) == (200, {"accepted": 1, "ids": [codec.report(value)["report_id"]]})
        assert (topic, key) == ("intake.hotline12345", b"370212")
        assert codec.report(value)["received_at"] == NOW

    run(codec, scenario)


def test_the_answer_comes_only_after_the_sink_acknowledged(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        sink.open.clear()
        before = counted("zhishu_accepted_messages_total", feed="hotline12345", record="report")
        request = asyncio.ensure_future(post(client, "demo-hotline", as_json(make.ORDER)))
        await asyncio.wait_for(sink.asked.wait(), 10)
        async with client.get("/metrics") as other:  # a whole other request goes by meanwhile
            assert other.status == 200
        assert not request.done()
        assert counted("zhishu_accepted_messages_total", feed="hotline12345", record="report") == before
        sink.open.set()
        assert (await request)[0] == 200
        assert counted("zhishu_accepted_messages_total", feed="hotline12345", record="report") == before + 1

    run(codec, scenario)


def test_a_batch_is_answered_part_by_part(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        body = lines(make.ORDER, make.ORDER | {"accepted_at": "1900-01-01 00:00:00"}, make.STEP) + b"\n{broken\n"
        status, answer = await post(client, "demo-hotline", body, NDJSON)
        assert status == 207
        assert (answer["accepted"], answer["refused"], answer["ignored"]) == (2, 2, 0)
        outcomes = answer["outcomes"]
        assert [outcome["index"] for outcome in outcomes] == [0, 1, 2, 3]
        assert [outcome.get("code") for outcome in outcomes] == [None, "bad_time", None, "bad_json"]
        assert [topic for topic, _, _ in sink.records] == ["intake.hotline12345", "progress"]
        assert [key for _, key, _ in sink.records] == [b"370212", b"370212"]  # a step meets the report it is of
        assert codec.progress(sink.records[1][2])["report_id"] == codec.report(sink.records[0][2])["report_id"]

    run(codec, scenario)


def test_a_batch_of_good_messages_is_200_and_one_of_bad_messages_is_its_first_reason(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        status, answer = await post(client, "demo-hotline", b"[" + as_json(make.ORDER) + b"]")
        assert (status, answer["accepted"]) == (200, 1)
        bad = [make.ORDER | {"category_code": "999999"}, {"message": "order"}]
        status, answer = await post(client, "demo-hotline", lines(*bad), NDJSON)
        assert (status, answer["code"], answer["refused"]) == (422, "unknown_code", 2)
        assert len(sink.records) == 1

    run(codec, scenario)


def test_a_refused_message_of_a_sender_that_can_repeat_leaves_no_dead_letter(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        before = counted("zhishu_refused_messages_total", feed="hotline12345", reason="missing_field")
        status, answer = await post(client, "demo-hotline", as_json({"message": "order"}))
        assert (status, answer["code"]) == (422, "missing_field")
        assert sink.records == []
        assert counted("zhishu_refused_messages_total", feed="hotline12345", reason="missing_field") == before + 1

    run(codec, scenario)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({auth.SIGNATURE_HEADER: "00"}, "does not fit"),
        ({auth.TIME_HEADER: "1750000000"}, "clock"),
        ({auth.TIME_HEADER: ""}, "send"),
    ],
)
def test_an_unsigned_request_is_401_and_leaves_nothing(codec: Codec, headers: dict[str, str], reason: str) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        for channel in ("demo-hotline", "demo-aibox"):
            status, answer = await post(client, channel, b"{not even json", **headers)
            assert (status, answer["code"]) == (401, "bad_signature")
            assert reason in answer["reason"]
        assert sink.records == []

    run(codec, scenario)


def test_a_channel_without_a_key_takes_nothing(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        assert (await post(client, "demo-hotline", as_json(make.ORDER)))[0] == 401
        assert (await post_wechat(client, make.WECHAT))[0] == 401

    run(codec, scenario, secrets={})


def test_an_unknown_channel_is_404(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        status, answer = await post(client, "nobody", b"{}")
        assert (status, answer["code"]) == (404, "unknown_channel")

    run(codec, scenario)


def limited(**limits: int) -> Profile:
    channels = {name: replace(channel, **limits) for name, channel in PROFILE.channels.items()}  # type: ignore[arg-type]
    return replace(PROFILE, channels=channels)


def test_a_body_over_the_limit_is_413_with_and_without_a_declared_length(codec: Codec) -> None:
    async def long() -> Any:
        for _ in range(5000):
            yield b"x" * 1024

    async def scenario(client: Client, sink: MemorySink) -> None:
        status, answer = await post(client, "demo-hotline", b"x" * 2001)
        assert (status, answer["code"]) == (413, "too_large")
        # Of a chunked body the gateway reads no more than the limit: read whole, it would be 401.
        try:
            claim = {auth.TIME_HEADER: str(NOW // 1000), auth.SIGNATURE_HEADER: "00"}
            async with client.post("/intake/demo-hotline", data=long(), headers=claim) as answered:
                assert answered.status == 413
        except aiohttp.ClientConnectionError:
            pass  # the server hung up before the client read its answer
        status, _ = await post(client, "demo-hotline", as_json(make.STEP))
        assert status == 200
        assert len(sink.records) == 1

    run(codec, scenario, profile=limited(max_body_bytes=2000))


def test_a_batch_over_the_limit_is_413(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        status, answer = await post(client, "demo-hotline", lines(*map(numbered, range(4))), NDJSON)
        assert (status, answer["code"]) == (413, "too_many_records")
        assert sink.records == []

    run(codec, scenario, profile=limited(max_records=3))


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "bad_json"),
        ('{"a":"中"}'.encode("gbk"), "application/json", 400, "bad_encoding"),
        (b"<x/>", "application/xml", 415, "unsupported_type"),
        (b"[]", "application/json", 422, "missing_field"),
    ],
)
def test_a_bad_body_has_its_own_status(codec: Codec, body: bytes, content_type: str, status: int, code: str) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        answered, answer = await post(client, "demo-hotline", body, content_type)
        assert (answered, answer["code"]) == (status, code)

    run(codec, scenario)


def test_a_compressed_body_is_refused(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        body = gzip.compress(as_json(make.ORDER))
        status, answer = await post(client, "demo-hotline", body, **{"Content-Encoding": "gzip"})
        assert (status, answer["code"]) == (415, "unsupported_type")

    run(codec, scenario)


def test_without_kafka_the_answer_is_503_and_nothing_counts_as_accepted(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        sink.down = True
        before = counted("zhishu_accepted_messages_total", feed="hotline12345", record="report")
        refused = counted("zhishu_refused_messages_total", feed="hotline12345", reason="unavailable")
        stamp = str(NOW // 1000)
        body = lines(numbered(1), numbered(2))
        headers = {
            "Content-Type": NDJSON,
            auth.TIME_HEADER: stamp,
            auth.SIGNATURE_HEADER: auth.signature(KEY, "POST", "/intake/demo-hotline", stamp, body),
        }
        async with client.post("/intake/demo-hotline", data=body, headers=headers) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert (await post_wechat(client, make.WECHAT))[0] == 503
        assert counted("zhishu_accepted_messages_total", feed="hotline12345", record="report") == before
        assert counted("zhishu_refused_messages_total", feed="hotline12345", reason="unavailable") == refused + 2
        async with client.get("/health") as health:
            assert health.status == 503

    run(codec, scenario)


def test_wechat_proves_the_address_with_its_signature(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        query = {"timestamp": "1", "nonce": "n", "echostr": "4375", "signature": auth.wechat_signature(TOKEN, "1", "n")}
        async with client.get("/intake/demo-wechat", params=query) as answer:
            assert (answer.status, await answer.text()) == (200, "4375")
            assert answer.content_type == "text/plain"
        async with client.get("/intake/demo-wechat", params=query | {"nonce": "m"}) as answer:
            assert answer.status == 401
        async with client.get("/intake/demo-hotline") as answer:
            assert answer.status == 405

    run(codec, scenario)


def test_wechat_is_answered_with_the_id_for_petitions_and_success_for_events(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        ignored = counted("zhishu_ignored_messages_total", feed="wechat")
        status, reply = await post_wechat(client, make.WECHAT)
        assert (status, codec.report(sink.records[0][2])["report_id"] in reply) == (200, True)
        event = "<xml><FromUserName>o</FromUserName><MsgType>event</MsgType><Event>subscribe</Event></xml>"
        assert await post_wechat(client, event) == (200, "success")
        assert (await post_wechat(client, make.WECHAT, token="wrong"))[0] == 401
        assert [topic for topic, _, _ in sink.records] == ["messages.wechat"]
        assert counted("zhishu_ignored_messages_total", feed="wechat") == ignored + 1

    run(codec, scenario)


def test_what_wechat_sends_in_vain_is_kept_sealed_and_answered_success(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        bad = make.WECHAT.replace("<CreateTime>1749090600</CreateTime>", "")
        assert await post_wechat(client, bad) == (200, "success")
        assert await post_wechat(client, bad + "<") == (200, "success")
        assert await post_wechat(client, bad) == (200, "success")
        letters = [codec.dead_letter(value) for topic, _, value in sink.records if topic == "deadletter"]
        assert [letter["reason_code"] for letter in letters] == ["missing_field", "bad_xml", "missing_field"]
        first = letters[0]
        assert (first["stage"], first["feed"], first["channel"]) == ("connector", "wechat", "demo-wechat")
        assert PRIVACY.unseal(first["original"], first["dead_letter_id"], first["sealed_key_id"]) == bad.encode()
        assert PHONE.encode() not in first["original"]
        assert first["dead_letter_id"] == letters[2]["dead_letter_id"] != letters[1]["dead_letter_id"]

    run(codec, scenario)


def test_a_letter_keeps_the_address_that_named_the_device_and_is_played_again_there(codec: Codec) -> None:
    event = b"Code=Nonsense;action=Start;index=0"
    sent: list[str] = []

    async def scenario(client: Client, sink: MemorySink) -> None:
        await post(client, "demo-dahua/cam-77", event, "text/plain")
        letter = codec.dead_letter(sink.records[0][2])
        assert letter["tail"] == "cam-77"

        async def send(_channel: object, _secret: object, route: str, *_: object) -> None:
            sent.append(route)

        secrets = SimpleNamespace(channels={"demo-dahua": SECRETS["demo-dahua"]}, privacy=lambda: PRIVACY)
        work: Any = _Replay(SimpleNamespace(send=send), None, PROFILE, secrets)  # type: ignore[arg-type]
        for tail in ("cam-77", "02:00:5e:10:00:01/1", None):
            await work.send(letter | {"tail": tail})
        assert work.result.skipped == {}

    run(codec, scenario)
    assert sent == ["/intake/demo-dahua/cam-77", "/intake/demo-dahua/02:00:5e:10:00:01/1", "/intake/demo-dahua"]


def test_a_refused_alarm_is_kept_and_still_answered_with_its_reason(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        before = counted("zhishu_dead_lettered_messages_total", feed="video", stage="connector", reason="unknown_code")
        bad = make.BOX | {"event_type": "nonsense"}
        status, answer = await post(client, "demo-aibox", lines(make.BOX, bad), NDJSON)
        assert (status, answer["accepted"], answer["refused"]) == (207, 1, 1)
        assert [topic for topic, _, _ in sink.records] == ["intake.video", "deadletter"]
        letter = codec.dead_letter(sink.records[1][2])
        assert json.loads(PRIVACY.unseal(letter["original"], letter["dead_letter_id"], letter["sealed_key_id"])) == bad
        # By itself it is one JSON message, whatever it came in, and so can be played again.
        assert letter["content_type"] == "application/json"
        status, _ = await post(
            client, "demo-hikvision", make.ALERT.replace("active<", "active&<").encode(), "application/xml"
        )
        assert status == 400
        assert codec.dead_letter(sink.records[2][2])["reason_code"] == "bad_xml"
        after = counted("zhishu_dead_lettered_messages_total", feed="video", stage="connector", reason="unknown_code")
        assert after == before + 1

    run(codec, scenario)


def test_a_heartbeat_is_200_and_counted_as_ignored(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        beat = make.ALERT.replace(">active<", ">inactive<").encode()
        assert await post(client, "demo-hikvision", beat, "application/xml") == (
            200,
            {"accepted": 0, "ignored": 1, "ids": []},
        )
        assert sink.records == []

    run(codec, scenario)


def test_progress_of_a_wechat_case_comes_by_its_own_address_with_the_hmac_key(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        message = as_json(make.PROGRESS | {"upstream_id": "23456789012345678"})
        status, answer = await post(client, "demo-wechat", message, suffix="/progress")
        assert (status, answer["accepted"]) == (200, 1)
        await post_wechat(client, make.WECHAT)
        assert codec.progress(sink.records[0][2])["report_id"] == codec.report(sink.records[1][2])["report_id"]
        assert (await post(client, "demo-wechat", as_json(make.REPORT), suffix="/progress"))[0] == 415
        async with client.post("/intake/demo-wechat/progress", data=message) as unsigned:
            assert unsigned.status == 401

    run(codec, scenario)


def test_other_requests_get_their_turn_during_a_large_batch(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        large = asyncio.ensure_future(post(client, "demo-hotline", lines(*map(numbered, range(3000))), NDJSON))
        quick = 0
        while not large.done():
            async with client.get("/health") as health:
                assert health.status == 200
            quick += 1
        assert large.result()[1]["accepted"] == 3000
        assert quick >= 3

    run(codec, scenario)


def test_every_answer_and_every_metric_is_free_of_personal_data(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        for channel, message in (
            ("demo-hotline", make.ORDER),
            ("demo-police", make.TRANSFER),
            ("demo-citymgmt", make.CASE),
        ):
            for name in message:
                _, answer = await post(client, channel, as_json(message | {name: f"{PHONE}'\"<>"}))
                assert PHONE not in json.dumps(answer)
        async with client.get("/metrics") as answer:
            text = await answer.text()
        assert PHONE not in text
        assert "zhishu_received_messages_total" in text

    run(codec, scenario)


def test_an_unforeseen_error_is_500_and_its_text_is_not_logged(codec: Codec, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        async def failing(_records: Sequence[KafkaRecord]) -> None:
            raise ValueError(PHONE)

        sink.send = failing  # type: ignore[assignment,method-assign]
        status, answer = await post(client, "demo-hotline", as_json(make.ORDER))
        assert (status, answer["code"]) == (500, "internal")

    run(codec, scenario)
    assert "ValueError" in caplog.text
    assert PHONE not in caplog.text


def letters_of(codec: Codec, sink: MemorySink) -> list[DeadLetter]:
    return [codec.dead_letter(value) for topic, _, value in sink.records if topic == "deadletter"]


def test_a_message_too_large_for_kafka_is_413_and_the_rest_of_its_batch_is_taken(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        large = numbered(1) | {"unknown": "x" * MAX_RECORD_BYTES}
        status, answer = await post(client, "demo-hotline", as_json(large))
        assert (status, answer["code"]) == (413, "too_large")
        status, answer = await post(client, "demo-hotline", lines(numbered(2), large, numbered(3)), NDJSON)
        assert (status, [outcome.get("code") for outcome in answer["outcomes"]]) == (207, [None, "too_large", None])
        assert len(sink.records) == 2

    run(codec, scenario)


@pytest.mark.parametrize("size", [840_000, 860_000, 899_900, 950_000, 1_040_000])
def test_an_alarm_is_in_kafka_as_a_record_or_as_a_letter_whatever_its_size(codec: Codec, size: int) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        body = as_json(make.BOX | {"note": "x " * (size // 2)})
        status, _ = await post(client, "demo-aibox", body)
        ((topic, _, value),) = sink.records
        assert len(value) <= MAX_RECORD_BYTES
        assert (status, topic) == ((200, "intake.video") if size < 899_900 else (413, "deadletter"))
        if topic == "deadletter":
            letter = codec.dead_letter(value)
            kept = PRIVACY.unseal(letter["original"], letter["dead_letter_id"], letter["sealed_key_id"])
            assert (letter["reason_code"], kept) == ("too_large", body[:850_000])
            assert "first 850000 bytes" in letter["reason"]

    run(codec, scenario)


def test_a_large_alarm_refused_for_another_reason_is_cut_too_and_a_small_one_is_not(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        for size in (10, 1_000_000):
            await post(client, "demo-aibox", as_json(make.BOX | {"event_type": "nonsense", "note": "x " * (size // 2)}))
        small, large = letters_of(codec, sink)
        assert small["reason_code"] == large["reason_code"] == "unknown_code"
        assert ("are kept here" in small["reason"], "are kept here" in large["reason"]) == (False, True)
        assert all(len(value) <= MAX_RECORD_BYTES for _, _, value in sink.records)

    run(codec, scenario)


def test_a_batch_of_a_million_empty_objects_is_413(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        for body, content_type in (
            (b"[" + b"{}," * 999_999 + b"{}]", "application/json"),
            (b"{}\n" * 1_000_000, NDJSON),
        ):
            status, answer = await post(client, "demo-hotline", body, content_type)
            assert (status, answer["code"]) == (413, "too_many_records")
        assert sink.records == []

    run(codec, scenario)


DEEP = b'{"a":' * 300 + b"1" + b"}" * 300


def test_an_element_nested_too_deeply_is_one_letter_and_the_rest_of_its_batch_is_taken(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        deep = b'{"camera_id": "37021200001320000001", "a": ' + DEEP + b"}"
        body = b"[" + as_json(make.BOX) + b"," + deep + b"," + as_json(make.BOX | {"timestamp": 1749090600}) + b"]"
        status, answer = await post(client, "demo-aibox", body)
        assert (status, [outcome.get("code") for outcome in answer["outcomes"]]) == (207, [None, "bad_json", None])
        (letter,) = letters_of(codec, sink)
        kept = json.loads(PRIVACY.unseal(letter["original"], letter["dead_letter_id"], letter["sealed_key_id"]))
        assert kept["camera_id"] == "37021200001320000001"

    run(codec, scenario)


def test_a_known_field_nested_too_deeply_is_refused(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        report = as_json(make.REPORT | {"reporter": {}}).replace(b'"reporter": {}', b'"reporter": {"x": ' + DEEP + b"}")
        status, answer = await post(client, "demo-canonical", report)
        assert (status, answer["code"]) == (422, "bad_field")
        assert "nested" in answer["reason"]

    run(codec, scenario)


async def raw_post(client: Client, signature: bytes, content_type: bytes) -> int:
    """Status of a request whose headers an HTTP client would not send."""
    reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
    head = (b"Host: hub", b"Connection: close", b"Content-Length: 2", b"Content-Type: " + content_type,
            b"%s: %d" % (auth.TIME_HEADER.encode(), NOW // 1000),
            b"%s: %s" % (auth.SIGNATURE_HEADER.encode(), signature))  # fmt: skip
    writer.write(b"\r\n".join((b"POST /intake/demo-aibox HTTP/1.1", *head, b"", b"{}")))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return int(answer.split()[1])


def test_header_bytes_that_are_no_text_are_401_or_a_letter(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        assert await raw_post(client, b"\xff", b"application/json") == 401
        assert sink.records == []
        stamp = str(NOW // 1000)
        good = auth.signature(KEY, "POST", "/intake/demo-aibox", stamp, b"{}").encode()
        assert await raw_post(client, good, b"application/\xff") == 415
        assert [letter["content_type"] for letter in letters_of(codec, sink)] == ["application/?"]

    run(codec, scenario)


def test_an_unforeseen_error_in_one_message_refuses_that_message_only(
    codec: Codec, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(message: Message, ctx: Context) -> Record | None:
        if message.fields.get("confidence") == 0.5:
            raise ZeroDivisionError(PHONE)
        return aibox.normalise(message, ctx)

    connector = replace(aibox.CONNECTOR, normalise=failing)
    monkeypatch.setitem(CONNECTORS, "aibox", connector)

    async def scenario(client: Client, sink: MemorySink) -> None:
        bad = make.BOX | {"confidence": 0.5}
        status, answer = await post(client, "demo-aibox", lines(make.BOX, bad), NDJSON)
        assert (status, answer["outcomes"][1]["code"]) == (207, "bad_field")
        assert [topic for topic, _, _ in sink.records] == ["intake.video", "deadletter"]
        (letter,) = letters_of(codec, sink)
        assert json.loads(PRIVACY.unseal(letter["original"], letter["dead_letter_id"], letter["sealed_key_id"])) == bad
        assert PHONE not in letter["reason"] + json.dumps(answer)

    run(codec, scenario)
    assert "ZeroDivisionError" in caplog.text
    assert PHONE not in caplog.text


def test_an_unforeseen_error_in_reading_a_body_keeps_it_as_a_letter(
    codec: Codec, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(body: bytes, content_type: str, _ctx: Context) -> Parsed:
        raise RecursionError(body, content_type)

    monkeypatch.setitem(CONNECTORS, "wechat", replace(CONNECTORS["wechat"], parse=failing))

    async def scenario(client: Client, sink: MemorySink) -> None:
        assert await wechat_answer(client, make.WECHAT) == (200, "success", "refused")
        (letter,) = letters_of(codec, sink)
        assert (
            PRIVACY.unseal(letter["original"], letter["dead_letter_id"], letter["sealed_key_id"])
            == make.WECHAT.encode()
        )

    run(codec, scenario)
    assert "RecursionError" in caplog.text
    assert PHONE not in caplog.text


def test_a_header_tells_what_became_of_a_wechat_message(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        event = "<xml><FromUserName>o</FromUserName><MsgType>event</MsgType><Event>subscribe</Event></xml>"
        status, _, outcome = await wechat_answer(client, make.WECHAT)
        assert (status, outcome) == (200, "accepted")
        assert await wechat_answer(client, event) == (200, "success", "ignored")
        assert await wechat_answer(client, make.WECHAT + "<") == (200, "success", "refused")
        status, _, outcome = await wechat_answer(client, make.WECHAT, token="wrong")
        assert (status, outcome) == (401, "refused")
        sink.down = True
        status, _, outcome = await wechat_answer(client, make.WECHAT)
        assert (status, outcome) == (503, "")  # nothing was decided: the same again

    run(codec, scenario)


@pytest.mark.parametrize(("given", "count"), [("3", 3), ("", 0), ("-1", 0), ("٣", 0), ("9" * 20, 0)])
def test_a_letter_says_how_often_its_message_was_played_again(codec: Codec, given: str, count: int) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        header = {REPLAY_COUNT_HEADER: given}
        await post(client, "demo-aibox", as_json(make.BOX | {"event_type": "nonsense"}), **header)
        await post(client, "demo-aibox", b"{", **header)
        await wechat_answer(client, make.WECHAT + "<", **header)
        assert [letter["replay_count"] for letter in letters_of(codec, sink)] == [count] * 3

    run(codec, scenario)


async def endless() -> AsyncIterator[bytes]:
    """The beginning of a body whose rest never comes."""
    yield b"{"
    await asyncio.Event().wait()


def claimed(path: str) -> tuple[str, dict[str, str]]:
    """Address and headers that pass every check that needs no body."""
    if path == "/intake/demo-wechat":
        return f"{path}?timestamp=1&nonce=n&signature={auth.wechat_signature(TOKEN, '1', 'n')}", {}
    return path, {auth.TIME_HEADER: str(NOW // 1000), auth.SIGNATURE_HEADER: "00"}


PATHS = ["/intake/demo-hotline", "/intake/demo-wechat", "/intake/demo-wechat/progress"]


@pytest.mark.parametrize("path", PATHS)
def test_a_sender_that_does_not_prove_itself_is_told_before_its_body_is_read(codec: Codec, path: str) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        async with asyncio.timeout(10), client.post(path, data=endless()) as answer:
            assert (answer.status, answer.headers["Connection"]) == (401, "close")

    run(codec, scenario)


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_does_not_arrive_in_time_is_400(codec: Codec, path: str) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        url, headers = claimed(path)
        async with asyncio.timeout(10), client.post(url, data=endless(), headers=headers) as answer:
            assert (answer.status, answer.headers["Connection"]) == (400, "close")
            found = json.loads(await answer.read())
            assert (found["code"], "in time" in found["reason"]) == ("bad_encoding", True)

    run(codec, scenario, limits=Limits(body_s=0.05))


def test_bodies_over_what_a_process_holds_at_once_are_503_until_others_are_done(codec: Codec) -> None:
    body = as_json(make.ORDER)

    async def scenario(client: Client, sink: MemorySink) -> None:
        sink.open.clear()
        first = asyncio.ensure_future(post(client, "demo-hotline", body))
        await asyncio.wait_for(sink.asked.wait(), 10)
        url, headers = claimed("/intake/demo-hotline")
        async with client.post(url, data=body, headers=headers) as answer:
            assert (answer.status, int(answer.headers["Retry-After"]) > 0) == (503, True)
            assert json.loads(await answer.read())["code"] == "unavailable"
        sink.open.set()
        assert (await first)[0] == 200
        for _ in range(3):  # refused or not, a finished request holds nothing
            assert (await post(client, "demo-hotline", body))[0] == 200
            assert (await post(client, "demo-hotline", body, **{auth.SIGNATURE_HEADER: "00"}))[0] == 401

    run(codec, scenario, limits=Limits(in_flight_bytes=len(body) * 3 // 2))


def test_a_body_whose_own_proof_fails_is_401_and_leaves_no_letter(codec: Codec) -> None:
    safe = {"demo-wechat": ChannelSecret((), TOKEN, ("zhishuMadeUpEncodingAESKey0123456789abcdefg",), "wx0")}

    async def scenario(client: Client, sink: MemorySink) -> None:
        # The plain signature, which does not cover the body, is right.
        for body in (make.WECHAT, "<xml><Encrypt>AAAA</Encrypt></xml>"):
            before = counted("zhishu_refused_messages_total", feed="wechat", reason="bad_signature")
            status, answer, outcome = await wechat_answer(client, body)
            assert (status, json.loads(answer)["code"], outcome) == (401, "bad_signature", "refused")
            assert counted("zhishu_refused_messages_total", feed="wechat", reason="bad_signature") == before + 1
        assert sink.records == []

    run(codec, scenario, secrets=safe)


def test_messages_to_be_assembled_go_to_their_own_topic_by_person(codec: Codec) -> None:
    alone = replace(PROFILE.channels["demo-wechat"], id="alone", assemble_minutes=0.0)

    async def scenario(client: Client, sink: MemorySink) -> None:
        await post_wechat(client, make.WECHAT)
        query = {"timestamp": "1", "nonce": "n", "signature": auth.wechat_signature(TOKEN, "1", "n")}
        async with client.post("/intake/alone", params=query, data=make.WECHAT.encode()) as answer:
            assert answer.status == 200
        (topic, key, value), (other_topic, other_key, other) = sink.records
        assert (topic, key.decode()) == ("messages.wechat", codec.report(value)["reporter_key"])
        assert (other_topic, other_key.decode()) == ("intake.wechat", codec.report(other)["place_key"])

    profile = replace(PROFILE, channels=PROFILE.channels | {"alone": alone})
    run(codec, scenario, profile=profile, secrets={**SECRETS, "alone": ChannelSecret(token=TOKEN)})


def test_what_follows_the_address_reaches_the_connector(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, dict[str, str]]] = []

    def noting(body: bytes, content_type: str, ctx: Context) -> Parsed:
        seen.append((ctx.tail, dict(ctx.query)))
        return aibox.parse(body, content_type, ctx)

    monkeypatch.setitem(CONNECTORS, "aibox", replace(aibox.CONNECTOR, parse=noting))

    async def scenario(client: Client, _sink: MemorySink) -> None:
        for suffix in ("", "/event/rcv", "/%E5%91%8A"):
            assert (await post(client, "demo-aibox", as_json(make.BOX), suffix=suffix))[0] == 200
        headers = {"Content-Type": "application/json", auth.TIME_HEADER: (stamp := str(NOW // 1000))}
        headers[auth.SIGNATURE_HEADER] = auth.signature(KEY, "POST", "/intake/demo-aibox", stamp, as_json(make.BOX))
        async with client.post("/intake/demo-aibox?a=1&b=", data=as_json(make.BOX), headers=headers) as answer:
            assert answer.status == 200
        for method in ("PUT", "GET", "DELETE"):  # for protocols with addresses of their own only
            async with client.request(method, "/intake/demo-aibox/event") as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        assert seen == [("", {}), ("event/rcv", {}), ("告", {}), ("", {"a": "1", "b": ""})]

    run(codec, scenario)
