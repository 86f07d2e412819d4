"""`zhishu review|unlink|merge`: a person's word on what belongs together, written to the log and answered by the worker.

What is open, and which matter an id stands for, is asked of ClickHouse: the topic `review` holds the questions and not their
answers, so that without it the whole log would have to be read. A ruling itself needs Kafka alone. It goes to `rulings` under
the county's code, so that it meets its reports; the worker answers it with a Change in the same partition of `routed`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, Final, Literal, cast

from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from schemas.codec import Codec, DecodeError
from schemas.ids import digest_id
from schemas.personal import mask_text
from schemas.records import Change, Ruling
from schemas.topics import ROUTED, RULINGS

Action = Literal["accept", "reject", "unlink", "merge"]

#: A change may carry an earlier time than the ruling that it answers: clocks of two machines differ by so much at most.
_SKEW_MS: Final = 300_000
_ACKNOWLEDGED_S: Final = 60.0

_QUEUE: Final = """
SELECT report_id, review_matter, score, reasons, title, matter_title, matter_kind, street_code, feed,
    toUnixTimestamp64Milli(reported_at) AS reported_at, age_hours, rule_version
FROM bi.review_queue ORDER BY asked_at, report_id LIMIT {limit:UInt32}
"""
_OPEN: Final = "SELECT count() FROM bi.review_queue"
_ASKED: Final = """
SELECT review_matter FROM hub.routed FINAL
WHERE report_id = {id:String} AND outcome = 'routed' AND review_matter IS NOT NULL LIMIT 1
"""
# The same rules as hub.moved_reports, by the keys of the two tables.
_MATTER: Final = """
SELECT coalesce(
    (
        SELECT argMaxOrNull(matter_id, _offset) FROM hub.report_changes FINAL
        WHERE intake_topic = 'rulings' AND report_id = {id:String} AND change IN ('accepted', 'unlinked', 'merged')
    ),
    (
        SELECT argMinOrNull(matter_id, (relation = 'revision', length(part_ids), received_at, _timestamp, intake_offset))
        FROM hub.routed FINAL WHERE report_id = {id:String} AND outcome = 'routed'
    ),
    -- That of a report that was taken out of the matter of its id (streams/changes.py).
    (
        SELECT anyOrNull(matter_id) FROM hub.changes
        WHERE intake_topic = 'rulings' AND change = 'unlinked' AND matter_id = {id:String}
    )
)
"""


class ReviewError(RuntimeError):
    """A ruling can't be made; the message says why and what to do."""


@dataclass(frozen=True)
class Act:
    """What a person does: see schemas/ruling. `matter_id` is empty for unlink, `from_matter_id` for all but merge."""

    action: Action
    report_id: str = ""
    matter_id: str = ""
    from_matter_id: str = ""

    @classmethod
    def of(cls, ruling: Ruling) -> "Act":
        """What was ruled."""
        ids = (ruling["report_id"] or "", ruling["matter_id"] or "", ruling["from_matter_id"] or "")
        return cls(cast(Action, ruling["action"]), *ids)

    def touches(self, other: "Act") -> bool:
        """Whether the other act may change what this one does: it is on the same report, or merges what this one names.

        A report put into the same matter changes nothing for another one.
        """
        mine = {self.report_id} if self.report_id else {self.matter_id, self.from_matter_id}
        theirs = {other.report_id}
        if "merge" in (self.action, other.action):
            theirs |= {other.matter_id, other.from_matter_id}
        return bool((mine & theirs) - {""})


@dataclass(frozen=True)
class Answer:
    """The change that answers a ruling. again: the very same was ruled before and stands, nothing new was written."""

    change: Change
    again: bool

    @property
    def void(self) -> bool:
        """It had no effect."""
        return self.change["change"] == "void"


