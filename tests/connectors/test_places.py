"""Where a report is: outlines, names in texts, and what its record says of how it was found."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box

from connectors.base import Appeal, Context, to_report
from connectors.outlines import Outlines, Spot
from connectors.places import Places
from profiles import Area, Community, PlaceName, Profile
from profiles.sample import write_sample
from tests.connectors.make import NOW, PLACES, PRIVACY, PROFILE
from tests.connectors.metres import distance_m

ZONE = ZoneInfo("Asia/Shanghai")
NO_OUTLINES = Places(replace(PROFILE, areas=()))
BEFORE_2024 = int(datetime(2023, 12, 31, 15, 59, 59, 999000, tzinfo=UTC).timestamp() * 1000)
AT_SEA, OUTSIDE, HILLS, HERE = (120.9, 35.9), (120.43, 36.3), (120.5, 36.15), (120.4547, 36.112)


def area(
    kind: str, code: str, shape: Any, parent: str = "", since: date | None = None, until: date | None = None
) -> Area:
    return Area(kind, code, code, parent, since, until, "公安" if kind == "professional_grid" else "", shape)  # type: ignore[arg-type]


# --- outlines ---------------------------------------------------------------------------------------------------------


def test_every_community_of_the_demonstration_holds_its_own_point_with_street_grid_and_eight_professions() -> None:
    for community in PROFILE.communities.values():
        spot = PLACES.at((community.lon, community.lat), NOW)
        assert (spot.community_code, spot.street_code, spot.method) == (
            community.code,
            community.street_code,
            "coordinates",
        )
        assert spot.grid_code is not None
        assert spot.grid_code.startswith(community.code)
        assert len({code.split("-")[1] for code in spot.professional_grids}) == 8


@given(st.floats(120.43, 120.68), st.floats(36.06, 36.27))
def test_where_communities_are_drawn_the_nearest_point_says_the_same(lon: float, lat: float) -> None:
    """The demonstration's outlines are made so: whoever reads coordinates either way counts the same."""
    spot, near = PLACES.at((lon, lat), NOW), NO_OUTLINES.nearest((lon, lat))
    by_distance = sorted(distance_m((lon, lat), (c.lon, c.lat)) for c in PROFILE.communities.values())
    if by_distance[0] < 1400 and by_distance[1] - by_distance[0] > 5:
        assert near is not None
        assert spot.community_code == near.code


def test_the_grid_is_the_one_in_force_when_it_was_reported_by_the_local_day() -> None:
    grids = [a for a in PROFILE.areas if a.kind == "grid"]
    assert sum(a.valid_to == date(2024, 1, 1) for a in grids) == 863
    assert sum(a.valid_from == date(2024, 1, 1) for a in grids) == 781
    now = {c.code: PLACES.at((c.lon, c.lat), BEFORE_2024 + 1).grid_code for c in PROFILE.communities.values()}
    before = {c.code: PLACES.at((c.lon, c.lat), BEFORE_2024).grid_code for c in PROFILE.communities.values()}
    assert all(now.values())
    assert all(before.values())
    assert now != before


def test_a_day_begins_at_local_midnight() -> None:
    old = area("community", "1", box(0, 0, 1, 1), "9", until=date(2024, 1, 1))
    new = area("community", "2", box(0, 0, 1, 1), "9", since=date(2024, 1, 1))
    outlines = Outlines([old, new], ZONE)
    assert outlines.at((0.5, 0.5), BEFORE_2024).community_code == "1"
    assert outlines.at((0.5, 0.5), BEFORE_2024 + 1).community_code == "2"


def test_at_sea_outside_in_the_hills_and_at_home_are_told_apart() -> None:
    assert PLACES.at(AT_SEA, NOW) == Spot("sea", 1.0)
    assert PLACES.at(OUTSIDE, NOW) == Spot("outside", 1.0)
    hills = PLACES.at(HILLS, NOW)
    assert (hills.method, hills.community_code, hills.street_code, hills.grid_code) == (
        "coordinates",
        None,
        "370212001",
        None,
    )
    assert PLACES.at(HERE, NOW).community_code == "370212001003"


