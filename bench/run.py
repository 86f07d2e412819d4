"""`zhishu bench`: connectors, gateway, worker and the whole line, with an own Kafka and ClickHouse, beside its peers."""

import asyncio
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

from bench import gateway, normalise
from bench.records import records
from hub.endpoints import clickhouse_client
from hub.kafka_admin import ensure_topics, offset_ranges
from hub.kafka_embedded import EmbeddedKafka
from hub.play import Played, Player, Request
from hub.process import free_port, spawn, terminate
from hub.settings import DEMO_PROFILE, Settings
from hub.up import Hub, private_settings
from profiles import Profile, load_profile
from schemas.codec import Codec
from schemas.registry import FileRegistry
from schemas.topics import INTAKE_PARTITIONS, ROUTED, all_topics

ROUNDS: Final = 3
#: Stock Faust gets so many times fewer events, or its turn would take all the time.
STOCK_SHARE: Final = 10
_TIMEOUT_S: Final = 600.0
_LATENCY_RATE: Final = 100
_LATENCY_S: Final = 20

Records = list[tuple[str, bytes, bytes]]


def percentiles(values: list[float]) -> dict[str, float]:
    """Milliseconds at p50 and p99 of seconds."""
    ordered = sorted(values)
    return {name: 1000 * ordered[int(share * (len(ordered) - 1))] for name, share in (("p50", 0.5), ("p99", 0.99))}


# --- the worker alone ------------------------------------------------------------------------------------------------


def fresh_topics(bootstrap: str, profile: Profile) -> None:
    specs = all_topics(profile.feeds(), profile.assembled_feeds())
    client = AdminClient({"bootstrap.servers": bootstrap})
    existing = client.list_topics(timeout=30).topics
    if old := [s.name for s in specs if s.name in existing]:
        for future in client.delete_topics(old).values():
            future.result(30)
    deadline = time.monotonic() + 30
    while any(s.name in client.list_topics(timeout=30).topics for s in specs) and time.monotonic() < deadline:
        time.sleep(0.05)
    ensure_topics(bootstrap, specs)


def produce(bootstrap: str, messages: Records) -> None:
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 20, "partitioner": "murmur2_random"}
    )
    for topic, key, value in messages:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)


def _rate(bootstrap: str, count: int) -> float:
    """Outcomes a second, from Kafka's own times of the first and the last outcome, once all are there."""
    deadline = time.monotonic() + _TIMEOUT_S
    while sum(r.end for r in offset_ranges(bootstrap, [ROUTED]).values()) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"less than {count} outcomes after {_TIMEOUT_S:.0f} s")
        time.sleep(0.2)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-rate", "enable.auto.commit": False})
    times: list[int] = []
    with closing(consumer):
        consumer.assign([TopicPartition(ROUTED, p, 0) for p in range(INTAKE_PARTITIONS)])
        while len(times) < count:
            times += [message.timestamp()[1] for message in consumer.consume(10_000, timeout=5)]
    times.sort()
    # The first chunk's outcomes were worked for before the first time: leave them out.
    first = times[0]
    after = sum(1 for at in times if at > first)
    return 1000 * after / max(1, times[-1] - first)


