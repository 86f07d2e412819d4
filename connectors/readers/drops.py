"""A folder into which spreadsheets are dropped: docs/feeds/files.md.

A file is taken once its size and time have not changed between two looks. It moves to done/ with a list of what became of each
row, or to failed/ when it can't be read to its end. Reading a file twice makes replays and nothing else.
"""

import asyncio
import csv
import hashlib
import logging
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from connectors.base import Outcome
from connectors.bodies import Broken, Message
from connectors.errors import Refusal
from connectors.readers.cursor import Cursor, sync_folder
from connectors.readers.loop import Batch, SourceError
from profiles.sources import FilesSource

_log: Final = logging.getLogger(__name__)
_SUFFIXES: Final = frozenset((".csv", ".xlsx", ".xlsm", ".xls", ".ods"))
#: Files that are being written, and those by which office programs mark a file as open.
_UNFINISHED: Final = re.compile(r"^(?:\.|~\$)|\.(?:tmp|part|partial|crdownload|filepart)$", re.IGNORECASE)
#: The process finds our packages here, whatever lies in the folder that this one was started in.
_PACKAGES: Final = Path(__file__).resolve().parents[2]
_STEM_BYTES: Final = 200
_LONGEST_LINE: Final = 64 * 1024 * 1024
_COLUMNS: Final = ("row", "status", "id", "code", "reason")
_ENDED: Final = (
    "the process that read the file was ended: the file is too large or broken; split it, or save it as .csv"
)
#: What a spreadsheet would run when somebody opens the list: a sheet's name is the sender's own text.
_FORMULA: Final = "=+-@\t\r"


