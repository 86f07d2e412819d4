"""A person's word in the worker's state: what it moves, what is void, and that nothing happens twice."""

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.records import Report, Ruling
from streams import state as state_module
from streams.changes import RULED_BEFORE
from streams.chunks import ChunkDecider
from tests.streams import test_lives
from tests.streams.make import CODEC, HOUR, PROFILE, START, UNHURRIED, Record, report, rid
from tests.streams.test_lives import INTAKE, Chunk, Log, decided, fold

#: Reports of one matter, and of another far away and of another kind.
ONE = [report(n, reported_at=START + n * HOUR, received_at=START + n * HOUR) for n in (1, 2, 3)]
OTHER = [
    report(
        n, title="垃圾无人清运", content="小区门口垃圾堆了三天，气味难闻。", community_code="370212001001", lon=120.6, lat=36.2,
        matter_kind="garbage", address=None, reported_at=START + n * HOUR, received_at=START + n * HOUR,
    )
    for n in (4, 5)
]  # fmt: skip


def ruling(action: str, report_number: int | None = None, into: str = "", **changed: Any) -> Ruling:
    """A ruling; its id is of what it says, unless another is given."""
    of = {
        "action": action,
        "report_id": None if report_number is None else rid(report_number),
        "matter_id": into or None,
        "from_matter_id": changed.pop("ended", None),
    }
    return {  # type: ignore[return-value]
        **{"ruling_id": f"ruling {sorted(map(str, of.items()))}", "ruled_by": "clerk-07", "reason": "同一工地"},
        **{"ruled_at": START + 100 * HOUR, **of, **changed},
    }


def begun() -> Log:
    """Two matters: 1, 2, 3 and 4, 5."""
    log = Log()
    log.take(*ONE, *OTHER)
    assert matters(log) == {1: rid(1), 2: rid(1), 3: rid(1), 4: rid(4), 5: rid(4)}
    return log


def matters(log: Log) -> dict[int, str]:
    """The matter of each report; the log read back says the same, and names the same members."""
    state = log.state
    shown = [one for one in state.reports.values() if one.row >= 0]  # a hidden one is in no matter, whatever its id
    for one in shown:
        matter = state.matter(one.matter_id)
        assert matter is not None
        alike = {other.report_id for other in shown if other.matter_id == one.matter_id}
        assert set(matter.report_ids) == alike
    assert fold(log.values) == state
    return {n: state.reports[rid(n)].matter_id for n in range(1, 10) if rid(n) in state.reports}


def told(log: Log, *rulings: Ruling) -> list[tuple[str, str]]:
    """Change and, of one that is void, why."""
    return [(one["change"], one["reason"] if one["change"] == "void" else "") for one in log.take(*rulings)]


@pytest.mark.parametrize(
    "once",
    [
        ruling("accept", 4, rid(1)),
        ruling("reject", 4, rid(1)),
        ruling("unlink", 2),
        ruling("unlink", 1),
        ruling("merge", None, rid(1), ended=rid(4)),
    ],
    ids=lambda one: f"{one['action']} {one['report_id'] == rid(1)}",
)
@pytest.mark.parametrize("same_id", [True, False])
def test_a_ruling_sent_twice_is_void_the_second_time_and_changes_nothing(once: Ruling, same_id: bool) -> None:
    log = begun()
    ((first, _),) = told(log, once)
    assert first != "void"
    before = copy.deepcopy(log.state)
    ((second, why),) = told(log, once if same_id else {**once, "ruling_id": "another"})
    assert second == "void"
    assert why == RULED_BEFORE if same_id else why
    assert replace(log.state, decided=before.decided) == before


def test_a_ruling_sent_again_after_another_one_undid_it_stays_undone() -> None:
    accept, unlink = ruling("accept", 4, rid(1)), ruling("unlink", 4)
    log = begun()
    assert told(log, accept, unlink, accept, unlink) == [
        *(("accepted", ""), ("unlinked", "")),
        *(("void", RULED_BEFORE), ("void", RULED_BEFORE)),
    ]
    assert matters(log)[4] != rid(1)
    assert told(log, {**accept, "ruling_id": "on second thought"}) == [("accepted", "")]
    assert matters(log)[4] == rid(1)


