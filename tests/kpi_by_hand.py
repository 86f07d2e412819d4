"""The headline figures of a sample, computed a second time from its wire files in plain Python.

Shares no code with the product: it reads the files, the CSVs, the calendar and the rules for itself, so that a mistake there
does not repeat itself here. Relations (repeats) come from the sample's truth.csv.
"""

import csv
import json
import math
import re
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

HOUR = 3600.0
SHANGHAI = 8 * HOUR
LEVELS = ["grid", "community", "street", "district"]
CHINESE_LEVEL = {"网格": "grid", "社区": "community", "街道": "street", "区": "district"}
SATISFACTION = {"满意": "satisfied", "基本满意": "basic", "不满意": "dissatisfied"}

# Public holidays on weekdays and make-up working days on weekends, as the State Council's notices give them.
OFF = {
    2024: "01-01 02-12 02-13 02-14 02-15 02-16 04-04 04-05 05-01 05-02 05-03 06-10 09-16 09-17 10-01 10-02 10-03 10-04 10-07",
    2025: "01-01 01-28 01-29 01-30 01-31 02-03 02-04 04-04 05-01 05-02 05-05 06-02 10-01 10-02 10-03 10-06 10-07 10-08",
    2026: "01-01 01-02 02-16 02-17 02-18 02-19 02-20 02-23 04-06 05-01 05-04 05-05 06-19 09-25 10-01 10-02 10-05 10-06 10-07",
}
WORK = {
    2024: "02-04 02-18 04-07 04-28 05-11 09-14 09-29 10-12",
    2025: "01-26 02-08 04-27 09-28 10-11",
    2026: "01-04 02-14 02-28 05-09 09-20 10-10",
}

# GCJ-02 lies about so far from WGS-84 in this district (degrees; it varies by some 40 m, communities are 340 m apart).
GCJ_EAST, GCJ_NORTH = 0.00475, 0.0001


@dataclass
class Case:
    """What the files say of one appeal; times are seconds since 1970, UTC."""

    feed: str
    reported: float
    kind: str
    street: str
    source_due: float | None
    steps: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Place:
    """The profile as this module needs it."""

    streets: dict[str, str]
    names: dict[str, str]
    points: list[tuple[float, float, str]]
    codes: dict[tuple[str, str, str], str]
    keywords: list[tuple[str, list[str]]]
    rows: dict[tuple[str, str, str], dict[str, str]]
    channels: dict[str, tuple[str, str]]
    days: dict[str, str]
    spans: list[tuple[float, float]]
    weight: float
    respond_hours: float


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _clock(text: str) -> float:
    hours, minutes = text.split(":")
    return int(hours) * HOUR + int(minutes) * 60


def _profile(folder: Path) -> Place:
    main = tomllib.loads((folder / "profile.toml").read_text(encoding="utf-8"))
    channels = tomllib.loads((folder / "channels.toml").read_text(encoding="utf-8"))["channel"]
    places = _csv(folder / "places.csv")
    return Place(
        streets={row["street"]: row["street_code"] for row in places},
        names={row["community"]: row["street_code"] for row in places},
        points=[(float(row["lon"]), float(row["lat"]), row["street_code"]) for row in places],
        codes={
            (row["table"], row["kind"], row["code"]): row["matter_kind"]
            for row in _csv(folder / "kinds.csv")
            if row["city"] == main["city"]
        },
        keywords=[(row["matter_kind"], row["keywords"].split("|")) for row in _csv(folder / "matters.csv")],
        rows={(row["matter_kind"], row["area"], row["feed"]): row for row in _csv(folder / "responsibility.csv")},
        channels={entry["id"]: (entry["feed"], entry.get("table", "")) for entry in channels},
        days={row["date"]: row["day"] for row in _csv(folder / "calendar.csv")},
        spans=[(_clock(start), _clock(end)) for start, end in main["work_time"]],
        weight=float(main["basic_satisfied_weight"]),
        respond_hours=float(main["respond_within_hours"]),
    )


