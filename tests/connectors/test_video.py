"""Video alarms in their real protocols: what each tells, what it leaves out, and what devices get wrong."""

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Context, Outcome
from connectors.bodies import Broken, Message
from connectors.errors import Refusal
from connectors.intake import Intake
from connectors.multipart import Part, split_body, split_events
from connectors.video import aibox, dahua, gat1400, gb28181, hikvision, onvif
from connectors.video.alarms import without_pictures
from connectors.xml import parse_xml
from profiles import Protocol
from schemas.codec import Codec
from schemas.registry import FileRegistry
from schemas.topics import DEADLETTER, MAX_RECORD_BYTES
from tests.connectors.make import NOW, PRIVACY, PROFILE, context, normalised
from tests.connectors.stores import KeepingSink

EXAMPLES: Final = Path(__file__).parents[2] / "connectors" / "examples"
CONNECTORS: Final = {
    "hikvision": hikvision.CONNECTOR,
    "dahua": dahua.CONNECTOR,
    "onvif": onvif.CONNECTOR,
    "gb28181": gb28181.CONNECTOR,
    "gat1400": gat1400.CONNECTOR,
    "aibox": aibox.CONNECTOR,
}
XML: Final = "application/xml"
JSON: Final = "application/json"
MANSCDP: Final = "Application/MANSCDP+xml"
STREAM: Final = "multipart/x-mixed-replace; boundary=myboundary"
PICTURE: Final = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"


def at(*parts: int) -> int:
    """Milliseconds UTC of a moment given in UTC."""
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc, arg-type]


def example(protocol: str, name: str) -> bytes:
    return (EXAMPLES / protocol / name).read_bytes()


def items(protocol: Protocol, body: bytes, content_type: str, ctx: Context) -> list[Message | Broken]:
    return list(CONNECTORS[protocol].parse(body, content_type, ctx).items)


def records(
    protocol: Protocol, body: bytes | str, content_type: str = XML, tail: str = "", ctx: Context | None = None
) -> list[dict[str, Any] | None]:
    """The report of each message, None for one that is nothing; raises the first Refusal."""
    ctx = replace(ctx or context(f"demo-{protocol}"), tail=tail)
    found: list[dict[str, Any] | None] = []
    for item in items(protocol, body.encode() if isinstance(body, str) else body, content_type, ctx):
        if isinstance(item, Broken):
            raise item.refusal
        record = CONNECTORS[protocol].normalise(item, ctx)
        found.append(dict(record[1]) if record else None)
    return found


def one(protocol: Protocol, body: bytes | str, content_type: str = XML, **rest: Any) -> dict[str, Any]:
    (found,) = records(protocol, body, content_type, **rest)
    assert found is not None
    return found


def refused(protocol: Protocol, body: bytes | str, content_type: str = XML, **rest: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        records(protocol, body, content_type, **rest)
    return caught.value


def texts(record: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in record.items() if name != "sealed"}, ensure_ascii=False)


def unsealed(record: dict[str, Any]) -> bytes:
    return PRIVACY.unseal(record["sealed"], record["report_id"], record["sealed_key_id"])


# --- multipart


def parts_of(stream: bytes, cuts: Iterable[int], boundary: str = "") -> list[Part]:
    """What comes out when the stream arrives in pieces."""
    found: list[Part] = []
    rest, last = b"", 0
    for cut in (*sorted(cuts), len(stream)):
        whole, rest = split_events(rest + stream[last:cut], boundary)
        found += whole
        last = cut
    return found


def stream_of(
    bodies: Sequence[bytes], lengths: Sequence[int | None], feed: bytes, name: bytes = b"myboundary"
) -> bytes:
    """A stream as a device writes it; a length may be wrong or missing, a last delimiter follows."""
    out = b""
    for body, length in zip(bodies, lengths, strict=True):
        told = b"" if length is None else b"Content-Length: %d%s" % (length, feed)
        out += b"--%s%sContent-Type: text/plain%s%s%s%s%s" % (name, feed, feed, told, feed, body, feed * 2)
    return out + b"--%s%s" % (name, feed)


lines = st.binary(min_size=1, max_size=40).map(
    lambda b: b.replace(b"\r", b"r").replace(b"\n", b"n").replace(b"-", b"_")
)


@given(
    bodies=st.lists(st.lists(lines, min_size=1, max_size=4), min_size=1, max_size=6),
    told=st.data(),
    feed=st.sampled_from([b"\n", b"\r\n"]),
    boundary=st.sampled_from(["", "myboundary", "--myboundary"]),
)
@settings(max_examples=150, deadline=None)
def test_a_stream_gives_the_same_parts_wherever_it_is_cut(
    bodies: list[list[bytes]], told: st.DataObject, feed: bytes, boundary: str
) -> None:
    whole = [feed.join(body) for body in bodies]
    lengths = [told.draw(st.sampled_from([None, len(body), 999_999])) for body in whole]
    stream = stream_of(whole, lengths, feed)
    cuts = told.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    assert [part.body for part in parts_of(stream, cuts, boundary)] == whole
    assert [part.body for part in parts_of(stream, range(len(stream)), boundary)] == whole


@given(stream=st.binary(max_size=300), seed=st.integers())
@settings(max_examples=200, deadline=None)
def test_any_bytes_as_a_stream_are_split_the_same_wherever_they_are_cut(stream: bytes, seed: int) -> None:
    stream = stream.replace(b"\x00", b"--b\n").replace(b"\x01", b"Content-Length: 3\r\n\r\n")
    draw = random.Random(seed)  # noqa: S311 - not a secret
    cuts = [draw.randrange(len(stream) + 1) for _ in range(5)]
    assert parts_of(stream, cuts, "b") == parts_of(stream, [], "b")


def test_a_part_with_a_right_length_does_not_wait_for_the_next_one() -> None:
    event = b"Code=VideoMotion;action=Start;index=0"
    stream = b"--myboundary\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(event), event)
    assert split_events(stream) == ([], stream)
    whole, rest = split_events(stream + b"\r\n")
    assert whole == [Part("text/plain", event)]
    assert split_events(rest + b"\r\n" + stream + b"\r\n")[0] == whole


def test_a_stream_without_end_of_its_part_is_bounded() -> None:
    assert split_events(b"--b\r\n\r\n" + b"x" * 100, "b", limit=200)[0] == []
    with pytest.raises(Refusal, match="over 200 bytes") as caught:
        split_events(b"--b\r\n\r\n" + b"x" * 300, "b", limit=200)
    assert caught.value.code == "too_large"
    assert len(split_events(b"x" * 100_000, "b", limit=1000)[1]) < 300  # nothing is kept before the first delimiter


@pytest.mark.parametrize("declared", ["", "; boundary=b", "; boundary=--b", '; boundary="b"', "; boundary=another"])
def test_a_body_is_split_by_its_own_boundary_whatever_its_header_says(declared: str) -> None:
    body = b"--b\r\nContent-Type: application/xml\r\n\r\n<a/>\r\n--b\nContent-Type: image/jpeg\n\n\xff\xd8\n--b--"
    expected = [Part("application/xml", b"<a/>"), Part("image/jpeg", b"\xff\xd8")]
    assert split_body(body, f"multipart/mixed{declared}", 9) == expected


