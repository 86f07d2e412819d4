"""`zhishu reconcile`: proves that every intake offset has exactly one outcome (DESIGN section 5, rule 2).

Kafka says which offsets there are; ClickHouse says what became of each: a row of `hub.routed` (routed or replay) or a dead
letter of the worker. Each ruling of a person has its change in `hub.changes`, or a dead letter. Of messages that are
assembled into reports, each must stand in exactly one report, as `bi.reports` shows it, or be the same again, or a dead
letter. The other topics must be stored up to their end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer, TopicPartition

from hub.kafka_admin import OffsetRange, committed_offsets, offset_ranges
from profiles import Profile
from schemas.codec import Codec, DecodeError
from schemas.topics import ALERTS, DEADLETTER, PROGRESS, ROUTED, RULINGS, intake_topic, messages_topic
from sinks.writer import SinkConfig
from streams.worker import WorkerConfig

_OUTCOMES = """
SELECT intake_partition, intake_offset, outcome FROM hub.routed FINAL WHERE intake_topic = {topic:String}
UNION ALL
SELECT assumeNotNull(origin_partition), assumeNotNull(origin_offset), 'dead_letter'
FROM hub.dead_letters FINAL WHERE stage = 'worker' AND origin_topic = {topic:String}
"""
_LETTERS = """
SELECT assumeNotNull(origin_partition), assumeNotNull(origin_offset)
FROM hub.dead_letters FINAL WHERE stage = 'worker' AND origin_topic = {topic:String}
"""
_RULED = """
SELECT intake_partition, intake_offset, 'routed' FROM hub.changes FINAL WHERE intake_topic = {topic:String} AND number = 0
UNION ALL
SELECT assumeNotNull(origin_partition), assumeNotNull(origin_offset), 'dead_letter'
FROM hub.dead_letters FINAL WHERE stage = 'worker' AND origin_topic = {topic:String}
"""
_PARTS = """
SELECT arrayJoin(if(empty(part_ids), [report_id], part_ids)) AS part, count() FROM bi.reports
WHERE feed = {feed:String} GROUP BY part
"""
#: Consumer groups of the processes, as their configurations name them.
WORKER_GROUP: Final = WorkerConfig.group
SINK_GROUP: Final = SinkConfig.group
#: Offsets named in a finding; the count says how many there are.
_SHOWN = 10


@dataclass
class TopicAccount:
    """What became of one intake topic's offsets; of one topic of messages, where `routed` counts those in a report; or of
    the rulings, where it counts those that were decided on, void ones included."""

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
    """The whole proof: `topics` of reports, `messages` of which reports were assembled. `not_stored` counts records of the
    other topics that the sink has not committed yet."""

    topics: list[TopicAccount]
    not_stored: dict[str, int]
    messages: list[TopicAccount] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing is missing anywhere."""
        return all(topic.good for topic in (*self.topics, *self.messages)) and not any(self.not_stored.values())

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.good,
            "topics": [asdict(topic) for topic in self.topics],
            "messages": [asdict(topic) for topic in self.messages],
            "not_stored": self.not_stored,
        }


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


def account_for_messages(
    topic: str,
    messages: Iterable[tuple[int, int, str | None]],
    reports: Mapping[str, int],
    letters: AbstractSet[tuple[int, int]],
) -> TopicAccount:
    """What became of (partition, offset, id) of a topic of messages in log order; pure. No id: the record can't be read.

    `reports`: in how many reports an id stands. `letters`: (partition, offset) of the dead letters.
    """
    account = TopicAccount(topic)
    seen: set[str] = set()
    for partition, offset, identity in messages:
        account.records += 1
        held = reports.get(identity or "", 0)
        if (partition, offset) in letters:
            account.dead_letter += 1
        elif identity in seen:
            account.replay += 1
        elif held == 1:
            account.routed += 1
        else:
            (account.with_several if held else account.without_outcome).append(f"{partition}/{offset}")
        seen.add(identity or "")
    return account


