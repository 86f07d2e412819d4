"""A folder into which spreadsheets are dropped: docs/feeds/files.md.

A file is taken once its size and time have not changed between two looks. It moves to done/ with a list of what became of each
row, or to failed/ when it can't be read to its end. Reading a file twice makes replays and nothing else.
"""

import asyncio
import csv
import logging
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

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
        self._seen: dict[str, tuple[int, int]] = {}

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One look at the folder: the batches of each file that is complete. Needs no cursor: what is done has moved."""
        stuck: OSError | None = None
        for path in self._complete():
            try:
                async with aclosing(self._read_file(path)) as batches:
                    async for batch in batches:
                        yield batch
            except OSError as error:  # it can't be read or moved: the others are read first
                stuck = error
        if stuck is not None:
            raise SourceError(f"a file can't be read or moved ({type(stuck).__name__}); check the folder's rights")

    def _complete(self) -> list[Path]:
        """Files that look as they did at the last look, the oldest first; makes the folders."""
        for folder in (self._folder, self._folder / "done", self._folder / "failed"):
            folder.mkdir(parents=True, exist_ok=True)
        now: dict[str, tuple[int, int]] = {}
        for entry in os.scandir(self._folder):
            if not _UNFINISHED.search(entry.name) and Path(entry.name).suffix.lower() in _SUFFIXES:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(found.st_mode):
                    now[entry.name] = (found.st_size, found.st_mtime_ns)
        complete = [name for name, look in now.items() if self._seen.get(name) == look]
        self._seen = now
        return [self._folder / name for name in sorted(complete, key=lambda name: (now[name][1], name))]

    async def _read_file(self, path: Path) -> AsyncGenerator[Batch, None]:
        listed = _Listed(self._folder / f".{path.name}.outcome.part")
        problem = ""
        try:
            if path.stat().st_size > self._source.max_file_bytes:
                raise SourceError(f"the file is over {self._source.max_file_bytes} bytes; split it")
            async with aclosing(self._rows(path, listed)) as rows:
                batch: list[dict[str, Any]] = []
                async for row in rows:
                    batch.append(row)
                    if len(batch) == self._source.batch:
                        yield _batch(batch, listed)
                        batch = []
                if batch:
                    yield _batch(batch, listed)
        except SourceError as error:
            problem = str(error)
            listed.add("", "failed", reason=problem)
        finally:
            listed.close()
        self._put_away(path, listed.path, "failed" if problem else "done")
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

    def _put_away(self, path: Path, outcomes: Path, folder: str) -> None:
        """The list first, so that a file in done/ always has one; names are never taken twice."""
        target = self._folder / folder
        name, number = path.name, 1
        while (target / name).exists() or (target / f"{name}.outcome.csv").exists():
            number += 1
            name = f"{path.stem}.{number}{path.suffix}"
        outcomes.replace(target / f"{name}.outcome.csv")
        path.replace(target / name)
        sync_folder(target)
        sync_folder(self._folder)
        self._seen.pop(path.name, None)


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
