"""The responsibility list."""

from dataclasses import replace

from profiles import Responsibility
from streams.routing import Router
from tests.streams.make import HOUR, PROFILE, START, report


def row(name: str, area: str, feed: str) -> Responsibility:
    return Responsibility(name, "noise", area, feed, "zhifa", ("gongan", "shengtai"), "district", 24, "urgent_hour", "")


def router(*rows: Responsibility) -> Router:
    return Router(replace(PROFILE, responsibilities=rows))


def test_the_most_specific_row_decides_whatever_the_order_of_the_list() -> None:
    rows = [
        row("all", "*", "*"),
        row("feed", "*", "wechat"),
        row("area", "370212001", "*"),
        row("both", "370212001", "wechat"),
    ]
    for listed in (rows, rows[::-1]):
        route = router(*listed).route
        assert route(report(feed="wechat")).list_row == "both"
        assert route(report(feed="police110")).list_row == "area"
        assert route(report(feed="wechat", street_code="370212002")).list_row == "feed"
        assert route(report(feed="police110", street_code=None)).list_row == "all"


def test_a_route_names_agency_level_limit_and_due_time() -> None:
    route = router(row("R1", "*", "*")).route(report())
    assert (route.agency_code, route.agency_name, route.level) == ("zhifa", "综合行政执法局", "district")
    assert route.co_agencies == ("gongan", "shengtai")
    assert (route.time_limit, route.due_at) == ("24 urgent_hour", START + 24 * HOUR)
    assert route.manual_reason is None


def test_a_report_without_kind_or_row_goes_to_the_manual_queue_with_the_reason() -> None:
    unknown, unlisted = router().route(report(matter_kind="")), router().route(report())
    assert (unknown.manual_reason, unlisted.manual_reason) == ("no_kind", "no_row")
    assert unknown.agency_code is unlisted.agency_code is unlisted.due_at is None
