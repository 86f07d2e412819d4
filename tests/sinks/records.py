"""Small records for the tests: a report, a decision on it, a step, an alert, a letter."""

from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from schemas.ids import digest_id
from schemas.records import Alert, Case, Change, DeadLetter, Progress, Report, RoutedReport
from sinks.rows import Origin, Row, change_rows, routed_rows

HOUR = 3_600_000
DAY = 24 * HOUR
_numbers = count(1)


def local(text: str) -> int:
    """Milliseconds since 1970 of a Shanghai time such as 2025-03-01 09:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)


def utc(text: str) -> int:
    """Milliseconds since 1970 of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOON = local("2025-03-03 12:00")


def report(name: str, **changed: Any) -> Report:
    """A hotline report named `name`, reported on 3 March 2025 at noon."""
    fields: dict[str, Any] = {
        "report_id": f"hotline12345-{name}",
        "feed": "hotline12345",
        "channel": "demo-hotline",
        "place_key": "370212001",
        "matter_kind": "noise",
        "reporter_key": "k" * 32,
        "content_hash": "h" * 32,
        "reported_at": NOON,
        "received_at": NOON + 1000,
        "confidential": False,
        "upstream_id": name,
        "via": "电话",
        "appeal_type": "complaint",
        "family": "livelihood",
        "kind_code": "demo/hotline-2025/appeal/010101",
        "category_path": ["城乡建设", "噪声扰民"],
        "title": "夜间施工",
        "content": "某工地夜间施工",
        "reporter_mask": "138****0000",
        "address": "某路",
        "street_code": "370212001",
        "community_code": "370212001003",
        "grid_code": None,
        "lon": 120.4,
        "lat": 36.1,
        "source_lon": 120.41,
        "source_lat": 36.11,
        "source_crs": "GCJ-02",
        "location_method": "coordinates",
        "urgency": "normal",
        "device_id": None,
        "source_due_at": None,
        "related_upstream_ids": [],
        "attachments": [],
        "extra": {"来源": "测试"},
        "sealed": None,
        "sealed_key_id": None,
        "location_confidence": None,
        "professional_grids": [],
        "part_ids": [],
    }
    return Report(**{**fields, **changed})  # type: ignore[typeddict-item]


def routed(of: Report, **changed: Any) -> RoutedReport:
    """A decision on a report: a new matter, due five days after it was reported."""
    fields: dict[str, Any] = {
        "intake_topic": f"intake.{of['feed']}",
        "intake_partition": 0,
        "intake_offset": next(_numbers),
        "outcome": "routed",
        "matter_id": of["report_id"],
        "relation": "new",
        "linked_to": None,
        "score": None,
        "reasons": [],
        "rule_version": "2025.1",
        "agency_code": "zhifa",
        "agency_name": "综合行政执法局",
        "co_agencies": [],
        "level": "district",
        "due_at": of["reported_at"] + 5 * DAY,
        "time_limit": "5 natural_day",
        "list_version": "demo-2025.1",
        "list_row": "R0001",
        "manual_reason": None,
        "review_matter": None,
        "review_score": None,
        "kind_by": "source",
        "kind_confidence": None,
        "routed_kind": of["matter_kind"],
        "flow": "livelihood",
        "posts": [],
        "approval": None,
        "priority": "normal",
        "priority_reasons": [],
        "emergency": None,
        "milestones": [],
        "report": of,
    }
    return RoutedReport(**{**fields, **changed})  # type: ignore[typeddict-item]


def change(word: str, *names: str, **changed: Any) -> Change:
    """What a ruling or step changed of the reports named `names`; a clerk's ruling where it says nothing else."""
    fields: dict[str, Any] = {
        "intake_topic": "rulings",
        "intake_partition": 0,
        "intake_offset": next(_numbers),
        "number": 0,
        "change": word,
        "matter_id": "hotline12345-a",
        "from_matter_id": None,
        "report_ids": [f"hotline12345-{name}" for name in names],
        "agency_code": None,
        "agency_name": None,
        "level": None,
        "due_at": None,
        "manual_reason": None,
        "cause_id": "c" * 32,
        "ruled_by": "clerk-07",
        "reason": "同一工地",
        "changed_at": NOON + HOUR,
        "place_key": "370212",
        "rule_version": "2025.2",
        "list_version": None,
        "step": None,
        "case": None,
    }
    if changed.get("ruled_by", "") is None:
        fields["intake_topic"] = "progress"
    return Change(**{**fields, **changed})  # type: ignore[typeddict-item]


def case(**changed: Any) -> Case:
    """A case of a community, due five days after noon."""
    fields: dict[str, Any] = {
        "path": ["sq370212001003"],
        "level": "community",
        "co_agencies": [],
        "flow": "livelihood",
        "time_limit": "5 natural_day",
        "list_version": "demo-2025.1",
        "list_row": "R0001",
        "started_at": NOON,
        "due_at": NOON + 5 * DAY,
        "extended_to": None,
        "dispatched_at": None,
        "closed_at": None,
        "rated_at": None,
        "finishes_at": None,
        "finished_at": None,
        "returns": 0,
        "moves": 0,
        "waits": None,
        "stepped": True,
    }
    return Case(**{**fields, **changed})  # type: ignore[typeddict-item]


def log_rows(record: Any, origin: Origin) -> list[Row]:
    """Rows of a record of the log of decisions, of either kind."""
    return change_rows(record, origin) if "change" in record else routed_rows(record, origin)


def step(name: str, kind: str, occurred_at: int, **changed: Any) -> Progress:
    """A step of the report named `name`."""
    fields: dict[str, Any] = {
        "progress_id": digest_id(name, kind, str(occurred_at), str(sorted(changed.items()))),
        "report_id": f"hotline12345-{name}",
        "feed": "hotline12345",
        "channel": "demo-hotline",
        "upstream_id": name,
        "step": kind,
        "occurred_at": occurred_at,
        "received_at": occurred_at + 1000,
        "upstream_step_id": None,
        "unit": "某单位",
        "level": None,
        "contacted": None,
        "solved": None,
        "satisfaction": None,
        "extended_to": None,
        "note": None,
        "extra": {},
    }
    return Progress(**{**fields, **changed})  # type: ignore[typeddict-item]


def alert(name: str, **changed: Any) -> Alert:
    """An alert that holds."""
    fields: dict[str, Any] = {
        "alert_id": name,
        "rule": "mass_appeal",
        "severity": "warning",
        "subject_type": "matter",
        "subject": "hotline12345-a",
        "place_key": "370212001",
        "raised_at": NOON,
        "cleared_at": None,
        "value": 5.0,
        "threshold": 5.0,
        "summary": "五人反映同一事项",
        "report_ids": ["hotline12345-a"],
        "rule_version": "2025.1",
    }
    return Alert(**{**fields, **changed})  # type: ignore[typeddict-item]


def letter(name: str, **changed: Any) -> DeadLetter:
    """A letter of a connector."""
    fields: dict[str, Any] = {
        "dead_letter_id": name,
        "stage": "connector",
        "feed": "hotline12345",
        "channel": "demo-hotline",
        "origin_topic": None,
        "origin_partition": None,
        "origin_offset": None,
        "reason_code": "bad_json",
        "reason": "not JSON",
        "failed_at": NOON,
        "key": None,
        "content_type": "application/json",
        "original": b"\x00\xff{",
        "sealed_key_id": None,
        "replay_count": 0,
        "tail": None,
    }
    return DeadLetter(**{**fields, **changed})  # type: ignore[typeddict-item]
