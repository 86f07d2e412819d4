"""Which events happen, who tells them when and through what, and what stands beside them only to be told apart."""

from dataclasses import dataclass, field
from typing import Final

from bench.multichannel.names import Area, Names, Place, building_site, company, home, on_road, shop, square
from bench.multichannel.texts import Figures, Texts, Trouble, channel_of
from profiles import Profile
from profiles.sample.draw import Draw, Weighted
from profiles.sample.plan import DAY, HOUR, Calendar
from profiles.sample.texts import load_texts

MINUTE: Final = 60
#: Tellers of an event, and how often there are so many.
_TELLERS: Final = Weighted([0, 52, 18, 11, 7, 5, 3, 2, 2])
#: Share of events beside which another one is put that must be told apart from it.
_BESIDE: Final = 0.45
_AGAIN: Final = 0.18
_REBOUND: Final = 0.12
_CLOSED: Final = 0.5
#: Letters that are another one's word for word, from another person.
_COPIED: Final = 0.15
#: A house number is another place from so many on.
_OTHER_NUMBER: Final = 70
#: What must be told apart, by form of place. Each is the class of its reports in clusters.csv.
_ALWAYS: Final = ("template", "same_person", "year_later", "consult", "praise", "report")
NEGATIVES: Final = {
    "home": ("neighbour", "other_trouble", *_ALWAYS),
    "square": ("neighbour", *_ALWAYS),
    "site": ("neighbour", *_ALWAYS),
    "road": ("other_number", *_ALWAYS),
    "shop": ("chain", *_ALWAYS),
    "company": _ALWAYS,
}
ALONE: Final = ("consult", "praise", "report")


@dataclass(frozen=True)
class Person:
    """A made-up reporter: a phone, an account of WeChat, and one of the petition site that few have."""

    phone: str
    openid: str
    account: str


@dataclass(slots=True)
class Telling:
    """One report. at: local time, seconds. relation: first, repeat, joined, rebound; alone for what never joins.

    before: what one adds who calls again. seed: of its words.
    """

    channel: str
    person: Person
    at: int
    relation: str
    seed: int
    before: str = ""


@dataclass(slots=True)
class Event:
    """What happened once, at one place. exact: every report names the place, since another event is like it.

    negative: what it is told apart from the event before it by, empty for an event of its own. closed_at: when the cases that
    were open then were closed; 0: never.
    """

    trouble: Trouble
    place: Place
    area: Area
    figures: Figures
    start: int
    negative: str = ""
    exact: bool = False
    closed_at: int = 0
    tellings: list[Telling] = field(default_factory=list)


