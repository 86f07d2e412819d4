"""Made-up names and places of the benchmark: estates, roads, shops and companies of a profile's communities, from one seed."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from profiles import Community
from profiles.sample.draw import Draw
from profiles.sample.plan import metres

#: Estates and roads of a community, and how far from its point they lie, metres.
_ESTATES: Final = 5
_ROADS: Final = 4
_REACH_M: Final = 330.0
#: Two estates of a community are so far apart at least.
_APART_M: Final = 130.0
_METRES_PER_DEGREE: Final = 111_195.0
#: Metres of a road to a house number.
_PER_NUMBER_M: Final = 4.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """Where an event happens.

    key: an estate, a road, a chain and its road: nothing else of the same kind happens there but what is told apart from it.
    short: its name for titles. names: wordings that tell it from every other place. loose: wordings that do so only beside a
    point or a community's code. point: WGS-84.
    """

    key: str
    community: Community
    point: Point
    short: str
    names: tuple[str, ...]
    loose: tuple[str, ...]


@dataclass(frozen=True)
class Estate:
    """A residential estate."""

    stem: str
    name: str
    point: Point
    road: str


@dataclass(frozen=True)
class Area:
    """A community with its estates and roads."""

    community: Community
    estates: tuple[Estate, ...]
    roads: tuple[str, ...]


def moved(point: Point, distance: float, bearing: float) -> Point:
    """A point `distance` metres away; bearing in radians from east."""
    lon, lat = point
    north = distance * math.sin(bearing) / _METRES_PER_DEGREE
    east = distance * math.cos(bearing) / (_METRES_PER_DEGREE * math.cos(math.radians(lat)))
    return round(lon + east, 6), round(lat + north, 6)


def near(draw: Draw, point: Point, radius: float) -> Point:
    """A point within `radius` metres, evenly over the disc."""
    return moved(point, radius * math.sqrt(draw.uniform(0, 1)), draw.uniform(0, 2 * math.pi))


class Names:
    """Names that are not given twice, not even but for a slip of the pen."""

    def __init__(self, draw: Draw, table: Mapping[str, Any]) -> None:
        """`table`: [names] of texts.toml."""
        self._draw = draw
        self._table = table
        self._taken: set[str] = set()
        self._same = {pair[1]: pair[0] for pair in table["twins"]}

    def stem(self) -> str:
        """Two or three syllables of no other name."""
        while True:
            stem = "".join(self._draw.pick(self._table["syllables"]) for _ in range(self._draw.pick((2, 2, 3))))
            sound = "".join(self._same.get(one, one) for one in stem)
            if len(set(stem)) == len(stem) and sound not in self._taken:
                self._taken.add(sound)
                return stem

    def road(self) -> str:
        """A road's name."""
        return self._named(self._table["roads"])

    def chain(self, trade: str) -> str:
        """A shop's name, which its branches share."""
        return self._named(self._table["trades"][trade])

    def company(self) -> str:
        """A company's name."""
        return self._named(self._table["companies"])

    def _named(self, endings: Sequence[str]) -> str:
        return self.stem() + self._draw.pick(endings)

    def area(self, community: Community) -> Area:
        """A community's estates and roads."""
        draw = self._draw
        roads = tuple(self.road() for _ in range(_ROADS))
        points: list[Point] = []
        while len(points) < _ESTATES:
            point = near(draw, (community.lon, community.lat), _REACH_M)
            if all(metres(point, other) >= _APART_M for other in points):
                points.append(point)
        return Area(community, tuple(self._estates(points, roads)), roads)

    def _estates(self, points: Sequence[Point], roads: Sequence[str]) -> Iterator[Estate]:
        for point in points:
            stem = self.stem()
            yield Estate(stem, stem + self._draw.pick(self._table["estates"]), point, self._draw.pick(roads))


def home(draw: Draw, table: Mapping[str, Any], area: Area, estate: Estate) -> Place:
    """A building of an estate."""
    house, unit, number = draw.between(1, 32), draw.between(1, 4), draw.between(2, 198)
    alias = estate.stem + draw.pick(table["generic"])
    name = estate.name
    names: tuple[str, ...] = (
        f"{name}{house}号楼{unit}单元",
        f"{name}{house}号楼",
        f"{name}{house}#楼",
        f"{name}{house}栋",
        name,
        name,
    )
    names += (f"{estate.road}{number}号{name}", f"{alias}{house}号楼", f"{estate.stem}{house}号楼")
    return Place(name, area.community, estate.point, name, names, ("我们小区", "小区里", f"{house}号楼"))


def square(draw: Draw, table: Mapping[str, Any], area: Area, estate: Estate) -> Place:
    """An open place in or at an estate."""
    spot = draw.pick(("中心广场", "东门空地", "小广场", "南门外", "健身广场"))
    alias = estate.stem + draw.pick(table["generic"])
    names = (
        f"{estate.name}{spot}",
        f"{estate.name}的{spot}",
        f"{estate.name}{spot}附近",
        estate.name,
        f"{alias}{spot}",
    )
    return Place(estate.name, area.community, estate.point, estate.name, names, ("我们小区楼下", spot))


def building_site(draw: Draw, area: Area, estate: Estate) -> Place:
    """A building site beside an estate."""
    side = draw.pick(("北侧", "南侧", "对面", "东边", "隔壁"))
    names: tuple[str, ...] = (
        f"{estate.name}{side}工地",
        f"{estate.name}{side}的工地",
        f"{estate.road}{estate.name}{side}建筑工地",
    )
    names += (f"{estate.name}旁边的工地", f"{estate.name}附近在建项目")
    return Place(estate.name, area.community, estate.point, estate.name, names, ("小区旁边工地", "楼下的工地"))


def on_road(draw: Draw, area: Area, road: str, number: int) -> Place:
    """A spot of a road, by the nearest house number."""
    names = tuple(f"{road}{number}号{end}" for end in ("门前", "附近", "旁边", "门口", "对面", ""))
    point = _along(area, road, number)
    cross = draw.pick([other for other in area.roads if other != road])
    loose = (road, f"{road}上", f"{road}靠近{cross}")
    return Place(road, area.community, point, f"{road}{number}号", names, loose)


def shop(draw: Draw, area: Area, road: str, chain: str) -> Place:
    """A branch of a chain."""
    number = draw.between(2, 240)
    names = (
        f"{road}{number}号{chain}",
        f"{road}{chain}",
        f"{chain}（{road}店）",
        f"{chain}{road}店",
        f"{road}上的{chain}",
    )
    return Place(
        f"{chain} {road}", area.community, _along(area, road, number), f"{road}{chain}", names, (chain, f"楼下{chain}")
    )


def company(area: Area, estate: Estate, name: str) -> Place:
    """A company and where it works."""
    names = (name, f"{name}{estate.name}项目", f"{estate.name}工地{name}", f"{name}（{estate.name}项目部）")
    return Place(name, area.community, estate.point, name, names, ())


def _along(area: Area, road: str, number: int) -> Point:
    """The house numbers run on both sides of the community's point, each road in a direction of its own."""
    bearing = math.pi * area.roads.index(road) / len(area.roads)
    centre = (area.community.lon, area.community.lat)
    return moved(centre, (number - 120) * _PER_NUMBER_M, bearing)
