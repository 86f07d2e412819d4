"""Who may send and how much, over HTTP and TLS: every way of proving a channel, rotation, and rates."""

import asyncio
import gzip
import hashlib
import json
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from multidict import CIMultiDict
from prometheus_client import REGISTRY

from connectors import auth
from connectors.auth import ChannelSecret
from connectors.gateway import OUTCOME_HEADER
from connectors.incoming import Limits
from hub.tls import TlsError, server_context
from profiles import Auth, Profile
from schemas.codec import Codec
from tests.connectors import make
from tests.connectors.make import NOW, PROFILE, as_json
from tests.connectors.served import MemorySink, gateway
from tests.servers import serve

Client = TestClient[web.Request, web.Application]
PASSWORD = "a made-up password"
TOKEN = "a-made-up-token"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> bytes:
    return bytes([number]) * 32


def channels(**channels: Auth) -> Profile:
    """The demonstration profile with further channels of the canonical protocol, by id and auth."""
    made = {name: replace(PROFILE.channels["demo-canonical"], id=name, auth=auth) for name, auth in channels.items()}
    return replace(PROFILE, channels=PROFILE.channels | made)


def run(
    codec: Codec,
    scenario: Callable[[Client, MemorySink], Awaitable[None]],
    secrets: dict[str, ChannelSecret],
    profile: Profile = PROFILE,
    **options: Any,
) -> None:
    async def inner() -> None:
        sink = MemorySink()
        app = gateway(codec, sink, secrets, profile=profile, **options)
        async with TestClient(TestServer(app)) as client:
            await scenario(client, sink)

    asyncio.run(inner())


BODY = as_json(make.REPORT)
JSON = {"Content-Type": "application/json"}


