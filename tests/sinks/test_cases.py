"""hub.cases: what is stored is what the facts tell, whatever the order, the batches and the crashes."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.topics import PROGRESS, ROUTED
from sinks.cases import Cases, touched
from sinks.rows import Origin, Row, progress_rows
from tests.sinks.records import DAY, HOUR, NOON, case, change, log_rows, report, routed, step
from tests.sinks.store import empty, store

pytestmark = pytest.mark.clickhouse

Put = Callable[..., None]
A, B, C, D, E = (f"hotline12345-{name}" for name in "abcde")
TOLD = "SELECT * FROM hub.told_cases ORDER BY report_id"
HIDDEN = "SELECT report_id, heir FROM hub.hidden_reports FINAL ORDER BY report_id"
HIDDEN_TOLD = """
SELECT secret.report_id, heirs.heir
FROM hub.secret_reports AS secret LEFT JOIN hub.heirs AS heirs ON heirs.matter_id = secret.report_id
ORDER BY secret.report_id
"""
IN_A: dict[str, Any] = {"matter_id": A, "linked_to": A}
#: Decisions, rulings and changes of cases, in the order of the log; steps come by another topic.
LOG: list[Any] = [
    routed(report("a", reporter_key="a" * 32)),
    routed(
        report("b", reporter_key="b" * 32, reported_at=NOON + HOUR),
        relation="joined",
        matter_id=A,
        linked_to=A,
        score=0.8,
    ),
    routed(report("c", reported_at=NOON + 2 * HOUR), review_matter=A, review_score=0.42),
    routed(
        report("d", reporter_key="d" * 32, reported_at=NOON + 5 * DAY),
        relation="rebound",
        matter_id=A,
        linked_to=B,
        score=0.7,
    ),
    change("closed", "a", ruled_by=None, case=case(closed_at=NOON + 3 * DAY), changed_at=NOON + 3 * DAY),
    change("accepted", "c", matter_id=A, from_matter_id=C),
    routed(
        report("a", reporter_key="a" * 32, content_hash="2" * 32, confidential=True),
        relation="revision",
        matter_id=A,
        linked_to=A,
    ),
    routed(report("e", reported_at=NOON + 6 * DAY), relation="joined", **IN_A),
    change("unlinked", "d", matter_id=D, from_matter_id=A),
    change("merged", "d", matter_id=C, from_matter_id=D),
    routed(
        report("b", reporter_key="b" * 32, reported_at=NOON + 400 * DAY, content_hash="3" * 32),
        relation="revision",
        matter_id=A,
        linked_to=A,
    ),
]
STEPS: list[Any] = [
    step("a", "dispatch", NOON),
    step("b", "dispatch", NOON + HOUR, unit="区城管局"),
    step("a", "close", NOON + 3 * DAY),
    step("b", "close", NOON + 4 * DAY),
    step("b", "revisit", NOON + 4 * DAY + HOUR, solved=False, satisfaction="dissatisfied"),
    step("b", "redo", NOON + 4 * DAY + 2 * HOUR),
    step("e", "close", NOON + 7 * DAY),
]


def rows(client: Any, query: str) -> list[tuple[Any, ...]]:
    return [tuple(map(str, row)) for row in client.query(query).result_rows]


def told(client: Any) -> list[tuple[Any, ...]]:
    return rows(client, TOLD)


def stored(client: Any) -> list[tuple[Any, ...]]:
    columns = ", ".join(client.query("SELECT * FROM hub.told_cases LIMIT 0").column_names)
    return rows(client, f"SELECT {columns} FROM hub.cases FINAL ORDER BY report_id")


def facts() -> tuple[list[list[Row]], list[list[Row]]]:
    """Rows of each record of the two topics, at the offsets where they stand."""
    return (
        [log_rows(record, Origin(ROUTED, 0, offset, 0)) for offset, record in enumerate(LOG)],
        [progress_rows(record, Origin(PROGRESS, 0, offset, 0)) for offset, record in enumerate(STEPS)],
    )


def test_the_stored_columns_are_those_that_the_facts_tell(hub: Any) -> None:
    names = "SELECT name FROM system.columns WHERE database = 'hub' AND table = '{}' ORDER BY name"
    assert rows(hub, names.format("cases")) == sorted([*rows(hub, names.format("told_cases")), ("_version",)])


def test_any_interleaving_in_any_batches_with_any_repetition_stores_what_the_facts_tell(hub: Any) -> None:
    expected: list[Any] = []

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(st.lists(st.booleans(), min_size=25, max_size=25), st.lists(st.integers(1, 6), max_size=6), st.booleans())
    def check(turns: list[bool], sizes: list[int], again: bool) -> None:
        empty(hub)
        log, steps = facts()
        order = []
        for turn in turns:  # the log and the steps each keep their order, as the partitions of Kafka do
            source = (log if turn else steps) or log or steps
            if source:
                order.append(source.pop(0))
        order += log + steps
        pieces: list[list[Row]] = []
        for size in [*sizes, len(order)]:
            pieces.append([row for record in order[:size] for row in record])
            order = order[size:]
        for piece in pieces + (pieces[:2] if again else []):
            # As a flush does: what one topic tells is stored whole before its cases are computed.
            for of_steps in (False, True):
                if part := [row for row in piece if (row.table == "hub.progress") == of_steps]:
                    store(hub, PROGRESS if of_steps else ROUTED, part)
        found = stored(hub)
        assert found == told(hub)
        assert rows(hub, HIDDEN) == rows(hub, HIDDEN_TOLD)
        expected.append(found)
        assert found == expected[0]

    check()
    assert len(expected[0]) == 5
    assert rows(hub, HIDDEN) == [(A, B)]


def test_a_fact_of_one_report_changes_the_rows_of_its_matter(hub: Any, put: Put) -> None:
    def shown(columns: str) -> dict[str, Any]:
        return {row[0][-1]: row[1:] for row in rows(hub, f"SELECT report_id, {columns} FROM hub.cases FINAL")}

    put(ROUTED, LOG[:3])
    put(PROGRESS, STEPS[:3])
    assert shown("retold_at")["a"] == ("None",)
    put(ROUTED, LOG[3:4])
    assert shown("retold_at")["a"] == ("2025-03-08 04:00:00",)
    assert shown("matter_id, review_matter")["c"] == (C, A)
    put(ROUTED, LOG[6:7])  # who told it first asks to be hidden
    assert shown("matter_id, confidential, relation")["a"] == (A, "True", "new")
    assert shown("matter_id, linked_to")["b"] == (B, "None")
    assert shown("matter_id, linked_to")["d"] == (B, B)
    assert shown("review_matter")["c"] == ("None",)
    put(ROUTED, [change("unlinked", "d", matter_id=D, from_matter_id=A)])
    assert shown("matter_id, relation, ruling")["d"] == (D, "new", "unlinked")


def test_a_report_keeps_its_place_when_a_revision_tells_another_time(hub: Any, put: Put) -> None:
    put(ROUTED, [LOG[1]])
    put(ROUTED, [LOG[-1]])
    assert rows(hub, "SELECT count(), uniqExact(first_day), max(day) FROM hub.cases") == [("2", "1", "2026-04-07")]
    assert rows(hub, "SELECT count(), any(day) FROM hub.cases FINAL") == [("1", "2026-04-07")]


def test_other_rules_or_an_empty_table_are_computed_anew_once(hub: Any, put: Put) -> None:
    put(ROUTED, LOG)
    put(PROGRESS, STEPS)
    expected = stored(hub)
    hub.command("TRUNCATE TABLE hub.cases")
    hub.command("TRUNCATE TABLE hub.members")
    assert not Cases(hub).rebuild(lambda: False)
    assert Cases(hub).rebuild()
    assert stored(hub) == expected == told(hub)
    assert not Cases(hub).rebuild()


def test_a_clock_that_was_set_back_does_not_bring_old_rows_back(hub: Any, put: Put) -> None:
    put(ROUTED, [LOG[0]])
    hub.command("INSERT INTO hub.cases SELECT * REPLACE (_version + 3600000000 AS _version) FROM hub.cases FINAL")
    put(PROGRESS, [STEPS[2]])
    assert rows(hub, "SELECT closed_at FROM hub.cases FINAL") == [("2025-03-06 04:00:00",)]


def test_what_rows_are_about(hub: Any) -> None:
    log, steps = facts()
    both: Iterable[Row] = [row for record in log + steps for row in record]
    assert touched(both) == {A, B, C, D, E}
    assert touched([]) == set()
