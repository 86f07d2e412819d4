"""`zhishu up`: the whole hub on one machine, supervised, with the embedded Kafka and ClickHouse where none is set."""

import os
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Final, Self

from rich.console import Console

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.endpoints import (
    Endpoints,
    clickhouse_client,
    clickhouse_url,
    embedded_clickhouse_url,
    remove_endpoints,
    schema_form,
    write_endpoints,
)
from hub.kafka_admin import ensure_topics
from hub.kafka_embedded import EmbeddedKafka
from hub.process import LOOPBACK, DirLock, free_port, port_holder, spawn, terminate
from hub.secrets import Secrets, ensure_secrets
from hub.settings import Settings
from profiles import Profile, load_profile
from schemas.topics import all_topics
from sinks.access import open_databases, open_server
from sinks.dimensions import load_dimensions
from sinks.migrate import migrate
from sinks.retention import keep

_READY_S: Final = 60.0
_STOP_S: Final = 15.0
#: After a kill -9 the old parts need a moment to end before their ports are free.
_PORT_WAIT_S: Final = 15.0
#: A part that ends is started again after 0.5 s, then 1, 2, ... up to this; a minute alive clears the count.
_LONGEST_PAUSE_S: Final = 30.0
_SETTLED_S: Final = 60.0
_LOG_LIMIT_BYTES: Final = 50 * 1024 * 1024
_READERS: Final = ("screen", "supervise")


class UpError(RuntimeError):
    """The hub can't start; the message says why and what to do."""


@dataclass
class Part:
    """A supervised process of ours: `zhishu <role>`."""

    role: str
    port: int
    setting: str
    process: "Popen[bytes] | None" = None
    started_at: float = 0.0
    failures: int = 0
    next_start: float = 0.0


