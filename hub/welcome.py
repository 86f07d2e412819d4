"""What a newcomer sees of `zhishu up`: progress, the URLs and the headline figures."""

import time
from datetime import date
from typing import Final

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hub.console import CommandError, figures_table, summary
from hub.endpoints import clickhouse_client
from hub.reconcile import reconcile, sentences, under_way
from hub.sample_year import ensure_sample, play_year
from hub.settings import Settings
from hub.up import Hub
from schemas.codec import Codec
from schemas.registry import open_registry
from sinks.kpi import headline

#: How long the last records may take from Kafka to ClickHouse once everything was sent.
_DRAIN_S: Final = 180.0


def _addresses(hub: Hub) -> Table:
    settings = hub.settings
    table = Table.grid(padding=(0, 2))
    base = f"http://{settings.http_host}"
    table.add_row("Screen", f"{base}:{settings.screen_port}/")
    table.add_row("Intake", f"{base}:{settings.http_port}/intake/<channel>   (docs/feeds)")
    table.add_row("Schemas", f"{base}:{settings.http_port}/subjects")
    if hub.settings.clickhouse_url and "127.0.0.1" in hub.settings.clickhouse_url:
        table.add_row("BI", f"clickhousedb://bi:<password>@127.0.0.1:{settings.clickhouse_port}/bi")
    table.add_row("Kafka", str(settings.kafka_bootstrap))
    ports = (settings.http_port, settings.worker_port, settings.sink_port, settings.screen_port)
    table.add_row("Metrics", "  ".join(f"{base}:{port}/metrics" for port in ports))
    table.add_row("Secrets", f"{settings.secrets_file}   (channel keys, BI password)")
    table.add_row("Logs", str(settings.data_dir / "logs"))
    return table


def _play(hub: Hub, console: Console) -> None:
    folder = hub.settings.data_dir / "sample"
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        making = progress.add_task("Writing the sample year", total=None)
        ensure_sample(hub.profile, folder, lambda done, total: progress.update(making, completed=done, total=total))
        progress.remove_task(making)
        playing = progress.add_task("Playing", total=None)

        def total(messages: int, already: int) -> None:
            progress.update(playing, total=messages, completed=already)

        def step(month: str, messages: int) -> None:
            progress.update(playing, description=f"Playing {month}", advance=messages)

        url = f"http://{hub.settings.http_host}:{hub.settings.http_port}"
        played, seconds = play_year(url, hub.profile, hub.secrets, hub.settings.data_dir, folder, total, step)
    if played.messages:
        console.print(f"Played in {seconds:.0f} s: {summary(played)}.")
    else:
        console.print("The sample year was played before; nothing was sent twice.")


def wait_until_counted(hub: Hub, console: Console) -> None:
    """Waits for the last row, proves the account and prints the headline figures; raises CommandError when rows are missing."""
    bootstrap = str(hub.settings.kafka_bootstrap)
    client = clickhouse_client(str(hub.settings.clickhouse_url))
    deadline = time.monotonic() + _DRAIN_S
    try:
        with console.status("Waiting until every record is decided and stored ..."):
            codec = Codec(open_registry(hub.settings.registry_url))
            while True:
                while time.monotonic() < deadline and under_way(bootstrap, hub.profile):
                    time.sleep(0.2)
                account = reconcile(bootstrap, client, hub.profile, codec)
                # The supervision may have told alerts between the two looks.
                if time.monotonic() >= deadline or not any(account.not_stored.values()):
                    break
        if not account.good:
            raise CommandError("not everything was stored in time: " + "; ".join(sentences(account)))
        figures = headline(client, date(1970, 1, 1), date(2149, 1, 1))
    finally:
        client.close()
    records = sum(topic.records for topic in account.topics)
    console.print(f"Reconciled: {records:,} intake records, each with exactly one outcome.")
    console.print(figures_table(figures))
    if hub.profile.made_up:
        console.print("[bold]All of this is made up[/bold]: places are real, people, reports and figures are not.")


def run(settings: Settings, console: Console, *, sample: bool, exit_when_played: bool) -> None:
    """`zhishu up`: starts, plays, shows, and watches until Ctrl-C."""
    started = time.monotonic()
    with Hub(settings, console) as hub:
        console.print(f"Ready in {time.monotonic() - started:.0f} s.")
        if sample:
            _play(hub, console)
            wait_until_counted(hub, console)
        console.print(Panel(_addresses(hub), title="智枢 zhishu is running", subtitle="Ctrl-C stops all", expand=False))
        if sample and exit_when_played:
            return
        try:
            hub.wait()
        except KeyboardInterrupt:
            with console.status("Stopping ..."):
                hub.stop()
            console.print("Stopped; all data is kept.")
