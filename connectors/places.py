"""Where a report is: area codes, the nearest community, community names in the text, and the place key.

Everything here comes from the profile's places.csv; nothing is guessed beyond it.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from connectors import fields
from connectors.errors import Refusal
from connectors.geo import Point
from profiles import Community, Profile

#: A point belongs to the nearest community only within this distance.
NEAREST_WITHIN_M: Final = 1500.0
PLACE_LIMIT: Final = 64

_AREA: Final = re.compile(r"\d{9}|\d{12}", re.ASCII)
_SUFFIX: Final = "社区"
_METRES_PER_DEGREE: Final = 111_195.0
#: A bare name of two characters is too often an everyday word (大桥, 会场): it counts right after its street only.
_AFTER_STREET: Final = ("街道", "镇", "乡")
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
        self._street_codes = {name: code for code, name in self.streets.items()}
        self._named: dict[str, list[Community]] = defaultdict(list)
        for community in profile.communities.values():
            for name in {community.name, community.name.removesuffix(_SUFFIX)}:
                self._named[name].append(community)
        names = [name for name in {*self._named, *self._street_codes} if len(name) >= 2]
        self._by_start: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names, key=lambda name: (-len(name), name)):
            self._by_start[name[:2]].append(name)
        # Cells at least as wide as the search radius, so that the nine around a point hold every candidate.
        widest = max((abs(community.lat) for community in profile.communities.values()), default=0.0)
        self._cell_lat = NEAREST_WITHIN_M / _METRES_PER_DEGREE * 1.1
        self._cell_lon = self._cell_lat / max(0.05, math.cos(math.radians(min(89.0, widest + 1))))
        self._cells: dict[tuple[int, int], list[Community]] = defaultdict(list)
        for community in profile.communities.values():
            self._cells[self._cell(community.lon, community.lat)].append(community)

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
        return self._street_codes.get(name)

    def community_named(self, name: str, street_code: str | None) -> Community | None:
        """The community with exactly this name, with or without 社区; None when unknown, or in several streets."""
        found = [c for c in self._named.get(name, ()) if street_code in (None, c.street_code)]
        return found[0] if len(found) == 1 else None

    def community_in(self, texts: Iterable[str], street_code: str | None) -> Community | None:
        """The longest community name found in the first text that holds one; `street_code` limits to its communities."""
        for text in texts:
            names = sorted(self._names_in(text), key=len, reverse=True)
            for name in names:
                if found := self.community_named(name, street_code):
                    return found
        return None

    def _names_in(self, text: str) -> Iterator[str]:
        """Known names in order; a longer one hides the shorter ones inside it (中韩街道 is not 中韩社区)."""
        position, end = 0, len(text) - 1
        by_start = self._by_start
        while position < end:
            for name in by_start.get(text[position : position + 2], ()):
                if text.startswith(name, position):
                    if name in self._named and (len(name) > 2 or text[:position].endswith(_AFTER_STREET)):
                        yield name
                    position += len(name) - 1
                    break
            position += 1


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


def place_key(street_code: str | None, place: str, texts: Iterable[str]) -> str:
    """Kafka key: street code; else 'text:' and the place the message names; else the first administrative name in the texts."""
    if street_code:
        return street_code
    if place:
        return f"text:{place[:PLACE_LIMIT]}"
    for text in texts:
        if found := _ADMINISTRATIVE.search(text):
            return f"text:{found[0]}"
    return "text:-"
