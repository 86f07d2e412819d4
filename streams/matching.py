"""Which known report a new one belongs to: pure functions of (state, facts).

A link needs the same kind of matter (or the same reporter with nearly the same words), the same place, and event times
within the matter's window; the score only ranks those that pass, and tells a clerk how sure the link is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import cos, hypot, radians
from typing import Final

from rapidfuzz.fuzz import ratio

from profiles import Matter as MatterLimits
from streams.state import Facts, Known, Matter, PartitionState, partner_blocks

_MINUTE_MS: Final = 60 * 1000
_HOUR_MS: Final = 60 * _MINUTE_MS
#: An alarm goes on as long as its camera repeats it within this time of the last one.
EPISODE_MS: Final = 10 * _MINUTE_MS
#: Limits where the kind of matter is unknown.
DEFAULT_WINDOW_HOURS: Final = 72.0
DEFAULT_RADIUS_M: Final = 250.0
#: Window of two reports that both tell no place: words are all they share, and such petitions are repeated for months.
PLACELESS_WINDOW_HOURS: Final = 60 * 24.0
#: Two reports of one person that tell no place are one matter from this likeness on; of two persons, from SAME_WORDS on.
PLACELESS_SAME_PERSON: Final = 0.6
#: Two reports of one person with unlike or unknown kinds are one matter from this likeness of their texts on.
SAME_WORDS: Final = 0.85

_METRES_PER_DEGREE: Final = 111_195.0


@dataclass(frozen=True)
class Link:
    """The best partner of a report. `score` is 0 to 1; `reasons` are its parts as name=value."""

    partner: Known
    relation: str
    score: float
    reasons: tuple[str, ...]


def metres(one: Facts, other: Facts) -> float | None:
    """Distance of two reports, metres on a sphere taken as flat between them; None when a point is missing."""
    if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
        return None
    east = (one.lon - other.lon) * cos(radians((one.lat + other.lat) / 2))
    return hypot(east, one.lat - other.lat) * _METRES_PER_DEGREE


def find_link(state: PartitionState, facts: Facts, limits: Mapping[str, MatterLimits]) -> Link | None:
    """The link of a report not seen before; None when it is a new matter."""
    if facts.alarm:
        return _episode(state, facts)
    links = [link for known in _candidates(state, facts, limits) if (link := _link(state, facts, known, limits))]
    return min(links, key=_rank, default=None)


def _rank(link: Link) -> tuple[float, int, str]:
    return -link.score, link.partner.facts.reported_at, link.partner.facts.report_id


def _episode(state: PartitionState, facts: Facts) -> Link | None:
    first, last = facts.reported_at - EPISODE_MS, facts.reported_at + EPISODE_MS
    near = [known for block in facts.blocks for known in state.near(block, first, last)]
    if not near:
        return None
    partner = min(
        near, key=lambda k: (abs(k.facts.reported_at - facts.reported_at), k.facts.reported_at, k.facts.report_id)
    )
    seconds = abs(partner.facts.reported_at - facts.reported_at) / 1000
    return Link(partner, "episode", 1.0, ("same_device=1", f"seconds={seconds:g}"))


def _window_ms(limits: Mapping[str, MatterLimits], kind: str) -> int:
    return round((limits[kind].window_hours if kind in limits else DEFAULT_WINDOW_HOURS) * _HOUR_MS)


def _placeless(facts: Facts) -> bool:
    return facts.community_code is None and facts.lon is None


def _candidates(state: PartitionState, facts: Facts, limits: Mapping[str, MatterLimits]) -> Iterable[Known]:
    window = round(PLACELESS_WINDOW_HOURS * _HOUR_MS) if _placeless(facts) else _window_ms(limits, facts.matter_kind)
    found: dict[str, Known] = {}
    for block in partner_blocks(facts):
        for known in state.near(block, facts.reported_at - window, facts.reported_at + window):
            found[known.facts.report_id] = known
    return found.values()


def _link(state: PartitionState, facts: Facts, known: Known, limits: Mapping[str, MatterLimits]) -> Link | None:
    other, matter = known.facts, state.matters[known.matter_id]
    if _placeless(facts) and _placeless(other):
        return _link_by_words(facts, known, matter)
    window = _window_ms(limits, matter.kind)
    if max(matter.last_at - facts.reported_at, facts.reported_at - matter.first_at) > window:
        return None
    radius = limits[matter.kind].radius_m if matter.kind in limits else DEFAULT_RADIUS_M
    distance = metres(facts, other)
    same_community = facts.community_code is not None and facts.community_code == other.community_code
    if distance is None:
        if not same_community:
            return None
    elif distance > (radius if same_community else radius / 2):
        return None
    same_kind = facts.matter_kind != "" and facts.matter_kind == other.matter_kind
    same_reporter = facts.reporter_key is not None and facts.reporter_key == other.reporter_key
    if not same_kind and not same_reporter:
        return None
    text = ratio(facts.text, other.text) / 100 if facts.text and other.text else 0.0
    if not same_kind and text < SAME_WORDS:
        return None
    apart = abs(facts.reported_at - other.reported_at)
    nearness = 1.0 - distance / radius if distance is not None else 0.5
    score = (
        0.3 * same_kind
        + 0.1 * same_community
        + 0.1 * max(0.0, nearness)
        + 0.1 * (1.0 - min(1.0, apart / window))
        + 0.3 * text
        + 0.1 * same_reporter
    )
    reasons = [f"same_kind={same_kind:d}", f"same_reporter={same_reporter:d}", f"same_community={same_community:d}"]
    if distance is not None:
        reasons.append(f"metres={distance:.0f}")
    reasons += [f"hours={apart / _HOUR_MS:.1f}", f"text={text:.2f}"]
    own = facts.reporter_key is not None and facts.reporter_key in matter.reporters
    return Link(known, "repeat" if own else "joined", round(score, 6), tuple(reasons))


def _link_by_words(facts: Facts, known: Known, matter: Matter) -> Link | None:
    """The link of two reports that both tell no place: the texts must be alike, more so when two persons told them."""
    other = known.facts
    window = round(PLACELESS_WINDOW_HOURS * _HOUR_MS)
    if max(matter.last_at - facts.reported_at, facts.reported_at - matter.first_at) > window:
        return None
    same_reporter = facts.reporter_key is not None and facts.reporter_key == other.reporter_key
    text = ratio(facts.text, other.text) / 100 if facts.text and other.text else 0.0
    if text < (PLACELESS_SAME_PERSON if same_reporter else SAME_WORDS):
        return None
    apart = abs(facts.reported_at - other.reported_at)
    own = facts.reporter_key is not None and facts.reporter_key in matter.reporters
    score = 0.8 * text + 0.1 * same_reporter + 0.1 * (1.0 - apart / window)
    reasons = (f"same_reporter={same_reporter:d}", "no_place=1", f"hours={apart / _HOUR_MS:.1f}", f"text={text:.2f}")
    return Link(known, "repeat" if own else "joined", round(score, 6), reasons)
