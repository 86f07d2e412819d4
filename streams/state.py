"""What a worker remembers of one partition number: the fold of that partition of the decision log (topic `routed`).

`PartitionState.apply` is the only way in, for a decision just made and for one read back from the log alike, so that
deciding and rebuilding give the same state (docs/decisions/0009).
"""

import heapq
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import floor
from typing import Final, NamedTuple

from schemas.records import Report, RoutedReport

_DAY_MS: Final = 24 * 3600 * 1000
#: A report is forgotten when it is so much older than the newest event time of its partition: as long as `routed` is kept
#: (schemas.topics). Much less would let a feed that is caught up first, after an outage, push out what the others still need.
KEEP_MS: Final = 400 * _DAY_MS
#: Side of a cell of the location index, degrees. Partners are looked for within half a side of a report: 333 m of latitude,
#: 250 m or more of longitude up to 41 degrees north. A profile's radius_m / 2 must lie within that.
CELL_DEGREES: Final = 0.006
#: Reports looked at in one block; a hot block (one kind, one community, one week) must not make deciding quadratic.
BLOCK_LIMIT: Final = 64
#: Characters of title and content that are compared.
TEXT_LIMIT: Final = 200
#: First characters of the words under which a report without a place is looked up.
WORDS_KEY: Final = 12
#: Appeals of these kinds ask nothing that two people could ask together (咨询 表扬 建议).
_SOLITARY: Final = frozenset({"consult", "praise", "suggestion"})
_NOT_WORD: Final = re.compile(r"[\W_]+")

#: Name of a block: reports that may belong together stand in the same one.
Block = tuple[str | int, ...]


class Facts(NamedTuple):
    """What matching needs of a report. `text` is title and content without blanks and punctuation."""

    report_id: str
    reported_at: int
    reporter_key: str | None
    matter_kind: str
    community_code: str | None
    lon: float | None
    lat: float | None
    text: str
    alarm: bool
    blocks: tuple[Block, ...]


def facts_of(report: Report) -> Facts:
    """Facts of a report; no blocks when it never joins others (confidential, consult, praise, suggestion)."""
    alarm = report["appeal_type"] == "alarm"
    return Facts(
        report_id=report["report_id"],
        reported_at=report["reported_at"],
        reporter_key=report["reporter_key"],
        matter_kind=report["matter_kind"],
        community_code=report["community_code"],
        lon=report["lon"],
        lat=report["lat"],
        text="" if alarm else _words(report),
        alarm=alarm,
        blocks=tuple(_blocks(report, alarm)),
    )


def _words(report: Report) -> str:
    return _NOT_WORD.sub("", f"{report['title']} {report['content'][: 2 * TEXT_LIMIT]}").lower()[:TEXT_LIMIT]


def _blocks(report: Report, alarm: bool) -> Iterator[Block]:
    if report["confidential"] or report["appeal_type"] in _SOLITARY:
        return
    kind = report["matter_kind"]
    if alarm:
        if report["device_id"]:
            yield "device", report["device_id"], kind or report["kind_code"] or ""
        return
    if report["reporter_key"]:
        yield "reporter", report["reporter_key"]
    if report["community_code"] is None and report["lon"] is None:
        # The same words from anyone; only a report that tells no place is looked up by them.
        yield "words", _words(report)[:WORDS_KEY]
    if kind and report["community_code"]:
        yield "community", kind, report["community_code"]
    if kind and report["lon"] is not None and report["lat"] is not None:
        yield "cell", kind, floor(report["lon"] / CELL_DEGREES), floor(report["lat"] / CELL_DEGREES)


def partner_blocks(facts: Facts) -> Iterator[Block]:
    """The blocks in which partners of a report stand: its own, and the cells that reach within half a cell's side."""
    for block in facts.blocks:
        if block[0] != "cell":
            yield block
        elif facts.lon is not None and facts.lat is not None:
            east, north = floor(facts.lon / CELL_DEGREES - 0.5), floor(facts.lat / CELL_DEGREES - 0.5)
            for x in (east, east + 1):
                for y in (north, north + 1):
                    yield "cell", facts.matter_kind, x, y


class OffsetSet:
    """Offsets as ranges: one range as long as a partition is decided in order, whatever its size."""

    def __init__(self) -> None:
        """No offset."""
        self._ranges: list[list[int]] = []  # [first, last], ascending, apart by at least one offset

    def __contains__(self, offset: int) -> bool:
        """Say whether the offset was added."""
        at = bisect_right(self._ranges, offset, key=lambda found: found[0]) - 1
        return at >= 0 and offset <= self._ranges[at][1]

    def __eq__(self, other: object) -> bool:
        """The same offsets."""
        return isinstance(other, OffsetSet) and self._ranges == other._ranges

    __hash__ = None  # type: ignore[assignment]

    def add(self, offset: int) -> None:
        """Add an offset; no effect when it is there."""
        if self._ranges and self._ranges[-1][1] + 1 == offset:
            self._ranges[-1][1] = offset
            return
        if offset in self:
            return
        at = bisect_right(self._ranges, offset, key=lambda found: found[0])
        self._ranges.insert(at, [offset, offset])
        for left in (at, at - 1):  # the neighbours it closes the gap to
            if 0 <= left < len(self._ranges) - 1 and self._ranges[left][1] + 1 == self._ranges[left + 1][0]:
                self._ranges[left][1] = self._ranges.pop(left + 1)[1]


