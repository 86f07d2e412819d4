"""The screen over HTTP: the page, its JSON, a stream of changes, and what the ops team asks of every process.

| path | answer |
| --- | --- |
| `/` | the page; `?days=30`, `?from=&to=` and `?lang=en` are read by its script, so that a wall's address can be kept |
| `/api/brain` | all figures as JSON for `?from=&to=` (local days, both included) or `?days=N` (last days with data) |
| `/events` | the same as server-sent events: `brain` when something changed, `checked`, `unavailable`; `health` of processes |
| `/api/cases` | orders behind a figure, a page at a time, and the SQL: `?figure=solved&part=in&feed=&page=2` and the days |
| `/api/map` | outlines of streets and communities |
| `/api/deployment` | name, time zone and feeds of this deployment, and whether its data is made up |
| `/health` | 200 while the process serves; says since when ClickHouse has not answered |
| `/metrics` | Prometheus |
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from monitoring.screen.brain import Brain, BrainUnavailableError
from monitoring.screen.drill import Cases, parse_wanted
from monitoring.screen.health import Health, Watch
from monitoring.screen.live import INTERVAL_S, BusyError, Live, State
from monitoring.screen.period import Choice, LastDays, PeriodError, parse_choice, resolve
from monitoring.screen.snapshot import Snapshot, take, utc_text
from profiles import Profile

_STATIC: Final = Path(__file__).parent / "static"
_MAX_STREAMS: Final = 200

_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Deployment:
    """What the page says about where it is. `feeds` maps each declared feed to its name in Chinese."""

    name_zh: str
    name_en: str
    made_up: bool
    timezone: str
    respond_within_hours: float
    basic_satisfied_weight: float
    feeds: dict[str, str]

    @classmethod
    def of(cls, profile: Profile) -> Self:
        """Takes it from the profile; a feed of several channels is named by all of them."""
        names: dict[str, list[str]] = {feed: [] for feed in profile.feeds()}
        for channel in profile.channels.values():
            names[channel.feed].append(channel.name)
        return cls(
            name_zh=profile.name_zh,
            name_en=profile.name_en,
            made_up=profile.made_up,
            timezone=profile.timezone,
            respond_within_hours=profile.respond_within_hours,
            basic_satisfied_weight=profile.basic_satisfied_weight,
            feeds={feed: "、".join(of_feed) for feed, of_feed in names.items()},
        )


class _Screen:
    """The handlers and what they share."""

    def __init__(self, brain: Brain, deployment: Deployment, live: Live, watch: Watch, outlines: bytes) -> None:
        self._brain = brain
        self._deployment = deployment
        self._live = live
        self._watch = watch
        self._outlines = outlines
        self._closing = asyncio.Event()
        self._streams = 0

    async def page(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(_STATIC / "index.html")

    async def deployment(self, _: web.Request) -> web.Response:
        return _json(200, asdict(self._deployment))

    async def brain(self, request: web.Request) -> web.Response:
        state = await self._live.get(parse_choice(request.query))
        if state.snapshot is None or state.error is not None:
            return _json(503, _unavailable(state))
        return _json(200, state.snapshot.as_json())

    async def map(self, _: web.Request) -> web.Response:
        return _json(200, self._outlines)

    async def cases(self, request: web.Request) -> web.Response:
        choice = parse_choice(request.query)
        today = datetime.now(ZoneInfo(self._deployment.timezone)).date()

        def ask() -> Cases:
            period = resolve(choice, self._brain.span() if isinstance(choice, LastDays) else None, today)
            return self._brain.cases(parse_wanted(request.query, period.first, period.last))

        try:
            found = await self._live.ask(ask)
        except BrainUnavailableError as error:
            return _json(503, {"error": f"数据暂不可用 / data unavailable: {error}"})
        return _json(200, orjson.dumps(asdict(found), option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS))

    async def events(self, request: web.Request) -> web.StreamResponse:
        choice = parse_choice(request.query)
        if self._streams >= _MAX_STREAMS:
            raise BusyError(f"{_MAX_STREAMS} screens are open already; close one, or start another screen process")
        self._streams += 1
        try:
            state = await self._live.get(choice)  # before the answer starts: it may still be refused
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await response.prepare(request)
            with suppress(ConnectionResetError):  # the reader left
                await self._follow(choice, state, response)
            return response
        finally:
            self._streams -= 1

    async def _follow(self, choice: Choice, state: State, response: web.StreamResponse) -> None:
        sent: Snapshot | None = None
        healthy: list[Health] = []
        while not self._closing.is_set():
            if state.error is not None:
                await response.write(_event("unavailable", orjson.dumps(_unavailable(state))))
                sent = None
            elif state.snapshot is not None and state.snapshot is not sent:
                changed = sent is None or state.snapshot.content != sent.content
                sent = state.snapshot
                checked = orjson.dumps({"taken_at": utc_text(sent.taken_at)})
                await response.write(_event("brain", sent.as_json()) if changed else _event("checked", checked))
            if (health := await self._watch.health()) != healthy:
                healthy = health
                await response.write(_event("health", orjson.dumps([asdict(one) for one in health])))
            with suppress(TimeoutError):
                # At least a moment: a colleague of this reader may be renewing the state just now.
                await asyncio.wait_for(self._closing.wait(), max(0.05, self._live.age_left(state)))
            state = await self._live.get(choice)

    async def health(self, _: web.Request) -> web.Response:
        good = self._live.last_good
        return _json(
            200,
            {
                "status": "ok",
                "clickhouse": "unavailable" if self._live.error else "ok" if good else "not asked yet",
                "last_good": utc_text(good) if good else None,
            },
        )

    async def metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def shut_down(self, _: web.Application) -> None:
        self._closing.set()
        self._live.close()


def _json(status: int, content: bytes | dict[str, Any]) -> web.Response:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return web.Response(
        status=status, body=body, content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _unavailable(state: State) -> dict[str, Any]:
    return {
        "error": f"数据暂不可用 / data unavailable: {state.error}",
        "last_good": utc_text(state.snapshot.taken_at) if state.snapshot else None,
    }


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except PeriodError as error:
        return _json(400, {"error": str(error)})
    except BusyError as error:
        return _json(503, {"error": str(error)})


async def _secure(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-cache")  # a new version's script must not meet an old page


def make_app(
    brain: Brain,
    deployment: Deployment,
    *,
    outlines: bytes = b"[]",
    watches: Mapping[str, str] = MappingProxyType({}),
    interval_s: float = INTERVAL_S,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> web.Application:
    """The web application. ClickHouse is asked only while somebody reads, at most every `interval_s` seconds in all.

    outlines: see monitoring.screen.outlines. watches: addresses of the processes' /health by name.
    """
    feeds = list(deployment.feeds)
    live = Live(lambda choice: take(brain, choice, feeds, deployment.timezone, clock), interval_s)
    screen = _Screen(brain, deployment, live, Watch(dict(watches)), outlines)
    app = web.Application(middlewares=[_errors])
    app.add_routes(
        [
            web.get("/", screen.page),
            web.get("/api/deployment", screen.deployment),
            web.get("/api/brain", screen.brain),
            web.get("/api/cases", screen.cases),
            web.get("/api/map", screen.map),
            web.get("/events", screen.events, allow_head=False),
            web.get("/health", screen.health),
            web.get("/metrics", screen.metrics),
            web.static("/static", _STATIC),
        ]
    )
    app.on_response_prepare.append(_secure)
    app.on_shutdown.append(screen.shut_down)
    return app
