"""The life of a case after its first routing: who has it now, until when, and whether it is over. Pure.

`begin` makes a case of a decision; `step` takes a step that the source tells in and says what follows (`Effect`), of which
the worker makes Change records and alerts. Steps are taken in the order the source tells them; times are theirs.
docs/decisions/0022-routing.md says why each rule is as it is.
"""

from collections.abc import Iterable
from functools import lru_cache
from sys import intern
from typing import Any, Final, Literal, NamedTuple, cast

from profiles import LEVELS, Agency, Level, Profile
from profiles.flows import BundleClock, FlowCode
from schemas.records import Case, Milestone, Progress, RoutedReport
from streams.routing import ManualReason, Route, Router

#: finished 结案: rated, or nobody rated in time. extended: the due time moved.
EffectKind = Literal["closed", "finished", "reopened", "returned", "escalated", "reassigned", "extended", "void"]
#: Why a step has no effect, or why one took place; bounded, so that a metric may count them.
Reason = Literal[
    "step",
    "rated",
    "rating_timeout",
    "returned",
    "whistle",
    "ping_pong",
    "top_level",
    "late_return",
    "late_extension",
    "long_extension",
    "no_longer_time",
    "unknown_unit",
    "closed_case",
    "no_report",
]
AlertRule = Literal["ping_pong"]

#: 网格吹哨、部门报到: a grid or community calls a department, which is no return.
WHISTLE: Final = "吹哨"
_DAY_MS: Final = 86_400_000
#: Agencies that a case remembers; A -> B -> A needs three.
_PATH: Final = 8
_SENT: Final = frozenset(("dispatch", "redispatch"))
_MOVING: Final = _SENT | {"return", "extend"}
_ANSWERS: Final = frozenset(("satisfied", "basic", "dissatisfied"))
_LISTS: Final[tuple[Literal["path", "co_agencies"], ...]] = ("path", "co_agencies")
_LOW: Final = frozenset(("grid", "community"))


class CaseState(NamedTuple):
    """One case: the fields of Case in schemas/change. path: codes of the agencies that had it, the last has it now.

    extended_to: a later end of the limit that was granted in time. finishes_at: of a closed case, when it is finished
    unless somebody rates or reopens it. waits: why a person must decide who acts. moves: changes of the agency sideways or
    down. stepped: whether any step told of it.
    """

    path: tuple[str, ...] = ()
    level: Level | None = None
    co_agencies: tuple[str, ...] = ()
    flow: FlowCode | Literal[""] = ""
    time_limit: str | None = None
    list_version: str | None = None
    list_row: str | None = None
    started_at: int = 0
    due_at: int | None = None
    extended_to: int | None = None
    dispatched_at: int | None = None
    closed_at: int | None = None
    rated_at: int | None = None
    finishes_at: int | None = None
    finished_at: int | None = None
    returns: int = 0
    moves: int = 0
    waits: ManualReason | None = None
    stepped: bool = False

    @property
    def agency(self) -> str | None:
        """Code of the agency that has it now."""
        return self.path[-1] if self.path else None

    @property
    def deadline(self) -> int | None:
        """Due time in force."""
        return self.due_at if self.extended_to is None else self.extended_to


class CaseStep(NamedTuple):
    """What the life of a case needs of a Progress record. unit: the one that it names as the next to act."""

    progress_id: str
    report_id: str
    name: str
    at: int
    unit: str | None = None
    satisfaction: str | None = None
    extended_to: int | None = None
    whistle: bool = False

    @classmethod
    def of(cls, progress: Progress) -> "CaseStep":
        """That of a record. The unit of 派单 is the clerk's own office, unless the source names the next one apart."""
        name, extra = progress["step"], progress["extra"]
        return cls(
            progress["progress_id"],
            progress["report_id"],
            name,
            progress["occurred_at"],
            extra.get("target_unit") or (progress["unit"] if name == "redispatch" else None),
            progress["satisfaction"],
            progress["extended_to"],
            any(WHISTLE in text for text in (progress["note"] or "", *extra.values())),
        )