def test_a_boundary_of_dashes_and_a_delimiter_without_line_feed_are_read() -> None:
    name = "----WebKitFormBoundaryMadeUp"
    body = f"--{name}\r\n\r\n<a></a>--{name}\r\n\r\n{{}}\r\n--{name}--\r\n".encode()
    found = split_body(body, f"multipart/form-data; boundary={name}", 9)
    assert [part.body for part in found] == [b"<a></a>", b"{}"]


def test_a_body_without_boundary_and_one_of_too_many_parts_are_refused() -> None:
    with pytest.raises(Refusal, match="boundary"):
        split_body(b"<a/>", "multipart/mixed", 9)
    with pytest.raises(Refusal) as caught:
        split_body(b"--b\n\nx\n" * 11, "multipart/mixed; boundary=b", 10)
    assert caught.value.code == "too_many_records"


@pytest.mark.parametrize(
    "piece", [b"-", b"--b", b"--b\n", b"\n--b", b"a: b\n", b">--", b"\r", b"--b\nContent-Length: 9\n\n"]
)
def test_hostile_bytes_are_split_in_linear_time(piece: bytes) -> None:
    def seconds(times: int) -> float:
        body = piece * (times // len(piece))
        began = time.process_time()
        split_events(body, "b", limit=len(body) + 1)
        return time.process_time() - began

    seconds(1000)
    assert seconds(800_000) < 40 * seconds(80_000) + 0.05


# --- every protocol

GOOD: Final = [
    ("hikvision", "alert.xml", XML, ""),
    ("hikvision", "alert-by-mac.xml", XML, ""),
    ("hikvision", "alert.json", JSON, ""),
    ("hikvision", "alert-with-pictures.bin", "multipart/form-data; boundary=MIME_boundary", ""),
    ("dahua", "parking.txt", "text/plain", "dahua-07"),
    ("dahua", "two-starts.txt", STREAM, ""),
    ("dahua", "events.json", JSON, ""),
    ("onvif", "notify.xml", "application/soap+xml", "onvif-03"),
    ("onvif", "pull.xml", "application/soap+xml", ""),
    ("gb28181", "alarm-gb2312.xml", MANSCDP, ""),
    ("gb28181", "alarm-utf8.xml", MANSCDP, ""),
    ("gat1400", "behaviour.json", "application/VIID+JSON", "VIID/DispositionNotifications"),
    ("gat1400", "watched-person.json", JSON, ""),
    ("gat1400", "faces.json", JSON, "VIID/Faces"),
    ("aibox", "aliases.json", JSON, ""),
    ("aibox", "notify.json", JSON, ""),
]
each = pytest.mark.parametrize(("protocol", "name", "content_type", "tail"), GOOD, ids=[f"{g[0]} {g[1]}" for g in GOOD])


@each
def test_the_same_alarm_sent_again_later_is_the_same_report(
    protocol: Protocol, name: str, content_type: str, tail: str
) -> None:
    later = context(f"demo-{protocol}", NOW + 60_000)
    first = records(protocol, example(protocol, name), content_type, tail)
    again = records(protocol, example(protocol, name), content_type, tail, later)
    told = [[record and (record["report_id"], record["content_hash"]) for record in found] for found in (first, again)]
    assert told[0] == told[1]


@each
def test_an_alarm_keeps_its_id_when_its_camera_is_registered_later(
    protocol: Protocol, name: str, content_type: str, tail: str
) -> None:
    ctx = context(f"demo-{protocol}")
    empty = replace(ctx, profile=replace(PROFILE, cameras={}))
    before = records(protocol, example(protocol, name), content_type, tail, empty)
    after = records(protocol, example(protocol, name), content_type, tail, ctx)
    assert [record and record["report_id"] for record in before] == [record and record["report_id"] for record in after]
    for record in filter(None, before):
        assert (record["lon"], record["street_code"], record["extra"]["camera"]) == (None, None, "unregistered")
        assert record["place_key"] == record["device_id"]
        assert record["location_method"] is None
    for record in filter(None, after):
        camera = PROFILE.cameras[record["device_id"]]
        assert (record["lon"], record["lat"], record["location_method"]) == (camera.lon, camera.lat, "register")
        assert (record["reporter_key"], record["appeal_type"]) == (camera.device_id, "alarm")
        assert "camera" not in record["extra"]


@each
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_spoilt_bytes_are_taken_or_refused_and_nothing_else(
    protocol: Protocol, name: str, content_type: str, tail: str, data: st.DataObject
) -> None:
    body = bytearray(example(protocol, name))
    for _ in range(data.draw(st.integers(1, 6))):
        where = data.draw(st.integers(0, len(body) - 1))
        what = data.draw(
            st.sampled_from([b"", b"\x00", b"<", b"&", b'"', b"}", b"[", b"\xb0\xa1", b"--", b"\n", b"9" * 70])
        )
        body[where : where + data.draw(st.integers(0, 4))] = what
    ctx = replace(context(f"demo-{protocol}"), tail=tail)
    outcomes: list[Outcome] = []
    try:
        for item in items(protocol, bytes(body), content_type, ctx):
            if isinstance(item, Broken):
                outcomes.append(Outcome("refused", refusal=item.refusal))
                continue
            try:
                CONNECTORS[protocol].normalise(item, ctx)
                outcomes.append(Outcome("ignored"))
            except Refusal as refusal:
                outcomes.append(Outcome("refused", refusal=refusal))
    except Refusal as refusal:
        outcomes = [Outcome("refused", refusal=refusal)]
    if answer := CONNECTORS[protocol].answer:
        assert answer(bytes(body), content_type, outcomes, ctx).status in (200, 400, 422)


def test_pictures_are_cut_out_of_what_is_sealed_and_the_rest_stays() -> None:
    told = orjson.loads(example("aibox", "aliases.json")) | {"imageBase64": base64.b64encode(PICTURE * 100).decode()}
    body = json.dumps(told).encode()
    assert len(body) > MAX_RECORD_BYTES
    kept = orjson.loads(unsealed(one("aibox", body, JSON)))
    assert kept["imageBase64"] == f"[{len(told['imageBase64'])} bytes cut]"
    assert {**kept, "imageBase64": ""} == {**told, "imageBase64": ""}


@given(runs=st.lists(st.tuples(st.sampled_from("Aa1/+=-_\\\n"), st.integers(1, 3000)), max_size=40))
@settings(max_examples=40, deadline=None)
def test_only_long_runs_of_base64_are_cut(runs: list[tuple[str, int]]) -> None:
    raw = " ".join(sign * count for sign, count in runs).encode()
    expected = " ".join(sign * count if count < 2048 else f"[{count} bytes cut]" for sign, count in runs).encode()
    assert without_pictures(raw) == expected


def test_cutting_pictures_takes_linear_time() -> None:
    for piece in (b"A" * 2047 + b" ", b"data: ", b"/9j", b"\n--b ", b"\xff\xd8", b"GIF8", b"--\r\n", b"["):
        raw = piece * (8_000_000 // len(piece))
        began = time.process_time()
        without_pictures(raw)
        assert time.process_time() - began < 2, piece
    began = time.process_time()
    without_pictures(PICTURE + b"\n--b " * 1_000_000)
    assert time.process_time() - began < 2


def kept(protocol: Protocol, body: bytes, content_type: str) -> list[bytes]:
    """What the dead letters of a body keep of it, unsealed."""
    sink, codec = KeepingSink(), Codec(FileRegistry())
    channel = replace(PROFILE.channels[f"demo-{protocol}"], max_records=100)
    intake = Intake(PROFILE, PRIVACY, sink, codec, lambda: NOW)
    asyncio.run(intake.take(channel, CONNECTORS[protocol], body, content_type))
    letters: list[Any] = [codec.decode(value)[1] for topic, _, value in sink.records if topic == DEADLETTER]
    return [PRIVACY.unseal(each["original"], each["dead_letter_id"], each["sealed_key_id"]) for each in letters]


def pictured(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body that begins with a picture."""
    told = [(kind.encode(), body) for kind, body in (("image/jpeg", PICTURE), *parts)]
    return b"".join(b"--b\r\nContent-Type: %s\r\n\r\n%s\r\n" % part for part in told) + b"--b--\r\n"


BROKEN_WITH_PICTURES: Final = [
    (STREAM, PICTURE + b"\r\nCode=VideoMotion;action=Start;index=0"),  # no boundary at all
    ("multipart/mixed; boundary=b", pictured(("text/plain", b"Code=VideoMotion;data=" + PICTURE))),
    ("multipart/mixed; boundary=b", pictured(("application/xml", b"<EventNotificationAlert>" + PICTURE))),
    ("multipart/mixed; boundary=b", pictured(*[("application/xml", b"<EventNotificationAlert>")] * 210)),
    ("application/xml", b"<EventNotificationAlert>\r\n" + PICTURE),
    ("text/plain", b"Code=VideoMotion;action=Start;index=0;data=" + PICTURE),
    ("application/json", b'{"eventType": "made up", "picture": "' + base64.b64encode(PICTURE)[:900] + b'"}'),
    ("application/json", b"\x00\x01\xfe\xff" * 900),  # a recording, or what else is no text
]


@pytest.mark.parametrize(("content_type", "body"), BROKEN_WITH_PICTURES)
@pytest.mark.parametrize("protocol", ["dahua", "hikvision", "aibox", "onvif"])
def test_a_dead_letter_keeps_no_picture_however_its_body_is_broken(
    protocol: Protocol, content_type: str, body: bytes
) -> None:
    for raw in kept(protocol, body, content_type):
        assert b"\xff\xd8" not in raw
        assert b"\x00" not in raw
        assert base64.b64encode(PICTURE)[:40] not in raw


def test_a_dead_letter_keeps_the_text_beside_a_picture() -> None:
    (raw,) = kept("hikvision", BROKEN_WITH_PICTURES[3][1], "multipart/mixed; boundary=b")
    assert raw.startswith(b"--b\r\nContent-Type: image/jpeg\r\n\r\n[%d bytes cut]" % (len(PICTURE) + 1))
    assert raw.count(b"<EventNotificationAlert>") == 210
    (raw,) = kept("dahua", BROKEN_WITH_PICTURES[5][1], "text/plain")
    assert raw == b"Code=VideoMotion;action=Start;index=0;data=[%d bytes cut]" % len(PICTURE)
    assert kept("hikvision", "<警>".encode("gb18030"), XML) == ["<警>".encode("gb18030")]


# --- Hikvision

ALERT: Final = example("hikvision", "alert.xml").decode()


def test_both_namespaces_another_one_and_none_are_the_same_alarm() -> None:
    told = ' xmlns="http://www.isapi.org/ver20/XMLSchema"'
    found = {
        (record["report_id"], record["content_hash"])
        for namespace in (told, ' xmlns="http://www.hikvision.com/ver20/XMLSchema"', ' xmlns="urn:psialliance-org"', "")
        for record in [one("hikvision", ALERT.replace(told, namespace))]
    }
    assert len(found) == 1


def test_what_a_device_changes_when_it_sends_again_changes_nothing_and_its_counter_does() -> None:
    first = one("hikvision", ALERT)
    again = one("hikvision", ALERT.replace(">false<", ">true<").replace("192.0.2.7", "192.0.2.8"), "text/xml")
    assert (again["report_id"], again["content_hash"]) == (first["report_id"], first["content_hash"])
    post = one("hikvision", ALERT.replace("<activePostCount>1<", "<activePostCount>2<"))
    assert post["report_id"] != first["report_id"]
    assert post["extra"]["post_count"] == "2"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (">active<", ">inactive<"),
        (">active<", ">INACTIVE<"),
        (">illegalParking<", ">heartBeat<"),
        (">illegalParking<", ">faceCapture<"),
    ],
)
def test_signs_of_life_ends_and_captures_are_nothing(old: str, new: str) -> None:
    assert records("hikvision", ALERT.replace(old, new)) == [None]


def test_an_active_loss_of_video_is_an_alarm_and_an_inactive_one_a_heartbeat() -> None:
    lost = ALERT.replace(">illegalParking<", ">videoloss<")
    assert one("hikvision", lost)["title"] == "视频丢失"
    assert records("hikvision", lost.replace(">active<", ">inactive<")) == [None]


def test_a_camera_is_known_by_number_address_serial_sender_or_ip_in_this_order() -> None:
    def device(body: str, tail: str = "") -> Any:
        return one("hikvision", body, tail=tail)["device_id"]

    bare = ALERT.replace("<deviceID>37021200001320000002</deviceID>", "")
    assert device(bare) == "02:00:5e:00:00:01/1"
    assert device(bare.replace("channelID>", "dynChannelID>")) == "02:00:5e:00:00:01/1"
    assert device(bare.replace("<channelID>1</channelID>", "")) == "02:00:5e:00:00:01"
    bare = bare.replace("<macAddress>02:00:5E:00:00:01</macAddress>", "")
    assert device(bare) == "demo-hikvision/1"
    assert device(bare, "nvr-9") == "nvr-9/1"
    assert device(bare, "37021200001320000004") == "37021200001320000004"  # a registered camera that pushes by itself
    serial = bare.replace(
        "<isData", '<Extensions><serialNumber xmlns="urn:x">DS-MADEUP\n</serialNumber></Extensions><isData'
    )
    assert device(serial) == "DS-MADEUP/1"


def test_an_address_may_stand_in_the_register() -> None:
    ctx = context("demo-hikvision")
    camera = replace(PROFILE.cameras["37021200001320000001"], device_id="192.0.2.7/1")
    ctx = replace(ctx, profile=replace(PROFILE, cameras={"192.0.2.7/1": camera}))
    found = one("hikvision", ALERT.replace("<deviceID>37021200001320000002</deviceID>", ""), ctx=ctx)
    assert (found["device_id"], found["location_method"]) == ("192.0.2.7/1", "register")


def test_regions_and_targets_of_several_entries_are_kept() -> None:
    extra = one("hikvision", example("hikvision", "alert-by-mac.xml"))["extra"]
    assert (extra["region"], extra["target"]) == ("1,2", "human,vehicle")


def test_a_time_without_offset_is_local_and_one_with_any_offset_is_right() -> None:
    for stamp in (
        "2025-06-05T10:30:00",
        "2025-06-05T03:30:00+01:00",
        "2025-06-05T02:30:00Z",
        "2025-06-05T10:30:00.000+08:00",
    ):
        body = ALERT.replace("2025-06-05T10:30:00+08:00", stamp)
        assert one("hikvision", body)["reported_at"] == at(2025, 6, 5, 2, 30)


@pytest.mark.parametrize("name", ["A & B", "A&B口", "A&B;C", "A&&B", "?a=1&b=2", "&#x4e2d; & &#20013;"])
def test_an_unescaped_ampersand_is_read_as_one(name: str) -> None:
    body = ALERT.replace("示例路口（虚构）", name)
    shown = name.replace("&#x4e2d;", "中").replace("&#20013;", "中")
    if name == "A&B;C":  # looks like an entity nobody declared
        assert refused("hikvision", body).code == "bad_xml"
    else:
        assert one("hikvision", body)["extra"]["channel_name"] == shown


def test_tolerance_of_ampersands_opens_no_door_for_entities() -> None:
    dtd = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + ALERT.split("\n", 1)[1]
    assert refused("hikvision", dtd.replace("示例路口（虚构）", "&a; & b")).code == "forbidden_xml"
    assert refused("hikvision", ALERT.replace("示例路口（虚构）", "&a; & b")).code == "bad_xml"
    assert refused("hikvision", ALERT.replace("</channelName>", "&</channelName>")).code == "bad_xml"


def test_a_plate_shows_its_beginning_only_whatever_was_read() -> None:
    for plate, shown in (("鲁BZ9X99", "鲁B****"), ("unknown", "un****"), ("XX1234567", "XX****")):
        found = one("hikvision", example("hikvision", "plate.xml").decode().replace("鲁BZ9X99", plate))
        assert found["extra"]["plate"] == shown
        assert plate not in texts(found)
        assert plate in unsealed(found).decode()


def test_pictures_of_a_multipart_are_told_by_size_and_type_and_not_kept() -> None:
    body = example("hikvision", "alert-with-pictures.bin")
    found = one("hikvision", body, "multipart/form-data; boundary=MIME_boundary")
    assert found["extra"]["pictures"] == "image/jpeg 518 bytes"
    assert unsealed(found).strip().endswith(b"</EventNotificationAlert>")
    assert "detectionPicture" not in texts(found)


def test_an_alert_in_gb_bytes_that_says_no_charset_is_read() -> None:
    bare = ALERT.replace(' encoding="UTF-8"', "").replace("<channelName>", "<channelName>警戒")
    assert "警戒" in bare
    for body in (bare.encode("gb18030"), bare.encode(), b"\xef\xbb\xbf" + bare.encode()):
        assert one("hikvision", body)["extra"]["channel_name"].startswith("警戒")
        part = b"--b\r\nContent-Type: application/xml\r\n\r\n%s\r\n--b--\r\n" % body
        assert one("hikvision", part, "multipart/mixed; boundary=b")["extra"]["channel_name"].startswith("警戒")
    assert refused("hikvision", bare.encode("gb18030"), f"{XML}; charset=utf-8").code == "bad_encoding"
    declared = bare.replace('version="1.0"', 'version="1.0" encoding="UTF-8"')
    assert refused("hikvision", declared.encode("gb18030")).code == "bad_encoding"
    neither = refused("hikvision", bare.encode().replace("警戒".encode(), b"\xff\xff"))
    assert (neither.code, "declared as" in neither.reason) == ("bad_encoding", False)


def test_a_picture_belongs_to_the_alert_before_it_and_the_first_ones_to_the_first() -> None:
    def part(kind: str, body: bytes) -> bytes:
        return b"--b\r\nContent-Type: %s\r\n\r\n%s\r\n" % (kind.encode(), body)

    second = ALERT.replace("<activePostCount>1<", "<activePostCount>2<").encode()
    body = b"".join(
        (
            part("image/png", b"12"),
            part(XML, ALERT.encode()),
            part("image/jpeg", b"123"),
            part("", second),
            part("image/jpeg", b"1234"),
            part("application/json", example("hikvision", "alert.json")),
            part("text/plain", b"no picture"),
        )
    )
    found = records("hikvision", body, "multipart/mixed; boundary=b")
    told = [record["extra"].get("pictures") for record in found if record]
    assert told == ["image/png 2 bytes, image/jpeg 3 bytes", "image/jpeg 4 bytes", None]


def test_a_broken_alert_of_a_multipart_keeps_no_other_back() -> None:
    body = b"--b\n\n<EventNotificationAlert>\n--b\nContent-Type: application/xml\n\n%s\n--b--" % ALERT.encode()
    found = items("hikvision", body, "multipart/mixed; boundary=b", context("demo-hikvision"))
    assert [type(item) for item in found] == [Broken, Message]


def test_a_picture_alone_and_a_body_of_pictures_are_nothing() -> None:
    assert records("hikvision", PICTURE, "image/jpeg") == []
    assert records("hikvision", b"--b\nContent-Type: image/jpeg\n\n" + PICTURE, "multipart/mixed; boundary=b") == []


def test_json_alerts_come_flat_wrapped_and_in_lists() -> None:
    told = orjson.loads(example("hikvision", "alert.json"))
    told["ANPR"] = {"licensePlate": "鲁BZ9X99"}
    told["DetectionRegionList"] = [{"DetectionRegionEntry": {"regionID": 4, "detectionTarget": "vehicle"}}]
    flat = one("hikvision", json.dumps(told), JSON)
    wrapped = one("hikvision", json.dumps({"EventNotificationAlert": told}), JSON)
    assert flat["extra"] | {"plate": "鲁B****", "region": "4", "target": "vehicle"} == flat["extra"] == wrapped["extra"]
    assert flat["report_id"] == wrapped["report_id"]
    assert len(records("hikvision", json.dumps([told, told]), JSON)) == 2
    assert one("hikvision", json.dumps(told), "")["report_id"] == flat["report_id"]


def test_an_alert_is_read_for_what_it_is_where_its_type_is_not_told_or_told_wrong() -> None:
    for content_type in ("", "application/octet-stream", JSON):  # a letter of a batch is played again as JSON
        assert one("hikvision", ALERT, content_type)["report_id"] == one("hikvision", ALERT)["report_id"]
    assert refused("hikvision", "hello", "text/plain").code == "unsupported_type"


def test_more_alerts_than_the_channel_may_send_at_once_are_refused() -> None:
    ctx = context("demo-hikvision")
    ctx = replace(ctx, channel=replace(ctx.channel, max_records=2))
    body = b"".join(b"--b\r\n\r\n" + ALERT.encode() + b"\r\n" for _ in range(3))
    assert refused("hikvision", body, "multipart/mixed; boundary=b", ctx=ctx).code == "too_many_records"


# --- Dahua

PARKING: Final = example("dahua", "parking.txt").decode()


def test_data_may_hold_any_sign_be_no_json_or_be_absent() -> None:
    for data in (
        "",
        ";data=",
        ";data=key=value;other=1",
        ';data={"Encoded":"dGVzdA=="}',
        ";data=[1,2]",
        ";data={broken",
    ):
        found = one("dahua", f"Code=VideoMotion;action=Start;index=0{data}", "text/plain")
        assert (found["title"], found["reported_at"], found["device_id"]) == ("移动侦测", NOW, "demo-dahua/0")


@pytest.mark.parametrize(
    ("data", "moment"),
    [
        ({"RealUTC": 1749090600, "UTC": 1749119400, "LocaleTime": "2025-06-05 11:00:00"}, at(2025, 6, 5, 2, 30)),
        ({"UTC": 1749119400, "LocaleTime": "2025-06-05 10:30:00"}, at(2025, 6, 5, 2, 30)),
        ({"UTC": 1749090600}, at(2025, 6, 5, 2, 30)),
    ],
)
def test_the_surest_time_of_an_event_counts(data: dict[str, Any], moment: int) -> None:
    body = f"Code=SmokeDetection;action=Pulse;index=0;data={json.dumps(data)}"
    assert one("dahua", body, "text/plain")["reported_at"] == moment


@pytest.mark.parametrize("code", ["NTPAdjustTime", "NewFile", "FaceRecognition", "TrafficJunction"])
def test_a_device_s_own_business_and_captures_are_nothing(code: str) -> None:
    assert records("dahua", f"Code={code};action=Pulse;index=0", "text/plain") == [None]


def test_stop_and_heartbeats_are_nothing() -> None:
    assert records("dahua", PARKING.replace("=Start", "=Stop"), "text/plain") == [None]
    assert records("dahua", "Heartbeat\r\n", "text/plain") == [None]
    assert records("dahua", example("dahua", "stream.txt"), STREAM) == [None, None, None]


def test_an_input_of_a_recorder_is_its_own_camera() -> None:
    devices = [
        one("dahua", PARKING.replace("index=0", f"index={index}"), "text/plain", tail="nvr-9")["device_id"]
        for index in (0, 3)
    ]
    assert devices == ["nvr-9/0", "nvr-9/3"]


def test_the_channel_may_name_its_device() -> None:
    ctx = context("demo-dahua")
    ctx = replace(ctx, channel=replace(ctx.channel, constants={"device": "dahua-07"}))
    assert one("dahua", PARKING, "text/plain", ctx=ctx)["device_id"] == "dahua-07/0"


def test_events_of_a_live_stream_are_the_alarms_of_the_whole_body() -> None:
    body = example("dahua", "two-starts.txt")
    whole, _ = split_events(body + b"\n--myboundary\r\n")
    one_by_one = [one("dahua", part.body, part.content_type)["report_id"] for part in whole]
    assert one_by_one == [record and record["report_id"] for record in records("dahua", body, STREAM)]
    assert len(set(one_by_one)) == 2


def test_pictures_before_between_and_after_events_are_nothing() -> None:
    for kind in ("image/jpeg", "application/octet-stream", ""):
        body = pictured(
            ("text/plain", PARKING.encode()), (kind, PICTURE), ("text/plain", b"Heartbeat"), (kind, PICTURE)
        )
        found = records("dahua", body, "multipart/mixed; boundary=b")
        assert [record and record["title"] for record in found] == [one("dahua", PARKING, "text/plain")["title"], None]
    assert records("dahua", pictured(), "multipart/mixed; boundary=b") == []
    for content_type in ("image/jpeg", ""):
        assert records("dahua", PICTURE, content_type) == []


def test_more_events_than_the_channel_may_send_at_once_are_refused_and_pictures_do_not_count() -> None:
    ctx = context("demo-dahua")
    ctx = replace(ctx, channel=replace(ctx.channel, max_records=2))
    events = [("text/plain", PARKING.encode())] * 3
    assert len(records("dahua", pictured(*events[:2]), "multipart/mixed; boundary=b", ctx=ctx)) == 2
    assert refused("dahua", pictured(*events), "multipart/mixed; boundary=b", ctx=ctx).code == "too_many_records"


def test_a_rule_s_name_in_gb_bytes_is_read() -> None:
    assert one("dahua", PARKING.encode("gb18030"), "text/plain")["extra"]["rule"] == "示例规则=1;（虚构）"


def test_a_plate_of_an_event_shows_its_beginning_only() -> None:
    found = one("dahua", PARKING, "text/plain")
    assert found["extra"]["plate"] == "鲁B****"
    plate = 'Code=TrafficParking;action=Start;index=0;data={"Object":{"ObjectType":"Plate","Text":"鲁BZ9X99"}}'
    assert one("dahua", plate, "text/plain")["extra"]["plate"] == "鲁B****"


# --- ONVIF

NOTIFY: Final = example("onvif", "notify.xml").decode()
SOAP: Final = "application/soap+xml"


@pytest.mark.parametrize(
    ("operation", "items_of_data", "gives"),
    [
        ("Changed", '<tt:SimpleItem Name="IsMotion" Value="true"/>', True),
        ("Changed", '<tt:SimpleItem Name="IsMotion" Value="false"/>', False),
        ("Changed", '<tt:SimpleItem Name="State" Value="1"/>', True),
        ("Changed", '<tt:SimpleItem Name="State" Value="0"/>', False),
        ("Changed", '<tt:SimpleItem Name="LogicalState" Value="inactive"/>', False),
        ("Changed", '<tt:SimpleItem Name="ObjectId" Value="0"/>', True),
        ("Changed", '<tt:SimpleItem Name="ObjectId" Value="0"/><tt:SimpleItem Name="IsInside" Value="false"/>', False),
        ("Changed", "", True),
        ("Initialized", '<tt:SimpleItem Name="IsMotion" Value="true"/>', False),
        ("Deleted", '<tt:SimpleItem Name="IsMotion" Value="true"/>', False),
        (" initialized ", '<tt:SimpleItem Name="IsMotion" Value="true"/>', False),
        ("DELETED", '<tt:SimpleItem Name="IsMotion" Value="true"/>', False),
        (" changed ", '<tt:SimpleItem Name="IsMotion" Value="true"/>', True),
    ],
)
def test_only_a_change_to_a_state_that_holds_is_an_alarm(operation: str, items_of_data: str, gives: bool) -> None:
    body = NOTIFY.replace('<tt:SimpleItem Name="IsMotion" Value="true"/>', items_of_data)
    (found,) = records("onvif", body.replace('"Changed"', f'"{operation}"'), SOAP)
    assert (found is not None) == gives


def test_a_message_without_operation_is_an_event_that_happened() -> None:
    assert one("onvif", NOTIFY.replace(' PropertyOperation="Changed"', ""), SOAP)["title"] == "移动侦测"


def test_times_are_utc_with_and_without_a_zone() -> None:
    for stamp in (
        "2025-06-05T02:30:00Z",
        "2025-06-05T02:30:00",
        "2025-06-05T10:30:00+08:00",
        "2025-06-05T02:30:00.000Z",
    ):
        assert one("onvif", NOTIFY.replace("2025-06-05T02:30:00Z", stamp), SOAP)["reported_at"] == at(2025, 6, 5, 2, 30)


def test_prefixes_of_a_topic_do_not_matter() -> None:
    plain = one("onvif", NOTIFY, SOAP)
    for topic in ("tns1:RuleEngine/tns1:CellMotionDetector/tns1:Motion", " RuleEngine/CellMotionDetector/Motion "):
        found = one("onvif", NOTIFY.replace("tns1:RuleEngine/CellMotionDetector/Motion", topic), SOAP)
        assert found["kind_code"] == plain["kind_code"]


def test_a_producer_s_address_tells_cameras_of_one_channel_apart() -> None:
    def device(address: str) -> Any:
        told = f'<wsnt:ProducerReference><a:Address xmlns:a="urn:a">{address}</a:Address></wsnt:ProducerReference><wsnt:Message>'
        return one("onvif", NOTIFY.replace("<wsnt:Message>", told), SOAP)["device_id"]

    assert device("uri://made-up-1/ProducerReference") == "uri://made-up-1/ProducerReference/VSC_1"
    assert device("uri://" + "x" * 80) == "demo-onvif/VSC_1"


def test_two_rules_that_fire_at_once_are_two_alarms() -> None:
    other = one("onvif", NOTIFY.replace("MadeUpRule", "OtherRule"), SOAP)
    assert other["report_id"] != one("onvif", NOTIFY, SOAP)["report_id"]


def test_a_message_of_several_is_sealed_by_itself_and_can_be_played_again() -> None:
    found = [record for record in records("onvif", example("onvif", "pull.xml"), SOAP) if record]
    for record in found:
        sealed = unsealed(record)
        assert parse_xml(sealed, "").tag.endswith("NotificationMessage")
        assert one("onvif", sealed, JSON)["report_id"] == record["report_id"]


# --- GB/T 28181

GB: Final = example("gb28181", "alarm-gb2312.xml").decode("gb18030")


def notify(**changed: str) -> bytes:
    """The example with other values of its outer elements; an empty one leaves the element out."""
    text = GB
    for name, value in changed.items():
        start, end = text.index(f"<{name}>"), text.index(f"</{name}>") + len(name) + 3
        text = text[:start] + (f"<{name}>{value}</{name}>" if value else "") + text[end:]
    return text.encode("gb18030")


@pytest.mark.parametrize(
    ("method", "outer", "inner", "code"),
    [
        ("5", "9", "6", "5/6"),
        ("5", "", "6", "5/6"),
        ("5", "2", "", "5/2"),
        ("5", "", "", "5"),
        ("2", "", "", "2"),
        ("2", "1", "", "2/1"),
        ("6", "2", "", "6/2"),
        ("5", "77", "", "5/*"),
        ("12", "", "", "1"),
        ("12", "3", "", "2/3"),
        ("26", "2", "", "2/2"),
    ],
)
def test_method_and_type_make_the_code_and_the_inner_type_wins(method: str, outer: str, inner: str, code: str) -> None:
    body = notify(AlarmMethod=method, Info="", AlarmType="")
    types = (f"<AlarmType>{outer}</AlarmType>" if outer else "") + (
        f"<Info><AlarmType>{inner}</AlarmType></Info>" if inner else ""
    )
    found = one("gb28181", body.replace(b"</Notify>", f"{types}</Notify>".encode()), MANSCDP)
    assert found["kind_code"] == f"demo/gb28181/alarm/{code}"


def test_a_number_that_counts_messages_makes_no_other_alarm() -> None:
    first, second = (one("gb28181", notify(SN=sn), MANSCDP) for sn in ("17", "18"))
    assert (first["report_id"], first["content_hash"]) == (second["report_id"], second["content_hash"])


def test_a_point_in_the_message_is_not_read_be_it_zero_elsewhere_or_nonsense() -> None:
    for longitude in ("0.0", "171.3", "here", ""):
        found = one("gb28181", notify(Longitude=longitude), MANSCDP)
        assert (found["location_method"], found["source_lon"]) == ("register", None)


@pytest.mark.parametrize("encoding", ["GB2312", "GBK", "gb18030", "UTF-8", "utf-8"])
def test_every_charset_that_is_named_rightly_is_read(encoding: str) -> None:
    text = GB.replace("GB2312", encoding)
    body = text.encode("utf-8" if encoding.lower() == "utf-8" else "gb18030")
    assert one("gb28181", body, MANSCDP)["content"].startswith("示例入侵（虚构）")


def test_a_charset_that_is_not_named_is_told_by_the_bytes_and_a_wrong_one_refused() -> None:
    bare = GB.replace(' encoding="GB2312"', "")
    for body in (bare.encode("gb18030"), bare.encode(), b"\xef\xbb\xbf" + bare.encode()):
        assert one("gb28181", body, MANSCDP)["content"].startswith("示例入侵（虚构）")
    assert refused("gb28181", GB, MANSCDP).code == "bad_encoding"
    assert refused("gb28181", GB.replace("GB2312", "UTF-8").encode("gb18030"), MANSCDP).code == "bad_encoding"
    assert refused("gb28181", bare.encode("gb18030"), f"{MANSCDP}; charset=utf-8").code == "bad_encoding"


def test_an_alarm_without_command_or_number_is_an_alarm_and_other_commands_are_nothing() -> None:
    assert one("gb28181", notify(CmdType="", SN=""), MANSCDP)["title"] == "入侵检测"
    for command in ("Keepalive", "Catalog", "MobilePosition", "MediaStatus"):
        assert records("gb28181", notify(CmdType=command), MANSCDP) == [None]
    assert records("gb28181", GB.replace("Notify>", "Query>").encode("gb18030"), MANSCDP) == [None]
    assert refused("gb28181", "<Other/>", MANSCDP).code == "unsupported_type"


def response(body: bytes, *outcomes: Outcome) -> tuple[int, dict[str, str]]:
    reply = gb28181.answer(body, MANSCDP, outcomes, context("demo-gb28181"))
    assert reply.content_type == MANSCDP
    if not reply.body:
        return reply.status, {}
    root = parse_xml(reply.body, "")
    return reply.status, {"root": root.tag, **{child.tag: child.text or "" for child in root}}


def test_an_alarm_is_answered_with_its_own_number_and_device() -> None:
    accepted = Outcome("accepted", "id", "report")
    told = {"root": "Response", "CmdType": "Alarm", "SN": "17", "DeviceID": "37021200001320000003", "Result": "OK"}
    assert response(notify(), accepted) == (200, told)
    assert response(notify(SN=""), accepted)[1]["SN"] == "0"
    wrong = Outcome("refused", refusal=Refusal("bad_time", "made up"))
    assert response(notify(), wrong) == (422, told | {"Result": "ERROR"})
    assert response(b"<broken", wrong)[1]["Result"] == "ERROR"
    assert response(example("gb28181", "keepalive.xml"), Outcome("ignored")) == (200, {})


def test_an_answer_is_well_formed_whatever_it_repeats() -> None:
    _, told = response(notify(SN="1&lt;/SN&gt;&amp;"), Outcome("accepted", "id", "report"))
    assert told["SN"] == "1</SN>&"


# --- GA/T 1400

FACES: Final = example("gat1400", "faces.json")
NOTICES: Final = "VIID/DispositionNotifications"


def answered(body: bytes, tail: str, *outcomes: Outcome) -> tuple[int, dict[str, Any]]:
    ctx = replace(context("demo-gat1400"), tail=tail)
    reply = gat1400.answer(body, "application/VIID+JSON", outcomes, ctx)
    return reply.status, orjson.loads(reply.body)


def test_captures_are_nothing_and_no_byte_of_them_is_kept() -> None:
    for name, tail in (("faces.json", "VIID/Faces"), ("notifications.json", "VIID/SubscribeNotifications")):
        found = items("gat1400", example("gat1400", name), JSON, replace(context("demo-gat1400"), tail=tail))
        assert found
        assert all(isinstance(item, Message) and item.raw == b"" and item.fields == {} for item in found)


def test_a_notification_about_a_person_is_confidential_and_keeps_nothing_of_the_person_sealed_either() -> None:
    found = one("gat1400", example("gat1400", "watched-person.json"), JSON, tail=NOTICES)
    assert (found["confidential"], found["content"], found["extra"]["about"]) == (True, "", "Person")
    kept = unsealed(found).decode()
    for personal in ("甄样本", "370212199001011234", "PersonID", "GenderCode"):
        assert personal not in texts(found) + kept
    assert "370212000010320250605103100000002" in kept


def test_a_refused_notification_played_again_from_its_letter_is_the_same() -> None:
    for name in ("behaviour.json", "watched-person.json", "watched-vehicle.json"):
        first = one("gat1400", example("gat1400", name), JSON, tail=NOTICES)
        again = one("gat1400", unsealed(first), JSON)
        assert {**again, "sealed": None} == {**first, "sealed": None}


def test_a_plate_in_the_title_is_masked_however_it_was_read() -> None:
    body = example("gat1400", "watched-vehicle.json").decode().replace("鲁BZ9X99", "ZZ-99x")
    found = one("gat1400", body, JSON)
    assert found["content"] == "布控车辆ZZ****（虚构）"
    assert "ZZ-99x" not in texts(found) + unsealed(found).decode()


def test_every_object_of_a_push_gets_its_status_with_its_own_number() -> None:
    ignored = Outcome("ignored")
    status, told = answered(FACES, "VIID/Faces", ignored, ignored)
    entries = told["ResponseStatusListObject"]["ResponseStatusObject"]
    assert status == 200
    assert [entry["Id"][-1] for entry in entries] == ["1", "2"]
    assert all(len(entry["Id"]) == 48 for entry in entries)
    assert entries[0] | {"StatusCode": 0, "StatusString": "OK", "RequestURL": "/VIID/Faces"} == entries[0]
    assert entries[0]["LocalTime"] == "20251120080000"


def test_a_refused_object_has_a_status_of_its_own_and_the_others_are_ok() -> None:
    wrong = Outcome("refused", refusal=Refusal("bad_time", "TriggerTime: made up"))
    body = b'{"DispositionNotificationObject": [{"NotificationID": "1"}, {"NotificationID": "2"}]}'
    status, told = answered(body, NOTICES, Outcome("accepted", "x", "report"), wrong)
    codes = [(e["Id"], e["StatusCode"]) for e in told["ResponseStatusListObject"]["ResponseStatusObject"]]
    assert (status, codes) == (200, [("1", 0), ("2", 8)])
    status, told = answered(b"{", "VIID/Faces", Outcome("refused", refusal=Refusal("bad_json", "not JSON")))
    assert (status, told["ResponseStatusListObject"]["ResponseStatusObject"][0]["StatusCode"]) == (400, 7)


@pytest.mark.parametrize("call", ["Register", "Keepalive", "UnRegister"])
def test_calls_about_the_link_are_counted_and_answered(call: str) -> None:
    body = json.dumps({f"{call}Object": {"DeviceID": "37021200005030000002"}}).encode()
    assert records("gat1400", body, "application/VIID+JSON;charset=UTF-8", tail=f"VIID/System/{call}") == [None]
    status, told = answered(body, f"VIID/System/{call}", Outcome("ignored"))
    entry = told["ResponseStatusObject"]
    assert (status, entry["Id"], entry["StatusCode"]) == (200, "37021200005030000002", 0)
    assert entry["RequestURL"] == f"/VIID/System/{call}"


def test_the_time_is_told_in_the_zone_of_the_place() -> None:
    assert records("gat1400", b"", "", tail="VIID/System/Time") == [None]
    _, told = answered(b"", "VIID/System/Time", Outcome("ignored"))
    assert told["SystemTimeObject"] == {
        "VIIDServerID": "37021200005030000001",
        "TimeMode": "1",
        "LocalTime": "20251120080000",
        "TimeZone": "Asia/Shanghai",
    }


def test_what_the_hub_does_not_serve_is_not_said_to_be_done() -> None:
    body = b'{"SubscribeListObject": {"SubscribeObject": [{"SubscribeID": "1", "Title": "x"}]}}'
    assert records("gat1400", body, JSON, tail="VIID/Subscribes") == [None]
    _, told = answered(body, "VIID/Subscribes", Outcome("ignored"))
    assert told["ResponseStatusListObject"]["ResponseStatusObject"][0]["StatusCode"] == 4
    _, told = answered(b"", "VIID/Faces", Outcome("ignored"))
    assert told["ResponseStatusListObject"]["ResponseStatusObject"][0]["StatusCode"] == 4


def test_both_ways_to_write_a_list_and_a_single_object_are_read() -> None:
    listed = orjson.loads(example("gat1400", "behaviour.json"))
    (notice,) = listed["DispositionNotificationListObject"]["DispositionNotificationObject"]
    ids = {
        one("gat1400", json.dumps(body), JSON)["report_id"]
        for body in (
            listed,
            {"DispositionNotificationObject": [notice]},
            {"DispositionNotificationObject": notice},
            {"DispositionNotificationListObject": {"DispositionNotificationObject": notice}},
        )
    }
    assert len(ids) == 1


def test_a_body_of_no_object_and_one_of_too_many_are_refused() -> None:
    assert refused("gat1400", b'{"a": 1}', JSON).code == "missing_field"
    assert refused("gat1400", b"[]", JSON).code == "bad_json"
    ctx = context("demo-gat1400")
    ctx = replace(ctx, channel=replace(ctx.channel, max_records=1))
    assert refused("gat1400", FACES, JSON, ctx=ctx).code == "too_many_records"


def test_a_push_of_twenty_megabytes_of_pictures_is_read_within_a_second() -> None:
    told = orjson.loads(example("gat1400", "behaviour.json"))
    (notice,) = told["DispositionNotificationListObject"]["DispositionNotificationObject"]
    image = notice["BehaviorAnalysisObject"]["SubImageList"]["SubImageInfoObject"][0]
    image["Data"] = "QUJD" * 5_500_000
    body = orjson.dumps(told)
    began = time.process_time()
    found = one("gat1400", body, JSON)
    assert time.process_time() - began < 1
    assert len(unsealed(found)) < 1000


# --- AI boxes

EVENT: Final = {"camera_id": "37021200001320000001", "event_type": "smoke", "timestamp": 1749090600}


def event(**changed: Any) -> bytes:
    return json.dumps({**EVENT, **changed}, ensure_ascii=False).encode()


def test_seconds_milliseconds_and_written_times_are_the_same_alarm() -> None:
    stamps = (1749090600, 1749090600000, "1749090600", "1749090600000", "2025-06-05T02:30:00Z", "2025-06-05 10:30:00")
    assert len({one("aibox", event(timestamp=stamp), JSON)["report_id"] for stamp in stamps}) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("cameraId", "eventType", "time"),
        ("deviceId", "alarmType", "alarmTime"),
        ("device_id", "alarm_type", "alarm_time"),
        ("cameraCode", "type", "eventTime"),
        ("srcIndex", "algorithmCode", "happenTime"),
    ],
)
def test_other_names_of_the_fields_are_the_same_alarm(names: tuple[str, str, str]) -> None:
    body = json.dumps(dict(zip(names, EVENT.values(), strict=True)))
    found, plain = one("aibox", body, JSON), one("aibox", event(), JSON)
    assert (found["report_id"], found["content_hash"]) == (plain["report_id"], plain["content_hash"])


def test_of_two_spellings_the_first_of_the_page_counts_in_any_order() -> None:
    for body in ({"deviceId": "x", **EVENT, "GbId": "y"}, {"GbId": "y", **EVENT, "deviceId": "x"}):
        assert one("aibox", json.dumps(body), JSON)["device_id"] == EVENT["camera_id"]


@pytest.mark.parametrize(
    "wrap", [{"events": [EVENT, EVENT]}, {"data": [EVENT, EVENT]}, {"code": 0, "data": {"list": [EVENT, EVENT]}}]
)
def test_wrapped_events_are_a_batch(wrap: dict[str, Any]) -> None:
    parsed = aibox.parse(json.dumps(wrap).encode(), JSON, context("demo-aibox"))
    assert not parsed.single
    assert len(records("aibox", json.dumps(wrap), JSON)) == 2


def test_details_inside_an_event_are_not_taken_for_it() -> None:
    found = one("aibox", event(data={"type": "person", "list": [1, 2]}, events=[1]), JSON)
    assert found["kind_code"] == "demo/ai-2025/alarm/smoke"


def test_a_bad_event_of_a_list_keeps_no_other_back() -> None:
    body = json.dumps({"events": [EVENT, 7, {"camera_id": "x"}]}).encode()
    assert [type(item) for item in items("aibox", body, JSON, context("demo-aibox"))] == [Message, Broken, Message]


@pytest.mark.parametrize("changed", [{"state": "stop"}, {"eventState": "inactive"}, {"action": "End"}])
def test_the_end_of_an_event_is_nothing(changed: dict[str, Any]) -> None:
    assert records("aibox", event(**changed), JSON) == [None]


@pytest.mark.parametrize(("status", "gives"), [(0, True), (1, True), (2, False), (3, True), (5, False)])
def test_a_platform_s_notification_tells_by_its_status_whether_it_begins(status: int, gives: bool) -> None:
    body = example("aibox", "notify.json").decode().replace('"status": 0', f'"status": {status}')
    (found,) = records("aibox", body, JSON)
    assert (found is not None) == gives
    if found:
        assert one("aibox", unsealed(found), JSON)["report_id"] == found["report_id"]


def test_a_small_number_names_a_camera_and_a_long_one_may_have_lost_digits() -> None:
    assert one("aibox", event(camera_id=12), JSON)["device_id"] == "12"
    assert refused("aibox", event(camera_id=37021200001320000001), JSON).code == "bad_field"


def test_an_alarm_s_own_number_tells_it_from_another_of_the_same_second() -> None:
    ids = {one("aibox", event(**given), JSON)["report_id"] for given in ({}, {"alarmId": "1"}, {"alarmId": 2})}
    assert len(ids) == 3


def test_links_and_confidence_are_kept() -> None:
    found = one(
        "aibox",
        event(picUrl="https://media.invalid/1.jpg", video_url="https://media.invalid/1.mp4", score="0.75"),
        JSON,
    )
    assert found["attachments"] == ["https://media.invalid/1.jpg", "https://media.invalid/1.mp4"]
    assert found["extra"] == {"confidence": "0.75"}


BASE64: Final = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize(
    "picture",
    [
        f"data:image/jpeg;base64,{BASE64}",
        f" DATA:image/png;base64,{BASE64[:60]}",
        "data:image/svg+xml,%3Csvg%3E",
        BASE64,
        BASE64[:60],
        base64.b64encode(bytes(range(1, 256)) * 4).decode(),  # of no format that is known
        "\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76)),
    ],
)
def test_an_alarm_with_its_picture_inside_is_taken_and_the_picture_dropped(picture: str) -> None:
    plain = one("aibox", event(), JSON)
    for body in (event(imageUrl=picture), event(picUrl=picture, videoUrl=picture), event(pic_url=picture, score=0.5)):
        found = one("aibox", body, JSON)
        assert (found["report_id"], found["attachments"]) == (plain["report_id"], [])
        assert set(found["extra"]) <= {"confidence"}
        assert BASE64[:40] not in texts(found)
        again = one("aibox", unsealed(found), JSON)  # as a letter is played again
        assert (again["report_id"], again["attachments"], again["content_hash"]) == (
            found["report_id"], [], found["content_hash"],
        )  # fmt: skip
        if len(picture) < 900 or len(picture) > 2048:
            assert picture.strip()[-40:].encode() not in unsealed(found)


def test_a_picture_s_address_counts_where_the_picture_stands_beside_it() -> None:
    found = one("aibox", event(imageUrl=f"data:image/jpeg;base64,{BASE64}", picUrl="/pictures/9j/1.jpg"), JSON)
    assert found["attachments"] == ["/pictures/9j/1.jpg"]
    for link in ("https://media.invalid/data:1.jpg", "snap/20250605/1.jpg", "a1b2c3d4e5f6"):
        assert one("aibox", event(picUrl=link), JSON)["attachments"] == [link]


def test_the_dead_letter_of_an_alarm_keeps_no_picture() -> None:
    body = event(event_type="no-such", imageUrl=f"data:image/jpeg;base64,{BASE64[:80]}", picture=BASE64[:80])
    assert refused("aibox", body, JSON).code == "unknown_code"
    for sent in (body, b'{"events": [' + body + b"]}", body[:-1]):
        (raw,) = kept("aibox", sent, JSON)
        assert b"no-such" in raw
        assert BASE64[:20].encode() not in raw


def test_a_list_of_more_events_than_the_channel_may_send_is_refused() -> None:
    ctx = context("demo-aibox")
    ctx = replace(ctx, channel=replace(ctx.channel, max_records=2))
    assert refused("aibox", json.dumps({"events": [EVENT] * 3}), JSON, ctx=ctx).code == "too_many_records"


def test_an_alert_under_any_label_of_its_part_is_taken() -> None:
    alert = (EXAMPLES / "hikvision" / "alert.xml").read_bytes()
    for label in (
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "made/up",
    ):
        body = b"--b\r\nContent-Type: " + label.encode() + b"\r\n\r\n" + alert + b"\r\n--b--\r\n"
        found = normalised("demo-hikvision", body, "multipart/form-data; boundary=b")
        assert found is not None
        assert found[0] == "report"


def test_a_multipart_body_with_neither_alert_nor_picture_is_refused() -> None:
    body = b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--\r\n"
    with pytest.raises(Refusal) as caught:
        normalised("demo-hikvision", body, "multipart/form-data; boundary=b")
    assert caught.value.code == "unsupported_type"


def test_two_regions_that_alarm_in_one_second_are_two_alarms() -> None:
    alert = (EXAMPLES / "hikvision" / "alert.xml").read_bytes()
    ids = set()
    for region in (b"1", b"2"):
        told = alert.replace(
            b"</EventNotificationAlert>", b"<regionID>" + region + b"</regionID></EventNotificationAlert>"
        )
        found = normalised("demo-hikvision", told, "application/xml")
        assert found is not None
        ids.add(found[1]["report_id"])
    assert len(ids) == 2


def test_a_notification_in_a_bare_list_or_other_letters_is_taken() -> None:
    told = json.loads((EXAMPLES / "gat1400" / "behaviour.json").read_bytes())
    notices = next(value for name, value in _objects_of(told) if name == "DispositionNotificationObject")
    for body in (
        {"DispositionNotificationListObject": notices},
        {"dispositionNotificationListObject": {"dispositionNotificationObject": notices}},
    ):
        found = normalised("demo-gat1400", json.dumps(body).encode(), "application/VIID+JSON")
        assert found is not None
        assert found[0] == "report"


def _objects_of(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        yield name, value
        if isinstance(value, dict):
            yield from _objects_of(value)


def test_of_a_push_that_cannot_be_read_nothing_is_kept_and_an_unknown_kind_is_refused() -> None:
    ctx = context("demo-gat1400")
    face = b'{"FaceObject": [{"FaceID": "1", "Data": "AAAA"'
    for body, media in (
        (face, "application/json"),
        (face + b"}]}", "text/plain"),
        (b'{"MadeUpObject": [{}]}', "application/json"),
    ):
        items = list(CONNECTORS["gat1400"].parse(body, media, ctx).items)
        assert [type(item) for item in items] == [Broken]
        assert items[0].raw == b""
