"""The Faust app: takes chunks of the intake topics, has them decided, writes the outcomes, then acknowledges.

    intake.<feed> --transport--> chunk --ChunkDecider--> outputs --Writer--> routed, alerts, deadletter --> ack --> commit
    messages.<feed> --transport--> chunk --Assembler--> outputs --Writer--> intake.<feed>, deadletter --> ack --> commit

State is the fold of `routed` (docs/decisions/0009), and of `messages.<feed>` where single messages are assembled into reports
(docs/decisions/0016). Any error that is not a bad record ends the process before anything
is acknowledged; the next start decides the same records again and gets the same answers.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, cast

import faust
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from yarl import URL

from monitoring import metrics
from profiles import Profile
from schemas import topics
from schemas.codec import Codec, DecodeError
from schemas.records import Change, RoutedReport
from streams import transport
from streams.assembly import Assembler, Sessions
from streams.chunks import ChunkDecider, Record
from streams.decisionlog import LogReader, Writer
from streams.process import LagGauges, WorkerError, client_logger, die, logger, quieten, serve_metrics
from streams.reload import ListWatch, ModelWatch
from streams.state import PartitionState
from streams.surge import Surges

_LAG_SECONDS: Final = 5.0
_LIST_TIMEOUT_S: Final = 30.0
#: Objects that come before the collector of cycles looks through them: Python's 700 cost a tenth of a decision on an alarm.
_YOUNG_OBJECTS: Final = 20_000


@dataclass(frozen=True)
class WorkerConfig:
    """Settings of one worker process.

    `bootstrap`: host:port of brokers, comma between them. `instance_id`: static member id, one per process of the
    group; a worker that comes back under its id gets its partitions back at once. `driver`: `batch` (chunks, see
    `streams.transport`) or `kafka` (Faust's own, one event per record).
    """

    bootstrap: str
    profile: Profile
    codec: Codec
    data_dir: Path
    instance_id: str = "worker-1"
    driver: Literal["batch", "kafka"] = "batch"
    group: str = "zhishu-worker"
    chunk_records: int = 1000
    buffer_chunks: int = 8
    commit_interval_s: float = 1.0
    session_timeout_s: float = 10.0
    linger_ms: float = 2.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None

    @property
    def intake(self) -> list[str]:
        """Intake topics of the profile."""
        return [topics.intake_topic(feed) for feed in self.profile.feeds()]

    @property
    def messages(self) -> dict[str, str]:
        """Topics of single messages, with their feeds; none where no channel assembles."""
        return {topics.messages_topic(feed): feed for feed in self.profile.assembled_feeds()}

    @property
    def consumed(self) -> list[str]:
        """All topics a worker takes chunks of."""
        return [*self.intake, topics.PROGRESS, topics.RULINGS, *self.messages]


class _Taken(NamedTuple):
    """A record that came by itself, and not in a chunk."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, message: Any) -> "_Taken":
        """A message of the plain client, which only the fold sees."""
        return cls(message.offset(), message.timestamp()[1], message.key(), message.value(), ())


def _pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    """Headers as Kafka has them; Faust makes a mapping of them."""
    return tuple(headers.items()) if isinstance(headers, Mapping) else tuple(headers or ())


@dataclass
class _Ledger:
    """State of one partition number, and the offset in `routed` up to which it holds the log."""

    state: PartitionState
    end: int = 0


@dataclass
class _Fold:
    """Sessions of one partition of single messages, and the offset up to which they hold it."""

    sessions: Sessions = field(default_factory=Sessions)
    end: int = 0


class Engine:
    """Decides chunks and keeps the state of the partition numbers this process has. `handle` runs in one thread."""

    def __init__(self, config: WorkerConfig) -> None:
        """Prepare rules and producer; raises streams.classify.ModelError where the profile's model can't be used."""
        self._consumed = frozenset(config.consumed)
        self._messages = config.messages
        self._codec = config.codec
        self._profile = config.profile
        self._lists = ListWatch(config.profile)
        self._models = ModelWatch(config.profile)
        self._decider = ChunkDecider(config.profile, config.codec, self._models.classifier)
        self._assembler = Assembler(config.profile, config.codec)
        self._reader = LogReader(config.bootstrap)
        self._writer = Writer(config.bootstrap, config.linger_ms)
        self._ledgers: dict[int, _Ledger] = {}
        self._folds: dict[tuple[str, int], _Fold] = {}
        self._stale: set[int] = set()
        self.assigned: frozenset[int] | None = None

    def assign(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Take over these (topic, partition) pairs after a rebalance.

        The state of other numbers is dropped; that of a number held before is brought up to the log's end before it is
        used, since another worker may have had the partition in between. Raises WorkerError when not all topics of a number
        are here.
        """
        topics_of: dict[int, set[str]] = {}
        for topic, number in partitions:
            topics_of.setdefault(number, set()).add(topic)
        torn = sorted(number for number, found in topics_of.items() if found != self._consumed)
        if torn:
            raise WorkerError(
                f"partition numbers {torn} were assigned without some of their topics: every worker of the group must run "
                "with the same profile, and all topics intake.* and messages.* must have the same number of partitions"
            )
        self.assigned = frozenset(topics_of)
        self._ledgers = {number: ledger for number, ledger in self._ledgers.items() if number in topics_of}
        self._folds = {key: fold for key, fold in self._folds.items() if key[1] in topics_of}
        self._stale = set(topics_of)
        self._count_state()

    def handle(self, topic: str, partition: int, records: Sequence[Record]) -> bool:
        """Decide on a chunk, or assemble it; True when all its outputs are acknowledged, False when the partition was taken
        away."""
        if topic in self._messages:
            return self._assemble(topic, partition, records)
        stale = self._stale
        if stale:
            self._catch_up(frozenset(stale))
            stale.clear()
        # A rebalance during a long catch-up leaves this chunk to whoever has the partition now.
        if stale is not self._stale or partition not in (self.assigned or ()):
            return False
        self._reload()
        ledger = self._ledgers[partition]
        outputs = self._decider.run(ledger.state, topic, partition, records)
        written = self._writer.write(partition, outputs)
        if outputs.routed:
            if written == range(ledger.end, ledger.end + len(outputs.routed)):
                ledger.end = written.stop
            else:
                logger.warning("Another worker wrote to partition %d of the decision log: reading it anew", partition)
                del self._ledgers[partition]
                stale.add(partition)
        outputs.count()
        self._count_state()
        return True

    def _reload(self) -> None:
        """Take lists and model of the profile that changed since the last chunk: a chunk is decided by one of each."""
        changed = self._lists.reloaded(self._profile)
        if changed is not None:
            self._profile = changed
        if self._models.reloaded(self._profile) or changed is not None:
            self._decider = ChunkDecider(self._profile, self._codec, self._models.classifier)
        if changed is None:
            return
        for ledger in self._ledgers.values():
            ledger.state.surges.rules = changed.surge
        logger.info("Routing by responsibility list %s from now on", changed.named_list)

    def _assemble(self, topic: str, partition: int, records: Sequence[Record]) -> bool:
        """Add the messages of a chunk to their reports, after those before it that this process has not seen.

        What comes again was passed on before. Another worker that still believes it has the partition passes on the very
        same: nothing depends on who does.
        """
        turn, feed = self._stale, self._messages[topic]
        fold = self._folds.setdefault((topic, partition), _Fold())
        if fold.end < records[0].offset:
            take = self._assembler.fold(fold.sessions, feed)
            self._reader.read(topic, {partition: fold.end}, lambda _, m: take(_Taken.of(m)), records[0].offset)
            fold.end = records[0].offset
        # A rebalance during a long reading leaves this chunk to whoever has the partition now.
        if turn is not self._stale or partition not in (self.assigned or ()):
            return False
        fresh = [record for record in records if record.offset >= fold.end]
        outputs = self._assembler.run(fold.sessions, feed, topic, partition, fresh)
        self._writer.pass_on(topics.intake_topic(feed), outputs)
        fold.end = max(fold.end, records[-1].offset + 1)
        outputs.count()
        return True

    def _catch_up(self, numbers: frozenset[int]) -> None:
        rules = self._profile.surge
        ledgers = {n: self._ledgers.get(n) or _Ledger(PartitionState(surges=Surges(rules))) for n in numbers}
        begun = time.monotonic()
        begin = {number: ledger.end for number, ledger in ledgers.items()}

        def apply(number: int, message: Any) -> None:
            """Only workers may write to the log: a foreign record there is an error that a person must look at."""
            subject, record = self._codec.decode(message.value() or b"")
            if subject == "change":
                ledgers[number].state.apply_change(cast(Change, record))
            elif subject == "routed_report":
                ledgers[number].state.apply(cast(RoutedReport, record))
            else:
                raise DecodeError("bad_record", f"a record of schemas/{subject} stands in topic {topics.ROUTED}")

        ends = self._reader.read(topics.ROUTED, begin, apply)
        for number, end in ends.items():
            ledgers[number].end = end
        self._ledgers.update(ledgers)
        # What is remembered holds no cycles: looking through a million reports for some would stop the worker for a second.
        gc.freeze()
        logger.info(
            "Read %d decisions of %d partitions from the log in %.1f s",
            sum(ends[number] - begin[number] for number in numbers),
            len(numbers),
            time.monotonic() - begun,
        )

    def _count_state(self) -> None:
        states = [ledger.state for ledger in self._ledgers.values()]
        metrics.STATE_REPORTS.set(sum(len(state.reports) for state in states))
        metrics.EARLY_STEPS.set(sum(state.early_steps for state in states))


class _AsIs(faust.Schema[Any, Any]):
    """Hands key and value to the agent as they came."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Return the function that makes an event of a message."""
        create = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create(message.key, message.value, message.headers, message)

        return decode


async def _chunks(stream: Any, config: WorkerConfig) -> AsyncIterator[tuple[str, int, Sequence[Any], list[Any]]]:
    """Topic, partition, records and the events to acknowledge, for either driver."""
    if config.driver == "batch":
        async for event in stream.noack().events():
            yield event.message.topic, event.message.partition, event.message.value, [event]
        return
    async for events in stream.noack_take(config.chunk_records, within=0.05):
        by_partition: dict[tuple[str, int], list[Any]] = {}
        for event in events:
            by_partition.setdefault((event.message.topic, event.message.partition), []).append(event)
        for (topic, partition), found in by_partition.items():
            messages = [event.message for event in found]
            yield (
                topic,
                partition,
                [_Taken(m.offset, round(m.timestamp * 1000), m.key, m.value, _pairs(m.headers)) for m in messages],
                found,
            )


def make_app(config: WorkerConfig, engine: Engine | None = None) -> faust.App:
    """The Faust app of a worker; `run_worker` runs it. The topics must exist."""
    transport.register()
    query = {"chunk": str(config.chunk_records)} if config.driver == transport.SCHEME else {}
    app = faust.App(
        config.group,
        broker=[URL(f"{config.driver}://{host}").with_query(query) for host in config.bootstrap.split(",")],
        datadir=str(config.data_dir),
        store="memory://",
        consumer_group_instance_id=config.instance_id,
        broker_session_timeout=config.session_timeout_s,
        broker_heartbeat_interval=config.session_timeout_s / 4,
        broker_commit_interval=config.commit_interval_s,
        stream_buffer_maxsize=config.buffer_chunks if config.driver == transport.SCHEME else 4 * config.chunk_records,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
    )
    deciding = engine or Engine(config)
    thread = ThreadPoolExecutor(1, "decide")
    lag = LagGauges()

    @app.agent(app.topic(*config.consumed, schema=_AsIs()))
    async def decide(stream: Any) -> None:
        loop = asyncio.get_running_loop()
        try:
            async for topic, partition, records, events in _chunks(stream, config):
                if await loop.run_in_executor(thread, deciding.handle, topic, partition, records):
                    lag.done(topic, partition, records[-1].timestamp)
                    for event in events:
                        event.ack()
        except Exception as error:
            die(error)

    async def on_assigned(_: Any, assigned: Any, **__: Any) -> None:
        try:
            deciding.assign(assigned)
        except WorkerError as error:
            die(error)

    app.on_partitions_assigned.connect(cast(Any, on_assigned))

    @app.timer(interval=_LAG_SECONDS)  # type: ignore[untyped-decorator]
    async def observe() -> None:
        if app.consumer.crashed:
            die(app.consumer.crash_reason or WorkerError("the consumer ended"))
        lag.observe(config.consumed, app.consumer)

    return app


def check_topics(config: WorkerConfig) -> None:
    """Raise WorkerError unless all topics exist and those consumed and `routed` have one number of partitions."""
    client = AdminClient({"bootstrap.servers": config.bootstrap, "log.connection.close": False}, logger=client_logger)
    try:
        found = {name: len(t.partitions) for name, t in client.list_topics(timeout=_LIST_TIMEOUT_S).topics.items()}
    except KafkaException as error:
        raise WorkerError(f"no Kafka broker answers at {config.bootstrap}: start it, or correct the address") from error
    together = [*config.consumed, topics.ROUTED]
    missing = [name for name in (*together, topics.REVIEW, topics.ALERTS, topics.DEADLETTER) if not found.get(name)]
    if missing:
        raise WorkerError(f"topics {', '.join(missing)} are missing: create them before the worker starts")
    if len({found[name] for name in together}) > 1:
        counts = ", ".join(f"{name} {found[name]}" for name in together)
        raise WorkerError(f"the numbers of partitions differ ({counts}): reports of one place would not meet")


def run_worker(config: WorkerConfig) -> None:
    """Run until SIGTERM or SIGINT, then return by SystemExit(0); exit code 1 after an error.

    Raises WorkerError when the topics are not as they must be.
    """
    quieten()
    gc.set_threshold(_YOUNG_OBJECTS)
    check_topics(config)
    engine = Engine(config)
    app = make_app(config, engine)
    if config.metrics_port is not None:
        serve_metrics(config.metrics_host, config.metrics_port, lambda: engine.assigned is not None)
    worker = faust.Worker(app, loglevel="INFO", quiet=True, redirect_stdouts=False)
    try:
        worker.execute_from_commandline()
    finally:
        if worker.crashed or app.crashed:
            die(worker.crash_reason or app.crash_reason or WorkerError("Faust ended"))
