"""The consumer loop: records of Kafka become rows of ClickHouse, each at least once, and one row on read.

The order that must hold for every topic-partition: rows acknowledged by ClickHouse, dead letters acknowledged by Kafka,
then the offset committed. Until then the batches are kept as they are and sent again; what is lost with the process is
read again. docs/decisions/0010-sink-batches.md gives the reasons.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final, cast

import clickhouse_connect
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from monitoring import metrics
from profiles import Profile
from schemas import topics
from schemas.codec import Codec, DecodeError
from schemas.reasons import ReasonCode
from schemas.records import Alert, AnyRecord, Change, DeadLetter, Progress, RoutedReport
from schemas.registry import open_registry
from sinks.batches import Batch, split
from sinks.cases import Cases, touched
from sinks.errors import SinkError, Verdict, verdict
from sinks.letters import STAGE, Raw, dead_letter
from sinks.migrate import Ddl
from sinks.rows import (
    STORED_TOPICS,
    TABLES,
    BadRowError,
    Origin,
    Row,
    alert_rows,
    change_rows,
    dead_letter_rows,
    progress_rows,
    routed_rows,
)

_log: Final = logging.getLogger(__name__)

#: Seconds an insert may take; well below max.poll.interval.ms (300 s), after which Kafka gives the partitions away.
_INSERT_TIMEOUT: Final = 60
_DELIVERY_TIMEOUT: Final = 30.0
_BROKER_TIMEOUT: Final = 3.0
_LONGEST_PAUSE: Final = 10.0
#: More refused rows than this in one flush of a partition are a defect of the sink or the table, not of the rows.
_REFUSED_LIMIT: Final = 100

_FIRST: Final[Any] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END: Final[Any] = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Key = tuple[str, int]


@dataclass(frozen=True)
class SinkConfig:
    """What a sink needs to know. Times are seconds.

    `clickhouse_url`: http(s)://user:password@host:port. `instance`: a name that stays the same when this process is
    started again, so that the group hands its partitions back without waiting. `max_rows`, `max_bytes`, `max_wait`: a
    topic-partition is written when it has so many records, so many bytes, or a record that waited so long. `port`: of
    /metrics and /health, None for neither.
    """

    bootstrap: str
    clickhouse_url: str = field(repr=False)
    profile: Profile = field(repr=False)
    registry_url: str | None = field(default=None, repr=False)
    group: str = "sink"
    instance: str | None = None
    ddl: Ddl = field(default_factory=Ddl)
    max_rows: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    max_wait: float = 1.0
    lag_every: float = 5.0
    cases_every: float = 30.0
    host: str = "127.0.0.1"
    port: int | None = None


#: What is acknowledged is on most replicas, and a question is answered by one that has all of it: hub.cases are computed from
#: facts that were stored a moment ago, whichever replica a balancer asks.
_AS_ONE: Final = {"insert_quorum": "auto", "insert_quorum_parallel": 0, "select_sequential_consistency": 1}


def open_clickhouse(url: str, timeout: int = _INSERT_TIMEOUT, ddl: Ddl | None = None) -> Any:
    """A clickhouse-connect client without a session, for one thread; an answer may take `timeout` seconds.

    With a `ddl` of replicas, they are written to and read as if they were one server.
    """
    return clickhouse_connect.get_client(
        dsn=url,
        autogenerate_session_id=False,
        connect_timeout=5,
        send_receive_timeout=timeout,
        # Lists of ids are too long for an address.
        form_encode_query_params=True,
        settings=_AS_ONE if ddl and ddl.replicated else None,
    )


def insert_batch(client: Any, batch: Batch) -> None:
    """Sends a batch; returns when ClickHouse acknowledged it. The same batch again is dropped by its token."""
    columns = TABLES[batch.table].columns
    client.insert(
        batch.table,
        batch.values,
        column_names=list(columns),
        column_type_names=list(columns.values()),
        settings={"async_insert": 0, "insert_deduplicate": 1, "insert_deduplication_token": batch.token},
    )


class _UnavailableError(Exception):
    """ClickHouse or Kafka does not take anything now; the same again later."""


class _Pending:
    """What was read from one topic-partition and is not committed yet."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        #: Offset of the next record to be done, for the lag; None when the group never committed.
        self.done: int | None = None
        self.done_at: int | None = None  # broker time of the last record done
        self._clear()

    def _clear(self) -> None:
        self.rows: list[Row] = []
        self.raw: dict[int, Raw] = {}
        self.letters: dict[int, DeadLetter] = {}
        self.refused = 0  # rows
        self.bytes = 0
        self.begun = 0.0
        self.batches: deque[Batch] | None = None

    def add(self, raw: Raw, rows: list[Row]) -> None:
        """Keeps a record with its rows, none for a record that became a letter."""
        if not self.raw:
            self.begun = time.monotonic()
        self.raw[raw.origin.offset] = raw
        self.rows += rows
        self.bytes += len(raw.value)

    def refuse(self, raw: Raw, code: ReasonCode, reason: str) -> None:
        """Notes the letter of a record."""
        self.letters[raw.origin.offset] = dead_letter(raw, code, reason)

    def finish(self) -> int:
        """Forgets what is done and returns the offset to commit."""
        last = max(self.raw)
        self.done, self.done_at = last + 1, self.raw[last].origin.timestamp
        self._clear()
        return self.done

    def oldest_at(self) -> int | None:
        """Broker time of the oldest record known not to be done; that of the last one done when none is known."""
        return next(iter(self.raw.values())).origin.timestamp if self.raw else self.done_at


