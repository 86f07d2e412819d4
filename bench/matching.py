"""What deciding costs while the state grows: `python -m bench.matching [--reports N] [--json]`.

Text reports of the made-up sample, each told at another place: estates, roads and house numbers drawn anew for each, so that
the state holds as many places as a district has, and each report stands beside its like. Microseconds of one core a report
(matching and routing, without Kafka and Avro) at 10 thousand, 100 thousand and N open reports, side by side in one run, and
the memory of a report. What the worker reaches through Kafka: bench.worker.
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import psutil
from rich.console import Console
from rich.table import Table

from bench.records import sample
from hub.settings import DEMO_PROFILE
from profiles import load_profile
from profiles.sample import write_sample
from schemas.ids import report_id
from schemas.records import Report
from streams.decide import Decider, Origin
from streams.state import PartitionState

#: The cost at the largest state may be so many times that at the smallest, and a report in it so many bytes.
TARGETS: Final = {"ratio": 1.3, "bytes": 1_536}
_BASE: Final = 5_000
_MEASURED: Final = 3_000
_ROUNDS: Final = 5
_DAY_MS: Final = 24 * 3600 * 1000
_SYLLABLES: Final = (
    "安宝昌春德东丰福光桂海和恒弘华嘉锦景康兰丽林龙梅明南宁平青庆荣瑞盛泰天同文西祥欣兴雅阳怡永裕玉元云泽中竹紫"
)
_ENDINGS: Final = ("花园", "家园", "小区", "新城", "雅苑", "公馆", "华府", "名邸")


def reports(base: list[Report], count: int, seed: int) -> Iterator[Report]:
    """`count` reports of the sample's kinds at places drawn anew, in the order of time over a year."""
    draw = Random(seed)  # noqa: S311 - made-up places, no secret
    communities = sorted({one["community_code"] for one in base if one["community_code"]})
    begin = 1_735_689_600_000
    for number in range(count):
        one = base[number % len(base)]
        community = draw.choice(communities)
        estate = "".join(draw.choice(_SYLLABLES) for _ in range(draw.choice((2, 2, 3)))) + draw.choice(_ENDINGS)
        where = f"{estate}{draw.randrange(1, 60)}号楼"
        told = one["content"][draw.randrange(3) :]
        when = begin + number * 360 * _DAY_MS // count
        yield {
            **one,
            "report_id": report_id(one["feed"], one["channel"], str(number)),
            "upstream_id": str(number),
            "content_hash": f"{number:032x}",
            "reporter_key": f"{draw.randrange(count):032x}",
            "reported_at": when,
            "received_at": when,
            "community_code": community,
            "street_code": community[:9],
            "lon": None if number % 3 else 120.41 + draw.random() * 0.5,
            "lat": None if number % 3 else 35.9 + draw.random() * 0.4,
            "title": f"{where}{one['title'][-12:]}",
            "content": f"{where}，{told}"[:120],
        }


def _texts(count: int) -> list[Report]:
    profile = load_profile(DEMO_PROFILE)
    with TemporaryDirectory() as folder:
        write_sample(profile, Path(folder) / "sample", seed=1, reports=count)
        found = list(sample(profile, Path(folder) / "sample"))
    alone = ("alarm", "consult", "praise", "suggestion")
    return [one for one in found if one["appeal_type"] not in alone and not one["confidential"]]


def measure(sizes: list[int]) -> list[dict[str, Any]]:
    """Cost and memory at each size of the state."""
    profile = load_profile(DEMO_PROFILE)
    decider, state = Decider(profile), PartitionState()
    base = _texts(_BASE)
    gc.collect()
    empty = psutil.Process().memory_info().rss
    found: list[dict[str, Any]] = []
    held = 0
    stream = reports(base, sizes[-1] + _ROUNDS * _MEASURED * len(sizes), seed=1)
    for size in sizes:
        while held < size:
            _decide(decider, state, next(stream), held)
            held += 1
        costs, links = [], 0
        for _ in range(_ROUNDS):
            batch = [next(stream) for _ in range(_MEASURED)]
            begun = time.process_time()
            for one in batch:
                links += _decide(decider, state, one, held)
                held += 1
            costs.append((time.process_time() - begun) / _MEASURED * 1e6)
        gc.collect()
        used = (psutil.Process().memory_info().rss - empty) / len(state.reports)
        found.append(
            {"reports": size, "us": statistics.median(costs), "bytes": used, "linked": links / _ROUNDS / _MEASURED}
        )
    return found


def _decide(decider: Decider, state: PartitionState, report: Report, offset: int) -> bool:
    decision = decider.decide(state, report, Origin("intake.bench", 0, offset))
    state.apply(decision.routed, decision.facts, decision.told)
    return decision.routed["linked_to"] is not None


def main() -> int:
    """Entry point; 0 when both targets are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reports", type=int, default=1_000_000, help="open reports at the end of the curve")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [size for size in (10_000, 100_000) if size < options.reports] + [options.reports]
    found = measure(sizes)
    ratio = found[-1]["us"] / found[0]["us"]
    met = ratio <= TARGETS["ratio"] and found[-1]["bytes"] <= TARGETS["bytes"]
    if options.json:
        sys.stdout.write(json.dumps({"curve": found, "ratio": ratio, "targets": TARGETS, "met": met}) + "\n")
        return 0 if met else 1
    table = Table(title="Cost of a decision while the state grows")
    for column in ("open reports", "us a report", "reports/s a core", "bytes a report", "linked"):
        table.add_column(column, justify="right")
    for row in found:
        table.add_row(
            f"{row['reports']:,}",
            f"{row['us']:.0f}",
            f"{1e6 / row['us']:,.0f}",
            f"{row['bytes']:,.0f}",
            f"{row['linked']:.1%}",
        )
    console = Console()
    console.print(table)
    console.print(f"{sizes[-1]:,} cost {ratio:.2f} times as much as {sizes[0]:,}; targets: {TARGETS}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
