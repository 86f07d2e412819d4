"""A source that writes its own topic: what keeps the contract is decided on, the rest is a letter with its bytes."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kafka.partitioner.default import murmur2

from hub.kafka_embedded import EmbeddedKafka
from profiles import ProfileError
from profiles.channels import load_channels
from schemas.endpoint import registry_routes
from schemas.ids import report_id
from schemas.records import DeadLetter, Report
from streams.chunks import ChunkDecider
from streams.state import PartitionState
from tests.servers import serve
from tests.streams.conftest import PARTITIONS, Hub
from tests.streams.make import CODEC, DAY, PROFILE, START, Record, records, report

PAGE = Path(__file__).parents[2] / "docs" / "feeds" / "kafka.md"
METERS = replace(PROFILE.channels["demo-canonical"], id="water-meters", feed="water", protocol="kafka")
DECIDER = ChunkDecider(replace(PROFILE, channels={**PROFILE.channels, "water-meters": METERS}), CODEC)
TOPIC = "intake.water"


def own(**changes: Any) -> Report:
    """A good record of the source."""
    made = {"channel": "water-meters", "reporter_key": "0a" * 16, "report_id": report_id("water", "water-meters", "1")}
    made["content_hash"] = "0b" * 16
    return {**report("1", feed="hotline12345"), "feed": "water", **made, **changes}  # type: ignore[typeddict-item]


def decided(one: Report) -> tuple[int, list[DeadLetter]]:
    outputs = DECIDER.run(PartitionState(), TOPIC, 0, records([one]))
    return len(outputs.routed), [CODEC.dead_letter(value) for _, value in outputs.dead_letters]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reporter_key": None},
        {"reporter_key": "37021200001320000001", "device_id": "37021200001320000001", "appeal_type": "alarm"},
        {"appeal_type": "report", "confidential": True, "reporter_mask": None},
        {"upstream_id": "250912101108115409", "report_id": report_id("water", "water-meters", "250912101108115409")},
        {"reporter_mask": "138****0000", "content": "来电人138****0000反映水压低", "extra": {"pump": "3"}},
        {"sealed": b"s" * 28, "sealed_key_id": "water-2025"},
    ],
)
def test_a_record_that_keeps_the_contract_is_decided_on(changes: dict[str, Any]) -> None:
    assert decided(own(**changes)) == (1, [])


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"feed": "wechat"}, "bad_record", "feed"),
        ({"report_id": "water-1"}, "bad_record", "report_id"),
        ({"upstream_id": "2"}, "bad_record", "report_id"),
        ({"channel": "demo-hotline"}, "unknown_channel", "channel"),
        ({"channel": "nobody"}, "unknown_channel", "channel"),
        ({"part_ids": ["water-1"]}, "bad_record", "part_ids"),
        ({"reported_at": START + 3 * DAY}, "bad_time", "reported_at"),
        ({"lon": 200.0}, "bad_location", "lon"),
        ({"content": "请联系13800001234"}, "unmasked", "content"),
        ({"title": "联系 138-0000-1234"}, "unmasked", "title"),
        ({"address": "示例路1号，电话13800001234"}, "unmasked", "address"),
        ({"place_key": "text:13800001234"}, "unmasked", "place_key"),
        ({"reporter_mask": "13800001234"}, "unmasked", "reporter_mask"),
        ({"category_path": ["供水", "a13800001234"]}, "unmasked", "category_path"),
        ({"attachments": ["http://m.invalid/?phone=13800001234"]}, "unmasked", "attachments"),
        ({"extra": {"note": "13800001234"}}, "unmasked", "extra"),
        ({"extra": {"13800001234": "note"}}, "unmasked", "extra"),
        ({"reporter_key": "13800001234"}, "unmasked", "reporter_key"),
        ({"reporter_key": "oMadeUp_sample-0000000000001"}, "unmasked", "reporter_key"),
        ({"received_at": START + 3 * DAY}, "bad_time", "received_at"),
        ({"received_at": START + 3 * DAY, "reported_at": START + 3 * DAY}, "bad_time", "received_at"),
        ({"content": "水" * 30_001}, "too_large", "texts"),
        ({"reporter_key": "13800001234", "device_id": "13800001234"}, "unmasked", "reporter_key"),
        ({"reporter_key": "13800001234", "device_id": "13800001234", "appeal_type": "alarm"}, "unmasked", "device_id"),
        ({"device_id": "甄样本 13800001234"}, "unmasked", "device_id"),
        ({"grid_code": "甄样本"}, "unmasked", "grid_code"),
        ({"kind_code": "来电人甄样本"}, "unmasked", "kind_code"),
        ({"sealed_key_id": "甄样本", "sealed": b"s" * 28}, "unmasked", "sealed_key_id"),
        ({"related_upstream_ids": ["甄样本13800001234"]}, "unmasked", "related_upstream_ids"),
        ({"professional_grids": ["甄样本"]}, "unmasked", "professional_grids"),
        ({"appeal_type": "甄样本"}, "bad_record", "appeal_type"),
        ({"family": "甄样本"}, "bad_record", "family"),
        ({"urgency": "甄样本"}, "bad_record", "urgency"),
        ({"location_method": "甄样本"}, "bad_record", "location_method"),
        ({"source_crs": "甄样本"}, "bad_record", "source_crs"),
        ({"matter_kind": "甄样本"}, "bad_record", "matter_kind"),
        ({"street_code": "甄样本"}, "bad_record", "street_code"),
        ({"community_code": "甄样本"}, "bad_record", "community_code"),
        ({"content_hash": "甄样本"}, "bad_record", "content_hash"),
        ({"confidential": True}, "unmasked", "reporter_mask"),
        ({"appeal_type": "report"}, "unmasked", "confidential"),
        ({"sealed": "甄样本，13800001234，来电反映水压低".encode()}, "unmasked", "sealed"),
        ({"sealed": b"short", "sealed_key_id": "water-2025"}, "unmasked", "sealed"),
    ],
)
def test_what_breaks_it_is_a_letter_with_its_bytes_that_names_the_field_and_no_value(
    changes: dict[str, Any], code: str, field: str
) -> None:
    one = own(**changes)
    count, [letter] = decided(one)
    assert (count, letter["reason_code"]) == (0, code)
    assert letter["original"] == CODEC.encode("report", one)
    assert field in letter["reason"]
    assert "1380000" not in letter["reason"]
    assert "甄样本" not in letter["reason"]


def test_what_a_connector_masked_is_not_looked_through_again() -> None:
    one = report("1", content="请联系13800001234")
    outputs = DECIDER.run(PartitionState(), "intake.hotline12345", 0, records([one]))
    assert len(outputs.routed) == 1


def test_a_source_with_kafka_has_a_feed_of_its_own(tmp_path: Path) -> None:
    channels = tmp_path / "channels.toml"
    entry = '[[channel]]\nid = "{}"\nfeed = "water"\nprotocol = "{}"\ncrs = "WGS-84"\n'
    channels.write_text(entry.format("one", "kafka"), "utf-8")
    assert load_channels(channels)["one"].protocol == "kafka"
    channels.write_text(entry.format("one", "kafka") + entry.format("two", "canonical"), "utf-8")
    with pytest.raises(ProfileError, match="the feed water has a channel of protocol kafka and others"):
        load_channels(channels)


@pytest.mark.kafka
def test_the_example_of_the_page_works_as_it_stands(hub: Hub, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    hub.create(TOPIC)
    app = web.Application()
    app.add_routes(registry_routes())
    with serve(app) as url:
        environment = {**os.environ, "ZHISHU_KAFKA": kafka.bootstrap, "ZHISHU_REGISTRY": url, "no_proxy": "*"}
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", script],
                cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
    found = hub.read(TOPIC)
    assert {message.key() for message in found} == {b"370212"}
    assert {message.partition() for message in found} == {murmur2(b"370212") % PARTITIONS}, "where Java puts it"
    outputs = DECIDER.run(
        PartitionState(), TOPIC, 0, [Record(n, m.value(), m.timestamp()[1]) for n, m in enumerate(found)]
    )
    assert outputs.dead_letters == []
    assert {CODEC.routed_report(value)["report"]["report_id"] for _, value in outputs.routed} == {done.stdout.strip()}
