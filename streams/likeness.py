"""How reports are compared by what they say: weighed words, troubles and names, packed small; of a matter, the mean of them.

Word statistics are learned on the way, from the reports of the partition alone, in the order of the log.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import islice
from math import log, sqrt
from operator import add
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from streams.postings import Postings
from streams.reading import RELATED, SORTS, TROUBLES, Name, Reading, same_name

#: Words and kinds of trouble that are kept of a report, and of a matter: the strongest.
_WORDS: Final = 16
_TROUBLES: Final = 6
_MATTER_WORDS: Final = 32
_MATTER_TROUBLES: Final = 8
_MATTER_NAMES: Final = 8
#: Reports that the statistics begin with, so that the first hundred do not take every word for a rare one.
_PRIOR_REPORTS: Final = 2000.0
_PRIOR_WORD: Final = 0.75
_PRIOR_TROUBLED: Final = 300.0
_PRIOR_TROUBLE: Final = 6.0
#: Rarest words under which a report is found.
_WORD_KEYS: Final = 3
#: Rows of one key that are looked at.
_POSTINGS: Final = 8
#: Names worth less are no keys.
_LEAST_WORTH: Final = 0.2
#: A name under which so many more matters stand is worth half.
_COMMON: Final = 24.0
#: How much of a trouble told counts as one that people tell the same matter by.
_RELATED: Final = 0.2
#: What sharing a key tells, by which the candidates are chosen.
_NAME_HIT: Final = 60.0
_WORD_HIT: Final = 40.0
#: Names whose pairs and keys are remembered, some 10 MB.
_NAMES: Final = 1 << 14
_SCALE: Final = 255


class Told(NamedTuple):
    """A report's text with the weights of its day: unit vectors of words (by hash) and troubles (by place), names, sketch and
    again as in Reading. pairs: of neighbouring characters in its names; names_pairs: those of each.
    places: of each sort of names the best that tells where it happens. keys: those it stands under, and what sharing them tells.
    expected: its troubles with those that people tell the same matter by.
    """

    words: dict[int, float]
    troubles: dict[int, float]
    names: tuple[Name, ...]
    sketch: bytes
    again: bool
    pairs: set[str]
    names_pairs: list[tuple[Name, frozenset[str]]]
    places: list[float]
    keys: list[tuple[int, float]]
    expected: dict[int, float]


class Text(NamedTuple):
    """The text of a report, or the mean of those of a matter, as it is kept: some 250 bytes.

    vector: number of words, their hashes and weights, places and weights of troubles. names: joined by "|". worths: of each
    name its worth, how many reports tell it as where it happens, how many tell it, and its sort. Weights in 255ths.
    """

    reports: int
    vector: bytes
    names: str
    worths: bytes


@cache
def _layout(words: int, troubles: int) -> Struct:
    return Struct(f"<B{words}I{words}B{troubles}B{troubles}B")


def _vector(words: dict[int, float], troubles: dict[int, float]) -> bytes:
    return _layout(len(words), len(troubles)).pack(
        len(words),
        *words,
        *[round(weight * _SCALE) for weight in words.values()],
        *troubles,
        *[round(weight * _SCALE) for weight in troubles.values()],
    )


def _parts(vector: bytes) -> tuple[dict[int, float], dict[int, float]]:
    words = vector[0]
    troubles = (len(vector) - 1 - 5 * words) // 2
    values = _layout(words, troubles).unpack(vector)
    places = 1 + 2 * words
    return (
        {values[at]: values[at + words] / _SCALE for at in range(1, 1 + words)},
        {values[at]: values[at + troubles] / _SCALE for at in range(places, places + troubles)},
    )


def text_of(told: Told) -> Text:
    """What is kept of a report's text."""
    worths = bytes([part for name in told.names for part in (round(name.worth * _SCALE), name.main, 1, name.sort)])
    return Text(1, _vector(told.words, told.troubles), "|".join([name.text for name in told.names]), worths)


def alike(told: Told, text: Text) -> tuple[float, float | None]:
    """Cosines of words and of troubles, 0 to 1; None for troubles where a side tells none."""
    vector = text.vector
    words = vector[0]
    troubles = (len(vector) - 1 - 5 * words) // 2
    values = _layout(words, troubles).unpack(vector)
    mine = told.words
    both = 0.0
    for at in range(1, 1 + words):
        if values[at] in mine:
            both += mine[values[at]] * values[at + words]
    if not troubles or not told.troubles:
        return both / _SCALE, None
    own, places = told.expected, 1 + 2 * words
    trouble = 0.0
    for at in range(places, places + troubles):
        if values[at] in own:
            trouble += own[values[at]] * values[at + troubles]
    return both / _SCALE, min(1.0, trouble / _SCALE)


def mean_of(text: Text, one: Text) -> Text:
    """The mean of so many reports' texts with one more."""
    old, new = _parts(text.vector), _parts(one.vector)
    count = text.reports
    words = _mean(old[0], count, new[0], _MATTER_WORDS)
    troubles = _mean(old[1], count, new[1], _MATTER_TROUBLES)
    names = text.names.split("|") if text.names else []
    worths = [list(text.worths[4 * at : 4 * at + 4]) for at in range(len(names))]
    for at, name in enumerate(one.names.split("|") if one.names else ()):
        same = next((worths[i] for i, known in enumerate(names) if same_name(known, name)), None)
        if same is None:
            names.append(name)
            worths.append(list(one.worths[4 * at : 4 * at + 4]))
        else:
            same[1] = min(_SCALE, same[1] + one.worths[4 * at + 1])
            same[2] = min(_SCALE, same[2] + 1)
    order = sorted(range(len(names)), key=lambda i: (-2 * worths[i][1] - worths[i][2], -worths[i][0], names[i]))
    order = order[:_MATTER_NAMES]
    return Text(
        count + 1,
        _vector(words, troubles),
        "|".join([names[i] for i in order]),
        bytes([part for i in order for part in worths[i]]),
    )


