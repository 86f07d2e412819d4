"""Who reports what, where and when in the sample year: the truth that the wire files then tell.

What holds for every plan (tests/profiles check it on the written files):
- the reports of one matter share community and kind and lie within that kind's window_hours of each other;
- two matters of one kind, in one community or in two near enough to be taken for one place, are more than
  window_hours + 48 h apart;
- 咨询, 建议, 表扬, 举报, confidential reports and reports without a community are alone in their matter;
- a person has one phone or one OpenID, nobody else's.
"""

import math
from calendar import isleap
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from profiles import Channel, Community, Profile, ProfileError
from profiles.sample.draw import Draw, Weighted
from profiles.sample.texts import FEEDS, Spot, Texts

HOUR: Final = 3600
DAY: Final = 24 * HOUR
UTC_OFFSET: Final = 8 * HOUR  # Asia/Shanghai, without summer time since 1991

SHARE_OF_REPEATS: Final = 0.16
SPACING_HOURS: Final = 48
COMMUNITY_RADIUS_M: Final = 110  # points of a community lie within this of its point in places.csv
_SPOT_RADIUS_M: Final = 80
_JITTER_M: Final = 12
_SEA_CLEARANCE_M: Final = 2500
_METRES_PER_DEGREE: Final = 111_000
#: Seconds between two reports of a matter; one person's in WeChat lie beyond the minutes in which messages are one report.
_APART: Final = 90
_WECHAT_APART: Final = 11 * 60

# First day of the lunar year (春节).
_SPRING_FESTIVAL: Final = {2024: (2, 10), 2025: (1, 29), 2026: (2, 17), 2027: (2, 6), 2028: (1, 26)}

Mode = Literal["code", "code_only", "street_point", "point", "named", "street", "nowhere", "sea"]
Form = Literal["text", "voice", "image", "location"]


@dataclass(slots=True)
class Person:
    """A made-up reporter; phone and openid are empty where the channel knows none."""

    name: str
    phone: str
    openid: str


@dataclass(slots=True)
class Planned:
    """One appeal. `at` is local time in seconds since 1970 as if it were UTC; `point` is WGS-84; `matter` counts from 1."""

    at: int
    feed: str
    kind: str
    code: tuple[str, str, str]
    community: Community | None
    street_code: str
    street: str
    mode: Mode
    point: tuple[float, float] | None
    spot: Spot
    trouble: tuple[str, ...]
    person: Person
    appeal_type: str
    confidential: bool
    form: Form
    matter: int = 0
    relation: Literal["new", "repeat", "joined"] = "new"


@dataclass(slots=True)
class _Seed:
    """A matter before it has a place and a time."""

    feed: str
    kind: str
    appeal_type: str
    confidential: bool
    located: bool
    form: Form
    extras: int = 0


