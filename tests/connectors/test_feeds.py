"""What is particular to one feed."""

import dataclasses
import json
import re
import tomllib
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import bodies, canonical, citymgmt, hotline12345, police110
from connectors.base import Context
from connectors.bodies import Message
from connectors.errors import Refusal
from connectors.mapping import compiled
from connectors.tags import PHONE_TAG, split_tags, tags_in
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


def context_of(like: str, declared: dict[str, Any]) -> Context:
    """A context of the demo channel with the mapping, constants and codes of a declared one."""
    parts = {part: declared.get(part, {}) for part in ("mapping", "constants", "codes")}
    channel = dataclasses.replace(make.PROFILE.channels[like], **parts)
    return context(like, profile=dataclasses.replace(make.PROFILE, channels={**make.PROFILE.channels, like: channel}))


def of_page(protocol: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first channel that a feed's page declares, and the message under it."""
    text = (Path(__file__).parents[2] / "docs" / "feeds" / f"{protocol}.md").read_text("utf-8")
    found = re.search(r"```toml\n(\[\[channel\]\].*?)```\n.*?```json\n(.*?)```", text, re.DOTALL)
    assert found
    return tomllib.loads(found[1])["channel"][0], [json.loads(found[2])]


def test_a_hotline_order_becomes_a_report() -> None:
    found = report("demo-hotline", make.ORDER)
    assert found["report_id"] == report_id("hotline12345", "demo-hotline", "250912101108115409")
    assert found["reported_at"] == at(2025, 9, 12, 10, 11, 8)
    assert (found["appeal_type"], found["family"], found["via"]) == ("complaint", "livelihood", "电话")
    assert (found["kind_code"], found["matter_kind"]) == ("demo/hotline-2025/appeal/010101", "noise")
    assert (found["community_code"], found["street_code"], found["place_key"]) == (
        "370212005001",
        "370212005",
        "370212",
    )
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
        ({"appeal_type": "闲聊"}, "unknown_code"),
        ({"is_secret": "也许"}, "bad_field"),
        ({"record_number": "2509 12"}, "bad_field"),
        ({"record_number": 250912101108115409}, "bad_field"),
        ({"record_number": "9" * 65}, "field_too_long"),
        ({"caller_phone": 2**53}, "bad_field"),
        ({"category_code": 10101}, "bad_field"),
        ({"crs": "Beijing-54"}, "bad_location"),
        ({"related_no": "1;<script>"}, "bad_field"),
        ({"record_number": "２５０９１２１０１１０８１１５４０９"}, "bad_field"),
    ],
)
def test_a_hotline_order_with_a_wrong_value_is_refused(change: dict[str, Any], code: str) -> None:
    assert refused("demo-hotline", make.ORDER | change) == code


@pytest.mark.parametrize(
    ("stage", "action", "step"),
    [
        ("受理", "提交", "accept"), ("预审", "确定", "dispatch"), ("转办", "", "dispatch"), ("派单", "确定", "dispatch"),
        ("处置", "签收", "sign"), ("处置", "联系", "respond"), ("处置", "通过", "handle"), ("办理", "", "handle"),
        ("处置", "退单", "return"), ("预审", "改派", "redispatch"), ("处置", "延期", "extend"), ("反馈", "", "feedback"),
        ("回访", "重办", "redo"), ("回访", "评价", "rate"), ("回访", "通过", "revisit"), ("结案", "结案", "close"),
        ("办结", "", "close"), ("", "办结", "close"), ("评价", "", "rate"), ("督办", "", "supervise"),
        ("处置", "督办", "supervise"), ("回访", "结案", "revisit"), ("", "退单", "return"),
    ],
)  # fmt: skip
def test_a_hotline_step_is_named_by_its_action_before_its_stage(stage: str, action: str, step: str) -> None:
    assert progress("demo-hotline", make.STEP | {"ps_caption": stage, "pso_caption": action})["step"] == step


def test_a_special_action_names_the_step_before_anything_else() -> None:
    change = {"ps_caption": "处置", "pso_caption": "确定", "psot_name": "督办"}
    assert progress("demo-hotline", make.STEP | change)["step"] == "supervise"


