"""Signatures, digest answers, api keys and rates, as pure functions; test_guard.py has them over HTTP."""

import hashlib
import hmac
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import auth, digest
from connectors.errors import Refusal
from connectors.ratelimit import Buckets, Rate

KEY = b"a made-up key"
NOW = 1_750_000_000_000


@pytest.mark.parametrize(
    ("token", "timestamp", "nonce", "signature"),
    [  # the vectors of WeChat's own documentation and of its best known client library
        ("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),
        ("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),
        ("test", "1410685589", "test", "f21891de399b4e33a1a93c9a7b8a8fffb5a443ff"),
    ],
)
def test_wechats_own_signatures_are_taken(token: str, timestamp: str, nonce: str, signature: str) -> None:
    auth.check_wechat(token, timestamp, nonce, signature)
    for wrong in ((token + "x", timestamp, nonce, signature), (token, timestamp + "1", nonce, signature),
                  (token, timestamp, nonce, signature[:-1] + "x"), (token, timestamp, nonce, ""),
                  (None, timestamp, nonce, signature), (token, timestamp, nonce, "é"),
                  (token, timestamp, nonce, "\udcff"), (token, "\udcff", nonce, signature)):  # fmt: skip
        with pytest.raises(Refusal):
            auth.check_wechat(*wrong)


def test_the_signature_is_the_documented_one() -> None:
    expected = hmac.new(KEY, b"POST\n/intake/x\n1750000000\n{}", hashlib.sha256).hexdigest()
    assert auth.signature(KEY, "POST", "/intake/x", "1750000000", b"{}") == expected


@given(st.binary(), st.integers(-300, 300))
def test_a_signed_request_is_taken_within_five_minutes(body: bytes, skew: int) -> None:
    stamp = str(NOW // 1000 + skew)
    auth.check_signature([KEY], "POST", "/p", stamp, auth.signature(KEY, "POST", "/p", stamp, body), body, NOW)


@given(st.integers(0, 3), st.binary())
def test_each_of_several_keys_is_taken_and_no_other(position: int, body: bytes) -> None:
    keys = [b"a made-up key %d" % number for number in range(4)]
    stamp = str(NOW // 1000)
    signed = auth.signature(keys[position], "POST", "/p", stamp, body)
    auth.check_signature(keys, "POST", "/p", stamp, signed, body, NOW)
    with pytest.raises(Refusal):
        auth.check_signature(keys[:position] + keys[position + 1 :], "POST", "/p", stamp, signed, body, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": [b"another"]}, {"keys": []}, {"method": "PUT"}, {"path": "/q"}, {"body": b"other"},
        {"time": str(NOW // 1000 + 1)}, {"given": ""}, {"given": "00"}, {"given": "é"}, {"time": ""}, {"time": "now"},
        {"now_ms": NOW + 301_000}, {"now_ms": NOW - 301_000}, {"time": "٣" * 10},
        {"given": "\udcff"},
    ],
)  # fmt: skip
def test_anything_else_is_refused(change: dict[str, object]) -> None:
    stamp = str(NOW // 1000)
    good: dict[str, object] = {
        "keys": [KEY], "method": "POST", "path": "/p", "time": stamp, "body": b"body", "now_ms": NOW,
        "given": auth.signature(KEY, "POST", "/p", stamp, b"body"),
    }  # fmt: skip
    auth.check_signature(**good)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        auth.check_signature(**(good | change))  # type: ignore[arg-type]
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    "change", [{"keys": []}, {"time": ""}, {"time": "1"}, {"given": ""}, {"now_ms": NOW + 301_000}]
)
def test_a_claim_without_key_headers_or_a_time_near_now_is_told_without_the_body(change: dict[str, object]) -> None:
    good: dict[str, object] = {"keys": [KEY], "time": str(NOW // 1000), "given": "00", "now_ms": NOW}
    auth.check_claim(**good)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        auth.check_claim(**(good | change))  # type: ignore[arg-type]
    assert caught.value.code == "bad_signature"


def test_an_api_key_is_one_of_the_keys_as_hex() -> None:
    secret = auth.ChannelSecret(keys=(b"\x0a" * 32, b"\x0b" * 32))
    for good in ("0a" * 32, "0B" * 32, f" {'0a' * 32} "):
        auth.check_api_key(secret, good)
    for wrong in ("", "0c" * 32, "0a" * 31, "0a" * 32 + "0b" * 32, "\udcff", "é"):
        with pytest.raises(Refusal):
            auth.check_api_key(secret, wrong)
    with pytest.raises(Refusal):
        auth.check_api_key(auth.NO_SECRET, "")


def test_a_certificate_is_known_by_its_fingerprint() -> None:
    secret = auth.ChannelSecret(fingerprints=(hashlib.sha256(b"one").hexdigest(), hashlib.sha256(b"two").hexdigest()))
    auth.check_certificate(secret, b"one")
    auth.check_certificate(secret, b"two")
    for wrong in (b"three", b"", None):
        with pytest.raises(Refusal):
            auth.check_certificate(secret, wrong)


def test_a_secret_does_not_show_itself() -> None:
    shown = repr(auth.ChannelSecret((b"hush",), "hush", ("hush",), "app", ("hush",), ("00",), "hush"))
    assert "hush" not in shown


# RFC 7616, 3.9.1, and RFC 2617, 3.5.
RFC_7616 = {
    "username": "Mufasa", "realm": "http-auth@example.org", "uri": "/dir/index.html", "qop": "auth", "nc": "00000001",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
}  # fmt: skip
RFC_2617 = {
    "username": "Mufasa", "realm": "testrealm@host.com", "uri": "/dir/index.html", "qop": "auth", "nc": "00000001",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "cnonce": "0a4f113b",
}  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "fields", "password", "expected"),
    [
        ("MD5", RFC_7616, "Circle of Life", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", RFC_7616, "Circle of Life", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ("MD5", RFC_2617, "Circle Of Life", "6629fae49393a05397450978507c4ef1"),
    ],
)
def test_a_digest_answer_is_the_standards_own(
    algorithm: str, fields: dict[str, str], password: str, expected: str
) -> None:
    assert digest.response(digest.HASHES[algorithm], fields, "GET", password) == expected


PASSWORD = "a made-up password"
USER = "cam-1"
TARGET = "/intake/cam-1?a=1"


def answered(server: digest.Digest, now_ms: int = NOW, algorithm: str = "SHA-256", **changes: str) -> dict[str, str]:
    """Fields of a good answer to a fresh challenge, but for the changes."""
    challenge = next(value for value in server.challenges(now_ms) if f"algorithm={algorithm}," in value)
    fields = digest.read(challenge)
    fields |= {"username": USER, "uri": TARGET, "nc": "00000001", "cnonce": "c"} | changes
    password = fields.pop("password", PASSWORD)
    hashed = digest.HASHES.get(fields.get("algorithm", "MD5"), digest.HASHES["MD5"])
    return {"response": digest.response(hashed, fields, "POST", password)} | fields


def check(
    server: digest.Digest, fields: dict[str, str], now_ms: int = NOW, passwords: tuple[str, ...] = (PASSWORD,)
) -> None:
    server.check(fields, "POST", TARGET, USER, passwords, now_ms)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_digest_answer_is_taken_with_any_of_the_passwords_and_no_other(algorithm: str) -> None:
    server = digest.Digest(b"k")
    check(server, answered(server, algorithm=algorithm))
    check(server, answered(server, algorithm=algorithm), passwords=("new", PASSWORD))
    check(server, answered(server, algorithm=algorithm), passwords=(PASSWORD, "old"))
    for passwords in ((), ("new",), ("new", "old")):
        with pytest.raises(Refusal):
            check(server, answered(server, algorithm=algorithm), passwords=passwords)


def test_a_client_that_knows_no_algorithms_speaks_md5() -> None:
    server = digest.Digest(b"k")
    fields = answered(server, algorithm="MD5")
    del fields["algorithm"]
    check(server, fields)


def test_an_address_given_whole_is_the_same_address() -> None:
    server = digest.Digest(b"k")
    check(server, answered(server, uri=f"http://hub.invalid:8080{TARGET}"))


@pytest.mark.parametrize(
    "change",
    [
        {"password": "other"}, {"username": "cam-2"}, {"realm": "other"}, {"uri": "/intake/cam-2"}, {"uri": ""},
        {"qop": "auth-int"}, {"qop": ""}, {"nc": "1"}, {"nc": "0000000g"}, {"nc": ""}, {"cnonce": ""}, {"nonce": ""},
        {"algorithm": "SHA-512"}, {"algorithm": "MD5"}, {"algorithm": "MD5-sess"}, {"response": "00"},
        {"response": "\udcff"}, {"response": ""},
    ],
)  # fmt: skip
def test_any_other_digest_answer_is_refused(change: dict[str, str]) -> None:
    server = digest.Digest(b"k")
    claimed = {"algorithm": change["algorithm"]} if "algorithm" in change else {}
    change = {name: value for name, value in change.items() if name != "algorithm"}
    with pytest.raises(Refusal) as caught:
        check(server, answered(server, **change) | claimed)
    assert caught.value.code == "bad_signature"


def test_a_nonce_is_good_for_five_minutes_and_in_every_process_of_the_deployment() -> None:
    server, other, stranger = digest.Digest(b"k"), digest.Digest(b"k"), digest.Digest(b"x")
    check(other, answered(server))
    check(server, answered(server, NOW - 300_000))
    for stale in (answered(server, NOW - 300_001), answered(server, NOW + 300_001), answered(stranger)):
        with pytest.raises(digest.StaleError):
            check(server, stale)
    wrong = answered(server, NOW - 300_001, password="wrong")  # who does not know the password learns nothing
    with pytest.raises(Refusal):
        check(server, wrong)


def test_an_answer_is_good_once_and_its_count_must_rise() -> None:
    server = digest.Digest(b"k")
    challenge = server.challenges(NOW)[0]
    nonce = digest.read(challenge)["nonce"]
    for count in ("00000001", "00000003", "0000000A"):
        check(server, answered(server, nonce=nonce, nc=count))
    for count in ("00000001", "00000002", "0000000a", "00000000"):
        with pytest.raises(digest.StaleError):
            check(server, answered(server, nonce=nonce, nc=count))
    for later in range(0, 300_000, 1000):  # nor is it forgotten while the nonce lives
        with pytest.raises(digest.StaleError):
            check(server, answered(server, nonce=nonce), NOW + later)


def test_counts_of_dead_nonces_are_forgotten() -> None:
    server = digest.Digest(b"k")
    for minute in range(60):
        for _ in range(10):
            check(server, answered(server, NOW + minute * 60_000), NOW + minute * 60_000)
    assert len(server) <= 250


@given(st.text())
def test_an_authorization_header_of_any_shape_is_read_or_refused(header: str) -> None:
    for text in (header, f"Digest {header}", f'Digest username="{header}'):
        with suppress(Refusal):
            digest.read(text)


def test_a_header_of_many_quotes_and_escapes_is_read_in_no_time() -> None:
    began = time.process_time()
    for unit in ('a="', "a=", '\\"', 'a="\\', "aaaaaaaaaaaaaaaaaaaa ", " =", 'a="b",'):
        with suppress(Refusal):
            digest.read("Digest " + unit * (200_000 // len(unit)))
    assert time.process_time() - began < 5


def test_a_field_that_stands_twice_is_refused_and_other_schemes_are_nothing() -> None:
    with pytest.raises(Refusal):
        digest.read('Digest username="a", username="b"')
    assert digest.read("Basic YTpi") == {}
    assert digest.read('DIGEST Username="a\\"b", nc=00000001') == {"username": 'a"b', "nc": "00000001"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_pass_and_then_the_rate() -> None:
    clock = Clock()
    buckets: Buckets[str] = Buckets(clock)
    rate = Rate(per_s=2.0, burst=5)

    def passed() -> int:
        count = 0
        while not buckets.wait("a", rate):
            buckets.charge("a", rate)
            count += 1
        return count

    assert passed() == 5
    assert buckets.wait("a", rate) == pytest.approx(0.5)
    assert buckets.wait("b", rate) == 0
    clock.now += 0.5
    assert passed() == 1
    clock.now += 100
    assert passed() == 5


@given(
    st.floats(0.01, 1000),
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 200)), max_size=30),
)
def test_in_the_long_run_no_more_passes_than_burst_and_rate_allow(
    per_s: float, burst: int, asked: list[tuple[float, int]]
) -> None:
    clock = Clock()
    buckets: Buckets[str] = Buckets(clock)
    rate = Rate(per_s, burst)
    taken = last = 0
    for pause, messages in asked:
        clock.now += pause
        if not buckets.wait("a", rate):
            buckets.charge("a", rate, messages)
            taken, last = taken + messages, messages
    # The last batch was let in by its first message.
    assert taken - last <= burst + (clock.now - 1000.0) * per_s + 1e-6 * taken


def test_after_the_wait_a_message_passes() -> None:
    clock = Clock()
    buckets: Buckets[str] = Buckets(clock)
    for per_s in (0.3, 1 / 3, 7.0, 1000.0):
        rate = Rate(per_s, 3)
        buckets.charge(str(per_s), rate, 10_000)
        clock.now += buckets.wait(str(per_s), rate)
        assert buckets.wait(str(per_s), rate) == 0


def test_buckets_keep_no_more_than_they_may() -> None:
    clock = Clock()
    buckets: Buckets[int] = Buckets(clock, most=100)
    rate = Rate(1.0, 5)
    for key in range(1000):
        buckets.charge(key, rate)
        clock.now += 0.001
    assert len(buckets) <= 100
    assert buckets.wait(999, Rate(1.0, 1)) > 0
