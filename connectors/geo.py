"""Coordinate systems. The hub decides in WGS-84; CGCS2000 differs from it by centimetres and is taken as the same.

GCJ-02 and BD-09 are the published shift formulas; the inverses are found by fixed-point iteration over the forward shift,
so that a round trip stays below a centimetre inside China. docs/decisions/0008-coordinates.md has the figures.
"""

import math
from collections.abc import Callable
from typing import Final

from connectors.errors import Refusal
from profiles import Crs

Point = tuple[float, float]
Box = tuple[float, float, float, float]

_KRASOVSKY_A: Final = 6_378_245.0
_KRASOVSKY_EE: Final = 0.00669342162296594323
_BD_PI: Final = math.pi * 3000.0 / 180.0
#: The shift applies inside this box only (west, south, east, north), as in the map services' own implementations.
SHIFTED: Final[Box] = (72.004, 0.8293, 137.8347, 55.8271)
#: Degrees by which a place may come back outside the box and still be one of its edge; a centimetre.
_EDGE: Final = 1e-7
#: The box grown by more than any shift in it.
_REACHED: Final[Box] = (71.97, 0.8, 137.87, 55.86)
#: The last correction, degrees, a millimetre: what is still wrong after it is a thousandth of that.
_TOLERANCE: Final = 1e-8
#: How far a point may lie outside the profile's box, degrees: ships and neighbours' roads are legal.
_MARGIN: Final = 0.5


def _gcj_shift(lon: float, lat: float) -> Point:
    """GCJ-02 minus WGS-84 at a WGS-84 point, degrees."""
    x, y = lon - 105.0, lat - 35.0
    root = math.sqrt(abs(x))
    common = 20.0 * math.sin(6.0 * x * math.pi) + 20.0 * math.sin(2.0 * x * math.pi)
    d_lat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    d_lat += (common + 20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2.0 / 3.0
    d_lat += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y * math.pi / 30.0)) * 2.0 / 3.0
    d_lon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    d_lon += (common + 20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2.0 / 3.0
    d_lon += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2.0 / 3.0
    sine = math.sin(math.radians(lat))
    magic = 1.0 - _KRASOVSKY_EE * sine * sine
    d_lat = d_lat * 180.0 / ((_KRASOVSKY_A * (1.0 - _KRASOVSKY_EE)) / (magic * math.sqrt(magic)) * math.pi)
    d_lon = d_lon * 180.0 / (_KRASOVSKY_A / math.sqrt(magic) * math.cos(math.radians(lat)) * math.pi)
    return d_lon, d_lat


def _shifted(lon: float, lat: float) -> Point:
    d_lon, d_lat = _gcj_shift(lon, lat)
    return lon + d_lon, lat + d_lat


def wgs84_to_gcj02(lon: float, lat: float) -> Point:
    """WGS-84 to GCJ-02, degrees; the same point outside the shifted box."""
    return _shifted(lon, lat) if inside(lon, lat, SHIFTED) else (lon, lat)


def gcj02_to_bd09(lon: float, lat: float) -> Point:
    """GCJ-02 to BD-09, degrees."""
    radius = math.hypot(lon, lat) + 0.00002 * math.sin(lat * _BD_PI)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * _BD_PI)
    return radius * math.cos(angle) + 0.0065, radius * math.sin(angle) + 0.006


def _inverse(forward: Callable[[float, float], Point], lon: float, lat: float) -> Point:
    """The point that `forward` takes to (lon, lat); the shifts change slowly, so a handful of rounds is enough."""
    x, y = lon, lat
    for _ in range(20):
        moved_lon, moved_lat = forward(x, y)
        error_lon, error_lat = lon - moved_lon, lat - moved_lat
        x, y = x + error_lon, y + error_lat
        if abs(error_lon) < _TOLERANCE and abs(error_lat) < _TOLERANCE:
            break
    return x, y


def gcj02_to_wgs84(lon: float, lat: float) -> Point:
    """GCJ-02 to WGS-84, degrees.

    At the edge of the box some pairs stand for two places, one inside that was shifted out and one outside that never was
    shifted: the one inside is taken, so that every place of the box comes back.
    """
    if not inside(lon, lat, _REACHED):
        return lon, lat
    x, y = _inverse(_shifted, lon, lat)
    # Clamped, since a place right on the edge comes back a hair's breadth outside.
    edge_x, edge_y = min(max(x, SHIFTED[0]), SHIFTED[2]), min(max(y, SHIFTED[1]), SHIFTED[3])
    return (edge_x, edge_y) if math.hypot(edge_x - x, edge_y - y) < _EDGE else (lon, lat)


def bd09_to_gcj02(lon: float, lat: float) -> Point:
    """BD-09 to GCJ-02, degrees."""
    return _inverse(gcj02_to_bd09, lon, lat)


def to_wgs84(lon: float, lat: float, crs: Crs) -> Point:
    """Any system the hub knows to WGS-84, degrees."""
    if crs == "GCJ-02":
        return gcj02_to_wgs84(lon, lat)
    if crs == "BD-09":
        return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))
    return lon, lat


def inside(lon: float, lat: float, box: Box) -> bool:
    """Whether a point lies in (west, south, east, north)."""
    return box[0] <= lon <= box[2] and box[1] <= lat <= box[3]


def located(lon: float, lat: float, crs: Crs, bbox: Box) -> Point:
    """The message's point in WGS-84.

    Raises Refusal (bad_location), which tells them apart: 0 for one or both (a device without a fix), outside the globe,
    swapped, and outside the profile's box grown by half a degree. Nearer ones are legal, the sea and neighbours too.
    """
    if lon == 0 or lat == 0:
        which = "longitude and latitude are both 0" if lon == lat else "longitude or latitude is 0"
        raise Refusal("bad_location", f"{which}; leave both out where the place is unknown")
    area = (bbox[0] - _MARGIN, bbox[1] - _MARGIN, bbox[2] + _MARGIN, bbox[3] + _MARGIN)
    on_globe = abs(lon) <= 180 and abs(lat) <= 90
    point = to_wgs84(lon, lat, crs) if on_globe else (lon, lat)
    if on_globe and inside(*point, area):
        return point
    if inside(lat, lon, area):
        raise Refusal("bad_location", "longitude and latitude are swapped: send longitude as lon, latitude as lat")
    if not on_globe:
        raise Refusal("bad_location", "longitude must lie within 180 and latitude within 90 degrees")
    raise Refusal("bad_location", "the point lies far outside the area of this deployment; check the coordinate system")