@pytest.mark.parametrize(
    ("action", "ruling", "granted"),
    [
        ("申请延期", "", False),
        ("延期", "申请", False),
        ("延期", "驳回", False),
        ("延期申请", "", False),
        ("申请延期", "同意", True),
        ("延期", "同意", True),
        ("延期", "", True),
    ],
)
def test_only_a_granted_extension_has_a_new_due_time(action: str, ruling: str, granted: bool) -> None:
    change = {"ps_caption": "处置", "pso_caption": action, "ruling": ruling, "extended_to": "2025-09-20 18:00:00"}
    found = progress("demo-hotline", make.STEP | change)
    assert (found["step"], found["extended_to"]) == ("extend", at(2025, 9, 20, 18) if granted else None)


@pytest.mark.parametrize(
    ("stage", "action", "after", "ruling"),
    [
        ("延期", "驳回", "", "refused"), ("延期", "不同意", "处置中", "refused"), ("延期", "申请", "", "asked"),
        ("延期", "提交", "", "asked"), ("处置", "延期", "待审批", "asked"), ("延期", "同意", "待区级审批", "asked"),
        ("处置", "延期", "审批不通过", "refused"), ("延期申请", "", "", "asked"), ("申请延期", "确定", "", "asked"),
        ("延期审批", "驳回", "", "refused"), ("延期", "退回", "", "refused"), ("延期审批", "同意", "处置中", "approved"),
        ("延期申请", "同意", "", "approved"), ("处置", "延期", "审批通过", "approved"), ("延期", "确定", "处置中", ""),
    ],
)  # fmt: skip
def test_action_state_and_stage_tell_what_became_of_an_extension(
    stage: str, action: str, after: str, ruling: str
) -> None:
    change = {"ps_caption": stage, "pso_caption": action, "pss_caption_end": after, "extended_to": "2025-09-20 18:00"}
    found = progress("demo-hotline", make.STEP | change)
    assert found["extra"].get("ruling", "") == ruling
    assert found["extended_to"] == (None if ruling in ("asked", "refused") else at(2025, 9, 20, 18))
    assert found["step"] == "extend"


def test_an_approved_step_of_no_extension_has_no_ruling() -> None:
    found = progress("demo-hotline", make.STEP | {"ps_caption": "处置", "pso_caption": "通过"})
    assert "ruling" not in found["extra"]


@pytest.mark.parametrize(
    ("word", "kind"), [("感谢类", "praise"), ("求助类", "help"), ("咨询类", "consult"), ("意见建议类", "suggestion")]
)
def test_the_work_order_table_of_the_page_keeps_every_kind_of_appeal(word: str, kind: str) -> None:
    declared, (row, *_) = of_page("hotline12345")
    found = hotline12345.normalise(Message(row | {"工单类型": word}, b""), context_of("demo-hotline", declared))
    assert found is not None
    assert dict(found[1])["appeal_type"] == kind


def test_a_supplement_joins_its_order_whichever_comes_first_and_twice_is_once() -> None:
    message = {
        "message": "supplement", "record_number": make.ORDER["record_number"],
        "supplemented_at": "2025-09-12 15:20:00", "supplement": f"噪声来自二楼，{PHONE}",
    }  # fmt: skip
    found = progress("demo-hotline", message)
    assert (found["step"], found["note"]) == ("supplement", "噪声来自二楼，***")
    assert found["report_id"] == report("demo-hotline", make.ORDER)["report_id"]
    assert progress("demo-hotline", message)["progress_id"] == found["progress_id"]
    other = progress("demo-hotline", message | {"supplement": "又吵了"})
    assert other["progress_id"] != found["progress_id"]


def test_an_order_sent_again_with_more_text_is_a_revision_of_the_same_report() -> None:
    first, second = (report("demo-hotline", make.ORDER | {"content": text}) for text in ("很吵", "很吵，二楼"))
    assert first["report_id"] == second["report_id"]
    assert first["content_hash"] != second["content_hash"]


