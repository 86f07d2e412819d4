"""Effective-dated dimensions in ClickHouse: a case keeps the name its agency had, and a list shows what is so today."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from profiles import Profile
from profiles.editions import ALWAYS, EVER, Edition
from schemas.topics import ROUTED
from sinks.dimensions import load_dimensions
from tests.sinks.records import DAY, NOON, case, change, report, routed

pytestmark = pytest.mark.clickhouse

Put = Callable[..., None]
#: The day after NOON's.
RENAMED = date(2025, 3, 4)


@pytest.fixture
def renamed(hub: Any, profile: Profile) -> Iterator[Profile]:
    was = profile.agencies["zhifa"]
    now = replace(was, name_zh="城市管理执法局")
    kept = (Edition(ALWAYS, RENAMED - timedelta(days=1), was), Edition(RENAMED, EVER, now))
    changed = replace(
        profile,
        agencies={**profile.agencies, "zhifa": now},
        agency_editions={**profile.agency_editions, "zhifa": kept},
    )
    load_dimensions(hub, changed)
    yield changed
    load_dimensions(hub, profile)


def names(bi: Any) -> dict[str, str]:
    return {row[0][-1]: row[1] for row in bi.query("SELECT report_id, agency_name FROM bi.reports").result_rows}


def test_a_moved_case_tells_the_name_that_the_agency_had_on_its_day(bi: Any, put: Put, renamed: Profile) -> None:
    put(ROUTED, [routed(report("a", reported_at=NOON)), routed(report("b", reported_at=NOON + DAY))])
    moved = case(path=["zhifa"])
    put(ROUTED, [change("reassigned", name, ruled_by=None, case=moved, changed_at=NOON + 2 * DAY) for name in "ab"])
    assert names(bi) == {"a": "综合行政执法局", "b": "城市管理执法局"}


def test_a_list_shows_today_and_its_history_both(hub: Any, bi: Any, renamed: Profile) -> None:
    today = "SELECT name_zh FROM bi.agencies WHERE agency_code = 'zhifa'"
    history = "SELECT name_zh, valid_from FROM bi.agencies_history WHERE agency_code = 'zhifa' ORDER BY valid_from"
    assert bi.query(today).result_rows == [("城市管理执法局",)]
    assert bi.query(history).result_rows == [("综合行政执法局", ALWAYS), ("城市管理执法局", RENAMED)]
    versions = "SELECT max(_version), count() FROM hub.dim_agency_editions"
    before = hub.query(versions).result_rows
    load_dimensions(hub, renamed)
    assert hub.query(versions).result_rows == before


def test_an_edition_that_left_the_profile_is_gone(hub: Any, bi: Any, renamed: Profile, profile: Profile) -> None:
    load_dimensions(hub, profile)
    history = "SELECT name_zh, valid_from, valid_to FROM bi.agencies_history WHERE agency_code = 'zhifa'"
    assert bi.query(history).result_rows == [("综合行政执法局", ALWAYS, EVER)]
    sizes = "SELECT (SELECT count() FROM bi.communities_history), (SELECT count() FROM bi.matters_history)"
    assert bi.query(sizes).result_rows == [(len(profile.communities), len(profile.matters))]
