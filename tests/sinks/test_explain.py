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


def test_another_report_of_the_matter_without_a_title_is_shown_by_its_text(
    hub: Any, put: Put, profile: Profile
) -> None:
    decision, _ = full(profile, relation="joined", matter_id=A, linked_to=A, score=0.9)
    put(
        ROUTED,
        [routed(report("a", report_id=A, title="", content="半夜浇筑混凝土", reported_at=NOON - HOUR)), decision],
    )
    assert "半夜浇筑混凝土" in page(hub, profile, B)
    assert page(hub, profile, A).count("半夜浇筑混凝土") == 1


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


def life() -> list[Any]:
    """Reports a to n, and what befell them: joined, accepted, merged, parted, rejected, hidden, told again, asked about."""

    def one(name: str, **changed: Any) -> Any:
        at = {"reported_at": NOON + HOUR * ord(name), "report_id": ID[name], "reporter_key": "ab"[ord(name) % 2] * 32}
        of = {"confidential", "received_at", "content_hash", "title"}
        said = {key: value for key, value in changed.items() if key not in of}
        return routed(report(name, **at, **{key: changed[key] for key in of & set(changed)}), **said)

    def joined(name: str, into: str, linked: str, **changed: Any) -> Any:
        told = {"relation": "joined", "matter_id": ID[into], "linked_to": ID[linked], "score": 0.9}
        return one(name, **told, **changed)

    def asked(name: str, about: str) -> Any:
        return one(name, review_matter=ID[about], review_score=0.4)

    def ruled(word: str, *names: str, into: str, left: str | None) -> Any:
        return change(word, report_ids=[ID[n] for n in names], matter_id=into, from_matter_id=left)

    hidden = {"confidential": True, "received_at": NOON + 900 * HOUR, "content_hash": "h", "relation": "revision"}
    return [
        *(
            one("a"),
            joined("b", "a", "a"),
            joined("c", "a", "b"),
            one("d"),
            joined("e", "d", "d"),
            joined("f", "d", "e"),
        ),
        *(asked("g", "a"), asked("h", "d"), asked("i", "f"), asked("j", "g"), one("k"), joined("l", "k", "k")),
        *(joined("m", "k", "l"), one("n")),
        ruled("accepted", "g", into=ID["a"], left=ID["g"]),
        ruled("rejected", "n", into=ID["a"], left=ID["n"]),
        ruled("unlinked", "d", into="matter-1", left=ID["d"]),
        ruled("merged", "e", "f", into=ID["a"], left=ID["d"]),
        ruled("accepted", "n", into="matter-1", left=ID["n"]),
        ruled("unlinked", "c", into=ID["c"], left=ID["a"]),
        one("k", **hidden, matter_id=ID["k"]),
        one(
            "b",
            relation="revision",
            matter_id=ID["a"],
            content_hash="again",
            title="更正",
            received_at=NOON + 800 * HOUR,
        ),
        one("f", **hidden, matter_id=ID["a"]),
        *(change("escalated", report_ids=[ID[n]], ruled_by=None, intake_topic="progress", case=case()) for n in "aef"),
    ]


ID = {name: f"hotline12345-{name * 32}" for name in "abcdefghijklmn"}


def test_what_is_read_by_key_is_what_the_views_tell(hub: Any, put: Put) -> None:
    put(ROUTED, life())
    put(PROGRESS, [{**step(name, "close", NOON + DAY), "report_id": ID[name]} for name in "adk"])

    def told(query: str) -> list[dict[str, Any]]:
        return list(hub.query(query).named_results())

    names = (
        "matter_id",
        "relation",
        "linked_to",
        "score",
        "ruling",
        "title",
        "agency_code",
        "level",
        "returns",
        "confidential",
    )
    for report_id in ID.values():
        found = explain(hub, report_id)
        (row,) = told(f"SELECT * FROM bi.reports WHERE report_id = '{report_id}'")
        matter = row["matter_id"]
        assert {name: found.report[name] for name in names} == {name: row[name] for name in names}
        assert found.report["content"] == row["content"]
        members = told(
            f"SELECT * FROM bi.reports WHERE matter_id = '{matter}' ORDER BY bi.reports.reported_at, report_id"
        )
        assert [[one[name] for name in names] for one in found.members] == [
            [one[name] for name in names] for one in members
        ]
        (expected,) = told(f"SELECT is_overdue, is_closed FROM bi.cases WHERE report_id = '{report_id}'")
        assert {name: found.case[name] for name in expected} == expected
        asked = f"report_id = '{report_id}' OR review_matter = '{matter}'"
        questions_open = "report_id, review_matter, score, title, matter_title"
        assert found.questions == told(
            f"SELECT {questions_open} FROM bi.review_queue WHERE {asked} ORDER BY asked_at, report_id"
        )
        about = f"report_id = '{report_id}' OR (ruled_by IS NOT NULL AND (matter_id = '{matter}' OR from_matter_id = '{matter}'))"
        changes = told(f"SELECT change, report_id, matter_id FROM bi.changes WHERE {about}")
        lines = [(one["what"], one["about"], one["matter_id"]) for one in found.history if one["kind"] == "change"]
        assert sorted(lines) == sorted((one["change"], one["report_id"], one["matter_id"]) for one in changes)
    assert {len(explain(hub, ID[name]).members) for name in "akd"} == {4, 1, 2}, "there is something to compare"


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
