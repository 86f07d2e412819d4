"""Cells of .xlsx, .xls, .ods and .csv files as text, row by row. What a file is, its bytes tell, not its name.

A cell is text; empty where blank; None where a spreadsheet has made a number of it that can't hold all its digits.
"""

import codecs
import csv
import re
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self, TextIO

from python_calamine import CalamineError, CalamineSheet, PasswordError, SheetTypeEnum, SheetVisibleEnum, load_workbook

Cell = str | None
#: First and last row, first and last column, counted from 0.
Range = tuple[int, int, int, int]

#: A double holds 15 decimal digits, and Excel keeps no more.
_DIGITS_LIMIT: Final = 10**15
#: After it no half second can be added.
_LAST_SECOND: Final = datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - a spreadsheet's own time
#: How a spreadsheet writes a number that is too long for its cell into CSV: 2.50912E+17.
_SCIENTIFIC: Final = re.compile(r"[+-]?\d(?:\.\d+)?E\+\d{2,3}", re.IGNORECASE)
#: Ways in which exports keep a spreadsheet from reading text as a number: ="0532", '0532.
_GUARDED: Final = re.compile(r"""="([^"]*)"|'(\d+)""")
_UNPACKED_BYTES: Final = 1024 * 1024 * 1024
_ZIP_MEMBERS: Final = 10_000
_CHUNK: Final = 1024 * 1024
_DELIMITERS: Final = ",\t;"
_LONGEST_FIELD: Final = 1024 * 1024
#: Lines of one row of a CSV: more are no cell with line breaks, but a quote that was not closed.
_MOST_LINES: Final = 200
#: What stands between two quotes of one line.
_PAIRED: Final = re.compile('"[^"]*"')
#: From here on a character has three bytes in UTF-8, which text in another encoding hardly ever looks like.
_THREE_BYTES: Final = "\u0800"
#: What stands for bytes that are no text (PEP 383), and what no text holds.
_UNDECODED: Final = re.compile("[\0\udc80-\udcff]")
#: Stands for the cells of a row that can't be read.
UNREADABLE: Final[list[Cell]] = [None]


class SheetError(ValueError):
    """The file can't be read; the message says why and what to do, and quotes nothing of it."""


@dataclass(frozen=True)
class Sheet:
    """One visible sheet with rows; `rows` gives (line as the spreadsheet counts it, cells) once.

    merged: whether the format tells which cells are merged; they are filled then. alone: whether the file has no other.
    """

    name: str
    merged: bool
    alone: bool
    rows: Iterator[tuple[int, list[Cell]]] = field(repr=False)


def open_sheets(path: Path) -> Iterator[Sheet]:
    """The file's visible sheets that have rows; raises SheetError, also while rows are read."""
    with path.open("rb") as file:
        start = file.read(4096)
    if start.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        yield from _workbook(path, start.startswith(b"PK"))
    elif start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
        raise SheetError("the file is a web page or XML under a spreadsheet's name; save it as .xlsx or .csv")
    else:
        yield Sheet("", False, True, _csv(path))


def _workbook(path: Path, zipped: bool) -> Iterator[Sheet]:
    if zipped:
        _check_size(path)
    try:
        book = load_workbook(str(path))
        visible = [
            meta.name
            for meta in book.sheets_metadata
            if meta.typ == SheetTypeEnum.WorkSheet and meta.visible == SheetVisibleEnum.Visible
        ]
        for name in visible:
            sheet = book.get_sheet_by_name(name)
            if sheet.start is not None:
                yield Sheet(name, sheet.merged_cell_ranges is not None, len(visible) == 1, _filled(sheet))
    except PasswordError:
        raise SheetError("the workbook is protected by a password; save it without") from None
    except (CalamineError, OSError, ValueError) as error:
        if isinstance(error, SheetError):
            raise
        raise SheetError(f"the workbook can't be read ({type(error).__name__}); save it again as .xlsx") from None


def _check_size(path: Path) -> None:
    """Told before anything is unpacked; the process that reads bounds what a lying file unpacks to."""
    try:
        with zipfile.ZipFile(path) as packed:
            members = packed.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise SheetError("the workbook is broken or not whole; copy it again") from None
    if len(members) > _ZIP_MEMBERS or sum(member.file_size for member in members) > _UNPACKED_BYTES:
        raise SheetError(f"the workbook unpacks to more than {_UNPACKED_BYTES} bytes; split it")


def _filled(sheet: CalamineSheet) -> Iterator[tuple[int, list[Cell]]]:
    """Rows, with the value of each merged range in all of its cells."""
    top, left = sheet.start or (0, 0)
    begins: dict[int, list[Range]] = {}
    for (row, column), (last_row, last_column) in sheet.merged_cell_ranges or ():
        begins.setdefault(row, []).append((row, last_row, column - left, last_column - left))
    running: list[tuple[Range, Cell]] = []
    for number, values in enumerate(sheet.iter_rows(), start=top):
        cells = [cell_text(value) for value in values]
        running = [entry for entry in running if entry[0][1] >= number]
        running += [(found, cells[found[2]]) for found in begins.pop(number, ()) if 0 <= found[2] < len(cells)]
        for (_, _, first, last), value in running:
            for column in range(first, min(last + 1, len(cells))):
                cells[column] = value
        yield number + 1, cells


