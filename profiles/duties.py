"""The responsibility list (责任清单) and the agencies it names: who leads on what, where, from which feed, and by when.

A row names an agency by its code, or by a word: `@grid`, `@community`, `@street` is the agency of that level whose area holds
the report, `@消防` the team of the professional grid of that profession that holds it. So the list need not repeat itself for
every grid. All problems of a file are told together, each with its line.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

from profiles.areas import Area
from profiles.editions import COLUMN, Edition, Told, day_of, editions, in_force
from profiles.files import ProfileError, Range, gather, in_range, one_of, raise_all, several

LimitUnit = Literal["urgent_hour", "work_hour", "work_day", "natural_day"]
Level = Literal["grid", "community", "street", "district"]

ANY: Final = "*"
#: Area of a row for what happens on the water, where no street is.
SEA: Final = "sea"
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
#: What may stand after @ in place of an agency's code, beside professions.
LEVEL_WORDS: Final[tuple[Level, ...]] = LEVELS[:-1]
_WORDS: Final = frozenset(f"@{word}" for word in LEVEL_WORDS)

_LIMIT: Final = Range("above 0 and at most 10000", lambda x: 0 < x <= 10_000)
_TERM: Final = re.compile(r"(?:(?P<name>[^:]*):)?\s*(?P<amount>\S+)\s+(?P<unit>\S+)")
_SHAPE: Final = "must read like 5 work_day, or 停工:4 work_hour|拆除:20 work_day"


class Limit(NamedTuple):
    """A time limit; `name` says what must be done by then, empty for the only one of a row."""

    name: str
    amount: float
    unit: LimitUnit

    @property
    def text(self) -> str:
        """Number and unit, as in `5 work_day`."""
        return f"{self.amount:g} {self.unit}"


@dataclass(frozen=True)
class Agency:
    """A unit that can be given a case (agencies.csv). area: code of the street, community or grid it serves, `*` for all of it.

    parent: the agency above, which gets what this one returns; empty at the top.
    """

    code: str
    name_zh: str
    name_en: str
    level: Level
    area: str = ANY
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Responsibility:
    """A row of the list: who leads on this kind, in this area, from this feed, by when. The last limit is the due time."""

    row: str
    matter_kind: str
    area: str
    feed: str
    agency: str
    co_agencies: tuple[str, ...]
    level: Level
    limits: tuple[Limit, ...]
    basis: str


def parse_limit(where: str, name: str, text: str) -> Limit:
    """`5 work_day` or `停工:4 work_hour`; raises ProfileError."""
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise ProfileError(f"{where}: {name} {_SHAPE}")
    if found["unit"] not in get_args(LimitUnit):
        raise ProfileError(f"{where}: the unit of {name} must be one of {', '.join(get_args(LimitUnit))}")
    amount = in_range(where, name, found["amount"], _LIMIT)
    unit: LimitUnit = found["unit"]  # type: ignore[assignment]
    return Limit((found["name"] or "").strip(), amount, unit)


AgencyEditions = dict[str, tuple[Edition[Agency], ...]]


def load_agencies(path: Path, areas: Collection[str], today: date) -> tuple[dict[str, Agency], AgencyEditions]:
    """Agencies by code as they are on a local day, and all their editions; `areas`: codes that an area may have.

    Raises ProfileError.
    """
    lines: dict[str, int] = {}

    def read(line: int, row: dict[str, str]) -> Told[Agency]:
        where = f"{path.name}, line {line}"
        if not row["code"] or row["code"].startswith("@"):
            raise ProfileError(f"{where}: code must be given, and must not begin with @")
        lines[row["code"]] = line
        area = row["area"] or ANY
        if area != ANY and area not in areas:
            raise ProfileError(f"{where}: area {area} is no street, community or grid of this profile; or put *")
        level = one_of(path, line, "level", row["level"], LEVELS)
        agency = Agency(row["code"], row["name_zh"], row["name_en"], level, area, row["parent"])
        return Told(where, agency.code, day_of(where, row[COLUMN]), agency)

    told = gather(path, ("code", "name_zh", "name_en", "level"), read, optional=("area", "parent", COLUMN))
    found = editions(told)
    agencies = in_force(found, today)
    raise_all([*_bad_parents(path, agencies, lines), *_doubled_areas(path, agencies, lines)])
    return agencies, found


def _bad_parents(path: Path, agencies: Mapping[str, Agency], lines: Mapping[str, int]) -> Iterable[str]:
    for agency in agencies.values():
        where = f"{path.name}, line {lines[agency.code]}"
        if not agency.parent:
            continue
        if agency.parent not in agencies:
            yield f"{where}: {path.name} has no agency {agency.parent}, named as the parent"
        elif LEVELS.index(agencies[agency.parent].level) < LEVELS.index(agency.level):
            yield f"{where}: the parent {agency.parent} is of a lower level; name the agency above"
        else:
            above, steps = agency.parent, 0
            while above in agencies and above != agency.code and steps <= len(agencies):
                above, steps = agencies[above].parent, steps + 1
            if above == agency.code:
                yield f"{where}: {agency.code} stands above itself; one agency must be the top, with an empty parent"


def _doubled_areas(path: Path, agencies: Mapping[str, Agency], lines: Mapping[str, int]) -> Iterable[str]:
    """Two agencies of one level for one area: nobody could say whose `@level` is."""
    first: dict[tuple[str, str], str] = {}
    for agency in agencies.values():
        if agency.area == ANY:
            continue
        other = first.setdefault((agency.level, agency.area), agency.code)
        if other != agency.code:
            yield (
                f"{path.name}, line {lines[agency.code]}: line {lines[other]} is a {agency.level} agency of the area "
                f"{agency.area} too; one agency of a level serves an area"
            )


def professions(areas: Iterable[Area]) -> dict[str, str]:
    """Profession of each professional grid's code."""
    return {area.code: area.profession for area in areas if area.kind == "professional_grid"}


