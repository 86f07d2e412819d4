"""The life of a case: who has it, until when, and when it is over."""

from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import Profile
from profiles.flows import CaseRules, Step
from schemas.records import Progress
from streams.cases import CaseState, CaseStep, Effect, begin, bundled_due, settle, step
from streams.decide import Decider, Origin
from streams.state import PartitionState
from tests.streams.make import DAY, HOUR, PROFILE, START, UNHURRIED, report

COMMUNITY = "370212001003"
NUMBERS = count()


def told(name: str, at: int, **changes: Any) -> Progress:
    made: dict[str, Any] = {
        "progress_id": f"{next(NUMBERS):032x}",
        "report_id": "r",
        "feed": "hotline12345",
        "channel": "demo-hotline",
        "upstream_id": "1",
        "step": name,
        "occurred_at": at,
        "received_at": at,
        "upstream_step_id": None,
        "unit": None,
        "level": None,
        "contacted": None,
        "solved": None,
        "satisfaction": None,
        "extended_to": None,
        "note": None,
        "extra": {},
    }
    assert set(changes) <= set(made)
    return {**made, **changes}  # type: ignore[typeddict-item]


def ruled(**rules: Any) -> Profile:
    return replace(PROFILE, cases=CaseRules(**rules))


class Case:
    """A case of the demo profile and all that followed from its steps."""

    def __init__(self, kind: str = "noise", profile: Profile = PROFILE, **changes: Any) -> None:
        decider = Decider(profile)
        self.profile, self.router = profile, decider.router
        made = report(matter_kind=kind, **changes)
        self.state: CaseState = begin(decider.decide(PartitionState(), made, Origin("intake.x", 0, 0)).routed)

    def does(self, name: str, at: int, **changes: Any) -> tuple[Effect, ...]:
        """All that follows at once, the end of a case that waits for nobody included."""
        self.state, effect = step(self.state, CaseStep.of(told(name, at, **changes)), self.router, self.profile)
        self.state, ended = settle(self.state, 0)
        return tuple(found for found in (effect, ended) if found is not None)


def kinds(effects: tuple[Effect, ...]) -> list[tuple[str, str]]:
    return [(effect.kind, effect.reason) for effect in effects]


def test_a_case_begins_with_its_first_agency_and_due_time() -> None:
    case = Case("garbage").state
    assert (case.agency, case.level, case.returns, case.closed_at) == (f"wg{COMMUNITY}", "grid", 0, None)
    assert case.deadline == case.due_at is not None


def test_closed_is_finished_only_when_the_person_has_rated() -> None:
    case = Case()
    assert kinds(case.does("close", START + DAY)) == [("closed", "step")]
    assert (case.state.closed_at, case.state.finished_at) == (START + DAY, None)
    assert case.does("rate", START + 2 * DAY, satisfaction="unrated") == ()
    assert kinds(case.does("rate", START + 3 * DAY, satisfaction="dissatisfied")) == [("finished", "rated")]
    assert case.state.finished_at == START + 3 * DAY
    assert case.does("rate", START + 4 * DAY, satisfaction="satisfied") == ()


def test_a_revisit_that_rated_before_closing_finishes_the_case_when_it_closes() -> None:
    case = Case()
    assert case.does("revisit", START + DAY, satisfaction="basic") == ()
    assert kinds(case.does("close", START + DAY + HOUR)) == [("closed", "step"), ("finished", "rated")]


def test_an_enterprise_is_asked_after_closing_whatever_the_revisit_heard() -> None:
    case = Case("business_env", family="development")
    case.does("revisit", START + DAY, satisfaction="satisfied")
    assert kinds(case.does("close", START + DAY + HOUR)) == [("closed", "step")]
    assert kinds(case.does("rate", START + 2 * DAY, satisfaction="satisfied")) == [("finished", "rated")]


