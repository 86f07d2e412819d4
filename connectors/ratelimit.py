"""How much a sender may send: token buckets that refill all the time.

`limits` (in-memory moving window) was tried: it keeps one entry per message of the window, starts timer threads and knows
neither a burst beside the rate nor another clock. A bucket is one number, so that it is done here.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)

#: Sums of fractions miss their total by less.
_EPSILON_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` messages a second in the long run, `burst` at once."""

    per_s: float
    burst: int


class Buckets(Generic[_Key]):
    """A bucket of messages for each key. Of each it keeps only when it will be full (GCRA); one that is full is not kept.

    clock: seconds that never go back. most: keys kept at once; beyond, the ones that began longest ago are forgotten.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._full_at: dict[_Key, float] = {}

    def wait(self, key: _Key, rate: Rate) -> float:
        """Seconds until the bucket holds a message; 0 when it does now."""
        full_at = self._full_at.get(key)
        if full_at is None:
            return 0.0
        left = full_at - self._clock() - (rate.burst - 1) / rate.per_s
        return left if left > _EPSILON_S else 0.0

    def charge(self, key: _Key, rate: Rate, messages: int = 1) -> None:
        """Takes messages out; more than there are must refill before `wait` is 0 again."""
        now = self._clock()
        self._full_at[key] = max(self._full_at.get(key, now), now) + messages / rate.per_s
        if len(self._full_at) > self._most:
            self._forget(now)

    def __len__(self) -> int:
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        for key in list(self._full_at)[: len(self._full_at) - self._most]:
            del self._full_at[key]
