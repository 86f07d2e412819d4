"""State is the fold of the decision log: deciding, rebuilding, chunking and crashing all lead to the same."""

import copy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import report_id
from schemas.records import Report
from schemas.topics import MAX_RECORD_BYTES, REPLAY_HEADER
from streams.chunks import ChunkDecider, Outputs, RoutedEncoder
from streams.decide import Decider, Origin
from streams.state import PartitionState
from tests.streams.make import CODEC, DAY, HOUR, PROFILE, START, UNHURRIED, Record, records, report, rid

TOPIC = "intake.hotline12345"
DECIDER = ChunkDecider(PROFILE, CODEC)
#: Reads the whole responsibility list: one for all examples.
RULES = Decider(PROFILE)
OF_NOBODY = report_id("hotline12345", "demo-nobody", "1")
OF_WECHAT = report_id("hotline12345", "demo-wechat", "1")


@st.composite
def report_lists(draw: st.DrawFn) -> list[Report]:
    """Reports with much in common: ids, persons, places, kinds and times meet often; 600 days make some be forgotten."""
    few = st.integers(0, 3)
    made = []
    for _ in range(draw(st.integers(0, 30))):
        when = START + draw(st.integers(0, 5)) * draw(st.sampled_from([HOUR, 120 * DAY]))
        made.append(
            report(
                draw(st.integers(0, 12)),
                content_hash=draw(st.sampled_from(["a", "b"])),
                reporter_key=draw(st.sampled_from([None, "p1", "p2", "p3", "p4", "p5", "p6"])),
                community_code=f"37021200100{draw(few)}",
                matter_kind=draw(st.sampled_from(["noise", "garbage", ""])),
                appeal_type=draw(st.sampled_from(["complaint", "complaint", "alarm", "consult"])),
                device_id=draw(st.sampled_from(["camera-1", "camera-2"])),
                confidential=draw(st.sampled_from([False, False, True])),
                reported_at=when,
                received_at=when,
            )
        )
    return made


def of_wechat(one: Report) -> Report:
    """The same report, come by WeChat."""
    return {**one, "feed": "wechat", "channel": "demo-wechat", "report_id": rid(one["upstream_id"], "wechat")}


def fold(log: list[bytes]) -> PartitionState:
    state = PartitionState()
    for value in log:
        subject, record = CODEC.decode(value)
        state.apply_change(record) if subject == "change" else state.apply(record)  # type: ignore[arg-type]
    return state


def values(outputs: Outputs) -> list[bytes]:
    return [value for _, value in outputs.routed]


def decide_all(reports: list[Report]) -> tuple[PartitionState, list[bytes]]:
    state = PartitionState()
    return state, values(DECIDER.run(state, TOPIC, 0, records(reports)))


@UNHURRIED
@given(report_lists())
def test_folding_the_log_gives_the_state_that_deciding_left(reports: list[Report]) -> None:
    state, log = decide_all(reports)
    assert fold(log) == state


@UNHURRIED
@given(report_lists(), st.lists(st.integers(0, 30), max_size=5))
def test_any_cut_into_chunks_gives_the_same_decisions(reports: list[Report], cuts: list[int]) -> None:
    state, log = PartitionState(), []
    all_records = records(reports)
    bounds = [0, *sorted(min(c, len(reports)) for c in cuts), len(reports)]
    for begin, end in pairwise(bounds):
        log += values(DECIDER.run(state, TOPIC, 0, all_records[begin:end]))
    assert (state, log) == decide_all(reports)


@UNHURRIED
@given(report_lists(), st.data())
def test_a_crash_after_any_prefix_of_the_log_leads_to_the_same_log(reports: list[Report], data: st.DataObject) -> None:
    """Whatever was committed: all records come again, the durable ones are known from the log."""
    state, log = decide_all(reports)
    durable = log[: data.draw(st.integers(0, len(log)))]
    rebuilt = fold(durable)
    assert durable + values(DECIDER.run(rebuilt, TOPIC, 0, records(reports))) == log
    assert rebuilt == state


