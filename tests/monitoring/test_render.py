"""The configuration made for one machine."""

import json
from pathlib import Path

import pytest

from monitoring.prometheus import RULE_FILES, render
from tests.monitoring.prometheus_process import PROMTOOL, require
from tests.monitoring.test_promtool import promtool


def test_every_role_becomes_a_job_with_its_addresses() -> None:
    config = json.loads(render({"gateway": "127.0.0.1:8080", "worker": ["127.0.0.1:9101", "127.0.0.1:9111"]}))
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs == {"gateway": ["127.0.0.1:8080"], "worker": ["127.0.0.1:9101", "127.0.0.1:9111"]}


def test_the_shipped_rules_are_loaded_by_their_whole_paths() -> None:
    paths = [Path(path) for path in json.loads(render({"sink": "127.0.0.1:9102"}))["rule_files"]]
    assert {path.name for path in paths} == {"processes.yml", "intake.yml", "flow.yml"}
    assert all(path.is_absolute() and path.is_file() for path in paths)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9102", "127.0.0.1", "127.0.0.1:9102/metrics", ":9102", "127.0.0.1:http"]
)
def test_an_address_that_is_no_host_and_port_is_refused_by_role(address: str) -> None:
    with pytest.raises(ValueError, match="sink must be host:port"):
        render({"sink": address})


def test_a_prometheus_without_targets_is_refused() -> None:
    with pytest.raises(ValueError, match="name at least one role"):
        render({})


@pytest.mark.prometheus
def test_prometheus_takes_the_rendered_configuration(tmp_path: Path) -> None:
    require(PROMTOOL)
    config = tmp_path / "prometheus.yml"
    targets = {"gateway": "127.0.0.1:8080", "sink": "[::1]:9102"}
    config.write_text(render(targets, scrape_interval="1s", alertmanagers=["127.0.0.1:9093"]), encoding="utf-8")
    assert f"{len(RULE_FILES)} rule files found" in promtool("check", "config", config)
