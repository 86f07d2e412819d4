"""One asking of ClickHouse for all readers together: answers are shared, paced, and asked for only while somebody reads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from monitoring.screen.brain import BrainUnavailableError
from monitoring.screen.period import Choice
from monitoring.screen.snapshot import Snapshot

#: Seconds between two askings for readers who already have an answer.
INTERVAL_S: Final = 1.0
#: ... and at least so many times what the last asking took, so that a screen leaves a slow ClickHouse half of its time.
_REST: Final = 1.0
#: A choice nobody asked for since so many seconds is forgotten.
_FORGET_S: Final = 60.0
_MAX_CHOICES: Final = 64


Answer = TypeVar("Answer")


class BusyError(RuntimeError):
    """Too many different periods are being read at once; the message says what to do."""


@dataclass
class State:
    """What is known for one choice. `snapshot` is the last good answer; `error` says why there is no newer one."""

    snapshot: Snapshot | None = None
    error: str | None = None
    taken: float = float("-inf")
    asked: float = float("-inf")


class Live:
    """Answers by choice. ClickHouse sees one asking at a time, and renewals at most one per interval in all."""

    def __init__(self, take: Callable[[Choice], Snapshot], interval_s: float = INTERVAL_S) -> None:
        """`take` blocks and raises BrainUnavailableError; it runs in one thread of its own."""
        self._take = take
        self._interval_s = interval_s
        self._pause_s = interval_s
        self._states: dict[Choice, State] = {}
        self._lock = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "brain")
        self.last_good: datetime | None = None
        self.error: str | None = None

    async def get(self, choice: Choice) -> State:
        """The shared state of a choice, renewed when it is old; raises BusyError."""
        now = time.monotonic()
        self._forget(now)
        state = self._states.get(choice)
        if state is None:
            if len(self._states) >= _MAX_CHOICES:
                raise BusyError(
                    f"{_MAX_CHOICES} different periods are being read at once; choose a common one, or try again in a minute"
                )
            state = self._states[choice] = State()
        state.asked = now
        # Shielded: a reader who leaves in the middle must not let the next one ask a second time beside the first.
        await asyncio.shield(asyncio.ensure_future(self._keep_fresh(choice, state)))
        return state

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """One question of one reader, in turn with the others; raises what it raises."""
        async with self._lock:
            return await asyncio.get_running_loop().run_in_executor(self._thread, question)

    async def _keep_fresh(self, choice: Choice, state: State) -> None:
        async with self._lock:
            if self.age_left(state) <= 0:
                await self._renew(choice, state)

    def age_left(self, state: State) -> float:
        """Seconds until this state is old: each of n choices waits n pauses, so that all of them share one pace."""
        return state.taken + self._pause_s * len(self._states) - time.monotonic()

    async def _renew(self, choice: Choice, state: State) -> None:
        began = time.monotonic()
        self._pause_s = self._interval_s
        try:
            state.snapshot = await asyncio.get_running_loop().run_in_executor(self._thread, self._take, choice)
            state.error = None
            self.last_good = state.snapshot.taken_at
            self._pause_s = max(self._interval_s, _REST * (time.monotonic() - began))
        except BrainUnavailableError as error:
            state.error = str(error)
        self.error = state.error
        state.taken = time.monotonic()

    def _forget(self, now: float) -> None:
        for choice in [c for c, state in self._states.items() if now - state.asked > _FORGET_S]:
            del self._states[choice]

    def close(self) -> None:
        """Lets the thread end once its question is answered."""
        self._thread.shutdown(wait=False)