def signed(path: str, body: bytes = BODY, secret: bytes = key(1), method: str = "POST") -> dict[str, str]:
    stamp = str(NOW // 1000)
    made = auth.signature(secret, method, path, stamp, body)
    return JSON | {auth.TIME_HEADER: stamp, auth.SIGNATURE_HEADER: made}


async def post(client: Client, path: str, headers: dict[str, str], body: bytes = BODY) -> tuple[int, dict[str, Any]]:
    async with client.post(path, data=body, headers=headers) as answer:
        return answer.status, json.loads(await answer.read())


async def with_digest(client: Client, path: str, user: str, password: str, body: bytes = BODY) -> int:
    middleware = aiohttp.DigestAuthMiddleware(user, password)
    async with (
        aiohttp.ClientSession(middlewares=(middleware,)) as session,
        session.post(client.make_url(path), data=body, headers=JSON) as answer,
    ):
        return answer.status


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_key_of_one_channel_never_opens_another_whatever_proves_them(codec: Codec) -> None:
    profile = channels(h1="hmac", h2="hmac", d1="digest", d2="digest", a1="api_key", a2="api_key")
    names = ("h1", "h2", "d1", "d2", "a1", "a2")
    secrets = {
        name: ChannelSecret(keys=(key(number),), passwords=(f"password {name}",))
        for number, name in enumerate(names, start=1)
    }

    async def scenario(client: Client, sink: MemorySink) -> None:
        for owner in names:
            secret = secrets[owner]
            for target in names:
                path = f"/intake/{target}"
                good = owner == target
                status, _ = await post(client, path, signed(path, secret=secret.keys[0]))
                assert status == (200 if good else 401), (owner, target)
                # A signature made for one's own address opens no other one.
                status, _ = await post(client, path, signed(f"/intake/{owner}", secret=secret.keys[0]))
                assert status == (200 if good else 401), (owner, target)
                kind = profile.channels[target].auth
                for user in (owner, target):
                    status = await with_digest(client, path, user, secret.passwords[0])
                    assert status == (200 if good and kind == "digest" else 401), (owner, target)
                status, _ = await post(client, f"{path}?api_key={secret.keys[0].hex()}", JSON)
                assert status == (200 if good and kind == "api_key" else 401), (owner, target)
        assert {codec.report(value)["channel"] for _, _, value in sink.records} == set(names)

    # Every wrong attempt comes from one address; here they are not to be held against it.
    clock = Clock()

    def later() -> float:
        clock.now += 60
        return clock.now

    run(codec, scenario, secrets, profile, monotonic=later)


@pytest.mark.parametrize("kind", ["hmac", "digest", "mtls", "wechat", "api_key"])
def test_a_channel_without_a_secret_takes_nothing(codec: Codec, kind: Auth) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        path = "/intake/c"
        assert (await post(client, path, JSON))[0] == 401
        assert (await post(client, path, signed(path, secret=b"")))[0] == 401
        assert (await post(client, f"{path}?api_key=", JSON))[0] == 401
        query = f"timestamp=1&nonce=n&signature={auth.wechat_signature('', '1', 'n')}"
        assert (await post(client, f"{path}?{query}", JSON))[0] == 401
        assert await with_digest(client, path, "c", "") == 401
        assert sink.records == []

    run(codec, scenario, {}, channels(c=kind))


def test_keys_and_passwords_rotate_while_the_gateway_runs(codec: Codec) -> None:
    profile = channels(h="hmac", d="digest")
    secrets = {"h": ChannelSecret(keys=(key(1),)), "d": ChannelSecret(passwords=("old",))}

    async def scenario(client: Client, _sink: MemorySink) -> None:
        async def taken() -> tuple[list[int], list[int]]:
            statuses = [(await post(client, "/intake/h", signed("/intake/h", secret=key(n))))[0] for n in (1, 2)]
            return statuses, [await with_digest(client, "/intake/d", "d", word) for word in ("old", "new")]

        assert await taken() == ([200, 401], [200, 401])
        secrets["h"] = ChannelSecret(keys=(key(2), key(1)))
        secrets["d"] = ChannelSecret(passwords=("new", "old"))
        assert await taken() == ([200, 200], [200, 200])
        secrets["h"], secrets["d"] = ChannelSecret(keys=(key(2),)), ChannelSecret(passwords=("new",))
        assert await taken() == ([401, 200], [401, 200])

    run(codec, scenario, secrets, profile)


def test_a_signed_request_is_taken_for_a_channel_of_any_auth_that_has_a_key(codec: Codec) -> None:
    kinds: tuple[Auth, ...] = ("digest", "mtls", "api_key")
    profile = channels(**{f"c-{kind}": kind for kind in kinds})

    async def scenario(client: Client, _sink: MemorySink) -> None:
        for kind in kinds:
            path = f"/intake/c-{kind}"
            assert (await post(client, path, signed(path)))[0] == 200
            assert (await post(client, path, signed(path, secret=key(9))))[0] == 401

    run(codec, scenario, {f"c-{kind}": ChannelSecret(keys=(key(1),)) for kind in kinds}, profile)


def test_the_first_half_of_a_digest_handshake_is_no_refusal_and_offers_both_algorithms(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        before = counted("zhishu_refused_messages_total", feed="other", reason="bad_signature")
        async with client.post("/intake/d", data=BODY) as answer:
            assert answer.status == 401
            offered = answer.headers.getall("WWW-Authenticate")
        assert ["SHA-256" in offered[0], "MD5" in offered[1], len(offered)] == [True, True, 2]
        assert await with_digest(client, "/intake/d", "d", PASSWORD) == 200
        assert counted("zhishu_refused_messages_total", feed="other", reason="bad_signature") == before
        assert await with_digest(client, "/intake/d", "d", "wrong") == 401
        assert counted("zhishu_refused_messages_total", feed="other", reason="bad_signature") > before

    run(codec, scenario, {"d": ChannelSecret(passwords=(PASSWORD,))}, channels(d="digest"))


def test_a_stale_nonce_is_said_to_be_stale_and_a_fresh_one_is_taken(codec: Codec) -> None:
    now = [NOW]

    async def scenario(client: Client, sink: MemorySink) -> None:
        middleware = aiohttp.DigestAuthMiddleware("d", PASSWORD)
        async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
            for _ in range(3):
                async with session.post(client.make_url("/intake/d"), data=BODY, headers=JSON) as answer:
                    assert answer.status == 200
                now[0] += 400_000
        assert len(sink.records) == 3

    run(codec, scenario, {"d": ChannelSecret(passwords=(PASSWORD,))}, channels(d="digest"), clock=lambda: now[0])


def test_a_digest_answer_that_was_heard_on_the_line_can_not_be_sent_again(codec: Codec) -> None:
    async def scenario(client: Client, sink: MemorySink) -> None:
        heard: list[str] = []

        async def listen(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            heard.append(request.headers.get("Authorization", ""))
            return await handler(request)

        middlewares = (aiohttp.DigestAuthMiddleware("d", PASSWORD), listen)
        async with (
            aiohttp.ClientSession(middlewares=middlewares) as session,
            session.post(client.make_url("/intake/d"), data=BODY, headers=JSON) as answer,
        ):
            assert answer.status == 200
        again = JSON | {"Authorization": heard[-1]}
        async with client.post("/intake/d", data=as_json(make.REPORT | {"title": "other"}), headers=again) as answer:
            assert answer.status == 401
            assert "stale=true" in answer.headers["WWW-Authenticate"]
        assert len(sink.records) == 1

    run(codec, scenario, {"d": ChannelSecret(passwords=(PASSWORD,))}, channels(d="digest"))


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl_proves_itself_with_digest(codec: Codec, tmp_path: Path) -> None:
    sink = _Kept()
    app = gateway(codec, sink, {"d": ChannelSecret(passwords=(PASSWORD,))}, profile=channels(d="digest"))
    large = tmp_path / "large.json"  # curl asks before it sends so much
    large.write_bytes(as_json(make.REPORT | {"unknown": "x" * 2_000_000}))
    with serve(app) as url:
        for user, body, status in (
            (f"d:{PASSWORD}", BODY.decode(), "200"),
            ("d:wrong", BODY.decode(), "401"),
            (f"d:{PASSWORD}", f"@{large}", "413"),  # too large for Kafka: its body was read
        ):
            command = ["curl", "-sS", "--noproxy", "*", "--digest", "-u", user, "-H", "Content-Type: application/json"]
            done = subprocess.run(
                [*command, "-w", "%{http_code}", "-o", str(tmp_path / "out"), "--data-binary", body, f"{url}/intake/d"],
                capture_output=True, text=True, timeout=60, check=True,
            )  # fmt: skip
            assert done.stdout == status
    assert len(sink.records) == 1


class _Kept(MemorySink):
    """A sink whose loop is not the test's."""

    def __init__(self) -> None:
        self.records = []

    async def send(self, records: Any) -> None:
        self.records += records


NOTICE = as_json(
    {
        "DispositionNotificationListObject": {
            "DispositionNotificationObject": [
                {
                    "NotificationID": "370212000000000000012025110500000100001",
                    "Title": "made-up",
                    "TriggerTime": "20251105103000",
                    "MotorVehicleObject": {"DeviceID": "37021200001320000002"},
                }
            ]
        }
    }
)


def test_at_a_fixed_address_the_digest_user_names_the_channel(codec: Codec) -> None:
    base = PROFILE.channels["demo-gat1400"]
    gat = replace(base, id="other-gat")
    profile = replace(
        PROFILE,
        channels=PROFILE.channels | {"other-gat": gat, "d": replace(base, id="d", protocol="canonical", constants={})},
    )
    secrets = {name: ChannelSecret(passwords=(f"password {name}",)) for name in ("demo-gat1400", "other-gat", "d")}

    async def scenario(client: Client, sink: MemorySink) -> None:
        path = "/VIID/SubscribeNotifications"
        for name, proof, status in (
            ("demo-gat1400", "demo-gat1400", 200),
            ("other-gat", "other-gat", 200),
            ("demo-gat1400", "other-gat", 401),
            ("d", "d", 401),  # a channel, but none of this protocol
            ("nobody", "d", 401),
        ):
            assert await with_digest(client, path, name, f"password {proof}", NOTICE) == status, (name, proof)
        assert [topic for topic, _, _ in sink.records] == ["intake.video"] * 2
        assert [codec.report(value)["channel"] for _, _, value in sink.records] == ["demo-gat1400", "other-gat"]
        unknown, wrong = (
            {"Authorization": f'Digest username="{user}", realm="zhishu", nonce="n", uri="{path}", response="00", '
             'qop=auth, nc=00000001, cnonce="c"'} for user in ("nobody", "other-gat")
        )  # fmt: skip
        told = []
        for headers in ({}, unknown, wrong):
            async with client.post(path, data=NOTICE, headers=headers) as answer:
                assert (answer.status, "Digest" in answer.headers["WWW-Authenticate"]) == (401, True)
                told.append(await answer.text())
        assert told[1] == told[2]
        for method in ("GET", "PUT", "DELETE"):
            async with client.request(method, "/VIID/System/Time") as answer:
                assert answer.status == 401
        # The same below the channel's own address, which others have too.
        assert (
            await with_digest(client, f"/intake/demo-gat1400{path}", "demo-gat1400", "password demo-gat1400", NOTICE)
            == 200
        )
        middleware = aiohttp.DigestAuthMiddleware("demo-gat1400", "password demo-gat1400")
        async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
            async with session.get(client.make_url("/VIID/System/Time")) as answer:
                assert answer.status == 200
                assert "SystemTimeObject" in await answer.text()
            async with session.post(client.make_url("/VIID/System/Keepalive"), data=b"{", headers=JSON) as answer:
                assert answer.headers[OUTCOME_HEADER] == "refused"

    run(codec, scenario, secrets, profile)


def test_a_channel_that_writes_to_kafka_itself_has_no_address(codec: Codec) -> None:
    base = PROFILE.channels["demo-canonical"]
    profile = replace(PROFILE, channels=PROFILE.channels | {"k": replace(base, id="k", protocol="kafka")})

    async def scenario(client: Client, sink: MemorySink) -> None:
        for path in ("/intake/k", "/intake/k/progress", "/intake/k/x"):
            status, answer = await post(client, path, signed(path))
            assert (status, answer["code"], "Kafka" in answer["reason"]) == (405, "unsupported_type", True)
        assert sink.records == []

    run(codec, scenario, {"k": ChannelSecret(keys=(key(1),))}, profile)


def limited(per_s: float, burst: int, **more: Any) -> Profile:
    channel = replace(PROFILE.channels["demo-canonical"], id="c", messages_per_s=per_s, burst=burst, **more)
    return replace(PROFILE, channels=PROFILE.channels | {"c": channel})


SECRETS = {"c": ChannelSecret(keys=(key(1),)), "demo-canonical": ChannelSecret(keys=(key(1),))}


def test_more_than_a_channel_may_send_is_429_with_when_to_come_again(codec: Codec) -> None:
    clock = Clock()

    async def scenario(client: Client, sink: MemorySink) -> None:
        before = counted("zhishu_refused_messages_total", feed="other", reason="rate_limited")
        headers = signed("/intake/c")
        assert [(await post(client, "/intake/c", headers))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
        async with client.post("/intake/c", data=BODY, headers=headers) as answer:
            told = json.loads(await answer.read())
            assert (answer.status, told["code"], answer.headers["Retry-After"]) == (429, "rate_limited", "2")
        assert (await post(client, "/intake/demo-canonical", signed("/intake/demo-canonical")))[0] == 200
        clock.now += 2
        assert [(await post(client, "/intake/c", headers))[0] for _ in range(2)] == [200, 429]
        assert counted("zhishu_refused_messages_total", feed="other", reason="rate_limited") == before + 4
        assert len(sink.records) == 5

    run(codec, scenario, SECRETS, limited(0.5, 3), monotonic=clock)


def test_requests_at_once_do_not_pass_a_limit_together(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        answers = await asyncio.gather(*(post(client, "/intake/c", signed("/intake/c")) for _ in range(40)))
        assert sum(status == 200 for status, _ in answers) == 7
        assert sum(status == 429 for status, _ in answers) == 33

    run(codec, scenario, SECRETS, limited(0.5, 7), monotonic=Clock())


def test_a_batch_costs_its_messages(codec: Codec) -> None:
    clock = Clock()
    batch = b"\n".join(as_json(make.REPORT | {"upstream_id": f"B-{number}"}) for number in range(10))

    async def scenario(client: Client, _sink: MemorySink) -> None:
        headers = signed("/intake/c", batch) | {"Content-Type": "application/x-ndjson"}
        assert (await post(client, "/intake/c", headers, batch))[1]["accepted"] == 10
        status, answer = await post(client, "/intake/c", signed("/intake/c"))
        assert (status, answer["code"]) == (429, "rate_limited")
        clock.now += 3  # ten messages, less the four of the burst; there is to be one
        assert (await post(client, "/intake/c", signed("/intake/c")))[0] == 429
        clock.now += 0.5
        assert (await post(client, "/intake/c", signed("/intake/c")))[0] == 200

    run(codec, scenario, SECRETS, limited(2.0, 4), monotonic=clock)


def test_a_bad_signature_costs_the_channel_nothing(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        for _ in range(10):
            assert (await post(client, "/intake/c", signed("/intake/c", secret=key(2))))[0] == 401
        assert (await post(client, "/intake/c", signed("/intake/c")))[0] == 200

    run(codec, scenario, SECRETS, limited(0.001, 1), monotonic=Clock())


async def endless() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()


def test_who_hammers_bad_signatures_is_not_read_any_more_and_others_are(codec: Codec) -> None:
    clock = Clock()

    async def scenario(client: Client, _sink: MemorySink) -> None:
        async def attempt(address: str, secret: bytes, path: str = "/intake/c") -> int:
            return (await post(client, path, signed(path, secret=secret) | {"X-Forwarded-For": address}))[0]

        stranger, other = "10.0.0.1, 192.0.2.7", "192.0.2.8"
        assert [await attempt(stranger, key(2)) for _ in range(21)] == [401] * 20 + [429]
        headers = signed("/intake/c") | {"X-Forwarded-For": stranger}
        async with asyncio.timeout(10), client.post("/intake/c", data=endless(), headers=headers) as answer:
            assert (answer.status, answer.headers["Connection"]) == (429, "close")
            assert int(answer.headers["Retry-After"]) > 0
        # What stands before the proxy's own entry is the sender's word.
        assert await attempt("10.0.0.2, 192.0.2.7", key(1)) == 429
        assert await attempt(other, key(1)) == 200
        assert await attempt(stranger, key(1), "/intake/demo-canonical") == 200
        clock.now += 1
        assert await attempt(stranger, key(1)) == 200

    run(codec, scenario, SECRETS, limited(1000.0, 1000), monotonic=clock, proxies=("127.0.0.0/8", "::1"))


def test_a_proxy_that_adds_a_line_of_its_own_is_believed_and_not_the_line_before_it(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        async def attempt(secret: bytes, *addresses: str) -> int:
            headers = CIMultiDict(signed("/intake/c", secret=secret))
            for address in addresses:
                headers.add("X-Forwarded-For", address)
            async with client.post("/intake/c", data=BODY, headers=headers) as answer:
                return answer.status

        tries = [await attempt(key(2), "203.0.113.9", f"192.0.2.7:{4000 + number}") for number in range(21)]
        assert tries == [401] * 20 + [429]
        assert await attempt(key(1), "203.0.113.9") == 200
        # IPv4 written as IPv6 is the same address, and no network that all of IPv4 lies in.
        assert await attempt(key(1), "::ffff:192.0.2.7") == 429
        assert await attempt(key(1), "::ffff:192.0.2.8") == 200

    run(codec, scenario, SECRETS, limited(1000.0, 1000), monotonic=Clock(), proxies=("127.0.0.0/8", "::1"))


def test_who_lets_bodies_hang_without_a_proof_is_not_read_any_more(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        statuses = []
        for _ in range(21):
            async with client.post("/intake/c", data=endless(), headers=signed("/intake/c", secret=key(2))) as answer:
                statuses.append(answer.status)
        assert statuses == [400] * 20 + [429]

    limits = Limits(body_s=0.01)
    run(codec, scenario, SECRETS, limited(1000.0, 1000), monotonic=Clock(), limits=limits)


def test_batches_at_once_do_not_pass_a_limit_together(codec: Codec) -> None:
    batch = b"\n".join(as_json(make.REPORT | {"upstream_id": f"B-{number}"}) for number in range(300))

    async def scenario(client: Client, sink: MemorySink) -> None:
        headers = signed("/intake/c", batch) | {"Content-Type": "application/x-ndjson"}
        answers = await asyncio.gather(*(post(client, "/intake/c", headers, batch) for _ in range(10)))
        assert {status for status, _ in answers} == {200, 429}
        assert len(sink.records) <= 3 * 300

    run(codec, scenario, SECRETS, limited(1.0, 20), monotonic=Clock())


def test_a_body_said_to_be_encoded_anywhere_in_the_headers_is_not_unpacked(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        packed = gzip.compress(BODY)
        headers = CIMultiDict(signed("/intake/c", packed))
        headers.extend([("Content-Encoding", "identity"), ("Content-Encoding", "gzip")])
        async with client.post("/intake/c", data=packed, headers=headers) as answer:
            assert answer.status in (400, 401, 415)

    run(codec, scenario, SECRETS, limited(1000.0, 1000), monotonic=Clock())


def test_devices_at_a_fixed_address_are_not_shut_out_by_requests_to_channels_that_do_not_exist(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        for _ in range(25):
            await post(client, "/intake/nobody", JSON)
        async with client.post("/VIID/System/Time", headers=JSON) as answer:
            assert answer.status == 401
            assert "Digest" in answer.headers["WWW-Authenticate"]

    run(codec, scenario, SECRETS, monotonic=Clock())


def test_who_hammers_the_url_check_of_wechat_is_429(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        query = {"signature": "0" * 40, "timestamp": "1", "nonce": "1", "echostr": "1"}
        statuses = []
        for _ in range(21):
            async with client.get("/intake/demo-wechat", params=query) as answer:
                statuses.append(answer.status)
        assert statuses == [401] * 20 + [429]

    run(codec, scenario, {"demo-wechat": ChannelSecret(token=TOKEN)}, monotonic=Clock())


def test_without_proxies_nobody_is_believed_to_be_another(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        statuses = []
        for number in range(21):
            claimed = signed("/intake/c", secret=key(2)) | {"X-Forwarded-For": f"192.0.2.{number}"}
            statuses.append((await post(client, "/intake/c", claimed))[0])
        assert statuses == [401] * 20 + [429]

    run(codec, scenario, SECRETS, limited(1000.0, 1000), monotonic=Clock())


@pytest.mark.parametrize(("path", "status"), [("/intake/nobody", 404), ("/VIID/System/Time", 401)])
def test_who_hammers_what_is_nobodys_is_429(codec: Codec, path: str, status: int) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        wrong = JSON | {"Authorization": 'Digest username="nobody"'}
        statuses = [(await post(client, path, wrong))[0] for _ in range(21)]
        assert statuses == [status] * 20 + [429]

    run(codec, scenario, SECRETS, monotonic=Clock())


def test_a_sender_that_asks_first_is_refused_before_it_sends(codec: Codec) -> None:
    async def scenario(client: Client, _sink: MemorySink) -> None:
        async def first_line(headers: dict[str, str]) -> bytes:
            reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
            head = {"Host": "hub", "Content-Length": str(len(BODY)), "Expect": "100-continue"} | headers
            lines = ["POST /intake/c HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
            writer.write("\r\n".join(lines).encode())
            found = await asyncio.wait_for(reader.readline(), 10)
            if b" 100 " in found:
                await reader.readline()
                writer.write(BODY)
                found += await asyncio.wait_for(reader.readline(), 10)
            writer.close()
            return found

        assert b" 401 " in await first_line({})
        assert await first_line(signed("/intake/c")) == b"HTTP/1.1 100 Continue\r\nHTTP/1.1 200 OK\r\n"

    run(codec, scenario, SECRETS, limited(1000.0, 1000))


def test_wechat_hears_again_before_it_hangs_up(codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.gateway._PATIENCE_S", {"wechat": 0.05})

    async def scenario(client: Client, sink: MemorySink) -> None:
        sink.open.clear()
        query = {"timestamp": "1", "nonce": "n", "signature": auth.wechat_signature(TOKEN, "1", "n")}
        async with client.post("/intake/demo-wechat", params=query, data=make.WECHAT.encode()) as answer:
            assert (answer.status, json.loads(await answer.read())["code"]) == (503, "unavailable")
        sink.open.set()
        async with client.post("/intake/demo-wechat", params=query, data=make.WECHAT.encode()) as answer:
            assert answer.status == 200

    run(codec, scenario, {"demo-wechat": ChannelSecret(token=TOKEN)})


class Authority:
    """A certificate authority made for a test, and the certificates it signs."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._signed(self._subject, self._key.public_key(), True, timedelta(days=1))
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def _signed(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, is_ca: bool, lasts: timedelta
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + lasts)
            .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, name: str, lasts: timedelta = timedelta(days=1)) -> tuple[Path, Path, str]:
        """Files of certificate and key, and the certificate's SHA-256."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._signed(subject, key.public_key(), False, lasts)
        cert_path, key_path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert_path, key_path, hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


def test_over_tls_a_client_certificate_opens_its_own_channel_only(codec: Codec, tmp_path: Path) -> None:
    trusted, foreign = Authority(tmp_path, "ca"), Authority(tmp_path, "foreign-ca")
    server_cert, server_key, _ = trusted.issue("server")
    one, two = trusted.issue("one"), trusted.issue("two")
    old, strange = trusted.issue("old", timedelta(days=-1)), foreign.issue("strange")
    profile = channels(m1="mtls", m2="mtls", h="hmac")
    secrets = {
        "m1": ChannelSecret(fingerprints=(one[2], old[2], strange[2])),
        "m2": ChannelSecret(fingerprints=(two[2],)),
        "h": ChannelSecret(keys=(key(1),)),
    }

    async def scenario() -> None:
        sink = MemorySink()
        runner = web.AppRunner(gateway(codec, sink, secrets, profile=profile))
        await runner.setup()
        context = server_context(server_cert, server_key, trusted.path)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]

        async def send(channel: str, shown: tuple[Path, Path, str] | None, headers: dict[str, str] = JSON) -> int:
            tls = ssl.create_default_context(cafile=str(trusted.path))
            if shown:
                tls.load_cert_chain(shown[0], shown[1])
            url = f"https://localhost:{port}/intake/{channel}"
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
                session.post(url, data=BODY, headers=headers) as answer,
            ):
                return answer.status

        try:
            assert [await send("m1", one), await send("m2", two)] == [200, 200]
            assert [await send("m1", two), await send("m2", one), await send("m1", None)] == [401, 401, 401]
            # Sources without a certificate use the same address.
            assert await send("h", None, signed("/intake/h")) == 200
            assert await send("h", one) == 401
            for untrusted in (old, strange):  # though its fingerprint is known
                with pytest.raises(aiohttp.ClientError):
                    await send("m1", untrusted)
            secrets["m1"] = ChannelSecret(fingerprints=(two[2], one[2]))
            assert [await send("m1", one), await send("m1", two)] == [200, 200]
            assert len(sink.records) == 5
        finally:
            await runner.cleanup()

    asyncio.run(scenario())


def test_wrong_tls_files_are_told_before_the_gateway_starts(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    cert, private, _ = ca.issue("server")
    _, other, _ = ca.issue("other")
    broken = tmp_path / "broken.pem"
    broken.write_text("not PEM")
    assert server_context(None, None, None) is None
    for given, says in (
        ((cert, None, None), "must both be given"),
        ((None, None, ca.path), "must both be given"),
        ((cert, other, None), "belong together"),
        ((cert, tmp_path / "none.key", None), "belong together"),
        ((cert, private, broken), "must be a PEM file of certificates"),
        ((cert, private, tmp_path / "none.pem"), "must be a PEM file of certificates"),
    ):
        with pytest.raises(TlsError, match=says):
            server_context(*given)
    plain = server_context(cert, private, None)
    assert plain is not None
    assert (plain.minimum_version, plain.verify_mode) == (ssl.TLSVersion.TLSv1_2, ssl.CERT_NONE)