@given(st.permutations(range(5)), st.sampled_from([(1.0, 0.5), (1.0, 1.0), (0.5, 1.0), (0.0, 0.0)]))
def test_a_border_belongs_to_the_lowest_code_in_whatever_order_the_file_has_them(
    order: list[int], point: tuple[float, float]
) -> None:
    areas = [
        area("community", "1", box(0, 0, 1, 1), "9"),
        area("community", "2", box(1, 0, 2, 1), "9"),
        area("community", "3", box(0, 1, 2, 2), "8"),
        area("grid", "22", box(1, 0, 2, 1), "2"),
        area("grid", "11", box(0, 0, 1, 1), "1"),
    ]
    spot = Outlines([areas[n] for n in order], ZONE).at(point, NOW)
    by_hand = min(a.code for a in areas if a.kind == "community" and a.outline.intersects(Point(point)))
    assert spot.community_code == by_hand
    assert spot.grid_code in (by_hand * 2, None)


def test_a_sliver_between_outlines_belongs_to_the_nearer_one_and_is_a_little_less_sure() -> None:
    outlines = Outlines(
        [area("community", "1", box(0, 0, 1, 1), "9"), area("community", "2", box(1.0002, 0, 2, 1), "9")], ZONE
    )
    spot = outlines.at((1.00015, 0.5), NOW)
    assert (spot.community_code, spot.confidence) == ("2", 0.9)
    assert outlines.at((3.0, 0.5), NOW) == Spot("outside", 1.0)


def test_professional_grids_lie_over_each_other_and_over_the_sea() -> None:
    sea = area("sea", "S", box(5, 5, 6, 6))
    outlines = Outlines(
        [sea, area("professional_grid", "P2", box(0, 0, 9, 9)), area("professional_grid", "P1", box(5, 5, 9, 9))], ZONE
    )
    assert outlines.at((5.5, 5.5), NOW) == Spot("sea", 1.0, professional_grids=("P1", "P2"))


@given(st.floats(120.42, 120.95), st.floats(35.9, 36.34))
def test_without_outlines_the_nearest_community_within_one_and_a_half_kilometres_is_taken(
    lon: float, lat: float
) -> None:
    by_hand = min(PROFILE.communities.values(), key=lambda c: distance_m((lon, lat), (c.lon, c.lat)))
    metres = distance_m((lon, lat), (by_hand.lon, by_hand.lat))
    found, spot = NO_OUTLINES.nearest((lon, lat)), NO_OUTLINES.at((lon, lat), NOW)
    assert spot.method == "coordinates"
    if metres < 1490:
        assert found is not None
        assert distance_m((lon, lat), (found.lon, found.lat)) == pytest.approx(metres, abs=2)
        assert (spot.community_code, spot.confidence) == (found.code, 0.7)
    elif metres > 1510:
        assert found is None
        assert spot.community_code is None


def test_a_profile_that_draws_the_sea_only_still_takes_the_nearest_community_on_land() -> None:
    places = Places(replace(PROFILE, areas=tuple(a for a in PROFILE.areas if a.kind == "sea")))
    assert places.at(AT_SEA, NOW).method == "sea"
    assert places.at(HERE, NOW).community_code == "370212001003"
    assert places.at((119.95, 36.8), NOW).method == "outside"


# --- names ------------------------------------------------------------------------------------------------------------


def told(text: str, street: str | None = None, places: Places = PLACES) -> tuple[str | None, str | None, float | None]:
    found = places.in_texts([text], street)
    if found is None:
        return None, None, None
    return found.community.code if found.community else found.street_code, found.method, found.confidence


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("金家岭街道大埠东社区3号楼", ("370212005001", "text", 0.9)),
        ("大埠东附近", ("370212005001", "text", 0.7)),
        ("张家下庄社区门口", ("370212001026", "text", 0.8)),
        ("中韩街道的居民", ("370212001", "text", 0.5)),  # the street, not the community of the same name
        ("中韩社区的居民", ("370212001001", "text", 0.8)),
        ("大桥下面积水", (None, None, None)),  # a bridge, not 大桥社区
        ("王哥庄街道大桥", ("370212003001", "text", 0.9)),
        ("大石头社区", ("370212002036", "text", 0.8)),
        ("嶗山區金家嶺街道大埠東社區", ("370212005001", "text", 0.9)),
        ("拟海花园3号楼", ("370212001003", "gazetteer", 0.8)),
        ("拟海花园小区３号楼", ("370212001003", "gazetteer", 0.8)),
        ("北村社区拟海花园", ("370212001003", "text", 0.9)),  # two names that agree
        ("大埠东社区拟海花园", ("370212005001", "text", 0.6)),  # two that do not
        ("示海路没有路灯", ("370212005", "gazetteer", 0.5)),  # a road through several communities of one street
        ("例港大道没有路灯", (None, None, None)),  # a road through two streets
        ("例港大道晓望村口", ("370212003027", "gazetteer", 0.6)),
        ("构云路没有路灯", ("370212001003", "gazetteer", 0.6)),
        ("虚岭路8号", ("370212001002", "gazetteer", 0.8)),
        ("虚岭路９号", ("370212001001", "gazetteer", 0.8)),
        ("虚岭路150号", ("370212001003", "gazetteer", 0.8)),
        ("虚岭路300号", ("370212001", "gazetteer", 0.5)),
        ("构云路和虚岭路口", ("370212001003", "gazetteer", 0.7)),  # a crossing
        ("拟和小区停水", (None, None, None)),  # two estates of one name in two streets
        ("拟和小区停水，中韩街道", ("370212001", "text", 0.5)),
        ("拟海广场有人跳舞", ("370212005008", "gazetteer", 0.8)),  # placed by its point
        ("陕西省西安市金家岭街道", (None, None, None)),  # namesakes elsewhere
        ("浙江省大埠东社区旁边", (None, None, None)),
        ("西安市某某区大埠东社区", (None, None, None)),
        ("山东省青岛市崂山区大埠东社区", ("370212005001", "text", 0.8)),
        ("我不是金家岭街道的，是中韩街道的", ("370212001", "text", 0.5)),
        ("是不是金家岭街道管", ("370212005", "text", 0.5)),
        ("", (None, None, None)),
    ],
)
def test_a_place_is_found_by_its_names_and_says_how_sure_it_is(
    text: str, found: tuple[str | None, str | None, float | None]
) -> None:
    assert told(text) == found


