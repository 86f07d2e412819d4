"""Which outlines of the profile hold a point at a moment: community, street, grids, or the sea."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import compress
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import shapely

from connectors.geo import Point
from profiles import Area

#: Outlines drawn apart leave slivers between them; degrees, about 30 m.
_SLIVER: Final = 0.0003
_INSIDE: Final = 1.0
_BESIDE: Final = 0.9
_ALWAYS: Final = (-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Spot:
    """What a point was found to be. method: coordinates, or sea or outside, where no community's outline holds it."""

    method: Literal["coordinates", "sea", "outside"]
    confidence: float
    community_code: str | None = None
    street_code: str | None = None
    grid_code: str | None = None
    professional_grids: tuple[str, ...] = ()


#: Cells of which the outlines that reach into them are remembered: width in degrees (some 250 m), and how many.
_CELLS_PER_DEGREE: Final = 400
_CELLS: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Cell:
    """Numbers of the outlines that cover a cell, and of those that only reach into it, with their shapes; in order of code."""

    covering: list[int]
    reaching: list[int]
    shapes: npt.NDArray[np.object_]


class Outlines:
    """An index over outlines; `zone` is the zone of their days. Of several that hold a point the lowest code is taken.

    The tree is asked once for a cell; what covers the whole cell needs no look at its outline after that.
    """

    def __init__(self, areas: Iterable[Area], zone: ZoneInfo) -> None:
        self._areas = sorted(areas, key=lambda area: (area.kind, area.code))
        self._spans = [_span(area, zone) for area in self._areas]
        self._shapes = np.array([area.outline for area in self._areas])
        shapely.prepare(self._shapes)
        self._tree = shapely.STRtree(self._shapes)
        self._cell = lru_cache(_CELLS)(self._ask_tree)
        self.draw_communities = any(area.kind == "community" for area in self._areas)

    def _ask_tree(self, column: int, row: int) -> _Cell:
        side = 1 / _CELLS_PER_DEGREE
        # A little wider, so that rounding puts no point into a cell that does not know its outline.
        cell = shapely.box(column * side, row * side, (column + 1) * side, (row + 1) * side).buffer(side / 1000)
        near = np.sort(self._tree.query(cell, predicate="intersects"))
        covers = shapely.contains_properly(self._shapes[near], cell)
        return _Cell(near[covers].tolist(), near[~covers].tolist(), self._shapes[near[~covers]])

    def _holding(self, lon: float, lat: float, moment: int) -> list[int]:
        """Numbers of the outlines in force that hold the point, in order of code."""
        cell = self._cell(math.floor(lon * _CELLS_PER_DEGREE), math.floor(lat * _CELLS_PER_DEGREE))
        held = cell.covering
        if cell.reaching:
            holds: list[bool] = shapely.intersects_xy(cell.shapes, lon, lat).tolist()
            held = sorted([*held, *compress(cell.reaching, holds)])
        spans = self._spans
        return [number for number in held if spans[number][0] <= moment < spans[number][1]]

    def at(self, point: Point, moment: int) -> Spot:
        """What holds the point (WGS-84; a border belongs to it) at `moment`, milliseconds UTC."""
        held: dict[str, list[Area]] = {}
        for number in self._holding(*point, moment):
            area = self._areas[number]
            held.setdefault(area.kind, []).append(area)
        community, confidence = _first(held, "community"), _INSIDE
        if community is None and "sea" not in held:
            community, confidence = self._beside(point, moment), _BESIDE
        street = _first(held, "street")
        grids = [area.code for area in held.get("grid", ()) if community and area.parent == community.code]
        professional = tuple(dict.fromkeys(area.code for area in held.get("professional_grid", ())))
        if community is None and street is None:
            return Spot("sea" if "sea" in held else "outside", _INSIDE, professional_grids=professional)
        return Spot(
            "sea" if community is None and "sea" in held else "coordinates",
            confidence if community else _INSIDE,
            community.code if community else None,
            community.parent if community else street.code if street else None,
            grids[0] if grids else None,
            professional,
        )

    def _beside(self, point: Point, moment: int) -> Area | None:
        """The community at most a sliver away, for a point that no community holds."""
        near: list[Any] = self._tree.query(shapely.Point(point), predicate="dwithin", distance=_SLIVER).tolist()
        spans = self._spans
        found = (n for n in near if self._areas[n].kind == "community" and spans[n][0] <= moment < spans[n][1])
        by_distance = ((shapely.distance(self._shapes[n], shapely.Point(point)), n) for n in found)
        best = min(by_distance, default=None)
        return self._areas[best[1]] if best else None


def _first(held: dict[str, list[Area]], kind: str) -> Area | None:
    areas = held.get(kind)
    return areas[0] if areas else None


def _span(area: Area, zone: ZoneInfo) -> tuple[int, int]:
    def midnight(day: date) -> int:
        return int(datetime.combine(day, time.min, zone).timestamp() * 1000)

    return (
        midnight(area.valid_from) if area.valid_from else _ALWAYS[0],
        midnight(area.valid_to) if area.valid_to else _ALWAYS[1],
    )
