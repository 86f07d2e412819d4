"""A made-up, labelled benchmark of matching: events told by six channels, each in its own way.

    python -m bench.multichannel --seed 1 --out FOLDER
    zhishu eval match --reports FOLDER/reports.csv --clusters FOLDER/clusters.csv --pairs FOLDER/pairs.csv

The 12345 hotline, 110 transfers, digital city management, WeChat, grid workers and petition letters tell the same events, with
what such reports have: no point or one that is up to 80 m off, an estate by its name alone or by another one, traditional
characters, slips of the pen, minutes to weeks between two reports, calls after closure. Beside them stand events that only look
alike (plan.NEGATIVES). Every report names its place, or has a point, or its reporter called about it before: a clerk could tell.

All of it is invented. Another seed gives other names, places and times: tune on some seeds and check on others.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.multichannel.names import near
from bench.multichannel.plan import ALONE, Event, Planner, Telling
from bench.multichannel.texts import Texts, Trouble
from profiles import Profile
from profiles.sample.draw import Draw

GENERATOR_VERSION: Final = "1"
DEFAULT_REPORTS: Final = 4_000
REPORT_COLUMNS: Final = (
    "report_id",
    "reporter",
    "title",
    "reported_at",
    "text",
    "channel",
    "appeal_type",
    "table",
    "kind",
    "code",
    "address",
    "admin_code",
    "lon",
    "lat",
    "crs",
    "closed_at",
)
CLUSTER_COLUMNS: Final = ("report_id", "cluster", "relation", "negative", "channel")
#: Pairs of one event that are so like each other that none may be missed: one person's, and letters copied.
PAIR_COLUMNS: Final = ("a", "b")
_POINT_NOISE_M: Final = 80.0
_WRONG_CODE: Final = 0.04
_LOOSE: Final = 0.2
_PREFIXED: Final = 0.25
_WHOLE_ADDRESS: Final = 0.7


@dataclass(frozen=True)
class _Way:
    """What a channel gives: its id in channels.toml, the appeal type, and shares of reports with a community, a street (where
    there is no community), a point, an address."""

    channel: str
    appeal_type: str
    community: float
    street: float
    point: float
    address: float


_WAYS: Final = {
    "hotline": _Way("demo-hotline", "complaint", 0.55, 0.7, 0.12, 0.7),
    "police": _Way("demo-police", "help", 0.35, 1.0, 0.0, 0.5),
    "citymgmt": _Way("demo-citymgmt", "case", 0.9, 1.0, 1.0, 1.0),
    "wechat": _Way("demo-wechat", "other", 0.0, 0.0, 0.12, 0.0),
    "grid": _Way("demo-canonical", "case", 0.97, 1.0, 0.5, 0.5),
    "letter": _Way("demo-canonical", "complaint", 0.0, 0.25, 0.0, 0.0),
}


def write_benchmark(
    profile: Profile, folder: Path, seed: int, reports: int = DEFAULT_REPORTS, year: int = 2025
) -> None:
    """Writes reports.csv, clusters.csv, pairs.csv and manifest.json into `folder`, which must be new or empty.

    The same seed gives the same bytes. Raises FileExistsError when the folder holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder for the benchmark")
    folder.mkdir(parents=True, exist_ok=True)
    texts = Texts()
    events = Planner(profile, texts, Draw(seed), year).plan(reports)
    writer = _Rows(profile, texts)
    told = sorted(
        (
            (telling.at, number, place, event, telling)
            for number, event in enumerate(events)
            for place, telling in enumerate(event.tellings)
        ),
        key=lambda one: one[:3],
    )
    ids = {(number, place): f"B{order:06d}" for order, (_, number, place, _, _) in enumerate(told, start=1)}
    _write(
        folder / "reports.csv",
        REPORT_COLUMNS,
        ([ids[number, place], *writer.row(event, telling)] for _, number, place, event, telling in told),
    )
    _write(
        folder / "clusters.csv",
        CLUSTER_COLUMNS,
        (
            [ids[number, place], f"E{number:05d}", telling.relation, event.negative, telling.channel]
            for _, number, place, event, telling in told
        ),
    )
    _write(folder / "pairs.csv", PAIR_COLUMNS, _pairs(events, ids))
    counts = {
        "made_up": True,
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "reports": len(told),
        "events": len(events),
        "negatives": {
            name: sum(e.negative == name for e in events) for name in sorted({e.negative for e in events} - {""})
        },
    }
    (folder / "manifest.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8", newline="\n")


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _pairs(events: Sequence[Event], ids: dict[tuple[int, int], str]) -> Iterable[list[str]]:
    """Each report that one person made again in the channel of the one before, and each copied letter, with that one."""
    for number, event in enumerate(events):
        for place, telling in enumerate(event.tellings):
            before = event.tellings[:place]
            like = [
                at
                for at, other in enumerate(before)
                if (other.person == telling.person and other.channel == telling.channel) or other.seed == telling.seed
            ]
            if like:
                yield [ids[number, like[-1]], ids[number, place]]


