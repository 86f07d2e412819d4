"""`zhishu supervise`: 督办 and 未诉先办 watched without end; one process of a deployment, a second does no harm."""

import logging
import signal
import time
from collections.abc import Sequence
from importlib.metadata import version
from threading import Event
from typing import Final

from kafka import KafkaProducer

from hub.endpoints import clickhouse_url, kafka_bootstrap
from hub.settings import Settings
from monitoring import metrics
from monitoring.supervision import Supervisor, watch
from profiles import load_profile
from schemas.codec import Codec
from schemas.records import Alert
from schemas.registry import open_registry
from schemas.topics import ALERTS
from sinks.health import serve_health
from sinks.writer import open_clickhouse

_log: Final = logging.getLogger(__name__)

_ACKNOWLEDGED_S: Final = 60.0
#: Seconds a question to ClickHouse may take.
_PATIENCE_S: Final = 30
#: So many rounds without one that told all there was to tell, and the process says that it is not well.
_MISSED_ROUNDS: Final = 5


class AlertWriter:
    """Alerts to Kafka, keyed by subject: what raises and what clears one alert stand in order."""

    def __init__(self, producer: KafkaProducer, codec: Codec) -> None:
        self._producer = producer
        self._codec = codec

    def __call__(self, alerts: Sequence[Alert]) -> None:
        """Returns when all are acknowledged; raises KafkaError of the first that is not."""
        sent = [
            self._producer.send(ALERTS, key=alert["subject"].encode(), value=self._codec.encode("alert", alert))
            for alert in alerts
        ]
        self._producer.flush(_ACKNOWLEDGED_S)
        for one in sent:
            one.get(timeout=_ACKNOWLEDGED_S)


def run_supervise(settings: Settings, stop: Event | None = None) -> None:
    """Runs until SIGTERM or SIGINT, or until `stop` is set (in any thread)."""
    if stop is None:
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    profile = load_profile(settings.profile)
    metrics.expose("supervise", version("zhishu"), profile.feeds())
    codec = Codec(open_registry(settings.registry_url))
    codec.prepare()
    url = clickhouse_url(settings)
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap(settings), acks="all", enable_idempotence=True)
    supervisor = Supervisor(lambda: open_clickhouse(url, _PATIENCE_S), AlertWriter(producer, codec))
    patience = _MISSED_ROUNDS * max(settings.supervise_every_s, _PATIENCE_S)
    health = serve_health(
        settings.http_host, settings.supervise_port, lambda: time.monotonic() - supervisor.last_round < patience
    )
    try:
        watch(supervisor, settings.supervise_every_s, stop)
    finally:
        health.shutdown()
        health.server_close()
        producer.close()
