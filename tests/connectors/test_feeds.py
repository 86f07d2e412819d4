"""What is particular to one feed."""

import dataclasses
import re
from datetime import datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import bodies, canonical
from connectors.bodies import Message
from connectors.errors import Refusal
from connectors.police110 import split_tags
from schemas.ids import report_id
from schemas.records import Progress, Report
from tests.connectors import make
from tests.connectors.make import NOW, PHONE, PRIVACY, as_json, context, normalised
from tests.connectors.metres import distance_m

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=SHANGHAI).timestamp() * 1000)  # type: ignore[misc,arg-type]


def report(channel: str, message: dict[str, Any] | str, content_type: str = "application/json") -> Report:
    body = message.encode() if isinstance(message, str) else as_json(message)
    found = normalised(channel, body, content_type)
    assert found is not None
    assert found[0] == "report"
    return found[1]


def progress(channel: str, message: dict[str, Any]) -> Progress:
    found = normalised(channel, as_json(message), "application/json")
    assert found is not None
    assert found[0] == "progress"
    return found[1]


def refused(channel: str, message: dict[str, Any] | str, content_type: str = "application/json") -> str:
    body = message.encode() if isinstance(message, str) else as_json(message)
    with pytest.raises(Refusal) as caught:
        normalised(channel, body, content_type)
    return caught.value.code


def test_a_hotline_order_becomes_a_report() -> None:
    found = report("demo-hotline", make.ORDER)
    assert found["report_id"] == report_id("hotline12345", "demo-hotline", "250912101108115409")
    assert found["reported_at"] == at(2025, 9, 12, 10, 11, 8)
    assert (found["appeal_type"], found["family"], found["via"]) == ("complaint", "livelihood", "电话")
    assert (found["kind_code"], found["matter_kind"]) == ("demo/hotline-2025/appeal/010101", "noise")
    assert (found["community_code"], found["street_code"], found["place_key"]) == ("370212005001", *["370212005"] * 2)
    assert found["location_method"] == "code"
    assert (found["source_lon"], found["source_lat"], found["source_crs"]) == (120.47, 36.1, "GCJ-02")
    assert found["lon"] is not None
    assert found["lat"] is not None
    assert 300 < distance_m((120.47, 36.1), (found["lon"], found["lat"])) < 700
    assert found["reporter_mask"] == "138****1234"
    assert found["reporter_key"] == PRIVACY.key_of("phone", PHONE)
    assert "甄**" in found["content"]


def test_chinese_keys_give_the_same_report_as_english_ones() -> None:
    names = {
        "record_number": "工单编号", "channel": "诉求渠道", "accepted_at": "受理时间", "appeal_type": "诉求类型",
        "family": "诉求类别", "category_code": "分类编码", "category_path": "诉求分类", "title": "标题",
        "content": "诉求内容", "address": "事发地址", "admin_code": "行政区划代码", "lng": "经度", "lat": "纬度",
        "caller_name": "来电人", "caller_phone": "来电号码", "contact_phone": "联系电话", "is_secret": "是否保密",
        "urgency": "紧急程度", "due_at": "办理时限", "related_no": "关联工单号",
    }  # fmt: skip
    chinese = {names.get(name, name): value for name, value in make.ORDER.items()}
    volatile = {"sealed": None}
    assert report("demo-hotline", chinese) | volatile == report("demo-hotline", make.ORDER) | volatile


@pytest.mark.parametrize("change", [{"is_secret": "是"}, {"appeal_type": "举报"}])
def test_a_confidential_order_shows_no_reporter_but_keeps_the_key(change: dict[str, Any]) -> None:
    found = report("demo-hotline", make.ORDER | change)
    assert found["confidential"]
    assert found["reporter_mask"] is None
    assert found["reporter_key"] == PRIVACY.key_of("phone", PHONE)
    assert found["content"] == "来电人***反映楼下夜间噪声很大，手机***，也可打 ***。"


