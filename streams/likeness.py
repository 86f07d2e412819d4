"""An index of reports by what they say: which known reports may tell the same, and how alike they are.

Bounded whatever the state holds: a report stands under a few keys, of a key only the newest are looked at, and of those
found only the MOST_CANDIDATES with most in common are compared. Rows are arrays, some 300 bytes a report.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.reading import TROUBLES, Reading

#: Words of a report that are kept: its rarest.
WORDS_KEPT: Final = 16
#: Words under which a report is looked up.
_WORD_KEYS: Final = 6
#: Reports of one key that are looked at, the newest.
_POSTINGS: Final = 32
_WORD_POSTINGS: Final = 16
MOST_CANDIDATES: Final = 24
#: Likeness (mean of words and troubles) below which nothing is compared: where a name, a place or a person is shared, and not.
_LEAST_TELLING: Final = 0.1
_LEAST: Final = 0.4
#: Reports that the word statistics begin with, so that the first hundred do not take every word for a rare one.
_PRIOR: Final = 300
_GROWTH: Final = 1.5


#: First characters of keys.
PERSON_KEY: Final = "p"
_RARE_KEY: Final = "r"
_WORD_KEY: Final = "w"


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
        for key in _keys(traits):
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

    def alike(self, traits: Traits, keys: Iterable[str]) -> list[Alike]:
        """The known reports that may tell the same: those that share a name, a rare pair or one of `keys` (place, reporter)
        first, then those with most rare words in common; without those too unlike to be compared any further.
        """
        telling: list[int] = []
        words: list[int] = []
        named: set[int] = set()
        rare: set[int] = set()
        given: set[int] = set()
        for key in _keys(traits):
            newest = self._newest(key)
            if key[0] == _WORD_KEY:
                words += newest[-_WORD_POSTINGS:]
                continue
            telling += newest
            (rare if key[0] == _RARE_KEY else named).update(newest)
        for key in keys:
            newest = self._newest(key)
            telling += newest
            given.update(newest)
            if key[0] == PERSON_KEY:
                telling += newest  # twice, so that no crowd of neighbours hides them
        told = Counter(telling)
        best = [row for row, _ in told.most_common(MOST_CANDIDATES)]
        if len(best) < MOST_CANDIDATES:
            best += [row for row, _ in Counter(words).most_common(MOST_CANDIDATES) if row not in told]
            del best[MOST_CANDIDATES:]
        if not best:
            return []
        rows = np.array(best)
        cosines = self._cosines(traits, rows)
        troubles = self._troubles[rows].astype(np.float32) @ traits.troubles
        least = [0.0 if row in given else _LEAST_TELLING if row in told else _LEAST for row in best]
        worth = (cosines + troubles) / 2 >= least
        found = zip(rows[worth].tolist(), cosines[worth].tolist(), troubles[worth].tolist(), strict=True)
        return [Alike(row, one, other, row in named, row in rare) for row, one, other in found]

    def _newest(self, key: str) -> list[int]:
        rows = self._keys.get(key)
        return rows[-_POSTINGS:] if rows else []

    def _cosines(self, traits: Traits, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        ids = [(self._word_ids[word], weight) for word, weight in traits.words.items() if word in self._word_ids]
        if not ids:
            return np.zeros(len(rows), np.float32)
        ids.sort()
        own = np.array([number for number, _ in ids], np.uint32)
        weights = np.array([weight for _, weight in ids], np.float32)
        theirs = self._words[rows]
        places = np.searchsorted(own, theirs)
        places[places == len(own)] = 0
        products = np.where(own[places] == theirs, weights[places] * self._weights[rows], np.float32(0))
        found: npt.NDArray[np.float32] = products.sum(axis=1)
        return found

    def _grow(self) -> None:
        size = int(len(self._words) * _GROWTH)
        for name in ("_words", "_weights", "_troubles"):
            old = getattr(self, name)
            new = np.zeros((size, old.shape[1]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)


def _keys(traits: Traits) -> list[str]:
    """Keys under which a report stands: ends and beginnings of its names, rare pairs, rarest words."""
    found = [f"{_RARE_KEY}{pair}" for pair in traits.rare]
    for name in (*traits.title_names, *traits.names):
        found += (f"e{name[-3:]}", f"s{name[:4]}")
    found += [f"{_WORD_KEY}{word}" for word in islice(traits.words, _WORD_KEYS)]
    return list(dict.fromkeys(found))
