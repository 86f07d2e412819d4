"""`zhishu unseal`: the sealed original of a report, for the few who hold the secrets file, and an audit line for each try.

The line is on the disk before anything is shown, and says who asked for what and why; it never holds what was shown. Originals
of a report that was assembled of several messages are bound to their own ids (`part_ids`).
"""

import json
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from connectors.privacy import Privacy, SealError
from hub.endpoints import clickhouse_client, clickhouse_url
from hub.secrets import load_secrets
from hub.settings import Settings

AUDIT_FILE: Final = "unseal-audit.log"
_REASON_LIMIT: Final = 500
_ID_LIMIT: Final = 100
_SHORTEST_REASON: Final = 5

_PARTS: Final = """
SELECT report_id, part_ids FROM hub.routed FINAL WHERE report_id = {id:String} OR has(part_ids, {id:String})
ORDER BY length(part_ids) DESC LIMIT 1
"""
_SEALED: Final = """
SELECT hex(sealed), ifNull(sealed_key_id, '') FROM hub.sealed_originals FINAL WHERE report_id = {id:String}
ORDER BY intake_topic, intake_partition, intake_offset
"""


class UnsealError(RuntimeError):
    """Nothing is shown; the message says why and what to do. outcome: the word for it in the audit file."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Original:
    """One original message. bound_to: the id it is sealed for, the report's or a part's."""

    bound_to: str
    key_id: str
    data: bytes = field(repr=False)


def unseal(settings: Settings, report_id: str, reason: str) -> list[Original]:
    """The originals of a report in the order of the log, each message once, after the audit line was written.

    Raises UnsealError, and the errors of hub.secrets and hub.endpoints; those tries are in the audit file too.
    """
    audit = _Audit(settings.data_dir / AUDIT_FILE, report_id, reason)
    try:
        if len(reason.strip()) < _SHORTEST_REASON:
            raise UnsealError(
                "no reason",
                f"give the reason with --reason (at least {_SHORTEST_REASON} characters): who asked, and what for; "
                "it goes into the audit file",
            )
        privacy = load_secrets(settings.secrets_file).privacy()
        client = clickhouse_client(clickhouse_url(settings))
        try:
            found = _open(_sealed(client, report_id), privacy)
        finally:
            client.close()
    except Exception as error:
        audit.write(error.outcome if isinstance(error, UnsealError) else f"failed: {type(error).__name__}", ())
        raise
    audit.write("opened", sorted({original.key_id for original in found}))
    return found


def _sealed(client: Client, report_id: str) -> list[tuple[str, str, list[str]]]:
    """Hex of each sealed original, its key's id, and the ids it may be bound to; raises UnsealError."""
    parts = client.query(_PARTS, parameters={"id": report_id}).result_rows
    if not parts:
        raise UnsealError("unknown report", "no report has this id; look it up in bi.reports")
    owner, part_ids = parts[0]
    rows = client.query(_SEALED, parameters={"id": owner}).result_rows
    if not rows:
        raise UnsealError(
            "no original", "this report has no sealed original: its source publishes to Kafka itself and sent none"
        )
    return [(sealed, key_id, list(dict.fromkeys((owner, *part_ids)))) for sealed, key_id in rows]


def _open(sealed: Iterable[tuple[str, str, list[str]]], privacy: Privacy) -> list[Original]:
    """Opened originals without repetition; raises UnsealError where one does not open."""
    found: dict[tuple[str, bytes], Original] = {}
    for text, key_id, ids in sealed:
        original = _open_one(bytes.fromhex(text), key_id, ids, privacy)
        found.setdefault((original.bound_to, original.data), original)
    return list(found.values())


def _open_one(sealed: bytes, key_id: str, ids: Iterable[str], privacy: Privacy) -> Original:
    failure = "it is bound to no id"
    for bound_to in ids:
        try:
            return Original(bound_to, key_id, privacy.unseal(sealed, bound_to, key_id))
        except SealError as error:
            failure = str(error)
    raise UnsealError("not opened", failure)


class _Audit:
    """One line of the audit file, for one try."""

    def __init__(self, path: Path, report_id: str, reason: str) -> None:
        self._path = path
        self._report_id, self._reason = report_id[:_ID_LIMIT], reason.strip()[:_REASON_LIMIT]

    def write(self, outcome: str, key_ids: Iterable[str]) -> None:
        """Appends the line and forces it to the disk; raises UnsealError where that fails, so that nothing is shown."""
        uid = os.getuid()
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container's user without an entry
            user = ""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": user,
            "uid": uid,
            "report_id": self._report_id,
            "reason": self._reason,
            "key_ids": list(key_ids),
            "outcome": outcome,
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.fchmod(handle, 0o600)
                with os.fdopen(os.dup(handle), "ab", buffering=0) as file:
                    file.write(json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise UnsealError(
                "no audit",
                f"the audit file {self._path} can't be written ({type(error).__name__}); nothing is shown without it",
            ) from None
