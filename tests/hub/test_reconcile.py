"""The account of offsets: any hole and any double is found, whatever the order of the rows."""

from hypothesis import given
from hypothesis import strategies as st

from hub.kafka_admin import OffsetRange
from hub.reconcile import Account, account_for, account_for_messages, sentences

Rows = list[tuple[int, int, str]]
OUTCOMES = st.sampled_from(["routed", "replay", "dead_letter"])


@st.composite
def complete(draw: st.DrawFn) -> tuple[dict[int, OffsetRange], Rows]:
    """Offset ranges with exactly one outcome for each offset, in any order."""
    ranges, rows = {}, []
    for partition in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, 50))
        end = begin + draw(st.integers(0, 20))
        ranges[partition] = OffsetRange(begin, end)
        rows += [(partition, offset, draw(OUTCOMES)) for offset in range(begin, end)]
    return ranges, draw(st.permutations(rows))


@given(complete())
def test_one_outcome_for_each_offset_is_good(case: tuple[dict[int, OffsetRange], Rows]) -> None:
    ranges, rows = case
    account = account_for("intake.a", ranges, rows)
    assert account.good
    assert account.records == len(rows) == account.routed + account.replay + account.dead_letter


@given(complete(), st.data())
def test_a_lost_offset_is_named(case: tuple[dict[int, OffsetRange], Rows], data: st.DataObject) -> None:
    ranges, rows = case
    if not rows:
        return
    lost = data.draw(st.sampled_from(rows))
    account = account_for("intake.a", ranges, [row for row in rows if row != lost])
    assert not account.good
    assert account.without_outcome == [f"{lost[0]}/{lost[1]}"]


@given(complete(), st.data())
def test_a_second_outcome_is_named(case: tuple[dict[int, OffsetRange], Rows], data: st.DataObject) -> None:
    ranges, rows = case
    if not rows:
        return
    partition, offset, _ = data.draw(st.sampled_from(rows))
    account = account_for("intake.a", ranges, [*rows, (partition, offset, "dead_letter")])
    assert not account.good
    assert account.with_several == [f"{partition}/{offset}"]


def test_offsets_that_kafka_has_expired_are_left_out() -> None:
    account = account_for("intake.a", {0: OffsetRange(5, 6)}, [(0, 4, "routed"), (0, 5, "routed"), (7, 1, "routed")])
    assert account.good
    assert (account.records, account.routed) == (1, 1)


def test_records_not_stored_yet_are_said() -> None:
    account = Account([], {"progress": 3, "routed": 0})
    assert not account.good
    assert sentences(account) == ["progress: 3 record(s) not stored yet"]


LOG = [(0, 0, "a"), (0, 1, "b"), (0, 2, "a"), (1, 0, "c"), (1, 1, None), (1, 2, "d")]


def test_a_message_stands_in_one_report_or_came_before_or_has_its_letter() -> None:
    account = account_for_messages("messages.a", LOG, {"a": 1, "b": 1, "c": 1}, {(1, 1), (1, 2)})
    assert account.good
    assert (account.records, account.routed, account.replay, account.dead_letter) == (6, 3, 1, 2)


def test_a_message_in_no_report_or_in_two_is_named() -> None:
    account = account_for_messages("messages.a", LOG, {"a": 2, "b": 1}, {(1, 2)})
    assert (account.with_several, account.without_outcome) == (["0/0"], ["1/0", "1/1"])
    whole = Account([], {}, [account])
    assert not whole.good
    assert sentences(whole) == [
        "messages.a: 2 offset(s) with no outcome (partition/offset 1/0, 1/1)",
        "messages.a: 1 offset(s) with more than one outcome (partition/offset 0/0)",
    ]
    assert whole.as_json()["messages"][0]["replay"] == 1
