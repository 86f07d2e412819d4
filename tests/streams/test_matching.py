"""Links and decisions: pure, so the tests are."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import Profile
from profiles.flows import Matching
from schemas.records import Report
from streams.decide import Decider, Decision, Origin
from streams.matching import PARTS
from streams.reading import read, same_name
from streams.state import KEEP_MS, OffsetSet, PartitionState
from tests.streams.make import DAY, HOUR, MINUTE, PROFILE, START, UNHURRIED, report, rid

TOPIC = "intake.hotline12345"


def play(reports: Iterable[Report], profile: Profile = PROFILE) -> tuple[PartitionState, list[Decision]]:
    """Decide in order in one partition."""
    decider, state, decisions = Decider(profile), PartitionState(), []
    for offset, one in enumerate(reports):
        decision = decider.decide(state, one, Origin(TOPIC, 0, offset))
        state.apply(decision.routed)
        decisions.append(decision)
    return state, decisions


def last(*reports: Report) -> Any:
    """Decision log record of the last report."""
    return play(reports)[1][-1].routed


def test_a_first_report_is_a_new_matter_of_its_own_id() -> None:
    routed = last(report(1))
    assert (routed["relation"], routed["matter_id"], routed["linked_to"]) == ("new", rid(1), None)
    assert (routed["score"], routed["reasons"], routed["outcome"]) == (None, [], "routed")


def test_the_very_same_message_again_is_a_replay_and_changes_nothing_but_the_offsets() -> None:
    before, _ = play([report(1)])
    after, decisions = play([report(1), report(1)])
    routed = decisions[1].routed
    assert (routed["outcome"], routed["relation"], routed["linked_to"]) == ("replay", "replay", rid(1))
    assert replace(after, decided=before.decided) == before


def test_another_content_under_the_same_id_is_a_revision_of_the_same_matter() -> None:
    reports = [report(1), report(2), report(2, content_hash="other")]
    assert last(*reports)["relation"] == "revision"
    assert last(*reports)["matter_id"] == rid(1)
    assert last(*reports, reports[-1])["outcome"] == "replay"


def test_a_correction_back_to_an_earlier_content_is_a_revision() -> None:
    on, off = report(1, confidential=True), report(1, content_hash="other")
    assert last(on, off, on)["relation"] == "revision"
    assert last(on, off, on, on)["outcome"] == "replay"


def test_a_report_made_confidential_leaves_its_matter_and_nobody_is_linked_to_it_or_its_reporter() -> None:
    one, two = report(1), report(2, reported_at=START + HOUR)
    hidden = {**two, "confidential": True, "content_hash": "other"}
    state, decisions = play([one, two, hidden])
    assert [(d.routed["relation"], d.routed["matter_id"]) for d in decisions] == [
        ("new", rid(1)),
        ("joined", rid(1)),
        ("revision", rid(2)),
    ]
    matter = state.matter(rid(1))
    assert matter is not None
    assert (matter.report_ids, matter.reporters) == ([rid(1)], {"person-1"})
    nearer = report(3, reported_at=START + HOUR, reporter_key="person-2")
    assert last(one, two, nearer)["relation"] == "repeat"
    found = last(one, two, hidden, nearer)
    assert (found["relation"], found["linked_to"]) == ("joined", rid(1))
    assert last(two, hidden, nearer)["relation"] == "new"


def test_confidentiality_only_rises() -> None:
    hidden = report(1, confidential=True, content_hash="other")
    opened = report(1, content_hash="third")
    assert last(report(1), hidden, opened, report(2))["relation"] == "new"
    assert last(hidden, opened, report(2))["relation"] == "new"


def test_a_reporter_stays_with_a_matter_by_another_report_of_theirs_that_is_not_confidential() -> None:
    two = report(2, reporter_key="person-1", reported_at=START + HOUR)
    state, _ = play([report(1), two, {**two, "confidential": True, "content_hash": "other"}])
    matter = state.matter(rid(1))
    assert matter is not None
    assert matter.reporters == {"person-1"}


def test_a_confidential_report_is_forgotten_like_any_other() -> None:
    hidden = report(1, confidential=True, content_hash="other")
    late = report(9, reported_at=START + KEEP_MS + DAY, received_at=START + KEEP_MS + DAY)
    for before in ([report(1), hidden], [report(1), report(2), hidden]):
        state, _ = play([*before, late])
        assert set(state.reports) == {rid(9)}
        assert not state.matters


def test_another_person_joins_and_the_same_person_repeats() -> None:
    joined = last(report(1), report(2, reported_at=START + HOUR))
    assert (joined["relation"], joined["matter_id"], joined["linked_to"]) == (
        "joined",
        rid(1),
        rid(1),
    )
    again = last(report(1), report(2, reported_at=START + HOUR, reporter_key="person-1"))
    assert again["relation"] == "repeat"
    assert 0.5 < joined["score"] <= again["score"] <= 1
    told = {"name=幸福", "metres=0", "community=1", "hours=1.0", "words=1.00", "same_reporter=0"}
    assert told <= set(joined["reasons"])
    assert {reason.partition("=")[0] for reason in (*joined["reasons"], *again["reasons"])} <= set(PARTS)


#: The same trouble told by another person, and another trouble of the same place.
RETOLD = {"title": "楼下半夜放歌", "content": "幸福小区楼下有人半夜放歌，吵得老人孩子睡不着，希望管一管"}
GARBAGE = {
    "matter_kind": "garbage",
    "kind_code": "demo/hotline-2025/appeal/020101",
    "title": "垃圾桶满了没人清运",
    "content": "幸福小区门口的垃圾桶满了三天没有人清运，苍蝇很多",
}


@pytest.mark.parametrize(
    "changes",
    [
        GARBAGE,
        {"reported_at": START + 169 * HOUR},
        {"reported_at": START - 169 * HOUR},
        {"community_code": "370212001002", "lat": None, "lon": None},
        {"community_code": "370212001002", "lat": 36.112034 + 0.0030},  # 334 m, over a community's border
        {"lat": 36.112034 + 0.02},  # 2.2 km
        {"confidential": True},
        {"appeal_type": "consult"},
        {"appeal_type": "praise"},
        {"appeal_type": "suggestion"},
        {"appeal_type": "alarm", "device_id": "camera"},
    ],
)
def test_unlike_reports_are_two_matters_in_either_order(changes: dict[str, Any]) -> None:
    one, other = report(1), report(2, **changes)
    assert last(one, other)["relation"] == last(other, one)["relation"] == "new"


@pytest.mark.parametrize(
    "changes",
    [
        {"reported_at": START + 168 * HOUR},
        {"community_code": "370212001002", "lat": 36.112034 + 0.0011},  # 122 m over a community's border
        {"community_code": None, "lon": 120.454731 + 0.0013},  # 117 m, no code
        {"lat": None, "lon": None},
        {"lat": 36.112034 + 0.0022},  # 245 m within one community
    ],
)
@pytest.mark.parametrize("words", [{}, RETOLD])
def test_reports_of_one_place_and_time_are_one_matter_in_either_order(
    words: dict[str, Any], changes: dict[str, Any]
) -> None:
    one, other = report(1), report(2, **words, **changes)
    assert last(one, other)["relation"] == last(other, one)["relation"] == "joined"


def test_partners_are_found_on_every_side_of_a_cell() -> None:
    spot = {"community_code": None, "lon": 120.45, "lat": 36.114}  # a corner of four cells
    for east in (-0.001, 0, 0.001):
        for north in (-0.0007, 0, 0.0007):
            other = {**spot, "lon": 120.45 + east, "lat": 36.114 + north}
            assert last(report(1, **spot), report(2, **other))["relation"] == "joined", (east, north)


def test_the_same_person_with_the_same_words_repeats_even_under_another_kind() -> None:
    assert last(report(1), report(2, reporter_key="person-1", matter_kind=""))["relation"] == "repeat"
    assert last(report(1), report(2, reporter_key="person-1", **GARBAGE))["relation"] == "new"


def test_a_matter_lasts_as_long_as_each_report_comes_within_the_window_of_another() -> None:
    """What goes on for weeks stays one matter; after a silence longer than the window it is a new one."""
    reports = [report(i, reported_at=START + hours * HOUR) for i, hours in enumerate((0, 100, 200, 369))]
    assert [d.routed["matter_id"] for d in play(reports)[1]] == [rid(0), rid(0), rid(0), rid(3)]


NOWHERE: dict[str, Any] = {"community_code": None, "street_code": None, "lon": None, "lat": None}
SAME = {"reporter_key": "person-1"}
#: So far apart that only the window of placeless reports can link them.
WEEKS = 20 * DAY
REWORDED = {"title": "夜间噪音扰民问题", "content": "幸福小区3号楼楼下每天夜里都放音乐，声音很大，严重影响休息，请处理"}
LAMPS = {
    "title": "路灯不亮",
    "content": "滨河路整条路的路灯坏了半个月没有人来修",
    "matter_kind": "street_light",
    "kind_code": "demo/hotline-2025/appeal/030101",
}
ELSEWHERE = {"address": None, "title": "夜间噪音扰民", "content": "拟山花园5号楼下夜里放音乐，声音很大，影响休息"}


@pytest.mark.parametrize(
    ("second", "relation"),
    [
        ({**SAME, "reported_at": START + WEEKS}, "repeat"),
        ({**SAME, **REWORDED, "reported_at": START + WEEKS}, "repeat"),
        ({**REWORDED, "reported_at": START + WEEKS}, "joined"),
        (LAMPS, "new"),
        ({**SAME, **LAMPS}, "new"),
        (ELSEWHERE, "new"),
        ({**SAME, "reported_at": START + 401 * DAY}, "new"),
    ],
)
def test_without_a_place_the_name_and_the_trouble_told_make_one_matter(second: dict[str, Any], relation: str) -> None:
    assert last(report(1, **NOWHERE), report(2, **(NOWHERE | second)))["relation"] == relation


def test_one_matter_told_with_and_without_a_place_is_one_where_both_name_it() -> None:
    named = {"title": "拟海花园夜间噪音扰民"}
    assert last(report(1, **named), report(2, **NOWHERE, **REWORDED | named))["relation"] == "joined"
    assert last(report(1), report(2, **NOWHERE, **ELSEWHERE))["relation"] == "new"


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("小拟元培训学校突然停课", ["小拟元培训学校"]),
        ("拟海花园小区物业停掉业主门禁", ["拟海花园"]),
        ("家长说学校噪音", []),
    ],
)
def test_a_name_holds_a_word_of_trouble_before_its_ending_and_no_verb_before_people(
    title: str, names: list[str]
) -> None:
    assert [name.text for name in read(title, "").names] == names


def test_a_school_or_firm_told_short_has_the_same_name() -> None:
    assert same_name("拟明星艺校", "拟明星艺术学校")
    assert same_name("拟达鞋业", "拟达鞋厂")
    assert not same_name("拟明星艺校", "拟月星艺术学校")


def test_the_same_person_tells_the_same_trouble_again_though_the_place_is_named_otherwise() -> None:
    bare = {**NOWHERE, "address": None, "matter_kind": "", "kind_code": None}
    first = {
        "title": "拟海速运装卸货噪音扰民",
        "content": "小区楼下速运公司每天凌晨三点装卸货，叉车噪音很大，老人睡不着",
    }
    again = {"title": "拟山物流园装卸货噪音扰民", "content": "仓库门口货柜碰撞，夜间噪音太大，影响休息"}
    assert last(report(1, **bare | first), report(2, **bare | SAME | again))["relation"] == "repeat"
    assert (
        last(report(1, **bare | first), report(2, **bare | {"reporter_key": "person-9"} | again))["relation"] == "new"
    )


def test_a_score_between_the_thresholds_asks_a_person_and_links_nothing() -> None:
    other = report(2, lat=None, lon=None, kind_code=None, title="楼下太吵", content="晚上唱歌的声音太大了，天天这样")
    link = replace(PROFILE, matching=Matching(link=0.99, review=0.1))
    routed = play([report(1), other], link)[1][-1].routed
    assert (routed["relation"], routed["matter_id"], routed["linked_to"], routed["score"]) == (
        "new",
        rid(2),
        None,
        None,
    )
    assert routed["review_matter"] == rid(1)
    assert "community=1" in routed["reasons"]
    assert routed["review_score"] is not None
    assert 0.1 <= routed["review_score"] < 0.99


def alarm(number: int, seconds: float, **changes: Any) -> Report:
    when = START + round(seconds * 1000)
    given = {"appeal_type": "alarm", "device_id": "camera-1", "reporter_key": "camera-1", "content": "", **changes}
    return report(number, reported_at=when, received_at=when, **given)


def test_alarms_of_a_camera_are_one_episode_until_it_is_quiet_for_ten_minutes() -> None:
    seconds = [0, 599, 1199, 1799.5]
    relations = [d.routed["relation"] for d in play([alarm(i, s) for i, s in enumerate(seconds)])[1]]
    assert relations == ["new", "episode", "episode", "new"]


def test_alarms_join_only_alarms_of_the_same_camera_and_kind() -> None:
    assert last(alarm(1, 0), alarm(2, 1, device_id="camera-2"))["relation"] == "new"
    assert last(alarm(1, 0), alarm(2, 1, matter_kind="garbage"))["relation"] == "new"
    assert last(alarm(1, 0, device_id=None), alarm(2, 1, device_id=None))["relation"] == "new"
    assert last(report(1), alarm(2, 1))["relation"] == "new"
    assert last(alarm(1, 0), report(2))["relation"] == "new"


def test_the_link_does_not_depend_on_the_order_in_which_the_known_reports_came() -> None:
    known = [report(i, reported_at=START + i * 30 * HOUR) for i in (1, 2, 3)]
    new = report(9, reported_at=START + 70 * HOUR, reporter_key="person-2")
    answers = [last(*order, new) for order in permutations(known)]
    assert {(a["relation"], a["matter_id"] in {rid(1), rid(2), rid(3)}) for a in answers} == {("repeat", True)}
    assert {a["linked_to"] for a in answers} == {rid(2)}


def test_a_report_is_linked_to_the_last_of_the_same_person_else_to_the_last_of_the_matter() -> None:
    twins = [report(i) for i in (3, 1, 2)]
    assert last(*twins, report(9))["linked_to"] == rid(2)
    assert last(*twins, report(9, reporter_key="person-1"))["linked_to"] == rid(1)


def test_a_fifth_person_raises_one_mass_appeal_with_the_same_id_each_time() -> None:
    reports = [report(i, reported_at=START + i * MINUTE) for i in range(8)]
    alerts = [(i, a) for i, d in enumerate(play(reports)[1]) for a in d.alerts]
    [(at, alert)] = alerts
    assert at == PROFILE.mass_appeal_persons - 1
    assert (alert["subject"], alert["value"], alert["threshold"]) == (rid(0), 5.0, 5.0)
    assert alert["report_ids"] == [rid(i) for i in range(5)]
    assert alert["raised_at"] == START + 4 * MINUTE
    assert [a for d in play(reports)[1] for a in d.alerts] == [alert]


def test_one_person_repeating_never_makes_a_mass_appeal() -> None:
    assert not any(d.alerts for d in play([report(i, reporter_key="one") for i in range(20)])[1])


def spread(*hours: float) -> list[Report]:
    """Reports of one person each on one matter, at these hours."""
    at = [START + round(hour * HOUR) for hour in hours]
    return [report(n, reported_at=when, received_at=when) for n, when in enumerate(at)]


def appeals(reports: Iterable[Report], profile: Profile = PROFILE) -> list[tuple[int, Any]]:
    """Which reports raised an alert of a mass appeal, and the alert."""
    decisions = play(reports, profile)[1]
    assert all(d.routed["matter_id"] == rid(0) for d in decisions), "one matter, or the test tests something else"
    return [(n, alert) for n, d in enumerate(decisions) for alert in d.alerts]


def high(reports: Iterable[Report], profile: Profile = PROFILE) -> list[int]:
    return [n for n, d in enumerate(play(reports, profile)[1]) if "mass_appeal" in d.routed["priority_reasons"]]


WEEK = PROFILE.mass_appeal_hours
DAILY = replace(PROFILE, mass_appeal_hours=24)


def test_as_many_persons_over_a_longer_time_than_the_window_are_no_mass_appeal() -> None:
    assert WEEK == 168
    assert appeals(spread(0, 42, 84, 126, 168)) != []
    assert appeals(spread(0, 42, 84, 126, 168.1)) == []
    assert high(spread(0, 42, 84, 126, 168.1, 169)) == [5], "without the first: the later five are within it"


def test_a_mass_appeal_is_one_whatever_the_order_in_which_its_reports_come() -> None:
    found = spread(0, 5, 10, 15, 20)
    for order in permutations(found[1:]):
        ((at, alert),) = appeals([found[0], *order], DAILY)
        assert (at, alert["raised_at"]) == (4, START + 20 * HOUR)
        assert set(alert["report_ids"]) == {rid(n) for n in range(5)}


def test_after_a_quiet_time_a_matter_is_a_mass_appeal_anew_and_told_by_another_id() -> None:
    reports = spread(0, 1, 2, 3, 4, 5, *range(100, 107))
    first, second = appeals(reports, DAILY)
    assert (first[0], second[0]) == (4, 10)
    assert first[1]["alert_id"] != second[1]["alert_id"]
    assert first[1]["subject"] == second[1]["subject"] == rid(0)
    assert second[1]["report_ids"] == [rid(n) for n in range(6, 11)]
    assert high(reports, DAILY) == [4, 5, 10, 11, 12]


def test_a_mass_appeal_that_goes_on_is_told_once_for_as_long_as_it_lasts() -> None:
    reports = spread(*(n * 5 for n in range(40)))
    assert [at for at, _ in appeals(reports, DAILY)] == [4]
    assert high(reports, DAILY) == list(range(4, 40))


@UNHURRIED
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=12))
def test_priority_is_given_where_some_window_with_the_report_holds_enough_persons(told: list[tuple[int, int]]) -> None:
    """Against every window there is, each told person joining once or repeating."""
    profile = replace(PROFILE, mass_appeal_hours=24, mass_appeal_persons=3)
    everyone = [(0, 0), *told]
    reports = [
        report(n, reporter_key=f"p{person}", reported_at=START + hour * HOUR, received_at=START + hour * HOUR)
        for n, (hour, person) in enumerate(everyone)
    ]
    expected = []
    for n, (at, person) in enumerate(everyone):
        windows = ({p for hour, p in everyone[: n + 1] if 0 <= hour - begin <= 24} for begin in range(at - 24, at + 1))
        if all(p != person for _, p in everyone[:n]) and any(len(persons) >= 3 for persons in windows):
            expected.append(n)
    assert high(reports, profile) == expected


def test_of_a_matter_of_thousands_only_the_newest_reports_are_looked_through() -> None:
    state, _ = play(spread(0, *([1] * 4)), DAILY)
    matter = state.matter(rid(0))
    assert matter is not None
    matter.report_ids[1:1] = ["nobody"] * 5_000  # looking any of them up would raise KeyError
    matter.report_ids += [rid(1)] * 300
    matter.appealed_at = START
    decision = Decider(DAILY).decide(state, report(9, reported_at=START + HOUR), Origin(TOPIC, 0, 9))
    assert decision.routed["relation"] == "joined"


def test_reports_older_than_the_log_is_kept_are_forgotten_entirely() -> None:
    old = [report(i, matter_kind=k) for i, k in enumerate(("noise", "garbage", "heating"))]
    late = START + KEEP_MS + HOUR
    state, _ = play([*old, report(9, reported_at=late, received_at=late)])
    assert set(state.reports) == {rid(9)}
    assert not state.matters
    assert [row.report_id for row in state.rows if row] == [rid(9)]


def test_a_clock_that_runs_ahead_does_not_make_the_partition_forget() -> None:
    state, _ = play([report(1), report(2, reported_at=START + 1000 * DAY)])
    assert set(state.reports) == {rid(1), rid(2)}


@UNHURRIED
@given(st.lists(st.integers(0, 30)))
def test_an_offset_set_holds_what_was_added_in_as_few_ranges_as_can_be(offsets: list[int]) -> None:
    found = OffsetSet()
    for offset in offsets:
        found.add(offset)
    assert [n for n in range(-1, 32) if n in found] == sorted(set(offsets))
    assert len(found._ranges) == len({n for n in offsets if n + 1 not in offsets})
