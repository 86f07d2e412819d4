"""`zhishu eval`: matching and category prediction on labelled data, through the code that runs in production."""

import csv
import secrets
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from kafka.partitioner.default import murmur2

from connectors.base import Context
from connectors.bodies import Message
from connectors.canonical import normalise
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy, SealKey
from profiles import Channel, Profile
from schemas.records import Report
from schemas.topics import INTAKE_PARTITIONS, intake_topic
from streams.categories import score, train
from streams.decide import Decider, Origin
from streams.state import PartitionState

_MAPPING: Final = {
    "upstream_id": "report_id",
    "reported_at": "reported_at",
    "title": "title",
    "content": "text",
    "reporter.id": "reporter",
}
_CHANNEL: Final = Channel(
    id="eval",
    feed="eval",
    protocol="canonical",
    name="evaluation",
    crs="WGS-84",
    mapping=_MAPPING,
    constants={"record": "report", "appeal_type": "complaint"},
)
#: Received when the last of any data set to come was reported; the check against reports from the future needs a time.
_RECEIVED_AT: Final = 4_100_000_000_000


class EvaluationError(ValueError):
    """A file is not what the command needs; the message says what it must hold."""


def _table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{path}: can't be read as CSV in UTF-8 ({type(error).__name__})") from None
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        raise EvaluationError(f"{path}: needs rows with the column(s) {', '.join(missing)}")
    return rows


def _reports(profile: Profile, rows: list[dict[str, str]]) -> dict[str, Report]:
    """The rows as the canonical feed makes reports of them, by their own id; what it refuses is left out."""
    privacy = Privacy(secrets.token_bytes(32), {"eval": SealKey(secrets.token_bytes(32))}, "eval")
    world = replace(profile, bbox=(-180.0, -90.0, 180.0, 90.0))
    context = Context(world, _CHANNEL, privacy, Places(world), ZoneInfo(world.timezone), _RECEIVED_AT)
    found: dict[str, Report] = {}
    for row in rows:
        try:
            record = normalise(Message(dict(row), b""), context)
        except Refusal:
            continue
        if record is not None and record[0] == "report":
            found[row["report_id"]] = record[1]
    return found


def matters(profile: Profile, reports: Iterable[Report]) -> dict[str, str]:
    """Upstream id to matter: each report decided once, in the order of time, in its partition of production."""
    decider = Decider(profile)
    states = [PartitionState() for _ in range(INTAKE_PARTITIONS)]
    found: dict[str, str] = {}
    for offset, report in enumerate(sorted(reports, key=lambda r: (r["reported_at"], r["upstream_id"]))):
        partition = (murmur2(report["place_key"].encode()) & 0x7FFFFFFF) % INTAKE_PARTITIONS
        state = states[partition]
        decision = decider.decide(state, report, Origin(intake_topic("eval"), partition, offset))
        state.apply(decision.routed, decision.facts, decision.told)
        found[report["upstream_id"]] = decision.routed["matter_id"]
    return found


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None


def pairwise(labels: dict[str, str], found: dict[str, str]) -> dict[str, Any]:
    """Precision, recall and F1 over all pairs of labelled reports; a measure without a denominator is None."""
    true = false = missed = 0
    for a, b in combinations(sorted(labels), 2):
        same = labels[a] == labels[b]
        linked = a in found and b in found and found[a] == found[b]
        true += same and linked
        false += linked and not same
        missed += same and not linked
    return {
        "precision": _ratio(true, true + false),
        "recall": _ratio(true, true + missed),
        "f1": _ratio(2 * true, 2 * true + false + missed),
    }


def evaluate_matching(profile: Profile, reports: Path, clusters: Path, pairs: Path | None) -> dict[str, Any]:
    """Figures of merging; raises EvaluationError."""
    rows = _table(reports, ("report_id", "reporter", "title", "reported_at", "text"))
    labels = {row["report_id"]: row["cluster"] for row in _table(clusters, ("report_id", "cluster"))}
    normalised = _reports(profile, rows)
    found = matters(profile, normalised.values())
    sizes = Counter(found.values())
    result: dict[str, Any] = {
        "reports": len(rows),
        "refused": len(rows) - len(normalised),
        "labelled": len(labels),
        **pairwise(labels, found),
        "matters": len(sizes),
        "linked_reports": len(found) - len(sizes),
    }
    if pairs is not None:
        told = [(row["a"], row["b"]) for row in _table(pairs, ("a", "b"))]
        hit = sum(a in found and b in found and found[a] == found[b] for a, b in told)
        result |= {"pairs": len(told), "pairs_recall": _ratio(hit, len(told))}
    return result


def _labelled_texts(path: Path) -> tuple[list[str], list[str], bool]:
    rows = _table(path, ("class",))
    segmented = "segmented_text" in rows[0]
    column = "segmented_text" if segmented else "text"
    if column not in rows[0]:
        raise EvaluationError(f"{path}: needs a column text or segmented_text beside class")
    return [row[column] or "" for row in rows], [row["class"] for row in rows], segmented


def evaluate_categories(train_file: Path, test_file: Path) -> dict[str, Any]:
    """Accuracy and macro-F1 of category prediction; raises EvaluationError."""
    texts, classes, segmented = _labelled_texts(train_file)
    unseen, expected, test_segmented = _labelled_texts(test_file)
    if segmented != test_segmented:
        raise EvaluationError("one file has segmented_text and the other text: give both in the same form")
    if len(set(classes)) < 2:
        raise EvaluationError(f"{train_file}: needs texts of two classes at least")
    accuracy, macro_f1 = score(train(texts, classes, segmented), unseen, expected)
    return {
        "train": len(texts),
        "test": len(unseen),
        "classes": len(set(classes)),
        "accuracy": accuracy,
        "macro_f1": macro_f1,
    }