def test_a_known_street_tells_namesakes_apart_hides_the_places_of_others_and_makes_surer() -> None:
    assert told("大埠东社区", "370212001") == (None, None, None)
    assert told("大埠东社区", "370212005") == ("370212005001", "text", 0.9)
    assert told("拟和小区", "370212003") == ("370212003010", "gazetteer", 0.9)


def test_names_that_each_leave_several_communities_tell_the_one_they_share() -> None:
    street, other = "370212001", ("370212001001", "370212001002", "370212001003")
    rows = [("天甲路", other[0]), ("天甲路", other[1]), ("地乙路", other[1]), ("地乙路", other[2])]
    names = tuple(PlaceName((name,), "road", code, street, None, None) for name, code in rows)
    places = Places(replace(PROFILE, gazetteer=names))
    assert told("天甲路与地乙路口", places=places) == (other[1], "gazetteer", 0.7)
    assert told("天甲路", places=places) == (street, "gazetteer", 0.5)


def test_a_longer_name_hides_the_shorter_one_inside_it() -> None:
    made_up = Community("370212009001", "大桥路社区", "370212009", "新大桥路街道", 120.5, 36.1, 1)
    places = Places(replace(PROFILE, communities={made_up.code: made_up}, areas=(), gazetteer=()))
    assert told("新大桥路街道的居民", places=places)[0] == "370212009"
    assert told("新大桥路街道大桥路12号", places=places)[0] == made_up.code


def test_the_first_text_that_tells_a_community_leads() -> None:
    found = PLACES.in_texts(["示海路12号", "", "大埠东社区旁边"], None)
    assert found is not None
    assert found.community is not None
    assert found.community.code == "370212005001"


@given(st.text(), st.sampled_from([None, "370212001"]))
def test_any_text_is_read_without_an_error(text: str, street: str | None) -> None:
    found = PLACES.in_texts([text, text[::-1]], street)
    assert found is None or 0 < found.confidence <= 0.95


@pytest.mark.parametrize("hostile", ["大埠东社区", "示海路", "虚岭路1", "拟海", "中韩街道中韩"])
def test_the_time_for_hostile_text_grows_with_its_length_only(hostile: str) -> None:
    began = time.process_time()
    PLACES.in_texts([(hostile * 20_000)[:20_000]], None)
    assert time.process_time() - began < 1.0


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)


def test_the_sample_year_names_nothing_of_the_gazetteer_so_that_its_truth_stays_true(tmp_path: Path) -> None:
    write_sample(PROFILE, tmp_path / "sample", seed=3, reports=600)
    names = [name for row in PROFILE.gazetteer for name in row.names]
    read = 0
    for file in tmp_path.glob("sample/*/*.ndjson"):
        for line in file.read_text(encoding="utf-8").splitlines():
            for text in _texts(json.loads(line)):
                read += 1
                assert not any(name in text for name in names)
    assert read > 5_000
    assert not any(
        re.search("|".join(map(re.escape, names)), f.read_text("utf-8")) for f in tmp_path.glob("sample/*/*wechat.xml")
    )


# --- records ----------------------------------------------------------------------------------------------------------


