"""Channels with a source, and what becomes of what is read from it. Everybody and everything in here is made up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors.intake import Intake
from connectors.privacy import Privacy, SealKey
from connectors.producer import KafkaRecord, UnavailableError
from connectors.readers.cursor import CursorStore
from connectors.readers.loop import Origin, Reader
from connectors.registry import CONNECTORS
from profiles import Channel, Profile, load_profile
from profiles.channels import load_channels
from schemas.codec import Codec
from schemas.registry import FileRegistry
from schemas.topics import DEADLETTER, PROGRESS

PROFILE: Profile = load_profile(Path(__file__).parents[2] / "profiles" / "demo")
PRIVACY = Privacy(
    b"test hmac key, 32 bytes long ...", {"seal-test": SealKey(b"test seal key, 32 bytes long ...")}, "seal-test"
)
CODEC = Codec(FileRegistry())
NOW = datetime(2025, 11, 20, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
#: Longest wait for something that must happen.
PATIENCE_S = 30.0

#: A table or sheet with the columns of this channel: number, when, text, phone.
ROWS = """
[[channel]]
id = "table"
feed = "other"
protocol = "canonical"
crs = "WGS-84"
[channel.constants]
record = "report"
appeal_type = "complaint"
[channel.mapping]
upstream_id = "number"
reported_at = "made_at"
content = "text"
"reporter.phone" = "phone"
"""


@dataclass
class Kept:
    """A sink that keeps records as Kafka would, and refuses as often as it is told to."""

    records: list[KafkaRecord] = field(default_factory=list)
    refusals: int = 0
    refused: int = 0
    before: Callable[[object], Awaitable[None]] | None = None

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        if self.before is not None:
            await self.before(records)
        if self.refusals:
            self.refusals -= 1
            self.refused += 1
            raise UnavailableError("Kafka did not acknowledge (told to)")
        self.records += records

    async def ready(self) -> bool:
        return True

    def reports(self) -> list[Any]:
        return [CODEC.report(value) for topic, _, value in self.records if topic.startswith("intake.")]

    def steps(self) -> list[Any]:
        return [CODEC.progress(value) for topic, _, value in self.records if topic == PROGRESS]

    def letters(self) -> list[Any]:
        return [CODEC.dead_letter(value) for topic, _, value in self.records if topic == DEADLETTER]

    def ids(self) -> list[str]:
        """Upstream ids of the reports in the order they came."""
        return [report["upstream_id"] for report in self.reports()]


def channel(tmp_path: Path, text: str) -> Channel:
    """The only channel of a channels.toml of this text."""
    path = tmp_path / "channels.toml"
    path.write_text(text, encoding="utf-8")
    (found,) = load_channels(path).values()
    return found


def intake(sink: Any, *channels: Channel) -> Intake:
    own = {(PROFILE.city, "cameras", "alarm", code): ("", "") for code in ("CrossRegionDetection", "fielddetection")}
    profile = replace(PROFILE, channels={one.id: one for one in channels}, kinds={**PROFILE.kinds, **own})
    return Intake(profile, PRIVACY, sink, CODEC, lambda: NOW_MS)


def reader(one: Channel, origin: Origin, sink: Any, folder: Path) -> Reader:
    return Reader(one, origin, CONNECTORS[one.protocol], intake(sink, one), CursorStore(folder))


async def until(holds: Callable[[], bool]) -> None:
    """Waits for a condition, with a bound."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


async def run_until(
    one: Reader, holds: Callable[[], bool], beside: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Runs a reader until the condition holds, and stops it as SIGTERM does."""
    task = asyncio.create_task(one.run())
    try:
        if beside is not None:
            await beside()
        await until(lambda: holds() or task.done())
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
