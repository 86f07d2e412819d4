"""What the gateway finds out about reports, from the real engine."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connectors.reports import Search, StoredReport, StoredStep, StoreUnavailableError
from connectors.rulings import NO_CHANGE
from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.endpoints import EndpointError
from hub.status import ClickHouseReports
from profiles import Channel, Profile, load_profile
from schemas import topics
from sinks.dimensions import load_dimensions
from sinks.migrate import migrate
from sinks.rows import Origin, progress_rows
from sinks.writer import open_clickhouse
from tests.sinks import store as facts
from tests.sinks.records import DAY, HOUR, NOON, case, change, log_rows, report, routed, step

pytestmark = pytest.mark.clickhouse
_offsets = count()
_ROWS = {topics.ROUTED: log_rows, topics.PROGRESS: progress_rows}


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile(Path(__file__).parents[2] / "profiles" / "demo")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, profile: Profile) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        client = open_clickhouse(url(server))
        migrate(client)
        load_dimensions(client, profile)
        yield server


def url(engine: EmbeddedClickHouse, user: str = "hub") -> str:
    return engine.url.replace("http://", f"http://{user}:{engine.passwords[user]}@")


@pytest.fixture
def put(engine: EmbeddedClickHouse) -> Callable[..., None]:
    """Stores records as the sink does, in empty tables."""
    client = open_clickhouse(url(engine))
    facts.empty(client)

    def put(topic: str, records: Iterable[Any]) -> None:
        facts.store(
            client, topic, (row for one in records for row in _ROWS[topic](one, Origin(topic, 0, next(_offsets), 0)))
        )

    return put


@pytest.fixture
def store(engine: EmbeddedClickHouse) -> ClickHouseReports:
    return ClickHouseReports(lambda: open_clickhouse(url(engine)))


@pytest.fixture
def hotline(profile: Profile) -> Channel:
    return profile.channels["demo-hotline"]


def one(store: ClickHouseReports, channel: Channel, name: str) -> StoredReport:
    (found,) = asyncio.run(store.find(channel, [f"hotline12345-{name}"]))
    return found


def page(store: ClickHouseReports, channel: Channel, **changed: Any) -> list[str]:
    fields: dict[str, Any] = {
        "start": NOON - DAY, "end": NOON + DAY, "kind_codes": None, "matter_kinds": None, "closed": None,
        "limit": 1000, "offset": 0,
    }  # fmt: skip
    found = asyncio.run(store.search(channel, Search(**{**fields, **changed})))
    return [report.report_id.removeprefix("hotline12345-") for report in found]


def test_a_report_is_found_with_its_decision_and_its_steps_in_order(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    put(topics.ROUTED, [routed(report("a"))])
    put(topics.PROGRESS, [step("a", "dispatch", NOON + HOUR, level="street"), step("a", "accept", NOON)])
    found = one(store, hotline, "a")
    assert (found.status, found.agency_code, found.level) == ("routed", "zhifa", "district")
    assert (found.accepted_at, found.deadline) == (NOON + 1000, NOON + 5 * DAY)
    assert found.steps == (
        StoredStep("accept", NOON, "某单位", None, None),
        StoredStep("dispatch", NOON + HOUR, "某单位", "street", None),
    )
    assert (found.content, found.attachments, found.lon) == ("某工地夜间施工", (), 120.4)


def test_another_channels_report_and_an_unknown_one_are_not_found(
    put: Callable[..., None], store: ClickHouseReports, profile: Profile
) -> None:
    put(topics.ROUTED, [routed(report("a"))])
    police = profile.channels["demo-police"]
    assert asyncio.run(store.find(police, ["hotline12345-a"])) == []
    assert asyncio.run(store.find(profile.channels["demo-hotline"], ["hotline12345-b"])) == []


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([], "routed"),
        (["accept", "dispatch"], "routed"),
        (["accept", "handle"], "handled"),
        (["handle", "close"], "closed"),
        (["close", "revisit"], "closed"),
        (["close", "redo"], "handled"),
        (["close", "redo", "close"], "closed"),
        (["cancel"], "closed"),
        (["accept", NO_CHANGE], "routed"),
        (["close", NO_CHANGE], "closed"),
    ],
)
def test_the_status_follows_the_steps(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel, steps: list[str], status: str
) -> None:
    put(topics.ROUTED, [routed(report("a"))])
    put(topics.PROGRESS, [step("a", name, NOON + number * HOUR) for number, name in enumerate(steps)])
    assert one(store, hotline, "a").status == status
    assert page(store, hotline, closed=status == "closed") == ["a"]
    assert page(store, hotline, closed=status != "closed") == []


def test_a_report_in_the_manual_queue_says_why(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    nobody = {"agency_code": None, "agency_name": None, "level": None, "due_at": None, "manual_reason": "no_kind"}
    put(topics.ROUTED, [routed(report("a"), **nobody)])
    found = one(store, hotline, "a")
    assert (found.status, found.manual_reason, found.deadline) == ("manual", "no_kind", None)


def test_the_latest_revision_says_what_is_asked_and_the_first_how_it_is_linked(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    first = routed(report("a"), relation="joined", linked_to="hotline12345-m", matter_id="hotline12345-m")
    later = report("a", content="补充后的内容", received_at=NOON + HOUR, source_due_at=NOON + 2 * DAY)
    put(topics.ROUTED, [first, routed(later, relation="revision", linked_to="hotline12345-a")])
    found = one(store, hotline, "a")
    assert (found.content, found.relation, found.linked_to) == ("补充后的内容", "joined", "hotline12345-m")
    assert (found.accepted_at, found.deadline) == (NOON + 1000, NOON + 2 * DAY)


def test_an_extension_granted_in_time_moves_the_deadline_and_a_late_one_does_not(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    put(topics.ROUTED, [routed(report("a")), routed(report("b"))])
    longer = {"extended_to": NOON + 9 * DAY}
    put(topics.PROGRESS, [step("a", "extend", NOON + DAY, **longer), step("b", "extend", NOON + 6 * DAY, **longer)])
    assert one(store, hotline, "a").deadline == NOON + 9 * DAY
    assert one(store, hotline, "b").deadline == NOON + 5 * DAY


def test_a_message_is_found_by_its_own_id_in_the_report_assembled_of_it(
    put: Callable[..., None], store: ClickHouseReports, profile: Profile
) -> None:
    parts = ["wechat-1", "wechat-2"]
    whole = report("w", report_id="wechat-1", feed="wechat", channel="demo-wechat", part_ids=parts)
    put(topics.ROUTED, [routed(whole)])
    for part in parts:
        (found,) = asyncio.run(store.find(profile.channels["demo-wechat"], [part]))
        assert (found.report_id, found.part_ids) == ("wechat-1", tuple(parts))


def test_what_a_confidential_report_is_linked_to_and_what_is_linked_to_it_stays_hidden(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    secret = report("s", reported_at=NOON - HOUR)
    put(topics.ROUTED, [routed(secret), routed(report("a"), **_to("s")), routed(report("b"), **_to("s"))])
    put(topics.ROUTED, [routed(report("c", reported_at=NOON + HOUR), **_to("a", "s"))])
    put(topics.ROUTED, [routed(report("s", reported_at=NOON - HOUR, confidential=True, received_at=NOON + DAY))])
    found = {name: one(store, hotline, name) for name in "sabc"}
    assert (found["s"].confidential, found["s"].matter_id, found["s"].linked_to) == (True, "hotline12345-s", None)
    assert {found[name].matter_id for name in "abc"} == {"hotline12345-a"}  # the first other report in it
    assert [found[name].linked_to for name in "abc"] == [None, None, "hotline12345-a"]
    assert page(store, hotline) == ["c", "a", "b"]


def _to(name: str, matter: str = "") -> dict[str, Any]:
    return {"relation": "joined", "linked_to": f"hotline12345-{name}", "matter_id": f"hotline12345-{matter or name}"}


def test_it_says_of_every_report_what_the_views_of_the_analysts_say(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel, engine: EmbeddedClickHouse
) -> None:
    put(topics.ROUTED, [
        routed(report("s")), routed(report("a"), **_to("s")), routed(report("b"), **_to("a", "s")),
        routed(report("s", confidential=True, received_at=NOON + HOUR)),
        routed(report("d", received_at=NOON + 5), relation="revision", outcome="replay"),
        routed(report("d", due_at=None)), routed(report("d", received_at=NOON + DAY, content="新"), relation="revision"),
        routed(report("e")), routed(report("f")), routed(report("g"), **_to("f")), routed(report("h"), **_to("f")),
        change("accepted", "e", matter_id="hotline12345-s"), change("unlinked", "g", matter_id="hotline12345-g"),
        change("merged", "f", "h", matter_id="hotline12345-d"),
        change("escalated", "f", ruled_by=None, case=case(path=["zhifa", "gongan"], due_at=NOON + 7 * DAY)),
        change("escalated", "h", ruled_by=None, case=case(path=[], level=None, waits="ping_pong")),
        change("noted", "d", ruled_by=None, case=case()),
    ])  # fmt: skip
    put(topics.PROGRESS, [step("a", "close", NOON + HOUR), step("b", "extend", NOON, extended_to=NOON + 8 * DAY)])
    columns = "report_id, confidential, content, matter_id, relation, linked_to, agency_code, agency_name, level, manual_reason"
    bi = open_clickhouse(url(engine, "bi"))
    rows = bi.query(f"SELECT {columns} FROM bi.reports ORDER BY report_id").result_rows
    names = [name.strip() for name in columns.split(",")]
    found = asyncio.run(store.find(hotline, [row[0] for row in rows]))
    mine = sorted(tuple(getattr(x, name) for name in names) for x in found)
    assert mine == [tuple(row) for row in rows]
    cases = bi.query("SELECT report_id, is_closed, toUnixTimestamp64Milli(due_at) FROM bi.cases").result_rows
    assert {x.report_id: (x.closed_at is not None, x.deadline) for x in found} == {row[0]: row[1:] for row in cases}


def test_a_page_holds_the_newest_of_the_time_and_class_asked_for(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    put(topics.ROUTED, [routed(report(name, reported_at=NOON + number * HOUR)) for number, name in enumerate("abcd")])
    put(topics.ROUTED, [routed(report("e", kind_code="demo/hotline-2025/appeal/010201", matter_kind="heating"))])
    put(topics.ROUTED, [routed(report("f", reported_at=NOON + 3 * DAY))])
    put(topics.ROUTED, [routed(report("a", reported_at=NOON + 9 * DAY, received_at=NOON + DAY), relation="revision")])
    assert page(store, hotline) == ["d", "c", "b", "e"]
    assert page(store, hotline, limit=2, offset=1) == ["c", "b"]
    assert page(store, hotline, start=NOON + HOUR, end=NOON + 2 * HOUR) == ["c", "b"]
    assert page(store, hotline, kind_codes=("demo/hotline-2025/appeal/010201",)) == ["e"]
    assert page(store, hotline, matter_kinds=("heating", "noise"), limit=1) == ["d"]
    assert page(store, hotline, matter_kinds=("heating",)) == ["e"]


def test_without_clickhouse_the_question_fails_and_is_answered_once_it_is_there(
    engine: EmbeddedClickHouse, put: Callable[..., None], hotline: Channel
) -> None:
    put(topics.ROUTED, [routed(report("a"))])
    answers: list[Any] = [EndpointError("none"), ConnectionError("gone")]

    def connect() -> Any:
        if answers:
            raise answers.pop()
        return open_clickhouse(url(engine))

    store = ClickHouseReports(connect)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            asyncio.run(store.find(hotline, ["hotline12345-a"]))
    assert one(store, hotline, "a").report_id == "hotline12345-a"


def test_more_questions_than_may_be_asked_at_once_all_get_their_answer(
    put: Callable[..., None], store: ClickHouseReports, hotline: Channel
) -> None:
    put(topics.ROUTED, [routed(report(str(number))) for number in range(12)])

    async def ask() -> list[list[StoredReport]]:
        return await asyncio.gather(*(store.find(hotline, [f"hotline12345-{n}"]) for n in range(12)))

    assert [found[0].upstream_id for found in asyncio.run(ask())] == [str(number) for number in range(12)]
