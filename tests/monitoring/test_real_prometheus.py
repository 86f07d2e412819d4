"""The shipped rules in a real Prometheus over real processes: an alert fires, and clears when its cause is gone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.monitoring.files import dashboard_expressions
from tests.monitoring.prometheus_process import BINARY, PrometheusProcess, require, wait_until

pytestmark = pytest.mark.prometheus


class Exporter:
    """A process with the hub's metrics."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input = process.stdin
        self.port = int(process.stdout.readline())

    @property
    def address(self) -> str:
        """host:port of its /metrics."""
        return f"127.0.0.1:{self.port}"

    def set(self, gauge: str, value: float, **labels: str) -> None:
        """Sets a gauge of `monitoring.metrics`."""
        pairs = ",".join(f"{name}={text}" for name, text in labels.items())
        self._input.write(f"{gauge} {pairs} {value}\n")
        self._input.flush()


@contextmanager
def exporter(port: int = 0) -> Iterator[Exporter]:
    command = [sys.executable, "-m", "tests.monitoring.exporter", str(port)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Exporter(process)
        finally:
            process.kill()


def test_an_alert_fires_and_clears_in_a_real_prometheus(tmp_path: Path) -> None:
    require(BINARY)
    with exporter() as others, exporter() as sink:
        targets = {
            "gateway": others.address,
            "worker": others.address,
            "screen": [others.address],
            "supervise": others.address,
        }
        with PrometheusProcess(tmp_path, {**targets, "sink": sink.address}) as prometheus:
            prometheus.wait_for_scrapes()
            prometheus.wait_for_alert("RoleDown", fires=False)
            assert prometheus.firing("LagOld") == []

            sink.set("LAG_SECONDS", 900, stage="sink", topic="routed")
            prometheus.wait_for_alert("LagOld", stage="sink", topic="routed", severity="warning")
            (alert,) = prometheus.firing("LagOld")
            assert alert["annotations"]["summary"] == "The sink is late on routed"
            assert "15m 0s" in alert["annotations"]["description"]

            sink.set("LAG_SECONDS", 0, stage="sink", topic="routed")
            prometheus.wait_for_alert("LagOld", fires=False)
            assert prometheus.rule_errors() == []


def test_a_killed_process_is_told_by_role_and_a_new_one_ends_the_alert(tmp_path: Path) -> None:
    require(BINARY)
    with exporter() as others, ExitStack() as first:
        sink = first.enter_context(exporter())
        targets = {
            "gateway": others.address,
            "worker": others.address,
            "screen": others.address,
            "supervise": others.address,
            "sink": sink.address,
        }
        with PrometheusProcess(tmp_path, targets) as prometheus:
            prometheus.wait_for_scrapes()
            prometheus.wait_for_alert("RoleDown", fires=False)

            first.close()
            prometheus.wait_for_alert("RoleDown", job="sink")
            prometheus.wait_for_alert("ProcessDown", job="sink", instance=sink.address)
            assert {alert["labels"]["job"] for alert in prometheus.firing("RoleDown")} == {"sink"}

            with exporter(sink.port):
                prometheus.wait_for_alert("RoleDown", fires=False)
                prometheus.wait_for_alert("ProcessDown", fires=False)


def test_every_panel_of_the_operations_is_a_question_that_prometheus_takes(tmp_path: Path) -> None:
    require(BINARY)
    with exporter() as others:
        targets = dict.fromkeys(("gateway", "worker", "screen", "supervise", "sink"), others.address)
        with PrometheusProcess(tmp_path, targets) as prometheus:
            wait_until(lambda: len(prometheus.ask("up == 1")) == len(targets), "every process answers")
            asked = [expression.replace("$__rate_interval", "1m") for expression in dashboard_expressions()]
            answered = [expression for expression in asked if prometheus.ask(expression)]
    # The others are of counters and gauges that nobody has set yet.
    assert len(answered) >= 2
