"""What must never leave 110 is found under every name and in every place; what may leave passes."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import police110
from connectors.bodies import Message
from connectors.errors import Refusal
from connectors.police_classes import must_stay
from tests.connectors import make
from tests.connectors.make import context

CTX = context("demo-police")
UNCLASSED = {name: value for name, value in make.TRANSFER.items() if name != "警情类别"}


def code_of(fields: dict[str, Any]) -> str:
    """The refusal's code, or nothing where it is taken."""
    try:
        police110.normalise(Message(fields, b""), CTX)
    except Refusal as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize(
    "name",
    [
        " 警情类别", "警情类别 ", "\ufeff警情类别", "警情\u3000类别", "警情\u200b类别", "警 情 类 别", "警情類別", "警情类别代码",
        "警情类别名称", "警情类别(代码)", "警情性质", "警情性质代码", "警情类型", "data.警情类别", "警情-类别",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", ["100100", 100100, "１００１００", "刑事案件", "10", ["600500", "200200"], {"code": "700100"}]
)
def test_a_class_under_another_name_lets_nothing_leave(name: str, value: Any) -> None:
    assert code_of(UNCLASSED | {name: value}) == "forbidden_class"


@pytest.mark.parametrize(
    "own", [{"警情类别": "100100"}, {"事件": [{"警情类别名称": "刑事"}]}, {"二级分类": "刑事案件"}]
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_class_in_json_inside_a_text_lets_nothing_leave(own: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(own, ensure_ascii=ascii_only)
    assert code_of(UNCLASSED | {"明细": text}) == "forbidden_class"
    assert code_of(UNCLASSED | {"明细": text[:-1] + ', "警情类别": "600500", "n": NaN};'}) == "forbidden_class"
    assert code_of(UNCLASSED | {"明细": json.dumps({"内": " " + text}, ensure_ascii=ascii_only)}) == "forbidden_class"


@pytest.mark.parametrize(
    "tag", ["刑事案件", "刑事", "涉密", "治安案件", "治安纠纷", "家庭暴力", "涉及刑事", "聚众上访", "群体性事件"]
)
@pytest.mark.parametrize("text", ["吵架。#非警务#{}", "吵架 #{}#非警务#", "#{}# 吵架 #非警务", "吵架＃非警务＃{}＃"])
def test_a_tag_of_what_must_stay_lets_nothing_leave(tag: str, text: str) -> None:
    assert code_of(UNCLASSED | {"事件描述": text.format(tag)}) == "forbidden_class"


@pytest.mark.parametrize("name", ["二级分类", "事件类型", " 二级分类", "案件类别", "标注类型"])
@pytest.mark.parametrize("word", ["刑事案件", "治安案件", "治安纠纷", "家庭暴力", "涉密"])
def test_a_kind_of_what_must_stay_lets_nothing_leave(name: str, word: str) -> None:
    bare = {key: value for key, value in make.TRANSFER.items() if key != name}
    assert code_of(bare | {name: word}) == "forbidden_class"


@pytest.mark.parametrize(
    "word", ["治安隐患", "公共秩序", "交通事故", "邻里纠纷", "家庭婚姻", "非刑事案件", "不属于治安案件"]
)
def test_kinds_and_tags_of_events_that_are_no_police_business_pass(word: str) -> None:
    assert code_of(UNCLASSED | {"二级分类": word}) == ""
    assert code_of(UNCLASSED | {"事件描述": f"吵架 #非警务#{word}"}) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"警情类别名称": "社会联动"}, {"警情类别代码": "600500"}, {"警情性质": "群众求助"}, {"事件描述": "不涉及刑事 #非警务"},
        {"事件描述": "#非警务#来电人咨询此前一起刑事案件的办理进度"}, {"明细": "[吵架] 100100"}, {"备注": "100100"},
    ],
)  # fmt: skip
def test_what_only_looks_alike_passes(change: dict[str, Any]) -> None:
    assert code_of(make.TRANSFER | change) == ""


def test_a_forbidden_class_is_told_where_the_message_does_not_say_what_it_is() -> None:
    assert code_of({"警情类别": "100100"}) == "forbidden_class"


def test_a_mapping_that_fails_hides_no_forbidden_class() -> None:
    mapping = {"事件描述": "=part(text, start, `2`)"}
    channel = dataclasses.replace(make.PROFILE.channels["demo-police"], mapping=mapping)
    with pytest.raises(Refusal) as caught:
        police110.normalise(
            Message({"text": "吵架", "start": "x", "警情类别": "100100"}, b""),
            dataclasses.replace(CTX, channel=channel),
        )
    assert caught.value.code == "forbidden_class"


def test_a_sources_own_codes_are_judged_by_what_they_become() -> None:
    codes = {"警情类别": {"10": "600500", "60": "200200"}}
    channel = dataclasses.replace(make.PROFILE.channels["demo-police"], codes=codes)
    ctx = dataclasses.replace(CTX, channel=channel)
    assert police110.normalise(Message(make.TRANSFER | {"警情类别": "10"}, b""), ctx) is not None
    for own in ("60", "20", "100100"):
        with pytest.raises(Refusal) as caught:
            police110.normalise(Message(make.TRANSFER | {"警情类别": own}, b""), ctx)
        assert caught.value.code == "forbidden_class"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.text(max_size=4) | st.integers(0, 2), max_size=6), JSON)
def test_a_forbidden_class_is_found_however_deep_it_stands(way: list[str | int], beside: Any) -> None:
    found: Any = {"警情类别": "200200"}
    for step in way:
        # A text: under this name; a number: in a list, or as JSON in a text.
        found = {step: found} if isinstance(step, str) else [json.dumps(found), beside] if step else [beside, found]
    assert must_stay(found)


def test_deep_and_broken_json_in_texts_is_passed_over_in_linear_time() -> None:
    assert not must_stay({"明细": "[" * 500_000, "备注": '{"a":' * 100_000, "事件描述": "#" * 500_000})
