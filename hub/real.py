"""`make real DATA=folder`: third-party data through the canonical feed, end to end to the views, read in place.

The folder holds `petitions/reports.csv` (and `clusters.csv`, `pairs.csv`), `nyc311/*.csv` and `open311/*.json`; what is not
there is left out. A hub of its own runs in a temporary folder and leaves nothing behind.
"""

import asyncio
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hub.cli import guarded
from hub.console import CommandError, summary
from hub.endpoints import clickhouse_client
from hub.evaluate import evaluate_matching
from hub.play import Played, play_one
from hub.settings import DEMO_PROFILE
from hub.up import Hub, private_settings
from hub.welcome import wait_until_counted

REAL_PROFILE: Final = DEMO_PROFILE.parent / "real"
_VIEWS: Final = """
SELECT feed, count() AS reports, uniqExact(matter_id) AS matters, countIf(relation IN ('repeat', 'joined')) AS linked,
       countIf(matter_kind != '') AS with_kind, countIf(lon IS NOT NULL) AS with_point
FROM bi.reports GROUP BY feed ORDER BY feed
"""


def data_files(folder: Path) -> list[tuple[str, Path]]:
    """(channel, file) of what the folder holds."""
    patterns = (("petitions", "petitions/reports.csv"), ("nyc311", "nyc311/*.csv"), ("open311", "open311/*.json"))
    found = [(channel, path) for channel, pattern in patterns for path in sorted(folder.glob(pattern))]
    if not found:
        raise CommandError(f"{folder} holds none of {', '.join(pattern for _, pattern in patterns)}")
    return found


def play_real(hub: Hub, files: list[tuple[str, Path]], console: Console) -> dict[str, Played]:
    """Plays every file through its channel; the answers by file name."""
    played: dict[str, Played] = {}
    with Progress(console=console) as progress:
        for channel_id, path in files:
            task = progress.add_task(path.name, total=None)
            played[path.name] = asyncio.run(
                play_one(
                    f"http://{hub.settings.http_host}:{hub.settings.http_port}",
                    hub.profile.channels[channel_id],
                    hub.secrets.channels[channel_id],
                    path,
                    None,
                    lambda total, task=task: progress.update(task, total=total),  # type: ignore[misc]
                    lambda step, task=task: progress.advance(task, step),  # type: ignore[misc]
                )
            )
    return played


def _show(rows: Any, names: Any, console: Console) -> None:
    table = Table(*names)
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row))
    console.print(table)


def run(folder: Path, console: Console) -> None:
    """Plays, reconciles, shows the views and the first figures of merging."""
    files = data_files(folder)
    with TemporaryDirectory() as private, Hub(private_settings(Path(private), REAL_PROFILE), console) as hub:
        for name, answers in play_real(hub, files, console).items():
            console.print(f"{name}: {summary(answers)}")
        wait_until_counted(hub, console)
        with closing(clickhouse_client(str(hub.settings.clickhouse_url))) as client:
            found = client.query(_VIEWS)
            _show(found.result_rows, found.column_names, console)
        labels = folder / "petitions" / "clusters.csv"
        if labels.exists():
            pairs = folder / "petitions" / "pairs.csv"
            result = evaluate_matching(
                hub.profile, folder / "petitions" / "reports.csv", labels, pairs if pairs.exists() else None
            )
            _show(result.items(), ("zhishu eval match", "petitions"), console)


def main() -> None:
    """`python -m hub.real FOLDER`."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m hub.real FOLDER")
    sys.exit(guarded(lambda: run(Path(sys.argv[1]), Console())))


if __name__ == "__main__":
    main()
