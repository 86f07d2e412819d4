"""Batches: every row once, in order, never of two tables, partitions or years; the token is the content."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.batches import Batch, split
from sinks.rows import Row

ROWS = st.lists(
    st.tuples(st.sampled_from(["hub.routed", "hub.progress"]), st.sampled_from(["2024", "2025", "2026"]), st.text())
).map(
    lambda drawn: [
        Row(table, year, offset, 0, None, (offset, text)) for offset, (table, year, text) in enumerate(drawn)
    ]
)


@given(ROWS, st.integers(1, 5))
def test_every_row_is_in_one_batch_of_its_table_and_year_in_the_order_of_the_log(rows: list[Row], most: int) -> None:
    batches = split("routed", 2, rows, most)
    assert sorted(row.offset for batch in batches for row in batch.rows) == [row.offset for row in rows]
    for batch in batches:
        assert 1 <= len(batch.rows) <= most
        assert {(row.table, row.table_partition) for row in batch.rows} == {(batch.table, batch.table_partition)}
        assert [row.offset for row in batch.rows] == sorted(row.offset for row in batch.rows)


@given(ROWS.filter(lambda rows: len(rows) > 1))
def test_the_halves_of_a_batch_are_the_batch(rows: list[Row]) -> None:
    batch = Batch("routed", 0, "hub.routed", "2025", tuple(rows))
    left, right = batch.halves()
    assert left.rows + right.rows == batch.rows
    assert left.rows
    assert right.rows
    assert len({batch.token, left.token, right.token}) == 3


@given(ROWS, ROWS)
def test_two_batches_have_one_token_only_if_they_hold_the_same(one: list[Row], other: list[Row]) -> None:
    tokens = [{batch.token: batch for batch in split("routed", 0, rows, 100)} for rows in (one, other)]
    for token, batch in tokens[0].items():
        assert (token in tokens[1]) == any(batch == found for found in tokens[1].values())


def test_the_token_tells_where_the_batch_came_from() -> None:
    rows = [Row("hub.routed", "2025", offset, 0, None, (offset,)) for offset in (7, 9)]
    (batch,) = split("routed", 4, rows, 10)
    assert batch.token.startswith("routed/4/hub.routed/2025/7-9/")
    (elsewhere,) = split("routed", 5, rows, 10)
    assert elsewhere.token != batch.token
