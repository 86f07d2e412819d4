"""One answer for the page, as JSON: everything it shows for one choice of days, and when it was taken."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from monitoring.screen.brain import Brain, DayCount, FeedCount
from monitoring.screen.period import Choice, LastDays, Period, resolve

#: Longer periods are drawn by month: a bar per day would be thinner than a pixel.
_DAILY_DAYS: Final = 400


@dataclass(frozen=True)
class Snapshot:
    """`content` is JSON without the time it was taken, so that equal content means nothing changed."""

    taken_at: datetime
    content: bytes

    def as_json(self) -> bytes:
        """The answer to a client."""
        return b'{"taken_at":"' + utc_text(self.taken_at).encode() + b'",' + self.content[1:]


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def trend(days: Sequence[DayCount], period: Period) -> tuple[str, list[dict[str, Any]]]:
    """Unit (day or month) and one entry for every day or month of the period, those without orders too."""
    by_day = {count.day: count for count in days}
    unit = "day" if period.days <= _DAILY_DAYS else "month"
    entries: list[dict[str, Any]] = []
    for offset in range(period.days):
        day = period.first + timedelta(days=offset)
        count = by_day.get(day, DayCount(day, 0, 0))
        last = entries[-1] if entries else None
        if unit == "month" and last and (last["from"].year, last["from"].month) == (day.year, day.month):
            last["to"] = day
            last["accepted"] += count.accepted
            last["closed"] += count.closed
        else:
            entries.append({"from": day, "to": day, "accepted": count.accepted, "closed": count.closed})
    return unit, entries


def with_silent(counts: Sequence[FeedCount], declared: Sequence[str]) -> list[FeedCount]:
    """The feeds counted and those declared but never heard; the busiest first."""
    known = {count.feed for count in counts}
    silent = [FeedCount(feed, 0, 0, None) for feed in declared if feed not in known]
    return sorted([*counts, *silent], key=lambda count: (-count.reports, count.feed))


def _before(brain: Brain, period: Period, span: Period | None) -> list[dict[str, Any]] | None:
    """环比: the figures of as many days before; None where the data does not reach so far back."""
    before = Period(period.first - timedelta(days=period.days), period.first - timedelta(days=1))
    if span is None or before.first < span.first:
        return None
    return [{"name": f.name, "numerator": f.numerator, "rate": f.rate} for f in brain.headline(before)]


def take(brain: Brain, choice: Choice, feeds: Sequence[str], timezone: str, clock: Callable[[], datetime]) -> Snapshot:
    """Asks the brain everything; raises BrainUnavailableError."""
    taken_at = clock()
    span = brain.span()
    today: date = taken_at.astimezone(ZoneInfo(timezone)).date()
    period = resolve(choice, span, today)
    unit, entries = trend(brain.daily(period), period)
    content = {
        "period": {
            "from": period.first,
            "to": period.last,
            "days": choice.days if isinstance(choice, LastDays) else None,
        },
        "span": {"from": span.first, "to": span.last} if span else None,
        "figures": [
            {"name": f.name, "numerator": f.numerator, "denominator": f.denominator, "rate": f.rate}
            for f in brain.headline(period)
        ],
        "trend": {"unit": unit, "entries": entries},
        "feeds": [asdict(count) for count in with_silent(brain.feeds(period), feeds)],
        "matters": [asdict(matter) for matter in brain.merged()],
        "workload": asdict(brain.workload()),
        "overdue": [asdict(case) for case in brain.overdue()],
        "alerts": asdict(brain.alerts()),
        "before": _before(brain, period, span),
        "curves": [asdict(curve) for curve in brain.curves(period)],
        "areas": [asdict(area) for area in brain.areas(period)],
        "grids": [asdict(grid) for grid in brain.grids(period)],
        "hot": [asdict(point) for point in brain.hot_points()],
        "tiers": asdict(brain.tiers(period)),
        "seasons": [asdict(season) for season in brain.seasons()],
    }
    return Snapshot(taken_at, orjson.dumps(content, option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS))