def healthy(host: str, port: int) -> bool:
    """True when the process on this port answers /health with 200."""
    with suppress(OSError), urllib.request.urlopen(f"http://{host}:{port}/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


class Hub:
    """Starts, watches and stops all parts; a context manager.

    Raises UpError, DirLockedError, EmbeddedKafkaError, EmbeddedClickHouseError, ProfileError or SecretsError, each with a
    sentence that says what to do.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        data_dir = settings.data_dir.absolute()
        self.settings = settings.model_copy(
            update={
                "data_dir": data_dir,
                "secrets": settings.secrets_file.absolute(),
                "profile": settings.profile.absolute(),
            }
        )
        self.profile: Profile = load_profile(self.settings.profile)
        self._console = console
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._lock = DirLock(data_dir)
        self._kafka: EmbeddedKafka | None = None
        self._clickhouse: EmbeddedClickHouse | None = None
        self._environment: dict[str, str] = {}
        self._bi_url = ""
        self.secrets: Secrets
        self.parts = [
            Part("gateway", settings.http_port, "ZHISHU_HTTP_PORT"),
            Part("worker", settings.worker_port, "ZHISHU_WORKER_PORT"),
            Part("sink", settings.sink_port, "ZHISHU_SINK_PORT"),
            Part("screen", settings.screen_port, "ZHISHU_SCREEN_PORT"),
            Part("supervise", settings.supervise_port, "ZHISHU_SUPERVISE_PORT"),
        ]
        if any(channel.source is not None for channel in self.profile.channels.values()):
            self.parts.append(Part("reader", settings.reader_port, "ZHISHU_READER_PORT"))

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        self._lock.acquire()
        self.secrets = ensure_secrets(
            self.settings.secrets_file, self.profile.channels.values(), self.profile.access.readers()
        )
        for part in self.parts:
            self._wait_for_port(part)
        data_dir = self.settings.data_dir
        if self.settings.kafka_bootstrap is None:
            with self._console.status("Starting Kafka ..."):
                self._kafka = EmbeddedKafka(
                    data_dir / "kafka", self.settings.kafka_port, flush_every_ms=self.settings.kafka_flush_ms
                )
                self._kafka.start()
        if self.settings.clickhouse_url is None:
            with self._console.status("Starting ClickHouse ..."):
                self._clickhouse = EmbeddedClickHouse(
                    data_dir / "clickhouse",
                    self.settings.clickhouse_port,
                    self.secrets.clickhouse,
                    access=self.profile.access,
                ).start()
        bootstrap = self._kafka.bootstrap if self._kafka else str(self.settings.kafka_bootstrap)
        write_endpoints(data_dir, Endpoints(os.getpid(), bootstrap, self.settings.clickhouse_port))
        url = clickhouse_url(self.settings)
        self.settings = self.settings.model_copy(update={"kafka_bootstrap": bootstrap, "clickhouse_url": url})
        self._environment = self.settings.environment()
        # The screen and the supervision read masked views only, so they get no more than a BI user may read.
        self._bi_url = url
        if self._clickhouse:
            self._bi_url = embedded_clickhouse_url(self._clickhouse.port, "bi", self.secrets.clickhouse["bi"])
        initialise(self.settings, self.profile)
        with self._console.status(f"Starting {', '.join(part.role for part in self.parts)} ..."):
            for part in self.parts:
                self._spawn(part)
            self._wait_until_healthy()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def _wait_for_port(self, part: Part) -> None:
        deadline = time.monotonic() + _PORT_WAIT_S
        while holder := port_holder(part.port):
            if time.monotonic() > deadline or f"pid {os.getpid()}" in holder:
                raise UpError(
                    f"port {part.port} for the {part.role} is in use by {holder}: stop it, or set {part.setting} to another"
                )
            time.sleep(0.1)

    def _spawn(self, part: Part) -> None:
        log = self.settings.data_dir / "logs" / f"{part.role}.log"
        log.parent.mkdir(exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(".log.1"))
        environment = self._environment | ({"ZHISHU_CLICKHOUSE_URL": self._bi_url} if part.role in _READERS else {})
        if part.role == "screen" and not self.settings.screen_watches:
            host = self.settings.http_host
            others = (f"{other.role}=http://{host}:{other.port}/health" for other in self.parts if other is not part)
            environment["ZHISHU_SCREEN_WATCHES"] = ",".join(others)
        part.process = spawn([sys.executable, "-m", "hub", part.role], env=environment, stdout=log)
        part.started_at = time.monotonic()

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _READY_S
        for part in self.parts:
            while not healthy(self.settings.http_host, part.port):
                ended = part.process is None or part.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise UpError(
                        f"the {part.role} {'ended at once' if ended else f'is not ready after {_READY_S:.0f} s'}; "
                        f"its log says why: {self.settings.data_dir / 'logs' / f'{part.role}.log'}"
                    )
                time.sleep(0.05)

    def _watch(self) -> None:
        """Starts what has ended again, after a pause that grows with each failure in a row."""
        while not self._stopping.wait(0.2):
            with suppress(Exception):  # a part that can't start now is tried again at the next turn
                for engine in (self._kafka, self._clickhouse):
                    if engine and not engine.alive():
                        engine.start()
            for part in self.parts:
                self._revive(part)

    def _revive(self, part: Part) -> None:
        now = time.monotonic()
        if part.process is not None:
            if part.process.poll() is None:
                if now - part.started_at > _SETTLED_S:
                    part.failures = 0
                return
            self._console.log(f"the {part.role} ended (code {part.process.returncode}) and is started again")
            part.process = None
            part.failures += 1
            part.next_start = now + min(_LONGEST_PAUSE_S, 0.25 * 2**part.failures)
        if now >= part.next_start:
            self._spawn(part)

    def wait(self) -> None:
        """Returns when the hub is stopped from elsewhere; Ctrl-C ends it with KeyboardInterrupt."""
        self._stopping.wait()

    def stop(self) -> None:
        """Stops all parts, the intake first and the engines last; may be called twice."""
        self._stopping.set()
        if self._watcher:
            self._watcher.join(_STOP_S)
        for part in self.parts:
            if part.process is not None:
                terminate(part.process, _STOP_S)
                part.process = None
        remove_endpoints(self.settings.data_dir)
        for engine in (self._clickhouse, self._kafka):
            if engine is not None:
                engine.stop()
        self._lock.release()

    def pids(self) -> dict[str, int]:
        """Process id of every running part."""
        found = {part.role: part.process.pid for part in self.parts if part.process}
        if self._kafka and self._kafka.pid:
            found["kafka"] = self._kafka.pid
        if self._clickhouse and self._clickhouse.pid:
            found["clickhouse"] = self._clickhouse.pid
        return found


def initialise(settings: Settings, profile: Profile) -> None:
    """`zhishu init`: creates missing topics, migrates ClickHouse, loads the profile's dimensions, sets its
    retention and makes what readers see;
    on a server the readers, too, where settings have their passwords. Idempotent."""
    ensure_topics(str(settings.kafka_bootstrap), all_topics(profile.feeds(), profile.assembled_feeds()))
    ddl = schema_form(settings)
    client = clickhouse_client(str(settings.clickhouse_url), ddl)
    try:
        migrate(client, ddl)
        load_dimensions(client, profile)
        keep(client, profile.retention, ddl)
        open_databases(client, profile.access, ddl)
        if settings.clickhouse_readers:
            open_server(client, profile.access, settings.reader_passwords, ddl)
    finally:
        client.close()


def private_settings(folder: Path, profile: Path) -> Settings:
    """Settings of a hub beside whatever else runs: own folder, free ports, embedded parts, nothing from the environment."""
    return Settings(
        kafka_bootstrap=None,
        clickhouse_url=None,
        clickhouse_cluster="",
        clickhouse_readers="",
        registry_url=None,
        secrets=None,
        data_dir=folder,
        profile=profile,
        http_host=LOOPBACK,
        kafka_flush_ms=1000,
        http_port=free_port(),
        screen_port=free_port(),
        worker_port=free_port(),
        sink_port=free_port(),
        reader_port=free_port(),
        supervise_port=free_port(),
        supervise_every_s=30.0,
        kafka_port=free_port(),
        clickhouse_port=free_port(),
        instance="1",
        worker_driver="batch",
    )
