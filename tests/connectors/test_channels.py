"""Channels that the profile alone declares: 27 hotlines and 25 others, no line of code for any of them. All made up."""

import asyncio
import csv
import dataclasses
import io
import json
import re
import shutil
import tracemalloc
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connectors import auth, declared
from connectors.auth import ChannelSecret
from connectors.base import Record
from connectors.bodies import Broken, Message
from connectors.errors import Refusal
from connectors.mapping import compiled
from connectors.producer import KafkaSink
from connectors.registry import CONNECTORS
from hub.kafka_admin import ensure_topics
from hub.kafka_embedded import EmbeddedKafka
from profiles import Profile, ProfileError, load_profile
from schemas.codec import Codec
from schemas.topics import all_topics, intake_topic
from tests.connectors import make
from tests.connectors.make import NOW, PHONE, PRIVACY, context
from tests.connectors.metres import distance_m
from tests.connectors.served import MemorySink, gateway
from tests.connectors.test_producer import stored

DEMO = Path(__file__).parents[2] / "profiles" / "demo"
DOCS = Path(__file__).parents[2] / "docs" / "feeds"
SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = int(datetime(2025, 9, 12, 10, 11, 8, tzinfo=SHANGHAI).timestamp() * 1000)

_HOTLINES = """
12345政务服务 12315消费维权 12333人力社保 12348法律援助 12309检察服务 12368诉讼服务 12329公积金 12328交通运输 12319城市管理
12350安全生产 12369生态环境 12366纳税缴费 12320卫生健康 12393医疗保障 12356心理援助 12338妇女维权 12355青少年服务 12349养老服务
12385残疾人服务 12318文化市场 12301旅游投诉 12336自然资源 12316三农服务 12310编制举报 12388纪检举报 12380组织举报 12313烟草专卖
"""
_OTHERS = """
网格员上报 调解中心 网上信访 网络舆情 心理热线 供热服务 燃气服务 自来水服务 公交服务 供电服务 市长信箱 人大代表建议 政协提案
物业平台 智慧社区 校园安全 医院投诉 景区服务 海上救援 森林防火 防汛抗旱 企业诉求 志愿服务 随手拍 街道呼叫
"""
HOTLINES, OTHERS = _HOTLINES.split(), _OTHERS.split()
PLACE = (120.47, 36.1)
#: The place in each system, worked out once.
POINTS: dict[str, tuple[float, float]] = {
    "WGS-84": PLACE,
    "CGCS2000": PLACE,
    "GCJ-02": (120.474979026, 36.100195282),
    "BD-09": (120.481357953, 36.106539346),
}
FAMILIES = {"民生": "livelihood", "发展": "development", "执法": "enforcement"}
NUMBER = "250912101108115409"  # of every channel: only the channel tells the reports apart


def flat_chinese() -> tuple[str, str, Any]:
    declared_as = 'protocol = "hotline12345"'
    source = {
        "工单编号": NUMBER, "受理时间": "2025-09-12 10:11:08", "诉求类型": "投诉", "诉求内容": "夜间噪声扰民", "来电号码": PHONE,
        "行政区划代码": "370212005001", "经度": "$LON", "纬度": "$LAT",
    }  # fmt: skip
    return declared_as, "application/json", source


def nested_with_codes() -> tuple[str, str, Any]:
    declared_as = """protocol = "canonical"
[channel.mapping]
upstream_id = "data.id"
reported_at = "data.callTime"
content = "data.content"
appeal_type = "data.type"
urgency = "data.level"
admin_code = "data.region"
"reporter.phone" = "data.caller.mobile"
lon = "data.place.x"
lat = "data.place.y"
[channel.constants]
record = "report"
[channel.codes.appeal_type]
"01" = "complaint"
"*" = "other"
[channel.codes.urgency]
"3" = "critical"
"""
    data = {
        "id": NUMBER, "callTime": "2025-09-12T10:11:08+08:00", "content": "夜间噪声扰民", "type": "01", "level": 3,
        "region": "370212005001", "caller": {"mobile": PHONE, "name": make.NAME},
        "place": {"x": "$LON", "y": "$LAT"},
    }  # fmt: skip
    return declared_as, "application/json", {"data": data}


