"""What the commands say to a person: one line about a play, the table of figures, and the error that ends a command."""

from typing import TYPE_CHECKING, Final

from rich.table import Table

from sinks.figures import FIGURES

if TYPE_CHECKING:
    from hub.play import Played
    from sinks.kpi import Figure


class CommandError(RuntimeError):
    """Ends the command with one sentence and exit code 1."""


def summary(played: "Played") -> str:
    """One line about what the hub answered."""
    text = f"{played.accepted:,} accepted, {played.refused:,} refused, {played.ignored:,} ignored by rule"
    if played.reasons:
        text += " (" + ", ".join(f"{code} {count:,}" for code, count in played.reasons.most_common()) + ")"
    return text


COUNT_NAMES: Final = {"accepted": "受理量 Accepted", "matters": "事项量 Matters"}


def figures_table(figures: "list[Figure]", cohort: str = "accepted") -> Table:
    """The headline figures for a person; docs/kpi.md says what each counts."""
    told = {one.name: one for one in FIGURES}
    table = Table("figure", "numerator", "denominator", "rate", caption=f"cohort: {cohort} in the period; docs/kpi.md")
    for column in table.columns[1:]:
        column.justify = "right"
    for figure in figures:
        one = told.get(figure.name)
        name = f"{one.zh} {one.en}" if one else COUNT_NAMES.get(figure.name, figure.name)
        hours = one is not None and one.unit == "hours"
        rate = "-" if figure.rate is None else f"{figure.rate:,.1f} h" if hours else f"{figure.rate:.2%}"
        numerator = f"{figure.numerator:,.0f} h" if hours else f"{figure.numerator:,.10g}"
        table.add_row(name, numerator, f"{figure.denominator:,.10g}", rate)
    return table