def test_a_confidential_account_shows_nothing_in_text_or_extra() -> None:
    account = "user-138-00001234"
    change = {
        "confidential": True, "title": f"{make.NAME}举报", "content": f"账号{account}，身份证110101199001011234",
        "reporter": {"name": make.NAME, "phone": "0532-88880000", "id": account},
        "extra": {"note": "回电0532-88880000", "plate": "鲁B12345"}, "place": "A3区",
    }  # fmt: skip
    found = report("demo-canonical", make.REPORT | change)
    assert (found["title"], found["content"]) == ("***举报", "账号***，身份证***")
    assert found["extra"] == {"note": "回电***", "plate": "***"}


def test_the_note_of_a_step_shows_no_digit_of_a_number_since_its_case_may_be_confidential() -> None:
    assert progress("demo-hotline", make.STEP)["note"] == "已回访，电话***"
    assert progress("demo-canonical", make.PROGRESS | {"extra": {"tel": PHONE}})["extra"] == {"tel": "***"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"category_code": "999999"}, "unknown_code"),
        ({"admin_code": "370212999"}, "unknown_code"),
        ({"admin_code": "370212005999"}, "unknown_code"),
        ({"admin_code": "3702"}, "bad_field"),
        ({"appeal_type": "无效"}, "unknown_code"),
        ({"is_secret": "也许"}, "bad_field"),
        ({"record_number": "25091210110811540"}, "bad_field"),
        ({"record_number": "２５０９１２１０１１０８１１５４０９"}, "bad_field"),
    ],
)
def test_a_hotline_order_with_a_wrong_value_is_refused(change: dict[str, Any], code: str) -> None:
    assert refused("demo-hotline", make.ORDER | change) == code


@pytest.mark.parametrize(
    ("stage", "action", "step"),
    [
        ("受理", "提交", "accept"), ("预审", "确定", "dispatch"), ("处置", "签收", "sign"), ("处置", "联系", "respond"),
        ("处置", "通过", "handle"), ("处置", "退单", "return"), ("预审", "改派", "redispatch"), ("处置", "延期", "extend"),
        ("回访", "重办", "redo"), ("回访", "评价", "rate"), ("回访", "通过", "revisit"), ("结案", "结案", "close"),
        ("督办", "", "supervise"), ("处置", "督办", "supervise"),
    ],
)  # fmt: skip
def test_a_hotline_step_is_named_by_its_action_before_its_stage(stage: str, action: str, step: str) -> None:
    assert progress("demo-hotline", make.STEP | {"ps_caption": stage, "pso_caption": action})["step"] == step


def test_a_hotline_step_carries_what_the_revisit_heard() -> None:
    found = progress("demo-hotline", make.STEP)
    assert (found["contacted"], found["solved"], found["satisfaction"], found["level"]) == (
        True,
        True,
        "basic",
        "street",
    )
    assert progress("demo-hotline", make.STEP | {"note6": "无法回访"})["solved"] is None
    assert found["report_id"] == report("demo-hotline", make.ORDER)["report_id"]


def test_a_step_of_an_unknown_stage_is_refused() -> None:
    assert refused("demo-hotline", make.STEP | {"ps_caption": "别的"}) == "unknown_code"


def test_a_police_transfer_becomes_a_report_whose_caller_is_the_hotlines_caller() -> None:
    found = report("demo-police", make.TRANSFER)
    assert found["reported_at"] == at(2025, 5, 6, 14, 57)
    assert (found["matter_kind"], found["community_code"], found["location_method"]) == (
        "consumer",
        "370212001016",
        "text",
    )
    assert found["extra"]["tags"] == "非警务,消费问题"
    assert "#" not in found["content"]
    assert found["reporter_key"] == report("demo-hotline", make.ORDER)["reporter_key"]


@pytest.mark.parametrize("code", ["100100", "200200", "300100", "400100", "650100", "700100", "990000"])
def test_police_classes_other_than_50_and_60_never_leave_110(code: str) -> None:
    assert refused("demo-police", make.TRANSFER | {"警情类别": code}) == "forbidden_class"