def _local(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds() - SHANGHAI  # noqa: DTZ001


def _police_time(text: str) -> float:
    day, month, year, hour, minute = (int(part) for part in re.findall(r"\d+", text))
    return _local(f"20{year:02d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:00")


def _nearest_street(profile: Place, lon: float, lat: float) -> str:
    def distance(point: tuple[float, float, str]) -> float:
        return math.hypot((point[0] - lon) * 90_000, (point[1] - lat) * 111_000)

    best = min(profile.points, key=distance)
    return best[2] if distance(best) < 1500 else ""


def _named_street(profile: Place, text: str) -> str:
    found = sorted((name for name in profile.names if name in text), key=len)
    return profile.names[found[-1]] if found else ""


def _kind_in(profile: Place, text: str) -> str:
    best, score = "", (0, 0)
    for kind, words in profile.keywords:
        hit = [word for word in words if word in text]
        mine = (sum(text.count(word) for word in hit), max((len(word) for word in hit), default=0))
        if mine > score:
            best, score = kind, mine
    return best


def _order(profile: Place, feed: str, table: str, m: dict[str, Any]) -> tuple[str, Case]:
    street = m["admin_code"][:9]
    if not street and m["lng"] is not None:
        street = _nearest_street(profile, m["lng"] - GCJ_EAST, m["lat"] - GCJ_NORTH)
    elif not street:
        street = _named_street(profile, m["address"] + m["title"] + m["content"])
    due = _local(m["due_at"]) if m["due_at"] else None
    kind = profile.codes[table, "appeal", m["category_code"]]
    return m["record_number"], Case(feed, _local(m["accepted_at"]), kind, street, due)


def _transfer(profile: Place, feed: str, table: str, m: dict[str, Any]) -> tuple[str, Case]:
    kind = profile.codes[table, "alarm", m["警情类别"]]
    return m["事件编号"], Case(feed, _police_time(m["上报时间"]), kind, profile.streets.get(m["镇街名称"], ""), None)


def _case(profile: Place, feed: str, table: str, m: dict[str, Any]) -> tuple[str, Case]:
    due = _local(m["deadline_time"]) if m["deadline_time"] else None
    kind = profile.codes[table, m["category_type"], m["big_code"] + m["small_code"]]
    return m["case_code"], Case(feed, _local(m["report_time"]), kind, m["street_code"], due)


def _wechat(profile: Place, feed: str, line: str) -> tuple[str, Case] | None:
    m = {child.tag: child.text or "" for child in ET.fromstring(line)}  # noqa: S314 - our own made-up file
    if m["MsgType"] == "event":
        return None
    text = m.get("Content", "") + m.get("Recognition", "")
    street = _named_street(profile, text)
    if m["MsgType"] == "location":
        street = _nearest_street(profile, float(m["Location_Y"]) - GCJ_EAST, float(m["Location_X"]) - GCJ_NORTH)
    return m["MsgId"], Case(feed, float(m["CreateTime"]), _kind_in(profile, text), street, None)


def _hotline_step(m: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    by_action = {
        "联系": "respond",
        "延期": "extend",
        "评价": "rate",
        "签收": "sign",
        "退单": "return",
        "改派": "redispatch",
    }
    by_stage = {"预审": "dispatch", "回访": "revisit", "结案": "close"}
    step = by_action.get(m["pso_caption"]) or (
        "redo" if m["pso_caption"] == "重办" else by_stage.get(m["ps_caption"], "")
    )
    return m["record_number"], {
        "step": step,
        "at": _local(m["date"]),
        "level": CHINESE_LEVEL.get(m["deal_level"]),
        "reached": m["note3"] != "未联系",
        "solved": {"已解决": True, "未解决": False}.get(m["note6"]),
        "satisfaction": SATISFACTION.get(m["satisfaction"]),
        "extended_to": _local(m["extended_to"]) if m["extended_to"] else None,
    }


def _police_step(m: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    names = {"派发": "dispatch", "响应": "respond", "回访": "revisit", "归档": "close"}
    return m["事件编号"], {
        "step": names.get(m["环节"], ""),
        "at": _police_time(m["时间"]),
        "level": CHINESE_LEVEL.get(m["层级"]),
        "reached": True,
        "solved": {"是": True, "否": False}.get(m["是否解决"]),
        "satisfaction": SATISFACTION.get(m["满意度"]),
        "extended_to": None,
    }


def _flow(m: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    names = {"派遣": "dispatch", "响应": "respond", "回访": "revisit", "结案": "close", "延期": "extend"}
    return m["case_code"], {
        "step": names.get(m["node"], ""),
        "at": _local(m["operate_time"]),
        "level": m["level"] or None,
        "reached": True,
        "solved": {"solved": True, "unsolved": False}.get(m["visit_result"]),
        "satisfaction": SATISFACTION.get(m["satisfaction"]),
        "extended_to": _local(m["deadline_time"]) if m["deadline_time"] else None,
    }


def _canonical_step(m: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    extended = datetime.fromisoformat(m["extended_to"]).timestamp() if m["extended_to"] else None
    return m["upstream_id"], {
        "step": m["step"],
        "at": datetime.fromisoformat(m["occurred_at"]).timestamp(),
        "level": m["level"],
        "reached": m["contacted"] is not False,
        "solved": m["solved"],
        "satisfaction": m["satisfaction"] if m["satisfaction"] != "unrated" else None,
        "extended_to": extended,
    }


def _lines(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(channel, name, line) of every message file."""
    for path in sorted(folder.glob("[0-9]*-[0-9]*/*")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield path.name.partition(".")[0], path.name, line


def cases_by_hand(folder: Path, profile: Place) -> dict[tuple[str, str], Case]:
    """Every appeal of the folder with its steps, by (channel, upstream id); camera alarms are left out."""
    reports = {"order": _order, "transfer": _transfer, "case": _case}
    steps = {"step": _hotline_step, "feedback": _police_step, "flow": _flow}
    cases: dict[tuple[str, str], Case] = {}
    later: list[tuple[tuple[str, str], dict[str, Any]]] = []
    for channel, name, line in _lines(folder):
        feed, table = profile.channels[channel]
        if feed == "video":
            continue
        if name.endswith(".xml"):
            if found := _wechat(profile, feed, line):
                cases[channel, found[0]] = found[1]
            continue
        m = json.loads(line)
        if name.endswith(".progress.ndjson"):
            number, step = _canonical_step(m)
            later.append(((channel, number), step))
        elif m["message"] in reports:
            number, case = reports[m["message"]](profile, feed, table, m)
            cases[channel, number] = case
        else:
            number, step = steps[m["message"]](m)
            later.append(((channel, number), step))
    for key, step in later:
        cases[key].steps.append(step)
    return cases


def is_working_day(profile: Place, day: date) -> bool:
    """The profile's own calendar, then the notices, then Monday to Friday."""
    text = day.isoformat()
    if text in profile.days:
        return profile.days[text] == "work"
    short = text[5:]
    return short in WORK.get(day.year, "") or (short not in OFF.get(day.year, "") and day.weekday() < 5)


def due_by_hand(profile: Place, start: float, limit: float, unit: str) -> float:
    """When a limit that starts at `start` (seconds UTC) runs out."""
    if unit == "natural_day":
        return start + limit * 24 * HOUR
    if unit == "urgent_hour":
        return start + limit * HOUR
    day = (datetime(1970, 1, 1) + timedelta(seconds=start + SHANGHAI)).date()  # noqa: DTZ001
    midnight = _local(f"{day} 00:00:00")
    left = limit * HOUR if unit == "work_hour" else limit
    while True:
        if is_working_day(profile, day):
            if unit == "work_day" and midnight > start:
                left -= 1
                if left <= 0:
                    return midnight + profile.spans[-1][1]
            for opens, closes in profile.spans if unit == "work_hour" else ():
                begin = max(start, midnight + opens)
                here = midnight + closes - begin
                if here > 0 and here >= left:
                    return begin + left
                left -= max(0.0, here)
        day += timedelta(days=1)
        midnight += 24 * HOUR


def _row(profile: Place, case: Case) -> dict[str, str] | None:
    for area, feed in ((case.street, case.feed), (case.street, "*"), ("*", case.feed), ("*", "*")):
        if row := profile.rows.get((case.kind, area, feed)):
            return row
    return None


def _last(steps: list[dict[str, Any]], key: str) -> Any:
    """The latest answer of a revisit, rating or 重办 that is one; of two with one time the later line, a correction."""
    told = [step for step in steps if step["step"] in ("revisit", "rate", "redo") and step[key] is not None]
    return max(reversed(told), key=lambda step: step["at"])[key] if told else None


def figures_by_hand(
    folder: Path, profile_dir: Path, date_from: date, date_to: date, now: float | None = None
) -> dict[str, tuple[float, float]]:
    """Numerator and denominator of each headline figure for appeals reported on the local days [date_from, date_to]."""
    profile = _profile(profile_dir)
    now = time.time() if now is None else now
    first = _local(f"{date_from} 00:00:00")
    end = _local(f"{date_to + timedelta(days=1)} 00:00:00")
    names = ("accepted", "responded", "on_time", "closed", "solved", "satisfied", "in_grid", "repeats")
    figures = {name: [0.0, 0.0] for name in names}
    relations = {(row["channel"], row["upstream_id"]): row["relation"] for row in _csv(folder / "truth.csv")}

    def count(name: str, denominator: bool, numerator: float) -> None:
        if denominator:
            figures[name][0] += numerator
            figures[name][1] += 1

    for key, case in cases_by_hand(folder, profile).items():
        if not first <= case.reported < end:
            continue
        row = _row(profile, case)

        def times(step: str, steps: list[dict[str, Any]] = case.steps) -> list[float]:
            return [s["at"] for s in steps if s["step"] == step]

        count("accepted", True, 1)
        count("repeats", True, relations[key] != "new")
        dispatched, closed = times("dispatch"), times("close")
        answered = times("respond", [s for s in case.steps if s["reached"]])
        wait = min(answered) - min(dispatched) if answered and dispatched else math.inf
        count("responded", bool(dispatched), 0 <= wait <= profile.respond_hours * HOUR)
        count("closed", True, bool(closed))
        due = case.source_due
        if due is None and row is not None:
            limit, unit = row["limits"].split("|")[-1].split(":")[-1].split()
            due = due_by_hand(profile, case.reported, float(limit), unit)
        if due is not None:
            granted = [
                s["extended_to"] for s in case.steps if s["step"] == "extend" and s["extended_to"] and s["at"] <= due
            ]
            due = max(granted) if granted else due
            count("on_time", bool(closed) or due <= now, bool(closed) and max(closed) <= due)
        solved, satisfaction = _last(case.steps, "solved"), _last(case.steps, "satisfaction")
        count("solved", solved is not None, bool(solved))
        worth = {"satisfied": 1.0, "basic": profile.weight}.get(satisfaction or "", 0.0)
        count("satisfied", satisfaction is not None, worth)
        levels = [s["level"] for s in case.steps if s["level"]]
        highest = max(levels, key=LEVELS.index) if levels else row["level"] if row else ""
        count("in_grid", bool(closed), highest == "grid")
    # Rounded, since a weight such as 0.6 added thousands of times drifts in the last digits.
    return {name: (round(pair[0], 6), pair[1]) for name, pair in figures.items()}
