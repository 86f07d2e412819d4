"""One decision: matter, relation, agency, due time and alert for one report. Pure: same state, same report, same answer."""

from typing import Final, NamedTuple

from profiles import Profile
from schemas.ids import digest_id
from schemas.records import Alert, Report, RoutedReport
from streams.likeness import Told
from streams.matching import Link, find_link
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
    """What follows from one report: a record of the decision log, perhaps an alert. `facts`, `told`: of the report."""

    routed: RoutedReport
    alert: Alert | None
    facts: Facts
    told: Told | None


class _Match(NamedTuple):
    outcome: str
    matter_id: str
    relation: str
    linked_to: str | None
    score: float | None
    reasons: tuple[str, ...]
    review_matter: str | None = None
    review_score: float | None = None


class Decider:
    """The rules of one profile."""

    def __init__(self, profile: Profile) -> None:
        """Prepare the responsibility list and the matching limits."""
        self._profile = profile
        self._router = Router(profile)

    def decide(self, state: PartitionState, report: Report, origin: Origin) -> Decision:
        """Decide on one report without changing anything; `state.apply(decision.routed)` takes the decision in."""
        facts = facts_of(report)
        told = state.index.told(facts.reading) if facts.reading is not None else None
        match = self._match(state, facts, told, report)
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
            "review_matter": match.review_matter,
            "review_score": match.review_score,
            "kind_by": None,
            "kind_confidence": None,
            "routed_kind": report["matter_kind"] or None,
            "flow": "",
            "posts": [],
            "approval": None,
            "priority": "normal",
            "priority_reasons": [],
            "emergency": None,
            "milestones": [],
            "report": report,
        }
        return Decision(routed, self._mass_appeal(state, match, facts, report), facts, told)

    def _match(self, state: PartitionState, facts: Facts, told: Told | None, report: Report) -> _Match:
        known = state.reports.get(facts.report_id)
        if known is not None:
            if report["content_hash"] == known.content_hash:
                return _Match("replay", known.matter_id, "replay", facts.report_id, 1.0, ("same_message=1",))
            matter_id = facts.report_id if report["confidential"] else known.matter_id
            return _Match("routed", matter_id, "revision", facts.report_id, 1.0, ("same_report_id=1",))
        rules = self._profile.matching
        link = find_link(state, facts, told, self._profile.matters, rules)
        if link is None or link.score < rules.review:
            return _Match("routed", facts.report_id, "new", None, None, link.reasons if link else ())
        partner = link.partner
        if link.score < rules.link:
            asked = (partner.matter_id, link.score)
            return _Match("routed", facts.report_id, "new", None, None, link.reasons, *asked)
        relation = _relation(state, facts, link)
        return _Match("routed", partner.matter_id, relation, partner.report_id, link.score, link.reasons)

    def _mass_appeal(self, state: PartitionState, match: _Match, facts: Facts, report: Report) -> Alert | None:
        """群诉: the alert at the report that brings a matter to its k-th person."""
        if match.relation != "joined" or facts.reporter_key is None:
            return None
        matter = state.matter(match.matter_id)
        if matter is None:
            return None
        persons = len(matter.reporters) + 1  # "joined" says that this person is not among them yet
        threshold = self._profile.mass_appeal_persons
        if persons != threshold:
            return None
        members = sorted((state.reports[i].reported_at, i) for i in matter.report_ids)
        kind = self._profile.matters.get(state.reports[members[0][1]].matter_kind)
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
            "raised_at": max(members[-1][0], facts.reported_at),
            "cleared_at": None,
            "value": float(persons),
            "threshold": float(threshold),
            "summary": f"{where}：{persons}人反映同一事项（{kind.name_zh if kind else '类别未知'}），请研判并统一处置。",
            "report_ids": [*[report_id for _, report_id in members[: _ALERT_REPORTS - 1]], facts.report_id],
            "rule_version": self._profile.rule_version,
        }


def _relation(state: PartitionState, facts: Facts, link: Link) -> str:
    """How a linked report belongs to its matter."""
    if facts.device:
        return "episode"
    closed_at = state.closed_at(link.partner.matter_id)
    if closed_at is not None and facts.reported_at > closed_at:
        return "rebound"
    matter = state.matter(link.partner.matter_id)
    return "repeat" if matter and facts.reporter_key in matter.reporters else "joined"
