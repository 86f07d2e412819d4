"""areas.geojson: outlines of streets, communities, grids and the sea, each with the days on which it is in force."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, get_args

import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from profiles.files import ProfileError

AreaKind = Literal["street", "community", "grid", "professional_grid", "sea"]

_KEYS: Final = frozenset(("kind", "code", "name", "parent", "valid_from", "valid_to", "profession"))


@dataclass(frozen=True)
class Area:
    """One outline, WGS-84. In force from `valid_from` on, until before `valid_to`, local days; None: open.

    parent: the code of what it lies in: a community's street, a grid's community. profession: of professional grids only.
    """

    kind: AreaKind
    code: str
    name: str
    parent: str
    valid_from: date | None
    valid_to: date | None
    profession: str
    outline: BaseGeometry


def load_areas(path: Path, communities: Mapping[str, str]) -> tuple[Area, ...]:
    """The features of a FeatureCollection (RFC 7946); none where there is no file. `communities`: street code by code.

    Raises ProfileError, naming the feature's number (from 1) and code.
    """
    try:
        collection = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return ()
    except (ValueError, RecursionError):
        raise ProfileError(f"{path.name}: not valid JSON in UTF-8; export it again as GeoJSON") from None
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        raise ProfileError(f"{path.name}: must be a GeoJSON FeatureCollection")
    if isinstance(collection.get("crs"), dict) and "CRS84" not in str(collection["crs"]):
        raise ProfileError(f"{path.name}: must be in WGS-84 (CRS84); convert it and leave crs out")
    features = collection.get("features")
    if not isinstance(features, list):
        raise ProfileError(f"{path.name}: features must be a list")
    areas = tuple(_area(path, number, feature) for number, feature in enumerate(features, start=1))
    _check_parents(path, areas, communities)
    _check_editions(path, areas)
    return areas


def _area(path: Path, number: int, feature: Any) -> Area:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        raise ProfileError(f"{path.name}, feature {number}: must be a Feature with properties")
    where = f"{path.name}, feature {number} (code {properties.get('code')})"
    if unknown := set(properties) - _KEYS:
        raise ProfileError(
            f"{where}: unknown propert(ies) {', '.join(sorted(unknown))}; keep {', '.join(sorted(_KEYS))}"
        )
    texts = {name: _text(where, properties, name) for name in ("kind", "code", "name", "parent", "profession")}
    if texts["kind"] not in get_args(AreaKind):
        raise ProfileError(f"{where}: kind must be one of {', '.join(get_args(AreaKind))}")
    if not texts["code"]:
        raise ProfileError(f"{where}: code must be given, as text")
    if (texts["kind"] == "professional_grid") != bool(texts["profession"]):
        raise ProfileError(f"{where}: profession must be given for a professional_grid, and for nothing else")
    first, end = _day(where, properties, "valid_from"), _day(where, properties, "valid_to")
    if first and end and first >= end:
        raise ProfileError(f"{where}: valid_from must lie before valid_to, the first day on which it is not in force")
    outline = _outline(where, feature.get("geometry"))
    kind: AreaKind = texts["kind"]  # type: ignore[assignment]
    return Area(kind, texts["code"], texts["name"], texts["parent"], first, end, texts["profession"], outline)


def _text(where: str, properties: dict[str, Any], name: str) -> str:
    value = properties.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ProfileError(f"{where}: {name} must be text; put it in quotes, so that leading zeros stay")
    return value.strip()


def _day(where: str, properties: dict[str, Any], name: str) -> date | None:
    value = properties.get(name)
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ProfileError(f"{where}: {name} must read YYYY-MM-DD, or null where it is open") from None


def _outline(where: str, geometry: Any) -> BaseGeometry:
    try:
        outline = shape(geometry)
        kind, empty, valid = outline.geom_type, outline.is_empty, outline.is_valid
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, ShapelyError):
        raise ProfileError(f"{where}: its geometry can't be read; export it again as GeoJSON") from None
    if kind not in ("Polygon", "MultiPolygon") or empty:
        raise ProfileError(f"{where}: its geometry must be a Polygon or MultiPolygon that is not empty")
    if not valid:
        raise ProfileError(f"{where}: its outline is not valid: {shapely.is_valid_reason(outline)}; mend it in a GIS")
    west, south, east, north = outline.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise ProfileError(f"{where}: its coordinates must be degrees, longitude first")
    return shapely.force_2d(outline)


def _check_parents(path: Path, areas: Sequence[Area], communities: Mapping[str, str]) -> None:
    """That codes and parents of what is filled into records are those of places.csv."""
    streets = set(communities.values())
    drawn = {area.code for area in areas if area.kind == "community"}
    for number, area in enumerate(areas, start=1):
        where = f"{path.name}, feature {number} (code {area.code})"
        if area.kind == "street" and area.code not in streets:
            raise ProfileError(f"{where}: places.csv has no such street")
        if area.kind == "community" and communities.get(area.code) != area.parent:
            raise ProfileError(f"{where}: places.csv has no such community in the street given as its parent")
        if area.kind == "grid" and area.parent not in drawn:
            raise ProfileError(f"{where}: parent must be the community that the grid lies in, drawn in this file too")


def _check_editions(path: Path, areas: Iterable[Area]) -> None:
    """That no code is in force twice on one day."""
    by_code: dict[tuple[str, str], list[tuple[date, date, int]]] = {}
    for number, area in enumerate(areas, start=1):
        span = (area.valid_from or date.min, area.valid_to or date.max, number)
        by_code.setdefault((area.kind, area.code), []).append(span)
    for (kind, code), spans in by_code.items():
        spans.sort()
        for one, other in pairwise(spans):
            if other[0] < one[1]:
                raise ProfileError(
                    f"{path.name}, feature {other[2]} (code {code}): feature {one[2]} is a {kind} of this code in force on "
                    "the same days; end one where the other begins"
                )
