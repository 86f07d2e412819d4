"""Prometheus's and Alertmanager's own tools over the shipped files."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.files import ALERT_TESTS, MONITORING, dashboard_expressions
from tests.monitoring.prometheus_process import PROMTOOL, require

pytestmark = pytest.mark.prometheus

AMTOOL = shutil.which("amtool")


def promtool(*arguments: str | Path) -> str:
    """Output of promtool; fails with it when promtool finds fault."""
    done = subprocess.run([require(PROMTOOL), *arguments], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration_of_compose_with_all_its_rules() -> None:
    assert "3 rule files found" in promtool("check", "config", MONITORING / "prometheus" / "prometheus.yml")


@pytest.mark.parametrize("path", ALERT_TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_keep_still_as_their_tests_say(path: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", path)


def test_every_expression_of_the_dashboard_is_valid_promql(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(dashboard_expressions())
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


def test_alertmanager_takes_its_configuration() -> None:
    if AMTOOL is None:
        pytest.skip("amtool is not installed: apt-get install -y prometheus-alertmanager (version 0.26 or later)")
    path = MONITORING / "alertmanager" / "alertmanager.yml"
    done = subprocess.run([AMTOOL, "check-config", path], check=False, capture_output=True, text=True, timeout=60)
    if "field url_file not found" in done.stdout + done.stderr:
        pytest.skip("this amtool is older than 0.26 and does not know url_file; Debian 12 has 0.25")
    assert done.returncode == 0, done.stdout + done.stderr
