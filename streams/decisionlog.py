"""Thin I/O around the logs that states are folded from: reading them back, and writing what a chunk led to."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from schemas import topics
from streams.chunks import Message, Outputs
from streams.process import WorkerError, client_logger

_BATCH: Final = 5000
#: `consume` waits so long for a full batch, even when partitions have ended.
_POLL_S: Final = 0.1
_FLUSH_S: Final = 1.0


class DeliveryError(WorkerError):
    """Kafka did not take an output: the chunk must not be acknowledged, the process must end."""


class LogReader:
    """Reads partitions of a topic that a state is the fold of."""

    def __init__(self, bootstrap: str) -> None:
        """`bootstrap`: host:port of brokers, comma between them."""
        self._bootstrap = bootstrap

    def read(
        self, topic: str, begin: Mapping[int, int], fold: Callable[[int, Any], None], before: int | None = None
    ) -> dict[int, int]:
        """Give `fold` every message of each partition from its `begin` offset on; return the offsets where it ended.

        It ends at the present end of a partition, or `before` an offset. Waits while the broker is away; what `fold` raises
        goes through.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "worker-log",  # required by the client; nothing is committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "log.connection.close": False,
            },
            logger=client_logger,
        )
        ends: dict[int, int] = {}
        try:
            consumer.assign([TopicPartition(topic, p, o or OFFSET_BEGINNING) for p, o in begin.items()])
            while len(ends) < len(begin):
                for message in consumer.consume(_BATCH, _POLL_S):
                    error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
                    if error is None:
                        if before is not None and offset >= before:
                            ends.setdefault(partition, before)
                        if partition not in ends:
                            fold(partition, message)
                    elif error.code() == KafkaError._PARTITION_EOF:
                        ends.setdefault(partition, offset)
                    elif error.fatal() or not (error.retriable() or error.code() in _BROKER_AWAY):
                        raise KafkaException(error)
        finally:
            consumer.close()
        return ends


_BROKER_AWAY: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    }
)


class Writer:
    """Writes the outputs of chunks; one at a time."""

    def __init__(self, bootstrap: str, linger_ms: float) -> None:
        """`linger_ms`: how long a batch may wait to grow; `write` ends the wait of its last one."""
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # as Java's and aiokafka's
                "compression.type": "lz4",
                "linger.ms": linger_ms,
                "message.max.bytes": 2_000_000,
                "log.connection.close": False,
            },
            logger=client_logger,
        )

    def write(self, partition: int, outputs: Outputs) -> range:
        """Return when Kafka has acknowledged all of it; the range of offsets that the decisions lie in.

        What a person is asked, alerts and dead letters come first: a decision in the log says that all that goes with it is
        written. Raises
        DeliveryError.
        """
        if outputs.alerts or outputs.dead_letters or outputs.reviews:
            self._send(topics.REVIEW, outputs.reviews)
            self._send(topics.ALERTS, outputs.alerts)
            self._send(topics.DEADLETTER, outputs.dead_letters)
        offsets = self._send(topics.ROUTED, outputs.routed, partition)
        return range(min(offsets, default=0), max(offsets, default=-1) + 1)

    def pass_on(self, topic: str, outputs: Outputs) -> None:
        """Return when Kafka has acknowledged the assembled reports, which go to this intake topic by their keys.

        Raises DeliveryError.
        """
        self._send(topics.DEADLETTER, outputs.dead_letters)
        self._send(topic, outputs.reports)

    def _send(self, topic: str, messages: list[Message], partition: int = -1) -> list[int]:
        """Produce and wait for every acknowledgement."""
        offsets: list[int] = []
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is None:
                offsets.append(message.offset())
            else:
                errors.append(error)

        batch = [{"key": key, "value": value} for key, value in messages]
        queued = self._producer.produce_batch(topic, batch, partition, on_delivery=delivered)
        while self._producer.flush(_FLUSH_S):
            pass
        if errors or queued != len(messages) or len(offsets) != queued:
            names = ", ".join(sorted({error.name() for error in errors})) or "queue full"
            raise DeliveryError(
                f"{len(messages) - len(offsets)} of {len(messages)} records were not taken by topic {topic} ({names}): "
                "the worker ends and will decide them again; check the broker and the topic's settings"
            )
        return offsets
