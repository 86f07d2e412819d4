"""The weekly or monthly bulletin (周报, 月报): what happened, against the period before and a year ago, for those who decide.

Every figure is read from database `bi`: bi.kpi_compared for figures with 环比 and 同比, the views of 督办 and 未诉先办 for the
rest. Nothing is computed here but sentences. No text of a report is told: a bulletin is passed on.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from typing import Any, Final, Literal

from profiles import Profile

PeriodKind = Literal["week", "month"]

#: The figures at the head, in the order in which people read them.
HEADLINES: Final = (
    *("accepted", "matters", "per_10000", "responded", "signed", "on_time", "closed", "solved", "satisfied"),
    *("first_time", "repeats", "returned", "false_closure", "natural_hours"),
)
#: Figures of each line of a table.
OF_A_LINE: Final = ("accepted", "on_time", "solved", "satisfied")
#: Lines of a table, periods of a curve.
LINES: Final = 10
CURVE: Final = 13
_WEEK: Final = re.compile(r"(\d{4})-W(\d{2})")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")


class BulletinError(ValueError):
    """There is no such bulletin; the message says what to ask for."""


@dataclass(frozen=True)
class Span:
    """The period: its kind, name (2025-W23, 2025-03), first and last local day."""

    kind: PeriodKind
    name: str
    first: date
    last: date


def parse_span(week: str | None, month: str | None, today: date) -> Span:
    """The period asked for, by default the last week that is over; raises BulletinError."""
    if week and month:
        raise BulletinError("ask for a week or for a month, not for both")
    try:
        span = _month_of(month) if month else _week_of(week) if week else _week_before(today)
    except ValueError:
        raise BulletinError(
            f"{week or month!r} is no such period: write --week 2025-W23 (ISO 8601, Monday to Sunday) or --month 2025-03"
        ) from None
    if span.last >= today:
        raise BulletinError(f"{span.name} ends on {span.last}: it is not over. Ask for one that is")
    return span


def _week_of(text: str) -> Span:
    found = _WEEK.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first = date.fromisocalendar(int(found[1]), int(found[2]), 1)
    return Span("week", text, first, first + timedelta(days=6))


def _week_before(today: date) -> Span:
    monday = today - timedelta(days=today.weekday() + 7)
    year, week, _ = monday.isocalendar()
    return _week_of(f"{year:04}-W{week:02}")


def _month_of(text: str) -> Span:
    found = _MONTH.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first = date(int(found[1]), int(found[2]), 1)
    return Span("month", text, first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))


@dataclass(frozen=True)
class Value:
    """A figure of one slice, as bi.kpi_compared tells it: unit count, per_10000, share, weighted or hours.

    before_change, year_change: percentage points of shares, else percent of the value then; None where there was none.
    """

    figure: str
    unit: str
    good: bool | None
    numerator: float
    denominator: int | None
    value: float | None
    before_value: float | None
    before_numerator: float
    before_denominator: int | None
    before_change: float | None
    year_value: float | None
    year_change: float | None


@dataclass(frozen=True)
class Line:
    """A slice (channel, family, kind, street) with its figures by name."""

    code: str
    name_zh: str
    name_en: str
    values: dict[str, Value]


@dataclass(frozen=True)
class TierLine:
    """An agency in its tier: A to D, empty where too few orders were rated."""

    tier: str
    name_zh: str
    name_en: str
    level: str
    orders: int
    score: float | None


@dataclass(frozen=True)
class RuleLine:
    """A rule of 督办 or 未诉先办, and how many subjects it holds for now."""

    rule: str
    name_zh: str
    name_en: str
    severity: str
    holds: int


@dataclass(frozen=True)
class LateLine:
    """An order that is late: its number, kind, agency and days. No text of it."""

    number: str
    kind_zh: str
    kind_en: str
    agency: str
    due_on: date
    days: int


@dataclass(frozen=True)
class WarningLine:
    """hot: a place where one kind gathers; emerging: a kind far above usual in a street; seasonal: a season that comes."""

    what: Literal["hot", "emerging", "seasonal"]
    kind_zh: str
    kind_en: str
    place: str
    reports: float
    usual: float | None
    until: date | None


@dataclass(frozen=True)
class Bulletin:
    """All that a bulletin tells. `rules`, `late` and `warnings` are of the moment of making it, not of the period."""

    place_zh: str
    place_en: str
    made_up: bool
    span: Span
    district: dict[str, Value]
    lines: dict[str, list[Line]]
    days: list[tuple[date, int]]
    curve: list[tuple[date, float, float | None]]
    tiers_month: date | None
    tiers: list[TierLine]
    rules: list[RuleLine]
    late: list[LateLine]
    warnings: list[WarningLine]


_VALUES: Final = """
SELECT
    slice, slice_code, slice_name, figure, toString(unit), more_is_better, numerator, denominator, value, before_value,
    before_numerator, before_denominator, before_change, year_value, year_change
