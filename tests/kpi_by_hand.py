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
from collections import Counter
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

#: 诉求类型 in which a kind of dispute is one; 其他 is what WeChat leaves open.
DISPUTED = {"求助", "投诉", "举报", "其他"}

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
    appeal: str
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
    sign_hours: float
    watched_days: float
    disputed: set[str]


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
        sign_hours=float(main.get("sign_within_hours", 24)),
        watched_days=float(main.get("prevention", {}).get("false_closure_days", 30)),
        disputed={row["matter_kind"] for row in _csv(folder / "matters.csv") if row["dispute"]},
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
    return m["record_number"], Case(feed, _local(m["accepted_at"]), kind, street, due, m["appeal_type"])


def _transfer(profile: Place, feed: str, table: str, m: dict[str, Any]) -> tuple[str, Case]:
    kind = profile.codes[table, "alarm", m["警情类别"]]
    return m["事件编号"], Case(
        feed, _police_time(m["上报时间"]), kind, profile.streets.get(m["镇街名称"], ""), None, "求助"
    )


def _case(profile: Place, feed: str, table: str, m: dict[str, Any]) -> tuple[str, Case]:
    due = _local(m["deadline_time"]) if m["deadline_time"] else None
    kind = profile.codes[table, m["category_type"], m["big_code"] + m["small_code"]]
    return m["case_code"], Case(feed, _local(m["report_time"]), kind, m["street_code"], due, "案件")


def _wechat(profile: Place, feed: str, line: str) -> tuple[str, Case] | None:
    m = {child.tag: child.text or "" for child in ET.fromstring(line)}  # noqa: S314 - our own made-up file
    if m["MsgType"] == "event":
        return None
    text = m.get("Content", "") + m.get("Recognition", "")
    street = _named_street(profile, text)
    if m["MsgType"] == "location":
        street = _nearest_street(profile, float(m["Location_Y"]) - GCJ_EAST, float(m["Location_X"]) - GCJ_NORTH)
    return m["MsgId"], Case(feed, float(m["CreateTime"]), _kind_in(profile, text), street, None, "其他")


