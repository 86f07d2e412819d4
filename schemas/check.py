"""`zhishu schema check`: every version against every earlier one, every example through both codecs.

Compatibility is full and transitive (Avro 1.11 specification, "Schema Resolution"): each version must read what every other
version wrote. The rules here are stricter than the specification where registries are known to have holes: no type
promotion, no aliases, no reordering of a union's branches.
"""

import base64
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import avro.io
import avro.schema
import fastavro

from schemas.codec import parse
from schemas.records import SUBJECTS, AnyRecord, Subject
from schemas.registry import Schema, schema, versions

_FOLDER: Final = Path(__file__).parent


def can_read(reader: Any, writer: Any, where: str = "") -> Iterator[str]:
    """What keeps `reader` from reading what `writer` wrote; nothing when it can."""
    if isinstance(reader, dict) and isinstance(writer, dict):
        yield from _can_read_named(reader, writer, where)
    elif isinstance(reader, list) and isinstance(writer, list):
        for index, branch in enumerate(writer):
            if not any(not list(can_read(other, branch)) for other in reader):
                yield f"{where}: the writer's union has a branch {index} that the reader's has not"
    elif reader != writer:
        yield f"{where}: type {json.dumps(writer)} became {json.dumps(reader)}"


def _can_read_named(reader: dict[str, Any], writer: dict[str, Any], where: str) -> Iterator[str]:
    if reader["type"] == "record" and writer["type"] == "record":
        if (reader.get("namespace"), reader["name"]) != (writer.get("namespace"), writer["name"]):
            yield f"{where}: the record's name changed"
        written = {field["name"]: field for field in writer["fields"]}
        for field in reader["fields"]:
            place = f"{where}.{field['name']}"
            if field["name"] in written:
                yield from can_read(field["type"], written[field["name"]]["type"], place)
            elif "default" not in field:
                yield f"{place}: missing in the other version and without a default"
        return
    keys = ("items", "values", "symbols", "size", "logicalType")
    if reader["type"] != writer["type"]:
        yield f"{where}: type {writer['type']} became {reader['type']}"
    for key in keys:
        if key in ("items", "values") and key in reader and key in writer:
            yield from can_read(reader[key], writer[key], f"{where}[]")
        elif reader.get(key) != writer.get(key):
            yield f"{where}: {key} changed"


def undocumented(node: Any, where: str = "") -> Iterator[str]:
    """Records and fields without a doc string."""
    if isinstance(node, dict):
        if node.get("type") == "record":
            if not node.get("doc"):
                yield f"{where or node['name']}: no doc"
            for field in node["fields"]:
                place = f"{where or node['name']}.{field['name']}"
                if not field.get("doc"):
                    yield f"{place}: no doc"
                yield from undocumented(field["type"], place)
        else:
            yield from undocumented(node.get("items", node.get("values")), where)
    elif isinstance(node, list):
        for branch in node:
            yield from undocumented(branch, where)


def reference_encode(body: Schema, record: AnyRecord) -> bytes:
    """Avro body of a record by Apache's own library (avro-python3)."""
    out = io.BytesIO()
    # avro-python3 knows timestamp-millis as a name only and takes whole numbers for it, as we do.
    avro.io.DatumWriter(avro.schema.parse(json.dumps(body))).write(record, avro.io.BinaryEncoder(out))
    return out.getvalue()


def reference_decode(body: Schema, data: bytes) -> AnyRecord:
    """Record from an Avro body by Apache's own library (avro-python3)."""
    parsed = avro.schema.parse(json.dumps(body))
    record: AnyRecord = avro.io.DatumReader(parsed).read(avro.io.BinaryDecoder(io.BytesIO(data)))
    return record


def load_example(path: Path) -> AnyRecord:
    """An example record; bytes are written as {"base64": "..."} in its JSON."""

    def revive(value: dict[str, Any]) -> Any:
        return base64.b64decode(value["base64"]) if set(value) == {"base64"} else value

    record: AnyRecord = json.loads(path.read_text(encoding="utf-8"), object_hook=revive)
    return record


def examples(subject: Subject) -> list[tuple[int, Path]]:
    """(version, file) of every example: schemas/<subject>/examples/v<N>-<name>.json."""
    found = sorted((_FOLDER / subject / "examples").glob("v*-*.json"))
    return [(int(path.name[1:].split("-", 1)[0]), path) for path in found]


def check_example(subject: Subject, version: int, path: Path) -> Iterator[str]:
    """Both codecs must write the same bytes and read the same record; every version must read it."""
    where = f"schemas/{subject}/examples/{path.name}"
    record = load_example(path)
    body = schema(subject, version)
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, parse(body), record, strict=True)
        reference = reference_encode(body, record)
    except (ValueError, TypeError, avro.io.AvroTypeException) as error:
        yield f"{where}: does not fit version {version} ({type(error).__name__})"
        return
    data = out.getvalue()
    # A map's entries have no order in Avro, so bytes may differ there; what is read back may not.
    if len(data) != len(reference):
        yield f"{where}: the two codecs write different bytes"
    for name, back in (
        ("fastavro reads avro-python3", fastavro.schemaless_reader(io.BytesIO(reference), parse(body), None)),
        ("avro-python3 reads fastavro", reference_decode(body, data)),
    ):
        if back != record:
            yield f"{where}: {name} differently"
    for other in versions(subject):
        fastavro.schemaless_reader(io.BytesIO(data), parse(body), parse(schema(subject, other)))


def check() -> Iterator[str]:
    """Every finding over all subjects, versions and examples; nothing when all is well."""
    for subject in SUBJECTS:
        for version in versions(subject):
            yield from (f"schemas/{subject}/v{version}.avsc: {text}" for text in undocumented(schema(subject, version)))
        for one, other in itertools.permutations(versions(subject), 2):
            for text in can_read(schema(subject, one), schema(subject, other)):
                yield f"schemas/{subject}: v{one} cannot read v{other}: {text}"
        with_example = set()
        for version, path in examples(subject):
            with_example.add(version)
            yield from check_example(subject, version, path)
        for version in sorted(set(versions(subject)) - with_example):
            yield f"schemas/{subject}: version {version} has no example"
    embedded = next(f["type"] for f in schema("routed_report")["fields"] if f["name"] == "report")
    if embedded != schema("report"):
        yield "schemas/routed_report: the report inside it is not the newest version of schemas/report"
