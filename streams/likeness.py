"""An index of reports by what they say: which known reports may tell the same, and how alike they are.

Bounded whatever the state holds: a report stands under a few keys, of a key only the newest are looked at, and of those
found only the MOST_CANDIDATES with most in common are compared. Rows are arrays, some 300 bytes a report.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.reading import TROUBLES, Reading

#: Words of a report that are kept: its rarest.
WORDS_KEPT: Final = 16
#: Words under which a report is looked up.
_WORD_KEYS: Final = 8
#: Reports of one key that are looked at, the newest.
_POSTINGS: Final = 48
MOST_CANDIDATES: Final = 32
#: Reports that the word statistics begin with, so that the first hundred do not take every word for a rare one.
_PRIOR: Final = 300
_GROWTH: Final = 1.5


class Traits(NamedTuple):
    """A report as it is compared: rarest words with their weights (a unit vector), troubles (a unit vector), names."""

    words: dict[str, float]
    troubles: npt.NDArray[np.float32]
    title_names: tuple[str, ...]
    names: tuple[str, ...]
    rare: tuple[str, ...]


class Alike(NamedTuple):
    """A known report that shares something. words, troubles: cosine, 0 to 1. named: they may share a name. rare: a rare pair."""

    row: int
    words: float
    troubles: float
    named: bool
    rare: bool


class Likeness:
    """The index. Rows are numbered as they come; what a key gives depends on the order of `add` alone."""

    def __init__(self) -> None:
        self._reports = 0  # that the word statistics have seen
        self._frequency: Counter[str] = Counter()
        self._word_ids: dict[str, int] = {}
        self._keys: defaultdict[str, list[int]] = defaultdict(list)
        self._words = np.zeros((1024, WORDS_KEPT), np.uint32)
        self._weights = np.zeros((1024, WORDS_KEPT), np.float32)
        self._troubles = np.zeros((1024, len(TROUBLES)), np.float16)
        self._size = 0
        #: Matters whose first report has the name or the rare pair in its title.
        self.matters_named: Counter[str] = Counter()

    def traits(self, reading: Reading) -> Traits:
        """How a report is compared, by the statistics of the reports added so far."""
        total = self._reports + _PRIOR + 1
        frequency = self._frequency
        weights = {w: (1 + math.log(n)) * math.log(total / (1 + frequency[w])) for w, n in reading.words.items()}
        kept = sorted(weights, key=lambda word: (-weights[word], word))[:WORDS_KEPT]
        length = math.sqrt(sum(weights[word] ** 2 for word in kept)) or 1.0
        troubles = np.zeros(len(TROUBLES), np.float32)
        for place, weight in reading.troubles.items():
            troubles[place] = math.log1p(weight)
        norm = float(np.sqrt(troubles @ troubles))
        if norm:
            troubles /= norm
        return Traits(
            {word: weights[word] / length for word in kept}, troubles, reading.title_names, reading.names, reading.rare
        )

    def add(self, reading: Reading, traits: Traits, extra_keys: tuple[str, ...] = (), *, begins: bool = True) -> int:
        """Take a report in; its row. `extra_keys`: further keys under which it is found (place, reporter).

        begins: it is the first of its matter.
        """
        if begins:
            self.matters_named.update((*traits.title_names, *traits.rare))
        row = self._size
        if row == len(self._words):
            self._grow()
        self._size += 1
        ids = self._word_ids
        for place, (word, weight) in enumerate(traits.words.items()):
            self._words[row, place] = ids.setdefault(word, len(ids) + 1)
            self._weights[row, place] = weight
        self._troubles[row] = traits.troubles
        for key, _ in _keys(traits):
            self._post(key, row)
        for key in extra_keys:
            self._post(key, row)
        self._frequency.update(reading.words.keys())
        self._reports += 1
        return row

    def forget(self, alive: npt.NDArray[np.int64]) -> None:
        """Keep only these rows, in this order; the first becomes row 0. The word statistics stay."""
        place = {row: number for number, row in enumerate(alive.tolist())}
        for name in ("_words", "_weights", "_troubles"):
            setattr(self, name, getattr(self, name)[np.append(alive, np.zeros(1024, np.int64))])
        for key in list(self._keys):
            rows = [place[row] for row in self._keys[key] if row in place]
            if rows:
                self._keys[key] = rows
            else:
                del self._keys[key]
        self._size = len(alive)

    def _post(self, key: str, row: int) -> None:
        rows = self._keys[key]
        rows.append(row)
        if len(rows) > 2 * _POSTINGS:
            del rows[:-_POSTINGS]

    def alike(self, traits: Traits, extra_keys: dict[str, float]) -> list[Alike]:
        """The known reports that have most in common with one, best first. `extra_keys`: further keys, with their weight."""
        shared: defaultdict[int, float] = defaultdict(float)
        named: set[int] = set()
        rare: set[int] = set()
        for key, weight in (*_keys(traits), *extra_keys.items()):
            newest = self._keys[key][-_POSTINGS:] if key in self._keys else []
            for row in newest:
                shared[row] += weight
            if key[0] in _NAME_KEYS:
                named.update(newest)
            elif key[0] == _RARE_KEY:
                rare.update(newest)
        if not shared:
            return []
        best = sorted(shared, key=lambda row: (-shared[row], -row))[:MOST_CANDIDATES]
        rows = np.array(best)
        words = self._cosines(traits, rows)
        troubles = (self._troubles[rows].astype(np.float32) @ traits.troubles).tolist()
        return [
            Alike(row, one, other, row in named, row in rare)
            for row, one, other in zip(best, words, troubles, strict=True)
        ]

    def _cosines(self, traits: Traits, rows: npt.NDArray[np.int64]) -> list[float]:
        ids = [(self._word_ids[word], weight) for word, weight in traits.words.items() if word in self._word_ids]
        if not ids:
            return [0.0] * len(rows)
        ids.sort()
        own = np.array([number for number, _ in ids], np.uint32)
        weights = np.array([weight for _, weight in ids], np.float32)
        theirs = self._words[rows]
        places = np.searchsorted(own, theirs)
        places[places == len(own)] = 0
        products = np.where(own[places] == theirs, weights[places] * self._weights[rows], np.float32(0))
        found: list[float] = products.sum(axis=1).tolist()
        return found

    def _grow(self) -> None:
        size = int(len(self._words) * _GROWTH)
        for name in ("_words", "_weights", "_troubles"):
            old = getattr(self, name)
            new = np.zeros((size, old.shape[1]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


_NAME_KEYS: Final = frozenset("es")
_RARE_KEY: Final = "r"


def _keys(traits: Traits) -> Iterator[tuple[str, float]]:
    """Keys under which a report stands, with what sharing one says: ends and beginnings of names, rare pairs, rare words."""
    seen: set[str] = set()
    for name in (*traits.title_names, *traits.names):
        for key, weight in ((f"e{name[-3:]}", 3.0), (f"s{name[:4]}", 1.0)):
            if key not in seen:
                seen.add(key)
                yield key, weight
    for pair in traits.rare:
        yield f"{_RARE_KEY}{pair}", 3.0
    for number, (word, weight) in enumerate(traits.words.items()):
        if number == _WORD_KEYS:
            break
        yield f"w{word}", 3.0 * weight
