"""Event streams against a small device that answers over real HTTP: digest, endless multipart, breaks, silence."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web

from connectors.readers.events import StreamOrigin
from connectors.readers.loop import Reader
from profiles.sources import DahuaSource, HikvisionSource
from tests.readers.parts import Kept, channel, reader, run_until
from tests.servers import serve

USER, PASSWORD, REALM, NONCE = "hub", "made-up word", "device", "0123456789abcdef"
DEVICE = "37021200001320000001"
DAHUA_EVENT = "--myboundary\r\nContent-Type: text/plain\r\nContent-Length:{length}\r\n\r\n{body}\r\n"
HIK_EVENT = """<EventNotificationAlert version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema">
<ipAddress>192.0.2.7</ipAddress><channelID>1</channelID><dateTime>2025-09-12T10:11:{second:02d}+08:00</dateTime>
<activePostCount>1</activePostCount><eventType>{kind}</eventType><eventState>{state}</eventState>
<eventDescription>made up</eventDescription></EventNotificationAlert>"""


def dahua(second: int, action: str = "Start") -> bytes:
    data = f'{{"LocaleTime":"2025-09-12 10:11:{second:02d}","EventID":{second},"Name":"规则=1;甲"}}'
    body = f"Code=CrossRegionDetection;action={action};index=0;data={data}"
    return DAHUA_EVENT.format(length=len(body.encode()), body=body).encode()


def heartbeat() -> bytes:
    return DAHUA_EVENT.format(length=9, body="Heartbeat").encode()


def hikvision(second: int, kind: str = "fielddetection", state: str = "active") -> bytes:
    body = HIK_EVENT.format(second=second, kind=kind, state=state).encode()
    head = f'--boundary\r\nContent-Type: application/xml; charset="UTF-8"\r\nContent-Length: {len(body)}\r\n\r\n'
    return head.encode() + body + b"\r\n"


class Device:
    """Each connection is answered with the next script: pieces to send; then it breaks off, or is silent for ever."""

    def __init__(self, *scripts: list[bytes], boundary: str = "myboundary", silent: bool = False) -> None:
        self.scripts = list(scripts)
        self.asked: list[str] = []
        self.refused = 0
        self._boundary = boundary
        self._silent = silent

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not self._known(request):
            self.refused += 1
            challenge = f'Digest realm="{REALM}", qop="auth", nonce="{NONCE}", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self.asked.append(request.raw_path)
        stream = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={self._boundary}"})
        await stream.prepare(request)
        for piece in self.scripts.pop(0) if self.scripts else []:
            await stream.write(piece)
            await asyncio.sleep(0)
        while (self._silent or not self.scripts) and request.transport is not None:  # until the hub hangs up
            await asyncio.sleep(0.01)
        return stream

    def _known(self, request: web.Request) -> bool:
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))
        if given.get("username") != USER:
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        secret, asked = md5(f"{USER}:{REALM}:{PASSWORD}"), md5(f"GET:{request.raw_path}")
        proof = f"{secret}:{NONCE}:{given['nc']}:{given['cnonce']}:auth:{asked}"
        return md5(proof) == given["response"]


@contextmanager
def running(device: Device) -> Iterator[str]:
    app = web.Application()
    app.router.add_get("/{tail:.*}", device.answer)
    with serve(app) as url:
        yield url


@pytest.fixture
def make(tmp_path: Path, kept: Kept) -> Callable[..., Reader]:
    def made(protocol: str, url: str, password: str = PASSWORD, silence_s: float = 30) -> Reader:
        text = (
            f'[[channel]]\nid = "cameras"\nfeed = "video"\nprotocol = "{protocol}"\ncrs = "WGS-84"\ntable = "cameras"\n'
            f'[channel.source]\nkind = "{protocol}"\nuser = "{USER}"\nevery_s = 0.01\nsilence_s = {silence_s}\n'
            f'[channel.source.devices]\n"{DEVICE}" = "{url}"\n'
        )
        one = channel(tmp_path, text)
        assert isinstance(one.source, DahuaSource | HikvisionSource)
        return reader(one, StreamOrigin(f"cameras/{DEVICE}", one.source, DEVICE, password), kept, tmp_path / "cursors")

    return made


def seconds(kept: Kept) -> list[int]:
    return [report["reported_at"] // 1000 % 60 for report in kept.reports()]


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_dahua_events_arrive_wherever_the_stream_is_cut(make: Callable[..., Reader], kept: Kept, size: int) -> None:
    body = heartbeat() + b"".join(map(dahua, range(5))) + dahua(9, "Stop") + dahua(10, "Pulse") + heartbeat()
    device = Device([body[at : at + size] for at in range(0, len(body), size)])
    with running(device) as url:
        asyncio.run(run_until(make("dahua", url), lambda: len(kept.records) == 6))
    assert seconds(kept) == [0, 1, 2, 3, 4, 10]
    assert device.asked == ["/cgi-bin/eventManager.cgi?action=attach&codes=[All]&heartbeat=5"]
    assert {report["device_id"] for report in kept.reports()} <= {DEVICE, f"{DEVICE}/0"}


def test_hikvision_alerts_arrive_and_its_signs_of_life_and_pictures_are_none(
    make: Callable[..., Reader], kept: Kept
) -> None:
    picture = b"--boundary\r\nContent-Type: image/jpeg\r\nContent-Length: 6\r\n\r\n\xff\xd8\r\n\xff\xd9\r\n"
    life = hikvision(0, "videoloss", "inactive")
    device = Device([life, hikvision(1), picture, life, hikvision(2), life], boundary="boundary")
    with running(device) as url:
        one = make("hikvision", url)
        asyncio.run(run_until(one, lambda: len(kept.records) == 2))
    assert seconds(kept) == [1, 2]
    assert device.asked == ["/ISAPI/Event/notification/alertStream"]
    assert kept.letters() == []


def test_a_stream_that_breaks_off_is_connected_anew(make: Callable[..., Reader], kept: Kept) -> None:
    device = Device([dahua(1), dahua(2)[:40]], [dahua(3)], [dahua(4)])
    with running(device) as url:
        asyncio.run(run_until(make("dahua", url), lambda: 4 in seconds(kept)))
    assert seconds(kept) == [1, 3, 4]
    assert len(device.asked) == 3


def test_a_silent_stream_is_connected_anew(make: Callable[..., Reader], kept: Kept) -> None:
    device = Device([dahua(1)], [dahua(2)], silent=True)
    with running(device) as url:
        one = make("dahua", url, silence_s=1)
        asyncio.run(run_until(one, lambda: len(kept.records) == 2))
    assert seconds(kept) == [1, 2]


def test_a_wrong_password_is_told_and_not_the_password(make: Callable[..., Reader], kept: Kept) -> None:
    device = Device([dahua(1)])
    with running(device) as url:
        one = make("dahua", url, password="wrong word")
        asyncio.run(run_until(one, lambda: one.state.failures > 0))
    assert "user or password is wrong" in one.state.last_error
    assert "wrong word" not in one.state.last_error
    assert one.state.last_success == 0.0


def test_a_device_that_is_away_is_told_without_its_address(make: Callable[..., Reader], kept: Kept) -> None:
    one = make("dahua", "http://127.0.0.1:1")
    asyncio.run(run_until(one, lambda: one.state.failures > 0))
    assert "127.0.0.1" not in one.state.last_error


def test_an_event_without_an_end_is_not_kept_for_ever(make: Callable[..., Reader], kept: Kept) -> None:
    device = Device([b"--myboundary\r\nContent-Type: text/plain\r\n\r\n", *([b"x" * 1024 * 1024] * 12)], [dahua(1)])
    with running(device) as url:
        one = make("dahua", url)
        asyncio.run(run_until(one, lambda: bool(kept.records)))
    assert seconds(kept) == [1]


def test_while_kafka_is_away_the_stream_waits_and_nothing_that_was_read_is_lost(
    make: Callable[..., Reader], kept: Kept
) -> None:
    kept.refusals = 3
    device = Device([b"".join(map(dahua, range(20)))])
    with running(device) as url:
        asyncio.run(run_until(make("dahua", url), lambda: len(kept.records) == 20))
    assert seconds(kept) == list(range(20))
