"""Cases, closures and surges in the worker's state: the same by deciding, by reading the log back, and after any crash."""

import copy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.ids import digest_id
from schemas.records import Alert, Change, Progress, Report, RoutedReport, Ruling
from streams import state as state_module
from streams.chunks import ChunkDecider, Outputs
from streams.state import OffsetSet, PartitionState
from tests.streams.make import CODEC, DAY, HOUR, MINUTE, PROFILE, START, UNHURRIED, Record, report, rid
from tests.streams.test_cases import told

INTAKE = "intake.hotline12345"
DECIDER = ChunkDecider(PROFILE, CODEC)
#: A chunk's topic and records.
Chunk = tuple[str, list[Record]]


def step(number: int, name: str, at: int, **changes: Any) -> Progress:
    """A step of the case of `report(number)`; the same call gives the same record."""
    identity = digest_id(str(number), name, str(at), str(sorted(changes.items())))
    return told(name, at, report_id=rid(number), upstream_id=str(number), progress_id=identity, **changes)


#: A field that only records of one subject have, the subject, and the topic it comes by.
_TOPICS = (("step", "progress", topics.PROGRESS), ("action", "ruling", topics.RULINGS))


class Log:
    """Reports, steps and rulings in the order in which a worker takes them, and what it writes of them."""

    def __init__(self, state: PartitionState | None = None) -> None:
        self.state = state or PartitionState()
        self.chunks: list[Chunk] = []
        self.values: list[bytes] = []
        self.alerts: list[Alert] = []
        self._offsets = {INTAKE: 0, topics.PROGRESS: 0, topics.RULINGS: 0}

    def take(self, *records: Report | Progress | Ruling) -> list[Any]:
        """Decide each in a chunk of its own; the records that came into the log."""
        first = len(self.values)
        for one in records:
            subject, topic = next((of for key, *of in _TOPICS if key in one), ("report", INTAKE))
            record = Record(self._offsets[topic], CODEC.encode(subject, one))  # type: ignore[arg-type]
            self._offsets[topic] += 1
            self.run((topic, [record]))
        return [CODEC.decode(value)[1] for value in self.values[first:]]

    def run(self, chunk: Chunk) -> Outputs:
        self.chunks.append(chunk)
        outputs = DECIDER.run(self.state, chunk[0], 0, chunk[1])
        assert outputs.dead_letters == []
        self.values += [value for _, value in outputs.routed]
        self.alerts += [CODEC.alert(value) for _, value in outputs.alerts]
        return outputs


def fold(values: list[bytes]) -> PartitionState:
    state = PartitionState()
    for value in values:
        subject, record = CODEC.decode(value)
        state.apply_change(record) if subject == "change" else state.apply(record)  # type: ignore[arg-type]
    return state


def kinds(records: list[Any]) -> list[tuple[str, str]]:
    """Change and reason, or relation and agency."""
    return [
        (one["change"], one["reason"]) if "change" in one else (one["relation"], one["agency_code"] or "")
        for one in records
    ]


def later(number: int, days: float, **changes: Any) -> Report:
    """A report of something else: it only moves the time on."""
    at = START + round(days * DAY)
    return report(
        number, title="", content="", community_code=None, lon=None, lat=None, matter_kind="", reported_at=at,
        received_at=at, **changes,
    )  # fmt: skip


# -- the life of a case ----------------------------------------------------------------------------------------------


def test_a_case_is_closed_at_its_step_and_finished_when_it_is_rated() -> None:
    log = Log()
    (first,) = log.take(report(1))
    assert first["list_version"] == PROFILE.named_list
    changes: list[Change] = log.take(
        step(1, "dispatch", START + HOUR),
        step(1, "accept", START + HOUR),
        step(1, "close", START + DAY),
        step(1, "rate", START + 2 * DAY, satisfaction="satisfied"),
    )
    assert kinds(changes) == [("noted", "step"), ("closed", "step"), ("finished", "rated")]
    assert [(c["intake_offset"], c["number"]) for c in changes] == [(0, 0), (2, 0), (3, 0)]
    assert all(c["matter_id"] == rid(1) and c["report_ids"] == [rid(1)] for c in changes)
    case = log.state.reports[rid(1)].case
    assert (case.closed_at, case.finished_at) == (START + DAY, START + 2 * DAY)


