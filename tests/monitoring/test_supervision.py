"""What supervision tells: what began, what ended, once, whatever was told before and by whom."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import OperationalError
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from monitoring.supervision import Firing, Supervisor, changes, cleared
from schemas.records import Alert

BEGAN = datetime(2025, 3, 3, 4, tzinfo=UTC)
RED = Firing(
    "red_card",
    "critical",
    "report",
    "r1",
    "370212001",
    "1740974400000/0",
    BEGAN,
    1.0,
    0.0,
    "【红牌】工单 1。",
    ["r1"],
    "v",
)
NOW = 1_741_000_000_000


def test_what_fires_anew_is_told_and_what_stands_is_not_told_again() -> None:
    (told,) = changes([RED], [], NOW)
    assert told["raised_at"] == 1_740_974_400_000
    assert told["cleared_at"] is None
    assert changes([RED], [told], NOW) == []
    assert changes([replace(RED, onset="another", value=9.0)], [told], NOW) == []


def test_what_fires_no_more_is_cleared_and_never_before_it_began() -> None:
    (told,) = changes([RED], [], NOW)
    assert changes([], [told], NOW) == [{**told, "cleared_at": NOW}]
    assert cleared(told, 5)["cleared_at"] == told["raised_at"]


def test_an_alert_has_the_id_of_its_rule_subject_and_onset_and_one_without_onset_that_of_its_telling() -> None:
    ids = [
        one.alert(NOW)["alert_id"]
        for one in (RED, replace(RED, rule="yellow_card"), replace(RED, subject="r2"), replace(RED, onset="1/1"))
    ]
    assert len(set(ids)) == 4
    assert RED.alert(NOW)["alert_id"] == replace(RED, value=3.0, summary="").alert(NOW + 1)["alert_id"]
    place = replace(RED, onset="")
    assert place.alert(NOW)["alert_id"] != place.alert(NOW + 1)["alert_id"]


def test_what_two_told_at_once_is_told_by_the_first_of_them_alone() -> None:
    place = replace(RED, rule="hot_point", onset="")
    first, second = place.alert(NOW), {**place.alert(NOW + 5), "raised_at": place.alert(NOW)["raised_at"] + 5}
    assert changes([place], [cast(Alert, second), first], NOW + 9) == [{**second, "cleared_at": NOW + 9}]


@given(st.lists(st.sets(st.integers(0, 5)), max_size=8))
def test_after_every_round_stands_exactly_what_fires(rounds: list[set[int]]) -> None:
    standing: dict[str, Alert] = {}
    for moment, subjects in enumerate(rounds):
        firing = [replace(RED, subject=str(one), onset=f"{moment}") for one in subjects]
        for told in changes(firing, standing.values(), NOW + moment):
            if told["cleared_at"] is None:
                assert told["alert_id"] not in standing
                standing[told["alert_id"]] = told
            else:
                del standing[told["alert_id"]]
        assert sorted(alert["subject"] for alert in standing.values()) == sorted(map(str, subjects))


class _Answer:
    def __init__(self, rows: list[Any]) -> None:
        self.result_rows = rows


class Brain:
    """Answers of ClickHouse that lag behind what was told, which the real one can't be made to do on demand."""

    def __init__(self) -> None:
        self.firing: list[Firing] = []
        self.open: list[Alert] = []
        self.settled: list[str] = []
        self.broken = False
        self.closed = 0

    def query(self, text: str, **_: Any) -> _Answer:
        if self.broken:
            raise OperationalError("away")
        if "bi.firing" in text:
            return _Answer([tuple(vars(one).values()) for one in self.firing])
        if "bi.supervision_rules" in text:
            return _Answer([("red_card", "critical"), ("hot_point", "warning")])
        if "SELECT alert_id FROM" in text:
            return _Answer([(one,) for one in self.settled])
        return _Answer(
            [
                tuple(datetime.fromtimestamp(v / 1000, UTC) if k == "raised_at" else v for k, v in alert.items())  # type: ignore[operator]
                for alert in self.open
            ]
        )

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def brain() -> Brain:
    return Brain()


@pytest.fixture
def told() -> list[Alert]:
    return []


def supervisor(brain: Brain, told: list[Alert]) -> Supervisor:
    def tell(alerts: Sequence[Alert]) -> None:
        told.extend(alerts)

    return Supervisor(lambda: cast(Client, brain), tell)


def test_what_was_told_and_is_not_stored_yet_is_not_told_twice(brain: Brain, told: list[Alert]) -> None:
    watching = supervisor(brain, told)
    brain.firing = [RED]
    watching.round()
    watching.round()
    assert [alert["cleared_at"] for alert in told] == [None]
    brain.open = told[:]
    watching.round()
    brain.firing = []
    watching.round()
    watching.round()  # the row still says open: the clearing is under way
    assert [alert["cleared_at"] is None for alert in told] == [True, False]
    brain.open = []
    watching.round()
    assert len(told) == 2
    assert REGISTRY.get_sample_value("zhishu_standing_alerts", {"rule": "red_card", "severity": "critical"}) == 0


def test_another_process_goes_on_where_this_one_ended(brain: Brain, told: list[Alert]) -> None:
    brain.firing = [RED]
    supervisor(brain, told).round()
    brain.open = told[:]
    again: list[Alert] = []
    supervisor(brain, again).round()
    assert again == []
    brain.firing = []
    supervisor(brain, again).round()
    assert [alert["alert_id"] for alert in again] == [told[0]["alert_id"]]
    assert again[0]["cleared_at"] is not None


def test_what_streams_raised_is_cleared_when_its_matter_is_settled_and_else_left_alone(
    brain: Brain, told: list[Alert]
) -> None:
    watching = supervisor(brain, told)
    brain.open = [replace(RED, rule="mass_appeal", onset=str(n)).alert(NOW) for n in range(2)]
    watching.round()
    assert told == []
    brain.settled = [brain.open[1]["alert_id"]]
    watching.round()
    watching.round()
    assert [(alert["alert_id"], alert["cleared_at"] is None) for alert in told] == [(brain.open[1]["alert_id"], False)]


def test_without_clickhouse_a_round_fails_and_the_next_connects_again(brain: Brain, told: list[Alert]) -> None:
    watching = supervisor(brain, told)
    brain.firing, brain.broken = [RED], True
    before = watching.last_round
    with pytest.raises(OperationalError):
        watching.round()
    assert (brain.closed, watching.last_round) == (1, before)
    brain.broken = False
    watching.round()
    assert len(told) == 1
    assert REGISTRY.get_sample_value("zhishu_standing_alerts", {"rule": "red_card", "severity": "critical"}) == 1
