"""How each channel tells an event: composed from texts.toml, with the slips that such texts have."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import opencc

from profiles.sample.draw import Draw, Weighted

CHANNELS: Final = ("hotline", "police", "citymgmt", "wechat", "grid", "letter")
#: Shares of texts in traditional characters, with full-width digits, and of names with a slip of the pen where one is likely.
_TRADITIONAL: Final = 0.04
_FULL_WIDTH: Final = 0.05
_SLIP: Final = 0.12
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_SLOT: Final = re.compile(r"\{(\w+)\}")
_DOUBLED: Final = re.compile(r"([，。；！])[，。；]+")
_WIDE: Final = str.maketrans({chr(code): chr(code + 0xFEE0) for code in (*range(0x30, 0x3A), *range(0x41, 0x5B), 0x23)})
_TRADITIONALLY: Final = opencc.OpenCC("s2t")


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble: what is said of it and who says it. matter: kind of matters.csv. days: longest time between reports."""

    id: str
    matter: str
    form: str
    days: int
    topic: tuple[str, ...]
    what: tuple[str, ...]
    detail: tuple[str, ...]
    effect: tuple[str, ...]
    city: str
    police: str
    channels: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """An event's own figures, which all its tellers repeat. detail: what most of them mention."""

    n: int
    hour: str
    detail: str


class Texts:
    """texts.toml."""

    def __init__(self) -> None:
        """Read it."""
        self._raw: dict[str, Any] = tomllib.loads((Path(__file__).parent / "texts.toml").read_text(encoding="utf-8"))
        self.names: Mapping[str, Any] = self._raw["names"]
        self.troubles = {name: _trouble(name, entry) for name, entry in self._raw["trouble"].items()}
        self._slips = {one: other for pair in self.names["twins"] for one, other in (pair, pair[::-1])}

    def figures(self, draw: Draw, trouble: Trouble) -> Figures:
        """Figures of a new event."""
        hour = draw.pick(("晚上九点", "晚上十点", "夜里十一点", "下午五点多", "中午", "早上六点", "半夜一点"))
        return Figures(draw.between(2, 9), hour, draw.pick(trouble.detail))

    def topic(self, draw: Draw, trouble: Trouble) -> str:
        """What a title calls it."""
        return draw.pick(trouble.topic)

    def tell(self, draw: Draw, channel: str, trouble: Trouble, figures: Figures, where: str, before: str) -> str:
        """A channel's text. before: texts.toml's list of what one adds who calls again (again, rebound), or empty."""
        text = self._fill(draw, draw.pick(self._raw[channel]["text"]), trouble, figures, where)
        if before:
            said = self.chosen(draw, draw.pick(self._raw["phrases"][before]))
            text = f"{said}，{text}" if draw.chance(0.4) else f"{text.rstrip('。')}。{said}。"
        return text

    def title(self, draw: Draw, channel: str, trouble: Trouble, short: str) -> str:
        """A title; empty in channels without."""
        if channel not in ("hotline", "letter"):
            return ""
        pattern = self.chosen(draw, draw.pick(self._raw[channel]["title"]))
        return pattern.replace("{short}", short).replace("{topic}", self.topic(draw, trouble))

    def alone(self, draw: Draw, kind: str, trouble: Trouble, figures: Figures, where: str) -> str:
        """A question (consult), praise or a tip-off (report) about a place and a kind of trouble."""
        return self._fill(draw, draw.pick(self._raw["alone"][kind]), trouble, figures, where)

    def slipped(self, draw: Draw, text: str, name: str) -> str:
        """The text with one character of `name` written as another of the same sound, where it has one."""
        places = [at for at, one in enumerate(name) if one in self._slips]
        if not places or not draw.chance(_SLIP):
            return text
        at = draw.pick(places)
        return text.replace(name, name[:at] + self._slips[name[at]] + name[at + 1 :])

    def written(self, draw: Draw, text: str) -> str:
        """The text as some write it: in traditional characters or with full-width digits."""
        if draw.chance(_TRADITIONAL):
            return str(_TRADITIONALLY.convert(text))
        return text.translate(_WIDE) if draw.chance(_FULL_WIDTH) else text

    def _fill(self, draw: Draw, pattern: str, trouble: Trouble, figures: Figures, where: str) -> str:
        phrases = self._raw["phrases"]
        own = figures.detail if draw.chance(0.5) else draw.pick(trouble.detail)
        given = {
            "where": where,
            "what": draw.pick(trouble.what),
            "detail": own,
            "effect": draw.pick(trouble.effect),
            "topic": self.topic(draw, trouble),
            "open": draw.pick(phrases["letter_open"]),
            "close": draw.pick(phrases["letter_close"]),
            "me": draw.pick(phrases["person_at"]).replace("{where}", where),
            **{name: draw.pick(phrases[name]) for name in ("when", "demand", "seen", "feeling")},
        }
        given["n"], given["hour"] = str(figures.n), figures.hour
        text = _SLOT.sub(lambda found: given[found[1]], pattern)
        text = _SLOT.sub(lambda found: given[found[1]], text)  # the figures in what is said
        return _DOUBLED.sub(r"\1", self.chosen(draw, text))

    def chosen(self, draw: Draw, text: str) -> str:
        """The text with one of each [a|b|c]."""
        while found := _CHOICE.search(text):
            text = text[: found.start()] + draw.pick(found[1].split("|")) + text[found.end() :]
        return text


def _trouble(name: str, entry: dict[str, Any]) -> Trouble:
    texts = {key: tuple(entry[key]) for key in ("topic", "what", "detail", "effect")}
    return Trouble(
        id=name,
        matter=entry["matter"],
        form=entry["form"],
        days=entry["days"],
        city=entry.get("city", ""),
        police=entry["police"],
        channels=entry["channels"],
        **texts,
    )


def channel_of(draw: Draw, trouble: Trouble) -> str:
    """A channel, by how much it tells of such trouble."""
    return CHANNELS[Weighted([trouble.channels.get(channel, 0.0) for channel in CHANNELS]).draw(draw)]
