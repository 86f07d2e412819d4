"""Which known matter a new report belongs to: pure functions of (state, facts).

Two reports are compared by what they tell (words, kinds of trouble) against a bar that falls with what is known of the place:
low where both are at one spot or name one estate, high where nothing says so, and none at all is low enough for two places
that are told apart. docs/decisions/0021-matching.md has the measurements behind the figures.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import Final, Literal, NamedTuple

from rapidfuzz.fuzz import ratio

from profiles import Matching
from profiles import Matter as MatterLimits
from streams.likeness import Alike, Traits
from streams.reading import distinctive, same_name
from streams.state import Facts, Known, PartitionState, partner_keys

_MINUTE_MS: Final = 60 * 1000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
#: Limits where the kind of matter is unknown.
DEFAULT_WINDOW_HOURS: Final = 72.0
DEFAULT_RADIUS_M: Final = 250.0
#: Two points so far apart are two places, whatever they are called.
_FAR_M: Final = 2000.0
#: Two reports of which one tells no spot and no community: as long as a report is remembered, where they share a name or a
#: person; shorter where words are all they share.
_NAMED_WINDOW_MS: Final = 400 * _DAY_MS
_WORDS_WINDOW_MS: Final = 60 * _DAY_MS
#: A person who calls again within this time from the same street mostly means the same (domain: 84 of 100 at the 110).
_CALLS_AGAIN_MS: Final = _DAY_MS

#: What words and kinds of trouble weigh in the likeness of two reports.
_WORDS: Final = 0.5
_TROUBLES: Final = 0.5
#: The same kind by the sources' own codes, by keywords, and two different codes.
_SAME_CODE: Final = 0.85
_SAME_KIND: Final = 0.7
_OTHER_CODE: Final = 0.2
#: What words weigh where nothing is known of the place: the same trouble is everywhere.
_WORDS_ALONE: Final = 0.8

#: Likeness that is asked for, by what is known of the place.
_BAR_SPOT: Final = 0.21
_BAR_RARE: Final = 0.4
_BAR_AREA: Final = 0.5
_BAR_NONE: Final = 0.6
#: One tells its place, the other none that fits it.
_BAR_ELSEWHERE: Final = 0.8
#: A name in so many matters tells no more than an area.
_COMMON_NAME: Final = 12
#: A rare pair of words in more matters than this is not rare.
_RARE_MATTERS: Final = 5
#: What is asked of the same person.
_SAME_PERSON: Final = 0.6
#: Likeness of the first characters from which two reports of one person are one whatever else they say (percent).
_SAME_HEAD: Final = 60.0
#: Cosine of words from which reports of places not told apart are one.
_SAME_WORDS: Final = 0.75
_SURE: Final = 1.5

_METRES_PER_DEGREE: Final = 111_195.0

PlaceEvidence = Literal["spot", "name", "rare", "area", "none", "person"]


@dataclass(frozen=True, slots=True)
class Link:
    """The matter that fits best and its nearest report. score: 0 to 1. reasons: its parts as name=value."""

    partner: Known
    score: float
    reasons: tuple[str, ...]


class _Pair(NamedTuple):
    """A known report that may tell the same. quotient: its likeness by the bar it had to pass."""

    known: Known
    quotient: float
    reasons: tuple[str, ...]


def metres(one: Facts, other: Known) -> float | None:
    """Distance of two reports, metres on a sphere taken as flat between them; None when a point is missing."""
    if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
        return None
    east = (one.lon - other.lon) * cos(radians((one.lat + other.lat) / 2))
    return hypot(east, one.lat - other.lat) * _METRES_PER_DEGREE


def find_link(
    state: PartitionState, facts: Facts, traits: Traits | None, limits: Mapping[str, MatterLimits], rules: Matching
) -> Link | None:
    """The matter that a report not seen before fits best, whatever its score; None when nothing is like it."""
    if facts.device:
        return _episode(state, facts, rules)
    if traits is None:
        return None
    by_matter: defaultdict[str, list[_Pair]] = defaultdict(list)
    for alike in state.index.alike(traits, partner_keys(facts)):
        known = state.reports.get(state.rows[alike.row])
        if known is None or (facts.report_id, known.matter_id) in state.barred:
            continue
        pair = _compare(state, facts, traits, known, alike, limits)
        if pair is not None:
            by_matter[known.matter_id].append(pair)
    links = [_together(pairs) for pairs in by_matter.values()]
    return min(links, key=lambda link: (-link.score, link.partner.reported_at, link.partner.report_id), default=None)


def _together(pairs: list[_Pair]) -> Link:
    """A matter's score: half of its best report's, half of the mean of its best three."""
    pairs.sort(key=lambda pair: (-pair.quotient, pair.known.reported_at, pair.known.report_id))
    best = [pair.quotient for pair in pairs[:3]]
    quotient = (best[0] + sum(best) / len(best)) / 2
    return Link(pairs[0].known, round(quotient / (1 + quotient), 4), pairs[0].reasons)


def _episode(state: PartitionState, facts: Facts, rules: Matching) -> Link | None:
    partner = state.episode(facts.device, facts.reported_at, round(rules.episode_minutes * _MINUTE_MS))
    if partner is None:
        return None
    seconds = abs(partner.reported_at - facts.reported_at) / 1000
    return Link(partner, 1.0, ("same_device=1", f"seconds={seconds:g}"))


def _compare(
    state: PartitionState, facts: Facts, traits: Traits, known: Known, alike: Alike, limits: Mapping[str, MatterLimits]
) -> _Pair | None:
    """How much two reports tell the same; None for two places told apart, and two times too far apart."""
    same_person = facts.reporter_key is not None and facts.reporter_key == known.reporter_key
    apart = abs(facts.reported_at - known.reported_at)
    troubles = _troubles(facts, known, alike.troubles)
    likeness = _WORDS * alike.words + _TROUBLES * troubles
    distance = metres(facts, known)
    shared = _shared_name(state, traits, known) if alike.named else None
    one_placed = _placed(facts) != _placed(known)
    evidence, bar = _place(state, facts, traits, known, alike, distance, shared, limits)
    same_text = same_person and _same_head(facts, known)
    if evidence is None:
        if not same_text:
            return None
        evidence, bar = "person", _BAR_NONE
    elif evidence == "none" or (evidence in ("area", "rare") and one_placed):
        likeness = _WORDS_ALONE * alike.words + (1 - _WORDS_ALONE) * troubles
        bar = _BAR_ELSEWHERE if one_placed else bar
    if same_person:
        again = apart <= _CALLS_AGAIN_MS and facts.street_code == known.street_code
        bar = min(bar, _BAR_SPOT if again else bar) * _SAME_PERSON
    quotient = likeness / bar
    if same_text:
        quotient = max(_SURE, quotient)
    if alike.words >= _SAME_WORDS and not one_placed:
        quotient = max(1.0, quotient)
    if apart > _window_ms(facts, known, evidence, limits, same_person=same_person):
        return None
    reasons = [
        f"place={evidence}",
        f"words={alike.words:.2f}",
        f"troubles={troubles:.2f}",
        f"hours={apart / _HOUR_MS:.1f}",
    ]
    if distance is not None:
        reasons.append(f"metres={distance:.0f}")
    if shared:
        reasons.append(f"name={shared}")
    reasons.append(f"same_reporter={same_person:d}")
    return _Pair(known, round(quotient, 4), tuple(reasons))


def _troubles(facts: Facts, known: Known, told: float) -> float:
    """Likeness of the troubles told; the kinds that sources or keywords name say more than words."""
    coded = facts.coded and known.coded
    if not facts.matter_kind or not known.matter_kind:
        return told
    if facts.matter_kind == known.matter_kind:
        return max(told, _SAME_CODE if coded else _SAME_KIND)
    return min(told, _OTHER_CODE) if coded else told


def _same_head(facts: Facts, known: Known) -> bool:
    head = facts.reading.head if facts.reading else ""
    return bool(head and known.head) and ratio(head, known.head, score_cutoff=_SAME_HEAD) > 0


def _place(
    state: PartitionState,
    facts: Facts,
    traits: Traits,
    known: Known,
    alike: Alike,
    distance: float | None,
    shared: str | None,
    limits: Mapping[str, MatterLimits],
) -> tuple[PlaceEvidence | None, float]:
    """What says that two reports are of one place, and the bar that follows; None for two places told apart."""
    same_community = facts.community_code is not None and facts.community_code == known.community_code
    kind = limits.get(facts.matter_kind) or limits.get(known.matter_kind)
    radius = kind.radius_m if kind else DEFAULT_RADIUS_M
    if distance is not None:
        if distance <= (radius if same_community else radius / 2):
            return "spot", _BAR_SPOT + (_BAR_AREA - _BAR_SPOT) * distance / radius
        if distance > radius and not same_community and not shared:
            return None, 0.0
        if distance > _FAR_M:
            return None, 0.0
    elif facts.community_code and known.community_code and not same_community and not shared:
        return None, 0.0
    others = (*known.title_names, *known.names)
    own = (*traits.title_names, *traits.names)
    apart = _unshared(_main_names(traits.title_names, traits.names), others) and _unshared(
        _main_names(known.title_names, known.names), own
    )
    if alike.named:
        if shared and not apart:
            common = state.index.matters_named[shared]
            return "name", _BAR_SPOT + (_BAR_AREA - _BAR_SPOT) * min(1.0, max(0, common - 1) / _COMMON_NAME)
        if shared or any(same_name(a, b) for a in traits.title_names for b in others):
            return "area", _BAR_AREA
    if apart:
        return None, 0.0
    if same_community:
        return "area", _BAR_AREA
    if alike.rare and any(0 < state.index.matters_named[pair] <= _RARE_MATTERS for pair in traits.rare):
        return "rare", _BAR_RARE
    return "none", _BAR_NONE


def _shared_name(state: PartitionState, traits: Traits, known: Known) -> str | None:
    """The rarest distinctive name that both tell, at least one of them in its title."""
    found = {
        min(one, other, key=len)
        for mine, theirs in (
            (traits.title_names, (*known.title_names, *known.names)),
            (traits.names, known.title_names),
        )
        for one in mine
        if distinctive(one)
        for other in theirs
        if distinctive(other) and same_name(one, other)
    }
    named = state.index.matters_named
    return min(found, key=lambda name: (named[name], -len(name), name), default=None)


def _main_names(title_names: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Where it happens: the names of the title; where that has none, the first one of the text."""
    return title_names or names[:1]


def _unshared(names: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether a title names a distinctive place that the other report does not."""
    return any(distinctive(name) and not any(same_name(name, other) for other in others) for name in names)


def _placed(report: Facts | Known) -> bool:
    return report.community_code is not None or report.lon is not None


def _window_ms(
    facts: Facts, known: Known, evidence: PlaceEvidence, limits: Mapping[str, MatterLimits], *, same_person: bool
) -> int:
    if _placed(facts) and _placed(known):
        kind = limits.get(known.matter_kind) or limits.get(facts.matter_kind)
        return round((kind.window_hours if kind else DEFAULT_WINDOW_HOURS) * _HOUR_MS)
    return _NAMED_WINDOW_MS if same_person or evidence in ("name", "rare", "area") else _WORDS_WINDOW_MS
