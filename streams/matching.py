"""Which known matter a new report belongs to: pure functions of (state, facts).

What is known of the place sets a bar: low where both tell one spot or one estate, high where nothing says so, out of reach
where they tell two. What is told (words, kinds of trouble) must reach it, so that the same place with another trouble stays
apart, and so does the same trouble elsewhere. docs/decisions/0021-matching.md has the measurements behind the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from math import cos, hypot, radians
from typing import Final, NamedTuple

from profiles import Matter as MatterLimits
from profiles.flows import Matching
from streams.likeness import Text, Told, alike, pairs_of
from streams.reading import AREA, LINE, PLACE, ROAD, RUN, SORTS, UNIT, resemblance, same_name
from streams.state import Facts, Known, Matter, PartitionState, partner_keys

_MINUTE_MS: Final = 60 * 1000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
#: Limits where the kind of matter is unknown.
DEFAULT_WINDOW_HOURS: Final = 72.0
DEFAULT_RADIUS_M: Final = 250.0
#: Two points so far apart are two places, whatever they are called.
_FAR_M: Final = 2000.0
#: A matter is looked for so long where one side tells no spot and no community: as long as a report is remembered.
_NAMED_WINDOW_MS: Final = 400 * _DAY_MS
#: What comes so long after the last case of a matter was closed is a new one.
_REBOUND_MS: Final = 60 * _DAY_MS
#: What is told of one spot within this time is mostly one matter: how much the bar is lower at once.
_AT_ONCE_MS: Final = 3 * _DAY_MS
_AT_ONCE: Final = 0.1
#: What comes long after the last report of a matter is less likely of it: how much the bar is higher then.
_LONG_AGO_MS: Final = 120 * _DAY_MS
_LONG_AGO: Final = 0.1
#: The least of them where both name one house, shop or estate: while it is open a matter is told again for weeks.
_OPEN_WINDOW_MS: Final = 30 * _DAY_MS
#: How much the bar is higher after the window of the kind.
_LATE: Final = 0.15
#: A person who calls again within this time from the same street mostly means the same (domain: 84 of 100 at the 110).
_CALLS_AGAIN_MS: Final = _DAY_MS

#: Matters that are compared with a report: those with most in common.
_CANDIDATES: Final = 6

#: Evidence of place from which it counts, and the bars at that much, and at full evidence.
_PLACE: Final = 0.3
_BAR_WEAK: Final = 0.55
_BAR_STRONG: Final = 0.24
#: Bars of words alone: where nothing is known of the place, and where two places are told.
_BAR_NONE: Final = 0.6
_BAR_APART: Final = 1.2
#: The same, where a side has a point or a community.
_BAR_ELSEWHERE: Final = 0.9
#: How much two places told take from the evidence of one.
_CLASH: Final = 0.8
#: A name counts so much less where a side tells it in its content only, and where it is also no more than a run of words.
_IN_CONTENT: Final = 0.95
_UNENDED: Final = 0.4
#: Evidence of one spot at no distance and at the radius, and of one community.
_SPOT: Final = 0.95
_RADIUS: Final = 0.5
_COMMUNITY: Final = 0.4
#: Names of so much evidence outweigh two communities: of an estate on their border, no road.
_SURE_NAME: Final = 0.8
#: Likeness of troubles where a side tells none; of the same kind by the sources' own codes, by keywords; of two codes.
_UNTOLD: Final = 0.35
_SAME_CODE: Final = 0.85
_SAME_KIND: Final = 0.7
_OTHER_CODE: Final = 0.2
#: Two codes of two feeds, where the texts tell no trouble, and where they do.
_OTHER_FEED: Final = 0.1
_OTHER_FEED_TOLD: Final = 0.5
#: The words that two reports share count so many times where the place is one: people have many words for one trouble.
_WORD_GAIN: Final = 2.0
#: What is asked of the same person, and how much more a text told again says than its resemblance.
_SAME_PERSON: Final = 0.7
_BAR_PERSON_HERE: Final = 0.18
#: The least bar where one feed's codes name two kinds.
_BAR_TWO_CODES: Final = 0.3
_COPY: Final = 1.5
_COPIED: Final = 0.5
#: The same person tells the same trouble in these words again: of one place, though it is named otherwise.
_SAME_WORDS: Final = 0.2
_SAME_TROUBLE: Final = 0.8
#: Likeness where the same person says that it was told before.
_SAID_SO: Final = 0.3

#: Sorts of names that tell two places apart, and those that do where both sides name one place.
_WHERE: Final[tuple[int, ...]] = (PLACE, UNIT, ROAD)
_WITHIN: Final[tuple[int, ...]] = (PLACE, UNIT)
_METRES_PER_DEGREE: Final = 111_195.0
#: The parts of a score, as they stand in reasons.
PARTS: Final = (
    "place", "name", "metres", "community", "apart", "troubles", "words", "copy", "hours", "same_reporter", "likeness", "bar",
    "same_device", "seconds", "same_message", "same_report_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """The matter that fits best and its nearest report. score: 0 to 1, 0.5 at the bar. reasons: its parts as name=value."""

    partner: Known
    score: float
    reasons: tuple[str, ...]


class _Names(NamedTuple):
    """Names of two sides. evidence: of one place, 0 to 1. shared: the best of both. own, theirs: the best that only one has."""

    evidence: float
    shared: str
    own: float
    theirs: float


class _Fit(NamedTuple):
    """How well a report fits a matter: evidence of one place and against it, likeness and what it is made of, the bar."""

    score: float
    evidence: float
    shared: str
    distance: float | None
    community: bool
    apart: float
    copy: float
    troubles: float
    words: float
    away: int
    person: bool
    likeness: float
    bar: float

    def reasons(self) -> tuple[str, ...]:
        """The parts as name=value."""
        found = [f"place={self.evidence:.2f}"]
        if self.shared:
            found.append(f"name={self.shared}")
        if self.distance is not None:
            found.append(f"metres={self.distance:.0f}")
        if self.community:
            found.append("community=1")
        if self.apart:
            found.append(f"apart={self.apart:.2f}")
        if self.copy:
            found.append(f"copy={self.copy:.2f}")
        return (
            *found,
            f"troubles={self.troubles:.2f}",
            f"words={self.words:.2f}",
            f"hours={self.away / _HOUR_MS:.1f}",
            f"same_reporter={self.person:d}",
            f"likeness={self.likeness:.2f}",
            f"bar={self.bar:.2f}",
        )


def metres(one: Facts, other: Matter) -> float | None:
    """Distance of a report from a matter, metres on a sphere taken as flat between them; None when a point is missing."""
    if one.lon is None or one.lat is None or not other.points:
        return None
    east = (one.lon - other.lon) * cos(radians((one.lat + other.lat) / 2))
    return hypot(east, one.lat - other.lat) * _METRES_PER_DEGREE


def find_link(
    state: PartitionState, facts: Facts, told: Told | None, limits: Mapping[str, MatterLimits], rules: Matching
) -> Link | None:
    """The matter that a report not seen before fits best, whatever its score; None when nothing is like it."""
    if facts.device:
        return _episode(state, facts, rules)
    if told is None:
        return None
    best: tuple[_Fit, Matter] | None = None
    for matter in _candidates(state, facts, told):
        closed_at = state.closed_at(matter)
        if closed_at is not None and facts.reported_at - closed_at > _REBOUND_MS:
            continue
        fit = _fit(facts, told, matter, limits)
        if fit is not None and (best is None or fit.score > best[0].score):
            best = fit, matter
    if best is None:
        return None
    fit, matter = best
    return Link(_partner(state, facts, matter), fit.score, fit.reasons())


def _candidates(state: PartitionState, facts: Facts, told: Told) -> list[Matter]:
    """The matters with most in common; of equal ones the newest first."""
    hits: dict[str, float] = {}
    newest: dict[str, int] = {}
    rows = state.rows
    for row, weight in state.index.hits([*told.keys, *partner_keys(facts)]).items():
        known = rows[row]
        if known is None:
            continue
        matter_id = known.matter_id
        if matter_id not in hits:
            hits[matter_id], newest[matter_id] = weight, row
            continue
        hits[matter_id] += weight
        newest[matter_id] = max(newest[matter_id], row)
    chosen = nlargest(_CANDIDATES, zip(hits.values(), newest.values(), hits, strict=True))
    barred = state.barred
    found = [state.matter(one) for _, _, one in chosen if not barred or (facts.report_id, one) not in barred]
    return [matter for matter in found if matter is not None]


def _partner(state: PartitionState, facts: Facts, matter: Matter) -> Known:
    """The report of a matter that a new one is said to be linked to: the last of the same person, else the last."""
    own = facts.reporter_key is not None and facts.reporter_key in matter.reporters
    for report_id in reversed(matter.report_ids):
        known = state.reports[report_id]
        if not own or known.reporter_key == facts.reporter_key:
            return known
    return state.reports[matter.report_ids[-1]]


def _episode(state: PartitionState, facts: Facts, rules: Matching) -> Link | None:
    partner = state.episode(facts.device, facts.reported_at, round(rules.episode_minutes * _MINUTE_MS))
    if partner is None:
        return None
    seconds = abs(partner.reported_at - facts.reported_at) / 1000
    return Link(partner, 1.0, ("same_device=1", f"seconds={seconds:g}"))


def _fit(facts: Facts, told: Told, matter: Matter, limits: Mapping[str, MatterLimits]) -> _Fit | None:
    """How well a report fits a matter; None for two places told apart, and two times too far apart."""
    text = matter.text
    if text is None:
        return None
    away = max(matter.first - facts.reported_at, facts.reported_at - matter.last, 0)
    distance = metres(facts, matter)
    kind = limits.get(facts.matter_kind) or next((limits[one] for one in matter.kinds if one in limits), None)
    placed = (facts.community_code or distance is not None) and (matter.communities or matter.points)
    names = _names(told, text)
    window = round((kind.window_hours if kind else DEFAULT_WINDOW_HOURS) * _HOUR_MS) if placed else _NAMED_WINDOW_MS
    late = away > window
    if late and (away > _OPEN_WINDOW_MS or names.evidence < _SURE_NAME):
        return None
    spot = _spot(
        facts, matter, distance, kind.radius_m if kind else DEFAULT_RADIUS_M, shared=names.evidence >= _SURE_NAME
    )
    if spot is None:
        return None
    place = 1.0 - (1.0 - names.evidence) * (1.0 - spot)
    apart = min(names.own, names.theirs)
    evidence = place * (1.0 - _CLASH * apart)
    words, told_alike = alike(told, text)
    # Two feeds cut the world of codes in two ways; one feed means two codes as two kinds.
    coded = bool(facts.coded and facts.matter_kind and facts.coded in matter.coded)
    two_codes = coded and bool(matter.kinds) and facts.matter_kind not in matter.kinds
    troubles = _troubles(facts, matter, told_alike, coded=coded)
    person = facts.reporter_key is not None and facts.reporter_key in matter.reporters
    copy = _copied(facts, told, matter, person=person, words=words, evidence=evidence)
    likeness = words
    if evidence >= _PLACE or (person and not two_codes and words > _SAME_WORDS and (told_alike or 0.0) > _SAME_TROUBLE):
        likeness = max(words, (min(1.0, (1.0 if two_codes else _WORD_GAIN) * words) + troubles) / 2)
    likeness = max(likeness, copy if apart > _PLACE and not person else min(1.0, _COPY * copy))
    bar = _bar(evidence, names, away, elsewhere=bool(facts.community_code or matter.communities))
    if late:
        bar += _LATE
    if person:
        bar = _bar_of_person(
            bar, evidence, copy, called=away <= _CALLS_AGAIN_MS and facts.street_code in matter.streets
        )
        if told.again and apart < _PLACE and away <= _OPEN_WINDOW_MS:
            likeness, bar = max(likeness, _SAID_SO), min(bar, _BAR_STRONG)
    if two_codes:
        bar = max(bar, _BAR_TWO_CODES)
    return _Fit(
        score=round(max(0.0, min(1.0, 0.5 + likeness - bar)), 4),
        evidence=evidence,
        shared=names.shared,
        distance=distance,
        community=bool(facts.community_code) and facts.community_code in matter.communities,
        apart=apart,
        copy=copy,
        troubles=troubles,
        words=words,
        away=away,
        person=person,
        likeness=likeness,
        bar=bar,
    )


def _bar(evidence: float, names: _Names, away: int, *, elsewhere: bool) -> float:
    """The likeness that is asked for, by what is known of place and time. elsewhere: a side has a community."""
    if evidence >= _PLACE:
        bar = _BAR_WEAK - (_BAR_WEAK - _BAR_STRONG) * (evidence - _PLACE) / (1.0 - _PLACE)
        if evidence >= _SURE_NAME:
            bar -= _AT_ONCE * max(0.0, 1.0 - away / _AT_ONCE_MS)
    else:
        least = _BAR_ELSEWHERE if elsewhere else _BAR_NONE
        rise = 1.5 * min(names.own, names.theirs) + _PLACE * max(names.own, names.theirs)
        bar = least + (_BAR_APART - least) * min(1.0, rise) * (1.0 - evidence / _PLACE)
    return bar + _LONG_AGO * min(1.0, away / _LONG_AGO_MS)


def _bar_of_person(bar: float, evidence: float, copy: float, *, called: bool) -> float:
    """The bar for a person who told of the matter before. called: within a day, from the same street."""
    bar = max(min(bar, _BAR_STRONG), (min(bar, _BAR_WEAK) if called else bar) * _SAME_PERSON)
    if evidence >= _SURE_NAME:
        bar = min(bar, _BAR_PERSON_HERE)
    return min(bar, _BAR_NONE) if copy > _COPIED else bar


def _names(told: Told, text: Text) -> _Names:
    """What the names of both sides say of the place."""
    missed, best, shared, shared_sort = 1.0, 0.0, "", RUN
    hit: set[str] = set()
    worths, mine = text.worths, told.pairs
    theirs = [0.0] * SORTS
    theirs_often = [0.0] * SORTS
    met = [False] * SORTS
    at = -4
    for other in text.names.split("|") if text.names else ():
        at += 4
        worth_there, told_there, sort = worths[at] / 255, worths[at + 1], worths[at + 3]
        found = False
        pairs = pairs_of(other)
        for name, of_name in () if mine.isdisjoint(pairs) else told.names_pairs:
            if of_name.isdisjoint(pairs) or not same_name(name.text, other):
                continue
            found = True
            hit.add(name.text)
            met[sort] = met[name.sort] = True
            # The same words, here with an ending that tells what they are, there without (松园里小区, 松园里).
            worth = (name.worth + worth_there) / 2 if name.text == other else min(name.worth, worth_there)
            if not name.main:
                worth *= _IN_CONTENT
            if not told_there:
                worth *= _IN_CONTENT if name.main or name.sort not in (RUN, LINE) else _IN_CONTENT * _UNENDED
            if sort == AREA:
                worth = min(worth, _COMMUNITY)
            if worth > best:
                best, shared, shared_sort = worth, name.text, max(name.sort, sort)
            missed *= 1.0 - min(0.95, worth)
        if told_there and not found:
            theirs[sort] = max(theirs[sort], worth_there)
            if 2 * told_there >= min(text.reports, 255):
                theirs_often[sort] = max(theirs_often[sort], worth_there)
    own = told.places
    if hit:
        theirs = theirs_often
        own = [0.0] * SORTS
        for name in told.names:
            if name.main and name.text not in hit:
                own[name.sort] = max(own[name.sort], name.worth)
        if shared_sort in (UNIT, RUN) and own[ROAD] and theirs[ROAD] and not met[ROAD]:
            return _Names(1.0 - missed, shared, 1.0, 1.0)  # two branches of one chain
    # Of an estate people tell one street or the other; of a community one estate or the other.
    sorts = _WITHIN if shared_sort == PLACE and hit else _WHERE
    if not hit and own[AREA] and theirs[AREA]:
        sorts = (*sorts, AREA)
    return _Names(1.0 - missed, shared, max([own[sort] for sort in sorts]), max([theirs[sort] for sort in sorts]))


def _spot(facts: Facts, matter: Matter, distance: float | None, radius: float, *, shared: bool) -> float | None:
    """What points and communities say of the place, 0 to 1; None for two places."""
    same_community = facts.community_code is not None and facts.community_code in matter.communities
    if distance is not None:
        if distance <= (radius if same_community else radius / 2):
            return _SPOT - (_SPOT - _RADIUS) * distance / radius
        if (distance > radius and not same_community and not shared) or distance > _FAR_M:
            return None
    elif facts.community_code and matter.communities and not same_community:
        return None
    return _COMMUNITY if same_community else 0.0


def _troubles(facts: Facts, matter: Matter, told_alike: float | None, *, coded: bool) -> float:
    """Likeness of the troubles told; the kinds that sources or keywords name say more than words."""
    found = _UNTOLD if told_alike is None else told_alike
    if facts.coded and any(matter.coded) and matter.kinds and facts.matter_kind not in matter.kinds:
        found = _OTHER_FEED if told_alike is None else min(found, _OTHER_FEED_TOLD)
    if not facts.matter_kind or not matter.kinds:
        return found
    if facts.matter_kind in matter.kinds:
        # Keywords say no more than the text they were found in; beside a point or a community the text is short.
        placed = facts.community_code or matter.communities
        return max(found, _SAME_CODE if coded else _SAME_KIND if placed else 0.0)
    return min(found, _OTHER_CODE) if coded else found


def _copied(facts: Facts, told: Told, matter: Matter, *, person: bool, words: float, evidence: float) -> float:
    """How much of the text was told before: by the same person, or, where words suggest it, in one of the last two reports."""
    if person:
        sketches = [sketch for teller, sketch in matter.tellers if teller == facts.reporter_key]
    elif words > 0.4 and evidence < _PLACE:
        sketches = [sketch for _, sketch in matter.tellers[:2]]
    else:
        return 0.0
    return max([resemblance(told.sketch, sketch) for sketch in sketches], default=0.0)