def test_an_invalid_call_becomes_nothing() -> None:
    assert normalised("demo-hotline", as_json(make.ORDER | {"appeal_type": "无效"}), "application/json") is None


def test_a_message_that_does_not_say_what_it_is_is_told_by_what_it_gives() -> None:
    order = {name: value for name, value in make.ORDER.items() if name != "message"}
    assert report("demo-hotline", order)["upstream_id"] == make.ORDER["record_number"]
    step = {name: value for name, value in make.STEP.items() if name != "message"}
    assert progress("demo-hotline", step)["step"] == "revisit"
    assert refused("demo-hotline", {"message": None, "record_number": "1"}) == "unsupported_type"


def test_a_phone_may_come_as_a_number() -> None:
    found = report("demo-hotline", make.ORDER | {"caller_phone": int(PHONE)})
    assert found["reporter_key"] == PRIVACY.key_of("phone", PHONE)


def test_of_two_spellings_of_a_field_the_first_declared_one_counts() -> None:
    for order in (make.ORDER | {"标题": "另一个"}, {"标题": "另一个"} | make.ORDER):
        assert report("demo-hotline", order)["title"] == make.ORDER["title"]


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
        "name",
    )
    assert found["extra"]["tags"] == "非警务,消费问题"
    assert "#" not in found["content"]
    assert found["reporter_key"] == report("demo-hotline", make.ORDER)["reporter_key"]


@pytest.mark.parametrize("code", ["100100", "200200", "300100", "400100", "650100", "700100", "990000"])
def test_police_classes_other_than_50_and_60_never_leave_110(code: str) -> None:
    assert refused("demo-police", make.TRANSFER | {"警情类别": code}) == "forbidden_class"


