"""The shell example of every feed's page works as it stands."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors.auth import ChannelSecret
from connectors.producer import KafkaRecord
from schemas.codec import Codec
from tests.connectors.make import PROFILE
from tests.connectors.served import gateway
from tests.servers import serve

PAGES = sorted((Path(__file__).parents[2] / "docs" / "feeds").glob("*.md"))
#: The others have no address here: their pages' examples are tested where they are read.
POSTED = [page for page in PAGES if "```sh\n" in page.read_text("utf-8")]
KEY = "0f" * 32
TOKEN = "a-made-up-token"
PASSWORD = "a-made-up-password"
#: What says that a page's example was taken, where the protocol has an answer of its own.
TAKEN = {
    "wechat": "您反映的问题已收到",
    "gb28181": "<Result>OK</Result>",
    "gat1400": '"StatusCode":0',
    "open311": '"service_request_id":"open311-',
}


class KeepingSink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[KafkaRecord] = []

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        self.records += records

    async def ready(self) -> bool:
        return True


def test_every_protocol_has_its_page() -> None:
    assert {page.stem for page in PAGES} >= {channel.protocol for channel in PROFILE.channels.values()}


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
@pytest.mark.parametrize("page", POSTED, ids=lambda page: page.stem)
def test_the_example_of_a_page_is_accepted(page: Path, codec: Codec, tmp_path: Path) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    sink = KeepingSink()
    secrets = {
        channel: ChannelSecret((bytes.fromhex(KEY),), TOKEN, passwords=(PASSWORD,)) for channel in PROFILE.channels
    }
    app = gateway(codec, sink, secrets, clock=lambda: time.time_ns() // 1_000_000)
    with serve(app) as url:
        keys = {"ZHISHU_URL": url, "ZHISHU_KEY": KEY, "ZHISHU_TOKEN": TOKEN, "ZHISHU_PASSWORD": PASSWORD}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env={**os.environ, **keys, "no_proxy": "*"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert TAKEN.get(page.stem, '"accepted":1') in done.stdout
    (record,) = sink.records
    report = codec.report(record[2])
    assert report["place_key"] == (report["device_id"] or PROFILE.county_code)
