"""One decision: matter, relation, agency, due time and alerts for one report. Pure: same state, same report, same answer."""

from itertools import islice
from typing import Final, NamedTuple

from profiles import Profile
from schemas.ids import digest_id
from schemas.records import Alert, Report, RoutedReport
from streams.cases import follow, resume
from streams.classify import Classifier, kind_of
from streams.likeness import Told
from streams.matching import Link, find_link
from streams.routing import Route, Router, priority_of
from streams.state import MASS_APPEAL, Facts, Matter, PartitionState, facts_of
from streams.surge import Surge, SurgeRule

EMERGENCY: Final = "emergency"
_ALERT_REPORTS: Final = 20
_HOUR_MS: Final = 3_600_000
#: Newest reports of a matter that are looked through for persons, beside four for each person asked for.
_LOOKED: Final = 200


class Origin(NamedTuple):
    """Where the record stands that is decided on."""

    topic: str
    partition: int
    offset: int


class Decision(NamedTuple):
    """What follows from one report: a record of the decision log, perhaps alerts. `facts`, `told`: of the report."""

    routed: RoutedReport
    alerts: tuple[Alert, ...]
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


class _Crowd(NamedTuple):
    """Those who make a mass appeal: the matter before this report, and the reports within the window, by event time."""

    matter: Matter
    reports: list[tuple[int, str]]