FROM bi.kpi_compared
WHERE period = {kind:String} AND period_start = {first:Date}
    AND slice IN ('district', 'channel', 'family', 'matter_kind', 'street')
"""
_KINDS: Final = "SELECT matter_kind, name_zh, name_en FROM bi.matters"
_DAYS: Final = """
SELECT day, sum(accepted) FROM bi.kpi_daily WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY day ORDER BY day
"""
_CURVE: Final = """
SELECT period_start, sumIf(numerator, figure = 'accepted'), anyIf(value, figure = 'solved')
FROM bi.kpi_compared
WHERE period = {kind:String} AND slice = 'district' AND figure IN ('accepted', 'solved') AND period_start <= {first:Date}
GROUP BY period_start ORDER BY period_start DESC LIMIT {curve:UInt32}
"""
_TIERS: Final = """
WITH (SELECT max(month) FROM bi.agency_tiers WHERE month <= {last:Date} AND NOT is_running AND tier != '') AS latest
SELECT month, tier, agency, ifNull(nullIf(names.name_en, ''), agency), toString(tiers.level), orders, score
FROM bi.agency_tiers AS tiers LEFT JOIN bi.agencies AS names ON names.agency_code = tiers.agency_code
WHERE month = latest AND tier != ''
ORDER BY tier, agency_code
"""
_RULES: Final = """
SELECT rules.rule, rules.name_zh, rules.name_en, rules.severity, uniqExact(held.subject)
FROM bi.supervision AS held INNER JOIN bi.supervision_rules AS rules ON rules.rule = held.rule
GROUP BY ALL ORDER BY indexOf(['critical', 'warning', 'info'], rules.severity), rules.rule
"""
_LATE: Final = """
SELECT
    cases.upstream_id, kinds.name_zh, kinds.name_en, ifNull(cases.agency_name, ''),
    toDate(assumeNotNull(cases.due_at), {zone:String}) AS due_on,
    dateDiff('day', due_on, toDate(now64(3, 'UTC'), {zone:String}))
FROM bi.cases AS cases LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = cases.matter_kind
WHERE cases.is_overdue AND cases.appeal_type != 'alarm'
ORDER BY cases.due_at, cases.report_id LIMIT {lines:UInt32}
"""
_WARNINGS: Final = """
WITH
    (
        SELECT CAST((groupArray(code), groupArray(name)), 'Map(String, String)')
        FROM
        (
            SELECT community_code AS code, community AS name FROM bi.communities
            UNION DISTINCT
            SELECT street_code, street FROM bi.communities
        )
    ) AS places
