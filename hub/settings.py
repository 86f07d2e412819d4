"""Settings of every process, from `ZHISHU_*` environment variables: the only place that reads them."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from monitoring.screen.health import parse_watches

DEMO_PROFILE = Path(__file__).resolve().parent.parent / "profiles" / "demo"


class Settings(BaseSettings):
    """Defaults are those of one machine with the embedded Kafka and ClickHouse."""

    model_config = SettingsConfigDict(env_prefix="ZHISHU_", extra="ignore", hide_input_in_errors=True)

    kafka_bootstrap: str | None = Field(None, description="host:port of a Kafka broker; empty: the embedded one")
    clickhouse_url: str | None = Field(
        None, description="http://user:password@host:port of a ClickHouse server; empty: the embedded one"
    )
    clickhouse_cluster: str = Field(
        "",
        pattern=r"^([A-Za-z_]\w*)?$",
        description="name in remote_servers of the cluster whose replicas keep the same rows; empty: one server",
    )
    clickhouse_readers: str = Field(
        "",
        description="user=password of each reader, separated by blanks: `zhishu init` makes them on a ClickHouse server; "
        "empty: it leaves users alone",
    )
    registry_url: str | None = Field(None, description="URL of a schema registry; empty: the hub's own ids")
    profile: Path = Field(DEMO_PROFILE, description="folder of the deployment's profile")
    data_dir: Path = Field(Path(".zhishu"), description="where one machine keeps its data, logs and secrets")
    secrets: Path | None = Field(None, description="secrets file; empty: secrets.toml in the data folder")
    http_host: str = Field("127.0.0.1", description="address the gateway, the screen and /metrics listen on")
    http_port: int = Field(8080, description="port of the gateway")
    tls_cert: Path | None = Field(None, description="PEM file with the chain of `zhishu gateway`; empty: plain HTTP")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key")
    tls_client_ca: Path | None = Field(
        None, description="PEM file with the authorities of client certificates (mTLS); empty: none is asked for"
    )
    proxies: str = Field(
        "", description="addresses or networks of the proxies before the gateway, whose X-Forwarded-For is believed"
    )
    screen_port: int = Field(8088, description="port of the screen")
    screen_watches: str = Field(
        "", description="processes whose health the screen shows: name=http://host:port/health, separated by commas"
    )
    worker_port: int = Field(9101, description="port of the worker's /metrics and /health")
    sink_port: int = Field(9102, description="port of the sink's /metrics and /health")
    reader_port: int = Field(9103, description="port of the reader's /metrics and /health")
    supervise_port: int = Field(9104, description="port of the supervision's /metrics and /health")
    supervise_every_s: float = Field(
        30, gt=0, description="seconds between two looks of the supervision at the figures"
    )
    kafka_port: int = Field(9092, description="port of the embedded Kafka")
    kafka_flush_ms: int = Field(
        1000, description="how often the embedded Kafka forces records to the disk (power cuts)"
    )
    clickhouse_port: int = Field(8123, description="port of the embedded ClickHouse")
    instance: str = Field(
        "1", description="name of this worker or sink in its group, kept over restarts; one per process"
    )
    worker_driver: Literal["batch", "kafka"] = Field(
        "batch", description="batch: whole chunks; kafka: Faust's own driver"
    )

    @field_validator("screen_watches")
    @classmethod
    def _are_watches(cls, value: str) -> str:
        parse_watches(value)  # its ValueError says what is wrong
        return value

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for network in _split(value):
            ip_network(network)  # its ValueError says what is wrong
        return value

    @field_validator("clickhouse_readers")
    @classmethod
    def _are_pairs(cls, value: str) -> str:
        if not all(user and password for user, _, password in (pair.partition("=") for pair in value.split())):
            raise ValueError("give user=password for each reader, separated by blanks")
        return value

    @property
    def reader_passwords(self) -> dict[str, str]:
        """`clickhouse_readers`: password by user."""
        return {
            user: password for user, _, password in (pair.partition("=") for pair in self.clickhouse_readers.split())
        }

    @property
    def proxy_list(self) -> list[str]:
        """`proxies`, one by one."""
        return _split(self.proxies)

    @property
    def secrets_file(self) -> Path:
        """Where the secrets are."""
        return self.secrets or self.data_dir / "secrets.toml"

    def environment(self) -> dict[str, str]:
        """Environment that gives a child process these same settings."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {**os.environ, **{f"ZHISHU_{name.upper()}": str(value) for name, value in values.items()}}


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]
