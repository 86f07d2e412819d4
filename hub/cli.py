"""`zhishu`: the command line. Parts are imported where they are used, so that help is instant."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table

from hub.console import CommandError, comparison_dict, comparison_table, figures_table, summary
from hub.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from hub.deadletters import Letter
    from hub.review import Act
    from hub.wording import Language

app = typer.Typer(
    name="zhishu",
    help="zhishu (智枢): a data-streaming integration hub for grassroots governance.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
schema_app = typer.Typer(help="The Avro contract, and the schema of ClickHouse.", no_args_is_help=True)
eval_app = typer.Typer(help="How good matching and routing are on labelled data.", no_args_is_help=True)
deadletter_app = typer.Typer(help="What the hub could not take.", no_args_is_help=True)
feed_app = typer.Typer(help="What a source sends.", no_args_is_help=True)
review_app = typer.Typer(help="Questions of matching to a person: 人工研判.", no_args_is_help=True)
_PROCESSES, _MACHINE, _PERSONS, _TOOLS = "Processes", "One machine", "Matters", "Tools"
app.add_typer(schema_app, name="schema")
app.add_typer(feed_app, name="feed")
app.add_typer(eval_app, name="eval")
app.add_typer(deadletter_app, name="deadletter")
app.add_typer(review_app, name="review", rich_help_panel=_PERSONS)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Reason = Annotated[str, typer.Option(help="Why; it stays in the history for all who may read it.")]
By = Annotated[str | None, typer.Option(help="Who rules, an operator's code; the user of this machine if not given.")]
Wait = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the worker's answer.")]
Lang = Annotated[
    str | None, typer.Option(metavar="zh|en", help="Chinese or English; by the locale if not given, else Chinese.")
]


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _day(text: str | None, default: date) -> date:
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise CommandError("dates read YYYY-MM-DD, as in 2025-03-01") from None


# --- processes -------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=_PROCESSES)
def gateway() -> None:
    """HTTP intake for push feeds, and the read-only schema registry."""
    from hub.services import run_gateway

    run_gateway(Settings())


@app.command(rich_help_panel=_PROCESSES)
def reader(
    channels: Annotated[
        list[str] | None, typer.Argument(help="Just these pull channels; all of the profile if none is given.")
    ] = None,
) -> None:
    """Readers of pull feeds: database tables, dropped files, event streams, Open311 servers."""
    from hub.reader import run_reader

    run_reader(Settings(), channels or ())


@app.command(rich_help_panel=_PROCESSES)
def worker() -> None:
    """The Faust app: matching and routing."""
    from hub.services import start_worker

    start_worker(Settings())


@app.command(rich_help_panel=_PROCESSES)
def sink() -> None:
    """Kafka to ClickHouse."""
    from hub.services import start_sink

    start_sink(Settings())


@app.command(rich_help_panel=_PROCESSES)
def screen() -> None:
    """The big screen and the query API behind it."""
    from hub.services import run_screen

    run_screen(Settings())


@app.command(rich_help_panel=_PROCESSES)
def supervise() -> None:
    """督办 and 未诉先办: cards, listings, seasons and hot points, told as alerts while they hold."""
    from hub.supervise import run_supervise

    run_supervise(Settings())


@app.command(rich_help_panel=_PROCESSES)
def init() -> None:
    """Creates topics, migrates ClickHouse, loads the profile. Run it once before the processes; again does no harm."""
    from hub.endpoints import clickhouse_url, kafka_bootstrap
    from hub.up import initialise
    from profiles import load_profile

    settings = Settings()
    settings = settings.model_copy(
        update={"kafka_bootstrap": kafka_bootstrap(settings), "clickhouse_url": clickhouse_url(settings)}
    )
    initialise(settings, load_profile(settings.profile))
    typer.echo("Topics, tables and views are in place.")


# --- one machine -----------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=_MACHINE)
def up(
    sample: Annotated[bool, typer.Option(help="Play the made-up sample year, once.")] = False,
    exit_when_played: Annotated[bool, typer.Option(help="Stop once the sample is played and counted.")] = False,
) -> None:
    """Everything on one machine, supervised, with embedded Kafka and ClickHouse. Ctrl-C stops all."""
    from hub.welcome import run

    run(Settings(), Console(), sample=sample, exit_when_played=exit_when_played)


@app.command("sample", rich_help_panel=_MACHINE)
def write_sample_feeds(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.")] = 2025,
    reports: Annotated[int, typer.Option(help="How many reports the year has.")] = 26_700,
) -> None:
    """Writes the made-up sample year, each feed in its own wire shape."""
    from profiles import load_profile
    from profiles.sample import write_sample

    try:
        with Console(stderr=True).status("Writing ..."):
            manifest = write_sample(load_profile(Settings().profile), folder, seed=seed, reports=reports)
    except FileExistsError:
        raise CommandError(f"{folder} holds something already; name a new or empty folder") from None
    typer.echo(f"{folder}: {sum(manifest.reports.values()):,} reports, made up.")


# --- matters ---------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=_PERSONS)
def explain(
    report_id: Annotated[str, typer.Argument(help="report_id, as in bi.reports.")],
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """What was decided about a report and why: its matter, score, agency, due time, history. Reads ClickHouse."""
    from hub.endpoints import clickhouse_client, clickhouse_url
    from hub.explain import Page
    from hub.explain import explain as explained
    from profiles import load_profile

    settings, language = Settings(), _language(lang)
    found = explained(clickhouse_client(clickhouse_url(settings)), report_id)
    if as_json:
        _print_json(asdict(found))
    else:
        Console().print(Page(load_profile(settings.profile), language).shown(found))


@review_app.command("list")
def review_list(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")] = 50,
    lang: Lang = None,
    as_json: Json = False,
) -> None:
    """Reports of which a person must say whether they belong to a matter. Reads ClickHouse."""
    from hub.endpoints import clickhouse_client, clickhouse_url
    from hub.explain import questions
    from hub.review import open_questions

    rows, total = open_questions(clickhouse_client(clickhouse_url(Settings())), limit)
    if as_json:
        _print_json(rows)
        return
    if rows:
        Console().print(questions(rows, _language(lang)))
    typer.echo(f"{total:,} open question(s).")


@review_app.command("accept")
def review_accept(
    report_id: Annotated[str, typer.Argument(help="The report that the question is about.")],
    matter_id: Annotated[
        str | None, typer.Argument(help="The matter, or any report in it; the one asked about if not given.")
    ] = None,
    reason: Reason = "",
    by: By = None,
    wait: Wait = 30.0,
    lang: Lang = None,
) -> None:
    """It belongs to this matter. Final, until another ruling; exit code 1 if it has no effect."""
    from hub.review import Act, asked_matter, matter_of

    _rule(
        lambda client: Act(
            "accept", report_id, matter_of(client, matter_id) if matter_id else asked_matter(client, report_id)
        ),
        (reason, by, wait, lang),
    )


@review_app.command("reject")
def review_reject(
    report_id: Annotated[str, typer.Argument(help="The report that the question is about.")],
    reason: Reason = "",
    by: By = None,
    wait: Wait = 30.0,
    lang: Lang = None,
) -> None:
    """It does not belong to the matter asked about, and is never linked to it; exit code 1 if it has no effect."""
    from hub.review import Act, asked_matter

    _rule(lambda client: Act("reject", report_id, asked_matter(client, report_id)), (reason, by, wait, lang))


@app.command(rich_help_panel=_PERSONS)
def unlink(
    report_id: Annotated[str, typer.Argument(help="The report to take out of its matter.")],
    reason: Reason = "",
    by: By = None,
    wait: Wait = 30.0,
    lang: Lang = None,
) -> None:
    """Takes a report out of its matter: it becomes one of its own, never linked to that again."""
    from hub.review import Act, matter_of

    def act(client: "Client") -> Act:
        matter_of(client, report_id)  # a report that is not there is told at once
        return Act("unlink", report_id)

    _rule(act, (reason, by, wait, lang))


@app.command(rich_help_panel=_PERSONS)
def merge(
    matter_id: Annotated[str, typer.Argument(help="The matter that ends, or any report in it.")],
    into: Annotated[str, typer.Argument(help="The matter that all of it goes to, or any report in it.")],
    reason: Reason = "",
    by: By = None,
    wait: Wait = 30.0,
    lang: Lang = None,
) -> None:
    """Puts all reports of one matter into another (并单)."""
    from hub.review import Act, ReviewError, matter_of

    def act(client: "Client") -> Act:
        ended, target = matter_of(client, matter_id), matter_of(client, into)
        if ended == target:
            raise ReviewError("both are in one matter already; `zhishu explain` shows it")
        return Act("merge", matter_id=target, from_matter_id=ended)

    _rule(act, (reason, by, wait, lang))


def _rule(act: "Callable[[Client], Act]", how: "tuple[str, str | None, float, str | None]") -> None:
    """Rules as `act` says and tells what came of it. `how`: reason, by, wait, lang of the command."""
    import getpass

    from hub.endpoints import clickhouse_client, clickhouse_url, kafka_bootstrap
    from hub.explain import told
    from hub.review import Rulings
    from profiles import load_profile
    from schemas.codec import Codec
    from schemas.registry import open_registry

    settings, (reason, by, wait, lang) = Settings(), how
    language = _language(lang)
    chosen = act(clickhouse_client(clickhouse_url(settings)))
    rulings = Rulings(
        kafka_bootstrap(settings),
        Codec(open_registry(settings.registry_url)),
        load_profile(settings.profile).county_code,
    )
    with Console(stderr=True).status("..."):
        answer = rulings.rule(chosen, by or getpass.getuser(), reason, wait)
    typer.echo(told(answer, language))
    if answer.void:
        raise typer.Exit(1)


def _language(lang: str | None) -> "Language":
    from hub.wording import language_of

    if lang not in (None, "zh", "en"):
        raise CommandError("--lang is zh or en")
    return language_of(lang)


# --- tools -----------------------------------------------------------------------------------------------------------


@app.command(rich_help_panel=_TOOLS)
def play(
    feed: Annotated[str, typer.Argument(help="Channel id of channels.toml, or a feed that has just one channel.")],
    file: Annotated[Path, typer.Argument(help="Recorded messages: .ndjson, .xml (a message a line), .json or .csv.")],
    rate: Annotated[
        float | None, typer.Option(help="Messages a second; as fast as the hub takes them if not given.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The gateway; this machine's if not given.")] = None,
) -> None:
    """Sends a recorded feed through its real intake path."""
    import asyncio

    from rich.progress import Progress

    from hub.play import Played, play_one
    from hub.secrets import load_secrets
    from profiles import load_profile

    settings = Settings()
    profile = load_profile(settings.profile)
    channels = [c for c in profile.channels.values() if feed in (c.id, c.feed)]
    if len(channels) != 1:
        raise CommandError(f"FEED must be one of {', '.join(sorted(profile.channels))}")
    secrets = load_secrets(settings.secrets_file)
    if channels[0].id not in secrets.channels:
        raise CommandError(f"{settings.secrets_file} has no [channel.{channels[0].id}] section with its key")
    played: Played
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(file.name, total=None)
        played = asyncio.run(
            play_one(
                url or f"http://{settings.http_host}:{settings.http_port}",
                channels[0],
                secrets.channels[channels[0].id],
                file,
                rate,
                lambda total: progress.update(task, total=total),
                lambda step: progress.advance(task, step),
            )
        )
    typer.echo(summary(played))
    if played.refused:
        raise typer.Exit(1)


@app.command(rich_help_panel=_TOOLS)
def reconcile(
    as_json: Json = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what is still under way.")] = 0.0,
) -> None:
    """Proves that every intake offset has exactly one outcome; exit code 1 if not."""
    import time

    from hub import reconcile as accounts
    from hub.endpoints import clickhouse_client, clickhouse_url, kafka_bootstrap
    from profiles import load_profile
    from schemas.codec import Codec
    from schemas.registry import open_registry

    settings = Settings()
    client = clickhouse_client(clickhouse_url(settings))
    profile, codec = load_profile(settings.profile), Codec(open_registry(settings.registry_url))
    deadline = time.monotonic() + wait
    with Console(stderr=True).status("Comparing Kafka's offsets with ClickHouse's rows ..."):
        while time.monotonic() < deadline and accounts.under_way(kafka_bootstrap(settings), profile):
            time.sleep(0.2)
        account = accounts.reconcile(kafka_bootstrap(settings), client, profile, codec)
    if as_json:
        _print_json(account.as_json())
    else:
        table = Table("topic", "records", "routed", "replay", "dead letter", "no outcome", "several")
        for topic in (*account.topics, *account.messages):
            numbers = (topic.records, topic.routed, topic.replay, topic.dead_letter)
            lists = (topic.without_outcome, topic.with_several)
            table.add_row(topic.topic, *(f"{n:,}" for n in numbers), *(f"{len(x):,}" for x in lists))
        Console().print(table)
        for sentence in accounts.sentences(account):
            typer.echo(sentence)
        typer.echo("Every intake offset has exactly one outcome." if account.good else "NOT reconciled.")
    raise typer.Exit(0 if account.good else 1)


@app.command(rich_help_panel=_TOOLS)
def kpi(
    from_: Annotated[str | None, typer.Option("--from", help="First day of acceptance, YYYY-MM-DD.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last day of acceptance, YYYY-MM-DD.")] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Of the orders due on these days, and not reported on them.")
    ] = False,
    against: Annotated[
        Literal["previous", "year", "festival"] | None,
        typer.Option(
            "--compare", help="Beside the days before (环比), a year ago (同比), or as far from the Spring Festival."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """The headline figures, each with its numerator and denominator.

    Without dates: all that is stored; to compare, the last month that is over, or the latest Spring Festival.
    """
    from hub.endpoints import clickhouse_client, clickhouse_url
    from sinks.compared import ComparisonError, Span, compare, local_today, usual_span
    from sinks.kpi import headline

    client = clickhouse_client(clickhouse_url(Settings()))
    cohort: Literal["accepted", "due"] = "due" if due else "accepted"
    if against:
        today = local_today(client)
        usual = usual_span(against, today)
        try:
            found = compare(client, Span(_day(from_, usual.first), _day(to, usual.last)), against, today, cohort)
        except ComparisonError as error:
            raise CommandError(str(error)) from None
        if as_json:
            _print_json(comparison_dict(found))
        else:
            Console().print(comparison_table(found, cohort))
        return
    figures = headline(client, _day(from_, date(1970, 1, 1)), _day(to, date(2149, 1, 1)), cohort)
    if as_json:
        _print_json({f.name: {"numerator": f.numerator, "denominator": f.denominator, "rate": f.rate} for f in figures})
    else:
        Console().print(figures_table(figures, cohort))


@app.command(rich_help_panel=_TOOLS)
def bulletin(
    week: Annotated[
        str | None, typer.Option("--week", help="ISO week, as in 2025-W23; by default the last one.")
    ] = None,
    month: Annotated[str | None, typer.Option("--month", help="Month, as in 2025-03.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path(),
    lang: Annotated[Literal["zh", "en", "both"], typer.Option("--lang", help="Language.")] = "both",
) -> None:
    """The weekly or monthly bulletin: an HTML page and an Excel workbook, in Chinese and English (docs/bulletin.md)."""
    from hub.bulletin import BulletinError, gather, parse_span
    from hub.bulletin.page import html
    from hub.bulletin.words import LANGUAGES
    from hub.bulletin.workbook import write_workbook
    from hub.endpoints import clickhouse_client, clickhouse_url
    from profiles import load_profile

    profile = load_profile(Settings().profile)
    now = datetime.now(ZoneInfo(profile.timezone))
    try:
        span = parse_span(week, month, now.date())
        found = gather(clickhouse_client(clickhouse_url(Settings())), span, profile)
    except BulletinError as error:
        raise CommandError(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES if lang == "both" else (lang,):
        page, book = (out / f"bulletin-{span.name}.{language}.{kind}" for kind in ("html", "xlsx"))
        page.write_text(html(found, language, now), "utf-8")
        write_workbook(found, language, book)
        typer.echo(f"{page}\n{book}")


@app.command(rich_help_panel=_TOOLS)
def bench(
    events: Annotated[int, typer.Option(help="Events of each run.")] = 100_000,
    peers: Annotated[bool, typer.Option(help="Measure stock Faust and a plain confluent loop beside it.")] = False,
    as_json: Json = False,
) -> None:
    """Reports or events a second of connectors, gateway, worker and the whole line, and latency percentiles."""
    from bench.run import run, tables

    result = run(events, peers=peers, console=Console(stderr=True))
    if as_json:
        _print_json(result)
    else:
        for shown in tables(result):
            Console().print(shown)


@app.command(rich_help_panel=_TOOLS)
def train(
    file: Annotated[Path, typer.Argument(help="CSV: text,kind (or title,content,kind; segmented_text).")],
    out: Annotated[Path, typer.Option(help="The model file, .npz; a profile names it in [classifier].")],
    accuracy: Annotated[float, typer.Option(min=0.5, max=0.999, help="Wanted of what no person sees.")] = 0.97,
    made_on: Annotated[str | None, typer.Option(help="A day to keep in the file, YYYY-MM-DD.")] = None,
    as_json: Json = False,
) -> None:
    """Trains the category model of a profile; needs the extra `train` (README). The same rows give the same file."""
    from hub.labelled import read_labelled
    from hub.train import train as trained

    day = str(_day(made_on, date.min)) if made_on else ""
    rows = read_labelled(file)
    with Console(stderr=True).status("Training ..."):
        model = trained(rows, accuracy, day)
    model.save(out)
    _show({"file": str(out), "bytes": out.stat().st_size, **asdict(model.told)}, as_json)


@feed_app.command("check")
def feed_check(
    file: Annotated[Path, typer.Argument(help="Messages: .json, .ndjson, .csv, .xlsx, .xls, .ods, .xml or .form.")],
    feed: Annotated[str, typer.Option(help="Channel id of channels.toml, or a feed that has just one channel.")],
    content_type: Annotated[
        str, typer.Option(help="Content-Type of the file as one request, where its name does not tell.")
    ] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Look at so many messages; all if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Says what the hub would do with each message and every problem, field by field; exit code 1 if it refused any."""
    import time

    from hub.feedcheck import check, known_secret, shown
    from profiles import load_profile

    settings = Settings()
    profile = load_profile(settings.profile)
    channels = [c for c in profile.channels.values() if feed in (c.id, c.feed)]
    if len(channels) != 1:
        raise CommandError(f"--feed must be one of {', '.join(sorted(profile.channels))}")
    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    secret = known_secret(settings.secrets_file, channels[0])
    now = time.time_ns() // 1_000_000
    result = check(profile, channels[0], file, now, content_type=content_type, limit=limit, secret=secret)
    if as_json:
        _print_json(result.as_json())
    else:
        Console().print(shown(result))
    if result.counts["refused"]:
        raise typer.Exit(1)


