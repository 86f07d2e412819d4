"""What persons ruled and steps changed: told by the views as they stand now, hidden where a report is confidential."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from hub.review import asked_matter, matter_of
from schemas.topics import PROGRESS, ROUTED
from sinks.kpi import headline
from sinks.rows import BadRowError, Origin, change_rows, routed_rows
from tests.sinks.records import DAY, HOUR, NOON, case, change, report, routed, step

pytestmark = pytest.mark.clickhouse

Put = Callable[..., None]
A, B, C, D = (f"hotline12345-{name}" for name in "abcd")
ASKED = {"review_matter": A, "review_score": 0.41, "reasons": ["place=0.50", "words=0.30"]}
JOINED = {"relation": "joined", "matter_id": A, "linked_to": A, "score": 0.9, "reasons": ["words=0.90"]}
_FIRST, _LAST = date(2025, 3, 1), date(2025, 3, 31)
QUEUE = "SELECT report_id, review_matter, score, reasons, title, matter_title FROM bi.review_queue"


def rows(client: Any, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def links(client: Any) -> dict[str, tuple[Any, ...]]:
    """Matter, relation, partner, score and ruling of every report, by the last letter of its id."""
    query = "SELECT report_id, matter_id, relation, linked_to, score, ruling FROM bi.reports ORDER BY report_id"
    return {report_id[-1]: found for report_id, *found in map(list, rows(client, query))}


def other(name: str, **changed: Any) -> Any:
    """A report of another person, each a minute later."""
    return report(name, **{"reporter_key": name * 32, "reported_at": NOON + 60_000 * ord(name), **changed})


def test_a_report_that_is_asked_about_stands_in_the_queue_until_a_person_accepts_it(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a", title="甲")), routed(other("b", title="乙"), **ASKED)])
    assert rows(bi, QUEUE) == [(B, A, 0.41, ["place=0.50", "words=0.30"], "乙", "甲")]
    assert links(bi)["b"] == [B, "new", None, None, None]
    put(ROUTED, [change("accepted", "b", matter_id=A, from_matter_id=B)])
    assert rows(bi, QUEUE) == []
    assert links(bi)["b"] == [A, "joined", A, None, "accepted"]


def test_a_report_without_a_title_is_asked_about_by_the_beginning_of_its_text(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a", title="", content="甲" * 50)), routed(other("b", title="", content="乙"), **ASKED)])
    assert [row[-2:] for row in rows(bi, QUEUE)] == [("乙", "甲" * 40)]


def test_a_rejected_report_leaves_the_queue_and_stays_where_it_was(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED)])
    put(ROUTED, [change("rejected", "b", matter_id=A, from_matter_id=B)])
    assert rows(bi, QUEUE) == []
    assert links(bi)["b"] == [B, "new", None, None, None]


def test_a_question_rejected_for_another_matter_stays_open(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED), routed(other("c"))])
    put(ROUTED, [change("rejected", "b", matter_id=C, from_matter_id=B)])
    assert len(rows(bi, QUEUE)) == 1


@pytest.mark.parametrize("into", [A, B])
def test_a_question_is_answered_by_a_merge_of_the_two_matters(bi: Any, put: Put, into: str) -> None:
    ended = B if into == A else A
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED)])
    put(ROUTED, [change("merged", ended[-1], matter_id=into, from_matter_id=ended)])
    assert rows(bi, QUEUE) == []


def test_a_question_names_the_matter_that_the_other_report_is_in_now(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED), routed(other("c"))])
    put(ROUTED, [change("merged", "a", matter_id=C, from_matter_id=A)])
    assert [row[:2] for row in rows(bi, QUEUE)] == [(B, C)]
    put(ROUTED, [change("rejected", "b", matter_id=C, from_matter_id=B)])
    assert rows(bi, QUEUE) == []


@pytest.mark.parametrize("hidden", ["a", "b"])
def test_a_question_about_a_confidential_report_is_asked_nobody(bi: Any, put: Put, hidden: str) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED)])
    put(ROUTED, [routed(other(hidden, confidential=True, received_at=NOON + DAY), relation="revision")])
    assert rows(bi, QUEUE) == []


def test_an_unlinked_report_is_a_new_matter_and_the_figures_count_no_repeat(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **JOINED)])
    assert {f.name: f.numerator for f in headline(bi, _FIRST, _LAST)}["repeats"] == 1
    put(ROUTED, [change("unlinked", "b", matter_id=B, from_matter_id=A)])
    assert links(bi)["b"] == [B, "new", None, None, "unlinked"]
    assert {f.name: f.numerator for f in headline(bi, _FIRST, _LAST)}["repeats"] == 0
    assert rows(bi, "SELECT is_repeat FROM bi.cases WHERE report_id = 'hotline12345-b'") == [(False,)]


@pytest.mark.parametrize("emptied", [True, False])
def test_a_first_report_that_a_person_took_out_is_alone_under_an_id_of_its_own(
    bi: Any, hub: Any, put: Put, emptied: bool
) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **JOINED), routed(other("c")), routed(other("d"))])
    if emptied:  # all of it stands in another matter
        put(ROUTED, [change("merged", "a", "b", matter_id=C, from_matter_id=A)])
    put(ROUTED, [change("unlinked", "a", matter_id="matter-1", from_matter_id=C if emptied else A)])
    found = links(bi)
    assert (found["a"], found["b"][0]) == (["matter-1", "new", None, None, "unlinked"], C if emptied else A)
    put(ROUTED, [change("accepted", "d", matter_id="matter-1", from_matter_id=D)])
    assert links(bi)["d"] == ["matter-1", "joined", "matter-1", None, "accepted"]
    query = "SELECT matter_id, title, reports FROM bi.joint_matters WHERE matter_id = 'matter-1'"
    assert rows(bi, query) == [("matter-1", report("a")["title"], 2)]
    query = "SELECT change, report_id FROM bi.changes WHERE matter_id = 'matter-1' ORDER BY report_id"
    assert rows(bi, query) == [("unlinked", A), ("accepted", D)]
    assert [matter_of(hub, one) for one in (A, D, "matter-1")] == ["matter-1"] * 3


def test_a_question_about_a_matter_whose_first_report_was_taken_out_names_one_that_is_in_it(
    bi: Any, hub: Any, put: Put
) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **JOINED)])
    put(ROUTED, [change("unlinked", "a", matter_id="matter-1", from_matter_id=A)])
    put(ROUTED, [routed(other("c", title="丙"), **{**ASKED, "review_matter": B})])  # as streams.state.named says
    assert [row[:2] for row in rows(bi, QUEUE)] == [(C, A)]
    assert asked_matter(hub, C) == A
    put(ROUTED, [change("rejected", "c", matter_id=A, from_matter_id=C)])
    assert rows(bi, QUEUE) == []


def test_the_last_ruling_stands_in_whatever_order_they_are_stored(bi: Any, put: Put) -> None:
    accepted = change("accepted", "b", matter_id=A, from_matter_id=B)
    unlinked = change("unlinked", "b", matter_id=B, from_matter_id=A)
    put(ROUTED, [unlinked], offsets=[9_000_011])
    put(ROUTED, [routed(other("a")), routed(other("b"), **ASKED)], offsets=[9_000_000, 9_000_001])
    put(ROUTED, [accepted], offsets=[9_000_010])
    assert links(bi)["b"] == [B, "new", None, None, "unlinked"]


def test_a_person_put_into_a_matter_of_his_own_is_a_repeat_and_any_other_joins(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b", reporter_key="a" * 32)), routed(other("c"))])
    put(ROUTED, [change("accepted", name, matter_id=A, from_matter_id=f"hotline12345-{name}") for name in "bc"])
    found = links(bi)
    assert [found[name][1] for name in "abc"] == ["new", "repeat", "joined"]
    query = "SELECT matter_id, reports, persons, ruled FROM bi.joint_matters"
    assert rows(bi, query) == [(A, 3, 2, 2)]


def test_a_merge_takes_the_whole_matter_and_keeps_how_its_reports_belonged_together(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b"), **{**JOINED, "relation": "rebound"}), routed(other("c"))])
    put(ROUTED, [change("merged", "a", "b", matter_id=C, from_matter_id=A)])
    found = links(bi)
    assert [found[name][:2] for name in "abc"] == [[C, "joined"], [C, "rebound"], [C, "new"]]
    assert rows(bi, "SELECT matter_id, reports FROM bi.joint_matters") == [(C, 3)]


def test_a_matter_accepted_into_that_becomes_confidential_goes_by_its_heir_everywhere(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b")), routed(other("c"))])
    put(ROUTED, [change("accepted", name, matter_id=A, from_matter_id=f"hotline12345-{name}") for name in "bc"])
    put(ROUTED, [routed(other("a", confidential=True, received_at=NOON + DAY), relation="revision")])
    found = links(bi)
    assert [found[name][0] for name in "abc"] == [A, B, B]
    told = rows(bi, "SELECT report_id, matter_id FROM bi.changes ORDER BY report_id")
    assert told == [(B, B), (C, B)]


def test_a_ruling_on_a_report_that_became_confidential_is_told_nowhere(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a")), routed(other("b")), change("accepted", "b", matter_id=A, from_matter_id=B)])
    put(ROUTED, [change("closed", "b", matter_id=A, ruled_by=None, case=case())])
    put(ROUTED, [routed(other("b", confidential=True, received_at=NOON + DAY), relation="revision")])
    assert links(bi)["b"] == [B, "new", None, None, None]
    assert rows(bi, "SELECT change, report_id, matter_id, from_matter_id FROM bi.changes") == [("closed", B, B, None)]


def test_a_case_that_was_escalated_is_told_with_the_agency_level_and_due_time_of_now(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a"))])
    gone = case(due_at=NOON + 9 * DAY, returns=1)
    put(ROUTED, [change("escalated", "a", ruled_by=None, intake_topic="progress", case=gone)])
    columns = "agency_code, level, due_at, routed_agency_code, routed_level, returns, manual_reason, finished_at"
    query = f"SELECT {columns} FROM bi.reports"
    ((agency, level, due, first, first_level, returns, waits, finished),) = rows(bi, query)
    assert (agency, level, first, first_level, returns, waits, finished) == (
        *("sq370212001003", "community", "zhifa", "district"),
        *(1, None, None),
    )
    assert due.timestamp() * 1000 == NOON + 9 * DAY
    stopped = case(path=["jd370212001"], level="street", waits="ping_pong", finished_at=NOON + DAY)
    put(ROUTED, [change("escalated", "a", ruled_by=None, intake_topic="progress", case=stopped)])
    query = "SELECT agency_code, level, manual_reason, finished_at IS NULL FROM bi.reports"
    assert rows(bi, query) == [("jd370212001", "street", "ping_pong", False)]


def test_what_is_only_noted_or_void_moves_no_case(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a"))])
    put(ROUTED, [change(word, "a", ruled_by=None, case=case(path=["x"])) for word in ("noted", "void")])
    assert rows(bi, "SELECT agency_code FROM bi.reports") == [("zhifa",)]
    assert rows(bi, "SELECT change FROM bi.changes") == [("void",)]


def test_a_case_that_went_above_the_grid_and_came_back_by_no_told_level_is_not_closed_in_it(bi: Any, put: Put) -> None:
    put(ROUTED, [routed(other("a"), level="grid"), routed(other("b"), level="grid")])
    put(ROUTED, [change("escalated", "a", ruled_by=None, case=case())])
    put(PROGRESS, [step("a", "close", NOON + DAY), step("b", "close", NOON + DAY)])
    query = "SELECT report_id, closed_in_grid, max_level FROM bi.cases ORDER BY report_id"
    assert rows(bi, query) == [(A, False, "community"), (B, True, "grid")]


def test_the_first_telling_of_a_change_stands_and_is_one_row(hub: Any, put: Put) -> None:
    first = change("accepted", "b", matter_id=A, intake_offset=7)
    second = {**first, "change": "void", "report_ids": []}
    put(ROUTED, [second], offsets=[9_100_001])
    put(ROUTED, [first], offsets=[9_100_000])
    assert rows(hub, "SELECT change FROM hub.changes FINAL") == [("accepted",)]


def test_a_word_that_is_new_does_not_stop_the_sink_but_a_level_that_is_none_is_refused() -> None:
    origin = Origin(ROUTED, 0, 1, NOON)
    assert [row.table for row in change_rows(change("paused", "a"), origin)] == ["hub.changes", "hub.report_changes"]
    with pytest.raises(BadRowError, match="level"):
        change_rows(change("escalated", "a", level="county"), origin)


def test_what_the_decision_says_of_kind_flow_priority_and_milestones_is_told(bi: Any, put: Put) -> None:
    told = {
        "kind_by": "model",
        "kind_confidence": 0.98,
        "routed_kind": "noise",
        "flow": "dispute",
        "posts": ["P1"],
        "approval": "street_political_legal",
        "priority": "top",
        "priority_reasons": ["emergency"],
        "emergency": "119",
        "milestones": [{"name": "停工", "due_at": NOON + HOUR, "time_limit": "4 work_hour"}],
    }
    put(ROUTED, [routed(other("a"), **told)])
    (found,) = rows(bi, f"SELECT {', '.join(told)} FROM bi.reports")
    assert list(found[:-1]) == list(told.values())[:-1]
    ((milestone),) = found[-1]
    assert milestone["name"] == "停工"
    assert milestone["due_at"].timestamp() * 1000 == NOON + HOUR


def test_a_milestone_in_no_year_is_refused() -> None:
    bad = [{"name": "停工", "due_at": -1, "time_limit": "4 work_hour"}]
    with pytest.raises(BadRowError, match="milestone"):
        routed_rows(routed(other("a"), milestones=bad), Origin(ROUTED, 0, 1, NOON))
