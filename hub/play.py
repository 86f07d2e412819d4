"""Plays recorded feeds through their real intake: HTTP, signed, in the channel's own wire shape.

A file holds one message a line (`.ndjson`, `.xml`), or is one JSON array (`.json`) or one table with a header row
(`.csv`). Lines of `*.progress.ndjson` go to the channel's `/progress`. Messages of one file are sent in order; what Kafka
did not acknowledge is sent again; what the hub refuses is counted and shown, and does not stop the rest.
"""

import asyncio
import csv
import io
import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from connectors import wechat, wechat_crypto
from connectors.auth import SIGNATURE_HEADER, TIME_HEADER, ChannelSecret, signature, wechat_signature
from connectors.errors import Refusal
from connectors.gateway import OUTCOME_HEADER, REPLAY_COUNT_HEADER
from profiles import Channel

_T = TypeVar("_T")

#: Messages of one NDJSON, JSON or CSV request: large enough to spread the cost of a request, small enough to show progress.
BATCH: Final = 500
#: Single-message requests under way at once.
CONCURRENCY: Final = 16
#: How long a request is tried again while the hub or Kafka is away.
PATIENCE_S: Final = 120.0


class PlayError(RuntimeError):
    """The file can't be played, or the hub stayed away for too long."""


class TryAgainError(Exception):
    """The hub said 429, 502, 503 or 504, or did not answer: the same request again."""


@dataclass(frozen=True)
class Request:
    """One request: body, its content type, how many messages it holds, and how often it was played again before."""

    body: bytes
    content_type: str
    messages: int
    replay_count: int = 0


@dataclass(frozen=True)
class Answer:
    """What came back. `outcome` is the header that says what a protocol's own answer does not."""

    status: int
    text: str
    outcome: str


@dataclass
class Played:
    """What the hub answered so far, in messages; `reasons` counts refusals by their code."""

    accepted: int = 0
    refused: int = 0
    ignored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def messages(self) -> int:
        """All messages the hub has answered."""
        return self.accepted + self.refused + self.ignored

    def add(self, other: "Played") -> None:
        """Adds another file's answers."""
        self.accepted += other.accepted
        self.refused += other.refused
        self.ignored += other.ignored
        self.reasons.update(other.reasons)


def _chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _batches(items: Iterable[bytes], most: int, max_bytes: int) -> Iterator[list[bytes]]:
    """Items in batches of at most `most` and of at most `max_bytes`; a longer item stands alone."""
    batch: list[bytes] = []
    size = 0
    for item in items:
        if batch and (len(batch) == most or size + len(item) + 1 > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item) + 1
    if batch:
        yield batch


def _csv_lines(path: Path) -> tuple[bytes, Iterator[bytes]]:
    """Header and rows of a table, each as one line of CSV again."""

    def line(row: list[str]) -> bytes:
        out = io.StringIO()
        csv.writer(out).writerow(row)
        return out.getvalue().encode()

    def rows() -> Iterator[bytes]:
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.reader(table)
            next(reader, None)
            yield from map(line, reader)

    with path.open(encoding="utf-8-sig", newline="") as table:
        return line(next(csv.reader(table), [])), rows()


def requests(path: Path, max_bytes: int, most: int = BATCH) -> Iterator[Request]:
    """The requests that carry a file, each of at most `max_bytes` and `most` messages; raises PlayError for another kind."""
    if path.suffix == ".ndjson":
        with path.open("rb") as file:
            for lines in _batches((line.strip() for line in file if line.strip()), most, max_bytes):
                yield Request(b"\n".join(lines), "application/x-ndjson", len(lines))
    elif path.suffix == ".xml":
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield Request(line.strip(), "application/xml", 1)
    elif path.suffix == ".json":
        found = json.loads(path.read_bytes())
        items = (
            json.dumps(item, ensure_ascii=False).encode() for item in (found if isinstance(found, list) else [found])
        )
        for lines in _batches(items, most, max_bytes):
            yield Request(b"\n".join(lines), "application/x-ndjson", len(lines))
    elif path.suffix == ".csv":
        header, rows = _csv_lines(path)
        for lines in _batches(rows, most, max_bytes - len(header)):
            yield Request(header + b"".join(lines), "text/csv; charset=utf-8", len(lines))
    else:
        raise PlayError(f"{path.name}: a feed file ends in .ndjson, .xml, .json or .csv")


