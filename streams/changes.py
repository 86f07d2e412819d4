"""What a step in the life of a case, or a person's ruling, changes in matters: pure functions of (state, record)."""

from typing import Final, Literal

from schemas.records import Change, Progress, Ruling
from streams.decide import Origin
from streams.state import PartitionState

_CLOSING: Final = frozenset({"close", "cancel"})
_REOPENING: Final = frozenset({"redo", "rework", "resume"})

Kind = Literal["closed", "reopened", "accepted", "rejected", "unlinked", "merged", "void"]


def of_step(state: PartitionState, progress: Progress, origin: Origin, rule_version: str, key: str) -> Change | None:
    """The change that a step makes: a case closed (办结, 作废) or reopened (重办, 返工); None for any other step.

    A step may come before its report is decided on: it is kept for it. The last step told wins, whatever its event time: a
    source tells its steps in order.
    """
    if progress["step"] in _CLOSING:
        kind: Kind = "closed"
    elif progress["step"] in _REOPENING:
        kind = "reopened"
    else:
        return None
    known = state.reports.get(progress["report_id"])
    return _change(
        kind,
        origin,
        matter_id=known.matter_id if known else "",
        report_ids=[progress["report_id"]],
        cause_id=progress["progress_id"],
        reason=progress["step"],
        changed_at=progress["occurred_at"],
        rule_version=rule_version,
        key=key,
    )


def of_ruling(state: PartitionState, ruling: Ruling, origin: Origin, rule_version: str, key: str) -> Change:
    """The change that a ruling makes; `void` with the reason where it can have no effect."""
    kind, matter_id, from_matter_id, report_ids, problem = _ruled(state, ruling)
    return _change(
        kind,
        origin,
        matter_id=matter_id,
        from_matter_id=from_matter_id,
        report_ids=report_ids,
        cause_id=ruling["ruling_id"],
        ruled_by=ruling["ruled_by"],
        reason=problem or ruling["reason"],
        changed_at=ruling["ruled_at"],
        rule_version=rule_version,
        key=key,
    )


_Ruled = tuple[Kind, str, str | None, list[str], str]


def _ruled(state: PartitionState, ruling: Ruling) -> _Ruled:
    """Kind, matter after, matter before, reports, and why it is void."""
    report_id, into = ruling["report_id"] or "", ruling["matter_id"] or ""
    known = state.reports.get(report_id)
    if ruling["action"] == "merge":
        ended = ruling["from_matter_id"] or ""
        members, target = state.matter(ended), state.matter(into)
        if members is None or target is None or ended == into:
            return "void", into, ended or None, [], "both matters must be known, and two"
        if any(not state.joins(other) for other in (*members.report_ids, *target.report_ids)):
            return "void", into, ended, [], "one of the reports is confidential or stands alone by rule"
        return "merged", into, ended, list(members.report_ids), ""
    if known is None:
        return "void", into, None, [], "the report is not known, or no more"
    if ruling["action"] == "unlink":
        if known.matter_id == report_id:
            return "void", report_id, None, [report_id], "the report is a matter of its own already"
        return "unlinked", report_id, known.matter_id, [report_id], ""
    if state.matter(into) is None:
        return "void", into, known.matter_id, [report_id], "the matter is not known, or no more"
    if ruling["action"] == "reject":
        if known.matter_id == into:
            return "void", into, known.matter_id, [report_id], "the report is in this matter: unlink it"
        return "rejected", into, known.matter_id, [report_id], ""
    if not state.joins(report_id) or not state.joins(into):
        return "void", into, known.matter_id, [report_id], "the report is confidential or stands alone by rule"
    return "accepted", into, known.matter_id, [report_id], ""


def _change(
    kind: Kind,
    origin: Origin,
    *,
    matter_id: str,
    report_ids: list[str],
    cause_id: str,
    reason: str,
    changed_at: int,
    rule_version: str,
    key: str,
    from_matter_id: str | None = None,
    ruled_by: str | None = None,
) -> Change:
    return {
        "intake_topic": origin.topic,
        "intake_partition": origin.partition,
        "intake_offset": origin.offset,
        "number": 0,
        "change": kind,
        "matter_id": matter_id,
        "from_matter_id": from_matter_id,
        "report_ids": report_ids,
        "agency_code": None,
        "agency_name": None,
        "level": None,
        "due_at": None,
        "manual_reason": None,
        "cause_id": cause_id,
        "ruled_by": ruled_by,
        "reason": reason,
        "changed_at": changed_at,
        "place_key": key,
        "rule_version": rule_version,
    }