@UNHURRIED
@given(report_lists())
def test_deciding_offsets_a_second_time_gives_nothing_and_changes_nothing(reports: list[Report]) -> None:
    state, log = decide_all(reports)
    before = copy.deepcopy(state)
    assert DECIDER.run(state, TOPIC, 0, records(reports)) == Outputs()
    assert state == before
    for value in log:
        state.apply(CODEC.routed_report(value))
    assert state == before


@UNHURRIED
@given(report_lists())
def test_the_last_content_of_each_report_sent_again_within_the_memory_is_replays_only(reports: list[Report]) -> None:
    reports = [{**r, "reported_at": START, "received_at": START} for r in reports]
    state, _ = decide_all(reports)
    latest = list({r["report_id"]: r for r in reports}.values())
    again = DECIDER.run(state, TOPIC, 0, records(latest, first=len(reports)))
    assert {CODEC.routed_report(v)["outcome"] for v in values(again)} <= {"replay"}
    assert len(again.routed) == len(latest)
    assert again.alerts == []


@UNHURRIED
@given(report_lists())
def test_nothing_is_ever_linked_to_a_report_that_was_confidential_once(reports: list[Report]) -> None:
    hidden: set[str] = set()
    for routed in map(CODEC.routed_report, decide_all(reports)[1]):
        name = routed["report"]["report_id"]
        if routed["relation"] in ("new", "joined", "repeat", "episode"):
            hidden.discard(name)  # seen for the first time, or again after it was forgotten
            assert routed["linked_to"] not in hidden
        if routed["report"]["confidential"] and routed["outcome"] == "routed":
            hidden.add(name)
        if name in hidden:
            assert routed["matter_id"] == name


@UNHURRIED
@given(report_lists())
def test_deciding_leaves_the_state_alone(reports: list[Report]) -> None:
    state, _ = decide_all(reports)
    before = copy.deepcopy(state)
    for number, one in enumerate(reports):
        RULES.decide(state, one, Origin(TOPIC, 0, 1000 + number))
    assert state == before


@UNHURRIED
@given(report_lists(), report_lists(), st.data())
def test_two_topics_interleaved_anew_after_a_crash_give_one_outcome_for_each_offset(
    one: list[Report], other: list[Report], data: st.DataObject
) -> None:
    feeds = {TOPIC: records(one), "intake.wechat": records([of_wechat(r) for r in other])}
    first, then = data.draw(st.permutations(list(feeds)))
    state = PartitionState()
    log = values(DECIDER.run(state, first, 0, feeds[first])) + values(DECIDER.run(state, then, 0, feeds[then]))
    durable = log[: data.draw(st.integers(0, len(log)))]
    rebuilt = fold(durable)
    after = [v for topic in (then, first) for v in values(DECIDER.run(rebuilt, topic, 0, feeds[topic]))]
    found = [CODEC.routed_report(value) for value in durable + after]
    assert sorted((r["intake_topic"], r["intake_offset"]) for r in found) == sorted(
        (topic, record.offset) for topic, many in feeds.items() for record in many
    )
    assert fold(durable + after) == rebuilt


def test_the_first_decision_on_an_offset_wins() -> None:
    state = PartitionState()
    routed = RULES.decide(state, report(1), Origin(TOPIC, 0, 0)).routed
    state.apply(routed)
    before = copy.deepcopy(state)
    state.apply({**routed, "matter_id": "another", "report": report(2)})
    assert state == before


@settings(UNHURRIED, max_examples=50)
@given(report_lists(), st.binary(max_size=20))
def test_the_appended_report_is_what_encoding_it_would_give(reports: list[Report], sealed: bytes) -> None:
    encoder = RoutedEncoder(CODEC)
    for one in reports:
        full: Report = {**one, "sealed": sealed, "extra": {"键": "值"}, "attachments": ["甲", "乙"]}
        routed = RULES.decide(PartitionState(), full, Origin(TOPIC, 3, 7)).routed
        assert encoder.encode(routed, CODEC.encode("report", full)) == CODEC.encode("routed_report", routed)


