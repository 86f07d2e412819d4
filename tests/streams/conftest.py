"""A real broker for the session, topics of one test, and workers that are real processes."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupState,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from hub.kafka_embedded import EmbeddedKafka
from hub.process import free_port
from schemas import topics
from schemas.records import RoutedReport
from tests.streams.make import CODEC, FEEDS

PARTITIONS = 4
INTAKE = [topics.intake_topic(feed) for feed in FEEDS]
MESSAGES = topics.messages_topic("wechat")
CONSUMED = [*INTAKE, topics.PROGRESS, topics.RULINGS, MESSAGES]
ROOT = Path(__file__).parents[2]


def wait_for(condition: Callable[[], Any], seconds: float = 60.0, what: str = "the condition") -> Any:
    """First true value of the condition; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}")
        time.sleep(0.05)
    return value


def patiently(ask: Callable[[], Any]) -> Any:
    """Answer of a broker that may have just started: a partition's leader or a group's coordinator may not be there yet."""

    def answer() -> Any:
        with suppress(KafkaException):
            return ask()
        return None

    return wait_for(answer, what="an answer of the broker")


class Hub:
    """The topics of one test, filled and read with plain clients."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5})

    def create_topics(self) -> None:
        names = {*CONSUMED, topics.ROUTED, topics.REVIEW, topics.ALERTS, topics.DEADLETTER}
        self.delete(*(names & set(self.admin.list_topics(timeout=10).topics)))
        self.create(*names)

    def create(self, *names: str) -> None:
        counts = {topics.ALERTS: 1, topics.DEADLETTER: 1}
        for future in self.admin.create_topics([NewTopic(n, counts.get(n, PARTITIONS), 1) for n in names]).values():
            future.result()
        wait_for(lambda: {*names} <= set(self.admin.list_topics(timeout=10).topics), what="the topics to come")

    def delete(self, *names: str) -> None:
        if names:
            for future in self.admin.delete_topics(list(names)).values():
                future.result()
        wait_for(lambda: not {*names} & set(self.admin.list_topics(timeout=10).topics), what="the topics to go")

    def send(self, topic: str, partition: int, values: list[bytes]) -> None:
        for value in values:
            self.producer.produce(topic, value, b"370212001", partition)
            self.producer.poll(0)
        assert self.producer.flush(30) == 0

    def read(self, topic: str) -> list[Any]:
        """All messages of a topic, in the order of each partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "test",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        count = len(self.admin.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(count)])
        found, ended = [], set()
        while len(ended) < count:
            for message in consumer.consume(10_000, 1.0):
                if message.error() is None:
                    found.append(message)
                else:
                    ended.add(message.partition())
        consumer.close()
        return found

    def decisions(self) -> list[RoutedReport]:
        """Of the decision log the records on reports."""
        log = (CODEC.decode(m.value()) for m in self.read(topics.ROUTED))
        return [cast(RoutedReport, record) for subject, record in log if subject == "routed_report"]

    def decided_offsets(self) -> Counter[tuple[str, int, int]]:
        """How often each intake offset stands in the decision log."""
        return Counter((d["intake_topic"], d["intake_partition"], d["intake_offset"]) for d in self.decisions())

    def sizes(self, names: list[str]) -> dict[tuple[str, int], int]:
        """End offset of each topic-partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test"})
        keys = [(name, number) for name in names for number in range(PARTITIONS)]
        found = patiently(lambda: {key: consumer.get_watermark_offsets(TopicPartition(*key), 10)[1] for key in keys})
        consumer.close()
        return found

    def transactional_producer(self) -> Producer:
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": "test"})
        producer.init_transactions(30)
        return producer

    def assignments(self, group: str) -> list[set[tuple[str, int]]]:
        """Topic-partitions of each member of a stable group."""
        described = self.admin.describe_consumer_groups([group])[group].result()
        if described.state != ConsumerGroupState.STABLE:
            return []
        return [{(tp.topic, tp.partition) for tp in m.assignment.topic_partitions} for m in described.members]

    def routed_count(self) -> int:
        return sum(self.sizes([topics.ROUTED]).values())

    def sent_on(self) -> int:
        """Reports in the intake topics."""
        return sum(self.sizes(INTAKE).values())

    def lag(self, group: str) -> int:
        """Records of the topics it consumes that the group has not committed."""
        ends = self.sizes(CONSUMED)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        asked = [TopicPartition(topic, number) for topic, number in ends]

        found = patiently(lambda: consumer.committed(asked, 10))
        committed = {(tp.topic, tp.partition): max(tp.offset, 0) for tp in found}
        consumer.close()
        return sum(end - committed[key] for key, end in ends.items())


class Worker:
    """A worker process."""

    def __init__(self, hub: Hub, folder: Path, group: str, instance: str, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.group, self.port, self.log = group, free_port(), folder / "log"
        settings = {"group": group, "instance_id": instance, "metrics_port": self.port, **options}
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.streams.worker_process",
                    hub.bootstrap,
                    str(folder),
                    json.dumps(settings),
                ],
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )

    def get(self, path: str) -> tuple[int, str]:
        with suppress(OSError):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, ""
        return 0, ""

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return self.get("/health")[0] == 200

    def kill(self) -> None:
        """SIGKILL, asserted."""
        self.process.kill()
        assert self.process.wait(10) == -signal.SIGKILL

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def hub(kafka: EmbeddedKafka) -> Hub:
    made = Hub(kafka.bootstrap)
    made.create_topics()
    return made


@pytest.fixture
def start(hub: Hub, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts workers, and ends at the end of the test those that still run."""
    started: list[Worker] = []

    def begin(instance: str = "one", **options: Any) -> Worker:
        group = options.pop("group", f"workers-{os.getpid()}-{tmp_path.name}")
        worker = Worker(hub, tmp_path / f"{instance}-{len(started)}", group, instance, **options)
        started.append(worker)
        return worker

    yield begin
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
