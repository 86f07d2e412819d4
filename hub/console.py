"""What the commands say to a person: one line about a play, the table of figures, and the error that ends a command."""

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from sinks.figures import FIGURES

if TYPE_CHECKING:
    from hub.play import Played
    from sinks.compared import Comparison, Span
    from sinks.kpi import Figure


class CommandError(RuntimeError):
    """Ends the command with one sentence and exit code 1."""


def summary(played: "Played") -> str:
    """One line about what the hub answered."""
    text = f"{played.accepted:,} accepted, {played.refused:,} refused, {played.ignored:,} ignored by rule"
    if played.reasons:
        text += " (" + ", ".join(f"{code} {count:,}" for code, count in played.reasons.most_common()) + ")"
    return text


_TOLD: Final = {one.name: one for one in FIGURES}
_UNITS: Final = {one.name: one.unit for one in FIGURES}
COUNT_NAMES: Final = {"accepted": "受理量 Accepted", "matters": "事项量 Matters"}


def figures_table(figures: "list[Figure]", cohort: str = "accepted") -> Table:
    """The headline figures for a person; docs/kpi.md says what each counts."""
    table = Table("figure", "numerator", "denominator", "rate", caption=f"cohort: {cohort} in the period; docs/kpi.md")
    for column in table.columns[1:]:
        column.justify = "right"
    for figure in figures:
        table.add_row(_name(figure.name), *_numbers(figure), _rate(figure))
    return table


def comparison_table(found: "Comparison", cohort: str = "accepted") -> Table:
    """Figures of two spans of days side by side; docs/decisions/0026-comparisons.md says which are compared."""
    this, other = (f"{span.first} - {span.last}, {span.days} d" for span in (found.this, found.other))
    told = f"cohort: {cohort} in the period; change in percentage points (pt) of a share, else in percent; docs/kpi.md"
    if found.cut:
        told += "; the period is not over: both are counted for as many days as are"
    table = Table("figure", this, other, "change", caption=told)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in found.figures:
        unit = "pt" if _UNITS.get(one.name) in ("share", "weighted") else "%"
        change = "-" if one.change is None else f"{one.change:+,.2f} {unit}"
        table.add_row(_name(one.name), _value(one.this), _value(one.other), change)
    return table


def comparison_dict(found: "Comparison") -> dict[str, Any]:
    """The same for a program."""

    def span(of: "Span") -> dict[str, Any]:
        return {"from": of.first.isoformat(), "to": of.last.isoformat(), "days": of.days}

    def figure(of: "Figure") -> dict[str, float | None]:
        return {"numerator": of.numerator, "denominator": of.denominator, "rate": of.rate}

    return {
        "this": span(found.this),
        "other": span(found.other),
        "cut": found.cut,
        "figures": {
            one.name: {
                "this": figure(one.this),
                "other": figure(one.other),
                "change": one.change,
                "change_in": "points" if _UNITS.get(one.name) in ("share", "weighted") else "percent",
            }
            for one in found.figures
        },
    }


def _name(figure: str) -> str:
    one = _TOLD.get(figure)
    return f"{one.zh} {one.en}" if one else COUNT_NAMES.get(figure, figure)


def _numbers(figure: "Figure") -> tuple[str, str]:
    hours = _UNITS.get(figure.name) == "hours"
    return f"{figure.numerator:,.0f} h" if hours else f"{figure.numerator:,.10g}", f"{figure.denominator:,.10g}"


def _rate(figure: "Figure") -> str:
    if figure.rate is None:
        return "-"
    return f"{figure.rate:,.1f} h" if _UNITS.get(figure.name) == "hours" else f"{figure.rate:.2%}"


def _value(figure: "Figure") -> str:
    """Rate with its numerator and denominator; of a count the number alone."""
    numerator, denominator = _numbers(figure)
    return f"{_rate(figure)} ({numerator} / {denominator})" if figure.name in _TOLD else numerator
