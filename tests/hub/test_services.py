"""The gateway as hub puts it together: what the secrets file says counts while it runs."""

import asyncio
import logging
import time
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import ValidationError

from connectors import auth
from hub.secrets import SecretsFile
from hub.services import gateway_app, place_only
from hub.settings import Settings
from schemas.codec import Codec
from schemas.registry import FileRegistry
from tests.connectors.make import PROFILE, REPORT, as_json
from tests.connectors.served import MemorySink

ROUTE = "/intake/demo-canonical"
OLD, NEW = "0a" * 32, "0b" * 32


def text(seal: str, *keys: str) -> str:
    listed = ", ".join(f'"{key}"' for key in keys)
    return (
        f'reporter_key = "{OLD}"\nseal_key_id = "{seal}"\n[seal_keys.s1]\nkey = "{OLD}"\n[seal_keys.s2]\nkey = "{NEW}"\n'
        f"[channel.demo-canonical]\nkeys = [{listed}]\n"
    )


def test_channel_and_seal_keys_rotate_while_the_gateway_runs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.toml"
    path.touch(mode=0o600)
    path.write_text(text("s1", OLD), encoding="utf-8")
    codec = Codec(FileRegistry())
    seconds = [0.0]

    async def scenario() -> None:
        sink = MemorySink()
        app = gateway_app(Settings(), PROFILE, SecretsFile(path, lambda: seconds[0]), sink, codec)
        async with TestClient(TestServer(app)) as client:

            async def send(key: str) -> int:
                body, stamp = as_json(REPORT), str(int(time.time()))
                headers = {
                    "Content-Type": "application/json",
                    auth.TIME_HEADER: stamp,
                    auth.SIGNATURE_HEADER: auth.signature(bytes.fromhex(key), "POST", ROUTE, stamp, body),
                }
                async with client.post(ROUTE, data=body, headers=headers) as answer:
                    return answer.status

            assert [await send(OLD), await send(NEW)] == [200, 401]
            path.write_text(text("s2", NEW, OLD), encoding="utf-8")
            seconds[0] += 1
            assert [await send(OLD), await send(NEW)] == [200, 200]
            path.write_text(text("s2", NEW), encoding="utf-8")
            seconds[0] += 1
            assert [await send(OLD), await send(NEW)] == [401, 200]
            async with client.get("/subjects") as beside:
                assert beside.status == 200
        reports = [codec.report(value) for _, _, value in sink.records]
        assert [report["sealed_key_id"] for report in reports] == ["s1", "s2", "s2", "s2"]
        assert len({report["report_id"] for report in reports}) == 1

    asyncio.run(scenario())


def test_proxies_must_be_addresses() -> None:
    assert Settings(proxies="127.0.0.1, 10.0.0.0/8,::1").proxy_list == ["127.0.0.1", "10.0.0.0/8", "::1"]
    assert Settings().proxy_list == []
    with pytest.raises(ValidationError, match="proxies"):
        Settings(proxies="proxy.invalid")


def test_what_a_web_server_logs_of_an_unreadable_request_quotes_nothing_of_it() -> None:
    try:
        raise ValueError('Bad status line: "caller_phone2": "13800001234"')
    except ValueError as error:
        record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 1, "%s", ("13800001234",), None)
        record.exc_info = type(error), error, error.__traceback__
    assert place_only(record)
    told = logging.Formatter().format(record)
    assert "1380000" not in told
    assert "ValueError in" in told
    assert "test_services.py" in told