def cell_text(value: Any) -> Cell:
    """A workbook's cell as its owner reads it; None for a whole number of more than 15 digits."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if not abs(value) < _DIGITS_LIMIT:  # nor what is no number at all
            return None
        return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")
    if isinstance(value, datetime):
        # Excel counts in days: a second is not exact in it.
        exact = (value + timedelta(milliseconds=500) if value < _LAST_SECOND else value).replace(microsecond=0)
        return exact.strftime("%Y-%m-%d %H:%M:%S")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _text(value: str) -> Cell:
    text = value.strip()
    if guarded := _GUARDED.fullmatch(text):
        text = (guarded[1] or guarded[2] or "").strip()
    return None if _SCIENTIFIC.fullmatch(text) else text


def _csv(path: Path) -> Iterator[tuple[int, list[Cell]]]:
    """UTF-8, else GB18030 (which has GBK and GB2312 in it), UTF-16 by its mark; rows that are not are UNREADABLE."""
    encoding, width = _encoding(path), 0
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        delimiter = _delimiter(file.read(65_536))
        file.seek(0)
        lines = _Lines(file)
        while True:
            # A row that can't be read costs itself alone: the lines after it are read again, from the next one on.
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                for row in rows:
                    lines.check(width, delimiter)
                    width = len(row) if len(row) > 1 else width
                    whole = not any(_UNDECODED.search(value) for value in row)
                    yield lines.taken(), [_text(value) for value in row] if whole else UNREADABLE
            except (csv.Error, _StrayQuoteError):
                yield lines.give_back(), UNREADABLE
                continue
            return


class _StrayQuoteError(Exception):
    """A row goes on over more lines than any does, or over lines that are rows themselves: a quote was not closed."""


class _Lines:
    """The lines of a file, of which those of a row that can't be read come again, but for its first."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._given: list[str] = []
        self._again: deque[str] = deque()
        self._number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        if len(self._given) == _MOST_LINES:
            raise _StrayQuoteError
        line = self._again.popleft() if self._again else next(self._file)
        self._given.append(line)
        self._number += 1
        return line

    def check(self, width: int, delimiter: str) -> None:
        """Raises _StrayQuoteError when two lines of the row have the cells of a whole row each: it is several rows, between a
        stray quote in one and a stray quote in another. width: cells of the row before; 0: not known.
        """
        if not width or len(self._given) == 1:
            return
        # The quote that is still open when a line begins ends at the line's first.
        parts = [self._given[0], *(line.replace('"', "", 1) for line in self._given[1:])]
        if sum(_PAIRED.sub("", part).count(delimiter) + 1 == width for part in parts) > 1:
            raise _StrayQuoteError

    def taken(self) -> int:
        """The row is whole: the number of its last line."""
        self._given.clear()
        return self._number

    def give_back(self) -> int:
        """The row can't be read: the number of its first line; those after it will come again."""
        first = self._number - len(self._given) + 1
        self._again.extendleft(reversed(self._given[1:]))
        self._given.clear()
        self._number = first
        return first


def _encoding(path: Path) -> str:
    """The encoding in which most lines are text; raises SheetError where there is none."""
    unknown = SheetError("the file is neither UTF-8 nor GB18030 nor whole UTF-16 text; save it as 'CSV UTF-8'")
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return _whole_utf16(path, unknown)
        file.seek(0)
        lines = told = zeros = utf8 = certain = gb18030 = 0
        while line := file.readline(_LONGEST_FIELD):
            lines += 1
            if line.isascii() and b"\0" not in line:
                continue
            told += 1
            zeros += b"\0" in line
            text = _decoded(line, "utf-8")
            utf8 += bool(text)
            certain += max(text, default="") >= _THREE_BYTES
            gb18030 += bool(_decoded(line, "gb18030"))
    if utf8 == told or certain > told / 2:
        return "utf-8-sig"
    if gb18030 > told / 2:
        return "gb18030"
    if told < lines / 2:  # ASCII with some lines that are no text
        return "utf-8-sig"
    if zeros:
        raise SheetError("the file is neither a spreadsheet nor text; save it as .xlsx or .csv")
    raise unknown


def _decoded(line: bytes, encoding: str) -> str:
    """The line as text; empty when it is none."""
    try:
        return "" if b"\0" in line else line.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _whole_utf16(path: Path, unknown: SheetError) -> str:
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\x00" in decoder.decode(chunk):
                    raise SheetError("the file is neither a spreadsheet nor text; save it as .xlsx or .csv")
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise unknown from None
    return "utf-16"


def _delimiter(start: str) -> str:
    """The one that parts most lines' cells."""
    lines = start.splitlines()[:50]
    return max(_DELIMITERS, key=lambda mark: (sum(line.count(mark) for line in lines), mark == ","))