def local_seconds(day: date, second: int = 0) -> int:
    """Local time in seconds since 1970 as if it were UTC."""
    return (day - date(1970, 1, 1)).days * DAY + second


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Distance of two (lon, lat) points inside one district; flat-earth, good to 0.5 %."""
    east = (a[0] - b[0]) * _METRES_PER_DEGREE * math.cos(math.radians((a[1] + b[1]) / 2))
    return math.hypot(east, (a[1] - b[1]) * _METRES_PER_DEGREE)


def _near(draw: Draw, centre: tuple[float, float], radius: float) -> tuple[float, float]:
    while True:
        east, north = draw.uniform(-1, 1), draw.uniform(-1, 1)
        if east * east + north * north <= 1:
            break
    scale = math.cos(math.radians(centre[1]))
    return (
        round(centre[0] + east * radius / (_METRES_PER_DEGREE * scale), 6),
        round(centre[1] + north * radius / _METRES_PER_DEGREE, 6),
    )


class Calendar:
    """The year's days and how busy each is for each season; `rain` are the made-up rainy days."""

    def __init__(self, draw: Draw, year: int, texts: Texts) -> None:
        self.first = date(year, 1, 1)
        self.days = 366 if isleap(year) else 365
        self.end = local_seconds(date(year + 1, 1, 1))
        festival = date(year, *_SPRING_FESTIVAL.get(year, (2, 4)))
        self._festival = {festival + timedelta(days=n) for n in range(-2, 16)}
        self._holidays = {date(year, 5, n) for n in range(1, 6)} | {date(year, 10, n) for n in range(1, 9)}
        wet = [self.first + timedelta(days=n) for n in range(self.days)]
        self.rain = sorted(draw.shuffled([day for day in wet if 6 <= day.month <= 9])[:9])
        self._days = {
            name: Weighted([self._weight(name, self.first + timedelta(days=n), season) for n in range(self.days)])
            for name, season in {m.season_name: m.season for m in texts.matters.values()}.items()
        }
        self._hours = {kind: Weighted(matter.hours) for kind, matter in texts.matters.items()}
        self._kind_seasons = {kind: matter.season_name for kind, matter in texts.matters.items()}
        self._any = next(iter(texts.matters))

    def _weight(self, season: str, day: date, months: tuple[float, ...]) -> float:
        weight = months[day.month - 1] * (1, 1.02, 1, 1, 0.98, 0.82, 0.64)[day.weekday()]
        if season == "flood" and day in self.rain:
            weight *= 6
        if season == "festival" and day in self._festival:
            weight *= 8
        if season == "tourism" and day in self._holidays:
            weight *= 4
        return weight

    def moment(self, draw: Draw, kind: str) -> int:
        """A local second of the year, by the kind's season, weekday and hours."""
        kind = kind or self._any
        day = self.first + timedelta(days=self._days[self._kind_seasons[kind]].draw(draw))
        return local_seconds(day, self._hours[kind].draw(draw) * HOUR + draw.below(HOUR))


class _People:
    """Makes persons; phones are 15400xxxxxx: the 154 range has no mobile service, and no two persons share one."""

    def __init__(self, draw: Draw, texts: Texts) -> None:
        self._draw, self._shared = draw, texts.shared
        self._count = 0

    def make(self, feed: str) -> Person:
        draw, shared = self._draw, self._shared
        self._count += 1
        name = draw.pick(shared["surnames"]) + draw.pick(shared["given"]) + draw.pick(shared["given"])
        if feed == "wechat":
            tail = "".join(draw.pick("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789") for _ in range(16))
            return Person(name, "", f"oDEMO{self._count:07d}{tail}")
        return Person(name, f"15400{self._count * 79193 % 1_000_000:06d}", "")

    def collector(self) -> Person:
        """A collector (监督员) of city management, who has no phone in the messages."""
        return Person(f"监督员{self._draw.between(1, 120):03d}", "", "")


