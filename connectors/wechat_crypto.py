"""The envelope around WeChat messages in compatible and safe mode: signature, AES-256-CBC, AppId.

Source: WeChat's developer documentation, "消息加解密说明". The key is base64 of EncodingAESKey and "="; the initial vector is its
first 16 bytes; the plaintext is 16 random bytes, the message's length (4 bytes, big-endian), the message, the AppId, padded by
PKCS#7 to 32. The error numbers in the refusals are WeChat's own (docs/feeds/wechat.md). Ciphers are `cryptography`'s; why no
library has the envelope: docs/decisions/0015-wechat.md.
"""

import base64
import binascii
import hmac
import os
import re
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from connectors.auth import ChannelSecret, wechat_signature
from connectors.errors import Refusal

_PADDING: Final = PKCS7(32 * 8)
_RANDOM_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_AES_KEY: Final = re.compile(r"[A-Za-z0-9+/]{43}", re.ASCII)


def check(secret: ChannelSecret, encrypted: str, query: Mapping[str, str]) -> None:
    """Raises Refusal (bad_signature) unless `msg_signature` of the query fits its timestamp, nonce and the encrypted text."""
    if not secret.token:
        raise Refusal("bad_signature", "this channel has no token yet; ask the hub's operator to set it")
    signed = wechat_signature(secret.token, query.get("timestamp", ""), query.get("nonce", ""), encrypted)
    given = query.get("msg_signature", "").encode(errors="backslashreplace")
    if not hmac.compare_digest(signed.encode(), given):
        raise Refusal(
            "bad_signature", "msg_signature, timestamp, nonce and Encrypt do not fit the account's token (-40001)"
        )


def decrypt(secret: ChannelSecret, encrypted: str) -> tuple[bytes, str]:
    """The message inside `encrypted` (base64), and the one of the channel's keys that opened it.

    Raises Refusal: unsupported_type where the channel has no keys, bad_encoding for bytes that none of them opens,
    bad_signature for another account's AppId.
    """
    if not secret.aes_keys or not secret.app_id:
        raise Refusal(
            "unsupported_type", "the message is encrypted; set the channel's app_id and aes_keys (EncodingAESKey)"
        )
    try:
        data = base64.b64decode(encrypted, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("bad_encoding", "Encrypt: is not base64 (-40010)") from None
    refusal = Refusal("bad_encoding", "Encrypt: none of the channel's aes_keys opens it (-40007)")
    for key in secret.aes_keys:
        found = _open(_key(key), data)
        if found is None:
            continue
        message, app_id = found
        if hmac.compare_digest(app_id, secret.app_id.encode()):
            return message, key
        refusal = Refusal("bad_signature", "Encrypt: was made for another AppId than the channel's app_id (-40005)")
    raise refusal


def encrypt(key: str, app_id: str, message: bytes, random: bytes | None = None) -> str:
    """Base64 of a message encrypted for an account. `key`: its EncodingAESKey; `random`: 16 bytes, fixed only in tests."""
    plain = (random or os.urandom(_RANDOM_BYTES)) + len(message).to_bytes(_LENGTH_BYTES, "big") + message
    padder = _PADDING.padder()
    padded = padder.update(plain + app_id.encode()) + padder.finalize()
    encryptor = _cipher(_key(key)).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def _key(text: str) -> bytes:
    """The 32 bytes of an EncodingAESKey; raises Refusal."""
    if not _AES_KEY.fullmatch(text):
        raise Refusal("bad_encoding", "an entry of the channel's aes_keys has not 43 letters and digits (-40004)")
    return base64.b64decode(text + "=")


def _cipher(key: bytes) -> Cipher[CBC]:
    return Cipher(AES(key), CBC(key[:16]))


def _open(key: bytes, data: bytes) -> tuple[bytes, bytes] | None:
    """Message and AppId; None when the key is not the one, or the bytes are no envelope."""
    try:
        decryptor = _cipher(key).decryptor()
        unpadder = _PADDING.unpadder()
        plain = unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
    except ValueError:
        return None
    begin = _RANDOM_BYTES + _LENGTH_BYTES
    end = begin + int.from_bytes(plain[_RANDOM_BYTES:begin], "big")
    return (plain[begin:end], plain[end:]) if begin <= end <= len(plain) else None
