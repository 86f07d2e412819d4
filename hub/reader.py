"""`zhishu reader`: reads the profile's pull channels, each in its own loop, and says how they fare.

A channel whose source does not answer is tried again and stops no other one; only what no try can mend (a password that the
secrets file lacks, a driver that is not installed) ends the command, at its start and with a sentence.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.auth import ChannelSecret
from connectors.intake import Intake
from connectors.producer import KafkaSink, RecordSink
from connectors.readers.cursor import CursorStore
from connectors.readers.database import Database
from connectors.readers.drops import FilesOrigin
from connectors.readers.events import StreamOrigin
from connectors.readers.loop import Origin, Reader, observe
from connectors.readers.open311_client import Open311Origin
from connectors.readers.sql import SqlOrigin
from connectors.registry import CONNECTORS
from hub.endpoints import kafka_bootstrap
from hub.secrets import Secrets, load_secrets
from hub.settings import Settings
from monitoring import metrics
from profiles import Channel, Profile, load_profile
from profiles.sources import FilesSource, Open311Source, SqlSource
from schemas.codec import Codec
from schemas.registry import open_registry

_log: Final = logging.getLogger(__name__)
#: Grace for what is under way when the process is told to stop.
_SHUTDOWN_S: Final = 5.0


class ReaderError(RuntimeError):
    """A pull channel can't be read; the message says what to add."""


def pull_channels(profile: Profile, names: Sequence[str] = ()) -> list[Channel]:
    """The channels that have a source, or those of them that are named; raises ReaderError for a name that has none."""
    channels = {channel.id: channel for channel in profile.channels.values() if channel.source is not None}
    if unknown := [name for name in names if name not in channels]:
        raise ReaderError(
            f"{', '.join(unknown)}: no channel with a [channel.source] in channels.toml; it has {', '.join(channels) or 'none'}"
        )
    return [channels[name] for name in names or channels]


def origins(channel: Channel, secret: ChannelSecret, profile: Profile, data_dir: Path) -> Iterable[Origin]:
    """What a channel is read from: one place, or one for each device. Raises ReaderError."""
    source, zone = channel.source, ZoneInfo(profile.timezone)
    password = secret.passwords[0] if secret.passwords else ""
    if isinstance(source, SqlSource):
        if not secret.dsn:
            raise ReaderError(f'the secrets file has no dsn in [channel."{channel.id}"], as docs/feeds/sql.md shows')
        try:
            database = Database(secret.dsn, password or None, source.timeout_s)
        except ValueError as error:
            raise ReaderError(f"channel {channel.id}: {error}") from None
        yield SqlOrigin(channel.id, source, zone, database)
    elif isinstance(source, FilesSource):
        yield FilesOrigin(channel.id, source, data_dir)
    elif isinstance(source, Open311Source):
        own = source.zone or channel.constants.get("timezone", "")
        yield Open311Origin(channel.id, source, ZoneInfo(own) if own else None, password)
    elif source is not None:
        if not password:
            raise ReaderError(
                f'the secrets file has no password in [channel."{channel.id}"] for the user {source.user}'
            )
        for device in source.devices:
            yield StreamOrigin(f"{channel.id}/{device}", source, device, password)


def make_readers(
    profile: Profile, secrets: Secrets, intake: Intake, data_dir: Path, names: Sequence[str] = ()
) -> list[Reader]:
    """One reader for each origin of the channels; raises ReaderError."""
    cursors = CursorStore(data_dir / "cursors")
    return [
        Reader(channel, origin, CONNECTORS[channel.protocol], intake, cursors)
        for channel in pull_channels(profile, names)
        for origin in origins(channel, secrets.channels.get(channel.id, ChannelSecret()), profile, data_dir)
    ]


def make_app(readers: Sequence[Reader], sink: RecordSink) -> web.Application:
    """Runs the readers for as long as the application runs, and answers /health and /metrics.

    A broken source is told in /health and by the alert SourceUnread, and leaves the status 200: starting this process
    again would not mend it.
    """

    async def health(_request: web.Request) -> web.Response:
        ready = await sink.ready()
        shown = {
            reader.name: {"last_success": reader.state.last_success, "error": reader.state.last_error}
            for reader in readers
        }
        status = "ok" if ready else "kafka unavailable"
        return web.json_response({"status": status, "sources": shown}, status=200 if ready else 503)

    async def figures(_request: web.Request) -> web.Response:
        observe(readers)
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def run(_app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(reader.run(), name=reader.name) for reader in readers]
        yield
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/metrics", figures)])
    app.cleanup_ctx.append(run)
    return app


def run_reader(settings: Settings, names: Sequence[str] = ()) -> None:
    """`zhishu reader`; raises ReaderError."""
    profile = load_profile(settings.profile)
    chosen = pull_channels(profile, names)
    metrics.expose("reader", version("zhishu"), sorted({channel.feed for channel in chosen}))
    secrets = load_secrets(settings.secrets_file)
    codec = Codec(open_registry(settings.registry_url))
    codec.prepare()
    # A producer that is broken for good ends the process as SIGTERM does; whoever supervises it starts another.
    with KafkaSink(kafka_bootstrap(settings), on_fatal=lambda: os.kill(os.getpid(), signal.SIGTERM)) as sink:
        intake = Intake(profile, secrets.privacy(), sink, codec, lambda: time.time_ns() // 1_000_000)
        readers = make_readers(profile, secrets, intake, settings.data_dir, names)
        if not readers:
            _log.info("no channel of the profile has a [channel.source]: there is nothing to read")
        app = make_app(readers, sink)
        web.run_app(
            app,
            host=settings.http_host,
            port=settings.reader_port,
            print=None,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_S,
        )
