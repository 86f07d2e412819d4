"""The bulletin: the figures of zhishu kpi in two languages and two kinds of file, and nothing that a feed wrote becomes code."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from hub.bulletin import Bulletin, BulletinError, LateLine, Value, gather, is_noise, parse_span
from hub.bulletin.page import bars, html
from hub.bulletin.words import change, headline, shown, tone
from hub.bulletin.workbook import write_workbook
from profiles import Profile
from schemas.topics import PROGRESS, ROUTED
from sinks.kpi import headline as kpi
from tests.sinks.records import DAY, HOUR, NOON, report, routed, step

Put = Callable[..., None]
MADE = datetime(2025, 3, 12, 8, 30, tzinfo=UTC)
WEEK = parse_span("2025-W10", None, date(2025, 3, 12))


def value(
    numerator: float, denominator: int | None = None, before: float = 0, of: int | None = None, **more: Any
) -> Value:
    unit = more.pop("unit", "count" if denominator is None else "share")
    rate = numerator if denominator is None else numerator / denominator if denominator else None
    told = Value("closed", unit, True, numerator, denominator, rate, None, before, of, None, None, None)
    return replace(told, **more)


@pytest.fixture
def bulletin(bi: Any, put: Put, profile: Profile) -> Bulletin:
    # Monday, 2025-03-03 noon, and the week before.
    first = [routed(report(f"n{n}", reported_at=NOON + n * HOUR)) for n in range(6)]
    put(ROUTED, [*first, *(routed(report(f"o{n}", reported_at=NOON - 5 * DAY + n * HOUR)) for n in range(2))])
    put(PROGRESS, [step(f"n{n}", "close", NOON + DAY) for n in range(4)])
    put(PROGRESS, [step(f"n{n}", "revisit", NOON + 2 * DAY, solved=n != 1, satisfaction="satisfied") for n in range(3)])
    return gather(bi, WEEK, profile)


@pytest.mark.clickhouse
def test_the_figures_are_those_of_zhishu_kpi(bulletin: Bulletin, bi: Any, profile: Profile) -> None:
    expected = {figure.name: figure for figure in kpi(bi, WEEK.first, WEEK.last)}
    for name, told in bulletin.district.items():
        if name == "per_10000":
            continue
        assert told.numerator == expected[name].numerator, name
        if told.unit != "count":
            assert (told.denominator, told.value) == (expected[name].denominator, expected[name].rate), name
    accepted = bulletin.district["accepted"]
    assert (accepted.numerator, accepted.before_numerator, accepted.before_change) == (6, 2, 200)
    assert [count for _, count in bulletin.days] == [6, 0, 0, 0, 0, 0, 0]
    assert [line.name_zh for line in bulletin.lines["channel"]] == [profile.channels["demo-hotline"].name]


@pytest.mark.clickhouse
def test_page_and_workbook_tell_the_same_numbers_in_both_languages(bulletin: Bulletin, tmp_path: Path) -> None:
    numbers = []
    for language in ("zh", "en"):
        page = html(bulletin, language, MADE)
        rows = re.findall(r'<td class="number value">([^<]*)</td>', page)
        assert rows[0] == "6"
        numbers.append(rows)
        path = tmp_path / f"{language}.xlsx"
        write_workbook(bulletin, language, path)
        sheet = openpyxl.load_workbook(path).worksheets[0]
        told = [sheet.cell(row, 2).value for row in range(2, 16)]
        assert told[0] == 6
        assert told[7] == pytest.approx(2 / 3)
    assert numbers[0] == [text.replace(" h", " 小时") for text in numbers[1]]


@pytest.mark.clickhouse
def test_a_page_loads_nothing_from_elsewhere_and_is_the_same_each_time(bulletin: Bulletin) -> None:
    page = html(bulletin, "zh", MADE)
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|<script", page)
    assert page == html(bulletin, "zh", MADE)


@pytest.mark.clickhouse
def test_what_a_feed_wrote_becomes_neither_markup_nor_a_formula(bulletin: Bulletin, tmp_path: Path) -> None:
    hurt = LateLine("=1+1", "<script>x</script>", "Fumes", "=cmd|' /C calc'!A0", date(2025, 3, 3), 7)
    bad = replace(bulletin, late=[hurt])
    page = html(bad, "zh", MADE)
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    write_workbook(bad, "zh", tmp_path / "bad.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "bad.xlsx")["超期最久"]
    assert [(cell.value, cell.data_type) for cell in (sheet["A2"], sheet["C2"])] == [
        ("=1+1", "s"),
        ("=cmd|' /C calc'!A0", "s"),
    ]


@pytest.mark.clickhouse
def test_a_period_without_orders_is_said_and_gives_no_bulletin(bulletin: Bulletin, bi: Any, profile: Profile) -> None:
    with pytest.raises(BulletinError, match="nothing was reported from 2024-03-01 to 2024-03-31"):
        gather(bi, parse_span(None, "2024-03", date(2025, 3, 12)), profile)


@pytest.mark.clickhouse
def test_the_head_says_what_is_known_and_no_rate_without_denominator(bulletin: Bulletin) -> None:
    zh, en = headline(bulletin, "zh"), headline(bulletin, "en")
    assert len(zh) == len(en)
    assert zh[0] == "本周（2025-03-03 至 2025-03-09）受理诉求 6 件，环比基本持平。"
    assert "解决率 66.7%（2 / 3）。" in zh
    none = {**bulletin.district, "solved": value(0, 0)}
    assert not [sentence for sentence in headline(replace(bulletin, district=none), "zh") if "解决率" in sentence]


@pytest.mark.parametrize(
    ("week", "month", "first", "last"),
    [
        ("2025-W10", None, date(2025, 3, 3), date(2025, 3, 9)),
        ("2020-W53", None, date(2020, 12, 28), date(2021, 1, 3)),
        (None, "2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        (None, "2024-12", date(2024, 12, 1), date(2024, 12, 31)),
        (None, None, date(2025, 12, 22), date(2025, 12, 28)),
    ],
)
def test_a_week_is_that_of_iso_8601_and_a_month_whole(
    week: str | None, month: str | None, first: date, last: date
) -> None:
    span = parse_span(week, month, date(2026, 1, 4))
    assert (span.first, span.last) == (first, last)


@pytest.mark.parametrize(
    ("week", "month"),
    [
        ("2025-W54", None),
        ("2021-W53", None),
        ("25-W1", None),
        (None, "2025-13"),
        (None, "2025-3"),
        ("a", "b"),
        ("2026-W01", None),
    ],
)
def test_what_is_no_period_or_not_over_is_refused(week: str | None, month: str | None) -> None:
    with pytest.raises(BulletinError):
        parse_span(week, month, date(2026, 1, 4))


@pytest.mark.parametrize(
    ("told", "noise"),
    [
        (value(110, before=100), True),
        (value(200, before=100), False),
        (value(96, 100, 95, 100), True),
        (value(9600, 10000, 9400, 10000), False),
        (value(0, 0, 0, 0), False),
    ],
)
def test_a_change_within_two_deviations_is_noise(told: Value, noise: bool) -> None:
    assert is_noise(told) is noise


def test_numbers_are_shown_as_people_read_them() -> None:
    assert shown(value(9999, 10000), "zh") == ">99.9%"
    assert shown(value(1, 10000), "zh") == "<0.1%"
    assert shown(value(5, 5), "zh") == "100%"
    assert shown(value(0, 0), "zh") == "-"
    assert shown(value(1234), "en") == "1,234"
    assert change(value(1, 2), 0.5, "zh") == "+0.5 个百分点"
    assert change(value(1), -3.25, "en") == "-3.2%"
    assert tone(value(9600, 10000, 9400, 10000), 2.0) == "better"
    assert tone(value(9600, 10000, 9400, 10000, good=False), 2.0) == "worse"
    assert tone(value(96, 100, 95, 100), 1.0) == ""
    assert bars([]) == ""
