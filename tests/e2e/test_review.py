"""A person's word through the whole hub, by the commands that a clerk types: asked, accepted, unlinked, merged, explained."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from hub.settings import DEMO_PROFILE
from hub.up import Hub
from schemas.codec import Codec
from schemas.records import Report
from schemas.registry import FileRegistry
from schemas.topics import RULINGS, intake_topic
from tests.e2e.hubs import query, settle, start
from tests.streams.make import HOUR, START, report

pytestmark = pytest.mark.e2e
CODEC = Codec(FileRegistry())
TOLD = ("{}夜间施工噪声", "{}北门工地夜里还在浇筑混凝土，声音很大，老人孩子无法休息。")
#: Somewhat like TOLD: between the thresholds of WIDE, however matching is tuned.
ALIKE = ("{}晚上有噪音", "{}晚上总有机器的响声，影响睡眠。")
WIDE = "\n[matching]\nlink = 0.98\nreview = 0.05\n"
PLAIN = {
    **{"community_code": None, "lon": None, "lat": None, "address": None, "street_code": None, "location_method": None},
    **{"matter_kind": "", "kind_code": None, "category_path": []},
}
PLACES = ("海棠花园小区", "金沙湾小区")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    profile = shutil.copytree(DEMO_PROFILE, tmp_path_factory.mktemp("profile"), dirs_exist_ok=True)
    with (profile / "profile.toml").open("a", encoding="utf-8") as file:
        file.write(WIDE)
    with start(tmp_path_factory.mktemp("review"), profile) as running:
        yield running


def made(number: int, told: tuple[str, str], place: str, **changed: Any) -> Report:
    """A report of its own person, an hour after the one numbered before it, that tells no more of its place than a name."""
    title, content = (text.format(place) for text in told)
    at = START + number * HOUR
    return report(
        number, **{**PLAIN, "title": title, "content": content, "reported_at": at, "received_at": at, **changed}
    )


def zhishu(hub: Hub, *arguments: str, columns: int = 100) -> "subprocess.CompletedProcess[str]":
    """The command, with the settings of the hub."""
    environment = {**hub.settings.environment(), "COLUMNS": str(columns), "NO_COLOR": "1", "LANG": "zh_CN.UTF-8"}
    environment.pop("LC_ALL", None)
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def tell(hub: Hub, one: Report) -> str:
    """Sends a report as a connector does; returns its id once it is stored."""
    key = hub.profile.county_code
    producer = Producer({"bootstrap.servers": hub.settings.kafka_bootstrap, "partitioner": "murmur2_random"})
    producer.produce(intake_topic(one["feed"]), CODEC.encode("report", {**one, "place_key": key}), key.encode())
    assert producer.flush(30) == 0
    settle(hub)
    return one["report_id"]


def matter(hub: Hub, report_id: str) -> tuple[str, str]:
    """Matter and relation as BI shows them."""
    ((found, relation),) = query(hub, f"SELECT matter_id, relation FROM bi.reports WHERE report_id = '{report_id}'")
    return found, relation


def test_a_question_accepted_joins_and_unlinked_parts_for_good_and_doubled_commands_do_nothing_twice(hub: Hub) -> None:
    first, second = tell(hub, made(1, TOLD, PLACES[0])), tell(hub, made(2, ALIKE, PLACES[0]))
    assert matter(hub, second) == (second, "new")
    asked = json.loads(zhishu(hub, "review", "list", "--json").stdout)
    assert [(one["report_id"], one["review_matter"]) for one in asked] == [(second, first)]
    assert ALIKE[0].format(PLACES[0]) in zhishu(hub, "review", "list", columns=160).stdout

    done = zhishu(hub, "review", "accept", second, "--by", "clerk-07", "--reason", "同一工地，机主13800001234")
    assert done.returncode == 0, done.stderr
    assert "人工研判：并入" in done.stdout
    settle(hub)
    assert matter(hub, second) == (first, "joined")
    assert json.loads(zhishu(hub, "review", "list", "--json").stdout) == []
    again = zhishu(hub, "review", "accept", second, "--by", "clerk-08")
    assert (again.returncode, "未重复记录" in again.stdout) == (0, True)

    page = zhishu(hub, "explain", second).stdout
    for text in (first, TOLD[0].format(PLACES[0]), "clerk-07", "同一工地", "不是同一诉求人", "人工研判：并入", "主办"):
        assert text in page, page
    assert "13800001234" not in page

    assert zhishu(hub, "unlink", second, "--by", "clerk-07").returncode == 0
    settle(hub)
    assert matter(hub, second) == (second, "new")
    ((rulings,),) = query(hub, "SELECT uniqExact(intake_offset) FROM hub.changes WHERE intake_topic = 'rulings'")
    assert zhishu(hub, "unlink", second).returncode == 0
    settle(hub)
    assert query(hub, "SELECT uniqExact(intake_offset) FROM hub.changes WHERE intake_topic = 'rulings'") == [(rulings,)]
    # Told again, with the very words of the other: a correction of a report that a person took out stays out.
    tell(hub, made(2, TOLD, PLACES[0], content_hash="corrected", reporter_key="person-1"))
    assert matter(hub, second) == (second, "new")


def test_a_rejected_report_is_asked_about_no_more_and_a_ruling_without_effect_says_why(hub: Hub) -> None:
    first, second = tell(hub, made(11, TOLD, PLACES[1])), tell(hub, made(12, ALIKE, PLACES[1]))
    assert second in zhishu(hub, "review", "list", "--json").stdout
    assert zhishu(hub, "review", "reject", second).returncode == 0
    settle(hub)
    assert second not in zhishu(hub, "review", "list", "--json").stdout
    assert matter(hub, second) == (second, "new")
    void = zhishu(hub, "unlink", second)
    assert (void.returncode, "未生效：该诉求已经单独成为一事项" in void.stdout) == (1, True)

    assert zhishu(hub, "merge", second, first, "--lang", "en").stdout.startswith("a person merged two matters")
    settle(hub)
    assert matter(hub, second)[0] == matter(hub, first)[0]
    twice = zhishu(hub, "merge", second, first)
    assert (twice.returncode, "in one matter already" in twice.stderr) == (1, True)


def test_ids_that_nobody_knows_are_told_before_anything_is_written(hub: Hub) -> None:
    def written() -> int:
        with_rulings = query(hub, "SELECT count() FROM hub.changes FINAL WHERE intake_topic = 'rulings'")
        return int(with_rulings[0][0])

    before = written()
    for command in (
        ["explain", "x"],
        ["unlink", "x"],
        ["merge", "x", "y"],
        ["review", "accept", "x"],
        ["review", "reject", "x"],
    ):
        done = zhishu(hub, *command)
        assert done.returncode == 1, command
        assert "Traceback" not in done.stderr
    settle(hub)
    assert written() == before


def test_every_ruling_is_accounted_for(hub: Hub) -> None:
    account = settle(hub)
    (rulings,) = (topic for topic in account.topics if topic.topic == RULINGS)
    assert rulings.good
    assert rulings.routed == rulings.records
