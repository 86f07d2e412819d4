"""Several messages of one person within minutes are one report: what they add up to, and which belong together. No I/O.

A text, then a photo, then the place: WeChat brings a petition in pieces. The state is the fold of one partition of
`messages.<feed>`, which is keyed by person (docs/decisions/0016-assembly.md).
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from monitoring import metrics
from profiles import Profile
from schemas import topics
from schemas.codec import Codec, DecodeError
from schemas.ids import digest_id
from schemas.records import Report
from streams.chunks import STAGE, Outputs, Record, RecordReader
from streams.state import KEEP_MS

_T = TypeVar("_T")

_MINUTE_MS: Final = 60_000
#: A report holds no more messages: each revision holds all before it, and nobody tells one matter in so many.
MOST_PARTS: Final = 100
#: What an id costs in `part_ids`, with room to spare.
_ID_BYTES: Final = 100
#: Of two parts the one whose place was found in the better way tells the place; as schemas/report lists the ways.
_PLACE_RANKS: Final = ("code", "register", "coordinates", "sea", "name", "gazetteer", "text", "outside")
_PLACE_FIELDS: Final = (
    *("place_key", "street_code", "community_code", "grid_code", "professional_grids", "lon", "lat"),
    *("source_lon", "source_lat", "source_crs", "location_method", "location_confidence"),
)
_KIND_FIELDS: Final = ("matter_kind", "kind_code", "category_path", "family")
#: Strongest first.
_APPEALS: Final = ("report", "complaint", "case", "help", "suggestion", "consult", "praise", "alarm", "other")
_URGENCIES: Final = ("critical", "urgent", "normal")


def time_order(report: Report) -> tuple[int, int, str]:
    """Order of the messages of a report, whatever their order of arrival; within a second by number, which WeChat counts up."""
    return report["reported_at"], len(report["upstream_id"]), report["upstream_id"]


def combine(parts: Iterable[Report], first_id: str, latest: Report) -> Report:
    """The report that these messages add up to, under the id of the one that arrived first.

    `latest`: the one just arrived, whose sealed original goes with this revision. But for it and the id, the answer does
    not depend on the order of arrival.
    """
    ordered = sorted(parts, key=time_order)
    first = next(part for part in ordered if part["report_id"] == first_id)
    confidential = any(part["confidential"] for part in ordered)
    place: Any = max(ordered, key=_place_rank)
    kind: Any = next((part for part in ordered if part["matter_kind"]), ordered[0])
    mask = next((part["reporter_mask"] for part in ordered if part["reporter_mask"]), None)
    due = [part["source_due_at"] for part in ordered if part["source_due_at"] is not None]
    together: Report = {
        **ordered[0],
        **{name: place[name] for name in _PLACE_FIELDS},  # type: ignore[typeddict-item]
        **{name: kind[name] for name in _KIND_FIELDS},
        "report_id": first_id,
        "upstream_id": first["upstream_id"],
        "content_hash": digest_id(*(part["content_hash"] for part in ordered)),
        "received_at": max(part["received_at"] for part in ordered),
        "confidential": confidential,
        "appeal_type": _strongest(_APPEALS, [part["appeal_type"] for part in ordered]),
        "urgency": _strongest(_URGENCIES, [part["urgency"] for part in ordered]),
        "title": next((part["title"] for part in ordered if part["title"]), ""),
        "content": "\n".join(part["content"] for part in ordered if part["content"]),
        "reporter_mask": None if confidential else mask,
        "address": place["address"] or next((part["address"] for part in ordered if part["address"]), None),
        "source_due_at": min(due, default=None),
        "related_upstream_ids": _union(part["related_upstream_ids"] for part in ordered),
        "attachments": _union(part["attachments"] for part in ordered),
        "extra": {
            name: ", ".join(_union([part["extra"][name]] for part in ordered if name in part["extra"]))
            for name in _union(part["extra"] for part in ordered)
        },
        "sealed": latest["sealed"],
        "sealed_key_id": latest["sealed_key_id"],
        "part_ids": [part["report_id"] for part in ordered],
    }
    return together


def _place_rank(part: Report) -> tuple[int, float]:
    method = part["location_method"]
    rank = _PLACE_RANKS.index(method) if method in _PLACE_RANKS else len(_PLACE_RANKS)
    return -rank, part["location_confidence"] or 0.0


def _strongest(words: Sequence[str], found: Sequence[str]) -> str:
    return min(found, key=lambda word: words.index(word) if word in words else len(words))


def _union(lists: Iterable[Iterable[_T]]) -> list[_T]:
    """What stands in any of the lists, once, in order."""
    return list(dict.fromkeys(item for items in lists for item in items))


@dataclass(slots=True)
class Session:
    """Messages that are one report: the id of the first to arrive, and the messages as they came, in order of arrival."""

    first_id: str
    values: list[bytes] = field(default_factory=list)
    size: int = 0

    def has_room(self, value: bytes) -> bool:
        """Say whether a report of these messages and one more stays within the bounds of a record."""
        return (
            len(self.values) < MOST_PARTS
            and self.size + len(value) + (len(self.values) + 1) * _ID_BYTES <= topics.MAX_RECORD_BYTES
        )


@dataclass
class Sessions:
    """The fold of one partition of `messages.<feed>`; `take` is the only way in."""

    newest: int = 0
    _of: dict[str, Session] = field(default_factory=dict)
    _times: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    _by_age: list[tuple[int, str, tuple[str, str]]] = field(default_factory=list, compare=False)

    def take(self, report: Report, value: bytes, window_ms: int) -> Session | None:
        """The session that a message belongs to, itself included; None when it was known already.

        It joins the session of its person and channel whose nearest message is at most `window_ms` away; with 0 it stays
        alone. Between two sessions it joins the nearer (of equally near the earlier), and they stay two: both are reports
        already, and every message stands in exactly one.
        """
        report_id, at = report["report_id"], report["reported_at"]
        if report_id in self._of:
            return None
        owner = report["channel"], report["reporter_key"] or report_id
        times = self._times.setdefault(owner, [])
        session = self._nearest(times, at, window_ms, value) if window_ms else None
        if session is None:
            session = Session(report_id)
        session.values.append(value)
        session.size += len(value)
        self._of[report_id] = session
        insort(times, (at, report_id))
        heapq.heappush(self._by_age, (at, report_id, owner))
        # A source's clock that runs ahead must not make it forget everything.
        self.newest = max(self.newest, min(at, report["received_at"]))
        self._forget()
        return session

    def _nearest(self, times: list[tuple[int, str]], at: int, window_ms: int, value: bytes) -> Session | None:
        begin, end = bisect_left(times, (at - window_ms, "")), bisect_left(times, (at + window_ms + 1, ""))
        near = sorted((abs(time - at), time, report_id) for time, report_id in times[begin:end])
        return next((found for _, _, name in near if (found := self._of[name]).has_room(value)), None)

    def _forget(self) -> None:
        """As long as the matching state, which would take a message sent again for a new revision after that."""
        while self._by_age and self._by_age[0][0] < self.newest - KEEP_MS:
            at, report_id, owner = heapq.heappop(self._by_age)
            del self._of[report_id]
            times = self._times[owner]
            del times[bisect_left(times, (at, report_id))]
            if not times:
                del self._times[owner]


class Assembler:
    """Turns chunks of `messages.<feed>` into the reports of `intake.<feed>`, with the minutes of a profile's channels."""

    def __init__(self, profile: Profile, codec: Codec) -> None:
        """Prepare the channels and the reader of records."""
        self._codec = codec
        self._reader = RecordReader(profile, codec)
        self._windows = {
            channel.id: round(channel.assemble_minutes * _MINUTE_MS) for channel in profile.channels.values()
        }

    def run(self, sessions: Sessions, feed: str, topic: str, partition: int, records: Iterable[Record]) -> Outputs:
        """Take in the records of one topic-partition in order; every new message gives one revision of its report.

        A report's first message goes on as the bytes it came in. One that breaks the contract becomes a dead letter.
        """
        out = Outputs()
        for record in records:
            try:
                report, value = self._reader.report(feed, record)
            except DecodeError as error:
                out.dead_letters.append(self._reader.dead_letter(feed, topic, partition, record, error))
                out.counts[metrics.DEAD_LETTERED, (feed, STAGE, error.code)] += 1
                continue
            session = sessions.take(report, value, self._windows[report["channel"]])
            if session is None:
                out.counts[metrics.ASSEMBLED, (feed, "again")] += 1
            elif len(session.values) == 1:
                out.reports.append((report["place_key"].encode(), value))
                out.counts[metrics.ASSEMBLED, (feed, "first")] += 1
            else:
                together = combine(map(self._codec.report, session.values), session.first_id, report)
                out.reports.append((together["place_key"].encode(), self._codec.encode("report", together)))
                out.counts[metrics.ASSEMBLED, (feed, "further")] += 1
        return out

    def fold(self, sessions: Sessions, feed: str) -> Callable[[Record], None]:
        """Takes in records whose reports were passed on before."""

        def take(record: Record) -> None:
            try:
                report, value = self._reader.report(feed, record)
            except DecodeError:
                return  # it has its dead letter
            sessions.take(report, value, self._windows[report["channel"]])

        return take
