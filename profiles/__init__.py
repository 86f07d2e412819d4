"""A deployment's own data: channels, agencies, responsibility list, places, kinds, calendar, limits.

A profile is a folder of TOML and CSV files (see profiles/README.md). `load_profile` reads and checks the whole of it; an
error names file, line and what to change.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from profiles.access import ACCESS_FILE, SecuritySpec, load_access
from profiles.areas import Area, load_areas
from profiles.channels import Auth, Channel, Crs, Protocol, assembled_feeds, load_channels
from profiles.duties import (
    ANY,
    LEVELS,
    SEA,
    Agency,
    AgencyEditions,
    Level,
    Limit,
    LimitUnit,
    Responsibility,
    content_hash,
    load_agencies,
    load_responsibilities,
    professions,
)
from profiles.editions import COLUMN, Edition, Told, day_of, editions, in_force
from profiles.files import (
    ABOVE_0,
    COUNT,
    LATITUDE,
    LONGITUDE,
    SHARE,
    ProfileError,
    Range,
    gather,
    in_range,
    number,
    one_of,
    read_rows,
    read_toml,
    several,
)
from profiles.flows import (
    CaseRules,
    ClassifierFile,
    DisputeType,
    Emergencies,
    Flow,
    FlowCode,
    Matching,
    Post,
    RoutingRules,
    SurgeRules,
    check_rules,
    load_disputes,
    load_emergencies,
    load_flows,
    load_posts,
    read_rules,
)
from profiles.gazetteer import PlaceName, load_gazetteer
from profiles.retention import Retention
from profiles.supervision import PreventionRules, SupervisionRules
from profiles.tiers import TierRules

__all__ = [
    "ANY",
    "LEVELS",
    "SEA",
    "Agency",
    "Area",
    "Auth",
    "Channel",
    "Crs",
    "Level",
    "Limit",
    "LimitUnit",
    "PlaceName",
    "ProfileError",
    "Protocol",
    "Responsibility",
]

#: What the hash beside list_version is made of: who has what by when.
LIST_FILES: Final = ("responsibility.csv", "agencies.csv")
#: What `with_lists` reads again; everything else of a profile needs a restart.
ROUTING_FILES: Final = (
    *LIST_FILES,
    *("profile.toml", "posts.csv", "disputes.csv", "emergencies.csv", "flows.toml", "calendar.csv"),
)

#: The location index of streams (CELL_DEGREES) finds no partner farther away.
_RADIUS: Final = Range("above 0 and at most 500", lambda x: 0 < x <= 500)
#: A week: the shortest time for which hotlines look for repeats.
_APPEAL_HOURS: Final = 168
#: An order is to be signed for (签收) within a day.
_SIGN_HOURS: Final = 24
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
    """A kind of matter (matters.csv) with its matching limits: metres and hours within which two reports may be one.

    dispute: the type of dispute (disputes.csv) that it is; empty for what is none.
    """

    kind: str
    name_zh: str
    name_en: str
    family: str
    radius_m: float
    window_hours: float
    keywords: tuple[str, ...]
    dispute: str = ""


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
class Profile:
    """The whole of a deployment's data. `calendar` holds True for a working day, False for a day off, where it is set.

    list_hash: of the list's content, so that a list that changed under the same list_version is told from the one before.
    classifier: file of the model in the folder (streams/classify.py reads it).
    """

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
    sign_within_hours: float
    list_version: str
    rule_version: str
    mass_appeal_persons: int
    mass_appeal_hours: float
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
    matching: Matching = field(default_factory=Matching)
    list_hash: str = ""
    flows: dict[FlowCode, Flow] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    disputes: dict[str, DisputeType] = field(default_factory=dict)
    emergencies: Emergencies = field(default_factory=Emergencies)
    routing: RoutingRules = field(default_factory=RoutingRules)
    cases: CaseRules = field(default_factory=CaseRules)
    surge: SurgeRules = field(default_factory=SurgeRules)
    supervision: SupervisionRules = field(default_factory=SupervisionRules)
    prevention: PreventionRules = field(default_factory=PreventionRules)
    tiers: TierRules = field(default_factory=TierRules)
    retention: Retention = field(default_factory=Retention)
    classifier: str | None = None
    access: SecuritySpec = field(default_factory=SecuritySpec)
    community_editions: dict[str, tuple[Edition[Community], ...]] = field(default_factory=dict)
    matter_editions: dict[str, tuple[Edition[Matter], ...]] = field(default_factory=dict)
    agency_editions: AgencyEditions = field(default_factory=dict)

    @property
    def named_list(self) -> str:
        """Version and content of the responsibility list, as every decision names it."""
        return f"{self.list_version}+{self.list_hash}" if self.list_hash else self.list_version

    def feeds(self) -> list[str]:
        """Feeds of the declared channels, sorted."""
        return sorted({channel.feed for channel in self.channels.values()})

    def assembled_feeds(self) -> list[str]:
        """Feeds whose messages are assembled into reports before they are decided on, sorted."""
        return sorted(assembled_feeds(self.channels.values()))


def load_communities(path: Path) -> dict[str, tuple[Edition[Community], ...]]:
    """Editions of the communities of places.csv by code; raises ProfileError."""
    columns = ("community_code", "community", "street_code", "street", "lon", "lat", "population")

    def read(line: int, row: dict[str, str]) -> Told[Community]:
        where = f"{path.name}, line {line}"
        community = Community(
            row["community_code"],
            row["community"],
            row["street_code"],
            row["street"],
            number(path, line, "lon", row["lon"], LONGITUDE),
            number(path, line, "lat", row["lat"], LATITUDE),
            int(number(path, line, "population", row["population"], COUNT)),
        )
        return Told(where, community.code, day_of(where, row[COLUMN]), community)

    return editions(gather(path, columns, read, optional=(COLUMN,)))


def _matters(path: Path) -> dict[str, tuple[Edition[Matter], ...]]:
    columns = ("matter_kind", "name_zh", "name_en", "family", "radius_m", "window_hours", "keywords")

    def read(line: int, row: dict[str, str]) -> Told[Matter]:
        where = f"{path.name}, line {line}"
        matter = Matter(
            row["matter_kind"],
            row["name_zh"],
            row["name_en"],
            one_of(path, line, "family", row["family"], ("livelihood", "development", "enforcement")),
            number(path, line, "radius_m", row["radius_m"], _RADIUS),
            number(path, line, "window_hours", row["window_hours"], ABOVE_0),
            several(row["keywords"]),
            row["dispute"],
        )
        return Told(where, matter.kind, day_of(where, row[COLUMN]), matter)

    return editions(gather(path, columns, read, optional=("dispute", COLUMN)))


def local_today(timezone: str) -> date:
    """Today where the deployment is; raises ProfileError for a time zone that is none."""
    try:
        return datetime.now(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        raise ProfileError(f"profile.toml: timezone {timezone} is no name of IANA, as in Asia/Shanghai") from None


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


def _lists(
    folder: Path,
    main: dict[str, Any],
    matters: dict[str, Matter],
    communities: dict[str, Community],
    areas: tuple[Area, ...],
    channels: dict[str, Channel],
    today: date,
) -> dict[str, Any]:
    """The fields of a Profile that ROUTING_FILES fill."""
    streets = {community.street_code for community in communities.values()}
    places = streets | set(communities)
    agencies, agency_editions = load_agencies(folder / "agencies.csv", places | {area.code for area in areas}, today)
    of_grid = professions(areas)
    teams = {of_grid[agency.area] for agency in agencies.values() if agency.area in of_grid}
    # A list may stand ready for a feed that is not connected yet; its name is then that of a protocol, or video.
    feeds = {channel.feed for channel in channels.values()} | {*get_args(Protocol), "video", "other"}
    posts = load_posts(folder / "posts.csv", agencies)
    disputes = load_disputes(folder / "disputes.csv", posts)
    for matter in matters.values():
        if matter.dispute and matter.dispute not in disputes:
            raise ProfileError(f"matters.csv, {matter.kind}: disputes.csv has no dispute {matter.dispute}")
    routing = read_rules(main, "routing", RoutingRules)
    check_rules(routing, agencies, streets, matters)
    return {
        "list_version": str(main["list_version"]),
        "list_hash": content_hash(*(folder / name for name in LIST_FILES)),
        "agencies": agencies,
        "agency_editions": agency_editions,
        "responsibilities": load_responsibilities(
            folder / "responsibility.csv", matters, agencies, places, feeds, teams
        ),
        "flows": load_flows(folder / "flows.toml"),
        "posts": posts,
        "disputes": disputes,
        "emergencies": load_emergencies(folder / "emergencies.csv"),
        "routing": routing,
        "cases": read_rules(main, "cases", CaseRules),
        "surge": read_rules(main, "surge", SurgeRules),
        "calendar": _calendar(folder / "calendar.csv"),
    }


def with_lists(profile: Profile) -> Profile:
    """The profile with its ROUTING_FILES read again; raises ProfileError."""
    folder, today = profile.folder, local_today(profile.timezone)
    main = read_toml(folder / "profile.toml")
    try:
        lists = _lists(folder, main, profile.matters, profile.communities, profile.areas, profile.channels, today)
    except KeyError as error:
        raise ProfileError(f"profile.toml: add the key {error.args[0]}") from None
    return replace(profile, **lists)


def _county_code(told: object) -> str:
    """GB/T 2260's code of the county: all its text reports stand under this key, so it must not be empty."""
    code = str(told)
    if not re.fullmatch(r"\d{6}", code):
        raise ProfileError("profile.toml: county_code must be the six digits of GB/T 2260, as in 370212")
    return code


