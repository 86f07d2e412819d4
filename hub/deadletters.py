"""`zhishu deadletter list|show|replay`: what the hub could not take, and sending it again once its cause is mended.

A letter of a connector is unsealed and posted to its channel again; a letter of the worker or the sink is written to the
topic it came from, with its key. Sending twice is harmless: ids are deterministic. A letter that fails again comes back as
a new letter with a higher replay_count (the Kafka header `replay-count` carries it).
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata
from yarl import URL

from connectors.privacy import SealError
from hub.kafka_admin import committed_offsets, offset_ranges
from hub.play import Played, Player, Request
from hub.secrets import Secrets
from profiles import Profile
from schemas.codec import Codec, DecodeError
from schemas.records import DeadLetter
from schemas.topics import DEADLETTER, REPLAY_HEADER

_log: Final = logging.getLogger(__name__)
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
    """Letters not yet replayed, or all of them, oldest first within each partition; ends at the present end.

    A value that is no letter is passed over with a line in the log: a foreign record must not hide the others.
    """
    ranges = offset_ranges(bootstrap, [DEADLETTER])
    done = {} if everything else committed_offsets(bootstrap, GROUP)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, isolation_level="read_committed")
    try:
        for (topic, partition), bounds in sorted(ranges.items()):
            tp = TopicPartition(topic, partition)
            consumer.assign([tp])
            consumer.seek(tp, max(bounds.begin, done.get((topic, partition), bounds.begin)))
            while consumer.position(tp) < bounds.end:
                for message in consumer.poll(timeout_ms=1000, max_records=100).get(tp, []):
                    if message.offset < bounds.end:
                        try:
                            yield Letter(partition, message.offset, codec.dead_letter(message.value or b""))
                        except DecodeError as error:
                            _log.warning("%s/%d/%d is no letter (%s)", topic, partition, message.offset, error.code)
    finally:
        consumer.close()


def _original(record: DeadLetter, secrets: Secrets) -> bytes:
    if record["sealed_key_id"] is None:
        return record["original"]
    try:
        return secrets.privacy().unseal(record["original"], record["dead_letter_id"], record["sealed_key_id"])
    except SealError as error:
        raise ReplayError(str(error)) from None


@dataclass
class Replayed:
    """What was sent and answered, and the letters that could not be sent, by id, with the reason."""

    played: Played = field(default_factory=Played)
    skipped: dict[str, str] = field(default_factory=dict)


class _Replay:
    """Sends letters one after the other: through the gateway, or back into the topic they came from."""

    def __init__(self, player: Player, producer: KafkaProducer, profile: Profile, secrets: Secrets) -> None:
        self._player = player
        self._producer = producer
        self._profile = profile
        self._secrets = secrets
        self._sent: list[Any] = []
        self.result = Replayed()

    async def send(self, record: DeadLetter) -> None:
        """Sends one letter; what keeps it from being sent is noted."""
        try:
            if record["stage"] == "connector":
                await self._post(record)
            else:
                self._produce(record)
        except ReplayError as error:
            self.result.skipped[record["dead_letter_id"]] = str(error)

    async def _post(self, record: DeadLetter) -> None:
        channel = self._profile.channels.get(record["channel"] or "")
        secret = self._secrets.channels.get(record["channel"] or "")
        if channel is None or secret is None:
            raise ReplayError(f"channels.toml or the secrets file has no channel {record['channel']}: add it")
        if not record["original"]:
            raise ReplayError(f"its original was not kept ({record['reason_code']}): there is nothing to send again")
        body = _original(record, self._secrets)
        request = Request(body, record["content_type"] or "application/json", 1, record["replay_count"] + 1)
        tail = f"/{record['tail']}" if record["tail"] else ""
        address = URL.build(path=f"/intake/{channel.id}{tail}").raw_path  # as it is sent, which the signature covers
        await self._player.send(channel, secret, address, request, self.result.played)

    def _produce(self, record: DeadLetter) -> None:
        headers = [(REPLAY_HEADER, str(record["replay_count"] + 1).encode())]
        value = _original(record, self._secrets)
        self._sent.append(self._producer.send(record["origin_topic"], value=value, key=record["key"], headers=headers))

    def finish(self) -> None:
        """Waits for Kafka's acknowledgement of every letter written back; raises KafkaError."""
        for future in self._sent:
            future.get(timeout=60)
        self.result.played.accepted += len(self._sent)


async def _replay(
    bootstrap: str,
    url: str,
    profile: Profile,
    secrets: Secrets,
    letters: Iterable[Letter],
) -> tuple[Replayed, dict[int, int], set[str]]:
    """Result, next offset by partition, and the ids that were read."""
    ends: dict[int, int] = {}
    seen: set[str] = set()
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    try:
        async with aiohttp.ClientSession() as session:
            work = _Replay(Player(url, session), producer, profile, secrets)
            for letter in letters:
                ends[letter.partition] = letter.offset + 1
                seen.add(letter.record["dead_letter_id"])
                await work.send(letter.record)
        work.finish()
    finally:
        producer.close()
    return work.result, ends, seen


def replay(
    bootstrap: str, url: str, codec: Codec, profile: Profile, secrets: Secrets, only: frozenset[str] = frozenset()
) -> Replayed:
    """Sends the letters not yet replayed again, or just those with these ids whether replayed or not.

    Without `only`, every letter read counts as replayed once all were sent, whatever came of them: what fails again is a
    new letter, and what could not be sent is told by id. Raises ReplayError for an unknown id, hub.play.PlayError when
    the gateway stays away, KafkaError when the broker does; then none counts as replayed.
    """
    found = read_letters(bootstrap, codec, bool(only))
    chosen = (letter for letter in found if not only or letter.record["dead_letter_id"] in only)
    result, ends, seen = asyncio.run(_replay(bootstrap, url, profile, secrets, chosen))
    if missing := only - seen:
        raise ReplayError(
            f"no dead letter has the id {', '.join(sorted(missing))}; `zhishu deadletter list --all` shows all"
        )
    if ends and not only:
        _commit(bootstrap, ends)
    return result


def _commit(bootstrap: str, ends: dict[int, int]) -> None:
    offsets = {TopicPartition(DEADLETTER, partition): OffsetAndMetadata(end, "", -1) for partition, end in ends.items()}
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False)
    try:
        consumer.assign(list(offsets))
        consumer.commit(offsets)
    finally:
        consumer.close()
