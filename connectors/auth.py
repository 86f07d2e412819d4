"""Who sent it: the hub's own HMAC signature, WeChat's, an api_key, a client certificate. Digest has its own module.

docs/feeds/authentication.md says what a source has to do.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
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
    client certificates, hex. dsn: URL of a database that is read.
    """

    keys: tuple[bytes, ...] = field(default=(), repr=False)
    token: str | None = field(default=None, repr=False)
    aes_keys: tuple[str, ...] = field(default=(), repr=False)
    app_id: str = ""
    passwords: tuple[str, ...] = field(default=(), repr=False)
    fingerprints: tuple[str, ...] = ()
    dsn: str | None = field(default=None, repr=False)

    @property
    def key(self) -> bytes | None:
        """The newest HMAC key."""
        return self.keys[0] if self.keys else None


#: Of a channel that has none: nothing proves it.
NO_SECRET: Final = ChannelSecret()


def signature(key: bytes, method: str, path: str, time: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over METHOD, path without query and time (unix seconds), each with a line feed after it, then the body."""
    return hmac.digest(key, _bytes(f"{method}\n{path}\n{time}\n") + body, "sha256").hex()


def check_signature(
    keys: Sequence[bytes], method: str, path: str, time: str, given: str, body: bytes, now_ms: int
) -> None:
    """Raises Refusal (bad_signature) unless the request is signed with one of the keys and made within five minutes of now."""
    check_claim(keys, time, given, now_ms)
    claimed = _bytes(given.strip().lower())
    matches = False
    for key in keys:  # all of them, so that the time does not tell which one is good
        matches |= hmac.compare_digest(signature(key, method, path, time, body).encode(), claimed)
    if not matches:
        raise Refusal(
            "bad_signature", "the signature does not fit method, path, time and body; check key and line feeds"
        )


def check_claim(keys: Sequence[bytes], time: str, given: str, now_ms: int) -> None:
    """What can be told before the body is read: raises Refusal (bad_signature) without key, headers or a time near now."""
    if not keys:
        raise Refusal("bad_signature", "this channel has no key yet; ask the hub's operator for one")
    if not time or not given:
        raise Refusal("bad_signature", f"send the headers {TIME_HEADER} and {SIGNATURE_HEADER}")
    if not _UNIX_SECONDS.fullmatch(time) or abs(int(time) - now_ms / 1000) > WINDOW_S:
        raise Refusal("bad_signature", f"{TIME_HEADER}: must be unix seconds within {WINDOW_S} s of now; set the clock")


def check_api_key(secret: ChannelSecret, given: str) -> None:
    """Raises Refusal (bad_signature) unless `given` is one of the channel's keys, as hex."""
    claimed = _bytes(given.strip().lower())
    matches = False
    for key in secret.keys:
        matches |= hmac.compare_digest(key.hex().encode(), claimed)
    if not matches:
        raise Refusal("bad_signature", "api_key is missing or wrong; ask the hub's operator for one")


def check_certificate(secret: ChannelSecret, certificate: bytes | None) -> None:
    """Raises Refusal (bad_signature) unless the TLS client's certificate (DER) is one of the channel's.

    That it is in date and that its owner holds the private key, the TLS handshake has proved.
    """
    if certificate is None:
        raise Refusal("bad_signature", "send the channel's client certificate with TLS")
    digest = hashlib.sha256(certificate).hexdigest()
    if digest not in secret.fingerprints:
        raise Refusal("bad_signature", "this client certificate is not the channel's; tell the operator its SHA-256")


def wechat_signature(*parts: str) -> str:
    """WeChat's own signature: hex SHA-1 of token, timestamp, nonce (and the encrypted text, if any), sorted and joined."""
    joined = "".join(sorted(parts)).encode(errors="backslashreplace")
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def check_wechat(token: str | None, timestamp: str, nonce: str, given: str) -> None:
    """Raises Refusal (bad_signature) unless WeChat signed the request.

    Its time is not checked: WeChat's retries keep the first one's, and a message played again is told by its id.
    """
    if not token:
        raise Refusal("bad_signature", "this channel has no token yet; ask the hub's operator to set it")
    if not hmac.compare_digest(wechat_signature(token, timestamp, nonce).encode(), _bytes(given)):
        raise Refusal("bad_signature", "signature, timestamp and nonce do not fit the account's token")


def _bytes(text: str) -> bytes:
    # Replaced, not strict: a header may hold bytes that are no text.
    return text.encode(errors="backslashreplace")
