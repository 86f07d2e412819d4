"""Seeded choices, the same on every machine and Python: only `Random.random()` is used, which is stable by contract."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


class Weighted:
    """Indexes with weights, ready for many draws; at least one weight must be above 0."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._bounds = list(accumulate(weights))
        self._last = max(index for index, weight in enumerate(weights) if weight > 0)

    def draw(self, draw: "Draw") -> int:
        """An index, each with its weight's share."""
        return min(bisect_right(self._bounds, draw.uniform(0, self._bounds[-1])), self._last)


class Draw:
    """A stream of choices from one seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random  # noqa: S311 - made-up data, nothing secret

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self._random()

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        return int(self._random() * bound)

    def between(self, low: int, high: int) -> int:
        """A whole number in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """True in `share` of the calls."""
        return self._random() < share

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """The items in a drawn order (Fisher-Yates)."""
        found = list(items)
        for index in range(len(found) - 1, 0, -1):
            other = self.below(index + 1)
            found[index], found[other] = found[other], found[index]
        return found

    def digits(self, count: int) -> str:
        """A text of `count` digits."""
        return str(self.below(10**count)).zfill(count)