def test_an_unknown_police_class_is_refused() -> None:
    assert refused("demo-police", make.TRANSFER | {"警情类别": "609999"}) == "unknown_code"


def test_a_sender_with_the_month_first_is_found_by_its_event_number() -> None:
    assert refused("demo-police", make.TRANSFER | {"上报时间": "5/6/25 14:57"}) == "bad_time"


def test_a_hash_in_an_address_is_no_tag() -> None:
    assert split_tags("家住3#楼2单元的人吵架#非警务#报警电话:1") == ("家住3#楼2单元的人吵架", ["非警务"])
    assert split_tags("家住3#楼2单元") == ("家住3#楼2单元", [])


@given(st.text("#a中3，。 \n", max_size=60))
def test_tags_are_the_longest_row_of_them_at_the_end(description: str) -> None:
    # The rule as one expression, which says it well and takes quadratic time.
    found = re.search(r"(?<![0-9A-Za-z#])(?:#[^#\s，。；！？]{1,40})+#?\s*$", description)
    expected: tuple[str, list[str]] = (description, [])
    if found:
        expected = (description[: found.start()].strip(), [tag for tag in map(str.strip, found[0].split("#")) if tag])
    assert split_tags(description) == expected


@pytest.mark.parametrize("after", ["", "#", " ", "。", "a b"])
def test_a_text_of_nothing_but_tags_is_split_in_linear_time(after: str) -> None:
    content, tags = split_tags("#a" * 1_000_000 + after)  # at the square of this, the test would take hours
    assert len(tags) == (1_000_000 if after in ("", "#", " ") else 0)
    assert len(content) + 2 * len(tags) <= 2_000_000 + len(after)


def test_a_tag_is_at_most_40_characters() -> None:
    assert split_tags("吵架#" + "长" * 40) == ("吵架", ["长" * 40])
    assert split_tags("吵架#" + "长" * 41) == ("吵架#" + "长" * 41, [])


def test_a_masked_phone_tag_joins_nobody() -> None:
    text = "来电称有纠纷 #非警务#报警电话:138****0000"
    assert report("demo-police", make.TRANSFER | {"事件描述": text})["reporter_key"] is None


def test_a_component_and_an_event_of_the_same_code_are_different_matters() -> None:
    event = report("demo-citymgmt", make.CASE | {"small_code": "01"})
    component = report("demo-citymgmt", make.CASE | {"small_code": "01", "category_type": "component"})
    assert (event["matter_kind"], component["matter_kind"]) == ("illegal_building", "manhole")


def test_a_city_management_flow_becomes_progress_of_its_case() -> None:
    found = progress("demo-citymgmt", make.FLOW)
    assert (found["step"], found["level"], found["extra"]) == ("check", "district", {"result": "pass"})
    assert found["report_id"] == report("demo-citymgmt", make.CASE)["report_id"]


def test_an_alarm_is_located_by_the_register_and_not_by_its_message() -> None:
    found = report("demo-video", make.BOX | {"lon": 0, "lat": 0})
    camera = make.PROFILE.cameras["37021200001320000001"]
    assert (found["lon"], found["lat"], found["location_method"]) == (camera.lon, camera.lat, "register")
    assert (found["reporter_key"], found["device_id"], found["reporter_mask"]) == (
        camera.device_id,
        camera.device_id,
        None,
    )
    assert (found["appeal_type"], found["title"], found["matter_kind"]) == ("alarm", "机动车违停", "car_parking")


def test_an_unregistered_camera_is_taken_without_a_place() -> None:
    found = report("demo-video", make.BOX | {"camera_id": "37021299991320000001"})
    assert (found["lon"], found["place_key"], found["extra"]["camera"]) == (None, "text:-", "unregistered")


