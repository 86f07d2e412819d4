"""A Faust transport that delivers whole chunks: one Faust event per (topic-partition, up to N records).

Faust's cost is per event, about 90 microseconds; here a chunk of a thousand records is one. Assignment, rebalance, commit,
timers and supervision stay Faust's. The broker URL's scheme chooses it: ``batch://host:port?chunk=1000``, after
:func:`register`. It overrides private methods of faust-streaming 0.15.3 and aiokafka 0.14, which are pinned; the reasons
are in docs/decisions/0003. An event's value is a list of aiokafka's ``ConsumerRecord``; agents must take it with
``noack`` and ack by hand.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import aiokafka
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

SCHEME: Final = "batch"
DEFAULT_CHUNK: Final = 1000
#: Seconds that one fetch may wait for records: also how long a rebalance may have to wait for the fetch loop to rest.
_FETCH_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Range:
    """A chunk that was delivered. `end` is the offset after its last record."""

    message: Any
    end: int


class BatchConsumer(driver.Consumer):
    """Fetch loop, acks and commits by chunk."""

    transport: "Transport"
    _thread: "_BatchConsumerThread"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Faust's consumer."""
        super().__init__(*args, **kwargs)
        self._chunk: int = self.transport.chunk
        # Objects, not offsets: a late ack of a chunk that was revoked must not finish the same chunk read again.
        self._unfinished: dict[TP, deque[_Range]] = {}
        self._finished: dict[TP, int] = {}
        self._revoked = False
        self._resting = asyncio.Event()
        self._resting.set()

    def _new_consumer_thread(self) -> "_BatchConsumerThread":
        return _BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- delivery ---------------------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch and deliver until the consumer or Faust's fetcher service stops."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if self._revoked or not self.flow_active or not self._active_partitions:
                    self._resting.set()
                    await self.sleep(0.02)
                    continue
                self._resting.clear()
                await self._fetch_and_deliver()
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        finally:
            self._resting.set()

    async def _fetch_and_deliver(self) -> None:
        generation = self.app.consumer_generation_id
        records, active = await self._wait_next_records(timeout=_FETCH_SECONDS)
        if not records:
            self._finish_gaps(active or ())
            return
        for tp, found in records.items():
            for begin in range(0, len(found), self._chunk):
                if self.should_stop or self._revoked or not self.flow_active:
                    return  # what is left is read again: a rebalance seeks to the committed offsets before flow resumes
                if generation != self.app.consumer_generation_id:
                    raise RuntimeError(
                        "a fetch outlived a rebalance: the worker must start again from what is committed"
                    )
                await self._deliver(tp, found[begin : begin + self._chunk])

    async def _deliver(self, tp: Any, records: list[Any]) -> None:
        first, last = records[0], records[-1]
        message = ConsumerMessage(
            first.topic,
            first.partition,
            first.offset,
            first.timestamp / 1000,
            first.timestamp_type,
            None,
            None,
            cast(Any, records),
            None,
            0,
            0,
            TP(tp.topic, tp.partition),
            generation_id=self.app.consumer_generation_id,
        )
        self._unfinished.setdefault(message.tp, deque()).append(_Range(message, last.offset + 1))
        # The put waits while the stream's queue is full, and must give way to a rebalance.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: the bounded queue blocks by itself; Faust would stop fetching for a second at a time."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, see `on_buffer_full`."""

    # -- acks and commits -------------------------------------------------------------------------------------------

    def ack(self, message: Any) -> bool:
        """Mark a chunk as done."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (
            tp for tp in {*self._unfinished, *self._finished} if topics is None or tp in topics or tp.topic in topics
        )

    def _new_offset(self, tp: TP) -> int | None:
        """The end of the last chunk before which all are done. (Faust's stream may inline `ack`; it can't this.)"""
        unfinished = self._unfinished.get(tp, deque())
        while unfinished and unfinished[0].message.acked:
            self._finished[tp] = max(self._finished.get(tp, 0), unfinished.popleft().end)
        return self._finished.get(tp)

    def _finish_gaps(self, active: Iterable[Any]) -> None:
        """Let the commit pass what is never delivered: transaction markers, compacted records, at a partition's end."""
        for tp in active:
            position = self._thread.fetch_position(tp)
            self._new_offset(tp)
            if not self._unfinished.get(tp) and position:
                self._finished[tp] = max(self._finished.get(tp, 0), position)

    # -- rebalance --------------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the chunk at work finish, commit what is done, forget the rest: it is read again by whoever gets it."""
        self._revoked = True
        self.stop_flow()
        self.app.flow_control.suspend()
        self.app.flow_control.clear()
        try:
            async with asyncio.timeout(self.app.conf.broker_session_timeout):
                await self._resting.wait()
                while self._unacked_messages:
                    await asyncio.sleep(0.01)
                await self.maybe_wait_for_commit_to_finish()
                await self.force_commit()
        except TimeoutError:
            self.log.warning("The chunk at work did not finish before a rebalance: it will be read again")
        self._unfinished.clear()
        self._finished.clear()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Go on with the new assignment, from its committed offsets."""
        await super().on_partitions_assigned(assigned, generation_id)
        self._revoked = False


class _BatchConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # Faust sets it only for exactly_once
        return consumer

    def fetch_position(self, tp: Any) -> int | None:
        """Offset after the last record (or gap) that a fetch has passed; None before the first."""
        assignment = self._ensure_consumer()._subscription.subscription.assignment
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return state.position if state is not None and state.has_valid_position else None


class Transport(driver.Transport):
    """Faust's aiokafka transport with :class:`BatchConsumer`. The URL's `chunk` is the most records of one event."""

    Consumer = BatchConsumer

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As Faust's transport."""
        super().__init__(*args, **kwargs)
        self.chunk = int(self.url[0].query.get("chunk", DEFAULT_CHUNK))


def register() -> None:
    """Make the scheme known to Faust."""
    TRANSPORTS.aliases[SCHEME] = f"{Transport.__module__}:{Transport.__qualname__}"
