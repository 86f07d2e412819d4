"""Who sent it: the hub's own HMAC signature, and WeChat's."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from connectors.errors import Refusal

TIME_HEADER: Final = "X-Zhishu-Time"
SIGNATURE_HEADER: Final = "X-Zhishu-Signature"
#: Seconds by which the sender's clock may differ, either way.
WINDOW_S: Final = 300

_UNIX_SECONDS: Final = re.compile(r"\d{9,11}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ChannelSecret:
    """What a channel proves itself with. Of several values the first is the newest; all are good, so that keys rotate.

    keys: for the HMAC signature, and Open311's api_key as hex. token, aes_keys, app_id: a WeChat account's (aes_keys as
    WeChat shows them, 43 characters). passwords: of HTTP digest, whose user is the channel id. fingerprints: SHA-256 of
    client certificates, hex.
    """

    keys: tuple[bytes, ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    aes_keys: tuple[str, ...] = field(default=(), repr=False)
    app_id: str = ""
    passwords: tuple[str, ...] = field(default=(), repr=False)
    fingerprints: tuple[str, ...] = ()

    @property
    def key(self) -> bytes | None:
        """The newest HMAC key."""
        return self.keys[0] if self.keys else None


def signature(key: bytes, method: str, path: str, time: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over METHOD, path without query and time (unix seconds), each with a line feed after it, then the body."""
    return hmac.new(key, f"{method}\n{path}\n{time}\n".encode() + body, hashlib.sha256).hexdigest()


def check_signature(key: bytes | None, method: str, path: str, time: str, given: str, body: bytes, now_ms: int) -> None:
    """Raises Refusal (bad_signature) unless the request is signed with the key and made within five minutes of now."""
    check_claim(key, time, given, now_ms)
    # Replaced, not strict: a header may hold bytes that are no text.
    claimed = given.strip().lower().encode(errors="backslashreplace")
    if not hmac.compare_digest(signature(key or b"", method, path, time, body).encode(), claimed):
        raise Refusal(
            "bad_signature", "the signature does not fit method, path, time and body; check key and line feeds"
        )


def check_claim(key: bytes | None, time: str, given: str, now_ms: int) -> None:
    """What can be told before the body is read: raises Refusal (bad_signature) without key, headers or a time near now."""
    if not key:
        raise Refusal("bad_signature", "this channel has no key yet; ask the hub's operator for one")
    if not time or not given:
        raise Refusal("bad_signature", f"send the headers {TIME_HEADER} and {SIGNATURE_HEADER}")
    if not _UNIX_SECONDS.fullmatch(time) or abs(int(time) - now_ms / 1000) > WINDOW_S:
        raise Refusal("bad_signature", f"{TIME_HEADER}: must be unix seconds within {WINDOW_S} s of now; set the clock")


def wechat_signature(token: str, timestamp: str, nonce: str) -> str:
    """WeChat's own signature: hex SHA-1 of the sorted, joined three."""
    joined = "".join(sorted((token, timestamp, nonce))).encode(errors="backslashreplace")
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def check_wechat(token: str | None, timestamp: str, nonce: str, given: str) -> None:
    """Raises Refusal (bad_signature) unless WeChat signed the request.

    Its time is not checked: WeChat's retries keep the first one's, and a message played again is told by its id.
    """
    if not token:
        raise Refusal("bad_signature", "this channel has no token yet; ask the hub's operator to set it")
    if not hmac.compare_digest(
        wechat_signature(token, timestamp, nonce).encode(), given.encode(errors="backslashreplace")
    ):
        raise Refusal("bad_signature", "signature, timestamp and nonce do not fit the account's token")
