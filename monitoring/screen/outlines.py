"""The map of the district: outlines of streets, communities and grids in force, from the profile, small enough for a page."""

from datetime import date
from typing import Any, Final

import orjson
from shapely.geometry import MultiPolygon, Polygon

from profiles import Profile
from profiles.areas import Area

#: Degrees by which a drawn outline may differ, some 20 m: less than a pixel of a district on a wall.
_TOLERANCE: Final = 0.0002
_KINDS: Final = ("street", "community", "grid")


def outlines(profile: Profile, today: date) -> bytes:
    """JSON: streets, communities and grids in force on a local day; rings of [longitude, latitude] in WGS-84, five digits.

    Communities without an outline stand as points of the register (`places.csv`), so that a map without outlines shows them.
    """
    found = [_drawn(area) for area in profile.areas if area.kind in _KINDS and _holds(area, today)]
    drawn = {one["code"] for one in found}
    points = [
        {
            "kind": "community",
            "code": c.code,
            "name": c.name,
            "parent": c.street_code,
            "rings": [],
            "point": [c.lon, c.lat],
        }
        for c in profile.communities.values()
        if c.code not in drawn
    ]
    return orjson.dumps(found + points)


def _holds(area: Area, day: date) -> bool:
    return (area.valid_from is None or area.valid_from <= day) and (area.valid_to is None or day < area.valid_to)


def _drawn(area: Area) -> dict[str, Any]:
    shape = area.outline.simplify(_TOLERANCE)
    polygons = shape.geoms if isinstance(shape, MultiPolygon) else [shape]
    rings = [
        [[round(lon, 5), round(lat, 5)] for lon, lat in ring.coords]
        for polygon in polygons
        if isinstance(polygon, Polygon)
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    middle = area.outline.representative_point()
    return {
        "kind": area.kind,
        "code": area.code,
        "name": area.name,
        "parent": area.parent,
        "rings": rings,
        "point": [round(middle.x, 5), round(middle.y, 5)],
    }
