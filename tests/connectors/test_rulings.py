"""Steps that were asked for, refused or not passed, orders that close early or come back, and words of a case's life."""

from typing import Any

import pytest

from connectors.reports import ENDING, REOPENING
from schemas.records import Progress
from tests.connectors import make
from tests.connectors.make import as_json, normalised


def progress(channel: str, message: dict[str, Any]) -> Progress:
    found = normalised(channel, as_json(message), "application/json")
    assert found is not None
    assert found[0] == "progress"
    return found[1]


def of_case(node: str, result: str = "") -> Progress:
    return progress("demo-citymgmt", make.FLOW | {"node": node, "result": result})


def of_order(stage: str, action: str = "", after: str = "", **more: str) -> Progress:
    said = {"ps_caption": stage, "pso_caption": action, "pss_caption_end": after, "note6": "", "satisfaction": ""}
    return progress("demo-hotline", make.STEP | said | more)


@pytest.mark.parametrize(
    ("node", "result", "asked"),
    [
        ("作废", "申请", "cancel"), ("作废", "驳回", "cancel"), ("作废", "不同意", "cancel"), ("结案", "不通过", "close"),
        ("结案", "not_pass", "close"), ("结案", "申请", "close"), ("挂账", "申请", "suspend"), ("挂账", "驳回", "suspend"),
        ("返工", "驳回", "rework"), ("返工", "申请", "rework"), ("立案", "不通过", "register"), ("恢复", "驳回", "resume"),
        ("退回", "驳回", "return"), ("改派", "申请", "redispatch"), ("重办", "驳回", "redo"),
    ],
)  # fmt: skip
def test_a_step_of_a_case_that_was_asked_for_or_refused_changes_no_state(node: str, result: str, asked: str) -> None:
    found = of_case(node, result)
    assert (found["step"], found["extra"]["asked_step"]) == ("verify", asked)
    assert found["extra"]["result"] in ("asked", "refused", "not_pass")


@pytest.mark.parametrize(
    ("node", "result", "step"),
    [
        ("作废", "", "cancel"), ("作废", "同意", "cancel"), ("作废", "不属实", "cancel"), ("结案", "通过", "close"),
        ("结案", "", "close"), ("挂账", "同意", "suspend"), ("返工", "不通过", "rework"), ("重办", "不通过", "redo"),
        ("核查", "不通过", "check"), ("核实", "不属实", "verify"), ("处置", "申请", "handle"),
    ],
)  # fmt: skip
def test_a_granted_step_of_a_case_and_one_that_needs_no_grant_stand(node: str, result: str, step: str) -> None:
    found = of_case(node, result)
    assert (found["step"], "asked_step" in found["extra"]) == (step, False)


@pytest.mark.parametrize(
    ("stage", "action", "after", "step", "ruling"),
    [
        ("结案", "不通过", "", "verify", "refused"), ("结案", "", "待处置", "verify", "refused"),
        ("结案", "通过", "待办理", "verify", "refused"), ("办结", "撤回", "", "verify", "refused"),
        ("办结", "", "待审核", "verify", "asked"), ("处置", "申请办结", "待审核", "handle", "asked"),
        ("退单", "驳回", "", "verify", "refused"), ("退单", "不通过", "", "verify", "refused"),
        ("退单审核", "不同意", "", "verify", "refused"), ("处置", "申请退单", "", "handle", "asked"),
        ("处置", "退单驳回", "", "handle", "refused"), ("改派", "申请", "", "verify", "asked"),
        ("改派", "", "待审批", "verify", "asked"), ("处置", "申请改派", "", "handle", "asked"),
        ("作废", "申请", "", "verify", "asked"), ("作废", "撤回", "", "verify", "refused"),
        ("回访", "申请重办", "待审批", "revisit", "asked"), ("结案", "退回", "待处置", "verify", "refused"),
    ],
)  # fmt: skip
def test_a_step_of_an_order_that_was_asked_for_or_refused_changes_no_state(
    stage: str, action: str, after: str, step: str, ruling: str
) -> None:
    found = of_order(stage, action, after)
    assert (found["step"], found["extra"]["ruling"]) == (step, ruling)
    assert found["step"] not in {*ENDING, REOPENING, "return", "redispatch"}
    assert found["extra"]["asked_step"] not in ("", step)


@pytest.mark.parametrize("ruling", ["申请", "驳回"])
@pytest.mark.parametrize("stage", ["办结", "作废", "重办", "退单", "改派"])
def test_a_ruling_in_its_own_field_counts_for_every_step_that_must_be_granted(stage: str, ruling: str) -> None:
    assert of_order(stage, ruling=ruling)["step"] == "verify"
    assert of_order(stage, ruling="同意")["step"] == of_order(stage)["step"] != "verify"


