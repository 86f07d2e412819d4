"""Where Kafka and ClickHouse are: given by settings, or the embedded ones that `zhishu up` started on this machine."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from hub.secrets import load_secrets
from hub.settings import Settings

_FILE = "endpoints.json"


class EndpointError(RuntimeError):
    """Nothing says where a part is, or it does not answer; the message says what to set."""


@dataclass(frozen=True)
class Endpoints:
    """Addresses of the running hub on this machine, as `zhishu up` found them."""

    pid: int
    kafka: str
    clickhouse_port: int


def write_endpoints(data_dir: Path, endpoints: Endpoints) -> None:
    """Leaves the addresses for the tools, whole or not at all."""
    temporary = data_dir / f"{_FILE}.new"
    temporary.write_text(json.dumps(asdict(endpoints)), encoding="utf-8")
    temporary.replace(data_dir / _FILE)


def remove_endpoints(data_dir: Path) -> None:
    """Takes the addresses away when the hub stops."""
    (data_dir / _FILE).unlink(missing_ok=True)


def _read(data_dir: Path) -> Endpoints | None:
    try:
        found = Endpoints(**json.loads((data_dir / _FILE).read_text(encoding="utf-8")))
        os.kill(found.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return found


def kafka_bootstrap(settings: Settings) -> str:
    """host:port of the broker; raises EndpointError."""
    if settings.kafka_bootstrap:
        return settings.kafka_bootstrap
    if found := _read(settings.data_dir):
        return found.kafka
    raise EndpointError("no hub runs on this data folder: start `zhishu up`, or set ZHISHU_KAFKA_BOOTSTRAP to a broker")


def clickhouse_url(settings: Settings) -> str:
    """URL with user and password; raises EndpointError."""
    if settings.clickhouse_url:
        return settings.clickhouse_url
    if found := _read(settings.data_dir):
        password = quote(load_secrets(settings.secrets_file).clickhouse["hub"], safe="")
        return f"http://hub:{password}@127.0.0.1:{found.clickhouse_port}"
    raise EndpointError("no hub runs on this data folder: start `zhishu up`, or set ZHISHU_CLICKHOUSE_URL to a server")


def clickhouse_client(url: str) -> Client:
    """A client over HTTP, without a session, so that threads may share it; raises EndpointError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise EndpointError("ZHISHU_CLICKHOUSE_URL must look like http://user:password@host:8123")
    try:
        return clickhouse_connect.get_client(
            host=parts.hostname,
            port=parts.port or (8443 if parts.scheme == "https" else 8123),
            secure=parts.scheme == "https",
            username=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            autogenerate_session_id=False,
        )
    except (ClickHouseError, OSError) as error:
        raise EndpointError(
            f"ClickHouse does not let us in at {parts.hostname}:{parts.port} ({type(error).__name__}); "
            "check that it runs, and the user and password in ZHISHU_CLICKHOUSE_URL"
        ) from None