class Sink:
    """One member of the consumer group. Not thread-safe: one thread calls `run`, or `turn` by itself."""

    def __init__(self, config: SinkConfig, clickhouse: Any) -> None:
        self._config = config
        self._clickhouse = clickhouse
        self._codec = Codec(open_registry(config.registry_url))
        self._feeds = set(config.profile.feeds())
        self._readers: dict[str, Callable[[bytes, Origin], tuple[AnyRecord, list[Row]]]] = {
            topics.ROUTED: self._read_routed,
            topics.PROGRESS: self._read_progress,
            topics.ALERTS: self._read_alert,
            topics.DEADLETTER: self._read_dead_letter,
        }
        self._cases: Cases | None = None
        self._pending: dict[Key, _Pending] = {}
        self._to_commit: dict[Key, int] = {}
        self._failures = 0
        self._paused_until: float | None = None
        self._lag_due = 0.0
        #: When the loop last came round, time.monotonic(): the process's sign of life.
        self.last_turn = time.monotonic()
        logger = logging.getLogger(f"{__name__}.kafka")
        common: dict[str, str | int | float | bool] = {
            "bootstrap.servers": config.bootstrap,
            "client.id": f"zhishu-{STAGE}",
        }
        self._producer = Producer(
            {
                **common,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "compression.type": "lz4",
            },
            logger=logger,
        )
        self._admin = AdminClient(common, logger=logger)
        static = {"group.instance.id": config.instance} if config.instance else {}
        self._consumer = Consumer(
            {
                **common,
                **static,
                "group.id": config.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                "queued.max.messages.kbytes": 16_384,
            },
            logger=logger,
        )

    def run(self, stop: Event) -> None:
        """Reads and stores until `stop` is set, then stores what was read, commits and leaves the group.

        Raises SinkError when it can't go on; nothing that was not stored is committed then.
        """
        self._consumer.subscribe(
            list(STORED_TOPICS), on_assign=self._assigned, on_revoke=self._dropped, on_lost=self._dropped
        )
        try:
            while not stop.is_set():
                self.turn()
            self._store_due(everything=True)
        finally:
            self._consumer.close()

    def turn(self) -> None:
        """One round: read what is there, store what is due, commit, count the lag."""
        self.last_turn = time.monotonic()
        for message in self._consumer.consume(1000, timeout=min(0.1, self._config.max_wait)):
            self._take(message)
        now = time.monotonic()
        if self._paused_until is None or now >= self._paused_until:
            self._store_due()
        if now >= self._lag_due:
            self._lag_due = now + self._config.lag_every
            self._count_lag()

    # Reading

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise SinkError(f"Kafka refuses this consumer ({error.name()}): start the sink again")
            _log.warning("Kafka reported %s on topic %s; reading goes on", error.name(), message.topic())
            return
        topic, partition = cast(str, message.topic()), cast(int, message.partition())
        pending = self._pending.get((topic, partition))
        if pending is None:
            return  # of a partition that was given away while this round was read: its next owner reads it
        origin = Origin(topic, partition, cast(int, message.offset()), max(message.timestamp()[1], 0))
        value = message.value() or b""
        headers = cast(list[tuple[str, bytes | None]], message.headers() or [])
        raw = Raw(origin, message.key(), value, headers)
        if pending.batches is not None:
            raise SinkError(
                f"a record of topic {topic} came while its batch was frozen: it would be committed and never stored; this is "
                "a defect of the sink, start it again"
            )
        try:
            record, rows = self._readers[topic](value, origin)
        except DecodeError as failure:
            self._set_aside(pending, raw, failure.code, str(failure))
        except BadRowError as failure:
            reason = f"{failure}: correct the value at its source and send it again"
            self._set_aside(pending, raw, failure.code, reason)
        else:
            fields = record.get("report", record)
            pending.add(raw._replace(feed=fields.get("feed", ""), channel=fields.get("channel")), rows)

    def _set_aside(self, pending: _Pending, raw: Raw, code: ReasonCode, reason: str) -> None:
        pending.add(raw, [])
        pending.refuse(raw, code, reason)

    def _read_routed(self, value: bytes, origin: Origin) -> tuple[AnyRecord, list[Row]]:
        """The log of decisions holds decisions and changes; the schema id in the record's header tells which."""
        subject, record = self._codec.decode(value)
        if subject == "change":
            return record, change_rows(cast(Change, record), origin)
        if subject == "routed_report":
            return record, routed_rows(cast(RoutedReport, record), origin)
        raise DecodeError("bad_record", f"a record of schemas/{subject} stands in topic {topics.ROUTED}")

    def _read_progress(self, value: bytes, origin: Origin) -> tuple[AnyRecord, list[Row]]:
        record: Progress = self._codec.progress(value)
        return cast(AnyRecord, record), progress_rows(record, origin)

    def _read_alert(self, value: bytes, origin: Origin) -> tuple[AnyRecord, list[Row]]:
        record: Alert = self._codec.alert(value)
        return cast(AnyRecord, record), alert_rows(record, origin)

    def _read_dead_letter(self, value: bytes, origin: Origin) -> tuple[AnyRecord, list[Row]]:
        record: DeadLetter = self._codec.dead_letter(value)
        return cast(AnyRecord, record), dead_letter_rows(record, origin)

    # Storing

    def _is_due(self, pending: _Pending) -> bool:
        config = self._config
        return bool(pending.raw) and (
            pending.batches is not None
            or len(pending.raw) >= config.max_rows
            or pending.bytes >= config.max_bytes
            or time.monotonic() - pending.begun >= config.max_wait
        )

    def _store_due(self, everything: bool = False) -> None:
        due = [pending for pending in self._pending.values() if self._is_due(pending) or (everything and pending.raw)]
        try:
            for pending in due:
                self._store(pending)
                self._send_letters(pending)
            self._refresh_cases(due)
            for pending in due:
                self._to_commit[pending.topic, pending.partition] = pending.finish()
        except _UnavailableError as error:
            self._pause(str(error))
        else:
            self._resume()
        if self._to_commit:
            self._commit()

    def _store(self, pending: _Pending) -> None:
        if pending.batches is None:
            pending.batches = deque(split(pending.topic, pending.partition, pending.rows, self._config.max_rows))
        while pending.batches:
            batch = pending.batches[0]
            try:
                self._insert(batch)
            except Exception as error:  # every kind has its verdict; the unknown ones are fatal
                found, code = verdict(error)
                table = batch.table.removeprefix("hub.")
                metrics.STORE_ERRORS.labels(table, code).inc()
                if found is Verdict.RETRY:
                    raise _UnavailableError(f"ClickHouse did not take a batch of {batch.table} (code {code})") from None
                if found is Verdict.FATAL:
                    # `from None`: ClickHouse's text quotes values of the row, and a traceback would print it.
                    raise SinkError(
                        f"ClickHouse refused a batch of {batch.table} with code {code} ({type(error).__name__}): look it "
                        "up in system.errors, check the sink's user and the migrations, then start the sink again"
                    ) from None
                pending.batches.popleft()
                if len(batch.rows) > 1:
                    pending.batches.extendleft(reversed(batch.halves()))
                else:
                    self._refuse(pending, batch.rows[0], code)
            else:
                pending.batches.popleft()

    def _refresh_cases(self, stored: list[_Pending]) -> None:
        """Brings hub.cases up to the facts just stored. Nothing is committed before, so that no fact is left out."""
        ids = touched(row for pending in stored for row in pending.rows)
        if not ids:
            return
        try:
            self._cases = self._cases or Cases(self._clickhouse)
            self._cases.refresh(ids)
        except Exception as error:
            found, code = verdict(error)
            metrics.STORE_ERRORS.labels("cases", code).inc()
            if found is Verdict.RETRY:
                raise _UnavailableError(f"ClickHouse did not compute the cases (code {code})") from None
            raise SinkError(
                f"ClickHouse could not compute the cases, code {code} ({type(error).__name__}): look it up in system.errors, "
                "check the sink's user, its memory and the migrations, then start the sink again"
            ) from None

    def _insert(self, batch: Batch) -> None:
        insert_batch(self._clickhouse, batch)
        now = time.time()
        table = batch.table.removeprefix("hub.")
        metrics.STORED.labels(table).inc(len(batch.rows))
        metrics.LAST_STORED.labels(table).set(now)
        from_broker, from_source = metrics.BROKER_TO_ROW.labels(table), metrics.SOURCE_TO_ROW.labels(table)
        for row in batch.rows:
            from_broker.observe(max(now - row.timestamp / 1000, 0.0))
            if row.source_at is not None:
                from_source.observe(max(now - row.source_at / 1000, 0.0))

    def _refuse(self, pending: _Pending, row: Row, code: str) -> None:
        pending.refused += 1
        if pending.refused > _REFUSED_LIMIT:
            raise SinkError(
                f"ClickHouse refuses more than {_REFUSED_LIMIT} rows of {row.table} at once (code {code}): table and sink "
                "do not fit; check that this release's migrations were applied, then start the sink again"
            )
        pending.refuse(
            pending.raw[row.offset],
            "store_refused",
            f"ClickHouse refuses the row for {row.table} (code {code}): compare its values with the column types",
        )

    def _send_letters(self, pending: _Pending) -> None:
        if not pending.letters:
            return
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error)

        for letter in pending.letters.values():
            value = self._codec.encode("dead_letter", letter)
            key = (letter["feed"] or pending.topic).encode()
            self._producer.produce(topics.DEADLETTER, key=key, value=value, on_delivery=delivered)
        left = self._producer.flush(_DELIVERY_TIMEOUT)
        if any(error.code() == KafkaError.MSG_SIZE_TOO_LARGE for error in failed):
            raise SinkError(
                f"a dead letter is too large for topic {topics.DEADLETTER}: raise its max.message.bytes above that of "
                f"topic {pending.topic}, then start the sink again"
            )
        if left or failed:
            raise _UnavailableError(f"Kafka did not take dead letters of topic {pending.topic}")
        for letter in pending.letters.values():
            feed = letter["feed"] if letter["feed"] in self._feeds else ""
            metrics.DEAD_LETTERED.labels(feed, STAGE, letter["reason_code"]).inc()
        pending.letters.clear()

    def _commit(self) -> None:
        offsets = [TopicPartition(topic, partition, done) for (topic, partition), done in self._to_commit.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if error.fatal():
                raise SinkError(f"Kafka refuses this consumer ({error.name()}): start the sink again") from None
            # The rows are stored; what was not committed is read and stored again at worst, as the same rows.
            _log.warning("Kafka did not take the commit (%s); it is sent again", error.name())
            return
        for answer in answers:
            if answer.error is None:
                self._to_commit.pop((answer.topic, answer.partition), None)

    # Waiting for ClickHouse or Kafka: the partitions are paused, and reading goes on empty to stay in the group

    def _pause(self, reason: str) -> None:
        seconds = min(_LONGEST_PAUSE, 0.2 * 2 ** min(self._failures, 8)) * random.uniform(0.5, 1.0)  # noqa: S311
        self._failures += 1
        self._paused_until = time.monotonic() + seconds
        _log.warning("%s; the same again in %.1f s", reason, seconds)
        self._consumer.pause(self._consumer.assignment())

    def _resume(self) -> None:
        if self._paused_until is not None:
            _log.info("storing goes on after %d failed attempts", self._failures)
            self._failures, self._paused_until = 0, None
            self._consumer.resume(self._consumer.assignment())

    # Rebalancing

    def _assigned(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign(partitions)
        for new in partitions:
            self._pending[new.topic, new.partition] = _Pending(new.topic, new.partition)
        if self._paused_until is not None:
            consumer.pause(partitions)
        try:
            committed = consumer.committed(partitions, timeout=_BROKER_TIMEOUT) if partitions else []
        except KafkaException:
            return  # only the lag needs it, and the first commit tells it as well
        for found in committed:
            if found.offset >= 0:
                self._pending[found.topic, found.partition].done = found.offset

    def _dropped(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """What was read of these partitions and not stored is read by their next owner."""
        for gone in partitions:
            self._pending.pop((gone.topic, gone.partition), None)
            self._to_commit.pop((gone.topic, gone.partition), None)
        consumer.incremental_unassign(partitions)

    # Lag

    def _count_lag(self) -> None:
        records = dict.fromkeys(STORED_TOPICS, 0)
        seconds = dict.fromkeys(STORED_TOPICS, 0.0)
        try:
            first, end = self._edges(_FIRST), self._edges(_END)
        except KafkaException:
            _log.warning("Kafka did not tell where its topics end; the lag is not counted")
            return
        now = time.time()
        for key, pending in self._pending.items():
            behind = end[key] - max(first[key], pending.done or 0)
            if behind > 0:
                records[pending.topic] += behind
                oldest = pending.oldest_at()
                if oldest is not None:
                    seconds[pending.topic] = max(seconds[pending.topic], now - oldest / 1000)
        for topic in STORED_TOPICS:
            metrics.LAG_RECORDS.labels(STAGE, topic).set(records[topic])
            metrics.LAG_SECONDS.labels(STAGE, topic).set(seconds[topic])

    def _edges(self, which: Any) -> dict[Key, int]:
        """First or next offset of every partition held; asked apart from the consumer, whose connection waits in fetches."""
        places = [TopicPartition(topic, partition) for topic, partition in self._pending]
        if not places:
            return {}
        asked = self._admin.list_offsets(dict.fromkeys(places, which), request_timeout=_BROKER_TIMEOUT)
        return {(place.topic, place.partition): found.result().offset for place, found in asked.items()}
