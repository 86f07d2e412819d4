"""Typed shapes of the records. The `.avsc` files hold the meaning of each field; times are milliseconds since 1970, UTC."""

from typing import Any, Final, Literal, TypedDict

Subject = Literal["report", "progress", "routed_report", "alert", "dead_letter", "ruling", "change"]

#: Append only: a subject's place in this list is part of its schema ids (registry.schema_id).
SUBJECTS: Final[tuple[Subject, ...]] = (
    *("report", "progress", "routed_report", "alert", "dead_letter", "ruling", "change"),
)


class Report(TypedDict):
    """See schemas/report."""

    report_id: str
    feed: str
    channel: str
    place_key: str
    matter_kind: str
    reporter_key: str | None
    content_hash: str
    reported_at: int
    received_at: int
    confidential: bool
    upstream_id: str
    via: str | None
    appeal_type: str
    family: str | None
    kind_code: str | None
    category_path: list[str]
    title: str
    content: str
    reporter_mask: str | None
    address: str | None
    street_code: str | None
    community_code: str | None
    grid_code: str | None
    lon: float | None
    lat: float | None
    source_lon: float | None
    source_lat: float | None
    source_crs: str | None
    location_method: str | None
    urgency: str
    device_id: str | None
    source_due_at: int | None
    related_upstream_ids: list[str]
    attachments: list[str]
    extra: dict[str, str]
    sealed: bytes | None
    sealed_key_id: str | None
    location_confidence: float | None
    professional_grids: list[str]
    part_ids: list[str]


class Progress(TypedDict):
    """See schemas/progress."""

    progress_id: str
    report_id: str
    feed: str
    channel: str
    upstream_id: str
    step: str
    occurred_at: int
    received_at: int
    upstream_step_id: str | None
    unit: str | None
    level: str | None
    contacted: bool | None
    solved: bool | None
    satisfaction: str | None
    extended_to: int | None
    note: str | None
    extra: dict[str, str]


class Milestone(TypedDict):
    """See schemas/routed_report."""

    name: str
    due_at: int
    time_limit: str


class RoutedReport(TypedDict):
    """See schemas/routed_report."""

    intake_topic: str
    intake_partition: int
    intake_offset: int
    outcome: str
    matter_id: str
    relation: str
    linked_to: str | None
    score: float | None
    reasons: list[str]
    rule_version: str
    agency_code: str | None
    agency_name: str | None
    co_agencies: list[str]
    level: str | None
    due_at: int | None
    time_limit: str | None
    list_version: str | None
    list_row: str | None
    manual_reason: str | None
    review_matter: str | None
    review_score: float | None
    kind_by: str | None
    kind_confidence: float | None
    routed_kind: str | None
    flow: str
    posts: list[str]
    approval: str | None
    priority: str
    priority_reasons: list[str]
    emergency: str | None
    milestones: list[Milestone]
    report: Report


class Alert(TypedDict):
    """See schemas/alert."""

    alert_id: str
    rule: str
    severity: str
    subject_type: str
    subject: str
    place_key: str
    raised_at: int
    cleared_at: int | None
    value: float | None
    threshold: float | None
    summary: str
    report_ids: list[str]
    rule_version: str


class DeadLetter(TypedDict):
    """See schemas/dead_letter."""

    dead_letter_id: str
    stage: str
    feed: str
    channel: str | None
    origin_topic: str | None
    origin_partition: int | None
    origin_offset: int | None
    reason_code: str
    reason: str
    failed_at: int
    key: bytes | None
    content_type: str | None
    original: bytes
    sealed_key_id: str | None
    replay_count: int
    tail: str | None


class Ruling(TypedDict):
    """See schemas/ruling."""

    ruling_id: str
    action: str
    report_id: str | None
    matter_id: str | None
    from_matter_id: str | None
    ruled_by: str
    reason: str
    ruled_at: int


class StepTold(TypedDict):
    """See schemas/change."""

    name: str
    unit: str | None
    satisfaction: str | None
    extended_to: int | None
    whistle: bool


class Case(TypedDict):
    """See schemas/change."""

    path: list[str]
    level: str | None
    co_agencies: list[str]
    flow: str
    time_limit: str | None
    list_version: str | None
    list_row: str | None
    started_at: int
    due_at: int | None
    extended_to: int | None
    dispatched_at: int | None
    closed_at: int | None
    rated_at: int | None
    finishes_at: int | None
    finished_at: int | None
    returns: int
    moves: int
    waits: str | None
    stepped: bool


class Change(TypedDict):
    """See schemas/change."""

    intake_topic: str
    intake_partition: int
    intake_offset: int
    number: int
    change: str
    matter_id: str
    from_matter_id: str | None
    report_ids: list[str]
    agency_code: str | None
    agency_name: str | None
    level: str | None
    due_at: int | None
    manual_reason: str | None
    cause_id: str
    ruled_by: str | None
    reason: str
    changed_at: int
    place_key: str
    rule_version: str
    list_version: str | None
    step: StepTold | None
    case: Case | None


AnyRecord = dict[str, Any]
