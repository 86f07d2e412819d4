"""Which kind of matter a text tells, by a trained model: one file of numbers, read with numpy alone. Pure.

A model is a table of features (runs of characters, words, runs of the opening) by classes, and a calibration that turns
scores into a confidence; hub/train.py makes it. docs/decisions/0023-classifier.md.
"""

import json
import math
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import opencc
import rjieba
from numpy.typing import NDArray

from profiles import Profile, ProfileError
from schemas.records import Report
from streams.routing import RoutedKind

Floats = NDArray[np.float64]
Runs = NDArray[np.uint64]
#: Of features and file; a model of another version is refused.
VERSION: Final = 1
#: Characters of title and content that are read: what comes later costs time and tells no more.
READ: Final = 1_200
#: Words of the title, near enough, and of the opening: title and first sentence.
TITLE_WORDS: Final = 8
OPENING_WORDS: Final = 25
#: Weight of each block of features: words, runs of characters of the text, of the title, of the opening.
WEIGHTS: Final = (1.0, 1.0, 0.7, 0.7)
_WORD: Final = re.compile(r"[\u4e00-\u9fffa-z0-9]+")
_SIMPLE: Final = opencc.OpenCC("t2s")
#: Bits of a character; a run of three fits into one number.
_BITS: Final = np.uint64(21)
#: Arrays of a model file.
_RUNS: Final = ("text_runs", "title_runs", "opening_runs")
#: Of a confidence: the same on every machine, whatever the order in which its numpy adds.
DIGITS: Final = 4


class ModelError(ValueError):
    """A model file can't be used; the message says why and what to do."""


class Classified(NamedTuple):
    """A class and the probability that it is right, 0 to 1; no class and 0 where the text holds nothing known."""

    kind: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a model file tells of itself.

    data_sha256: of the training rows. texts: how many. accuracy: asked for at the threshold. The shares are of
    cross-validation on the training rows: macro-F1 and accuracy over all, share at or above the threshold and its accuracy.
    """

    classes: tuple[str, ...]
    threshold: float
    data_sha256: str
    texts: int
    accuracy: float
    cv_macro_f1: float
    cv_accuracy: float
    cv_automatic: float
    cv_automatic_accuracy: float
    made_on: str = ""
    version: int = VERSION


def words_of(title: str, content: str) -> list[str]:
    """Words of a raw text: folded, cut by the segmenter's own dictionary, punctuation left out."""
    return [word for run in _WORD.findall(_folded(f"{title}\n{content}"[:READ])) for word in rjieba.cut(run)]


def words_cut(text: str) -> list[str]:
    """Words of a text that was segmented before, with blanks between them."""
    return _folded(text[: 2 * READ]).split()


def _folded(text: str) -> str:
    """Full-width as ASCII, lower case, traditional characters as simplified ones; half characters as a question mark."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return str(_SIMPLE.convert(unicodedata.normalize("NFKC", whole).lower()))


def runs_of(words: Sequence[str]) -> tuple[Runs, Runs, Runs]:
    """Runs of characters as numbers, with repetitions: of the text those of two and three, of title and opening one to three."""
    _, text = _runs("".join(words)[:READ])
    title = np.concatenate(_runs("".join(words[:TITLE_WORDS])[:READ]))
    opening = np.concatenate(_runs("".join(words[:OPENING_WORDS])[:READ]))
    return text, title, opening


def _runs(text: str) -> tuple[Runs, Runs]:
    one = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    two = (one[:-1] << _BITS) | one[1:]
    return one, np.concatenate((two, (two[:-1] << _BITS) | one[2:]))


class Vocabulary:
    """The features of a model in the order of their rows: the words, then the runs of each block, each sorted; `idf` of each."""

    def __init__(self, words: Sequence[str], runs: Sequence[Runs], idf: NDArray[np.float32]) -> None:
        """`runs`: of text, title and opening."""
        self.words, self.runs, self.idf = words, runs, idf
        self._row_of_word = {word: row for row, word in enumerate(words)}

    def vector(self, words: Sequence[str]) -> tuple[NDArray[np.int64], Floats]:
        """Rows of the table and TF-IDF values of a text; each block of features has the length of its weight."""
        known = [row for row in map(self._row_of_word.get, words) if row is not None]
        blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = [
            np.unique(np.array(known, dtype=np.int64), return_counts=True)
        ]
        first = len(self.words)
        for of_block, runs in zip(self.runs, runs_of(words), strict=True):
            blocks.append(_found(of_block, runs, first))
            first += len(of_block)
        rows: list[NDArray[np.int64]] = []
        values: list[Floats] = []
        for (index, count), weight in zip(blocks, WEIGHTS, strict=True):
            if len(index):
                value: Floats = (1 + np.log(count)) * self.idf[index]
                rows.append(index)
                values.append(value * (weight / math.sqrt(value @ value)))
        return (np.concatenate(rows), np.concatenate(values)) if rows else (np.zeros(0, np.int64), np.zeros(0))


def _found(known: Runs, runs: Runs, first: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the runs that are known, from `first` on, and how often each stands there."""
    unique, count = np.unique(runs, return_counts=True)
    if not len(known):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    at = np.minimum(np.searchsorted(known, unique), len(known) - 1)
    hit = known[at] == unique
    return at[hit] + first, count[hit]


