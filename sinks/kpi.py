"""The headline figures with numerator and denominator; docs/kpi.md defines each of them."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

#: Figures that are a share, in the order they are shown; each has two columns in bi.kpi_daily.
RATES: Final = ("responded", "on_time", "closed", "solved", "satisfied", "in_grid", "repeats")


@dataclass(frozen=True)
class Figure:
    """One figure. `accepted` is a count (its rate is None); a share with denominator 0 has the rate None, too."""

    name: str
    numerator: float
    denominator: float
    rate: float | None


def headline(client: Any, date_from: date, date_to: date) -> list[Figure]:
    """Figures of the orders reported on the local days `date_from` to `date_to`, both included.

    `client` is a clickhouse-connect client of any user that may read database bi.
    """
    sums = ", ".join(f"sum({name}_numerator), sum({name}_denominator)" for name in RATES)
    query = f"SELECT sum(accepted), {sums} FROM bi.kpi_daily WHERE day BETWEEN {{first:Date}} AND {{last:Date}}"  # noqa: S608
    accepted, *pairs = client.query(query, parameters={"first": date_from, "last": date_to}).result_rows[0]
    figures = [Figure("accepted", accepted, accepted, None)]
    for place, name in enumerate(RATES):
        # 满意率 sums a weight such as 0.6 many times; the rounding takes off what binary fractions add to that.
        numerator, denominator = round(pairs[2 * place], 6), pairs[2 * place + 1]
        figures.append(Figure(name, numerator, denominator, numerator / denominator if denominator else None))
    return figures
