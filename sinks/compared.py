"""The headline figures of some days beside those of others: the days before (环比), a year ago (同比), or by lunar days.

docs/decisions/0026-comparisons.md says what is compared with what; bi.kpi_compared does the same for whole periods.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple

from profiles.festivals import spring_festival
from sinks.figures import FIGURES
from sinks.kpi import Cohort, Figure, headline

Against = Literal["previous", "year", "festival"]
#: The window around 正月初一 that bi.kpi_compared tells of, in days.
AHEAD: Final = 7
AFTER: Final = 15
_DAY: Final = timedelta(days=1)
_UNITS: Final = {figure.name: figure.unit for figure in FIGURES}


class Span(NamedTuple):
    """Local days, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


class ComparisonError(ValueError):
    """These days cannot be compared; the message says what to do."""


@dataclass(frozen=True)
class Compared:
    """One figure of both spans. `change` is in percentage points of a share, else in percent of the other; None without one."""

    name: str
    this: Figure
    other: Figure
    change: float | None


@dataclass(frozen=True)
class Comparison:
    """Figures of `this` and `other`; cut: the days asked for are not over, and both spans hold as many as are."""

    this: Span
    other: Span
    cut: bool
    figures: list[Compared]


def local_today(client: Any) -> date:
    """Today where the deployment is; `client` may read database hub."""
    zone = "(SELECT value FROM hub.parameters FINAL WHERE name = 'timezone')"
    ((today,),) = client.query(f"SELECT toDate(now64(3, 'UTC'), ifNull(nullIf({zone}, ''), 'UTC'))").result_rows
    return date.fromisoformat(str(today))


def usual_span(against: Against, today: date) -> Span:
    """What people mean who name no days: the last month that is over, or the latest festival of which a day is over."""
    if against == "festival":
        days = (spring_festival(year) for year in (today.year, today.year - 1))
        day = next(day for day in days if day - AHEAD * _DAY < today)
        return Span(day - AHEAD * _DAY, day + AFTER * _DAY)
    last = today.replace(day=1) - _DAY
    return Span(last.replace(day=1), last)


def other_span(span: Span, against: Against) -> Span:
    """What a span is compared with.

    previous: whole months with as many months, other days with as many days. year: whole months and single dates with those of
    the year before (29 February with 28 February), whole weeks with those 52 weeks before, so that weekdays meet. festival: the
    days that lie as far from 正月初一 a year earlier; the festival meant is the one nearest to the middle of the span.
    """
    if against == "festival":
        middle = span.first + (span.last - span.first) // 2
        year = min((middle.year, middle.year + 1), key=lambda year: abs(spring_festival(year) - middle))
        back = spring_festival(year) - spring_festival(year - 1)
        return Span(span.first - back, span.last - back)
    months = _whole_months(span)
    if against == "previous":
        if months:
            return Span(_shifted(span.first, -months), span.first - _DAY)
        return Span(span.first - span.days * _DAY, span.first - _DAY)
    if months:
        return Span(_shifted(span.first, -12), _shifted(span.last + _DAY, -12) - _DAY)
    if span.first.weekday() == 0 and span.days % 7 == 0:
        return Span(span.first - timedelta(weeks=52), span.last - timedelta(weeks=52))
    return Span(_year_before(span.first), _year_before(span.last))


def spans(span: Span, against: Against, today: date) -> tuple[Span, Span]:
    """Both spans, with as many days as are over of the first; raises ComparisonError where none is."""
    if span.last < span.first:
        raise ComparisonError(f"{span.last} lies before {span.first}: exchange --from and --to")
    if span.first >= today:
        raise ComparisonError(f"no day from {span.first} on is over: begin before {today}")
    other = other_span(span, against)
    if span.last < today:
        return span, other
    counted = Span(span.first, today - _DAY)
    return counted, Span(other.first, min(other.last, other.first + (counted.days - 1) * _DAY))


def compare(client: Any, span: Span, against: Against, today: date, cohort: Cohort = "accepted") -> Comparison:
    """Figures of the days of `span` beside those they are compared with; raises ComparisonError.

    `client` is a clickhouse-connect client of any user that may read database bi; `today` is the local day.
    """
    this, other = spans(span, against, today)
    pairs = zip(headline(client, *this, cohort), headline(client, *other, cohort), strict=True)
    return Comparison(this, other, this != span, [Compared(a.name, a, b, change(a, b)) for a, b in pairs])


def change(this: Figure, other: Figure) -> float | None:
    """From `other` to `this`: percentage points of a share, else percent."""
    unit = _UNITS.get(this.name)
    new, old = (one.rate if unit else one.numerator for one in (this, other))
    if new is None or old is None:
        return None
    if unit in ("share", "weighted"):
        return round((new - old) * 100, 4)
    return round((new / old - 1) * 100, 4) if old else None


def _whole_months(span: Span) -> int:
    """How many months the span is; 0 where it is not the whole of each."""
    end = span.last + _DAY
    if span.first.day != 1 or end.day != 1:
        return 0
    return (end.year - span.first.year) * 12 + end.month - span.first.month


def _shifted(first: date, months: int) -> date:
    """The first day of a month so many months later."""
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return date(day.year - 1, 2, 28)