def test_seconds_milliseconds_and_iso_name_the_same_alarm() -> None:
    ids = {
        report("demo-video", make.BOX | {"timestamp": stamp})["report_id"]
        for stamp in (1749090600, 1749090600000, "1749090600", "2025-06-05T02:30:00Z", "2025-06-05 10:30:00")
    }
    assert len(ids) == 1


def test_a_hikvision_alert_has_the_same_id_when_the_device_sends_it_again() -> None:
    first = report("demo-video", make.ALERT, "application/xml")
    again = make.ALERT.replace(">false<", ">true<").replace("192.0.2.7", "192.0.2.8")
    again = again.replace("www.isapi.org", "www.hikvision.com")
    second = report("demo-video", again, "text/xml")
    assert (first["report_id"], first["content_hash"]) == (second["report_id"], second["content_hash"])
    next_post = make.ALERT.replace("<activePostCount>1<", "<activePostCount>2<")
    assert report("demo-video", next_post, "text/xml")["report_id"] != first["report_id"]


def test_a_camera_without_device_id_is_its_address_and_channel() -> None:
    alert = make.ALERT.replace("<deviceID>37021200001320000002</deviceID>", "")
    found = report("demo-video", alert, "application/xml")
    assert found["device_id"] == "02:00:5e:00:00:01/1"


def test_a_device_time_without_offset_is_local() -> None:
    alert = make.ALERT.replace("10:30:00+08:00", "10:30:00")
    assert report("demo-video", alert, "application/xml")["reported_at"] == at(2025, 6, 5, 10, 30)


@pytest.mark.parametrize(
    ("old", "new"),
    [(">active<", ">inactive<"), (">fielddetection<", ">heartBeat<")],
)
def test_signs_of_life_and_ends_of_alarms_are_ignored(old: str, new: str) -> None:
    assert normalised("demo-video", make.ALERT.replace(old, new).encode(), "application/xml") is None


def test_an_unknown_alarm_is_refused() -> None:
    assert refused("demo-video", make.ALERT.replace(">fielddetection<", ">IO<"), "application/xml") == "unknown_code"
    assert refused("demo-video", make.BOX | {"event_type": "nonsense"}) == "unknown_code"
    assert refused("demo-video", "<HttpHostNotificationList/>", "application/xml") == "unsupported_type"


def test_a_wechat_text_is_placed_and_classed_by_its_words() -> None:
    found = report("demo-wechat", make.WECHAT, "text/xml")
    assert (found["upstream_id"], found["matter_kind"], found["appeal_type"]) == (
        "23456789012345678",
        "street_light",
        "other",
    )
    assert (found["community_code"], found["location_method"]) == ("370212005001", "text")
    assert found["reported_at"] == 1749090600000
    assert found["reporter_key"] == PRIVACY.key_of("openid", make.OPENID)


def test_wechats_x_is_the_latitude() -> None:
    found = report("demo-wechat", make.WECHAT_LOCATION, "text/xml")
    assert (found["source_lat"], found["source_lon"], found["source_crs"]) == (36.1, 120.47, "GCJ-02")
    assert found["address"] == "示例路"


@pytest.mark.parametrize("kind", ["event", "link", "device_event"])
def test_wechat_events_and_links_are_no_petitions(kind: str) -> None:
    body = f"<xml><FromUserName>o</FromUserName><CreateTime>1</CreateTime><MsgType>{kind}</MsgType><Event>CLICK</Event></xml>"
    assert normalised("demo-wechat", body.encode(), "text/xml") is None


def test_a_wechat_picture_keeps_its_addresses() -> None:
    body = make.WECHAT.replace("<![CDATA[text]]>", "image").replace(
        "<MsgId>", "<PicUrl>http://wx.invalid/p</PicUrl><MediaId>m1</MediaId><MsgId>"
    )
    found = report("demo-wechat", body, "text/xml")
    assert (found["attachments"], found["content"]) == (["http://wx.invalid/p", "m1"], "")