def test_a_case_that_nobody_rates_is_finished_by_the_time_of_the_log_under_the_step_that_closed_it() -> None:
    log = Log()
    log.take(report(1), step(1, "close", START))
    assert kinds(log.take(later(2, 6.9))) == [("new", "")]
    new, finished = log.take(later(3, 7.1))
    assert kinds([new, finished]) == [("new", ""), ("finished", "rating_timeout")]
    assert (finished["intake_topic"], finished["intake_offset"], finished["number"]) == ("progress", 0, 2)
    assert finished["changed_at"] == finished["case"]["finished_at"] == START + 7 * DAY
    assert kinds(log.take(later(4, 30))) == [("new", "")], "once"


def test_a_cancelled_case_is_finished_at_once_and_a_reopened_one_is_never_finished_by_an_old_end() -> None:
    log = Log()
    log.take(report(1))
    assert kinds(log.take(step(1, "cancel", START + 9 * DAY))) == [("closed", "step"), ("finished", "step")]
    assert kinds(log.take(step(1, "redo", START + 10 * DAY))) == [("reopened", "step")]
    assert kinds(log.take(step(1, "close", START + 11 * DAY))) == [("closed", "step")]
    assert kinds(log.take(step(1, "redo", START + 12 * DAY))) == [("reopened", "step")]
    assert kinds(log.take(later(2, 40))) == [("new", "")]
    assert log.state.reports[rid(1)].case.closed_at is None


def test_a_report_after_closure_is_a_rebound_unless_the_case_was_opened_again() -> None:
    def relation(*steps: Progress) -> str:
        log = Log()
        log.take(report(1), *steps)
        (routed,) = log.take(report(2, reported_at=START + 3 * DAY, received_at=START + 3 * DAY))
        return str(routed["relation"])

    closed = step(1, "close", START + DAY)
    assert relation() == "joined"
    assert relation(closed) == "rebound"
    assert relation(step(1, "close", START + 4 * DAY)) == "joined"
    assert relation(closed, step(1, "redo", START + 2 * DAY)) == "joined"
    assert relation(closed, step(1, "redo", START + 2 * DAY), step(1, "close", START + 2 * DAY)) == "rebound"


def test_steps_that_come_before_their_report_are_taken_in_order_when_it_comes() -> None:
    steps = [step(1, "redispatch", START + HOUR, unit="公安分局"), step(1, "close", START + DAY)]
    early = Log()
    assert kinds(early.take(*steps)) == [("early", "no_report")] * 2
    routed, *changes = early.take(report(1))
    assert routed["agency_code"] == "zhifa", "as the list says"
    assert kinds(changes) == [("reassigned", "step"), ("closed", "step")]
    assert [(c["intake_offset"], c["number"]) for c in changes] == [(0, 1), (1, 1)]
    assert not early.state.early
    in_order = Log()
    in_order.take(report(1), *steps)
    assert early.state.reports[rid(1)].case == in_order.state.reports[rid(1)].case


def test_steps_of_reports_that_never_come_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MOST_EARLY", 3)
    log = Log()
    log.take(*(step(number, "close", START + number) for number in (1, 2, 1, 3)))
    assert set(log.state.early) == {rid(2), rid(3)}
    assert fold(log.values) == log.state


def test_a_case_that_goes_to_and_fro_raises_one_alert_with_the_same_id_each_time() -> None:
    def alerts() -> list[Alert]:
        log = Log()
        log.take(report(1))
        units = ("生态环境分局", "综合行政执法局")
        log.take(*(step(1, "redispatch", START + n * HOUR, unit=unit) for n, unit in enumerate(units)))
        return log.alerts

    (alert,) = alerts()
    assert (alert["rule"], alert["subject_type"], alert["subject"]) == ("ping_pong", "matter", rid(1))
    assert alert["report_ids"] == [rid(1)]
    assert alerts() == [alert]


# -- routes of linked reports -----------------------------------------------------------------------------------------


def test_who_joins_a_matter_goes_to_the_agency_that_has_it_now() -> None:
    log = Log()
    (first,) = log.take(report(1))
    log.take(step(1, "redispatch", START + HOUR, unit="公安分局"))
    (second,) = log.take(report(2, reported_at=START + 2 * HOUR, received_at=START + 2 * HOUR))
    assert (first["agency_code"], second["relation"], second["agency_code"]) == ("zhifa", "joined", "gongan")
    assert second["agency_name"] == PROFILE.agencies["gongan"].name_zh
    assert (second["list_row"], second["list_version"]) == (first["list_row"], PROFILE.named_list)
    (third,) = log.take(report(3, reported_at=START + 3 * HOUR, received_at=START + 3 * HOUR))
    assert third["agency_code"] == "gongan"


