"""One chunk of an intake topic-partition: decode, check, decide, encode. No I/O."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Protocol

import fastavro

from monitoring import metrics
from profiles import Channel, Profile
from schemas import topics
from schemas.codec import Codec, DecodeError, parse
from schemas.ids import digest_id, report_id
from schemas.records import Alert, Change, DeadLetter, Report, RoutedReport
from schemas.registry import schema
from streams import changes
from streams.cases import CaseStep, telling
from streams.classify import Classifier
from streams.decide import Decider, Origin
from streams.direct import check_direct
from streams.state import PartitionState

STAGE: Final = "worker"
_HEADER_BYTES: Final = 5
#: Years 2000 to 2100, milliseconds.
_FIRST_TIME: Final = 946_684_800_000
_LAST_TIME: Final = 4_133_980_800_000
#: Protocol of the channels whose sources write their topic themselves: no connector of ours has masked what they say.
_DIRECT: Final = "kafka"

#: A Kafka key and value.
Message = tuple[bytes, bytes]


class Record(Protocol):
    """What is used of a Kafka record; `timestamp` is the broker's, milliseconds."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


@dataclass
class Outputs:
    """What a chunk leads to, in offset order; `counts` holds (metric, label values) with how often.

    `routed`: for the decision log, decisions and changes. `reviews`: those decisions that a person is asked about.
    `reports`: what messages were assembled into, for their feed's intake topic.
    """

    reports: list[Message] = field(default_factory=list)
    routed: list[Message] = field(default_factory=list)
    reviews: list[Message] = field(default_factory=list)
    alerts: list[Message] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    counts: Counter[tuple[Any, tuple[str, ...]]] = field(default_factory=Counter)

    def count(self) -> None:
        """Add the counts to the process's metrics."""
        for (metric, labels), number in self.counts.items():
            metric.labels(*labels).inc(number)


class RoutedEncoder:
    """Encodes decisions. The report, last field of the record, is appended as the bytes it came in where its schema
    is the newest, which is what encoding it again would give."""

    def __init__(self, codec: Codec) -> None:
        """Prepare the schema of all fields but the report."""
        self._codec = codec
        body = schema("routed_report")
        if body["fields"][-1]["name"] != "report":
            raise RuntimeError(
                "schemas/routed_report: the report must stay the last field, the worker appends its bytes"
            )
        self._head = parse({**body, "fields": body["fields"][:-1]})
        self._head_fields = [f["name"] for f in body["fields"][:-1]]

    def encode(self, routed: RoutedReport, original: bytes) -> bytes:
        """Bytes of a decision on the record whose bytes are `original`."""
        if not original.startswith(self._codec.header("report")):
            return self._codec.encode("routed_report", routed)
        out = BytesIO()
        out.write(self._codec.header("routed_report"))
        fastavro.schemaless_writer(out, self._head, routed)
        out.write(memoryview(original)[_HEADER_BYTES:])
        return out.getvalue()


def check(report: Report, feed: str, channel: Channel | None) -> None:
    """What the contract demands beyond its schema; raises DecodeError, whose text names the field, never its value.

    `channel`: the profile's entry for the report's channel.
    """
    if report["feed"] != feed:
        raise DecodeError("bad_record", f"field feed differs from the topic's feed {feed}: write it to its own topic")
    for name in ("report_id", "channel", "upstream_id", "content_hash", "place_key"):
        if not report[name]:
            raise DecodeError("bad_record", f"field {name} is empty: the connector must fill it")
    if channel is None or channel.feed != feed:
        raise DecodeError("unknown_channel", f"field channel: channels.toml has none of this id for the feed {feed}")
    if report["report_id"] != report_id(feed, report["channel"], report["upstream_id"]):
        raise DecodeError(
            "bad_record",
            "field report_id is not the one of feed, channel and upstream_id: make it as schemas/report says",
        )
    for name in ("reported_at", "received_at"):
        if not _FIRST_TIME <= report[name] < _LAST_TIME:  # type: ignore[literal-required]
            raise DecodeError(
                "bad_time", f"field {name} is outside the years 2000 to 2100: milliseconds since 1970 are meant"
            )
    lon, lat = report["lon"], report["lat"]
    if (lon is None) != (lat is None):
        raise DecodeError("bad_location", "only one of the fields lon and lat is given: give both or none")
    if lon is not None and lat is not None and not (math.fabs(lon) <= 180 and math.fabs(lat) <= 90):
        raise DecodeError("bad_location", "fields lon and lat are no degrees of WGS-84")


class RecordReader:
    """Reads the reports of intake and message topics, by the rules of a profile."""

    def __init__(self, profile: Profile, codec: Codec) -> None:
        """Prepare nothing."""
        self._channels = profile.channels
        self._kinds = profile.matters.keys()
        self._codec = codec

    def report(self, feed: str, record: Record) -> tuple[Report, bytes]:
        """The report of a record, and its bytes; raises DecodeError when it breaks the contract."""
        value = record.value or b""
        if len(value) > topics.MAX_RECORD_BYTES:
            raise DecodeError("too_large", f"the record is larger than {topics.MAX_RECORD_BYTES} bytes")
        report = self._codec.report(value)
        channel = self._channels.get(report["channel"])
        check(report, feed, channel)
        if channel is not None and channel.protocol == _DIRECT:
            check_direct(report, record.timestamp, self._kinds)
        return report, value

    def dead_letter(self, feed: str, topic: str, partition: int, record: Record, error: DecodeError) -> Message:
        """The letter that keeps such a record's own bytes."""
        letter: DeadLetter = {
            "dead_letter_id": digest_id(STAGE, topic, str(partition), str(record.offset)),
            "stage": STAGE,
            "feed": feed,
            "channel": None,
            "origin_topic": topic,
            "origin_partition": partition,
            "origin_offset": record.offset,
            "reason_code": error.code,
            "reason": str(error),
            "failed_at": record.timestamp,
            "key": record.key,
            "content_type": None,
            "original": record.value or b"",
            "sealed_key_id": None,
            "replay_count": topics.replay_count(record.headers),
            "tail": None,
        }
        return topic.encode(), self._codec.encode("dead_letter", letter)


