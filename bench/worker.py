"""What one worker decides a second, through Faust and a real Kafka: `python -m bench.worker [--texts N] [--alarms N] [--json]`.

Texts: reports of TEXT_LENGTH characters, each of another place, all of one partition as in production. Alarms: the sample's
cameras. Full matching and routing, decoding, encoding, producing with acks=all, committing. `per_core`: a second of the
worker's own processor time, all its threads together, which hardly changes with what else the machine does. `per_second`: a
second of the clock, beside the broker on the same machine.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from bench.matching import reports
from bench.records import sample
from bench.run import Records, fresh_topics, produce, worker_command
from hub.kafka_admin import offset_ranges
from hub.kafka_embedded import EmbeddedKafka
from hub.process import spawn, terminate
from hub.settings import DEMO_PROFILE
from profiles import Profile, load_profile
from profiles.sample import write_sample
from schemas.codec import Codec
from schemas.ids import report_id
from schemas.records import Report
from schemas.registry import FileRegistry
from schemas.topics import ROUTED, intake_topic

#: Decisions a second of one core that the worker is to reach at least.
TARGETS: Final = {"texts": 3_000, "alarms": 20_000}
TEXT_LENGTH: Final = 80
ROUNDS: Final = 3
_BASE: Final = 5_000
#: What short texts go on with.
_PLEA: Final = (
    "此前多次向有关方面反映，一直没有得到明确答复，恳请尽快派人到现场核实情况，依法依规处理并将结果告知。" * 2
)
#: Of all outcomes so many are left out at the beginning: the start of the process and its first chunks.
_WARM: Final = 0.2
_TIMEOUT_S: Final = 900.0
_TURN_MS: Final = 24 * 3600 * 1000
_ALONE: Final = ("alarm", "consult", "praise", "suggestion", "report")


def _alarms(base: list[Report], count: int) -> Iterator[Report]:
    """The sample's alarms, one round a day after the other."""
    for number in range(count):
        one = base[number % len(base)]
        name = f"{one['upstream_id']}-{number}"
        moment = base[0]["reported_at"] + (one["reported_at"] - base[0]["reported_at"]) // 365
        moment += number // len(base) * _TURN_MS
        yield {
            **one,
            "report_id": report_id(one["feed"], one["channel"], name),
            "upstream_id": name,
            "reported_at": moment,
            "received_at": moment,
        }


def _as_long(report: Report) -> Report:
    """The report with a content of TEXT_LENGTH characters."""
    return {**report, "content": f"{report['content']}{_PLEA}"[:TEXT_LENGTH]}


def messages(profile: Profile, texts: int, alarms: int) -> dict[str, Records]:
    """(topic, key, value) of so many texts and alarms, in the order of time."""
    codec = Codec(FileRegistry())
    with TemporaryDirectory() as folder:
        write_sample(profile, Path(folder) / "sample", seed=1, reports=_BASE)
        found = sorted(sample(profile, Path(folder) / "sample"), key=lambda report: report["reported_at"])
    told = [one for one in found if one["appeal_type"] not in _ALONE and not one["confidential"]]
    seen = [one for one in found if one["appeal_type"] == "alarm"]
    made = {"texts": map(_as_long, reports(told, texts, seed=1)), "alarms": _alarms(seen, alarms)}
    return {
        name: [(intake_topic(one["feed"]), one["place_key"].encode(), codec.encode("report", one)) for one in ones]
        for name, ones in made.items()
    }


def _measure(bootstrap: str, folder: Path, profile: Profile, records: Records) -> dict[str, float]:
    """Decisions a second of a fresh worker on fresh topics that hold the records already."""
    fresh_topics(bootstrap, profile)
    produce(bootstrap, records)
    command, environment = worker_command("worker", bootstrap, folder)
    process = spawn(command, env=environment, stdout=folder.with_suffix(".log"))
    try:
        worker = psutil.Process(process.pid)
        warm, warm_at, warm_cpu = _reached(bootstrap, worker, round(_WARM * len(records)))
        done, done_at, done_cpu = _reached(bootstrap, worker, len(records))
    finally:
        terminate(process)
    return {"per_second": (done - warm) / (done_at - warm_at), "per_core": (done - warm) / (done_cpu - warm_cpu)}


def _reached(bootstrap: str, worker: psutil.Process, count: int) -> tuple[int, float, float]:
    """Outcomes, clock and processor seconds when at least `count` outcomes are there."""
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        outcomes = sum(found.end for found in offset_ranges(bootstrap, [ROUTED]).values())
        if outcomes >= count:
            spent = worker.cpu_times()
            return outcomes, time.monotonic(), spent.user + spent.system
        if time.monotonic() > deadline or not worker.is_running():
            raise TimeoutError(f"{outcomes} of {count} outcomes: the worker's log says why it stopped")
        time.sleep(0.1)


def run(texts: int, alarms: int) -> dict[str, Any]:
    """Medians of interleaved rounds."""
    profile = load_profile(DEMO_PROFILE)
    made = messages(profile, texts, alarms)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in made}
    with TemporaryDirectory() as folder, EmbeddedKafka(Path(folder) / "kafka", heap="1g") as kafka:
        for turn in range(ROUNDS):
            for name, records in made.items():
                data = Path(folder) / f"{name}-{turn}"
                rounds[name].append(_measure(kafka.bootstrap, data, profile, records))
    return {
        name: {
            "records": len(made[name]),
            "target": TARGETS[name],
            **{measure: statistics.median(one[measure] for one in found) for measure in found[0]},
        }
        for name, found in rounds.items()
    }


def main() -> int:
    """Entry point; 0 when both targets are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--texts", type=int, default=40_000)
    parser.add_argument("--alarms", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = run(options.texts, options.alarms)
    met = all(one["per_core"] >= one["target"] for one in found.values())
    if options.json:
        sys.stdout.write(json.dumps({**found, "met": met}) + "\n")
        return 0 if met else 1
    table = Table("what", "records", "a second of one core", "target", "a second of the clock")
    table.caption = f"worker alone, median of {ROUNDS} interleaved rounds"
    for name, one in found.items():
        figures = (one["records"], one["per_core"], one["target"], one["per_second"])
        table.add_row(name, *(f"{figure:,.0f}" for figure in figures))
    Console().print(table)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
