"""A deployment's own data: channels, agencies, responsibility list, places, kinds, calendar, limits.

A profile is a folder of TOML and CSV files (see profiles/README.md). `load_profile` reads and checks the whole of it; an
error names file, line and what to change.
"""

from dataclasses import dataclass
from datetime import date, time
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, Final, Literal, get_args

from profiles.areas import Area, load_areas
from profiles.channels import Auth, Channel, Crs, Protocol, assembled_feeds, load_channels
from profiles.files import (
    ABOVE_0,
    COUNT,
    LATITUDE,
    LONGITUDE,
    SHARE,
    ProfileError,
    Range,
    in_range,
    number,
    one_of,
    read_rows,
    read_toml,
    several,
)
from profiles.gazetteer import PlaceName, load_gazetteer

__all__ = ["Area", "Auth", "Channel", "Crs", "PlaceName", "ProfileError", "Protocol"]

LimitUnit = Literal["urgent_hour", "work_hour", "work_day", "natural_day"]
Level = Literal["grid", "community", "street", "district"]

ANY: Final = "*"

_LIMIT: Final = Range("above 0 and at most 10000", lambda x: 0 < x <= 10_000)
#: The location index of streams (CELL_DEGREES) finds no partner farther away.
_RADIUS: Final = Range("above 0 and at most 500", lambda x: 0 < x <= 500)
_PERSONS: Final = Range("a whole number from 2 on", lambda x: 2 <= x < inf and x == int(x))


@dataclass(frozen=True)
class Community:
    """A community (places.csv) with the point that stands for it, WGS-84."""

    code: str
    name: str
    street_code: str
    street: str
    lon: float
    lat: float
    population: int


@dataclass(frozen=True)
class Matter:
    """A kind of matter (matters.csv) with its matching limits: metres and hours within which two reports may be one."""

    kind: str
    name_zh: str
    name_en: str
    family: str
    radius_m: float
    window_hours: float
    keywords: tuple[str, ...]


@dataclass(frozen=True)
class Agency:
    """A unit that can be given a case (agencies.csv)."""

    code: str
    name_zh: str
    name_en: str
    level: Level


@dataclass(frozen=True)
class Responsibility:
    """A row of the responsibility list (责任清单): who leads on this kind, in this area, from this feed, by when."""

    row: str
    matter_kind: str
    area: str
    feed: str
    agency: str
    co_agencies: tuple[str, ...]
    level: Level
    limit: float
    unit: LimitUnit
    basis: str


@dataclass(frozen=True)
class Camera:
    """A camera of the register (cameras.csv); located by this entry, never by its messages. WGS-84."""

    device_id: str
    name: str
    community_code: str
    lon: float
    lat: float


@dataclass(frozen=True)
class WorkTime:
    """Working hours of a working day, local time, as (start, end) pairs in order."""

    spans: tuple[tuple[time, time], ...]


@dataclass(frozen=True)
class Matching:
    """Rules of matching: scores from which a report is linked, and from which a person is asked; minutes of an episode."""

    link: float = 0.5
    review: float = 0.42
    episode_minutes: float = 10.0


@dataclass(frozen=True)
class Profile:
    """The whole of a deployment's data. `calendar` holds True for a working day, False for a day off, where it is set."""

    folder: Path
    city: str
    name_zh: str
    name_en: str
    made_up: bool
    county_code: str
    bbox: tuple[float, float, float, float]
    timezone: str
    basic_satisfied_weight: float
    respond_within_hours: float
    list_version: str
    rule_version: str
    mass_appeal_persons: int
    work_time: WorkTime
    channels: dict[str, Channel]
    communities: dict[str, Community]
    matters: dict[str, Matter]
    kinds: dict[tuple[str, str, str, str], tuple[str, str]]
    agencies: dict[str, Agency]
    responsibilities: tuple[Responsibility, ...]
    cameras: dict[str, Camera]
    calendar: dict[date, bool]
    areas: tuple[Area, ...] = ()
    gazetteer: tuple[PlaceName, ...] = ()
    matching: Matching = Matching()

    def feeds(self) -> list[str]:
        """Feeds of the declared channels, sorted."""
        return sorted({channel.feed for channel in self.channels.values()})

    def assembled_feeds(self) -> list[str]:
        """Feeds whose messages are assembled into reports before they are decided on, sorted."""
        return sorted(assembled_feeds(self.channels.values()))