def _messages(bootstrap: str, topic: str, codec: Codec) -> Iterator[tuple[int, int, str | None]]:
    """Partition, offset and report id of every record, in the order of each partition; None where it can't be read."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    try:
        for (_, partition), bounds in sorted(offset_ranges(bootstrap, [topic]).items()):
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, bounds.begin)
            while consumer.position(tp) < bounds.end:
                for message in consumer.poll(timeout_ms=1000).get(tp, []):
                    if message.offset < bounds.end:
                        yield partition, message.offset, _identity(codec, message.value or b"")
    finally:
        consumer.close()


def _identity(codec: Codec, value: bytes) -> str | None:
    try:
        return codec.report(value)["report_id"]
    except DecodeError:
        return None


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


def under_way(bootstrap: str, profile: Profile) -> int:
    """Records that the worker has not decided or the sink has not stored yet; cheap, for waiting.

    The worker's part is asked first: what it commits meanwhile stands in the next topics by then.
    """
    left = 0
    for group, topics in (
        (
            WORKER_GROUP,
            [
                *map(messages_topic, profile.assembled_feeds()),
                *map(intake_topic, profile.feeds()),
                *(PROGRESS, RULINGS),
            ],
        ),
        (SINK_GROUP, [ROUTED, PROGRESS, ALERTS, DEADLETTER]),
    ):
        done = committed_offsets(bootstrap, group)
        for key, bounds in offset_ranges(bootstrap, topics).items():
            left += max(0, bounds.end - max(bounds.begin, done.get(key, bounds.begin)))
    return left


def reconcile(bootstrap: str, client: Client, profile: Profile, codec: Codec) -> Account:
    """Takes the account of a profile's topics now; what is still under way counts as missing."""
    questions = {**{intake_topic(feed): _OUTCOMES for feed in profile.feeds()}, RULINGS: _RULED}
    ranges = offset_ranges(bootstrap, questions)
    accounts = []
    for topic, question in questions.items():
        rows = client.query(question, parameters={"topic": topic}).result_rows
        by_partition = {p: r for (t, p), r in ranges.items() if t == topic}
        account = account_for(topic, by_partition, ((p, o, outcome) for p, o, outcome in rows))
        _without_gaps(bootstrap, account)
        accounts.append(account)
    messages = []
    for feed in profile.assembled_feeds():
        topic = messages_topic(feed)
        found = list(_messages(bootstrap, topic, codec))  # before the rows: what comes later is not asked for
        letters = {(p, o) for p, o in client.query(_LETTERS, parameters={"topic": topic}).result_rows}
        rows = client.query(_PARTS, parameters={"feed": feed}).result_rows
        reports = {str(part): int(count) for part, count in rows}
        messages.append(account_for_messages(topic, found, reports, letters))
    others = offset_ranges(bootstrap, [ROUTED, PROGRESS, ALERTS, DEADLETTER])
    stored = committed_offsets(bootstrap, SINK_GROUP)
    not_stored: Counter[str] = Counter({ROUTED: 0, PROGRESS: 0, ALERTS: 0, DEADLETTER: 0})
    for (topic, partition), bounds in others.items():
        not_stored[topic] += max(0, bounds.end - max(bounds.begin, stored.get((topic, partition), bounds.begin)))
    return Account(accounts, dict(not_stored), messages)


def sentences(account: Account) -> list[str]:
    """What is wrong, a line each, with the first offsets named; empty when all is well."""
    found = []
    for topic in (*account.topics, *account.messages):
        for offsets, what in ((topic.without_outcome, "no outcome"), (topic.with_several, "more than one outcome")):
            if offsets:
                named = ", ".join(offsets[:_SHOWN]) + (" ..." if len(offsets) > _SHOWN else "")
                found.append(f"{topic.topic}: {len(offsets)} offset(s) with {what} (partition/offset {named})")
    found += [f"{topic}: {count} record(s) not stored yet" for topic, count in account.not_stored.items() if count]
    return found
