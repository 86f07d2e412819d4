"""The four processes, put together from settings, profile and secrets."""

import logging
import os
import signal
import ssl
import time
import traceback
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from connectors.documents import document_routes
from connectors.gateway import make_app
from connectors.guard import Guard
from connectors.incoming import Bodies, Limits
from connectors.intake import Intake
from connectors.open311.server import Server
from connectors.openapi import openapi
from connectors.producer import KafkaSink, RecordSink
from connectors.status import report_routes
from hub.endpoints import clickhouse_url, kafka_bootstrap, schema_form
from hub.secrets import Secrets, SecretsFile
from hub.settings import Settings
from hub.status import ClickHouseReports
from hub.tls import server_context
from monitoring import metrics
from monitoring.screen import server as screen_server
from monitoring.screen.brain import ClickHouseBrain
from monitoring.screen.health import parse_watches
from monitoring.screen.outlines import outlines
from profiles import Profile, load_profile
from schemas.asyncapi import asyncapi
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
#: Forms of Open311, which are short, held at once beside the intake's bodies.
_FORMS: Final = Limits(in_flight_bytes=16 * 1024 * 1024)
#: Seconds before a look-up is answered 503.
_LOOKUP_PATIENCE_S: Final = 6


def _profile(settings: Settings, role: str) -> Profile:
    """The profile, with the process's counters made ready for its feeds."""
    profile = load_profile(settings.profile)
    metrics.expose(role, version("zhishu"), profile.feeds())
    return profile


def _codec(settings: Settings) -> Codec:
    codec = Codec(open_registry(settings.registry_url))
    codec.prepare()
    return codec


def place_only(record: logging.LogRecord) -> bool:
    """Leaves of a web server's error its type and place: its text quotes what a sender wrote where a request should begin."""
    if record.exc_info and isinstance(record.exc_info[1], Exception):
        error = record.exc_info[1]
        frame = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" in {frame[0].filename}, line {frame[0].lineno}" if frame else ""
        record.msg, record.args = f"{type(error).__name__}{where}", ()
        record.exc_info = record.exc_text = None
    return True


def _serve(app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
    """Serves until SIGTERM or SIGINT."""
    logging.getLogger("aiohttp.server").addFilter(place_only)
    web.run_app(app, host=host, port=port, ssl_context=tls, print=None, access_log=None, shutdown_timeout=_SHUTDOWN_S)


def gateway_app(
    settings: Settings, profile: Profile, secrets: SecretsFile, sink: RecordSink, codec: Codec
) -> web.Application:
    """The gateway with all that is served beside it; channel secrets and the seal key are those that the file has at the time."""
    intake = Intake(profile, secrets.present.privacy(), sink, codec, lambda: time.time_ns() // 1_000_000)

    def reseal(changed: Secrets) -> None:
        intake.privacy = changed.privacy()

    secrets.on_change = reseal
    guard = Guard(secrets.channel, intake.clock, secrets.present.nonce_key(), settings.proxy_list)
    return make_app(intake, guard, [*registry_routes(), *_publisher_routes(settings, profile, intake, guard)])


def _publisher_routes(settings: Settings, profile: Profile, intake: Intake, guard: Guard) -> list[web.RouteDef]:
    """What publishers get beside the intake. ClickHouse is asked for when a question needs it; the intake does without."""
    release = version("zhishu")
    reports = ClickHouseReports(lambda: open_clickhouse(clickhouse_url(settings), _LOOKUP_PATIENCE_S))
    topics = asyncapi(release, open_registry(settings.registry_url), profile.feeds(), profile.assembled_feeds())
    return [
        *Server(intake, guard, reports, Bodies(_FORMS)).routes(),
        *report_routes(profile, guard, reports),
        *document_routes(openapi(profile, release), topics),
    ]


def run_gateway(settings: Settings) -> None:
    """`zhishu gateway`."""
    profile = _profile(settings, "gateway")
    tls = server_context(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    secrets = SecretsFile(settings.secrets_file)
    codec = _codec(settings)
    # A producer that is broken for good ends the process as SIGTERM does; whoever supervises it starts another.
    with KafkaSink(kafka_bootstrap(settings), on_fatal=lambda: os.kill(os.getpid(), signal.SIGTERM)) as sink:
        _serve(gateway_app(settings, profile, secrets, sink, codec), settings.http_host, settings.http_port, tls)


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
            ddl=schema_form(settings),
            host=settings.http_host,
            port=settings.sink_port,
        )
    )


def run_screen(settings: Settings) -> None:
    """`zhishu screen`."""
    profile = _profile(settings, "screen")
    url = clickhouse_url(settings)
    brain = ClickHouseBrain(lambda: open_clickhouse(url, _SCREEN_PATIENCE_S), headline, profile.timezone)
    today = datetime.now(ZoneInfo(profile.timezone)).date()
    app = screen_server.make_app(
        brain,
        screen_server.Deployment.of(profile),
        outlines=outlines(profile, today),
        watches=parse_watches(settings.screen_watches),
    )
    _serve(app, settings.http_host, settings.screen_port)