@dataclass(slots=True)
class Known:
    """A report that was decided: its facts as first seen, its matter, the content of its last revision."""

    facts: Facts
    matter_id: str
    content_hash: str


@dataclass(slots=True)
class Matter:
    """A matter: its reports, who reported, and between which event times."""

    kind: str
    first_at: int
    last_at: int
    report_ids: set[str] = field(default_factory=set)
    reporters: set[str] = field(default_factory=set)


@dataclass
class PartitionState:
    """Everything that a decision in one partition number may depend on."""

    decided: dict[str, OffsetSet] = field(default_factory=dict)
    reports: dict[str, Known] = field(default_factory=dict)
    matters: dict[str, Matter] = field(default_factory=dict)
    blocks: dict[Block, list[tuple[int, str]]] = field(default_factory=dict)
    newest: int = 0
    _by_age: list[tuple[int, str]] = field(default_factory=list, compare=False)  # a heap: its order is no fact

    def has_decided(self, topic: str, offset: int) -> bool:
        """Say whether the record at this offset of an intake topic has its outcome already."""
        return topic in self.decided and offset in self.decided[topic]

    def apply(self, routed: RoutedReport, facts: Facts | None = None) -> None:
        """Take in a decision; the first one for an intake offset wins. `facts` of its report spare making them again."""
        topic, offset = routed["intake_topic"], routed["intake_offset"]
        if self.has_decided(topic, offset):
            return
        self.decided.setdefault(topic, OffsetSet()).add(offset)
        if routed["outcome"] == "replay":
            return
        report = routed["report"]
        known = self.reports.get(report["report_id"])
        if known is not None:
            known.content_hash = report["content_hash"]
            if report["confidential"]:
                self._hide(known)
            return
        self._add(facts or facts_of(report), routed["matter_id"], report["content_hash"])
        # A source's clock that runs ahead must not make the partition forget everything.
        self.newest = max(self.newest, min(report["reported_at"], report["received_at"]))
        self._forget()

    def near(self, block: Block, first: int, last: int) -> list[Known]:
        """Reports of a block with event times in [first, last]; of many the latest, BLOCK_LIMIT at most."""
        entries = self.blocks.get(block)
        if not entries:
            return []
        end = bisect_left(entries, (last + 1, ""))
        begin = bisect_left(entries, (first, ""), hi=end)
        return [self.reports[report_id] for _, report_id in entries[max(begin, end - BLOCK_LIMIT) : end]]

    def _add(self, facts: Facts, matter_id: str, content_hash: str) -> None:
        entry = (facts.reported_at, facts.report_id)
        self.reports[facts.report_id] = Known(facts, matter_id, content_hash)
        matter = self.matters.get(matter_id)
        if matter is None:
            matter = self.matters[matter_id] = Matter(facts.matter_kind, facts.reported_at, facts.reported_at)
        matter.first_at = min(matter.first_at, facts.reported_at)
        matter.last_at = max(matter.last_at, facts.reported_at)
        matter.report_ids.add(facts.report_id)
        if facts.reporter_key:
            matter.reporters.add(facts.reporter_key)
        for block in facts.blocks:
            insort(self.blocks.setdefault(block, []), entry)
        heapq.heappush(self._by_age, entry)

    def _hide(self, known: Known) -> None:
        """Take a report that became confidential out of its matter for good: no later one is linked to it or to its reporter."""
        facts = known.facts
        self._unlist(facts)
        known.facts = facts._replace(reporter_key=None, blocks=())
        self._leave_matter(known)
        matter = self.matters.get(known.matter_id)
        if matter and not any(self.reports[i].facts.reporter_key == facts.reporter_key for i in matter.report_ids):
            matter.reporters.discard(facts.reporter_key or "")
        known.matter_id = facts.report_id

    def _leave_matter(self, known: Known) -> None:
        matter = self.matters.get(known.matter_id)  # None when a hidden report was the only one of its matter
        if matter is None:
            return
        matter.report_ids.discard(known.facts.report_id)
        if not matter.report_ids:
            del self.matters[known.matter_id]

    def _unlist(self, facts: Facts) -> None:
        entry = (facts.reported_at, facts.report_id)
        for block in facts.blocks:
            entries = self.blocks[block]
            del entries[bisect_left(entries, entry)]
            if not entries:
                del self.blocks[block]

    def _forget(self) -> None:
        while self._by_age and self._by_age[0][0] < self.newest - KEEP_MS:
            known = self.reports.pop(heapq.heappop(self._by_age)[1])
            self._leave_matter(known)
            self._unlist(known.facts)
