"""Which rows stand under a key, the newest first: an open-addressed table with chains, some 16 bytes a posting.

A dictionary of lists would take 120 bytes and more for each of the eight keys of a report; matching keeps a million reports.
"""

from array import array
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

    def newest(self, key: int, most: int) -> tuple[list[int], int]:
        """At most so many of a key's rows, the newest first; and how many it has had in all."""
        slot = self._slot(key)
        if not self._keys[slot]:
            return [], 0
        found: list[int] = []
        rows, before = self._rows, self._before
        at = self._heads[slot]
        while at != _NONE and len(found) < most:
            found.append(rows[at])
            at = before[at]
        return found, self._counts[slot]

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
