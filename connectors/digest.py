"""HTTP digest authentication, server side (RFC 7616; GA/T 1400.4 and cameras speak its elder, RFC 2617 with qop).

SHA-256 and MD5, qop=auth, no sessions. A nonce is signed and carries its time, so that any process of the deployment knows
any other's; each process notes the highest count it saw with a nonce, so that a request heard on the line can't be sent
again to it. The user is the channel's id.
"""

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Sequence
from typing import Final

from connectors.errors import Refusal

REALM: Final = "zhishu"
#: Milliseconds for which a nonce is good.
NONCE_MS: Final = 300_000

#: The same for an unknown user as for a wrong password.
WRONG: Final = "user, password, realm and uri do not fit; the user is the channel's id"

_SCHEME: Final = "digest "
_FIELD: Final = re.compile(r"""([A-Za-z]{1,20})\s{0,9}=\s{0,9}(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))""")
_ESCAPE: Final = re.compile(r"\\(.)")
_NONCE: Final = re.compile(r"([0-9a-f]{8,16})-([0-9a-f]{16})-([0-9a-f]{32})")
_COUNT: Final = re.compile(r"[0-9a-f]{8}", re.IGNORECASE | re.ASCII)
_NEEDED: Final = ("username", "realm", "nonce", "uri", "response", "nc", "cnonce")
#: Algorithms, the stronger first: text's bytes to hex.
HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}


class StaleError(Exception):
    """The password is right, but the nonce is too old, another's, or was used with this count: ask again with a fresh one."""


def read(header: str) -> dict[str, str]:
    """Fields of an Authorization header by lower-case name; empty for another scheme. Raises Refusal (bad_signature)."""
    if header[: len(_SCHEME)].lower() != _SCHEME:
        return {}
    given: dict[str, str] = {}
    for name, quoted, bare in _FIELD.findall(header[len(_SCHEME) :]):
        if name.lower() in given:
            raise Refusal("bad_signature", "Authorization: a field stands twice; send each once")
        given[name.lower()] = bare or _ESCAPE.sub(r"\1", quoted)
    return given


class Digest:
    """Challenges and their answers. key: the same in every process of the deployment; 32 random bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        # Highest count by nonce, of the last one to two lives of a nonce.
        self._counts: dict[str, int] = {}
        self._elder: dict[str, int] = {}
        self._turned = 0

    def challenges(self, now_ms: int, *, stale: bool = False) -> list[str]:
        """Values of WWW-Authenticate, the stronger first. One nonce for both: some clients mix the two up."""
        opening = f"{now_ms:x}-{os.urandom(8).hex()}"
        nonce = f"{opening}-{self._mac(opening)}"
        ending = ", stale=true" if stale else ""
        return [f'Digest realm="{REALM}", qop="auth", algorithm={name}, nonce="{nonce}"{ending}' for name in HASHES]

    def check(
        self, given: dict[str, str], method: str, target: str, user: str, passwords: Sequence[str], now_ms: int
    ) -> None:
        """Raises Refusal (bad_signature) unless `user` made this answer with one of the passwords, and StaleError when it
        did, but with a nonce that is not good any more. target: path and query as they came.
        """
        if any(not given.get(name) for name in _NEEDED) or given.get("qop", "").lower() != "auth":
            raise Refusal("bad_signature", f"Authorization: send qop=auth and {', '.join(_NEEDED)}")
        hashed = HASHES.get(given.get("algorithm", "MD5").upper())
        if hashed is None:
            raise Refusal("bad_signature", f"Authorization: algorithm must be one of {', '.join(HASHES)}")
        if not _COUNT.fullmatch(given["nc"]):
            raise Refusal("bad_signature", "Authorization: nc must be 8 hex digits")
        right = given["username"] == user and given["realm"] == REALM and _path(given["uri"]) == target
        matches = False
        for password in passwords:  # all of them, so that the time does not tell which one is good
            matches |= hmac.compare_digest(
                response(hashed, given, method, password).encode(), _bytes(given["response"].lower())
            )
        if not (right and matches):
            raise Refusal("bad_signature", WRONG)
        self._use(given["nonce"], int(given["nc"], 16), now_ms)

    def __len__(self) -> int:
        """Nonces whose counts are kept."""
        return len(self._counts) + len(self._elder)

    def _use(self, nonce: str, count: int, now_ms: int) -> None:
        parts = _NONCE.fullmatch(nonce)
        if parts is None or not hmac.compare_digest(self._mac(f"{parts[1]}-{parts[2]}"), parts[3]):
            raise StaleError
        if abs(now_ms - int(parts[1], 16)) > NONCE_MS:
            raise StaleError
        if abs(now_ms - self._turned) > 2 * NONCE_MS:  # what is forgotten here has been stale for long
            self._counts, self._elder, self._turned = {}, self._counts, now_ms
        if count <= max(self._counts.get(nonce, 0), self._elder.get(nonce, 0)):
            raise StaleError
        self._counts[nonce] = count

    def _mac(self, opening: str) -> str:
        return hmac.digest(self._key, opening.encode(), "sha256").hex()[:32]


def response(hashed: Callable[[bytes], str], given: dict[str, str], method: str, password: str) -> str:
    """The answer that the fields call for (RFC 7616, 3.4.1)."""
    secret = hashed(_bytes(f"{given['username']}:{given['realm']}:{password}"))
    request = hashed(_bytes(f"{method}:{given['uri']}"))
    return hashed(_bytes(f"{secret}:{given['nonce']}:{given['nc']}:{given['cnonce']}:{given['qop']}:{request}"))


def _path(uri: str) -> str:
    """Path and query of an address that may be given whole."""
    scheme, found, rest = uri.partition("://")
    return "/" + rest.partition("/")[2] if found and scheme.lower() in {"http", "https"} else uri


def _bytes(text: str) -> bytes:
    # Replaced, not strict: a header may hold bytes that are no text.
    return text.encode(errors="backslashreplace")
