"""Signatures."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import auth
from connectors.errors import Refusal

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
    auth.check_signature(KEY, "POST", "/p", stamp, auth.signature(KEY, "POST", "/p", stamp, body), body, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"another"}, {"key": None}, {"key": b""}, {"method": "PUT"}, {"path": "/q"}, {"body": b"other"},
        {"time": str(NOW // 1000 + 1)}, {"given": ""}, {"given": "00"}, {"given": "é"}, {"time": ""}, {"time": "now"},
        {"now_ms": NOW + 301_000}, {"now_ms": NOW - 301_000}, {"time": "٣" * 10},
        {"given": "\udcff"},
    ],
)  # fmt: skip
def test_anything_else_is_refused(change: dict[str, object]) -> None:
    stamp = str(NOW // 1000)
    good: dict[str, object] = {
        "key": KEY, "method": "POST", "path": "/p", "time": stamp, "body": b"body", "now_ms": NOW,
        "given": auth.signature(KEY, "POST", "/p", stamp, b"body"),
    }  # fmt: skip
    auth.check_signature(**good)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        auth.check_signature(**(good | change))  # type: ignore[arg-type]
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    "change", [{"key": None}, {"time": ""}, {"time": "1"}, {"given": ""}, {"now_ms": NOW + 301_000}]
)
def test_a_claim_without_key_headers_or_a_time_near_now_is_told_without_the_body(change: dict[str, object]) -> None:
    good: dict[str, object] = {"key": KEY, "time": str(NOW // 1000), "given": "00", "now_ms": NOW}
    auth.check_claim(**good)  # type: ignore[arg-type]
    with pytest.raises(Refusal) as caught:
        auth.check_claim(**(good | change))  # type: ignore[arg-type]
    assert caught.value.code == "bad_signature"


def test_a_secret_does_not_show_itself() -> None:
    assert "hush" not in repr(auth.ChannelSecret(b"hush", "hush"))
