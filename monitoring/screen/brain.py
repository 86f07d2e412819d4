"""What the screen asks the smart governance brain (智治大脑): the questions, and ClickHouse's answers from database `bi`.

Orders are reports other than video alarms, as in the headline figures; `sinks` holds the formulas of those.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Protocol

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from monitoring.screen.period import Period

#: Rows of each list on the page.
MATTERS: Final = 7
AGENCIES: Final = 7
ALERTS: Final = 5
#: The figures at its head, in order.
HEADLINES: Final = ("accepted", "responded", "on_time", "closed", "solved", "satisfied", "in_grid", "repeats")


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
class AgencyLoad:
    """Open orders of an agency and how many are past their due time."""

    name_zh: str
    name_en: str
    level: str
    open: int
    overdue: int


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
    """What is open now: all of it, by level, the agencies with the most overdue orders, and the manual queue."""

    open: int
    overdue: int
    levels: list[LevelLoad]
    agencies: list[AgencyLoad]
    manual: list[ManualQueue]


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

    def alerts(self) -> OpenAlerts:
        """The alerts that hold now."""


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
WITH open_cases AS
(
    SELECT
        ifNull(agency_code, '') AS agency_code,
        any(ifNull(agency_name, '')) AS agency_name,
        ifNull(level, '') AS level,
        ifNull(manual_reason, '') AS manual_reason,
        count() AS open,
        countIf(is_overdue) AS overdue,
        min(reported_at) AS oldest
    FROM bi.cases
    WHERE is_open AND appeal_type != 'alarm'
    GROUP BY agency_code, level, manual_reason
)
SELECT
    open_cases.agency_code, open_cases.agency_name, names.name_zh, names.name_en, open_cases.level, manual_reason, open,
    overdue, oldest
FROM open_cases
LEFT JOIN bi.agencies AS names ON names.agency_code = open_cases.agency_code
"""

_ALERTS = """
SELECT rule, severity, summary, raised_at, count() OVER () AS total
FROM bi.alerts WHERE is_open
ORDER BY indexOf(['critical', 'warning', 'info'], toString(severity)), raised_at DESC, alert_id
LIMIT {limit:UInt32}
"""

LEVELS: Final = ("grid", "community", "street", "district")


def load_of(rows: Sequence[Sequence[Any]]) -> Workload:
    """Sums the rows of the workload query: by level, by agency (most overdue first), and the manual queue by reason."""
    levels = {level: [0, 0] for level in LEVELS}
    agencies: dict[str, list[Any]] = {}
    manual: dict[str, list[Any]] = {}
    for code, routed_name, name_zh, name_en, level, reason, open_, overdue, oldest in rows:
        if level in levels:
            levels[level][0] += open_
            levels[level][1] += overdue
        if reason or not code:
            entry = manual.setdefault(reason, [0, oldest])
            entry[0] += open_
            entry[1] = min(entry[1], oldest)
        else:
            name = name_zh or routed_name or code
            entry = agencies.setdefault(code, [name, name_en or name, level, 0, 0])
            entry[3] += open_
            entry[4] += overdue
    busiest = sorted((AgencyLoad(*a) for a in agencies.values()), key=lambda a: (-a.overdue, -a.open, a.name_zh))
    return Workload(
        open=sum(row[6] for row in rows),
        overdue=sum(row[7] for row in rows),
        levels=[LevelLoad(level, *counts) for level, counts in levels.items()],
        agencies=busiest[:AGENCIES],
        manual=sorted((ManualQueue(reason, *m) for reason, m in manual.items()), key=lambda m: (-m.waiting, m.reason)),
    )


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
