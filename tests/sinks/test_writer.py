"""The sink between a real broker and a real engine: nothing lost, nothing twice, poison set aside, whatever fails."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from hub.clickhouse_embedded import EmbeddedClickHouse
from hub.kafka_embedded import EmbeddedKafka
from hub.process import free_port
from profiles import Profile
from schemas.codec import Codec
from schemas.registry import FileRegistry
from schemas.topics import ALERTS, DEADLETTER, PROGRESS, REPLAY_HEADER, ROUTED
from sinks.errors import SinkError
from sinks.run import count_cases, run_sink
from sinks.writer import Sink, SinkConfig, _Pending, open_clickhouse
from tests.sinks.conftest import ROOT, all_committed, committed, ends, send, url, wait_for
from tests.sinks.records import DAY, NOON, alert, change, letter, report, routed, step

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

CODEC = Codec(FileRegistry())
_names = count()


def names(number: int) -> list[str]:
    """Names of reports that no other test uses."""
    return [f"w{next(_names):05d}" for _ in range(number)]


def decisions(some: list[str], **changed: Any) -> list[bytes]:
    return [CODEC.encode("routed_report", routed(report(name, **changed))) for name in some]


@pytest.fixture
def settings(kafka: EmbeddedKafka, engine: EmbeddedClickHouse, hub: Any) -> dict[str, Any]:
    """A group of its own, and short waits."""
    return {
        "bootstrap": kafka.bootstrap,
        "clickhouse_url": url(engine),
        "group": f"sink-{uuid4()}",
        "max_wait": 0.2,
        "lag_every": 0.2,
    }


@contextmanager
def running(config: SinkConfig) -> Iterator[list[BaseException]]:
    """A sink in a thread; what it raised is in the list."""
    stop, raised = Event(), []

    def work() -> None:
        try:
            run_sink(config, stop)
        except BaseException as error:
            raised.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield raised
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def start(mode: str, settings: dict[str, Any]) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sinks.sink_process", mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings).encode())
    process.stdin.close()
    process.stdin = None  # else communicate() would flush it
    return process


def counts(hub: Any, table: str = "hub.routed", key: str = "report_id") -> tuple[int, int, int]:
    """Raw rows, rows on a deduplicated read, distinct ids."""
    ((raw,),) = hub.query(f"SELECT count() FROM {table}").result_rows
    ((final, distinct),) = hub.query(f"SELECT count(), uniqExact({key}) FROM {table} FINAL").result_rows
    return raw, final, distinct


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_record_of_every_topic_becomes_its_row_and_is_committed(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    some = names(30)
    stored = metric("zhishu_stored_rows_total", table="routed")
    send(kafka, ROUTED, decisions(some[:20], sealed=b"\x00original", sealed_key_id="seal-1"))
    send(kafka, ROUTED, decisions(some[20:], reported_at=NOON + 40 * DAY), partition=1)
    send(kafka, PROGRESS, [CODEC.encode("progress", step(name, "close", NOON)) for name in some])
    send(kafka, ALERTS, [CODEC.encode("alert", alert("a1"))])
    send(kafka, DEADLETTER, [CODEC.encode("dead_letter", letter("d1"))])
    topics = (ROUTED, PROGRESS, ALERTS, DEADLETTER)
    with running(SinkConfig(profile=profile, **settings)):
        wait_for(lambda: all_committed(kafka, settings["group"], *topics))
        wait_for(lambda: metric("zhishu_lag_records", stage="sink", topic=ROUTED) == 0)
    assert counts(hub) == (30, 30, 30)
    assert counts(hub, "hub.progress", "progress_id") == (30, 30, 30)
    assert hub.query("SELECT sealed FROM hub.sealed_originals LIMIT 1").result_rows
    assert counts(hub, "hub.sealed_originals")[1] == 20
    assert hub.query("SELECT count() FROM bi.alerts").result_rows == [(1,)]
    assert hub.query("SELECT hex(original) FROM hub.dead_letters FINAL").result_rows == [("00FF7B",)]
    assert metric("zhishu_stored_rows_total", table="routed") == stored + 30
    assert metric("zhishu_last_stored_timestamp_seconds", table="routed") > 1_700_000_000
    assert metric("zhishu_broker_to_row_seconds_count", table="routed") >= 30
    assert metric("zhishu_source_to_row_seconds_count", table="progress") >= 30
    row = hub.query(
        "SELECT DISTINCT _topic, _partition, _offset >= 0, _timestamp > '2025-01-01', _ingested_at >= _timestamp "
        "FROM hub.routed ORDER BY _partition"
    ).result_rows
    assert row == [(ROUTED, 0, 1, 1, 1), (ROUTED, 1, 1, 1, 1)]


def test_decisions_and_changes_of_one_partition_go_to_their_own_tables_and_nothing_else_may_stand_there(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    (name,) = names(1)
    foreign = CODEC.encode("alert", alert("foreign"))
    mixed = [*decisions([name]), CODEC.encode("change", change("rejected", name)), foreign]
    send(kafka, ROUTED, mixed)
    with running(SinkConfig(**settings, profile=profile)) as raised:
        wait_for(lambda: raised or all_committed(kafka, settings["group"], ROUTED))
        wait_for(lambda: raised or all_committed(kafka, settings["group"], DEADLETTER))
    assert not raised
    assert counts(hub) == (1, 1, 1)
    assert counts(hub, "hub.changes", "cause_id") == (1, 1, 1)
    found = hub.query("SELECT reason_code, original FROM hub.dead_letters FINAL").result_rows
    assert [code for code, _ in found] == ["bad_record"]


def test_reading_the_whole_log_again_changes_no_row_on_read(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    some = names(50)
    stored = metric("zhishu_stored_rows_total", table="routed")
    send(kafka, ROUTED, decisions(some))
    send(kafka, PROGRESS, [CODEC.encode("progress", step(name, "close", NOON)) for name in some])
    read = (
        "SELECT * EXCEPT _ingested_at FROM hub.routed FINAL ORDER BY ALL",
        "SELECT * EXCEPT _ingested_at FROM hub.progress FINAL ORDER BY ALL",
    )
    found = []
    for most in (10_000, 7):
        again = {**settings, "group": f"again-{uuid4()}", "max_rows": most}
        with running(SinkConfig(profile=profile, **again)):
            wait_for(lambda group=again["group"]: all_committed(kafka, group, ROUTED, PROGRESS))
        found.append([hub.query(query).result_rows for query in read])
    assert found[0] == found[1]
    assert len(found[0][0]) == 50
    assert metric("zhishu_stored_rows_total", table="routed") == stored + 100  # it was stored again, in other batches


def test_a_sink_killed_between_insert_and_commit_leaves_every_row_once(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    settings["instance"] = "killed"
    some = names(300)
    send(kafka, ROUTED, decisions(some))
    dying = start("die-before-commit", settings)
    out, err = dying.communicate(timeout=60)
    assert dying.returncode == -signal.SIGKILL, err.decode()
    assert out == b"stored\n"
    assert counts(hub) == (300, 300, 300)
    assert committed(kafka, settings["group"]) == {}
    stored = metric("zhishu_stored_rows_total", table="routed")
    more = names(10)
    send(kafka, ROUTED, decisions(more))
    with running(SinkConfig(profile=profile, **settings)):
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))
    assert counts(hub)[1:] == (310, 310)
    assert metric("zhishu_stored_rows_total", table="routed") == stored + 310  # 300 of them a second time


def test_what_cannot_be_read_goes_to_deadletter_with_its_bytes_and_stops_nothing(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    good = names(4)
    reasons = {
        b"no avro": "bad_wire_format",
        b"": "bad_wire_format",
        b"\x00\x00\x00\xff\xff": "unknown_schema",
        decisions(good)[0][:40]: "bad_record",
        CODEC.encode("progress", step(good[0], "close", NOON)): "bad_record",
        decisions(["year"], reported_at=-1)[0]: "bad_time",
        decisions(["lon"], lon=200.0)[0]: "bad_record",
    }
    counted = metric("zhishu_dead_lettered_messages_total", feed="", stage="sink", reason="bad_wire_format")
    values = [*decisions(good[:2]), *reasons, *decisions(good[2:])]
    offsets = send(kafka, ROUTED, values, key=b"370212001")
    with running(SinkConfig(profile=profile, **settings)):
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED, DEADLETTER))
        wait_for(lambda: counts(hub, "hub.dead_letters", "dead_letter_id")[1] == len(reasons))
    assert counts(hub)[1] == 4
    letters = hub.query(
        "SELECT origin_offset, reason_code, hex(original), hex(key), stage, origin_topic, origin_partition "
        "FROM hub.dead_letters FINAL ORDER BY origin_offset"
    ).result_rows
    key = b"370212001".hex().upper()
    assert letters == [
        (offset, reason, value.hex().upper(), key, "sink", ROUTED, 0)
        for offset, (value, reason) in zip(offsets[2:], reasons.items(), strict=False)
    ]
    now = metric("zhishu_dead_lettered_messages_total", feed="", stage="sink", reason="bad_wire_format")
    assert now == counted + 2


def test_a_row_that_is_refused_for_itself_is_found_and_set_aside(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    some = names(21)
    bad = CODEC.encode("routed_report", routed(report("bad"), intake_offset=-1))
    values = [*decisions(some[:13]), bad, *decisions(some[13:])]
    offsets = send(kafka, ROUTED, values)
    with running(SinkConfig(profile=profile, **settings)):
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED, DEADLETTER))
        wait_for(lambda: counts(hub, "hub.dead_letters", "dead_letter_id")[1] == 1)
    assert counts(hub)[1:] == (21, 21)
    found = hub.query(
        "SELECT origin_offset, reason_code, feed, channel, hex(original), reason FROM hub.dead_letters"
    ).result_rows[0]
    assert found[:5] == (offsets[13], "store_refused", "hotline12345", "demo-hotline", bad.hex().upper())
    assert "夜间" not in found[5]
    assert "-1" not in found[5]


def test_a_row_that_breaks_a_constraint_of_the_table_is_found_and_set_aside(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    hub.command("ALTER TABLE hub.alerts ADD CONSTRAINT known CHECK rule != 'unknown'")
    bad = CODEC.encode("alert", alert("a2", rule="unknown"))
    good = [CODEC.encode("alert", alert(name)) for name in ("a1", "a3")]
    try:
        offsets = send(kafka, ALERTS, [good[0], bad, good[1]])
        with running(SinkConfig(profile=profile, **settings)):
            wait_for(lambda: all_committed(kafka, settings["group"], ALERTS, DEADLETTER))
            wait_for(lambda: counts(hub, "hub.dead_letters", "dead_letter_id")[1] == 1)
    finally:
        hub.command("ALTER TABLE hub.alerts DROP CONSTRAINT known")
    assert counts(hub, "hub.alerts", "alert_id") == (2, 2, 2)
    found = hub.query("SELECT origin_topic, origin_offset, reason_code, reason FROM hub.dead_letters").result_rows[0]
    assert found[:3] == (ALERTS, offsets[1], "store_refused")
    assert "code 469" in found[3]


def test_a_record_played_again_carries_its_count_into_its_next_letter(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    send(kafka, ROUTED, [b"no avro"], headers=[("other", b"9"), (REPLAY_HEADER, b"2")])
    with running(SinkConfig(profile=profile, **settings)):
        wait_for(lambda: counts(hub, "hub.dead_letters", "dead_letter_id")[1] == 1)
    assert hub.query("SELECT replay_count FROM hub.dead_letters").result_rows == [(2,)]


def test_a_record_that_comes_for_a_frozen_batch_ends_the_sink(settings: dict[str, Any], profile: Profile) -> None:
    """Kafka keeps a paused partition quiet, so only a made-up record can show it."""
    sink = Sink(SinkConfig(profile=profile, **settings), None)
    pending = sink._pending[ALERTS, 0] = _Pending(ALERTS, 0)
    told: dict[str, Any] = {"error": None, "topic": ALERTS, "partition": 0, "timestamp": (1, NOON), "key": None}
    told |= {"headers": None, "value": CODEC.encode("alert", alert("a1"))}

    def message(offset: int) -> Any:
        return SimpleNamespace(**{name: lambda it=it: it for name, it in {**told, "offset": offset}.items()})

    sink._take(message(1))
    pending.batches = deque()
    with pytest.raises(SinkError, match="frozen"):
        sink._take(message(2))
    assert list(pending.raw) == [1]


def test_too_many_refused_rows_are_a_defect_and_end_the_sink_before_a_commit(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    before = ends(kafka)
    send(kafka, ROUTED, [CODEC.encode("routed_report", routed(report("bad"), intake_offset=-1)) for _ in range(101)])
    with running(SinkConfig(profile=profile, **settings)) as raised:
        wait_for(lambda: raised)
    assert isinstance(raised[0], SinkError)
    assert committed(kafka, settings["group"]) == {}
    assert ends(kafka) == {**before, (ROUTED, 0): before[ROUTED, 0] + 101}


def test_a_table_that_is_not_there_ends_the_sink_and_names_the_code_only(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    send(kafka, ALERTS, [CODEC.encode("alert", alert("a2", summary="不可外传"))])
    hub.command("RENAME TABLE hub.alerts TO hub.alerts_away")
    try:
        sink = Sink(SinkConfig(profile=profile, **settings), open_clickhouse(settings["clickhouse_url"]))
        with pytest.raises(SinkError, match="code 60") as raised:
            sink.run(Event())
    finally:
        hub.command("RENAME TABLE hub.alerts_away TO hub.alerts")
    assert "不可外传" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert committed(kafka, settings["group"]) == {}


def test_two_sinks_share_the_partitions_and_one_takes_over_what_the_other_leaves(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any, profile: Profile
) -> None:
    other = start("run", settings)
    try:
        send(kafka, ROUTED, decisions(names(20)))
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))  # it is up, and takes signals
        with running(SinkConfig(profile=profile, **settings)) as raised:
            for _ in range(3):
                for partition in (0, 1):
                    send(kafka, ROUTED, decisions(names(20)), partition=partition)
            wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))
            other.send_signal(signal.SIGTERM)
            _, err = other.communicate(timeout=60)
            assert other.returncode == 0, err.decode()
            for partition in (0, 1):
                send(kafka, ROUTED, decisions(names(20)), partition=partition)
            wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))
            assert not raised
    finally:
        other.kill()
        other.communicate()
    assert counts(hub)[1:] == (180, 180)


def test_while_clickhouse_is_away_nothing_is_committed_and_then_everything_is_stored(
    settings: dict[str, Any], kafka: EmbeddedKafka, engine: EmbeddedClickHouse, hub: Any, profile: Profile
) -> None:
    def code() -> float:
        return metric("zhishu_store_errors_total", table="routed", code="connection")

    with running(SinkConfig(profile=profile, **settings)) as raised:
        send(kafka, ROUTED, decisions(names(5)))
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))
        before = code()
        engine.kill()
        try:
            send(kafka, ROUTED, decisions(names(5)))
            wait_for(lambda: code() >= before + 3)
            assert not all_committed(kafka, settings["group"], ROUTED)
            send(kafka, ROUTED, decisions(names(5)), partition=1)
            wait_for(lambda: metric("zhishu_lag_records", stage="sink", topic=ROUTED) == 10)
            wait_for(lambda: metric("zhishu_lag_seconds", stage="sink", topic=ROUTED) > 0)
        finally:
            engine.start()
        wait_for(lambda: all_committed(kafka, settings["group"], ROUTED))
        wait_for(lambda: metric("zhishu_lag_records", stage="sink", topic=ROUTED) == 0)
        assert not raised
    assert counts(hub) == (15, 15, 15)


def answer(address: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(address, timeout=10) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_process_serves_health_and_metrics_counts_cases_and_stops_on_sigterm(
    settings: dict[str, Any], kafka: EmbeddedKafka, hub: Any
) -> None:
    port = free_port()
    some = names(3)
    send(kafka, ROUTED, decisions(some))
    process = start("run", {**settings, "port": port, "cases_every": 0.2})
    base = f"http://127.0.0.1:{port}"

    def shows(text: str) -> Callable[[], bool]:
        def look() -> bool:
            with suppress(OSError):
                return text.encode() in answer(f"{base}/metrics")[1]
            return False

        return look

    try:
        wait_for(shows("zhishu_open_cases 3.0"))
        wait_for(shows("zhishu_overdue_cases 3.0"))
        assert answer(f"{base}/health") == (200, b"ok\n")
        assert answer(f"{base}/elsewhere")[0] == 404
        send(kafka, PROGRESS, [CODEC.encode("progress", step(some[0], "close", NOON))])
        wait_for(shows("zhishu_open_cases 2.0"))
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err.decode()
    finally:
        process.kill()
        process.communicate()
    assert all_committed(kafka, settings["group"], ROUTED, PROGRESS)


def test_alarms_are_not_counted_as_cases(hub: Any, put: Callable[..., None]) -> None:
    put(ROUTED, [routed(report("a")), routed(report("b", appeal_type="alarm"))])
    count_cases(hub)
    assert (metric("zhishu_open_cases"), metric("zhishu_overdue_cases")) == (1, 1)
