"""Every panel of Grafana's dashboard of the brain, and every chart for Superset, is a question that readers get answered."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from hub.clickhouse_embedded import EmbeddedClickHouse
from monitoring.superset import CHARTS, CONNECTION, Chart, bundle, named
from schemas.topics import ALERTS, PROGRESS, ROUTED
from sinks.writer import open_clickhouse
from tests.monitoring.files import MONITORING, dashboard_questions
from tests.sinks.conftest import url
from tests.sinks.records import HOUR, NOON, alert, report, routed, step

pytestmark = pytest.mark.clickhouse


def filled(question: str) -> str:
    """The question with the plugin's macros filled in, for March 2025."""
    text = re.sub(r"\$__dateFilter\(([\w.]+)\)", r"\1 >= toDate('2025-03-01') AND \1 <= toDate('2025-03-31')", question)
    assert "$" not in text, "a macro that this test does not know"
    return text


@pytest.fixture
def march(put: Callable[..., None]) -> None:
    """Nine overdue or closed cases of 住建局 in 中韩街道, and an alert."""
    of = {"agency_code": "zhujian", "agency_name": "住房和城乡建设局"}
    put(ROUTED, [routed(report(f"r{n}", upstream_id=f"r{n}"), intake_offset=n, **of) for n in range(9)])
    put(PROGRESS, [step(f"r{n}", kind, NOON + HOUR) for n in range(5) for kind in ("dispatch", "respond", "close")])
    put(ALERTS, [alert("one")])


@pytest.mark.parametrize("question", dashboard_questions())
def test_a_panel_of_the_brain_is_answered_to_bi(march: None, bi: Any, question: str) -> None:
    answer = bi.query(filled(question))
    now = ("bi.hot_points", "bi.seasonal_warnings")  # these look at today, and the records are of March 2025
    assert answer.result_rows or any(name in question for name in now)
    if "AS time" in question:
        assert answer.column_names[0] == "time"
        assert str(answer.column_types[0].name).startswith("DateTime")


def test_the_brain_says_what_its_records_say(march: None, bi: Any) -> None:
    (accepted,) = [question for question in dashboard_questions() if "sum(accepted) AS accepted" in question]
    assert bi.query(filled(accepted)).result_rows == [(9,)]
    (closed,) = [
        question for question in dashboard_questions() if "sum(on_time_numerator)" in question and "rate" in question
    ]
    assert bi.query(filled(closed)).result_rows == [(5 / 9,)]


def test_the_brain_reads_as_the_user_bi_and_nothing_but_its_views() -> None:
    source = yaml.safe_load(
        (MONITORING / "grafana/provisioning/datasources/clickhouse.yml").read_text(encoding="utf-8")
    )
    (entry,) = source["datasources"]
    assert (entry["jsonData"]["username"], entry["jsonData"]["defaultDatabase"]) == ("bi", "bi")
    assert entry["secureJsonData"]["password"] == "$CLICKHOUSE_BI_PASSWORD"
    assert int(entry["jsonData"]["queryTimeout"]) < 30
    for question in dashboard_questions():
        read = re.findall(r"\b(?:FROM|JOIN)\s+([^\s(]+)", question)
        assert read
        assert all(name.startswith("bi.") for name in read)


def asked(chart: Chart) -> str:
    """The question of a chart, as Superset builds it from the dataset and the chart."""
    time = [f"toStartOfMonth({chart.dataset.day}) AS period"] if chart.grain else []
    shown = [*time, *chart.columns, *(f"{sql} AS `{label}`" for label, sql in chart.metrics.items())]
    text = f"SELECT {', '.join(shown)} FROM ({chart.dataset.sql}) AS virtual_table WHERE {chart.where or 'true'}"
    if chart.metrics and (groups := [*(["period"] if chart.grain else []), *chart.columns]):
        text += f" GROUP BY {', '.join(groups)}"
    return text + (f" ORDER BY {chart.order}" if chart.order else "") + f" LIMIT {chart.limit}"


@pytest.fixture(params=["bi", "zhujian_fenxi"])
def reader(request: pytest.FixtureRequest, march: None, engine: EmbeddedClickHouse) -> Iterator[Any]:
    client = open_clickhouse(url(engine, request.param))
    yield client
    client.close()


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_a_chart_of_superset_is_answered_to_whoever_sees_all_and_to_whoever_sees_a_part(
    reader: Any, chart: Chart
) -> None:
    assert reader.query(asked(chart)).result_rows


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.title)
def test_what_a_dataset_labels_and_tells_periods_by_are_its_columns(march: None, bi: Any, chart: Chart) -> None:
    columns = set(bi.query(f"SELECT * FROM ({chart.dataset.sql}) LIMIT 0").column_names)
    assert {chart.dataset.day, *chart.columns, *chart.dataset.labels} <= columns


def test_there_are_eight_charts_on_a_dashboard_and_the_same_ids_each_time() -> None:
    def files(database: str, moment: str) -> dict[str, Any]:
        with zipfile.ZipFile(io.BytesIO(bundle(database, "bi@127.0.0.1:8123", moment))) as packed:
            return {name: json.loads(packed.read(name)) for name in packed.namelist()}

    made = files("bi", "2025-01-01T00:00:00")
    assert {**files("bi", "2026-01-01T00:00:00"), "zhishu/metadata.yaml": None} == {
        **made,
        "zhishu/metadata.yaml": None,
    }
    charts = {one["uuid"]: one for name, one in made.items() if "/charts/" in name}
    assert len(charts) == len(CHARTS) == 8
    board = made["zhishu/dashboards/zhishu.yaml"]
    tiles = [one for one in board["position"].values() if isinstance(one, dict) and one["type"] == "CHART"]
    placed = {tile["meta"]["uuid"] for tile in tiles}
    assert placed == charts.keys()
    datasets = {one["uuid"] for name, one in made.items() if "/datasets/" in name}
    assert {chart["dataset_uuid"] for chart in charts.values()} == datasets
    assert f"zhishu/{CONNECTION}" in made
    assert "XXXXXXXXXX" in made[f"zhishu/{CONNECTION}"]["sqlalchemy_uri"]  # the password goes beside it
    part = files("bi_zhujian", "2025-01-01T00:00:00")
    assert not {one.get("uuid") for one in part.values()} & {one.get("uuid") for one in made.values()} - {None}
    assert named("zhishu", "bi_zhujian") == part["zhishu/dashboards/zhishu.yaml"]["slug"]
