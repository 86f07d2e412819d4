"""How reports are compared by what they say: weighed words, troubles and names, packed small; of a matter, the mean of them.

Word statistics are learned on the way, from the reports of the partition alone, in the order of the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log, sqrt
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from streams.postings import Postings
from streams.reading import TROUBLES, Name, Reading, same_name

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
_POSTINGS: Final = 20
#: Names worth less are no keys.
_LEAST_WORTH: Final = 0.2
#: A name under which so many more matters stand is worth half.
_COMMON: Final = 24.0
#: What sharing a key tells, by which the candidates are chosen.
_NAME_HIT: Final = 60.0
_WORD_HIT: Final = 40.0
_PACKED: Final = Struct(f"<{_WORDS}I{_WORDS}B{_TROUBLES}B{_TROUBLES}B")
_SCALE: Final = 255


class Told(NamedTuple):
    """A report's text with the weights of its day: unit vectors of words (by hash) and troubles (by place), names, sketch."""

    words: dict[int, float]
    troubles: dict[int, float]
    names: tuple[Name, ...]
    sketch: bytes


class Packed(NamedTuple):
    """The same, as it is kept: some 250 bytes. vector: hashes and weights of words, places and weights of troubles."""

    vector: bytes
    names: str
    worths: bytes
    sketch: bytes


def pack(told: Told) -> Packed:
    """What is kept of a text; weights to a 255th."""
    words, troubles = list(told.words.items()), list(told.troubles.items())
    words += [(0, 0.0)] * (_WORDS - len(words))
    troubles += [(0, 0.0)] * (_TROUBLES - len(troubles))
    vector = _PACKED.pack(
        *(word for word, _ in words),
        *(round(weight * _SCALE) for _, weight in words),
        *(place for place, _ in troubles),
        *(round(weight * _SCALE) for _, weight in troubles),
    )
    worths = bytes([part for name in told.names for part in (round(name.worth * _SCALE), name.main)])
    return Packed(vector, "|".join([name.text for name in told.names]), worths, told.sketch)


def unpack(packed: Packed) -> Told:
    """A text as it was kept."""
    values = _PACKED.unpack(packed.vector)
    weights, places, kinds = values[_WORDS : 2 * _WORDS], values[2 * _WORDS : -_TROUBLES], values[-_TROUBLES:]
    worths = packed.worths
    return Told(
        {word: weight / _SCALE for word, weight in zip(values, weights, strict=False) if weight},
        {place: weight / _SCALE for place, weight in zip(places, kinds, strict=True) if weight},
        tuple(
            [
                Name(text, worths[2 * at] / _SCALE, bool(worths[2 * at + 1]), ended=True)
                for at, text in enumerate(packed.names.split("|") if packed.names else ())
            ]
        ),
        packed.sketch,
    )


@dataclass(slots=True)
class Named:
    """A name in a matter: how well it tells one place, reports that tell it as where it happens, reports that tell it."""

    text: str
    worth: float
    titles: int
    tellings: int


@dataclass(slots=True)
class Mean:
    """The texts of a matter's reports taken together."""

    reports: int
    words: dict[int, float]
    troubles: dict[int, float]
    names: list[Named]

    @classmethod
    def of(cls, packed: Packed) -> "Mean":
        """That of one report."""
        told = unpack(packed)
        names = [Named(name.text, name.worth, int(name.main), 1) for name in told.names]
        return cls(1, told.words, told.troubles, names)

    def add(self, packed: Packed) -> None:
        """Take one more report in."""
        one = Mean.of(packed)
        self.words = _mean(self.words, self.reports, one.words, _MATTER_WORDS)
        self.troubles = _mean(self.troubles, self.reports, one.troubles, _MATTER_TROUBLES)
        for name in one.names:
            same = next((known for known in self.names if same_name(known.text, name.text)), None)
            if same is None:
                self.names.append(name)
            else:
                same.titles += name.titles
                same.tellings += 1
        self.names.sort(key=lambda name: (-2 * name.titles - name.tellings, -name.worth, name.text))
        del self.names[_MATTER_NAMES:]
        self.reports += 1


def _mean(old: dict[int, float], reports: int, new: dict[int, float], most: int) -> dict[int, float]:
    """The strongest parts of the mean of so many vectors with one more, length 1."""
    merged = {part: old.get(part, 0.0) * reports + new.get(part, 0.0) for part in {**old, **new}}
    return _unit(merged, most)


def _unit(vector: dict[int, float], most: int) -> dict[int, float]:
    if len(vector) > most:
        vector = dict(sorted(vector.items(), key=lambda part: (-part[1], part[0]))[:most])
    length = sqrt(sum([weight * weight for weight in vector.values()])) or 1.0
    return {part: weight / length for part, weight in vector.items()}


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
        names = tuple([name._replace(worth=name.worth / self._common(name.text)) for name in reading.names])
        return Told(_unit(words, _WORDS), _unit(troubles, _TROUBLES), names, reading.sketch)

    def learn(self, reading: Reading) -> None:
        """Count a text's words and troubles."""
        self._reports += 1
        frequency = self._frequency
        for word in reading.words:
            frequency[word] = frequency.get(word, 0) + 1
        for place in reading.troubles:
            self._troubled[place] += 1

    def _common(self, name: str) -> float:
        """By how much a name is worth less for the matters it stands in."""
        matters = min([self.postings.newest(key, 0)[1] for key in _name_keys(name)])
        return 1.0 + max(0, matters - 1) / _COMMON

    def hits(self, told: Told, keys: Iterable[tuple[int, float]]) -> Iterator[tuple[int, float]]:
        """Rows that share a key of the text or one of `keys`, and what that tells."""
        for key, weight in (*text_keys(told), *keys):
            for row in self.postings.newest(key, _POSTINGS)[0]:
                yield row, weight


def key_of(kind: str, value: str) -> int:
    """A key for the index."""
    return crc32(f"{kind}{value}".encode())


def text_keys(told: Told) -> Iterator[tuple[int, float]]:
    """Keys under which a text stands, and what sharing them tells: ends and beginnings of its names, rarest words."""
    for name in told.names:
        if name.worth > _LEAST_WORTH:
            for key in _name_keys(name.text):
                yield key, _NAME_HIT * name.worth
    strongest = sorted(told.words.items(), key=lambda part: (-part[1], part[0]))[:_WORD_KEYS]
    for word, weight in strongest:
        yield word ^ 0x5A5A5A5A, _WORD_HIT * weight


def _name_keys(name: str) -> tuple[int, ...]:
    if len(name) <= 3:
        return (key_of("n", name),)
    return (key_of("n", name[:3]), key_of("n", name[-3:]))