@dataclass(frozen=True, slots=True)
class Model:
    """What training learns. table: per feature its weight for each class, then for each class the square of its ratio.

    intercept: of each class. hub/train.py makes them.
    """

    vocabulary: Vocabulary
    table: NDArray[np.float16]
    intercept: Floats

    def scores(self, words: Sequence[str]) -> Floats | None:
        """How far a text in words lies on the side of each class; None where it holds nothing known."""
        rows, values = self.vocabulary.vector(words)
        if not len(rows):
            return None
        taken = self.table[rows].astype(np.float32)
        near = values.astype(np.float32)
        k = len(self.intercept)
        norm = np.sqrt((near * near) @ taken[:, k:])
        scores: Floats = (near @ taken[:, :k]) / np.maximum(norm, 1e-12) + self.intercept
        return scores


def probabilities(scores: Floats, scale: Floats) -> Floats:
    """Scores as probabilities along the last axis. scale: classes by classes, and below it one row of intercepts."""
    told = scores @ scale[:-1] + scale[-1]
    shifted = np.exp(told - told.max(axis=-1, keepdims=True))
    shares: Floats = shifted / shifted.sum(axis=-1, keepdims=True)
    return shares


class Classifier:
    """A model with its calibration. Reading it from several threads at once is safe."""

    def __init__(self, told: Told, model: Model, scale: Floats) -> None:
        """`scale`: the calibration, as `probabilities` takes it."""
        self.told, self.model, self.scale = told, model, scale

    @property
    def threshold(self) -> float:
        """From this confidence on a text is decided without a person."""
        return self.told.threshold

    def predict(self, title: str, content: str) -> Classified:
        """The most probable class of a raw text."""
        return self.predict_words(words_of(title, content))

    def predict_words(self, words: Sequence[str]) -> Classified:
        """The most probable class of a text in words."""
        scores = self.model.scores(words)
        if scores is None:
            return Classified("", 0.0)
        shares = probabilities(scores, self.scale)
        best = int(shares.argmax())
        return Classified(self.told.classes[best], round(float(shares[best]), DIGITS))

    def save(self, path: Path) -> None:
        """One .npz without pickles; the same model gives the same bytes."""
        with path.open("wb") as file:
            runs: dict[str, Any] = dict(zip(_RUNS, self.model.vocabulary.runs, strict=True))
            np.savez_compressed(
                file,
                told=_bytes(json.dumps(asdict(self.told), ensure_ascii=False)),
                words=_bytes("\n".join(self.model.vocabulary.words)),
                **runs,
                idf=self.model.vocabulary.idf,
                table=self.model.table,
                intercept=self.model.intercept,
                scale=self.scale,
            )

    @classmethod
    def load(cls, path: Path) -> "Classifier":
        """Reads a model file; raises ModelError."""
        again = "train it again with `zhishu train`"
        try:
            with np.load(path, allow_pickle=False) as data:
                parts = {name: data[name] for name in data.files}
            told = json.loads(parts["told"].tobytes())
            if told["version"] != VERSION:
                raise ModelError(f"{path.name} is a model of version {told['version']}, not {VERSION}: {again}")
            told = Told(**told | {"classes": tuple(told["classes"])})
            words = parts["words"].tobytes().decode().split("\n") if len(parts["words"]) else []
            runs = [parts[name] for name in _RUNS]
            vocabulary = Vocabulary(words, runs, parts["idf"])
            rows, k = len(words) + sum(map(len, runs)), len(told.classes)
            shapes = [parts[name].shape for name in ("idf", "table", "intercept", "scale")]
            if shapes != [(rows,), (rows, 2 * k), (k,), (k + 1, k)]:
                raise ModelError(f"{path.name} is damaged: its tables do not fit together; {again}")
        except FileNotFoundError:
            raise ModelError(f"there is no model file {path}; `zhishu train` makes one") from None
        except ModelError:
            raise
        except (OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path.name} is no model file, or is damaged ({type(error).__name__}); {again}") from None
        return cls(told, Model(vocabulary, parts["table"], parts["intercept"]), parts["scale"])


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def classifier_of(profile: Profile) -> Classifier | None:
    """The model that a profile names; None where it names none. Raises ModelError, and ProfileError if they do not fit."""
    if profile.classifier is None:
        return None
    found = Classifier.load(profile.folder / profile.classifier)
    strange = sorted(set(found.told.classes) - set(profile.matters))
    if strange:
        raise ProfileError(
            f"{profile.classifier} knows classes that are no matter_kind of matters.csv: {', '.join(strange[:10])}; "
            "train it on kinds of this profile, or add them"
        )
    return found


def kind_of(report: Report, classifier: Classifier | None) -> RoutedKind | None:
    """The kind a report is routed by: the source's code, else keywords (both found by the connector), else the model's.

    Below the model's threshold the kind is a suggestion (`sure` is False) and a person decides. None: nobody can tell.
    """
    if report["matter_kind"]:
        return RoutedKind(report["matter_kind"], "source" if report["kind_code"] else "keywords")
    if classifier is None or report["appeal_type"] == "alarm":  # a device's words are no text
        return None
    kind, confidence = classifier.predict(report["title"], report["content"])
    return RoutedKind(kind, "model", confidence, confidence >= classifier.threshold) if kind else None