def placed(places: Places = PLACES, profile: Profile = PROFILE, **given: Any) -> tuple[Any, ...]:
    """Community, street, grid, method and confidence of a report."""
    fields = {"upstream_id": "1", "reported_at": NOW, "appeal_type": "complaint", **given}
    ctx = Context(profile, profile.channels["demo-canonical"], PRIVACY, places, ZONE, NOW)
    record: Any = to_report(Appeal(**fields), {}, b"{}", ctx)[1]
    found = (record["community_code"], record["street_code"], record["grid_code"])
    return (*found, record["location_method"], record["location_confidence"], record["extra"].get("source_grid"))


GRID = PLACES.at(HERE, NOW).grid_code
POINT = {"lon": HERE[0], "lat": HERE[1]}


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ({"community": "370212001003", **POINT}, ("370212001003", "370212001", GRID, "code", 1.0, None)),
        ({"community": "370212001003"}, ("370212001003", "370212001", None, "code", 1.0, None)),
        ({"community": "370212001003", "grid_code": "G7"}, ("370212001003", "370212001", "G7", "code", 1.0, None)),
        (
            {"community": "370212001003", "grid_code": "G7", **POINT},
            ("370212001003", "370212001", GRID, "code", 1.0, "G7"),
        ),
        # The point lies in another community than the code says: its grid is not taken.
        ({"community": "370212005001", "grid_code": "G7", **POINT}, ("370212005001", "370212005", "G7", "code", 1.0, None)),
        ({"street": "370212005"}, (None, "370212005", None, "code", 1.0, None)),
        ({"street": "370212005", **POINT}, (None, "370212005", None, "code", 1.0, None)),
        ({"street": "370212001", **POINT}, ("370212001003", "370212001", GRID, "coordinates", 1.0, None)),
        ({"street_name": "中韩街道"}, (None, "370212001", None, "name", 0.9, None)),
        ({"street_name": "中韩街道", "community_name": "北村"}, ("370212001003", "370212001", None, "name", 0.95, None)),
        (POINT, ("370212001003", "370212001", GRID, "coordinates", 1.0, None)),
        ({"lon": HILLS[0], "lat": HILLS[1]}, (None, "370212001", None, "coordinates", 1.0, None)),
        ({"lon": AT_SEA[0], "lat": AT_SEA[1], "content": "大埠东社区"}, (None, None, None, "sea", 1.0, None)),
        ({"lon": OUTSIDE[0], "lat": OUTSIDE[1]}, (None, None, None, "outside", 1.0, None)),
        # A geocode that went astray: the text names a community of this county.
        ({"lon": OUTSIDE[0], "lat": OUTSIDE[1], "title": "大埠东社区"}, ("370212005001", "370212005", None, "text", 0.6, None)),
        ({"content": "大埠东社区"}, ("370212005001", "370212005", None, "text", 0.8, None)),
        ({"title": "拟海花园停水"}, ("370212001003", "370212001", None, "gazetteer", 0.8, None)),
        ({"title": "示海路停水"}, (None, "370212005", None, "gazetteer", 0.5, None)),
        ({"street": "370212005", "title": "示海路停水"}, (None, "370212005", None, "code", 1.0, None)),
        ({"title": "停水"}, (None, None, None, None, None, None)),
        ({"device_id": "unknown camera", "content": "大埠东社区"}, (None, None, None, None, None, None)),
    ],
)  # fmt: skip
def test_a_record_says_where_it_is_how_that_was_found_and_how_sure_it_is(
    given_: dict[str, Any], found: tuple[Any, ...]
) -> None:
    assert placed(**given_) == found


def test_a_camera_is_where_the_register_says_with_the_grid_of_that_day() -> None:
    camera = next(iter(PROFILE.cameras.values()))
    found = placed(camera=camera, device_id=camera.device_id)
    assert found[0] == camera.community_code
    assert found[2] == PLACES.at((camera.lon, camera.lat), NOW).grid_code
    assert found[3:5] == ("register", 1.0)


def test_a_point_in_gcj02_is_looked_up_where_it_really_is() -> None:
    from connectors.geo import wgs84_to_gcj02

    lon, lat = wgs84_to_gcj02(*HERE)
    assert placed(lon=lon, lat=lat, crs="GCJ-02")[:3] == ("370212001003", "370212001", GRID)


def test_without_outlines_the_sources_grid_stays_and_the_nearest_community_is_taken() -> None:
    assert placed(NO_OUTLINES, grid_code="G7", **POINT) == ("370212001003", "370212001", "G7", "coordinates", 0.7, None)
