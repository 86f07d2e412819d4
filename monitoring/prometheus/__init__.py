"""Prometheus for one machine: where the alert rules lie, and a configuration that scrapes a running hub.

`docker-compose.yml` does not need this: it mounts `prometheus.yml` of this folder. Both use the same rule files.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent

#: Every alert and recording rule of the hub.
RULE_FILES: Final = tuple(sorted((_FOLDER / "rules").glob("*.yml")))


def render(
    targets: Mapping[str, str | Sequence[str]],
    *,
    rule_files: Sequence[Path] = RULE_FILES,
    scrape_interval: str = "15s",
    alertmanagers: Sequence[str] = (),
) -> str:
    """Configuration of a Prometheus that scrapes these processes and evaluates the rules at the same interval.

    `targets` maps a role (`gateway`, `worker`, `sink`, `screen`, ...) to the `host:port` of its `/metrics`, or to several.
    The role becomes the label `job`, which the alerts tell processes apart by. `scrape_interval` is a Prometheus
    duration; it is the time limit of one scrape too. The text is JSON, which Prometheus reads as the YAML it is.

    Raises ValueError when no target is given, or when one is not `host:port` (a URL, say).
    """
    if not targets:
        raise ValueError("no process to scrape: name at least one role with the host:port of its /metrics")
    jobs = [
        {"job_name": role, "static_configs": [{"targets": [_host_port(role, address) for address in _listed(where)]}]}
        for role, where in targets.items()
    ]
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": scrape_interval,
            "scrape_timeout": scrape_interval,
            "evaluation_interval": scrape_interval,
        },
        "rule_files": [str(path.resolve()) for path in rule_files],
        "scrape_configs": jobs,
    }
    if alertmanagers:
        addresses = [_host_port("alertmanager", address) for address in alertmanagers]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": addresses}]}]}
    return json.dumps(config, indent=2)


def _listed(where: str | Sequence[str]) -> Sequence[str]:
    return (where,) if isinstance(where, str) else where


def _host_port(role: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not port.isdecimal():
        raise ValueError(f"the address of {role} must be host:port, without http:// and path")
    return address
