"""Messages whose sender is known, to records that Kafka acknowledged: what the gateway and the readers share.

Nothing here knows HTTP. docs/decisions/0006-http-intake.md says why it is done so.
"""

import asyncio
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from connectors import declared
from connectors.auth import NO_SECRET, ChannelSecret
from connectors.base import Connector, Context, Outcome
from connectors.bodies import Broken, Message, media_type
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy
from connectors.producer import KafkaRecord, RecordSink, UnavailableError
from monitoring import metrics
from profiles import Channel, Profile
from schemas.codec import Codec
from schemas.ids import digest_id
from schemas.reasons import ReasonCode
from schemas.records import DeadLetter, Report
from schemas.topics import DEADLETTER, MAX_RECORD_BYTES, PROGRESS, intake_topic, messages_topic

_log: Final = logging.getLogger(__name__)

#: Seconds of normalising after which other requests get their turn, between two messages.
_SLICE_S: Final = 0.03
_JSON: Final = "application/json"
#: Bytes of an original that a dead letter keeps, so that the letter itself is a record Kafka takes.
_LETTER_BYTES: Final = MAX_RECORD_BYTES - 50_000
_CUT: Final = f"only the first {_LETTER_BYTES} bytes of the original are kept here"
#: Characters of an address below a channel's that a letter keeps.
_TAIL: Final = 200
#: Reasons for which an original may not even be kept sealed.
_NOT_KEPT: Final[frozenset[ReasonCode]] = frozenset(("forbidden_class",))

#: Milliseconds UTC.
Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body, known to be in Kafka. `single`: it was one message and no batch. `ctx`: what it was read in."""

    outcomes: list[Outcome]
    single: bool
    ctx: Context


@dataclass(slots=True)
class _Work:
    """A body's outcomes, and the records that must be acknowledged before they may be told."""

    connector: Connector
    ctx: Context
    content_type: str
    replay_count: int
    outcomes: list[Outcome] = field(default_factory=list)
    records: list[KafkaRecord] = field(default_factory=list)
    letters: Counter[ReasonCode] = field(default_factory=Counter)


