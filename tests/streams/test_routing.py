"""The responsibility list and the rules beside it: who acts, by when, in which flow and how urgently."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from profiles import Limit, LimitUnit, Responsibility
from profiles.flows import FlowCode
from schemas.records import Report
from streams.routing import Priority, PriorityReason, RoutedKind, Router
from tests.streams.make import HOUR, PROFILE, START, UNHURRIED, report

STREET, COMMUNITY, GRID = "370212001", "370212001003", "3702120010030001"
DEMO = Router(PROFILE)
#: As the connectors leave what they could not place.
NOWHERE: dict[str, Any] = {"street_code": None, "community_code": None, "location_method": None}
AT_SEA = NOWHERE | {"location_method": "sea"}


def row(name: str, area: str, feed: str, agency: str = "zhifa", **rest: Any) -> Responsibility:
    given: dict[str, Any] = {"co_agencies": ("gongan", "shengtai"), "limits": (Limit("", 24, "urgent_hour"),)}
    return Responsibility(
        row=name, matter_kind="noise", area=area, feed=feed, agency=agency, level="district", basis="", **(given | rest)
    )


def router(*rows: Responsibility, **changes: Any) -> Router:
    return Router(replace(PROFILE, responsibilities=rows, **changes))


def kind(name: str) -> RoutedKind:
    return RoutedKind(name, "source")


def test_the_most_specific_row_decides_whatever_the_order_of_the_list() -> None:
    rows = [
        row("all", "*", "*"),
        row("feed", "*", "wechat"),
        row("street", STREET, "*"),
        row("street+feed", STREET, "wechat"),
        row("community", COMMUNITY, "*"),
        row("community+feed", COMMUNITY, "wechat"),
    ]
    for listed in (rows, rows[::-1]):
        route = router(*listed).route
        assert route(report(feed="wechat")).list_row == "community+feed"
        assert route(report(feed="police110")).list_row == "community"
        assert route(report(feed="wechat", community_code="370212001001")).list_row == "street+feed"
        assert route(report(feed="police110", community_code=None)).list_row == "street"
        assert route(report(feed="wechat", street_code="370212002", community_code=None)).list_row == "feed"
        assert route(report(feed="police110", **NOWHERE)).list_row == "all"


def test_a_route_names_agency_level_limit_due_time_and_the_list_with_its_content() -> None:
    route = router(row("R1", "*", "*")).route(report())
    assert (route.agency_code, route.agency_name, route.level) == ("zhifa", "综合行政执法局", "district")
    assert route.co_agencies == ("gongan", "shengtai")
    assert (route.time_limit, route.due_at, route.milestones) == ("24 urgent_hour", START + 24 * HOUR, ())
    assert (route.list_row, route.list_version) == ("R1", f"{PROFILE.list_version}+{PROFILE.list_hash}")
    assert route.manual_reason is None


def test_several_limits_are_milestones_of_which_the_last_is_the_due_time() -> None:
    limits = (Limit("停工", 4, "urgent_hour"), Limit("处罚", 2, "natural_day"), Limit("拆除", 20, "natural_day"))
    route = router(row("R1", "*", "*", limits=limits)).route(report())
    assert [(m["name"], m["due_at"] - START, m["time_limit"]) for m in route.milestones] == [
        ("停工", 4 * HOUR, "4 urgent_hour"),
        ("处罚", 48 * HOUR, "2 natural_day"),
        ("拆除", 480 * HOUR, "20 natural_day"),
    ]
    assert (route.due_at, route.time_limit) == (START + 480 * HOUR, "20 natural_day")


def test_what_no_row_answers_goes_to_the_manual_queue_with_the_reason() -> None:
    local = router(row("street", STREET, "*"), row("community", "370212002001", "wechat"))
    assert router().route(report(matter_kind="")).manual_reason == "no_kind"
    assert router().route(report()).manual_reason == "no_row"
    assert local.route(report(**NOWHERE)).manual_reason == "no_area"
    assert local.route(report(street_code="370212002", community_code=None, feed="wechat")).manual_reason == "no_area"
    assert local.route(report(street_code="370212003", community_code="370212003001")).manual_reason == "no_row"
    for route in (router().route(report()), local.route(report(**NOWHERE))):
        assert route.agency_code is route.due_at is route.list_row is route.list_version is None


def test_a_kind_that_the_model_is_not_sure_of_goes_to_a_person() -> None:
    unknown = report(matter_kind="")
    assert DEMO.route(unknown, RoutedKind("noise", "model", 0.8, sure=False)).manual_reason == "unsure"
    assert DEMO.route(unknown, RoutedKind("noise", "model", 0.9)).agency_code == "zhifa"
    assert DEMO.route(unknown, RoutedKind("noise", "keywords")).agency_code == "zhifa"


@pytest.mark.parametrize(
    ("place", "agency", "level"),
    [
        ({"street_code": STREET, "community_code": COMMUNITY}, f"wg{COMMUNITY}", "grid"),
        ({"street_code": STREET, "community_code": None}, "wg001", "grid"),
        ({"street_code": None, "community_code": COMMUNITY}, f"wg{COMMUNITY}", "grid"),
        ({"street_code": None, "community_code": None, "grid_code": GRID}, f"wg{COMMUNITY}", "grid"),
        (NOWHERE, "zhongxin", "district"),
    ],
)
def test_a_level_word_means_the_agency_of_that_level_around_the_place_or_the_one_above(
    place: dict[str, Any], agency: str, level: str
) -> None:
    route = router(row("R1", "*", "*", "@grid")).route(report(**place))
    assert (route.agency_code, route.level, route.manual_reason) == (agency, level, None)


def test_a_level_word_that_nobody_answers_is_no_area() -> None:
    rules = PROFILE.routing.model_copy(update={"top_agency": ""})
    route = router(row("R1", "*", "*", "@street"), routing=rules).route(report(**NOWHERE))
    assert (route.manual_reason, route.agency_code) == ("no_area", None)


def test_a_grid_lies_in_the_community_it_lay_in_on_the_day_of_the_report() -> None:
    grids = [area for area in PROFILE.areas if area.code == GRID]
    assert {area.parent for area in grids} == {COMMUNITY}
    moved = [replace(a, parent="370212002001") if a.valid_from else a for a in grids]
    lists = router(row("R1", "*", "*", "@community"), areas=tuple(moved))
    place = NOWHERE | {"grid_code": GRID}
    assert lists.route(report(**place)).agency_code == "sq370212002001"
    before = report(reported_at=START - 2 * 365 * 24 * HOUR, **place)
    assert lists.route(before).agency_code == f"sq{COMMUNITY}"


def test_a_profession_means_the_team_of_its_grid_that_holds_the_place_or_its_office() -> None:
    lists = router(row("R1", "*", "*", "@消防", co_agencies=("@公安", "@street")))
    inside = lists.route(report(professional_grids=["P-POL-02", "P-FIR-03"]))
    assert (inside.agency_code, inside.co_agencies) == ("zyP-FIR-03", ("zyP-POL-02", "jd001"))
    outside = lists.route(report())
    assert (outside.agency_code, outside.co_agencies) == ("xiaofang", ("gongan", "jd001"))


def test_the_lead_is_no_co_handler_and_none_is_named_twice() -> None:
    lists = router(row("R1", "*", "*", "@street", co_agencies=("jd001", "gongan", "@grid", f"wg{COMMUNITY}")))
    assert lists.route(report()).co_agencies == ("gongan", f"wg{COMMUNITY}")


def test_on_the_water_the_row_of_the_sea_rules_before_the_general_one() -> None:
    lists = router(row("sea", "sea", "*", "haiyang"), row("all", "*", "*"))
    assert lists.route(report(**AT_SEA)).list_row == "sea"
    assert lists.route(report(**NOWHERE)).list_row == "all"


def test_on_the_water_a_level_is_that_of_the_home_port_or_the_agency_of_the_sea() -> None:
    lists = router(row("R1", "*", "*", "@grid"))
    assert lists.route(report(**AT_SEA)).agency_code == "haiyang"
    assert lists.route(report(extra={"home_port_street": "370212002"}, **AT_SEA)).agency_code == "wg002"
    home = PROFILE.routing.model_copy(update={"home_port_street": "370212003"})
    assert router(row("R1", "*", "*", "@street"), routing=home).route(report(**AT_SEA)).agency_code == "jd003"


@pytest.mark.parametrize(
    ("appeal", "family", "matter", "flow"),
    [
        ("complaint", "livelihood", "noise", "livelihood"),
        ("complaint", None, "illegal_building", "enforcement"),
        ("complaint", "development", "rental", "development"),
        ("suggestion", None, "rental", "livelihood"),
        ("complaint", None, "rental", "dispute"),
        ("consult", "livelihood", "rental", "consult"),
        ("case", None, "garbage", "case"),
        ("alarm", None, "crowd", "alarm"),
        ("praise", "livelihood", "noise", ""),
        ("help", None, None, "livelihood"),
    ],
)
def test_a_flow_follows_from_the_appeal_its_family_and_its_kind(
    appeal: str, family: str | None, matter: str | None, flow: FlowCode
) -> None:
    told = report(appeal_type=appeal, family=family, matter_kind=matter or "")
    assert DEMO.route(told).flow == flow


def test_a_dispute_goes_to_its_posts_with_the_streets_approval_or_to_its_board() -> None:
    neighbours = DEMO.route(report(), kind("neighbour"))
    assert (neighbours.posts, neighbours.approval) == (("suqiu", "tiaojie", "zhiyuan"), "street_political_legal")
    wages = DEMO.route(report(), kind("wages"))
    assert (wages.posts, wages.approval) == (("b_laodong",), None)
    assert DEMO.route(report(), kind("noise")).posts == ()
    assert DEMO.route(report(appeal_type="consult"), kind("neighbour")).posts == ()


@pytest.mark.parametrize(
    ("changes", "priority", "reasons"),
    [
        ({}, "normal", ()),
        ({"urgency": "urgent"}, "high", ("urgent",)),
        ({"urgency": "critical"}, "top", ("critical",)),
        ({"via": "市领导坐班接听"}, "high", ("leader_call",)),
        ({"extra": {"leader_call": "是"}}, "high", ("leader_call",)),
        ({"extra": {"leader_call": "否"}}, "normal", ()),
        ({"matter_kind": "gas"}, "high", ("urgent",)),
        ({"content": "楼上着火了", "urgency": "urgent"}, "top", ("emergency", "urgent")),
    ],
)
def test_priority_rises_with_urgency_leaders_and_danger(
    changes: dict[str, Any], priority: Priority, reasons: tuple[PriorityReason, ...]
) -> None:
    route = DEMO.route(report(**changes))
    assert (route.priority, route.priority_reasons) == (priority, reasons)


def test_all_that_comes_through_a_leaders_channel_is_a_leaders_call() -> None:
    channel = replace(PROFILE.channels["demo-hotline"], leader_call=True)
    lists = Router(replace(PROFILE, channels=PROFILE.channels | {channel.id: channel}))
    assert lists.route(report()).priority_reasons == ("leader_call",)


def test_the_manual_queue_has_flow_priority_and_emergency_too() -> None:
    route = DEMO.route(report(matter_kind="", family=None, title="", content="楼上着火了快来人"))
    assert (route.manual_reason, route.emergency, route.priority, route.flow) == ("no_kind", "119", "top", "livelihood")


streets = sorted({c.street_code for c in PROFILE.communities.values()})
reports: st.SearchStrategy[Report] = st.builds(
    lambda matter, feed, community, street, method: report(
        matter_kind=matter,
        feed=feed,
        community_code=community,
        street_code=PROFILE.communities[community].street_code if community else street,
        location_method=method,
    ),
    st.sampled_from(sorted(PROFILE.matters)),
    st.sampled_from(["hotline12345", "police110", "citymgmt", "video", "wechat", "other", "new-feed"]),
    st.none() | st.sampled_from(sorted(PROFILE.communities)),
    st.none() | st.sampled_from(streets),
    st.sampled_from(["code", "sea", None]),
)


@UNHURRIED
@given(reports)
def test_every_report_has_one_row_of_the_list_or_a_reason_and_all_codes_are_of_the_tables(told: Report) -> None:
    route = DEMO.route(told)
    assert (route.list_row is None) == (route.manual_reason is not None)
    assert (route.agency_code is None) == (route.due_at is None) == (route.manual_reason is not None)
    for code in (route.agency_code, *route.co_agencies):
        assert code is None or code in PROFILE.agencies
    assert set(route.posts) <= set(PROFILE.posts)
    assert route == Router(PROFILE).route(told)
    by_hand = [
        r
        for r in PROFILE.responsibilities
        if r.matter_kind == told["matter_kind"]
        and r.feed in ("*", told["feed"])
        and r.area
        in ("*", told["street_code"], told["community_code"], "sea" if told["location_method"] == "sea" else "*")
    ]
    assert bool(by_hand) == (route.manual_reason is None)


@UNHURRIED
@given(st.sampled_from(["urgent_hour", "work_hour", "work_day", "natural_day"]), st.integers(1, 60))
def test_a_limit_of_any_unit_ends_after_the_report(unit: LimitUnit, amount: int) -> None:
    route = router(row("R1", "*", "*", limits=(Limit("", amount, unit),))).route(report())
    assert route.due_at is not None
    assert route.due_at > START
    assert route.time_limit == f"{amount} {unit}"


def test_a_year_whose_working_days_nobody_knows_is_told_by_a_metric() -> None:
    DEMO.calendar.is_working_day(date(2043, 3, 4))
    assert REGISTRY.get_sample_value("zhishu_calendar_unknown_year", {"year": "2043"}) == 1.0