def table_of_text() -> tuple[str, str, Any]:
    declared_as = """protocol = "canonical"
[channel.mapping]
upstream_id = "编号"
reported_at = "登记日期"
content = "事项内容"
appeal_type = "事项类型"
"reporter.phone" = "联系电话"
admin_code = "所属社区编码"
lon = "经度"
lat = "纬度"
confidential = "是否保密"
[channel.constants]
record = "report"
"""
    row = {
        "编号": NUMBER, "登记日期": "2025/9/12 10:11:08", "事项内容": "夜间噪声扰民", "事项类型": "投诉", "联系电话": PHONE,
        "所属社区编码": "370212005001", "经度": "$LON", "纬度": "$LAT", "是否保密": "否", "备注": "",
    }  # fmt: skip
    text = io.StringIO()
    csv.writer(text).writerows([row.keys(), row.values()])
    return declared_as, "text/csv", text.getvalue()


def list_in_an_envelope() -> tuple[str, str, Any]:
    declared_as = """protocol = "canonical"
[channel.mapping]
"*" = "data.records"
upstream_id = "no"
reported_at = "time"
content = "text"
appeal_type = "kind"
via = "_.source"
admin_code = "_.data.region"
"reporter.phone" = "tel"
lon = "=point[0]"
lat = "=point[1]"
[channel.constants]
record = "report"
"""
    records = [
        {
            "no": NUMBER,
            "time": 1757643068000,
            "text": "夜间噪声扰民",
            "kind": "投诉",
            "tel": int(PHONE),
            "point": ["$LON", "$LAT"],
        }
    ]
    body = {"code": 0, "source": "平台推送", "data": {"region": "370212005001", "total": 1, "records": records}}
    return declared_as, "application/json", body


def told_by_expressions() -> tuple[str, str, Any]:
    declared_as = """protocol = "canonical"
[channel.mapping]
upstream_id = "=replace(单号, 'GD-', '')"
reported_at = "=concat(日期, ' ', 时间)"
content = "=trim(replace(内容, '市民来电反映：', ''))"
category_path = "=split(分类, '/')"
appeal_type = "=类别 || '其他'"
admin_code = "=first(区划[?级别=='社区'].代码)"
"reporter.phone" = "=digits(电话)"
lon = "=first(split(坐标, ','))"
lat = "=last(split(坐标, ','))"
"extra.handler" = "=lower(经办.组)"
[channel.constants]
record = "report"
"""
    source = {
        "单号": f"GD-{NUMBER}", "日期": "2025-9-12", "时间": "10:11:08", "内容": "市民来电反映： 夜间噪声扰民 ",
        "分类": "城乡建设/噪声", "类别": "投诉", "电话": f"{PHONE[:3]}-{PHONE[3:7]}-{PHONE[7:]}",
        "经办": {"组": "B2"}, "坐标": "$LON,$LAT",
        "区划": [{"级别": "街道", "代码": "370212005"}, {"级别": "社区", "代码": "370212005001"}],
    }  # fmt: skip
    return declared_as, "application/json", source


def own_time_and_zone() -> tuple[str, str, Any]:
    declared_as = """protocol = "canonical"
[channel.mapping]
upstream_id = "ref"
reported_at = "opened"
title = "subject"
admin_code = "area"
"reporter.phone" = "phone"
lon = "x"
lat = "y"
[channel.constants]
record = "report"
appeal_type = "complaint"
time_format = "%d-%m-%Y %H:%M:%S"
timezone = "UTC"
zero_point = "none"
"""
    source = {
        "ref": NUMBER, "opened": "12-09-2025 02:11:08", "subject": "夜间噪声扰民", "area": "370212005001", "phone": PHONE,
        "x": 0, "y": "0.0",
    }  # fmt: skip
    return declared_as, "application/json", source