class Player:
    """Sends the messages of files to one hub."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/")
        self._session = session

    async def play(
        self,
        channel: Channel,
        secret: ChannelSecret,
        path: Path,
        *,
        rate: float | None = None,
        skip: int = 0,
        on_progress: Callable[[int], None] | None = None,
    ) -> Played:
        """Plays a file from its message `skip` on, at most `rate` messages a second; raises PlayError."""
        played = Played()
        route = f"/intake/{channel.id}" + ("/progress" if path.name.endswith(".progress.ndjson") else "")
        started, sent = time.monotonic(), 0
        # At a rate, a request holds no more than a second's messages.
        most = min(BATCH, max(1, int(rate))) if rate else BATCH
        at_once = min(CONCURRENCY, most) if path.suffix == ".xml" else 1
        for wanted in _chunks(requests(path, channel.max_body_bytes, most), at_once):
            size = sum(request.messages for request in wanted)
            if skip >= size:  # a group is played whole or not at all, so a resumed play starts between groups
                skip -= size
                continue
            await asyncio.gather(*(self.send(channel, secret, route, request, played) for request in wanted))
            sent += size
            if on_progress:
                on_progress(size)
            if rate:
                await asyncio.sleep(max(0.0, started + sent / rate - time.monotonic()))
        return played

    async def send(self, channel: Channel, secret: ChannelSecret, route: str, request: Request, played: Played) -> None:
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(TryAgainError),
                wait=wait_random_exponential(multiplier=0.2, max=5),
                stop=stop_after_delay(PATIENCE_S),
                reraise=True,
            ):
                with attempt:
                    _count(played, await self.post(channel, secret, route, request), request.messages)
        except TryAgainError as error:
            raise PlayError(f"{channel.id}: the hub at {self._url} did not take a request: {error}") from None

    async def post(self, channel: Channel, secret: ChannelSecret, route: str, request: Request) -> Answer:
        """The answer to one signed request, tried once; raises TryAgainError."""
        headers = {"Content-Type": request.content_type}
        if request.replay_count:
            headers[REPLAY_COUNT_HEADER] = str(request.replay_count)
        query: dict[str, str] = {}
        body = request.body
        if channel.protocol == "wechat" and not route.endswith("/progress"):
            body, query = as_wechat(secret, request)
        else:
            now = str(int(time.time()))
            signed = signature(secret.key or b"", "POST", route, now, request.body)
            headers |= {TIME_HEADER: now, SIGNATURE_HEADER: signed}
        try:
            async with self._session.post(self._url + route, data=body, headers=headers, params=query) as answer:
                text = await answer.text()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise TryAgainError(f"it does not answer: {type(error).__name__}") from None
        if answer.status in {429, 502, 503, 504}:
            raise TryAgainError(f"it answers {answer.status}")
        return Answer(answer.status, text, answer.headers.get(OUTCOME_HEADER, ""))


def as_wechat(secret: ChannelSecret, request: Request) -> tuple[bytes, dict[str, str]]:
    """Body and query as WeChat sends a message: encrypted where the channel has aes_keys, or where it is already."""
    body, token = request.body, secret.token or ""
    timestamp, nonce = str(int(time.time())), secrets.token_hex(5)
    query = {"signature": wechat_signature(token, timestamp, nonce), "timestamp": timestamp, "nonce": nonce}
    try:
        data = wechat.read_fields(body, request.content_type)
    except Refusal:  # a dead letter that is no message: sent as it is, the hub says so again
        data = {}
    encrypted = str(data.get("Encrypt", ""))
    if not encrypted and secret.aes_keys:
        encrypted = wechat_crypto.encrypt(secret.aes_keys[0], secret.app_id, body)
        outer = {"ToUserName": str(data.get("ToUserName", "")), "Encrypt": encrypted}
        body = wechat.write_fields(outer, wechat.is_json(body))
    if encrypted:
        signed = wechat_signature(token, timestamp, nonce, encrypted)
        query |= {"encrypt_type": "aes", "msg_signature": signed}
    return body, query


def _count(played: Played, answer: Answer, messages: int) -> None:
    if answer.outcome and answer.status < 400:  # a protocol's own answer, which may be the same whatever became of it
        if answer.outcome == "refused":
            played.refused += messages
            played.reasons["see_deadletter"] += messages
        elif answer.outcome == "ignored":
            played.ignored += messages
        else:
            played.accepted += messages
        return
    try:
        told = json.loads(answer.text)
    except json.JSONDecodeError:
        told = {}
    if answer.status >= 400 and "outcomes" not in told:
        played.refused += messages
        played.reasons[str(told.get("code", f"http_{answer.status}"))] += messages
        return
    played.accepted += int(told.get("accepted", 0))
    played.refused += int(told.get("refused", 0))
    played.ignored += int(told.get("ignored", 0))
    for outcome in told.get("outcomes", []):
        if outcome.get("status") == "refused":
            played.reasons[str(outcome.get("code"))] += 1


async def play_one(
    url: str,
    channel: Channel,
    secret: ChannelSecret,
    path: Path,
    rate: float | None,
    on_total: Callable[[int], None],
    on_progress: Callable[[int], None],
) -> Played:
    """Plays one whole file; `on_total` gets its number of messages first. Raises PlayError."""
    try:
        on_total(sum(request.messages for request in requests(path, channel.max_body_bytes)))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PlayError(f"{path}: can't be read as a feed file ({type(error).__name__})") from None
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        return await Player(url, session).play(channel, secret, path, rate=rate, on_progress=on_progress)
