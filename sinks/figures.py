"""The figures of the brain, each defined once: what it is called, what counts in it, and how (docs/kpi.md tells it in words).

A figure is a value of an order: NULL where the order is not in the denominator, else true or false, or a number. Its numerator
is the sum of the values, its denominator their count, its rate the one over the other. The views of sinks/views take their
columns from here, in the places {figure_...}.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Definition:
    """One figure. `value` is SQL over a row of hub.cases with the names of sinks/views/20_figures.sql.

    unit: share (of yes and no), weighted (of 1, a weight and 0) or hours (a mean). good: whether more of it is better.
    """

    name: str
    zh: str
    en: str
    value: str
    numerator: str
    denominator: str
    unit: Literal["share", "weighted", "hours"] = "share"
    good: bool = True

    @property
    def type(self) -> str:
        """Type of its column in bi.figures."""
        return "Nullable(Bool)" if self.unit == "share" else "Nullable(Float64)"


def _flag(condition: str, value: str) -> str:
    return f"if({condition}, {value}, NULL)"


_DISPATCHED: Final = "dispatched_at IS NOT NULL"
_CLOSED: Final = "closed_at IS NOT NULL"
_CASE: Final = "flow = 'case' AND cancelled_at IS NULL"

#: In the order in which people read them.
FIGURES: Final = (
    Definition(
        "responded",
        "响应率",
        "Responded in time",
        _flag(
            _DISPATCHED,
            "ifNull(dateDiff('millisecond', dispatched_at, responded_at) BETWEEN 0 AND respond_hours * 3600000, false)",
        ),
        "first response that reached the person, within the hours of the profile after the first dispatch",
        "orders dispatched",
    ),
    Definition(
        "signed",
        "签收率",
        "Signed in time",
        _flag(
            _DISPATCHED,
            "ifNull(dateDiff('millisecond', dispatched_at, signed_at) BETWEEN 0 AND sign_hours * 3600000, false)",
        ),
        "first 签收 within the hours of the profile after the first dispatch",
        "orders dispatched",
    ),
    Definition(
        "on_time",
        "按时办结率",
        "Closed on time",
        "multiIf(due_at IS NULL, NULL, closed_at IS NOT NULL, closed_at <= due_at, due_at <= now, false, NULL)",
        "closed by the effective due time",
        "orders with a due time that are closed or past it",
    ),
    Definition("closed", "办结率", "Closed", _CLOSED, "closed orders", "orders"),
    Definition(
        "solved",
        "解决率",
        "Solved",
        "cases.solved",
        "the latest answer says solved",
        "orders with a revisit or rating that could tell",
    ),
    Definition(
        "satisfied",
        "满意率",
        "Satisfied",
        "multiIf(satisfaction IS NULL, NULL, satisfaction = 'satisfied', 1., satisfaction = 'basic', basic_weight, 0.)",
        "satisfied + basic x weight of the profile",
        "orders rated satisfied, basic or dissatisfied",
        "weighted",
    ),
    Definition(
        "first_time",
        "一次办结率",
        "Right the first time",
        _flag(
            _CLOSED, "return_steps + rework_steps + redo_steps = 0 AND ifNull(retold_at > closed_at + watched, true)"
        ),
        "closed without 退单, 返工 or 重办, and not told again within the days of the profile",
        "closed orders",
    ),
    Definition(
        "repeats",
        "重复诉求率",
        "Repeats",
        "cases.relation IN ('repeat', 'joined', 'rebound')",
        "orders that are repeat, joined or rebound",
        "orders",
        good=False,
    ),
    Definition(
        "returned",
        "退单率",
        "Returned",
        _flag(_DISPATCHED, "return_steps > 0"),
        "orders with a 退单",
        "orders dispatched",
        good=False,
    ),
    Definition(
        "first_dispatch",
        "首派准确率",
        "Right first dispatch",
        _flag(_DISPATCHED, "return_steps + redispatch_steps = 0"),
        "orders with neither 退单 nor 改派",
        "orders dispatched",
    ),
    Definition(
        "in_grid",
        "网格内办结率",
        "Closed in the grid",
        _flag(_CLOSED, "ifNull(max_level = 'grid', false)"),
        "closed orders that never went above the grid",
        "closed orders",
    ),
    Definition(
        "mediated",
        "调解成功率",
        "Mediated",
        _flag(f"flow = 'dispute' AND {_CLOSED} AND cases.solved IS NOT NULL", "assumeNotNull(cases.solved)"),
        "closed disputes (矛盾纠纷) that are solved",
        "closed disputes that somebody asked about",
    ),
    Definition(
        "settled",
        "化解率",
        "Settled",
        _flag("flow = 'dispute' AND cancelled_at IS NULL", f"{_CLOSED} AND ifNull(cases.solved, false)"),
        "disputes closed and solved",
        "disputes accepted, 作废 left out",
    ),
    Definition(
        "registered",
        "立案率",
        "Registered",
        _flag("flow = 'case'", "registered_at IS NOT NULL"),
        "city management cases with a 立案",
        "city management cases reported",
    ),
    Definition(
        "archived",
        "结案率",
        "Archived",
        _flag(f"{_CASE} AND ({_CLOSED} OR ifNull(due_at <= now, false))", _CLOSED),
        "city management cases closed (结案)",
        "those that had to be (应结案): closed, or past their due time; 作废 left out",
    ),
    Definition(
        "archived_on_time",
        "按期结案率",
        "Archived on time",
        _flag(f"{_CASE} AND ({_CLOSED} OR ifNull(due_at <= now, false))", "ifNull(closed_at <= due_at, false)"),
        "city management cases closed by their due time",
        "those that had to be (应结案): closed, or past their due time; 作废 left out",
    ),
    Definition(
        "reworked",
        "返工率",
        "Reworked",
        _flag("checked_at IS NOT NULL", "rework_steps > 0"),
        "cases with a 返工",
        "cases that were checked (核查)",
        good=False,
    ),
    Definition(
        "false_closure",
        "虚假办结率",
        "False closures",
        _flag(
            "first_closed_at IS NOT NULL",
            "redo_steps > 0 OR ifNull(NOT cases.solved, false) OR ifNull(retold_at <= closed_at + watched, false)",
        ),
        "opened again (重办), not solved by the latest answer, or told again within the days of the profile",
        "orders that were ever closed",
        good=False,
    ),
    Definition(
        "checked",
        "核查率",
        "Checked on the spot",
        _flag(f"flow = 'case' AND {_CLOSED}", "ifNull(checked_at <= closed_at, false)"),
        "closed city management cases that a grid worker checked (核查) before",
        "closed city management cases",
    ),
    Definition(
        "pre_resolved",
        "未诉先办率",
        "Solved before anybody called",
        _flag("appeal_type = 'case' AND cancelled_at IS NULL", f"{_CLOSED} AND matter_orders = 1"),
        "found by patrol or sensor and closed, while nobody else told of the matter",
        "orders found by patrol or sensor (诉求类型 case), 作废 left out",
    ),
    Definition(
        "matters_closed",
        "事项办结率",
        "Matters closed",
        _flag("relation = 'new'", _CLOSED),
        "matters whose first order is closed",
        "matters: merged orders (并单) count once, by their first order",
    ),
    Definition(
        "matters_solved",
        "事项解决率",
        "Matters solved",
        _flag("relation = 'new'", "cases.solved"),
        "matters whose first order is solved",
        "matters of whose first order somebody could tell",
    ),
    Definition(
        "natural_hours",
        "平均办理时长（自然小时）",
        "Mean handling time, natural hours",
        _flag(_CLOSED, "greatest(0, dateDiff('millisecond', ifNull(accepted_at, reported_at), closed_at)) / 3600000"),
        "hours from 受理 (else the report) to 办结",
        "closed orders",
        "hours",
        good=False,
    ),
    Definition(
        "working_hours",
        "平均办理时长（工作小时）",
        "Mean handling time, working hours",
        _flag(_CLOSED, "greatest(0., worked_at_end - worked_at_start) / 60"),
        "the same, counting only working hours of the calendar",
        "closed orders",
        "hours",
        good=False,
    ),
)


#: By what the figures are told apart beside day or hour: name and comment.
DIMENSIONS: Final = {
    "feed": "Feed that carried the orders",
    "channel": "Channel that published them",
    "family": "诉求类别: livelihood, development or enforcement; empty when unknown",
    "matter_kind": "Kind of matter, see bi.matters; empty when unknown",
    "agency_code": "主办单位 that has them now, see bi.agencies; empty in the manual queue",
    "street_code": "9-digit street code; empty when unknown",
    "community_code": "12-digit community code; empty when unknown",
}


#: What has no denominator among the orders: name in Chinese and unit. per_10000 is 万人诉求比, accepted over the inhabitants.
COUNTS: Final = {
    "accepted": ("受理量", "count"),
    "matters": ("事项量", "count"),
    "per_10000": ("万人诉求比", "per_10000"),
}

NO_CODE: Final = "''"
#: By what comparisons tell orders apart: name of the slice and its code in a row of bi.kpi_daily.
SLICES: Final = {
    "district": NO_CODE,
    "street": "street_code",
    "community": "community_code",
    "agency": "agency_code",
    "channel": "channel",
    "family": "family",
    "matter_kind": "matter_kind",
}


def places() -> dict[str, str]:
    """What the places {figure_...} of a view's text stand for."""
    columns = [
        line
        for figure in FIGURES
        for line in (
            f"    {figure.name}_numerator Float64 COMMENT '{figure.zh}: {figure.numerator}'",
            f"    {figure.name}_denominator UInt64 COMMENT '{figure.zh}: {figure.denominator}'",
        )
    ]
    return {
        "figure_columns": ",\n".join(
            f"    {figure.name} {figure.type} COMMENT '{figure.zh}: {figure.numerator}; NULL for all but: {figure.denominator}'"
            for figure in FIGURES
        ),
        "figure_values": ",\n".join(
            f"    CAST({figure.value}, '{figure.type}') AS {figure.name}" for figure in FIGURES
        ),
        "figure_dimension_columns": ",\n".join(
            f"    {name} LowCardinality(String) COMMENT '{comment}'" for name, comment in DIMENSIONS.items()
        ),
        "figure_dimensions": ", ".join(DIMENSIONS),
        "figure_sum_columns": ",\n".join(
            (
                "    accepted UInt64 COMMENT '受理量: orders, that is distinct reports, alarms left out'",
                "    matters UInt64 COMMENT '事项量: matters, each counted with its first order'",
                *columns,
            )
        ),
        # Not summed: whoever asks sums anyway, and a sum of sums would group all orders twice.
        "figure_ones": "    1 AS accepted, toUInt64(relation = 'new') AS matters,\n"
        + ",\n".join(
            f"    toFloat64(ifNull({figure.name}, 0)) AS {figure.name}_numerator, "
            f"toUInt64({figure.name} IS NOT NULL) AS {figure.name}_denominator"
            for figure in FIGURES
        ),
        "figure_resums": _resums(),
        "figure_list": "    [\n"
        + ",\n".join(
            f"        ('{name}', '{zh}', '{unit}', {_nullable_bool(good)})"
            for name, zh, unit, good in (
                *((name, zh, unit, None) for name, (zh, unit) in COUNTS.items()),
                *((figure.name, figure.zh, figure.unit, figure.good) for figure in FIGURES),
            )
        )
        + "\n    ]",
        "figure_slices": "\n        UNION ALL\n".join(
            f"        SELECT '{name}' AS slice, {code} AS slice_code, day,\n{_resums()}\n"  # noqa: S608 - constants
            f"        FROM bi.kpi_daily AS days GROUP BY day{', slice_code' if code != NO_CODE else ''}"
            for name, code in SLICES.items()
        ),
        "figure_sum_arrays": _arrays(),
    }


def _nullable_bool(value: bool | None) -> str:
    return "NULL" if value is None else str(value).lower()


def _arrays() -> str:
    """Sums of days as two arrays, in the order of {figure_list}."""
    numerators = [f"toFloat64(sum(days.{name}))" for name in ("accepted", "matters", "accepted")]
    numerators += [f"sum(days.{figure.name}_numerator)" for figure in FIGURES]
    denominators = ["0"] * len(COUNTS) + [f"sum(days.{figure.name}_denominator)" for figure in FIGURES]
    return (
        f"            [{', '.join(numerators)}] AS numerators,\n            [{', '.join(denominators)}] AS denominators"
    )


def _resums() -> str:
    """Sums of the sums of bi.kpi_daily or bi.kpi_daily_due, which goes by the name of days."""
    return "    sum(days.accepted) AS accepted, sum(days.matters) AS matters,\n" + ",\n".join(
        f"    round(sum(days.{figure.name}_numerator), 6) AS {figure.name}_numerator, "
        f"sum(days.{figure.name}_denominator) AS {figure.name}_denominator"
        for figure in FIGURES
    )
