"""Where Kafka and ClickHouse are: given by settings, or the embedded ones that `zhishu up` started on this machine."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from hub.secrets import load_secrets
from hub.settings import Settings
from sinks.migrate import Ddl
from sinks.writer import open_clickhouse

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
        password = load_secrets(settings.secrets_file).clickhouse["hub"]
        return embedded_clickhouse_url(found.clickhouse_port, "hub", password)
    raise EndpointError("no hub runs on this data folder: start `zhishu up`, or set ZHISHU_CLICKHOUSE_URL to a server")


def embedded_clickhouse_url(port: int, user: str, password: str) -> str:
    """URL of the embedded ClickHouse for one of its users."""
    return f"http://{user}:{quote(password, safe='')}@127.0.0.1:{port}"


def schema_form(settings: Settings) -> Ddl:
    """How the templates of the schema are filled: for one server, or for the replicas of a cluster."""
    if not settings.clickhouse_cluster:
        return Ddl()
    return Ddl(on_cluster=f"ON CLUSTER {settings.clickhouse_cluster}", replicated="Replicated")


def clickhouse_client(url: str, ddl: Ddl | None = None) -> Client:
    """A client for one thread, `ddl` as for open_clickhouse; raises EndpointError when ClickHouse does not let us in."""
    try:
        client: Client = open_clickhouse(url, ddl=ddl)
    except (ClickHouseError, OSError) as error:
        place = urlsplit(url)
        raise EndpointError(
            f"ClickHouse does not let us in at {place.hostname}:{place.port} ({type(error).__name__}); "
            "check that it runs, and the user and password in ZHISHU_CLICKHOUSE_URL"
        ) from None
    return client
