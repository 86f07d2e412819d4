"""Which agency must act, and by when: the most specific row of the responsibility list (责任清单)."""

from typing import NamedTuple

from profiles import ANY, Profile, Responsibility
from schemas.records import Report
from streams.calendar import WorkCalendar


class Route(NamedTuple):
    """Answer of the list for one report; all but `manual_reason` empty in the manual queue (人工队列)."""

    agency_code: str | None = None
    agency_name: str | None = None
    co_agencies: tuple[str, ...] = ()
    level: str | None = None
    due_at: int | None = None
    time_limit: str | None = None
    list_row: str | None = None
    manual_reason: str | None = None


class Router:
    """The responsibility list of a profile, ready for look-ups."""

    def __init__(self, profile: Profile) -> None:
        """Index the list by matter kind, area and feed."""
        self._rows = {(row.matter_kind, row.area, row.feed): row for row in profile.responsibilities}
        self._agencies = profile.agencies
        self._calendar = WorkCalendar.of(profile)

    def route(self, report: Report) -> Route:
        """Agency, level and due time of a report; manual_reason no_kind or no_row where the list has no answer.

        Area and feed beat area, area beats feed, feed beats the general row. Time runs from `reported_at`.
        """
        if not report["matter_kind"]:
            return Route(manual_reason="no_kind")
        row = self._row(report["matter_kind"], report["street_code"] or ANY, report["feed"])
        if row is None:
            return Route(manual_reason="no_row")
        return Route(
            agency_code=row.agency,
            agency_name=self._agencies[row.agency].name_zh,
            co_agencies=row.co_agencies,
            level=row.level,
            due_at=self._calendar.due(report["reported_at"], row.limit, row.unit),
            time_limit=f"{row.limit:g} {row.unit}",
            list_row=row.row,
        )

    def _row(self, kind: str, area: str, feed: str) -> Responsibility | None:
        for key in ((kind, area, feed), (kind, area, ANY), (kind, ANY, feed), (kind, ANY, ANY)):
            if key in self._rows:
                return self._rows[key]
        return None
