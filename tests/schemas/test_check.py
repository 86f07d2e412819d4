"""`zhishu schema check` finds what would break a reader, and is silent on what would not."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.check import can_read, check, check_example, undocumented
from schemas.registry import schema


def changed(**field: Any) -> dict[str, Any]:
    """schemas/report with one field replaced or added."""
    body = copy.deepcopy(schema("report"))
    body["fields"] = [f for f in body["fields"] if f["name"] != field["name"]] + [field]
    return body


def test_the_schemas_on_file_have_no_finding() -> None:
    assert list(check()) == []


@pytest.mark.parametrize(
    ("field", "finding"),
    [
        ({"name": "title", "type": "bytes"}, "type"),
        ({"name": "new", "type": "string"}, "without a default"),
        ({"name": "lon", "type": "double"}, "type"),
        ({"name": "extra", "type": {"type": "map", "values": "long"}}, "type"),
        ({"name": "attachments", "type": {"type": "array", "items": "bytes"}}, "type"),
        ({"name": "reported_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, "logicalType changed"),
        ({"name": "lat", "type": ["null", "string"]}, "branch 1"),
    ],
)
def test_a_breaking_change_is_found(field: dict[str, Any], finding: str) -> None:
    found = [*can_read(changed(**field), schema("report")), *can_read(schema("report"), changed(**field))]
    assert any(finding in text for text in found)


def test_a_new_field_with_a_default_breaks_nothing() -> None:
    newer = changed(name="new", type=["null", "string"], default=None)
    assert list(can_read(newer, schema("report"))) == []
    assert list(can_read(schema("report"), newer)) == []


def test_a_removed_field_without_a_default_breaks_the_older_reader() -> None:
    newer = copy.deepcopy(schema("report"))
    newer["fields"] = [f for f in newer["fields"] if f["name"] != "report_id"]
    assert any("report_id" in text for text in can_read(schema("report"), newer))


def test_a_field_without_a_doc_is_found() -> None:
    assert list(undocumented(changed(name="new", type="string"))) == ["Report.new: no doc"]


def test_an_example_that_does_not_fit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "v1-broken.json"
    path.write_text(json.dumps({"report_id": 7}))
    assert any("does not fit version 1" in text for text in check_example("report", 1, path))
