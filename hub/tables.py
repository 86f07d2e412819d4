"""CSV files of people: labelled reports, labelled texts."""

import csv
import sys
from collections.abc import Iterable
from pathlib import Path


class TableError(ValueError):
    """A file is not what the command needs; the message says which line, and what it must hold."""


def read_table(path: Path, columns: Iterable[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file in UTF-8, at least one, with the number of the line that each ends in; raises TableError.

    Columns: those it must have.
    """
    csv.field_size_limit(sys.maxsize)
    found: list[tuple[int, dict[str, str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            for row in reader:
                if None in row or None in row.values():
                    raise TableError(
                        f"{path}, line {reader.line_num}: has another number of fields than the {len(names)} of the header"
                    )
                found.append((reader.line_num, row))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{path}: can't be read as CSV in UTF-8 ({type(error).__name__})") from None
    missing = [name for name in columns if not found or name not in names]
    if missing:
        raise TableError(f"{path}: needs rows with the column(s) {', '.join(missing)}")
    return found