class FilesOrigin:
    """One folder. `data_dir`: what a relative folder is meant in."""

    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, name: str, source: FilesSource, data_dir: Path) -> None:
        self.name = name
        self.every_s = source.every_s
        self.identity = str(source.folder)
        self._source = source
        self._folder = data_dir / source.folder
        self._seen: dict[str, _Look] = {}

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One look at the folder: the batches of each file that is complete. Needs no cursor: what is done has moved."""
        stuck: OSError | None = None
        for path, look in self._complete():
            try:
                async with aclosing(self._read_file(path, look)) as batches:
                    async for batch in batches:
                        yield batch
            except OSError as error:  # it can't be read or moved: the others are read first
                stuck = error
        if stuck is not None:
            raise SourceError(f"a file can't be read or moved ({type(stuck).__name__}); check the folder's rights")

    def _complete(self) -> list[tuple[Path, "_Look"]]:
        """Files that look as they did at the last look, the oldest first; makes the folders."""
        for folder in (self._folder, self._folder / "done", self._folder / "failed"):
            folder.mkdir(parents=True, exist_ok=True)
        now: dict[str, _Look] = {}
        for entry in os.scandir(self._folder):
            if not _UNFINISHED.search(entry.name) and Path(entry.name).suffix.lower() in _SUFFIXES:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    now[entry.name] = _look(found)
        complete = [name for name, look in now.items() if self._seen.get(name) == look]
        self._seen = now
        complete.sort(key=lambda name: (now[name].written, name))
        return [(self._folder / name, now[name]) for name in complete]

    async def _read_file(self, path: Path, look: "_Look") -> AsyncGenerator[Batch, None]:
        if _look(path.stat()) != look:  # written to while others were read: it is not complete any more
            return
        # By a number that no name is too long for.
        listed = _Listed(self._folder / f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}.outcome.part")
        problem = ""
        try:
            batch: list[dict[str, Any]] = []
            try:
                if look.size > self._source.max_file_bytes:
                    raise SourceError(f"the file is over {self._source.max_file_bytes} bytes; split it")
                async with aclosing(self._rows(path, listed)) as rows:
                    async for row in rows:
                        batch.append(row)
                        if len(batch) == self._source.batch:
                            yield _batch(batch, listed)
                            batch = []
            except SourceError as error:
                problem = str(error)
            if batch:  # what was read before the file broke off, too
                yield _batch(batch, listed)
            if problem:
                listed.add("", "failed", reason=problem)
        finally:
            listed.close()
        if not self._put_away(path, look, listed.path, "failed" if problem else "done"):
            _log.warning("%s: a file was written to while it was read; it will be read again", self.name)
            return
        _log.info(
            "%s: a file was read: %s", self.name, problem or f"{listed.rows} rows, {listed.refused} of them refused"
        )

    async def _rows(self, path: Path, listed: "_Listed") -> AsyncGenerator[dict[str, Any], None]:
        """Rows as connectors/readers/sheet_process.py writes them; raises SourceError when the file breaks off."""
        source = self._source
        options = source.model_dump(include={"columns", "header_row", "header_rows", "sheets", "ignore"})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "connectors.readers.sheet_process", str(path.absolute()), orjson.dumps(options)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
            cwd=_PACKAGES,
        )
        try:
            if process.stdout is None:
                raise SourceError(_ENDED)
            async for line in process.stdout:
                message = orjson.loads(line)
                if "error" in message:
                    raise SourceError(message["error"])
                if "end" in message:
                    return
                if "skipped" in message:
                    listed.add(message["sheet"], "skipped", reason=message["skipped"])
                else:
                    yield message
            raise SourceError(_ENDED)
        except ValueError:  # a line that is over the limit, or cut
            raise SourceError(_ENDED) from None
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def _put_away(self, path: Path, look: "_Look", outcomes: Path, folder: str) -> bool:
        """Whether the file that was read is put away. The list goes first, so that a file in done/ always has one; names are
        never taken twice. A file that was written to, or another that took its name, goes back to be read.
        """
        if _look(path.stat()) != look:
            outcomes.unlink()
            return False
        target, stem = self._folder / folder, path.stem
        while len(os.fsencode(stem)) > _STEM_BYTES:  # with what is added, no longer than a name may be
            stem = stem[:-1]
        name, number = f"{stem}{path.suffix}", 1
        while (target / name).exists() or (target / f"{name}.outcome.csv").exists():
            number += 1
            name = f"{stem}.{number}{path.suffix}"
        outcomes.replace(target / f"{name}.outcome.csv")
        path.replace(target / name)
        self._seen.pop(path.name, None)
        # Looked at again where no sender finds it any more.
        same = _look((target / name).stat()) == look
        if not same:
            (target / name).replace(path)
            (target / f"{name}.outcome.csv").unlink()
        sync_folder(target)
        sync_folder(self._folder)
        return same


class _Look(NamedTuple):
    """What tells a file from another, and from itself after it was written to."""

    node: int
    size: int
    written: int


def _look(found: os.stat_result) -> _Look:
    return _Look(found.st_ino, found.st_size, found.st_mtime_ns)


class _Listed:
    """The list of outcomes of one file: a CSV that spreadsheets open rightly."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.refused = 0
        self._file = path.open("w", encoding="utf-8-sig", newline="")
        self._csv = csv.writer(self._file)
        self._csv.writerow(_COLUMNS)

    def add(self, row: str, status: str, identity: str = "", code: str = "", reason: str = "") -> None:
        """One line."""
        self.rows += status in ("accepted", "ignored", "refused")
        self.refused += status == "refused"
        self._csv.writerow(
            [f"'{cell}" if cell.startswith(tuple(_FORMULA)) else cell for cell in (row, status, identity, code, reason)]
        )

    def close(self) -> None:
        """Forces the list to the disk."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _batch(rows: Sequence[dict[str, Any]], listed: _Listed) -> Batch:
    return Batch(items=[_item(row) for row in rows], settled=_lister(rows, listed))


def _lister(rows: Sequence[dict[str, Any]], listed: _Listed) -> Callable[[Sequence[Outcome]], None]:
    def note(outcomes: Sequence[Outcome]) -> None:
        for row, outcome in zip(rows, outcomes, strict=True):
            place = f"{row['sheet']}!{row['line']}" if row["sheet"] else str(row["line"])
            code, reason = (outcome.refusal.code, outcome.refusal.reason) if outcome.refusal else ("", "")
            listed.add(place, outcome.status, outcome.id, code, reason)

    return note


def _item(row: dict[str, Any]) -> Message | Broken:
    raw = orjson.dumps(row["fields"])
    return Broken(raw, Refusal("bad_field", row["problem"])) if row["problem"] else Message(row["fields"], raw)
