"""The HTTP intake: who sent it, what it says, and an answer only after Kafka has it (docs/decisions/0006-http-intake.md).

POST /intake/<channel-id>            message(s) in the channel's own protocol
GET  /intake/<channel-id>            WeChat's URL check
POST /intake/<channel-id>/progress   canonical progress, for channels whose cases are handled elsewhere
GET  /health                         200 when records can be acknowledged, else 503
GET  /metrics                        Prometheus
"""

import asyncio
import logging
import re
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors import auth, canonical
from connectors.auth import ChannelSecret
from connectors.base import Connector, Context, make_context
from connectors.bodies import Broken, Message, media_type
from connectors.errors import Refusal
from connectors.places import Places
from connectors.privacy import Privacy
from connectors.producer import KafkaRecord, RecordSink, UnavailableError
from connectors.registry import CONNECTORS
from monitoring import metrics
from profiles import Channel, Profile
from schemas.codec import Codec
from schemas.ids import digest_id
from schemas.reasons import ReasonCode
from schemas.records import DeadLetter
from schemas.topics import DEADLETTER, MAX_RECORD_BYTES, PROGRESS, intake_topic

_log: Final = logging.getLogger(__name__)

#: Answer header of WeChat's POST, whose text does not tell: accepted, refused or ignored.
OUTCOME_HEADER: Final = "X-Zhishu-Outcome"
#: Request header of a dead letter that is played again: how often, as digits.
REPLAY_COUNT_HEADER: Final = "X-Zhishu-Replay-Count"

