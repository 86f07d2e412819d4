"""Rules, dashboards, runbooks and their tests agree with each other and with the registry of metrics."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from monitoring import metrics
from schemas.reasons import REASON_CODES
from tests.monitoring.files import (
    ALERT_TESTS,
    MONITORING,
    ROOT,
    RUNBOOKS,
    alert_names,
    alerts,
    dashboard_expressions,
    dashboards,
    recorded,
    rules,
)
from tests.monitoring.promql import Names, names

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

#: What Prometheus itself, its client library and the blackbox exporter bring.
FOREIGN = {"up", "ALERTS", "process_start_time_seconds", "probe_success"}
TARGET_LABELS = {"job", "instance", "le", "alertstate"}
EXPRESSIONS = [rule["expr"] for rule in rules()] + dashboard_expressions()


def registry() -> dict[str, set[str]]:
    """Labels of every time series that the hub's processes can have."""
    found = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            for suffix in SUFFIXES[family.type]:
                # The client library has no public way to ask a metric for its labels.
                found[family.name + suffix] = set(metric._labelnames)
    return found


REGISTRY = registry()


def test_metrics_and_labels_are_told_from_the_rest_of_an_expression() -> None:
    expression = (
        'sum by (fed) (rate(zhishu_acepted_total{feed=~"a|b", reson!="x"}[5m] offset 1d)) > 2.5e3 or on () up * 3'
    )
    assert names(expression) == Names(frozenset({"zhishu_acepted_total", "up"}), frozenset({"fed", "feed", "reson"}))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_asked_for_exists(expression: str) -> None:
    assert names(expression).metrics <= REGISTRY.keys() | FOREIGN | recorded().keys()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_label_asked_for_is_one_of_the_metrics_asked(expression: str) -> None:
    def labels_of(metric: str) -> set[str]:
        inner = {name for inner in recorded().get(metric, []) for name in names(inner).metrics}
        own = {label for rule in rules() if rule.get("record") == metric for label in rule.get("labels", {})}
        return own.union(REGISTRY.get(metric, set()), *(labels_of(name) for name in inner))

    found = names(expression)
    assert found.labels <= TARGET_LABELS.union(*(labels_of(metric) for metric in found.metrics))


def test_every_reason_named_in_a_rule_is_a_reason_code() -> None:
    matchers = [text for rule in rules() for text in re.findall(r'reason[!=~]+"([^"]+)"', rule["expr"])]
    assert {code for text in matchers for code in text.split("|")} == {"bad_signature", "unavailable"}
    assert {"bad_signature", "unavailable"} <= set(REASON_CODES)


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"


@pytest.mark.parametrize("name", alert_names())
def test_a_runbook_has_every_part_the_duty_needs(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert parts == ["Meaning", "First look", "Causes", "Remedy"]
    assert "```" in text, "a runbook has commands"


def test_there_is_no_runbook_without_its_alert() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == alert_names()


def test_the_operations_page_lists_every_alert_with_its_runbook() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\) \|", text, re.MULTILINE)) == alert_names()


def alert_cases() -> Iterator[tuple[str, bool]]:
    """Alert name and whether it must fire, of every case of the promtool tests."""
    for path in ALERT_TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                yield case["alertname"], bool(case["exp_alerts"])


@pytest.mark.parametrize("name", alert_names())
def test_every_alert_has_a_case_that_fires(name: str) -> None:
    assert (name, True) in set(alert_cases())


@pytest.mark.parametrize("name", alert_names())
def test_every_alert_has_a_case_that_does_not_fire(name: str) -> None:
    assert (name, False) in set(alert_cases())


def test_the_roles_that_must_run_are_the_roles_that_are_scraped() -> None:
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    scraped = {job["job_name"] for job in config["scrape_configs"]}
    needed = {rule["labels"]["job"] for rule in rules() if rule.get("record") == "zhishu:needed_role"}
    assert needed == {"gateway", "worker", "sink", "screen", "supervise"}
    assert needed | {"clickhouse", "kafka"} <= scraped


def test_every_panel_says_what_it_shows_and_asks_the_provisioned_source() -> None:
    files = (MONITORING / "grafana/provisioning/datasources").glob("*.yml")
    sources = [
        (entry["type"], entry["uid"])
        for path in files
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    ]
    assert len(sources) == 2
    panels = [panel for board in dashboards() for panel in board["panels"] if panel["type"] != "row"]
    assert panels
    for panel in panels:
        assert panel["title"]
        assert panel["description"]
        for target in panel["targets"]:
            assert (target["datasource"]["type"], target["datasource"]["uid"]) in sources


def test_panels_do_not_lie_on_each_other() -> None:
    for board in dashboards():
        taken = [
            (x, y)
            for grid in (panel["gridPos"] for panel in board["panels"])
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        ]
        assert len(taken) == len(set(taken))
        assert all(x < 24 for x, _ in taken)