class Effect(NamedTuple):
    """What follows from a step. agency, level: who acts from now on; due_at: the due time from now on, None where it stays.

    manual_reason: why a person must decide who acts. alert: rule of the alert to raise; alert ids take the progress_id.
    """

    kind: EffectKind
    reason: Reason
    at: int
    agency_code: str | None = None
    agency_name: str | None = None
    level: Level | None = None
    due_at: int | None = None
    manual_reason: ManualReason | None = None
    alert: AlertRule | None = None


_Stepped = tuple[CaseState, Effect | None]


def begin(routed: RoutedReport) -> CaseState:
    """The case of a report as it was decided first; the limit runs from its event time."""
    return as_routed(routed)._replace(started_at=routed["report"]["reported_at"], due_at=routed["due_at"])


def as_routed(routed: RoutedReport) -> CaseState:
    """The same without its times: one object for all reports that were routed alike, of which a worker holds a million."""
    agency = routed["agency_code"]
    return _shared(
        CaseState(
            (agency,) if agency else (),
            routed["level"],  # type: ignore[arg-type]
            tuple(routed["co_agencies"]),
            routed["flow"],  # type: ignore[arg-type]
            routed["time_limit"],
            routed["list_version"],
            routed["list_row"],
            waits=routed["manual_reason"],  # type: ignore[arg-type]
        )
    )


@lru_cache(1 << 16)
def _shared(case: CaseState) -> CaseState:
    return case


def to_record(case: CaseState) -> Case:
    """The case as it stands in a Change."""
    return cast("Case", {**case._asdict(), "path": list(case.path), "co_agencies": list(case.co_agencies)})


def of_record(record: Case) -> CaseState:
    """The case that stands in a Change."""
    texts = {name: intern(value) if isinstance(value, str) else value for name, value in record.items()}
    lists = {name: tuple(map(intern, record[name])) for name in _LISTS}
    return CaseState(**cast("dict[str, Any]", texts | lists))


def telling(profile: Profile) -> frozenset[str]:
    """The steps that may touch a case in some flow; all others never do."""
    flows = profile.flows.values()
    return _MOVING.union(*((*flow.closing, *flow.reopening, *flow.rating) for flow in flows))


def step(case: CaseState, told: CaseStep, router: Router, profile: Profile) -> _Stepped:
    """The case after a step, and what follows from it, if anything."""
    name, at = told.name, told.at
    case = case._replace(stepped=True)
    flow = profile.flows[case.flow] if case.flow else profile.flows["livelihood"]
    if name in flow.closing:
        return _close(case, at, profile, final=name == "cancel" or not flow.rating)
    if name in flow.reopening:
        return _reopen(case, at, router, profile)
    if name in flow.rating and told.satisfaction in _ANSWERS:
        return _rate(case, at)
    if name in _SENT:
        return _send(case, told, router, profile)
    if name == "return":
        return _give_back(case, told, router, profile)
    if name == "extend":
        return _extend(case, told, router, profile)
    return case, None


def settle(case: CaseState, now: int) -> _Stepped:
    """结案 of a closed case that waits for nobody, or that nobody rated in time; `now`: event time.

    Asking again later gives the same moment.
    """
    closed, ends = case.closed_at, case.finishes_at
    if closed is None or ends is None or case.finished_at is not None or (now < ends != closed):
        return case, None
    reason: Reason = "rating_timeout" if ends != closed else "step" if case.rated_at is None else "rated"
    return case._replace(finished_at=ends), Effect("finished", reason, ends)


