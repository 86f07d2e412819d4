"""One gateway process before a real Kafka: requests a second, latency at half of that, memory over time.

    python -m bench.gateway [--soak SECONDS] [--json]

The client sends bytes that were made before, over kept connections, and reads no more of an answer than its count, so that
the gateway is what is measured. At half load requests are sent on a fixed schedule, and a latency counts from the moment when
the request should have been sent: a gateway that stalls is not spared the requests that waited meanwhile.
"""

import argparse
import asyncio
import itertools
import json
import re
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from bench import normalise
from connectors.auth import SIGNATURE_HEADER, TIME_HEADER, signature
from hub.kafka_admin import ensure_topics, offset_ranges
from hub.kafka_embedded import EmbeddedKafka
from hub.process import spawn, terminate
from hub.secrets import ensure_secrets
from hub.settings import DEMO_PROFILE
from hub.up import healthy, private_settings
from profiles import load_profile
from schemas.topics import all_topics, intake_topic

#: What one process is to reach at least, reports a second; and milliseconds at p99 under half of what it reaches.
TARGETS: Final = {"single": 2_000, "batch": 8_000, "p99_ms": 50}
ROUNDS: Final = 3
#: Megabytes by which memory may grow during a soak, after its first tenth.
FLAT_MB: Final = 16

_CHANNEL: Final = "demo-hotline"
_BATCHES: Final = (100, 1_000)
_ROUND_S: Final = 6.0
_LATENCY_S: Final = 20.0
_READY_S: Final = 60.0
_SLOT_S: Final = 1.0
_LENGTH: Final = re.compile(rb"[Cc]ontent-[Ll]ength: (\d+)")
_ACCEPTED: Final = re.compile(rb'"accepted":(\d+)')


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its port, process id, the channel's key, and Kafka's address."""

    port: int
    pid: int
    key: bytes
    bootstrap: str

    def request(self, body: bytes, content_type: str) -> bytes:
        """A signed request as it goes over the line."""
        path, stamp = f"/intake/{_CHANNEL}", str(int(time.time()))
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            f"{TIME_HEADER}: {stamp}\r\n{SIGNATURE_HEADER}: {signature(self.key, 'POST', path, stamp, body)}\r\n\r\n"
        )
        return head.encode() + body

    def in_kafka(self) -> int:
        """Reports that Kafka holds."""
        return sum(found.end for found in offset_ranges(self.bootstrap, [intake_topic("hotline12345")]).values())

    def megabytes(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20


@contextmanager
def running() -> Iterator[Gateway]:
    """A gateway of its own, with its own Kafka; both end with the block."""
    profile = load_profile(DEMO_PROFILE)
    with TemporaryDirectory() as name, EmbeddedKafka(Path(name) / "kafka") as kafka:
        settings = private_settings(Path(name), DEMO_PROFILE).model_copy(update={"kafka_bootstrap": kafka.bootstrap})
        ensure_topics(kafka.bootstrap, all_topics(profile.feeds(), profile.assembled_feeds()))
        key = ensure_secrets(settings.secrets_file, profile.channels.values()).channels[_CHANNEL].key or b""
        command = [sys.executable, "-m", "hub", "gateway"]
        process = spawn(command, env=settings.environment(), stdout=Path(name) / "gateway.log")
        try:
            deadline = time.monotonic() + _READY_S
            while not healthy(settings.http_host, settings.http_port):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"the gateway does not start: {(Path(name) / 'gateway.log').read_text()[-2000:]}"
                    )
                time.sleep(0.1)
            yield Gateway(settings.http_port, process.pid, key, kafka.bootstrap)
        finally:
            terminate(process)


# --- the client ------------------------------------------------------------------------------------------------------


class _Connection(asyncio.Protocol):
    """Sends one request at a time; `answered` gets the connection and the answer."""

    def __init__(self, answered: "Callable[[_Connection, bytes], None]") -> None:
        self._answered = answered
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._whole = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True

    def send(self, request: bytes) -> None:
        """Sends the next request."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._whole and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._buffer, 0, end)
            self._whole = end + 4 + (int(length[1]) if length else 0)
        if self._whole and len(self._buffer) >= self._whole:
            answer, self._whole = bytes(self._buffer), 0
            self._buffer.clear()
            self._answered(self, answer)

    def close(self) -> None:
        """Hangs up."""
        self._transport.close()


