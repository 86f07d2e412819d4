"""Kafka topics: names, partition counts and settings, as DESIGN section 4 lists them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

INTAKE_PREFIX: Final = "intake."
#: Messages of which several may make one report (WeChat): keyed by person, assembled by the worker into the feed's intake.
MESSAGES_PREFIX: Final = "messages."
PROGRESS: Final = "progress"
#: A person's word on what belongs together, written by the review commands.
RULINGS: Final = "rulings"
#: Decisions that a person is asked to look at: the record of `routed` again, of those with a review_matter.
REVIEW: Final = "review"
ROUTED: Final = "routed"
ALERTS: Final = "alerts"
DEADLETTER: Final = "deadletter"

#: Header of a record that was dead-lettered and is played again: how often, as digits.
REPLAY_HEADER: Final = "replay-count"

#: All topics a worker takes chunks of and `routed` have this many, so that what one key holds meets in one partition: reports of
#: all channels, the steps of their cases, rulings.
INTAKE_PARTITIONS: Final = 12

#: Largest encoded record, dead letter or progress note that any part hands to Kafka: under librdkafka's 1 000 000 bytes for a
#: whole message and the broker's 1 MiB, with room for key, headers and batch framing.
MAX_RECORD_BYTES: Final = 900_000

_DAY_MS: Final = 24 * 3600 * 1000
#: `routed` is what a worker rebuilds its state from and the sink may re-read: keep it longer than any matching window.
_RETENTION_MS: Final = 400 * _DAY_MS
_KEPT: Final = {"retention.ms": str(_RETENTION_MS)}
#: The broker's own time of each record, not its writer's: some sources write their topics themselves.
_TIMED: Final = {"message.timestamp.type": "LogAppendTime"}
#: A decision and a dead letter hold a whole record of another topic, which may be 1 MiB by itself.
_WRAPPING: Final = {"max.message.bytes": str(2 * 1024 * 1024)}


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it must exist before the hub starts."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=lambda: dict(_KEPT))


def intake_topic(feed: str) -> str:
    """Topic that carries the reports of a feed."""
    return INTAKE_PREFIX + feed


def messages_topic(feed: str) -> str:
    """Topic that carries the single messages of a feed whose reports are assembled."""
    return MESSAGES_PREFIX + feed


def feed_of(topic: str) -> str:
    """Feed of an intake topic; empty for any other topic."""
    return topic.removeprefix(INTAKE_PREFIX) if topic.startswith(INTAKE_PREFIX) else ""


def replay_count(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """How often a record was dead-lettered and played again before, as REPLAY_HEADER says; 0 where it says nothing sensible."""
    digits = next((value for name, value in headers if name == REPLAY_HEADER), None) or b""
    return int(digits) if digits.isdigit() and len(digits) < 6 else 0


def all_topics(feeds: Iterable[str], assembled: Iterable[str] = ()) -> list[TopicSpec]:
    """Every topic of a deployment with these feeds, of which those in `assembled` come as single messages."""
    return [
        *(TopicSpec(intake_topic(feed), INTAKE_PARTITIONS, _KEPT | _TIMED) for feed in sorted(feeds)),
        *(TopicSpec(messages_topic(feed), INTAKE_PARTITIONS) for feed in sorted(assembled)),
        TopicSpec(ROUTED, INTAKE_PARTITIONS, _KEPT | _WRAPPING),
        TopicSpec(REVIEW, INTAKE_PARTITIONS, _KEPT | _WRAPPING),
        TopicSpec(PROGRESS, INTAKE_PARTITIONS),
        TopicSpec(RULINGS, INTAKE_PARTITIONS),
        TopicSpec(ALERTS, 3),
        TopicSpec(DEADLETTER, 3, _KEPT | _WRAPPING),
    ]