SELECT what, kinds.name_zh, kinds.name_en, places[place], reports, usual, until
FROM
(
    SELECT
        'hot' AS what, matter_kind, ifNull(community_code, '') AS place, toFloat64(reports) AS reports, usual,
        CAST(NULL, 'Nullable(Date)') AS until
    FROM bi.hot_points
    UNION ALL
    SELECT 'emerging', matter_kind, street_code, toFloat64(reports), toNullable(usual), NULL FROM bi.emerging_topics
    UNION ALL
    SELECT 'seasonal', matter_kind, area, expected, toNullable(usual), toNullable(ends_on) FROM bi.seasonal_warnings
    WHERE is_due AND area_type IN ('district', 'street')
) AS found
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = found.matter_kind
ORDER BY what, reports DESC, place, found.matter_kind LIMIT {lines:UInt32} BY what
"""


def gather(client: Any, span: Span, profile: Profile) -> Bulletin:
    """Asks the brain; raises BulletinError where nothing was reported in the period.

    `client` is a clickhouse-connect client of any user that may read database bi.
    """
    days = {"first": span.first, "last": span.last}

    def ask(query: str, **parameters: Any) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = client.query(query, parameters=parameters).result_rows
        return rows

    names = {("matter_kind", row[0]): (row[1], row[2]) for row in ask(_KINDS)}
    names |= {("channel", channel.id): (channel.name, channel.name) for channel in profile.channels.values()}
    slices = _slices(ask(_VALUES, kind=span.kind, first=span.first), names)
    district = slices["district"][0].values if slices["district"] else {}
    if not district or not district["accepted"].numerator:
        raise BulletinError(f"nothing was reported from {span.first} to {span.last}: ask for a period with data")
    tiers = ask(_TIERS, last=span.last)
    return Bulletin(
        place_zh=profile.name_zh,
        place_en=profile.name_en,
        made_up=profile.made_up,
        span=span,
        district=district,
        lines={name: lines for name, lines in slices.items() if name != "district"},
        days=_every_day(span, {row[0]: row[1] for row in ask(_DAYS, **days)}),
        curve=[
            (start, accepted, solved)
            for start, accepted, solved in reversed(ask(_CURVE, kind=span.kind, first=span.first, curve=CURVE))
        ],
        tiers_month=tiers[0][0] if tiers else None,
        tiers=[TierLine(*row[1:]) for row in tiers],
        rules=[RuleLine(*row) for row in ask(_RULES)],
        late=[LateLine(*row) for row in ask(_LATE, zone=profile.timezone, lines=LINES)],
        warnings=[WarningLine(*row) for row in ask(_WARNINGS, lines=LINES)],
    )


def _every_day(span: Span, counts: dict[date, int]) -> list[tuple[date, int]]:
    days = (span.last - span.first).days + 1
    return [(day, counts.get(day, 0)) for day in (span.first + timedelta(days=n) for n in range(days))]


def _slices(rows: Iterable[Sequence[Any]], names: dict[tuple[str, str], tuple[str, str]]) -> dict[str, list[Line]]:
    """Lines of each slice, most orders first; those with orders in the period only, and at most LINES of them."""
    found: dict[str, dict[str, Line]] = {
        name: {} for name in ("district", "channel", "family", "matter_kind", "street")
    }
    for slice_, code, name, figure, *values in rows:
        name_zh, name_en = names.get((slice_, code), (name or code, name or code))
        line = found[slice_].setdefault(code, Line(code, name_zh, name_en, {}))
        line.values[figure] = Value(figure, *values)
    sorted_lines = {
        name: sorted(lines.values(), key=lambda line: (-line.values["accepted"].numerator, line.code))
        for name, lines in found.items()
    }
    return {
        name: [line for line in lines if line.values["accepted"].numerator][: None if name == "district" else LINES]
        for name, lines in sorted_lines.items()
    }


def is_noise(value: Value) -> bool:
    """Whether a change against the period before is one that chance alone makes: within two standard deviations.

    Counts vary by their square root (Poisson), shares by sqrt(p (1 - p) / n).
    """
    if value.unit == "count":
        return abs(value.numerator - value.before_numerator) <= 2 * sqrt(value.numerator + value.before_numerator)
    if value.unit not in ("share", "weighted") or not value.denominator or not value.before_denominator:
        return False
    now, then = value.numerator / value.denominator, value.before_numerator / value.before_denominator
    spread = now * (1 - now) / value.denominator + then * (1 - then) / value.before_denominator
    return abs(now - then) <= 2 * sqrt(max(spread, 0))
