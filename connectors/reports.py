"""What is stored of a report, and the store that tells it: what Open311 and GET /v1/reports are answered from.

The store is injected (hub reads ClickHouse), so that a gateway runs without it: only these questions are then 503.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from profiles import Channel

Status = Literal["received", "routed", "manual", "handled", "closed"]

#: Steps that end a case, and the one that opens it again.
ENDING: Final = frozenset(("close", "cancel"))
REOPENING: Final = "redo"
#: Steps by which nobody has worked on the matter yet.
_BEFORE_WORK: Final = frozenset(("collect", "accept", "register", "verify", "dispatch", "redispatch", "return", "sign"))


class StoreUnavailableError(RuntimeError):
    """The store does not answer now; the same question again later."""


@dataclass(frozen=True, slots=True)
class StoredStep:
    """One step in a case's life. Times are milliseconds UTC; `unit` has its personal data masked."""

    step: str
    occurred_at: int
    unit: str | None
    level: str | None
    extended_to: int | None


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report's latest revision, the decision on it, and its steps in order of time. Times are milliseconds UTC.

    accepted_at: when the gateway first took it. matter_id, linked_to: ids only, never of a confidential report that is
    not this one. content, address, attachments: personal data masked.
    """

    report_id: str
    upstream_id: str
    part_ids: tuple[str, ...]
    confidential: bool
    kind_code: str | None
    matter_kind: str
    content: str
    address: str | None
    lon: float | None
    lat: float | None
    attachments: tuple[str, ...]
    reported_at: int
    accepted_at: int
    source_due_at: int | None
    due_at: int | None
    agency_code: str | None
    agency_name: str | None
    level: str | None
    manual_reason: str | None
    matter_id: str
    relation: str
    linked_to: str | None
    steps: tuple[StoredStep, ...]

    @property
    def closed_at(self) -> int | None:
        """When it was last closed or cancelled; None while it never was, and after 重办 opened it again."""
        for step in reversed(self.steps):
            if step.step in ENDING:
                return step.occurred_at
            if step.step == REOPENING:
                return None
        return None

    @property
    def deadline(self) -> int | None:
        """Due time of the source, else of the responsibility list, moved by the extensions granted before it passed."""
        base = self.due_at if self.source_due_at is None else self.source_due_at
        if base is None:
            return None
        granted = (step.extended_to for step in self.steps if step.step == "extend" and step.occurred_at <= base)
        return max((moment for moment in granted if moment is not None), default=base)

    @property
    def updated_at(self) -> int:
        """When it was closed, else its last step, else when the gateway took it."""
        if self.closed_at is not None:
            return self.closed_at
        return self.steps[-1].occurred_at if self.steps else self.accepted_at

    @property
    def status(self) -> Status:
        """closed; handled (somebody has worked on it); routed (an agency has it); manual (a person must route it)."""
        if self.closed_at is not None:
            return "closed"
        if any(step.step not in _BEFORE_WORK for step in self.steps):
            return "handled"
        if self.agency_code is not None:
            return "routed"
        return "manual" if self.manual_reason is not None else "received"


@dataclass(frozen=True, slots=True)
class Search:
    """Which of a channel's reports; never a confidential one. Newest first.

    start, end: of the reported time, milliseconds UTC, both included. kind_codes, matter_kinds: any of these; None: all.
    closed: None for both. limit, offset: the page.
    """

    start: int
    end: int
    kind_codes: tuple[str, ...] | None
    matter_kinds: tuple[str, ...] | None
    closed: bool | None
    limit: int
    offset: int


class ReportStore(Protocol):
    """Where the worker's decisions and the sources' steps are kept. Raises StoreUnavailableError."""

    async def find(self, channel: Channel, ids: Sequence[str]) -> list[StoredReport]:
        """The channel's own reports with these ids, or assembled of messages with these ids; in no order."""

    async def search(self, channel: Channel, wanted: Search) -> list[StoredReport]:
        """A page of the channel's own reports."""