class Planner:
    """Draws events until there are enough reports."""

    def __init__(self, profile: Profile, texts: Texts, draw: Draw, year: int) -> None:
        """Names for the profile's communities; the calendar of its sample year."""
        self._texts = texts
        self._draw = draw
        self._names = Names(draw, texts.names)
        self._calendar = Calendar(draw, year, load_texts(profile))
        self._areas = [self._names.area(community) for community in profile.communities.values()]
        self._chains = {trade: [self._names.chain(trade) for _ in range(40)] for trade in texts.names["trades"]}
        self._taken: set[tuple[str, str]] = set()
        self._troubles = list(texts.troubles.values())

    def plan(self, reports: int) -> list[Event]:
        """Events of `reports` reports or a few more."""
        events: list[Event] = []
        count = 0
        while count < reports:
            event = self._event()
            made = [event]
            if self._draw.chance(_BESIDE):
                made += self._beside(event)
            for one in made:
                events.append(one)
                count += len(one.tellings)
        return events

    # --- events ---

    def _event(self) -> Event:
        draw = self._draw
        trouble = draw.pick(self._troubles)
        area, place = self._free(trouble, draw.pick(self._areas))
        start = self._calendar.moment(draw, trouble.matter)
        event = Event(trouble, place, area, self._texts.figures(draw, trouble), start)
        self._told(event, _TELLERS.draw(draw))
        return event

    def _free(self, trouble: Trouble, area: Area) -> tuple[Area, Place]:
        """A place where no such trouble was before, here or in another community."""
        while True:
            for _ in range(6):
                place = self._place(trouble, area)
                if (place.key, trouble.matter) not in self._taken:
                    self._taken.add((place.key, trouble.matter))
                    return area, place
            area = self._draw.pick(self._areas)

    def _place(self, trouble: Trouble, area: Area) -> Place:
        draw = self._draw
        form, _, trade = trouble.form.partition(":")
        estate = draw.pick(area.estates)
        if form == "home":
            return home(draw, self._texts.names, area, estate)
        if form == "square":
            return square(draw, self._texts.names, area, estate)
        if form == "site":
            return building_site(draw, area, estate)
        if form == "company":
            return company(area, estate, self._names.company())
        if form == "shop":
            return shop(draw, area, draw.pick(area.roads), draw.pick(self._chains[trade]))
        return on_road(draw, area, draw.pick(area.roads), draw.between(2, 240))

    def _beside(self, event: Event) -> list[Event]:
        """Another event that only looks like this one; nothing where there is no room for it."""
        draw = self._draw
        form = event.trouble.form.partition(":")[0]
        negative = draw.pick(NEGATIVES[form])
        other = Event(
            event.trouble, event.place, event.area, self._texts.figures(draw, event.trouble), event.start, negative
        )
        other.start += draw.between(-3 * DAY, 3 * DAY)
        if negative in ALONE:
            channel = draw.pick(("hotline", "wechat", "letter")) if negative == "consult" else "hotline"
            other.tellings = [Telling(channel, self._person(), other.start, "alone", self._seed())]
            return [other]
        if negative in ("neighbour", "template"):
            area = event.area if negative == "neighbour" else draw.pick(self._areas)
            other.area, other.place = self._free(event.trouble, area)
            if negative == "neighbour" and other.area is not event.area:
                return []  # all its estates have had such trouble
        elif negative == "other_trouble":
            other.trouble = draw.pick(
                [t for t in self._troubles if t.form == "home" and t.matter != event.trouble.matter]
            )
            if (event.place.key, other.trouble.matter) in self._taken:
                return []
            self._taken.add((event.place.key, other.trouble.matter))
        elif negative == "other_number":
            number = int("".join(filter(str.isdigit, event.place.short)))
            moved = number + _OTHER_NUMBER + draw.below(60)
            other.place = on_road(draw, event.area, event.place.key, moved)
        elif negative == "chain":
            other.area = draw.pick([area for area in self._areas if area is not event.area])
            other.place = shop(draw, other.area, draw.pick(other.area.roads), event.place.key.split()[0])
        elif negative == "same_person":
            other.trouble = draw.pick([t for t in self._troubles if t.matter != event.trouble.matter])
            area = event.area if draw.chance(0.5) else draw.pick(self._areas)
            other.area, other.place = self._free(other.trouble, area)
        elif negative == "year_later":  # what was closed then is no more the same matter
            event.closed_at = event.closed_at or event.tellings[-1].at + draw.between(HOUR, 4 * DAY)
            other.start = event.start + draw.between(330 * DAY, 390 * DAY)
        if other.trouble is not event.trouble:
            other.figures = self._texts.figures(draw, other.trouble)
        exact = negative in ("neighbour", "other_number", "chain", "other_trouble")
        event.exact = other.exact = exact
        first = event.tellings[0]
        self._told(other, max(1, _TELLERS.draw(draw) - 1), first.person if negative == "same_person" else None)
        if negative == "template":  # the same words and figures in the same channel: only the place differs
            other.figures = event.figures
            other.tellings[0].channel, other.tellings[0].seed = first.channel, first.seed
        return [other]

    # --- tellings ---

    def _told(self, event: Event, tellers: int, first: Person | None = None) -> None:
        """Who tells it: tellers one after the other, some of them again, some after it was closed."""
        draw, trouble = self._draw, event.trouble
        tellings: list[Telling] = []
        for number in range(tellers):
            at = event.start + (self._gap(trouble) if number else 0)
            person = first if first and not number else self._person()
            channel = "hotline" if first and not number else channel_of(draw, trouble)
            tellings.append(Telling(channel, person, at, "joined", self._seed()))
            while draw.chance(_AGAIN) and channel not in ("citymgmt", "grid"):
                at += HOUR + self._gap(trouble) // 2
                again = channel if draw.chance(0.75) or channel == "wechat" else draw.pick(("hotline", "police"))
                tellings.append(Telling(again, person, at, "repeat", self._seed(), "again"))
        tellings.sort(key=lambda telling: telling.at)
        letters = [telling for telling in tellings if telling.channel == "letter"]
        for copy in letters[1:]:
            if draw.chance(_COPIED) and not copy.before:
                copy.seed = letters[0].seed
        last = tellings[-1].at
        if draw.chance(_CLOSED):
            event.closed_at = last + draw.between(HOUR, 4 * DAY)
            if draw.chance(_REBOUND / _CLOSED):
                self._rebound(event, tellings)
        tellings[0].relation = "first"
        event.tellings = tellings

    def _rebound(self, event: Event, tellings: list[Telling]) -> None:
        draw = self._draw
        for _ in range(draw.between(1, 2)):
            at = event.closed_at + draw.between(6 * HOUR, max(1, min(event.trouble.days, 12)) * DAY)
            before = draw.pick(tellings)
            if draw.chance(0.6) and before.channel not in ("citymgmt", "grid"):
                channel, person = before.channel, before.person
            else:
                channel, person = channel_of(draw, event.trouble), self._person()
            tellings.append(Telling(channel, person, at, "rebound", self._seed(), "rebound"))
        tellings.sort(key=lambda telling: telling.at)

    def _gap(self, trouble: Trouble) -> int:
        """Seconds after the event's beginning: as often within minutes as within hours, days, or weeks where it lasts."""
        low, high = 5 * MINUTE, trouble.days * DAY
        return int(low * (high / low) ** self._draw.uniform(0, 1))

    def _person(self) -> Person:
        draw = self._draw
        account = "" if draw.chance(0.6) else f"U{draw.digits(8)}"
        return Person(f"15400{draw.digits(6)}", f"oDEMO{draw.digits(23)}", account)

    def _seed(self) -> int:
        return self._draw.below(2**31)
