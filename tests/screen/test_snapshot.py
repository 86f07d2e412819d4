"""What the page is told, and when it was taken."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import orjson
from hypothesis import given
from hypothesis import strategies as st

from monitoring.screen.brain import DayCount, FeedCount, load_of
from monitoring.screen.period import LastDays, Period
from monitoring.screen.snapshot import take, trend, with_silent
from tests.screen.fakes import DEPLOYMENT, NOW, FakeBrain

FIRST = date(2024, 2, 27)


@given(st.integers(1, 1500), st.dictionaries(st.integers(0, 1499), st.tuples(st.integers(0, 99), st.integers(0, 99))))
def test_the_trend_covers_the_period_once_and_loses_no_order(days: int, counts: dict[int, tuple[int, int]]) -> None:
    period = Period(FIRST, FIRST + timedelta(days=days - 1))
    inside = [DayCount(FIRST + timedelta(days=d), a, c) for d, (a, c) in sorted(counts.items()) if d < days]
    unit, entries = trend(inside, period)
    assert unit == ("day" if days <= 400 else "month")
    assert (entries[0]["from"], entries[-1]["to"]) == (period.first, period.last)
    assert all(after["from"] == before["to"] + timedelta(days=1) for before, after in pairwise(entries))
    assert sum(entry["accepted"] for entry in entries) == sum(count.accepted for count in inside)
    assert sum(entry["closed"] for entry in entries) == sum(count.closed for count in inside)
    if unit == "month":
        assert all(entry["from"].month == entry["to"].month for entry in entries)


def test_a_declared_feed_that_never_spoke_is_shown() -> None:
    counts = with_silent([FeedCount("wechat", 3, 1, NOW), FeedCount("video", 5, 0, NOW)], ["wechat", "police110"])
    assert [count.feed for count in counts] == ["video", "wechat", "police110"]
    assert counts[-1] == FeedCount("police110", 0, 0, None)


def test_orders_of_the_manual_queue_are_open_but_of_no_agency() -> None:
    early, late = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
    load = load_of(
        [
            ("", "no_kind", 1, 3, 0, late),
            ("street", "no_kind", 1, 1, 1, early),
            ("district", "", 0, 10, 2, early),
            ("grid", "", 0, 4, 3, early),
            ("street", "", 0, 5, 2, early),
        ]
    )
    assert (load.open, load.overdue) == (23, 8)
    assert [(level.level, level.open, level.overdue) for level in load.levels] == [
        ("grid", 4, 3),
        ("community", 0, 0),
        ("street", 6, 3),
        ("district", 10, 2),
    ]
    assert [(m.reason, m.waiting, m.oldest) for m in load.manual] == [("no_kind", 4, early)]


def test_the_same_answer_a_moment_later_has_the_same_content() -> None:
    brain = FakeBrain()
    one = take(brain, LastDays(30), ["video"], "Asia/Shanghai", lambda: NOW)
    two = take(brain, LastDays(30), ["video"], "Asia/Shanghai", lambda: NOW + timedelta(seconds=9))
    assert one.content == two.content
    assert orjson.loads(one.as_json())["taken_at"] == "2026-01-01T02:03:04Z"
    assert orjson.loads(two.as_json())["taken_at"] == "2026-01-01T02:03:13Z"


def test_today_is_the_day_of_the_deployment() -> None:
    just_after_midnight = datetime(2025, 12, 30, 16, 30, tzinfo=UTC)
    answer = orjson.loads(
        take(FakeBrain(), LastDays(1), list(DEPLOYMENT.feeds), "Asia/Shanghai", lambda: just_after_midnight).as_json()
    )
    assert answer["period"] == {"from": "2025-12-31", "to": "2025-12-31", "days": 1}


def test_the_days_before_are_compared_only_where_the_data_reaches_them() -> None:
    def before(days: int) -> list[dict[str, object]] | None:
        taken = take(FakeBrain(), LastDays(days), [], "Asia/Shanghai", lambda: NOW)
        found: list[dict[str, object]] | None = orjson.loads(taken.as_json())["before"]
        return found

    told = before(30)
    assert told is not None
    assert told[0] == {"name": "accepted", "numerator": 2196, "rate": None}
    assert before(365) is None


def test_a_rate_over_nothing_is_null() -> None:
    brain = FakeBrain()
    brain.figures = [type(brain.figures[1])("solved", 0, 0, None)]
    answer = orjson.loads(take(brain, LastDays(365), [], "Asia/Shanghai", lambda: NOW).as_json())
    assert answer["figures"] == [{"name": "solved", "numerator": 0, "denominator": 0, "rate": None}]
