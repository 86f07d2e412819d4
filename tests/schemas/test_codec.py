"""The wire format: what is written is Avro as Apache's own library means it, and garbage is told apart."""

import io
import struct
from contextlib import suppress
from typing import Any, get_type_hints

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import records
from schemas.check import examples, load_example, reference_decode, reference_encode
from schemas.codec import Codec, DecodeError, parse
from schemas.records import SUBJECTS, Subject
from schemas.registry import FileRegistry, schema, schema_id

CODEC = Codec(FileRegistry())
TEXT = st.text(max_size=40).filter(lambda s: not any(0xD800 <= ord(c) < 0xE000 for c in s))
MILLIS = st.integers(-(2**62), 2**62)
TYPED_DICTS = {
    "report": records.Report,
    "progress": records.Progress,
    "routed_report": records.RoutedReport,
    "alert": records.Alert,
    "dead_letter": records.DeadLetter,
    "ruling": records.Ruling,
    "change": records.Change,
}


def values(node: Any) -> st.SearchStrategy[Any]:
    """Any value of an Avro type."""
    if isinstance(node, list):
        return st.one_of(*(values(branch) for branch in node))
    if isinstance(node, dict):
        kind = node["type"]
        if kind == "record":
            return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in node["fields"]})
        if kind == "array":
            return st.lists(values(node["items"]), max_size=3)
        if kind == "map":
            return st.dictionaries(TEXT, values(node["values"]), max_size=3)
        return values(kind)
    return {
        "null": st.none(),
        "string": TEXT,
        "bytes": st.binary(max_size=40),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": MILLIS,
        "double": st.floats(allow_nan=False),
    }[node]


@pytest.mark.parametrize("subject", SUBJECTS)
@given(data=st.data())
def test_every_record_comes_back_equal_and_reads_equal_by_apaches_own_codec(
    subject: Subject, data: st.DataObject
) -> None:
    record = data.draw(values(schema(subject)))
    encoded = CODEC.encode(subject, record)
    assert CODEC.decode(encoded) == (subject, record)
    assert reference_decode(schema(subject), encoded[5:]) == record
    assert CODEC.decode(encoded[:5] + reference_encode(schema(subject), record)) == (subject, record)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_typed_shape_has_just_the_fields_of_the_schema(subject: Subject) -> None:
    assert list(get_type_hints(TYPED_DICTS[subject])) == [field["name"] for field in schema(subject)["fields"]]


@given(st.binary(max_size=200))
def test_garbage_is_a_decode_error_and_nothing_else(data: bytes) -> None:
    for value in (data, CODEC.header("report") + data):
        with suppress(DecodeError):
            CODEC.decode(value)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "bad_wire_format"),
        (b'{"json": true}', "bad_wire_format"),
        (struct.pack(">bI", 0, 999_999) + b"x", "unknown_schema"),
        (CODEC.header("report"), "bad_record"),
    ],
)
def test_each_kind_of_garbage_has_its_own_code(value: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(value)
    assert caught.value.code == code


def test_bytes_after_the_record_are_refused() -> None:
    _, path = examples("report")[0]
    with pytest.raises(DecodeError, match="goes on after"):
        CODEC.decode(CODEC.encode("report", load_example(path)) + b"\0")


def test_a_record_of_another_subject_is_refused_by_name() -> None:
    _, path = examples("alert")[0]
    with pytest.raises(DecodeError, match="expected a record of schemas/report, found one of schemas/alert"):
        CODEC.report(CODEC.encode("alert", load_example(path)))


def test_what_version_1_wrote_is_read_with_the_defaults_of_the_newest() -> None:
    first = next(path for version, path in examples("report") if version == 1)
    record = load_example(first)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parse(schema("report", 1)), record)
    read = CODEC.report(struct.pack(">bI", 0, schema_id("report", 1)) + out.getvalue())
    assert read == {**record, "location_confidence": None, "professional_grids": [], "part_ids": []}
