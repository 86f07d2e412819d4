"""One broker and one engine for all tests of this folder; every test begins with empty tables and empty topics."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.kafka_embedded import EmbeddedKafka
from profiles import Profile, load_profile
from schemas import topics
from sinks.access import open_databases
from sinks.dimensions import load_dimensions
from sinks.migrate import migrate
from sinks.rows import (
    STORED_TOPICS,
    Origin,
    Row,
    alert_rows,
    dead_letter_rows,
    progress_rows,
)
from sinks.writer import open_clickhouse
from tests.sinks.records import log_rows
from tests.sinks.store import empty, store

ROOT = Path(__file__).parents[2]

PLACES = [TopicPartition(topic, partition, -1) for topic in STORED_TOPICS for partition in range(2)]

_offsets = count()


_ROWS: dict[str, Callable[[Any, Origin], list[Row]]] = {
    topics.ROUTED: log_rows,
    topics.PROGRESS: progress_rows,
    topics.ALERTS: alert_rows,
    topics.DEADLETTER: dead_letter_rows,
}


@pytest.fixture(scope="session")
def profile() -> Profile:
    return load_profile(ROOT / "profiles" / "demo")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, profile: Profile) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse"), access=profile.access) as server:
        yield server


def url(engine: EmbeddedClickHouse, user: str = "hub") -> str:
    return engine.url.replace("http://", f"http://{user}:{engine.passwords[user]}@")


@pytest.fixture(scope="session")
def migrated(engine: EmbeddedClickHouse, profile: Profile) -> Any:
    client = open_clickhouse(url(engine))
    migrate(client)
    load_dimensions(client, profile)
    open_databases(client, profile.access)
    return client


@pytest.fixture
def hub(migrated: Any) -> Any:
    """A client that may do everything, on empty tables."""
    empty(migrated)
    return migrated


@pytest.fixture
def bi(hub: Any, engine: EmbeddedClickHouse) -> Any:
    """A client of an analyst."""
    return open_clickhouse(url(engine, "bi"))


@pytest.fixture
def put(hub: Any) -> Callable[..., None]:
    """Stores records as the sink does, in one go, at the next offsets of their topic's partition 0."""

    def put(topic: str, records: Iterable[Any], offsets: Iterable[int] | None = None) -> None:
        places = iter(offsets) if offsets is not None else _offsets
        rows = [row for record in records for row in _ROWS[topic](record, Origin(topic, 0, next(places), 0))]
        store(hub, topic, rows)

    return put


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        wanted = [NewTopic(topic, num_partitions=2, replication_factor=1) for topic in STORED_TOPICS]
        for made in admin(server.bootstrap).create_topics(wanted).values():
            made.result(30)
        for place in PLACES:  # a partition just made may have no leader yet
            wait_for(lambda at=place: send(server, at.topic, [b"first"], at.partition))
        yield server


@pytest.fixture
def kafka(broker: EmbeddedKafka) -> EmbeddedKafka:
    """The broker with its topics emptied; offsets go on."""
    for done in admin(broker.bootstrap).delete_records(PLACES).values():
        done.result(30)
    return broker


@cache
def admin(bootstrap: str) -> AdminClient:
    """One client for all questions."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def edges(broker: EmbeddedKafka, which: OffsetSpec) -> dict[tuple[str, int], int]:
    """First or next offset of every topic's partition."""
    asked = admin(broker.bootstrap).list_offsets(dict.fromkeys(PLACES, which))
    return {(place.topic, place.partition): found.result(30).offset for place, found in asked.items()}


def ends(broker: EmbeddedKafka) -> dict[tuple[str, int], int]:
    """Next offset of every topic's partition."""
    return edges(broker, OffsetSpec.latest())


def committed(broker: EmbeddedKafka, group: str) -> dict[tuple[str, int], int]:
    """Committed offset of every topic's partition that has one.

    Asked by a consumer that never joins the group: the admin client's question for a group nobody knows ends in a
    segmentation fault (confluent-kafka 2.16).
    """
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    try:
        found = consumer.committed([TopicPartition(place.topic, place.partition) for place in PLACES], timeout=10)
    finally:
        consumer.close()
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def all_committed(broker: EmbeddedKafka, group: str, *topics: str) -> bool:
    """Whether the group has committed all that stands in the topics."""
    try:
        places, first = committed(broker, group), edges(broker, OffsetSpec.earliest())
    except KafkaException:  # a new group has no coordinator yet
        return False
    return all(
        places.get(place) == end for place, end in ends(broker).items() if place[0] in topics and end > first[place]
    )


def send(
    broker: EmbeddedKafka,
    topic: str,
    values: Iterable[bytes],
    partition: int = 0,
    key: bytes = b"k",
    headers: list[tuple[str, bytes]] | None = None,
) -> list[int]:
    """Offsets of the values, once the broker acknowledged them all."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})
    offsets: list[int] = []

    def delivered(error: Any, message: Any) -> None:
        assert error is None, error
        offsets.append(message.offset())

    for value in values:
        producer.produce(topic, value, key=key, partition=partition, headers=headers, on_delivery=delivered)
    assert producer.flush(30) == 0
    return offsets


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true answer of `condition`, asked again and again; fails after `seconds`."""
    end = monotonic() + seconds
    pause = Event()
    while not (answer := condition()):
        assert monotonic() < end, "waited in vain"
        pause.wait(0.05)
    return answer
