"""Dead letters of the sink: records whose bytes can't be read, or whose row ClickHouse refuses for itself."""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.ids import digest_id
from schemas.reasons import ReasonCode
from schemas.records import DeadLetter
from schemas.topics import replay_count
from sinks.rows import Origin

STAGE = "sink"


class Raw(NamedTuple):
    """A record as Kafka gave it, with the feed and channel it came by where they could be read."""

    origin: Origin
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes | None]] = ()
    feed: str = ""
    channel: str | None = None


def dead_letter(raw: Raw, code: ReasonCode, reason: str) -> DeadLetter:
    """The letter of a record: the same for the same record, however often it is met."""
    topic, partition, offset, timestamp = raw.origin
    return {
        "dead_letter_id": digest_id(STAGE, topic, str(partition), str(offset)),
        "stage": STAGE,
        "feed": raw.feed,
        "channel": raw.channel,
        "origin_topic": topic,
        "origin_partition": partition,
        "origin_offset": offset,
        "reason_code": code,
        "reason": f"{reason} ({topic}, partition {partition}, offset {offset})",
        "failed_at": timestamp,
        "key": raw.key,
        "content_type": None,
        "original": raw.value,
        "sealed_key_id": None,
        "replay_count": replay_count(raw.headers),
        "tail": None,
    }
