"""The shipped monitoring files, read for the tests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from monitoring.prometheus import RULE_FILES

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"
ALERT_TESTS = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of every rule file."""
    for path in RULE_FILES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    """Every alert rule."""
    return [rule for rule in rules() if "alert" in rule]


def alert_names() -> list[str]:
    """Names of the alerts, each once."""
    return sorted({rule["alert"] for rule in alerts()})


def recorded() -> dict[str, list[str]]:
    """Expressions of each recording rule."""
    found: dict[str, list[str]] = {}
    for rule in rules():
        if "record" in rule:
            found.setdefault(rule["record"], []).append(rule["expr"])
    return found


def dashboards() -> list[dict[str, Any]]:
    """Every Grafana dashboard."""
    return [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(MONITORING.glob("grafana/dashboards/*.json"))
    ]


def _targets() -> list[dict[str, Any]]:
    return [t for board in dashboards() for panel in board["panels"] for t in panel.get("targets", [])]


def dashboard_expressions() -> list[str]:
    """Every PromQL query of every dashboard."""
    return [target["expr"] for target in _targets() if target["datasource"]["type"] == "prometheus"]


def dashboard_questions() -> list[str]:
    """Every SQL query of every dashboard."""
    return [target["rawSql"] for target in _targets() if target["datasource"]["type"] != "prometheus"]