def _hotline_step(m: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    by_action = {
        "联系": "respond",
        "延期": "extend",
        "评价": "rate",
        "签收": "sign",
        "退单": "return",
        "改派": "redispatch",
    }
    by_stage = {"受理": "accept", "预审": "dispatch", "处置": "handle", "回访": "revisit", "结案": "close"}
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
    names = {
        "受理": "accept",
        "派发": "dispatch",
        "签收": "sign",
        "响应": "respond",
        "处置": "handle",
        "退回": "return",
        "回访": "revisit",
        "归档": "close",
    }
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
    names = {
        "派遣": "dispatch",
        "签收": "sign",
        "核实": "verify",
        "立案": "register",
        "响应": "respond",
        "处置": "handle",
        "核查": "check",
        "返工": "rework",
        "回访": "revisit",
        "结案": "close",
        "延期": "extend",
        "作废": "cancel",
    }
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


def working_hours_by_hand(profile: Place, start: float, end: float) -> float:
    """Hours between two moments (seconds UTC) that lie in the spans of working days."""
    total = 0.0
    midnight = _local(f"{(datetime(1970, 1, 1) + timedelta(seconds=start + SHANGHAI)).date()} 00:00:00")  # noqa: DTZ001
    while midnight < end:
        if is_working_day(profile, (datetime(1970, 1, 1) + timedelta(seconds=midnight + SHANGHAI)).date()):  # noqa: DTZ001
            for opens, closes in profile.spans:
                total += max(0.0, min(end, midnight + closes) - max(start, midnight + opens))
        midnight += 24 * HOUR
    return total / HOUR


@dataclass
class Link:
    """Which matter an appeal belongs to and how; `due`: when it is due by the list, where its matter decides that."""

    matter: str
    relation: str
    due: float | None = None


def links_of_truth(folder: Path) -> dict[tuple[str, str], Link]:
    """The links as the sample was made."""
    rows = _csv(folder / "truth.csv")
    return {(row["channel"], row["upstream_id"]): Link(row["matter"], row["relation"]) for row in rows}


def _due(profile: Place, case: Case, row: dict[str, str] | None, link: Link) -> float | None:
    """The effective due time: the last extension granted before the one of source or list, else that."""
    due = case.source_due if case.source_due is not None else link.due
    if due is None and row is not None:
        limit, unit = row["limits"].split("|")[-1].split(":")[-1].split()
        due = due_by_hand(profile, case.reported, float(limit), unit)
    if due is None:
        return None
    granted = [s["extended_to"] for s in case.steps if s["step"] == "extend" and s["extended_to"] and s["at"] <= due]
    return max(granted) if granted else due


def _values(
    profile: Place, case: Case, row: dict[str, str] | None, due: float | None, link: Link, told: list[float], now: float
) -> dict[str, float | None]:
    """Each figure's value of one appeal, None where it is not in the denominator."""

    def times(step: str) -> list[float]:
        return [s["at"] for s in case.steps if s["step"] == step]

    def if_(condition: bool, value: float) -> float | None:
        return float(value) if condition else None

    def soon(answers: list[float], hours: float) -> bool:
        return bool(answers) and 0 <= min(answers) - min(dispatched) <= hours * HOUR

    closes, redos, dispatched, checked = times("close"), times("redo"), times("dispatch"), times("check")
    closed = bool(closes) and not (redos and max(redos) > max(closes))
    closed_at = max(closes) if closed else 0.0
    steps = Counter(s["step"] for s in case.steps)
    valid = not steps["cancel"]
    solved, satisfaction = _last(case.steps, "solved"), _last(case.steps, "satisfaction")
    later = [at for at in told if closed and at > closed_at]
    again = bool(later) and min(later) - closed_at <= profile.watched_days * 24 * HOUR
    answered = [s["at"] for s in case.steps if s["step"] == "respond" and s["reached"]]
    levels = [s["level"] for s in case.steps if s["level"]]
    highest = max(levels, key=LEVELS.index) if levels else row["level"] if row else ""
    city, dispute = case.feed == "citymgmt", case.kind in profile.disputed and case.appeal in DISPUTED
    ended = city and valid and (closed or (due is not None and due <= now))
    begun = min(times("accept") or [case.reported])
    ends = max(begun, closed_at)
    first = link.relation == "new"
    in_time = closed and due is not None and closed_at <= due
    return {
        "accepted": 1.0,
        "matters": if_(first, 1),
        "repeats": float(not first),
        "responded": if_(bool(dispatched), bool(dispatched) and soon(answered, profile.respond_hours)),
        "signed": if_(bool(dispatched), bool(dispatched) and soon(times("sign"), profile.sign_hours)),
        "closed": float(closed),
        "on_time": if_(due is not None and (closed or due <= now), in_time),
        "solved": if_(solved is not None, bool(solved)),
        "satisfied": if_(bool(satisfaction), {"satisfied": 1.0, "basic": profile.weight}.get(satisfaction or "", 0.0)),
        "in_grid": if_(closed, highest == "grid"),
        "first_time": if_(closed, not (steps["return"] or steps["rework"] or steps["redo"] or again)),
        "returned": if_(bool(dispatched), bool(steps["return"])),
        "first_dispatch": if_(bool(dispatched), not (steps["return"] or steps["redispatch"])),
        "mediated": if_(dispute and closed and solved is not None, bool(solved)),
        "settled": if_(dispute and valid, closed and bool(solved)),
        "registered": if_(city, bool(times("register"))),
        "archived": if_(ended, closed),
        "archived_on_time": if_(ended, in_time),
        "reworked": if_(bool(checked), bool(steps["rework"])),
        "false_closure": if_(bool(closes), bool(redos) or solved is False or again),
        "checked": if_(city and closed, bool(checked) and min(checked) <= closed_at),
        "pre_resolved": if_(city and valid, closed and len(told) == 1),
        "matters_closed": if_(first, closed),
        "matters_solved": if_(first and solved is not None, bool(solved)),
        "natural_hours": if_(closed, (ends - begun) / HOUR),
        "working_hours": if_(closed, working_hours_by_hand(profile, begun, ends)),
    }


def figures_by_hand(
    folder: Path,
    profile_dir: Path,
    date_from: date,
    date_to: date,
    *,
    now: float | None = None,
    links: dict[tuple[str, str], Link] | None = None,
    by_due: bool = False,
) -> dict[str, tuple[float, float]]:
    """Numerator and denominator of each figure for appeals reported (`by_due`: due) on the local days [date_from, date_to].

    `links`: what belongs together, by (channel, upstream id); as the sample was made where none are given.
    """
    profile = _profile(profile_dir)
    now = time.time() if now is None else now
    first = _local(f"{date_from} 00:00:00")
    end = _local(f"{date_to + timedelta(days=1)} 00:00:00")
    links = links_of_truth(folder) if links is None else links
    cases = cases_by_hand(folder, profile)
    told: dict[str, list[float]] = {}
    for key, case in cases.items():
        told.setdefault(links[key].matter, []).append(case.reported)
    figures: dict[str, list[float]] = {}
    for key, case in cases.items():
        row, link = _row(profile, case), links[key]
        due = _due(profile, case, row, link)
        cohort = due if by_due else case.reported
        if cohort is not None and first <= cohort < end:
            for name, value in _values(profile, case, row, due, link, told[link.matter], now).items():
                pair = figures.setdefault(name, [0.0, 0.0])
                if value is not None:
                    pair[0] += value
                    pair[1] += 1
    # Rounded, since a weight such as 0.6 added thousands of times drifts in the last digits.
    return {name: (round(pair[0], 6), pair[1]) for name, pair in figures.items()}
