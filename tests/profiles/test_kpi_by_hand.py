"""The independent figures are right on cases small enough to count on one's fingers."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.kpi_by_hand import SHANGHAI, _profile, due_by_hand, figures_by_hand
from tests.profiles.conftest import DEMO
from tests.profiles.written import Written

PROFILE = _profile(DEMO)


def _utc(local: str) -> float:
    return (datetime.fromisoformat(local) - datetime(1970, 1, 1)).total_seconds() - SHANGHAI  # noqa: DTZ001


def _local(seconds: float) -> str:
    return str(datetime(1970, 1, 1) + timedelta(seconds=seconds + SHANGHAI))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        ("2025-09-26 10:00:00", 1, "2025-09-28 17:30:00"),
        ("2025-09-26 00:00:00", 1, "2025-09-28 17:30:00"),
        ("2025-09-30 23:59:59", 5, "2025-10-14 17:30:00"),
        ("2026-02-13 09:00:00", 1, "2026-02-14 17:30:00"),
        ("2026-04-30 09:00:00", 15, "2026-05-25 17:30:00"),
        ("2026-09-24 09:00:00", 2, "2026-09-29 17:30:00"),
        ("2030-06-07 09:00:00", 1, "2030-06-10 17:30:00"),
    ],
)
def test_working_days_follow_the_notices_and_leave_out_the_first_day(start: str, days: int, due: str) -> None:
    assert _local(due_by_hand(PROFILE, _utc(start), days, "work_day")) == due


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2025-05-12 11:00:00", 2, "2025-05-12 14:30:00"),
        ("2025-05-12 16:30:00", 4, "2025-05-13 11:30:00"),
        ("2025-05-12 12:30:00", 4, "2025-05-12 17:30:00"),
        ("2025-05-16 17:30:00", 1, "2025-05-19 09:30:00"),
        ("2025-05-17 03:00:00", 7.5, "2025-05-19 17:30:00"),
    ],
)
def test_working_hours_pause_at_lunch_by_night_and_on_weekends(start: str, hours: float, due: str) -> None:
    assert _local(due_by_hand(PROFILE, _utc(start), hours, "work_hour")) == due


def _order(number: str, at: str, code: str = "010101", **rest: Any) -> dict[str, Any]:
    return {
        "message": "order",
        "record_number": number,
        "accepted_at": at,
        "appeal_type": "投诉",
        "category_code": code,
        "admin_code": "370212001003",
        "lng": None,
        "lat": None,
        "title": "",
        "content": "",
        "address": "",
        "due_at": None,
    } | rest


def _step(number: str, at: str, stage: str, action: str, **rest: Any) -> dict[str, Any]:
    return {
        "message": "step",
        "record_number": number,
        "ps_caption": stage,
        "pso_caption": action,
        "date": at,
        "deal_level": "",
        "note3": "",
        "note6": "",
        "satisfaction": "",
        "extended_to": None,
    } | rest


def _write(folder: Path, channel: str, lines: list[dict[str, Any]], truth: list[tuple[str, str]]) -> None:
    (folder / "2025-05").mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "2025-05" / f"{channel}.ndjson").write_text(text, encoding="utf-8")
    rows = "".join(f"{channel},{number},M{number},{relation}\n" for number, relation in truth)
    (folder / "truth.csv").write_text("channel,upstream_id,matter,relation\n" + rows, encoding="utf-8")


def test_a_tiny_year_gives_the_figures_counted_by_hand(tmp_path: Path) -> None:
    lines = [
        # 1: noise, due on the 5th working day, 19 May 17:30. In time, grid, solved, satisfied.
        _order("1", "2025-05-12 09:00:00"),
        _step("1", "2025-05-12 10:00:00", "预审", "确定"),
        _step("1", "2025-05-13 10:00:00", "处置", "联系", deal_level="网格", note3="已联系"),
        _step("1", "2025-05-19 16:00:00", "回访", "通过", note6="未解决", satisfaction="不满意"),  # corrected:
        _step("1", "2025-05-19 16:00:00", "回访", "通过", note6="已解决", satisfaction="满意"),
        _step("1", "2025-05-19 17:30:00", "结案", "结案"),
        # 2: the same, closed a second too late; nobody reached, then answered a second too late; street level;
        # basic, then unsolved.
        _order("2", "2025-05-12 09:00:00"),
        _step("2", "2025-05-12 10:00:00", "预审", "确定"),
        _step("2", "2025-05-13 09:00:00", "处置", "联系", note3="未联系"),
        _step("2", "2025-05-13 10:00:01", "处置", "联系", deal_level="网格"),
        _step("2", "2025-05-13 11:00:00", "处置", "提交", deal_level="街道"),
        _step("2", "2025-05-14 09:00:00", "回访", "通过", note6="已解决", satisfaction="基本满意"),
        _step("2", "2025-05-19 16:00:00", "回访", "通过", note6="未解决"),
        _step("2", "2025-05-19 17:30:01", "结案", "结案"),
        # 3: extended in time (before the due), closed after the first due, before the second; could not be asked.
        _order("3", "2025-05-12 09:00:00"),
        _step("3", "2025-05-19 17:30:00", "处置", "延期", extended_to="2025-05-23 17:30:00"),
        _step("3", "2025-05-21 09:00:00", "回访", "通过", note6="无法回访", satisfaction="未评价"),
        _step("3", "2025-05-21 10:00:00", "结案", "结案", deal_level="区"),
        # 4: extended too late; closed, done again and closed again; the list's level (grid) where no step tells one.
        _order("4", "2025-05-12 09:00:00", "020301"),
        _step("4", "2025-05-12 10:00:00", "结案", "结案"),
        _step("4", "2025-05-12 15:00:00", "处置", "延期", extended_to="2025-05-30 17:30:00"),
        _step("4", "2025-05-12 16:00:00", "回访", "重办"),
        _step("4", "2025-05-12 17:00:00", "结案", "结案"),
        # 5: no row of the list where nobody knows the place, so no due; never closed.
        _order("5", "2025-05-12 09:00:00", "020301", admin_code=""),
        # 6: no row, but the source gave a due; never closed, due has passed.
        _order("6", "2025-05-31 23:59:59", "020301", admin_code="", due_at="2025-06-03 17:30:00"),
        # 7: the day after.
        _order("7", "2025-06-01 00:00:00"),
    ]
    relations = ["new", "repeat", "joined", "new", "new", "new", "repeat"]
    truth = [(str(number), relation) for number, relation in enumerate(relations, start=1)]
    _write(tmp_path, "demo-hotline", lines, truth)
    figures = figures_by_hand(tmp_path, DEMO, date(2025, 5, 12), date(2025, 5, 31))
    headline = ("accepted", "responded", "on_time", "closed", "solved", "satisfied", "in_grid", "repeats")
    assert {name: figures[name] for name in headline} == {
        "accepted": (6, 6),
        "responded": (1, 2),
        "on_time": (2, 5),  # 1 and 3 of 1, 2, 3, 4, 6
        "closed": (4, 6),
        "solved": (1, 2),
        "satisfied": (1.6, 2),
        "in_grid": (2, 4),
        "repeats": (2, 6),
    }
    assert figures["false_closure"] == (2, 4)  # 2 was not solved, 4 was opened again
    assert figures["first_time"] == (3, 4)
    assert figures["matters"] == (4, 4)
    # A working day has 7.5 hours. 1 and 2: Monday 9:00 to the next Monday 17:30, six days less half an hour; 3: seven days less
    # half an hour and a Wednesday's 1.5; 4: Monday 9:00 to 17:00 without the lunch break.
    assert figures["working_hours"] == (44.5 + 44.5 + 53.5 + 6.5, 4)
    before_due = _utc("2025-06-03 12:00:00")
    figures = figures_by_hand(tmp_path, DEMO, date(2025, 5, 12), date(2025, 5, 31), now=before_due)
    assert figures["on_time"] == (2, 4)


def test_110_transfers_are_read_day_first(tmp_path: Path) -> None:
    transfer = {"message": "transfer", "事件编号": "ZHW202505060001", "警情类别": "600500", "镇街名称": "中韩街道"}
    feedback = {"message": "feedback", "事件编号": "ZHW202505060001", "层级": "", "满意度": "满意", "是否解决": "是"}
    lines = [
        {**transfer, "上报时间": "6/5/25 14:57"},
        {**feedback, "环节": "派发", "时间": "6/5/25 15:00"},
        {**feedback, "环节": "响应", "时间": "7/5/25 15:00"},
        {**feedback, "环节": "回访", "时间": "8/5/25 9:00"},
    ]
    _write(tmp_path, "demo-police", lines, [("ZHW202505060001", "new")])
    figures = figures_by_hand(tmp_path, DEMO, date(2025, 5, 6), date(2025, 5, 6))
    assert (figures["accepted"], figures["responded"], figures["solved"]) == ((1, 1), (1, 1), (1, 1))
    assert figures["on_time"] == (0, 1)


def test_the_years_figures_are_those_of_a_well_run_district(year: Written) -> None:
    figures = figures_by_hand(year.folder, DEMO, date(2025, 1, 1), date(2025, 12, 31))
    rates = {name: numerator / denominator for name, (numerator, denominator) in figures.items()}
    assert figures["accepted"] == (26_700, 26_700)
    assert 0.97 < rates["responded"] < 1
    assert 0.95 < rates["on_time"] < 1
    assert 0.97 < rates["closed"] < 1
    assert 0.93 < rates["solved"] < 0.99
    assert 0.92 < rates["satisfied"] < 0.98
    assert 0.5 < rates["in_grid"] < 0.85
    assert 0.14 <= rates["repeats"] <= 0.18
    assert figures["on_time"][1] < 26_700
    assert figures["satisfied"][1] < figures["closed"][1]
