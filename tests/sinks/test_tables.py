"""The tables and views on the real engine: one row per identity however it is stored, and nothing private in bi."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.topics import ALERTS, DEADLETTER, PROGRESS, ROUTED
from sinks.batches import split
from sinks.rows import Origin, progress_rows, routed_rows
from sinks.writer import insert_batch
from tests.sinks.records import DAY, HOUR, NOON, alert, case, change, letter, local, report, routed, step, utc

pytestmark = pytest.mark.clickhouse

VIEWS = (
    "reports",
    "progress",
    "cases",
    "kpi_daily",
    "alerts",
    "dead_letters",
    "matters",
    "communities",
    "agencies",
    "changes",
    "review_queue",
    "joint_matters",
)


def rows(client: Any, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(query).result_rows]


def one(client: Any, columns: str, view: str, name: str) -> tuple[Any, ...]:
    found = rows(client, f"SELECT {columns} FROM {view} WHERE report_id = 'hotline12345-{name}'")
    assert len(found) == 1
    return found[0]


LOG = [
    routed_rows(
        routed(report(f"r{n % 9}", reported_at=NOON + (n % 9) * 9 * DAY), intake_offset=n % 20, relation=f"x{n}"),
        Origin(ROUTED, 0, 1_000_000 + n, NOON),
    )[0]
    for n in range(30)
] + [
    progress_rows(step(f"r{n % 9}", "close", NOON + n % 5 * 20 * DAY), Origin(PROGRESS, 0, n, NOON))[0]
    for n in range(30)
]
FINAL_TABLES = (
    "SELECT report_id, intake_offset, relation, _offset FROM hub.routed FINAL ORDER BY ALL",
    "SELECT report_id, progress_id, _offset FROM hub.progress FINAL ORDER BY ALL",
)


def test_any_split_into_batches_in_any_repetition_gives_the_same_tables(hub: Any) -> None:
    expected: list[Any] = []

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(st.lists(st.integers(1, len(LOG) - 1), max_size=4), st.integers(1, 12), st.randoms(use_true_random=False))
    def check(cuts: list[int], most: int, random: Random) -> None:
        for table in ("hub.routed", "hub.progress"):
            hub.command(f"TRUNCATE TABLE {table}")
        edges = [0, *sorted(cuts), len(LOG)]
        pieces = [LOG[start:end] for start, end in pairwise(edges)]
        again = pieces + random.sample(pieces, len(pieces) // 2)
        for piece in again:
            for batch in split("log", 0, piece, most):
                insert_batch(hub, batch)
        found = [rows(hub, query) for query in FINAL_TABLES]
        expected.append(found)
        assert found == expected[0]

    check()
    assert len(expected[0][0]) == 30 - sum((n % 9, n % 20) in {(m % 9, m % 20) for m in range(n)} for n in range(30))


def test_the_same_batch_again_is_not_even_stored(hub: Any) -> None:
    (batch,) = split(ROUTED, 0, [routed_rows(routed(report("a")), Origin(ROUTED, 0, 5_000_000, 0))[0]], 10)
    for _ in range(3):
        insert_batch(hub, batch)
    assert rows(hub, "SELECT count() FROM hub.routed") == [(1,)]


def test_the_first_decision_in_the_log_stands_whichever_is_stored_last(hub: Any, put: Callable[..., None]) -> None:
    first, second = routed(report("a"), intake_offset=7), routed(report("a"), intake_offset=7, relation="joined")
    put(ROUTED, [second], offsets=[6_000_001])
    put(ROUTED, [first], offsets=[6_000_000])
    put(ROUTED, [second], offsets=[6_000_002])
    assert one(hub, "relation", "bi.reports", "a") == ("new",)
    hub.command("OPTIMIZE TABLE hub.routed FINAL")
    assert rows(hub, "SELECT relation FROM hub.routed") == [("new",)]


def test_steps_of_two_years_are_both_kept_and_read_as_one_case(hub: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a", reported_at=local("2024-12-31 20:00")))])
    put(PROGRESS, [step("a", "dispatch", utc("2024-12-31 23:59:59.999")), step("a", "close", utc("2025-01-01 00:00"))])
    parts = rows(hub, "SELECT DISTINCT partition FROM system.parts WHERE active AND table = 'progress' ORDER BY 1")
    assert parts == [("2024",), ("2025",)]
    assert one(hub, "steps, is_closed", "bi.cases", "a") == (2, True)


def test_the_latest_revision_is_read_with_the_link_of_the_first_message(bi: Any, put: Callable[..., None]) -> None:
    old = routed(report("a", title="旧"), relation="joined", matter_id="hotline12345-m", score=0.7)
    new = report("a", title="新", received_at=NOON + 5000, street_code=None)
    put(ROUTED, [routed(new, relation="revision", matter_id="hotline12345-m", level="grid"), old])
    columns = "title, street_code, level, relation, matter_id, score"
    assert one(bi, columns, "bi.reports", "a") == ("新", None, "grid", "joined", "hotline12345-m", 0.7)


def test_revisions_received_in_one_millisecond_stand_in_the_order_of_the_intake(
    bi: Any, put: Callable[..., None]
) -> None:
    first = routed(report("a", title="一"), intake_offset=10)
    second = routed(report("a", title="二"), intake_offset=11, relation="revision")
    put(ROUTED, [second, first])
    assert one(bi, "title, relation", "bi.reports", "a") == ("二", "new")


def test_a_replay_is_kept_in_the_log_and_counted_nowhere(hub: Any, put: Callable[..., None]) -> None:
    put(
        ROUTED, [routed(report("a")), routed(report("a", received_at=NOON + 9000), outcome="replay", relation="replay")]
    )
    assert rows(hub, "SELECT count() FROM hub.routed FINAL") == [(2,)]
    assert one(hub, "relation, received_at = fromUnixTimestamp64Milli(1740974401000)", "bi.reports", "a")[0] == "new"
    assert rows(hub, "SELECT count() FROM bi.cases") == [(1,)]


def test_a_clearing_alert_stands_over_the_raising_one_in_any_order(bi: Any, put: Callable[..., None]) -> None:
    put(ALERTS, [alert("a", cleared_at=NOON + HOUR), alert("b")])
    put(ALERTS, [alert("a"), alert("b", cleared_at=NOON + HOUR), alert("c")])
    assert rows(bi, "SELECT alert_id, is_open FROM bi.alerts ORDER BY 1") == [("a", False), ("b", False), ("c", True)]


def test_a_letter_keeps_its_bytes_and_bi_sees_only_their_number(hub: Any, bi: Any, put: Callable[..., None]) -> None:
    put(DEADLETTER, [letter("a"), letter("b", key=b"\xff", origin_topic="routed", origin_partition=1, origin_offset=2)])
    put(DEADLETTER, [letter("a", failed_at=NOON + 40 * DAY, replay_count=1)])
    query = "SELECT hex(original), hex(key) FROM hub.dead_letters FINAL ORDER BY dead_letter_id"
    assert rows(hub, query) == [("00FF7B", None), ("00FF7B", "FF")]
    found = rows(bi, "SELECT dead_letter_id, original_bytes, replay_count FROM bi.dead_letters ORDER BY 1")
    assert found == [("a", 3, 1), ("b", 3, 0)]


@pytest.mark.parametrize("changed", [{"confidential": True}, {"appeal_type": "report"}])
def test_bi_never_shows_the_reporter_of_a_confidential_report(
    bi: Any, put: Callable[..., None], changed: dict[str, Any]
) -> None:
    put(ROUTED, [routed(report("a", **changed)), routed(report("b"))])
    assert one(bi, "reporter_mask", "bi.reports", "a") == (None,)
    assert one(bi, "reporter_mask", "bi.reports", "b") == ("138****0000",)


def test_a_report_made_confidential_later_shows_no_link_and_no_reporter_whatever_comes_after(
    bi: Any, put: Callable[..., None]
) -> None:
    link = {"relation": "joined", "matter_id": "hotline12345-a", "linked_to": "hotline12345-a", "score": 0.9}
    joined = {**link, "reasons": ["same_kind=1"]}
    put(ROUTED, [routed(report("a")), routed(report("b"), **joined), routed(report("c"), **joined)])
    columns = "matter_id, relation, linked_to, score, reasons, confidential, reporter_mask"
    before = one(bi, columns, "bi.reports", "b")
    assert before == ("hotline12345-a", "joined", "hotline12345-a", 0.9, ["same_kind=1"], False, "138****0000")
    alone = ("hotline12345-b", "new", None, None, [], True, None)
    put(ROUTED, [routed(report("b", confidential=True, received_at=NOON + 5000), relation="revision")])
    assert one(bi, columns, "bi.reports", "b") == alone
    put(ROUTED, [routed(report("b", title="新", received_at=NOON + 9000), relation="revision")])
    assert one(bi, columns + ", title", "bi.reports", "b") == (*alone, "新")
    assert one(bi, "matter_id, is_repeat", "bi.cases", "b") == ("hotline12345-b", False)
    assert one(bi, "matter_id, is_repeat", "bi.cases", "c") == ("hotline12345-a", True)


def test_a_matter_whose_first_report_became_confidential_goes_by_the_next(bi: Any, put: Callable[..., None]) -> None:
    link = {"relation": "joined", "matter_id": "hotline12345-a"}
    put(ROUTED, [routed(report("a")), routed(report("d", reported_at=NOON - DAY))])
    put(ROUTED, [routed(report("b", reported_at=NOON + 1), **link, linked_to="hotline12345-a")])
    put(ROUTED, [routed(report("c", reported_at=NOON + 2), **link, linked_to="hotline12345-b")])
    put(ROUTED, [routed(report("a", confidential=True, received_at=NOON + 5000), relation="revision")])
    found = rows(bi, "SELECT report_id, matter_id, relation, linked_to FROM bi.reports ORDER BY 1")
    assert found == [
        ("hotline12345-a", "hotline12345-a", "new", None),
        ("hotline12345-b", "hotline12345-b", "joined", None),
        ("hotline12345-c", "hotline12345-b", "joined", "hotline12345-b"),
        ("hotline12345-d", "hotline12345-d", "new", None),
    ]


def test_bi_has_no_column_for_the_reporters_key_the_sealed_original_or_the_bytes_of_a_letter(hub: Any) -> None:
    names = {name for (name,) in rows(hub, "SELECT name FROM system.columns WHERE database = 'bi'")}
    assert not names & {"reporter_key", "sealed", "original", "key", "content_hash"}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM hub.routed",
        "SELECT * FROM hub.sealed_originals",
        "SELECT original FROM hub.dead_letters",
        "SELECT * FROM merge('hub', '.*')",
        "INSERT INTO hub.parameters SELECT 'a', 'b', 0, 0",
        "DROP VIEW bi.reports",
    ],
)
def test_bi_reads_nothing_but_its_views(bi: Any, query: str) -> None:
    with pytest.raises(DatabaseError):
        bi.query(query)


@pytest.mark.parametrize("view", VIEWS)
def test_bi_reads_every_view_whole(bi: Any, put: Callable[..., None], view: str) -> None:
    question = {"review_matter": "hotline12345-a", "review_score": 0.4}
    put(ROUTED, [routed(report("a")), routed(report("b", street_code=None), **question)])
    put(ROUTED, [change("closed", "a", ruled_by=None, case=case())])
    put(PROGRESS, [step("a", "close", NOON)])
    put(ALERTS, [alert("a")])
    put(DEADLETTER, [letter("a")])
    assert rows(bi, f"SELECT * FROM bi.{view}")


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_reads_the_same_for_a_client_that_sets_join_use_nulls(
    hub: Any, put: Callable[..., None], view: str
) -> None:
    question = {"review_matter": "hotline12345-a", "review_score": 0.4}
    put(ROUTED, [routed(report("a")), routed(report("b"), **question), routed(report("c", confidential=True))])
    put(
        ROUTED,
        [routed(report("e")), change("accepted", "e", matter_id="hotline12345-c"), change("closed", "a", case=case())],
    )
    put(ROUTED, [routed(report("d"), relation="joined", matter_id="hotline12345-c", linked_to="hotline12345-c")])
    put(PROGRESS, [step("a", "close", NOON, level="grid")])
    query = f"SELECT * FROM bi.{view} ORDER BY ALL"
    assert rows(hub, query) == rows(hub, f"{query} SETTINGS join_use_nulls = 1")