@pytest.mark.parametrize("appeal", ["case", "alarm", "consult"])
def test_what_nobody_is_asked_about_is_finished_when_it_is_closed(appeal: str) -> None:
    case = Case(appeal_type=appeal)
    assert kinds(case.does("close", START + DAY)) == [("closed", "step"), ("finished", "step")]


def test_a_cancelled_case_is_finished_without_a_rating() -> None:
    assert kinds(Case().does("cancel", START + DAY)) == [("closed", "step"), ("finished", "step")]


def test_a_case_that_nobody_rates_is_finished_when_the_time_for_it_is_over() -> None:
    case = Case()
    assert settle(case.state, START + 365 * DAY) == (case.state, None)
    case.does("close", START)
    ends = START + 7 * DAY
    assert settle(case.state, ends - 1) == (case.state, None)
    for asked in (ends, ends + 30 * DAY):
        state, effect = settle(case.state, asked)
        assert (effect, state.finished_at) == (Effect("finished", "rating_timeout", ends), ends)
        assert settle(state, asked + DAY) == (state, None)


def test_a_rating_told_late_but_given_in_time_takes_the_place_of_the_end_by_time() -> None:
    case = Case()
    case.does("close", START)
    case.state, _ = settle(case.state, START + 8 * DAY)
    assert kinds(case.does("rate", START + DAY, satisfaction="satisfied")) == [("finished", "rated")]
    assert case.state.finished_at == START + DAY
    assert case.does("rate", START + 9 * DAY, satisfaction="dissatisfied") == ()
    case = Case()
    case.does("close", START + DAY)
    assert case.does("rate", START, satisfaction="satisfied")[0].at == START + DAY, "no case ends before it closes"


@pytest.mark.parametrize("name", ["redo", "rework", "resume"])
def test_a_closed_case_that_is_done_again_is_open_with_a_new_limit(name: str) -> None:
    case = Case("rental")  # 7 natural days
    case.does("close", START + DAY)
    case.does("rate", START + 2 * DAY, satisfaction="dissatisfied")
    (effect,) = case.does(name, START + 3 * DAY)
    assert (effect.kind, effect.due_at, effect.agency_code) == ("reopened", START + 10 * DAY, f"sq{COMMUNITY}")
    assert (case.state.closed_at, case.state.finished_at, case.state.rated_at) == (None, None, None)
    assert case.state.deadline == START + 10 * DAY


def test_doing_again_may_keep_the_clock_and_means_nothing_for_an_open_case() -> None:
    case = Case("rental", ruled(reopen_clock="keep"))
    assert case.does("redo", START + DAY) == ()
    case.does("close", START + DAY)
    (effect,) = case.does("redo", START + 3 * DAY)
    assert (effect.kind, effect.due_at, case.state.deadline) == ("reopened", None, START + 7 * DAY)


def test_what_a_level_returns_goes_to_the_agency_above_up_to_a_person() -> None:
    case = Case("garbage")
    at = START
    for agency, level in ((f"sq{COMMUNITY}", "community"), ("jd001", "street"), ("zhongxin", "district")):
        at += HOUR
        (effect,) = case.does("return", at)
        assert (effect.kind, effect.agency_code, effect.level) == ("escalated", agency, level)
        assert (effect.reason, effect.manual_reason, effect.agency_name) == (
            "returned",
            None,
            PROFILE.agencies[agency].name_zh,
        )
    (effect,) = case.does("return", at + HOUR)
    assert (effect.kind, effect.agency_code, effect.manual_reason) == ("returned", None, "top_level")
    assert (case.state.returns, case.state.waits) == (4, "top_level")


def test_a_return_counts_only_within_its_limit_after_the_dispatch() -> None:
    case = Case()
    zone = ZoneInfo(PROFILE.timezone)
    dispatched = round(datetime(2025, 9, 29, 15, tzinfo=zone).timestamp() * 1000)
    last = round(
        datetime(2025, 10, 9, 17, 30, tzinfo=zone).timestamp() * 1000
    )  # the 30th, then eight days off, the 9th
    case.does("dispatch", dispatched)
    before = case.state
    assert kinds(case.does("return", last + 1)) == [("void", "late_return")]
    assert case.state == before
    assert kinds(case.does("return", last)) == [("escalated", "returned")]