def case_of_another_city() -> tuple[str, str, Any]:
    declared_as = """protocol = "citymgmt"
[channel.mapping]
case_code = "taskNum"
category_type = "recType"
big_code = "=part(event, `0`, `2`)"
small_code = "=part(event, `2`, `4`)"
report_time = "createTime"
description = "desc"
community_code = "community"
reporter_phone = "tel"
lng = "point.lng"
lat = "point.lat"
[channel.constants]
message = "case"
city = "neighbour"
[channel.codes.category_type]
"1" = "event"
"2" = "component"
"""
    source = {
        "taskNum": NUMBER, "recType": 1, "event": "0103", "createTime": "20250912101108", "desc": "夜间道路不洁",
        "community": "370212005001", "tel": PHONE, "point": {"lng": "$LON", "lat": "$LAT"},
    }  # fmt: skip
    return declared_as, "application/json", source


DIALECTS = (
    flat_chinese, nested_with_codes, table_of_text, list_in_an_envelope, told_by_expressions, own_time_and_zone,
    case_of_another_city,
)  # fmt: skip


def crs_of(number: int) -> str:
    return [*POINTS][number % len(POINTS)]


def family_of(number: int) -> str:
    """The family that a channel declares; a case has that of its kind."""
    of_case = DIALECTS[number % len(DIALECTS)] is case_of_another_city
    return "" if of_case else [*FAMILIES][number % len(FAMILIES)]


def at(point: tuple[float, float], message: Any) -> Any:
    """The message with a point in its place."""
    text = json.dumps(message, ensure_ascii=False)
    return json.loads(text.replace("$LON", f"{point[0]}").replace("$LAT", f"{point[1]}"))


def channels() -> list[tuple[str, str, str, str, Any]]:
    """(id, feed, declaration, content type, message) of each of the 52."""
    found = []
    for number, name in enumerate((*HOTLINES, *OTHERS)):
        dialect = DIALECTS[number % len(DIALECTS)]
        declared_as, content_type, message = dialect()
        hotline = number < len(HOTLINES)
        channel, feed = f"channel-{number:02d}", "hotlines" if hotline else f"others-{number % 5}"
        head = f'[[channel]]\nid = "{channel}"\nfeed = "{feed}"\nname = "{name}（虚构）"\ncrs = "{crs_of(number)}"\n'
        if family := family_of(number):
            head += f'family = "{family}"\n'
        table = "cjt214-2007" if dialect is case_of_another_city else "hotline-2025"
        found.append(
            (
                channel,
                feed,
                f'{head}table = "{table}"\n{declared_as}\n',
                content_type,
                at(POINTS[crs_of(number)], message),
            )
        )
    return found


CHANNELS = channels()


def as_body(message: Any) -> bytes:
    return message.encode() if isinstance(message, str) else json.dumps(message, ensure_ascii=False).encode()


def profile_of(folder: Path, text: str) -> Profile:
    """The demonstration profile with other channels."""
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    (folder / "channels.toml").write_text(text, "utf-8")
    profile = load_profile(folder)
    declared.check(profile)
    return profile


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return profile_of(tmp_path_factory.mktemp("many") / "profile", "\n".join(entry[2] for entry in CHANNELS))


def normalised(profile: Profile, channel: str, body: bytes, content_type: str) -> list[Record]:
    ctx = context(channel, profile=profile)
    connector = CONNECTORS[ctx.channel.protocol]
    found = []
    for item in connector.parse(body, content_type, ctx).items:
        if isinstance(item, Broken):
            raise item.refusal
        record = connector.normalise(item, ctx)
        assert record is not None
        found.append(record)
    return found