@pytest.mark.parametrize(
    ("stage", "action", "after", "step"),
    [
        ("受理", "提交", "待预审", "accept"), ("预审", "提交", "待审核", "dispatch"), ("结案", "提交", "已结案", "close"),
        ("退单", "提交", "已退回", "return"), ("处置", "同意退单", "待派遣", "return"), ("改派", "同意", "已退回", "redispatch"),
        ("结案", "结案", "待评价", "close"), ("办结", "确定", "待回访", "close"), ("撤单", "", "已撤回", "cancel"),
        ("回访", "重办", "回访不通过", "redo"), ("派单", "退回", "", "return"), ("审核", "退回", "", "return"),
    ],
)  # fmt: skip
def test_words_that_only_say_how_a_step_is_done_undo_none(stage: str, action: str, after: str, step: str) -> None:
    found = of_order(stage, action, after)
    assert (found["step"], "asked_step" in found["extra"]) == (step, False)


@pytest.mark.parametrize(
    ("stage", "action", "after", "step"),
    [
        ("受理", "办结", "已办结", "close"), ("受理", "直接办结", "", "close"), ("受理", "即时办结", "", "close"),
        ("受理", "同意办结", "", "close"), ("处置", "办结", "", "close"), ("办理", "办结", "已办结", "close"),
        ("办理", "结案", "", "close"), ("处置", "提交", "已办结", "close"), ("反馈", "办结", "", "close"),
        # The end of the supervision, of the revisit, of the return.
        ("督办", "办结", "", "supervise"), ("督办", "确定", "已办结", "supervise"), ("回访", "结案", "已结案", "revisit"),
        ("回访", "办结", "", "revisit"), ("退单", "办结", "", "return"), ("处置", "提交", "已处置", "handle"),
    ],
)  # fmt: skip
def test_an_order_closed_in_the_call_or_by_who_handles_it_is_closed(
    stage: str, action: str, after: str, step: str
) -> None:
    assert of_order(stage, action, after)["step"] == step


@pytest.mark.parametrize(
    ("stage", "action", "after"),
    [
        ("回访", "退回重办", ""), ("回访", "", "待重办"), ("回访", "不通过", "重办"), ("结案", "不通过", "待重办"),
        ("回访", "退回重办", "已退回"), ("重新办理", "", ""), ("再次交办", "", ""), ("回访", "再次交办", "待办理"),
    ],
)  # fmt: skip
def test_a_revisit_that_sends_an_order_back_opens_it_again_and_keeps_what_was_heard(
    stage: str, action: str, after: str
) -> None:
    found = of_order(stage, action, after, note6="未解决", satisfaction="不太满意")
    assert (found["step"], found["solved"], found["satisfaction"]) == ("redo", False, "dissatisfied")


@pytest.mark.parametrize(
    ("word", "step"),
    [("并单", "verify"), ("转派", "redispatch"), ("回退", "return"), ("不予受理", "cancel"), ("二次办理", "redo")],
)
def test_further_words_of_the_hotline_name_a_step_as_stage_and_as_action(word: str, step: str) -> None:
    assert (of_order(word)["step"], of_order("预审", word)["step"]) == (step, step)


@pytest.mark.parametrize(
    ("word", "step"),
    [
        ("不予立案", "cancel"), ("强制结案", "close"), ("解挂", "resume"), ("取消挂账", "resume"), ("回退", "return"),
        ("二次派遣", "redispatch"), ("二次延期", "extend"),
    ],
)  # fmt: skip
def test_further_words_of_city_management_name_a_step(word: str, step: str) -> None:
    assert of_case(word)["step"] == step


@pytest.mark.parametrize("action", ["二次延期", "再次延期", "同意延期", "第二次延期"])
def test_a_second_extension_in_any_words_moves_the_due_time(action: str) -> None:
    found = of_order("处置", action, extended_to="2025-09-20 18:00:00")
    assert (found["step"], found["extended_to"] is not None) == ("extend", True)
    refused = of_order("处置", action, "审批不通过", extended_to="2025-09-20 18:00:00")
    assert (refused["step"], refused["extended_to"]) == ("extend", None)


@pytest.mark.parametrize(
    ("word", "counted"),
    [("比较满意", "satisfied"), ("一般", "basic"), ("不太满意", "dissatisfied"), ("比较不满意", "dissatisfied")],
)
def test_a_scale_of_five_is_counted_in_three(word: str, counted: str) -> None:
    assert of_order("评价", satisfaction=word)["satisfaction"] == counted


@pytest.mark.parametrize(("word", "solved"), [("基本解决", True), ("部分解决", False)])
def test_what_is_solved_in_the_main_is_solved_and_in_part_is_not(word: str, solved: bool) -> None:
    assert of_order("回访", note6=word)["solved"] is solved
