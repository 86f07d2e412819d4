"""Hot spots and new topics: counters in event time over the reports in the order of the log. Bounded, the same for the same log.

A hot spot is a kind at one place (community or grid): k distinct persons within hours, or a day that stands out of the same
weekday of the four weeks before. A new topic is a matter of no known kind that grows to k persons. Each is told once when it
begins and once when it has fallen; time is the latest report's so far.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from profiles.flows import SurgeRules

SurgeRule = Literal["hot_spot", "unusual_day", "new_topic"]

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
_WEEK_H: Final = 7 * 24
_DAY_H: Final = 24
_WEEKS: Final = 4
_KEPT_H: Final = _WEEKS * _WEEK_H + _DAY_H
#: Kinds at places, or matters, that are remembered; beyond that those are forgotten that were silent longest.
MOST_KEYS: Final = 50_000
#: Reports that an onset names.
_NAMED: Final = 20
#: Where the four days were all alike a report or two more are no surge.
_LEAST_SIGMA: Final = 1.0


class Surge(NamedTuple):
    """One onset, or its end (`cleared_at` set, everything else as at the onset). subject: (kind, place), or ("", matter)."""

    rule: SurgeRule
    subject: tuple[str, str]
    raised_at: int
    cleared_at: int | None
    value: float
    threshold: float
    report_ids: tuple[str, ...]


@dataclass(slots=True)
class _Spot:
    """persons: each one's latest report, (time, report_id). hours: reports by hour since 1970.

    limit: what a day must not reach, as of the hour `limit_hour`.
    """

    persons: dict[str, tuple[int, str]] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)
    limit: float = 0.0
    limit_hour: int = -1


class Surges:
    """The counters of one partition."""

    def __init__(self, rules: SurgeRules | None = None, most_keys: int = MOST_KEYS) -> None:
        """`most_keys`: bound of memory."""
        self.rules = rules or SurgeRules()
        self._most = most_keys
        self._spots: OrderedDict[tuple[str, str], _Spot] = OrderedDict()
        self._active: dict[tuple[SurgeRule, tuple[str, str]], Surge] = {}
        self._forgotten: list[Surge] = []
        self._now = 0
        self._swept = 0

    def __eq__(self, other: object) -> bool:
        """The same counts and onsets, by the same rules."""
        return isinstance(other, Surges) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._spots)

    def seen(self, kind: str, place: str, person: str | None, report_id: str, at: int) -> list[Surge]:
        """What begins or ends with a report of a known kind; `person` None: nobody knows who, it counts as a report only."""
        subject = (kind, place)
        spot = self._take(subject, person, report_id, at, self.rules.persons)
        hour = at // HOUR_MS
        if hour > self._now // HOUR_MS - _KEPT_H:
            spot.hours[hour] = spot.hours.get(hour, 0) + 1
        return self._judge(subject)

    def grown(self, matter_id: str, person: str | None, report_id: str, at: int) -> list[Surge]:
        """The same for a report of no known kind that belongs to a matter."""
        subject = ("", matter_id)
        self._take(subject, person, report_id, at, self.rules.topic_persons)
        return self._judge(subject)

    def _take(self, subject: tuple[str, str], person: str | None, report_id: str, at: int, enough: int) -> _Spot:
        self._now = max(self._now, at)
        spot = self._spots.setdefault(subject, _Spot())
        self._spots.move_to_end(subject)
        if person is not None:
            before = spot.persons.pop(person, None)
            spot.persons[person] = max((at, report_id), before) if before else (at, report_id)
            # Twice as many as the rule asks for show it as well as all of them.
            while len(spot.persons) > 2 * enough + _NAMED:
                del spot.persons[min(spot.persons, key=lambda name: spot.persons[name])]
        while len(self._spots) > self._most:
            gone, _ = self._spots.popitem(last=False)
            ended = [self._active.pop(key) for key in list(self._active) if key[1] == gone]
            self._forgotten += [surge._replace(cleared_at=self._now) for surge in ended]
        return spot

    def _judge(self, subject: tuple[str, str]) -> list[Surge]:
        """The subject's own onsets and ends, and once a minute of event time the ends of all others."""
        told, self._forgotten = self._forgotten, []
        if self._now // MINUTE_MS != self._swept:
            self._swept = self._now // MINUTE_MS
            told += [ended for key in list(self._active) if key[1] != subject for ended in self._checked(*key)]
        rules: tuple[SurgeRule, ...] = ("hot_spot", "unusual_day") if subject[0] else ("new_topic",)
        return told + [surge for rule in rules for surge in self._checked(rule, subject)]

    def _checked(self, rule: SurgeRule, subject: tuple[str, str]) -> list[Surge]:
        value, threshold = self._measure(rule, self._spots[subject])
        active = self._active.get((rule, subject))
        if active is None and value >= threshold:
            names = [name for _, name in sorted(self._spots[subject].persons.values())][-_NAMED:]
            self._active[rule, subject] = Surge(rule, subject, self._now, None, value, threshold, tuple(names))
            return [self._active[rule, subject]]
        if active is not None and value < threshold:
            del self._active[rule, subject]
            return [active._replace(cleared_at=self._now)]
        return []

    def _measure(self, rule: SurgeRule, spot: _Spot) -> tuple[float, float]:
        rules = self.rules
        if rule == "unusual_day":
            return self._day(spot)
        persons, hours = (
            (rules.persons, rules.hours) if rule == "hot_spot" else (rules.topic_persons, rules.topic_hours)
        )
        after = self._now - round(hours * HOUR_MS)
        for name in [name for name, (at, _) in spot.persons.items() if at <= after]:
            del spot.persons[name]
        return float(len(spot.persons)), float(persons)

    def _day(self, spot: _Spot) -> tuple[float, float]:
        """Reports of the last 24 hours, and how many are too many by the same hours 7, 14, 21 and 28 days before."""
        last = self._now // HOUR_MS
        today = sum(spot.hours.get(hour, 0) for hour in range(last - _DAY_H + 1, last + 1))
        if spot.limit_hour != last:
            spot.limit_hour, spot.limit = last, self._limit(spot, last)
        return float(today), spot.limit

    def _limit(self, spot: _Spot, last: int) -> float:
        for hour in [hour for hour in spot.hours if hour <= last - _KEPT_H]:
            del spot.hours[hour]
        days = [0] * _WEEKS
        for hour, count in spot.hours.items():
            week, within = divmod(last - hour, _WEEK_H)
            if within < _DAY_H and 1 <= week <= _WEEKS:
                days[week - 1] += count
        mean = sum(days) / _WEEKS
        sigma = math.sqrt(sum((count - mean) ** 2 for count in days) / _WEEKS)
        return max(float(self.rules.at_least), mean + self.rules.sigmas * max(sigma, _LEAST_SIGMA))
