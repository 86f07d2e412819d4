"""`zhishu train`: a category model from labelled texts, its calibration and threshold from cross-validation on them alone.

One support vector machine a class on features weighted by how much oftener the class has them (NB-SVM: Wang and Manning,
ACL 2012); the result is tables that streams/classify.py reads. docs/decisions/0023-classifier.md.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hub.labelled import Labelled
from streams.classify import DIGITS, Classifier, Floats, Model, Told, Vocabulary, probabilities, runs_of

#: Texts that must hold a word; a run, as a run of the text, of the title, of the opening.
_WORD_TEXTS: Final = 2
_RUN_TEXTS: Final = (3, 1, 2)
#: Added to every count; power of the ratio of counts; folds of cross-validation.
_ALPHA: Final = 0.03
_POWER: Final = 0.5
_FOLDS: Final = 10
#: How far below the measured accuracy the true one is taken to be, in standard errors (Wilson's lower bound).
_Z: Final = 1.0


class TrainingError(ValueError):
    """Nothing can be learned from these rows, or with what is installed; the message says what to do."""


def train(rows: Labelled, accuracy: float = 0.97, made_on: str = "") -> Classifier:
    """The model of these rows; the same rows in any order give the same model. Raises TrainingError.

    accuracy: of what is decided without a person; the threshold is the lowest confidence that keeps it.
    """
    cut = ((rows.words(at), name) for at, name in enumerate(rows.kinds))
    kept = sorted((words, name) for words, name in cut if words)
    names = tuple(sorted({name for _, name in kept}))
    fewest = min(Counter(name for _, name in kept).values(), default=0)
    if len(names) < 2 or fewest < 2:
        raise TrainingError("training needs texts of two classes at least, and two texts of each class")
    texts, y = [words for words, _ in kept], np.array([names.index(name) for _, name in kept])
    scores = np.zeros((len(y), len(names)))
    folds = folds_of(y, min(_FOLDS, fewest))
    for inside, outside in folds:  # each a whole training, so that its scores are those of texts never seen
        model = _fit([texts[at] for at in inside], y[inside], len(names))
        for at in outside:
            told = model.scores(texts[at])
            scores[at] = model.intercept if told is None else told
    shares = np.zeros_like(scores)
    for inside, outside in folds:  # no text's own label shapes the confidence that the threshold is chosen on
        shares[outside] = probabilities(scores[outside], _calibration(scores[inside], y[inside], len(names)))
    confidence, right = shares.max(axis=1).round(DIGITS), shares.argmax(axis=1) == y
    threshold = threshold_for(confidence, right, accuracy)
    sure = confidence >= threshold
    figures = Told(
        classes=names,
        threshold=threshold,
        data_sha256=_digest(kept),
        texts=len(kept),
        accuracy=accuracy,
        cv_macro_f1=round(macro_f1(y, shares.argmax(axis=1)), 4),
        cv_accuracy=round(float(right.mean()), 4),
        cv_automatic=round(float(sure.mean()), 4),
        cv_automatic_accuracy=round(float(right[sure].mean()), 4) if sure.any() else 0.0,
        made_on=made_on,
    )
    return Classifier(figures, _fit(texts, y, len(names)), _calibration(scores, y, len(names)))


def threshold_for(confidence: Floats, right: NDArray[np.bool_], accuracy: float, z: float = _Z) -> float:
    """The lowest confidence from which on the lower bound of accuracy holds; 1.01, which none has, if there is none."""
    order = np.argsort(-confidence, kind="stable")
    n = np.arange(1, len(order) + 1)
    p = np.cumsum(right[order]) / n
    low = (p + z * z / (2 * n) - z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    falling = confidence[order]
    last = np.append(falling[1:] < falling[:-1], True)  # of those alike: a threshold takes all of them
    met = np.flatnonzero((low >= accuracy) & last)
    return float(falling[met[-1]]) if len(met) else 1.01


def macro_f1(expected: NDArray[Any], told: NDArray[Any]) -> float:
    """Mean of the F1 of each class that is expected."""
    f1 = []
    for name in np.unique(expected):
        hit = np.sum((expected == name) & (told == name))
        f1.append(2 * hit / (np.sum(expected == name) + np.sum(told == name)))
    return float(np.mean(f1))


def _sklearn() -> Any:
    try:
        import sklearn.linear_model  # noqa: PLC0415 - an extra: only training needs it
        import sklearn.svm  # noqa: PLC0415
    except ModuleNotFoundError:
        raise TrainingError(
            "training needs scikit-learn: pip install '.[train]' in the hub's folder, then again"
        ) from None
    return sklearn


def _digest(rows: Sequence[tuple[Sequence[str], str]]) -> str:
    whole = hashlib.sha256()
    for words, name in rows:
        whole.update("\x1f".join((name, *words)).encode("utf-8", "replace") + b"\x1e")
    return whole.hexdigest()


def _vocabulary(texts: Sequence[Sequence[str]]) -> Vocabulary:
    held = Counter(word for text in texts for word in set(text))
    words = sorted(word for word, n in held.items() if n >= _WORD_TEXTS)
    blocks = zip(*map(runs_of, texts), strict=True)
    counted = [_counted(runs, least) for runs, least in zip(blocks, _RUN_TEXTS, strict=True)]
    held_by = np.concatenate([[held[word] for word in words], *(n for _, n in counted)])
    idf = np.log((1 + len(texts)) / (1 + held_by)) + 1
    return Vocabulary(words, [runs for runs, _ in counted], idf.astype(np.float32))


def _counted(runs: Sequence[NDArray[np.uint64]], least: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    known, held_by = np.unique(np.concatenate([np.unique(of_text) for of_text in runs]), return_counts=True)
    return known[held_by >= least], held_by[held_by >= least]


def _matrix(texts: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Any:
    _sklearn()
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - comes with scikit-learn

    vectors = [vocabulary.vector(words) for words in texts]
    ends = np.cumsum([0, *(len(rows) for rows, _ in vectors)])
    indices = np.concatenate([rows for rows, _ in vectors])
    return csr_matrix((np.concatenate([v for _, v in vectors]), indices, ends), (len(texts), len(vocabulary.idf)))


def folds_of(y: NDArray[np.int64], count: int, seed: int = 0) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows inside and outside of each fold, classes in proportion."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(y), dtype=np.int64)
    for name in np.unique(y):
        fold[y == name] = random.permutation(np.arange(np.sum(y == name)) % count)
    return [(np.flatnonzero(fold != at), np.flatnonzero(fold == at)) for at in range(count)]


def _fit(texts: Sequence[Sequence[str]], y: NDArray[np.int64], classes: int) -> Model:
    sklearn = _sklearn()
    from scipy.sparse import diags  # noqa: PLC0415

    vocabulary = _vocabulary(texts)
    x = _matrix(texts, vocabulary)
    weights, squares, intercepts = [], [], []
    for name in range(classes):
        mine, others = (np.asarray(x[mask].sum(axis=0)).ravel() + _ALPHA for mask in (y == name, y != name))
        ratio = np.abs(np.log((mine / mine.sum()) / (others / others.sum()))) ** _POWER
        weighted = x @ diags(ratio)
        lengths = np.sqrt(weighted.multiply(weighted).sum(axis=1)).A1
        scaled = diags(1 / np.maximum(lengths, 1e-12)) @ weighted
        svm = sklearn.svm.LinearSVC(class_weight="balanced", random_state=0).fit(scaled, y == name)
        weights.append(svm.coef_[0] * ratio)
        squares.append(ratio**2)
        intercepts.append(svm.intercept_[0])
    return Model(vocabulary, np.array([*weights, *squares]).T.astype(np.float16), np.array(intercepts))


def _calibration(scores: Floats, y: NDArray[np.int64], classes: int) -> Floats:
    fitted = _sklearn().linear_model.LogisticRegression(max_iter=2000).fit(scores, y)
    coef, intercept = fitted.coef_, fitted.intercept_
    if classes == 2:  # scikit-learn keeps one row for two classes
        coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    return np.vstack([coef.T, intercept])