@schema_app.command("check")
def schema_check() -> None:
    """Every version against every other one, every example through both codecs; exit code 1 on a finding."""
    from schemas.check import check, examples
    from schemas.records import SUBJECTS

    findings = list(check())
    for finding in findings:
        typer.echo(finding)
    count = sum(len(examples(s)) for s in SUBJECTS)
    if findings:
        raise typer.Exit(1)
    typer.echo(f"{len(SUBJECTS)} schemas compatible over all versions; {count} examples read the same by both codecs.")


@schema_app.command("dictionary")
def schema_dictionary() -> None:
    """The data dictionary (docs/data-dictionary.md), made from the schema of a fresh engine."""
    from hub.dictionary import fresh_dictionary

    typer.echo(fresh_dictionary(), nl=False)


@schema_app.command("drift")
def schema_drift(as_json: Json = False) -> None:
    """Compares the running schema of ClickHouse with what this release makes; exit code 1 where they differ."""
    from hub.endpoints import clickhouse_client, clickhouse_url, schema_form
    from profiles import load_profile
    from sinks.retention import templates
    from sinks.schema import drift

    settings = Settings()
    client = clickhouse_client(clickhouse_url(settings))
    found = drift(client, schema_form(settings), templates(load_profile(settings.profile).retention))
    if as_json:
        _print_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            typer.echo(difference.sentence)
        if not found:
            typer.echo("The schema is what this release makes.")
    raise typer.Exit(1 if found else 0)


