"""One decision: matter, relation, agency, due time and alert for one report. Pure: same state, same report, same answer."""

from typing import Final, NamedTuple

from profiles import Profile
from schemas.ids import digest_id
from schemas.records import Alert, Report, RoutedReport
from streams.matching import find_link
from streams.routing import Router
from streams.state import Facts, PartitionState, facts_of

MASS_APPEAL: Final = "mass_appeal"
_ALERT_REPORTS: Final = 20


class Origin(NamedTuple):
    """Where the record stands that is decided on."""

    topic: str
    partition: int
    offset: int


class Decision(NamedTuple):
    """What follows from one report: a record of the decision log, perhaps an alert. `facts` are those of the report."""

    routed: RoutedReport
    alert: Alert | None
    facts: Facts


class _Match(NamedTuple):
    outcome: str
    matter_id: str
    relation: str
    linked_to: str | None
    score: float | None
    reasons: tuple[str, ...]


class Decider:
    """The rules of one profile."""

    def __init__(self, profile: Profile) -> None:
        """Prepare the responsibility list and the matching limits."""
        self._profile = profile
        self._router = Router(profile)

    def decide(self, state: PartitionState, report: Report, origin: Origin) -> Decision:
        """Decide on one report without changing anything; `state.apply(decision.routed)` takes the decision in."""
        facts = facts_of(report)
        match = self._match(state, facts, report)
        route = self._router.route(report)
        routed: RoutedReport = {
            "intake_topic": origin.topic,
            "intake_partition": origin.partition,
            "intake_offset": origin.offset,
            "outcome": match.outcome,
            "matter_id": match.matter_id,
            "relation": match.relation,
            "linked_to": match.linked_to,
            "score": match.score,
            "reasons": list(match.reasons),
            "rule_version": self._profile.rule_version,
            "agency_code": route.agency_code,
            "agency_name": route.agency_name,
            "co_agencies": list(route.co_agencies),
            "level": route.level,
            "due_at": route.due_at,
            "time_limit": route.time_limit,
            "list_version": self._profile.list_version if route.list_row else None,
            "list_row": route.list_row,
            "manual_reason": route.manual_reason,
            "report": report,
        }
        return Decision(routed, self._mass_appeal(state, match, facts, report), facts)

    def _match(self, state: PartitionState, facts: Facts, report: Report) -> _Match:
        known = state.reports.get(facts.report_id)
        if known is not None:
            if report["content_hash"] == known.content_hash:
                return _Match("replay", known.matter_id, "replay", facts.report_id, 1.0, ("same_message=1",))
            matter_id = facts.report_id if report["confidential"] else known.matter_id
            return _Match("routed", matter_id, "revision", facts.report_id, 1.0, ("same_report_id=1",))
        link = find_link(state, facts, self._profile.matters)
        if link is None:
            return _Match("routed", facts.report_id, "new", None, None, ())
        partner = link.partner
        return _Match("routed", partner.matter_id, link.relation, partner.facts.report_id, link.score, link.reasons)

    def _mass_appeal(self, state: PartitionState, match: _Match, facts: Facts, report: Report) -> Alert | None:
        """群诉: the alert at the report that brings a matter to its k-th person."""
        if match.relation != "joined" or facts.reporter_key is None:
            return None
        matter = state.matters[match.matter_id]
        persons = len(matter.reporters) + 1  # "joined" says that this person is not among them yet
        threshold = self._profile.mass_appeal_persons
        if persons != threshold:
            return None
        members = sorted((state.reports[i].facts.reported_at, i) for i in matter.report_ids)
        kind = self._profile.matters.get(matter.kind)
        community = self._profile.communities.get(facts.community_code or "")
        where = f"{community.street}{community.name}" if community else "未知地点"
        return {
            # One matter is a mass appeal once: its id stands for the onset, whatever the order of arrival.
            "alert_id": digest_id(MASS_APPEAL, match.matter_id, match.matter_id),
            "rule": MASS_APPEAL,
            "severity": "warning",
            "subject_type": "matter",
            "subject": match.matter_id,
            "place_key": report["place_key"],
            "raised_at": max(matter.last_at, facts.reported_at),
            "cleared_at": None,
            "value": float(persons),
            "threshold": float(threshold),
            "summary": f"{where}：{persons}人反映同一事项（{kind.name_zh if kind else '类别未知'}），请研判并统一处置。",
            "report_ids": [*[report_id for _, report_id in members[: _ALERT_REPORTS - 1]], facts.report_id],
            "rule_version": self._profile.rule_version,
        }
