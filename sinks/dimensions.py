"""The part of a deployment's profile that the views need: parameters of the figures, and names for codes."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final, TypeVar

from profiles import Agency, Community, Matter, Profile, WorkTime
from profiles.editions import Edition
from profiles.festivals import spring_festival
from profiles.workcalendar import WorkCalendar

T = TypeVar("T")

_DIMENSIONS: Final[dict[str, tuple[str, ...]]] = {
    "hub.parameters": ("name", "value"),
    "hub.dim_matters": ("matter_kind", "name_zh", "name_en", "family"),
    "hub.dim_communities": ("community_code", "community", "street_code", "street", "lon", "lat", "population"),
    "hub.dim_agencies": ("agency_code", "name_zh", "name_en", "level"),
    "hub.dim_days": ("day", "is_working", "working_days", "working_minutes", "working_day_before"),
    "hub.dim_festivals": ("day", "festival", "year"),
    "hub.dim_matter_editions": ("matter_kind", "valid_from", "valid_to", "name_zh", "name_en", "family"),
    "hub.dim_community_editions": (
        *("community_code", "valid_from", "valid_to", "community", "street_code", "street", "lon", "lat", "population"),
    ),
    "hub.dim_agency_editions": ("agency_code", "valid_from", "valid_to", "name_zh", "name_en", "level"),
}
#: The days that figures can be asked for. A report of another day has no working hours.
_FIRST_DAY: Final = date(2000, 1, 1)
_LAST_DAY: Final = date(2060, 12, 31)


def dimension_rows(profile: Profile) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of each table, in the order of its columns."""
    return {
        "hub.parameters": [
            ("basic_satisfied_weight", str(profile.basic_satisfied_weight)),
            ("respond_within_hours", str(profile.respond_within_hours)),
            ("sign_within_hours", str(profile.sign_within_hours)),
            ("timezone", profile.timezone),
            ("work_spans", str([list(span) for span in _minutes(profile.work_time)])),
            ("cases.rating_timeout_days", str(profile.cases.rating_timeout_days)),
            *(
                (f"{table}.{name}", str(value))
                for table, rules in (
                    ("supervision", profile.supervision),
                    ("prevention", profile.prevention),
                    ("tiers", profile.tiers),
                )
                for name, value in rules.model_dump().items()
            ),
        ],
        "hub.dim_matters": [(kind, *_matter(matter)) for kind, matter in profile.matters.items()],
        "hub.dim_communities": [(code, *_community(community)) for code, community in profile.communities.items()],
        "hub.dim_agencies": [(code, *_agency(agency)) for code, agency in profile.agencies.items()],
        "hub.dim_days": list(_days(profile)),
        # A year more, so that the days before the first one after the end are known.
        "hub.dim_festivals": [
            (spring_festival(year), "spring_festival", year) for year in range(_FIRST_DAY.year, _LAST_DAY.year + 2)
        ],
        "hub.dim_matter_editions": _editions(profile.matter_editions, _matter),
        "hub.dim_community_editions": _editions(profile.community_editions, _community),
        "hub.dim_agency_editions": _editions(profile.agency_editions, _agency),
    }


def _matter(matter: Matter) -> tuple[Any, ...]:
    return matter.name_zh, matter.name_en, matter.family


def _community(community: Community) -> tuple[Any, ...]:
    return (
        *(community.name, community.street_code, community.street, community.lon, community.lat),
        community.population,
    )


def _agency(agency: Agency) -> tuple[Any, ...]:
    return agency.name_zh, agency.name_en, agency.level


def _editions(
    found: Mapping[str, Iterable[Edition[T]]], columns: Callable[[T], tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    return [
        (code, edition.valid_from, edition.valid_to, *columns(edition.what))
        for code, of_code in found.items()
        for edition in of_code
    ]


def _minutes(work_time: WorkTime) -> list[tuple[int, int]]:
    """Spans of a working day in minutes since midnight."""
    return [(first.hour * 60 + first.minute, last.hour * 60 + last.minute) for first, last in work_time.spans]


def _days(profile: Profile) -> Iterator[tuple[date, bool, int, int, date]]:
    calendar = WorkCalendar.of(profile)
    of_a_day = sum(last - first for first, last in _minutes(profile.work_time))
    day, days, before = _FIRST_DAY, 0, _FIRST_DAY
    while day <= _LAST_DAY:
        working = calendar.is_working_day(day)
        yield day, working, days + working, days * of_a_day, before
        if working:
            days, before = days + 1, day
        day += timedelta(days=1)


def load_dimensions(client: Any, profile: Profile) -> None:
    """Makes the tables hold exactly what the profile holds; each table changes in one insert.

    `client` is a clickhouse-connect client of a migrated database.
    """
    now = time.time_ns() // 1_000_000
    for table, rows in dimension_rows(profile).items():
        columns = _DIMENSIONS[table]
        stored = client.query(f"SELECT {', '.join(columns)} FROM {table} FINAL").result_rows  # noqa: S608 - constants
        keys = 2 if columns[1] == "valid_from" else 1
        gone = _without(stored, rows, keys)
        if not gone and sorted(stored) == sorted(rows):
            continue
        # A clock that was set back, or that of another machine, must not make what is loaded now the older rows.
        ((newest,),) = client.query(f"SELECT max(_version) FROM {table}").result_rows  # noqa: S608 - constants
        version = max(now, newest + 1)
        data = [(*row, version, 0) for row in rows] + [(*row, version, 1) for row in gone]
        client.insert(table, data, column_names=(*columns, "_version", "_deleted"), settings={"async_insert": 0})


def _without(stored: Iterable[tuple[Any, ...]], rows: Iterable[tuple[Any, ...]], keys: int) -> list[tuple[Any, ...]]:
    """Those stored whose key, the first columns, no row has."""
    wanted = {row[:keys] for row in rows}
    return [row for row in stored if row[:keys] not in wanted]
