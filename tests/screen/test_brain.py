"""The questions of the screen to the real engine, asked as the analyst's user `bi`, who may read nothing but `bi`."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse
from monitoring.screen import BrainUnavailableError, ClickHouseBrain, Deployment
from monitoring.screen.brain import ALERTS, MATTERS, OVERDUE, DayCount, FeedCount
from monitoring.screen.drill import Cases, Wanted
from monitoring.screen.period import LastDays, Period
from monitoring.screen.snapshot import take
from profiles import Profile, load_profile
from sinks.dimensions import load_dimensions
from sinks.kpi import headline
from sinks.migrate import migrate
from sinks.rows import Origin, alert_rows, progress_rows, routed_rows
from sinks.writer import open_clickhouse
from tests.sinks.records import HOUR, NOON, alert, local, report, routed, step
from tests.sinks.store import empty, store
from tests.test_layout import ROOT

pytestmark = pytest.mark.clickhouse

MARCH = Period(date(2025, 3, 1), date(2025, 3, 31))
_ROWS = {"routed": routed_rows, "progress": progress_rows, "alerts": alert_rows}
_offsets = count()
Put = Callable[[str, Iterable[Any]], None]


def url(engine: EmbeddedClickHouse, user: str) -> str:
    return engine.url.replace("http://", f"http://{user}:{engine.passwords[user]}@")


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile(ROOT / "profiles" / "demo")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, profile: Profile) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as server:
        client = open_clickhouse(url(server, "hub"))
        migrate(client)
        load_dimensions(client, profile)
        yield server


@pytest.fixture
def put(engine: EmbeddedClickHouse) -> Put:
    """Stores records as the sink does, in tables emptied before."""
    client = open_clickhouse(url(engine, "hub"))
    empty(client)

    def put(topic: str, records: Iterable[Any]) -> None:
        store(client, topic, (row for one in records for row in _ROWS[topic](one, Origin(topic, 0, next(_offsets), 0))))

    return put


@pytest.fixture
def brain(put: Put, engine: EmbeddedClickHouse) -> ClickHouseBrain:
    return ClickHouseBrain(lambda: open_clickhouse(url(engine, "bi")), headline, "Asia/Shanghai")


def test_an_empty_database_is_an_answer(brain: ClickHouseBrain) -> None:
    assert brain.span() is None
    assert brain.daily(MARCH) == []
    assert brain.feeds(MARCH) == []
    assert brain.merged() == []
    assert (brain.workload().open, brain.workload().manual, brain.overdue()) == (0, [], [])
    assert (brain.curves(MARCH)[0].values, brain.areas(MARCH), brain.hot_points(), brain.seasons()) == ([], [], [], [])
    assert brain.tiers(MARCH).agencies == []
    assert brain.cases(Wanted(MARCH.first, MARCH.last)).total == 0
    assert brain.alerts().total == 0
    assert [figure.rate for figure in brain.headline(MARCH)] == [None] * 8


def test_days_are_local_and_alarms_are_no_orders(brain: ClickHouseBrain, put: Put) -> None:
    put(
        "routed",
        [
            routed(report("a", reported_at=local("2025-03-01 00:30"))),  # 28 February in UTC
            routed(report("b", reported_at=local("2025-03-31 23:30"))),
            routed(report("c", reported_at=local("2025-05-01 12:00"), appeal_type="alarm", feed="video")),
        ],
    )
    put("progress", [step("a", "close", local("2025-03-02 09:00"))])
    assert brain.span() == MARCH
    assert brain.daily(MARCH) == [DayCount(date(2025, 3, 1), 1, 1), DayCount(date(2025, 3, 31), 1, 0)]
    assert brain.headline(MARCH)[0].numerator == 2


def test_feeds_count_the_period_but_tell_when_they_last_spoke_at_all(brain: ClickHouseBrain, put: Put) -> None:
    later = local("2025-06-01 08:00")
    put(
        "routed",
        [
            routed(report("a")),
            routed(report("b"), relation="joined", matter_id="hotline12345-a", linked_to="hotline12345-a", score=0.9),
            routed(report("c", reported_at=later, received_at=later)),
        ],
    )
    latest = datetime.fromtimestamp(later / 1000, UTC)
    assert brain.feeds(MARCH) == [FeedCount("hotline12345", 2, 1, latest)]


def test_merged_matters_come_newest_first_with_their_names_and_parts(brain: ClickHouseBrain, put: Put) -> None:
    def of(matter: str, name: str, relation: str, hours: int, **changed: Any) -> Any:
        at = NOON + hours * HOUR
        link = {
            "relation": relation,
            "matter_id": f"hotline12345-{matter}",
            "linked_to": None if relation == "new" else "x",
        }
        return routed(report(name, reported_at=at, received_at=at, **changed), **link)

    put(
        "routed",
        [
            of("old", "old", "new", 0, title="旧事项"),
            of("old", "old2", "repeat", 1),
            of("new", "new", "new", 0, title="路灯不亮", matter_kind="street_light"),
            of("new", "new2", "joined", 2, feed="wechat", title="后来者的标题"),
            of("new", "new3", "joined", 3),
            of("new", "new4", "rebound", 4),
            of("alone", "alone", "new", 9),
            of("camera", "camera", "new", 0, appeal_type="alarm"),
            of("camera", "camera2", "episode", 8, appeal_type="alarm"),
        ],
    )
    newest, oldest = brain.merged()
    assert (newest.title, newest.kind_zh, newest.kind_en) == ("路灯不亮", "路灯", "Street lights")
    assert (newest.street, newest.feeds) == ("中韩街道", ["hotline12345", "wechat"])
    assert (newest.reports, newest.repeats, newest.joined, newest.rebounds) == (4, 0, 2, 1)
    assert newest.latest == datetime.fromtimestamp((NOON + 4 * HOUR) / 1000, UTC)
    assert (oldest.title, oldest.repeats) == ("旧事项", 1)


@pytest.mark.parametrize("hidden", [{"confidential": True}, {"appeal_type": "report"}])
def test_a_confidential_report_is_in_no_list_even_when_it_was_linked(
    brain: ClickHouseBrain, put: Put, hidden: dict[str, Any]
) -> None:
    link = {"relation": "joined", "matter_id": "hotline12345-a", "linked_to": "hotline12345-a"}
    put("routed", [routed(report("a")), routed(report("b", title="保密的标题", **hidden), **link)])
    assert brain.merged() == []
    put("routed", [routed(report("c"), **link)])
    (matter,) = brain.merged()
    assert matter.reports == 2


def test_the_workload_is_open_orders_by_level_agency_and_reason(brain: ClickHouseBrain, put: Put) -> None:
    far = int((datetime.now(UTC) + timedelta(days=30)).timestamp() * 1000)
    manual = {"agency_code": None, "agency_name": None, "level": None, "due_at": None}
    put(
        "routed",
        [
            routed(report("late")),
            routed(report("closed")),
            routed(report("intime"), due_at=far),
            routed(report("grid"), agency_code="wg001", agency_name="中韩网格服务队", level="grid"),
            routed(report("unknown"), agency_code="gone", agency_name="已撤单位", due_at=far),
            routed(report("manual", reported_at=NOON - HOUR), **manual, manual_reason="no_kind"),
            routed(report("camera", appeal_type="alarm")),
        ],
    )
    put("progress", [step("closed", "close", NOON + HOUR)])
    load = brain.workload()
    assert (load.open, load.overdue) == (5, 2)
    assert {level.level: (level.open, level.overdue) for level in load.levels} == {
        "grid": (1, 1),
        "community": (0, 0),
        "street": (0, 0),
        "district": (3, 1),
    }
    (queue,) = load.manual
    assert (queue.reason, queue.waiting) == ("no_kind", 1)
    assert queue.oldest == datetime.fromtimestamp((NOON - HOUR) / 1000, UTC)


def test_alerts_that_hold_come_gravest_then_newest_and_are_all_counted(brain: ClickHouseBrain, put: Put) -> None:
    many = [alert(f"w{n}", raised_at=NOON + n * HOUR, summary=f"警告{n}") for n in range(ALERTS + 1)]
    put(
        "alerts",
        [
            *many,
            alert("c", severity="critical", summary="严重"),
            alert("over", severity="critical", cleared_at=NOON + HOUR),
        ],
    )
    found = brain.alerts()
    assert found.total == ALERTS + 2
    assert [one.summary for one in found.shown] == ["严重", *(f"警告{n}" for n in range(ALERTS, 1, -1))]


def test_lists_are_short_whatever_the_database_holds(brain: ClickHouseBrain, put: Put) -> None:
    first = [routed(report(f"m{n}"), agency_code=f"a{n}", agency_name=f"单位{n}") for n in range(20)]
    again = [
        routed(report(f"n{n}"), relation="joined", matter_id=f"hotline12345-m{n}", linked_to=f"hotline12345-m{n}")
        for n in range(20)
    ]
    put("routed", [*first, *again])
    assert len(brain.merged()) == MATTERS
    assert len(brain.overdue()) == OVERDUE


def test_what_is_late_is_told_longest_first_and_of_confidential_reports_no_word(
    brain: ClickHouseBrain, put: Put
) -> None:
    put(
        "routed",
        [
            routed(report("new", title="油烟"), due_at=NOON + 2 * HOUR),
            routed(report("old", title="举报某店", appeal_type="report"), due_at=NOON + HOUR),
            routed(report("closed"), due_at=NOON),
        ],
    )
    put("progress", [step("closed", "close", NOON)])
    assert [(one.report_id[-3:], one.title) for one in brain.overdue()] == [("old", None), ("new", "油烟")]


def test_behind_each_figure_stand_its_orders_and_the_sql_shown_gives_both(
    brain: ClickHouseBrain, put: Put, engine: EmbeddedClickHouse
) -> None:
    reports = [
        report(name, reported_at=NOON + n * HOUR, grid_code="G-1" if n == 3 else None) for n, name in enumerate("abcd")
    ]
    put("routed", [routed(one) for one in reports])
    put("progress", [step("a", "revisit", NOON + HOUR, solved=True), step("b", "revisit", NOON + HOUR, solved=False)])

    def found(**wanted: Any) -> Cases:
        return brain.cases(Wanted(MARCH.first, MARCH.last, **wanted))

    assert [one.report_id[-1] for one in found().cases] == ["d", "c", "b", "a"]
    assert [(one.report_id[-1], one.counts) for one in found(figure="solved").cases] == [("b", False), ("a", True)]
    assert [one.report_id[-1] for one in found(figure="solved", part="in").cases] == ["a"]
    assert [one.report_id[-1] for one in found(figure="solved", part="out").cases] == ["b"]
    assert found(feed="wechat").total == 0
    bi = open_clickhouse(url(engine, "bi"))
    told = found(figure="solved", community_code="370212001003")
    assert told.total == len(bi.query(told.sql).result_rows) == 2
    assert bi.query(told.figure_sql).result_rows == [(1.0, 2, 0.5)]
    assert [(one.code, one.accepted, one.open) for one in brain.grids(MARCH)] == [("G-1", 1, 1)]
    assert [one.report_id[-1] for one in found(grid_code="G-1").cases] == ["d"]
    assert found(page=2).cases == []


def test_the_curve_of_a_figure_has_a_point_a_day_and_none_without_denominator(brain: ClickHouseBrain, put: Put) -> None:
    put("routed", [routed(report("a")), routed(report("b", reported_at=NOON + 48 * HOUR))])
    put("progress", [step("b", "revisit", NOON + 60 * HOUR, solved=True)])
    curves = {curve.name: curve.values for curve in brain.curves(MARCH)}
    assert curves["accepted"] == [1, 1]
    assert curves["solved"] == [None, 1]
    assert [(area.code, area.accepted, area.open) for area in brain.areas(MARCH)] == [("370212001003", 2, 2)]


def test_a_whole_snapshot_holds_nobodys_mask_key_address_or_text(
    brain: ClickHouseBrain, put: Put, profile: Profile
) -> None:
    marks = {"reporter_key": "KEYKEY", "reporter_mask": "MASKMASK", "address": "ADDRESS", "content": "CONTENT"}
    link = {"relation": "joined", "matter_id": "hotline12345-a", "linked_to": "hotline12345-a"}
    put("routed", [routed(report("a", **marks)), routed(report("b", **marks), **link)])
    put("alerts", [alert("x")])
    deployment = Deployment.of(profile)
    content = take(
        brain, LastDays(365), list(deployment.feeds), deployment.timezone, lambda: datetime.now(UTC)
    ).as_json()
    assert orjson.loads(content)["matters"][0]["reports"] == 2
    assert [mark for mark in marks.values() if mark.encode() in content] == []


def test_no_answer_is_a_sentence_without_secrets_and_the_next_question_connects_again(
    brain: ClickHouseBrain, put: Put, engine: EmbeddedClickHouse, tmp_path: Path
) -> None:
    other = EmbeddedClickHouse(tmp_path)
    targets = [url(other, "bi"), url(engine, "bi")]
    moving = ClickHouseBrain(lambda: open_clickhouse(targets.pop(0)), headline, "Asia/Shanghai")
    with pytest.raises(BrainUnavailableError) as caught:
        moving.span()
    assert "ClickHouse does not answer the screen" in str(caught.value)
    assert other.passwords["bi"] not in str(caught.value)
    assert moving.span() is None


def test_a_database_without_views_is_unavailable_not_a_crash(engine: EmbeddedClickHouse, tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as bare:
        empty = ClickHouseBrain(lambda: open_clickhouse(url(bare, "hub")), headline, "Asia/Shanghai")
        with pytest.raises(BrainUnavailableError, match="code 81"):
            empty.headline(MARCH)
        with pytest.raises(BrainUnavailableError):
            empty.merged()
