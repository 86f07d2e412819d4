"""The life of a case: which steps follow an appeal, when, on which level and with what result, in the hub's own words."""

from dataclasses import dataclass
from typing import Final

from profiles import ANY, LEVELS, Profile, Responsibility
from profiles.directory import Directory, Place
from profiles.sample.draw import Draw, Weighted
from profiles.sample.plan import DAY, HOUR, Planned

MINUTE: Final = 60

# Steps each channel can tell, in the words of schemas/progress.
_COMMON: Final = {"dispatch", "sign", "respond", "handle", "revisit", "close"}
TELLS: Final[dict[str, set[str]]] = {
    "hotline12345": _COMMON | {"accept", "rate", "return", "redispatch", "extend", "redo", "supervise"},
    "police110": _COMMON | {"accept", "return"},
    "citymgmt": _COMMON | {"verify", "register", "check", "rework", "extend", "suspend", "cancel"},
    "wechat": _COMMON | {"accept", "feedback", "rate", "return", "redispatch", "extend", "redo"},
}


@dataclass(slots=True)
class Step:
    """One step; `at` and `extended_to` are local seconds as in Planned."""

    at: int
    step: str
    level: str = ""
    unit: str = ""
    contacted: bool | None = None
    solved: bool | None = None
    satisfaction: str = ""
    extended_to: int | None = None