def test_52_declared_channels_are_read_each_as_its_own(profile: Profile) -> None:
    assert (len(HOTLINES), len(OTHERS), len(profile.channels)) == (27, 25, 52)
    ids = set()
    for number, (channel, feed, _, content_type, message) in enumerate(CHANNELS):
        ((subject, record),) = normalised(profile, channel, as_body(message), content_type)
        found: Any = record
        assert (subject, found["channel"], found["feed"], found["upstream_id"]) == ("report", channel, feed, NUMBER)
        assert found["reported_at"] == AT
        assert (found["community_code"], found["place_key"]) == ("370212005001", "370212")
        assert found["reporter_key"] == PRIVACY.key_of("phone", PHONE)
        assert found["appeal_type"] in {"complaint", "case"}
        assert "夜间" in found["title"] + found["content"]
        assert found["matter_kind"] in {"noise", "dirty_road"}
        assert PHONE not in json.dumps({**found, "sealed": None}, ensure_ascii=False)
        if DIALECTS[number % len(DIALECTS)] is own_time_and_zone:
            assert (found["lon"], found["source_crs"]) == (None, None)
        else:
            assert distance_m((found["lon"], found["lat"]), PLACE) < 1
            assert found["source_crs"] == crs_of(number)
            assert (found["source_lon"], found["source_lat"]) == POINTS[crs_of(number)]
        if family := family_of(number):
            assert found["family"] == FAMILIES[family]
        ids.add(found["report_id"])
    assert len(ids) == 52


def test_the_channels_mix_dialects_coordinate_systems_and_families() -> None:
    numbers = range(len(CHANNELS))
    seen = {(DIALECTS[number % len(DIALECTS)].__name__, crs_of(number)) for number in numbers}
    assert len(seen) == len(DIALECTS) * len(POINTS)
    assert {family_of(number) for number in numbers} == {"", *FAMILIES}