@pytest.mark.parametrize(
    "change",
    [
        {"警情类别编码": "200200"}, {"警情类别": "200200", "警情类别编码": "600500"}, {"警情类别编码": ["200200"]},
        {"警情类别编码": 200200}, {"警情": [{"警情类别": "200200"}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("message", [make.TRANSFER, make.FEEDBACK], ids=["transfer", "feedback"])
def test_every_spelling_of_the_class_is_looked_at(message: dict[str, Any], change: dict[str, Any]) -> None:
    assert refused("demo-police", message | change) == "forbidden_class"
    report("demo-police", make.TRANSFER | {"警情类别编码": "500100"})


def test_a_mapping_that_leaves_the_class_out_hides_nothing_that_must_not_leave() -> None:
    mapping = {name: f"data.{name}" for name in make.TRANSFER if name not in ("message", "警情类别")}
    ctx = context_of("demo-police", {"mapping": mapping, "constants": {"message": "transfer"}})
    assert police110.normalise(Message({"data": make.TRANSFER}, b""), ctx) is not None
    for name in ("警情类别", "警情类别编码"):
        with pytest.raises(Refusal) as caught:
            police110.normalise(Message({"data": make.TRANSFER | {name: "200200"}}, b""), ctx)
        assert caught.value.code == "forbidden_class"
    # As the rows of a body see what stands around them.
    with pytest.raises(Refusal) as caught:
        police110.normalise(Message({"data": make.TRANSFER, "_": {"警情类别": "200200"}}, b""), ctx)
    assert caught.value.code == "forbidden_class"


def test_a_row_of_the_pages_table_becomes_a_transfer_and_a_step_for_every_time_given() -> None:
    declared, (row,) = of_page("police110")
    ctx = context_of("demo-police", declared)
    items = list(police110.CONNECTOR.parse(as_json(row), "application/json", ctx).items)
    found = [police110.normalise(item, ctx) for item in items if isinstance(item, Message)]
    (told, event), *steps = [record for record in found if record is not None]
    assert (told, event["upstream_id"], dict(event)["matter_kind"]) == ("report", row["事件编号"], "consumer")
    made = [dict(step) for _, step in steps]
    assert [(step["step"], step["occurred_at"]) for step in made] == [
        ("accept", at(2025, 5, 7, 9, 34)), ("close", at(2025, 5, 7, 15, 20)),
    ]  # fmt: skip
    assert (made[1]["note"], made[1]["unit"]) == (row["处置结果"], row["办结职能科室/部门"])
    assert {step["report_id"] for step in made} == {event["report_id"]}
    blank = row | {"最后受理时间": None, "办结时间": " "}
    assert len(list(police110.CONNECTOR.parse(as_json(blank), "application/json", ctx).items)) == 1


def test_an_unknown_police_class_is_refused() -> None:
    assert refused("demo-police", make.TRANSFER | {"警情类别": "609999"}) == "unknown_code"


def test_a_sender_with_the_month_first_is_found_by_its_event_number() -> None:
    assert refused("demo-police", make.TRANSFER | {"上报时间": "5/6/25 14:57"}) == "bad_time"


def test_a_hash_in_an_address_is_no_tag() -> None:
    assert split_tags("家住3#楼2单元的人吵架#非警务#报警电话:1") == ("家住3#楼2单元的人吵架", ["非警务"])
    assert split_tags("家住3#楼2单元。") == ("家住3#楼2单元。", [])


def test_tags_may_stand_apart_and_be_closed_by_a_full_stop() -> None:
    assert split_tags("吵架 #非警务 #邻里纠纷。") == ("吵架", ["非警务", "邻里纠纷"])
    assert split_tags("吵架。#非警务#邻里纠纷# ") == ("吵架。", ["非警务", "邻里纠纷"])


@given(st.text("#＃a中3，。 \n", max_size=60))
def test_tags_are_the_longest_row_of_them_at_the_end(description: str) -> None:
    # The rule as one expression, which says it well and takes quadratic time.
    text = description.replace("＃", "#")
    found = re.search(r"(?<![0-9A-Za-z#])(?:#[^#\s，。；！？]{1,40}(?:\s*#)?\s*)+[。；，！\s]*$", text)
    expected: tuple[str, list[str]] = (description, [])
    if found:
        tags = [tag for tag in (part.strip("。；，！ \n") for part in found[0].split("#")) if tag]
        expected = (description[: found.start()].strip(), tags)
    assert split_tags(description) == expected


@pytest.mark.parametrize("after", ["", "#", " ", "。", "a b"])
@pytest.mark.parametrize("tag", ["#a", "#a ", "#a  \n"])
def test_a_text_of_nothing_but_tags_is_split_in_linear_time(tag: str, after: str) -> None:
    content, tags = split_tags(tag * 500_000 + after)  # at the square of this, the test would take hours
    assert len(tags) == (500_000 if after != "a b" else 0)
    assert len(content) <= len(tag) * 500_000 + len(after)


def test_tags_may_be_closed_by_a_hash_each_and_have_full_width_ones() -> None:
    assert split_tags("吵架#非警务##消费问题#") == ("吵架", ["非警务", "消费问题"])
    assert split_tags("吵架 #非警务# #消费问题#。") == ("吵架", ["非警务", "消费问题"])
    assert split_tags("吵架＃非警务＃消费问题＃") == ("吵架", ["非警务", "消费问题"])
    assert split_tags("住3＃楼的人吵架＃非警务＃") == ("住3＃楼的人吵架", ["非警务"])


def test_a_text_of_nothing_but_closed_tags_is_split_in_linear_time() -> None:
    assert len(split_tags("#a#" * 500_000)[1]) == len(split_tags("#a # " * 500_000)[1]) == 500_000
    assert split_tags("#" * 500_000) == ("#" * 500_000, [])


@pytest.mark.parametrize("text", ["#" * 1_000_000, "#a" * 500_000, "＃ " * 500_000, "a" * 1_000_000, "# a" * 300_000])
def test_tags_anywhere_are_found_in_linear_time(text: str) -> None:
    assert tags_in(text) <= {"a"}


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("退款纠纷#非警务##消费问题#", "退款纠纷"),
        ("#非警务# 退款纠纷", "#非警务# 退款纠纷"),
        ("退款纠纷＃非警务＃", "退款纠纷"),
        ("退款纠纷 #非警务#纠纷事项 （民警已到场）", "退款纠纷 #非警务#纠纷事项 （民警已到场）"),
        ("退款纠纷#非警务##报警电话:138****0000#", "退款纠纷"),
        ("退款纠纷#报警电话:138****0000#非警务#消费问题", "退款纠纷"),
    ],
)
def test_a_transfer_is_no_police_business_wherever_and_however_its_text_is_tagged_so(text: str, content: str) -> None:
    bare = {name: value for name, value in make.TRANSFER.items() if name != "警情类别"}
    assert report("demo-police", bare | {"事件描述": text})["content"] == content


@pytest.mark.parametrize(
    "text", ["吵架#非警务不成立", "#非警务不成立# 吵架", "吵架#非警务？", "非警务吵架", "吵架#不是非警务"]
)
def test_a_tag_that_only_begins_like_it_lets_no_event_leave(text: str) -> None:
    bare = {name: value for name, value in make.TRANSFER.items() if name != "警情类别"}
    assert refused("demo-police", bare | {"事件描述": text}) == "missing_field"


def test_the_closing_hash_of_a_phone_tag_goes_with_it_unless_it_opens_another_tag() -> None:
    assert PHONE_TAG.sub("", "吵架＃报警电话：15400000000＃ 再说") == "吵架 再说"
    assert PHONE_TAG.sub("", "吵架#报警电话:15400000000#非警务") == "吵架#非警务"


def test_a_tag_is_at_most_40_characters() -> None:
    assert split_tags("吵架#" + "长" * 40) == ("吵架", ["长" * 40])
    assert split_tags("吵架#" + "长" * 41) == ("吵架#" + "长" * 41, [])


def test_a_transfer_without_a_class_must_be_tagged_as_no_police_business() -> None:
    bare = {name: value for name, value in make.TRANSFER.items() if name != "警情类别"}
    found = report("demo-police", bare | {"二级分类": "邻里纠纷"})
    assert (found["kind_code"], found["matter_kind"]) == ("demo/alarm6/alarm/609901", "neighbour")
    assert refused("demo-police", bare | {"事件描述": "有人吵架#邻里纠纷"}) == "missing_field"


def test_a_forbidden_class_is_told_before_any_other_fault_and_in_every_message() -> None:
    assert refused("demo-police", {"message": "transfer", "警情类别": "200200"}) == "forbidden_class"
    assert refused("demo-police", make.FEEDBACK | {"警情类别": "100100"}) == "forbidden_class"
    assert refused("demo-police", {"message": "order", "工单号": "1", "警情类别": "700100"}) == "forbidden_class"


def test_the_year_may_come_first_in_the_fields_of_an_alarm_order() -> None:
    for stamp in ("2025-05-06 14:57:30", "6/5/25 14:57:30", "6/5/2025 14:57:30", "2025年5月6日14时57分30秒"):
        found = report("demo-police", make.TRANSFER | {"上报时间": stamp})
        assert found["reported_at"] == at(2025, 5, 6, 14, 57, 30)


def test_a_step_on_an_event_names_the_order_and_the_other_way_round() -> None:
    event, order = make.TRANSFER["事件编号"], make.ORDER["record_number"]
    on_event = progress("demo-police", make.FEEDBACK | {"工单号": order})
    assert on_event["report_id"] == report("demo-police", make.TRANSFER)["report_id"]
    assert on_event["extra"]["order_number"] == order
    told = {"message": "order", "工单号": order, "警单号": event, "环节": "处警", "时间": "2025-09-12 10:40:00"}
    on_order = progress("demo-police", told)
    assert (on_order["upstream_id"], on_order["extra"]["event_number"]) == (order, event)
    assert report("demo-police", make.TRANSFER | {"工单号": order})["related_upstream_ids"] == [order]


def test_110s_word_on_an_order_is_a_step_of_the_hotlines_report_where_the_profile_says_whose_orders_they_are() -> None:
    channel = dataclasses.replace(make.PROFILE.channels["demo-police"], constants={"orders_channel": "demo-hotline"})
    profile = dataclasses.replace(make.PROFILE, channels={**make.PROFILE.channels, channel.id: channel})
    told = {"message": "order", "工单号": make.ORDER["record_number"], "环节": "处警", "时间": "2025-09-12 10:40:00"}
    found = police110.normalise(Message(told, b""), context("demo-police", profile=profile))
    assert found is not None
    assert found[1]["report_id"] == report("demo-hotline", make.ORDER)["report_id"]
    assert (found[1]["feed"], found[1]["channel"]) == ("police110", "demo-police")


def test_a_masked_phone_tag_joins_nobody() -> None:
    text = "来电称有纠纷 #非警务#报警电话:138****0000"
    assert report("demo-police", make.TRANSFER | {"事件描述": text})["reporter_key"] is None


def test_a_component_and_an_event_of_the_same_code_are_different_matters() -> None:
    event = report("demo-citymgmt", make.CASE | {"small_code": "01"})
    component = report("demo-citymgmt", make.CASE | {"small_code": "01", "category_type": "component"})
    assert (event["matter_kind"], component["matter_kind"]) == ("illegal_building", "manhole")


def test_the_same_code_means_another_matter_in_another_edition_and_another_city() -> None:
    case = make.CASE | {"small_code": "03"}
    own = report("demo-citymgmt", case)
    edition = report("demo-citymgmt", case | {"table": "gbt30428-2013"})
    channel = dataclasses.replace(make.PROFILE.channels["demo-citymgmt"], constants={"city": "neighbour"})
    ctx = context("demo-citymgmt", profile=dataclasses.replace(make.PROFILE, channels={channel.id: channel}))
    found = citymgmt.normalise(Message(case, b""), ctx)
    assert found is not None
    assert [own["kind_code"], edition["kind_code"], dict(found[1])["kind_code"]] == [
        "demo/cjt214-2007/event/0103", "demo/gbt30428-2013/event/0103", "neighbour/cjt214-2007/event/0103",
    ]  # fmt: skip
    assert dict(found[1])["matter_kind"] == "dirty_road"


@pytest.mark.parametrize("number", ["1", "370212202505120001", "37021220250512000017X", "CG/2025-05-12/17", "案-17"])
def test_case_and_grid_codes_are_opaque(number: str) -> None:
    found = report("demo-citymgmt", make.CASE | {"case_code": number, "grid_code": number})
    assert found["upstream_id"] == number


@pytest.mark.parametrize(
    ("node", "step"),
    [
        ("采集", "collect"), ("核实", "verify"), ("立案", "register"), ("派遣", "dispatch"), ("处置", "handle"),
        ("核查", "check"), ("结案", "close"), ("返工", "rework"), ("延期", "extend"), ("申诉", "object"),
        ("挂账", "suspend"), ("恢复", "resume"), ("作废", "cancel"),
    ],
)  # fmt: skip
def test_a_flow_node_of_city_management_names_a_step(node: str, step: str) -> None:
    assert progress("demo-citymgmt", make.FLOW | {"node": node})["step"] == step


@pytest.mark.parametrize(
    ("node", "result", "granted"),
    [
        ("延期", "", True), ("延期", "pass", True), ("延期", "同意", True), ("延期", "not_pass", False),
        ("延期", "不通过", False), ("延期", "unable", False), ("延期", "not_exist", False), ("延期", "exist", False),
        ("延期", "驳回", False), ("延期", "申请", False), ("延期申请", "", False), ("申请延期", "", False),
        ("延期审批", "同意", True), ("延期审批", "不同意", False),
    ],
)  # fmt: skip
def test_only_a_passed_extension_moves_the_deadline_of_a_case(node: str, result: str, granted: bool) -> None:
    found = progress(
        "demo-citymgmt", make.FLOW | {"node": node, "result": result, "deadline_time": "2025-05-20 18:00:00"}
    )
    assert (found["step"], found["extended_to"]) == ("extend", at(2025, 5, 20, 18) if granted else None)
    if node in ("延期申请", "申请延期"):
        assert found["extra"]["result"] == "asked"


@pytest.mark.parametrize(("source", "via"), [(3004, "监督员上报"), (3005, "公众上报"), ("3005", "公众上报"), (7, "7")])
def test_the_source_of_a_case_may_be_a_number(source: int | str, via: str) -> None:
    assert report("demo-citymgmt", make.CASE | {"source_type": source})["via"] == via
    assert refused("demo-citymgmt", make.CASE | {"source_type": True}) == "bad_field"


def test_a_city_management_flow_becomes_progress_of_its_case() -> None:
    found = progress("demo-citymgmt", make.FLOW)
    assert (found["step"], found["level"], found["extra"]) == ("check", "district", {"result": "pass"})
    assert found["report_id"] == report("demo-citymgmt", make.CASE)["report_id"]


def test_a_canonical_report_keeps_what_its_source_notes() -> None:
    found = report("demo-canonical", make.REPORT)
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
    channel = dataclasses.replace(make.PROFILE.channels["demo-canonical"], mapping=mapping)
    expected = {"upstream_id": "909923", "reported_at": "2024/4/1 5:14:00", "title": "Noise", "place": "94110"}
    without = dataclasses.replace(channel, constants={"zero_point": "none"})
    assert compiled(without).apply(source) == expected
    assert compiled(channel).apply(source) == expected | {"lon": 0.0, "lat": 0.0}


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


def of_at_most(max_records: int) -> Context:
    channel = dataclasses.replace(make.PROFILE.channels["demo-canonical"], max_records=max_records)
    return context("demo-canonical", profile=dataclasses.replace(make.PROFILE, channels={channel.id: channel}))


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
        canonical.CONNECTOR.parse(body, content_type, of_at_most(49_999))
    assert caught.value.code == "too_many_records"
    canonical.CONNECTOR.parse(body, content_type, of_at_most(50_001))


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
    assert len(list(islice(canonical.CONNECTOR.parse(body, content_type, of_at_most(60_000)).items, 7))) == made == 7


def test_a_header_row_too_long_to_repeat_in_every_row_is_refused() -> None:
    for header, code in (("a" * 8_192, None), ("a" * 8_193, "field_too_long")):
        try:
            canonical.CONNECTOR.parse(f"{header}\n1\n".encode(), "text/csv", of_at_most(10))
            found = None
        except Refusal as refusal:
            found = refusal.code
        assert found == code


def test_bad_quotes_at_the_end_of_a_table_refuse_the_whole() -> None:
    with pytest.raises(Refusal) as caught:
        canonical.CONNECTOR.parse(b'a,b\n1,2\n"3,4\n', "text/csv", of_at_most(10))
    assert caught.value.code == "bad_field"


def test_csv_rows_are_one_batch_and_a_ragged_row_is_named() -> None:
    body = b'unique_key,created_date,complaint_type\n7,04/01/2024 01:02:03 PM,"Noise, ""loud"""\n8,x\n'
    items = list(canonical.CONNECTOR.parse(body, "text/csv", of_at_most(10)).items)
    assert isinstance(items[0], Message)
    assert items[0].fields["complaint_type"] == 'Noise, "loud"'
    assert not isinstance(items[1], Message)
    with pytest.raises(Refusal):
        canonical.CONNECTOR.parse(b"", "text/csv", of_at_most(10))


def test_progress_of_another_channels_case_is_linked_to_its_report() -> None:
    ctx = context("demo-hotline")
    message = make.PROGRESS | {"upstream_id": make.ORDER["record_number"]}
    found = canonical.normalise_progress(Message(message, b""), ctx)
    assert found is not None
    assert found[1]["report_id"] == report("demo-hotline", make.ORDER)["report_id"]
    with pytest.raises(Refusal):
        canonical.normalise_progress(Message(make.REPORT, b""), ctx)


def test_a_report_of_tomorrow_is_taken_and_one_of_the_day_after_refused() -> None:
    hour = 3600 * 1000
    stamp = datetime.fromtimestamp((NOW + 23 * hour) / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    assert report("demo-hotline", make.ORDER | {"accepted_at": stamp})["reported_at"] == NOW + 23 * hour
    stamp = datetime.fromtimestamp((NOW + 25 * hour) / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    assert refused("demo-hotline", make.ORDER | {"accepted_at": stamp}) == "bad_time"