def test_a_report_of_another_schema_id_is_encoded_anew() -> None:
    routed = RULES.decide(PartitionState(), report(1), Origin(TOPIC, 0, 0)).routed
    assert RoutedEncoder(CODEC).encode(routed, b"\0\0\0\0\7old") == CODEC.encode("routed_report", routed)


def letter(value: bytes | None, *headers: tuple[str, bytes]) -> Any:
    """The dead letter that one record leads to."""
    outputs = DECIDER.run(PartitionState(), TOPIC, 2, [Record(5, value, headers=headers)])
    assert outputs.routed == []
    [(_, encoded)] = outputs.dead_letters
    return CODEC.dead_letter(encoded)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"not avro at all", "bad_wire_format"),
        (b"", "bad_wire_format"),
        (None, "bad_wire_format"),
        (b"\0\0\0\x27\x0f rest", "unknown_schema"),
        (CODEC.encode("report", report())[:-4], "bad_record"),
        (CODEC.encode("report", report()) + b"x", "bad_record"),
        (CODEC.encode("report", report(feed="wechat")), "bad_record"),
        (CODEC.encode("report", report(report_id="")), "bad_record"),
        (CODEC.encode("report", report(report_id=rid(2))), "bad_record"),
        (CODEC.encode("report", report(channel="demo-nobody", report_id=OF_NOBODY)), "unknown_channel"),
        (CODEC.encode("report", report(channel="demo-wechat", report_id=OF_WECHAT)), "unknown_channel"),
        (CODEC.encode("report", report(content_hash="")), "bad_record"),
        (CODEC.encode("report", report(place_key="")), "bad_record"),
        (CODEC.encode("report", report(reported_at=0)), "bad_time"),
        (CODEC.encode("report", report(received_at=START * 1000)), "bad_time"),
        (CODEC.encode("report", report(lon=None)), "bad_location"),
        (CODEC.encode("report", report(lat=float("nan"))), "bad_location"),
        (CODEC.encode("report", report(lon=181.0)), "bad_location"),
        (CODEC.encode("report", report(content="长" * MAX_RECORD_BYTES)), "too_large"),
    ],
)
def test_a_bad_record_becomes_a_dead_letter_with_its_bytes_origin_and_reason(value: bytes | None, code: str) -> None:
    found = letter(value)
    assert (found["reason_code"], found["stage"], found["feed"]) == (code, "worker", "hotline12345")
    assert found["original"] == (value or b"")
    assert (found["origin_topic"], found["origin_partition"], found["origin_offset"]) == (TOPIC, 2, 5)
    assert (found["key"], found["failed_at"]) == (b"370212001", START)
    assert found == letter(value), "the same letter each time"


def test_a_bad_record_stops_none_of_its_chunk() -> None:
    chunk = records([report(1), report(2), report(3)])
    chunk[1].value = b"poison"
    outputs = DECIDER.run(PartitionState(), TOPIC, 0, chunk)
    assert [CODEC.routed_report(v)["intake_offset"] for v in values(outputs)] == [0, 2]
    assert len(outputs.dead_letters) == 1


def test_no_reason_of_a_dead_letter_holds_a_value_of_the_record() -> None:
    secret = "13800000000"
    for bad in ({"feed": secret}, {"report_id": "", "title": secret}, {"reported_at": int(secret)}):
        assert secret not in letter(CODEC.encode("report", report(**bad)))["reason"]


@pytest.mark.parametrize(
    ("header", "count"),
    [((), 0), ((b"3",), 3), ((b"3", b"4"), 3), ((b"many",), 0), ((b"",), 0), ((b"9" * 40,), 0), ((b"-1",), 0)],
)
def test_a_letter_says_how_often_it_was_played_again(header: tuple[bytes, ...], count: int) -> None:
    assert letter(b"poison", *((REPLAY_HEADER, value) for value in header))["replay_count"] == count
