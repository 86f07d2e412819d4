"""A sink as a process of its own: `python -m tests.sinks.sink_process MODE < settings as JSON`.

MODE `run` is the sink as the command line starts it; `die-before-commit` kills itself, as SIGKILL does, in the place
where everything was stored and nothing is committed.
"""

import json
import logging
import os
import signal
import sys
from pathlib import Path

from profiles import load_profile
from sinks import run
from sinks.writer import Sink, SinkConfig


class DyingSink(Sink):
    def _commit(self) -> None:
        print("stored", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    settings = json.load(sys.stdin)
    if sys.argv[1] == "die-before-commit":
        run.Sink = DyingSink  # type: ignore[misc]
    profile = load_profile(Path(__file__).parents[2] / "profiles" / "demo")
    run.run_sink(SinkConfig(profile=profile, **settings))