@schema_app.command("city")
def schema_city(
    cluster: Annotated[
        str, typer.Argument(help="Name in remote_servers of the city's server: a shard for each district.")
    ],
    make: Annotated[bool, typer.Option("--make", help="Make it on the server of ZHISHU_CLICKHOUSE_URL.")] = False,
) -> None:
    """Prints the statements of database `city`, which shows the views of all districts of a city in one place."""
    from sinks.city import city_statements, make_city

    if not make:
        typer.echo("\n\n".join(f"{statement};" for statement in city_statements(cluster)))
        return
    from hub.endpoints import clickhouse_client, clickhouse_url

    count = make_city(clickhouse_client(clickhouse_url(Settings())), cluster)
    typer.echo(f"Database city shows {count} views of all districts.")


@eval_app.command("match")
def eval_match(
    reports: Annotated[Path, typer.Option(help="CSV: report_id,reporter,title,reported_at,text and more")],
    clusters: Annotated[Path, typer.Option(help="CSV: report_id,cluster")],
    pairs: Annotated[Path | None, typer.Option(help="CSV: a,b")] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Also the figures for each link threshold.")] = False,
    wrong: Annotated[Path | None, typer.Option(help="CSV to write: each pair that was got wrong.")] = None,
    as_json: Json = False,
) -> None:
    """Precision, recall and F1 of merging on labelled data, in arrival order and through the partitions of production."""
    from hub.evaluate import evaluate_matching
    from profiles import load_profile

    with Console(stderr=True).status("reading") as status:
        result = evaluate_matching(
            load_profile(Settings().profile), reports, clusters, pairs, curve=curve, wrong=wrong, say=status.update
        )
    _show(result, as_json)


