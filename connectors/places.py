"""Where a report is: area codes, outlines or the nearest community, names in fields and texts, and the place key.

Everything here comes from the profile's places.csv, areas.geojson and gazetteer.csv; nothing is guessed beyond them.
docs/decisions/0017-places.md says what is found how, and how sure it is.
"""

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from connectors import fields
from connectors.errors import Refusal
from connectors.geo import Point, inside
from connectors.names import Match, Names, simple
from connectors.outlines import Outlines, Spot
from profiles import Community, Profile

#: A point belongs to the nearest community only within this distance.
NEAREST_WITHIN_M: Final = 1500.0
PLACE_LIMIT: Final = 64
#: A moment at which what has no end is in force.
_NOW_ON: Final = 2**62

_AREA: Final = re.compile(r"\d{9}|\d{12}", re.ASCII)
_SUFFIX: Final = "社区"
_METRES_PER_DEGREE: Final = 111_195.0
#: How sure the nearest point of a community makes us, where the profile has no outlines.
_NEAREST_SURE: Final = 0.7
# The second form leaves out words that lead up to a name ("我住在..."), and 小区, 社区, 景区 and the like, which are no
# administrative areas.
_ADMINISTRATIVE: Final = re.compile(
    r"[A-Z]\d*[市区县]"
    r"|(?:(?![我你他她您在到住的于是来称从向至和与市县乡镇区])[\u4e00-\u9fff]){2,6}?(?:街道|镇|乡|县|(?<![小社景园校地辖片厂])区)"
)


class Places:
    """Look-ups over a profile's streets and communities."""

    def __init__(self, profile: Profile) -> None:
        self.communities = profile.communities
        self.streets = {community.street_code: community.street for community in profile.communities.values()}
        self._street_codes = {simple(name): code for code, name in self.streets.items()}
        self._named: dict[str, list[Community]] = defaultdict(list)
        for community in profile.communities.values():
            for name in {community.name, community.name.removesuffix(_SUFFIX)}:
                self._named[simple(name)].append(community)
        self._bbox = profile.bbox
        self._outlines = Outlines(profile.areas, ZoneInfo(profile.timezone))
        # Cells at least as wide as the search radius, so that the nine around a point hold every candidate.
        widest = max((abs(community.lat) for community in profile.communities.values()), default=0.0)
        self._cell_lat = NEAREST_WITHIN_M / _METRES_PER_DEGREE * 1.1
        self._cell_lon = self._cell_lat / max(0.05, math.cos(math.radians(min(89.0, widest + 1))))
        self._cells: dict[tuple[int, int], list[Community]] = defaultdict(list)
        for community in profile.communities.values():
            self._cells[self._cell(community.lon, community.lat)].append(community)
        self._names = Names(profile, self._community_now)

    def _community_now(self, point: Point) -> Community | None:
        return self.communities.get(self.at(point, _NOW_ON).community_code or "")

    def at(self, point: Point, moment: int) -> Spot:
        """What holds a WGS-84 point at `moment` (ms UTC); without communities' outlines the nearest one, within 1.5 km."""
        spot = self._outlines.at(point, moment)
        if self._outlines.draw_communities or spot.method == "sea":
            return spot
        near = self.nearest(point)
        if near is None:
            return replace(spot, method="coordinates") if inside(*point, self._bbox) else spot
        found = replace(spot, method="coordinates", confidence=_NEAREST_SURE)
        return replace(found, community_code=near.code, street_code=near.street_code)

    def _cell(self, lon: float, lat: float) -> tuple[int, int]:
        return math.floor(lon / self._cell_lon), math.floor(lat / self._cell_lat)

    def nearest(self, point: Point) -> Community | None:
        """The community whose point is nearest, within 1.5 km; None farther out (at sea, for example)."""
        column, row = self._cell(*point)
        best: Community | None = None
        limit = NEAREST_WITHIN_M
        lon, lat = point
        # Flat-earth distances: over 1.5 km they are right to a metre.
        per_lon = _METRES_PER_DEGREE * math.cos(math.radians(lat))
        for x in (column - 1, column, column + 1):
            for y in (row - 1, row, row + 1):
                for community in self._cells.get((x, y), ()):
                    metres = math.hypot((community.lon - lon) * per_lon, (community.lat - lat) * _METRES_PER_DEGREE)
                    if metres <= limit:
                        best, limit = community, metres
        return best

    def street_named(self, name: str) -> str | None:
        """Code of the street with exactly this name."""
        return self._street_codes.get(simple(name))

    def community_named(self, name: str, street_code: str | None) -> Community | None:
        """The community with exactly this name, with or without 社区; None when unknown, or in several streets."""
        found = [c for c in self._named.get(simple(name), ()) if street_code in (None, c.street_code)]
        return found[0] if len(found) == 1 else None

    def in_texts(self, texts: Sequence[str], street_code: str | None) -> Match | None:
        """What the texts say about the place; `street_code`: the street where it is known already."""
        return self._names.find(texts, street_code)


def area_code(data: fields.Fields, name: str, places: Places) -> tuple[str, str]:
    """Community code and street code of a field that may hold either; empty where not given.

    Raises Refusal: bad_field (neither 9 nor 12 digits), unknown_code (not in places.csv).
    """
    code = fields.code(data, name, _AREA, "9 digits (street) or 12 digits (community) as text")
    if len(code) == 12:
        if code not in places.communities:
            raise Refusal("unknown_code", f"{name}: the profile's places.csv does not have this community")
        return code, places.communities[code].street_code
    if code and code not in places.streets:
        raise Refusal("unknown_code", f"{name}: the profile's places.csv does not have this street")
    return "", code
