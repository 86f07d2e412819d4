"""What Apache Superset shows of the hub: datasets over the views readers may see, and a dashboard of eight charts.

Everything has an id made of its name, so that whoever provisions again gets the same objects, put right. `bundle` is what
Superset's asset import takes; `python -m monitoring.superset` sends it. docs/bi.md shows how.
"""

import json
import zipfile
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

#: A metric's or a column's format, as d3 has it.
COUNT: Final = ",d"
SHARE: Final = ".1%"

_VERSION: Final = "1.0.0"
_ROWS: Final = 10_000


@dataclass(frozen=True)
class Dataset:
    """A question to views, by the names they have in every reader's database; `day` is the column that periods are told by.

    labels: how columns are headed, by their names.
    """

    name: str
    sql: str
    day: str
    about: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A chart of a dataset. Metrics are SQL by label; `columns` are what it groups by or, without metrics, lists."""

    title: str
    kind: str
    dataset: Dataset
    about: str
    metrics: dict[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    grain: str | None = None
    where: str | None = None
    order: str | None = None
    limit: int = _ROWS
    look: dict[str, Any] = field(default_factory=dict)
    width: int = 4


ORDERS: Final = Dataset(
    "zhishu_orders",
    """SELECT
    cases.day AS day, cases.channel AS channel, cases.agency_name AS agency, cases.due_at AS due_at, cases.title AS title,
    cases.urgency AS urgency, cases.upstream_id AS upstream_id,
    ifNull(nullIf(matters.name_zh, ''), '未分类') AS matter, ifNull(nullIf(communities.street, ''), '不明') AS street,
    communities.community AS community, cases.is_overdue AS is_overdue, cases.closed_on_time AS closed_on_time,
    cases.solved AS solved, cases.is_repeat AS is_repeat
