"""The life of a case after its first routing: who has it now, until when, and whether it is over. Pure.

`begin` makes a case of a route; `step` takes a step that the source tells in and says what follows (`Effect`), of which the
worker makes Change records and alerts. Steps are taken in the order the source tells them; times are theirs.
docs/decisions/0022-routing.md says why each rule is as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from profiles import LEVELS, Agency, Level, Profile
from profiles.flows import BundleClock, FlowCode
from schemas.records import Progress
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
]
AlertRule = Literal["ping_pong"]

#: 网格吹哨、部门报到: a grid or community calls a department, which is no return.
WHISTLE: Final = "吹哨"
_DAY_MS: Final = 86_400_000
#: Agencies that a case remembers; A -> B -> A needs three.
_PATH: Final = 8
_HANDLED: Final = frozenset(("handle", "feedback"))
_SENT: Final = frozenset(("dispatch", "redispatch"))
_ANSWERS: Final = frozenset(("satisfied", "basic", "dissatisfied"))
_LOW: Final = frozenset(("grid", "community"))


@dataclass(frozen=True, slots=True)
class CaseState:
    """One case. path: codes of the agencies that had it, the last has it now. Times: milliseconds UTC; None: not (yet).

    started_at: from when the time limit runs. due_at: end of the limit; extended_to: a later one that was granted in time.
    waits: why a person must decide who acts. returns, moves: how often it was returned, and went to another agency.
    """

    path: tuple[str, ...] = ()
    level: Level | None = None
    co_agencies: tuple[str, ...] = ()
    flow: FlowCode | Literal[""] = ""
    time_limit: str | None = None
    started_at: int = 0
    due_at: int | None = None
    extended_to: int | None = None
    dispatched_at: int | None = None
    handled_at: int | None = None
    closed_at: int | None = None
    rated_at: int | None = None
    finished_at: int | None = None
    returns: int = 0
    moves: int = 0
    waits: ManualReason | None = None

    @property
    def agency(self) -> str | None:
        """Code of the agency that has it now."""
        return self.path[-1] if self.path else None

    @property
    def deadline(self) -> int | None:
        """Due time in force."""
        return self.due_at if self.extended_to is None else self.extended_to


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


_Stepped = tuple[CaseState, tuple[Effect, ...]]


def begin(route: Route, reported_at: int) -> CaseState:
    """The case of a report as it was routed first; the limit runs from `reported_at`."""
    return CaseState(
        path=(route.agency_code,) if route.agency_code else (),
        level=route.level,
        co_agencies=route.co_agencies,
        flow=route.flow,
        time_limit=route.time_limit,
        started_at=reported_at,
        due_at=route.due_at,
        waits=route.manual_reason,
    )


def step(case: CaseState, progress: Progress, router: Router, profile: Profile) -> _Stepped:
    """The case after a step, and what follows from it; nothing follows from most."""
    name, at = progress["step"], progress["occurred_at"]
    flow = profile.flows[case.flow] if case.flow else profile.flows["livelihood"]
    if name in flow.closing:
        return _close(case, at, final=name == "cancel" or not flow.rating)
    if name in flow.reopening:
        return _reopen(case, at, router, profile)
    if name in flow.rating and progress["satisfaction"] in _ANSWERS:
        return _rate(case, at)
    if name in _HANDLED:
        return replace(case, handled_at=at), ()
    if name in _SENT:
        return _send(case, progress, router, profile)
    if name == "return":
        return _give_back(case, progress, router, profile)
    if name == "extend":
        return _extend(case, progress, router, profile)
    return case, ()


def settle(case: CaseState, now: int, profile: Profile) -> _Stepped:
    """结案 of a closed case that nobody rated in time; `now`: event time. Asking again later gives the same moment."""
    if case.closed_at is None or case.finished_at is not None:
        return case, ()
    ends = case.closed_at + round(profile.cases.rating_timeout_days * _DAY_MS)
    if now < ends:
        return case, ()
    return replace(case, finished_at=ends), (Effect("finished", "rating_timeout", ends),)


def bundled_due(cases: Iterable[tuple[int, int | None]], clock: BundleClock) -> int | None:
    """Shared due time of bundled cases (捆绑计时), each (started_at, due_at): None where each keeps its own, or has none.

    earliest: all are due when the first of them is due. first: when the case is due that began first.
    """
    timed = [(started, due) for started, due in cases if due is not None]
    if clock == "own" or not timed:
        return None
    return min(due for _, due in timed) if clock == "earliest" else min(timed)[1]


def _close(case: CaseState, at: int, *, final: bool) -> _Stepped:
    closed, effects = case, []
    if case.closed_at is None:
        closed = replace(case, closed_at=at)
        effects.append(Effect("closed", "step", at))
    elif case.finished_at is not None or not final:
        return case, ()
    # In some flows the rating comes first (回访 before 办结); then closing finishes.
    if final or case.rated_at is not None:
        closed = replace(closed, finished_at=at)
        effects.append(Effect("finished", "rated" if case.rated_at is not None else "step", at))
    return closed, tuple(effects)


def _reopen(case: CaseState, at: int, router: Router, profile: Profile) -> _Stepped:
    if case.closed_at is None:
        return replace(case, handled_at=None, rated_at=None), ()
    again = replace(
        case, closed_at=None, handled_at=None, rated_at=None, finished_at=None, moves=0, path=case.path[-1:]
    )
    if profile.cases.reopen_clock == "restart":
        again = _restarted(again, at, router)
    agency = profile.agencies.get(case.agency or "")
    due = again.deadline if again.deadline != case.deadline else None
    return again, (_moved("reopened", "step", at, agency, case.level, due),)


def _rate(case: CaseState, at: int) -> _Stepped:
    rated = replace(case, rated_at=at)
    if case.closed_at is None or case.finished_at is not None:
        return rated, ()
    return replace(rated, finished_at=at), (Effect("finished", "rated", at),)


def _send(case: CaseState, progress: Progress, router: Router, profile: Profile) -> _Stepped:
    """派单, 改派. The unit is the one it goes to where the source tells that; a clerk's own office is no agency of the list."""
    at = progress["occurred_at"]
    sent = replace(case, dispatched_at=at)
    named = progress["extra"].get("target_unit") or (progress["unit"] if progress["step"] == "redispatch" else None)
    if not named:
        return sent, ()
    target = router.directory.by_unit(named)
    if target is None:
        return sent, (Effect("void", "unknown_unit", at),) if progress["step"] == "redispatch" else ()
    if target.code == case.agency:
        return sent, ()
    if case.closed_at is not None:
        return case, (Effect("void", "closed_case", at),)
    return _hand_over(sent, target, "reassigned", "step", at, router, profile)


