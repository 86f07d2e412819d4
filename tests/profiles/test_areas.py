"""areas.geojson and gazetteer.csv: good ones are read whole, bad ones refused by feature or line."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from profiles import ProfileError, load_profile
from profiles.areas import load_areas
from profiles.demo_areas import make_areas
from profiles.gazetteer import load_gazetteer
from tests.profiles.conftest import DEMO
from tests.profiles.test_profile import copy_of_demo

COMMUNITIES = {"370212001001": "370212001", "370212002001": "370212002"}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}


def feature(
    kind: str = "community", code: str = "370212001001", parent: str = "370212001", **rest: Any
) -> dict[str, Any]:
    geometry = rest.pop("geometry", SQUARE)
    properties = {
        "kind": kind,
        "code": code,
        "name": "n",
        "parent": parent,
        "valid_from": None,
        "valid_to": None,
        **rest,
    }
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def load(folder: Path, *features: Any, **more: Any) -> Any:
    path = folder / "areas.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}), encoding="utf-8")
    return load_areas(path, COMMUNITIES)


def test_a_profile_without_the_files_has_neither_areas_nor_names(tmp_path: Path) -> None:
    copy_of_demo(tmp_path)
    (tmp_path / "areas.geojson").unlink()
    (tmp_path / "gazetteer.csv").unlink()
    for name in ("agencies.csv", "responsibility.csv"):  # without what belongs to professional grids
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if ",P-" not in line and not re.search(r"@[^a-z]", line)]
        (tmp_path / name).write_text("\n".join(kept), encoding="utf-8")
    profile = load_profile(tmp_path)
    assert (profile.areas, profile.gazetteer) == ((), ())


def test_areas_are_read_with_their_days(tmp_path: Path) -> None:
    grid = feature("grid", "G1", "370212001001", valid_from="2024-01-01", valid_to=None)
    police = feature(
        "professional_grid",
        "P1",
        "",
        profession="公安",
        geometry={**SQUARE, "type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
    )
    found = load(tmp_path, feature(), grid, police, feature("sea", "S", ""))
    assert [area.kind for area in found] == ["community", "grid", "professional_grid", "sea"]
    assert (found[1].valid_from, found[1].valid_to, found[2].profession) == (date(2024, 1, 1), None, "公安")


def test_one_code_may_have_several_editions_one_after_the_other(tmp_path: Path) -> None:
    old = feature(valid_to="2024-01-01")
    assert len(load(tmp_path, old, feature(valid_from="2024-01-01"))) == 2
    with pytest.raises(ProfileError, match=r"feature 2 \(code 370212001001\): feature 1 is a community of this code"):
        load(tmp_path, old, feature(valid_from="2023-12-31"))


BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("text", "must be a Feature with properties"),
        ({"type": "Feature", "properties": None, "geometry": SQUARE}, "must be a Feature with properties"),
        (feature(kind="block"), "kind must be one of"),
        (feature(code=""), "code must be given"),
        (feature(code=370212001001), "code must be text"),
        (feature(colour="red"), "colour"),
        (feature(code="370212001999"), "places.csv has no such community"),
        (feature(parent="370212002"), "places.csv has no such community"),
        (feature("street", "370212009", ""), "places.csv has no such street"),
        (feature("grid", "G1", "370212002001"), "drawn in this file too"),
        (feature("grid", "G1", "370212001001", profession="公安"), "profession must be given for a professional_grid"),
        (feature("professional_grid", "P1", ""), "profession must be given for a professional_grid"),
        (feature(valid_from="1/1/2024"), "valid_from must read YYYY-MM-DD"),
        (feature(valid_to=20240101), "valid_to must read YYYY-MM-DD"),
        (feature(valid_from="2024-01-02", valid_to="2024-01-02"), "valid_from must lie before valid_to"),
        (feature(geometry=None), "geometry can't be read"),
        (feature(geometry={"type": "Polygon", "coordinates": [[["a", "b"]]]}), "geometry can't be read"),
        (feature(geometry={"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}), "geometry can't be read"),
        (feature(geometry={"type": "Point", "coordinates": [0, 0]}), "must be a Polygon or MultiPolygon"),
        (feature(geometry={"type": "Polygon", "coordinates": []}), "not empty"),
        (feature(geometry=BOW_TIE), "Self-intersection"),
        (feature(geometry={"type": "Polygon", "coordinates": [[[200, 0], [201, 0], [201, 1], [200, 0]]]}), "must be degrees"),
    ],
)  # fmt: skip
def test_a_bad_feature_is_refused_by_its_number(tmp_path: Path, bad: Any, says: str) -> None:
    with pytest.raises(ProfileError, match=r"areas\.geojson, feature 2") as raised:
        load(tmp_path, feature(), bad)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not json", "not valid JSON"),
        ("[]", "FeatureCollection"),
        ('{"type": "FeatureCollection"}', "features must be a list"),
        ('{"type": "FeatureCollection", "features": [], "crs": {"name": "EPSG:4490"}}', "WGS-84"),
    ],
)
def test_a_file_that_is_no_collection_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "areas.geojson").write_text(text)
    with pytest.raises(ProfileError, match=says):
        load_areas(tmp_path / "areas.geojson", COMMUNITIES)


def test_the_outlines_of_the_demonstration_are_what_its_script_makes() -> None:
    """Changed places.csv? Run python -m profiles.demo_areas profiles/demo/areas.geojson."""
    kept = json.loads((DEMO / "areas.geojson").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(make_areas(DEMO)))
    assert [f["properties"] for f in made["features"]] == [f["properties"] for f in kept["features"]]
    for one, other in zip(made["features"], kept["features"], strict=True):
        assert _size(one["geometry"]["coordinates"]) == pytest.approx(_size(other["geometry"]["coordinates"]), rel=1e-6)
    assert (DEMO / "areas.geojson").stat().st_size < 2_000_000
    assert "made up" in kept["name"]


def _size(coordinates: Any) -> float:
    """A figure of all numbers of a geometry: other versions of the geometry engine may begin a ring elsewhere."""
    if isinstance(coordinates, float | int):
        return float(coordinates)
    return max(map(_size, coordinates)) - min(map(_size, coordinates)) / 3


GOOD = "示海路,示海大道,road,370212001001,370212001,,"


def names(folder: Path, *rows: str) -> Any:
    path = folder / "gazetteer.csv"
    path.write_text("\n".join(["name,aliases,kind,community_code,street_code,lon,lat", *rows]), encoding="utf-8")
    return load_gazetteer(path, COMMUNITIES)


def test_names_are_read_with_aliases_streets_points_and_stretches_of_roads(tmp_path: Path) -> None:
    road, estate, odd, every = names(
        tmp_path,
        GOOD,
        "拟园,拟园一期|拟园二期,estate,370212001001,,120.4,36.1",
        "虚路1-99号单,,road,,370212001,,",
        "虚路100-200号,,road,,370212001,,",
    )
    assert (road.names, road.houses, road.point) == (("示海路", "示海大道"), None, None)
    assert (estate.names, estate.street_code, estate.point) == (
        ("拟园", "拟园一期", "拟园二期"),
        "370212001",
        (120.4, 36.1),
    )
    assert odd.names == every.names == ("虚路",)
    assert [house for house in (0, 1, 2, 99, 101) if odd.houses.hold(house)] == [1, 99]
    assert [house for house in (99, 100, 151, 200, 201) if every.houses.hold(house)] == [100, 151, 200]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("示海路,,lane,370212001001,370212001,,", "kind must be one of"),
        ("示海路,,road,370212001999,370212001,,", "no community_code 370212001999"),
        ("示海路,,road,,370212999,,", "street_code must be a street"),
        ("示海路,,road,370212001001,370212002,,", "street_code must be a street"),
        ("示海路,,road,,,,", "street_code must be a street"),
        ("示海路,,road,,370212001,120.4,", "lon and lat must both be given"),
        ("示海路,,road,,370212001,east,36", "lon must be"),
        ("海,,road,,370212001,,", "two characters or more"),
        ("示海路,海,road,,370212001,,", "two characters or more"),
        ("示海路99-1号,,road,,370212001,,", "must rise"),
    ],
)
def test_a_bad_row_is_refused_by_its_line(tmp_path: Path, row: str, says: str) -> None:
    with pytest.raises(ProfileError, match=rf"gazetteer\.csv, line 3: .*{says}"):
        names(tmp_path, GOOD, row)


def test_the_demonstration_has_names_of_every_kind(demo: Any) -> None:
    kinds = {row.kind for row in demo.gazetteer}
    assert kinds == {"community", "village", "road", "estate", "school", "market", "landmark"}


@pytest.mark.parametrize("damage", [lambda text: text[:-200], lambda text: text.replace("Polygon", "Line", 1)])
def test_a_damaged_file_stops_the_whole_profile(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = copy_of_demo(tmp_path) / "areas.geojson"
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(ProfileError, match=r"areas\.geojson"):
        load_profile(tmp_path)
