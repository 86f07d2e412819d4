"""What the screen asks the smart governance brain (智治大脑): the questions, and ClickHouse's answers from database `bi`.

Orders are reports other than video alarms, as in the headline figures; `sinks` holds the formulas of those.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from monitoring.screen.drill import HEADLINES, Cases, Found, Wanted, cases_query, figure_query, parameters_of, shown
from monitoring.screen.period import Period

#: Rows of each list on the page.
MATTERS: Final = 3
OVERDUE: Final = 5
ALERTS: Final = 3
SEASONS: Final = 4
HOT: Final = 40
#: Seconds for which what changes by the day (areas, hot points, tiers, seasons, curves) is not asked for again.
SLOW_S: Final = 60.0


class BrainUnavailableError(RuntimeError):
    """ClickHouse does not answer; the message names the kind of error and what to look at, never data."""


class Figure(Protocol):
    """A headline figure. `rate` is None for a count and for a zero denominator."""

    @property
    def name(self) -> str:
        """accepted, responded, on_time, closed, solved, satisfied, in_grid or repeats."""

    @property
    def numerator(self) -> float:
        """What is counted."""

    @property
    def denominator(self) -> float:
        """Out of what it is counted."""

    @property
    def rate(self) -> float | None:
        """Numerator over denominator, 0 to 1."""


@dataclass(frozen=True)
class DayCount:
    """Orders reported on a local day, and how many of them are closed by now."""

    day: date
    accepted: int
    closed: int


@dataclass(frozen=True)
class FeedCount:
    """Reports of a feed in a period, how many were linked to a known matter, and when the feed last spoke at all."""

    feed: str
    reports: int
    linked: int
    latest: datetime | None


@dataclass(frozen=True)
class MergedMatter:
    """A matter with linked reports. `title` is that of its first report, personal data masked."""

    title: str
    kind_zh: str
    kind_en: str
    street: str
    reports: int
    repeats: int
    joined: int
    rebounds: int
    feeds: list[str]
    latest: datetime


@dataclass(frozen=True)
class LevelLoad:
    """Open orders of a level (grid, community, street, district) and how many are past their due time."""

    level: str
    open: int
    overdue: int


@dataclass(frozen=True)
class ManualQueue:
    """Open orders no row of the responsibility list could route (人工队列), by the reason why."""

    reason: str
    waiting: int
    oldest: datetime


@dataclass(frozen=True)
class Workload:
    """What is open now: all of it, by level, and the manual queue."""

    open: int
    overdue: int
    levels: list[LevelLoad]
    manual: list[ManualQueue]


@dataclass(frozen=True)
class OverdueCase:
    """An open order past its due time. `title` is masked; None for 保密 and 举报, of which the wall tells no more than that."""

    report_id: str
    title: str | None
    kind_zh: str
    kind_en: str
    agency: str
    due_at: datetime


@dataclass(frozen=True)
class AreaCount:
    """Orders of a community (12-digit code) or a grid in a period, and how many of them are not closed."""

    code: str
    accepted: int
    open: int


@dataclass(frozen=True)
class HotPoint:
    """A place where one kind of trouble gathers now, see bi.hot_points. callers: persons; zscore of a grid only."""

    method: str
    matter_kind: str
    kind_zh: str
    kind_en: str
    community_code: str
    lon: float
    lat: float
    reports: int
    callers: int
    zscore: float | None


@dataclass(frozen=True)
class Tiered:
    """An agency in its tier of a month (分档), see bi.agency_tiers."""

    tier: str
    agency_code: str
    name_zh: str
    name_en: str
    level: str
    orders: int
    score: float


@dataclass(frozen=True)
class Tiers:
    """The agencies that stand in a tier in the last month that is over, in order of tier and code; `month` None without any."""

    month: date | None
    agencies: list[Tiered]


@dataclass(frozen=True)
class Season:
    """A season of one kind of trouble that comes or is there. `area` is the name of a street; empty for the district."""

    kind_zh: str
    kind_en: str
    area: str
    starts_on: date
    ends_on: date
    expected: float
    usual: float
    is_due: bool


@dataclass(frozen=True)
class Curve:
    """A headline figure over time: counts of accepted, rates of the others, None where the denominator is 0."""

    name: str
    values: list[float | None]


@dataclass(frozen=True)
class OpenAlert:
    """An alert that holds now. `summary` is Chinese and holds no personal data."""

    rule: str
    severity: str
    summary: str
    raised_at: datetime


@dataclass(frozen=True)
class OpenAlerts:
    """How many alerts hold, and the gravest and newest of them."""

    total: int
    shown: list[OpenAlert]


class Brain(Protocol):
    """The questions of the page. They block, come from one thread at a time, and raise BrainUnavailableError."""

    def span(self) -> Period | None:
        """First and last local day that has an order; None without orders."""

    def headline(self, period: Period) -> Sequence[Figure]:
        """The headline figures of a period."""

    def daily(self, period: Period) -> list[DayCount]:
        """Orders by day, in order; days without orders may be left out."""

    def feeds(self, period: Period) -> list[FeedCount]:
        """Reports by feed, alarms included."""

    def merged(self) -> list[MergedMatter]:
        """The matters that were linked to last, newest first; confidential reports are no part of them."""

    def workload(self) -> Workload:
        """What is open now."""

    def overdue(self) -> list[OverdueCase]:
        """The open orders that are late for longest."""

    def alerts(self) -> OpenAlerts:
        """The alerts that hold now."""

    def curves(self, period: Period) -> list[Curve]:
        """The headline figures by day, week or month of a period."""

    def areas(self, period: Period) -> list[AreaCount]:
        """Orders by community."""

    def grids(self, period: Period) -> list[AreaCount]:
        """Orders by grid."""

    def hot_points(self) -> list[HotPoint]:
        """Where trouble gathers now."""

    def tiers(self, period: Period) -> Tiers:
        """Agencies by tier in the last month of the period that is over."""

    def seasons(self) -> list[Season]:
        """Seasons that are warned of, then those to come."""

    def cases(self, wanted: Wanted) -> Cases:
        """The orders behind a figure."""


_SPAN = """
SELECT count(), min(toDate(reported_at, {zone:String})), max(toDate(reported_at, {zone:String}))
FROM bi.reports WHERE appeal_type != 'alarm'
"""

_DAILY = """
SELECT day, sum(accepted), sum(closed_numerator)
FROM bi.kpi_daily WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY day ORDER BY day
"""

_FEEDS = """
SELECT
    feed,
    countIf(toDate(reported_at, {zone:String}) BETWEEN {first:Date} AND {last:Date}),
    countIf(toDate(reported_at, {zone:String}) BETWEEN {first:Date} AND {last:Date} AND relation != 'new'),
    max(received_at)
