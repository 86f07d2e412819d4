"""What the commands say to a person: one line about a play, the table of figures, and the error that ends a command."""

from typing import TYPE_CHECKING, Final

from rich.table import Table

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


FIGURE_NAMES: Final = {
    "accepted": "受理 Accepted",
    "responded": "响应率 Responded",
    "on_time": "按时办结率 On time",
    "closed": "办结率 Closed",
    "solved": "解决率 Solved",
    "satisfied": "满意率 Satisfied",
    "in_grid": "网格内办结率 In grid",
    "repeats": "重复诉求率 Repeats",
}


def figures_table(figures: "list[Figure]") -> Table:
    """The headline figures for a person; docs/kpi.md says what each counts."""
    table = Table("figure", "numerator", "denominator", "rate", caption="cohort: accepted in the period; docs/kpi.md")
    for column in table.columns[1:]:
        column.justify = "right"
    for figure in figures:
        rate = "-" if figure.rate is None else f"{figure.rate:.2%}"
        name = FIGURE_NAMES.get(figure.name, figure.name)
        table.add_row(name, f"{figure.numerator:,.10g}", f"{figure.denominator:,.10g}", rate)
    return table
