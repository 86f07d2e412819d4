"""Templates and mixes of the sample year: reads a profile's sample.toml, checks it, and composes texts from it."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from profiles import Profile, ProfileError
from profiles.sample.draw import Draw

FEEDS = ("hotline12345", "police110", "citymgmt", "wechat")


@dataclass(frozen=True)
class MatterTexts:
    """What is said about one kind of matter, and how often, when and where it is said."""

    share: dict[str, float]
    season_name: str
    season: tuple[float, ...]
    hours: tuple[float, ...]
    spots: tuple[str, ...]
    shared: bool
    what: tuple[tuple[str, ...], ...]
    plain: tuple[str, ...]
    effect: tuple[str, ...]
    ask: tuple[str, ...]


@dataclass(frozen=True)
class Spot:
    """A place inside a community in several wordings, the shortest first."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Texts:
    """The whole of sample.toml, with the names and keywords of the profile it belongs to."""

    feeds: dict[str, float]
    appeal_types: dict[str, float]
    town_initials: dict[str, str]
    shared: dict[str, tuple[str, ...]]
    patterns: dict[str, tuple[str, ...]]
    matters: dict[str, MatterTexts]
    keywords: dict[str, tuple[str, ...]]
    place_names: tuple[str, ...]

    def kinds_hit(self, text: str) -> list[str]:
        """Kinds of matter whose keywords stand in the text."""
        return [kind for kind, words in self.keywords.items() if any(word in text for word in words)]

    def places_named(self, text: str) -> list[str]:
        """Community names, without the ending 社区, that stand in the text."""
        return [name for name in self.place_names if name in text]

    @cached_property
    def _estates(self) -> tuple[str, ...]:
        names = (a + b for a in self.shared["estates"] for b in self.shared["estate_ends"])
        return tuple(name for name in names if not self.places_named(name) and not self.kinds_hit(name))

    @cached_property
    def _roads(self) -> tuple[str, ...]:
        names = (a + b for a in self.shared["roads"] for b in self.shared["road_ends"])
        return tuple(name for name in names if not self.places_named(name) and not self.kinds_hit(name))

    def estates_and_roads(self, draw: Draw) -> tuple[list[str], list[str]]:
        """The estates and roads of one community."""
        return draw.shuffled(self._estates)[:7], draw.shuffled(self._roads)[:6]

    def spot(self, draw: Draw, kind: str, estates: list[str], roads: list[str]) -> Spot:
        """A place fit for the kind of matter: a building, a crossing, a shop or a site."""
        form = draw.pick(self.matters[kind].spots) if kind in self.matters else "home"
        road, number = draw.pick(roads), draw.between(2, 199)
        if form == "home":
            estate, house, unit = draw.pick(estates), draw.between(1, 32), draw.between(1, 4)
            return Spot((f"{estate}{house}号楼", f"{estate}{house}号楼{unit}单元", f"{estate}{house}#楼附近"))
        if form == "road":
            other = draw.pick([name for name in roads if name != road])
            return Spot((f"{road}{other}路口", f"{road}与{other}路口", f"{road}和{other}交叉口附近"))
        place = draw.pick(self.shared["shops" if form == "shop" else "sites"])
        return Spot((f"{road}{number}号{place}", f"{road}{number}号的{place}", f"{road}{number}号附近一处{place}"))

    def trouble(self, draw: Draw, kind: str, *, keyword: bool) -> tuple[str, ...]:
        """What is wrong, in one or more wordings; with `keyword` all of them name the kind in the words of matters.csv."""
        if kind not in self.matters:
            return ("有事求助",)
        matter = self.matters[kind]
        found = (draw.pick(matter.plain),) if not keyword and draw.chance(0.3) else draw.pick(matter.what)
        digit = str(draw.between(2, 9))
        return tuple(wording.replace("{n}", digit) for wording in found)

    def compose(self, draw: Draw, pattern: str, where: str, what: str, kind: str, topic: str) -> str:
        """A text from one of the pattern's templates; a kind without templates is told by its `topic` alone."""
        if kind in self.matters:
            effect, ask = draw.pick(self.matters[kind].effect), draw.pick(self.matters[kind].ask)
        else:
            effect, ask = "情况比较急", f"{topic}由哪个部门负责？"
        text = (
            draw.pick(self.patterns[pattern])
            .replace("{where}", where)
            .replace("{when}", draw.pick(self.shared["when"]))
            .replace("{what}", what)
            .replace("{effect}", effect.replace("{n}", str(draw.between(2, 9))))
            .replace("{demand}", draw.pick(self.shared["demand"]))
            .replace("{topic}", topic)
            .replace("{ask}", ask)
        )
        feeling = draw.pick(self.shared["feeling"])
        return f"{text}，{feeling}" if feeling and pattern == "wechat" else text


def _tuples(table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in table.items()}


def load_texts(profile: Profile) -> Texts:
    """Reads the profile's sample.toml; raises ProfileError, naming the phrase, where a text tells another kind than its own."""
    path = profile.folder / "sample.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProfileError(f"{path.name} is missing in {path.parent}; profiles/README.md says what it holds") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: not valid TOML ({error})") from None
    try:
        texts = Texts(
            feeds={feed: float(raw["feeds"][feed]) for feed in FEEDS},
            appeal_types={name: float(weight) for name, weight in raw["appeal_types"].items()},
            town_initials=dict(raw["town_initials"]),
            shared=_tuples(raw["shared"]),
            patterns=_tuples(raw["text"]),
            matters={
                kind: MatterTexts(
                    share={feed: float(weight) for feed, weight in entry["share"].items()},
                    season_name=entry["season"],
                    season=tuple(raw["seasons"][entry["season"]]),
                    hours=tuple(raw["hours"][entry["hours"]]),
                    spots=tuple(entry["spots"]),
                    shared=bool(entry.get("shared", False)),
                    what=tuple(tuple(wordings) for wordings in entry["what"]),
                    plain=tuple(entry["plain"]),
                    effect=tuple(entry["effect"]),
                    ask=tuple(entry["ask"]),
                )
                for kind, entry in raw["matter"].items()
            },
            keywords={kind: matter.keywords for kind, matter in profile.matters.items()},
            place_names=tuple(community.name.removesuffix("社区") for community in profile.communities.values()),
        )
    except KeyError as error:
        raise ProfileError(f"{path.name}: add the key {error.args[0]}") from None
    _check(path.name, texts)
    return texts


def _check(name: str, texts: Texts) -> None:
    for kind, matter in texts.matters.items():
        if kind not in texts.keywords:
            raise ProfileError(f"{name}: matters.csv has no matter_kind {kind}")
        for phrase in (wording for wordings in matter.what for wording in wordings):
            if texts.kinds_hit(phrase) != [kind]:
                raise ProfileError(f"{name}: a `what` of {kind} must hold keywords of {kind} only: {phrase}")
        for phrase in matter.effect:
            if texts.kinds_hit(phrase) not in ([], [kind]):
                raise ProfileError(f"{name}: an `effect` of {kind} holds another kind's keyword: {phrase}")
    for phrase in (
        *(p for values in texts.shared.values() for p in values),
        *(p for values in texts.patterns.values() for p in values),
    ):
        if texts.kinds_hit(phrase) or texts.places_named(phrase):
            raise ProfileError(f"{name}: a shared phrase holds a keyword or a community's name: {phrase}")
