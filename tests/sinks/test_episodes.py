"""Repeating alarms of one camera are one row of bi.episodes, on the real engine and as the worker links them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from profiles import load_profile
from schemas.records import Report
from schemas.topics import ROUTED
from streams.decide import Decider, Origin
from streams.state import PartitionState
from tests.sinks.records import HOUR, NOON, report, routed

pytestmark = pytest.mark.clickhouse

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
CAMERA: Final = "37021200001320000001"
COLUMNS: Final = "camera, kind, matter_kind, alarms, dateDiff('millisecond', started_at, ended_at)"


def alarm(name: str, at: int, **changed: Any) -> Report:
    fields: dict[str, Any] = {
        "feed": "video",
        "channel": "demo-hikvision",
        "report_id": f"video-{name}",
        "appeal_type": "alarm",
        "matter_kind": "car_parking",
        "kind_code": "demo/ai-2025/alarm/illegalParking",
        "title": "机动车违停",
        "reporter_key": CAMERA,
        "device_id": CAMERA,
        "reported_at": at,
        "received_at": at + 1,
    }
    return report(name, **{**fields, **changed})


def rows(client: Any, columns: str = COLUMNS) -> list[tuple[Any, ...]]:
    return list(client.query(f"SELECT {columns} FROM bi.episodes ORDER BY started_at, matter_id").result_rows)


@pytest.fixture
def decided(put: Callable[..., None]) -> Callable[[Iterable[Report]], None]:
    """Stores reports as the worker decides on them, one after the other."""
    decider = Decider(load_profile(Path(__file__).parents[2] / "profiles" / "demo"))

    def decide(reports: Iterable[Report]) -> None:
        state, found = PartitionState(), []
        for offset, one in enumerate(reports):
            decision = decider.decide(state, one, Origin("intake.video", 0, offset))
            state.apply(decision.routed, decision.facts)
            found.append(decision.routed)
        put(ROUTED, found)

    return decide


def test_an_alarm_every_second_is_one_episode_with_start_end_and_count(
    bi: Any, decided: Callable[[Iterable[Report]], None]
) -> None:
    decided(alarm(str(n), NOON + n * SECOND) for n in range(90))
    assert rows(bi) == [(CAMERA, "机动车违停", "car_parking", 90, 89 * SECOND)]
    ((matter, started),) = rows(bi, "matter_id, toUnixTimestamp64Milli(started_at)")
    assert (matter, started) == ("video-0", NOON)


def test_another_camera_another_kind_and_a_later_hour_are_other_episodes(
    bi: Any, decided: Callable[[Iterable[Report]], None]
) -> None:
    smoke = {"matter_kind": "open_fire", "kind_code": "demo/ai-2025/alarm/smoke", "title": "烟火"}
    decided(
        [
            alarm("a", NOON),
            alarm("b", NOON + SECOND, device_id="another", reporter_key="another"),
            alarm("c", NOON + 2 * SECOND, **smoke),
            alarm("d", NOON + 3 * SECOND),
            alarm("e", NOON + HOUR),
        ]
    )
    assert rows(bi) == [
        (CAMERA, "机动车违停", "car_parking", 2, 3 * SECOND),
        ("another", "机动车违停", "car_parking", 1, 0),
        (CAMERA, "烟火", "open_fire", 1, 0),
        (CAMERA, "机动车违停", "car_parking", 1, 0),
    ]


def test_alarms_that_come_late_and_out_of_order_count_in_their_episode(
    bi: Any, decided: Callable[[Iterable[Report]], None]
) -> None:
    decided(alarm(str(n), NOON + n * MINUTE) for n in (3, 1, 2, 0))
    assert rows(bi) == [(CAMERA, "机动车违停", "car_parking", 4, 3 * MINUTE)]


def test_the_same_alarm_sent_again_counts_once(bi: Any, decided: Callable[[Iterable[Report]], None]) -> None:
    one = alarm("a", NOON)
    decided([one, one, {**one, "received_at": NOON + HOUR, "content_hash": "i" * 32, "content": "同一告警的更正"}])
    assert rows(bi, "alarms") == [(1,)]


def test_an_episode_has_the_place_of_its_camera_and_none_where_the_camera_is_not_registered(
    bi: Any, put: Callable[..., None]
) -> None:
    nowhere: dict[str, Any] = {
        "street_code": None,
        "community_code": None,
        "lon": None,
        "lat": None,
        "place_key": "text:-",
    }
    known = {"street_code": "370212001", "community_code": "370212001016"}
    put(ROUTED, [routed(alarm("a", NOON, **known)), routed(alarm("b", NOON + HOUR, device_id="x", **nowhere))])
    assert rows(bi, "street_code, community_code, community") == [
        ("370212001", "370212001016", "牟家社区"),
        (None, None, None),
    ]


def test_an_alarm_whose_kind_is_not_coded_keeps_no_code_of_another_alarm(bi: Any, put: Callable[..., None]) -> None:
    first = alarm("a", NOON, kind_code=None)
    later = routed(alarm("b", NOON + SECOND), matter_id=first["report_id"], relation="episode")
    put(ROUTED, [routed(first), later])
    assert rows(bi, "alarms, kind_code") == [(2, None)]


def test_a_confidential_alarm_stands_alone(bi: Any, put: Callable[..., None]) -> None:
    first = alarm("a", NOON)
    secret = routed(
        alarm("b", NOON + SECOND, confidential=True),
        matter_id=first["report_id"],
        relation="episode",
        linked_to="video-a",
    )
    put(ROUTED, [routed(first), secret])
    assert rows(bi, "matter_id, alarms") == [("video-a", 1), ("video-b", 1)]


def test_what_people_report_is_no_episode(bi: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b", device_id="x"))])
    assert rows(bi) == []


def test_every_column_says_what_it_holds(bi: Any) -> None:
    told = bi.query("SELECT name, comment FROM system.columns WHERE database = 'bi' AND table = 'episodes'").result_rows
    assert len(told) == 13
    assert all(comment for _, comment in told)
