"""Which agency must act, by when, in which flow and how urgently: the responsibility list (责任清单) and the rules beside it.

Pure: the same profile, report and kind give the same route. docs/decisions/0022-routing.md.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from monitoring.metrics import UNKNOWN_YEAR
from profiles import ANY, SEA, Agency, Level, Profile, Responsibility
from profiles.directory import Directory, Place, Territory
from profiles.flows import Approval, EmergencyNumber, FlowCode
from profiles.workcalendar import WorkCalendar
from schemas.records import Milestone, Report
from streams.emergency import DangerWords

ManualReason = Literal["no_kind", "no_row", "no_area", "unsure", "ping_pong", "top_level"]
KindBy = Literal["source", "keywords", "model"]
Priority = Literal["normal", "high", "top"]
PriorityReason = Literal["urgent", "critical", "leader_call", "mass_appeal", "emergency"]

#: Rows at places whose agencies are remembered.
_PLACES: Final = 1 << 16
#: Danger is told first, a threat last: what stands between in a long letter is history.
DANGER_HEAD: Final = 300
DANGER_END: Final = 150
_TOP: Final[frozenset[PriorityReason]] = frozenset(("critical", "emergency"))
#: In the order in which they are told; mass_appeal is found out later.
_REASONS: Final[tuple[PriorityReason, ...]] = ("emergency", "critical", "urgent", "leader_call")
_YES: Final = frozenset(("true", "1", "yes", "是"))
#: Appeals in which nobody is in danger, whatever their words, and those that are no dispute, whatever their kind.
_CALM: Final = frozenset(("praise", "suggestion"))
_DISPUTED: Final = frozenset(("help", "complaint", "report", "other"))
_SAME_WORD: Final[dict[str, FlowCode]] = {"case": "case", "alarm": "alarm", "consult": "consult"}


class RoutedKind(NamedTuple):
    """The kind of matter a report is routed by.

    confidence: of the model, 0 to 1; None where it was not asked. sure: False for a model below its threshold.
    """

    kind: str
    by: KindBy
    confidence: float | None = None
    sure: bool = True


class Route(NamedTuple):
    """Where a report goes. Agency, limits and row are empty in the manual queue (人工队列), which has a reason."""

    agency_code: str | None = None
    agency_name: str | None = None
    co_agencies: tuple[str, ...] = ()
    level: Level | None = None
    due_at: int | None = None
    time_limit: str | None = None
    milestones: tuple[Milestone, ...] = ()
    list_version: str | None = None
    list_row: str | None = None
    manual_reason: ManualReason | None = None
    flow: FlowCode | Literal[""] = ""
    posts: tuple[str, ...] = ()
    approval: Approval | None = None
    priority: Priority = "normal"
    priority_reasons: tuple[PriorityReason, ...] = ()
    emergency: EmergencyNumber | None = None


def priority_of(reasons: tuple[PriorityReason, ...]) -> Priority:
    """top where a life is in danger or the source says 特急, high for any other reason."""
    if not reasons:
        return "normal"
    return "high" if _TOP.isdisjoint(reasons) else "top"


class Router:
    """The responsibility list of a profile, ready for look-ups."""

    def __init__(self, profile: Profile) -> None:
        """Index list and agencies; what a profile may not hold was refused when it was loaded."""
        self._profile = profile
        self._row_of = {row.row: row for row in profile.responsibilities}
        self._units = lru_cache(_PLACES)(self._find_units)
        self._rows = {(row.matter_kind, row.area, row.feed): row for row in profile.responsibilities}
        #: For each kind and feed: whether some row asks for the street, or the community.
        self._by_area: set[tuple[str, str, bool]] = {
            (row.matter_kind, row.feed, row.area in profile.communities)
            for row in profile.responsibilities
            if row.area not in (ANY, SEA)
        }
        streets = {code: community.street_code for code, community in profile.communities.items()}
        self._territory = Territory(profile.areas, streets)
        self._zone = ZoneInfo(profile.timezone)
        self._danger = DangerWords(profile.emergencies)
        self._version = profile.named_list
        self._leaders = frozenset(channel.id for channel in profile.channels.values() if channel.leader_call)
        words = profile.routing.leader_words
        self._leader_words = re.compile("|".join(map(re.escape, words))) if words else None
        self.directory = Directory(profile.agencies, profile.areas, profile.routing.top_agency)
        self.calendar = WorkCalendar.of(profile, lambda year: UNKNOWN_YEAR.labels(str(year)).set(1))

    def route(self, report: Report, kind: RoutedKind | None = None) -> Route:
        """The route of a report by `kind`; None: by the report's own kind.

        The narrowest row rules: community and feed, community, street and feed, street, feed, neither; at sea `sea` and the
        home port's street stand in the place of community and street. Time runs from `reported_at`.
        """
        if kind is None and report["matter_kind"]:
            kind = RoutedKind(report["matter_kind"], "source")
        told = self._told(report, kind)
        if kind is None or not kind.kind:
            return told._replace(manual_reason="no_kind")
        if not kind.sure:
            return told._replace(manual_reason="unsure")
        place = self.place(report)
        at_sea = report["location_method"] == "sea"
        row = self._row(kind.kind, place, at_sea, report["feed"])
        if row is None:
            return told._replace(manual_reason=self._why_none(kind.kind, place, report["feed"]))
        agency, helpers = self._units(row.row, place, at_sea)
        if agency is None:
            return told._replace(manual_reason="no_area")
        start = report["reported_at"]
        milestones: tuple[Milestone, ...] = tuple(
            {
                "name": limit.name,
                "due_at": self.calendar.due(start, limit.amount, limit.unit),
                "time_limit": limit.text,
            }
            for limit in row.limits
        )
        return told._replace(
            agency_code=agency.code,
            agency_name=agency.name_zh,
            co_agencies=helpers,
            # A word such as @grid may be answered by the level above; a row that names its agency names the level too.
            level=agency.level if row.agency.startswith("@") else row.level,
            due_at=milestones[-1]["due_at"],
            time_limit=milestones[-1]["time_limit"],
            milestones=milestones if len(milestones) > 1 else (),
            list_version=self._version,
            list_row=row.row,
        )

    def place(self, report: Report) -> Place:
        """Codes of the areas that hold the report, as they were on its day."""
        street = report["street_code"] or ""
        if report["location_method"] == "sea":
            street = street or report["extra"].get("home_port_street", "") or self._profile.routing.home_port_street
        community, grid = report["community_code"] or "", report["grid_code"] or ""
        if grid and not community:
            day = datetime.fromtimestamp(report["reported_at"] / 1000, self._zone).date()
            community = self._territory.community_of(grid, day)
        street = street or self._territory.street_of(community)
        return Place(street, community, grid, tuple(report["professional_grids"]))

    def _find_units(self, row_id: str, place: Place, at_sea: bool) -> tuple[Agency | None, tuple[str, ...]]:
        """The agency that a row means at a place, and the codes of those that help it."""
        row = self._row_of[row_id]
        agency = self._agency(row.agency, place, at_sea)
        helpers = (self._agency(unit, place, at_sea) for unit in row.co_agencies)
        codes = dict.fromkeys(helper.code for helper in helpers if helper is not None and helper != agency)
        return agency, tuple(codes)

    def _agency(self, unit: str, place: Place, at_sea: bool) -> Agency | None:
        if at_sea and unit.startswith("@") and not place.street:
            return self._profile.agencies.get(self._profile.routing.sea_agency) or self.directory.named(unit, place)
        return self.directory.named(unit, place)

    def _row(self, kind: str, place: Place, at_sea: bool, feed: str) -> Responsibility | None:
        for area in (place.community, SEA if at_sea else "", place.street, ANY):
            if area:
                row = self._rows.get((kind, area, feed)) or self._rows.get((kind, area, ANY))
                if row is not None:
                    return row
        return None

    def _why_none(self, kind: str, place: Place, feed: str) -> ManualReason:
        """no_area where a row could have matched, had the place been known."""
        by_street = any((kind, name, False) in self._by_area for name in (feed, ANY))
        by_community = any((kind, name, True) in self._by_area for name in (feed, ANY))
        return "no_area" if (by_street and not place.street) or (by_community and not place.community) else "no_row"

    def _told(self, report: Report, kind: RoutedKind | None) -> Route:
        """What does not depend on the list: flow, posts, priority, emergency."""
        flow = self._flow(report, kind)
        matter = self._profile.matters.get(kind.kind) if kind else None
        dispute = self._profile.disputes.get(matter.dispute) if flow == "dispute" and matter else None
        emergency = self._emergency(report)
        reasons = self._priority_reasons(report, kind, emergency)
        return Route(
            flow=flow,
            posts=dispute.posts if dispute else (),
            approval=dispute.approval if dispute else None,
            priority=priority_of(reasons),
            priority_reasons=reasons,
            emergency=emergency,
        )

    def _flow(self, report: Report, kind: RoutedKind | None) -> FlowCode | Literal[""]:
        appeal = report["appeal_type"]
        if appeal == "praise":
            return ""
        if appeal in _SAME_WORD:
            return _SAME_WORD[appeal]
        if report["family"] == "development":
            return "development"
        matter = self._profile.matters.get(kind.kind) if kind else None
        if matter and matter.dispute and appeal in _DISPUTED:
            return "dispute"
        # The words of families are flows.
        return report["family"] or (matter.family if matter else "livelihood")  # type: ignore[return-value]

    def _emergency(self, report: Report) -> EmergencyNumber | None:
        if report["appeal_type"] in _CALM:
            return None
        content = report["content"]
        if len(content) > DANGER_HEAD + DANGER_END:
            content = f"{content[:DANGER_HEAD]}。{content[-DANGER_END:]}"
        return self._danger.number(f"{report['title']}。{content}")

    def _priority_reasons(
        self, report: Report, kind: RoutedKind | None, emergency: EmergencyNumber | None
    ) -> tuple[PriorityReason, ...]:
        rules, via = self._profile.routing, report["via"] or ""
        leader = (
            report["channel"] in self._leaders
            or ("leader_call" in report["extra"] and report["extra"]["leader_call"].casefold() in _YES)
            or (self._leader_words is not None and self._leader_words.search(via) is not None)
        )
        urgent = report["urgency"] == "urgent" or (kind is not None and kind.kind in rules.urgent_kinds)
        holds = (emergency is not None, report["urgency"] == "critical", urgent, leader)
        return tuple(reason for reason, is_so in zip(_REASONS, holds, strict=True) if is_so) if any(holds) else ()
