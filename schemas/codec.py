"""Records to bytes and back: Avro in the Confluent wire format (byte 0, schema id as 4 bytes big-endian, Avro body).

Times stay whole milliseconds on both sides: the `timestamp-millis` of the schema files is for readers of the topics, and
turning every field into a datetime and back costs more than all the rest of decoding.
"""

import struct
from io import BytesIO
from typing import Any, Final, cast

import fastavro

from schemas.reasons import ReasonCode
from schemas.records import (
    SUBJECTS,
    Alert,
    AnyRecord,
    Change,
    DeadLetter,
    Progress,
    Report,
    RoutedReport,
    Ruling,
    Subject,
)
from schemas.registry import Registry, Schema, UnknownSchemaError, registered_name, schema

_HEADER: Final = struct.Struct(">bI")
_Parsed = Any


class DecodeError(ValueError):
    """Bytes that are no record of ours; `code` is the bounded reason."""

    def __init__(self, code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.code: ReasonCode = code


def without_logical_types(node: Any) -> Any:
    """The same schema with bare longs for times; the bytes it describes are the same."""
    if isinstance(node, dict):
        return {key: without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [without_logical_types(item) for item in node]
    return node


def parse(body: Schema) -> _Parsed:
    """fastavro's form of a schema, times as bare longs."""
    return fastavro.parse_schema(without_logical_types(body), named_schemas={})


class Codec:
    """Encodes with the newest version on file; decodes any version of the registry into the newest."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._newest: dict[Subject, _Parsed] = {s: parse(schema(s)) for s in SUBJECTS}
        self._headers: dict[Subject, bytes] = {}
        self._names = {registered_name(s): s for s in SUBJECTS}
        self._readers: dict[int, tuple[Subject, _Parsed, _Parsed]] = {}

    def header(self, subject: Subject) -> bytes:
        """The five bytes before every record of this subject that is written now."""
        if subject not in self._headers:
            self._headers[subject] = _HEADER.pack(0, self._registry.id_for(subject))
        return self._headers[subject]

    def prepare(self) -> None:
        """Resolves every id now, so that a registry that is away stops a process at its start and not at its first record."""
        for subject in SUBJECTS:
            self.header(subject)

    def encode(self, subject: Subject, record: Any) -> bytes:
        """Bytes of a record; raises ValueError or TypeError when it does not fit the schema."""
        out = BytesIO()
        out.write(self.header(subject))
        fastavro.schemaless_writer(out, self._newest[subject], record)
        return out.getvalue()

    def decode(self, data: bytes) -> tuple[Subject, AnyRecord]:
        """Subject and record, resolved to the newest version; raises DecodeError."""
        if len(data) < _HEADER.size or data[0] != 0:
            raise DecodeError(
                "bad_wire_format", "the value does not begin with the Confluent header (byte 0, schema id)"
            )
        number = _HEADER.unpack_from(data)[1]
        subject, writer, reader = self._reader(number)
        stream = BytesIO(data)
        stream.seek(_HEADER.size)
        try:
            record = fastavro.schemaless_reader(stream, writer, reader)
        # fastavro raises whatever the bytes happen to trip over: EOFError, UnicodeDecodeError, IndexError, struct.error...
        except Exception as error:
            raise DecodeError(
                "bad_record", f"the value does not decode with schema {number} ({type(error).__name__})"
            ) from None
        if stream.read(1):
            raise DecodeError("bad_record", f"the value goes on after the record of schema {number}")
        return subject, cast(AnyRecord, record)

    def _reader(self, number: int) -> tuple[Subject, _Parsed, _Parsed]:
        """Subject, writer's schema, and the newest to resolve it to: None where that is the writer's own, which is faster."""
        if number not in self._readers:
            try:
                body = self._registry.schema_for(number)
            except UnknownSchemaError as error:
                raise DecodeError("unknown_schema", str(error)) from None
            name = f"{body.get('namespace', '')}.{body.get('name', '')}"
            if name not in self._names:
                raise DecodeError("unknown_schema", f"schema {number} is not one of the hub's records")
            subject = self._names[name]
            reader = None if body == schema(subject) else self._newest[subject]
            self._readers[number] = subject, parse(body), reader
        return self._readers[number]

    def _decode_as(self, subject: Subject, data: bytes) -> AnyRecord:
        found, record = self.decode(data)
        if found != subject:
            raise DecodeError("bad_record", f"expected a record of schemas/{subject}, found one of schemas/{found}")
        return record

    def report(self, data: bytes) -> Report:
        """A Report; raises DecodeError."""
        return cast(Report, self._decode_as("report", data))

    def progress(self, data: bytes) -> Progress:
        """A Progress; raises DecodeError."""
        return cast(Progress, self._decode_as("progress", data))

    def routed_report(self, data: bytes) -> RoutedReport:
        """A RoutedReport; raises DecodeError."""
        return cast(RoutedReport, self._decode_as("routed_report", data))

    def alert(self, data: bytes) -> Alert:
        """An Alert; raises DecodeError."""
        return cast(Alert, self._decode_as("alert", data))

    def ruling(self, data: bytes) -> Ruling:
        """A Ruling; raises DecodeError."""
        return cast(Ruling, self._decode_as("ruling", data))

    def change(self, data: bytes) -> Change:
        """A Change; raises DecodeError."""
        return cast(Change, self._decode_as("change", data))

    def dead_letter(self, data: bytes) -> DeadLetter:
        """A DeadLetter; raises DecodeError."""
        return cast(DeadLetter, self._decode_as("dead_letter", data))