def _communities(path: Path) -> dict[str, Community]:
    columns = ("community_code", "community", "street_code", "street", "lon", "lat", "population")
    return {
        row["community_code"]: Community(
            row["community_code"],
            row["community"],
            row["street_code"],
            row["street"],
            number(path, line, "lon", row["lon"], LONGITUDE),
            number(path, line, "lat", row["lat"], LATITUDE),
            int(number(path, line, "population", row["population"], COUNT)),
        )
        for line, row in read_rows(path, columns)
    }


def _matters(path: Path) -> dict[str, Matter]:
    columns = ("matter_kind", "name_zh", "name_en", "family", "radius_m", "window_hours", "keywords")
    return {
        row["matter_kind"]: Matter(
            row["matter_kind"],
            row["name_zh"],
            row["name_en"],
            one_of(path, line, "family", row["family"], ("livelihood", "development", "enforcement")),
            number(path, line, "radius_m", row["radius_m"], _RADIUS),
            number(path, line, "window_hours", row["window_hours"], ABOVE_0),
            several(row["keywords"]),
        )
        for line, row in read_rows(path, columns)
    }


def _kinds(path: Path, matters: dict[str, Matter]) -> dict[tuple[str, str, str, str], tuple[str, str]]:
    kinds: dict[tuple[str, str, str, str], tuple[str, str]] = {}
    for line, row in read_rows(path, ("city", "table", "kind", "code", "name", "matter_kind")):
        key = (row["city"], row["table"], row["kind"], row["code"])
        if key in kinds:
            raise ProfileError(
                f"{path.name}, line {line}: this city, table, kind and code stand in an earlier line too"
            )
        if row["matter_kind"] and row["matter_kind"] not in matters:
            raise ProfileError(f"{path.name}, line {line}: matters.csv has no matter_kind {row['matter_kind']}")
        kinds[key] = (row["matter_kind"], row["name"])
    return kinds


def _agencies(path: Path) -> dict[str, Agency]:
    return {
        row["code"]: Agency(
            row["code"],
            row["name_zh"],
            row["name_en"],
            one_of(path, line, "level", row["level"], get_args(Level)),
        )
        for line, row in read_rows(path, ("code", "name_zh", "name_en", "level"))
    }


def _responsibilities(
    path: Path, matters: dict[str, Matter], agencies: dict[str, Agency]
) -> tuple[Responsibility, ...]:
    columns = ("row", "matter_kind", "area", "feed", "agency", "co_agencies", "level", "limit", "unit", "basis")
    seen: dict[tuple[str, str, str], int] = {}
    found: list[Responsibility] = []
    for line, row in read_rows(path, columns):
        where = f"{path.name}, line {line}"
        if row["matter_kind"] not in matters:
            raise ProfileError(f"{where}: matters.csv has no matter_kind {row['matter_kind']}")
        for code in (row["agency"], *several(row["co_agencies"])):
            if code not in agencies:
                raise ProfileError(f"{where}: agencies.csv has no agency {code}")
        key = (row["matter_kind"], row["area"], row["feed"])
        if key in seen:
            raise ProfileError(f"{where}: line {seen[key]} has the same matter_kind, area and feed; keep one")
        seen[key] = line
        limit = number(path, line, "limit", row["limit"], _LIMIT)
        found.append(
            Responsibility(
                row["row"],
                row["matter_kind"],
                row["area"],
                row["feed"],
                row["agency"],
                several(row["co_agencies"]),
                one_of(path, line, "level", row["level"], get_args(Level)),
                limit,
                one_of(path, line, "unit", row["unit"], get_args(LimitUnit)),
                row["basis"],
            )
        )
    return tuple(found)


