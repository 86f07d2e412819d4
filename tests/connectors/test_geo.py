"""Coordinate systems, and which points are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import geo
from connectors.errors import Refusal
from profiles import Crs
from tests.connectors.make import PROFILE
from tests.connectors.metres import distance_m

in_china = st.tuples(st.floats(73.5, 135.0), st.floats(18.2, 53.5))


@given(in_china)
def test_gcj02_and_back_is_the_same_place_to_a_centimetre(point: geo.Point) -> None:
    assert distance_m(point, geo.gcj02_to_wgs84(*geo.wgs84_to_gcj02(*point))) < 0.01


@given(in_china)
def test_bd09_and_back_is_the_same_place_to_a_centimetre(point: geo.Point) -> None:
    shifted = geo.gcj02_to_bd09(*geo.wgs84_to_gcj02(*point))
    assert distance_m(point, geo.to_wgs84(*shifted, "BD-09")) < 0.01


@given(in_china)
def test_the_shifts_have_the_known_size(point: geo.Point) -> None:
    assert 10 < distance_m(point, geo.wgs84_to_gcj02(*point)) < 1200
    assert 500 < distance_m(point, geo.gcj02_to_bd09(*point)) < 1500


@given(in_china, st.sampled_from(["WGS-84", "CGCS2000"]))
def test_wgs84_and_cgcs2000_stay_as_they_are(point: geo.Point, crs: Crs) -> None:
    assert geo.to_wgs84(*point, crs) == point


def test_there_is_no_shift_outside_china() -> None:
    assert geo.to_wgs84(-73.99, 40.7, "GCJ-02") == (-73.99, 40.7)


def _both_ways(point: geo.Point) -> float:
    """Metres by which a point comes back elsewhere from GCJ-02, or from BD-09 if that is more."""
    gcj02 = geo.wgs84_to_gcj02(*point)
    ways = geo.to_wgs84(*gcj02, "GCJ-02"), geo.to_wgs84(*geo.gcj02_to_bd09(*gcj02), "BD-09")
    return max(distance_m(point, back) for back in ways)


def test_all_over_the_shifted_box_points_come_back_to_a_millimetre_its_edges_too() -> None:
    west, south, east, north = geo.SHIFTED
    hair = (0.0, 1e-9, 1e-6, 1e-3)
    columns = (
        [west + (east - west) * step / 160 for step in range(161)] + [west + d for d in hair] + [east - d for d in hair]
    )
    rows = (
        [south + (north - south) * step / 140 for step in range(141)]
        + [south + d for d in hair]
        + [north - d for d in hair]
    )
    columns += [105.0 + d for d in (*hair, *(-d for d in hair))]  # where the formula has a corner
    assert max(_both_ways((lon, lat)) for lon in columns for lat in rows) < 0.001


@given(st.floats(geo.SHIFTED[0], geo.SHIFTED[2]), st.floats(geo.SHIFTED[1], geo.SHIFTED[3]))
def test_any_point_of_the_shifted_box_comes_back_to_a_millimetre(lon: float, lat: float) -> None:
    assert _both_ways((lon, lat)) < 0.001


@given(st.floats(-180, 180), st.floats(-90, 90), st.sampled_from(["WGS-84", "CGCS2000", "GCJ-02", "BD-09"]))
def test_every_point_of_the_globe_is_converted_and_stays_near(lon: float, lat: float, crs: Crs) -> None:
    found = geo.to_wgs84(lon, lat, crs)
    assert abs(found[0] - lon) < 0.05
    assert abs(found[1] - lat) < 0.05


def refusal(lon: float, lat: float, crs: Crs = "WGS-84") -> str:
    with pytest.raises(Refusal) as caught:
        geo.located(lon, lat, crs, PROFILE.bbox)
    assert caught.value.code == "bad_location"
    return str(caught.value)


@pytest.mark.parametrize(
    ("lon", "lat", "says"),
    [
        (0.0, 0.0, "are both 0"),
        (0.0, 36.1, "longitude or latitude is 0"),
        (120.4, 0.0, "longitude or latitude is 0"),
        (36.1, 120.4, "swapped"),
        (35.5, 119.95, "swapped"),  # as far out as is legal when turned
        (120.4, 91.0, "within 180"),
        (181.0, 36.1, "within 180"),
        (1e300, -1e300, "within 180"),
        (116.4, 39.9, "far outside"),
        (-120.4, 36.1, "far outside"),
        (120.4, -36.1, "far outside"),
        (12.04, 36.1, "far outside"),
    ],
)
def test_a_bad_point_is_refused_with_what_is_wrong_and_without_its_values(lon: float, lat: float, says: str) -> None:
    text = refusal(lon, lat)
    assert says in text
    assert not any(str(value) in text for value in (lon, lat) if value)


@pytest.mark.parametrize("point", [(120.47, 36.1), (120.9, 35.9), (121.4, 35.42), (119.95, 36.8)])
@pytest.mark.parametrize("crs", ["WGS-84", "CGCS2000", "GCJ-02", "BD-09"])
def test_points_of_the_county_at_sea_and_not_far_outside_are_taken(point: geo.Point, crs: Crs) -> None:
    sent = point
    if crs in ("GCJ-02", "BD-09"):
        sent = geo.wgs84_to_gcj02(*point)
    if crs == "BD-09":
        sent = geo.gcj02_to_bd09(*sent)
    assert distance_m(geo.located(*sent, crs, PROFILE.bbox), point) < 0.001


def test_distances_are_metres() -> None:
    assert distance_m((120.0, 36.0), (120.0, 37.0)) == pytest.approx(111_195, rel=1e-3)
    assert distance_m((0.0, 0.0), (180.0, 0.0)) == pytest.approx(20_015_115, rel=1e-3)


@pytest.mark.parametrize(
    ("wgs84", "gcj02"),
    [  # as published implementations of the shift give them; they differ among themselves by less than a metre
        ((121.5272106, 31.1774276), (121.5315419, 31.1753040)),
        ((113.912316, 22.543847), (113.9171765, 22.5407961)),
        ((116.377817, 39.911954), (116.3840472, 39.9133455)),
    ],
)
def test_gcj02_is_the_one_that_map_services_use(wgs84: geo.Point, gcj02: geo.Point) -> None:
    assert distance_m(geo.wgs84_to_gcj02(*wgs84), gcj02) < 1


def test_bd09_is_the_one_that_map_services_use() -> None:
    assert distance_m(geo.gcj02_to_bd09(116.404, 39.915), (116.4103694937, 39.9213369935)) < 0.01
    assert distance_m(geo.bd09_to_gcj02(116.404, 39.915), (116.3976272912, 39.9086567396)) < 0.2
