"""The worker on a real broker: nothing lost, nothing decided differently, nothing committed too early."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hub.kafka_embedded import EmbeddedKafka
from schemas import topics
from schemas.records import Report, RoutedReport
from streams.chunks import ChunkDecider
from streams.process import WorkerError
from streams.state import PartitionState
from streams.worker import Engine, WorkerConfig, check_topics
from tests.profiles.test_profile import copy_of_demo
from tests.streams.conftest import CONSUMED, INTAKE, MESSAGES, PARTITIONS, Hub, Worker, wait_for
from tests.streams.make import CODEC, FEEDS, HOUR, MINUTE, PROFILE, START, Record, records, report, rid
from tests.streams.test_cases import told
from tests.streams.test_reload import change

pytestmark = pytest.mark.kafka


def payloads(feed: str, partition: int, count: int, first: int = 0) -> list[bytes]:
    """Distinct reports; every fifth repeats the one before it."""
    return [
        CODEC.encode(
            "report",
            report(
                f"{feed}-{partition}-{i}",
                feed=feed,
                reported_at=START + i * MINUTE,
                received_at=START + i * MINUTE,
                reporter_key=f"{feed}-{partition}-{i - (i % 5 == 4)}",
                community_code=f"3702120010{i // 5 % 90:02}",
                lon=None,
                lat=None,
            ),
        )
        for i in range(first, first + count)
    ]


def fill(hub: Hub, count: int, first: int = 0) -> int:
    """`count` records in each partition of each intake topic; returns how many in all."""
    for topic in INTAKE:
        for partition in range(PARTITIONS):
            hub.send(topic, partition, payloads(topics.feed_of(topic), partition, count, first))
    return count * len(INTAKE) * PARTITIONS


@pytest.mark.parametrize("driver", ["batch", "kafka"])
def test_every_record_is_decided_once_and_committed(hub: Hub, start: Callable[..., Worker], driver: str) -> None:
    total = fill(hub, 300)
    worker = start(driver=driver)
    wait_for(worker.ready, what="partitions")
    wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0")
    decided = hub.decided_offsets()
    assert (len(decided), set(decided.values())) == (total, {1})
    for message in hub.read(topics.ROUTED):
        decision = CODEC.routed_report(message.value())
        assert message.partition() == decision["intake_partition"], "the log's partition is the record's"
        assert message.key() == decision["report"]["place_key"].encode()
        assert (decision["relation"] == "repeat") == (int(decision["report"]["upstream_id"].split("-")[-1]) % 5 == 4)
    assert f'zhishu_decided_reports_total{{feed="wechat"}} {total // 2}.0' in worker.get("/metrics")[1]
    assert worker.stop() == 0, "a stop by SIGTERM is no error"


def test_killed_workers_lose_nothing_and_decide_nothing_twice(hub: Hub, start: Callable[..., Worker]) -> None:
    total = fill(hub, 900)
    worker = start(chunk_records=50)
    for kill in range(2):
        before = hub.routed_count()
        wait_for(lambda seen=before: hub.routed_count() > seen + 300, what="progress")
        worker.kill()
        assert hub.routed_count() < total, f"kill {kill} came when all was done: send more"
        worker = start(chunk_records=50)
    wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0")
    decided = hub.decided_offsets()
    assert (len(decided), set(decided.values())) == (total, {1})


def test_two_workers_share_whole_partition_numbers_and_one_takes_over_when_the_other_is_killed(
    hub: Hub, start: Callable[..., Worker]
) -> None:
    total = fill(hub, 500)
    first = start("first", chunk_records=50, session_timeout_s=6)
    wait_for(lambda: hub.routed_count() > 200, what="progress")
    second = start("second", chunk_records=50, session_timeout_s=6)
    shares = wait_for(lambda: (found := hub.assignments(first.group)) and len(found) == 2 and all(found) and found)
    for share in shares:
        numbers = {number for _, number in share}
        assert share == {(topic, number) for topic in CONSUMED for number in numbers}
    assert first.process.poll() is None, "a worker ends itself when it is given a part of a partition number"
    wait_for(second.ready, what="partitions of the second")
    total += fill(hub, 300, first=500)
    second.kill()
    wait_for(lambda: hub.lag(first.group) == 0, what="lag 0")
    assert len(hub.decided_offsets()) == total
    matters = {d["report"]["report_id"]: d["matter_id"] for d in hub.decisions()}
    assert all(
        matters[rid(f"wechat-{p}-4", "wechat")] == matters[rid(f"wechat-{p}-3", "wechat")] for p in range(PARTITIONS)
    )


def lives(partition: int, first: int, count: int) -> list[bytes]:
    """Steps of every second report of `payloads("wechat", ...)`: given away and back, closed, rated or not, opened again."""
    steps = [
        ("dispatch", 1, {}),
        ("redispatch", 2, {"unit": "公安分局"}),
        ("redispatch", 3, {"unit": "综合行政执法局"}),
        ("close", 4, {}),
        ("rate", 5, {"satisfaction": "satisfied"}),
        ("redo", 6, {}),
    ]
    made = []
    for number in range(first, first + count, 2):
        name = f"wechat-{partition}-{number}"
        for step, hours, changes in steps[: 1 + number % len(steps)]:
            at = START + number * MINUTE + hours * HOUR
            made.append(told(step, at, report_id=rid(name, "wechat"), upstream_id=name, feed="wechat",
                             channel="demo-wechat", progress_id=f"{name}-{step}", **changes))  # fmt: skip
    return [CODEC.encode("progress", one) for one in made]


def test_two_workers_with_rebalances_in_between_decide_as_one_that_takes_the_same_in_that_order(
    hub: Hub, start: Callable[..., Worker]
) -> None:
    """Whoever decided, and whatever was taken away, killed and decided again: the log is the one of a single decider."""

    def fill_all(count: int, first: int) -> None:
        for partition in range(PARTITIONS):
            hub.send(topics.PROGRESS, partition, lives(partition, first, count))
        fill(hub, count, first)
        for partition in range(PARTITIONS):
            hub.send(topics.PROGRESS, partition, lives(partition, first + 1, count))

    fill_all(300, 0)
    one = start("one", chunk_records=20, session_timeout_s=6)
    wait_for(lambda: hub.routed_count() > 300, what="progress")
    two = start("two", chunk_records=20, session_timeout_s=6)
    wait_for(lambda: len(found := hub.assignments(one.group)) == 2 and all(found), what="shares")
    fill_all(300, 300)
    seen = hub.routed_count()
    wait_for(lambda: hub.routed_count() > seen + 200, what="progress of both")
    one.kill()
    wait_for(lambda: hub.lag(two.group) == 0, 120, what="lag 0")
    assert two.stop() == 0

    sent = {(topic, m.partition(), m.offset()): m.value() for topic in CONSUMED for m in hub.read(topic)}
    log: dict[int, dict[tuple[str, int, int], bytes]] = {number: {} for number in range(PARTITIONS)}
    for message in hub.read(topics.ROUTED):
        _, record = CODEC.decode(message.value())
        # One that two workers both decided on: the first counts.
        name = (record["intake_topic"], record["intake_offset"], record.get("number", 0))
        log[message.partition()].setdefault(name, message.value())
    decider, alerts = ChunkDecider(PROFILE, CODEC), set()
    for number, records_of in log.items():
        state, values = PartitionState(), []
        for topic, offset in dict.fromkeys((topic, offset) for topic, offset, count in records_of if count == 0):
            outputs = decider.run(state, topic, number, [Record(offset, sent[topic, number, offset])])
            values += [value for _, value in outputs.routed]
            alerts |= {value for _, value in outputs.alerts}
        assert values == list(records_of.values())
        decided = {(topic, offset) for topic, offset, count in records_of if count == 0}
        assert {offset for topic, offset in decided if topic in INTAKE} == set(range(600))
    assert {"ping_pong", "hot_spot"} & {CODEC.alert(value)["rule"] for value in alerts}
    assert {m.value() for m in hub.read(topics.ALERTS)} == alerts


def test_a_list_that_changes_while_the_worker_runs_routes_from_then_on_and_no_event_is_lost(
    hub: Hub, start: Callable[..., Worker], tmp_path: Path
) -> None:
    folder = copy_of_demo(tmp_path)
    worker = start(profile=str(folder), chunk_records=50)
    path, row = folder / "responsibility.csv", "R0003,noise,370212001,*,"
    for number, (old, new) in enumerate([("", ""), ("zhifa", "zhujian"), ("zhujian", "nobody")]):
        change(path, row + old, row + new)
        fill(hub, 50, 50 * number)
        wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0")
    found = hub.decisions()
    assert set(hub.decided_offsets().values()) == {1}
    assert len(found) == 150 * len(INTAKE) * PARTITIONS
    # Who joins a matter goes to the agency that has it, by the list that routed it.
    routed = [
        {(d["list_version"], d["agency_code"]) for d in found if upstream(d) // 50 == number and d["relation"] == "new"}
        for number in range(3)
    ]
    first, second, third = ({version for version, _ in pairs} for pairs in routed)
    assert (first, len(second), third) == ({PROFILE.named_list}, 1, second), "the broken list is not taken"
    assert second != first
    assert {"zhujian" in {agency for _, agency in pairs} for pairs in routed[:2]} == {False, True}
    assert "agencies.csv has no agency nobody" in worker.log.read_text()


def upstream(decision: RoutedReport) -> int:
    return int(decision["report"]["upstream_id"].split("-")[-1])


def pieces(partition: int, persons: int) -> list[Report]:
    """A text, a photo and a place of each person, all texts first; the place lies in another street."""
    return [
        report(
            f"{partition}{kind}{person:04}",
            feed="wechat",
            reporter_key=f"{partition:02}{person:030}",
            reported_at=START + kind * MINUTE,
            received_at=START + kind * MINUTE + 50,
            place_key="text:-" if kind < 2 else f"37021200{person % 5}",
            location_method=None if kind < 2 else "coordinates",
        )
        for kind in range(3)
        for person in range(persons)
    ]


def test_messages_become_whole_reports_though_workers_are_killed_in_between(
    hub: Hub, start: Callable[..., Worker]
) -> None:
    sent = {partition: pieces(partition, 120) for partition in range(PARTITIONS)}
    for partition, found in sent.items():
        hub.send(MESSAGES, partition, [CODEC.encode("report", one) for one in found])
    hub.send(MESSAGES, 0, [CODEC.encode("report", one) for one in sent[0][:20]])  # again
    hub.send(MESSAGES, 1, [b"no avro"])
    worker = start(chunk_records=20)
    for kill in range(3):
        before = hub.sent_on()
        wait_for(lambda seen=before: hub.sent_on() > seen + 150, what="progress")
        worker.kill()
        assert hub.lag(worker.group), f"kill {kill} came when all was done: send more"
        worker = start(chunk_records=20)
    wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0")
    decisions = hub.decisions()
    assert set(Counter((d["intake_partition"], d["intake_offset"]) for d in decisions).values()) == {1}
    reports: dict[str, Report] = {}
    for decision in decisions:
        one = decision["report"]
        known = reports.setdefault(one["report_id"], one)
        if len(one["part_ids"]) > len(known["part_ids"]):
            reports[one["report_id"]] = one
    persons = {tuple(one["report_id"] for one in found if one["reporter_key"] == key)
               for found in sent.values() for key in {one["reporter_key"] for one in found}}  # fmt: skip
    assert {tuple(one["part_ids"]) for one in reports.values()} == persons
    assert all(one["location_method"] == "coordinates" and one["report_id"] == one["part_ids"][0]
               for one in reports.values())  # fmt: skip
    assert {CODEC.dead_letter(m.value())["original"] for m in hub.read(topics.DEADLETTER)} == {b"no avro"}


def test_a_message_passed_on_twice_is_a_replay_for_the_decider(hub: Hub, config: WorkerConfig) -> None:
    """A worker that died before its commit, and the one after it."""
    text, photo, _ = pieces(0, 1)
    for _ in range(2):
        assert engine(config).handle(MESSAGES, 0, records([text]))
    passed = [m.value() for m in hub.read("intake.wechat")]
    assert passed == [CODEC.encode("report", text)] * 2
    decider = engine(config)
    assert decider.handle("intake.wechat", 0, [Record(n, value) for n, value in enumerate(passed)])
    assert [d["outcome"] for d in hub.decisions()] == ["routed", "replay"]

    hub.send(MESSAGES, 0, [CODEC.encode("report", text)])
    assert engine(config).handle(MESSAGES, 0, records([photo], 1)), "it reads what came before first"
    assert [CODEC.report(m.value())["part_ids"] for m in hub.read("intake.wechat")][2:] == [
        [text["report_id"], photo["report_id"]]
    ]


def test_a_chunk_of_messages_that_comes_again_to_the_same_worker_is_passed_on_once(
    hub: Hub, config: WorkerConfig
) -> None:
    one, chunk = engine(config), records(pieces(0, 2))
    assert one.handle(MESSAGES, 0, chunk[:4])
    one.assign([(topic, 0) for topic in CONSUMED])
    assert one.handle(MESSAGES, 0, chunk)
    assert len(hub.read("intake.wechat")) == 6
    one.assign([])
    assert not one.handle(MESSAGES, 0, chunk)


def test_without_a_channel_that_assembles_no_topic_of_messages_is_asked_for(hub: Hub, config: WorkerConfig) -> None:
    hub.delete(MESSAGES)
    with pytest.raises(WorkerError, match=rf"topics {MESSAGES} are missing"):
        check_topics(config)
    channels = {name: replace(channel, assemble_minutes=0.0) for name, channel in config.profile.channels.items()}
    check_topics(replace(config, profile=replace(config.profile, channels=channels)))


def test_poison_becomes_dead_letters_and_stops_nothing(hub: Hub, start: Callable[..., Worker]) -> None:
    good = payloads("wechat", 0, 4)
    poison = [b"no avro", b"\0\0\0\0\1\xff\xff", b""]
    hub.send("intake.wechat", 1, [good[0], poison[0], good[1], poison[1], good[2], poison[2], good[3]])
    worker = start()
    wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0")
    letters = [CODEC.dead_letter(m.value()) for m in hub.read(topics.DEADLETTER)]
    assert {d["origin_offset"]: d["original"] for d in letters} == {1: poison[0], 3: poison[1], 5: poison[2]}
    assert [d["intake_offset"] for d in hub.decisions()] == [0, 2, 4, 6]


def test_aborted_transactions_are_not_decided_and_markers_leave_no_lag(hub: Hub, start: Callable[..., Worker]) -> None:
    producer = hub.transactional_producer()
    for number, payload in enumerate(payloads("wechat", 0, 4)):
        producer.begin_transaction()
        producer.produce("intake.wechat", payload, b"k", 2)
        if number == 2:
            producer.flush()
            producer.abort_transaction()
        else:
            producer.commit_transaction()
    worker = start()
    wait_for(lambda: hub.lag(worker.group) == 0, what="lag 0 past the last marker")
    assert [d["report"]["upstream_id"] for d in hub.decisions()] == [f"wechat-0-{n}" for n in (0, 1, 3)]


def test_a_broker_that_dies_and_comes_back_costs_nothing(
    hub: Hub, kafka: EmbeddedKafka, start: Callable[..., Worker]
) -> None:
    total = fill(hub, 600)
    worker = start(chunk_records=50)
    wait_for(lambda: hub.routed_count() > 200, what="progress")
    kafka.kill()
    kafka.start()
    total += fill(hub, 50, first=600)
    wait_for(lambda: hub.lag(worker.group) == 0, 90, what="lag 0")
    decided = hub.decided_offsets()
    assert (len(decided), set(decided.values())) == (total, {1})
    assert worker.process.poll() is None


@pytest.mark.parametrize("fault", ["decide", "commit"])
def test_an_unknown_error_ends_the_process_with_nothing_committed(
    hub: Hub, start: Callable[..., Worker], fault: str
) -> None:
    total = fill(hub, 5)
    worker = start(fault=fault)
    assert worker.process.wait(60) == 1
    assert hub.lag(worker.group) == total
    assert "LookupError" in worker.log.read_text()
    assert fault == "commit" or "13800000000" not in worker.log.read_text()


def test_a_missing_topic_is_named_before_anything_starts(hub: Hub, start: Callable[..., Worker]) -> None:
    hub.delete(topics.ALERTS)
    worker = start()
    assert worker.process.wait(60) == 1
    assert "topics alerts are missing" in worker.log.read_text()


# -- the engine alone, in this process -------------------------------------------------------------------------------


@pytest.fixture
def config(hub: Hub, tmp_path: Path) -> WorkerConfig:
    channels = {name: channel for name, channel in PROFILE.channels.items() if channel.feed in FEEDS}
    return WorkerConfig(hub.bootstrap, replace(PROFILE, channels=channels), CODEC, tmp_path)


def engine(config: WorkerConfig) -> Engine:
    made = Engine(config)
    made.assign([(topic, 0) for topic in CONSUMED])
    return made


def of_wechat(*numbers: int, first: int = 0) -> list[Record]:
    return records([report(n, feed="wechat", reported_at=START + n * MINUTE) for n in numbers], first)


def test_a_worker_that_slept_through_a_rebalance_does_not_spoil_the_state_of_the_next(
    hub: Hub, config: WorkerConfig
) -> None:
    """Two engines believe they have partition 0: the one whose write comes second reads the log anew."""
    one, other = engine(config), engine(config)
    assert one.handle("intake.wechat", 0, of_wechat(1))
    assert other.handle("intake.wechat", 0, of_wechat(2, first=1))
    assert one.handle("intake.wechat", 0, of_wechat(3, first=2)), "written after another's: the log is read anew"
    assert one.handle("intake.wechat", 0, of_wechat(2, first=3))
    assert [d["relation"] for d in hub.decisions()] == ["new", "joined", "joined", "replay"]


def test_a_partition_that_was_away_is_brought_up_to_the_end_of_the_log(hub: Hub, config: WorkerConfig) -> None:
    one, other = engine(config), engine(config)
    assert one.handle("intake.wechat", 0, of_wechat(1))
    assert other.handle("intake.wechat", 0, of_wechat(2, first=1))
    one.assign([])
    assert not one.handle("intake.wechat", 0, of_wechat(2, first=1))
    one.assign([(topic, 0) for topic in CONSUMED])
    assert one.handle("intake.wechat", 0, of_wechat(2, first=1)), "it has its outcome: nothing is written"
    assert one.handle("intake.wechat", 0, of_wechat(2, first=2))
    assert [d["outcome"] for d in hub.decisions()] == ["routed", "routed", "replay"]


def test_a_part_of_a_partition_number_is_refused(config: WorkerConfig) -> None:
    with pytest.raises(WorkerError, match=r"\[0\] were assigned without some of their topics"):
        Engine(config).assign([("intake.wechat", 0), *((topic, 1) for topic in CONSUMED)])
