"""A report assembled of several messages is one report in bi, whole, wherever its revisions were decided."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from schemas.topics import ROUTED
from tests.sinks.records import NOON, report, routed

pytestmark = pytest.mark.clickhouse

PARTS = ["wechat-1", "wechat-2", "wechat-3"]


def revisions() -> list[Any]:
    """A text, a photo and a place; the last was decided in another partition, as if new. All were received in one moment."""
    base = {"feed": "wechat", "channel": "demo-wechat", "received_at": NOON}
    text = report("1", **base, report_id="wechat-1", content="路灯不亮", street_code=None, place_key="text:-")
    photo = {**text, "part_ids": PARTS[:2], "attachments": ["m-1"]}
    place = {**photo, "part_ids": PARTS, "street_code": "370212005", "place_key": "370212005"}
    return [
        routed(text, intake_partition=3, relation="joined", matter_id="wechat-0", linked_to="wechat-0"),
        routed(photo, intake_partition=3, relation="revision", matter_id="wechat-0", linked_to="wechat-1"),
        routed(place, intake_partition=7, relation="new"),
    ]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_revision_with_most_parts_tells_the_report_and_the_first_decision_its_matter(
    bi: Any, put: Callable[..., None], order: tuple[int, ...]
) -> None:
    found = revisions()
    put(ROUTED, [found[at] for at in order])
    query = "SELECT report_id, part_ids, street_code, attachments, matter_id, relation FROM bi.reports"
    assert bi.query(query).result_rows == [("wechat-1", PARTS, "370212005", ["m-1"], "wechat-0", "joined")]