@pytest.mark.parametrize(("clock", "due"), [("keep", START + 7 * DAY), ("restart", START + 7 * DAY + HOUR)])
def test_a_return_keeps_the_clock_or_starts_it_anew_as_the_profile_says(clock: str, due: int) -> None:
    case = Case("rental", ruled(return_clock=clock))
    (effect,) = case.does("return", START + HOUR)
    assert case.state.deadline == due
    assert effect.due_at == (None if clock == "keep" else due)


def test_a_grid_that_whistles_calls_the_department_and_has_not_returned_it() -> None:
    case = Case("garbage", ruled(return_within="1 urgent_hour"))
    case.state = case.state._replace(co_agencies=("sq001", "huanwei"))
    (effect,) = case.does("return", START + 5 * HOUR, note="网格吹哨，请部门报到")
    assert (effect.kind, effect.reason, effect.agency_code, effect.level) == (
        "escalated",
        "whistle",
        "huanwei",
        "district",
    )
    assert case.state.returns == 0


def test_a_whistle_without_a_department_at_hand_goes_to_the_level_above() -> None:
    case = Case("garbage")
    case.state = case.state._replace(co_agencies=())
    assert case.does("return", START + HOUR, extra={"type": "吹哨"})[0].agency_code == f"sq{COMMUNITY}"


def test_a_department_can_not_whistle() -> None:
    assert kinds(Case().does("return", START + HOUR, note="吹哨")) == [("escalated", "returned")]


def test_a_reassignment_goes_to_the_agency_that_the_source_names() -> None:
    case = Case()
    (effect,) = case.does("redispatch", START + HOUR, unit="联动单位-生态环境分局")
    assert (effect.kind, effect.agency_code, effect.level) == ("reassigned", "shengtai", "district")
    assert case.state.path == ("zhifa", "shengtai")
    assert case.does("redispatch", START + 2 * HOUR, unit="生态环境分局") == ()
    assert case.does("redispatch", START + 2 * HOUR) == ()
    assert kinds(case.does("redispatch", START + 3 * HOUR, unit="隔壁区某局")) == [("void", "unknown_unit")]
    assert case.does("dispatch", START + 3 * HOUR, unit="政府服务热线-受理组-二组") == ()
    assert case.does("dispatch", START + 4 * HOUR, extra={"target_unit": "公安分局"})[0].agency_code == "gongan"


def test_a_case_that_goes_to_and_fro_stops_and_goes_up_with_an_alert() -> None:
    case = Case(profile=ruled(reassignments=10))
    case.does("redispatch", START + HOUR, unit="生态环境分局")
    (effect,) = case.does("redispatch", START + 2 * HOUR, unit="综合行政执法局")
    assert (effect.kind, effect.agency_code) == ("escalated", "zhongxin")
    assert (effect.reason, effect.manual_reason, effect.alert) == ("ping_pong", "ping_pong", "ping_pong")
    assert (case.state.waits, case.state.path) == ("ping_pong", ("zhongxin",))
    (decided,) = case.does("redispatch", START + 3 * HOUR, unit="公安分局")
    assert (decided.kind, decided.agency_code, case.state.waits) == ("reassigned", "gongan", None)


def test_so_many_reassignments_stop_too() -> None:
    case = Case(profile=ruled(reassignments=3))
    for hour, unit in enumerate(("生态环境分局", "公安分局"), start=1):
        assert kinds(case.does("redispatch", START + hour * HOUR, unit=unit)) == [("reassigned", "step")]
    (effect,) = case.does("redispatch", START + 3 * HOUR, unit="住房和城乡建设局")
    assert (effect.reason, effect.alert, effect.agency_code) == ("ping_pong", "ping_pong", "zhongxin")


