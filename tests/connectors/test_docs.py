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
from connectors.gateway import make_app
from connectors.producer import KafkaRecord
from schemas.codec import Codec
from tests.connectors.make import PRIVACY, PROFILE
from tests.servers import serve

PAGES = sorted((Path(__file__).parents[2] / "docs" / "connectors").glob("*.md"))
KEY = "0f" * 32
TOKEN = "a-made-up-token"


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
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_of_a_page_is_accepted(page: Path, codec: Codec, tmp_path: Path) -> None:
    (script,) = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    sink = KeepingSink()
    secrets = {channel: ChannelSecret(bytes.fromhex(KEY), TOKEN) for channel in PROFILE.channels}
    app = make_app(PROFILE, secrets, PRIVACY, sink, codec, lambda: time.time_ns() // 1_000_000)
    with serve(app) as url:
        keys = {"ZHISHU_URL": url, "ZHISHU_KEY": KEY, "ZHISHU_TOKEN": TOKEN}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env={**os.environ, **keys, "no_proxy": "*"},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    assert done.stdout == "success" if page.stem == "wechat" else '"accepted":1' in done.stdout
    (record,) = sink.records
    assert codec.report(record[2])["place_key"].startswith("370212")
