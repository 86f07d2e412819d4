"""ClickHouse's HTTP interface on top of the embedded engine.

What a client of a ClickHouse server sends is answered the same way, so that a server can replace this by a setting:
https://clickhouse.com/docs/en/interfaces/http lists it. Not offered: the native protocol (port 9000), external tables
in form fields, ``compress=1``/``decompress=1`` framing, roles by request, progress headers.
"""

import asyncio
import base64
import binascii
import hmac
import logging
import secrets
import string
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, web

from hub.clickhouse_embedded import compression
from hub.clickhouse_embedded.engine import Answer, Engine, Request, Session, Stream
from hub.clickhouse_embedded.errors import ClickHouseError
from profiles.access import Reader

log = logging.getLogger(__name__)

# What a URL may hold beside settings and param_*; the values of the last group are read by nobody here.
_TRANSPORT = frozenset(
    [
        "query",
        "query_id",
        "database",
        "default_format",
        "user",
        "password",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "wait_end_of_query",
        "enable_http_compression",
        "readonly",
        "compress",
        "decompress",
        "role",
        "quota_key",
        "client_protocol_version",
        "buffer_size",
        "stacktrace",
        "http_zlib_compression_level",
        "http_write_exception_in_output_format",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
    ]
)
_NAME = "X-ClickHouse-Server-Display-Name"
_SMALL = 1024  # bytes; a smaller answer is not worth compressing
_MAX_LINE = 1 << 20  # bytes of a request line or header: queries may stand in the URL
_MAX_SESSION_SECONDS = 3600.0
_SHUTDOWN = (
    5.0  # seconds that running requests get to end when the process is asked to stop; then SELECTs are cancelled
)
_KILL_EVERY = 0.2  # seconds between attempts to cancel an abandoned query, until it has ended


@dataclass(frozen=True)
class Limits:
    """What the interface takes: bytes of a request's body, and how many queries of the hub and of all readers run at a time."""

    body_bytes: int = 512 << 20
    hub_threads: int = 12
    reader_threads: int = 4


@dataclass
class _Lease:
    """A session of one user with its lock and its end of life, in seconds of time.monotonic()."""

    session: Session = field(default_factory=Session)
    busy: bool = False
    expires: float = 0.0


@dataclass(frozen=True)
class _Job:
    """One request on its way: where the answer goes, and how."""

    http: web.Request
    given: Mapping[str, str]
    user: str
    query_id: str
    tag: str
    finish: Callable[[], None]

    @property
    def coding(self) -> str | None:
        """The answer's Content-Encoding; a server compresses unless the client forbids it."""
        if self.given.get("enable_http_compression", "1") == "0":
            return None
        return compression.choose(self.http.headers.get("Accept-Encoding", ""))


