"""同比 and 环比 against a second computation in plain Python, 万人诉求比 and tiers on cases small enough to count by hand."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from profiles import Profile
from profiles.festivals import spring_festival
from profiles.tiers import TierRules
from schemas.topics import PROGRESS, ROUTED
from sinks.compared import Comparison, ComparisonError, Span, compare, local_today, other_span, spans, usual_span
from sinks.dimensions import load_dimensions
from tests.sinks.records import DAY, HOUR, local, report, routed, step

D = timedelta(days=1)
#: 正月初一, as almanacs give it.
FESTIVALS = {2023: date(2023, 1, 22), 2024: date(2024, 2, 10), 2025: date(2025, 1, 29), 2026: date(2026, 2, 17)}
PERIODS = ("week", "month", "quarter", "year", "festival")


def months_on(first: date, months: int) -> date:
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def start_of(period: str, day: date) -> date | None:
    """First day of the period that a day lies in; None where it lies in none."""
    if period == "week":
        return day - day.weekday() * D
    if period == "festival":
        near = [one - 7 * D for one in FESTIVALS.values() if -7 <= (day - one).days <= 15]
        return near[0] if near else None
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[period]
    return date(day.year, month, 1)


def three_spans(period: str, start: date, today: date) -> list[tuple[date, int]]:
    """Of the period, the one before and that of a year ago: first day, and how many days count."""
    if period == "festival":
        firsts = [start, start - 23 * D, FESTIVALS[start.year - 1] - 7 * D]
        lengths = [23, 23, 23]
    elif period == "week":
        firsts, lengths = [start, start - 7 * D, start - 364 * D], [7, 7, 7]
    else:
        long = {"month": 1, "quarter": 3, "year": 12}[period]
        firsts = [start, months_on(start, -long), months_on(start, -12)]
        lengths = [(months_on(first, long) - first).days for first in firsts]
    if start + lengths[0] * D > today:
        lengths = [min(length, (today - start).days) for length in lengths]
    return list(zip(firsts, lengths, strict=True))


def days_of_the_edges() -> list[date]:
    """Ends and beginnings of months, quarters, years, weeks and festival windows, a leap day among them."""
    edges = [date(2024, 2, 29), date(2024, 12, 31), date(2025, 1, 1), date(2025, 12, 31), date(2023, 12, 31)]
    edges += [date(2025, month, 1) + n * D for month in range(1, 13) for n in (-1, 0)]
    edges += [date(2024, month, 28) for month in (1, 2, 3)] + [date(2024, 12, 29), date(2024, 12, 30)]
    for one in FESTIVALS.values():
        edges += [one + n * D for n in (-31, -30, -8, -7, 0, 15, 16)]
    return edges


def stored(put: Callable[..., None], days: list[date]) -> list[tuple[date, bool]]:
    """An order on each day, every third of them closed."""
    orders = [(day, n % 3 == 0) for n, day in enumerate(days)]
    times = [local(f"{day} 10:00") for day in days]
    put(ROUTED, [routed(report(str(n), reported_at=at, received_at=at)) for n, at in enumerate(times)])
    put(PROGRESS, [step(str(n), "close", times[n] + HOUR) for n, (_, closed) in enumerate(orders) if closed])
    return orders


def of_one_day(hub: Any, ask: Callable[[], Any]) -> tuple[date, Any]:
    """Today and an answer that was found on it, should midnight come between."""
    while True:
        today, answer = local_today(hub), ask()
        if local_today(hub) == today:
            return today, answer


@pytest.mark.clickhouse
def test_every_period_is_compared_with_the_one_before_and_a_year_ago_as_by_hand(
    hub: Any, bi: Any, put: Callable[..., None]
) -> None:
    now = local_today(hub)
    chance = random.Random(6)  # noqa: S311 - made-up days
    recent = [now - n * D for n in range(12)]
    recent += [now - chance.randrange(800) * D for _ in range(150)]
    orders = stored(put, days_of_the_edges() + recent)
    columns = "numerator, denominator, value, days, before_start, before_numerator, before_denominator, before_value, before_days"
    columns += (
        ", year_start, year_numerator, year_denominator, year_value, year_days, before_change, year_change, is_running"
    )
    sql = (
        f"SELECT period, period_start, {columns} FROM bi.kpi_compared WHERE slice = 'district' AND figure = 'closed' "
        "AND (period != 'festival' OR toYear(period_start) BETWEEN 2024 AND 2026)"
    )
    today, rows = of_one_day(hub, lambda: bi.query(sql).result_rows)
    found = {(row[0], row[1]): row[2:] for row in rows}
    assert len(found) == len(rows)

    def told(first: date, days: int) -> tuple[int, int, float | None]:
        inside = [closed for day, closed in orders if first <= day < first + days * D]
        return sum(inside), len(inside), sum(inside) / len(inside) if inside else None

    expected = 0
    for period in PERIODS:
        wanted = {start for n in range(1, 1700) if (start := start_of(period, today - n * D)) is not None}
        for start in sorted(wanted - {FESTIVALS[2023] - 7 * D}):
            (this, this_days), (before, before_days), (year, year_days) = three_spans(period, start, today)
            mine, earlier, ago = told(this, this_days), told(before, before_days), told(year, year_days)
            if not (mine[1] or earlier[1] or ago[1]):
                assert (period, start) not in found
                continue
            expected += 1
            row = found[period, start]
            assert row[:4] == (*mine, this_days), (period, start)
            assert row[4:9] == (before, *earlier, before_days), (period, start)
            assert row[9:14] == (year, *ago, year_days), (period, start)
            for change, other in ((row[14], earlier[2]), (row[15], ago[2])):
                points = None if mine[2] is None or other is None else (mine[2] - other) * 100
                assert change == (None if points is None else pytest.approx(points, abs=1e-3)), (period, start)
            assert row[16] is (three_spans(period, start, date.max - 400 * D)[0][1] + (start - today).days > 0)
    assert expected == len(found)
    assert {period for period, _ in found} == set(PERIODS)


@pytest.mark.clickhouse
def test_a_change_is_in_points_of_shares_and_in_percent_of_all_else_and_null_where_nothing_was_before(
    bi: Any, put: Callable[..., None]
) -> None:
    days = [date(2025, 1, 31)] * 4 + [date(2025, 2, 1)] * 5
    put(ROUTED, [routed(report(str(n), reported_at=local(f"{day} 10:00"))) for n, day in enumerate(days)])
    closes = {0: 2, 4: 3, 5: 3}
    put(PROGRESS, [step(str(n), "close", local(f"{days[n]} 10:00") + hours * HOUR) for n, hours in closes.items()])
    sql = "SELECT figure, value, before_value, before_change, year_change FROM bi.kpi_compared WHERE period = 'month' "
    sql += "AND period_start = '2025-02-01' AND slice = 'street' AND slice_code = '370212001'"
    found = {row[0]: row[1:] for row in bi.query(sql).result_rows}
    assert found["accepted"] == (5, 4, 25, None)
    assert found["closed"] == (0.4, 0.25, 15, None)
    assert found["natural_hours"] == (3, 2, 50, None)
    assert found["solved"] == (None, None, None, None)
    assert found["per_10000"][2:] == (25, None)


@pytest.mark.clickhouse
def test_an_order_stands_in_each_slice_under_its_code_and_under_none_where_it_is_unknown(
    bi: Any, put: Callable[..., None]
) -> None:
    unknown = report("b", street_code=None, community_code=None, matter_kind="", family=None)
    put(ROUTED, [routed(report("a")), routed(unknown, agency_code=None)])
    sql = "SELECT slice, slice_code, slice_name, numerator FROM bi.kpi_compared WHERE period = 'month' "
    sql += "AND period_start = '2025-03-01' AND figure = 'accepted'"
    assert sorted(bi.query(sql).result_rows) == [
        ("agency", "", "", 1),
        ("agency", "zhifa", "综合行政执法局", 1),
        ("channel", "demo-hotline", "", 2),
        ("community", "", "", 1),
        ("community", "370212001003", "北村社区", 1),
        ("district", "", "", 2),
        ("family", "", "", 1),
        ("family", "livelihood", "", 1),
        ("matter_kind", "", "", 1),
        ("matter_kind", "noise", "噪声扰民", 1),
        ("street", "", "", 1),
        ("street", "370212001", "中韩街道", 1),
    ]


@pytest.mark.clickhouse
def test_orders_for_10000_inhabitants_have_the_inhabitants_as_denominator_and_none_where_none_are_known(
    bi: Any, put: Callable[..., None], profile: Profile
) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b", street_code="999", community_code=None))])
    people = {code: one.population for code, one in profile.communities.items()}
    street = sum(one.population for one in profile.communities.values() if one.street_code == "370212001")
    expected = {
        ("district", "", 2, sum(people.values())),
        ("street", "370212001", 1, street),
        ("street", "999", 1, None),
        ("community", "370212001003", 1, people["370212001003"]),
    }
    rows = bi.query("SELECT area_type, area, accepted, population, per_10000 FROM bi.per_10000").result_rows
    assert {row[:4] for row in rows} == expected
    for *_, accepted, population, rate in rows:
        assert rate == (None if population is None else pytest.approx(accepted / population * 10_000, abs=1e-4))
    sql = "SELECT slice, slice_code, numerator, denominator FROM bi.kpi_compared WHERE figure = 'per_10000' "
    sql += "AND period = 'quarter' AND period_start = '2025-01-01'"
    of_quarter = {row for row in bi.query(sql).result_rows if (row[0], row[1]) not in (("community", ""),)}
    assert of_quarter == expected


@pytest.mark.clickhouse
@pytest.mark.parametrize("suffix", ["", "_due"])
def test_months_and_years_are_the_sums_of_their_days(bi: Any, put: Callable[..., None], suffix: str) -> None:
    days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 12, 31), date(2025, 1, 1), date(2025, 2, 28)]
    stored(put, days)
    sums = "sum(accepted), sum(matters), sum(closed_numerator), sum(on_time_denominator), sum(natural_hours_numerator)"
    for view, column, start in (("monthly", "month", "toStartOfMonth"), ("yearly", "year", "toStartOfYear")):
        theirs = f"SELECT {column}, street_code, {sums} FROM bi.kpi_{view}{suffix} GROUP BY ALL ORDER BY ALL"
        mine = f"SELECT {start}(day) AS one, street_code, {sums} FROM bi.kpi_daily{suffix} GROUP BY ALL ORDER BY ALL"
        rows = bi.query(theirs).result_rows
        assert rows == bi.query(mine).result_rows
        assert sum(row[2] for row in rows) == len(days)
        assert all(row[0].day == 1 for row in rows)


def rated(agency: str, satisfied: int, dissatisfied: int, closed: int, month: str) -> tuple[list[Any], list[Any]]:
    """Orders of an agency in a month: rated so often, all closed on time but those beyond `closed`."""
    reports, steps = [], []
    at = local(f"{month}-10 10:00")
    for n in range(satisfied + dissatisfied):
        name = f"{agency}-{month}-{n}"
        reports.append(routed(report(name, reported_at=at), agency_code=agency, due_at=at + DAY))
        steps.append(step(name, "dispatch", at))
        steps.append(step(name, "respond", at + HOUR))
        if n < closed:
            steps.append(step(name, "close", at + HOUR))
        good = n < satisfied
        steps.append(
            step(name, "revisit", at + 2 * HOUR, solved=good, satisfaction="satisfied" if good else "dissatisfied")
        )
    return reports, steps


@pytest.fixture
def tiered(put: Callable[..., None]) -> None:
    """zhifa 95, zhujian 90, shuiwu 77, gongyong too few of them; a community with 94, one that left, and the queue."""
    of = [("zhifa", 10, 0, 10), ("zhujian", 9, 1, 10), ("shuiwu", 8, 2, 5), ("gongyong", 9, 0, 9)]
    of += [("sq370212001003", 10, 0, 7), ("gone", 12, 0, 12)]
    for agency, good, bad, closed in of:
        reports, steps = rated(agency, good, bad, closed, "2025-03")
        put(ROUTED, reports)
        put(PROGRESS, steps)
    put(ROUTED, [routed(report("queue"), agency_code=None)])


TIERS = "agency_code, level, tier, tier_zh, score, level_score, level_agencies, orders"


@pytest.mark.clickhouse
def test_agencies_stand_in_tiers_by_the_weighted_score_and_too_few_ratings_stand_in_none(bi: Any, tiered: None) -> None:
    """Score: 0.2 responded + 0.2 on time + 0.3 solved + 0.3 satisfied, times 100."""
    level = round((100 + 94 + 78) / 3, 2)
    assert bi.query(f"SELECT {TIERS} FROM bi.agency_tiers WHERE month = '2025-03-01'").result_rows == [
        ("gone", "", "A", "好", 100, 100, 1, 12),
        ("sq370212001003", "community", "B", "较好", 94, 94, 1, 10),
        ("zhifa", "district", "A", "好", 100, level, 3, 10),
        ("zhujian", "district", "B", "较好", 94, level, 3, 10),
        ("shuiwu", "district", "D", "需改进", 78, level, 3, 10),
        ("gongyong", "district", "", "样本不足", None, level, 3, 9),
    ]


@pytest.mark.clickhouse
def test_inside_a_tier_agencies_stand_by_code_whatever_their_score(bi: Any, put: Callable[..., None]) -> None:
    for agency, good, bad in (("zhujian", 20, 0), ("gongyong", 38, 2), ("zhifa", 39, 1)):
        reports, steps = rated(agency, good, bad, good + bad, "2025-03")
        put(ROUTED, reports)
        put(PROGRESS, steps)
    found = bi.query("SELECT agency_code, tier, score FROM bi.agency_tiers").result_rows
    assert found == [("gongyong", "A", 97), ("zhifa", "A", 98.5), ("zhujian", "A", 100)]


@pytest.mark.clickhouse
def test_the_profile_sets_weights_marks_and_the_least_number_of_rated_orders(
    hub: Any, bi: Any, tiered: None, profile: Profile
) -> None:
    rules = TierRules(responded=0, on_time=0, solved=0, satisfied=1, mark_a=99, mark_b=85, mark_c=10, rated_at_least=9)
    try:
        load_dimensions(hub, replace(profile, tiers=rules))
        found = bi.query("SELECT agency_code, tier, score FROM bi.agency_tiers WHERE level = 'district'").result_rows
    finally:
        load_dimensions(hub, profile)
    assert found == [("gongyong", "A", 100), ("zhifa", "A", 100), ("zhujian", "B", 90), ("shuiwu", "C", 80)]


@pytest.mark.clickhouse
def test_a_rate_without_a_denominator_has_no_weight_in_the_score(bi: Any, put: Callable[..., None]) -> None:
    at = local("2025-03-10 10:00")
    put(ROUTED, [routed(report(str(n), reported_at=at), due_at=None) for n in range(10)])
    put(PROGRESS, [step(str(n), "revisit", at, solved=n > 0, satisfaction="satisfied") for n in range(10)])
    ((score,),) = bi.query("SELECT score FROM bi.agency_tiers").result_rows
    assert score == 95  # solved 90 and satisfied 100, of equal weight


@pytest.mark.parametrize(
    "changed", [{"mark_a": 80}, {"mark_c": 95}, {"responded": 0, "on_time": 0, "solved": 0, "satisfied": 0}]
)
def test_marks_out_of_order_and_weights_of_nothing_are_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"mark_a must be above|weight above 0"):
        TierRules(**changed)  # type: ignore[arg-type]


def test_the_spring_festival_falls_on_the_days_of_the_almanac() -> None:
    almanac = {
        **FESTIVALS,
        **{day.year: day for day in (date(2000, 2, 5), date(2012, 1, 23), date(2015, 2, 19), date(2020, 1, 25))},
        **{day.year: day for day in (date(2027, 2, 6), date(2033, 1, 31), date(2034, 2, 19), date(2060, 2, 2))},
    }
    assert {year: spring_festival(year) for year in almanac} == almanac


def span(text: str) -> Span:
    first, last = text.split(" ")
    return Span(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("days", "against", "expected"),
    [
        ("2025-03-01 2025-03-31", "previous", "2025-02-01 2025-02-28"),
        ("2025-01-01 2025-01-31", "previous", "2024-12-01 2024-12-31"),
        ("2025-01-01 2025-03-31", "previous", "2024-10-01 2024-12-31"),
        ("2025-01-01 2025-12-31", "previous", "2024-01-01 2024-12-31"),
        ("2025-03-03 2025-03-09", "previous", "2025-02-24 2025-03-02"),
        ("2025-03-01 2025-03-30", "previous", "2025-01-30 2025-02-28"),
        ("2025-02-01 2025-02-28", "year", "2024-02-01 2024-02-29"),
        ("2024-02-01 2024-02-29", "year", "2023-02-01 2023-02-28"),
        ("2024-02-29 2024-03-02", "year", "2023-02-28 2023-03-02"),
        ("2025-03-03 2025-03-09", "year", "2024-03-04 2024-03-10"),
        ("2025-01-22 2025-02-13", "festival", "2024-02-03 2024-02-25"),
        ("2026-02-10 2026-03-04", "festival", "2025-01-22 2025-02-13"),
        ("2025-12-31 2025-12-31", "festival", "2024-12-12 2024-12-12"),
        ("2025-07-01 2025-07-02", "festival", "2024-07-12 2024-07-13"),
    ],
)
def test_days_are_compared_with_days_of_the_same_kind(days: str, against: Any, expected: str) -> None:
    assert other_span(span(days), against) == span(expected)


@pytest.mark.parametrize(
    ("days", "against", "today", "expected"),
    [
        ("2025-03-01 2025-03-31", "previous", "2025-03-11", "2025-03-01 2025-03-10 2025-02-01 2025-02-10"),
        ("2025-03-01 2025-03-31", "previous", "2025-03-31", "2025-03-01 2025-03-30 2025-02-01 2025-02-28"),
        ("2025-03-01 2025-03-31", "previous", "2025-04-01", "2025-03-01 2025-03-31 2025-02-01 2025-02-28"),
        ("2024-02-01 2024-02-29", "year", "2024-02-29", "2024-02-01 2024-02-28 2023-02-01 2023-02-28"),
        ("2025-01-22 2025-02-13", "festival", "2025-01-29", "2025-01-22 2025-01-28 2024-02-03 2024-02-09"),
    ],
)
def test_days_that_are_not_over_are_compared_with_as_many(days: str, against: Any, today: str, expected: str) -> None:
    both = spans(span(days), against, date.fromisoformat(today))
    assert " ".join(day.isoformat() for one in both for day in one) == expected


@pytest.mark.parametrize("days", ["2025-03-11 2025-03-31", "2025-03-05 2025-03-04"])
def test_days_of_which_none_is_over_or_that_end_before_they_begin_are_refused(days: str) -> None:
    with pytest.raises(ComparisonError):
        spans(span(days), "previous", date(2025, 3, 11))


@pytest.mark.parametrize(
    ("against", "today", "expected"),
    [
        ("previous", "2025-03-31", "2025-02-01 2025-02-28"),
        ("year", "2025-01-01", "2024-12-01 2024-12-31"),
        ("festival", "2025-01-22", "2024-02-03 2024-02-25"),
        ("festival", "2025-01-23", "2025-01-22 2025-02-13"),
        ("festival", "2025-11-11", "2025-01-22 2025-02-13"),
    ],
)
def test_who_names_no_days_gets_the_last_month_or_festival(against: Any, today: str, expected: str) -> None:
    assert usual_span(against, date.fromisoformat(today)) == span(expected)


@pytest.fixture
def compared(bi: Any, put: Callable[..., None]) -> Iterator[Comparison]:
    """Two orders in February, three in March; one of the first and two of the second closed."""
    days = ["2025-02-01", "2025-02-28", "2025-03-01", "2025-03-15", "2025-03-31"]
    put(ROUTED, [routed(report(str(n), reported_at=local(f"{day} 23:30"))) for n, day in enumerate(days)])
    put(PROGRESS, [step(str(n), "close", local(f"{days[n]} 23:40")) for n in (0, 2, 3)])
    return compare(bi, span("2025-03-01 2025-03-31"), "previous", date(2025, 6, 1))


@pytest.mark.clickhouse
def test_both_months_are_counted_and_the_change_is_told(compared: Comparison) -> None:
    found = {one.name: (one.this.numerator, one.other.numerator, one.change) for one in compared.figures}
    assert (compared.other, compared.cut) == (span("2025-02-01 2025-02-28"), False)
    assert found["accepted"] == (3, 2, 50)
    assert found["closed"] == (2, 1, pytest.approx(16.6667))
    assert found["solved"] == (0, 0, None)


@pytest.mark.clickhouse
def test_a_comparison_is_told_to_a_person_and_to_a_program(compared: Comparison) -> None:
    from rich.console import Console

    from hub.console import comparison_dict, comparison_table

    console = Console(width=200)
    with console.capture() as said:
        console.print(comparison_table(compared))
    lines = said.get().splitlines()
    assert any("2025-03-01 - 2025-03-31, 31 d" in line and "2025-02-01 - 2025-02-28, 28 d" in line for line in lines)
    assert any("受理量" in line and "+50.00 %" in line for line in lines)
    assert any("办结率 Closed" in line and "66.67% (2 / 3)" in line and "+16.67 pt" in line for line in lines)
    told = comparison_dict(compared)
    assert told["this"] == {"from": "2025-03-01", "to": "2025-03-31", "days": 31}
    assert told["figures"]["closed"] == {
        "this": {"numerator": 2, "denominator": 3, "rate": pytest.approx(2 / 3)},
        "other": {"numerator": 1, "denominator": 2, "rate": 0.5},
        "change": 16.6667,
        "change_in": "points",
    }