def _mean(old: dict[int, float], reports: int, new: dict[int, float], most: int) -> dict[int, float]:
    """The strongest parts of the mean of so many vectors with one more, length 1."""
    merged = {part: old.get(part, 0.0) * reports + new.get(part, 0.0) for part in {**old, **new}}
    return _unit(merged, most)


def _unit(vector: dict[int, float], most: int) -> dict[int, float]:
    """The strongest parts of a vector, strongest first, as one of length 1."""
    strongest = sorted([(-weight, part) for part, weight in vector.items()])[:most]
    length = sqrt(sum([weight * weight for weight, _ in strongest])) or 1.0
    return {part: -weight / length for weight, part in strongest}


def _expected(troubles: dict[int, float]) -> dict[int, float]:
    """Troubles, and beside them those that people tell the same matter by."""
    found = dict(troubles)
    for place, weight in troubles.items():
        for other in RELATED[place]:
            found[other] = max(found.get(other, 0.0), _RELATED * weight)
    return found


class Likeness:
    """Word statistics, and which rows (reports, numbered as they come) stand under the keys of a text."""

    def __init__(self) -> None:
        """Nothing seen."""
        self._reports = 0
        self._frequency: dict[int, int] = {}
        self._troubled = [0] * len(TROUBLES)
        self.postings = Postings()

    def told(self, reading: Reading) -> Told:
        """A text weighed by the statistics of the reports learned so far."""
        frequency = self._frequency
        total = self._reports + _PRIOR_REPORTS
        words = {
            word: (1.0 + log(weight)) * log(total / (_PRIOR_WORD + frequency.get(word, 0)))
            for word, weight in reading.words.items()
        }
        troubled = self._reports + _PRIOR_TROUBLED
        troubles = {
            place: log(1.0 + weight) * log(troubled / (_PRIOR_TROUBLE + self._troubled[place]))
            for place, weight in reading.troubles.items()
        }
        names, pairs, keys, places = [], [], [], [0.0] * SORTS
        for text, sure, main, sort in reading.names:
            of_name = _name_keys(text)
            worth = sure / self._common(of_name)
            name = Name(text, worth, main, sort)
            names.append(name)
            pairs.append((name, pairs_of(text)))
            if main and worth > places[sort]:
                places[sort] = worth
            if worth > _LEAST_WORTH:
                keys += [(key, _NAME_HIT * worth) for key in of_name]
        strongest, strongest_troubles = _unit(words, _WORDS), _unit(troubles, _TROUBLES)
        keys += _word_keys(strongest)
        return Told(
            strongest,
            strongest_troubles,
            tuple(names),
            reading.sketch,
            reading.again,
            set().union(*[of_name for _, of_name in pairs]),
            pairs,
            places,
            keys,
            _expected(strongest_troubles),
        )

    def learn(self, reading: Reading) -> None:
        """Count a text's words and troubles."""
        self._reports += 1
        frequency = self._frequency
        for word in reading.words:
            frequency[word] = frequency.get(word, 0) + 1
        for place in reading.troubles:
            self._troubled[place] += 1

    def _common(self, keys: Sequence[int]) -> float:
        """By how much a name of these keys is worth less for the matters it stands in."""
        matters = min([self.postings.count(key) for key in keys])
        return 1.0 + max(0, matters - 1) / _COMMON

    def hits(self, keys: Iterable[tuple[int, float]]) -> dict[int, float]:
        """Rows that stand under one of these keys, with what that tells in all."""
        return self.postings.hits(keys, _POSTINGS)


def key_of(kind: str, value: str) -> int:
    """A key for the index."""
    return crc32(f"{kind}{value}".encode())


def keys_kept(text: Text) -> list[tuple[int, float]]:
    """Keys under which a report that is kept stands, and what sharing them tells: as `Told.keys`."""
    found = []
    for at, name in enumerate(text.names.split("|") if text.names else ()):
        worth = text.worths[4 * at] / _SCALE
        if worth > _LEAST_WORTH:
            found += [(key, _NAME_HIT * worth) for key in _name_keys(name)]
    return found + _word_keys(_parts(text.vector)[0])


def _word_keys(words: dict[int, float]) -> list[tuple[int, float]]:
    """Those of the strongest words, which come first."""
    return [(word ^ 0x5A5A5A5A, _WORD_HIT * weight) for word, weight in islice(words.items(), _WORD_KEYS)]


@lru_cache(_NAMES)
def pairs_of(name: str) -> frozenset[str]:
    """Its pairs of neighbouring characters; without one in common no two names are the same."""
    return frozenset(map(add, name, name[1:]))


@lru_cache(_NAMES)
def _name_keys(name: str) -> tuple[int, ...]:
    """Those of a name: its beginning and its end."""
    if len(name) <= 3:
        return (key_of("n", name),)
    return (key_of("n", name[:3]), key_of("n", name[-3:]))
