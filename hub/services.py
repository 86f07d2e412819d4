"""The four processes, put together from settings, profile and secrets."""

import os
import signal
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
from profiles import Profile, load_profile
from schemas.codec import Codec
from schemas.endpoint import registry_routes
from schemas.registry import open_registry
from sinks.kpi import headline
from sinks.run import run_sink
from sinks.writer import SinkConfig, open_clickhouse
from streams.worker import WorkerConfig, run_worker

#: Grace for requests under way when a process is told to stop.
_SHUTDOWN_S: Final = 5.0
#: Seconds before the screen says that ClickHouse does not answer.
_SCREEN_PATIENCE_S: Final = 10


def _profile(settings: Settings, role: str) -> Profile:
    """The profile, with the process's counters made ready for its feeds."""
    profile = load_profile(settings.profile)
    metrics.expose(role, version("zhishu"), profile.feeds())
    return profile


def _codec(settings: Settings) -> Codec:
    codec = Codec(open_registry(settings.registry_url))
    codec.prepare()
    return codec


def _serve(app: web.Application, host: str, port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    web.run_app(app, host=host, port=port, print=None, access_log=None, shutdown_timeout=_SHUTDOWN_S)


def run_gateway(settings: Settings) -> None:
    """`zhishu gateway`."""
    profile = _profile(settings, "gateway")
    secrets = load_secrets(settings.secrets_file)
    privacy = Privacy(secrets.reporter_key, secrets.seal_key, secrets.seal_key_id)
    codec = _codec(settings)
    # A producer that is broken for good ends the process as SIGTERM does; whoever supervises it starts another.
    with KafkaSink(kafka_bootstrap(settings), on_fatal=lambda: os.kill(os.getpid(), signal.SIGTERM)) as sink:
        app = make_app(
            profile,
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
    profile = _profile(settings, "worker")
    data_dir = Path(settings.data_dir) / "worker" / settings.instance
    data_dir.mkdir(parents=True, exist_ok=True)  # Faust makes the last folder only
    run_worker(
        WorkerConfig(
            bootstrap=kafka_bootstrap(settings),
            profile=profile,
            codec=_codec(settings),
            data_dir=data_dir,
            instance_id=f"worker-{settings.instance}",
            driver=settings.worker_driver,
            metrics_host=settings.http_host,
            metrics_port=settings.worker_port,
        )
    )


def start_sink(settings: Settings) -> None:
    """`zhishu sink`."""
    profile = _profile(settings, "sink")
    run_sink(
        SinkConfig(
            bootstrap=kafka_bootstrap(settings),
            clickhouse_url=clickhouse_url(settings),
            profile=profile,
            registry_url=settings.registry_url,
            instance=f"sink-{settings.instance}",
            host=settings.http_host,
            port=settings.sink_port,
        )
    )


def run_screen(settings: Settings) -> None:
    """`zhishu screen`."""
    profile = _profile(settings, "screen")
    url = clickhouse_url(settings)
    brain = ClickHouseBrain(lambda: open_clickhouse(url, _SCREEN_PATIENCE_S), headline, profile.timezone)
    app = screen_server.make_app(brain, screen_server.Deployment.of(profile))
    _serve(app, settings.http_host, settings.screen_port)