#: HTTP status of a reason; the codes of one message's fields are 422.
_STATUS: Final[dict[ReasonCode, int]] = {
    "bad_signature": 401,
    "unknown_channel": 404,
    "too_large": 413,
    "too_many_records": 413,
    "bad_encoding": 400,
    "bad_json": 400,
    "bad_xml": 400,
    "forbidden_xml": 400,
    "unsupported_type": 415,
    "unavailable": 503,
}
_FIELD_STATUS: Final = 422
_RETRY_AFTER_S: Final = 5
#: Messages normalised before other requests get their turn: about 30 ms.
_SLICE: Final = 100
#: Feed label of requests to channels that do not exist.
_NO_FEED: Final = "unknown"
_JSON: Final = "application/json"
_WECHAT_DONE: Final = "success"
_REPLAY_COUNT: Final = re.compile(r"\d{1,6}", re.ASCII)
#: Bytes of an original that a dead letter keeps, so that the letter itself is a record Kafka takes.
_LETTER_BYTES: Final = MAX_RECORD_BYTES - 50_000
_CUT: Final = f"only the first {_LETTER_BYTES} bytes of the original are kept here"
_CLOSE: Final = {"Connection": "close"}

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Limits:
    """`body_s`: seconds in which a body must have arrived. `in_flight_bytes`: bodies that one process holds at once."""

    body_s: float = 30.0
    in_flight_bytes: int = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message: accepted (with its id), refused (with its refusal), or ignored."""

    status: str
    id: str = ""
    record: str = ""
    refusal: Refusal | None = None

    def answer(self, index: int) -> dict[str, Any]:
        """The outcome as the batch answer shows it."""
        shown: dict[str, Any] = {"index": index, "status": self.status}
        if self.refusal:
            return {**shown, "code": self.refusal.code, "reason": self.refusal.reason}
        return {**shown, "id": self.id} if self.id else shown


class _AnsweredError(Exception):
    """Ends a request with a refusal; `headers` and `status` add to what its code says."""

    def __init__(self, refusal: Refusal, headers: Mapping[str, str] | None = None, status: int | None = None) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.status = status or _status(refusal)
        again = {"Retry-After": str(_RETRY_AFTER_S)} if refusal.code == "unavailable" else {}
        self.headers: Mapping[str, str] = {**again, **(headers or {})}


@dataclass(slots=True)
class _Work:
    """A request's outcomes, and the records that must be acknowledged before they may be told.

    `replay_count`: how often the request's message was dead-lettered and played again.
    """

    replay_count: int
    outcomes: list[Outcome] = field(default_factory=list)
    records: list[KafkaRecord] = field(default_factory=list)
    letters: Counter[ReasonCode] = field(default_factory=Counter)


class Gateway:
    """Handlers of one gateway process; `make_app` puts them behind their addresses."""

    def __init__(
        self,
        profile: Profile,
        secrets: Mapping[str, ChannelSecret],
        privacy: Privacy,
        sink: RecordSink,
        codec: Codec,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._profile = profile
        self._secrets = secrets
        self._privacy = privacy
        self._sink = sink
        self._codec = codec
        self._clock = clock
        self._limits = limits
        self._in_flight = 0
        self._places = Places(profile)
        for feed in profile.feeds():  # so that a feed that never spoke is seen as silent, not as absent
            metrics.RECEIVED.labels(feed=feed)
            metrics.LAST_ACCEPTED.labels(feed=feed)

    async def intake(self, request: web.Request) -> web.StreamResponse:
        """POST of a channel's own messages."""
        received_at = self._clock()
        channel = self._channel(request)
        connector = CONNECTORS[channel.protocol]
        if channel.protocol != "wechat":
            return await self._take_signed(request, channel, connector, received_at)
        try:
            # WeChat's signature does not cover the body, which is read only after it.
            self._check(channel, lambda: _check_wechat(self._secret(channel), request), _CLOSE)
            async with self._body(request, channel) as body:
                work, _ = await self._take(request, channel, connector, body, received_at)
        except _AnsweredError as answered:
            if answered.status != _STATUS["unavailable"]:
                answered.headers = {**answered.headers, OUTCOME_HEADER: "refused"}
            raise
        # Also for a refused message: it is kept as a dead letter, and WeChat would only send it twice more.
        return web.Response(text=_WECHAT_DONE, headers={OUTCOME_HEADER: work.outcomes[0].status})

    async def progress(self, request: web.Request) -> web.StreamResponse:
        """POST of canonical progress for a channel's cases."""
        received_at = self._clock()
        return await self._take_signed(request, self._channel(request), canonical.PROGRESS, received_at)

    async def url_check(self, request: web.Request) -> web.StreamResponse:
        """GET by which WeChat proves the address: the echo string comes back as it is."""
        channel = self._channel(request)
        if channel.protocol != "wechat":
            raise _AnsweredError(Refusal("unsupported_type", "send messages with POST"), {"Allow": "POST"}, 405)
        self._check(channel, lambda: _check_wechat(self._secret(channel), request))
        return web.Response(text=request.query.get("echostr", ""))

    async def health(self, _request: web.Request) -> web.StreamResponse:
        """Readiness: whether Kafka would acknowledge now."""
        ready = await self._sink.ready()
        return web.json_response({"status": "ok" if ready else "kafka unavailable"}, status=200 if ready else 503)

    async def metrics(self, _request: web.Request) -> web.StreamResponse:
        """Prometheus text format."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _channel(self, request: web.Request) -> Channel:
        channel = self._profile.channels.get(request.match_info["channel"])
        if channel is None:
            metrics.RECEIVED.labels(feed=_NO_FEED).inc()
            metrics.REFUSED.labels(feed=_NO_FEED, reason="unknown_channel").inc()
            raise _AnsweredError(Refusal("unknown_channel", "channels.toml has no channel of this id"))
        return channel

    def _secret(self, channel: Channel) -> ChannelSecret:
        return self._secrets.get(channel.id, ChannelSecret())

    async def _take_signed(
        self, request: web.Request, channel: Channel, connector: Connector, received_at: int
    ) -> web.StreamResponse:
        key = self._secret(channel).key
        time, given = (request.headers.get(name, "") for name in (auth.TIME_HEADER, auth.SIGNATURE_HEADER))
        self._check(channel, lambda: auth.check_claim(key, time, given, received_at), _CLOSE)
        async with self._body(request, channel) as body:
            path = request.rel_url.raw_path
            self._check(
                channel, lambda: auth.check_signature(key, request.method, path, time, given, body, received_at)
            )
            work, single = await self._take(request, channel, connector, body, received_at)
        return _single(work.outcomes[0]) if single else _batch(work.outcomes)

    @asynccontextmanager
    async def _body(self, request: web.Request, channel: Channel) -> AsyncIterator[bytes]:
        """The body, counted as in flight until the request is done with it."""
        body = bytearray()
        try:
            await self._read(request, channel, body)
            yield bytes(body)
        finally:
            self._in_flight -= len(body)

    async def _read(self, request: web.Request, channel: Channel, body: bytearray) -> None:
        """Reads no further than the channel's limit, nor longer than `Limits.body_s`."""
        try:
            if request.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Refusal("unsupported_type", "send the body without Content-Encoding")
            limit = channel.max_body_bytes
            if (request.content_length or 0) > limit:
                raise Refusal("too_large", f"the body is over {limit} bytes; send smaller batches")
            try:
                async with asyncio.timeout(self._limits.body_s):
                    async for chunk in request.content.iter_any():
                        body += chunk
                        self._in_flight += len(chunk)
                        if len(body) > limit:
                            raise Refusal("too_large", f"the body is over {limit} bytes; send smaller batches")
                        if self._in_flight > self._limits.in_flight_bytes:
                            raise Refusal("unavailable", "the hub is busy with other requests; send the same again")
            except web.PayloadAccessError:
                raise Refusal("bad_encoding", "the body broke off; send it again") from None
            except TimeoutError:
                raise Refusal("bad_encoding", "the body did not arrive in time; send it again") from None
        except Refusal as refusal:
            _count_refused(channel, [refusal.code])
            # What is left of the body is not read: the connection can't carry another request.
            raise _AnsweredError(refusal, _CLOSE) from None

    def _check(self, channel: Channel, check: Callable[[], None], headers: Mapping[str, str] | None = None) -> None:
        try:
            check()
        except Refusal as refusal:
            _count_refused(channel, [refusal.code])
            raise _AnsweredError(refusal, headers) from None

    async def _take(
        self, request: web.Request, channel: Channel, connector: Connector, body: bytes, received_at: int
    ) -> tuple[_Work, bool]:
        """The outcomes of a body whose sender is known, once Kafka has their records, and whether it was one message."""
        # A header may hold bytes that are no text, and a dead letter is to hold it.
        content_type = request.headers.get("Content-Type", "").encode("ascii", "replace").decode()
        ctx = make_context(self._profile, channel, self._privacy, self._places, received_at)
        replay_count = _replay_count(request)
        work, single = _Work(replay_count), True
        try:
            parsed = connector.parse(body, content_type, channel.max_records)
            single = parsed.single
            # A batch's message is kept by itself, as JSON, whatever the batch came as.
            await self._normalise(parsed.items, connector, ctx, content_type if single else _JSON, work)
        except Exception as error:
            work, single = _Work(replay_count), True
            self._refuse(_as_refusal(error), body, connector, ctx, content_type, work)
        try:
            await self._sink.send(work.records)
        except UnavailableError as error:
            _log.warning("channel %s: %s", channel.id, error)
            _count_refused(channel, ["unavailable"] * len(work.outcomes))
            raise _AnsweredError(
                Refusal("unavailable", "Kafka did not acknowledge; send the same again"),
            ) from None
        self._count(channel, work)
        return work, single

    async def _normalise(
        self, items: Iterable[Message | Broken], connector: Connector, ctx: Context, content_type: str, work: _Work
    ) -> None:
        """Adds one outcome for each item; what goes wrong with one does not touch the others."""
        for number, item in enumerate(items, start=1):
            try:
                if isinstance(item, Broken):
                    raise item.refusal
                work.outcomes.append(self._accept(item, connector, ctx, work.records))
            except Exception as error:
                self._refuse(_as_refusal(error), item.raw, connector, ctx, content_type, work)
            if number % _SLICE == 0:
                await asyncio.sleep(0)

    def _accept(self, message: Message, connector: Connector, ctx: Context, records: list[KafkaRecord]) -> Outcome:
        found = connector.normalise(message, ctx)
        if found is None:
            return Outcome("ignored")
        if found[0] == "report":
            report = found[1]
            value = _bounded(self._codec.encode("report", report))
            records.append((intake_topic(report["feed"]), report["place_key"].encode(), value))
            return Outcome("accepted", report["report_id"], "report")
        progress = found[1]
        value = _bounded(self._codec.encode("progress", progress))
        records.append((PROGRESS, progress["report_id"].encode(), value))
        return Outcome("accepted", progress["progress_id"], "progress")

    def _refuse(
        self, refusal: Refusal, raw: bytes, connector: Connector, ctx: Context, content_type: str, work: _Work
    ) -> None:
        work.outcomes.append(Outcome("refused", refusal=refusal))
        if not connector.repeats:
            work.records.append(self._letter(refusal, raw, ctx, content_type, work.replay_count))
            work.letters[refusal.code] += 1

    def _letter(self, refusal: Refusal, raw: bytes, ctx: Context, content_type: str, replay_count: int) -> KafkaRecord:
        """The dead letter of a message whose sender can't mend and repeat it; the original is sealed, and cut to what fits."""
        identity = digest_id("connector", ctx.channel.id, self._privacy.fingerprint(raw))
        media, charset = media_type(content_type)
        letter: DeadLetter = {
            "dead_letter_id": identity,
            "stage": "connector",
            "feed": ctx.channel.feed,
            "channel": ctx.channel.id,
            "origin_topic": None,
            "origin_partition": None,
            "origin_offset": None,
            "reason_code": refusal.code,
            "reason": refusal.reason if len(raw) <= _LETTER_BYTES else f"{refusal.reason} ({_CUT})",
            "failed_at": ctx.received_at,
            "key": None,
            "content_type": f"{media[:100]}; charset={charset}" if charset else media[:100] or None,
            "original": self._privacy.seal(raw[:_LETTER_BYTES], identity),
            "sealed_key_id": self._privacy.seal_key_id,
            "replay_count": replay_count,
        }
        return DEADLETTER, ctx.channel.id.encode(), self._codec.encode("dead_letter", letter)

    def _count(self, channel: Channel, work: _Work) -> None:
        feed = channel.feed
        accepted = Counter(outcome.record for outcome in work.outcomes if outcome.status == "accepted")
        ignored = sum(outcome.status == "ignored" for outcome in work.outcomes)
        refused = [outcome.refusal.code for outcome in work.outcomes if outcome.refusal]
        metrics.RECEIVED.labels(feed=feed).inc(len(work.outcomes) - len(refused))
        _count_refused(channel, refused)
        for record, count in accepted.items():
            metrics.ACCEPTED.labels(feed=feed, record=record).inc(count)
        if ignored:
            metrics.IGNORED.labels(feed=feed).inc(ignored)
        for code, count in work.letters.items():
            metrics.DEAD_LETTERED.labels(feed=feed, stage="connector", reason=code).inc(count)
        if accepted:
            metrics.LAST_ACCEPTED.labels(feed=feed).set(self._clock() / 1000)


