"""`zhishu eval`: matching and category prediction on labelled data, through the code that runs in production."""

import csv
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from zoneinfo import ZoneInfo

from kafka.partitioner.default import murmur2

from connectors.base import Context
from connectors.bodies import Message
from connectors.canonical import normalise
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from hub.tables import TableError, read_table
from profiles import Channel, Profile
from schemas.codec import Codec
from schemas.records import RoutedReport
from schemas.registry import FileRegistry
from schemas.topics import INTAKE_PARTITIONS, PROGRESS, intake_topic
from streams.chunks import ChunkDecider
from streams.state import PartitionState

_COLUMNS: Final = ("report_id", "reporter", "title", "reported_at", "text")
#: Columns of a report that need not be there, by the names of the canonical feed.
_FURTHER: Final = (
    "appeal_type",
    "table",
    "kind",
    "code",
    "address",
    "admin_code",
    "grid_code",
    "place",
    "lon",
    "lat",
    "crs",
    "confidential",
)
_CHANNEL: Final = Channel(id="eval", feed="eval", protocol="canonical", name="evaluation", crs="WGS-84")
#: Received when the last of any data set to come was reported; the check against reports from the future needs a time.
_RECEIVED_AT: Final = 4_100_000_000_000
#: Link thresholds of the curve.
THRESHOLDS: Final = tuple(step / 100 for step in range(30, 81, 5))
#: Refused rows that are named.
_NAMED: Final = 10


# --- reports ---------------------------------------------------------------------------------------------------------


class _Arrival(NamedTuple):
    """One record on its way to the worker. number: of its place in the file, which breaks ties of time."""

    at: int
    number: int
    topic: str
    key: str
    value: bytes


class _Record(NamedTuple):
    """A Kafka record as the worker sees it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Told:
    """What a file of reports holds. arrivals: reports, and the closing of their cases, in the order of time.

    channels: of the reports, by id. refused: why the canonical feed took some rows not, with their lines.
    """

    arrivals: Sequence[_Arrival]
    channels: Mapping[str, Channel]
    reports: int
    refused: Sequence[str]


def read_reports(profile: Profile, path: Path) -> Told:
    """Reports of a CSV as the canonical feed makes them; raises TableError.

    Columns: report_id, reporter, title, reported_at, text; if given, those of the canonical feed (code, lon, lat,
    admin_code ...), channel (of channels.toml, whose feed and code table the row has), closed_at (when its case was closed).
    """
    codec, places = Codec(FileRegistry()), Places(profile)
    privacy = Privacy(secrets.token_bytes(32), {"eval": SealKey(secrets.token_bytes(32))}, "eval")
    zone = ZoneInfo(profile.timezone)
    channels = {_CHANNEL.id: _CHANNEL}
    arrivals: list[_Arrival] = []
    refused: list[str] = []
    rows = read_table(path, _COLUMNS)
    for number, (line, row) in enumerate(rows):
        name = row.get("channel") or _CHANNEL.id
        if name not in channels:
            if name not in profile.channels:
                raise TableError(f"{path}, line {line}: channel is none of channels.toml")
            channels[name] = replace(
                profile.channels[name], protocol="canonical", mapping={}, constants={}, codes={}, source=None
            )
        if not row["report_id"]:
            raise TableError(f"{path}, line {line}: report_id is empty")
        context = Context(profile, channels[name], privacy, places, zone, _RECEIVED_AT)
        try:
            arrivals += _arrivals(row, number, context, codec)
        except Refusal as error:
            refused.append(f"line {line}: {error.code}, {error.reason}")
    arrivals.sort(key=lambda one: (one.at, one.number))
    return Told(arrivals, channels, len(rows), refused)


def _arrivals(row: Mapping[str, str], number: int, context: Context, codec: Codec) -> Iterator[_Arrival]:
    """The report of a row, and the step that closed its case; raises Refusal."""
    fields: dict[str, Any] = {
        "record": "report",
        "upstream_id": row["report_id"],
        "reported_at": row["reported_at"],
        "title": row["title"],
        "content": row["text"],
        "reporter": {"id": row["reporter"]},
        "appeal_type": "complaint",
        **{name: row[name] for name in _FURTHER if row.get(name)},
    }
    told = normalise(Message(fields, b""), context)
    if told is None or told[0] != "report":
        return
    report = told[1]
    value = codec.encode("report", report)
    yield _Arrival(report["reported_at"], number, intake_topic(report["feed"]), report["place_key"], value)
    if row.get("closed_at"):
        step = {"record": "progress", "upstream_id": row["report_id"], "step": "close", "occurred_at": row["closed_at"]}
        closed = normalise(Message(step, b""), context)
        if closed is not None and closed[0] == "progress":
            progress = closed[1]
            key = context.profile.county_code
            yield _Arrival(progress["occurred_at"], number, PROGRESS, key, codec.encode("progress", progress))


# --- decisions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decided:
    """Matter of each report by the file's own id; how many a person would be asked about."""

    matters: Mapping[str, str]
    reviewed: int


def decide(profile: Profile, told: Told) -> Decided:
    """What the worker decides on the reports: each once, as it arrives, in its partition of production."""
    codec = Codec(FileRegistry())
    decider = ChunkDecider(replace(profile, channels={**profile.channels, **told.channels}), codec)
    states = [PartitionState() for _ in range(INTAKE_PARTITIONS)]
    offsets: Counter[tuple[str, int]] = Counter()
    found: dict[str, str] = {}
    reviewed = 0
    for one in told.arrivals:
        key = one.key.encode()
        partition = (murmur2(key) & 0x7FFFFFFF) % INTAKE_PARTITIONS
        record = _Record(offsets[one.topic, partition], one.at, key, one.value)
        offsets[one.topic, partition] += 1
        outputs = decider.run(states[partition], one.topic, partition, [record])
        reviewed += len(outputs.reviews)
        for _, value in outputs.routed:
            subject, written = codec.decode(value)
            if subject == "routed_report":  # what else stands in the log is changes of cases
                routed = cast(RoutedReport, written)
                found[routed["report"]["upstream_id"]] = routed["matter_id"]
    return Decided(found, reviewed)


