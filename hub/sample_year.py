"""Plays the sample year through the running hub, month by month, once: what was acknowledged is never sent again."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from hub.play import Played, Player
from hub.secrets import Secrets
from profiles import Channel, Profile
from profiles.sample import GENERATOR_VERSION, write_sample

_FILE: Final = "played.json"


@dataclass(frozen=True)
class FeedFile:
    """One month of one channel."""

    month: str
    channel: Channel
    path: Path
    messages: int

    @property
    def name(self) -> str:
        """Key in the play record."""
        return f"{self.month}/{self.path.name}"


def ensure_sample(profile: Profile, folder: Path, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Manifest of the sample in `folder`; writes the sample when there is none or it is of another version."""
    manifest = folder / "manifest.json"
    try:
        found: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
        if found.get("generator_version") == GENERATOR_VERSION:
            return found
    except (OSError, ValueError):
        pass  # none yet, or one that was cut short
    unfinished = folder.with_name(f"{folder.name}.new")
    for old in (unfinished, folder):
        shutil.rmtree(old, ignore_errors=True)
    write_sample(profile, unfinished, progress=progress)
    unfinished.rename(folder)
    made: dict[str, Any] = json.loads(manifest.read_text(encoding="utf-8"))
    return made


def feed_files(profile: Profile, folder: Path) -> list[list[FeedFile]]:
    """Files of the sample, one list a month, oldest first."""
    months = []
    for month in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = []
        for path in sorted(month.iterdir()):
            channel = profile.channels[path.name.split(".", 1)[0]]
            with path.open("rb") as file:
                files.append(FeedFile(month.name, channel, path, sum(1 for line in file if line.strip())))
        months.append(files)
    return months


class PlayRecord:
    """How many messages of each file the hub has acknowledged; on disk after every step."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _FILE
        self.done: dict[str, int] = {}
        if self._path.exists():
            record = json.loads(self._path.read_text(encoding="utf-8"))
            if record.get("version") == GENERATOR_VERSION:
                self.done = record["done"]

    def add(self, name: str, messages: int) -> None:
        """Counts messages as played."""
        self.done[name] = self.done.get(name, 0) + messages
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps({"version": GENERATOR_VERSION, "done": self.done}), encoding="utf-8")
        temporary.replace(self._path)


def _left(months: list[list[FeedFile]], record: PlayRecord) -> Iterator[FeedFile]:
    return (file for files in months for file in files if record.done.get(file.name, 0) < file.messages)


def play_year(
    url: str,
    profile: Profile,
    secrets: Secrets,
    data_dir: Path,
    folder: Path,
    on_total: Callable[[int, int], None],
    on_progress: Callable[[str, int], None],
) -> tuple[Played, float]:
    """Plays what is left of the sample; answers and seconds. `on_total` gets (all, already played) messages first."""
    months = feed_files(profile, folder)
    record = PlayRecord(data_dir)
    total = sum(file.messages for files in months for file in files)
    already = sum(min(record.done.get(file.name, 0), file.messages) for files in months for file in files)
    on_total(total, already)
    started = time.monotonic()
    played = asyncio.run(_play(url, secrets, list(_left(months, record)), record, on_progress))
    return played, time.monotonic() - started


async def _play(
    url: str, secrets: Secrets, files: list[FeedFile], record: PlayRecord, on_progress: Callable[[str, int], None]
) -> Played:
    total = Played()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        player = Player(url, session)

        async def play_file(file: FeedFile) -> None:
            def step(messages: int) -> None:
                record.add(file.name, messages)
                on_progress(file.month, messages)

            skip = record.done.get(file.name, 0)
            keys = secrets.channels[file.channel.id]
            total.add(await player.play(file.channel, keys, file.path, skip=skip, on_progress=step))

        for month in sorted({file.month for file in files}):
            # The feeds of one month run side by side, as they would; months follow each other, as matching expects.
            await asyncio.gather(*(play_file(file) for file in files if file.month == month))
    return total