def make_app(
    profile: Profile,
    secrets: Mapping[str, ChannelSecret],
    privacy: Privacy,
    sink: RecordSink,
    codec: Codec,
    clock: Clock,
    extra_routes: Iterable[web.AbstractRouteDef] = (),
    limits: Limits = Limits(),
) -> web.Application:
    """The gateway. `clock`: milliseconds UTC. `extra_routes`: what hub serves beside it (the schema registry's endpoint)."""
    gateway = Gateway(profile, secrets, privacy, sink, codec, clock, limits)
    app = web.Application(middlewares=[_answers])
    app.add_routes(
        [
            web.post("/intake/{channel}", gateway.intake),
            web.get("/intake/{channel}", gateway.url_check, allow_head=False),
            web.post("/intake/{channel}/progress", gateway.progress),
            web.get("/health", gateway.health),
            web.get("/metrics", gateway.metrics),
            *extra_routes,
        ]
    )
    return app


@web.middleware
async def _answers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refusals as JSON. An unforeseen error is 500; its text may quote the message, so only its type and place are logged."""
    try:
        return await handler(request)
    except _AnsweredError as answered:
        refusal = answered.refusal
        return _json({"code": refusal.code, "reason": refusal.reason}, answered.status, answered.headers)
    except web.HTTPException:
        raise
    except Exception as error:
        _log_place(error)
        return web.json_response({"code": "internal", "reason": "the hub failed; its log says where"}, status=500)


def _log_place(error: Exception) -> None:
    """Type and place only: an unforeseen error's text may quote the message."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("%s in %s, line %s (%s)", type(error).__name__, frame.filename, frame.lineno, frame.name)