def _give_back(case: CaseState, progress: Progress, router: Router, profile: Profile) -> _Stepped:
    at = progress["occurred_at"]
    if case.closed_at is not None:
        return case, (Effect("void", "closed_case", at),)
    if case.agency is None:
        return case, ()
    if case.level in _LOW and any(WHISTLE in text for text in (progress["note"] or "", *progress["extra"].values())):
        called = (profile.agencies.get(code) for code in case.co_agencies)
        department = next((a for a in called if a is not None and a.level not in _LOW), None)
        department = department or router.directory.above(case.agency)
        if department is not None:
            return _hand_over(case, department, "escalated", "whistle", at, router, profile)
    since = case.started_at if case.dispatched_at is None else case.dispatched_at
    if at > router.calendar.after(since, profile.cases.return_within):
        return case, (Effect("void", "late_return", at),)
    back = replace(case, returns=case.returns + 1)
    if profile.cases.return_clock == "restart":
        back = _restarted(back, at, router)
    above = router.directory.above(case.agency)
    if above is None:
        back = replace(back, waits="top_level")
        return back, (Effect("returned", "top_level", at, due_at=_new_due(case, back), manual_reason="top_level"),)
    return _hand_over(back, above, "escalated", "returned", at, router, profile, due_at=_new_due(case, back))


def _extend(case: CaseState, progress: Progress, router: Router, profile: Profile) -> _Stepped:
    """延期: counts only where it was granted before the limit ran out, as in every figure of the hub."""
    at, until = progress["occurred_at"], progress["extended_to"]
    due = case.due_at
    if due is None or until is None:
        return case, ()
    if at > due:
        return case, (Effect("void", "late_extension", at),)
    if until <= (case.deadline or due):
        return case, (Effect("void", "no_longer_time", at),)
    longest = profile.cases.extension_at_most
    if longest and until > router.calendar.after(due, longest):
        return case, (Effect("void", "long_extension", at),)
    return replace(case, extended_to=until), (Effect("extended", "step", at, due_at=until),)


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
    moves = case.moves + (kind == "reassigned")
    if not to_and_fro and moves < profile.cases.reassignments:
        path = (*case.path, target.code)[-_PATH:]
        gone = replace(case, path=path, level=target.level, moves=moves, dispatched_at=at, waits=None)
        return gone, (_moved(kind, reason, at, target, target.level, due_at),)
    current = profile.agencies.get(case.agency or "", target)
    upper = max(target, current, key=lambda agency: LEVELS.index(agency.level))
    above = router.directory.above(upper.code) or upper
    stopped = replace(case, path=(above.code,), level=above.level, moves=0, dispatched_at=at, waits="ping_pong")
    told = _moved("escalated", "ping_pong", at, above, above.level, due_at)
    return stopped, (told._replace(manual_reason="ping_pong", alert="ping_pong"),)


def _restarted(case: CaseState, at: int, router: Router) -> CaseState:
    if case.time_limit is None:
        return case
    return replace(case, started_at=at, due_at=router.calendar.after(at, case.time_limit), extended_to=None)


def _new_due(before: CaseState, after: CaseState) -> int | None:
    return after.deadline if after.deadline != before.deadline else None


def _moved(
    kind: EffectKind, reason: Reason, at: int, agency: Agency | None, level: Level | None, due_at: int | None
) -> Effect:
    if agency is None:
        return Effect(kind, reason, at, level=level, due_at=due_at)
    return Effect(kind, reason, at, agency.code, agency.name_zh, level, due_at)
