"""The screen over HTTP, with a brain of made-up answers."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientResponse, ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from hub.process import free_port
from monitoring.metrics import OVERDUE
from monitoring.screen import Deployment, make_app, server
from monitoring.screen.live import BusyError, Live
from monitoring.screen.period import LastDays
from monitoring.screen.snapshot import Snapshot
from profiles import load_profile
from tests.screen.fakes import DEPLOYMENT, NOW, FakeBrain
from tests.test_layout import ROOT

#: No asking is renewed within a test, except where a test sets a shorter interval.
NEVER = 3600.0
SOON = 0.02
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def screen(brain: FakeBrain, interval_s: float = NEVER) -> AsyncIterator[Client]:
    app = make_app(brain, DEPLOYMENT, interval_s=interval_s, clock=lambda: NOW)
    async with TestClient(TestServer(app)) as client:
        yield client


def run(test: Callable[[Client, FakeBrain], Awaitable[None]], interval_s: float = NEVER) -> None:
    async def main() -> None:
        brain = FakeBrain()
        async with screen(brain, interval_s) as client, asyncio.timeout(30):
            await test(client, brain)

    asyncio.run(main())


async def event(stream: ClientResponse) -> tuple[str, Any]:
    """Name and data of the next event of a stream."""
    fields = {}
    while (line := (await stream.content.readline()).decode()) != "\n":
        assert line, "the stream ended"
        name, _, value = line.rstrip("\n").partition(": ")
        fields[name] = value
    return fields["event"], json.loads(fields["data"])


def test_the_page_and_its_files_come_from_here_alone() -> None:
    async def test(client: Client, _: FakeBrain) -> None:
        page = await client.get("/")
        assert page.status == 200
        text = await page.text()
        assert "http://" not in text
        assert "https://" not in text
        assert "style=" not in text
        assert 'lang="zh-CN"' in text
        for path in ("/static/screen.js", "/static/screen.css", "/static/icon.svg"):
            assert path in text
            assert (await client.get(path)).status == 200

    run(test)


@pytest.mark.parametrize("path", ["/", "/static/screen.js", "/api/brain", "/events", "/health", "/metrics", "/nothing"])
def test_every_answer_lets_only_our_own_files_run(path: str) -> None:
    async def test(client: Client, _: FakeBrain) -> None:
        answer = await client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        answer.close()

    run(test)


def test_the_figures_come_with_numerator_denominator_and_the_days_they_count() -> None:
    async def test(client: Client, _: FakeBrain) -> None:
        answer = await client.get("/api/brain", params={"from": "2025-01-01", "to": "2025-12-31"})
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        data = await answer.json()
        assert data["taken_at"] == "2026-01-01T02:03:04Z"
        assert data["period"] == {"from": "2025-01-01", "to": "2025-12-31", "days": None}
        assert data["figures"][0] == {"name": "accepted", "numerator": 26_722, "denominator": 26_722, "rate": None}
        assert data["figures"][1] == {
            "name": "responded",
            "numerator": 26_389,
            "denominator": 26_390,
            "rate": 26_389 / 26_390,
        }
        assert [feed["feed"] for feed in data["feeds"]][-1] == "other"
        assert len(data["trend"]["entries"]) == 365

    run(test)


def test_a_senseless_period_is_a_400_with_a_sentence_and_asks_nothing() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        for path in ("/api/brain", "/events"):
            answer = await client.get(path, params={"from": "2025-12-31", "to": "2025-01-01"})
            assert answer.status == 400
            assert "from must not be after to" in (await answer.json())["error"]
        assert brain.askings == 0

    run(test)


def test_without_clickhouse_the_api_is_a_503_that_says_when_it_last_knew() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        brain.down = "ClickHouse does not answer"
        answer = await client.get("/api/brain")
        assert answer.status == 503
        assert await answer.json() == {
            "error": "数据暂不可用 / data unavailable: ClickHouse does not answer",
            "last_good": None,
        }
        brain.down = None
        while (await client.get("/api/brain")).status == 503:
            pass
        brain.down = "gone"
        while (answer := await client.get("/api/brain")).status == 200:
            pass
        assert (await answer.json())["last_good"] == "2026-01-01T02:03:04Z"
        health = await client.get("/health")
        assert health.status == 200
        assert await health.json() == {"status": "ok", "clickhouse": "unavailable", "last_good": "2026-01-01T02:03:04Z"}

    run(test, SOON)


def test_a_stream_tells_the_figures_then_only_that_nothing_changed_then_the_change() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        async with client.get("/events") as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            name, data = await event(stream)
            assert (name, data["figures"][0]["numerator"]) == ("brain", 26_722)
            assert await event(stream) == ("checked", {"taken_at": "2026-01-01T02:03:04Z"})
            brain.figures = brain.figures[:1]
            while (found := await event(stream))[0] == "checked":
                pass
            assert found[0] == "brain"
            assert len(found[1]["figures"]) == 1

    run(test, SOON)


def test_a_stream_tells_of_an_outage_and_gives_the_figures_again_after_it() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        async with client.get("/events") as stream:
            assert (await event(stream))[0] == "brain"
            brain.down = "gone"
            while (found := await event(stream))[0] == "checked":
                pass
            assert found[0] == "unavailable"
            assert found[1]["last_good"] == "2026-01-01T02:03:04Z"
            brain.down = None
            while (found := await event(stream))[0] == "unavailable":
                pass
            assert found[0] == "brain"

    run(test, SOON)


def test_forty_readers_are_one_asking() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        streams = await asyncio.gather(*(client.get("/events") for _ in range(40)))
        answers = await asyncio.gather(*(event(stream) for stream in streams))
        assert {name for name, _ in answers} == {"brain"}
        assert await asyncio.gather(*(client.get("/api/brain") for _ in range(10)))
        assert brain.askings == 1
        for stream in streams:
            stream.close()

    run(test)


def test_different_periods_are_asked_one_after_the_other() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        await asyncio.gather(*(client.get("/api/brain", params={"days": str(n)}) for n in range(1, 21)))
        assert brain.askings == 20
        assert brain.most_at_once == 1

    run(test)


def test_nobody_reading_asks_nothing() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        assert (await client.get("/")).status == 200
        assert (await client.get("/metrics")).status == 200
        assert await (await client.get("/health")).json() == {
            "status": "ok",
            "clickhouse": "not asked yet",
            "last_good": None,
        }
        assert brain.askings == 0

    run(test, SOON)


def test_too_many_different_periods_are_refused_with_a_sentence() -> None:
    async def test(client: Client, brain: FakeBrain) -> None:
        answers = [await client.get("/api/brain", params={"days": str(n)}) for n in range(1, 66)]
        assert [answer.status for answer in answers] == [200] * 64 + [503]
        assert "different periods" in (await answers[-1].json())["error"]

    run(test)


def test_too_many_open_screens_are_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MAX_STREAMS", 1)

    async def test(client: Client, _: FakeBrain) -> None:
        async with client.get("/events") as stream:
            assert (await event(stream))[0] == "brain"
            refused = await client.get("/events")
            assert refused.status == 503
            assert "screens are open already" in (await refused.json())["error"]

    run(test)


def test_metrics_are_those_of_the_closed_registry() -> None:
    async def test(client: Client, _: FakeBrain) -> None:
        answer = await client.get("/metrics")
        assert f"\n{next(iter(OVERDUE.collect())).name} " in await answer.text()

    run(test)


def test_a_stopping_screen_ends_its_streams() -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            client = TestClient[web.Request, web.Application](
                TestServer(make_app(FakeBrain(), DEPLOYMENT, interval_s=NEVER))
            )
            await client.start_server()
            stream = await client.get("/events")
            assert (await event(stream))[0] == "brain"
            assert client.app is not None
            await client.app.shutdown()
            assert await stream.content.read() == b""
            await client.close()

    asyncio.run(main())


def test_sigterm_ends_a_served_screen_while_somebody_reads() -> None:
    port = free_port()
    script = (
        "from aiohttp import web; from monitoring.screen import make_app; from tests.screen.fakes import DEPLOYMENT, FakeBrain; "
        f"web.run_app(make_app(FakeBrain(), DEPLOYMENT), host='127.0.0.1', port={port}, print=None)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)

    async def main() -> None:
        async with asyncio.timeout(30), ClientSession(f"http://127.0.0.1:{port}") as session:
            while True:
                try:
                    assert (await session.get("/health")).status == 200
                    break
                except ClientConnectionError:
                    assert process.poll() is None
                    await asyncio.sleep(0.05)
            stream = await session.get("/events")
            assert (await event(stream))[0] == "brain"
            process.terminate()
            await stream.content.read()
            assert await asyncio.to_thread(process.wait, 20) == 0

    try:
        asyncio.run(main())
    finally:
        process.kill()
        process.wait()


def test_a_slow_brain_gets_rest_and_n_periods_share_one_pace() -> None:
    async def main() -> None:
        def take(_: Any) -> Snapshot:
            return Snapshot(NOW, b"{}")

        live = Live(take, interval_s=100.0)
        state = await live.get(LastDays(1))
        assert 99 < live.age_left(state) <= 100
        await live.get(LastDays(2))
        assert 199 < live.age_left(state) <= 200
        live.close()

    asyncio.run(main())


def test_a_reader_who_leaves_in_the_middle_leaves_the_answer_to_the_next() -> None:
    async def main() -> None:
        asked: list[Any] = []
        begun, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def take(choice: Any) -> Snapshot:
            asked.append(choice)
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
            return Snapshot(NOW, b"{}")

        live = Live(take, interval_s=100.0)
        first = asyncio.create_task(live.get(LastDays(1)))
        await begun.wait()
        first.cancel()
        second = asyncio.create_task(live.get(LastDays(1)))
        go_on.set()
        assert (await second).snapshot is not None
        assert asked == [LastDays(1)]
        live.close()

    asyncio.run(main())


def test_a_full_house_is_said_and_not_crashed() -> None:
    async def main() -> None:
        live = Live(lambda _: Snapshot(NOW, b"{}"), interval_s=100.0)
        for days in range(1, 65):
            await live.get(LastDays(days))
        with pytest.raises(BusyError):
            await live.get(LastDays(65))
        assert (await live.get(LastDays(1))).snapshot is not None
        live.close()

    asyncio.run(main())


def test_a_deployment_says_what_its_profile_says() -> None:
    deployment = Deployment.of(load_profile(ROOT / "profiles" / "demo"))
    assert deployment.made_up
    assert deployment.timezone == "Asia/Shanghai"
    assert deployment.feeds["hotline12345"] == "12345政务服务便民热线"
