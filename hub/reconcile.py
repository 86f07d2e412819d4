"""`zhishu reconcile`: proves that every intake offset has exactly one outcome (DESIGN section 5, rule 2).

Kafka says which offsets there are; ClickHouse says what became of each: a row of `hub.routed` (routed or replay) or a dead
letter of the worker. The other topics must be stored up to their end.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer, TopicPartition

from hub.kafka_admin import OffsetRange, committed_offsets, offset_ranges
from schemas.topics import ALERTS, DEADLETTER, PROGRESS, ROUTED, intake_topic
from sinks.writer import SinkConfig
from streams.worker import WorkerConfig

_OUTCOMES = """
SELECT intake_partition, intake_offset, outcome FROM hub.routed FINAL WHERE intake_topic = {topic:String}
UNION ALL
SELECT assumeNotNull(origin_partition), assumeNotNull(origin_offset), 'dead_letter'
FROM hub.dead_letters FINAL WHERE stage = 'worker' AND origin_topic = {topic:String}
"""
#: Consumer groups of the processes, as their configurations name them.
WORKER_GROUP: Final = WorkerConfig.group
SINK_GROUP: Final = SinkConfig.group
#: Offsets named in a finding; the count says how many there are.
_SHOWN = 10


@dataclass
class TopicAccount:
    """What became of one intake topic's offsets."""

    topic: str
    records: int = 0
    routed: int = 0
    replay: int = 0
    dead_letter: int = 0
    without_outcome: list[str] = field(default_factory=list)
    with_several: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Every record has exactly one outcome."""
        return not self.without_outcome and not self.with_several


@dataclass
class Account:
    """The whole proof. `not_stored` counts records of the other topics that the sink has not committed yet."""

    topics: list[TopicAccount]
    not_stored: dict[str, int]

    @property
    def good(self) -> bool:
        """Nothing is missing anywhere."""
        return all(topic.good for topic in self.topics) and not any(self.not_stored.values())

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"ok": self.good, "topics": [asdict(topic) for topic in self.topics], "not_stored": self.not_stored}


def account_for(topic: str, ranges: dict[int, OffsetRange], outcomes: Iterable[tuple[int, int, str]]) -> TopicAccount:
    """Compares offset ranges by partition with (partition, offset, outcome) rows; pure.

    Offsets outside the ranges are left out: Kafka has expired them, and their outcomes stand for themselves.
    """
    account = TopicAccount(topic, records=sum(r.end - r.begin for r in ranges.values()))
    seen: Counter[tuple[int, int]] = Counter()
    for partition, offset, outcome in outcomes:
        bounds = ranges.get(partition)
        if bounds is None or not bounds.begin <= offset < bounds.end:
            continue
        seen[partition, offset] += 1
        setattr(account, outcome, getattr(account, outcome) + 1)
    for partition, bounds in sorted(ranges.items()):
        missing = [f"{partition}/{o}" for o in range(bounds.begin, bounds.end) if (partition, o) not in seen]
        account.without_outcome += missing
    account.with_several = [f"{p}/{o}" for (p, o), count in sorted(seen.items()) if count > 1]
    return account


def _without_gaps(bootstrap: str, account: TopicAccount) -> None:
    """Takes offsets that hold no record (transaction markers, compacted) off the missing ones."""
    if not account.without_outcome:
        return
    suspects = {(int(p), int(o)) for p, o in (text.split("/") for text in account.without_outcome)}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    held: set[tuple[int, int]] = set()
    try:
        for partition in sorted({p for p, _ in suspects}):
            tp = TopicPartition(account.topic, partition)
            offsets = [o for p, o in suspects if p == partition]
            end = min(max(offsets) + 1, consumer.end_offsets([tp])[tp])
            consumer.assign([tp])
            consumer.seek(tp, min(offsets))
            while consumer.position(tp) < end:
                held |= {(partition, message.offset) for message in consumer.poll(timeout_ms=1000).get(tp, [])}
    finally:
        consumer.close()
    real = suspects & held
    account.records -= len(suspects - real)
    account.without_outcome = [f"{p}/{o}" for p, o in sorted(real)]


def under_way(bootstrap: str, feeds: Iterable[str]) -> int:
    """Records that the worker has not decided or the sink has not stored yet; cheap, for waiting.

    The worker's part is asked first: what it commits meanwhile stands in the sink's topics by then.
    """
    left = 0
    for group, topics in (
        (WORKER_GROUP, [intake_topic(feed) for feed in feeds]),
        (SINK_GROUP, [ROUTED, PROGRESS, ALERTS, DEADLETTER]),
    ):
        done = committed_offsets(bootstrap, group)
        for key, bounds in offset_ranges(bootstrap, topics).items():
            left += max(0, bounds.end - max(bounds.begin, done.get(key, bounds.begin)))
    return left


def reconcile(bootstrap: str, client: Client, feeds: Iterable[str]) -> Account:
    """Takes the account of these feeds' topics now; what is still under way counts as missing."""
    topics = [intake_topic(feed) for feed in sorted(feeds)]
    ranges = offset_ranges(bootstrap, topics)
    accounts = []
    for topic in topics:
        rows = client.query(_OUTCOMES, parameters={"topic": topic}).result_rows
        by_partition = {p: r for (t, p), r in ranges.items() if t == topic}
        account = account_for(topic, by_partition, ((p, o, outcome) for p, o, outcome in rows))
        _without_gaps(bootstrap, account)
        accounts.append(account)
    others = offset_ranges(bootstrap, [ROUTED, PROGRESS, ALERTS, DEADLETTER])
    stored = committed_offsets(bootstrap, SINK_GROUP)
    not_stored: Counter[str] = Counter({ROUTED: 0, PROGRESS: 0, ALERTS: 0, DEADLETTER: 0})
    for (topic, partition), bounds in others.items():
        not_stored[topic] += max(0, bounds.end - max(bounds.begin, stored.get((topic, partition), bounds.begin)))
    return Account(accounts, dict(not_stored))


def sentences(account: Account) -> list[str]:
    """What is wrong, a line each, with the first offsets named; empty when all is well."""
    found = []
    for topic in account.topics:
        for offsets, what in ((topic.without_outcome, "no outcome"), (topic.with_several, "more than one outcome")):
            if offsets:
                named = ", ".join(offsets[:_SHOWN]) + (" ..." if len(offsets) > _SHOWN else "")
                found.append(f"{topic.topic}: {len(offsets)} offset(s) with {what} (partition/offset {named})")
    found += [f"{topic}: {count} record(s) not stored yet" for topic, count in account.not_stored.items() if count]
    return found
