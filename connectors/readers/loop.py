"""What every reader has in common: take a batch, wait for Kafka, only then remember how far it got (docs/decisions/0018).

A reader loses nothing and may take things twice: two readers of one channel at once, or one that was killed between Kafka's
acknowledgement and its cursor, produce the same records with the same ids, which the worker knows as replays.
"""

import asyncio
import logging
import math
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, Protocol

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from connectors.base import Connector, Outcome
from connectors.bodies import Broken, Message, Parsed
from connectors.intake import Intake
from connectors.producer import UnavailableError
from connectors.readers.cursor import Cursor, CursorStore
from monitoring import metrics
from profiles import Channel

_log: Final = logging.getLogger(__name__)
#: Longest pause between two attempts, seconds; each is a random part of a bound that doubles.
_LONGEST_PAUSE_S: Final = 60.0
JSON: Final = "application/json"


class SourceError(RuntimeError):
    """The source does not give what it should; the message says why and what to do, without values of its records.

    The reader tries again, and other channels are not touched.
    """


@dataclass(frozen=True, slots=True)
class Batch:
    """What is taken together: either `items` that are read already, or one `body` in the protocol's own form.

    connector: another than the channel's own. cursor: stored once Kafka has the batch; None: none. tail: names the device,
    as the end of a push's address does. settled: told the outcomes, one for each item.
    """

    items: Sequence[Message | Broken] = ()
    body: bytes = b""
    content_type: str = JSON
    connector: Connector | None = None
    cursor: Cursor | None = None
    tail: str = ""
    settled: Callable[[Sequence[Outcome]], None] | None = None


class Origin(Protocol):
    """One source, asked again and again.

    name: of the cursor and of log lines (the channel's id, for streams with the device). identity: what the cursor is good
    for. every_s: pause between passes. errors: what may go wrong without being a fault of the program.
    """

    name: str
    identity: str
    every_s: float
    errors: tuple[type[Exception], ...]

    def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One pass: batches after the cursor, until there is no more for now (a stream: until it breaks)."""
        ...


@dataclass(slots=True)
class State:
    """How a reader fares: what /health shows. Times in seconds since 1970; 0: never."""

    last_success: float = 0.0
    last_error: str = ""
    failures: int = 0


class Reader:
    """One origin of one channel, read for ever."""

    def __init__(
        self, channel: Channel, origin: Origin, connector: Connector, intake: Intake, cursors: CursorStore
    ) -> None:
        self.channel = channel
        self.state = State()
        self._origin = origin
        self._connector = connector
        self._intake = intake
        self._cursors = cursors
        self._moved = False

    @property
    def name(self) -> str:
        """The channel's id, for streams with the device."""
        return self._origin.name

    async def run(self) -> None:
        """Reads until it is cancelled. What fails is tried again after a pause that grows; nothing else ends it."""
        while True:
            async for attempt in AsyncRetrying(
                wait=wait_random_exponential(multiplier=max(1.0, self._origin.every_s / 4), max=_LONGEST_PAUSE_S),
                retry=retry_if_exception_type(Exception),
            ):
                with attempt:
                    await self._try_pass()
            await asyncio.sleep(self._origin.every_s)

    async def _try_pass(self) -> None:
        """One pass; when it broke off after it had got on, that counts as a success of what was taken."""
        self._moved = False
        try:
            await self.pass_once()
        except Exception as error:
            self._failed(error)
            if not self._moved:
                raise

    async def pass_once(self) -> None:
        """Reads what there is now."""
        origin = self._origin
        cursor = self._cursors.load(origin.name, origin.identity)
        async with aclosing(origin.read(cursor)) as batches:
            async for batch in batches:
                if not self._moved:
                    self._succeeded()
                outcomes = await self._take(batch)
                if batch.settled is not None:
                    batch.settled(outcomes)
                if batch.cursor is not None:
                    self._cursors.save(origin.name, origin.identity, batch.cursor)
                self._succeeded()
        self._succeeded()

    async def _take(self, batch: Batch) -> list[Outcome]:
        """The batch's outcomes once Kafka has its records; the same batch again for as long as Kafka does not answer."""
        connector = replace(batch.connector or self._connector, repeats=False)
        if batch.items:
            connector = replace(connector, parse=lambda *_: Parsed(batch.items, single=False))
        elif not batch.body:
            return []
        async for attempt in AsyncRetrying(
            wait=wait_random_exponential(multiplier=0.5, max=_LONGEST_PAUSE_S / 2),
            retry=retry_if_exception_type(UnavailableError),
            before_sleep=self._waits,
        ):
            with attempt:
                taken = await self._intake.take(
                    self.channel, connector, batch.body, batch.content_type, tail=batch.tail
                )
        return taken.outcomes

    def _waits(self, state: RetryCallState) -> None:
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            self.state.last_error = str(error)
            _log.warning("%s: %s; the same batch again", self.name, error)

    def _succeeded(self) -> None:
        self._moved = True
        self.state.last_success = time.time()
        self.state.last_error = ""
        self.state.failures = 0

    def _failed(self, error: Exception) -> None:
        """Tells of it once; only a SourceError's text is known to hold no values."""
        self.state.failures += 1
        if isinstance(error, SourceError):
            self.state.last_error = str(error)
        elif isinstance(error, self._origin.errors):
            self.state.last_error = f"{type(error).__name__}: the source does not answer as it should"
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self.state.last_error = f"{type(error).__name__} in {frame.filename}, line {frame.lineno} ({frame.name})"
        _log.warning("%s: %s; it is tried again", self.name, self.state.last_error)


def observe(readers: Iterable[Reader]) -> None:
    """Sets the metric of each channel to its source that was read longest ago; called before the metrics are shown."""
    oldest: dict[str, float] = {}
    for reader in readers:
        name = reader.channel.id
        oldest[name] = min(oldest.get(name, math.inf), reader.state.last_success)
    for name, moment in oldest.items():
        metrics.LAST_READ.labels(channel=name).set(moment)
