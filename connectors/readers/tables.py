"""A sheet's rows as messages: where the header is, what its columns are called, and which rows can't be taken."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from connectors.sheets import UNREADABLE, Cell, Sheet, SheetError

#: Rows in which the header is looked for.
_TOP: Final = 30
_MOST_COLUMNS: Final = 500
_LONGEST_NAME: Final = 60
_MOST_HEADER_ROWS: Final = 3
#: A row is the header when it names at least this share of the columns.
_SHARE: Final = 0.6
_NO_NAME: Final = re.compile(r"[\d\s.,:/年月日时分秒%+-]*")
#: What stands above a header in two cells or more: "制表人：…", "2025年9月".
_REMARK: Final = re.compile(r"[：:].|\d{2}")
_SPACE: Final = re.compile(r"\s+")

Numbered = tuple[int, list[Cell]]


@dataclass(frozen=True)
class TableOptions:
    """As in profiles/sources.py, FilesSource."""

    columns: tuple[str, ...] = ()
    header_row: int = 0
    header_rows: int = 0
    sheets: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A row below the header: its line, its given values by column name, and why it can't be taken ("" when it can)."""

    line: int
    fields: dict[str, str]
    problem: str = ""


def read_table(sheet: Sheet, options: TableOptions) -> Iterator[Row]:
    """The rows of a sheet; blank ones and repeated headers are left out. Raises SheetError."""
    rows = iter(sheet.rows)
    top = list(islice(rows, max(_TOP, options.header_row + _MOST_HEADER_ROWS)))
    first, count = _find(top, options, sheet.merged)
    header = [cells for _, cells in top[first : first + count]]
    names = _unique(_names(header, sheet.merged))
    if missing := [name for name in options.columns if name not in names]:
        raise SheetError(f"the header lacks {', '.join(missing)}; correct the file, or the source's columns")
    if len(names) > _MOST_COLUMNS:
        raise SheetError(f"more than {_MOST_COLUMNS} columns; remove those that are not needed")
    last = [_name(cell) for cell in header[-1]]
    shorter = _shorter(names)
    for line, cells in chain(top[first + count :], rows):
        if any(cell != "" for cell in cells) and [_name(cell) for cell in cells[: len(last)]] != last:
            yield _row(line, cells, names, shorter, options.ignore)


def _row(
    line: int, cells: Sequence[Cell], names: Sequence[str], shorter: Mapping[str, str], ignored: Sequence[str]
) -> Row:
    if cells is UNREADABLE:
        return Row(line, {}, "the row can't be read; check its quotes and its encoding")
    found = [(name, cell) for name, cell in zip(names, cells, strict=False) if cell != "" and name not in ignored]
    fields = {name: cell for name, cell in found if cell is not None}
    fields |= {shorter[name]: cell for name, cell in fields.items() if name in shorter}
    lost = [name for name, cell in found if cell is None]
    if lost:
        told = (
            f"{', '.join(lost)}: stands as a number of more than 15 digits, whose last digits the spreadsheet has lost"
        )
        return Row(line, fields, f"{told}; format the column as text and fill it in again")
    if any(cell != "" for cell in cells[len(names) :]):
        return Row(line, fields, "the row has more values than the header has columns; check its quotes")
    return Row(line, fields)


