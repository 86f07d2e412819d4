"""The sink as a process: schema, profile tables, /metrics and /health, and the writer until it is told to stop."""

import logging
import math
import signal
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Final, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from monitoring import metrics
from sinks.cases import Cases
from sinks.dimensions import load_dimensions
from sinks.errors import Verdict, verdict
from sinks.health import serve_health
from sinks.migrate import migrate
from sinks.retention import keep, templates
from sinks.schema import drift
from sinks.writer import Sink, SinkConfig, open_clickhouse

_log: Final = logging.getLogger(__name__)

#: Longest round of the writer's loop that is still progress: an insert that times out, and what follows it.
_ALIVE_FOR: Final = 120.0
_START_PAUSE: Final = 1.0
#: Seconds between two looks at the schema.
_SCHEMA_EVERY: Final = 3600.0

_OPEN_CASES: Final = "SELECT countIf(is_open), countIf(is_overdue) FROM bi.cases WHERE appeal_type != 'alarm'"

T = TypeVar("T")


def run_sink(config: SinkConfig, stop: Event | None = None) -> None:
    """Runs a sink in the main thread until SIGTERM or SIGINT, or until `stop` is set (in any thread).

    Waits for ClickHouse where it does not answer yet. Raises SinkError or MigrationError when a person must act.
    """
    if stop is None:
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    client = _when_it_answers(lambda: _prepare(config), stop)
    if client is None:
        return
    sink = Sink(config, client)
    health = None
    if config.port is not None:
        health = serve_health(config.host, config.port, lambda: time.monotonic() - sink.last_turn < _ALIVE_FOR)
    watcher = Thread(target=_watch_cases, args=(config, stop), name="cases", daemon=True)
    watcher.start()
    try:
        sink.run(stop)
    finally:
        stop.set()
        if health is not None:
            health.shutdown()
            health.server_close()


def count_cases(client: Any) -> None:
    """Sets the gauges of open and overdue cases; alarms are no cases."""
    opened, overdue = client.query(_OPEN_CASES).result_rows[0]
    metrics.OPEN.set(opened)
    metrics.OVERDUE.set(overdue)


def look_at_schema(client: Any, config: SinkConfig) -> None:
    """Sets the gauge of differences between the schema and what this release makes, and logs each."""
    found = drift(client, config.ddl, templates(config.profile.retention))
    metrics.SCHEMA_DRIFT.set(len(found))
    for difference in found:
        _log.warning("the schema is not as this release makes it: %s", difference.sentence)


def _prepare(config: SinkConfig) -> Any:
    client = open_clickhouse(config.clickhouse_url, ddl=config.ddl)
    if applied := migrate(client, config.ddl):
        _log.info("applied migrations %s", ", ".join(map(str, applied)))
    load_dimensions(client, config.profile)
    keep(client, config.profile.retention, config.ddl)
    return client


def _watch_cases(config: SinkConfig, stop: Event) -> None:
    client = _when_it_answers(lambda: open_clickhouse(config.clickhouse_url, ddl=config.ddl), stop)
    built = False
    looked_at = -math.inf
    while client is not None and not stop.is_set():
        try:
            if not built:
                Cases(client).rebuild(lambda: not stop.is_set())
                built = True
            count_cases(client)
            if time.monotonic() - looked_at >= _SCHEMA_EVERY:
                look_at_schema(client, config)
                looked_at = time.monotonic()
        except ClickHouseError as error:
            _log.warning(
                "the open cases could not be counted, or the schema not be looked at (%s); tried again",
                type(error).__name__,
            )
        stop.wait(config.cases_every)


def _when_it_answers(call: Callable[[], T], stop: Event) -> T | None:
    """What `call` returns, tried until ClickHouse answers; None when told to stop. Raises what is no passing trouble."""
    while not stop.is_set():
        try:
            return call()
        except Exception as error:
            if verdict(error)[0] is not Verdict.RETRY:
                raise
            _log.warning("ClickHouse does not answer yet; tried again every %.0f s", _START_PAUSE)
            stop.wait(_START_PAUSE)
    return None
