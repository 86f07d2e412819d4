"""Records to Kafka, acknowledged by all replicas before anyone is told so."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self

from confluent_kafka import KafkaError, KafkaException, Producer

#: Topic, key, value.
KafkaRecord = tuple[str, bytes, bytes]

_log: Final = logging.getLogger(__name__)
_POLL_S: Final = 0.1
_QUEUE_MESSAGES: Final = 200_000
_QUEUE_KBYTES: Final = 256 * 1024


class UnavailableError(RuntimeError):
    """Kafka did not acknowledge every record in time: send the whole batch again; ids make that safe."""


class RecordSink(Protocol):
    """Where the gateway's records go."""

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        """Returns when every record is acknowledged; raises UnavailableError when any is not."""
        ...

    async def ready(self) -> bool:
        """Whether records can be acknowledged now."""
        ...


class _Batch:
    """Counts the delivery reports of one `send`; the last one ends its future. Runs on the polling thread."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._left = count
        self._error: str | None = None

    def delivered(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None:
            self._error = error.name()
        self._left -= 1
        # A loop that was closed meanwhile has nobody left to tell.
        if self._left == 0 and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self.done.done():
            return
        if self._error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(UnavailableError(f"Kafka did not acknowledge ({self._error})"))


class KafkaSink:
    """An idempotent librdkafka producer with `acks=all` behind one polling thread.

    bootstrap: servers as host:port,host:port. timeout_s: bound for an acknowledgement. settings: further librdkafka
    settings (security, for example); those that keep a promise of this class can't be changed. on_fatal: called
    when the producer must be made anew.
    """

    def __init__(
        self,
        bootstrap: str,
        timeout_s: float = 10.0,
        settings: Mapping[str, Any] | None = None,
        on_fatal: Callable[[], None] = lambda: None,
    ) -> None:
        self._timeout_s = timeout_s
        self._on_fatal = on_fatal
        self._fatal: str | None = None
        self._producer = Producer(
            {
                **(settings or {}),
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "message.timeout.ms": int(timeout_s * 1000),
                "linger.ms": 5,
                "compression.type": "lz4",
                "partitioner": "murmur2_random",  # where Java and aiokafka put the key
                "queue.buffering.max.messages": _QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                "log.connection.close": False,
                "error_cb": self._on_error,
            },
            logger=_log,
        )
        self._running = True
        self._thread = threading.Thread(target=self._poll, name="kafka-delivery", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while self._running:
            self._producer.poll(_POLL_S)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error.name()
            self._on_fatal()
        _log.warning("Kafka: %s", error.name())

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        """Returns when every record is acknowledged.

        Raises UnavailableError when one is not acknowledged within the bound, or the local queue is full. Some records may
        then stand in Kafka all the same: sending the batch again gives the same ids.
        """
        if not records:
            return
        if self._fatal:
            raise UnavailableError(f"the Kafka producer must be restarted ({self._fatal})")
        batch = _Batch(len(records), asyncio.get_running_loop())
        produce = self._producer.produce
        try:
            for topic, key, value in records:
                produce(topic, value, key, on_delivery=batch.delivered)
        except (BufferError, KafkaException) as error:
            raise UnavailableError(f"the record was not taken for Kafka ({type(error).__name__})") from None
        try:
            # librdkafka's own timeout ends the wait; this one is for the case that it does not.
            await asyncio.wait_for(batch.done, self._timeout_s + 5)
        except TimeoutError:
            raise UnavailableError("Kafka did not acknowledge in time") from None

    async def ready(self) -> bool:
        """Whether a broker answers and the producer is sound; takes two seconds at most."""
        if self._fatal:
            return False
        try:
            await asyncio.to_thread(self._producer.list_topics, timeout=2)
        except KafkaException:
            return False
        return True

    def close(self) -> None:
        """Ends the thread and sends what is queued, within the acknowledgement's bound."""
        self._running = False
        self._thread.join()  # first: delivery reports are counted on one thread at a time
        self._producer.flush(self._timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()
