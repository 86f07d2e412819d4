"""督办 and 未诉先办: what holds now by the views, with facts told around the present hour."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from profiles import Profile
from profiles.supervision import PreventionRules, SupervisionRules
from profiles.workcalendar import WorkCalendar
from schemas.topics import PROGRESS, ROUTED
from sinks.dimensions import load_dimensions
from tests.sinks.records import DAY, HOUR, case, change, report, routed, step

pytestmark = pytest.mark.clickhouse

Put = Callable[..., None]
ZONE = ZoneInfo("Asia/Shanghai")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def held(client: Any, columns: str = "subject") -> dict[str, list[Any]]:
    """What holds, by rule: the last letters of the subjects, or other columns."""
    found: dict[str, list[Any]] = {}
    for rule, *told in client.query(f"SELECT rule, {columns} FROM bi.supervision ORDER BY rule, subject").result_rows:
        found.setdefault(rule, []).append(
            told[0].removeprefix("hotline12345-") if columns == "subject" else tuple(told)
        )
    return found


def opened(name: str, due_in: int | None, begun: int = 2 * HOUR, **changed: Any) -> Any:
    """An order that began so many milliseconds ago and is due in so many."""
    now = now_ms()
    due = None if due_in is None else now + due_in
    return routed(
        report(name, reported_at=now - begun, received_at=now - begun, source_due_at=due), due_at=None, **changed
    )


def before(days: float) -> int:
    return round(now_ms() - days * DAY)


def test_a_card_is_yellow_within_one_working_day_of_the_due_time_and_red_after_it(
    bi: Any, put: Put, profile: Profile
) -> None:
    calendar = WorkCalendar.of(profile)
    hours = (-300, -60, -3, 0.25, 5, 20, 23.5, 24.5, 30, 44, 47.5, 48.5, 70, 95, 120, 300)
    put(ROUTED, [opened(f"h{number}", round(at * HOUR)) for number, at in enumerate(hours)])
    put(ROUTED, [opened("none", None)])
    expected: dict[str, list[str]] = {"yellow_card": [], "red_card": []}
    moment = datetime.now(ZONE)
    for number, at in enumerate(hours):
        due = moment + timedelta(hours=at)
        day_before = due.date() - timedelta(days=1)
        while not calendar.is_working_day(day_before):
            day_before -= timedelta(days=1)
        if at <= 0:
            expected["red_card"].append(f"h{number}")
        elif moment >= datetime.combine(day_before, due.time(), ZONE):
            expected["yellow_card"].append(f"h{number}")
    found = held(bi)
    assert {rule: sorted(found.get(rule, [])) for rule in expected} == {
        rule: sorted(names) for rule, names in expected.items()
    }


def test_the_rungs_follow_each_other_by_working_days_and_only_a_solved_case_gets_down_from_the_last(
    bi: Any, put: Put, profile: Profile
) -> None:
    calendar = WorkCalendar.of(profile)
    today = datetime.now(ZONE).date()
    names: dict[str, list[str]] = {"reminder": [], "bulletin": [], "level_up": []}
    for back in range(1, 15):
        day = today - timedelta(days=back)
        due = datetime.combine(day, datetime.min.time(), ZONE).timestamp() * 1000 + 9 * HOUR
        late = sum(calendar.is_working_day(day + timedelta(days=n + 1)) for n in range(back))
        put(ROUTED, [opened(f"d{back:02}", round(due - now_ms()), begun=20 * DAY)])
        if late:
            names["reminder" if late < 2 else "bulletin" if late < 5 else "level_up"].append(f"d{back:02}")
    found = held(bi)
    assert {rule: found.get(rule, []) for rule in names} == names
    assert len(found["red_card"]) == 14
    put(PROGRESS, [step("d14", "close", now_ms() - HOUR), step("d13", "close", now_ms() - HOUR)])
    put(PROGRESS, [step("d13", "revisit", now_ms() - HOUR // 2, solved=True)])
    found = held(bi)
    assert "d14" in found["level_up"]
    assert not {"d14", "d13"} & set(found["red_card"])
    assert "d13" not in found["level_up"]


def test_nobody_reached_and_nothing_told_are_two_rules_with_their_own_end(bi: Any, put: Put) -> None:
    put(ROUTED, [opened(name, None, begun=5 * DAY) for name in "abcd"])
    put(
        PROGRESS,
        [step("a", "dispatch", before(1.1)), step("b", "dispatch", before(4)), step("c", "dispatch", before(4))],
    )
    assert held(bi) == {"no_response": ["a", "b", "c"], "no_feedback": ["b", "c"]}
    put(PROGRESS, [step("a", "respond", before(0.9)), step("b", "feedback", before(0.5))])
    assert held(bi) == {"no_response": ["b", "c"], "no_feedback": ["c"]}
    put(PROGRESS, [step("b", "cancel", before(0.1)), step("c", "close", before(0.1))])
    assert held(bi) == {}


def test_two_dissatisfied_ratings_hold_until_one_is_better(bi: Any, put: Put) -> None:
    put(ROUTED, [opened("a", None, begun=9 * DAY)])
    put(
        PROGRESS,
        [step("a", "close", before(8)), step("a", "revisit", before(7), satisfaction="dissatisfied", solved=False)],
    )
    assert held(bi) == {"false_closure": ["a"]}
    put(PROGRESS, [step("a", "redo", before(6)), step("a", "revisit", before(5), satisfaction="dissatisfied")])
    assert held(bi) == {"dissatisfied": ["a"]}
    put(PROGRESS, [step("a", "close", before(4)), step("a", "rate", before(3), satisfaction="basic", solved=True)])
    assert held(bi) == {}


def test_an_order_that_is_open_for_long_is_listed_until_it_is_closed(bi: Any, put: Put) -> None:
    put(ROUTED, [opened("a", None, begun=31 * DAY), opened("b", None, begun=29 * DAY)])
    assert held(bi) == {"unresolved": ["a"]}
    put(PROGRESS, [step("a", "close", before(0.1), solved=True)])
    assert held(bi) == {}


def test_a_matter_told_again_after_closure_is_a_false_closure_and_the_second_time_listed(bi: Any, put: Put) -> None:
    a = {"matter_id": "hotline12345-a", "linked_to": "hotline12345-a"}
    put(ROUTED, [opened("a", None, begun=20 * DAY)])
    put(PROGRESS, [step("a", "close", before(15))])
    put(ROUTED, [opened("b", None, begun=10 * DAY, relation="rebound", **a)])
    assert held(bi) == {"false_closure": ["a"]}
    put(PROGRESS, [step("b", "close", before(8))])
    put(ROUTED, [opened("c", None, begun=5 * DAY, relation="rebound", **a)])
    found = held(bi, "subject_type, subject, value, report_ids")
    assert found["rebound"] == [("matter", "hotline12345-a", 2, ["hotline12345-b", "hotline12345-c"])]
    assert len(found["false_closure"]) == 2
    put(PROGRESS, [step("c", "close", before(4))])
    assert "rebound" in held(bi)  # closed, but it is too early to say that nobody comes back


def test_a_matter_of_many_persons_that_went_up_a_level_is_listed_until_all_is_closed(bi: Any, put: Put) -> None:
    a = {"matter_id": "hotline12345-a", "level": "street"}
    told = [opened(name, None, begun=3 * HOUR, relation="joined", **a) for name in "bcde"]
    for number, one in enumerate(told):
        one["report"]["reporter_key"] = f"{number}" * 32
    put(ROUTED, [opened("a", None, begun=4 * HOUR, level="grid"), *told])
    assert "escalation" not in held(bi)
    up = change("escalated", "a", ruled_by=None, changed_at=before(0.1), case=case(level="street"))
    put(ROUTED, [up])
    assert held(bi)["escalation"] == ["a"]
    put(PROGRESS, [step(name, "close", before(0.01)) for name in "abcde"])
    assert "escalation" not in held(bi)


def test_many_persons_near_one_point_are_hot_and_one_person_many_times_is_not(bi: Any, put: Put) -> None:
    def told(name: str, person: str, lon: float, kind: str = "noise", **changed: Any) -> Any:
        moment = before(1)
        return routed(
            report(
                name,
                reported_at=moment,
                received_at=moment,
                reporter_key=person * 32,
                lon=lon,
                lat=36.1,
                matter_kind=kind,
                **changed,
            )
        )

    put(ROUTED, [told(f"p{n}", str(n), 120.4 + n * 0.0002) for n in range(5)])
    put(ROUTED, [told(f"q{n}", "q", 120.6) for n in range(9)])
    put(ROUTED, [told(f"r{n}", str(n), 120.8 + n * 0.02) for n in range(9)])
    put(ROUTED, [told(f"s{n}", str(n), 120.9, confidential=True) for n in range(9)])
    found = bi.query("SELECT method, matter_kind, reports, callers, rank, round(lon, 3) FROM bi.hot_points").result_rows
    assert found == [("callers", "noise", 5, 5, 1, 120.4)]


def test_a_kind_far_above_the_weeks_before_is_an_emerging_topic(bi: Any, put: Put) -> None:
    def told(count: int, days: float, kind: str) -> list[Any]:
        return [
            routed(report(f"{kind}{days}-{n}", reported_at=before(days), received_at=before(days), matter_kind=kind))
            for n in range(count)
        ]

    for week in range(1, 9):
        put(ROUTED, told(8, 7 * week + 1, "noise") + told(1, 7 * week + 1, "heating"))
    put(ROUTED, told(10, 1, "noise") + told(9, 1, "heating"))
    columns = "matter_kind, street_code, reports, usual, growth"
    found = bi.query(f"SELECT {columns} FROM bi.emerging_topics").result_rows
    assert found == [("heating", "370212001", 9, 1.0, 8.0)]


def test_a_season_is_found_in_the_years_before_and_warned_of_in_time(
    hub: Any, bi: Any, put: Put, profile: Profile
) -> None:
    today = datetime.now(ZONE).date()
    start = today + timedelta(days=14)
    records = []
    for year in (1, 2, 3):
        for number in range(30):
            moment = datetime(start.year - year, start.month, min(start.day, 28), 12, tzinfo=UTC) + timedelta(
                days=number // 2
            )
            ms = round(moment.timestamp() * 1000)
            records.append(routed(report(f"s{year}-{number}", reported_at=ms, received_at=ms, matter_kind="heating")))
        for week in range(52):
            if (moment := datetime(today.year - year, 1, 3, 12, tzinfo=UTC) + timedelta(days=7 * week)).date() < today:
                ms = round(moment.timestamp() * 1000)
                records.append(routed(report(f"n{year}-{week}", reported_at=ms, received_at=ms, matter_kind="noise")))
    put(ROUTED, records)
    columns = "area, matter_kind, is_due, years, starts_on, ends_on"
    ((area, kind, is_due, years, starts_on, ends_on),) = bi.query(
        f"SELECT {columns} FROM bi.seasonal_warnings WHERE area_type = 'district'"
    ).result_rows
    assert (area, kind, is_due) == ("", "heating", True)
    assert years in {3, 4}
    # A season is told in whole weeks, and begins where the three weeks round it are high.
    assert start - timedelta(days=14) <= starts_on <= start + timedelta(days=7)
    assert ends_on > start


def test_the_limits_are_those_of_the_profile(hub: Any, bi: Any, put: Put, profile: Profile) -> None:
    put(ROUTED, [opened("a", None, begun=5 * DAY)])
    assert held(bi) == {}
    try:
        load_dimensions(
            hub, replace(profile, supervision=SupervisionRules(unresolved_days=4), prevention=PreventionRules())
        )
        assert held(bi) == {"unresolved": ["a"]}
    finally:
        load_dimensions(hub, profile)


def test_what_fires_has_a_sentence_and_a_rule_each(bi: Any, put: Put) -> None:
    put(ROUTED, [opened("a", -DAY, begun=40 * DAY)])
    found = bi.query("SELECT rule, severity, subject_type, subject, summary, rule_version FROM bi.firing").result_rows
    rules = {row[0]: row[1] for row in bi.query("SELECT rule, severity FROM bi.supervision_rules").result_rows}
    assert Counter(row[0] for row in found)["red_card"] == 1
    for rule, severity, kind, subject, summary, version in found:
        assert (severity, kind, subject) == (rules[rule], "report", "hotline12345-a")
        assert summary.startswith("【")
        assert "工单 a" in summary
        assert "<" not in summary
        assert len(version) == 16
