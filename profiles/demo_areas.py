"""Makes the outlines of the demonstration profile: `python -m profiles.demo_areas profiles/demo/areas.geojson`.

All of it is MADE UP. Communities are the places nearer to their point of places.csv than to any other, within 1.5 km;
streets reach 4 km; grids cut communities in as many parts as residents ask for, in two editions (863 grids until 2024,
781 since); professional grids join communities; the sea lies south and east of an invented coast. The same places.csv gives
the same file.
"""

import json
import math
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.affinity import affine_transform
from shapely.geometry import MultiPoint, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from profiles import Community, load_communities
from profiles.files import read_toml
from profiles.sample.draw import Draw

COMMUNITY_M: Final = 1480
STREET_M: Final = 4000
EDITIONS: Final = ((None, date(2024, 1, 1), 863), (date(2024, 1, 1), None, 781))
#: Code, name, parts of a street, and the day from which it is in force.
PROFESSIONS: Final = (
    ("POL", "公安", 3, None),
    ("EMG", "应急", 2, None),
    ("ENF", "综合执法", 2, None),
    ("MKT", "市场监管", 2, None),
    ("FIR", "消防", 1, None),
    ("ECO", "生态环境", 1, None),
    ("TRA", "交通", 1, None),
    ("HEA", "卫生健康", 1, date(2025, 1, 1)),
)
COAST: Final = ((119.9, 36.0), (120.4, 36.045), (120.6, 36.06), (120.72, 36.15), (120.76, 36.3), (120.8, 36.85))
FAR: Final = ((121.46, 36.85), (121.46, 35.38), (119.9, 35.38))
_METRES: Final = 111_195.0


class _Plane:
    """Degrees to metres around the profile and back; flat-earth, good enough for what is invented."""

    def __init__(self, latitude: float) -> None:
        self._east = _METRES * math.cos(math.radians(latitude))

    def metres(self, shape: BaseGeometry) -> BaseGeometry:
        return affine_transform(shape, [self._east, 0, 0, _METRES, 0, 0])

    def degrees(self, shape: BaseGeometry) -> BaseGeometry:
        return affine_transform(shape, [1 / self._east, 0, 0, 1 / _METRES, 0, 0])


def _cells(points: Sequence[Point], within: BaseGeometry) -> list[BaseGeometry]:
    """For each point the part of `within` that is nearer to it than to any other."""
    if len(points) == 1:
        return [within]
    cells = shapely.get_parts(
        shapely.voronoi_polygons(MultiPoint(points), extend_to=within.buffer(10_000), ordered=True)
    )
    return [cell.intersection(within) for cell in cells]


def _parts(draw: Draw, whole: BaseGeometry, count: int) -> list[BaseGeometry]:
    """`whole` in so many parts of like size: drawn points, moved to the middle of their cells a few times."""
    west, south, east, north = whole.bounds
    points: list[Point] = []
    while len(points) < count:
        point = Point(draw.uniform(west, east), draw.uniform(south, north))
        if whole.contains(point):
            points.append(point)
    for _ in range(6):
        points = [cell.centroid for cell in _cells(points, whole)]
    return _cells(points, whole)


def _shares(communities: Sequence[Community], total: int) -> list[int]:
    """`total` grids by residents, at least one each (largest remainder)."""
    people = sum(community.population for community in communities)
    wanted = [max(1.0, total * community.population / people) for community in communities]
    counts = [int(share) for share in wanted]
    rest = sorted(range(len(wanted)), key=lambda n: counts[n] - wanted[n])
    for place in range(total - sum(counts)):
        counts[rest[place % len(rest)]] += 1
    return counts


