"""A real Prometheus over given processes, quick enough to watch an alert fire and clear.

The configuration is the one `monitoring.prometheus.render` makes; the rules are the shipped ones without their waiting
times (`for`), since a test that waits for minutes is not run.
"""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import pytest
import yaml

from hub.process import free_port, spawn, terminate
from monitoring.prometheus import RULE_FILES, render

BINARY = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")


def require(binary: str | None) -> str:
    """The program, or a skip that says how to get it."""
    if binary is None:
        pytest.skip(
            "promtool or prometheus is not installed: apt-get install -y prometheus (Debian's package has both)"
        )
    return binary


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Returns as soon as the condition holds; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)  # the pause between two looks, not a wait for the thing itself


def impatient_rules(folder: Path) -> list[Path]:
    """Copies of the shipped rules whose alerts fire at the first evaluation."""
    copies = []
    for path in RULE_FILES:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        for group in body["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)
        copies.append(folder / path.name)
        copies[-1].write_text(yaml.safe_dump(body), encoding="utf-8")
    return copies


class PrometheusProcess:
    """Prometheus on a free port of loopback, scraping and evaluating five times a second. Use as a context manager."""

    def __init__(self, folder: Path, targets: Mapping[str, str | Sequence[str]]) -> None:
        """`folder` takes configuration, data and log; `targets` is what `monitoring.prometheus.render` wants."""
        binary = require(BINARY)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = folder / "prometheus.log"
        config = folder / "prometheus.yml"
        config.write_text(
            render(targets, rule_files=impatient_rules(folder), scrape_interval="200ms"), encoding="utf-8"
        )
        self._arguments = [
            binary,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=warn",
        ]

    def __enter__(self) -> Self:
        self._process = spawn(self._arguments, stdout=self.log)
        try:
            wait_until(self._ready, f"Prometheus is ready; its log is {self.log}")
        except BaseException:
            terminate(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        terminate(self._process)

    def _ready(self) -> bool:
        assert self._process.poll() is None, f"Prometheus ended: {self.log.read_text(encoding='utf-8')}"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]

    def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        """Alerts of this name and these labels that fire now, as Prometheus's HTTP API gives them."""
        return [
            found
            for found in self._get("alerts")["alerts"]
            if found["state"] == "firing" and found["labels"].items() >= {"alertname": alert, **labels}.items()
        ]

    def wait_for_alert(self, alert: str, *, fires: bool = True, seconds: float = 30.0, **labels: str) -> None:
        """Waits until an alert of this name and these labels fires, or none does any more."""
        state = "fires" if fires else "has cleared"
        wait_until(lambda: bool(self.firing(alert, **labels)) == fires, f"{alert} {labels} {state}", seconds)

    def wait_for_scrapes(self, seconds: float = 30.0) -> None:
        """Waits until every target was scraped once, and every rule evaluated."""

        def done() -> bool:
            targets = self._get("targets")["activeTargets"]
            groups = self._get("rules")["groups"]
            return all(target["lastScrape"] > "0002" for target in targets) and all(
                rule["lastEvaluation"] > "0002" for group in groups for rule in group["rules"]
            )

        wait_until(done, "every target is scraped and every rule evaluated", seconds)

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """What an expression is now; raises HTTPError where Prometheus takes it for none."""
        found: list[dict[str, Any]] = self._get(f"query?{urlencode({'query': expression})}")["result"]
        return found

    def rule_errors(self) -> list[str]:
        """Messages of rules whose last evaluation failed."""
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in self._get("rules")["groups"]
            for rule in group["rules"]
            if rule["health"] == "err"
        ]