FROM bi.reports GROUP BY feed ORDER BY feed
"""

# An alarm that goes on (episode) is no merging anybody has to know of; an alarm on a citizens' matter is counted there.
_MERGED = """
WITH linked AS
(
    SELECT
        matter_id,
        argMin(title, reported_at) AS title,
        argMin(matter_kind, reported_at) AS matter_kind,
        argMin(ifNull(street_code, ''), reported_at) AS street_code,
        count() AS reports,
        countIf(relation = 'repeat') AS repeats,
        countIf(relation = 'joined') AS joined,
        countIf(relation = 'rebound') AS rebounds,
        arraySort(groupUniqArray(toString(feed))) AS feeds,
        maxIf(reported_at, relation IN ('repeat', 'joined', 'rebound')) AS latest
    FROM bi.reports
    WHERE NOT confidential AND appeal_type != 'report'
    GROUP BY matter_id
    HAVING reports > 1 AND repeats + joined + rebounds > 0
    ORDER BY latest DESC, matter_id
    LIMIT {limit:UInt32}
)
SELECT linked.title, kinds.name_zh, kinds.name_en, streets.street, reports, repeats, joined, rebounds, feeds, latest
FROM linked
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = linked.matter_kind
LEFT JOIN (SELECT street_code, any(street) AS street FROM bi.communities GROUP BY street_code) AS streets
    ON streets.street_code = linked.street_code
ORDER BY latest DESC, matter_id
"""

_WORKLOAD = """
SELECT
    ifNull(level, '') AS level, ifNull(manual_reason, '') AS manual_reason, agency_code IS NULL OR manual_reason != '' AS waits,
    count(), countIf(is_overdue), min(reported_at)
FROM bi.cases
WHERE is_open AND appeal_type != 'alarm'
GROUP BY level, manual_reason, waits
"""

_OVERDUE = """
SELECT
    cases.report_id, if(cases.confidential OR cases.appeal_type = 'report', NULL, cases.title), kinds.name_zh, kinds.name_en,
    ifNull(cases.agency_name, ''), assumeNotNull(cases.due_at) AS due
