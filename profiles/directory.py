"""Which agency a word of the responsibility list means at one place, and who stands above whom."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from profiles.areas import Area
from profiles.duties import LEVEL_WORDS, LEVELS, Agency, Level, professions


class Place(NamedTuple):
    """Codes of the areas that hold a report; empty where unknown."""

    street: str = ""
    community: str = ""
    grid: str = ""
    professional_grids: Sequence[str] = ()


class Territory:
    """What lies in what: grid in community (as of a day, since grids are cut anew), community in street."""

    def __init__(self, areas: Iterable[Area], streets: Mapping[str, str]) -> None:
        """`streets`: the street's code of each community's."""
        self._streets = streets
        self._grids: dict[str, list[tuple[date, date, str]]] = {}
        for area in areas:
            if area.kind == "grid":
                span = (area.valid_from or date.min, area.valid_to or date.max, area.parent)
                self._grids.setdefault(area.code, []).append(span)

    def community_of(self, grid: str, day: date) -> str:
        """Code of the community in which the grid lay on that day; empty where nobody knows."""
        spans = self._grids.get(grid, ())
        return next((parent for first, end, parent in spans if first <= day < end), "")

    def street_of(self, community: str) -> str:
        """Code of a community's street; empty where nobody knows."""
        return self._streets.get(community, "")


class Directory:
    """The agencies of a profile by level and area."""

    def __init__(self, agencies: Mapping[str, Agency], areas: Iterable[Area], top_agency: str = "") -> None:
        """`top_agency`: who has what nobody below serves; empty: nobody."""
        self._agencies = agencies
        self._at = {(a.level, a.area): a for a in agencies.values()}
        self._top = agencies.get(top_agency)
        self._professions = professions(areas)
        self._teams = {a.area: a for a in agencies.values() if a.area in self._professions}
        #: The agency above all teams of a profession, for a place outside its grids.
        self._offices: dict[str, Agency] = {}
        for code, team in self._teams.items():
            if team.parent:
                self._offices.setdefault(self._professions[code], agencies[team.parent])
        self._units: dict[str, Agency] = {}
        for agency in agencies.values():
            for name in (agency.name_zh, agency.name_en, agency.code):
                self._units.setdefault(_plain(name), agency)

    def named(self, unit: str, place: Place) -> Agency | None:
        """The agency of a code or @word of the list, at a place; None where nobody serves it."""
        if not unit.startswith("@"):
            return self._agencies.get(unit)
        word = unit[1:]
        if word in LEVEL_WORDS:
            return self.of_level(word, place)
        mine = (code for code in place.professional_grids if self._professions.get(code) == word)
        return next((self._teams[code] for code in mine if code in self._teams), self._offices.get(word))

    def of_level(self, level: Level, place: Place) -> Agency | None:
        """The agency of that level that serves the narrowest area around the place; of the level above where it has none."""
        for at in LEVELS[LEVELS.index(level) :]:
            for code in (place.grid, place.community, place.street):
                if code and (found := self._at.get((at, code))):
                    return found
        return self._top

    def above(self, code: str) -> Agency | None:
        """The agency above; None at the top and for a code the profile does not know (any more)."""
        agency = self._agencies.get(code)
        return self._agencies.get(agency.parent) if agency else None

    def by_unit(self, unit: str) -> Agency | None:
        """The agency that a source calls so: by its name or code, whole or after the last dash (联动单位-城建局)."""
        return self._units.get(_plain(unit)) or self._units.get(_plain(unit.replace("—", "-").rpartition("-")[2]))


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()
