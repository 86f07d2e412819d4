"""A citizen's text, photo and place, sent as WeChat sends them, through a whole hub: one report, answered and accounted for."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest
import requests

from connectors import wechat, wechat_crypto
from connectors.auth import ChannelSecret, wechat_signature
from hub.play import Answer, Player, Request
from hub.up import Hub
from schemas.ids import report_id
from tests.e2e.hubs import query, settle, start, url, wait_until

pytestmark = pytest.mark.e2e

KEY = "zhishuMadeUpEncodingAESKey0123456789abcdefg"
APP_ID = "wx0000madeup000001"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with start(tmp_path_factory.mktemp("wechat")) as running:
        yield running


def petition(person: str, first: int) -> list[bytes]:
    """A text, a photo and a place of one person within three minutes; numbers from `first` on."""
    now = int(time.time()) - 600
    bodies = [
        {"MsgType": "text", "Content": "路灯不亮了（虚构）"},
        {"MsgType": "image", "PicUrl": "http://media.invalid/1.jpg", "MediaId": f"m-{first}"},
        {"MsgType": "location", "Location_X": "36.1", "Location_Y": "120.47", "Label": "示例路"},
    ]
    return [
        wechat.write_fields(
            {"ToUserName": "gh_madeup", "FromUserName": person, "CreateTime": now + 80 * n, "MsgId": first + n, **body},
            as_json=False,
        )
        for n, body in enumerate(bodies)
    ]


def post(hub: Hub, secret: ChannelSecret, bodies: list[bytes]) -> list[Answer]:
    async def send() -> list[Answer]:
        async with aiohttp.ClientSession() as session:
            player, channel = Player(url(hub), session), hub.profile.channels["demo-wechat"]
            return [
                await player.post(channel, secret, f"/intake/{channel.id}", Request(b, "text/xml", 1)) for b in bodies
            ]

    return asyncio.run(send())


def ids(first: int) -> list[str]:
    return [report_id("wechat", "demo-wechat", str(first + n)) for n in range(3)]


def whole(hub: Hub, first: int) -> None:
    """The three messages from `first` on are one report in bi, and all is accounted for."""
    account = settle(hub)
    [topic] = account.messages
    assert topic.good
    rows = query(
        hub,
        f"SELECT part_ids, content, attachments, street_code IS NOT NULL FROM bi.reports WHERE report_id = '{ids(first)[0]}'",
    )
    assert rows == [(ids(first), "路灯不亮了（虚构）", ["http://media.invalid/1.jpg", f"m-{first}"], 1)]
    assert query(hub, f"SELECT count() FROM bi.reports WHERE report_id IN ('{ids(first)[1]}', '{ids(first)[2]}')") == [
        (0,)
    ]


def test_three_plain_messages_are_one_report_however_often_they_come(hub: Hub) -> None:
    secret = hub.secrets.channels["demo-wechat"]
    bodies = petition("oMadeUp_sample-0000000000001", 7_000)
    answers = post(hub, secret, [*bodies, *bodies])
    assert [answer.status for answer in answers] == [200] * 6
    assert all(name in answer.text for name, answer in zip(ids(7_000) * 2, answers, strict=True))
    whole(hub, 7_000)


def test_from_plain_to_safe_mode_without_a_restart(hub: Hub) -> None:
    token = hub.secrets.channels["demo-wechat"].token or ""
    safe = replace(hub.secrets.channels["demo-wechat"], aes_keys=(KEY,), app_id=APP_ID)
    path = Path(str(hub.settings.secrets_file))
    path.write_text(
        path.read_text("utf-8").replace(
            f'token = "{token}"', f'token = "{token}"\naes_key = "{KEY}"\napp_id = "{APP_ID}"'
        ),
        "utf-8",
    )
    echo = wechat_crypto.encrypt(KEY, APP_ID, b"an echo")
    stamp = {"timestamp": "1749090600", "nonce": "1", "echostr": echo}
    asked = urlencode({**stamp, "msg_signature": wechat_signature(token, "1749090600", "1", echo)})
    wait_until(
        lambda: requests.get(f"{url(hub)}/intake/demo-wechat?{asked}", timeout=10).text == "an echo", "the new key"
    )

    bodies = petition("oMadeUp_sample-0000000000002", 8_000)
    assert [a.status for a in post(hub, replace(safe, aes_keys=()), bodies)] == [401] * 3, "plain no more"
    for answer, name in zip(post(hub, safe, bodies), ids(8_000), strict=True):
        assert (answer.status, answer.outcome) == (200, "accepted")
        inner, _ = wechat_crypto.decrypt(safe, wechat.read_fields(answer.text.encode(), "")["Encrypt"])
        assert name in inner.decode()
    whole(hub, 8_000)