FROM bi.cases AS cases
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = cases.matter_kind
WHERE cases.is_overdue AND cases.appeal_type != 'alarm'
ORDER BY due, cases.report_id
LIMIT {limit:UInt32}
"""

_AREAS = """
SELECT community_code, sum(accepted), sum(accepted) - sum(closed_numerator)
FROM bi.kpi_daily WHERE day BETWEEN {first:Date} AND {last:Date} AND community_code != ''
GROUP BY community_code ORDER BY community_code
"""

_GRIDS = """
SELECT grid_code, count(), countIf(NOT closed)
FROM bi.figures WHERE day BETWEEN {first:Date} AND {last:Date} AND grid_code != ''
GROUP BY grid_code ORDER BY grid_code
"""

_HOT = """
SELECT
    method, points.matter_kind, kinds.name_zh, kinds.name_en, ifNull(community_code, ''), assumeNotNull(lon), assumeNotNull(lat),
    reports, callers, zscore
FROM bi.hot_points AS points
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = points.matter_kind
WHERE lon IS NOT NULL AND lat IS NOT NULL
ORDER BY rank, method
LIMIT {limit:UInt32}
"""

_TIERS = """
WITH (
    SELECT max(month) FROM bi.agency_tiers
    WHERE month BETWEEN toStartOfMonth({last:Date}) - toIntervalMonth(12) AND {last:Date} AND NOT is_running AND tier != ''
) AS latest
SELECT month, tier, agency_code, agency, ifNull(nullIf(names.name_en, ''), agency), tiers.level, orders, assumeNotNull(score)
FROM bi.agency_tiers AS tiers
LEFT JOIN bi.agencies AS names ON names.agency_code = tiers.agency_code
WHERE month = latest AND tier != '' AND score IS NOT NULL
ORDER BY tier, agency_code
"""

_SEASONS = """
SELECT kinds.name_zh, kinds.name_en, ifNull(streets.street, ''), starts_on, ends_on, expected, usual, is_due
FROM bi.seasonal_warnings AS seasons
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = seasons.matter_kind
LEFT JOIN (SELECT street_code, any(street) AS street FROM bi.communities GROUP BY street_code) AS streets
    ON streets.street_code = seasons.area