def test_who_joins_a_matter_shares_its_clock_until_that_has_run_out() -> None:
    log = Log()
    (first,) = log.take(report(1))
    two = log.take(report(2, reported_at=START + 2 * DAY, received_at=START + 2 * DAY))[0]
    assert (two["relation"], two["due_at"]) == ("joined", first["due_at"])
    after = first["due_at"] + HOUR
    three = log.take(report(3, reported_at=after, received_at=after))[0]
    assert three["relation"] == "joined"
    assert three["due_at"] > after


def test_a_report_told_again_keeps_the_agency_that_its_own_case_went_to() -> None:
    log = Log()
    log.take(report(1))
    (untouched,) = log.take(report(1, matter_kind="garbage", kind_code=None, content_hash="b"))
    assert (untouched["relation"], untouched["agency_code"]) == ("revision", "wg370212001003")
    assert log.state.reports[rid(1)].case.agency == "wg370212001003"
    log.take(step(1, "redispatch", START + HOUR, unit="公安分局"))
    for content in ("c", "c"):
        (again,) = log.take(report(1, content_hash=content))
        assert again["agency_code"] == "gongan"


def test_the_fifth_person_and_all_after_them_have_priority() -> None:
    log = Log()
    routed: list[RoutedReport] = log.take(
        *(report(n, reported_at=START + n * MINUTE, received_at=START + n * MINUTE) for n in range(7))
    )
    assert [one["priority"] for one in routed] == ["normal"] * 4 + ["high"] * 3
    assert routed[4]["priority_reasons"] == ["mass_appeal"]


def test_danger_to_life_raises_a_critical_alert_with_the_decision() -> None:
    log = Log()
    danger = report(1, title="有人落水", content="河里有人落水正在呼救，快来救人")
    (routed,) = log.take(danger)
    (alert,) = log.alerts
    assert routed["emergency"] is not None
    assert (routed["priority"], "emergency" in routed["priority_reasons"]) == ("top", True)
    assert (alert["rule"], alert["severity"], alert["subject"]) == ("emergency", "critical", rid(1))
    assert routed["emergency"] in alert["summary"]
    assert "落水" not in alert["summary"], "what people write stays in the report"
    log.take(danger)
    assert log.alerts == [alert], "the very same message again is no news"


# -- surges -----------------------------------------------------------------------------------------------------------


def many(count: int, **changes: Any) -> list[Report]:
    """So many persons' reports of one kind in one community, each told with a name of its own place."""
    return [
        report(n, title=f"第{n}号楼", content=f"{'甲乙丙丁戊己庚辛壬癸'[n % 10] * 6}", lon=None, lat=None,
               reported_at=START + n * MINUTE, received_at=START + n * MINUTE, **changes)
        for n in range(count)
    ]  # fmt: skip


def surges(log: Log) -> list[Alert]:
    return [alert for alert in log.alerts if alert["rule"] in ("hot_spot", "unusual_day", "new_topic")]


def test_many_persons_on_one_kind_in_one_community_are_a_hot_spot_with_a_place() -> None:
    log = Log()
    log.take(*many(PROFILE.surge.persons))
    (alert,) = surges(log)
    assert (alert["rule"], alert["subject_type"], alert["subject"]) == ("hot_spot", "place", "370212001003")
    assert (alert["value"], alert["cleared_at"], alert["place_key"]) == (8.0, None, "370212")
    assert PROFILE.matters["noise"].name_zh in alert["summary"]
    log.take(later(99, 1))
    assert [(a["alert_id"], a["cleared_at"]) for a in surges(log)[1:]] == [(alert["alert_id"], START + DAY)]


@pytest.mark.parametrize("changes", [{"appeal_type": "alarm", "device_id": "c"}, {"confidential": True}])
def test_alarms_and_confidential_reports_make_no_surge(changes: dict[str, Any]) -> None:
    log = Log()
    log.take(*many(30, **changes))
    assert surges(log) == []


def test_an_onset_does_not_name_a_report_that_became_confidential() -> None:
    log = Log()
    reports = many(PROFILE.surge.persons)
    log.take(*reports[:-1])
    log.take({**reports[0], "confidential": True, "content_hash": "other"})
    log.take(reports[-1])
    (alert,) = surges(log)
    assert alert["report_ids"] == [rid(n) for n in range(1, PROFILE.surge.persons)]


def test_after_a_crash_the_counters_are_those_of_the_log_and_the_alert_comes_once() -> None:
    log = Log()
    reports = many(PROFILE.surge.persons)
    log.take(*reports[:-1])
    after = Log(fold(log.values))
    after._offsets = {INTAKE: len(reports) - 1, topics.PROGRESS: 0}
    assert after.state.surges == log.state.surges
    log.take(reports[-1])
    after.take(reports[-1])
    assert surges(after) == surges(log) != []


# -- any order-preserving replay, any cut into chunks, any crash --------------------------------------------------------