def test_an_encrypted_wechat_message_is_refused_with_the_remedy() -> None:
    assert (
        refused("demo-wechat", "<xml><ToUserName>a</ToUserName><Encrypt>x</Encrypt></xml>", "text/xml")
        == "unsupported_type"
    )


def test_a_canonical_report_may_name_its_place_freely() -> None:
    found = report("demo-canonical", make.REPORT)
    assert found["place_key"] == "text:A3区"
    assert found["extra"] == {"note": "回电138****1234"}


def test_a_canonical_report_may_bring_its_own_coordinate_system() -> None:
    found = report("demo-canonical", make.REPORT | {"lon": 120.47, "lat": 36.1, "crs": "BD-09"})
    assert found["source_crs"] == "BD-09"
    assert found["lon"] is not None
    assert found["lat"] is not None
    assert 500 < distance_m((120.47, 36.1), (found["lon"], found["lat"])) < 1800
    assert refused("demo-canonical", make.REPORT | {"crs": "Beijing-54"}) == "bad_location"


def foreign_profile() -> Any:
    channel = dataclasses.replace(
        make.PROFILE.channels["demo-canonical"],
        mapping={
            "upstream_id": "unique_key", "reported_at": "created_date", "title": "complaint_type",
            "content": "descriptor", "reporter.id": "who.number", "lon": "longitude", "lat": "latitude",
        },
        constants={"record": "report", "timezone": "America/New_York", "time_format": "%m/%d/%Y %I:%M:%S %p"},
    )  # fmt: skip
    return dataclasses.replace(make.PROFILE, channels={channel.id: channel}, bbox=(-74.3, 40.4, -73.6, 41.0))


def test_a_foreign_object_is_mapped_by_the_profile() -> None:
    ctx = context("demo-canonical", profile=foreign_profile())
    row = {
        "unique_key": "42", "created_date": "04/01/2024 01:02:03 PM", "complaint_type": "Noise", "descriptor": "Loud",
        "who": {"number": "user-000042"}, "longitude": "-73.99", "latitude": "40.7", "ignored": "x",
    }  # fmt: skip
    found = canonical.normalise(Message(row, b""), ctx)
    assert found is not None
    made: Any = found[1]
    expected = datetime(2024, 4, 1, 13, 2, 3, tzinfo=ZoneInfo("America/New_York"))
    assert made["reported_at"] == expected.timestamp() * 1000
    assert (made["upstream_id"], made["lon"], made["lat"]) == ("42", -73.99, 40.7)
    assert made["reporter_key"] == PRIVACY.key_of("id", "user-000042")


def test_numbers_of_a_foreign_object_become_text_and_its_zero_point_becomes_none() -> None:
    mapping = {"upstream_id": "id", "reported_at": "at", "title": "what", "place": "zip", "lon": "lon", "lat": "lat"}
    source = {"id": 909923, "at": "2024/4/1 5:14:00", "what": "Noise", "zip": 94110, "lon": 0.0, "lat": 0.0}
    found = canonical.mapped(source, mapping, {"zero_point": "none"})
    assert found == {
        "zero_point": "none", "upstream_id": "909923", "reported_at": "2024/4/1 5:14:00", "title": "Noise", "place": "94110",
    }  # fmt: skip
    assert canonical.mapped(source, mapping, {})["lon"] == 0.0


@pytest.mark.parametrize("own", [{"time_format": "%Y%Y"}, {"time_format": "%d/%m/%Y"}, {"timezone": "Mars/Base"}])
@pytest.mark.parametrize("message", [make.REPORT, make.PROGRESS])
def test_a_messages_own_time_format_and_timezone_change_nothing(message: dict[str, Any], own: dict[str, str]) -> None:
    volatile = {"sealed": None}
    kept = normalised("demo-canonical", as_json(message), "application/json")
    found = normalised("demo-canonical", as_json(message | own), "application/json")
    assert found is not None
    assert kept is not None
    assert dict(found[1]) | volatile == dict(kept[1]) | volatile