FROM cases
LEFT JOIN matters ON matters.matter_kind = cases.matter_kind
LEFT JOIN communities ON communities.community_code = cases.community_code
WHERE cases.appeal_type != 'alarm'""",
    "day",
    "Orders (诉求), one row each, with the names of codes; alarms left out. docs/kpi.md",
    {
        "day": "日期",
        "channel": "来源",
        "agency": "主办单位",
        "due_at": "到期时间",
        "title": "标题",
        "urgency": "紧急程度",
        "upstream_id": "工单编号",
        "matter": "事项",
        "street": "街道",
        "community": "社区",
    },
)
FIGURES: Final = Dataset(
    "zhishu_figures",
    "SELECT * FROM kpi_daily",
    "day",
    "Headline figures by day: sum numerators and denominators, then divide. docs/kpi.md",
)


def rate(name: str) -> str:
    """A figure of kpi_daily over whatever the chart looks at; NULL where its denominator is 0."""
    return f"sum({name}_numerator) / nullIf(sum({name}_denominator), 0)"


CHARTS: Final = (
    Chart(
        "受理量",
        "big_number_total",
        FIGURES,
        "诉求件数，不含告警",
        {"受理量": "sum(accepted)"},
        look={"y_axis_format": COUNT},
    ),
    Chart(
        "按时办结率",
        "big_number_total",
        FIGURES,
        "按期办结 / 已办结或已到期",
        {"按时办结率": rate("on_time")},
        look={"y_axis_format": SHARE},
    ),
    Chart(
        "满意率",
        "big_number_total",
        FIGURES,
        "满意加权 / 已评价",
        {"满意率": rate("satisfied")},
        look={"y_axis_format": SHARE},
    ),
    Chart(
        "每周受理量（按来源）",
        "echarts_timeseries_bar",
        ORDERS,
        "各渠道每周诉求件数",
        {"受理量": "count()"},
        ("channel",),
        grain="P1W",
        look={"stack": "Stack", "y_axis_format": COUNT, "show_legend": True},
        width=6,
    ),
    Chart(
        "每月五率",
        "echarts_timeseries_line",
        FIGURES,
        "每率按当月诉求计，分母为零的月份空缺",
        {
            "响应率": rate("responded"),
            "按时办结率": rate("on_time"),
            "解决率": rate("solved"),
            "满意率": rate("satisfied"),
            "网格内办结率": rate("in_grid"),
        },
        grain="P1M",
        look={"y_axis_format": SHARE, "show_legend": True},
        width=6,
    ),
    Chart(
        "主办单位",
        "table",
        ORDERS,
        "件数最多的单位；不是排名，分档见 docs/kpi.md",
        {
            "受理量": "count()",
            "按时办结率": "countIf(closed_on_time) / nullIf(count(closed_on_time), 0)",
            "解决率": "countIf(solved) / nullIf(count(solved), 0)",
            "重复诉求率": "countIf(is_repeat) / count()",
        },
        ("agency",),
        limit=30,
        look={
            "column_config": {"受理量": {"d3NumberFormat": COUNT}}
            | {name: {"d3NumberFormat": SHARE} for name in ("按时办结率", "解决率", "重复诉求率")},
            "show_cell_bars": False,
        },
        width=6,
    ),
    Chart(
        "事项类别",
        "pie",
        ORDERS,
        "件数最多的十二类",
        {"受理量": "count()"},
        ("matter",),
        limit=12,
        look={"donut": True},
        width=6,
    ),
    Chart(
        "超期未办结",
        "table",
        ORDERS,
        "已过到期时间仍未办结的诉求，先到期的在前",
        columns=("due_at", "upstream_id", "title", "matter", "agency", "street", "community"),
        where="is_overdue",
        order="due_at",
        limit=100,
        width=12,
    ),
)

TITLE: Final = "智枢 · 治理概览"
SLUG: Final = "zhishu"


def uuid_of(*names: str) -> str:
    """The id of an object: the same wherever and whenever it is made."""
    return str(uuid5(UUID(str(uuid5(NAMESPACE_URL, "urn:zhishu:superset"))), "/".join(names)))


def named(name: str, database: str) -> str:
    """A name for the objects of one database: Superset knows two of one name by their names only."""
    return name if database == "bi" else f"{name}-{database}"


def bundle(database: str, address: str, made_at: str) -> bytes:
    """The ZIP that Superset's asset import takes; the password of the connection goes beside it.

    `address`: user@host:port of ClickHouse's HTTP interface; `database`: that user's. `made_at`: ISO 8601.
    """
    files = {
        "metadata": {"version": _VERSION, "type": "assets", "timestamp": made_at},
        CONNECTION.removesuffix(".yaml"): _connection(database, address),
        **{
            f"datasets/zhishu/{one.name}": _dataset(one, database)
            for one in {c.dataset.name: c.dataset for c in CHARTS}.values()
        },
        **{f"charts/zhishu_{n}": _chart(one, database) for n, one in enumerate(CHARTS, 1)},
        "dashboards/zhishu": _dashboard(database),
    }
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            # JSON is YAML, too.
            archive.writestr(f"zhishu/{name}.yaml", json.dumps(content, ensure_ascii=False, indent=1))
    return packed.getvalue()


#: The connection's file in the bundle, by which its password is given.
CONNECTION: Final = "databases/zhishu.yaml"


def _connection(database: str, address: str) -> dict[str, Any]:
    user, _, host = address.partition("@")
    return {
        "version": _VERSION,
        "uuid": uuid_of(database, "connection"),
        "database_name": f"zhishu {database}",
        "sqlalchemy_uri": f"clickhousedb://{user}:XXXXXXXXXX@{host}/{database}",
        "cache_timeout": None,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"allows_virtual_table_explore": True},
    }


def _dataset(dataset: Dataset, database: str) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "uuid": uuid_of(database, dataset.name),
        "database_uuid": uuid_of(database, "connection"),
        "table_name": named(dataset.name, database),
        "schema": database,
        "sql": dataset.sql,
        "main_dttm_col": dataset.day,
        "description": dataset.about,
        "filter_select_enabled": True,
        "columns": [
            {
                "column_name": name,
                "verbose_name": label,
                "is_dttm": name == dataset.day,
                "groupby": True,
                "filterable": True,
            }
            for name, label in dataset.labels.items()
        ],
        "metrics": [],
    }


def _metric(label: str, sql: str) -> dict[str, Any]:
    return {
        "expressionType": "SQL",
        "sqlExpression": sql,
        "label": label,
        "optionName": f"metric_{uuid_of(label, sql)[:8]}",
        "hasCustomLabel": True,
    }


def _chart(chart: Chart, database: str) -> dict[str, Any]:
    metrics = [_metric(label, sql) for label, sql in chart.metrics.items()]
    filters: list[dict[str, Any]] = [
        {
            "clause": "WHERE",
            "expressionType": "SIMPLE",
            "subject": chart.dataset.day,
            "operator": "TEMPORAL_RANGE",
            "comparator": "No filter",
        }
    ]
    if chart.where:
        filters.append({"clause": "WHERE", "expressionType": "SQL", "sqlExpression": chart.where})
    params: dict[str, Any] = {
        "viz_type": chart.kind,
        "adhoc_filters": filters,
        "row_limit": chart.limit,
        **({"metric": metrics[0]} if chart.kind in ("big_number_total", "pie") else {"metrics": metrics}),
        **({"x_axis": chart.dataset.day, "time_grain_sqla": chart.grain} if chart.grain else {}),
        **chart.look,
    }
    if chart.metrics:
        params |= {
            "groupby": list(chart.columns),
            "order_desc": True,
            "sort_by_metric": True,
            "query_mode": "aggregate",
        }
    else:
        params |= {
            "query_mode": "raw",
            "all_columns": list(chart.columns),
            "order_by_cols": [json.dumps([chart.order, True])],
        }
    return {
        "version": _VERSION,
        "uuid": uuid_of(database, "chart", chart.title),
        "dataset_uuid": uuid_of(database, chart.dataset.name),
        "slice_name": chart.title,
        "description": chart.about,
        "viz_type": chart.kind,
        "params": params,
        "query_context": json.dumps(_query_context(chart, metrics, params), ensure_ascii=False),
        "cache_timeout": None,
    }


def _query_context(chart: Chart, metrics: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """The question of a chart as the browser would put it, so that Superset can answer it without one."""
    columns: list[Any] = list(chart.columns)
    if chart.grain:
        axis = {
            "columnType": "BASE_AXIS",
            "expressionType": "SQL",
            "sqlExpression": chart.dataset.day,
            "label": chart.dataset.day,
        }
        columns.insert(0, axis | {"timeGrain": chart.grain})
    order: list[Any] = [[chart.order, True]] if chart.order else [[metrics[0], False]]
    query = {
        "columns": columns,
        "metrics": metrics or None,
        "filters": [{"col": chart.dataset.day, "op": "TEMPORAL_RANGE", "val": "No filter"}],
        "extras": {"where": chart.where or "", "having": ""},
        "orderby": order,
        "row_limit": chart.limit,
        "row_offset": 0,
        "annotation_layers": [],
        "applied_time_extras": {},
        "url_params": {},
        "custom_params": {},
        "custom_form_data": {},
        "post_processing": [],
    }
    return {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": [query],
        "form_data": params,
        "result_format": "json",
        "result_type": "full",
    }


def _dashboard(database: str) -> dict[str, Any]:
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "GRID_ID": {"id": "GRID_ID", "type": "GRID", "parents": ["ROOT_ID"], "children": []},
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": TITLE}},
    }
    row, taken = "", 12
    for number, chart in enumerate(CHARTS, 1):
        if taken + chart.width > 12:
            row, taken = f"ROW-{number}", 0
            position["GRID_ID"]["children"].append(row)
            position[row] = {
                "id": row,
                "type": "ROW",
                "parents": ["ROOT_ID", "GRID_ID"],
                "children": [],
                "meta": {"background": "BACKGROUND_TRANSPARENT"},
            }
        taken += chart.width
        position[row]["children"].append(f"CHART-{number}")
        position[f"CHART-{number}"] = {
            "id": f"CHART-{number}",
            "type": "CHART",
            "parents": ["ROOT_ID", "GRID_ID", row],
            "children": [],
            "meta": {
                "chartId": number,
                "uuid": uuid_of(database, "chart", chart.title),
                "sliceName": chart.title,
                "width": chart.width,
                "height": 22 if chart.kind == "big_number_total" else 50,
            },
        }
    period = {
        "id": "NATIVE_FILTER-period",
        "type": "NATIVE_FILTER",
        "filterType": "filter_time",
        "name": "时间",
        "description": "",
        "targets": [{}],
        "defaultDataMask": {"extraFormData": {}, "filterState": {}},
        "controlValues": {"enableEmptyFilter": False},
        "cascadeParentIds": [],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
    }
    return {
        "version": _VERSION,
        "uuid": uuid_of(database, "dashboard"),
        "dashboard_title": named(TITLE, database),
        "slug": named(SLUG, database),
        "description": "docs/kpi.md",
        "css": "",
        "position": position,
        "metadata": {
            "native_filter_configuration": [period],
            "cross_filters_enabled": True,
            "color_scheme": "supersetColors",
            "refresh_frequency": 300,
        },
        "published": True,
    }
