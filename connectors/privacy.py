"""The deployment's keys: keyed hashes for joining what may not be read, and a seal for the original.

docs/decisions/0007-personal-data.md says what becomes what, and why. schemas.personal has the masks, which need no keys.
"""

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Digest = Literal["sha256", "sm3"]
Algorithm = Literal["AES-256-GCM", "SM4-GCM"]

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_MIN_HMAC_KEY: Final = 16
#: Key lengths in bytes: AES-256 (FIPS 197), SM4 (GB/T 32907).
SEAL_KEY_BYTES: Final[dict[Algorithm, int]] = {"AES-256-GCM": 32, "SM4-GCM": 16}


class SealError(ValueError):
    """A seal does not open: its key is not in the ring, or key, id and bytes do not belong together."""


@dataclass(frozen=True, slots=True)
class SealKey:
    """One key of the ring. AES-256-GCM takes 32 bytes, SM4-GCM 16; raises ValueError for any other length."""

    key: bytes = field(repr=False)
    algorithm: Algorithm = "AES-256-GCM"

    def __post_init__(self) -> None:
        size = SEAL_KEY_BYTES.get(self.algorithm)
        if size is None:
            raise ValueError(f"a seal key's algorithm must be one of {', '.join(SEAL_KEY_BYTES)}")
        if len(self.key) != size:
            raise ValueError(
                f"a seal key for {self.algorithm} must have {size} bytes; make one with: openssl rand -hex {size}"
            )

    def encrypt(self, data: bytes, bound_to: bytes) -> bytes:
        """A random nonce of 12 bytes, then the ciphertext, then its tag of 16; `bound_to` is authenticated with it."""
        nonce = os.urandom(_NONCE_BYTES)
        if self.algorithm == "AES-256-GCM":
            return nonce + AESGCM(self.key).encrypt(nonce, data, bound_to)
        encryptor = Cipher(algorithms.SM4(self.key), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(bound_to)
        return nonce + encryptor.update(data) + encryptor.finalize() + encryptor.tag

    def decrypt(self, sealed: bytes, bound_to: bytes) -> bytes:
        """What `encrypt` was given; raises SealError."""
        if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            raise SealError("the seal does not open: it is too short to be one")
        nonce, body, tag = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        try:
            if self.algorithm == "AES-256-GCM":
                return AESGCM(self.key).decrypt(nonce, body + tag, bound_to)
            decryptor = Cipher(algorithms.SM4(self.key), modes.GCM(nonce, tag)).decryptor()
            decryptor.authenticate_additional_data(bound_to)
            return decryptor.update(body) + decryptor.finalize()
        except InvalidTag:
            raise SealError("the seal does not open: another key, another record id, or changed bytes") from None


class Privacy:
    """The deployment's keys. Every gateway must have the same `hmac_key` and `digest`, or one person looks like several.

    hmac_key: at least 16 bytes. seal_keys: the ring, by id; `seal_key_id` names the one that new seals are made with, the
    others only open old ones. digest: HMAC-SHA256 or HMAC-SM3 (GB/T 32905), of which the first 128 bits are kept.
    Raises ValueError for weak or missing keys.
    """

    def __init__(
        self, hmac_key: bytes, seal_keys: Mapping[str, SealKey], seal_key_id: str, digest: Digest = "sha256"
    ) -> None:
        if len(hmac_key) < _MIN_HMAC_KEY:
            raise ValueError(
                f"the HMAC key must have at least {_MIN_HMAC_KEY} bytes; make one with: openssl rand -hex 32"
            )
        if not seal_key_id:
            raise ValueError("the seal key needs an id, so that a reader finds it after the next key was taken")
        if seal_key_id not in seal_keys:
            raise ValueError("the seal key to be used is not in the ring of seal keys; add it under its id")
        if digest not in ("sha256", "sm3"):
            raise ValueError("the digest of keyed hashes must be sha256 or sm3")
        self._keyed = hmac.new(
            hmac_key, digestmod=digest
        )  # an OpenSSL without SM3 fails here, not at the first message
        self._ring = dict(seal_keys)
        self.seal_key_id = seal_key_id

    def key_of(self, kind: str, value: str) -> str:
        """32 hex digits that stand for a person's `value` (phone, openid, id) wherever it appears."""
        return self._digest(f"{kind}:{value}".encode())

    def fingerprint(self, data: bytes) -> str:
        """32 hex digits that stand for a message. Keyed: a plain hash would let a masked phone be found by trying."""
        return self._digest(b"message:" + data)

    def _digest(self, data: bytes) -> str:
        keyed = self._keyed.copy()
        keyed.update(data)
        return keyed.hexdigest()[:32]

    def seal(self, data: bytes, bound_to: str) -> bytes:
        """`data` sealed with the present key and bound to an id; `SealKey.encrypt` tells the layout."""
        return self._ring[self.seal_key_id].encrypt(data, bound_to.encode())

    def unseal(self, sealed: bytes, bound_to: str, key_id: str) -> bytes:
        """The original bytes; raises SealError for a key that is not in the ring, another key or id, or changed bytes."""
        key = self._ring.get(key_id)
        if key is None:
            raise SealError(f"it is sealed with the key {key_id}: give the secrets file that has it")
        return key.decrypt(sealed, bound_to.encode())