def _find(top: Sequence[Numbered], options: TableOptions, merged: bool) -> tuple[int, int]:
    """Index of the header's first row in `top`, and how many rows it has."""
    if options.header_row:
        for index, (line, _) in enumerate(top):
            if line == options.header_row:
                return index, options.header_rows or _depth(top, index, merged)
        raise SheetError(f"there is no line {options.header_row} for the header; correct the source's header_row")
    if options.columns:
        for index in range(len(top)):
            depth = options.header_rows or _depth(top, index, merged)
            for count in [depth] if options.header_rows else [depth, *range(1, _MOST_HEADER_ROWS + 1)]:
                if set(options.columns) <= set(_names([cells for _, cells in top[index : index + count]], merged)):
                    return index, count
        raise SheetError(f"no row of the first {_TOP} names {', '.join(options.columns)}; correct the source's columns")
    width = max((sum(cell != "" for cell in cells) for _, cells in top), default=0)
    for index, (_, cells) in enumerate(top):
        count = options.header_rows or _depth(top, index, merged)
        names = _names([row for _, row in top[index : index + count]], merged)
        given = [cell for cell in cells if cell != ""]
        if len(set(given)) < min(2, width) or not all(map(_is_name, given)):
            continue
        if any(_REMARK.search(cell or "") for cell in given):
            continue
        if sum(map(bool, names)) >= _SHARE * width:
            return index, count
    raise SheetError(f"no header was found in the first {_TOP} rows; name columns or header_row in the source")


def _depth(top: Sequence[Numbered], index: int, merged: bool) -> int:
    """Rows of a header that starts here: one, and those below that only name parts of what stands above them."""
    count = 1
    while count < _MOST_HEADER_ROWS and index + count < len(top):
        upper, lower = top[index + count - 1][1], top[index + count][1]
        if not _names_parts(upper if merged else _spread(upper, lower), lower):
            break
        count += 1
    return count


def _names_parts(upper: Sequence[Cell], lower: Sequence[Cell]) -> bool:
    """Whether each cell of `lower` is blank, its upper one again, or a name under one that spans several columns."""
    found = False
    for column, cell in enumerate(lower):
        above = _at(upper, column)
        if (not cell and cell is not None) or cell == above:
            continue
        spans = bool(above) and above in (_at(upper, column + 1), _at(upper, column - 1) if column else "")
        if not spans or not _is_name(cell):
            return False
        found = True
    return found


def _names(header: Sequence[Sequence[Cell]], merged: bool) -> list[str]:
    """Column names; those of several rows joined as upper/lower, a name that stands in two rows once."""
    rows = [
        upper if merged or lower is None else _spread(upper, lower)
        for upper, lower in zip(header, [*header[1:], None], strict=True)
    ]
    names = []
    for column in range(max(map(len, rows), default=0)):
        parts: list[str] = []
        for row in rows:
            if (part := _name(_at(row, column))) and part not in parts[-1:]:
                parts.append(part)
        names.append("/".join(parts))
    return names


def _unique(names: Sequence[str]) -> list[str]:
    """The names, of which the second of a kind becomes name_2; a nameless column is called by its number."""
    seen: dict[str, int] = {}
    found = []
    for number, name in enumerate(names, start=1):
        named = name or f"column_{number}"
        seen[named] = seen.get(named, 0) + 1
        found.append(named if seen[named] == 1 else f"{named}_{seen[named]}")
    return found


def _shorter(names: Sequence[str]) -> dict[str, str]:
    """The lowest part of a joined name, where no other column ends so: "来电人/电话" is found as "电话" too."""
    ends = Counter(name.rpartition("/")[2] for name in names)
    return {name: end for name in names if (end := name.rpartition("/")[2]) != name and ends[end] == 1}


def _spread(upper: Sequence[Cell], lower: Sequence[Cell]) -> list[Cell]:
    """The upper row with blanks filled from the left where the lower row has a name: formats that tell no merged cells."""
    filled: list[Cell] = list(upper) + [""] * (len(lower) - len(upper))
    for column in range(1, len(filled)):
        if filled[column] == "" and _at(lower, column):
            filled[column] = filled[column - 1]
    return filled


def _at(cells: Sequence[Cell], column: int) -> Cell:
    return cells[column] if column < len(cells) else ""


def _name(cell: Cell) -> str:
    """A column's name: without line breaks, and without spaces where it is Chinese."""
    text = _SPACE.sub(" ", cell or "").strip()
    return text if text.isascii() else text.replace(" ", "")


def _is_name(cell: Cell) -> bool:
    return cell is not None and len(cell) <= _LONGEST_NAME and not _NO_NAME.fullmatch(cell)
