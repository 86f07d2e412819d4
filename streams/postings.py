"""Which rows stand under a key, the newest first: an open-addressed table with chains, some 16 bytes a posting.

A dictionary of lists would take 120 bytes and more for each of the eight keys of a report; matching keeps a million reports.
"""

from array import array
from collections.abc import Iterable
from typing import Final

_FIRST_SIZE: Final = 1 << 10
_FULL: Final = 0.6
_NONE: Final = 0xFFFFFFFF


class Postings:
    """Keys are whole numbers of 32 bits; rows of one key come in ascending order."""

    def __init__(self) -> None:
        """No key."""
        self._size = _FIRST_SIZE
        self._used = 0
        self._keys = array("I", bytes(4 * self._size))  # 0: a free slot
        self._heads = array("I", bytes(4 * self._size))
        self._counts = array("I", bytes(4 * self._size))
        self._rows = array("I")
        self._before = array("I")  # posting of the same key before this one

    def add(self, key: int, row: int) -> None:
        """Put a row under a key."""
        slot = self._slot(key)
        head = _NONE
        if self._keys[slot]:
            head = self._heads[slot]
        else:
            if self._used >= _FULL * self._size:
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key or 1
            self._used += 1
        self._heads[slot] = len(self._rows)
        self._counts[slot] += 1
        self._rows.append(row)
        self._before.append(head)

    def newest(self, key: int, most: int) -> list[int]:
        """At most so many of a key's rows, the newest first."""
        slot = self._slot(key)
        found: list[int] = []
        if not self._keys[slot]:
            return found
        rows, before = self._rows, self._before
        at = self._heads[slot]
        while at != _NONE and len(found) < most:
            found.append(rows[at])
            at = before[at]
        return found

    def count(self, key: int) -> int:
        """How many rows were put under a key."""
        return self._counts[self._slot(key)]

    def hits(self, keys: Iterable[tuple[int, float]], most: int) -> dict[int, float]:
        """Rows that stand under these keys, of each key at most so many, the newest first, with the weights of their keys."""
        found: dict[int, float] = {}
        slots, heads, rows, before, mask = self._keys, self._heads, self._rows, self._before, self._size - 1
        for asked, weight in keys:
            key = asked or 1
            # As in `_slot`: a call for each key would cost as much as all the rest.
            slot = (key * 0x9E3779B1 >> 7) & mask
            while slots[slot] != key and slots[slot]:
                slot = (slot + 1) & mask
            if not slots[slot]:
                continue
            at, left = heads[slot], most
            while at != _NONE and left:
                row = rows[at]
                found[row] = found[row] + weight if row in found else weight
                at = before[at]
                left -= 1
        return found

    def _slot(self, key: int) -> int:
        """The slot of a key, or the free one it would take."""
        key = key or 1
        keys, mask = self._keys, self._size - 1
        slot = (key * 0x9E3779B1 >> 7) & mask
        while keys[slot] != key and keys[slot]:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = [(k, h, c) for k, h, c in zip(self._keys, self._heads, self._counts, strict=True) if k]
        self._size *= 2
        self._keys, self._heads, self._counts = (array("I", bytes(4 * self._size)) for _ in range(3))
        for key, head, count in old:
            slot = self._slot(key)
            self._keys[slot], self._heads[slot], self._counts[slot] = key, head, count