class Decider:
    """The rules of one profile."""

    def __init__(self, profile: Profile, classifier: Classifier | None = None) -> None:
        """Prepare the responsibility list and the matching limits; `classifier`: of reports whose kind nobody named."""
        self.profile = profile
        self.router = Router(profile)
        self._classifier = classifier
        self._span_ms = round(profile.mass_appeal_hours * _HOUR_MS)

    def decide(self, state: PartitionState, report: Report, origin: Origin) -> Decision:
        """Decide on one report without changing anything; `state.apply(decision.routed)` takes the decision in."""
        facts = facts_of(report)
        told = state.index.told(facts.reading) if facts.reading is not None else None
        match = self._match(state, facts, told, report)
        kind = kind_of(report, self._classifier)
        route = self._placed(state, match, report, self.router.route(report, kind))
        crowd = self._crowd(state, match, facts)
        if crowd is not None:
            reasons = (*route.priority_reasons, MASS_APPEAL)
            route = route._replace(priority_reasons=reasons, priority=priority_of(reasons))
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
            "rule_version": self.profile.rule_version,
            "agency_code": route.agency_code,
            "agency_name": route.agency_name,
            "co_agencies": list(route.co_agencies),
            "level": route.level,
            "due_at": route.due_at,
            "time_limit": route.time_limit,
            "list_version": route.list_version,
            "list_row": route.list_row,
            "manual_reason": route.manual_reason,
            "review_matter": match.review_matter,
            "review_score": match.review_score,
            "kind_by": kind.by if kind else None,
            "kind_confidence": kind.confidence if kind else None,
            "routed_kind": kind.kind if kind else None,
            "flow": route.flow,
            "posts": list(route.posts),
            "approval": route.approval,
            "priority": route.priority,
            "priority_reasons": list(route.priority_reasons),
            "emergency": route.emergency,
            "milestones": list(route.milestones),
            "report": report,
        }
        alerts = []
        if route.emergency is not None and match.outcome == "routed":
            alerts.append(self._emergency(match, route.emergency, report))
        if crowd is not None and self._begins(crowd.matter, facts):
            alerts.append(self._mass_appeal(state, match, crowd, report))
        return Decision(routed, tuple(alerts), facts, told)

    def _placed(self, state: PartitionState, match: _Match, report: Report, route: Route) -> Route:
        """Where the report goes: to the agency of its matter, or where its own case went in the meantime."""
        if match.relation in ("repeat", "joined") and match.linked_to is not None:
            lead = state.reports[match.linked_to].case
            return follow(route, lead, report["reported_at"], self.router, self.profile)
        if match.relation in ("revision", "replay"):
            case = state.reports[report["report_id"]].case
            if case.stepped or match.relation == "replay":
                return resume(route, case, self.profile)
        return route

    def _match(self, state: PartitionState, facts: Facts, told: Told | None, report: Report) -> _Match:
        known = state.reports.get(facts.report_id)
        if known is not None:
            if report["content_hash"] == known.content_hash:
                return _Match("replay", known.matter_id, "replay", facts.report_id, 1.0, ("same_message=1",))
            matter_id = facts.report_id if report["confidential"] else known.matter_id
            return _Match("routed", matter_id, "revision", facts.report_id, 1.0, ("same_report_id=1",))
        rules = self.profile.matching
        link = find_link(state, facts, told, self.profile.matters, rules)
        if link is None or link.score < rules.review:
            return _Match("routed", facts.report_id, "new", None, None, link.reasons if link else ())
        partner = link.partner
        if link.score < rules.link:
            asked = (state.named(partner), link.score)
            return _Match("routed", facts.report_id, "new", None, None, link.reasons, *asked)
        relation = _relation(state, facts, link)
        return _Match("routed", partner.matter_id, relation, partner.report_id, link.score, link.reasons)

    def _crowd(self, state: PartitionState, match: _Match, facts: Facts) -> _Crowd | None:
        """Whether a report that brings another person to a matter makes it a mass appeal, or belongs to one.

        So it is when some span of mass_appeal_hours that holds this report holds reports of mass_appeal_persons persons, in
        whatever order they came.
        """
        if match.relation != "joined" or facts.reporter_key is None:
            return None
        matter, enough = state.matter(match.matter_id), self.profile.mass_appeal_persons
        # "joined" says that this person is not among them yet.
        if matter is None or len(matter.reporters) + 1 < enough:
            return None
        at, span = facts.reported_at, self._span_ms
        members = (state.reports[one] for one in islice(reversed(matter.report_ids), _LOOKED + 4 * enough))
        near = sorted(
            (known.reported_at, known.report_id, known.reporter_key)
            for known in members
            if known.reporter_key is not None and abs(known.reported_at - at) <= span
        )
        near.append((at, facts.report_id, facts.reporter_key))
        for begin in (at - span, *(told for told, _, _ in near if told <= at)):
            within = [one for one in near if begin <= one[0] <= begin + span]
            if len({person for _, _, person in within}) >= enough:
                return _Crowd(matter, [(told, report_id) for told, report_id, _ in within])
        return None

    def _begins(self, matter: Matter, facts: Facts) -> bool:
        """Whether a mass appeal is one anew: the last one of the matter is longer ago than the window."""
        return matter.appealed_at is None or facts.reported_at - matter.appealed_at > self._span_ms

    def _where(self, code: str | None) -> str:
        """A community by its name, a grid by its code."""
        community = self.profile.communities.get(code or "")
        return f"{community.street}{community.name}" if community else f"网格{code}" if code else "未知地点"

    def _named(self, kind: str | None) -> str:
        matter = self.profile.matters.get(kind or "")
        return matter.name_zh if matter else "类别未知"

    def _emergency(self, match: _Match, number: str, report: Report) -> Alert:
        """A text that tells of danger to life."""
        return {
            "alert_id": digest_id(EMERGENCY, report["report_id"], number),
            "rule": EMERGENCY,
            "severity": "critical",
            "subject_type": "matter",
            "subject": match.matter_id,
            "place_key": report["place_key"],
            "raised_at": report["reported_at"],
            "cleared_at": None,
            "value": None,
            "threshold": None,
            "summary": f"{self._where(report['community_code'])}：来件称有人身危险，请立即转{number}处置并核实。",
            "report_ids": [report["report_id"]],
            "rule_version": self.profile.rule_version,
        }

    def _mass_appeal(self, state: PartitionState, match: _Match, crowd: _Crowd, report: Report) -> Alert:
        """群诉: the alert at the report that brings a matter to its k-th person within the window."""
        matter = crowd.matter
        threshold = float(self.profile.mass_appeal_persons)
        first = min((state.reports[one] for one in matter.report_ids), key=lambda one: (one.reported_at, one.report_id))
        # The first mass appeal of a matter goes by the matter, whatever the order of arrival; one after a quiet time by
        # the one before it.
        onset = match.matter_id if matter.appealed_at is None else str(matter.appealed_at)
        return {
            "alert_id": digest_id(MASS_APPEAL, match.matter_id, onset),
            "rule": MASS_APPEAL,
            "severity": "warning",
            "subject_type": "matter",
            "subject": match.matter_id,
            "place_key": report["place_key"],
            "raised_at": max(told for told, _ in crowd.reports),
            "cleared_at": None,
            "value": threshold,
            "threshold": threshold,
            "summary": (
                f"{self._where(report['community_code'])}：{self.profile.mass_appeal_hours:g}小时内{threshold:g}人"
                f"反映同一事项（{self._named(first.matter_kind)}），请研判并统一处置。"
            ),
            "report_ids": [
                *[one for _, one in crowd.reports if one != report["report_id"]][: _ALERT_REPORTS - 1],
                report["report_id"],
            ],
            "rule_version": self.profile.rule_version,
        }

    def surge_alert(self, state: PartitionState, surge: Surge) -> Alert:
        """The alert that a surge begins with, or the one that clears it."""
        kind, subject = surge.subject
        what = f"{self._where(subject)}：{self._named(kind)}" if kind else "同一新话题"
        return {
            "alert_id": digest_id(surge.rule, " ".join(surge.subject), str(surge.raised_at)),
            "rule": surge.rule,
            "severity": "warning",
            "subject_type": "place" if kind else "matter",
            "subject": subject,
            "place_key": self.profile.county_code,
            "raised_at": surge.raised_at,
            "cleared_at": surge.cleared_at,
            "value": surge.value,
            "threshold": round(surge.threshold, 2),
            "summary": f"{what}{_SURGES[surge.rule].format(value=surge.value)}，请研判。",
            # Whoever became confidential since is not named.
            "report_ids": [
                report_id
                for report_id in surge.report_ids
                if (known := state.reports.get(report_id)) is not None and known.reporter_key is not None
            ],
            "rule_version": self.profile.rule_version,
        }


#: What is told of each surge; {value} is what crossed the threshold.
_SURGES: Final[dict[SurgeRule, str]] = {
    "hot_spot": "短时间内有{value:g}人反映",
    "unusual_day": "24小时内来件{value:g}件，明显高于往常",
    "new_topic": "已有{value:g}人反映，类别未知",
}


def _relation(state: PartitionState, facts: Facts, link: Link) -> str:
    """How a linked report belongs to its matter."""
    if facts.device:
        return "episode"
    matter = state.matter(link.partner.matter_id)
    closed_at = state.closed_at(matter) if matter else None
    if closed_at is not None and facts.reported_at > closed_at:
        return "rebound"
    return "repeat" if matter and facts.reporter_key in matter.reporters else "joined"