WHERE area_type IN ('district', 'street')
ORDER BY is_due DESC, starts_on, expected / usual DESC, seasons.matter_kind, seasons.area
LIMIT {limit:UInt32}
"""

_ALERTS = """
SELECT rule, severity, summary, raised_at, count() OVER () AS total
FROM bi.alerts WHERE is_open
ORDER BY indexOf(['critical', 'warning', 'info'], toString(severity)), raised_at DESC, alert_id
LIMIT {limit:UInt32}
"""

LEVELS: Final = ("grid", "community", "street", "district")


def load_of(rows: Sequence[Sequence[Any]]) -> Workload:
    """Sums the rows of the workload query: by level, and the manual queue by reason."""
    levels = {level: [0, 0] for level in LEVELS}
    manual: dict[str, list[Any]] = {}
    for level, reason, waits, open_, overdue, oldest in rows:
        if level in levels:
            levels[level][0] += open_
            levels[level][1] += overdue
        if waits:
            entry = manual.setdefault(reason, [0, oldest])
            entry[0] += open_
            entry[1] = min(entry[1], oldest)
    return Workload(
        open=sum(row[3] for row in rows),
        overdue=sum(row[4] for row in rows),
        levels=[LevelLoad(level, *counts) for level, counts in levels.items()],
        manual=sorted((ManualQueue(reason, *m) for reason, m in manual.items()), key=lambda m: (-m.waiting, m.reason)),
    )


def curve_query(period: Period) -> str:
    """Question for the headline figures by day, week or month: as many points as a small curve can show."""
    step = "day" if period.days <= 31 else "toMonday(day)" if period.days <= 190 else "toStartOfMonth(day)"
    sums = ", ".join(f"sum({name}_numerator), sum({name}_denominator)" for name in HEADLINES[1:])
    return (
        f"SELECT {step} AS step, sum(accepted), {sums} FROM bi.kpi_daily "  # noqa: S608 - our own names
        "WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY step ORDER BY step"
    )


def curves_of(rows: Sequence[Sequence[Any]]) -> list[Curve]:
    """The curves of what curve_query answers."""
    curves = [Curve(HEADLINES[0], [float(row[1]) for row in rows])]
    for place, name in enumerate(HEADLINES[1:]):
        pairs = [(row[2 + 2 * place], row[3 + 2 * place]) for row in rows]
        curves.append(
            Curve(name, [numerator / denominator if denominator else None for numerator, denominator in pairs])
        )
    return curves


class ClickHouseBrain:
    """Brain over a clickhouse-connect client, which is made at the first question and again after a failure."""

    def __init__(
        self,
        connect: Callable[[], Client],
        headline: Callable[[Client, date, date], Sequence[Figure]],
        timezone: str,
    ) -> None:
        """`headline` is the one place of the formulas: (client, first day, last day) -> figures. `timezone` is IANA's name."""
        self._connect = connect
        self._headline = headline
        self._timezone = timezone
        self._client: Client | None = None
        self._slow: dict[tuple[Any, ...], tuple[float, Sequence[Sequence[Any]]]] = {}

    @contextmanager
    def _answering(self) -> Iterator[Client]:
        try:
            if self._client is None:
                self._client = self._connect()
            yield self._client
        except (ClickHouseError, OSError, RuntimeError) as error:
            if self._client is not None:
                self._client.close()
                self._client = None
            # The text of a ClickHouse error may quote values; its kind and code are enough to start from.
            code = getattr(error, "code", None)
            kind = f"{type(error).__name__}, code {code}" if code else type(error).__name__
            raise BrainUnavailableError(
                f"ClickHouse does not answer the screen ({kind}); the screen keeps asking. "
                "Check that ClickHouse runs, that `zhishu init` was run, and the user and password the screen was given"
            ) from error

    def _ask(self, query: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        with self._answering() as client:
            return client.query(query, parameters=parameters, tz_mode="aware").result_rows

    def _ask_slowly(self, query: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        """What was answered within the last minute is told again: it changes by the day, and some of it reads years."""
        key = (query, *parameters.values())
        now = time.monotonic()
        self._slow = {key: kept for key, kept in self._slow.items() if now - kept[0] < SLOW_S}
        if key not in self._slow:
            self._slow[key] = (now, self._ask(query, **parameters))
        return self._slow[key][1]

    def span(self) -> Period | None:
        """First and last local day that has an order."""
        orders, first, last = self._ask(_SPAN, zone=self._timezone)[0]
        return Period(first, last) if orders else None

    def headline(self, period: Period) -> Sequence[Figure]:
        """The headline figures, computed by the callable given."""
        with self._answering() as client:
            figures = {figure.name: figure for figure in self._headline(client, period.first, period.last)}
        return [figures[name] for name in HEADLINES]

    def daily(self, period: Period) -> list[DayCount]:
        """Orders by day."""
        return [DayCount(*row) for row in self._ask(_DAILY, first=period.first, last=period.last)]

    def feeds(self, period: Period) -> list[FeedCount]:
        """Reports by feed."""
        rows = self._ask(_FEEDS, zone=self._timezone, first=period.first, last=period.last)
        return [FeedCount(*row) for row in rows]

    def merged(self) -> list[MergedMatter]:
        """The matters that were linked to last."""
        return [MergedMatter(*row) for row in self._ask(_MERGED, limit=MATTERS)]

    def workload(self) -> Workload:
        """What is open now."""
        return load_of(self._ask(_WORKLOAD))

    def alerts(self) -> OpenAlerts:
        """The alerts that hold now, the gravest first."""
        rows = self._ask(_ALERTS, limit=ALERTS)
        return OpenAlerts(rows[0][4] if rows else 0, [OpenAlert(*row[:4]) for row in rows])

    def overdue(self) -> list[OverdueCase]:
        """The open orders that are late for longest."""
        return [OverdueCase(*row) for row in self._ask(_OVERDUE, limit=OVERDUE)]

    def curves(self, period: Period) -> list[Curve]:
        """The headline figures over time."""
        return curves_of(self._ask_slowly(curve_query(period), first=period.first, last=period.last))

    def areas(self, period: Period) -> list[AreaCount]:
        """Orders by community."""
        rows = self._ask_slowly(_AREAS, first=period.first, last=period.last)
        return [AreaCount(code, accepted, int(open_)) for code, accepted, open_ in rows]

    def grids(self, period: Period) -> list[AreaCount]:
        """Orders by grid."""
        return [AreaCount(*row) for row in self._ask_slowly(_GRIDS, first=period.first, last=period.last)]

    def hot_points(self) -> list[HotPoint]:
        """Where trouble gathers now."""
        return [HotPoint(*row) for row in self._ask_slowly(_HOT, limit=HOT)]

    def tiers(self, period: Period) -> Tiers:
        """Agencies by tier."""
        rows = self._ask_slowly(_TIERS, last=period.last)
        return Tiers(rows[0][0] if rows else None, [Tiered(*row[1:]) for row in rows])

    def seasons(self) -> list[Season]:
        """Seasons that are warned of, then those to come."""
        return [Season(*row) for row in self._ask_slowly(_SEASONS, limit=SEASONS)]

    def cases(self, wanted: Wanted) -> Cases:
        """The orders behind a figure."""
        query = cases_query(wanted)
        rows = self._ask(query, **parameters_of(wanted))
        found = [Found(*row[:-1]) for row in rows]
        return Cases(rows[0][-1] if rows else 0, found, shown(query, wanted), shown(figure_query(wanted), wanted))