def open_questions(client: Client, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The oldest open questions, and how many there are."""
    found = client.query(_QUEUE, parameters={"limit": limit})
    return list(found.named_results()), int(client.query(_OPEN).result_rows[0][0])


def asked_matter(client: Client, report_id: str) -> str:
    """The matter that the hub asked about for this report, open or answered; raises ReviewError."""
    rows = client.query(_ASKED, parameters={"id": report_id}).result_rows
    if not rows:
        raise ReviewError("nothing was asked about this report: name the matter, or see `zhishu review list`")
    return matter_of(client, str(rows[0][0]))


def matter_of(client: Client, identity: str) -> str:
    """Id by which the worker knows the matter of a report, or a matter named by any of its reports; raises ReviewError."""
    ((found,),) = client.query(_MATTER, parameters={"id": identity}).result_rows
    if found is None:
        raise ReviewError(f"no report or matter has the id {identity}; `zhishu review list` and bi.reports show ids")
    return str(found)


class Rulings:
    """Writes rulings of one deployment and finds their answers; one at a time."""

    def __init__(self, bootstrap: str, codec: Codec, county_code: str) -> None:
        """`bootstrap`: host:port of brokers, comma between them."""
        self._bootstrap = bootstrap
        self._codec = codec
        self._key = county_code.encode()

    def rule(self, act: Act, by: str, reason: str, wait: float) -> Answer:
        """Writes a ruling and waits `wait` seconds for its answer.

        The very same act again, with nothing ruled on its reports in between, is not written twice unless it was void.
        Personal data in `reason` is masked. Raises ReviewError when no worker answers in time, KafkaError when the broker
        does not.
        """
        deadline = time.monotonic() + wait
        with self._consumer() as consumer:
            ends = consumer.end_offsets(self._partitions(consumer, ROUTED))
            before = self._last_about(consumer, act)
            if before is not None and Act.of(before.ruling) == act:
                change = self._answer(consumer, before.ruling, before.place, self._since(consumer, before), deadline)
                if change["change"] != "void":
                    return Answer(change, again=True)
            ruling: Ruling = {
                # Of the ruling before it, so that two commands given at once make one ruling, and one given later another.
                "ruling_id": digest_id("ruling", before.ruling["ruling_id"] if before else "", *astuple(act)),
                "action": act.action,
                "report_id": act.report_id or None,
                "matter_id": act.matter_id or None,
                "from_matter_id": act.from_matter_id or None,
                "ruled_by": by,
                "reason": mask_text(reason.strip()),
                "ruled_at": time.time_ns() // 1_000_000,
            }
            place = self._write(ruling)
            # Where the same command was given at once by another process, one of the two is void.
            change = self._answer(consumer, ruling, place, ends[TopicPartition(ROUTED, place.partition)], deadline)
            return Answer(change, again=change["intake_offset"] != place.offset)

    def _write(self, ruling: Ruling) -> "_Place":
        producer = KafkaProducer(bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True)
        try:
            sent = producer.send(RULINGS, key=self._key, value=self._codec.encode("ruling", ruling))
            told = sent.get(timeout=_ACKNOWLEDGED_S)
            return _Place(told.partition, told.offset)
        finally:
            producer.close()

    def _last_about(self, consumer: KafkaConsumer, act: Act) -> "_Before | None":
        """The last ruling that this act has to do with; rulings are few, a person wrote each."""
        found: _Before | None = None
        for tp in self._partitions(consumer, RULINGS):
            for message in _read(consumer, tp, consumer.beginning_offsets([tp])[tp], consumer.end_offsets([tp])[tp]):
                try:
                    ruling = self._codec.ruling(message.value or b"")
                except DecodeError:
                    continue  # the worker has made a letter of it
                # A county's rulings stand in one partition, in order; those under another county's code are none of ours.
                if message.key == self._key and act.touches(Act.of(ruling)):
                    found = _Before(ruling, _Place(tp.partition, message.offset), message.timestamp)
        return found

    def _since(self, consumer: KafkaConsumer, before: "_Before") -> int:
        """Offset in `routed` from which the answer to an earlier ruling must stand."""
        tp = TopicPartition(ROUTED, before.place.partition)
        found = consumer.offsets_for_times({tp: before.timestamp - _SKEW_MS})[tp]
        return int(consumer.end_offsets([tp])[tp] if found is None else found.offset)

    def _answer(self, consumer: KafkaConsumer, ruling: Ruling, place: "_Place", since: int, deadline: float) -> Change:
        """The change that a ruling led to, at this place or, sent twice, at another; reads on as the log grows."""
        tp = TopicPartition(ROUTED, place.partition)
        header = self._codec.header("change")
        consumer.assign([tp])
        consumer.seek(tp, since)
        while time.monotonic() < deadline:
            for message in consumer.poll(timeout_ms=200).get(tp, []):
                if not (message.value or b"").startswith(header):
                    continue
                change = self._codec.change(message.value)
                if change["intake_topic"] != RULINGS or change["cause_id"] != ruling["ruling_id"]:
                    continue
                if change["change"] != "void" or change["intake_offset"] == place.offset:
                    return change
        raise ReviewError(
            "the ruling is in the log, but no worker has answered it yet: see that `zhishu worker` runs and is not behind, then "
            "give the same command again; it is not ruled twice"
        )

    @contextmanager
    def _consumer(self) -> Iterator[KafkaConsumer]:
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, isolation_level="read_committed"
        )
        try:
            yield consumer
        finally:
            consumer.close()

    @staticmethod
    def _partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise ReviewError(f"there is no topic {topic}: run `zhishu init` once")
        return [TopicPartition(topic, number) for number in sorted(partitions)]


@dataclass(frozen=True)
class _Place:
    """Partition and offset in `rulings`."""

    partition: int
    offset: int


@dataclass(frozen=True)
class _Before:
    """An earlier ruling; `timestamp` is the record's, milliseconds."""

    ruling: Ruling
    place: _Place
    timestamp: int


def _read(consumer: KafkaConsumer, tp: TopicPartition, begin: int, end: int) -> Iterator[Any]:
    consumer.assign([tp])
    consumer.seek(tp, begin)
    while consumer.position(tp) < end:
        yield from (message for message in consumer.poll(timeout_ms=1000).get(tp, []) if message.offset < end)