def test_a_channel_s_key_does_not_open_another(profile: Profile, codec: Codec) -> None:
    first, second = CHANNELS[0], CHANNELS[len(DIALECTS)]
    keys = {entry[0]: f"made-up key of {entry[0]}".encode() for entry in (first, second)}

    async def play(sink: MemorySink) -> list[int]:
        secrets = {channel: ChannelSecret((key,)) for channel, key in keys.items()}
        found = []
        async with TestClient(TestServer(gateway(codec, sink, secrets, profile=profile))) as client:
            for (channel, _, _, content_type, message), owner in (
                (first, second), (second, first), (first, first), (second, second),
            ):  # fmt: skip
                body, path, now = as_body(message), f"/intake/{channel}", str(NOW // 1000)
                headers = {
                    "Content-Type": content_type, auth.TIME_HEADER: now,
                    auth.SIGNATURE_HEADER: auth.signature(keys[owner[0]], "POST", path, now, body),
                }  # fmt: skip
                async with client.post(path, data=body, headers=headers) as answer:
                    found.append(answer.status)
                assert len(sink.records) == found.count(200)
        return found

    assert asyncio.run(play(MemorySink())) == [401, 401, 200, 200]


def test_expressions_codes_and_constants_say_what_they_should(profile: Profile) -> None:
    by_dialect: dict[str, Any] = {}
    for number, (channel, _, _, content_type, message) in enumerate(CHANNELS[: len(DIALECTS)]):
        ((_, record),) = normalised(profile, channel, as_body(message), content_type)
        by_dialect[DIALECTS[number].__name__] = record
    assert by_dialect["nested_with_codes"]["urgency"] == "critical"
    assert by_dialect["told_by_expressions"]["category_path"] == ["城乡建设", "噪声"]
    assert by_dialect["told_by_expressions"]["content"] == "夜间噪声扰民"
    assert by_dialect["told_by_expressions"]["extra"]["handler"] == "b2"
    assert by_dialect["list_in_an_envelope"]["via"] == "平台推送"
    assert by_dialect["table_of_text"]["source_crs"] == crs_of(DIALECTS.index(table_of_text))
    assert by_dialect["own_time_and_zone"]["source_lon"] is None
    assert by_dialect["case_of_another_city"]["kind_code"] == "neighbour/cjt214-2007/event/0103"


@pytest.mark.kafka
def test_52_declared_channels_go_through_the_gateway_into_kafka(
    profile: Profile, kafka: EmbeddedKafka, codec: Codec
) -> None:
    ensure_topics(kafka.bootstrap, all_topics(profile.feeds()), replication=1)
    keys = {channel: f"made-up key of {channel}".encode() for channel in profile.channels}

    async def play(sink: KafkaSink) -> list[dict[str, Any]]:
        secrets = {channel: ChannelSecret((key,)) for channel, key in keys.items()}
        answers = []
        async with TestClient(TestServer(gateway(codec, sink, secrets, profile=profile))) as client:
            for channel, _, _, content_type, message in CHANNELS:
                body, path, now = as_body(message), f"/intake/{channel}", str(NOW // 1000)
                headers = {
                    "Content-Type": content_type, auth.TIME_HEADER: now,
                    auth.SIGNATURE_HEADER: auth.signature(keys[channel], "POST", path, now, body),
                }  # fmt: skip
                async with client.post(path, data=body, headers=headers) as answer:
                    assert answer.status == 200, (channel, await answer.text())
                    answers.append(await answer.json())
        return answers

    with KafkaSink(kafka.bootstrap) as sink:
        answers = asyncio.run(play(sink))
    assert [answer["accepted"] for answer in answers] == [1] * 52
    kept = {}
    for feed in profile.feeds():
        for _, key, value in stored(kafka, intake_topic(feed)):
            found = codec.report(value)
            assert (found["feed"], key.decode()) == (feed, found["place_key"])
            kept[found["channel"]] = found["report_id"]
    assert kept.keys() == profile.channels.keys()
    assert len({*kept.values()}) == 52
    assert {profile.channels[channel].feed for channel in kept} == {*profile.feeds()}


WRONG = [
    ('[channel.mapping]\nupstream_id = "=replace("', "channel x, mapping upstream_id: not a valid expression"),
    ('[channel.mapping]\nupstream_id = "=shout(id)"', "channel x, mapping upstream_id: no such function as shout"),
    ('[channel.mapping]\nupstream_no = "id"', "channel x, mapping upstream_no: canonical has no such field"),
    ('[channel.constants]\nrecrod = "report"', "channel x, constants recrod: canonical has no such field"),
    ('[channel.codes.appeal]\na = "b"', "channel x, codes appeal: canonical has no such field"),
    ('[channel.constants]\ntimezone = "Mars/Base"', "channel x, constants timezone: must be an IANA name"),
    ('[channel.constants]\ntime_format = "%Y%Y"', "channel x, constants time_format: is no pattern"),
    ('family = "民事"', "channels.toml, channel 1: family must be one of 民生, 发展, 执法"),
    ('[channel.constants]\norders_channel = "y"', "channel x, constants orders_channel: there is no channel y"),
]


@pytest.mark.parametrize(("declared_as", "said"), WRONG)
def test_a_wrong_declaration_is_told_at_load_with_channel_and_target(
    declared_as: str, said: str, tmp_path: Path
) -> None:
    head = '[[channel]]\nid = "x"\nfeed = "other"\nprotocol = "canonical"\ncrs = "WGS-84"\n'
    with pytest.raises(ProfileError) as caught:
        profile_of(tmp_path / "profile", head + declared_as)
    assert str(caught.value).startswith(said)


def of_canonical(**declared_as: Any) -> Any:
    channel = dataclasses.replace(make.PROFILE.channels["demo-canonical"], **declared_as)
    return compiled(channel).apply


def test_an_expression_that_cannot_read_a_message_refuses_it_without_its_values() -> None:
    apply = of_canonical(mapping={"title": "=join('-', parts)"})
    with pytest.raises(Refusal) as caught:
        apply({"parts": [1, "secret-13800001234"]})
    assert caught.value.code == "bad_field"
    assert caught.value.reason.startswith("title: ")
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize("value", [None, "", 5, 1.5, True, [], {}, "x", ["x", 1], {"工单": 1}])
@pytest.mark.parametrize(
    "expression",
    [
        "=replace(工单, 'a', 'b')", "=split(工单, ',')", "=trim(工单)", "=lower(工单)", "=digits(工单)",
        "=first(工单)", "=last(工单)", "=part(工单, `0`, `-1`)", "=concat(工单, '-', 工单)", "=工单.工单",
        "=工单[0]", "=\"工单\"", "=to_string(工单)", "=length(工单)",
    ],
)  # fmt: skip
def test_any_value_is_read_by_an_expression_or_refused(expression: str, value: Any) -> None:
    code = "bad_field"
    try:
        of_canonical(mapping={"title": expression})({"工单": value})
    except Refusal as refusal:
        code = refusal.code
    assert code == "bad_field"


def test_chinese_names_need_no_quotes_and_quoted_parts_stay() -> None:
    apply = of_canonical(mapping={"title": "=concat(标题, '-标题-', \"标题\", a_标题2)"})
    assert apply({"标题": "甲", "a_标题2": "乙"})["title"] == "甲-标题-甲乙"


def test_numbers_too_long_to_be_exact_stay_numbers_and_are_refused() -> None:
    ctx = context("demo-canonical", profile=dataclasses.replace(
        make.PROFILE, channels={"demo-canonical": dataclasses.replace(
            make.PROFILE.channels["demo-canonical"],
            mapping={"upstream_id": "id", "reported_at": "at", "title": "t"}, constants={"record": "report"},
        )},
    ))  # fmt: skip
    source = {"id": 2**53 - 1, "at": 1757643068, "t": "x"}
    found = CONNECTORS["canonical"].normalise(Message(source, b""), ctx)
    assert found is not None
    assert found[1]["upstream_id"] == "9007199254740991"
    with pytest.raises(Refusal, match="quotes"):
        CONNECTORS["canonical"].normalise(Message(source | {"id": 2**53}, b""), ctx)


def test_an_envelope_without_its_list_or_over_the_limit_is_refused(profile: Profile) -> None:
    channel = next(entry[0] for entry in CHANNELS if '"*" = "data.records"' in entry[2])
    ctx = context(channel, profile=profile)
    parse = CONNECTORS["canonical"].parse
    (item,) = parse(b'{"data": {}}', "application/json", ctx).items
    assert isinstance(item, Broken)
    assert item.refusal.code == "missing_field"
    body = json.dumps({"data": {"records": [{"no": "1"}, 7]}}).encode()
    assert [type(item) for item in parse(body, "application/json", ctx).items] == [Message, Broken]
    many = json.dumps({"data": {"records": [{}] * 10_001}}).encode()
    with pytest.raises(Refusal) as caught:
        parse(many, "application/json", ctx)
    assert caught.value.code == "too_many_records"


def test_rows_of_an_envelope_are_read_one_by_one_and_a_heavy_envelope_is_refused(profile: Profile) -> None:
    channel = next(entry[0] for entry in CHANNELS if '"*" = "data.records"' in entry[2])
    ctx = context(channel, profile=profile)
    parse = CONNECTORS["canonical"].parse

    def body(around: int) -> bytes:
        return json.dumps(
            {"source": "x" * around, "data": {"records": [{"no": str(n)} for n in range(2_000)]}}
        ).encode()

    (item,) = parse(body(1_100_000), "application/json", ctx).items
    assert isinstance(item, Broken)
    assert item.refusal.code == "too_large"
    tracemalloc.start()
    try:
        count = sum(len(item.raw) > 16_000 for item in parse(body(16_000), "application/json", ctx).items)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 2_000
    assert peak < 5_000_000  # all at once they are 32 MB


PAGES = [DOCS / "canonical.md", DOCS / "hotline12345.md", DOCS / "police110.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_declared_channels_of_a_page_read_its_examples(page: Path, tmp_path: Path) -> None:
    text = page.read_text("utf-8")
    found = re.findall(r"```toml\n(\[\[channel\]\].*?)```\n(?:.*?)```json\n(.*?)```", text, re.DOTALL)
    assert found
    for number, (declared_as, message) in enumerate(found):
        profile = profile_of(tmp_path / str(number), declared_as)
        (channel,) = profile.channels
        made = normalised(profile, channel, message.encode(), "application/json")
        assert made
        for _, record in made:
            assert record["channel"] == channel
            assert record["upstream_id"]
