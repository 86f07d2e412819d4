"""What a step in the life of a case, or a person's ruling, changes in matters: pure functions of (state, record)."""

from typing import Final, Literal

from profiles import Profile
from schemas.ids import digest_id
from schemas.records import Alert, Case, Change, Ruling, StepTold
from streams.cases import CaseState, CaseStep, Effect, settle, step, to_record
from streams.decide import Origin
from streams.routing import Router
from streams.state import Known, PartitionState

#: Numbers of the changes that one step may lead to (schemas/change).
AT_ONCE: Final = 0
WHEN_MET: Final = 1
AT_THE_END: Final = 2
#: Why a ruling is void that was sent again.
RULED_BEFORE: Final = "it was ruled so before"

Kind = Literal[
    "closed",
    "finished",
    "reopened",
    "returned",
    "escalated",
    "reassigned",
    "extended",
    "noted",
    "early",
    "accepted",
    "rejected",
    "unlinked",
    "merged",
    "void",
]


def of_step(
    state: PartitionState, told: CaseStep, origin: Origin, router: Router, profile: Profile, number: int = AT_ONCE
) -> tuple[Change, Alert | None]:
    """The change that a step makes, and the alert that follows from it; `noted` where nobody has to know.

    A step that comes before its report is decided on is kept for it (`early`) and taken when that came: `number` WHEN_MET.
    The last step told wins, whatever its event time: a source tells its steps in order.
    """
    known = state.reports.get(told.report_id)
    if known is None:
        kept: StepTold = {
            "name": told.name,
            "unit": told.unit,
            "satisfaction": told.satisfaction,
            "extended_to": told.extended_to,
            "whistle": told.whistle,
        }
        early = _change(
            "early",
            origin,
            matter_id="",
            report_ids=[told.report_id],
            cause_id=told.progress_id,
            reason="no_report",
            changed_at=told.at,
            profile=profile,
            kept=kept,
        )
        return early, None
    case, effect = step(known.case, told, router, profile)
    change = _of_case(known, case, effect, told.at, told.progress_id, origin, number, profile)
    if effect is None or effect.alert is None:
        return change, None
    return change, _ping_pong(known, effect, told.progress_id, profile)


def of_end(known: Known, origin: Origin, cause_id: str, now: int, profile: Profile) -> Change:
    """The 结案 of a closed case that the step at `origin` closed; `now`: event time."""
    case, effect = settle(known.case, now)
    assert effect is not None  # noqa: S101 - PartitionState.ended_case asked
    return _of_case(known, case, effect, effect.at, cause_id, origin, AT_THE_END, profile)


def _of_case(
    known: Known,
    case: CaseState,
    effect: Effect | None,
    at: int,
    cause_id: str,
    origin: Origin,
    number: int,
    profile: Profile,
) -> Change:
    return _change(
        "noted" if effect is None else effect.kind,
        origin,
        number=number,
        matter_id=known.matter_id,
        report_ids=[known.report_id],
        cause_id=cause_id,
        reason="step" if effect is None else effect.reason,
        changed_at=at if effect is None else effect.at,
        profile=profile,
        effect=effect,
        case=to_record(case),
    )


def _ping_pong(known: Known, effect: Effect, progress_id: str, profile: Profile) -> Alert:
    """循环交办: the case went to and fro, and waits at `effect`'s agency for a person."""
    return {
        "alert_id": digest_id("ping_pong", known.matter_id, progress_id),
        "rule": "ping_pong",
        "severity": "warning",
        "subject_type": "matter",
        "subject": known.matter_id,
        "place_key": profile.county_code,
        "raised_at": effect.at,
        "cleared_at": None,
        "value": None,
        "threshold": None,
        "summary": f"工单在部门间循环交办，已停在{effect.agency_name or '最高一级'}，请研判后指定主办单位。",
        "report_ids": [known.report_id],
        "rule_version": profile.rule_version,
    }


def of_ruling(state: PartitionState, ruling: Ruling, origin: Origin, profile: Profile) -> Change:
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
        profile=profile,
    )


_Ruled = tuple[Kind, str, str | None, list[str], str]


def _ruled(state: PartitionState, ruling: Ruling) -> _Ruled:
    """Kind, matter after, matter before, reports, and why it is void.

    What was ruled before, by this ruling or by another, is void: a command sent again does nothing twice.
    """
    report_id, into = ruling["report_id"] or "", ruling["matter_id"] or ""
    known = state.reports.get(report_id)
    if ruling["ruling_id"] in state.ruled:
        return "void", into or report_id, None, [report_id] if known else [], RULED_BEFORE
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
        if state.alone(known):
            return "void", known.matter_id, None, [report_id], "the report is a matter of its own already"
        return "unlinked", _own_matter(state, known, ruling["ruling_id"]), known.matter_id, [report_id], ""
    if state.matter(into) is None:
        return "void", into, known.matter_id, [report_id], "the matter is not known, or no more"
    if ruling["action"] == "reject":
        if known.matter_id == into:
            return "void", into, known.matter_id, [report_id], "the report is in this matter: unlink it"
        if (report_id, into) in state.barred:
            return "void", into, known.matter_id, [report_id], RULED_BEFORE
        return "rejected", into, known.matter_id, [report_id], ""
    if known.matter_id == into:
        return "void", into, known.matter_id, [report_id], "the report is in this matter already"
    if not state.joins(report_id) or not state.joins_matter(into):
        return "void", into, known.matter_id, [report_id], "the report is confidential or stands alone by rule"
    return "accepted", into, known.matter_id, [report_id], ""


def _own_matter(state: PartitionState, known: Known, ruling_id: str) -> str:
    """Id of the matter of a report that is taken out of one.

    The report's own, unless that names a matter which it has parted from; then one made of report and ruling.
    """
    taken = known.matter_id == known.report_id or known.report_id in state.parted
    return f"matter-{digest_id('matter', known.report_id, ruling_id)}" if taken else known.report_id


def _change(
    kind: Kind,
    origin: Origin,
    *,
    matter_id: str,
    report_ids: list[str],
    cause_id: str,
    reason: str,
    changed_at: int,
    profile: Profile,
    number: int = AT_ONCE,
    from_matter_id: str | None = None,
    ruled_by: str | None = None,
    effect: Effect | None = None,
    kept: StepTold | None = None,
    case: Case | None = None,
) -> Change:
    return {
        "intake_topic": origin.topic,
        "intake_partition": origin.partition,
        "intake_offset": origin.offset,
        "number": number,
        "change": kind,
        "matter_id": matter_id,
        "from_matter_id": from_matter_id,
        "report_ids": report_ids,
        "agency_code": effect.agency_code if effect else None,
        "agency_name": effect.agency_name if effect else None,
        "level": effect.level if effect else None,
        "due_at": effect.due_at if effect else None,
        "manual_reason": effect.manual_reason if effect else None,
        "cause_id": cause_id,
        "ruled_by": ruled_by,
        "reason": reason,
        "changed_at": changed_at,
        "place_key": profile.county_code,
        "rule_version": profile.rule_version,
        "list_version": None if ruled_by else profile.named_list,
        "step": kept,
        "case": case,
    }
