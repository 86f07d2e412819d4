"""Records to rows: pure mappings, one per table, and the columns in the order the rows hold them.

Times stay whole milliseconds since 1970, UTC: clickhouse-connect takes them as they are for DateTime64(3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.reasons import ReasonCode
from schemas.records import Alert, AnyRecord, Case, Change, DeadLetter, Progress, RoutedReport

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 24 * 3600 * 1000
#: First millisecond after the years the hub stores: 1970 to 2199 (DateTime64 itself ends in 2299).
_END_MS: Final = int((datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds()) * 1000

_TEXT: Final = "String"
_MAYBE_TEXT: Final = "Nullable(String)"
_WORD: Final = "LowCardinality(String)"
_MAYBE_WORD: Final = "LowCardinality(Nullable(String))"
_TEXTS: Final = "Array(String)"
_NUMBER: Final = "Nullable(Float64)"
_FLAG: Final = "Nullable(Bool)"
_TIME: Final = "DateTime64(3, 'UTC')"
_MAYBE_TIME: Final = f"Nullable({_TIME})"
_MAP: Final = "Map(String, String)"
_WORDS: Final = "Array(LowCardinality(String))"
_MILESTONES: Final = f"Array(Tuple(name String, due_at {_TIME}, time_limit String))"
#: The one table partition of a table without PARTITION BY.
WHOLE: Final = "all"


_LEVELS: Final = ("grid", "community", "street", "district")
_RATINGS: Final = ("satisfied", "basic", "dissatisfied", "unrated")


class BadRowError(ValueError):
    """A value of the record breaks the contract in a way that would falsify figures; the message names the column."""

    def __init__(self, code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.code: ReasonCode = code


class Origin(NamedTuple):
    """Where a record stood in Kafka; `timestamp` is the broker's, milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int


class Row(NamedTuple):
    """One row: its table, that table's partition (`2025` or `all`), where it came from, values in column order."""

    table: str
    table_partition: str
    offset: int
    timestamp: int
    source_at: int | None
    values: tuple[Any, ...]


_ORIGIN_COLUMNS: Final = {"_topic": _WORD, "_partition": "UInt32", "_offset": "UInt64", "_timestamp": _TIME}