@eval_app.command("route")
def eval_route(
    file: Annotated[
        Path | None, typer.Argument(help="CSV: text,kind (or title,content,kind; segmented_text). A third is held out.")
    ] = None,
    splits: Annotated[
        int, typer.Option(min=1, max=100, help="Hold out so many different thirds, one after another.")
    ] = 1,
    train: Annotated[Path | None, typer.Option(help="Instead of FILE: CSV to train on.")] = None,
    test: Annotated[Path | None, typer.Option(help="Instead of FILE: CSV to test on.")] = None,
    accuracy: Annotated[float, typer.Option(min=0.5, max=0.999, help="Wanted of what no person sees.")] = 0.97,
    as_json: Json = False,
) -> None:
    """Macro-F1 of the category model, the share it decides alone, how often it is right then, and its latency."""
    from hub.evaluate_route import evaluate_files, evaluate_splits

    if file is not None and train is None and test is None:
        _show(evaluate_splits(file, splits, accuracy), as_json)
    elif file is None and train is not None and test is not None:
        _show(evaluate_files(train, test, accuracy), as_json)
    else:
        raise CommandError("name either one FILE, or --train FILE and --test FILE")


def _show(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(result)
        return
    table = Table("measure", "value")
    for name, value in result.items():
        if name != "curve":
            table.add_row(name, _cell(value))
    Console().print(table)
    if curve := result.get("curve"):
        names = [name for name in curve[0] if name not in ("matters", "pairs")]
        shown = Table(*(name.replace("_", " ") for name in names), title="by threshold")
        for row in curve:
            shown.add_row(*(_cell(row[name]) for name in names))
        Console().print(shown)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(map(_cell, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@app.command(rich_help_panel=_TOOLS)
def unseal(
    report_id: Annotated[str, typer.Argument(help="report_id of a report, or of a part of one.")],
    reason: Annotated[str, typer.Option(help="Who asked, and what for; it goes into the audit file.")] = "",
) -> None:
    """Shows the sealed original of a report. Needs the secrets file with the key; every try is audited."""
    from hub.unseal import unseal as opened

    for original in opened(Settings(), report_id, reason):
        typer.echo(f"--- {original.bound_to}, sealed with {original.key_id}", err=True)
        typer.echo(original.data)


@deadletter_app.command("list")
def deadletter_list(
    everything: Annotated[bool, typer.Option("--all", help="Also those replayed already.")] = False,
    as_json: Json = False,
) -> None:
    """Letters not yet replayed: when, where, why."""
    rows = [
        {
            "id": x.record["dead_letter_id"],
            "failed_at": datetime.fromtimestamp(x.record["failed_at"] / 1000).astimezone().isoformat("T", "seconds"),
            "stage": x.record["stage"],
            "feed": x.record["feed"],
            "code": x.record["reason_code"],
            "reason": x.record["reason"],
            "replay_count": x.record["replay_count"],
        }
        for x in _letters(everything)
    ]
    if as_json:
        _print_json(rows)
        return
    table = Table("id", "failed at", "stage", "feed", "code", "reason")
    for row in rows:
        table.add_row(*(str(row[name]) for name in ("id", "failed_at", "stage", "feed", "code", "reason")))
    Console().print(table)
    typer.echo(f"{len(rows):,} letter(s).")


@deadletter_app.command("show")
def deadletter_show(letter_id: str) -> None:
    """One letter, without its original bytes: those may hold personal data."""
    for letter in _letters(everything=True):
        if letter.record["dead_letter_id"] == letter_id:
            shown = {k: v for k, v in letter.record.items() if k not in ("original", "key")}
            _print_json({**shown, "original_bytes": len(letter.record["original"])})
            return
    raise CommandError("no dead letter has this id; `zhishu deadletter list --all` shows all")


def _letters(everything: bool) -> "Iterator[Letter]":
    from hub.deadletters import read_letters
    from hub.endpoints import kafka_bootstrap
    from schemas.codec import Codec
    from schemas.registry import open_registry

    settings = Settings()
    return read_letters(kafka_bootstrap(settings), Codec(open_registry(settings.registry_url)), everything)


@deadletter_app.command("replay")
def deadletter_replay(
    letter_ids: Annotated[
        list[str] | None, typer.Argument(help="Just these; all not yet replayed if none is given.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The gateway; this machine's if not given.")] = None,
) -> None:
    """Sends letters again once their cause is mended. What fails again comes back as a new letter."""
    from hub.deadletters import replay
    from hub.endpoints import kafka_bootstrap
    from hub.secrets import load_secrets
    from profiles import load_profile
    from schemas.codec import Codec
    from schemas.registry import open_registry

    settings = Settings()
    result = replay(
        kafka_bootstrap(settings),
        url or f"http://{settings.http_host}:{settings.http_port}",
        Codec(open_registry(settings.registry_url)),
        load_profile(settings.profile),
        load_secrets(settings.secrets_file),
        frozenset(letter_ids or ()),
    )
    typer.echo(summary(result.played))
    for letter_id, reason in result.skipped.items():
        typer.echo(f"{letter_id} was not sent: {reason}")
    if result.skipped or result.played.refused:
        raise typer.Exit(1)


def _stop_like_ctrl_c(_: int, __: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def guarded(command: Callable[[], None]) -> int:
    """Runs a command; a known error becomes one sentence on stderr and exit code 1, Ctrl-C and SIGTERM a quiet 130."""
    from hub.errors import expected_errors

    try:
        command()
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except Exception as error:
        if not isinstance(error, (CommandError, *expected_errors())):
            raise
        typer.echo(f"zhishu: {error}", err=True)
        return 1
    return 0


def main() -> None:
    """Entry point of the console script."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kafka").setLevel(logging.ERROR)  # kafka-python tells of every connection and slow turn otherwise
    signal.signal(signal.SIGTERM, _stop_like_ctrl_c)
    sys.exit(guarded(app))
