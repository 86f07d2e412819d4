"""Runs one worker as a process of its own: `python -m tests.streams.worker_process BOOTSTRAP DATA_DIR JSON`."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import aiokafka

from profiles import load_profile
from streams import chunks
from streams.worker import WorkerConfig, run_worker
from tests.streams.make import CODEC, FEEDS, PROFILE

VALUE = str(13_800_000_000)


def fail(*_: Any, **__: Any) -> NoReturn:
    """A fault that no broker can be made to show at will; its text stands for a record's value."""
    raise LookupError(VALUE)


def main() -> None:
    """Start the worker, with a fault built in where the options ask for one."""
    bootstrap, data_dir, text = sys.argv[1:]
    options = json.loads(text)
    match options.pop("fault", None):
        case "decide":
            chunks.check = fail
        case "commit":
            aiokafka.AIOKafkaConsumer.commit = fail
    folder = options.pop("profile", None)
    profile = load_profile(Path(folder)) if folder else PROFILE
    channels = {name: channel for name, channel in profile.channels.items() if channel.feed in FEEDS}
    profile = replace(profile, channels=channels)
    run_worker(WorkerConfig(bootstrap, profile, CODEC, Path(data_dir), **options))


if __name__ == "__main__":
    main()