def worker_command(contender: str, bootstrap: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    settings = Settings(
        kafka_bootstrap=bootstrap,
        data_dir=folder,
        worker_port=free_port(),
        worker_driver="kafka" if contender == "stock Faust" else "batch",
    )
    if contender == "plain confluent loop":
        return [sys.executable, "-m", "bench.plain_loop", bootstrap, str(DEMO_PROFILE)], settings.environment()
    return [sys.executable, "-m", "hub", "worker"], settings.environment()


def measure_worker(
    profile: Profile, messages: Records, contenders: list[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """Median events a second of each contender over interleaved rounds: decode, decide, encode, produce, commit."""
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    with TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka", heap="1g") as kafka:
        for turn in range(ROUNDS):
            for name in contenders:
                say(f"worker alone, round {turn + 1} of {ROUNDS}: {name}")
                part = messages[: len(messages) // STOCK_SHARE] if name == "stock Faust" else messages
                fresh_topics(kafka.bootstrap, profile)
                produce(kafka.bootstrap, part)
                command, environment = worker_command(
                    name, kafka.bootstrap, Path(folder) / f"{turn}-{name.replace(' ', '-')}"
                )
                process = spawn(command, env=environment, stdout=Path(folder) / "log")
                try:
                    rates[name].append(_rate(kafka.bootstrap, len(part)))
                finally:
                    terminate(process)
    return {name: {"events_per_s": statistics.median(found), "runs": found} for name, found in rates.items()}


# --- the whole line --------------------------------------------------------------------------------------------------


def _orders(count: int, prefix: str) -> list[bytes]:
    """Canonical reports, a body each, all different and of different places in time."""
    started = time.time() - count
    return [
        json.dumps(
            {
                "record": "report",
                "upstream_id": f"{prefix}-{number}",
                "reported_at": started + number,
                "appeal_type": "complaint",
                "title": "（虚构）路灯不亮",
                "content": f"（虚构）第{number}号测量用诉求，路灯不亮。",
                "admin_code": f"37021200{1 + number % 5}",
                "reporter": {"id": f"{prefix}-{number}"},
            },
            ensure_ascii=False,
        ).encode()
        for number in range(count)
    ]


class _Watch:
    """Notes when each report id is first seen in `routed` and first answers a query. In two threads."""

    def __init__(self, bootstrap: str, url: str) -> None:
        self.routed: dict[str, float] = {}
        self.stored: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch_routed, args=(bootstrap,), daemon=True),
            threading.Thread(target=self._watch_stored, args=(url,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _watch_routed(self, bootstrap: str) -> None:
        codec = Codec(FileRegistry())
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "bench-watch",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 5,
            }
        )
        with closing(consumer):
            ends = offset_ranges(bootstrap, [ROUTED])
            consumer.assign([TopicPartition(t, p, r.end) for (t, p), r in ends.items()])
            while not self._stop.is_set():
                found = consumer.consume(1000, timeout=0.02)
                now = time.time()
                for message in found:
                    if message.error() is None:
                        self.routed.setdefault(codec.routed_report(message.value() or b"")["report"]["report_id"], now)

    def _watch_stored(self, url: str) -> None:
        client = clickhouse_client(url)
        with closing(client):
            while not self._stop.wait(0.05):
                rows = client.query("SELECT report_id FROM hub.routed WHERE _ingested_at >= now64(3) - 10").result_rows
                now = time.time()
                for (report_id,) in rows:
                    self.stored.setdefault(report_id, now)

    def wait(self, ids: set[str]) -> None:
        """Returns when all ids were seen twice; raises TimeoutError."""
        deadline = time.monotonic() + 120
        while not (ids <= self.routed.keys() and ids <= self.stored.keys()):
            if time.monotonic() > deadline:
                raise TimeoutError("not every accepted report was routed and stored within 120 s")
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends both threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(10)


async def _send_at_rate(hub: Hub, bodies: list[bytes], rate: int) -> dict[str, float]:
    """Report id to the moment of its 2xx, one message a request."""
    accepted: dict[str, float] = {}
    channel = hub.profile.channels["demo-canonical"]
    url = f"http://{hub.settings.http_host}:{hub.settings.http_port}"

    async def post(session: aiohttp.ClientSession, body: bytes) -> None:
        answer = await Player(url, session).post(
            channel, hub.secrets.channels[channel.id], f"/intake/{channel.id}", Request(body, "application/json", 1)
        )
        accepted[json.loads(answer.text)["ids"][0]] = time.time()

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        started = time.monotonic()
        for number, body in enumerate(bodies):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            group.create_task(post(session, body))
    return accepted


async def _send_in_batches(hub: Hub, bodies: list[bytes]) -> Played:
    channel = hub.profile.channels["demo-canonical"]
    url = f"http://{hub.settings.http_host}:{hub.settings.http_port}"
    played = Played()
    async with aiohttp.ClientSession() as session:
        player = Player(url, session)
        for first in range(0, len(bodies), 500):
            part = bodies[first : first + 500]
            request = Request(b"\n".join(part), "application/x-ndjson", len(part))
            await player.send(channel, hub.secrets.channels[channel.id], f"/intake/{channel.id}", request, played)
    return played


def measure_line(events: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Events a second from HTTP to rows in batches, and latencies of single messages at a steady rate."""
    with TemporaryDirectory() as folder:
        settings = private_settings(Path(folder), DEMO_PROFILE)
        with Hub(settings, Console(quiet=True)) as hub:
            bootstrap, url = str(hub.settings.kafka_bootstrap), str(hub.settings.clickhouse_url)
            say(f"whole line: {_LATENCY_RATE} single messages a second")
            watch = _Watch(bootstrap, url)
            asyncio.run(_send_at_rate(hub, _orders(5 * _LATENCY_RATE, "warm"), _LATENCY_RATE))
            accepted = asyncio.run(_send_at_rate(hub, _orders(_LATENCY_S * _LATENCY_RATE, "one"), _LATENCY_RATE))
            watch.wait(set(accepted))
            watch.stop()
            routed = [watch.routed[i] - at for i, at in accepted.items()]
            stored = [watch.stored[i] - at for i, at in accepted.items()]
            say(f"whole line: {events:,} messages in batches of 500")
            client = clickhouse_client(url)
            with closing(client):
                before = client.query("SELECT count() FROM hub.routed").result_rows[0][0]
                started = time.monotonic()
                played = asyncio.run(_send_in_batches(hub, _orders(events, "many")))
                intake_s = time.monotonic() - started
                while client.query("SELECT count() FROM hub.routed").result_rows[0][0] < before + played.accepted:
                    if time.monotonic() - started > _TIMEOUT_S:
                        raise TimeoutError("not every accepted report was stored in time")
                    time.sleep(0.1)
                line_s = time.monotonic() - started
    return {
        "messages": events,
        "accepted": played.accepted,
        "intake_events_per_s": played.accepted / intake_s,
        "line_events_per_s": played.accepted / line_s,
        "latency_rate_per_s": _LATENCY_RATE,
        "accepted_to_routed_ms": percentiles(routed),
        "accepted_to_queryable_ms": percentiles(stored),
    }


def run(events: int, *, peers: bool, console: Console) -> dict[str, Any]:
    """All figures. `peers`: stock Faust and a plain confluent loop beside the worker, doing the same work."""
    profile = load_profile(DEMO_PROFILE)
    contenders = ["worker", "plain confluent loop", "stock Faust"] if peers else ["worker"]
    with console.status("Preparing records ...") as status:
        connectors = normalise.run(status.update)
        intake = gateway.run(status.update)
        messages = records(profile, Codec(FileRegistry()), events)
        worker = measure_worker(profile, messages, contenders, status.update)
        line = measure_line(min(events, 30_000), status.update)
    return {
        "events": events,
        "rounds": ROUNDS,
        "connectors": connectors,
        "gateway": intake,
        "worker": worker,
        "line": line,
    }


def tables(result: dict[str, Any]) -> list[Table]:
    """The figures for a person."""
    return [normalise.table(result["connectors"]), gateway.table(result["gateway"]), _table(result)]


def _table(result: dict[str, Any]) -> Table:
    shown = Table(
        "what", "figure", caption=f"{result['events']:,} events, median of {result['rounds']} interleaved rounds"
    )
    mine = result["worker"]["worker"]["events_per_s"]
    for name, found in result["worker"].items():
        shown.add_row(
            f"worker alone: {name}", f"{found['events_per_s']:,.0f} events/s ({found['events_per_s'] / mine:.2f})"
        )
    line = result["line"]
    shown.add_row("HTTP intake, batches of 500", f"{line['intake_events_per_s']:,.0f} events/s")
    shown.add_row("whole line, HTTP to row", f"{line['line_events_per_s']:,.0f} events/s")
    for name in ("accepted_to_routed_ms", "accepted_to_queryable_ms"):
        found = line[name]
        label = name.removesuffix("_ms").replace("_", " ")
        shown.add_row(
            f"{label}, {line['latency_rate_per_s']}/s", f"p50 {found['p50']:.0f} ms, p99 {found['p99']:.0f} ms"
        )
    return shown
