"""`zhishu eval route`: how good and how fast the category model is on texts it has not seen."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np

from hub.labelled import Labelled, read_labelled
from hub.tables import TableError
from hub.train import folds_of, macro_f1, train
from streams.classify import Classifier

#: Of a file one third is kept for the test.
_PARTS: Final = 3
#: Figures of several splits of which mean and lowest are told.
_SUMMED: Final = ("macro_f1", "accuracy", "automatic", "automatic_accuracy")
_CURVE: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


def evaluate_files(train_file: Path, test_file: Path, accuracy: float) -> dict[str, Any]:
    """Figures of a model of one file on another one; raises TableError, TrainingError."""
    return _measured(train(read_labelled(train_file), accuracy), read_labelled(test_file))


def evaluate_splits(file: Path, splits: int, accuracy: float) -> dict[str, Any]:
    """Figures of models of two thirds of a file on the third they have not seen, classes in proportion.

    Split n is drawn with seed n. Several: `mean` and `min` of the shares, the slowest latencies, the mean curve, and the figures
    of each. Raises TableError, TrainingError.
    """
    rows = read_labelled(file)
    kinds = np.unique(rows.kinds, return_inverse=True)[1]
    found = []
    for seed in range(splits):
        seen, unseen = folds_of(kinds, _PARTS, seed)[0]
        model = train(rows.part(seen), accuracy)
        found.append({"seed": seed} | _measured(model, rows.part(unseen)))
    if splits == 1:
        return found[0]
    return {
        "splits": splits,
        "mean": {name: fmean(_known(found, name)) for name in _SUMMED},
        "min": {name: min(_known(found, name)) for name in _SUMMED},
        "latency_ms": {name: max(one["latency_ms"][name] for one in found) for name in found[0]["latency_ms"]},
        "each": [{name: value for name, value in one.items() if name != "curve"} for one in found],
        "curve": [
            {"threshold": at, **{name: fmean(_known(points, name)) for name in ("automatic", "accuracy")}}
            for at, points in zip(_CURVE, zip(*(one["curve"] for one in found), strict=True), strict=True)
        ],
    }


def _known(found: Sequence[dict[str, Any]], name: str) -> list[float]:
    """Figures of several splits; one without a denominator counts as 0."""
    return [0.0 if figures[name] is None else figures[name] for figures in found]


def _measured(model: Classifier, rows: Labelled) -> dict[str, Any]:
    """Shares of the texts, milliseconds of a text. automatic: at or above the threshold, which training chose."""
    if not rows.kinds:
        raise TableError("there is no labelled text to test on")
    told, spent = [], []
    for at in range(len(rows.kinds)):
        start = time.perf_counter()
        told.append(model.predict_words(rows.words(at)))
        spent.append((time.perf_counter() - start) * 1e3)
    expected, kinds = np.array(rows.kinds), np.array([found.kind for found in told])
    confidence, right = np.array([found.confidence for found in told]), kinds == expected
    sure = confidence >= model.threshold
    return {
        "train": model.told.texts,
        "test": len(kinds),
        "classes": len(model.told.classes),
        "accuracy": float(right.mean()),
        "macro_f1": macro_f1(expected, kinds),
        "threshold": model.threshold,
        "automatic": float(sure.mean()),
        "automatic_accuracy": float(right[sure].mean()) if sure.any() else None,
        "latency_ms": {
            "mean": fmean(spent),
            "p50": float(np.quantile(spent, 0.5)),
            "p99": float(np.quantile(spent, 0.99)),
        },
        "cross_validation": {
            "macro_f1": model.told.cv_macro_f1,
            "automatic": model.told.cv_automatic,
            "automatic_accuracy": model.told.cv_automatic_accuracy,
        },
        "curve": [
            {
                "threshold": at,
                "automatic": float((confidence >= at).mean()),
                "accuracy": float(right[confidence >= at].mean()) if (confidence >= at).any() else None,
            }
            for at in _CURVE
        ],
    }
