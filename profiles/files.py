"""Reading a profile's files: CSV and TOML, with errors that name file, line and remedy."""

import csv
import tomllib
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")
#: An error names so many problems of a file; nobody reads more at once.
_TOLD: Final = 50


class ProfileError(ValueError):
    """A profile file is missing or wrong; the message names file, line and remedy."""


class Range(NamedTuple):
    """Numbers that are accepted, and how an error tells them; nan lies in none."""

    text: str
    holds: Callable[[float], bool]


LONGITUDE: Final = Range("between -180 and 180", lambda x: -180 <= x <= 180)
LATITUDE: Final = Range("between -90 and 90", lambda x: -90 <= x <= 90)
SHARE: Final = Range("between 0 and 1", lambda x: 0 <= x <= 1)
ABOVE_0: Final = Range("above 0", lambda x: 0 < x < inf)
#: What ClickHouse's UInt32 holds.
COUNT: Final = Range("a whole number from 0 to 4294967295", lambda x: 0 <= x < 2**32 and x == int(x))


def read_rows(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, values of the columns, trimmed) of a CSV file with a header row; empty for an optional column it lacks."""
    for line, row in _lines(path, columns, optional):
        if row is None:
            raise ProfileError(f"{path.name}, line {line}: fewer values than columns")
        yield line, row


def gather(
    path: Path,
    columns: tuple[str, ...],
    read: Callable[[int, dict[str, str]], T],
    optional: tuple[str, ...] = (),
) -> list[T]:
    """`read` of each row; raises one ProfileError that tells the problems of all rows, a line of its text for each."""
    found: list[T] = []
    problems: list[str] = []
    for line, row in _lines(path, columns, optional):
        if row is None:
            problems.append(f"{path.name}, line {line}: fewer values than columns")
            continue
        try:
            found.append(read(line, row))
        except ProfileError as error:
            problems.append(str(error))
    raise_all(problems)
    return found


def raise_all(problems: list[str]) -> None:
    """One ProfileError for all of them; nothing where there are none."""
    if problems:
        more = [f"... and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        raise ProfileError("\n".join(problems[:_TOLD] + more))


def _lines(
    path: Path, columns: tuple[str, ...], optional: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str] | None]]:
    """As read_rows; None for a row that is too short."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ProfileError(f"{path.name} is missing in {path.parent}; profiles/README.md says what it holds") from None
    except UnicodeDecodeError:
        raise ProfileError(f"{path.name} is not UTF-8; save it as 'CSV UTF-8'") from None
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise ProfileError(f"{path.name}, line 1: add the column(s) {', '.join(missing)}")
    for row in reader:
        if any(row[name] is None for name in columns):
            yield reader.line_num, None
        else:
            yield reader.line_num, {name: (row.get(name) or "").strip() for name in (*columns, *optional)}


def in_range(where: str, name: str, value: Any, allowed: Range) -> float:
    """The value as a number of the range."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ProfileError(f"{where}: {name} must be a number {allowed.text}") from None
    if not allowed.holds(number):
        raise ProfileError(f"{where}: {name} must be {allowed.text}")
    return number


def number(path: Path, line: int, name: str, value: str, allowed: Range) -> float:
    """A CSV value as a number of the range."""
    return in_range(f"{path.name}, line {line}", name, value, allowed)


def one_of(path: Path, line: int, name: str, value: str, allowed: tuple[str, ...]) -> Any:
    """A CSV value that must be one of a few words."""
    if value not in allowed:
        raise ProfileError(f"{path.name}, line {line}: {name} must be one of {', '.join(allowed)}")
    return value


def several(value: str) -> tuple[str, ...]:
    """The values of one column, which | separates."""
    return tuple(part for part in value.split("|") if part)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProfileError(f"{path.name} is missing in {path.parent}; profiles/README.md says what it holds") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: not valid TOML ({error})") from None