class Planner:
    """Plans a year of appeals for a profile; `plan` may be called once."""

    def __init__(self, profile: Profile, texts: Texts, channels: dict[str, Channel], draw: Draw, year: int) -> None:
        self._profile, self._texts, self._draw = profile, texts, draw
        self.calendar = Calendar(draw, year, texts)
        self._people = _People(draw, texts)
        self._communities = list(profile.communities.values())
        self._community_weights = Weighted([c.population for c in self._communities])
        self._spots = {c.code: texts.estates_and_roads(draw) for c in self._communities}
        self._codes: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        for (city, table, kind, code), (matter, name) in profile.kinds.items():
            for feed, channel in channels.items():
                if city == profile.city and table == channel.table:
                    self._codes.setdefault((feed, matter), []).append((kind, code, name))
        self._feed_weights = Weighted([texts.feeds[feed] for feed in FEEDS])
        self._kind_lists: dict[str, list[str]] = {}
        self._kind_weights: dict[str, Weighted] = {}
        for feed in FEEDS:
            known = [k for k, m in texts.matters.items() if m.share.get(feed) and self._tells(feed, k)]
            self._kind_lists[feed] = known
            self._kind_weights[feed] = Weighted([texts.matters[k].share[feed] for k in known])
        self._appeal_types = list(texts.appeal_types)
        self._appeal_weights = Weighted(list(texts.appeal_types.values()))
        self._taken: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._neighbours: dict[tuple[str, float], list[str]] = {}
        self._regulars: list[tuple[Person, set[str]]] = []

    def _tells(self, feed: str, kind: str) -> bool:
        return feed == "wechat" or (feed, kind) in self._codes

    def plan(self, reports: int) -> list[Planned]:
        """`reports` appeals in time order, numbered by matter in the order of each matter's first."""
        extras = round(reports * SHARE_OF_REPEATS)
        seeds = [self._seed() for _ in range(reports - extras)]
        self._give_extras(seeds, extras)
        groups = [self._place(seed) for seed in seeds]
        groups.sort(key=lambda group: group[0].at)
        for number, group in enumerate(groups, start=1):
            _relate(group, number)
        return sorted((report for group in groups for report in group), key=lambda report: report.at)

    def _seed(self) -> _Seed:
        draw = self._draw
        feed = FEEDS[self._feed_weights.draw(draw)]
        kind = self._kind(feed)
        appeal_type = self._appeal_types[self._appeal_weights.draw(draw)] if feed == "hotline12345" else ""
        confidential = feed == "hotline12345" and appeal_type in ("求助", "投诉", "举报") and draw.chance(0.029)
        located = not draw.chance({"hotline12345": 0.016, "police110": 0.02, "wechat": 0.03}.get(feed, 0))
        form: Form = "text"
        if feed == "wechat" and draw.chance(0.05):
            form = draw.pick(("voice", "image", "location"))
        if form in ("image", "location"):
            kind, located = "", form == "location"
        return _Seed(feed, kind, appeal_type, confidential, located, form)

    def _kind(self, feed: str) -> str:
        if feed == "police110" and (feed, "") in self._codes and self._draw.chance(0.04):
            return ""
        return self._kind_lists[feed][self._kind_weights[feed].draw(self._draw)]

    def _give_extras(self, seeds: list[_Seed], extras: int) -> None:
        eligible = [
            seed
            for seed in seeds
            if seed.kind
            and seed.located
            and seed.form == "text"
            and not seed.confidential
            and seed.appeal_type in ("", "求助", "投诉")
        ]
        sizes = Weighted([80, 12, 3.5, 1, 0.6, 0.6, 0.5, 0.3, 0.2, 0.2, 0.1])
        for seed in self._draw.shuffled(eligible):
            if extras == 0:
                return
            size = sizes.draw(self._draw) + 1 if self._texts.matters[seed.kind].shared else 1
            seed.extras = min(size, extras)
            extras -= seed.extras
        if extras:
            raise ProfileError("sample.toml: too few appeals may be repeated; raise the shares of 求助 and 投诉")

    def _gaps(self, seed: _Seed) -> list[tuple[int, bool]]:
        """(seconds after the first report, whether it is the same person), apart by some time, within the window."""
        draw = self._draw
        # What one person writes to WeChat within minutes is one report for the hub.
        apart = _WECHAT_APART if seed.feed == "wechat" else _APART
        window = int(self._profile.matters[seed.kind].window_hours * HOUR * 0.95)
        shared = self._texts.matters[seed.kind].shared
        found: list[tuple[int, bool]] = []
        while len(found) < seed.extras:
            same = draw.chance(0.9 if not shared else 0.68 if seed.extras < 4 else 0.15)
            # Shares of gaps between two calls of one person as seen in a real feed of 110 transfers.
            low, high = (
                ((120, 1800), (1800, HOUR), (HOUR, DAY), (DAY, 3 * DAY), (3 * DAY, window))[
                    Weighted([64, 7, 13, 6, 10]).draw(draw)
                ]
                if same
                else (120, window)
            )
            gap = int(draw.uniform(max(low, apart), high))
            if gap < window and all(abs(gap - other) >= apart for other, _ in found):
                found.append((gap, same))
        return sorted(found)

    def _place(self, seed: _Seed) -> list[Planned]:
        """The matter's reports, at a place and a time where nothing of its kind is near."""
        for _ in range(40):
            gaps = self._gaps(seed) if seed.extras else []
            span = gaps[-1][0] if gaps else 0
            for _ in range(60):
                at = self.calendar.moment(self._draw, seed.kind)
                if seed.feed == "police110":
                    at = at // 60 * 60  # 上报时间 has minutes only
                if at + span >= self.calendar.end:
                    continue
                community = self._communities[self._community_weights.draw(self._draw)] if seed.located else None
                area = community.code if community else ""
                if self._free(area, seed.kind, at, at + span):
                    self._taken.setdefault((area, seed.kind), []).append((at, at + span))
                    return self._reports(seed, community, at, gaps)
            seed.kind = self._kind(seed.feed)
            while not self._bears(seed.kind, seed.extras):
                seed.kind = self._kind(seed.feed)
        raise ProfileError("places.csv: too few communities for so many reports; ask for fewer or add communities")

    def _bears(self, kind: str, extras: int) -> bool:
        """Whether a matter of this kind may be reported so many times again."""
        return not extras or (kind != "" and (extras == 1 or self._texts.matters[kind].shared))

    def _free(self, area: str, kind: str, first: int, last: int) -> bool:
        if not kind:
            return True
        matter = self._profile.matters[kind]
        room = int((matter.window_hours + SPACING_HOURS) * HOUR)
        return not any(
            first <= taken_last + room and last >= taken_first - room
            for near in self._near_areas(area, matter.radius_m)
            for taken_first, taken_last in self._taken.get((near, kind), ())
        )

    def _near_areas(self, area: str, radius: float) -> list[str]:
        """The community and those whose reports may lie within `radius` metres of its own."""
        if not area:
            return [""]
        key = (area, radius)
        if key not in self._neighbours:
            centre = self._profile.communities[area]
            reach = radius + 2 * COMMUNITY_RADIUS_M + 20
            self._neighbours[key] = [
                c.code for c in self._communities if metres((centre.lon, centre.lat), (c.lon, c.lat)) <= reach
            ]
        return self._neighbours[key]

    def _reports(
        self, seed: _Seed, community: Community | None, at: int, gaps: list[tuple[int, bool]]
    ) -> list[Planned]:
        draw = self._draw
        person = self._person(seed)
        home = community or draw.pick(self._communities)
        spot = self._texts.spot(draw, seed.kind, *self._spots[home.code])
        heart = _near(draw, (community.lon, community.lat), _SPOT_RADIUS_M) if community else None
        worded = seed.extras > 0 or seed.feed in ("wechat", "citymgmt")
        trouble = self._texts.trouble(draw, seed.kind, keyword=worded)
        first_place = home if heart is None else community
        group = [self._report(seed, seed.feed, at, first_place, heart, spot, trouble, person)]
        others: list[tuple[str, Person]] = []
        for gap, same in gaps:
            if not same and others and draw.chance(0.1):
                feed, teller = draw.pick(others)
            else:
                feed, teller = self._teller(seed, group[0].person, same)
                others.append((feed, teller))
            group.append(self._report(seed, feed, at + gap, community, heart, spot, trouble, teller))
        return group

    def _person(self, seed: _Seed) -> Person:
        draw = self._draw
        if seed.feed == "citymgmt" and draw.chance(0.7):
            return self._people.collector()
        plain = seed.appeal_type in ("", "求助", "投诉") and not seed.confidential and seed.kind
        if seed.feed in ("hotline12345", "police110") and plain:
            if self._regulars and draw.chance(0.02):
                person, kinds = draw.pick(self._regulars)
                if seed.kind not in kinds:  # one person's matters differ in kind, so that none looks like a repeat
                    kinds.add(seed.kind)
                    return person
            person = self._people.make(seed.feed)
            if draw.chance(0.3):
                self._regulars.append((person, {seed.kind}))
            return person
        if seed.feed == "hotline12345" and not seed.extras and draw.chance(0.03):
            return Person("匿名", "", "")
        return self._people.make(seed.feed)

    def _teller(self, seed: _Seed, first: Person, same: bool) -> tuple[str, Person]:
        """Through which feed the next report of a matter comes, and from whom."""
        draw = self._draw
        phones = [f for f in ("hotline12345", "police110", "citymgmt") if self._tells(f, seed.kind)]
        if same and first.openid:
            return seed.feed, first
        if same and first.phone:
            return (draw.pick(phones) if draw.chance(0.12) else seed.feed), first
        if same and draw.chance(0.5):  # a collector's case, seen by a collector again
            return seed.feed, self._people.collector()
        feed = draw.pick([*phones, "wechat"]) if draw.chance(0.3) else seed.feed
        return feed, self._people.make(feed)

    def _report(
        self,
        seed: _Seed,
        feed: str,
        at: int,
        community: Community | None,
        heart: tuple[float, float] | None,
        spot: Spot,
        trouble: tuple[str, ...],
        person: Person,
    ) -> Planned:
        """One report; without a `heart` the place is a street only, nowhere, or at sea."""
        draw = self._draw
        mode = self._mode(feed, seed) if heart else self._lost_mode(feed, seed)
        point = None
        if heart and (mode in ("code", "street_point", "point") or seed.form == "location"):
            point = _near(draw, heart, _JITTER_M)
        elif mode == "sea":
            point = self._sea_point()
        appeal_type = seed.appeal_type or ("求助" if draw.chance(0.5) else "投诉")
        street = community if community and mode not in ("nowhere", "sea", "point", "named") else None
        codes = self._codes.get((feed, seed.kind), [("", "", "")])
        return Planned(
            at=at // 60 * 60 if feed == "police110" else at,
            feed=feed,
            kind=seed.kind,
            code=draw.pick(codes),
            community=community if heart else None,
            street_code=street.street_code if street else "",
            street=street.street if street else "",
            mode=mode,
            point=point,
            spot=spot,
            trouble=trouble,
            person=person,
            appeal_type=appeal_type,
            confidential=seed.confidential,
            form=seed.form if feed == "wechat" else "text",
        )

    def _mode(self, feed: str, seed: _Seed) -> Mode:
        draw = self._draw
        if feed == "wechat":
            return "point" if seed.form == "location" else "named"
        if feed == "citymgmt":
            return "code"
        modes: tuple[Mode, ...] = ("code", "code_only", "street_point", "point", "named")
        weights = [70, 14, 8, 4, 4] if feed == "hotline12345" else [58, 36, 6, 0, 0]
        return modes[Weighted(weights).draw(draw)]

    def _lost_mode(self, feed: str, seed: _Seed) -> Mode:
        draw = self._draw
        if feed == "wechat":
            return "nowhere"
        if feed == "hotline12345" and (draw.chance(0.25) or seed.kind in ("water_pollution", "tourism")):
            return "sea" if seed.kind in ("water_pollution", "tourism") else "nowhere"
        return "street"

    def _sea_point(self) -> tuple[float, float]:
        """A point off the coast, inside the profile's box and away from every community."""
        west, south, east, north = self._profile.bbox
        while True:
            lon, lat = self._draw.uniform(west, east), self._draw.uniform(south, south + (north - south) * 0.3)
            if all(metres((lon, lat), (c.lon, c.lat)) > _SEA_CLEARANCE_M for c in self._communities):
                return round(lon, 6), round(lat, 6)


def _relate(group: list[Planned], number: int) -> None:
    """Numbers the matter and tells each report's relation: repeat where its person reported it before, else joined."""
    group.sort(key=lambda report: report.at)
    known: set[str] = set()
    for report in group:
        person = report.person.phone or report.person.openid
        report.matter = number
        if report is not group[0]:
            report.relation = "repeat" if person in known else "joined"
        if person:
            known.add(person)