@dataclass
class Sent:
    """What a run sent and got. latencies: seconds, of each request."""

    accepted: int = 0
    failed: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def count(self, answer: bytes) -> None:
        """Counts an answer."""
        found = _ACCEPTED.search(answer) if answer.startswith(b"HTTP/1.1 2") else None
        if found:
            self.accepted += int(found[1])
        else:
            self.failed += 1


async def _connect(gateway: Gateway, count: int, answered: Callable[[_Connection, bytes], None]) -> list[_Connection]:
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_connection(lambda: _Connection(answered), "127.0.0.1", gateway.port))[1]
        for _ in range(count)
    ]


async def as_fast(gateway: Gateway, make: Callable[[], bytes], connections: int, seconds: float) -> Sent:
    """Each connection sends its next request when the last one is answered."""
    sent, done = Sent(), asyncio.Event()
    started = time.monotonic()
    under_way = connections

    def answered(connection: _Connection, answer: bytes) -> None:
        nonlocal under_way
        sent.count(answer)
        if time.monotonic() - started < seconds:
            connection.send(make())
            return
        under_way -= 1
        if not under_way:
            done.set()

    opened = await _connect(gateway, connections, answered)
    started = time.monotonic()
    for connection in opened:
        connection.send(make())
    await asyncio.wait_for(done.wait(), seconds + 60)
    sent.seconds = time.monotonic() - started
    for connection in opened:
        connection.close()
    return sent


async def on_schedule(
    gateway: Gateway, make: Callable[[], bytes], connections: int, rate: float, seconds: float
) -> Sent:
    """`rate` requests a second whatever the gateway does; latencies from the scheduled moments."""
    sent, done = Sent(), asyncio.Event()
    total = int(rate * seconds)
    due: dict[_Connection, float] = {}
    waiting: deque[float] = deque()

    def answered(connection: _Connection, answer: bytes) -> None:
        sent.count(answer)
        sent.latencies.append(time.monotonic() - due[connection])
        if waiting:
            due[connection] = waiting.popleft()
            connection.send(make())
        else:
            free.append(connection)
        if len(sent.latencies) == total:
            done.set()

    opened = await _connect(gateway, connections, answered)
    free = deque(opened)
    started = time.monotonic()
    for number in range(total):
        moment = started + number / rate
        if (early := moment - time.monotonic()) > 0:
            await asyncio.sleep(early)
        elif number % 50 == 0:
            await asyncio.sleep(0)
        if free:
            connection = free.popleft()
            due[connection] = moment
            connection.send(make())
        else:
            waiting.append(moment)
    await asyncio.wait_for(done.wait(), 60)
    sent.seconds = time.monotonic() - started
    for connection in opened:
        connection.close()
    return sent


# --- measuring -------------------------------------------------------------------------------------------------------


def _orders() -> list[bytes]:
    """Work orders of the sample year, a line each, without the steps between them."""
    found = normalise.messages(load_profile(DEMO_PROFILE), 1_500)[_CHANNEL]
    return [body.strip() for body, _ in found if b'"record_number"' in body and b'"content"' in body]


