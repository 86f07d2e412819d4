"""Reports, records and profiles for the tests of streams."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings

import profiles
from profiles import load_profile
from schemas.codec import Codec
from schemas.ids import report_id
from schemas.records import Report
from schemas.registry import FileRegistry

PROFILE = load_profile(Path(profiles.__file__).parent / "demo")
CODEC = Codec(FileRegistry())
#: For hypothesis: a busy machine is no failure.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
START = 1_757_642_400_000  # 2025-09-12 10:00 in Asia/Shanghai
FEEDS = ("hotline12345", "wechat")  # of the worker process
CHANNELS = {"hotline12345": "demo-hotline", "wechat": "demo-wechat"}
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def rid(number: int | str, feed: str = "hotline12345") -> str:
    """Id of `report(number, feed=feed)`."""
    return report_id(feed, CHANNELS.get(feed, "demo-hotline"), str(number))


def report(number: int | str = 1, *, feed: str = "hotline12345", **changes: Any) -> Report:
    """A plausible report; `number` is its upstream id."""
    made: dict[str, Any] = {
        "report_id": rid(number, feed),
        "feed": feed,
        "channel": CHANNELS.get(feed, "demo-hotline"),
        "place_key": "370212001",
        "matter_kind": "noise",
        "reporter_key": f"person-{number}",
        "content_hash": f"hash-{number}",
        "reported_at": START,
        "received_at": START + MINUTE,
        "confidential": False,
        "upstream_id": str(number),
        "via": "电话",
        "appeal_type": "complaint",
        "family": "livelihood",
        "kind_code": "demo/hotline-2025/appeal/010101",
        "category_path": ["环境保护", "噪音污染"],
        "title": "夜间噪音扰民",
        "content": "幸福小区三号楼楼下夜里放音乐，声音很大，影响休息",
        "reporter_mask": "138****0000",
        "address": "幸福小区三号楼",
        "street_code": "370212001",
        "community_code": "370212001003",
        "grid_code": None,
        "lon": 120.454731,
        "lat": 36.112034,
        "source_lon": None,
        "source_lat": None,
        "source_crs": None,
        "location_method": "code",
        "urgency": "normal",
        "device_id": None,
        "source_due_at": None,
        "related_upstream_ids": [],
        "attachments": [],
        "extra": {},
        "sealed": None,
        "sealed_key_id": None,
        "location_confidence": None,
        "professional_grids": [],
        "part_ids": [],
    }
    unknown = set(changes) - set(made)
    assert not unknown, unknown
    return {**made, **changes}  # type: ignore[typeddict-item]


@dataclass
class Record:
    """A Kafka record as the worker sees it."""

    offset: int
    value: bytes | None
    timestamp: int = START
    key: bytes | None = b"370212001"
    headers: tuple[tuple[str, bytes], ...] = ()


def records(reports: list[Report], first: int = 0) -> list[Record]:
    """Records of one topic-partition with consecutive offsets."""
    return [Record(first + i, CODEC.encode("report", r)) for i, r in enumerate(reports)]
