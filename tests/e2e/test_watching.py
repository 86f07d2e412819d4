"""The real Prometheus over the running hub: an alert fires when the worker is away, and clears when it is back."""

import os
import signal
from pathlib import Path

import pytest

from hub.up import Hub
from tests.e2e.hubs import wait_until
from tests.monitoring.prometheus_process import BINARY, PrometheusProcess, require

pytestmark = [pytest.mark.e2e, pytest.mark.prometheus]


def test_a_killed_worker_fires_an_alert_that_clears_when_it_is_back(played: Hub, tmp_path: Path) -> None:
    require(BINARY)
    targets = {part.role: f"127.0.0.1:{part.port}" for part in played.parts}
    with PrometheusProcess(tmp_path, targets) as prometheus:
        prometheus.wait_for_scrapes()
        prometheus.wait_for_alert("RoleDown", fires=False)
        worker = played.pids()["worker"]
        os.kill(worker, signal.SIGKILL)
        prometheus.wait_for_alert("RoleDown", job="worker")
        wait_until(lambda: played.pids().get("worker") not in (None, worker), "the worker is started again")
        prometheus.wait_for_alert("RoleDown", fires=False, seconds=60)
        assert prometheus.rule_errors() == []
