"""Each headline figure on cases small enough to count by hand; the formulas are those of docs/kpi.md."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from time import time
from typing import Any

import pytest

from connectors.rulings import NO_CHANGE
from profiles import Profile
from schemas.topics import PROGRESS, ROUTED
from sinks.cases import Cases
from sinks.dimensions import load_dimensions
from sinks.figures import FIGURES
from sinks.kpi import COUNTS, Figure, headline
from tests.sinks.records import DAY, HOUR, NOON, local, report, routed, step

pytestmark = pytest.mark.clickhouse

TODAY = date(2025, 3, 3)
DUE = NOON + 5 * DAY


def figures(client: Any, first: date = TODAY, last: date = TODAY) -> dict[str, tuple[float, float]]:
    return {figure.name: (figure.numerator, figure.denominator) for figure in headline(client, first, last)}


def flag(client: Any, column: str) -> Any:
    """The column of the one case there is."""
    ((value,),) = client.query(f"SELECT {column} FROM bi.cases").result_rows
    return value


def test_without_any_order_every_rate_is_null(bi: Any) -> None:
    expected = [Figure(name, 0, 0, None) for name in (*COUNTS, *(figure.name for figure in FIGURES))]
    assert headline(bi, TODAY, TODAY) == expected


def test_a_rate_is_its_numerator_over_its_denominator(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report(name)) for name in "abcd"])
    put(PROGRESS, [step("a", "close", NOON + HOUR)])
    found = {figure.name: figure for figure in headline(bi, TODAY, TODAY)}
    assert found["accepted"] == Figure("accepted", 4, 4, None)
    assert found["closed"] == Figure("closed", 1, 4, 0.25)
    assert found["solved"] == Figure("solved", 0, 0, None)


def test_an_order_counts_once_whatever_was_stored_of_it(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("a"), outcome="replay", relation="replay")])
    put(ROUTED, [routed(report("a", received_at=NOON + 5000), relation="revision")])
    close = step("a", "close", NOON + HOUR)
    put(PROGRESS, [close])
    put(PROGRESS, [close])
    assert figures(bi)["accepted"] == (1, 1)
    assert figures(bi)["closed"] == (1, 1)


def test_alarms_are_no_orders(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b", appeal_type="alarm"))])
    put(PROGRESS, [step("b", "close", NOON)])
    assert figures(bi)["closed"] == (0, 1)


def test_the_days_of_the_cohort_are_local_days_and_both_included(bi: Any, put: Callable[..., None]) -> None:
    times = ["2025-03-01 23:59", "2025-03-02 00:00", "2025-03-03 12:00", "2025-03-04 23:59", "2025-03-05 00:00"]
    put(ROUTED, [routed(report(str(n), reported_at=local(at))) for n, at in enumerate(times)])
    assert figures(bi, date(2025, 3, 2), date(2025, 3, 4))["accepted"] == (3, 3)


def test_the_day_of_an_order_is_that_of_its_latest_revision(bi: Any, put: Callable[..., None]) -> None:
    moved = report("a", reported_at=NOON + DAY, received_at=NOON + 2 * DAY)
    put(ROUTED, [routed(report("a")), routed(moved, relation="revision")])
    assert figures(bi)["accepted"] == (0, 0)
    assert figures(bi, date(2025, 3, 4), date(2025, 3, 4))["accepted"] == (1, 1)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], None),
        ([("respond", NOON)], None),
        ([("dispatch", NOON)], False),
        ([("dispatch", NOON), ("respond", NOON)], True),
        ([("dispatch", NOON), ("respond", NOON + 24 * HOUR)], True),
        ([("dispatch", NOON), ("respond", NOON + 24 * HOUR + 1)], False),
        ([("dispatch", NOON), ("respond", NOON - 1)], False),
        ([("dispatch", NOON), ("respond", NOON - 1), ("respond", NOON + 1)], False),
        ([("dispatch", NOON), ("dispatch", NOON + 30 * HOUR), ("respond", NOON + 40 * HOUR)], False),
        ([("dispatch", NOON), ("respond", NOON + HOUR), ("respond", NOON + 99 * HOUR)], True),
    ],
)
def test_responded_is_the_first_response_within_24_hours_after_the_first_dispatch(
    bi: Any, put: Callable[..., None], steps: list[tuple[str, int]], expected: bool | None
) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", kind, at) for kind, at in steps])
    assert flag(bi, "responded_in_time") is expected
    assert figures(bi)["responded"] == (int(expected is True), int(expected is not None))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([(NOON + HOUR, False)], False),
        ([(NOON + HOUR, None)], True),
        ([(NOON + HOUR, False), (NOON + 2 * HOUR, True)], True),
        ([(NOON + HOUR, False), (NOON + 25 * HOUR, True)], False),
    ],
)
def test_an_attempt_that_reached_nobody_is_no_response(
    bi: Any, put: Callable[..., None], attempts: list[tuple[int, bool | None]], expected: bool
) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", "dispatch", NOON), *(step("a", "respond", at, contacted=told) for at, told in attempts)])
    assert flag(bi, "responded_in_time") is expected


LATER = DUE + 3 * DAY


@pytest.mark.parametrize(
    ("decided", "steps", "expected"),
    [
        ({}, [("close", DUE, None)], True),
        ({}, [("close", DUE + 1, None)], False),
        ({}, [], False),  # past due and open
        ({"due_at": None}, [("close", DUE, None)], None),
        ({"due_at": None}, [("extend", NOON, LATER), ("close", DUE, None)], None),
        # the last closing counts
        ({}, [("close", NOON, None), ("redo", DUE, None), ("close", DUE + 1, None)], False),
        # an extension counts when granted by the base due time, not a millisecond later
        ({}, [("extend", DUE, LATER), ("close", LATER, None)], True),
        ({}, [("extend", DUE, LATER), ("close", LATER + 1, None)], False),
        ({}, [("extend", DUE + 1, LATER), ("close", LATER, None)], False),
        ({}, [("extend", NOON, None), ("close", DUE, None)], True),
        # of two extensions the later due time stands, granted in any order
        ({}, [("extend", NOON, LATER), ("extend", NOON + 1, DUE + DAY), ("close", LATER, None)], True),
        # an extension after the base due time does not count, even before the extended one
        ({}, [("extend", NOON, DUE + DAY), ("extend", DUE + HOUR, LATER), ("close", LATER, None)], False),
    ],
)
def test_on_time_is_the_last_closing_by_the_effective_due_time(
    bi: Any,
    put: Callable[..., None],
    decided: dict[str, Any],
    steps: list[tuple[str, int, int | None]],
    expected: bool | None,
) -> None:
    put(ROUTED, [routed(report("a"), **decided)])
    put(PROGRESS, [step("a", kind, at, extended_to=extended) for kind, at, extended in steps])
    assert flag(bi, "closed_on_time") is expected
    assert figures(bi)["on_time"] == (int(expected is True), int(expected is not None))


def test_the_due_time_of_the_source_goes_before_that_of_the_list(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a", source_due_at=NOON + HOUR))])
    put(PROGRESS, [step("a", "close", NOON + 2 * HOUR)])
    assert flag(bi, "closed_on_time") is False
    assert flag(bi, "base_due_at = toDateTime64('2025-03-03 05:00:00', 3, 'UTC')") == 1


def test_an_open_case_before_its_due_time_is_in_no_denominator(bi: Any, put: Callable[..., None]) -> None:
    now = int(time() * 1000)
    put(ROUTED, [routed(report("a"), due_at=now + HOUR), routed(report("b"), due_at=now - HOUR)])
    assert figures(bi)["on_time"] == (0, 1)
    assert bi.query("SELECT report_id FROM bi.cases WHERE is_overdue").result_rows == [("hotline12345-b",)]
    put(PROGRESS, [step("a", "close", now - 1), step("b", "close", now - 1)])
    assert figures(bi)["on_time"] == (1, 2)
    assert bi.query("SELECT count() FROM bi.cases WHERE is_overdue OR is_open").result_rows == [(0,)]


def test_a_cancelled_case_is_neither_open_nor_closed(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", "cancel", NOON)])
    assert (flag(bi, "is_open"), flag(bi, "is_closed"), flag(bi, "is_overdue")) == (False, False, False)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], None),
        ([("revisit", NOON, None)], None),
        ([("feedback", NOON, True)], None),
        ([("revisit", NOON, True)], True),
        ([("rate", NOON, False)], False),
        ([("revisit", NOON + 2, False), ("rate", NOON + 1, True)], False),
        ([("revisit", NOON, True), ("rate", NOON + 1, None)], True),
    ],
)
def test_solved_is_what_the_latest_revisit_or_rating_that_could_tell_says(
    bi: Any, put: Callable[..., None], steps: list[tuple[str, int, bool | None]], expected: bool | None
) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", kind, at, solved=solved) for kind, at, solved in steps])
    assert flag(bi, "solved") is expected
    assert figures(bi)["solved"] == (int(expected is True), int(expected is not None))


def test_of_two_answers_of_one_time_received_in_one_millisecond_the_greater_progress_id_is_the_latest(
    bi: Any, put: Callable[..., None]
) -> None:
    put(ROUTED, [routed(report("a"))])
    both = [
        step("a", "revisit", NOON, solved=True, satisfaction="satisfied", progress_id="B"),
        step("a", "rate", NOON, solved=False, satisfaction="dissatisfied", progress_id="A"),
    ]
    put(PROGRESS, both)
    assert (flag(bi, "solved"), flag(bi, "satisfaction")) == (True, "satisfied")


def test_a_revisit_corrected_under_the_same_time_counts_as_it_was_received_last(
    bi: Any, put: Callable[..., None]
) -> None:
    put(ROUTED, [routed(report("a"))])
    told = {"solved": True, "satisfaction": "satisfied", "received_at": NOON + HOUR, "progress_id": "B"}
    corrected = {"solved": False, "satisfaction": "dissatisfied", "received_at": NOON + DAY, "progress_id": "A"}
    put(PROGRESS, [step("a", "revisit", NOON, **corrected), step("a", "revisit", NOON, **told)])
    assert (flag(bi, "solved"), flag(bi, "satisfaction")) == (False, "dissatisfied")


def test_a_revisit_that_opens_the_order_again_says_too_what_it_heard(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", "revisit", NOON, solved=True, satisfaction="satisfied")])
    put(PROGRESS, [step("a", "redo", NOON + 1, solved=False, satisfaction="dissatisfied")])
    assert (figures(bi)["solved"], figures(bi)["satisfied"]) == ((0, 1), (0, 1))


def test_a_closing_or_voiding_that_did_not_stand_leaves_the_case_open(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", NO_CHANGE, NOON, extra={"asked_step": "cancel", "ruling": "asked"})])
    assert (flag(bi, "is_open"), flag(bi, "is_closed"), flag(bi, "cancelled_at")) == (True, False, None)


def test_satisfied_weighs_basic_and_leaves_the_unrated_out(bi: Any, put: Callable[..., None]) -> None:
    rated = ["satisfied", "basic", "basic", "basic", "dissatisfied", "unrated", None]
    put(ROUTED, [routed(report(str(n))) for n in range(len(rated))])
    put(PROGRESS, [step(str(n), "revisit", NOON, satisfaction=answer) for n, answer in enumerate(rated)])
    assert figures(bi)["satisfied"] == (2.8, 5)


def test_a_later_unrated_answer_does_not_hide_a_rating(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a"))])
    first = step("a", "revisit", NOON, satisfaction="dissatisfied")
    put(PROGRESS, [first, step("a", "rate", NOON + 1, satisfaction="unrated")])
    put(PROGRESS, [step("a", "close", NOON + 2, satisfaction="satisfied")])
    assert figures(bi)["satisfied"] == (0, 1)


@pytest.mark.parametrize(
    ("routed_level", "levels", "expected", "highest"),
    [
        ("grid", [None], True, "grid"),
        ("district", [None], False, "district"),
        (None, [None], False, None),
        ("district", ["grid"], True, "grid"),
        ("grid", ["grid", "community"], False, "community"),
        (None, ["street", "grid"], False, "street"),
        (None, ["grid", None], True, "grid"),
    ],
)
def test_in_grid_is_a_closed_order_whose_steps_never_went_above_the_grid(
    bi: Any,
    put: Callable[..., None],
    routed_level: str | None,
    levels: list[str | None],
    expected: bool,
    highest: str | None,
) -> None:
    put(ROUTED, [routed(report("a"), level=routed_level), routed(report("open"), level="grid")])
    put(PROGRESS, [step("a", "handle", NOON + n, level=level) for n, level in enumerate(levels)])
    put(PROGRESS, [step("a", "close", NOON + HOUR)])
    assert figures(bi)["in_grid"] == (int(expected), 1)
    found = bi.query("SELECT max_level FROM bi.cases WHERE report_id = 'hotline12345-a'").result_rows
    assert found == [(highest,)]


def test_repeats_are_repeat_joined_and_rebound(bi: Any, put: Callable[..., None]) -> None:
    relations = ["new", "repeat", "joined", "rebound", "episode"]
    put(ROUTED, [routed(report(relation), relation=relation) for relation in relations])
    assert figures(bi)["repeats"] == (3, 5)


def test_late_progress_changes_the_figures_of_a_past_day(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b"))])
    assert figures(bi)["closed"] == (0, 2)
    put(PROGRESS, [step("a", "close", NOON + DAY, solved=None)])
    assert figures(bi)["closed"] == (1, 2)
    put(PROGRESS, [step("a", "revisit", NOON + 40 * DAY, solved=False)])
    assert figures(bi)["solved"] == (0, 1)
    put(PROGRESS, [step("a", "revisit", NOON + 80 * DAY, solved=True)])
    assert figures(bi)["solved"] == (1, 1)


def test_progress_known_before_its_report_counts_once_the_report_is_there(bi: Any, put: Callable[..., None]) -> None:
    put(PROGRESS, [step("a", "close", NOON + HOUR)])
    assert figures(bi)["closed"] == (0, 0)
    put(ROUTED, [routed(report("a"))])
    assert figures(bi)["closed"] == (1, 1)


def test_the_days_feeds_and_streets_of_the_daily_view_add_up(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b", street_code=None)), routed(report("c", feed="wechat"))])
    put(PROGRESS, [step("a", "close", NOON), step("b", "close", NOON)])
    rows = bi.query("SELECT feed, street_code, accepted, closed_numerator FROM bi.kpi_daily ORDER BY 1, 2").result_rows
    assert rows == [("hotline12345", "", 1, 1), ("hotline12345", "370212001", 1, 1), ("wechat", "370212001", 1, 0)]


def test_the_profile_sets_weight_hours_and_time_zone(
    hub: Any, bi: Any, put: Callable[..., None], profile: Profile
) -> None:
    put(ROUTED, [routed(report("a", reported_at=local("2025-03-03 00:30")))])
    put(PROGRESS, [step("a", "dispatch", NOON), step("a", "respond", NOON + 3 * HOUR)])
    put(PROGRESS, [step("a", "rate", NOON, satisfaction="basic")])
    assert figures(bi)["responded"] == (1, 1)
    try:
        load_dimensions(
            hub, replace(profile, basic_satisfied_weight=0.8, respond_within_hours=2.5, timezone="Europe/London")
        )
        assert Cases(hub).rebuild()
        found = figures(bi, date(2025, 3, 2), date(2025, 3, 2))
        assert (found["satisfied"], found["responded"]) == ((0.8, 1), (0, 1))
        assert figures(bi)["accepted"] == (0, 0)
    finally:
        load_dimensions(hub, profile)


SECOND = {"reported_at": NOON + DAY, "received_at": NOON + DAY}
A = "hotline12345-a"


@pytest.mark.parametrize(
    ("name", "of", "steps", "expected"),
    [
        ("signed", {}, [], (0, 0)),
        ("signed", {}, [("dispatch", NOON, {})], (0, 1)),
        ("signed", {}, [("dispatch", NOON, {}), ("sign", NOON + DAY, {})], (1, 1)),
        ("signed", {}, [("dispatch", NOON, {}), ("sign", NOON + DAY + 1, {})], (0, 1)),
        ("signed", {}, [("dispatch", NOON, {}), ("sign", NOON - 1, {})], (0, 1)),
        ("closed", {}, [("close", NOON + 1, {}), ("redo", NOON + 2, {})], (0, 1)),
        ("closed", {}, [("close", NOON + 1, {}), ("redo", NOON + 1, {})], (1, 1)),
        ("first_time", {}, [("close", NOON, {})], (1, 1)),
        ("first_time", {}, [("redo", NOON, {}), ("close", NOON + 1, {})], (0, 1)),
        ("first_time", {}, [("return", NOON, {}), ("close", NOON + 1, {})], (0, 1)),
        ("first_time", {}, [("rework", NOON, {}), ("close", NOON + 1, {})], (0, 1)),
        ("first_time", {}, [("close", NOON, {}), ("redo", NOON + 1, {})], (0, 0)),
        ("returned", {}, [("return", NOON, {})], (0, 0)),
        ("returned", {}, [("dispatch", NOON, {}), ("return", NOON + 1, {})], (1, 1)),
        ("first_dispatch", {}, [("dispatch", NOON, {}), ("redispatch", NOON + 1, {})], (0, 1)),
        ("first_dispatch", {}, [("dispatch", NOON, {}), ("dispatch", NOON + 1, {})], (1, 1)),
        ("mediated", {"flow": "dispute"}, [("close", NOON, {})], (0, 0)),
        ("mediated", {"flow": "dispute"}, [("close", NOON, {}), ("revisit", NOON + 1, {"solved": True})], (1, 1)),
        ("mediated", {}, [("close", NOON, {}), ("revisit", NOON + 1, {"solved": True})], (0, 0)),
        ("settled", {"flow": "dispute"}, [("close", NOON, {})], (0, 1)),
        ("settled", {"flow": "dispute"}, [("close", NOON, {}), ("revisit", NOON + 1, {"solved": True})], (1, 1)),
        ("settled", {"flow": "dispute"}, [("cancel", NOON, {})], (0, 0)),
        ("registered", {"flow": "case"}, [("register", NOON, {})], (1, 1)),
        ("registered", {"flow": "case"}, [], (0, 1)),
        ("archived", {"flow": "case"}, [], (0, 1)),
        ("archived", {"flow": "case", "due_at": None}, [], (0, 0)),
        ("archived", {"flow": "case", "due_at": None}, [("close", NOON, {})], (1, 1)),
        ("archived_on_time", {"flow": "case"}, [("close", DUE, {})], (1, 1)),
        ("archived_on_time", {"flow": "case"}, [("close", DUE + 1, {})], (0, 1)),
        ("reworked", {}, [("rework", NOON, {})], (0, 0)),
        ("reworked", {}, [("check", NOON, {}), ("rework", NOON + 1, {})], (1, 1)),
        ("false_closure", {}, [("redo", NOON, {})], (0, 0)),
        ("false_closure", {}, [("close", NOON, {}), ("redo", NOON + 1, {})], (1, 1)),
        ("false_closure", {}, [("close", NOON, {}), ("revisit", NOON + 1, {"solved": False})], (1, 1)),
        ("false_closure", {}, [("close", NOON, {}), ("revisit", NOON + 1, {"solved": True})], (0, 1)),
        ("checked", {"flow": "case"}, [("check", NOON, {}), ("close", NOON, {})], (1, 1)),
        ("checked", {"flow": "case"}, [("close", NOON, {}), ("check", NOON + 1, {})], (0, 1)),
        ("natural_hours", {}, [("close", NOON + 90 * 60_000, {})], (1.5, 1)),
        ("natural_hours", {}, [("accept", NOON + HOUR, {}), ("close", NOON + 90 * 60_000, {})], (0.5, 1)),
        ("natural_hours", {}, [("close", NOON - HOUR, {})], (0, 1)),
        # Monday noon is the lunch break until 13:30; the day ends at 17:30, the next begins at 8:30.
        ("working_hours", {}, [("close", NOON + 2 * HOUR, {})], (0.5, 1)),
        ("working_hours", {}, [("close", NOON + 8 * HOUR, {})], (4, 1)),
        ("working_hours", {}, [("close", NOON + 21 * HOUR, {})], (4.5, 1)),
        ("working_hours", {}, [("close", NOON + 7 * DAY, {})], (37.5, 1)),
    ],
)
def test_each_figure_at_its_edges(
    bi: Any, put: Callable[..., None], name: str, of: dict[str, Any], steps: list[Any], expected: tuple[float, float]
) -> None:
    put(ROUTED, [routed(report("a"), **{"due_at": DUE, **of})])
    put(PROGRESS, [step("a", kind, at, **rest) for kind, at, rest in steps])
    assert figures(bi)[name] == expected


@pytest.mark.parametrize(("later", "again"), [(30 * DAY, True), (30 * DAY + 1, False)])
def test_told_again_within_the_days_of_the_profile_is_a_false_closure_and_not_right_the_first_time(
    bi: Any, put: Callable[..., None], later: int, again: bool
) -> None:
    put(ROUTED, [routed(report("a"))])
    put(PROGRESS, [step("a", "close", NOON + HOUR)])
    told = report("b", reported_at=NOON + HOUR + later, received_at=NOON + HOUR + later)
    put(ROUTED, [routed(told, relation="rebound", matter_id=A, linked_to=A)])
    found = figures(bi)
    assert found["false_closure"] == (int(again), 1)
    assert found["first_time"] == (1 - int(again), 1)
    assert found["matters"] == found["matters_closed"] == (1, 1)


def test_what_patrols_found_counts_as_solved_before_anybody_called_only_while_nobody_else_told_it(
    bi: Any, put: Callable[..., None]
) -> None:
    put(ROUTED, [routed(report("a", appeal_type="case"))])
    assert figures(bi)["pre_resolved"] == (0, 1)
    put(PROGRESS, [step("a", "close", NOON + HOUR)])
    assert figures(bi)["pre_resolved"] == (1, 1)
    put(ROUTED, [routed(report("b", **SECOND), relation="joined", matter_id=A, linked_to=A)])
    assert figures(bi)["pre_resolved"] == (0, 1)
    assert figures(bi, date(2025, 3, 3), date(2025, 3, 4))["accepted"] == (2, 2)
    assert figures(bi, date(2025, 3, 3), date(2025, 3, 4))["matters"] == (1, 1)


def test_the_cohort_by_due_time_holds_what_was_due_on_the_days_and_nothing_without_a_due_time(
    bi: Any, put: Callable[..., None]
) -> None:
    put(ROUTED, [routed(report("a"), due_at=DUE), routed(report("b"), due_at=None)])
    due_day = date(2025, 3, 8)
    assert headline(bi, due_day, due_day, "due")[0].numerator == 1
    assert headline(bi, TODAY, TODAY, "due")[0].numerator == 0
    assert headline(bi, due_day, due_day)[0].numerator == 0
    put(PROGRESS, [step("a", "extend", NOON, extended_to=DUE + DAY)])
    assert headline(bi, due_day, due_day, "due")[0].numerator == 0


@pytest.mark.parametrize(
    "by", ["feed", "channel", "family", "matter_kind", "agency_code", "street_code", "community_code"]
)
def test_the_figures_of_all_parts_add_up_to_the_whole(bi: Any, put: Callable[..., None], by: str) -> None:
    put(
        ROUTED,
        [
            routed(report("a")),
            routed(report("b", street_code=None, community_code=None, matter_kind=""), agency_code=None),
        ],
    )
    put(PROGRESS, [step("a", "close", NOON + HOUR), step("b", "close", NOON + HOUR)])
    for view in ("bi.kpi_daily", "bi.kpi_hourly"):
        parts = f"SELECT {by}, sum(accepted) AS n, sum(closed_numerator) AS closed FROM {view} GROUP BY {by}"
        assert bi.query(f"SELECT sum(n), sum(closed) FROM ({parts})").result_rows == [(2, 2)]
    assert bi.query(f"SELECT count(), countIf(closed) FROM bi.figures WHERE NOT isNull({by})").result_rows == [(2, 2)]


def test_an_hour_is_that_of_the_report_and_its_local_hour_that_of_the_profile(
    bi: Any, put: Callable[..., None]
) -> None:
    put(ROUTED, [routed(report("a", reported_at=local("2025-03-03 00:30")))])
    assert bi.query("SELECT toString(hour), local_hour, toString(day) FROM bi.figures").result_rows == [
        ("2025-03-02 16:00:00", 0, "2025-03-03")
    ]