def _feature(kind: str, code: str, name: str, parent: str, outline: BaseGeometry, **rest: Any) -> dict[str, Any]:
    first, end = rest.get("valid_from"), rest.get("valid_to")
    rounded = shapely.set_precision(outline, 1e-6)
    if rounded.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"{kind} {code} is no area")
    return {
        "type": "Feature",
        "properties": {
            "kind": kind,
            "code": code,
            "name": name,
            "parent": parent,
            "valid_from": first.isoformat() if first else None,
            "valid_to": end.isoformat() if end else None,
            "profession": rest.get("profession", ""),
        },
        "geometry": _rounded(shapely.geometry.mapping(rounded)),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(part) for part in value]
    return round(value, 6) if isinstance(value, float) else value


def make_areas(folder: Path) -> dict[str, Any]:
    """The FeatureCollection for a profile folder."""
    main = read_toml(folder / "profile.toml")
    bbox, county_code = main["bbox"], main["county_code"]
    communities = [of_code[-1].what for of_code in load_communities(folder / "places.csv").values()]
    plane = _Plane((bbox[1] + bbox[3]) / 2)
    points = [plane.metres(Point(c.lon, c.lat)) for c in communities]
    land = shapely.union_all([point.buffer(STREET_M, quad_segs=6) for point in points])
    sea = plane.metres(Polygon((*COAST, *FAR)))
    near = shapely.union_all([point.buffer(COMMUNITY_M, quad_segs=4) for point in points])
    county = land.intersection(plane.metres(box(*bbox))).difference(sea).union(near)
    wide = dict(zip((c.code for c in communities), _cells(points, county), strict=True))
    own = {
        c.code: wide[c.code].intersection(point.buffer(COMMUNITY_M, quad_segs=4))
        for c, point in zip(communities, points, strict=True)
    }
    streets: dict[str, list[Community]] = {}
    for community in communities:
        streets.setdefault(community.street_code, []).append(community)
    features = [_feature("sea", "SEA-1", "近岸海域（虚构）", "", plane.degrees(sea.difference(county)))]
    for code, members in streets.items():
        outline = shapely.union_all([wide[c.code] for c in members])
        features.append(_feature("street", code, members[0].street, county_code, plane.degrees(outline)))
    for c in communities:
        features.append(_feature("community", c.code, c.name, c.street_code, plane.degrees(own[c.code])))
    for number, (first, end, total) in enumerate(EDITIONS):
        draw = Draw(100 + number)
        for c, count in zip(communities, _shares(communities, total), strict=True):
            for place, outline in enumerate(_parts(draw, own[c.code], count), start=1):
                name = f"{c.name.removesuffix('社区')}第{place}网格"
                features.append(
                    _feature(
                        "grid",
                        f"{c.code}{place:04d}",
                        name,
                        c.code,
                        plane.degrees(outline),
                        valid_from=first,
                        valid_to=end,
                    )
                )
    for code, name, parts, first in PROFESSIONS:
        number = 0
        for members in streets.values():
            ordered = sorted(members, key=lambda c: (c.lon, c.code))
            for part in range(parts):
                number += 1
                chosen = ordered[len(ordered) * part // parts : len(ordered) * (part + 1) // parts]
                features.append(
                    _feature(
                        "professional_grid",
                        f"P-{code}-{number:02d}",
                        f"{name}第{number}网格",
                        members[0].street_code,
                        plane.degrees(shapely.union_all([wide[c.code] for c in chosen])),
                        valid_from=first,
                        profession=name,
                    )
                )
    return {"type": "FeatureCollection", "name": "made up: describes no real outline", "features": features}


def main() -> None:
    """Writes the file named on the command line, for the profile it lies in; a feature a line."""
    path = Path(sys.argv[1])
    areas = make_areas(path.parent)
    head = f'{{"type": "FeatureCollection", "name": "{areas["name"]}", "features": [\n'
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) for feature in areas["features"])
    path.write_text(f"{head}{lines}\n]}}\n", encoding="utf-8", newline="\n")
    print(f"{path}: {len(areas['features'])} outlines, {path.stat().st_size:,} bytes, made up.")


if __name__ == "__main__":
    main()
