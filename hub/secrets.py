"""Keys and passwords of a deployment: one TOML file that only its owner can read.

`zhishu up` makes one at its first start; in production it is mounted as a secret. Shape:

    reporter_key = "<64 hex digits>"        # HMAC key of reporter keys; changing it unlinks old reporters from new
    seal_key_id = "seal-1"
    seal_key = "<64 hex digits>"            # AES-256 key of sealed originals
    [clickhouse]
    hub = "<password>"
    bi = "<password>"
    [channel.demo-hotline]
    key = "<64 hex digits>"                 # HMAC key of the channel's requests
    token = "<text>"                        # WeChat channels only
"""

import os
import secrets
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.auth import ChannelSecret
from profiles import Channel


class SecretsError(ValueError):
    """The secrets file is missing, wrong or readable by others."""


@dataclass(frozen=True)
class Secrets:
    """All secrets of a deployment. Never logged: repr shows no value."""

    reporter_key: bytes
    seal_key_id: str
    seal_key: bytes
    clickhouse: dict[str, str]
    channels: dict[str, ChannelSecret]

    def __repr__(self) -> str:
        return "Secrets(...)"


def _hex(path: Path, table: dict[str, Any], name: str, where: str = "") -> bytes:
    try:
        value = bytes.fromhex(table[name])
    except (KeyError, TypeError, ValueError):
        raise SecretsError(
            f"{path.name}: {where}{name} must be given as 64 hex digits (openssl rand -hex 32)"
        ) from None
    if len(value) != 32:
        raise SecretsError(f"{path.name}: {where}{name} must have 64 hex digits (openssl rand -hex 32)")
    return value


def load_secrets(path: Path) -> Secrets:
    """Reads and checks the file; raises SecretsError."""
    try:
        mode = path.stat().st_mode
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SecretsError(f"no secrets file at {path}; `zhishu up` makes one, or set ZHISHU_SECRETS") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SecretsError(f"{path.name} is not valid TOML; hub/secrets.py shows its shape") from None
    if mode & 0o007:
        raise SecretsError(f"{path} can be read by every user of this machine; run: chmod o-rwx {path}")
    return Secrets(
        reporter_key=_hex(path, table, "reporter_key"),
        seal_key_id=str(table.get("seal_key_id", "seal-1")),
        seal_key=_hex(path, table, "seal_key"),
        clickhouse={str(user): str(word) for user, word in table.get("clickhouse", {}).items()},
        channels={
            name: ChannelSecret(_hex(path, entry, "key", f"channel {name}: "), entry.get("token"))
            for name, entry in table.get("channel", {}).items()
        },
    )


def _render(channels: Iterable[Channel]) -> str:
    lines = [
        "# Made by `zhishu up`. Keep it secret and keep a copy: without seal_key no sealed original can be read again.",
        f'reporter_key = "{secrets.token_hex(32)}"',
        'seal_key_id = "seal-1"',
        f'seal_key = "{secrets.token_hex(32)}"',
        "[clickhouse]",
        f'hub = "{secrets.token_urlsafe(18)}"',
        f'bi = "{secrets.token_urlsafe(18)}"',
    ]
    for channel in channels:
        lines += [f'[channel."{channel.id}"]', f'key = "{secrets.token_hex(32)}"']
        if channel.protocol == "wechat":
            lines.append(f'token = "{secrets.token_hex(8)}"')
    return "\n".join(lines) + "\n"


def ensure_secrets(path: Path, channels: Iterable[Channel]) -> Secrets:
    """The secrets at `path`; makes them with fresh random values when there are none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_EXCL and 0600 from the first byte: no moment in which another user could read or replace it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_render(channels))
    return load_secrets(path)