def _maker(gateway: Gateway, orders: Sequence[bytes], size: int) -> Callable[[], bytes]:
    """Makes the next request: one order, or NDJSON of `size`."""
    if size == 1:
        turn = itertools.cycle(orders)
        return lambda: gateway.request(next(turn), "application/json")
    lines = itertools.cycle(orders)
    batches = itertools.cycle([b"\n".join(itertools.islice(lines, size)) for _ in range(8)])
    return lambda: gateway.request(next(batches), "application/x-ndjson")


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    told = {name: 1000 * ordered[int(share * last)] for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
    return {**told, "max": 1000 * ordered[last]}


def _measure(gateway: Gateway, orders: Sequence[bytes], size: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Reports a second as fast as they go (median of rounds), then latencies at half of that."""
    make, connections = _maker(gateway, orders, size), 32 if size == 1 else 4
    asyncio.run(as_fast(gateway, make, connections, 2.0))
    rates = []
    processor = psutil.Process(gateway.pid).cpu_times()
    used, failed = processor.user + processor.system, 0
    accepted = 0
    for turn in range(ROUNDS):
        say(f"gateway: {size} a request, round {turn + 1} of {ROUNDS}")
        sent = asyncio.run(as_fast(gateway, make, connections, _ROUND_S))
        rates.append(sent.accepted / sent.seconds)
        failed += sent.failed
        accepted += sent.accepted
    processor = psutil.Process(gateway.pid).cpu_times()
    rate = statistics.median(rates)
    say(f"gateway: {size} a request, at half of {rate:,.0f} reports/s")
    half = asyncio.run(on_schedule(gateway, make, 4 * connections, rate / 2 / size, _LATENCY_S))
    return {
        "reports_per_s": rate,
        "runs": rates,
        "failed": failed + half.failed,
        "processor_ms_a_report": 1000 * (processor.user + processor.system - used) / accepted,
        "half_rate": rate / 2,
        "latency_ms": _percentiles(half.latencies),
    }


def run(say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All figures but the soak's."""
    say("gateway: starting Kafka and the gateway")
    with running() as gateway:
        orders = _orders()
        before = gateway.in_kafka()
        first = asyncio.run(as_fast(gateway, _maker(gateway, orders, 1), 4, 1.0))
        if first.failed or gateway.in_kafka() - before != first.accepted:
            raise RuntimeError(f"{first.failed} requests failed, {first.accepted} accepted: Kafka holds another number")
        sizes = {str(size): _measure(gateway, orders, size, say) for size in (1, *_BATCHES)}
    return {"rounds": ROUNDS, "targets": TARGETS, "by_batch": sizes}


def soak(seconds: float, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Memory of a gateway under half of what it reaches: single requests, and a batch of 1,000 every other second."""
    with running() as gateway:
        orders = _orders()
        single, batch = _maker(gateway, orders, 1), _maker(gateway, orders, 1_000)
        reached = asyncio.run(as_fast(gateway, single, 32, _ROUND_S))
        rate = reached.accepted / reached.seconds / 2
        every = int(2 * rate)
        turn = itertools.count()
        memory: list[tuple[float, float]] = []

        def make() -> bytes:
            return batch() if next(turn) % every == 0 else single()

        async def watch(started: float) -> None:
            while True:
                memory.append((time.monotonic() - started, gateway.megabytes()))
                say(f"soak: {memory[-1][0]:.0f} of {seconds:.0f} s, {memory[-1][1]:.1f} MB")
                await asyncio.sleep(_SLOT_S)

        async def both() -> Sent:
            watching = asyncio.create_task(watch(time.monotonic()))
            try:
                return await on_schedule(gateway, make, 64, rate, seconds)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching

        sent = asyncio.run(both())
    warm = [megabytes for at, megabytes in memory if at >= seconds / 10]
    tenth = max(1, len(warm) // 10)
    begin, end = statistics.median(warm[:tenth]), statistics.median(warm[-tenth:])
    return {
        "seconds": sent.seconds,
        "requests_per_s": rate,
        "accepted": sent.accepted,
        "failed": sent.failed,
        "reports_per_s": sent.accepted / sent.seconds,
        "latency_ms": _percentiles(sent.latencies),
        "begin_mb": begin,
        "end_mb": end,
        "most_mb": max(warm),
        "flat": end - begin < FLAT_MB,
    }


def table(result: dict[str, Any]) -> Table:
    """The figures for a person."""
    shown = Table("a request", "reports/s", "target", "ratio", "processor, ms a report", "p50, p99 at half, ms")
    shown.caption = f"one process, median of {result['rounds']} rounds; latency from the scheduled moment"
    for size, found in result["by_batch"].items():
        target = result["targets"]["single" if size == "1" else "batch"]
        rate, latency = found["reports_per_s"], found["latency_ms"]
        cells = (f"{rate:,.0f}", f"{target:,}", f"{rate / target:.2f}", f"{found['processor_ms_a_report']:.2f}")
        shown.add_row(size, *cells, f"{latency['p50']:.1f}, {latency['p99']:.1f}")
    return shown


def main() -> int:
    """`python -m bench.gateway`; exit code 1 when memory grew in a soak."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="hold half load so long and watch the memory")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    console = Console(stderr=True)
    with console.status("Starting ...") as status:
        result = soak(given.soak, status.update) if given.soak else run(status.update)
    if given.json or given.soak:
        print(json.dumps(result, indent=1))
    else:
        Console().print(table(result))
    return 0 if result.get("flat", True) else 1


if __name__ == "__main__":
    sys.exit(main())
