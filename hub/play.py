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

from connectors.auth import SIGNATURE_HEADER, TIME_HEADER, ChannelSecret, signature, wechat_signature
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
    """One request: body, its content type, and how many messages it holds."""

    body: bytes
    content_type: str
    messages: int


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


def _csv_request(header: list[str], rows: list[list[str]]) -> Request:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return Request(out.getvalue().encode(), "text/csv; charset=utf-8", len(rows))


def _batches(lines: Iterable[bytes], max_bytes: int) -> Iterator[list[bytes]]:
    """Lines in batches of at most BATCH and of at most `max_bytes`; a longer line stands alone."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == BATCH or size + len(line) > max_bytes):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line)
    if batch:
        yield batch


def requests(path: Path, max_bytes: int) -> Iterator[Request]:
    """The requests that carry a file, NDJSON in bodies of at most `max_bytes`; raises PlayError for another kind of file."""
    if path.suffix == ".ndjson":
        with path.open("rb") as file:
            for lines in _batches((line for line in file if line.strip()), max_bytes):
                yield Request(b"".join(lines), "application/x-ndjson", len(lines))
    elif path.suffix == ".xml":
        with path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield Request(line.strip(), "application/xml", 1)
    elif path.suffix == ".json":
        for items in _chunks(json.loads(path.read_bytes()), BATCH):
            yield Request(json.dumps(items, ensure_ascii=False).encode(), "application/json", len(items))
    elif path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.reader(table)
            header = next(reader, [])
            for rows in _chunks(reader, BATCH):
                yield _csv_request(header, rows)
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
        for group in _chunks(requests(path, channel.max_body_bytes), CONCURRENCY if path.suffix == ".xml" else 1):
            wanted = [request for request in group if request.messages > 0]
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
                    status, text = await self.post(channel, secret, route, request)
                    _count(played, status, text, request.messages)
        except TryAgainError as error:
            raise PlayError(f"{channel.id}: the hub at {self._url} did not take a request: {error}") from None

    async def post(self, channel: Channel, secret: ChannelSecret, route: str, request: Request) -> tuple[int, str]:
        """Status and text of the answer to one signed request, tried once; raises TryAgainError."""
        headers = {"Content-Type": request.content_type}
        query: dict[str, str] = {}
        if channel.protocol == "wechat" and not route.endswith("/progress"):
            timestamp, nonce = str(int(time.time())), secrets.token_hex(5)
            signed = wechat_signature(secret.token or "", timestamp, nonce)
            query = {"signature": signed, "timestamp": timestamp, "nonce": nonce}
        else:
            now = str(int(time.time()))
            signed = signature(secret.key or b"", "POST", route, now, request.body)
            headers |= {TIME_HEADER: now, SIGNATURE_HEADER: signed}
        try:
            async with self._session.post(
                self._url + route, data=request.body, headers=headers, params=query
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise TryAgainError(f"it does not answer: {type(error).__name__}") from None
        if answer.status in {429, 502, 503, 504}:
            raise TryAgainError(f"it answers {answer.status}")
        return answer.status, text


def _count(played: Played, status: int, text: str, messages: int) -> None:
    if text == "success":  # WeChat's own answer does not say more
        played.accepted += messages
        return
    try:
        answer = json.loads(text)
    except json.JSONDecodeError:
        answer = {}
    if status >= 400:
        played.refused += messages
        played.reasons[str(answer.get("code", f"http_{status}"))] += messages
        return
    played.accepted += int(answer.get("accepted", 0))
    played.refused += int(answer.get("refused", 0))
    played.ignored += int(answer.get("ignored", 0))
    for outcome in answer.get("outcomes", []):
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
