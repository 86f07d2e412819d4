"""Coordinate systems and places."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import geo
from connectors.places import Places, place_key
from profiles import Community, Crs
from tests.connectors.make import PLACES, PROFILE
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


def test_distances_are_metres() -> None:
    assert distance_m((120.0, 36.0), (120.0, 37.0)) == pytest.approx(111_195, rel=1e-3)
    assert distance_m((0.0, 0.0), (180.0, 0.0)) == pytest.approx(20_015_115, rel=1e-3)


@given(st.floats(120.42, 120.95), st.floats(35.9, 36.34))
def test_the_nearest_community_is_the_nearest_of_all(lon: float, lat: float) -> None:
    by_hand = min(PROFILE.communities.values(), key=lambda c: distance_m((lon, lat), (c.lon, c.lat)))
    metres = distance_m((lon, lat), (by_hand.lon, by_hand.lat))
    found = PLACES.nearest((lon, lat))
    if metres < 1490:
        assert found is not None
        assert distance_m((lon, lat), (found.lon, found.lat)) == pytest.approx(metres, abs=2)
    elif metres > 1510:
        assert found is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("金家岭街道大埠东社区3号楼", "370212005001"),
        ("大埠东附近", "370212005001"),
        ("张家下庄社区门口", "370212001026"),
        ("中韩街道的居民", None),  # the street, not the community of the same name
        ("中韩社区的居民", "370212001001"),
        ("大桥下面积水", None),  # a bridge, not 大桥社区
        ("王哥庄街道大桥", "370212003001"),
        ("大石头社区", "370212002036"),
        ("", None),
    ],
)
def test_a_community_is_found_by_its_name(text: str, code: str | None) -> None:
    found = PLACES.community_in([text], None)
    assert (found.code if found else None) == code


def test_a_longer_name_hides_the_shorter_one_inside_it() -> None:
    made_up = Community("370212009001", "大桥路社区", "370212009", "新大桥路街道", 120.5, 36.1, 1)
    places = Places(replace(PROFILE, communities={made_up.code: made_up}))
    assert places.community_in(["新大桥路街道的居民"], None) is None
    assert places.community_in(["新大桥路街道大桥路12号"], None) == made_up


def test_a_known_street_limits_the_communities_looked_for() -> None:
    assert PLACES.community_in(["大埠东社区"], "370212001") is None
    assert PLACES.community_in(["大埠东社区"], "370212005") is not None


@pytest.mark.parametrize(
    ("street", "place", "texts", "key"),
    [
        ("370212001", "A3区", [], "370212001"),
        (None, "A3区", ["B市"], "text:A3区"),
        (None, "", ["", "请问A7县什么时候修路"], "text:A7县"),
        (None, "", ["阳光小区门口，中韩街道"], "text:中韩街道"),
        (None, "", ["没有地方"], "text:-"),
    ],
)
def test_a_place_key_is_the_street_or_the_first_name_found(
    street: str | None, place: str, texts: list[str], key: str
) -> None:
    assert place_key(street, place, texts) == key


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
