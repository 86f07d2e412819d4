"""A store of reports in memory, and the gateway with all that a publisher gets, for tests that need no ClickHouse."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aiohttp import web

from connectors.auth import ChannelSecret
from connectors.documents import document_routes
from connectors.gateway import make_app
from connectors.guard import Guard
from connectors.incoming import Bodies, Limits
from connectors.intake import Intake
from connectors.open311.server import Server
from connectors.openapi import openapi
from connectors.producer import KafkaRecord, UnavailableError
from connectors.reports import Search, StoredReport, StoredStep, StoreUnavailableError
from connectors.status import report_routes
from profiles import Channel, Profile
from schemas.asyncapi import asyncapi
from schemas.codec import Codec
from schemas.registry import FileRegistry
from tests.connectors.make import NOW, PRIVACY, PROFILE

KEY = b"\x0f" * 32
PASSWORD = "a-made-up-password"
HOUR = 3_600_000
DAY = 24 * HOUR


def stored(report_id: str, **changed: Any) -> StoredReport:
    """A routed report of demo-open311, reported a day ago."""
    report = StoredReport(
        report_id=report_id, upstream_id="7000001", part_ids=(), confidential=False,
        kind_code="demo/hotline-2025/appeal/010101", matter_kind="noise", content="夜里很吵 <b>&", address="示例路1号",
        lon=120.43, lat=36.11, attachments=("https://pictures.example/1.jpg",), reported_at=NOW - DAY,
        accepted_at=NOW - DAY + 1000, source_due_at=None, due_at=NOW + DAY, agency_code="zhifa",
        agency_name="综合行政执法局", level="district", manual_reason=None, matter_id=report_id, relation="new",
        linked_to=None, steps=(),
    )  # fmt: skip
    return replace(report, **changed)


def step(name: str, at: int, **changed: Any) -> StoredStep:
    """A step of a case."""
    return replace(StoredStep(name, at, None, None, None), **changed)


class MemoryStore:
    """Reports by channel; away when told so. Keeps the last search."""

    def __init__(self) -> None:
        self.reports: dict[str, list[StoredReport]] = {}
        self.away = False
        self.searched: Search | None = None

    async def find(self, channel: Channel, ids: Sequence[str]) -> list[StoredReport]:
        if self.away:
            raise StoreUnavailableError
        known = self.reports.get(channel.id, [])
        return [report for report in known if {report.report_id, *report.part_ids} & set(ids)]

    async def search(self, channel: Channel, wanted: Search) -> list[StoredReport]:
        if self.away:
            raise StoreUnavailableError
        self.searched = wanted
        found = [report for report in self.reports.get(channel.id, []) if not report.confidential]
        return found[wanted.offset :][: wanted.limit]


class KeepingSink:
    """Keeps what it is given; down when told so."""

    def __init__(self) -> None:
        self.records: list[KafkaRecord] = []
        self.down = False

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        if self.down:
            raise UnavailableError("down")
        self.records += records

    async def ready(self) -> bool:
        return not self.down


def publishers_app(
    sink: KeepingSink,
    store: MemoryStore,
    profile: Profile = PROFILE,
    keys: dict[str, bytes] | None = None,
    clock: Callable[[], int] = lambda: NOW,
) -> web.Application:
    """The gateway as `zhishu gateway` puts it together. keys: of channels that have not KEY."""
    intake = Intake(profile, PRIVACY, sink, Codec(FileRegistry()), clock)
    own = keys or {}
    guard = Guard(
        lambda name: ChannelSecret((own.get(name, KEY),), "t", passwords=(PASSWORD,)), intake.clock, b"n" * 32
    )
    return make_app(
        intake,
        guard,
        [
            *Server(intake, guard, store, Bodies(Limits())).routes(),
            *report_routes(profile, guard, store),
            *document_routes(openapi(profile, "1"), asyncapi("1", FileRegistry(), profile.feeds())),
        ],
    )
