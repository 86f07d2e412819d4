"""Bodies of requests, read no further than they may be."""

import asyncio
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from connectors.errors import Refusal


@dataclass(frozen=True, slots=True)
class Limits:
    """`body_s`: seconds in which a body must have arrived. `in_flight_bytes`: bodies that one process holds at once."""

    body_s: float = 30.0
    in_flight_bytes: int = 128 * 1024 * 1024


LIMITS: Final = Limits()


class Bodies:
    """Reads bodies and counts what is held of them: whoever reads one gives it back with `release`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._in_flight = 0

    async def read(self, request: web.Request, limit: int, body: bytearray) -> None:
        """Adds the body of at most `limit` bytes to `body`, which counts as in flight from then on.

        Raises Refusal (too_large, bad_encoding, unsupported_type, unavailable); what is left of the body is not read then,
        so that the connection can't carry another request.
        """
        if any(encoding.strip().lower() != "identity" for encoding in request.headers.getall("Content-Encoding", ())):
            raise Refusal("unsupported_type", "send the body without Content-Encoding")
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if request.content.is_eof():  # it came in one piece with its headers, as short ones do
            self._add(limit, body, request.content.read_nowait())
            return
        try:
            async with asyncio.timeout(self._limits.body_s):
                await _continue(request)
                async for chunk in request.content.iter_any():
                    self._add(limit, body, chunk)
        except web.PayloadAccessError:
            raise Refusal("bad_encoding", "the body broke off; send it again") from None
        except TimeoutError:
            raise Refusal("bad_encoding", "the body did not arrive in time; send it again") from None

    def release(self, body: bytearray) -> None:
        """What was read is no longer held."""
        self._in_flight -= len(body)

    def _add(self, limit: int, body: bytearray, chunk: bytes) -> None:
        body += chunk
        self._in_flight += len(chunk)
        if len(body) > limit:
            raise _too_large(limit)
        if self._in_flight > self._limits.in_flight_bytes:
            raise Refusal("unavailable", "the hub is busy with other requests; send the same again")


async def expect(_request: web.Request) -> None:
    """A sender that asks before it sends its body is answered when the body is wanted, not before it proved itself."""


async def _continue(request: web.Request) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # what aiohttp knows as "nothing was answered yet"


def _too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"the body is over {limit} bytes; send smaller batches")
