"""The clerk's page and the review list over the real engine, at the widths of real terminals."""

from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from hub.explain import ExplainError, Page, explain, questions
from hub.review import ReviewError, asked_matter, matter_of, open_questions
from hub.wording import Language
from profiles import Profile
from schemas.topics import PROGRESS, ROUTED
from tests.sinks.records import DAY, HOUR, NOON, case, change, report, routed, step

pytestmark = pytest.mark.clickhouse

Put = Callable[..., None]
A, B, C = (f"hotline12345-{name * 32}" for name in "abc")


def shown(what: RenderableType, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def page(hub: Any, profile: Profile, name: str, lang: Language = "zh", width: int = 100) -> str:
    return shown(Page(profile, lang).shown(explain(hub, name)), width)


def full(profile: Profile, name: str = "b", **changed: Any) -> Any:
    """A decision that says everything a decision can say."""
    row = next(row for row in profile.responsibilities if row.basis and row.agency == "zhifa")
    said = {
        **{"list_version": profile.named_list, "list_row": row.row, "kind_by": "model", "kind_confidence": 0.98},
        **{"routed_kind": "noise", "priority": "top", "priority_reasons": ["emergency"], "emergency": "119"},
        **{"posts": [next(iter(profile.posts))], "approval": "street_political_legal", "co_agencies": ["gongan"]},
        "milestones": [{"name": "停工", "due_at": NOON + HOUR, "time_limit": "4 work_hour"}],
        **{"time_limit": "5 work_day", "review_matter": A, "review_score": 0.45, "reasons": ["metres=35", "moon=1"]},
    }
    of = report(name, report_id=f"hotline12345-{name * 32}", title="夜间施工扰民", reporter_key="b" * 32)
    return routed(of, **{**said, **changed}), row


def first(**changed: Any) -> Any:
    return routed(report("a", report_id=A, title="工地噪声", reported_at=NOON - HOUR, **changed))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_tells_all_of_a_decision_within_the_width(
    hub: Any, put: Put, profile: Profile, lang: Language, width: int
) -> None:
    decision, row = full(profile)
    put(ROUTED, [first(), decision])
    put(ROUTED, [change("accepted", report_ids=[B], matter_id=A, from_matter_id=B)])
    gone = case(path=["zhifa", "gongan"], level="district", returns=1)
    put(ROUTED, [change("reassigned", report_ids=[B], agency_name="公安分局", ruled_by=None, reason="step", case=gone)])
    put(PROGRESS, [{**step("b", "close", NOON + DAY), "report_id": B}])
    text = page(hub, profile, B, lang, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    told = {
        "zh": (
            "相距 35 米",
            "moon=1",
            "人工研判：并入",
            "同一工地",
            "立即转 119",
            "分类模型 98%",
            "5 工作日",
            "停工",
            "最初派给",
        ),
        "en": (
            "35 metres apart",
            "moon=1",
            "a person linked it",
            "同一工地",
            "tell 119 at once",
            "the model 98%",
            "停工",
        ),
    }
    squeezed = "".join(text.split())
    for one in (
        *told[lang],
        A,
        B,
        "clerk-07",
        row.row,
        row.basis,
        "工地噪声",
        "138****0000",
        "改派" if lang == "zh" else "reassigned",
    ):
        assert "".join(one.split()) in squeezed, one


def test_the_basis_is_not_read_from_another_list_than_the_one_that_decided(
    hub: Any, put: Put, profile: Profile
) -> None:
    decision, row = full(profile, list_version="demo-1999")
    put(ROUTED, [decision])
    text = page(hub, profile, B)
    assert row.basis not in text
    assert "demo-1999" in text
    assert profile.named_list in text


def test_a_confidential_report_is_explained_without_its_matter_its_reporter_and_its_rulings(
    hub: Any, put: Put, profile: Profile
) -> None:
    decision, _ = full(profile, relation="joined", matter_id=A, linked_to=A, score=0.9)
    put(ROUTED, [first(), decision, change("rejected", report_ids=[B], matter_id=A)])
    put(
        ROUTED,
        [
            {
                **decision,
                "relation": "revision",
                "report": {**decision["report"], "confidential": True},
                "intake_offset": 99,
            }
        ],
    )
    text = page(hub, profile, B)
    assert A not in text
    assert "138****0000" not in text
    assert "clerk-07" not in text
    assert "保密" in text
    assert B not in page(hub, profile, A)


def test_a_question_is_told_on_both_pages_until_it_is_answered(hub: Any, put: Put, profile: Profile) -> None:
    decision, _ = full(profile)
    put(ROUTED, [first(), decision])
    assert "zhishu review accept|reject" in page(hub, profile, B)
    assert "是否属于本事项" in page(hub, profile, A)
    put(ROUTED, [change("rejected", report_ids=[B], matter_id=A, from_matter_id=B)])
    assert "已有答复" in page(hub, profile, B)
    assert "没有待研判的问题" in page(hub, profile, A)


def test_a_report_that_is_not_there_is_an_error_that_says_where_ids_are(hub: Any) -> None:
    with pytest.raises(ExplainError, match=r"bi\.reports"):
        explain(hub, "x")


def test_a_report_whose_agency_and_kind_left_the_profile_is_still_explained(
    hub: Any, put: Put, profile: Profile
) -> None:
    decision, _ = full(profile, agency_code="gone", agency_name="旧单位", routed_kind="gone_kind", posts=["P9"])
    put(ROUTED, [decision])
    text = page(hub, replace(profile, agencies={}, matters={}, posts={}, flows={}), B)
    assert "旧单位" in text
    assert "gone_kind" in text
    assert "P9" in text


@pytest.mark.parametrize("width", [80, 120])
def test_the_list_of_questions_keeps_ids_whole_and_the_oldest_first(
    hub: Any, put: Put, profile: Profile, width: int
) -> None:
    put(ROUTED, [first(), full(profile)[0], full(profile, "c")[0]])
    rows, total = open_questions(hub, 1)
    assert (len(rows), total) == (1, 2)
    text = shown(questions(rows, "zh"), width)
    assert A in text
    assert B in text
    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_matter_may_be_named_by_any_of_its_reports_wherever_a_person_put_them(
    hub: Any, put: Put, profile: Profile
) -> None:
    put(ROUTED, [first(), full(profile)[0], full(profile, "c", matter_id=B, relation="joined", review_matter=None)[0]])
    assert [matter_of(hub, one) for one in (A, B, C)] == [A, B, B]
    assert asked_matter(hub, B) == A
    put(ROUTED, [change("merged", report_ids=[A], matter_id=B, from_matter_id=A)])
    assert [matter_of(hub, one) for one in (A, B, C)] == [B, B, B]
    put(ROUTED, [change("unlinked", report_ids=[C], matter_id=C, from_matter_id=B)])
    assert matter_of(hub, C) == C
    for nobody in (lambda: matter_of(hub, "x"), lambda: asked_matter(hub, C)):
        with pytest.raises(ReviewError):
            nobody()
