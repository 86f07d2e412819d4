"""Keys and passwords of a deployment: one TOML file that only its owner can read.

`zhishu up` makes one at its first start; in production it is mounted as a secret. Shape:

    reporter_key = "<64 hex digits>"        # HMAC key of reporter keys; changing it unlinks old reporters from new
    reporter_algorithm = "sha256"           # or "sm3"; changing it does the same
    seal_key_id = "seal-2"                  # the key of the ring that new originals are sealed with
    [seal_keys.seal-2]
    key = "<64 hex digits>"                 # 32 for SM4-GCM
    algorithm = "AES-256-GCM"               # or "SM4-GCM"
    [seal_keys.seal-1]                      # opens what was sealed before the last rotation
    key = "<64 hex digits>"
    [clickhouse]
    hub = "<password>"
    bi = "<password>"                       # and one for each user of access.toml
    [channel.demo-hotline]
    key = "<64 hex digits>"                 # HMAC key; while it rotates: keys = ["<new>", "<old>"]
    [channel.some-wechat]
    token = "<text>"                        # as set in the account
    aes_key = "<43 characters>"             # or aes_keys; encrypted messages only (compatible, safe mode)
    app_id = "wx..."
    [channel.some-camera]
    password = "<text>"                     # or passwords; HTTP digest, whose user is the channel's id
    [channel.some-table]
    dsn = "<URL>"                           # of a database that the hub reads
    [channel.some-platform]
    fingerprint = "<64 hex digits>"         # or fingerprints; SHA-256 of its client certificate (mTLS)

The shape of version 0.1, one `seal_key` beside `seal_key_id`, is read as a ring of that one.
"""

import logging
import os
import secrets
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hmac import digest
from pathlib import Path
from typing import Any, Final, get_args

from connectors.auth import NO_SECRET, ChannelSecret
from connectors.privacy import SEAL_KEY_BYTES, Algorithm, Digest, Privacy, SealKey
from profiles import Channel

_log: Final = logging.getLogger(__name__)

_KEY_BYTES: Final = 32
_CLICKHOUSE: Final = "[clickhouse]"
_CHANNEL_KEYS: Final = frozenset(
    (
        *("key", "keys", "token", "aes_key", "aes_keys", "app_id", "password", "passwords"),
        *("fingerprint", "fingerprints", "dsn"),
    )
)
#: Seconds for which the file is believed to be unchanged.
_LOOK_EVERY_S: Final = 1.0


class SecretsError(ValueError):
    """The secrets file is missing, wrong or readable by others."""


@dataclass(frozen=True)
class Secrets:
    """All secrets of a deployment. Never logged: repr shows no value."""

    reporter_key: bytes
    reporter_algorithm: Digest
    seal_key_id: str
    seal_keys: dict[str, SealKey]
    clickhouse: dict[str, str]
    channels: dict[str, ChannelSecret]

    def privacy(self) -> Privacy:
        """The keys as connectors take them; raises ValueError where they do not fit together."""
        return Privacy(self.reporter_key, self.seal_keys, self.seal_key_id, self.reporter_algorithm)

    def nonce_key(self) -> bytes:
        """Key of digest nonces: the same in every process that has this file."""
        return digest(self.reporter_key, b"digest nonces", "sha256")

    def __repr__(self) -> str:
        return "Secrets(...)"


def load_secrets(path: Path) -> Secrets:
    """Reads and checks the file; raises SecretsError."""
    try:
        mode = path.stat().st_mode
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SecretsError(f"no secrets file at {path}; `zhishu up` makes one, or set ZHISHU_SECRETS") from None
    except OSError as error:
        raise SecretsError(f"{path} can't be read ({type(error).__name__}); check its owner and mode") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SecretsError(f"{path.name} is not valid TOML; hub/secrets.py shows its shape") from None
    if mode & 0o007:
        raise SecretsError(f"{path} can be read by every user of this machine; run: chmod o-rwx {path}")
    return _Reader(path.name).secrets(table)


