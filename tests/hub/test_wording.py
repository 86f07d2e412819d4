"""What a clerk reads: every word that decisions use is translated, and what is not known is shown as it is."""

import inspect
import re
from typing import get_args

import pytest

from hub import wording
from profiles.flows import Approval, Step
from streams import cases, changes, matching, routing


def test_every_part_of_a_score_is_translated_and_no_other_is_kept() -> None:
    assert set(matching.PARTS) == wording.KNOWN_PARTS


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (wording.MANUAL, get_args(routing.ManualReason)),
        (wording.KIND_BY, get_args(routing.KindBy)),
        (wording.PRIORITIES, get_args(routing.Priority)),
        (wording.PRIORITY_REASONS, get_args(routing.PriorityReason)),
        (wording.APPROVALS, get_args(Approval)),
        (wording.STEPS, get_args(Step)),
        # noted and early are kept for the hub's own sake, and are in no view.
        (wording.CHANGES, set(get_args(changes.Kind)) - {"noted", "early"}),
    ],
    ids=lambda value: None,
)
def test_every_word_of_a_decision_is_translated(table: dict[str, object], words: object) -> None:
    assert set(table) == set(words)  # type: ignore[call-overload]


def test_every_reason_of_a_change_is_translated() -> None:
    void = set(re.findall(r'"void",.*, "([^"]+)"$', inspect.getsource(changes._ruled), re.MULTILINE))
    assert len(void) >= 6
    assert set(wording.REASONS) == {*get_args(cases.Reason), *void, changes.RULED_BEFORE, "no_report"}


@pytest.mark.parametrize(
    ("part", "zh", "en"),
    [
        ("metres=35", "相距 35 米", "35 metres apart"),
        ("name=海棠花园", "双方都提到“海棠花园”", "both name 海棠花园"),
        ("words=0.82", "用词相似度 82%", "likeness of the words: 82%"),
        ("same_reporter=0", "不是同一诉求人", "another person"),
        ("same_reporter=1", "同一诉求人", "the same person"),
        ("moon_phase=0.3", "moon_phase=0.3", "moon_phase=0.3"),
        ("words=many", "words=many", "words=many"),
        ("nothing", "nothing", "nothing"),
        ("name=a{b}=c", "双方都提到“a{b}=c”", "both name a{b}=c"),
    ],
)
def test_a_part_is_told_in_plain_words(part: str, zh: str, en: str) -> None:
    assert (wording.part(part, "zh"), wording.part(part, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("locale", "lang"),
    [("en_US.UTF-8", "en"), ("EN", "en"), ("zh_CN.UTF-8", "zh"), ("C.UTF-8", "zh"), ("", "zh"), ("de_DE", "zh")],
)
def test_the_language_is_chinese_but_for_an_english_locale(locale: str, lang: str) -> None:
    assert wording.language_of(locale) == lang


def test_lc_all_stands_over_lang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.setenv("LC_MESSAGES", "")
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    assert wording.language_of() == "en"
