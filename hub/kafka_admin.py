"""Topics and offsets, through kafka-python: what the tools need to know of the broker."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.topics import TopicSpec


class TopicError(RuntimeError):
    """A topic on the broker is not as the hub needs it, or the broker does not answer."""


@dataclass(frozen=True)
class OffsetRange:
    """Offsets of a partition: `begin` is the first kept one, `end` the one that the next record will get."""

    begin: int
    end: int


@contextmanager
def _admin(bootstrap: str) -> Iterator[KafkaAdminClient]:
    try:
        client = KafkaAdminClient(bootstrap_servers=bootstrap, client_id="zhishu-admin")
    except KafkaError as error:
        raise TopicError(
            f"no Kafka broker answers at {bootstrap} ({type(error).__name__}); start one or set ZHISHU_KAFKA_BOOTSTRAP"
        ) from None
    try:
        yield client
    finally:
        client.close()


def _partitions(client: KafkaAdminClient) -> dict[str, int]:
    return {topic["name"]: len(topic["partitions"]) for topic in client.describe_topics()}


def ensure_topics(bootstrap: str, specs: Iterable[TopicSpec], replication: int = -1) -> list[str]:
    """Creates the missing topics, waits for their leaders and returns their names.

    `replication` -1 is the broker's default. Raises TopicError when a topic exists with another partition count.
    """
    wanted = {spec.name: spec for spec in specs}
    with _admin(bootstrap) as client:
        existing = _partitions(client)
        for name in wanted.keys() & existing.keys():
            if existing[name] != wanted[name].partitions:
                raise TopicError(
                    f"topic {name} has {existing[name]} partitions and must have {wanted[name].partitions}: "
                    "reports of one place meet only where all intake topics have the same number"
                )
        missing = sorted(wanted.keys() - existing.keys())
        for name in missing:
            spec = wanted[name]
            options = {"num_partitions": spec.partitions, "replication_factor": replication, "configs": spec.config}
            try:
                client.create_topics({name: options})
            except TopicAlreadyExistsError:
                continue  # another process was faster
        if missing:
            client.wait_for_topics(missing, timeout_ms=30_000)
    return missing


def offset_ranges(bootstrap: str, topics: Iterable[str]) -> dict[tuple[str, int], OffsetRange]:
    """Offset range of every partition of these topics; a topic that does not exist has none."""
    with _admin(bootstrap) as client:
        existing = _partitions(client)
        parts = [TopicPartition(t, p) for t in sorted(topics) for p in range(existing.get(t, 0))]
        begin = client.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.EARLIEST))
        end = client.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
        return {(tp.topic, tp.partition): OffsetRange(begin[tp].offset, end[tp].offset) for tp in parts}


def committed_offsets(bootstrap: str, group: str) -> dict[tuple[str, int], int]:
    """Committed offset of every partition a consumer group has one for."""
    with _admin(bootstrap) as client:
        found = client.list_group_offsets({group: None})[group]
        return {(tp.topic, tp.partition): meta.offset for tp, meta in found.items() if meta.offset >= 0}
