"""Category prediction: TF-IDF with a linear support vector machine, from scikit-learn."""

from collections.abc import Sequence

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC


def train(texts: Sequence[str], classes: Sequence[str], segmented: bool) -> Pipeline:
    """A classifier. `segmented` texts are words with blanks between them; others are cut into runs of 1 to 3 characters."""
    if segmented:
        vectorizer = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True)  # noqa: S106 - a pattern of words
    else:
        vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2)
    return make_pipeline(vectorizer, LinearSVC(random_state=0)).fit(texts, classes)


def score(model: Pipeline, texts: Sequence[str], classes: Sequence[str]) -> tuple[float, float]:
    """Accuracy and macro-F1 on texts the model has not seen."""
    predicted = model.predict(texts)
    return float(accuracy_score(classes, predicted)), float(f1_score(classes, predicted, average="macro"))
