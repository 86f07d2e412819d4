"""Several messages of one person within minutes become one report, whatever their order, once each."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import digest_id
from schemas.records import Report
from schemas.topics import MAX_RECORD_BYTES
from streams.assembly import MOST_PARTS, Assembler, Sessions, combine
from streams.chunks import Outputs
from streams.state import KEEP_MS
from tests.streams.make import CODEC, DAY, MINUTE, PROFILE, START, UNHURRIED, Record, records, report, rid

TOPIC = "messages.wechat"
ASSEMBLER = Assembler(PROFILE, CODEC)
NOWHERE = dict.fromkeys(("street_code", "community_code", "lon", "lat", "location_method", "address"), None)
#: Fields that tell which message came first, or last.
BY_ARRIVAL = {"report_id": "", "upstream_id": "", "sealed": None}


def message(number: int, minutes: float = 0, **changes: Any) -> Report:
    """A message of one person, `minutes` after the start; it names no place."""
    at = round(START + minutes * MINUTE)
    given = {
        "reporter_key": "a" * 32,
        "place_key": "text:-",
        "matter_kind": "",
        "content": f"第{number}条",
        "title": "",
    }
    own = {"reported_at": at, "received_at": at + 200, "sealed": b"sealed %d" % number, "appeal_type": "other"}
    return report(number, **{"feed": "wechat", **NOWHERE, **given, **own, **changes})


def passed_on(outputs: Outputs) -> list[Report]:
    assert not outputs.dead_letters
    return [CODEC.report(value) for _, value in outputs.reports]


def assembled(messages: list[Report], sessions: Sessions | None = None, first: int = 0) -> list[Report]:
    """Every revision passed on, in order."""
    found = sessions if sessions is not None else Sessions()
    return passed_on(ASSEMBLER.run(found, "wechat", TOPIC, 0, records(messages, first)))


def final(revisions: list[Report]) -> dict[str, Report]:
    """The last revision of each report."""
    return {revision["report_id"]: revision for revision in revisions}


def parts_of(one: Report) -> list[str]:
    return one["part_ids"] or [one["report_id"]]


def ids(*numbers: int) -> list[str]:
    return [rid(number, "wechat") for number in numbers]


TEXT = message(1, 0, matter_kind="lamp", content="路灯不亮了", family="livelihood")
PHOTO = message(2, 1, content="", attachments=["m-1"], extra={"message_type": "image"})
PLACE = message(
    3, 3, content="", address="示例路", street_code="370212005", community_code="370212005001", place_key="370212005",
    lon=120.47, lat=36.1, location_method="coordinates", location_confidence=1.0, extra={"message_type": "location"},
)  # fmt: skip


def test_a_text_a_photo_and_a_place_are_one_report_under_the_id_of_the_first() -> None:
    first, second, third = assembled([TEXT, PHOTO, PLACE])
    assert first == TEXT
    assert {one["report_id"] for one in (first, second, third)} == {rid(1, "wechat")}
    assert (second["part_ids"], third["part_ids"]) == (ids(1, 2), ids(1, 2, 3))
    assert (third["content"], third["attachments"], third["matter_kind"]) == ("路灯不亮了", ["m-1"], "lamp")
    assert (third["street_code"], third["lon"], third["place_key"]) == ("370212005", 120.47, "370212005")
    assert (third["reported_at"], third["received_at"]) == (TEXT["reported_at"], PLACE["received_at"])
    assert third["extra"] == {"message_type": "image, location"}
    assert [one["sealed"] for one in (first, second, third)] == [b"sealed 1", b"sealed 2", b"sealed 3"]
    assert third["content_hash"] == digest_id("hash-1", "hash-2", "hash-3")


def test_a_first_message_goes_on_as_the_bytes_it_came_in_under_its_own_place() -> None:
    [record] = records([PLACE])
    outputs = ASSEMBLER.run(Sessions(), "wechat", TOPIC, 0, [record])
    assert outputs.reports == [(b"370212005", record.value)]


messages_near = st.lists(st.integers(0, 10), min_size=1, max_size=7).map(
    lambda minutes: [
        message(
            number,
            minute,
            matter_kind=["", "noise", "lamp"][number % 3],
            location_method=[None, "text", "coordinates", "sea"][(number * 7) % 4],
            place_key=f"37021200{number % 3}",
            confidential=number % 5 == 4,
            appeal_type=["other", "complaint"][number % 2],
            attachments=[f"m-{number % 2}"],
            extra={"message_type": ["text", "image"][number % 2]},
        )
        for number, minute in enumerate(minutes)
    ]
)


@UNHURRIED
@given(messages_near, st.data())
def test_messages_near_each_other_give_the_same_report_in_any_order(found: list[Report], data: st.DataObject) -> None:
    [usual] = final(assembled(found)).values()
    [other] = final(assembled(data.draw(st.permutations(found)))).values()
    assert {**other, **BY_ARRIVAL} == {**usual, **BY_ARRIVAL}


@st.composite
def arrivals(draw: st.DrawFn) -> list[Report]:
    """Messages of three people on two days, some of them again, in any order."""
    count = draw(st.integers(1, 20))
    made = [
        message(
            number,
            draw(st.integers(0, 60)) + draw(st.sampled_from([0, 24 * 60])),
            reporter_key=draw(st.sampled_from(["a" * 32, "b" * 32, None])),
        )
        for number in range(count)
    ]
    return draw(st.permutations(made + draw(st.lists(st.sampled_from(made), max_size=5))))


@UNHURRIED
@given(arrivals())
def test_every_message_stands_in_exactly_one_report_and_no_report_is_torn(found: list[Report]) -> None:
    reports = final(assembled(found))
    held = [part for one in reports.values() for part in parts_of(one)]
    assert sorted(held) == sorted({one["report_id"] for one in found})
    times = {one["report_id"]: one["reported_at"] for one in found}
    for one in reports.values():
        at = [times[part] for part in parts_of(one)]
        assert at == sorted(at), "in order of time"
        assert all(later - earlier <= 10 * MINUTE for earlier, later in pairwise(at))


@UNHURRIED
@given(arrivals(), st.data())
def test_a_message_sent_again_changes_nothing(found: list[Report], data: st.DataObject) -> None:
    sessions = Sessions()
    assembled(found, sessions)
    again = data.draw(st.lists(st.sampled_from(found)))
    assert assembled(again, sessions) == []


@UNHURRIED
@given(arrivals(), st.data())
def test_after_a_crash_the_rest_of_the_log_gives_what_it_gave_before(found: list[Report], data: st.DataObject) -> None:
    log = records(found)
    at = data.draw(st.integers(0, len(log)))
    whole, rebuilt = Sessions(), Sessions()
    before = ASSEMBLER.run(whole, "wechat", TOPIC, 0, log[:at])
    after = ASSEMBLER.run(whole, "wechat", TOPIC, 0, log[at:])
    take = ASSEMBLER.fold(rebuilt, "wechat")
    for record in log[:at]:
        take(record)
    assert ASSEMBLER.run(rebuilt, "wechat", TOPIC, 0, log[at:]).reports == after.reports
    assert rebuilt == whole
    together = ASSEMBLER.run(Sessions(), "wechat", TOPIC, 0, log)
    assert before.reports + after.reports == together.reports


def test_a_late_message_joins_the_report_of_its_own_time() -> None:
    day_later = message(2, 24 * 60)
    late = message(3, 5)
    reports = final(assembled([message(1), day_later, late]))
    assert [parts_of(one) for one in reports.values()] == [ids(1, 3), ids(2)]


def test_the_chain_goes_on_from_the_nearest_message_and_breaks_after_the_minutes() -> None:
    reports = final(assembled([message(1, 0), message(2, 9), message(3, 18), message(4, 28.1)]))
    assert [parts_of(one) for one in reports.values()] == [ids(1, 2, 3), ids(4)]


@pytest.mark.parametrize(("minute", "joins"), [(8, 1), (11, 2), (9, 1)])
def test_a_message_between_two_reports_joins_the_nearer_and_they_stay_two(minute: float, joins: int) -> None:
    reports = final(assembled([message(1, 0), message(2, 18), message(3, minute)]))
    held = {tuple(sorted(parts_of(one))) for one in reports.values()}
    assert held == {tuple(sorted(ids(joins, 3))), tuple(ids(3 - joins))}


@pytest.mark.parametrize("other", [{"reporter_key": "b" * 32}, {"reporter_key": None}])
def test_another_person_begins_another_report(other: dict[str, Any]) -> None:
    assert len(final(assembled([message(1), message(2, 1, **other), message(3, 1, **other)]))) >= 2


def test_messages_of_nobody_known_are_never_joined() -> None:
    assert len(final(assembled([message(1, reporter_key=None), message(2, reporter_key=None)]))) == 2


def test_the_same_person_in_another_channel_begins_another_report() -> None:
    second = replace(PROFILE.channels["demo-wechat"], id="mini")
    profile = replace(PROFILE, channels={**PROFILE.channels, "mini": second})
    one, other = message(1), message(2, 1, channel="mini")
    other["report_id"] = "wechat-" + digest_id("wechat", "mini", "2")
    outputs = Assembler(profile, CODEC).run(Sessions(), "wechat", TOPIC, 0, records([one, other]))
    assert len(final(passed_on(outputs))) == 2


def test_a_channel_that_does_not_assemble_any_more_passes_every_message_on() -> None:
    single = replace(PROFILE.channels["demo-wechat"], assemble_minutes=0.0)
    profile = replace(PROFILE, channels={**PROFILE.channels, "demo-wechat": single})
    outputs = Assembler(profile, CODEC).run(Sessions(), "wechat", TOPIC, 0, records([message(1), message(2)]))
    assert [one["part_ids"] for one in passed_on(outputs)] == [[], []]


def test_what_is_confidential_once_stays_so_and_shows_nobody() -> None:
    secret = message(2, 1, confidential=True, reporter_mask=None, appeal_type="report")
    last = assembled([message(1), secret, message(3, 2)])[-1]
    assert (last["confidential"], last["reporter_mask"], last["appeal_type"]) == (True, None, "report")


@pytest.mark.parametrize(
    ("better", "worse"),
    [("coordinates", "name"), ("sea", "text"), ("name", "gazetteer"), ("gazetteer", "text"), ("text", "outside"),
     ("outside", None)],
)  # fmt: skip
@pytest.mark.parametrize("turned", [False, True])
def test_the_part_whose_place_is_surest_tells_the_place(better: str, worse: str | None, turned: bool) -> None:
    parts = [
        message(1, 1 if turned else 0, location_method=worse, place_key="370212001", address="甲"),
        message(2, 0 if turned else 1, location_method=better, place_key="370212002", location_confidence=0.9),
    ]
    found = combine(parts, parts[0]["report_id"], parts[1])
    assert (found["location_method"], found["place_key"], found["address"]) == (better, "370212002", "甲")


def test_of_two_places_found_in_one_way_the_surer_counts_then_the_first() -> None:
    parts = [message(n, n, location_method="text", place_key=f"37021200{n}", location_confidence=c)
             for n, c in ((1, 0.4), (2, 0.7), (3, 0.7))]  # fmt: skip
    assert combine(parts, parts[0]["report_id"], parts[2])["place_key"] == "370212002"


def test_a_report_that_is_full_is_followed_by_another() -> None:
    reports = final(assembled([message(n, n / 60) for n in range(MOST_PARTS + 2)]))
    assert [len(parts_of(one)) for one in reports.values()] == [MOST_PARTS, 2]


@settings(UNHURRIED, max_examples=10)
@given(st.lists(st.integers(1, 600_000), min_size=2, max_size=6))
def test_no_revision_is_larger_than_a_record_may_be(sizes: list[int]) -> None:
    found = [message(n, n, content="x" * size, sealed=b"s" * (size // 4)) for n, size in enumerate(sizes)]
    outputs = ASSEMBLER.run(Sessions(), "wechat", TOPIC, 0, records(found))
    assert len(outputs.reports) == len(found)
    assert all(len(value) <= MAX_RECORD_BYTES for _, value in outputs.reports)


def test_messages_are_forgotten_with_the_matching_state_and_leave_nothing_behind() -> None:
    sessions = Sessions()
    assembled([message(1), message(2, 1), message(3, KEEP_MS / MINUTE + 5)], sessions)
    only = Sessions()
    assembled([message(3, KEEP_MS / MINUTE + 5)], only)
    assert sessions == only


def test_a_clock_that_runs_ahead_makes_nothing_be_forgotten() -> None:
    sessions = Sessions()
    early = message(1)
    ahead = message(2, 10 * KEEP_MS / MINUTE, received_at=early["received_at"] + DAY)
    assert assembled([early, ahead, early], sessions) == [early, ahead]


def test_a_message_that_breaks_the_contract_becomes_a_dead_letter_and_stops_nothing() -> None:
    chunk = [*records([message(1)]), Record(1, b"no avro", key=b"who"), *records([message(2, 1)], 2)]
    outputs = ASSEMBLER.run(Sessions(), "wechat", TOPIC, 3, chunk)
    assert [CODEC.report(value)["part_ids"] for _, value in outputs.reports] == [[], ids(1, 2)]
    [(key, encoded)] = outputs.dead_letters
    letter = CODEC.dead_letter(encoded)
    assert (key, letter["original"], letter["key"]) == (TOPIC.encode(), b"no avro", b"who")
    assert (letter["origin_topic"], letter["origin_partition"], letter["origin_offset"]) == (TOPIC, 3, 1)
    assert (letter["reason_code"], letter["stage"], letter["feed"]) == ("bad_wire_format", "worker", "wechat")
