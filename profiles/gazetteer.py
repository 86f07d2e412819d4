"""gazetteer.csv: names of villages, roads, estates and the like by which people say where something is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from profiles.files import LATITUDE, LONGITUDE, ProfileError, number, one_of, read_rows, several

NameKind = Literal["community", "village", "road", "estate", "school", "market", "landmark"]

#: 云岭路1-99号单: the odd house numbers 1 to 99 of a road.
_HOUSES: Final = re.compile(r"(?P<road>.*?\D)(?P<low>\d{1,5})-(?P<high>\d{1,5})号(?P<side>[单双]?)")


@dataclass(frozen=True)
class Houses:
    """A stretch of a road: house numbers from `low` to `high`; odd (1) or even (0) ones only, None: both."""

    low: int
    high: int
    parity: int | None

    def hold(self, house: int) -> bool:
        """Whether the stretch has this house number."""
        return self.low <= house <= self.high and self.parity in (None, house % 2)


@dataclass(frozen=True)
class PlaceName:
    """One row. `names`: the name and its aliases. community_code: empty for what lies in several, or is told by the point.

    point: lon, lat, WGS-84; None where not given. houses: of a road's stretch only.
    """

    names: tuple[str, ...]
    kind: NameKind
    community_code: str
    street_code: str
    point: tuple[float, float] | None
    houses: Houses | None


def load_gazetteer(path: Path, communities: Mapping[str, str]) -> tuple[PlaceName, ...]:
    """The rows; none where there is no file. `communities`: street code by code. Raises ProfileError."""
    if not path.exists():
        return ()
    columns = ("name", "aliases", "kind", "community_code", "street_code", "lon", "lat")
    return tuple(_place_name(path, line, row, communities) for line, row in read_rows(path, columns))


def _place_name(path: Path, line: int, row: dict[str, str], communities: Mapping[str, str]) -> PlaceName:
    where = f"{path.name}, line {line}"
    kind: NameKind = one_of(path, line, "kind", row["kind"], get_args(NameKind))
    community, street = row["community_code"], row["street_code"]
    if community and community not in communities:
        raise ProfileError(f"{where}: places.csv has no community_code {community}")
    street = street or communities.get(community, "")
    if street not in communities.values() or (community and communities[community] != street):
        raise ProfileError(
            f"{where}: street_code must be a street of places.csv, that of the community where one is given"
        )
    if bool(row["lon"]) != bool(row["lat"]):
        raise ProfileError(f"{where}: lon and lat must both be given, or neither")
    point = None
    if row["lon"]:
        point = number(path, line, "lon", row["lon"], LONGITUDE), number(path, line, "lat", row["lat"], LATITUDE)
    names, houses = (row["name"], *several(row["aliases"])), None
    if kind == "road" and (stretch := _HOUSES.fullmatch(row["name"])):
        low, high = int(stretch["low"]), int(stretch["high"])
        if low > high:
            raise ProfileError(f"{where}: the house numbers of a stretch must rise, as in 云岭路1-99号单")
        houses = Houses(low, high, {"单": 1, "双": 0}.get(stretch["side"]))
        names = (stretch["road"], *several(row["aliases"]))
    if any(len(name) < 2 for name in names):
        raise ProfileError(f"{where}: a name must have two characters or more, or it is found everywhere")
    return PlaceName(names, kind, community, street, point, houses)