class ChunkDecider:
    """Turns chunks into outputs, with the rules of a profile."""

    def __init__(self, profile: Profile, codec: Codec, classifier: Classifier | None = None) -> None:
        """Prepare the rules and the encoders; `classifier`: of reports whose kind nobody named."""
        self._profile = profile
        self._codec = codec
        self._reader = RecordReader(profile, codec)
        self._decider = Decider(profile, classifier)
        self._telling = telling(profile)
        self._encoder = RoutedEncoder(codec)

    def run(self, state: PartitionState, topic: str, partition: int, records: Iterable[Record]) -> Outputs:
        """Decide on the records of one topic-partition in order; `state` takes in each decision.

        A record that has its outcome already is skipped. One that breaks the contract becomes a dead letter.
        """
        feed = topics.feed_of(topic)
        one = {topics.PROGRESS: self._step, topics.RULINGS: self._ruling}.get(topic, self._report)
        out = Outputs()
        # What a worker that died in the middle still owes to the log.
        self._follow_up(state, partition, out)
        for record in records:
            if state.has_decided(topic, record.offset):
                continue
            try:
                one(state, Origin(topic, partition, record.offset), feed, record, out)
            except DecodeError as error:
                out.dead_letters.append(self._reader.dead_letter(feed, topic, partition, record, error))
                out.counts[metrics.DEAD_LETTERED, (feed, STAGE, error.code)] += 1
                continue
            self._follow_up(state, partition, out)
        return out

    def _report(self, state: PartitionState, origin: Origin, feed: str, record: Record, out: Outputs) -> None:
        counts = out.counts
        report, value = self._reader.report(feed, record)
        decision = self._decider.decide(state, report, origin)
        routed = decision.routed
        surges = state.apply(routed, decision.facts, decision.told)
        message = report["place_key"].encode(), self._encoder.encode(routed, value)
        out.routed.append(message)
        counts[metrics.DECIDED, (feed,)] += 1
        if routed["outcome"] == "replay":
            counts[metrics.REPLAYED, (feed,)] += 1
            return
        if routed["linked_to"] is not None:
            counts[metrics.LINKED, (feed, routed["relation"])] += 1
        if routed["review_matter"] is not None:
            out.reviews.append(message)
            counts[metrics.REVIEWED, (feed,)] += 1
        if routed["manual_reason"] is not None:
            counts[metrics.MANUAL, (feed, routed["manual_reason"])] += 1
        else:
            counts[metrics.ROUTED, (feed, routed["level"] or "")] += 1
        for alert in decision.alerts:
            self._alert(alert, out)
        for surge in surges:
            self._alert(self._decider.surge_alert(state, surge), out)

    def _step(self, state: PartitionState, origin: Origin, _feed: str, record: Record, out: Outputs) -> None:
        progress = self._codec.progress(record.value or b"")
        if progress["step"] in self._telling:
            self._take(state, CaseStep.of(progress), origin, changes.AT_ONCE, out)

    def _ruling(self, state: PartitionState, origin: Origin, _feed: str, record: Record, out: Outputs) -> None:
        ruling = self._codec.ruling(record.value or b"")
        self._changed(state, changes.of_ruling(state, ruling, origin, self._profile), out)

    def _follow_up(self, state: PartitionState, partition: int, out: Outputs) -> None:
        """What follows from what came before: steps kept for a report that has come, and cases whose time for a rating is over.

        It depends on the state alone, and is done before anything else is decided: the same after a crash.
        """
        while (kept := state.kept_step()) is not None:
            offset, told = kept
            self._take(state, told, Origin(topics.PROGRESS, partition, offset), changes.WHEN_MET, out)
        while (ended := state.ended_case()) is not None:
            known, offset, cause_id = ended
            origin = Origin(topics.PROGRESS, partition, offset)
            self._changed(state, changes.of_end(known, origin, cause_id, state.newest, self._profile), out)

    def _take(self, state: PartitionState, told: CaseStep, origin: Origin, number: int, out: Outputs) -> None:
        change, alert = changes.of_step(state, told, origin, self._decider.router, self._profile, number)
        self._changed(state, change, out)
        if alert is not None:
            self._alert(alert, out)

    def _changed(self, state: PartitionState, change: Change, out: Outputs) -> None:
        state.apply_change(change)
        out.routed.append((change["place_key"].encode(), self._codec.encode("change", change)))
        out.counts[metrics.CHANGED, (change["change"],)] += 1

    def _alert(self, alert: Alert, out: Outputs) -> None:
        out.alerts.append((alert["subject"].encode(), self._codec.encode("alert", alert)))
        if alert["cleared_at"] is None:
            out.counts[metrics.ALERTED, (alert["rule"],)] += 1