@dataclass(frozen=True)
class Table:
    """A table the sink writes. `time` is the column of PARTITION BY toYear(...), None for an unpartitioned table.

    `words` and `ranges` (both ends included) say what a column that is not NULL may hold.
    """

    name: str
    record_columns: dict[str, str]
    time: str | None
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def columns(self) -> dict[str, str]:
        """Name to type of every column the sink writes, in row order."""
        return {**self.record_columns, **_ORIGIN_COLUMNS}

    @cached_property
    def _times(self) -> list[tuple[str, int]]:
        return [
            (name, place) for place, (name, kind) in enumerate(self.columns.items()) if kind in (_TIME, _MAYBE_TIME)
        ]

    @cached_property
    def _pick(self) -> Callable[[AnyRecord], tuple[Any, ...]]:
        return itemgetter(*self.record_columns)

    def row(self, fields: AnyRecord, origin: Origin) -> Row:
        """Row of a record whose `fields` hold every record column; raises BadRowError."""
        values = (*self._pick(fields), *origin)
        for name, place in self._times:
            value = values[place]
            if value is not None and not 0 <= value < _END_MS:
                raise BadRowError("bad_time", f"{name} of {self.name} is outside the years 1970 to 2199")
        for name, (least, most) in self.ranges.items():
            value = fields[name]
            if value is not None and not least <= value <= most:  # NaN is in no range
                raise BadRowError("bad_record", f"{name} of {self.name} is not between {least:g} and {most:g}")
        for name, allowed in self.words.items():
            value = fields[name]
            if value is not None and value not in allowed:
                raise BadRowError("bad_record", f"{name} of {self.name} is none of {', '.join(allowed)}")
        source_at = fields[self.time] if self.time else None
        year = WHOLE if source_at is None else year_of_day(source_at // _DAY_MS)
        return Row(self.name, year, origin.offset, origin.timestamp, source_at, values)


@lru_cache(maxsize=4096)
def year_of_day(day: int) -> str:
    """toYear of a day counted from 1970-01-01, as text."""
    return str((_EPOCH + timedelta(days=day)).year)


ROUTED: Final = Table(
    "hub.routed",
    {
        "intake_topic": _WORD,
        "intake_partition": "UInt32",
        "intake_offset": "UInt64",
        "outcome": _WORD,
        "matter_id": _TEXT,
        "relation": _WORD,
        "linked_to": _MAYBE_TEXT,
        "score": _NUMBER,
        "reasons": _TEXTS,
        "rule_version": _WORD,
        "agency_code": _MAYBE_WORD,
        "agency_name": _MAYBE_WORD,
        "co_agencies": _WORDS,
        "level": _MAYBE_WORD,
        "due_at": _MAYBE_TIME,
        "time_limit": _MAYBE_WORD,
        "list_version": _MAYBE_WORD,
        "list_row": _MAYBE_WORD,
        "manual_reason": _MAYBE_WORD,
        "review_matter": _MAYBE_TEXT,
        "review_score": _NUMBER,
        "kind_by": _MAYBE_WORD,
        "kind_confidence": _NUMBER,
        "routed_kind": _MAYBE_WORD,
        "flow": _WORD,
        "posts": _WORDS,
        "approval": _MAYBE_WORD,
        "priority": _WORD,
        "priority_reasons": _WORDS,
        "emergency": _MAYBE_WORD,
        "milestones": _MILESTONES,
        "report_id": _TEXT,
        "part_ids": _TEXTS,
        "feed": _WORD,
        "channel": _WORD,
        "place_key": _TEXT,
        "matter_kind": _WORD,
        "reporter_key": _MAYBE_TEXT,
        "content_hash": _TEXT,
        "reported_at": _TIME,
        "received_at": _TIME,
        "confidential": "Bool",
        "upstream_id": _TEXT,
        "via": _MAYBE_WORD,
        "appeal_type": _WORD,
        "family": _MAYBE_WORD,
        "kind_code": _MAYBE_WORD,
        "category_path": _TEXTS,
        "title": _TEXT,
        "content": _TEXT,
        "reporter_mask": _MAYBE_TEXT,
        "address": _MAYBE_TEXT,
        "street_code": _MAYBE_WORD,
        "community_code": _MAYBE_WORD,
        "grid_code": _MAYBE_TEXT,
        "professional_grids": _TEXTS,
        "lon": _NUMBER,
        "lat": _NUMBER,
        "source_lon": _NUMBER,
        "source_lat": _NUMBER,
        "source_crs": _MAYBE_WORD,
        "location_method": _MAYBE_WORD,
        "location_confidence": _NUMBER,
        "urgency": _WORD,
        "device_id": _MAYBE_TEXT,
        "source_due_at": _MAYBE_TIME,
        "related_upstream_ids": _TEXTS,
        "attachments": _TEXTS,
        "extra": _MAP,
    },
    "reported_at",
    words={"level": _LEVELS},
    ranges={
        "score": (0, 1),
        "review_score": (0, 1),
        "kind_confidence": (0, 1),
        "location_confidence": (0, 1),
        "lon": (-180, 180),
        "lat": (-90, 90),
    },
)

#: Its words are not checked here: the contract names them, and a new one must not stop the sink.
CHANGES: Final = Table(
    "hub.changes",
    {
        "intake_topic": _WORD,
        "intake_partition": "UInt32",
        "intake_offset": "UInt64",
        "number": "UInt32",
        "change": _WORD,
        "matter_id": _TEXT,
        "from_matter_id": _MAYBE_TEXT,
        "report_ids": _TEXTS,
        "agency_code": _MAYBE_WORD,
        "agency_name": _MAYBE_WORD,
        "level": _MAYBE_WORD,
        "due_at": _MAYBE_TIME,
        "manual_reason": _MAYBE_WORD,
        "cause_id": _TEXT,
        "ruled_by": _MAYBE_WORD,
        "reason": _TEXT,
        "changed_at": _TIME,
        "place_key": _TEXT,
        "rule_version": _WORD,
        "list_version": _MAYBE_WORD,
        "has_case": "Bool",
        "case_path": _WORDS,
        "case_level": _MAYBE_WORD,
        "case_due_at": _MAYBE_TIME,
        "case_extended_to": _MAYBE_TIME,
        "case_closed_at": _MAYBE_TIME,
        "case_finished_at": _MAYBE_TIME,
        "case_returns": "UInt32",
        "case_moves": "UInt32",
        "case_waits": _MAYBE_WORD,
    },
    "changed_at",
    words={"level": _LEVELS, "case_level": _LEVELS},
)

#: The same by the report that it is about, for whoever asks for one.
REPORT_CHANGES: Final = Table(
    "hub.report_changes",
    {
        name: kind
        for name, kind in {**CHANGES.record_columns, "report_id": _TEXT}.items()
        if name
        in (
            *("intake_topic", "report_id", "intake_partition", "intake_offset", "number", "change", "matter_id"),
            *("from_matter_id", "changed_at", "has_case", "case_path", "case_level", "case_due_at", "case_finished_at"),
            *("case_returns", "case_waits"),
        )
    },
    "changed_at",
    words={"case_level": _LEVELS},
)

SEALED_ORIGINALS: Final = Table(
    "hub.sealed_originals",
    {
        "report_id": _TEXT,
        "intake_topic": _WORD,
        "intake_partition": "UInt32",
        "intake_offset": "UInt64",
        "reported_at": _TIME,
        "sealed": _TEXT,
        "sealed_key_id": _MAYBE_TEXT,
    },
    "reported_at",
)

PROGRESS: Final = Table(
    "hub.progress",
    {
        "progress_id": _TEXT,
        "report_id": _TEXT,
        "feed": _WORD,
        "channel": _WORD,
        "upstream_id": _TEXT,
        "step": _WORD,
        "occurred_at": _TIME,
        "received_at": _TIME,
        "upstream_step_id": _MAYBE_TEXT,
        "unit": _MAYBE_TEXT,
        "level": _MAYBE_WORD,
        "contacted": _FLAG,
        "solved": _FLAG,
        "satisfaction": _MAYBE_WORD,
        "extended_to": _MAYBE_TIME,
        "note": _MAYBE_TEXT,
        "extra": _MAP,
    },
    "occurred_at",
    words={"level": _LEVELS, "satisfaction": _RATINGS},
)

ALERTS: Final = Table(
    "hub.alerts",
    {
        "alert_id": _TEXT,
        "rule": _WORD,
        "severity": _WORD,
        "subject_type": _WORD,
        "subject": _TEXT,
        "place_key": _TEXT,
        "raised_at": _TIME,
        "cleared_at": _MAYBE_TIME,
        "value": _NUMBER,
        "threshold": _NUMBER,
        "summary": _TEXT,
        "report_ids": _TEXTS,
        "rule_version": _WORD,
    },
    "raised_at",
)

DEAD_LETTERS: Final = Table(
    "hub.dead_letters",
    {
        "dead_letter_id": _TEXT,
        "stage": _WORD,
        "feed": _WORD,
        "channel": _MAYBE_WORD,
        "origin_topic": _MAYBE_WORD,
        "origin_partition": "Nullable(UInt32)",
        "origin_offset": "Nullable(UInt64)",
        "reason_code": _WORD,
        "reason": _TEXT,
        "failed_at": _TIME,
        "key": _MAYBE_TEXT,
        "content_type": _MAYBE_WORD,
        "original": _TEXT,
        "sealed_key_id": _MAYBE_TEXT,
        "replay_count": "UInt32",
        "tail": _MAYBE_TEXT,
    },
    None,
)

#: Which reports are or were in a matter: hub.cases finds by it what changes with a report (sinks/cases.py).
MEMBERS: Final = Table("hub.members", {"matter_id": _TEXT, "report_id": _TEXT}, None)

TABLES: Final = {
    table.name: table
    for table in (ROUTED, CHANGES, REPORT_CHANGES, SEALED_ORIGINALS, MEMBERS, PROGRESS, ALERTS, DEAD_LETTERS)
}
#: Changes by which a person puts reports into a matter.
_MOVES: Final = ("accepted", "unlinked", "merged")


def routed_rows(record: RoutedReport, origin: Origin) -> list[Row]:
    """Rows of a decision: the decision with its report and, apart from it, the sealed original where there is one, and the
    report's place in its matter."""
    for milestone in record["milestones"]:
        if not 0 <= milestone["due_at"] < _END_MS:
            raise BadRowError("bad_time", f"due_at of a milestone of {ROUTED.name} is outside the years 1970 to 2199")
    milestones = [(one["name"], one["due_at"], one["time_limit"]) for one in record["milestones"]]
    fields = {**record, "milestones": milestones, **record["report"]}
    rows = [ROUTED.row(fields, origin)]
    if fields["sealed"] is not None:
        rows.append(SEALED_ORIGINALS.row(fields, origin))
    if fields["outcome"] == "routed" and fields["relation"] != "revision" and fields["appeal_type"] != "alarm":
        rows.append(MEMBERS.row(fields, origin))
    return rows


def change_rows(record: Change, origin: Origin) -> list[Row]:
    """Rows of a change: itself, with what the views read of the case after it, also by each report, and the places of reports
    that it moved.

    The step that led to it stands in `hub.progress`.
    """
    case = record["case"]
    moved = record["report_ids"] if record["change"] in _MOVES and record["matter_id"] else []
    fields = {**record, "has_case": case is not None, **(_case_columns(case) if case else _NO_CASE)}
    return [
        CHANGES.row(fields, origin),
        *(REPORT_CHANGES.row({**fields, "report_id": one}, origin) for one in record["report_ids"]),
        *(MEMBERS.row({"matter_id": record["matter_id"], "report_id": one}, origin) for one in moved),
    ]


def _case_columns(case: Case) -> AnyRecord:
    return {
        "case_path": case["path"],
        "case_level": case["level"],
        "case_due_at": case["due_at"],
        "case_extended_to": case["extended_to"],
        "case_closed_at": case["closed_at"],
        "case_finished_at": case["finished_at"],
        "case_returns": case["returns"],
        "case_moves": case["moves"],
        "case_waits": case["waits"],
    }


_NO_CASE: Final = {
    **dict.fromkeys(name for name in CHANGES.record_columns if name.startswith("case_")),
    **{"case_path": [], "case_returns": 0, "case_moves": 0},
}


def progress_rows(record: Progress, origin: Origin) -> list[Row]:
    """The row of a step."""
    return [PROGRESS.row({**record}, origin)]


def alert_rows(record: Alert, origin: Origin) -> list[Row]:
    """The row of an alert."""
    return [ALERTS.row({**record}, origin)]


def dead_letter_rows(record: DeadLetter, origin: Origin) -> list[Row]:
    """The row of a dead letter."""
    return [DEAD_LETTERS.row({**record}, origin)]


#: Topics the sink reads.
STORED_TOPICS: Final = (topics.ROUTED, topics.PROGRESS, topics.ALERTS, topics.DEADLETTER)