def _as_refusal(error: Exception) -> Refusal:
    """A refusal as it is; an unforeseen error is logged, and its message refused like any other that can't be taken."""
    if isinstance(error, Refusal):
        return error
    _log_place(error)
    return Refusal("bad_field", "the message can't be read; the hub's log says where it stopped")


def _bounded(value: bytes) -> bytes:
    if len(value) > MAX_RECORD_BYTES:
        raise Refusal("too_large", f"the message makes a record over {MAX_RECORD_BYTES} bytes; shorten it")
    return value


def _replay_count(request: web.Request) -> int:
    given = request.headers.get(REPLAY_COUNT_HEADER, "")
    return int(given) if _REPLAY_COUNT.fullmatch(given) else 0


def _check_wechat(secret: ChannelSecret, request: web.Request) -> None:
    query = request.query
    auth.check_wechat(secret.token, query.get("timestamp", ""), query.get("nonce", ""), query.get("signature", ""))


def _count_refused(channel: Channel, codes: Sequence[ReasonCode]) -> None:
    metrics.RECEIVED.labels(feed=channel.feed).inc(len(codes))
    for code, count in Counter(codes).items():
        metrics.REFUSED.labels(feed=channel.feed, reason=code).inc(count)


def _status(refusal: Refusal) -> int:
    return _STATUS.get(refusal.code, _FIELD_STATUS)


def _json(body: dict[str, Any], status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type=_JSON)


def _single(outcome: Outcome) -> web.Response:
    if outcome.refusal:
        return _json({"code": outcome.refusal.code, "reason": outcome.refusal.reason}, _status(outcome.refusal))
    if outcome.status == "ignored":
        return _json({"accepted": 0, "ignored": 1, "ids": []}, 200)
    return _json({"accepted": 1, "ids": [outcome.id]}, 200)


def _batch(outcomes: Sequence[Outcome]) -> web.Response:
    counts = Counter(outcome.status for outcome in outcomes)
    body: dict[str, Any] = {status: counts[status] for status in ("accepted", "refused", "ignored")}
    body["outcomes"] = [outcome.answer(index) for index, outcome in enumerate(outcomes)]
    if not counts["refused"]:
        return _json(body, 200)
    first = outcomes[0].refusal
    if counts["refused"] == len(outcomes) and first is not None:
        return _json({"code": first.code, "reason": first.reason, **body}, _status(first))
    return _json(body, 207)