def _cameras(path: Path, communities: dict[str, Community]) -> dict[str, Camera]:
    cameras: dict[str, Camera] = {}
    for line, row in read_rows(path, ("device_id", "name", "community_code", "lon", "lat")):
        if row["community_code"] not in communities:
            raise ProfileError(f"{path.name}, line {line}: places.csv has no community {row['community_code']}")
        cameras[row["device_id"]] = Camera(
            row["device_id"],
            row["name"],
            row["community_code"],
            number(path, line, "lon", row["lon"], LONGITUDE),
            number(path, line, "lat", row["lat"], LATITUDE),
        )
    return cameras


def _calendar(path: Path) -> dict[date, bool]:
    days: dict[date, bool] = {}
    for line, row in read_rows(path, ("date", "day")):
        try:
            day = date.fromisoformat(row["date"])
        except ValueError:
            raise ProfileError(f"{path.name}, line {line}: date must read YYYY-MM-DD") from None
        days[day] = one_of(path, line, "day", row["day"], ("work", "off")) == "work"
    return days


def _key(main: dict[str, Any], name: str, allowed: Range) -> float:
    return in_range("profile.toml", name, main[name], allowed)


def _bbox(where: str, value: Any) -> tuple[float, float, float, float]:
    west, south, east, north = (
        in_range(where, "every part of bbox", part, allowed)
        for part, allowed in zip(value, (LONGITUDE, LATITUDE) * 2, strict=True)
    )
    if west >= east or south >= north:
        raise ProfileError(f"{where}: bbox must hold west, south, east, north, with west < east and south < north")
    return west, south, east, north


def _work_time(where: str, value: Any) -> WorkTime:
    spans = tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in value)
    if not spans:
        raise ProfileError(f'{where}: work_time must hold at least one span, as in [["08:30", "17:30"]]')
    if any(start >= end for start, end in spans) or any(one[1] > other[0] for one, other in pairwise(spans)):
        raise ProfileError(
            f"{where}: every span of work_time must start before it ends and after the one before it ended"
        )
    return WorkTime(spans)


def load_profile(folder: Path) -> Profile:
    """Reads and checks a profile folder; raises ProfileError."""
    main = read_toml(folder / "profile.toml")
    matters = _matters(folder / "matters.csv")
    agencies = _agencies(folder / "agencies.csv")
    communities = _communities(folder / "places.csv")
    streets = {code: community.street_code for code, community in communities.items()}
    try:
        return Profile(
            folder=folder,
            city=str(main["city"]),
            name_zh=str(main["name_zh"]),
            name_en=str(main["name_en"]),
            made_up=bool(main["made_up"]),
            county_code=str(main["county_code"]),
            bbox=_bbox("profile.toml", main["bbox"]),
            timezone=str(main["timezone"]),
            basic_satisfied_weight=_key(main, "basic_satisfied_weight", SHARE),
            respond_within_hours=_key(main, "respond_within_hours", ABOVE_0),
            list_version=str(main["list_version"]),
            rule_version=str(main["rule_version"]),
            mass_appeal_persons=int(_key(main, "mass_appeal_persons", _PERSONS)),
            work_time=_work_time("profile.toml", main["work_time"]),
            channels=load_channels(folder / "channels.toml"),
            communities=communities,
            matters=matters,
            kinds=_kinds(folder / "kinds.csv", matters),
            agencies=agencies,
            responsibilities=_responsibilities(folder / "responsibility.csv", matters, agencies),
            cameras=_cameras(folder / "cameras.csv", communities),
            calendar=_calendar(folder / "calendar.csv"),
            areas=load_areas(folder / "areas.geojson", streets),
            gazetteer=load_gazetteer(folder / "gazetteer.csv", streets),
        )
    except KeyError as error:
        raise ProfileError(f"profile.toml: add the key {error.args[0]}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError(f"profile.toml: a value has the wrong type or shape ({error})") from None
