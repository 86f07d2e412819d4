"""Texts with their category, for training and evaluating the category model."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.tables import TableError, read_table
from streams.classify import words_cut, words_of


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and the category of each. A text is (title, content), or (None, words with blanks between them)."""

    texts: Sequence[tuple[str | None, str]]
    kinds: Sequence[str]

    def words(self, at: int) -> list[str]:
        """The words of one text, as in production."""
        title, content = self.texts[at]
        return words_cut(content) if title is None else words_of(title, content)

    def part(self, places: Iterable[int]) -> "Labelled":
        """Some of the rows."""
        kept = list(places)
        return Labelled([self.texts[at] for at in kept], [self.kinds[at] for at in kept])


def read_labelled(path: Path) -> Labelled:
    """Rows of a CSV file with a column kind (or class) and a text; raises TableError.

    The text: a column segmented_text; or content or text, with or without a column title. Rows without kind are left out.
    """
    rows = [row for _, row in read_table(path)]
    columns = rows[0].keys() if rows else ()
    label = next((name for name in ("kind", "class") if name in columns), None)
    text = next((name for name in ("segmented_text", "content", "text") if name in columns), None)
    if label is None or text is None:
        raise TableError(
            f"{path}: needs rows with the columns kind (or class) and text (or title,content; segmented_text)"
        )
    kept = [row for row in rows if row[label]]
    raw = text != "segmented_text"
    return Labelled(
        [((row.get("title") or "") if raw else None, row[text] or "") for row in kept], [row[label] for row in kept]
    )
