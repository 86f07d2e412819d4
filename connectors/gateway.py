"""The HTTP intake: who sent it, what it says, and an answer only after Kafka has it (docs/decisions/0006-http-intake.md).

POST /intake/<channel-id>            message(s) in the channel's own protocol
POST /intake/<channel-id>/<tail>     the same, for protocols with addresses of their own below theirs
GET  /intake/<channel-id>            the URL check of a protocol that has one (WeChat)
POST /intake/<channel-id>/progress   canonical progress, for channels whose cases are handled elsewhere
*    /<root>/<tail>                  addresses that a protocol fixes, as GA/T 1400's /VIID/; the digest user is the channel's id
GET  /health                         200 when records can be acknowledged, else 503
GET  /metrics                        Prometheus
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors import answers, canonical
from connectors.answers import CLOSE, AnsweredError
from connectors.base import Connector, Outcome, Reply
from connectors.errors import Refusal
from connectors.guard import Guard
from connectors.incoming import LIMITS, Bodies, Limits, expect
from connectors.intake import Intake, Taken, count_refused
from connectors.producer import UnavailableError
from connectors.registry import CONNECTORS, URL_CHECKS
from profiles import Channel, Protocol

#: Answer header where the protocol's own answer does not tell: accepted, refused or ignored.
OUTCOME_HEADER: Final = "X-Zhishu-Outcome"
#: Request header of a dead letter that is played again: how often, as digits.
REPLAY_COUNT_HEADER: Final = "X-Zhishu-Replay-Count"

#: Seconds after which a sender hangs up, less one: rather a clear "again" than an answer that nobody hears.
_PATIENCE_S: Final[dict[Protocol, float]] = {"wechat": 4.0}
_REPLAY_COUNT: Final = re.compile(r"\d{1,6}", re.ASCII)
_METHODS: Final = ("POST", "PUT", "GET", "DELETE")


class Gateway:
    """Handlers of one gateway process; `make_app` puts them behind their addresses."""

    def __init__(self, intake: Intake, guard: Guard, limits: Limits) -> None:
        self._intake = intake
        self._guard = guard
        self._bodies = Bodies(limits)

    async def intake(self, request: web.Request) -> web.StreamResponse:
        """A channel's own messages, at its address."""
        channel = self._channel(request)
        return await self._own(request, channel, self._connector(channel), request.match_info.get("tail", ""))

    async def rooted(self, request: web.Request) -> web.StreamResponse:
        """A channel's own messages, at an address that the protocol fixes."""
        channel = self._intake.profile.channels.get(self._guard.user(request))
        connector = CONNECTORS.get(channel.protocol) if channel else None
        root, _, _ = tail = request.path.lstrip("/").partition("/")
        if channel is None or connector is None or root not in connector.roots:
            raise self._guard.nobody(request)
        return await self._own(request, channel, connector, "".join(tail))

    async def progress(self, request: web.Request) -> web.StreamResponse:
        """POST of canonical progress for a channel's cases."""
        channel = self._channel(request)
        self._connector(channel)
        _, taken = await self._take(request, channel, canonical.PROGRESS, "", own=False)
        return answers.single(taken.outcomes[0]) if taken.single else answers.batch(taken.outcomes)

    async def url_check(self, request: web.Request) -> web.StreamResponse:
        """GET by which a protocol proves the address."""
        channel = self._channel(request)
        check = URL_CHECKS.get(channel.protocol)
        if check is None:
            raise AnsweredError(Refusal("unsupported_type", "send messages with POST"), {"Allow": "POST"}, 405)
        self._guard.admit(request, channel)
        secret = self._guard.secret(channel)
        try:
            reply = check(self._intake.context(channel, secret, dict(request.query)))
        except Refusal as refusal:
            raise self._guard.wrong(request, channel, refusal) from None
        return _response(reply)

    async def health(self, _request: web.Request) -> web.StreamResponse:
        """Readiness: whether Kafka would acknowledge now."""
        ready = await self._intake.sink.ready()
        return answers.as_json({"status": "ok" if ready else "kafka unavailable"}, 200 if ready else 503)

    async def metrics(self, _request: web.Request) -> web.StreamResponse:
        """Prometheus text format."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _channel(self, request: web.Request) -> Channel:
        channel = self._intake.profile.channels.get(request.match_info["channel"])
        if channel is None:
            raise self._guard.stranger(request, Refusal("unknown_channel", "channels.toml has no channel of this id"))
        return channel

    def _connector(self, channel: Channel) -> Connector:
        connector = CONNECTORS.get(channel.protocol)
        if connector is None:
            refusal = Refusal("unsupported_type", "this channel writes to Kafka itself; it has no address here")
            raise AnsweredError(refusal, {"Allow": "", **CLOSE}, 405)
        return connector

    async def _own(self, request: web.Request, channel: Channel, connector: Connector, tail: str) -> web.StreamResponse:
        """The answer to a channel's own messages, in its protocol's words where it has some."""
        if request.method != "POST" and not connector.roots:
            raise AnsweredError(Refusal("unsupported_type", "send messages with POST"), {"Allow": "POST"}, 405)
        try:
            async with asyncio.timeout(_PATIENCE_S.get(channel.protocol)):
                body, taken = await self._take(request, channel, connector, tail)
        except TimeoutError:
            count_refused(channel, ["unavailable"])
            raise AnsweredError(
                Refusal("unavailable", "the hub is too slow for this protocol; send the same again")
            ) from None
        except AnsweredError as answered:
            if connector.answer and answered.refusal.code not in {"unavailable", "rate_limited"}:
                answered.headers[OUTCOME_HEADER] = "refused"
            raise
        if connector.answer is None:
            return answers.single(taken.outcomes[0]) if taken.single else answers.batch(taken.outcomes)
        reply = connector.answer(body, _content_type(request), taken.outcomes, taken.ctx)
        return _response(reply, {OUTCOME_HEADER: _told(taken.outcomes)})

    async def _take(
        self, request: web.Request, channel: Channel, connector: Connector, tail: str, *, own: bool = True
    ) -> tuple[bytes, Taken]:
        """The body and its outcomes, once Kafka has the records. Raises AnsweredError."""
        proof = self._guard.begin(request, channel, own=own)
        read = bytearray()
        try:
            try:
                await self._bodies.read(request, channel.max_body_bytes, read)
            except Refusal as refusal:
                count_refused(channel, [refusal.code])
                if refusal.code != "unavailable":
                    self._guard.unread(proof)
                raise AnsweredError(refusal, CLOSE) from None
            body = bytes(read)
            self._guard.finish(proof, body)
            taken = await self._intake.take(
                channel,
                connector,
                body,
                _content_type(request),
                secret=proof.secret,
                query=dict(request.query) if request.query_string else None,
                tail=tail,
                replay_count=_replay_count(request),
                counted=lambda messages: self._guard.charge(channel, messages),
            )
        except UnavailableError:
            raise AnsweredError(Refusal("unavailable", "Kafka did not acknowledge; send the same again")) from None
        except Refusal as refusal:
            raise self._guard.failed(proof, refusal) from None
        finally:
            self._bodies.release(read)
        return body, taken


def make_app(
    intake: Intake, guard: Guard, extra_routes: Iterable[web.AbstractRouteDef] = (), limits: Limits = LIMITS
) -> web.Application:
    """The gateway. `extra_routes`: what hub serves beside it, answered in the same way (connectors/answers.py)."""
    gateway = Gateway(intake, guard, limits)
    app = web.Application(middlewares=[answers.answering])
    roots = sorted({root for connector in CONNECTORS.values() for root in connector.roots})
    app.add_routes(
        [
            web.post("/intake/{channel}", gateway.intake, expect_handler=expect),
            web.get("/intake/{channel}", gateway.url_check, allow_head=False),
            web.post("/intake/{channel}/progress", gateway.progress, expect_handler=expect),
            *(
                web.route(method, address, handler, expect_handler=expect)
                for address, handler in [
                    ("/intake/{channel}/{tail:(?s:.+)}", gateway.intake),
                    *((f"/{root}/{{tail:(?s:.+)}}", gateway.rooted) for root in roots),
                ]
                for method in _METHODS
            ),
            web.get("/health", gateway.health),
            web.get("/metrics", gateway.metrics),
            *extra_routes,
        ]
    )
    return app


def _content_type(request: web.Request) -> str:
    # The header may hold bytes that are no text, and a dead letter is to hold it.
    return request.headers.get("Content-Type", "").encode("ascii", "replace").decode()


def _replay_count(request: web.Request) -> int:
    given = request.headers.get(REPLAY_COUNT_HEADER, "")
    return int(given) if _REPLAY_COUNT.fullmatch(given) else 0


def _told(outcomes: Sequence[Outcome]) -> str:
    """One word for all: refused when any was, ignored when all were."""
    statuses = {outcome.status for outcome in outcomes}
    return "refused" if "refused" in statuses else "accepted" if "accepted" in statuses else "ignored"


def _response(reply: Reply, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=reply.body, status=reply.status, headers={"Content-Type": reply.content_type, **(headers or {})}
    )