def follow(route: Route, lead: CaseState, started_at: int, router: Router, profile: Profile) -> Route:
    """The route of a report on a known matter, of which `lead` is a case: to the agency that has it.

    The limit runs from `started_at`, the report's own event time. Open cases of one matter share a clock as
    cases.bundle_clock says (捆绑计时); a clock that has run out binds nobody new.
    """
    if lead.agency is not None and lead.agency != route.agency_code:
        due = router.calendar.after(started_at, lead.time_limit) if lead.time_limit else None
        route = _taken_from(route, lead, due, profile)
    if lead.closed_at is not None or lead.deadline is None or lead.deadline <= started_at:
        return route
    shared = bundled_due(
        ((lead.started_at, lead.deadline), (started_at, route.due_at)), clock=profile.cases.bundle_clock
    )
    if shared is None or shared == route.due_at:
        return route
    milestones: tuple[Milestone, ...] = tuple({**m, "due_at": min(m["due_at"], shared)} for m in route.milestones)
    return route._replace(due_at=shared, milestones=milestones)


def resume(route: Route, case: CaseState, profile: Profile) -> Route:
    """The route of a report told again: where its own case is now."""
    return _taken_from(route, case, case.deadline, profile) if case.agency is not None else route


def _taken_from(route: Route, case: CaseState, due_at: int | None, profile: Profile) -> Route:
    agency = profile.agencies.get(case.agency or "")
    if agency is None:  # it left the list since
        return route
    return route._replace(
        agency_code=agency.code,
        agency_name=agency.name_zh,
        co_agencies=tuple(code for code in case.co_agencies if code != agency.code),
        level=case.level,
        due_at=due_at,
        time_limit=case.time_limit,
        milestones=(),
        list_version=case.list_version,
        list_row=case.list_row,
        manual_reason=None,
    )


def bundled_due(cases: Iterable[tuple[int, int | None]], clock: BundleClock) -> int | None:
    """Shared due time of bundled cases (捆绑计时), each (started_at, due_at): None where each keeps its own, or has none.

    earliest: all are due when the first of them is due. first: when the case is due that began first.
    """
    timed = [(started, due) for started, due in cases if due is not None]
    if clock == "own" or not timed:
        return None
    return min(due for _, due in timed) if clock == "earliest" else min(timed)[1]


def _close(case: CaseState, at: int, profile: Profile, *, final: bool) -> _Stepped:
    if case.closed_at is not None:
        if not final or case.finished_at is not None:
            return case, None
        return case._replace(finished_at=at), Effect("finished", "step", at)
    # In some flows the rating comes first (回访 before 办结); then closing finishes.
    waits = 0 if final or case.rated_at is not None else round(profile.cases.rating_timeout_days * _DAY_MS)
    return case._replace(closed_at=at, finishes_at=at + waits), Effect("closed", "step", at)


def _reopen(case: CaseState, at: int, router: Router, profile: Profile) -> _Stepped:
    if case.closed_at is None:
        return case._replace(rated_at=None), None
    again = case._replace(
        closed_at=None, rated_at=None, finishes_at=None, finished_at=None, moves=0, path=case.path[-1:]
    )
    if profile.cases.reopen_clock == "restart":
        again = _restarted(again, at, router)
    agency = profile.agencies.get(case.agency or "")
    due = again.deadline if again.deadline != case.deadline else None
    return again, _moved("reopened", "step", at, agency, case.level, due)


def _rate(case: CaseState, at: int) -> _Stepped:
    """A rating that comes late in the log but was given in time takes the place of the 结案 by time."""
    rated = case._replace(rated_at=at)
    if case.closed_at is None:
        return rated, None
    ends = max(at, case.closed_at)
    if case.finished_at is not None and case.finished_at <= ends:
        return rated, None
    return rated._replace(finished_at=ends), Effect("finished", "rated", ends)


def _send(case: CaseState, told: CaseStep, router: Router, profile: Profile) -> _Stepped:
    """派单, 改派: to the unit that the source names; a clerk's own office is no agency of the list."""
    sent = case._replace(dispatched_at=told.at)
    if not told.unit:
        return sent, None
    target = router.directory.by_unit(told.unit)
    if target is None:
        return sent, Effect("void", "unknown_unit", told.at) if told.name == "redispatch" else None
    if target.code == case.agency:
        return sent, None
    if case.closed_at is not None:
        return case, Effect("void", "closed_case", told.at)
    return _hand_over(sent, target, "reassigned", "step", told.at, router, profile)


