"""Bodies of requests, read no further than they may be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from connectors.errors import Refusal


class Bodies:
    """Reads bodies. body_s: seconds in which one must have arrived. in_flight_bytes: what may be held at once."""

    def __init__(self, body_s: float = 30.0, in_flight_bytes: int = 16 * 1024 * 1024) -> None:
        self._body_s = body_s
        self._most = in_flight_bytes
        self._in_flight = 0

    @asynccontextmanager
    async def read(self, request: web.Request, limit: int) -> AsyncIterator[bytes]:
        """The body of at most `limit` bytes, counted as in flight until the request is done with it.

        Raises Refusal (too_large, bad_encoding, unsupported_type, unavailable); what is left of the body is not read then.
        """
        body = bytearray()
        try:
            await self._read(request, limit, body)
            yield bytes(body)
        finally:
            self._in_flight -= len(body)

    async def _read(self, request: web.Request, limit: int, body: bytearray) -> None:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refusal("unsupported_type", "send the body without Content-Encoding")
        if (request.content_length or 0) > limit:
            raise Refusal("too_large", f"the body is over {limit} bytes; send less at once")
        try:
            async with asyncio.timeout(self._body_s):
                async for chunk in request.content.iter_any():
                    body += chunk
                    self._in_flight += len(chunk)
                    if len(body) > limit:
                        raise Refusal("too_large", f"the body is over {limit} bytes; send less at once")
                    if self._in_flight > self._most:
                        raise Refusal("unavailable", "the hub is busy with other requests; send the same again")
        except web.PayloadAccessError:
            raise Refusal("bad_encoding", "the body broke off; send it again") from None
        except TimeoutError:
            raise Refusal("bad_encoding", "the body did not arrive in time; send it again") from None
