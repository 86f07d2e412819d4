"""Reads a written sample back for the tests: lines with their times, and the truth."""

import csv
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from profiles import Profile
from profiles.sample import Manifest
from profiles.sample.plan import metres

SHANGHAI = timedelta(hours=8)
REPORTS = ("order", "transfer", "case")


@dataclass
class Line:
    """One line of a message file; `at` is ms UTC, `case` the upstream id ("" for alarms and events)."""

    path: str
    at: int
    case: str
    is_report: bool
    body: dict[str, Any]
    raw: bytes


@dataclass
class Written:
    folder: Path
    manifest: Manifest
    truth: list[dict[str, str]]
    lines: list[Line] = field(default_factory=list)

    def orders(self) -> list[Line]:
        return [line for line in self.lines if line.body.get("message") == "order"]

    def matters(self) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.truth:
            found.setdefault(row["matter"], []).append(row)
        return found


def _ms(moment: datetime) -> int:
    """A moment without a zone is Shanghai's."""
    utc = moment.replace(tzinfo=UTC) - SHANGHAI if moment.tzinfo is None else moment
    return round(utc.timestamp() * 1000)


def _police(text: str) -> datetime:
    day, month, year, hour, minute = (int(number) for number in re.findall(r"\d+", text))
    return datetime(2000 + year, month, day, hour, minute)  # noqa: DTZ001 - local by the protocol


def _json_line(path: str, raw: bytes) -> Line:
    body = json.loads(raw)
    kind = body.get("message", body.get("record", "alarm"))
    if kind == "alarm":
        stamp = body["timestamp"]
        if isinstance(stamp, str):
            return Line(path, _ms(datetime.fromisoformat(stamp)), "", False, body, raw)
        return Line(path, stamp if stamp > 10**11 else stamp * 1000, "", False, body, raw)
    time_key, id_key = {
        "order": ("accepted_at", "record_number"),
        "step": ("date", "record_number"),
        "transfer": ("上报时间", "事件编号"),
        "feedback": ("时间", "事件编号"),
        "case": ("report_time", "case_code"),
        "flow": ("operate_time", "case_code"),
        "progress": ("occurred_at", "upstream_id"),
    }[kind]
    text = body[time_key]
    moment = _police(text) if kind in ("transfer", "feedback") else datetime.fromisoformat(text)
    return Line(path, _ms(moment), body[id_key], kind in REPORTS, body, raw)


def _xml_line(path: str, raw: bytes) -> Line:
    body = {child.tag.rpartition("}")[2]: child.text or "" for child in ET.fromstring(raw)}  # noqa: S314 - our own file
    if "dateTime" in body:
        return Line(path, _ms(datetime.fromisoformat(body["dateTime"])), "", False, body, raw)
    return Line(path, int(body["CreateTime"]) * 1000, body.get("MsgId", ""), "MsgId" in body, body, raw)


def read_sample(folder: Path, manifest: Manifest) -> Written:
    """The sample in `folder`; fails where a line does not parse."""
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        written = Written(folder, manifest, list(csv.DictReader(file)))
    for path in sorted(folder.glob("2*/*")):
        name = f"{path.parent.name}/{path.name}"
        read = _xml_line if path.suffix == ".xml" else _json_line
        written.lines += [read(name, raw) for raw in path.read_bytes().splitlines()]
    return written


def broken_rules(written: Written, profile: Profile) -> list[str]:
    """What the sample breaks of the rules every sample keeps; empty when it keeps all."""
    problems: list[str] = []
    spans: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for matter, rows in written.matters().items():
        times = [int(row["reported_at"]) for row in rows]
        kinds, places = {row["matter_kind"] for row in rows}, {row["community"] for row in rows}
        if len(kinds) != 1 or len(places) != 1:
            problems.append(f"{matter}: several kinds or communities")
        kind, place = rows[0]["matter_kind"], rows[0]["community"]
        if [row["relation"] for row in rows].count("new") != 1 or rows[0]["relation"] != "new":
            problems.append(f"{matter}: the first report must be new, the others not")
        if len(rows) > 1 and not (kind and place):
            problems.append(f"{matter}: repeated without a kind or a community")
        if kind and max(times) - min(times) > profile.matters[kind].window_hours * 3_600_000:
            problems.append(f"{matter}: wider than its window")
        if kind:
            spans.setdefault((place, kind), []).append((min(times), max(times)))
    for (place, kind), found in spans.items():
        room = (profile.matters[kind].window_hours + 48) * 3_600_000
        found.sort()
        for (_, earlier), (later, _) in pairwise(found):
            if later - earlier <= room:
                problems.append(f"{place} {kind}: two matters too near in time")
    last: dict[str, int] = {}
    reported: dict[str, int] = {}
    for line in written.lines:
        if line.at < last.get(line.path, 0):
            problems.append(f"{line.path}: not in time order")
        last[line.path] = line.at
        month = (datetime.fromtimestamp(line.at / 1000, UTC) + SHANGHAI).strftime("%Y-%m")
        if not line.path.startswith(month):
            problems.append(f"{line.path}: a line of {month}")
        if line.is_report:
            reported.setdefault(line.case, line.at)
    for line in written.lines:
        if line.case and not line.is_report and line.at <= reported.get(line.case, line.at):
            problems.append(f"{line.path}: a step without or before its report")
    return problems


def near_pairs(profile: Profile, radius: float) -> list[tuple[str, str]]:
    """Pairs of communities some of whose points may lie within `radius` metres of each other."""
    found = list(profile.communities.values())
    return [
        (a.code, b.code)
        for n, a in enumerate(found)
        for b in found[n + 1 :]
        if metres((a.lon, a.lat), (b.lon, b.lat)) <= radius + 220
    ]