def test_a_ruling_that_was_void_may_take_effect_when_it_is_given_again() -> None:
    log = Log()
    accept = ruling("accept", 4, rid(1))
    ((first, _),) = told(log, accept)
    log.take(*ONE, *OTHER)
    assert (first, told(log, accept)) == ("void", [("accepted", "")])


def test_the_rulings_known_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MOST_RULED", 2)
    log = begun()
    log.take(*(ruling("reject", n, rid(4)) for n in (1, 2, 3)))
    assert list(log.state.ruled) == [ruling("reject", n, rid(4))["ruling_id"] for n in (2, 3)]
    assert matters(log)[1] == rid(1)


def test_a_report_that_joined_is_unlinked_to_a_matter_of_its_own_id() -> None:
    log = begun()
    log.take(ruling("unlink", 2))
    assert matters(log) == {1: rid(1), 2: rid(2), 3: rid(1), 4: rid(4), 5: rid(4)}


def test_a_report_that_was_alone_accepted_and_unlinked_is_the_matter_that_it_was() -> None:
    log = Log()
    log.take(*ONE, OTHER[0], ruling("accept", 4, rid(1)))
    assert matters(log)[4] == rid(1)
    log.take(ruling("unlink", 4))
    assert matters(log)[4] == rid(4)


def parted_by(log: Log, *rulings: Ruling) -> str:
    """The matter of report 4, which began the matter {4, 5}, after these rulings: one of its own."""
    log.take(*rulings)
    found = matters(log)[4]
    assert found.startswith("matter-")
    assert list(matters(log).values()).count(found) == 1
    return found


def test_the_first_report_of_a_merged_matter_is_unlinked_to_a_matter_that_had_no_other() -> None:
    merge, unlink = ruling("merge", None, rid(1), ended=rid(4)), ruling("unlink", 4)
    log = begun()
    found = parted_by(log, merge, unlink)
    assert matters(log)[5] == rid(1)
    assert log.state.matter(rid(4)) is None
    assert parted_by(begun(), merge, unlink) == found, "the same for the same log"
    assert parted_by(begun(), merge, {**unlink, "ruling_id": "another"}) != found


def test_the_first_report_of_a_matter_leaves_it_to_the_others() -> None:
    log = begun()
    parted_by(log, ruling("unlink", 4))
    assert matters(log)[5] == rid(4)
    again = parted_by(log, ruling("accept", 4, rid(4)), {**ruling("unlink", 4), "ruling_id": "another"})
    assert told(log, ruling("accept", 4, rid(1)), {**ruling("unlink", 4), "ruling_id": "third"}) == [
        *(("accepted", ""), ("unlinked", "")),
    ]
    assert matters(log)[4] not in (rid(4), again)


def test_a_parted_matter_is_joined_merged_and_closed_as_any_other() -> None:
    log = begun()
    found = parted_by(log, ruling("unlink", 4))
    near = {**OTHER[0], "upstream_id": "6", "report_id": rid(6), "reporter_key": OTHER[0]["reporter_key"]}
    log.take({**OTHER[1], "confidential": True, "content_hash": "other"}, near)
    assert matters(log)[6] == found, "matching finds it"
    log.take(ruling("accept", 3, found))
    assert matters(log)[3] == found
    log.take(ruling("merge", None, rid(1), ended=found))
    assert found not in matters(log).values()
    assert log.state.matter(found) is None


def test_a_question_about_a_matter_names_a_report_that_is_in_it() -> None:
    log = begun()
    known = log.state.reports
    assert (log.state.named(known[rid(4)]), log.state.named(known[rid(5)])) == (rid(4), rid(4))
    parted_by(log, ruling("unlink", 4))
    assert (log.state.named(known[rid(4)]), log.state.named(known[rid(5)])) == (rid(4), rid(5))