class _Reader:
    """Reads the parts of the file `name`; raises SecretsError, which tells the place and no value."""

    def __init__(self, name: str) -> None:
        self._name = name

    def secrets(self, table: dict[str, Any]) -> Secrets:
        reporter_key = self._hex(table.get("reporter_key"), "reporter_key")
        seal_key_id = self._text(table.get("seal_key_id", "seal-1"), "seal_key_id")
        ring = {
            key_id: self._seal_key(entry, f"seal_keys.{key_id}: ")
            for key_id, entry in self._table(table, "seal_keys").items()
        }
        if "seal_key" in table:
            ring.setdefault(seal_key_id, SealKey(self._hex(table["seal_key"], "seal_key")))
        if seal_key_id not in ring:
            raise self._error(f"[seal_keys.{seal_key_id}] must be given: it is the seal_key_id")
        found = Secrets(
            reporter_key=reporter_key,
            reporter_algorithm=self._word(
                table.get("reporter_algorithm", "sha256"), get_args(Digest), "reporter_algorithm"
            ),
            seal_key_id=seal_key_id,
            seal_keys=ring,
            clickhouse={
                user: self._text(word, f"clickhouse: {user}") for user, word in self._table(table, "clickhouse").items()
            },
            channels={
                channel: self._channel(entry, f"channel {channel}: ")
                for channel, entry in self._table(table, "channel").items()
            },
        )
        try:
            found.privacy()
        except ValueError as error:
            raise self._error(str(error)) from None
        return found

    def _channel(self, entry: Any, where: str) -> ChannelSecret:
        if not isinstance(entry, dict):
            raise self._error(f"{where}must be a table")
        if unknown := set(entry) - _CHANNEL_KEYS:
            raise self._error(f"{where}unknown key(s) {', '.join(sorted(unknown))}")
        prints = self._several(entry, "fingerprint", "fingerprints", where)
        return ChannelSecret(
            keys=tuple(self._hex(key, f"{where}key") for key in self._several(entry, "key", "keys", where)),
            token=self._text(entry["token"], f"{where}token") if "token" in entry else None,
            aes_keys=self._several(entry, "aes_key", "aes_keys", where),
            app_id=self._text(entry.get("app_id", ""), f"{where}app_id"),
            passwords=self._several(entry, "password", "passwords", where),
            fingerprints=tuple(self._hex(one.replace(":", ""), f"{where}fingerprint").hex() for one in prints),
            dsn=self._text(entry["dsn"], f"{where}dsn") if "dsn" in entry else None,
        )

    def _several(self, entry: dict[str, Any], one: str, many: str, where: str) -> tuple[str, ...]:
        """Values of a key that may rotate: `one` of them, or `many` as a list, the newest first."""
        if one in entry and many in entry:
            raise self._error(f"{where}give {one} or {many}, not both")
        found = [entry[one]] if one in entry else entry.get(many, [])
        if not isinstance(found, list) or not all(isinstance(value, str) and value for value in found):
            raise self._error(f"{where}{one} must be a text, and {many} a list of texts, none of them empty")
        return tuple(found)

    def _seal_key(self, entry: Any, where: str) -> SealKey:
        if not isinstance(entry, dict):
            raise self._error(f"{where}must be a table")
        algorithm = self._word(entry.get("algorithm", "AES-256-GCM"), get_args(Algorithm), f"{where}algorithm")
        return SealKey(self._hex(entry.get("key"), f"{where}key", SEAL_KEY_BYTES[algorithm]), algorithm)

    def _table(self, table: dict[str, Any], name: str) -> dict[str, Any]:
        found = table.get(name, {})
        if not isinstance(found, dict):
            raise self._error(f"{name} must be a table")
        return found

    def _hex(self, value: Any, what: str, size: int = _KEY_BYTES) -> bytes:
        remedy = f"{2 * size} hex digits (openssl rand -hex {size})"
        try:
            found = bytes.fromhex(value)
        except (TypeError, ValueError):
            raise self._error(f"{what} must be given as {remedy}") from None
        if len(found) != size:
            raise self._error(f"{what} must have {remedy}")
        return found

    def _text(self, value: Any, what: str) -> str:
        if not isinstance(value, str):
            raise self._error(f"{what} must be a text")
        return value

    def _word(self, value: Any, allowed: tuple[Any, ...], what: str) -> Any:
        if value not in allowed:
            raise self._error(f"{what} must be one of {', '.join(allowed)}")
        return value

    def _error(self, what: str) -> SecretsError:
        return SecretsError(f"{self._name}: {what}")