def load_responsibilities(
    path: Path,
    kinds: Collection[str],
    agencies: Mapping[str, Agency],
    areas: Collection[str],
    feeds: Collection[str],
    teams: Collection[str],
) -> tuple[Responsibility, ...]:
    """The list, in order. `areas`: codes of streets and communities. `teams`: professions that have an agency with a grid.

    Raises ProfileError, which tells every problem of the file with its line.
    """
    columns = ("row", "matter_kind", "area", "feed", "agency", "co_agencies", "level", "limits", "basis")
    keys: dict[tuple[str, str, str], int] = {}
    names: dict[str, int] = {}
    parsed: dict[str, tuple[Limit, ...]] = {}

    def unit_problem(unit: str) -> str:
        if not unit.startswith("@"):
            return "" if unit in agencies else f"agencies.csv has no agency {unit}"
        if unit[1:] in LEVEL_WORDS or unit[1:] in teams:
            return ""
        words = ", ".join(f"@{word}" for word in (*LEVEL_WORDS, *sorted(teams)))
        return f"{unit} is no word for an agency; it may be one of {words}"

    def limits(where: str, text: str) -> tuple[Limit, ...]:
        if text not in parsed:
            found = tuple(parse_limit(where, "limits", part) for part in text.split("|"))
            if len(found) > 1 and len({limit.name for limit in found} - {""}) < len(found):
                raise ProfileError(f"{where}: of several limits each must have a name of its own; limits {_SHAPE}")
            parsed[text] = found
        return parsed[text]

    def read(line: int, row: dict[str, str]) -> Responsibility:
        where, problems = f"{path.name}, line {line}", []
        kind, area, feed, level = row["matter_kind"], row["area"], row["feed"], row["level"]
        if not row["row"]:
            problems.append(f"{where}: row must be given")
        elif names.setdefault(row["row"], line) != line:
            problems.append(f"{where}: line {names[row['row']]} has the same row; every row needs a name of its own")
        if kind not in kinds:
            problems.append(f"{where}: matters.csv has no matter_kind {kind}")
        if area not in (ANY, SEA) and area not in areas:
            problems.append(f"{where}: area {area} is no street or community of places.csv, nor {SEA} or {ANY}")
        if feed != ANY and feed not in feeds:
            problems.append(f"{where}: no channel has the feed {feed}; put one of {', '.join(sorted(feeds))} or {ANY}")
        co_agencies = several(row["co_agencies"])
        problems += [f"{where}: {told}" for unit in (row["agency"], *co_agencies) if (told := unit_problem(unit))]
        if len({row["agency"], *co_agencies}) <= len(co_agencies):
            problems.append(f"{where}: an agency stands in it twice; the lead is no co-handler of its own")
        if level not in LEVELS:
            problems.append(f"{where}: level must be one of {', '.join(LEVELS)}")
        elif row["agency"] in _WORDS and row["agency"] != f"@{level}":
            problems.append(f"{where}: the level of a row with the agency {row['agency']} must be {row['agency'][1:]}")
        if keys.setdefault((kind, area, feed), line) != line:
            first = keys[kind, area, feed]
            problems.append(f"{where}: line {first} has the same matter_kind, area and feed; keep one")
        terms: tuple[Limit, ...] = ()
        try:
            terms = limits(where, row["limits"])
        except ProfileError as error:
            problems.append(str(error))
        if problems:
            raise ProfileError("\n".join(problems))
        return Responsibility(
            row["row"],
            kind,
            area,
            feed,
            row["agency"],
            co_agencies,
            level,  # type: ignore[arg-type]
            terms,
            row["basis"],
        )

    return tuple(gather(path, columns, read))


def content_hash(*paths: Path) -> str:
    """12 hex digits of SHA-256 over the files' bytes; a missing one counts as empty."""
    hasher = hashlib.sha256()
    for path in paths:
        data = path.read_bytes() if path.is_file() else b""
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()[:12]