def test_a_channels_time_format_that_is_no_pattern_refuses_the_message() -> None:
    channel = dataclasses.replace(make.PROFILE.channels["demo-canonical"], constants={"time_format": "%Y%Y"})
    ctx = context("demo-canonical", profile=dataclasses.replace(make.PROFILE, channels={channel.id: channel}))
    with pytest.raises(Refusal) as caught:
        canonical.normalise(Message(make.REPORT, b""), ctx)
    assert caught.value.code == "bad_time"


BATCHES = [
    (b"[" + b"{}," * 50_000 + b"{}]", "application/json"),
    (b"{}\n" * 50_000, "application/x-ndjson"),
    (b"a,b\n" + b"1,2\n" * 50_000, "text/csv"),
]


@pytest.mark.parametrize(("body", "content_type"), BATCHES, ids=["array", "lines", "table"])
def test_a_batch_over_its_limit_is_refused_before_a_message_is_made(
    body: bytes, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for maker in ("_element", "_line", "_row"):
        monkeypatch.setattr(bodies, maker, lambda *_: pytest.fail("a message was made"))
    with pytest.raises(Refusal) as caught:
        canonical.parse(body, content_type, 49_999)
    assert caught.value.code == "too_many_records"
    canonical.parse(body, content_type, 50_001)


@pytest.mark.parametrize(("body", "content_type"), BATCHES, ids=["array", "lines", "table"])
def test_the_messages_of_a_batch_are_made_one_by_one(
    body: bytes, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    def counted(*_: Any) -> Message:
        nonlocal made
        made += 1
        return Message({}, b"")

    for maker in ("_element", "_line", "_row"):
        monkeypatch.setattr(bodies, maker, counted)
    assert len(list(islice(canonical.parse(body, content_type, 60_000).items, 7))) == made == 7


def test_a_header_row_too_long_to_repeat_in_every_row_is_refused() -> None:
    for header, code in (("a" * 8_192, None), ("a" * 8_193, "field_too_long")):
        try:
            canonical.parse(f"{header}\n1\n".encode(), "text/csv", 10)
            found = None
        except Refusal as refusal:
            found = refusal.code
        assert found == code


def test_bad_quotes_at_the_end_of_a_table_refuse_the_whole() -> None:
    with pytest.raises(Refusal) as caught:
        canonical.parse(b'a,b\n1,2\n"3,4\n', "text/csv")
    assert caught.value.code == "bad_field"


def test_csv_rows_are_one_batch_and_a_ragged_row_is_named() -> None:
    body = b'unique_key,created_date,complaint_type\n7,04/01/2024 01:02:03 PM,"Noise, ""loud"""\n8,x\n'
    items = list(canonical.parse(body, "text/csv").items)
    assert isinstance(items[0], Message)
    assert items[0].fields["complaint_type"] == 'Noise, "loud"'
    assert not isinstance(items[1], Message)
    with pytest.raises(Refusal):
        canonical.parse(b"", "text/csv")


def test_progress_of_another_channels_case_is_linked_to_its_report() -> None:
    ctx = context("demo-wechat")
    message = make.PROGRESS | {"upstream_id": "23456789012345678"}
    found = canonical.normalise_progress(Message(message, b""), ctx)
    assert found is not None
    assert found[1]["report_id"] == report("demo-wechat", make.WECHAT, "text/xml")["report_id"]
    with pytest.raises(Refusal):
        canonical.normalise_progress(Message(make.REPORT, b""), ctx)


def test_a_report_of_tomorrow_is_taken_and_one_of_the_day_after_refused() -> None:
    hour = 3600 * 1000
    stamp = datetime.fromtimestamp((NOW + 23 * hour) / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    assert report("demo-hotline", make.ORDER | {"accepted_at": stamp})["reported_at"] == NOW + 23 * hour
    stamp = datetime.fromtimestamp((NOW + 25 * hour) / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    assert refused("demo-hotline", make.ORDER | {"accepted_at": stamp}) == "bad_time"
