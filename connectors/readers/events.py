"""Event streams of cameras and recorders: an endless multipart answer to one HTTP request (docs/feeds/event-streams.md).

The device keeps nothing for us: what it says while the hub is not connected, or while Kafka is away for longer than the
sockets' buffers last, is lost. So the line is watched: a device that says nothing, not even its sign of life, is connected anew.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import aiohttp
from yarl import URL

from connectors.bodies import media_type
from connectors.errors import Refusal
from connectors.multipart import boundary_of, split_events
from connectors.readers.cursor import Cursor
from connectors.readers.loop import Batch, SourceError
from profiles.sources import DahuaSource, HikvisionSource

_CONNECT_S: Final = 10.0
_STATUS: Final = {
    401: "user or password is wrong; after some attempts the device locks the user out",
    403: "the user may not read events; give it the right to remote notification",
    404: "the device knows no such address; check its model",
}


def stream_path(source: HikvisionSource | DahuaSource) -> str:
    """What is asked of the device."""
    if isinstance(source, HikvisionSource):
        return "/ISAPI/Event/notification/alertStream"
    codes = ",".join(source.codes)
    return f"/cgi-bin/eventManager.cgi?action=attach&codes=[{codes}]&heartbeat={source.heartbeat_s}"


class StreamOrigin:
    """The stream of one device. `name`: of the channel and the device, for log lines; `device`: as the camera register has it."""

    errors: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError)

    def __init__(self, name: str, source: HikvisionSource | DahuaSource, device: str, password: str) -> None:
        self.name = name
        self.every_s = source.every_s
        self.identity = ""
        self._source = source
        self._device = device
        self._password = password

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One connection, until it ends; never without an error, since a stream has no end."""
        try:
            async for batch in self._events():
                yield batch
        except (aiohttp.SocketTimeoutError, TimeoutError):
            raise SourceError(f"silent for {self._source.silence_s:g} s, not even a sign of life") from None
        except Refusal as refusal:
            raise SourceError(refusal.reason) from None
        raise SourceError("the device ended its stream")

    async def _events(self) -> AsyncIterator[Batch]:
        source = self._source
        # A limit of the whole request would end the stream; that of a read is the watchdog.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=source.silence_s)
        digest = aiohttp.DigestAuthMiddleware(source.user, self._password)
        trust: aiohttp.Fingerprint | bool = (
            aiohttp.Fingerprint(bytes.fromhex(source.certificate)) if source.certificate else True
        )
        address = source.devices[self._device] + stream_path(source)
        async with (
            aiohttp.ClientSession(timeout=timeout, middlewares=(digest,)) as session,
            # The brackets of Dahua's address must arrive as they are.
            session.get(URL(address, encoded=True), ssl=trust, allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise SourceError(f"the device answers {answer.status}: {_STATUS.get(answer.status, 'see its log')}")
            boundary, rest = boundary_of(answer.headers.get("Content-Type", "")), b""
            yield Batch()  # connected
            async for chunk in answer.content.iter_any():
                parts, rest = split_events(rest + chunk, boundary)
                for part in parts:
                    if not media_type(part.content_type)[0].startswith(("image/", "video/", "audio/")):
                        yield Batch(body=part.body, content_type=part.content_type, tail=self._device)
                if not parts:
                    await asyncio.sleep(0)
