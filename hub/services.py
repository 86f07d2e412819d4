"""The four processes, put together from settings, profile and secrets."""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

from aiohttp import web

from connectors.gateway import make_app
from connectors.privacy import Privacy
from connectors.producer import KafkaSink
from hub.endpoints import clickhouse_url, kafka_bootstrap
from hub.secrets import load_secrets
from hub.settings import Settings
from monitoring import metrics
from monitoring.screen import server as screen_server
from monitoring.screen.brain import ClickHouseBrain
from profiles import load_profile
from schemas.codec import Codec
from schemas.endpoint import registry_routes
from schemas.registry import open_registry
from sinks.kpi import headline
from sinks.run import run_sink
from sinks.writer import SinkConfig, open_clickhouse
from streams.worker import WorkerConfig, run_worker

#: Grace for requests under way when a process is told to stop.
_SHUTDOWN_S: Final = 5.0


def _announce(role: str) -> None:
    metrics.BUILD.labels(version=version("zhishu"), role=role).set(1)


def _serve(app: web.Application, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    web.run_app(app, host=host, port=port, print=None, access_log=None, shutdown_timeout=_SHUTDOWN_S)


def run_gateway(settings: Settings) -> None:
    """`zhishu gateway`."""
    _announce("gateway")
    secrets = load_secrets(settings.secrets_file)
    privacy = Privacy(secrets.reporter_key, secrets.seal_key, secrets.seal_key_id)
    codec = Codec(open_registry(settings.registry_url))
    with KafkaSink(kafka_bootstrap(settings)) as sink:
        app = make_app(
            load_profile(settings.profile),
            secrets.channels,
            privacy,
            sink,
            codec,
            lambda: time.time_ns() // 1_000_000,
            registry_routes(),
        )
        _serve(app, settings.http_host, settings.http_port)


def start_worker(settings: Settings) -> None:
    """`zhishu worker`."""
    _announce("worker")
    data_dir = Path(settings.data_dir) / "worker" / settings.instance
    data_dir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    run_worker(
        WorkerConfig(
            bootstrap=kafka_bootstrap(settings),
            profile=load_profile(settings.profile),
            codec=Codec(open_registry(settings.registry_url)),
            data_dir=data_dir,
            instance_id=f"worker-{settings.instance}",
            driver=settings.worker_driver,
            metrics_host=settings.http_host,
            metrics_port=settings.worker_port,
        )
    )


def start_sink(settings: Settings) -> None:
    """`zhishu sink`."""
    _announce("sink")
    run_sink(
        SinkConfig(
            bootstrap=kafka_bootstrap(settings),
            clickhouse_url=clickhouse_url(settings),
            profile=load_profile(settings.profile),
            registry_url=settings.registry_url,
            instance=f"sink-{settings.instance}",
            host=settings.http_host,
            port=settings.sink_port,
        )
    )


def run_screen(settings: Settings) -> None:
    """`zhishu screen`."""
    _announce("screen")
    profile = load_profile(settings.profile)
    url = clickhouse_url(settings)
    brain = ClickHouseBrain(lambda: open_clickhouse(url), headline, profile.timezone)
    app = screen_server.make_app(brain, screen_server.Deployment.of(profile))
    _serve(app, settings.http_host, settings.screen_port)