class _Rows:
    """Rows of reports.csv."""

    def __init__(self, profile: Profile, texts: Texts) -> None:
        self._texts = texts
        self._codes = {
            matter: code
            for (city, table, kind, code), (matter, _) in profile.kinds.items()
            if (city, table, kind) == (profile.city, "hotline-2025", "appeal")
        }

    def row(self, event: Event, telling: Telling) -> list[Any]:
        """All columns but the first."""
        draw, words, texts = Draw(telling.seed + 1), Draw(telling.seed), self._texts
        way, place, trouble = _WAYS[telling.channel], event.place, event.trouble
        community = place.community if draw.chance(way.community) else None
        street = place.community.street_code if draw.chance(way.street) else ""
        point = near(draw, place.point, _POINT_NOISE_M) if draw.chance(way.point) else None
        loose = place.loose and not event.exact and (point or telling.relation == "repeat") and draw.chance(_LOOSE)
        where = draw.pick(place.loose) if loose else draw.pick(place.names)
        if not loose and draw.chance(_PREFIXED):
            where = f"{place.community.street}{place.community.name}{where}"
        if event.negative in ALONE:
            text = texts.alone(words, event.negative, trouble, event.figures, where)
        else:
            text = texts.tell(words, telling.channel, trouble, event.figures, where, telling.before)
        title = texts.title(words, telling.channel, trouble, place.short)
        if point or community:
            text = texts.slipped(draw, text, where)
        title, text = texts.written(draw, f"{title}\n{text}").split("\n")
        table, kind, code = self._code(draw, telling.channel, trouble)
        address = draw.pick(place.names) if draw.chance(way.address) else ""
        if address and draw.chance(_WHOLE_ADDRESS):
            address = f"{place.community.street}{place.community.name}{address}"
        closed = _time(event.closed_at) if 0 < telling.at < event.closed_at else ""
        return [
            self._reporter(draw, event, telling),
            title,
            _time(telling.at),
            text,
            way.channel,
            event.negative if event.negative in ALONE else way.appeal_type,
            table,
            kind,
            code,
            address,
            community.code if community else street,
            *(point or ("", "")),
            "WGS-84" if point else "",
            closed,
        ]

    def _code(self, draw: Draw, channel: str, trouble: Trouble) -> tuple[str, str, str]:
        """Table, kind and code of the source's class; a hotline's is wrong at times, the police has a class for the rest."""
        if channel == "hotline" and draw.chance(0.7):
            wrong = draw.chance(_WRONG_CODE)
            return (
                "hotline-2025",
                "appeal",
                draw.pick(sorted(self._codes.values())) if wrong else self._codes[trouble.matter],
            )
        if channel == "police":
            return "alarm6", "alarm", trouble.police if draw.chance(0.6) else "609900"
        if channel == "citymgmt":
            kind = "component" if trouble.city.startswith("c") else "event"
            return "cjt214-2007", kind, trouble.city.removeprefix("c")
        return "", "", ""

    def _reporter(self, draw: Draw, event: Event, telling: Telling) -> str:
        """Who is known to have reported: a grid worker's own number, the same for all of a community."""
        person = telling.person
        if telling.channel == "wechat":
            return person.openid
        if telling.channel == "letter":
            return person.account or person.phone
        if telling.channel == "grid":
            return f"G{event.place.community.code}" if draw.chance(0.4) else ""
        return "" if telling.channel == "citymgmt" and draw.chance(0.7) else person.phone


def _time(local: int) -> str:
    return datetime.fromtimestamp(local, UTC).strftime("%Y-%m-%d %H:%M:%S")
