"""From a figure to the orders behind it: what may be asked, the questions, and their text for whoever wants to ask on.

A question is made of names that stand here and of parameters; its shown text holds the values, quoted, so that it can be pasted
into a BI tool. Titles of 保密 and 举报 are left out: a wall is read by everybody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Final

from monitoring.screen.period import PeriodError

#: The figures at the head of the page, in order; the first is a count.
HEADLINES: Final = ("accepted", "responded", "on_time", "closed", "solved", "satisfied", "in_grid", "repeats")
PAGE: Final = 50
_MAX_PAGE: Final = 2_000
#: in: counted in the numerator; out: in the denominator only; all: both.
PARTS: Final = ("all", "in", "out")
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_PLACE: Final = re.compile(r"\{(\w+):\w+\}")


@dataclass(frozen=True)
class Wanted:
    """Orders of a period (local days, both included), of one figure and part of it, narrowed by codes; "" leaves a code open."""

    first: date
    last: date
    figure: str = "accepted"
    part: str = "all"
    feed: str = ""
    agency_code: str = ""
    street_code: str = ""
    community_code: str = ""
    grid_code: str = ""
    matter_kind: str = ""
    page: int = 1


_CODES: Final = ("feed", "agency_code", "street_code", "community_code", "grid_code", "matter_kind")


@dataclass(frozen=True)
class Found:
    """An order. title: masked; None for 保密 and 举报. counts: whether it is in the numerator; None for a mere count."""

    report_id: str
    upstream_id: str
    title: str | None
    kind_zh: str
    kind_en: str
    agency: str
    feed: str
    reported_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    counts: bool | None


@dataclass(frozen=True)
class Cases:
    """A page of orders, how many there are in all, and the questions that found them and that give the figure."""

    total: int
    cases: list[Found]
    sql: str
    figure_sql: str


def parse_wanted(query: Mapping[str, str], first: date, last: date) -> Wanted:
    """What an address asks for; raises PeriodError for what cannot be asked."""
    figure, part = query.get("figure", "accepted"), query.get("part", "all")
    if figure not in HEADLINES:
        raise PeriodError(f"figure must be one of {', '.join(HEADLINES)}")
    if part not in PARTS:
        raise PeriodError(f"part must be one of {', '.join(PARTS)}")
    codes = {name: query.get(name, "") for name in _CODES}
    for name, code in codes.items():
        if code and not _CODE.fullmatch(code):
            raise PeriodError(f"{name} must be a code of the profile")
    page = query.get("page", "1")
    if not page.isascii() or not page.isdigit() or not 1 <= int(page[:9]) <= _MAX_PAGE:
        raise PeriodError(f"page must be a number from 1 to {_MAX_PAGE}")
    return Wanted(first, last, figure, part, **codes, page=int(page))


def parameters_of(wanted: Wanted) -> dict[str, Any]:
    """Parameters of both questions."""
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return {**values, "limit": PAGE, "offset": (wanted.page - 1) * PAGE}


_CASES_SQL: Final = """WITH counted AS
(
    SELECT report_id, <counted> AS counts, count() OVER () AS total
    FROM bi.figures
    WHERE <conditions>
    ORDER BY hour DESC, report_id
    LIMIT {limit:UInt32} OFFSET {offset:UInt32}
)
SELECT
    cases.report_id, cases.upstream_id, if(cases.confidential OR cases.appeal_type = 'report', NULL, cases.title) AS title,
    kinds.name_zh, kinds.name_en, ifNull(cases.agency_name, '') AS agency, cases.feed, cases.reported_at, cases.due_at,
    cases.closed_at, counted.counts, counted.total
FROM bi.cases AS cases
INNER JOIN counted ON counted.report_id = cases.report_id
LEFT JOIN bi.matters AS kinds ON kinds.matter_kind = cases.matter_kind
WHERE cases.report_id IN (SELECT report_id FROM counted)
ORDER BY cases.reported_at DESC, cases.report_id"""


def _conditions(wanted: Wanted) -> str:
    found = ["day BETWEEN {first:Date} AND {last:Date}"]
    found += [f"{name} = {{{name}:String}}" for name in _CODES if getattr(wanted, name)]
    return " AND ".join(found)


def figure_query(wanted: Wanted) -> str:
    """The question that gives the figure itself."""
    name = wanted.figure
    told = "count() AS accepted"
    if name != HEADLINES[0]:
        told = f"sum({name}) AS numerator, count({name}) AS denominator, numerator / nullIf(denominator, 0) AS rate"
    return f"SELECT {told}\nFROM bi.figures\nWHERE {_conditions(wanted)}"


def cases_query(wanted: Wanted) -> str:
    """The question that gives the orders, newest first."""
    name = wanted.figure
    counted = "CAST(NULL, 'Nullable(Bool)')" if name == HEADLINES[0] else f"{name} > 0"
    conditions = _conditions(wanted)
    if name != HEADLINES[0]:
        conditions += {"all": f" AND {name} IS NOT NULL", "in": f" AND {name} > 0", "out": f" AND {name} = 0"}[
            wanted.part
        ]
    return _CASES_SQL.replace("<counted>", counted).replace("<conditions>", conditions)


def shown(query: str, wanted: Wanted) -> str:
    """A question with its values in place, for a person to paste into a BI tool."""

    def literal(value: Any) -> str:
        return str(value) if isinstance(value, int) else f"'{value}'"  # dates and codes hold no quotes

    values = parameters_of(wanted)
    return _PLACE.sub(lambda place: literal(values[place[1]]), query)