def load_profile(folder: Path, today: date | None = None) -> Profile:
    """Reads and checks a profile folder; raises ProfileError. today: which editions are in force; by default the local day."""
    main = read_toml(folder / "profile.toml")
    today = today or local_today(str(main.get("timezone", "UTC")))
    matter_editions = _matters(folder / "matters.csv")
    community_editions = load_communities(folder / "places.csv")
    matters, communities = in_force(matter_editions, today), in_force(community_editions, today)
    streets = {code: community.street_code for code, community in communities.items()}
    channels = load_channels(folder / "channels.toml")
    areas = load_areas(folder / "areas.geojson", streets)
    try:
        lists = _lists(folder, main, matters, communities, areas, channels, today)
        return Profile(
            folder=folder,
            city=str(main["city"]),
            name_zh=str(main["name_zh"]),
            name_en=str(main["name_en"]),
            made_up=bool(main["made_up"]),
            county_code=_county_code(main["county_code"]),
            bbox=_bbox("profile.toml", main["bbox"]),
            timezone=str(main["timezone"]),
            basic_satisfied_weight=_key(main, "basic_satisfied_weight", SHARE),
            respond_within_hours=_key(main, "respond_within_hours", ABOVE_0),
            sign_within_hours=_key({"sign_within_hours": _SIGN_HOURS} | main, "sign_within_hours", ABOVE_0),
            rule_version=str(main["rule_version"]),
            mass_appeal_persons=int(_key(main, "mass_appeal_persons", _PERSONS)),
            mass_appeal_hours=_key({"mass_appeal_hours": _APPEAL_HOURS} | main, "mass_appeal_hours", ABOVE_0),
            work_time=_work_time("profile.toml", main["work_time"]),
            channels=channels,
            communities=communities,
            community_editions=community_editions,
            matters=matters,
            matter_editions=matter_editions,
            kinds=_kinds(folder / "kinds.csv", matters),
            cameras=_cameras(folder / "cameras.csv", communities),
            areas=areas,
            gazetteer=load_gazetteer(folder / "gazetteer.csv", streets),
            classifier=read_rules(main, "classifier", ClassifierFile).file or None,
            matching=read_rules(main, "matching", Matching),
            supervision=read_rules(main, "supervision", SupervisionRules),
            prevention=read_rules(main, "prevention", PreventionRules),
            tiers=read_rules(main, "tiers", TierRules),
            retention=read_rules(main, "retention", Retention),
            access=load_access(folder / ACCESS_FILE, lists["agencies"], set(streets.values())),
            **lists,
        )
    except KeyError as error:
        raise ProfileError(f"profile.toml: add the key {error.args[0]}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError(f"profile.toml: a value has the wrong type or shape ({error})") from None
