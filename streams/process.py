"""The process around the worker: its last words, its log, its gauges and its two HTTP pages."""

import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from monitoring import metrics
from streams.chunks import STAGE

EXIT_FAILURE: Final = 1

logger = logging.getLogger("zhishu.streams")
#: librdkafka's own words; without a logger it writes to stderr.
client_logger = logging.getLogger("zhishu.streams.kafka")
_CHATTY: Final = (
    client_logger.name,
    "aiokafka",
    "aiokafka.client",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.consumer.consumer",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.producer",
    "aiokafka.producer.sender",
)


class WorkerError(RuntimeError):
    """The worker can't start or go on; the message says what to do and holds no record value."""


def die(error: BaseException) -> NoReturn:
    """End the process at once: nothing may be acknowledged or committed any more.

    Messages of unknown errors may hold record values: only those of our own are logged, of others type and place.
    """
    ours = isinstance(error, WorkerError)
    where = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
    logger.critical("The worker ends: %s%s\n%s", type(error).__name__, f": {error}" if ours else "", where)
    logging.shutdown()
    os._exit(EXIT_FAILURE)


class LagGauges:
    """Lag by topic: records between committed and last offset, and the age of the oldest of them."""

    def __init__(self) -> None:
        """Nothing known yet."""
        self._since: dict[tuple[str, int], float] = {}

    def done(self, topic: str, partition: int, timestamp: int) -> None:
        """A chunk is done; what follows it is about as old as its last record (broker time, milliseconds)."""
        self._since[topic, partition] = timestamp / 1000

    def observe(self, topics: Iterable[str], consumer: Any) -> None:
        """Set the gauges from the consumer's offsets."""
        records = dict.fromkeys(topics, 0)
        oldest = dict.fromkeys(topics, 0.0)
        now = time.time()
        for tp in consumer.assignment():
            behind = (consumer.highwater(tp) or 0) - (consumer._committed_offset[tp] or 0)
            if behind <= 0:
                self._since.pop(tp, None)
                continue
            records[tp.topic] += behind
            oldest[tp.topic] = max(oldest[tp.topic], now - self._since.setdefault((tp.topic, tp.partition), now))
        for topic in records:
            metrics.LAG_RECORDS.labels(STAGE, topic).set(records[topic])
            metrics.LAG_SECONDS.labels(STAGE, topic).set(oldest[topic])


class _Repeated(logging.Filter):
    """Lets one message of a kind pass in ten seconds: an absent broker gives some seventy a second."""

    _EVERY_S: Final = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record may pass."""
        kind = record.name, str(record.msg)
        now = time.monotonic()
        if now - self._passed.get(kind, -self._EVERY_S) < self._EVERY_S:
            return False
        self._passed[kind] = now
        return True


def quieten() -> None:
    """Limit how often the Kafka clients say the same thing."""
    repeated = _Repeated()
    for name in _CHATTY:
        logging.getLogger(name).addFilter(repeated)


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log no request."""


def serve_metrics(host: str, port: int, ready: Callable[[], bool]) -> None:
    """/metrics for Prometheus; /health: 200 once partitions were assigned (perhaps none), else 503."""
    exposition = make_wsgi_app()

    def application(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/health":
            return exposition(environ, start_response)
        start_response("200 OK" if ready() else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"ok" if ready() else b"waiting for partitions"]

    server = make_server(host, port, application, ThreadingWSGIServer, _Silent)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