class Interface:
    """The request handlers; everything but the engine's work happens in one event loop."""

    def __init__(
        self, engine: Engine, passwords: Mapping[str, str], readers: Mapping[str, Reader], limits: Limits
    ) -> None:
        """``passwords`` has one entry for each user: ``hub``, and those of ``readers``."""
        self._engine = engine
        self._passwords = dict(passwords)
        self._readers = dict(readers)
        self._quota = _Quota()
        self._limits = limits
        # A pool each: analysts' slow queries never keep the sink waiting for a thread.
        self._hub_pool = ThreadPoolExecutor(limits.hub_threads, thread_name_prefix="hub")
        self._reader_pool = ThreadPoolExecutor(limits.reader_threads, thread_name_prefix="reader")
        self._killer = ThreadPoolExecutor(1, thread_name_prefix="kill")
        self._leases: dict[tuple[str, str], _Lease] = {}
        self._running: set[str] = set()
        self._background: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        """Return the application; run it with handler_cancellation, and without aiohttp's own decompression."""
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_route("GET", "/", self._handle)
        app.router.add_route("POST", "/", self._handle)
        app.on_cleanup.append(self._clean_up)
        return app

    async def _clean_up(self, _: web.Application) -> None:
        """End what outlived its request: cancelled queries, the threads, the sessions."""
        await asyncio.gather(*self._background)
        for pool in (self._hub_pool, self._reader_pool, self._killer):
            await asyncio.to_thread(pool.shutdown)
        for lease in self._leases.values():
            lease.session.close()

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(body=b"Ok.\n", headers={_NAME: "zhishu"})

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        query_id = str(uuid.uuid4())
        user = ""
        try:
            given = _url_parameters(http.rel_url.raw_query_string)
            query_id = _one_line(given.get("query_id", "")) or query_id
            if http.method == "GET" and not given.get("query"):
                return await self._ping(http)
            user = self._authenticate(http, given)
            form, body = await self._read(http)
            given |= form
            return await self._query(http, user, query_id, given, body)
        except ClickHouseError as error:
            log.info("query %s of user %r failed: code %d (%s)", query_id, user, error.code, error.name)
            return self._failed(error, query_id)

    def _failed(self, error: ClickHouseError, query_id: str) -> web.Response:
        headers = self._headers(query_id) | {"X-ClickHouse-Exception-Code": str(error.code)}
        if error.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse"'
        # Never compressed: clients read the text of an error as it comes.
        return web.Response(
            status=error.status,
            body=error.body(self._engine.version),
            headers=headers | {"Content-Type": "text/plain; charset=UTF-8"},
        )

    def _headers(self, query_id: str) -> dict[str, str]:
        return {
            _NAME: "zhishu",
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": self._engine.time_zone,
        }

    def _authenticate(self, http: web.Request, given: Mapping[str, str]) -> str:
        """Return the user; raises ClickHouseError 194 without credentials, 516 with wrong ones."""
        basic = http.headers.get("Authorization", "")
        if "X-ClickHouse-User" in http.headers or "X-ClickHouse-Key" in http.headers:
            user, password = http.headers.get("X-ClickHouse-User", ""), http.headers.get("X-ClickHouse-Key", "")
        elif basic[:6].lower() == "basic ":
            try:
                user, _, password = base64.b64decode(basic[6:], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user = password = ""
        elif "user" in given or "password" in given:
            user, password = given.get("user", ""), given.get("password", "")
        else:
            raise ClickHouseError(194, "REQUIRED_PASSWORD", "Give a user and its password with the request.")
        expected = self._passwords.get(user)
        right = hmac.compare_digest((expected or "").encode(), password.encode(errors="surrogateescape"))
        if expected is None or not right:
            raise ClickHouseError(
                516,
                "AUTHENTICATION_FAILED",
                "Authentication failed: there is no such user, or its password is another.",
            )
        return user

    async def _read(self, http: web.Request) -> tuple[dict[str, str], bytes]:
        """Return the form fields and the body, read to its end: an insert whose sender died never starts."""
        coding = http.headers.get("Content-Encoding", "").strip().lower()
        if http.content_type == "multipart/form-data":
            return await self._read_form(http), b""
        body = bytearray()
        async for chunk in http.content.iter_any():
            body += chunk
            if len(body) > self._limits.body_bytes:
                raise _too_large(self._limits.body_bytes)
        if not coding:
            return {}, bytes(body)
        loop = asyncio.get_running_loop()
        return {}, await loop.run_in_executor(None, compression.decode, bytes(body), coding, self._limits.body_bytes)

    async def _read_form(self, http: web.Request) -> dict[str, str]:
        form: dict[str, str] = {}
        size = 0
        async for part in await http.multipart():
            if not isinstance(part, BodyPartReader) or part.filename is not None or part.name is None:
                raise ClickHouseError(
                    48, "NOT_IMPLEMENTED", "External tables in form fields are not supported: insert into a table."
                )
            value = await part.read(decode=True)
            size += len(value)
            if size > self._limits.body_bytes:
                raise _too_large(self._limits.body_bytes)
            form[part.name] = value.decode(errors="surrogateescape")
        return form

    async def _query(
        self, http: web.Request, user: str, query_id: str, given: Mapping[str, str], body: bytes
    ) -> web.StreamResponse:
        if given.get("compress", "0") != "0" or given.get("decompress", "0") != "0" or given.get("role"):
            raise ClickHouseError(
                48, "NOT_IMPLEMENTED", "compress, decompress and role are not supported: use Content-Encoding."
            )
        reader = self._readers.get(user)
        if reader is not None:
            self._quota.take(user, reader.limits.queries_per_hour)
        if query_id in self._running:
            raise ClickHouseError(
                216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", "A query with this query_id is already running."
            )
        statement = given.get("query", "").encode(errors="surrogateescape")
        wait = given.get("wait_end_of_query", "0") not in ("0", "")
        tag = uuid.uuid4().hex
        params = _query_parameters(given)
        lease = self._lease(user, given)
        request = Request(
            text=statement + b"\n" + body if statement and body else statement or body,
            tag=tag,
            reader=reader,
            database=str(given.get("database") or http.headers.get("X-ClickHouse-Database", "")),
            params=params,
            settings={k: v for k, v in given.items() if k not in _TRANSPORT and not k.startswith("param_")},
            default_format=given.get("default_format") or http.headers.get("X-ClickHouse-Format") or "TabSeparated",
            may_stream=not wait,
            read_only=http.method == "GET" or given.get("readonly", "0") != "0",
            session=lease.session if lease and reader is None else None,
        )
        self._running.add(query_id)
        work = self._pool(user).submit(self._engine.run, request)
        job = _Job(http, given, user, query_id, tag, _Once(lambda: self._finished(query_id, lease)))
        try:
            outcome = await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            self._later(self._abandon(job, work))
            raise
        except BaseException:
            job.finish()
            raise
        if isinstance(outcome, Answer):
            job.finish()
            return await self._answer(job, outcome)
        try:
            return await self._send_stream(job, outcome)
        finally:
            self._later(self._close(job, outcome))

    async def _answer(self, job: _Job, answer: Answer) -> web.StreamResponse:
        headers = self._headers(job.query_id) | {"X-ClickHouse-Summary": answer.summary.header()}
        if answer.format is not None:
            headers |= _format_headers(answer.format)
        body = answer.body
        coding = job.coding
        if coding and len(body) >= _SMALL:
            body = await asyncio.get_running_loop().run_in_executor(None, compression.encode, body, coding)
            headers["Content-Encoding"] = coding
        return web.Response(body=body, headers=headers)

    async def _send_stream(self, job: _Job, stream: Stream) -> web.StreamResponse:
        """Send block after block; an error on the way is told in the body, as status and headers have left."""
        mark = "".join(secrets.choice(string.ascii_lowercase) for _ in range(16))
        headers = self._headers(job.query_id) | _format_headers(stream.format) | {"X-ClickHouse-Exception-Tag": mark}
        coding = job.coding
        encoder = compression.encoder(coding) if coding else None
        if coding:
            headers["Content-Encoding"] = coding
        response = web.StreamResponse(headers=headers)
        await response.prepare(job.http)
        loop = asyncio.get_running_loop()
        pool = self._pool(job.user)
        block = stream.first
        while block:
            await response.write(await loop.run_in_executor(pool, encoder.encode, block) if encoder else block)
            work = pool.submit(stream.fetch)
            try:
                block = await asyncio.wrap_future(work)
            except ClickHouseError as error:
                log.info("query %s of user %r failed on the way: code %d", job.query_id, job.user, error.code)
                trailer = _exception_trailer(error.body(self._engine.version), mark)
                await response.write(encoder.encode(trailer) if encoder else trailer)
                break
            except asyncio.CancelledError:
                await self._kill_until_done(job, work)
                raise
        # Before the client can see the end: its next request may come at once, and must find its session free.
        await self._close(job, stream)
        if encoder:
            await response.write(encoder.finish())
        await response.write_eof()
        return response

    async def _abandon(self, job: _Job, work: Future[Answer | Stream]) -> None:
        """See a request to its end whose client has left: a SELECT is cancelled, a write ends as it would have."""
        await self._kill_until_done(job, work)
        outcome = None if work.cancelled() or work.exception() else work.result()
        if isinstance(outcome, Stream):
            await self._close(job, outcome)
        job.finish()

    async def _kill_until_done(self, job: _Job, work: Future[Any]) -> None:
        """Wait for work in a thread; cancelling its asyncio future has ended it only where it had not begun."""
        loop = asyncio.get_running_loop()
        while not work.done():
            with suppress(ClickHouseError):
                await loop.run_in_executor(self._killer, self._engine.kill, job.tag)
            await asyncio.sleep(_KILL_EVERY)

    async def _close(self, job: _Job, stream: Stream) -> None:
        with suppress(ClickHouseError):
            await asyncio.get_running_loop().run_in_executor(self._pool(job.user), stream.close)
        job.finish()

    def _pool(self, user: str) -> ThreadPoolExecutor:
        return self._reader_pool if user in self._readers else self._hub_pool

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _finished(self, query_id: str, lease: _Lease | None) -> None:
        self._running.discard(query_id)
        if lease is not None:
            lease.busy = False

    def _lease(self, user: str, given: Mapping[str, str]) -> _Lease | None:
        """Lock the request's session, made where missing; None without one. Raises ClickHouseError."""
        name = given.get("session_id", "")
        now = time.monotonic()
        for key, old in list(self._leases.items()):
            if not old.busy and old.expires < now:
                del self._leases[key]
                old.session.close()
        if not name:
            return None
        try:
            lifetime = float(given.get("session_timeout", "60"))
        except ValueError:
            lifetime = -1.0
        if not 0 <= lifetime <= _MAX_SESSION_SECONDS:
            raise ClickHouseError(
                374, "INVALID_SESSION_TIMEOUT", f"session_timeout must be 0 to {_MAX_SESSION_SECONDS:.0f} seconds."
            )
        lease = self._leases.get((user, name))
        if lease is None:
            if given.get("session_check", "0") == "1":
                raise ClickHouseError(372, "SESSION_NOT_FOUND", "Session not found: it has ended, or never began.")
            lease = self._leases[user, name] = _Lease()
        if lease.busy:
            raise ClickHouseError(
                373, "SESSION_IS_LOCKED", "Session is locked by a concurrent client: use a session for each thread."
            )
        lease.busy = True
        lease.expires = 0.0 if given.get("close_session", "0") == "1" else now + lifetime
        return lease


class _Quota:
    """How many queries each user sent in the hour that runs, by the clock, as a server's quota counts them."""

    def __init__(self) -> None:
        self._hour = 0
        self._queries: Counter[str] = Counter()

    def take(self, user: str, at_most: int) -> None:
        """Count one; raises ClickHouseError 201 where it is one too many. 0 is no limit."""
        hour = int(time.time() // 3600)
        if hour != self._hour:
            self._hour = hour
            self._queries.clear()
        if at_most and self._queries[user] >= at_most:
            raise ClickHouseError(
                201,
                "QUOTA_EXCEEDED",
                f"Quota for user has been exceeded: {at_most} queries an hour. Ask again in the next.",
            )
        self._queries[user] += 1


class _Once:
    """Call something at the first call only: the ways in which a request ends may cross."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


async def serve(interface: Interface, host: str, port: int, stop: asyncio.Event) -> None:
    """Listen until ``stop`` is set, then let the running requests end. Raises OSError when the port is taken."""
    runner = web.AppRunner(
        interface.app(),
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=512).start()
        log.info("ready on %s:%d", host, port)
        await stop.wait()
    finally:
        await runner.cleanup()


def _url_parameters(raw: str) -> dict[str, str]:
    """Return the URL's parameters; bytes that are not UTF-8 are kept as surrogates."""
    return dict(parse_qsl(raw, keep_blank_values=True, errors="surrogateescape", max_num_fields=10_000))


def _query_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the values of param_*, by name."""
    params = {name.removeprefix("param_"): value for name, value in given.items() if name.startswith("param_")}
    for name, value in params.items():
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            raise ClickHouseError(
                457, "BAD_QUERY_PARAMETER", "A query parameter is not UTF-8: send such bytes as unhex('...')."
            ) from None
    return params


def _format_headers(form: str) -> dict[str, str]:
    if form.startswith("JSON") and "EachRow" not in form:
        kind = "application/json; charset=UTF-8"
    elif form.startswith(("TSV", "TabSeparated")):
        kind = "text/tab-separated-values; charset=UTF-8"
    elif form.startswith("CSV"):
        kind = "text/csv; charset=UTF-8"
    else:
        kind = "application/octet-stream"
    return {"X-ClickHouse-Format": _one_line(form), "Content-Type": kind}


def _exception_trailer(text: bytes, mark: str) -> bytes:
    tag = mark.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, text, len(text), tag)


def _one_line(text: str) -> str:
    """Return text fit for a header: no line ends, no bytes that are not UTF-8."""
    return "".join(character for character in text if character.isprintable())[:200]


def _too_large(limit: int) -> ClickHouseError:
    return ClickHouseError(307, "TOO_MANY_BYTES", f"The body is larger than {limit} bytes: send smaller batches.")
