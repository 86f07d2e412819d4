"""A gateway over a sink in memory, for tests that speak HTTP to it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiohttp import web

from connectors.auth import NO_SECRET, ChannelSecret
from connectors.gateway import Limits, make_app
from connectors.guard import Guard
from connectors.incoming import Bodies
from connectors.intake import Intake
from connectors.open311.server import Server
from connectors.producer import KafkaRecord, RecordSink, UnavailableError
from profiles import Profile
from schemas.codec import Codec
from tests.connectors.make import NOW, PRIVACY, PROFILE
from tests.connectors.stores import MemoryStore

LIMITS = Limits()


class MemorySink:
    """Takes what it is given once `open` is set; down when told so."""

    def __init__(self) -> None:
        self.records: list[KafkaRecord] = []
        self.down = False
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        self.asked.set()
        await self.open.wait()
        if self.down:
            raise UnavailableError("down")
        self.records += records

    async def ready(self) -> bool:
        return not self.down


def gateway(
    codec: Codec,
    sink: RecordSink,
    secrets: Mapping[str, ChannelSecret],
    *,
    profile: Profile = PROFILE,
    clock: Callable[[], int] = lambda: NOW,
    limits: Limits = LIMITS,
    proxies: Iterable[str] = (),
    monotonic: Callable[[], float] = time.monotonic,
    extra_routes: Iterable[web.AbstractRouteDef] = (),
) -> web.Application:
    """The gateway's application. `secrets` may be changed while it runs."""
    guard = Guard(lambda channel: secrets.get(channel, NO_SECRET), clock, b"a nonce key", proxies, monotonic)
    intake = Intake(profile, PRIVACY, sink, codec, clock)
    open311 = Server(intake, guard, MemoryStore(), Bodies(limits)).routes()
    return make_app(intake, guard, [*open311, *extra_routes], limits)