class Lives:
    """Draws lives so that the year's figures come out like a well-run district's: about 98 % on time, 95 % solved."""

    def __init__(self, profile: Profile, draw: Draw) -> None:
        self._draw = draw
        self._rows = {(row.matter_kind, row.area, row.feed): row for row in profile.responsibilities}
        self._directory = Directory(profile.agencies, profile.areas, profile.routing.top_agency)
        self._levels = {
            level: Weighted(weights)
            for level, weights in {
                "grid": (88, 6, 5, 1),
                "community": (62, 33, 4, 1),
                "street": (62, 6, 30, 2),
                "district": (70, 4, 6, 20),
            }.items()
        }

    def row(self, report: Planned) -> Responsibility | None:
        """The row of the responsibility list that rules the report, the most specific first."""
        place = self._place(report)
        for area in (place.community, place.street, ANY):
            for feed in (report.feed, ANY):
                if area and (found := self._rows.get((report.kind, area, feed))):
                    return found
        return None

    def given_due(self, report: Planned) -> int | None:
        """A due time given by the source itself, for some orders and cases."""
        row = self.row(report)
        share = {"hotline12345": 0.2, "citymgmt": 0.3}.get(report.feed, 0)
        if row is None or not self._draw.chance(share):
            return None
        hours = nominal_hours(row)
        spare = {"work_hour": 48, "work_day": hours / 2 + 24}.get(row.limits[-1].unit, 0)
        return report.at + int((hours + spare) * HOUR)

    def steps(self, report: Planned) -> list[Step]:
        """The steps of the report's case in time order, at least a minute apart."""
        draw = self._draw
        answered = report.feed == "hotline12345" and (
            report.appeal_type == "表扬" or (report.appeal_type == "咨询" and draw.chance(0.7))
        )
        steps = self._answered(report) if answered else self._handled(report)
        told = [step for step in steps if step.step in TELLS[report.feed]]
        told.sort(key=lambda step: step.at)
        whole = MINUTE if report.feed == "police110" else 1
        last = report.at
        for step in told:
            step.at = max(step.at // whole * whole, last + MINUTE)
            last = step.at
        return told

    def _answered(self, report: Planned) -> list[Step]:
        """Answered while the caller is on the line (在线解答): never dispatched."""
        draw = self._draw
        close = report.at + draw.between(4, 20) * MINUTE
        steps = [Step(report.at + draw.between(1, 2) * MINUTE, "accept"), Step(close, "close")]
        if draw.chance(0.25):
            satisfaction = "satisfied" if draw.chance(0.9) else "basic"
            steps.append(Step(close + draw.between(5, 600) * MINUTE, "rate", satisfaction=satisfaction))
        return steps

    def _handled(self, report: Planned) -> list[Step]:
        draw = self._draw
        row = self.row(report)
        hours = nominal_hours(row) if row else 72.0
        start, limit = report.at, int(hours * HOUR)
        long = hours >= 24
        # Natural hours at most up to the due time where nights, weekends and holidays count out of it.
        slack = 14 * DAY if row and row.limits[-1].unit in ("work_hour", "work_day") else HOUR
        took = int(limit * draw.uniform(0.12, 0.92))
        extension: Step | None = None
        fate = draw.uniform(0, 100)
        if fate < 1.1:
            took = 0  # never closed
        elif fate < 2.2:
            took = limit + slack + int(limit * draw.uniform(0.2, 1.5))  # late
            if long and draw.chance(0.3):  # extended when it was too late already: changes nothing
                extension = Step(start + limit + slack + HOUR, "extend", extended_to=start + took + 5 * DAY)
        elif fate < 7 and long:
            asked = int(limit * draw.uniform(0.4, 0.85))
            took = max(int(limit * draw.uniform(0.9, 1.7)), asked + HOUR)
            extension = Step(start + asked, "extend", extended_to=start + 2 * limit + (10 * DAY if slack > HOUR else 0))
        steps = self._way(report, start, took, limit, long)
        level, unit = self._handler(report, row)
        steps += [extension] if extension else []
        if took and fate < 2.2 and draw.chance(0.4):
            steps.append(Step(start + limit + slack, "supervise"))
        quiet = draw.chance(0.03)  # a source that tells no level: the list's own counts then
        for step in steps:
            if step.step in ("sign", "respond", "handle", "feedback", "extend", "check", "return"):
                step.level, step.unit = "" if quiet else level, unit
        if level != "grid" and not quiet and draw.chance(0.3):  # the grid tried first and handed it up
            first = next((step for step in steps if step.step == "sign"), None)
            if first:
                first.level, first.unit = "grid", self._unit("@grid", report)
        if long and took:
            _into_office_hours(steps, start, draw)
        return steps

    def _way(self, report: Planned, start: int, took: int, limit: int, long: bool) -> list[Step]:
        """Steps without level and unit; `took` seconds until the last closing, 0 for a case that never closes."""
        draw = self._draw
        span = took or limit
        quick = min(span, 2 * DAY)

        def part(low: float, high: float, of: int = span) -> int:
            return start + int(of * draw.uniform(low, high))

        steps = [Step(part(0.004, 0.03, quick), "accept"), Step(part(0.031, 0.05, quick), "register")]
        if report.feed == "citymgmt" and report.person.phone:
            steps.append(Step(part(0.01, 0.03, quick), "verify"))
        dispatched = part(0.06, 0.09, quick)
        steps.append(Step(dispatched, "dispatch"))
        if long and draw.chance(0.035):
            steps.append(Step(part(0.10, 0.13, quick), "return"))
            again = "redispatch" if "redispatch" in TELLS[report.feed] else "dispatch"
            steps.append(Step(part(0.14, 0.17, quick), again))
        steps.append(Step(part(0.18, 0.25, quick), "sign"))
        answer = draw.uniform(0, 100)
        if answer < 98.6:
            steps.append(Step(min(part(0.28, 0.4, quick), dispatched + 23 * HOUR), "respond", contacted=True))
        elif answer < 99.5:
            steps.append(Step(dispatched + draw.between(25 * 60, 60 * 60) * MINUTE, "respond", contacted=True))
        if not took:
            if draw.chance(0.5):
                steps.append(Step(part(0.5, 0.8), "handle"))
            if draw.chance(0.5):
                steps.append(Step(part(0.85, 0.95), draw.pick(("suspend", "cancel"))))
            return steps
        if draw.chance(0.025) and not TELLS[report.feed].isdisjoint({"redo", "rework"}):
            steps += [
                Step(part(0.42, 0.45), "handle"),
                Step(part(0.46, 0.48), "revisit", solved=False, satisfaction="dissatisfied"),
                Step(part(0.49, 0.50), "close"),
                Step(part(0.52, 0.54), "redo"),
                Step(part(0.52, 0.54), "rework"),
            ]
        handled = part(0.7, 0.84)
        steps += [Step(handled, "handle"), Step(part(0.85, 0.86), "feedback"), Step(part(0.85, 0.88), "check")]
        if draw.chance(0.86):
            steps.append(self._revisit(part(0.89, 0.97)))
        steps.append(Step(start + span, "close"))
        if draw.chance(0.16):
            late = start + span + draw.between(60, 4000) * MINUTE
            satisfaction = ("satisfied", "basic", "dissatisfied")[Weighted([90, 7, 3]).draw(draw)]
            steps.append(Step(late, "rate", satisfaction=satisfaction))
        return steps

    def _revisit(self, at: int) -> Step:
        draw = self._draw
        if draw.chance(0.04):
            return Step(at, "revisit", contacted=False)
        solved = draw.chance(0.965)
        weights = [94, 4, 0.5, 1.5] if solved else [10, 30, 55, 5]
        satisfaction = ("satisfied", "basic", "dissatisfied", "unrated")[Weighted(weights).draw(draw)]
        return Step(at, "revisit", contacted=True, solved=solved, satisfaction=satisfaction)

    def _place(self, report: Planned) -> Place:
        community = report.community
        return Place(community.street_code, community.code) if community else Place(report.street_code)

    def _unit(self, word: str, report: Planned) -> str:
        agency = self._directory.named(word, self._place(report))
        return agency.name_zh if agency else "综合受理中心"

    def _handler(self, report: Planned, row: Responsibility | None) -> tuple[str, str]:
        """(level, unit) that handles the case in the end."""
        own = row.level if row else "district"
        level = LEVELS[self._levels[own].draw(self._draw)]
        if level in (own, "district"):
            return level, self._unit(row.agency if row else "", report)
        return level, self._unit(f"@{level}", report)


def nominal_hours(row: Responsibility) -> float:
    """The row's limit as if every hour and day counted: a case closed within it is on time by any calendar."""
    limit = row.limits[-1]
    return limit.amount * (24 if limit.unit in ("work_day", "natural_day") else 1)


def _into_office_hours(steps: list[Step], start: int, draw: Draw) -> None:
    """Moves steps by night to the afternoon before (never later, so what was on time stays on time), keeping their order."""
    steps.sort(key=lambda step: step.at)
    last = start
    for step in steps:
        second = step.at % DAY
        free = step.step in ("accept", "register", "dispatch", "rate", "extend", "supervise")
        if not free and not 8.5 * HOUR <= second <= 18 * HOUR:
            day = step.at - second - (DAY if second < 8.5 * HOUR else 0)
            earlier = max(day + int(draw.uniform(14 * HOUR, 17.5 * HOUR)), last + 10 * MINUTE)
            if start + DAY < earlier < step.at:
                step.at = earlier
        last = step.at