def test_nothing_is_known_of_a_parted_report_when_it_is_forgotten() -> None:
    log = begun()
    parted_by(log, ruling("unlink", 4))
    late = START + state_module.KEEP_MS + 1000 * HOUR
    log.take(report(9, reported_at=late, received_at=late))
    assert matters(log) == {9: rid(9)}
    assert not log.state.parted
    assert not log.state.matters


# -- any cut into chunks, any crash ------------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> list[Chunk]:
    """Reports of three places and rulings on them, some sent twice, in chunks of the two topics."""
    offsets = {INTAKE: 0, topics.RULINGS: 0}
    chunks: list[Chunk] = []
    number = st.integers(0, 5)
    for _ in range(draw(st.integers(1, 8))):
        topic = draw(st.sampled_from(list(offsets)))
        found = []
        for _ in range(draw(st.integers(1, 5))):
            if topic == INTAKE:
                value = CODEC.encode("report", _reported(draw, draw(number)))
            else:
                action = draw(st.sampled_from(["accept", "accept", "unlink", "unlink", "merge", "reject"]))
                into = "" if action == "unlink" else rid(draw(number))
                ended = rid(draw(number)) if action == "merge" else None
                who = None if action == "merge" else draw(number)
                told = ruling(action, who, into, ended=ended, ruling_id=draw(st.sampled_from("abcdefgh")))
                value = CODEC.encode("ruling", told)
            found.append(Record(offsets[topic], value))
            offsets[topic] += 1
        chunks.append((topic, found))
    return chunks


def _reported(draw: st.DrawFn, number: int) -> Report:
    at = START + draw(st.integers(0, 30)) * HOUR
    return report(
        number,
        content_hash=draw(st.sampled_from(["a", "a", "b"])),
        reporter_key=draw(st.sampled_from([f"p{n}" for n in range(6)])),
        matter_kind=draw(st.sampled_from(["noise", "noise", "garbage"])),
        confidential=draw(st.sampled_from([False, False, False, False, True])),
        reported_at=at,
        received_at=at,
    )


@pytest.fixture(autouse=True, scope="module")
def few_make_a_mass_appeal() -> Any:
    """Two persons within a day are a mass appeal here, so that the histories have some."""
    with pytest.MonkeyPatch.context() as patch:
        rules = replace(PROFILE, mass_appeal_persons=2, mass_appeal_hours=24)
        patch.setattr(test_lives, "DECIDER", ChunkDecider(rules, CODEC))
        yield


@UNHURRIED
@given(histories())
def test_the_log_read_back_gives_the_matters_that_deciding_left(chunks: list[Chunk]) -> None:
    matters(decided(chunks))


@UNHURRIED
@given(histories(), st.data())
def test_any_cut_into_chunks_gives_the_same_matters_and_alerts(chunks: list[Chunk], data: st.DataObject) -> None:
    pieces: list[Chunk] = []
    for topic, found in chunks:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(found)), max_size=3)))
        pieces += [(topic, found[a:b]) for a, b in pairwise([0, *cuts, len(found)])]
    whole, cut = decided(chunks), decided(pieces)
    assert (cut.values, cut.alerts, cut.state) == (whole.values, whole.alerts, whole.state)


@UNHURRIED
@given(histories(), st.data())
def test_a_crash_at_any_record_of_the_log_leads_to_the_same_log(chunks: list[Chunk], data: st.DataObject) -> None:
    whole = decided(chunks)
    durable = whole.values[: data.draw(st.integers(0, len(whole.values)))]
    rest = decided(chunks, fold(durable))
    assert durable + rest.values == whole.values
    assert rest.state == whole.state
    assert all(alert in whole.alerts for alert in rest.alerts)


@UNHURRIED
@given(histories())
def test_no_ruling_has_an_effect_twice(chunks: list[Chunk]) -> None:
    found = [CODEC.decode(value)[1] for value in decided(chunks).values]
    effective = [one["cause_id"] for one in found if "ruled_by" in one and one["change"] != "void"]
    assert len(effective) == len(set(effective))