class Intake:
    """Takes bodies for the channels of a profile; ProfileError where one of them declares what can't be read.

    `privacy` may be replaced while it runs: the seal key rotates.
    """

    def __init__(self, profile: Profile, privacy: Privacy, sink: RecordSink, codec: Codec, clock: Clock) -> None:
        declared.check(profile)
        self.profile = profile
        self.privacy = privacy
        self.sink = sink
        self.clock = clock
        self._codec = codec
        self._places = Places(profile)
        self._zone = ZoneInfo(profile.timezone)
        for feed in profile.feeds():  # so that a feed that never spoke is seen as silent, not as absent
            metrics.RECEIVED.labels(feed=feed)
            metrics.LAST_ACCEPTED.labels(feed=feed)

    def context(
        self,
        channel: Channel,
        secret: ChannelSecret = NO_SECRET,
        query: Mapping[str, str] | None = None,
        tail: str = "",
    ) -> Context:
        """What a connector may know of a request that came now."""
        return Context(
            self.profile, channel, self.privacy, self._places, self._zone, self.clock(), secret, query or {}, tail
        )

    async def take(
        self,
        channel: Channel,
        connector: Connector,
        body: bytes,
        content_type: str,
        *,
        secret: ChannelSecret = NO_SECRET,
        query: Mapping[str, str] | None = None,
        tail: str = "",
        replay_count: int = 0,
        counted: Callable[[int], None] = lambda _: None,
    ) -> Taken:
        """The outcomes of a body whose sender is known, once Kafka has their records.

        `counted` is told how many messages beyond the first were read, while they are: a rate holds for many bodies at once.
        A bad message is an outcome, not an error; where its sender can't mend and repeat it, it is dead-lettered. Raises
        UnavailableError when Kafka did not acknowledge (send the same again), and Refusal (bad_signature) where the
        protocol's proof inside the body fails: then nothing is kept.
        """
        ctx = self.context(channel, secret, query, tail)
        work, single = _Work(connector, ctx, content_type, replay_count), True
        try:
            parsed = connector.parse(body, content_type, ctx)
            single = parsed.single
            if not single:  # a batch's message is kept by itself, as JSON, whatever the batch came as
                work.content_type = _JSON
            await self._normalise(parsed.items, work, counted)
        except Exception as error:
            refusal = as_refusal(error)
            if refusal.code == "bad_signature":
                count_refused(channel, [refusal.code])
                raise refusal from None
            work, single = _Work(connector, ctx, content_type, replay_count), True
            self._refuse(refusal, body, work)
        try:
            await self.sink.send(work.records)
        except UnavailableError as error:
            _log.warning("channel %s: %s", channel.id, error)
            count_refused(channel, ["unavailable"] * len(work.outcomes))
            raise
        self._count(channel, work)
        return Taken(work.outcomes, single, ctx)

    async def _normalise(self, items: Iterable[Message | Broken], work: _Work, counted: Callable[[int], None]) -> None:
        """Adds one outcome for each item; what goes wrong with one does not touch the others."""
        begun, told = time.monotonic(), 1
        for item in items:
            try:
                if isinstance(item, Broken):
                    raise item.refusal
                work.outcomes.append(self._accept(item, work))
            except Exception as error:
                self._refuse(as_refusal(error), item.raw, work)
            if time.monotonic() - begun > _SLICE_S:
                counted(len(work.outcomes) - told)
                told = len(work.outcomes)
                await asyncio.sleep(0)
                begun = time.monotonic()
        counted(len(work.outcomes) - told)

    def _accept(self, message: Message, work: _Work) -> Outcome:
        found = work.connector.normalise(message, work.ctx)
        if found is None:
            return Outcome("ignored")
        if found[0] == "report":
            report = found[1]
            topic, key = _place(report, work.ctx.channel)
            work.records.append((topic, key.encode(), _bounded(self._codec.encode("report", report))))
            return Outcome("accepted", report["report_id"], "report")
        progress = found[1]
        value = _bounded(self._codec.encode("progress", progress))
        # With the reports, so that a worker has a case and its steps in one partition.
        work.records.append((PROGRESS, self.profile.county_code.encode(), value))
        return Outcome("accepted", progress["progress_id"], "progress")

    def _refuse(self, refusal: Refusal, raw: bytes, work: _Work) -> None:
        work.outcomes.append(Outcome("refused", refusal=refusal))
        if not work.connector.repeats:
            work.records.append(self._letter(refusal, raw, work))
            work.letters[refusal.code] += 1

    def _letter(self, refusal: Refusal, raw: bytes, work: _Work) -> KafkaRecord:
        """The dead letter of a message whose sender can't mend and repeat it; the original is sealed, and cut to what fits.

        Of what must not have been sent at all the letter keeps no original: it counts it and says why.
        """
        ctx = work.ctx
        kept = refusal.code not in _NOT_KEPT
        identity = digest_id("connector", ctx.channel.id, ctx.privacy.fingerprint(raw))
        media, charset = media_type(work.content_type)
        letter: DeadLetter = {
            "dead_letter_id": identity,
            "stage": "connector",
            "feed": ctx.channel.feed,
            "channel": ctx.channel.id,
            "origin_topic": None,
            "origin_partition": None,
            "origin_offset": None,
            "reason_code": refusal.code,
            "reason": f"{refusal.reason} ({_CUT})" if kept and len(raw) > _LETTER_BYTES else refusal.reason,
            "failed_at": ctx.received_at,
            "key": None,
            "content_type": f"{media[:100]}; charset={charset}" if charset else media[:100] or None,
            "original": ctx.privacy.seal(raw[:_LETTER_BYTES], identity) if kept else b"",
            "sealed_key_id": ctx.privacy.seal_key_id if kept else None,
            "replay_count": work.replay_count,
            "tail": ctx.tail[:_TAIL] or None,
        }
        return DEADLETTER, ctx.channel.id.encode(), self._codec.encode("dead_letter", letter)

    def _count(self, channel: Channel, work: _Work) -> None:
        feed = channel.feed
        accepted: Counter[str] = Counter()
        refused: list[ReasonCode] = []
        for outcome in work.outcomes:
            if outcome.refusal:
                refused.append(outcome.refusal.code)
            elif outcome.status == "accepted":
                accepted[outcome.record] += 1
        ignored = len(work.outcomes) - len(refused) - accepted.total()
        metrics.RECEIVED.labels(feed).inc(len(work.outcomes) - len(refused))
        count_refused(channel, refused)
        for record, count in accepted.items():
            metrics.ACCEPTED.labels(feed, record).inc(count)
        if ignored:
            metrics.IGNORED.labels(feed).inc(ignored)
        for code, count in work.letters.items():
            metrics.DEAD_LETTERED.labels(feed, "connector", code).inc(count)
        if accepted:
            metrics.LAST_ACCEPTED.labels(feed).set(self.clock() / 1000)


def count_refused(channel: Channel, codes: Sequence[ReasonCode]) -> None:
    """Counts messages (or a whole request that was not read) as refused, with their reasons."""
    if not codes:
        return
    metrics.RECEIVED.labels(channel.feed).inc(len(codes))
    for code, count in Counter(codes).items():
        metrics.REFUSED.labels(channel.feed, code).inc(count)


def log_place(error: Exception) -> None:
    """Type and place only: an unforeseen error's text may quote the message."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("%s in %s, line %s (%s)", type(error).__name__, frame.filename, frame.lineno, frame.name)


def as_refusal(error: Exception) -> Refusal:
    """A refusal as it is; an unforeseen error is logged, and its message refused like any other that can't be taken."""
    if isinstance(error, Refusal):
        return error
    log_place(error)
    return Refusal("bad_field", "the message can't be read; the hub's log says where it stopped")


def _place(report: Report, channel: Channel) -> tuple[str, str]:
    """Topic and key of a report: by place, or by person where several messages of one make a report."""
    if channel.assemble_minutes and report["reporter_key"]:
        return messages_topic(report["feed"]), report["reporter_key"]
    return intake_topic(report["feed"]), report["place_key"]


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_RECORD_BYTES:
        raise Refusal("too_large", f"the message makes a record over {MAX_RECORD_BYTES} bytes; shorten it")
    return value
