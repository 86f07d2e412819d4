"""The headline figures with numerator and denominator; docs/kpi.md defines each of them."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sinks.figures import FIGURES

#: Counts, which have no rate.
COUNTS: Final = ("accepted", "matters")
Cohort = Literal["accepted", "due"]
_VIEWS: Final[dict[Cohort, str]] = {"accepted": "bi.kpi_daily", "due": "bi.kpi_daily_due"}


@dataclass(frozen=True)
class Figure:
    """One figure. Of a count the rate is None; of a share with denominator 0, too. Of hours it is their mean."""

    name: str
    numerator: float
    denominator: float
    rate: float | None


def headline(client: Any, date_from: date, date_to: date, cohort: Cohort = "accepted") -> list[Figure]:
    """Figures of the orders reported, or due, on the local days `date_from` to `date_to`, both included.

    `client` is a clickhouse-connect client of any user that may read database bi.
    """
    names = [f"sum({name})" for name in COUNTS]
    names += [f"sum({figure.name}_{part})" for figure in FIGURES for part in ("numerator", "denominator")]
    query = f"SELECT {', '.join(names)} FROM {_VIEWS[cohort]} WHERE day BETWEEN {{first:Date}} AND {{last:Date}}"  # noqa: S608
    row = client.query(query, parameters={"first": date_from, "last": date_to}).result_rows[0]
    figures = [Figure(name, value, value, None) for name, value in zip(COUNTS, row, strict=False)]
    pairs = row[len(COUNTS) :]
    for place, figure in enumerate(FIGURES):
        # 满意率 sums a weight such as 0.6 many times; the rounding takes off what binary fractions add to that.
        numerator, denominator = round(pairs[2 * place], 6), pairs[2 * place + 1]
        figures.append(Figure(figure.name, numerator, denominator, numerator / denominator if denominator else None))
    return figures
