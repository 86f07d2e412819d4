"""GET /v1/reports over a real aiohttp server: what a source is told of its own reports, and nobody else is."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connectors import auth
from connectors.status import CHANNEL_HEADER
from profiles import Profile
from schemas.ids import report_id
from tests.connectors.make import NOW, PROFILE
from tests.connectors.stores import DAY, HOUR, KEY, KeepingSink, MemoryStore, publishers_app, step, stored
from tests.servers import serve

Client = TestClient[web.Request, web.Application]
HOTLINE = PROFILE.channels["demo-hotline"]
KEYS = {name: name.encode().ljust(32, b"-") for name in PROFILE.channels}


def run(scenario: Callable[[Client, MemoryStore], Awaitable[None]], profile: Profile = PROFILE) -> None:
    async def inner() -> None:
        store = MemoryStore()
        async with TestClient(TestServer(publishers_app(KeepingSink(), store, profile, KEYS))) as client:
            await scenario(client, store)

    asyncio.run(inner())


async def ask(
    client: Client, path: str, channel: str = "demo-hotline", key: bytes = b"", at: int = NOW, **headers: str
) -> tuple[int, Any, Any]:
    """Status, JSON and headers of a signed question."""
    stamp = str(at // 1000)
    signed = {
        CHANNEL_HEADER: channel,
        auth.TIME_HEADER: stamp,
        auth.SIGNATURE_HEADER: auth.signature(key or KEYS.get(channel, KEY), "GET", path.partition("?")[0], stamp, b""),
    }
    async with client.get(path, headers=signed | headers) as found:
        return found.status, json.loads(await found.read()), found.headers


def test_a_source_is_told_what_became_of_its_report() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        steps = (step("accept", NOW - 3 * HOUR), step("handle", NOW - HOUR, unit="某单位", level="street"))
        store.reports["demo-hotline"] = [
            stored("r-1", steps=steps, relation="joined", matter_id="video-9", linked_to="video-9")
        ]
        status, told, headers = await ask(client, "/v1/reports/r-1")
        assert (status, headers["Content-Type"]) == (200, "application/json")
        assert told == {
            "report_id": "r-1", "upstream_id": "7000001", "status": "handled", "reported_at": "2025-11-19T00:00:00Z",
            "accepted_at": "2025-11-19T00:00:01Z",
            "agency": {"code": "zhifa", "name": "综合行政执法局", "level": "district"}, "manual_reason": None,
            "deadline": "2025-11-21T00:00:00Z", "closed_at": None, "matter_id": "video-9", "relation": "joined",
            "linked_to": "video-9", "assembled_into": None, "part_ids": [],
            "steps": [
                {"step": "accept", "at": "2025-11-19T21:00:00Z", "unit": None, "level": None},
                {"step": "handle", "at": "2025-11-19T23:00:00Z", "unit": "某单位", "level": "street"},
            ],
        }  # fmt: skip

    run(scenario)


def test_a_report_in_the_manual_queue_has_no_agency_and_says_why() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        nobody = {"agency_code": None, "agency_name": None, "level": None, "due_at": None, "manual_reason": "no_kind"}
        store.reports["demo-hotline"] = [stored("r-1", **nobody), stored("r-2", steps=(step("close", NOW - DAY),))]
        _, told, _ = await ask(client, "/v1/reports/r-1")
        assert (told["status"], told["agency"], told["manual_reason"], told["deadline"]) == (
            "manual",
            None,
            "no_kind",
            None,
        )
        _, told, _ = await ask(client, "/v1/reports/r-2")
        assert (told["status"], told["closed_at"]) == ("closed", "2025-11-19T00:00:00Z")

    run(scenario)


def test_a_report_is_found_by_the_sources_own_number() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        identity = report_id(HOTLINE.feed, HOTLINE.id, "编号 1&2")
        store.reports["demo-hotline"] = [stored(identity)]
        status, told, _ = await ask(client, "/v1/reports?upstream_id=%E7%BC%96%E5%8F%B7%201%262")
        assert (status, told["report_id"]) == (200, identity)
        for query, code, wanted in (("", "missing_field", 422), (f"?upstream_id={'9' * 65}", "field_too_long", 422)):
            status, refused, _ = await ask(client, f"/v1/reports{query}")
            assert (status, refused["code"]) == (wanted, code)

    run(scenario)


def test_a_message_leads_to_the_report_that_was_assembled_of_it() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        store.reports["demo-wechat"] = [stored("w-1", part_ids=("w-1", "w-2"))]
        _, first, _ = await ask(client, "/v1/reports/w-1", "demo-wechat")
        _, second, _ = await ask(client, "/v1/reports/w-2", "demo-wechat")
        assert (first["report_id"], first["assembled_into"]) == ("w-1", None)
        assert (second["report_id"], second["assembled_into"]) == ("w-1", "w-1")
        assert second["part_ids"] == ["w-1", "w-2"]

    run(scenario)


def test_a_report_that_is_not_known_yet_is_404_and_says_when_to_ask_again() -> None:
    async def scenario(client: Client, _store: MemoryStore) -> None:
        for path in ("/v1/reports/r-1", f"/v1/reports/{'x' * 300}", "/v1/reports?upstream_id=1"):
            status, refused, headers = await ask(client, path)
            assert (status, refused["code"], headers["Retry-After"]) == (404, "unknown_report", "5")

    run(scenario)


def test_a_channel_sees_its_own_reports_only_and_no_key_opens_anothers() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        store.reports["demo-hotline"] = [stored("r-1")]
        for channel in PROFILE.channels:
            status, _, _ = await ask(client, "/v1/reports/r-1", channel)
            assert status == (200 if channel == "demo-hotline" else 404), channel
            if channel != "demo-hotline":
                status, refused, _ = await ask(client, "/v1/reports/r-1", "demo-hotline", KEYS[channel])
                assert (status, refused["code"]) == (401, "bad_signature")

    run(scenario)


@pytest.mark.parametrize(
    ("headers", "at", "status", "code"),
    [
        ({CHANNEL_HEADER: "nobody"}, NOW, 404, "unknown_channel"),
        ({CHANNEL_HEADER: ""}, NOW, 404, "unknown_channel"),
        ({auth.SIGNATURE_HEADER: "00"}, NOW, 401, "bad_signature"),
        ({auth.SIGNATURE_HEADER: ""}, NOW, 401, "bad_signature"),
        ({}, NOW - 400_000, 401, "bad_signature"),
    ],
)
def test_who_does_not_prove_who_asks_is_told_nothing(headers: dict[str, str], at: int, status: int, code: str) -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        store.reports["demo-hotline"] = [stored("r-1")]
        found, refused, _ = await ask(client, "/v1/reports/r-1", at=at, **headers)
        assert (found, refused["code"]) == (status, code)

    run(scenario)


def test_questions_count_against_the_channels_rate() -> None:
    slow = replace(HOTLINE, messages_per_s=0.001, burst=2)

    async def scenario(client: Client, _store: MemoryStore) -> None:
        statuses = [(await ask(client, "/v1/reports/r-1"))[0] for _ in range(3)]
        assert statuses == [404, 404, 429]

    run(scenario, replace(PROFILE, channels=PROFILE.channels | {"demo-hotline": slow}))


def test_without_the_store_questions_are_503_and_messages_are_taken() -> None:
    async def scenario(client: Client, store: MemoryStore) -> None:
        store.away = True
        status, refused, headers = await ask(client, "/v1/reports/r-1")
        assert (status, refused["code"], int(headers["Retry-After"]) > 0) == (503, "unavailable", True)
        async with client.get("/health") as found:
            assert found.status == 200

    run(scenario)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_the_question_of_the_docs_is_answered_as_it_stands() -> None:
    readme = Path(__file__).parents[2] / "docs" / "feeds" / "README.md"
    (script,) = re.findall(r"```bash\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    (identity,) = re.findall(r"ROUTE=/v1/reports/(\S+)", script)
    store = MemoryStore()
    store.reports["demo-canonical"] = [stored(identity)]
    app = publishers_app(KeepingSink(), store, clock=lambda: time.time_ns() // 1_000_000)
    with serve(app) as url:
        keys = {"ZHISHU_URL": url, "ZHISHU_KEY": KEY.hex(), "no_proxy": "*"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env={**os.environ, **keys}, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
    assert json.loads(done.stdout)["report_id"] == identity
