"""The worker's work in a plain confluent-kafka loop: what Faust costs is the difference to this. `python -m bench.plain_loop`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from profiles import load_profile
from schemas.codec import Codec
from schemas.registry import FileRegistry
from schemas.topics import intake_topic
from streams.chunks import ChunkDecider
from streams.decisionlog import Writer
from streams.state import PartitionState


@dataclass
class Taken:
    """A record as the chunk decider wants it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def main() -> None:
    """Decides everything that comes until it is killed; commits after each batch, as the worker does each second."""
    bootstrap, profile_folder = sys.argv[1:]
    profile = load_profile(Path(profile_folder))
    decider, writer = ChunkDecider(profile, Codec(FileRegistry())), Writer(bootstrap, 2.0)
    states: dict[int, PartitionState] = {}
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench-plain",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
    )
    consumer.subscribe([intake_topic(feed) for feed in profile.feeds()])
    while True:
        chunks: dict[tuple[str, int], list[Taken]] = {}
        for message in consumer.consume(1000, timeout=0.05):
            if message.error() is None:
                taken = Taken(message.offset() or 0, message.timestamp()[1], message.key(), message.value())
                chunks.setdefault((message.topic() or "", message.partition() or 0), []).append(taken)
        for (topic, partition), taken_records in chunks.items():
            state = states.setdefault(partition, PartitionState())
            writer.write(partition, decider.run(state, topic, partition, taken_records))
        if chunks:
            ends = [TopicPartition(t, p, taken_records[-1].offset + 1) for (t, p), taken_records in chunks.items()]
            consumer.commit(offsets=ends, asynchronous=True)


if __name__ == "__main__":
    main()
