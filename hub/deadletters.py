"""`zhishu deadletter list|show|replay`: what the hub could not take, and sending it again once its cause is mended.

A letter of a connector is unsealed and posted to its channel again; a letter of the worker or the sink is written to the
topic it came from, with its key. Sending twice is harmless: ids are deterministic. A letter that fails again comes back as
a new letter with a higher replay_count (the Kafka header `replay-count` carries it).
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import aiohttp
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from connectors.privacy import Privacy
from hub.kafka_admin import committed_offsets, offset_ranges
from hub.play import Played, Player, Request
from hub.secrets import Secrets
from profiles import Profile
from schemas.codec import Codec
from schemas.records import DeadLetter
from schemas.topics import DEADLETTER, REPLAY_HEADER

#: Consumer group whose committed offsets say which letters were replayed already.
GROUP: Final = "deadletter-replay"


class ReplayError(RuntimeError):
    """A letter can't be replayed; the message says why and what to do."""


@dataclass(frozen=True)
class Letter:
    """A dead letter with its own place in the topic."""

    partition: int
    offset: int
    record: DeadLetter


def read_letters(bootstrap: str, codec: Codec, everything: bool = False) -> Iterator[Letter]:
    """Letters not yet replayed, or all of them, oldest first within each partition; ends at the present end."""
    ranges = offset_ranges(bootstrap, [DEADLETTER])
    done = {} if everything else committed_offsets(bootstrap, GROUP)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    try:
        for (topic, partition), bounds in sorted(ranges.items()):
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, max(bounds.begin, done.get((topic, partition), bounds.begin)))
            while consumer.position(tp) < bounds.end:
                for message in consumer.poll(timeout_ms=1000).get(tp, []):
                    if message.offset < bounds.end:
                        yield Letter(partition, message.offset, codec.dead_letter(message.value))
    finally:
        consumer.close()


def _original(record: DeadLetter, secrets: Secrets) -> bytes:
    if record["sealed_key_id"] is None:
        return record["original"]
    if record["sealed_key_id"] != secrets.seal_key_id:
        raise ReplayError(
            f"letter {record['dead_letter_id']} is sealed with the key {record['sealed_key_id']}; give that key to read it"
        )
    privacy = Privacy(secrets.reporter_key, secrets.seal_key, secrets.seal_key_id)
    return privacy.unseal(record["original"], record["dead_letter_id"])


async def _post(url: str, profile: Profile, secrets: Secrets, letters: Iterable[Letter]) -> Played:
    played = Played()
    async with aiohttp.ClientSession() as session:
        player = Player(url, session)
        for letter in letters:
            record = letter.record
            channel = profile.channels.get(record["channel"] or "")
            if channel is None:
                raise ReplayError(f"letter {record['dead_letter_id']} names a channel that channels.toml does not have")
            body = Request(_original(record, secrets), record["content_type"] or "application/json", 1)
            await player.send(channel, secrets.channels[channel.id], f"/intake/{channel.id}", body, played)
    return played


def _produce(bootstrap: str, letters: Iterable[Letter], secrets: Secrets) -> int:
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    sent = []
    try:
        for letter in letters:
            record = letter.record
            count = str(record["replay_count"] + 1).encode()
            sent.append(
                producer.send(
                    record["origin_topic"],
                    value=_original(record, secrets),
                    key=record["key"],
                    headers=[(REPLAY_HEADER, count)],
                )
            )
        producer.flush(timeout=60)
        for future in sent:
            future.get(timeout=60)
    finally:
        producer.close()
    return len(sent)


def replay(
    bootstrap: str, url: str, codec: Codec, profile: Profile, secrets: Secrets, only: frozenset[str] = frozenset()
) -> Played:
    """Sends the letters not yet replayed again, or just those with these ids whether replayed or not.

    Without `only`, every letter read counts as replayed once all were sent, whatever came of them: what fails again is a
    new letter. Raises ReplayError or hub.play.PlayError; then none counts as replayed.
    """
    letters = [x for x in read_letters(bootstrap, codec, bool(only)) if not only or x.record["dead_letter_id"] in only]
    if missing := only - {letter.record["dead_letter_id"] for letter in letters}:
        raise ReplayError(
            f"no dead letter has the id {', '.join(sorted(missing))}; `zhishu deadletter list --all` shows all"
        )
    by_post = [letter for letter in letters if letter.record["stage"] == "connector"]
    played = asyncio.run(_post(url, profile, secrets, by_post))
    played.accepted += _produce(bootstrap, (x for x in letters if x.record["stage"] != "connector"), secrets)
    if not only:
        _commit(bootstrap, letters)
    return played


def _commit(bootstrap: str, letters: list[Letter]) -> None:
    ends: dict[TopicPartition, int] = {}
    for letter in letters:
        tp = TopicPartition(DEADLETTER, letter.partition)
        ends[tp] = max(ends.get(tp, 0), letter.offset + 1)
    if not ends:
        return
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False)
    try:
        consumer.assign(list(ends))
        consumer.commit({tp: OffsetAndMetadata(offset, "", -1) for tp, offset in ends.items()})
    finally:
        consumer.close()
