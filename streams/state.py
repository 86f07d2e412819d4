"""What a worker remembers of one partition number: the fold of that partition of the decision log (topic `routed`).

`PartitionState.apply` and `apply_change` are the only ways in, for a decision just made and for one read back from the log
alike, so that deciding and rebuilding give the same state (docs/decisions/0009). Its size is bounded by KEEP_MS.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor
from typing import Final, NamedTuple

from schemas.records import Change, Report, RoutedReport
from schemas.topics import PROGRESS
from streams.cases import CaseState, CaseStep, as_routed, of_record, settle
from streams.likeness import Likeness, Text, Told, key_of, keys_kept, mean_of, text_of
from streams.postings import Postings
from streams.reading import Reading, read
from streams.surge import Surge, Surges

_DAY_MS: Final = 24 * 3600 * 1000
#: A report is forgotten when it is so much older than the newest event time of its partition: as long as `routed` is kept
#: (schemas.topics). Much less would let a feed that is caught up first, after an outage, push out what the others still need.
KEEP_MS: Final = 400 * _DAY_MS
#: Side of a cell of the location index, degrees. Partners are looked for within half a side of a report: 333 m of latitude,
#: 250 m or more of longitude up to 41 degrees north. A profile's radius_m / 2 must lie within that.
CELL_DEGREES: Final = 0.006
#: Alarms of one device that are remembered; a new one is compared in time with the nearest of them.
_ALARMS_KEPT: Final = 64
#: Appeals of these kinds ask nothing that two people could ask together (咨询 表扬 建议).
_SOLITARY: Final = frozenset({"consult", "praise", "suggestion"})
#: The index is made anew when so many of its rows, and half of all, are of forgotten reports.
_PACK_FROM: Final = 4096
#: Reporters and texts that a matter keeps, to know a text told again.
_TELLERS: Final = 8
#: Matters of one key that are looked through for one that a report is in already.
_SAME_KEY: Final = 20
#: Reason of priority, and rule of the alert, of a matter that many persons told of lately (群诉).
MASS_APPEAL: Final = "mass_appeal"
#: Steps kept for reports that have not come; of more those go that wait longest, with all steps of their report.
MOST_EARLY: Final = 50_000
#: Rulings that are known when they are sent again; persons make them.
MOST_RULED: Final = 50_000


class Facts(NamedTuple):
    """What matching needs of a report. `reading` is None for one that never joins others, and for an alarm.

    device: key of an alarm's episodes, empty for anything else. coded: the feed, where the kind
    is its own code, no guess by keywords; else empty.
    """

    report_id: str
    reported_at: int
    reporter_key: str | None
    feed: str
    matter_kind: str
    coded: str
    street_code: str | None
    community_code: str | None
    lon: float | None
    lat: float | None
    device: str
    reading: Reading | None


def facts_of(report: Report) -> Facts:
    """Facts of a report. A confidential one, a question, praise or a suggestion stands alone."""
    alarm = report["appeal_type"] == "alarm"
    alone = report["confidential"] or report["appeal_type"] in _SOLITARY
    device = ""
    if alarm and report["device_id"] and not alone:
        device = f"{report['device_id']} {report['matter_kind'] or report['kind_code'] or ''}"
    reading = None if alarm or alone else read(report["title"], report["content"], report["address"] or "")
    return Facts(
        report_id=report["report_id"],
        reported_at=report["reported_at"],
        reporter_key=report["reporter_key"],
        feed=report["feed"],
        matter_kind=report["matter_kind"],
        coded=report["feed"] if report["kind_code"] is not None else "",
        street_code=report["street_code"],
        community_code=report["community_code"],
        lon=report["lon"],
        lat=report["lat"],
        device=device,
        reading=reading,
    )


#: What sharing a reporter, a community or a neighbourhood (together with the kind) tells, by which candidates are chosen.
_PERSON_HIT: Final = 60.0
_COMMUNITY_HIT: Final = 15.0
_CELL_HIT: Final = 40.0


def _place_keys(facts: "Facts | Known") -> list[int]:
    """Keys under which a report stands by its reporter, and by its place together with its kind."""
    found = []
    if facts.reporter_key:
        found.append(key_of("p", facts.reporter_key))
    if facts.community_code:
        found.append(key_of("c", f"{facts.community_code} {facts.matter_kind}"))
    if facts.lon is not None and facts.lat is not None:
        cell = f"{floor(facts.lon / CELL_DEGREES)} {floor(facts.lat / CELL_DEGREES)}"
        found += [key_of("l", cell), key_of("l", f"{cell} {facts.matter_kind}")]
    return found


def partner_keys(facts: Facts) -> list[tuple[int, float]]:
    """The keys under which partners of a report stand by reporter and place, and what sharing them tells."""
    found = []
    if facts.reporter_key:
        found.append((key_of("p", facts.reporter_key), _PERSON_HIT))
    if facts.community_code:
        found.append((key_of("c", f"{facts.community_code} {facts.matter_kind}"), _COMMUNITY_HIT))
    if facts.lon is not None and facts.lat is not None:
        east, north = floor(facts.lon / CELL_DEGREES - 0.5), floor(facts.lat / CELL_DEGREES - 0.5)
        for x in (east, east + 1):
            for y in (north, north + 1):
                found.append((key_of("l", f"{x} {y} {facts.matter_kind}"), _CELL_HIT))
                if not facts.matter_kind:
                    found.append((key_of("l", f"{x} {y}"), _CELL_HIT))
    return found


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

    def add_up_to(self, offset: int) -> None:
        """Add an offset and all before it."""
        beyond = [found for found in self._ranges if found[1] > offset]
        self._ranges = [[0, max([offset, *(last for first, last in beyond if first <= offset + 1)])]]
        self._ranges += [found for found in beyond if found[0] > offset + 1]


@dataclass(slots=True)
class Known:
    """A report that was decided: what matching compares it by, its matter, the content of its last revision.

    row: in the index; -1 for one that is in none. life: its case, until a step told of it without its times.
    """

    report_id: str
    reported_at: int
    reporter_key: str | None
    matter_kind: str
    coded: str
    street_code: str | None
    community_code: str | None
    lon: float | None
    lat: float | None
    device: str
    text: Text | None
    sketch: bytes
    row: int
    matter_id: str
    content_hash: str
    life: CaseState
    started_at: int
    due_at: int | None

    @property
    def case(self) -> CaseState:
        """Its case as it is now."""
        life = self.life
        return life if life.stepped else life._replace(started_at=self.started_at, due_at=self.due_at)

    def begin(self, routed: RoutedReport) -> None:
        """Its case as decided now, where no step told of it yet."""
        if not self.life.stepped:
            self.life, self.due_at = as_routed(routed), routed["due_at"]
            self.started_at = routed["report"]["reported_at"]


@dataclass(slots=True)
class Matter:
    """A matter of several reports: which, who reported, and what they have in common. One of a single report is its report
    (`PartitionState.matter`).

    text: the mean of theirs; None for alarms. lon, lat: mean of the points told, `points` of them. tellers: the newest with the
    sketches of their texts. first, last: event times, milliseconds. appealed_at: event time of the newest report in it that was
    decided as part of a mass appeal; None before any.
    """

    report_ids: list[str]
    reporters: set[str]
    text: Text | None
    kinds: tuple[str, ...]
    coded: tuple[str, ...]
    streets: tuple[str, ...]
    communities: tuple[str, ...]
    points: int
    lon: float
    lat: float
    first: int
    last: int
    tellers: list[tuple[str | None, bytes]]
    appealed_at: int | None = None

    @classmethod
    def of(cls, known: Known) -> "Matter":
        """That of one report."""
        point = known.lon is not None and known.lat is not None
        return cls(
            [known.report_id],
            {known.reporter_key} if known.reporter_key else set(),
            known.text,
            (known.matter_kind,) if known.matter_kind else (),
            (known.coded,),
            (known.street_code,) if known.street_code else (),
            (known.community_code,) if known.community_code else (),
            int(point),
            known.lon or 0.0,
            known.lat or 0.0,
            known.reported_at,
            known.reported_at,
            [(known.reporter_key, known.sketch)],
        )

    def add(self, known: Known) -> None:
        """Take one more report in."""
        self.report_ids.append(known.report_id)
        if known.reporter_key:
            self.reporters.add(known.reporter_key)
        if known.text is not None:
            self.tellers.insert(0, (known.reporter_key, known.sketch))
            del self.tellers[_TELLERS:]
            self.text = mean_of(self.text, known.text) if self.text is not None else known.text
        if known.matter_kind and known.matter_kind not in self.kinds:
            self.kinds = *self.kinds, known.matter_kind
        if known.coded not in self.coded:
            self.coded = *self.coded, known.coded
        if known.street_code and known.street_code not in self.streets:
            self.streets = *self.streets, known.street_code
        if known.community_code and known.community_code not in self.communities:
            self.communities = *self.communities, known.community_code
        if known.lon is not None and known.lat is not None:
            self.points += 1
            self.lon += (known.lon - self.lon) / self.points
            self.lat += (known.lat - self.lat) / self.points
        self.first, self.last = min(self.first, known.reported_at), max(self.last, known.reported_at)


@dataclass
class PartitionState:
    """Everything that a decision in one partition number may depend on.

    barred: pairs of report and matter that a person said do not belong together. parted: reports that a person took out of the
    matter of their id, which others were in. ruled: ids of the rulings that had an effect. early: steps that came before their
    report, with their offsets; early_steps: how many. surges: counters by the rules of the profile in force.
    """

    decided: dict[str, OffsetSet] = field(default_factory=dict)
    reports: dict[str, Known] = field(default_factory=dict)
    matters: dict[str, Matter] = field(default_factory=dict)
    devices: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    barred: set[tuple[str, str]] = field(default_factory=set)
    parted: set[str] = field(default_factory=set)
    ruled: dict[str, None] = field(default_factory=dict)
    early: dict[str, list[tuple[int, CaseStep]]] = field(default_factory=dict)
    surges: Surges = field(default_factory=Surges)
    newest: int = 0
    index: Likeness = field(default_factory=Likeness, compare=False)
    rows: list[Known | None] = field(default_factory=list, compare=False)
    _by_age: list[tuple[int, str]] = field(default_factory=list, compare=False)  # a heap: its order is no fact
    _dead_rows: int = field(default=0, compare=False)
    early_steps: int = 0
    #: Reports that came after steps of theirs, which have not been taken yet.
    _met: list[str] = field(default_factory=list)
    #: A heap of closed cases by the time of their 结案 (0: at once): report, offset and id of the closing step. Entries of
    #: cases that were finished or reopened since are left until their time comes.
    _ending: list[tuple[int, str, int, str]] = field(default_factory=list, compare=False)

    def has_decided(self, topic: str, offset: int) -> bool:
        """Say whether the record at this offset of a topic has its outcome already."""
        return topic in self.decided and offset in self.decided[topic]

    def apply(self, routed: RoutedReport, facts: Facts | None = None, told: Told | None = None) -> list[Surge]:
        """Take in a decision; the first one for an intake offset wins. Returns the surges that begin or end with it.

        `facts`, `told` spare making them again.
        """
        if not self._first(routed["intake_topic"], routed["intake_offset"]) or routed["outcome"] == "replay":
            return []
        report = routed["report"]
        report_id = report["report_id"]
        known = self.reports.get(report_id)
        if known is not None:
            known.content_hash = report["content_hash"]
            known.begin(routed)
            if report["confidential"]:
                self._hide(known)
            return []
        self._add(facts or facts_of(report), told, routed)
        # A source's clock that runs ahead must not make the partition forget everything.
        moment = min(report["reported_at"], report["received_at"])
        self.newest = max(self.newest, moment)
        self._forget()
        if report_id in self.early and report_id in self.reports:
            self._met.append(report_id)
        return [] if report["appeal_type"] == "alarm" or report["confidential"] else self._surges(routed, moment)

    def _surges(self, routed: RoutedReport, moment: int) -> list[Surge]:
        """Count a report at its community or grid, or where its kind is not known with its matter."""
        report = routed["report"]
        person, report_id = report["reporter_key"], report["report_id"]
        kind = routed["routed_kind"]
        if not kind or routed["manual_reason"] == "unsure":
            return self.surges.grown(routed["matter_id"], person, report_id, moment)
        place = report["community_code"] or report["grid_code"]
        return self.surges.seen(kind, place, person, report_id, moment) if place else []

    def apply_change(self, change: Change) -> None:
        """Take in what a step or a ruling changed; the first telling wins."""
        topic, offset, number = change["intake_topic"], change["intake_offset"], change["number"]
        if number == 0:
            if self.has_decided(topic, offset):
                return
            # One that has no outcome can never have had one: these topics are taken in order, and what every later one
            # led to stands behind it in the log.
            self.decided.setdefault(topic, OffsetSet()).add_up_to(offset)
        if topic == PROGRESS:
            self._apply_step(change, offset, number)
            return
        kind = change["change"]
        if kind == "void":
            return
        self.ruled[change["cause_id"]] = None
        while len(self.ruled) > MOST_RULED:
            del self.ruled[next(iter(self.ruled))]
        for report_id in change["report_ids"]:
            known = self.reports.get(report_id)
            if known is not None and kind in ("accepted", "unlinked", "merged"):
                if kind == "unlinked" and change["from_matter_id"]:
                    self.barred.add((report_id, change["from_matter_id"]))
                self._move(known, change["matter_id"])
            elif kind == "rejected":
                self.barred.add((report_id, change["matter_id"]))

    def _apply_step(self, change: Change, offset: int, number: int) -> None:
        (report_id,) = change["report_ids"]
        if change["step"] is not None:
            self._keep(offset, CaseStep(change["cause_id"], report_id, at=change["changed_at"], **change["step"]))
        elif number == 1 and not self._take_kept(report_id, offset):
            return
        known, record = self.reports.get(report_id), change["case"]
        if known is None or record is None:
            return
        case = of_record(record)
        if number == 2 and known.case != case._replace(finished_at=None):
            return  # told again: it was finished, and perhaps opened again since
        known.life = case
        if change["change"] == "closed":
            heapq.heappush(self._ending, (_ends(case), report_id, offset, change["cause_id"]))

    def _keep(self, offset: int, told: CaseStep) -> None:
        self.early.setdefault(told.report_id, []).append((offset, told))
        self.early_steps += 1
        while self.early_steps > MOST_EARLY:
            longest = next(iter(self.early))
            self.early_steps -= len(self.early.pop(longest))
            self._met = [report_id for report_id in self._met if report_id != longest]

    def _take_kept(self, report_id: str, offset: int) -> bool:
        """Whether the step at this offset was kept, and is the next of its report's."""
        kept = self.early.get(report_id)
        if not kept or kept[0][0] != offset:
            return False
        del kept[0]
        self.early_steps -= 1
        if not kept:
            del self.early[report_id]
            self._met = [met for met in self._met if met != report_id]
        return True

    def kept_step(self) -> tuple[int, CaseStep] | None:
        """The next step to take of those that came before their report, where that has come: its offset, and what it tells."""
        return self.early[self._met[0]][0] if self._met else None

    def ended_case(self) -> tuple[Known, int, str] | None:
        """A closed case that is finished now, if any, with offset and id of the step that closed it."""
        while self._ending and self._ending[0][0] <= self.newest:
            ends, report_id, offset, cause_id = self._ending[0]
            known = self.reports.get(report_id)
            if known is not None and _ends(known.case) == ends and settle(known.case, self.newest)[1] is not None:
                return known, offset, cause_id
            heapq.heappop(self._ending)
        return None

    def matter(self, matter_id: str) -> Matter | None:
        """The reports of a matter, and who reported; None for one that is not known, or no more."""
        found = self.matters.get(matter_id)
        if found is not None:
            return found
        known = self.reports.get(matter_id)
        if known is None or known.matter_id != matter_id:
            return None
        return Matter.of(known)

    def joins(self, report_id: str) -> bool:
        """Whether a report may belong together with others by a person's ruling: not confidential, no question, no alarm."""
        known = self.reports.get(report_id)
        return known is not None and known.row >= 0

    def joins_matter(self, matter_id: str) -> bool:
        """Whether a report may be put into a matter: its reports may belong together with others."""
        matter = self.matter(matter_id)
        return matter is not None and self.joins(matter.report_ids[0])

    def alone(self, known: Known) -> bool:
        """Whether a report is in no matter with another one."""
        matter = self.matters.get(known.matter_id)
        return matter is None or known.report_id not in matter.report_ids or len(matter.report_ids) == 1

    def named(self, known: Known) -> str:
        """A report's matter by the id of a report in it: of the one it is named by, unless that one is there no more."""
        first = self.reports.get(known.matter_id)
        inside = first is not None and first.matter_id == known.matter_id and first.row >= 0
        return known.matter_id if inside else known.report_id

    def closed_at(self, matter: Matter) -> int | None:
        """When the last case of a matter was closed; None while one is open."""
        last = None
        for report_id in matter.report_ids:
            closed_at = self.reports[report_id].life.closed_at
            if closed_at is None:
                return None
            last = max(last or closed_at, closed_at)
        return last

    def episode(self, device: str, moment: int, within_ms: int) -> Known | None:
        """The alarm of a device nearest in time, at most `within_ms` away; of two the earlier."""
        entries = self.devices.get(device, [])
        at = bisect_left(entries, (moment, ""))
        near = [entry for entry in entries[max(0, at - 1) : at + 1] if abs(entry[0] - moment) <= within_ms]
        return self.reports[min(near, key=lambda entry: (abs(entry[0] - moment), entry))[1]] if near else None

    def _first(self, topic: str, offset: int) -> bool:
        """Note an offset; whether it is new."""
        if self.has_decided(topic, offset):
            return False
        self.decided.setdefault(topic, OffsetSet()).add(offset)
        return True

    def _add(self, facts: Facts, told: Told | None, routed: RoutedReport) -> None:
        matter_id = routed["matter_id"]
        if facts.reading is not None and told is None:
            told = self.index.told(facts.reading)
        known = Known(
            report_id=facts.report_id,
            reported_at=facts.reported_at,
            reporter_key=facts.reporter_key,
            matter_kind=facts.matter_kind,
            coded=facts.coded,
            street_code=facts.street_code,
            community_code=facts.community_code,
            lon=facts.lon,
            lat=facts.lat,
            device=facts.device,
            text=text_of(told) if told else None,
            sketch=told.sketch if told else b"",
            row=-1,
            matter_id=facts.report_id,
            content_hash=routed["report"]["content_hash"],
            life=as_routed(routed),
            started_at=facts.reported_at,
            due_at=routed["due_at"],
        )
        self.reports[facts.report_id] = known
        if facts.device:
            entries = self.devices.setdefault(facts.device, [])
            insort(entries, (facts.reported_at, facts.report_id))
            del entries[:-_ALARMS_KEPT]
        if matter_id != facts.report_id:
            self._join(known, matter_id)
        if MASS_APPEAL in routed["priority_reasons"] and (matter := self.matters.get(matter_id)) is not None:
            matter.appealed_at = max(matter.appealed_at or 0, facts.reported_at)
        if facts.reading is not None and told is not None:
            self._index(known, told.keys)
            self.index.learn(facts.reading)
        heapq.heappush(self._by_age, (facts.reported_at, facts.report_id))

    def _index(self, known: Known, keys: Iterable[tuple[int, float]]) -> None:
        """Put a report under its keys; under those of its text only where its matter does not stand already."""
        known.row = len(self.rows)
        self.rows.append(known)
        postings = self.index.postings
        for key in _place_keys(known):
            postings.add(key, known.row)
        alone = known.matter_id == known.report_id
        for key, _ in keys:
            if alone or not self._stands(known.matter_id, key):
                postings.add(key, known.row)

    def _stands(self, matter_id: str, key: int) -> bool:
        found = (self.rows[row] for row in self.index.postings.newest(key, _SAME_KEY))
        return any(other is not None and other.matter_id == matter_id for other in found)

    def _join(self, known: Known, matter_id: str) -> None:
        into = self.matter(matter_id)
        known.matter_id = matter_id
        if into is None:
            self.matters[matter_id] = Matter.of(known)
            return
        into.add(known)
        self.matters[matter_id] = into

    def _move(self, known: Known, matter_id: str) -> None:
        """Take a report out of its matter into another."""
        if known.matter_id == matter_id:
            return
        if known.matter_id == known.report_id and not self.alone(known):
            self.parted.add(known.report_id)
        self._leave(known)
        if matter_id == known.report_id and matter_id not in self.matters:
            known.matter_id = matter_id
        else:
            self._join(known, matter_id)
        self._index_anew(known)

    def _leave(self, known: Known) -> None:
        matter = self.matters.get(known.matter_id)
        # A hidden report that began a matter keeps its id, but is in it no more.
        if matter is None or known.report_id not in matter.report_ids:
            return
        left = [self.reports[other] for other in matter.report_ids if other != known.report_id]
        if not left or [other.report_id for other in left] == [known.matter_id]:
            del self.matters[known.matter_id]
        else:
            rest = Matter.of(left[0])
            for other in left[1:]:
                rest.add(other)
            rest.appealed_at = matter.appealed_at
            self.matters[known.matter_id] = rest
        for other in left:
            # It may have stood under a key for all of them.
            self._index_anew(other)

    def _index_anew(self, known: Known) -> None:
        if known.text is None:
            return
        if known.row >= 0:
            self.rows[known.row] = None
            self._dead_rows += 1
        self._index(known, keys_kept(known.text))

    def _hide(self, known: Known) -> None:
        """Take a report that became confidential out of its matter for good: no later one is linked to it or to its reporter."""
        self._unlist(known)
        self._leave(known)
        known.matter_id = known.report_id
        known.reporter_key, known.device, known.text, known.sketch = None, "", None, b""

    def _unlist(self, known: Known) -> None:
        if known.row >= 0:
            self.rows[known.row] = None
            known.row = -1
            self._dead_rows += 1
        entries = self.devices.get(known.device)
        if entries and (entry := (known.reported_at, known.report_id)) in entries:
            entries.remove(entry)
            if not entries:
                del self.devices[known.device]

    def _forget(self) -> None:
        while self._by_age and self._by_age[0][0] < self.newest - KEEP_MS:
            known = self.reports[heapq.heappop(self._by_age)[1]]
            self._unlist(known)
            self._leave(known)
            del self.reports[known.report_id]
            self.parted.discard(known.report_id)
        if self._dead_rows >= max(_PACK_FROM, len(self.rows) // 2):
            self._pack()

    def _pack(self) -> None:
        """Make the index anew of the reports that are left, in their order."""
        alive = [known for known in self.rows if known is not None]
        self.rows, self._dead_rows = [], 0
        self.index.postings = Postings()
        for known in alive:
            if known.text is not None:
                self._index(known, keys_kept(known.text))


def _ends(case: CaseState) -> int:
    """When a closed case is finished, as a key: 0 for one that waits for nobody."""
    return 0 if case.finishes_at is None or case.finishes_at == case.closed_at else case.finishes_at
