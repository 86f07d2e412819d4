"""Open311 GeoReport v2 servers as pull feeds: docs/feeds/open311-client.md.

The protocol finds requests by the time they were made, never by that of their last change. So each pass asks for what is
new, and every `refresh_s` for all of the last `lookback_days` again; what has not changed since is left out.
"""

import hashlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiohttp
import orjson

from connectors import canonical
from connectors.bodies import Broken, Message
from connectors.errors import Refusal
from connectors.readers.cursor import Cursor
from connectors.readers.georeport import is_closed, moment_of, progress_of, read_objects, services_of, with_zone
from connectors.readers.loop import Batch, SourceError
from profiles.sources import Open311Source

_log: Final = logging.getLogger(__name__)
_REMEMBERED: Final = 200_000
_ANSWER_BYTES: Final = 64 * 1024 * 1024
_PAGES: Final = 10_000
_SERVICES_FOR: Final = timedelta(days=1)
#: Answers of a server that has no JSON.
_NO_JSON: Final = frozenset((400, 404, 406, 415))
_SHORTEST: Final = timedelta(seconds=1)

Request = dict[str, Any]


class Open311Origin:
    """One server. `zone`: of times without one; None: left to the channel. `now`: the clock, with a zone."""

    errors: tuple[type[Exception], ...] = (aiohttp.ClientError, OSError, TimeoutError)

    def __init__(
        self,
        name: str,
        source: Open311Source,
        zone: ZoneInfo | None,
        api_key: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.every_s = source.every_s
        self.identity = f"{source.url}|{source.jurisdiction_id}"
        self._source = source
        self._zone = zone
        self._now = now
        self._common = {"jurisdiction_id": source.jurisdiction_id, "api_key": api_key}
        self._xml: bool | None = {"auto": None, "json": False, "xml": True}[source.format]
        self._services: dict[str, dict[str, str]] = {}
        self._services_until = datetime.min.replace(tzinfo=UTC)

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """New requests, and at times the changes of known ones, in the order they were made."""
        source, now = self._source, self._now()
        seen: dict[str, list[str]] = dict(cursor.get("seen", {}))
        through, swept = moment_of(cursor.get("through")), moment_of(cursor.get("swept"))
        oldest = now - timedelta(days=source.lookback_days)
        begin = oldest if through is None else through - timedelta(seconds=source.overlap_s)
        if through is None and source.since:
            begin = datetime.combine(source.since, time(), self._zone or UTC)
        if swept is None or now - swept >= timedelta(seconds=source.refresh_s):
            begin, swept = min(begin, oldest), now
        seen = {key: entry for key, entry in seen.items() if entry[1] >= oldest.isoformat()}
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=source.timeout_s)) as session:
            await self._learn_services(session, now)
            while begin < now:
                end = min(begin + timedelta(days=source.window_days), now)
                requests = await self._window(session, begin, end)
                changed = sorted(self._changed(requests, seen), key=lambda one: str(one.get("requested_datetime")))
                reached = {"through": end.isoformat(), "swept": (swept if end == now else oldest).isoformat()}
                if through is not None and end < through:
                    reached["through"] = through.isoformat()
                for first in range(0, len(changed), source.batch):
                    for batch in self._batches(changed[first : first + source.batch], seen):
                        yield batch
                for key in list(seen)[: max(0, len(seen) - _REMEMBERED)]:
                    del seen[key]
                yield Batch(cursor={**reached, "seen": seen})
                begin = end

    def _changed(self, requests: Sequence[Request], seen: dict[str, list[str]]) -> list[Request]:
        """Requests that are new or differ from what was taken; of one that comes twice the last."""
        found = {}
        for request in requests:
            fields = with_zone(request, self._zone)
            known = self._services.get(str(fields.get("service_code")), {})
            found[_key(fields)] = {**known, **fields}
        return [fields for key, fields in found.items() if seen.get(key, [""])[0] != _mark(fields)]

    def _batches(self, requests: Sequence[Request], seen: dict[str, list[str]]) -> list[Batch]:
        """Their reports, and the steps their state tells of; notes them as taken."""
        reports: list[Message | Broken] = []
        steps: list[Message | Broken] = []
        for request in requests:
            key, raw = _key(request), orjson.dumps(request)
            if "service_request_id" not in request:
                refusal = Refusal("missing_field", "service_request_id: is missing; it must be given")
                reports.append(Broken(raw, refusal))
            else:
                reports.append(Message(request, raw))
                reopened = seen.get(key, [""])[0].startswith("closed")
                if step := progress_of(request, reopened=reopened):
                    steps.append(Message(step, orjson.dumps(step)))
            seen[key] = [_mark(request), self._now().isoformat()]
        return [Batch(items=reports), Batch(items=steps, connector=canonical.PROGRESS)]

    async def _window(self, session: aiohttp.ClientSession, begin: datetime, end: datetime) -> list[Request]:
        """All requests made between two moments; in halves where the server cuts its answer off."""
        span = {"start_date": _w3(begin), "end_date": _w3(end)}
        if self._source.page_size:
            return await self._paged(session, span)
        found = await self._ask(session, "requests", span)
        if len(found) < self._source.limit:
            return found
        if end - begin <= _SHORTEST:
            raise SourceError(f"{self._source.limit} requests or more within a second; set limit or page_size")
        middle = begin + max(_SHORTEST, (end - begin) / 2)
        return await self._window(session, begin, middle) + await self._window(session, middle, end)

    async def _paged(self, session: aiohttp.ClientSession, span: dict[str, str]) -> list[Request]:
        found: dict[str, Request] = {}
        for page in range(1, _PAGES):
            asked = {**span, "page": str(page), "page_size": str(self._source.page_size)}
            objects = {_key(one): one for one in await self._ask(session, "requests", asked)}
            if not objects.keys() - found.keys():  # the end, or a server that knows no pages
                break
            found |= objects
        return list(found.values())

    async def _learn_services(self, session: aiohttp.ClientSession, now: datetime) -> None:
        """The service list once a day; a server without one is read all the same."""
        if now < self._services_until:
            return
        self._services_until = now + _SERVICES_FOR
        try:
            self._services = services_of(await self._ask(session, "services", {}))
        except SourceError as error:
            _log.warning("%s: no service list: %s", self.name, error)

    async def _ask(self, session: aiohttp.ClientSession, what: str, asked: dict[str, str]) -> list[Request]:
        """The objects of one answer, in the form the server has."""
        if self._xml is not None:
            return await self._get(session, what, asked, xml=self._xml)
        try:
            found = await self._get(session, what, asked, xml=False)
        except _NoJsonError:
            found = await self._get(session, what, asked, xml=True)
            self._xml = True
            return found
        self._xml = False
        return found

    async def _get(
        self, session: aiohttp.ClientSession, what: str, asked: dict[str, str], *, xml: bool
    ) -> list[Request]:
        params = {name: value for name, value in (self._common | asked).items() if value}
        address = f"{self._source.url}/{what}.{'xml' if xml else 'json'}"
        async with session.get(address, params=params, allow_redirects=False) as answer:
            if answer.status != 200:
                told = f"the server answers {answer.status} to GET {what}"
                raise (_NoJsonError if not xml and answer.status in _NO_JSON else SourceError)(told)
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    raise SourceError(f"an answer is over {_ANSWER_BYTES} bytes; make window_days smaller")
            content_type = answer.headers.get("Content-Type", "")
        if not xml and bytes(body.lstrip()[:1]) == b"<":
            raise _NoJsonError("the server answers XML where JSON was asked for")
        return read_objects(bytes(body), content_type, xml=xml)


class _NoJsonError(SourceError):
    """The server seems to have XML only."""


def _key(request: Request) -> str:
    """The request's id; a mark of its content where it has none."""
    return str(request.get("service_request_id") or f"?{_mark(request)}")


def _mark(request: Request) -> str:
    digest = hashlib.sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return f"{'closed' if is_closed(request) else 'open'} {digest}"


def _w3(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