def test_a_grid_and_its_community_that_push_a_case_to_each_other_lose_it_to_the_street() -> None:
    case = Case("garbage")
    case.does("return", START + HOUR)
    case.does("redispatch", START + 2 * HOUR, unit=PROFILE.agencies[f"wg{COMMUNITY}"].name_zh)
    assert case.state.waits == "ping_pong"
    assert case.state.agency == "jd001"


def test_an_extension_counts_when_it_was_granted_before_the_limit_ran_out() -> None:
    case = Case("rental", ruled(extension_at_most="10 work_day"))
    due = START + 7 * DAY
    assert kinds(case.does("extend", due + 1, extended_to=due + DAY)) == [("void", "late_extension")]
    assert kinds(case.does("extend", due, extended_to=due - 1)) == [("void", "no_longer_time")]
    assert kinds(case.does("extend", due, extended_to=due + 60 * DAY)) == [("void", "long_extension")]
    assert case.state.deadline == due
    (effect,) = case.does("extend", due, extended_to=due + 3 * DAY)
    assert (effect.kind, effect.due_at, case.state.deadline) == ("extended", due + 3 * DAY, due + 3 * DAY)
    assert case.does("extend", due, extended_to=None) == ()


def test_a_closed_case_is_not_returned_or_reassigned() -> None:
    case = Case()
    case.does("close", START + HOUR)
    assert kinds(case.does("return", START + 2 * HOUR)) == [("void", "closed_case")]
    assert kinds(case.does("redispatch", START + 2 * HOUR, unit="公安分局")) == [("void", "closed_case")]


def test_bundled_cases_share_a_clock_as_the_profile_says() -> None:
    cases = [(30, 100), (10, 200), (20, None)]
    assert bundled_due(cases, "earliest") == 100
    assert bundled_due(cases, "first") == 200
    assert bundled_due(cases, "own") is None
    assert bundled_due([(1, None)], "earliest") is None
    assert bundled_due(reversed(cases), "first") == 200


names = st.sampled_from(get_args(Step))
units = st.none() | st.sampled_from(["公安分局", "生态环境分局", "中韩街道", "综合行政执法局", "nobody"])
ratings = st.none() | st.sampled_from(["satisfied", "dissatisfied", "unrated"])
lives = st.lists(st.tuples(names, st.integers(0, 30 * DAY), units, ratings), max_size=25)


@UNHURRIED
@given(lives, st.sampled_from(["noise", "garbage", "rental"]))
def test_any_life_keeps_a_case_in_order(life: list[tuple[str, int, str | None, str | None]], kind: str) -> None:
    case = Case(kind)
    changed = 0
    for name, later, unit, rating in life:
        before = case.state
        effects = case.does(
            name, START + later, unit=unit, satisfaction=rating, extended_to=START + later + 5 * DAY, note=unit
        )
        state = case.state
        assert len(state.path) <= 8
        assert state.agency in PROFILE.agencies
        assert state.finished_at is None or state.closed_at is not None
        assert all(effect.at == START + later or effect.kind == "finished" for effect in effects)
        if any(effect.kind == "void" for effect in effects):
            assert (state.path, state.deadline, state.closed_at) == (before.path, before.deadline, before.closed_at)
        changed += any(effect.kind in ("reassigned", "escalated") for effect in effects)
        for effect in effects:
            if effect.kind in ("reassigned", "escalated"):
                assert (effect.agency_code, effect.level) == (state.agency, state.level)
            assert (effect.alert is not None) == (effect.manual_reason == "ping_pong")
    again = Case(kind)
    for name, later, unit, rating in life:
        again.does(name, START + later, unit=unit, satisfaction=rating, extended_to=START + later + 5 * DAY, note=unit)
    assert again.state == case.state