# --- figures ---------------------------------------------------------------------------------------------------------


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def _pairs_in(groups: Iterable[int]) -> int:
    return sum(comb(size, 2) for size in groups)


def pairwise(labels: Mapping[str, str], found: Mapping[str, str]) -> dict[str, Any]:
    """Precision, recall and F1 over all pairs of labelled reports; a measure without a denominator is None.

    A labelled report that was not decided on is in a matter of its own.
    """
    matters = {name: found.get(name, f"none {name}") for name in labels}
    same = _pairs_in(Counter(labels.values()).values())
    linked = _pairs_in(Counter(matters.values()).values())
    true = _pairs_in(Counter((labels[name], matters[name]) for name in labels).values())
    return {
        "precision": _ratio(true, linked),
        "recall": _ratio(true, same),
        "f1": _ratio(2 * true, same + linked),
    }


def wrong_pairs(labels: Mapping[str, str], found: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(wrong, a, b) of labelled reports: `linked` that should not be, `missed` that should; sorted."""
    for wrong, groups, others in (("linked", found, labels), ("missed", labels, found)):
        members: defaultdict[str, list[str]] = defaultdict(list)
        for name in sorted(labels):
            if name in groups:
                members[groups[name]].append(name)
        for names in members.values():
            for a, b in combinations(names, 2):
                if a not in others or b not in others or others[a] != others[b]:
                    yield wrong, a, b


def _labels(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Cluster, and class of what it must be told apart by (column `negative`, if given), by report."""
    labels: dict[str, str] = {}
    negatives: dict[str, str] = {}
    for line, row in read_table(path, ("report_id", "cluster")):
        name, cluster = row["report_id"], row["cluster"]
        if not name or not cluster:
            raise TableError(f"{path}, line {line}: report_id or cluster is empty")
        if labels.setdefault(name, cluster) != cluster:
            raise TableError(f"{path}, line {line}: the report stands in another cluster already")
        if row.get("negative"):
            negatives[name] = row["negative"]
    return labels, negatives


def _told_pairs(path: Path) -> list[tuple[str, str]]:
    found = []
    for line, row in read_table(path, ("a", "b")):
        if not row["a"] or not row["b"] or row["a"] == row["b"]:
            raise TableError(f"{path}, line {line}: a and b must be two reports")
        found.append((row["a"], row["b"]))
    return found


def evaluate_matching(
    profile: Profile,
    reports: Path,
    clusters: Path,
    pairs: Path | None = None,
    *,
    curve: bool = False,
    wrong: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Figures of merging; raises TableError.

    curve: the same for each of THRESHOLDS, each a whole run. wrong: a CSV that is written with each pair got wrong.
    """
    labels, negatives = _labels(clusters)
    known = _told_pairs(pairs) if pairs else None
    say("reading reports")
    told = read_reports(profile, reports)
    say(f"deciding on {told.reports:,} reports")
    decided = decide(profile, told)
    result: dict[str, Any] = {
        "reports": told.reports,
        "refused": len(told.refused),
        "labelled": len(labels),
        "labelled_unknown": sum(name not in decided.matters for name in labels),
        **_figures(decided, labels, known),
    }
    if told.refused:
        result["refused_rows"] = list(told.refused[:_NAMED])
    wrongly = sorted(wrong_pairs(labels, decided.matters))
    if negatives:
        false = Counter(_negative(negatives, a, b) for kind, a, b in wrongly if kind == "linked")
        result["wrongly_linked"] = dict(sorted(false.items()))
    if wrong is not None:
        _write_wrong(wrong, wrongly)
    if curve:
        result["curve"] = []
        for link in THRESHOLDS:
            say(f"deciding with the link threshold {link:.2f}")
            rules = profile.matching.model_copy(update={"link": link, "review": min(profile.matching.review, link)})
            result["curve"].append(
                {"link": link, **_figures(decide(replace(profile, matching=rules), told), labels, known)}
            )
    return result


def _figures(decided: Decided, labels: Mapping[str, str], pairs: Sequence[tuple[str, str]] | None) -> dict[str, Any]:
    found = decided.matters
    matters = len(set(found.values()))
    figures: dict[str, Any] = {
        **pairwise(labels, found),
        "matters": matters,
        "linked_reports": len(found) - matters,
        "review_share": _ratio(decided.reviewed, len(found)),
    }
    if pairs is not None:
        hit = sum(a in found and b in found and found[a] == found[b] for a, b in pairs)
        figures |= {"pairs": len(pairs), "pairs_recall": _ratio(hit, len(pairs))}
    return figures


def _negative(negatives: Mapping[str, str], a: str, b: str) -> str:
    """By what two reports of different events should have been told apart; `chance` where nothing was meant."""
    return negatives.get(b) or negatives.get(a) or "chance"


def _write_wrong(path: Path, wrongly: Iterable[tuple[str, str, str]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("wrong", "a", "b"))
            writer.writerows(wrongly)
    except OSError as error:
        raise TableError(f"{path}: can't be written ({type(error).__name__})") from None