def _give_back(case: CaseState, told: CaseStep, router: Router, profile: Profile) -> _Stepped:
    at = told.at
    if case.closed_at is not None:
        return case, Effect("void", "closed_case", at)
    if case.agency is None:
        return case, None
    if case.level in _LOW and told.whistle:
        called = (profile.agencies.get(code) for code in case.co_agencies)
        department = next((a for a in called if a is not None and a.level not in _LOW), None)
        department = department or router.directory.above(case.agency)
        if department is not None:
            return _hand_over(case, department, "escalated", "whistle", at, router, profile)
    since = case.started_at if case.dispatched_at is None else case.dispatched_at
    if at > router.calendar.after(since, profile.cases.return_within):
        return case, Effect("void", "late_return", at)
    back = case._replace(returns=case.returns + 1)
    if profile.cases.return_clock == "restart":
        back = _restarted(back, at, router)
    above = router.directory.above(case.agency)
    if above is None:
        back = back._replace(waits="top_level")
        return back, Effect("returned", "top_level", at, due_at=_new_due(case, back), manual_reason="top_level")
    return _hand_over(back, above, "escalated", "returned", at, router, profile, due_at=_new_due(case, back))


def _extend(case: CaseState, told: CaseStep, router: Router, profile: Profile) -> _Stepped:
    """延期: counts only where it was granted before the limit ran out, as in every figure of the hub."""
    at, until = told.at, told.extended_to
    due = case.due_at
    if due is None or until is None:
        return case, None
    if at > due:
        return case, Effect("void", "late_extension", at)
    if until <= (case.deadline or due):
        return case, Effect("void", "no_longer_time", at)
    longest = profile.cases.extension_at_most
    if longest and until > router.calendar.after(due, longest):
        return case, Effect("void", "long_extension", at)
    return case._replace(extended_to=until), Effect("extended", "step", at, due_at=until)


def _hand_over(
    case: CaseState,
    target: Agency,
    kind: Literal["reassigned", "escalated"],
    reason: Reason,
    at: int,
    router: Router,
    profile: Profile,
    due_at: int | None = None,
) -> _Stepped:
    """The case goes to `target`, unless it was there just before, or went round too often: then it goes up and waits.

    Going up level by level is no round: only changes that somebody made sideways or downwards are counted.
    """
    to_and_fro = len(case.path) >= 2 and case.path[-2] == target.code
    moves = case.moves + (kind == "reassigned" and case.agency is not None)
    if not to_and_fro and moves < profile.cases.reassignments:
        path = (*case.path, target.code)[-_PATH:]
        gone = case._replace(path=path, level=target.level, moves=moves, dispatched_at=at, waits=None)
        return gone, _moved(kind, reason, at, target, target.level, due_at)
    current = profile.agencies.get(case.agency or "", target)
    upper = max(target, current, key=lambda agency: LEVELS.index(agency.level))
    above = router.directory.above(upper.code) or upper
    stopped = case._replace(path=(above.code,), level=above.level, moves=0, dispatched_at=at, waits="ping_pong")
    told = _moved("escalated", "ping_pong", at, above, above.level, due_at)
    return stopped, told._replace(manual_reason="ping_pong", alert="ping_pong")


def _restarted(case: CaseState, at: int, router: Router) -> CaseState:
    if case.time_limit is None:
        return case
    return case._replace(started_at=at, due_at=router.calendar.after(at, case.time_limit), extended_to=None)


def _new_due(before: CaseState, after: CaseState) -> int | None:
    return after.deadline if after.deadline != before.deadline else None


def _moved(
    kind: EffectKind, reason: Reason, at: int, agency: Agency | None, level: Level | None, due_at: int | None
) -> Effect:
    if agency is None:
        return Effect(kind, reason, at, level=level, due_at=due_at)
    return Effect(kind, reason, at, agency.code, agency.name_zh, level, due_at)