class SecretsFile:
    """The secrets as the file has them now, for a process that runs on while keys rotate.

    The file is looked at when somebody asks, once a second at most; on_change gets what a changed file holds. A file that is
    gone or wrong changes nothing but for a line in the log. reporter_key and reporter_algorithm stay those of the start: while
    processes read the new ones one after the other, one person would look like two.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[Secrets], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._clock = clock
        self.on_change = on_change
        self._mark = self._look()
        self._looked_at = clock()
        self.present = load_secrets(path)

    def channel(self, channel_id: str) -> ChannelSecret:
        """The channel's secret; an empty one, which proves nothing, where the file has none."""
        now = self._clock()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            self._refresh()
        return self.present.channels.get(channel_id, NO_SECRET)

    def _refresh(self) -> None:
        mark = self._look()
        if mark == self._mark:
            return
        self._mark = mark
        try:
            found = load_secrets(self._path)
        except SecretsError as error:
            _log.error("secrets stay as they were: %s", error)
            return
        old = self.present
        if (found.reporter_key, found.reporter_algorithm) != (old.reporter_key, old.reporter_algorithm):
            _log.warning("reporter_key and reporter_algorithm stay as they were until every gateway is restarted")
        kept = {"reporter_key": old.reporter_key, "reporter_algorithm": old.reporter_algorithm}
        self.present = Secrets(**{**vars(found), **kept})
        _log.info("secrets read anew")
        self.on_change(self.present)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _section(channel: Channel) -> list[str]:
    """Fresh secrets of a channel, as its `auth` needs them. Every channel gets a key: the hub's own tools sign with it."""
    lines = [f'[channel."{channel.id}"]', f'key = "{secrets.token_hex(32)}"']
    if channel.auth == "wechat":
        lines.append(f'token = "{secrets.token_hex(8)}"')
    elif channel.auth == "digest":
        lines.append(f'password = "{secrets.token_urlsafe(18)}"')
    elif channel.auth == "mtls":
        lines.append("fingerprints = []   # add the SHA-256 of the source's client certificate")
    return lines


def _password(user: str) -> str:
    return f'{user} = "{secrets.token_urlsafe(18)}"'


def _render(channels: Iterable[Channel], users: Iterable[str]) -> str:
    lines = [
        "# Made by `zhishu up`. Keep it secret and keep a copy: without seal_keys no sealed original can be read again.",
        f'reporter_key = "{secrets.token_hex(32)}"',
        'reporter_algorithm = "sha256"',
        'seal_key_id = "seal-1"',
        '[seal_keys."seal-1"]',
        f'key = "{secrets.token_hex(32)}"',
        'algorithm = "AES-256-GCM"',
        _CLICKHOUSE,
        *map(_password, users),
    ]
    for channel in channels:
        lines += _section(channel)
    return "\n".join(lines) + "\n"


def ensure_secrets(path: Path, channels: Iterable[Channel], readers: Iterable[str] = ("bi",)) -> Secrets:
    """The secrets at `path`: made with fresh random values when there are none, completed when channels or readers of
    ClickHouse were added since. Raises SecretsError."""
    channels = list(channels)
    users = ("hub", *readers)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, _render(channels, users))
        return load_secrets(path)
    found = load_secrets(path)
    new = [channel for channel in channels if channel.id not in found.channels]
    unknown = [user for user in users if user not in found.clickhouse]
    if new or unknown:
        text = path.read_text(encoding="utf-8").rstrip("\n")
        head, table, tail = f"\n{text}\n".partition(f"\n{_CLICKHOUSE}\n")
        if unknown and not table:
            raise SecretsError(f"{path.name}: add the table {_CLICKHOUSE}, on a line of its own")
        text = f"{head}{table}{''.join(f'{_password(user)}{chr(10)}' for user in unknown)}{tail}".strip("\n")
        lines = [text, *(line for one in new for line in _section(one)), ""]
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        _write(beside, "\n".join(lines))
        load_secrets(beside)
        beside.replace(path)
        return load_secrets(path)
    return found


def _write(path: Path, text: str) -> None:
    # O_EXCL and 0600 from the first byte: no moment in which another user could read or replace it.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
