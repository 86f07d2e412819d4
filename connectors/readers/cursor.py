"""How far each pull channel has been read: one small file a channel, replaced whole and forced to the disk.

A cursor is stored only after Kafka acknowledged what lies before it. A lost or damaged one means that the source is read
again from its start, which is harmless: ids are deterministic, so what comes twice is a replay.
"""

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import Any, Final

import orjson

#: What a reader wants back after a restart; any JSON object.
Cursor = dict[str, Any]

_log: Final = logging.getLogger(__name__)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]")


class CursorStore:
    """Cursors of one data folder. Two processes that read one channel replace each other's cursor, with one outcome: both
    are right about what is in Kafka, and the later one is read on from.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def load(self, name: str, origin: str) -> Cursor:
        """The cursor stored under `name`; empty when there is none, or when it belongs to another `origin` (another table,
        another address), where it would skip what was never read.
        """
        path = self._path(name)
        try:
            stored = orjson.loads(path.read_bytes())
            cursor = stored["cursor"] if stored["origin"] == origin else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError):
            _log.warning("the cursor in %s can't be read: the source is read again from its start", path)
            return {}
        return cursor if isinstance(cursor, dict) else {}

    def save(self, name: str, origin: str, cursor: Cursor) -> None:
        """Replaces the cursor; returns when the disk has it. Raises OSError."""
        path = self._path(name)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps({"origin": origin, "cursor": cursor}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(self._folder)

    def _path(self, name: str) -> Path:
        """A file name that no other channel has, whatever characters the id is made of."""
        plain = _UNSAFE.sub("_", name)[:64]
        suffix = "" if plain == name else "-" + hashlib.sha256(name.encode()).hexdigest()[:12]
        return self._folder / f"{plain}{suffix}.json"


def sync_folder(folder: Path) -> None:
    """Forces a folder's own entries (new and renamed files) to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
