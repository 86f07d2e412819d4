"""A made-up decade, generated straight into ClickHouse, and how fast the views answer: `python -m bench.decade [--reports N]`.

Ten years that end today: reports of four feeds and camera alarms over the communities, kinds and agencies of the demonstration
profile, one in seven told again, with four to seven steps each and what they changed. hub.cases is computed by the sink's own
text; the standard questions (questions.sql) are asked as the user `bi`. Seconds; p95 of so few runs is the slowest.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.settings import DEMO_PROFILE
from profiles import load_profile
from sinks.cases import Cases
from sinks.dimensions import load_dimensions
from sinks.migrate import migrate
from sinks.writer import open_clickhouse

TARGET_S: Final = 1.0
_RUNS: Final = 7
_CHUNK: Final = 500_000
_FOLDER: Final = Path(__file__).parent

#: Texts of the facts, and what stands in their own places.
_FACTS: Final[tuple[tuple[str, dict[str, str]], ...]] = (
    ("routed.sql", {}),
    ("progress.sql", {}),
    ("changes.sql", {"{table}": "hub.changes", "{columns}": "report_ids", "{values}": "[report_id]"}),
    ("changes.sql", {"{table}": "hub.report_changes", "{columns}": "report_id", "{values}": "report_id"}),
)
_TABLES: Final = ("routed", "progress", "changes", "report_changes", "members")
_SOME: Final = """
SELECT report_id FROM hub.routed WHERE cityHash64(report_id) % 1009 = 3 ORDER BY cityHash64(report_id, 1) LIMIT 200
"""
_FLUSHES: Final = 5
_LATEST: Final = """
SELECT report_id FROM hub.cases WHERE first_day > today() - 30 AND appeal_type != 'alarm'
ORDER BY cityHash64(report_id, 2) LIMIT 200 OFFSET {offset:UInt32}
"""
_COLUMNS: Final = """
SELECT name FROM system.columns WHERE database = 'hub' AND table = 'cases' AND name != '_version' ORDER BY position
"""
_PARTITIONS: Final = "SELECT DISTINCT table, partition_id FROM system.parts WHERE active AND database = 'hub'"
_MEMBERS: Final = """
INSERT INTO hub.members (matter_id, report_id, _topic, _partition, _offset, _timestamp)
SELECT matter_id, report_id, _topic, _partition, _offset, _timestamp FROM hub.routed WHERE appeal_type != 'alarm'
"""
_SIZES: Final = """
SELECT table, sum(rows), sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = 'hub' GROUP BY table
"""


@dataclass(frozen=True)
class Answer:
    """Seconds of a question; `error` when it has no answer."""

    name: str
    p50: float
    p95: float
    rows: int
    error: str = ""


def questions() -> dict[str, str]:
    """The standard questions by name."""
    text = (_FOLDER / "questions.sql").read_text("utf-8").partition("\n\n")[2]
    parts = (part.removeprefix("-- ").partition("\n") for part in text.split("\n\n"))
    return {name: question.strip().removesuffix(";") for name, _, question in parts}


def generate(client: Any, count: int, console: Console) -> None:
    """The facts of `count` reports, and their rows in hub.cases, by the text that the sink computes them by.

    The rows of a chunk are computed while its facts are the only ones; no report is linked over the border of a chunk. The
    sink's own way, 5 000 reports at a time beside all others, would take hours; `refresh of 200 cases` times it.
    """
    numbered = (_FOLDER / "numbered.sql").read_text("utf-8").partition("\n")[2].rstrip()
    columns = ", ".join(name for (name,) in client.query(_COLUMNS).result_rows)
    client.command("CREATE DATABASE made")
    for table in _TABLES:
        client.command(f"CREATE TABLE made.{table} AS hub.{table}")
    for first in range(0, count, _CHUNK):
        rows = min(_CHUNK, count - first)
        for name, places in _FACTS:
            text = (_FOLDER / name).read_text("utf-8").replace("{numbered}", numbered)
            for place, value in {**places, "{count}": str(count), "{first}": str(first), "{rows}": str(rows)}.items():
                text = text.replace(place, value)
            client.command(text, settings={"max_partitions_per_insert_block": 0})
        client.command(_MEMBERS)
        client.command(f"INSERT INTO hub.cases ({columns}, _version) SELECT {columns}, 1 FROM hub.told_cases")  # noqa: S608
        for table, partition in client.query(_PARTITIONS).result_rows:
            if table in _TABLES:
                client.command(f"ALTER TABLE hub.{table} MOVE PARTITION ID '{partition}' TO TABLE made.{table}")
        console.print(f"{first + rows:,} reports generated")
    for table in _TABLES:
        client.command(f"EXCHANGE TABLES hub.{table} AND made.{table}")


def ask(client: Any, name: str, question: str, runs: int, parameters: dict[str, Any]) -> Answer:
    """Times one question."""
    taken, rows = [], 0
    for _ in range(runs):
        began = time.perf_counter()
        try:
            rows = len(client.query(question, parameters=parameters).result_rows)
        except Exception as error:  # a question that has no answer is a figure, too
            return Answer(name, float("nan"), float("nan"), 0, str(error)[:300])
        taken.append(time.perf_counter() - began)
    return Answer(name, statistics.median(taken), max(taken), rows)


def run(count: int, runs: int, folder: Path, console: Console) -> dict[str, Any]:
    """Generates, computes and asks; all times in seconds."""
    with EmbeddedClickHouse(folder, memory_bytes=8 << 30) as engine:

        def connect(user: str) -> Any:
            return open_clickhouse(engine.url.replace("http://", f"http://{user}:{engine.passwords[user]}@"), 3600)

        hub = connect("hub")
        migrate(hub)
        bi = connect("bi")
        load_dimensions(hub, load_profile(DEMO_PROFILE))
        began = time.perf_counter()
        if not hub.query("SELECT count() FROM hub.routed").result_rows[0][0]:
            generate(hub, count, console)
        generated = time.perf_counter() - began
        # As an hour after the last change: years merged (min_age_to_force_merge_seconds), and some flushes of this one besides.
        for (year,) in hub.query("SELECT DISTINCT toYear(first_day) FROM hub.cases").result_rows:
            hub.command(f"OPTIMIZE TABLE hub.cases PARTITION {year} FINAL")
        console.print(f"generated and merged in {time.perf_counter() - began:.0f} s")
        cases = Cases(hub)
        for flush in range(_FLUSHES):
            cases.refresh(row[0] for row in hub.query(_LATEST, parameters={"offset": flush * 200}).result_rows)
        some = [row[0] for row in hub.query(_SOME).result_rows]
        answers = [ask(bi, name, text, runs, {"id": some[0]}) for name, text in questions().items()]
        refreshes = []
        for _ in range(runs):
            began = time.perf_counter()
            cases.refresh(some)
            refreshes.append(time.perf_counter() - began)
        sizes = hub.query(_SIZES).result_rows
        return {
            "reports": count,
            "generated_s": generated,
            "refresh_200_s": {"p50": statistics.median(refreshes), "p95": max(refreshes)},
            "tables": {table: {"rows": rows, "bytes": size, "parts": parts} for table, rows, size, parts in sizes},
            "questions": [vars(answer) for answer in answers],
            "target_s": TARGET_S,
            "met": all(answer.p95 < TARGET_S for answer in answers),
        }


def table(result: dict[str, Any]) -> Table:
    """The answers for a person."""
    shown = Table(
        "question", "p50 s", "p95 s", "rows", caption=f"{result['reports']:,} reports; target p95 {TARGET_S} s"
    )
    for one in result["questions"]:
        shown.add_row(
            one["name"],
            f"{one['p50']:.3f}",
            f"{one['p95']:.3f}",
            str(one["rows"]) if not one["error"] else one["error"],
        )
    refresh = result["refresh_200_s"]
    shown.add_row("refresh of 200 cases", f"{refresh['p50']:.3f}", f"{refresh['p95']:.3f}", "")
    return shown


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=_RUNS)
    parser.add_argument(
        "--dir",
        type=Path,
        help="folder for the data, kept; one that holds some is asked as it is; without it a temporary one",
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    console = Console(stderr=True)
    with TemporaryDirectory() as temporary:
        result = run(given.reports, given.runs, given.dir or Path(temporary), console)
    if given.json:
        print(json.dumps(result, indent=2))
    else:
        Console().print(table(result))
    sys.exit(0 if result["met"] else 1)


if __name__ == "__main__":
    main()