names = st.sampled_from(
    ["close", "close", "cancel", "rate", "redo", "dispatch", "redispatch", "return", "extend", "accept"]
)
units = st.sampled_from([None, "公安分局", "生态环境分局", "综合行政执法局", "nobody"])


@st.composite
def histories(draw: st.DrawFn) -> list[Chunk]:
    """Reports and steps of a few cases, in chunks of the two topics that a worker takes in turn."""
    offsets = {INTAKE: 0, topics.PROGRESS: 0}
    chunks: list[Chunk] = []
    for _ in range(draw(st.integers(0, 8))):
        topic = draw(st.sampled_from(list(offsets)))
        found = []
        for _ in range(draw(st.integers(1, 5))):
            number, at = draw(st.integers(0, 5)), START + draw(st.integers(0, 24)) * 12 * HOUR
            if topic == INTAKE:
                value = CODEC.encode(
                    "report",
                    report(
                        number,
                        content_hash=draw(st.sampled_from(["a", "a", "b"])),
                        reporter_key=draw(st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6"])),
                        matter_kind=draw(st.sampled_from(["noise", "garbage", ""])),
                        confidential=draw(st.sampled_from([False, False, False, True])),
                        reported_at=at,
                        received_at=at,
                    ),
                )
            else:
                changes = {"unit": draw(units), "satisfaction": draw(st.sampled_from([None, "satisfied"]))}
                name = draw(names)
                until = at + draw(st.integers(1, 9)) * DAY if name == "extend" else None
                value = CODEC.encode("progress", step(number, name, at, extended_to=until, **changes))
            found.append(Record(offsets[topic], value))
            offsets[topic] += 1
        chunks.append((topic, found))
    return chunks


def decided(chunks: list[Chunk], state: PartitionState | None = None) -> Log:
    log = Log(state)
    for chunk in chunks:
        log.run(chunk)
    return log


@UNHURRIED
@given(histories())
def test_the_log_read_back_gives_the_cases_that_deciding_left(chunks: list[Chunk]) -> None:
    log = decided(chunks)
    assert fold(log.values) == log.state
    folded = fold(log.values)
    for value in log.values:  # and again: the first telling wins
        subject, record = CODEC.decode(value)
        folded.apply_change(record) if subject == "change" else folded.apply(record)  # type: ignore[arg-type]
    assert folded == log.state


@UNHURRIED
@given(histories(), st.data())
def test_any_cut_into_chunks_gives_the_same_links_routes_and_cases(chunks: list[Chunk], data: st.DataObject) -> None:
    pieces: list[Chunk] = []
    for topic, found in chunks:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(found)), max_size=3)))
        pieces += [(topic, found[a:b]) for a, b in pairwise([0, *cuts, len(found)])]
    whole, cut = decided(chunks), decided(pieces)
    assert (cut.values, cut.alerts, cut.state) == (whole.values, whole.alerts, whole.state)


@UNHURRIED
@given(histories(), st.data())
def test_a_crash_at_any_record_of_the_log_leads_to_the_same_log(chunks: list[Chunk], data: st.DataObject) -> None:
    """Everything comes again; what the log holds is known from it, even where a record's changes were cut in two."""
    whole = decided(chunks)
    durable = whole.values[: data.draw(st.integers(0, len(whole.values)))]
    rest = decided(chunks, fold(durable))
    assert durable + rest.values == whole.values
    assert rest.state == whole.state
    assert all(alert in whole.alerts for alert in rest.alerts)


@UNHURRIED
@given(histories())
def test_everything_a_second_time_changes_nothing(chunks: list[Chunk]) -> None:
    log = decided(chunks)
    before = copy.deepcopy(log.state)
    again = decided(chunks, log.state)
    assert (again.values, again.alerts) == ([], [])
    assert again.state == before


@UNHURRIED
@given(histories())
def test_numbers_tell_the_changes_of_one_step_apart(chunks: list[Chunk]) -> None:
    names = [
        (record["intake_topic"], record["intake_offset"], record.get("number", 0))
        for record in (CODEC.decode(value)[1] for value in decided(chunks).values)
    ]
    assert len(names) == len(set(names))


@UNHURRIED
@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_all_offsets_up_to_one_can_be_added_at_once(single: list[int], up_to: list[int]) -> None:
    found, expected = OffsetSet(), set(single)
    for offset in single:
        found.add(offset)
    for offset in up_to:
        found.add_up_to(offset)
        expected |= set(range(offset + 1))
    assert [n for n in range(-1, 32) if n in found] == sorted(expected)
    assert len(found._ranges) == len({n for n in expected if n + 1 not in expected})
