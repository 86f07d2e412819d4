"""Schema ids resolve for any Kafka tool: through the hub's own endpoint and through an external registry."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from aiohttp import web

from schemas.check import examples, load_example
from schemas.codec import Codec
from schemas.endpoint import registry_routes
from schemas.records import SUBJECTS, Subject
from schemas.registry import (
    FileRegistry,
    HttpRegistry,
    RegistryError,
    UnknownSchemaError,
    registered_name,
    schema_id,
    versions,
)
from tests.servers import serve


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    app = web.Application()
    app.add_routes(registry_routes())
    with serve(app) as url:
        yield url


@pytest.mark.parametrize("subject", SUBJECTS)
def test_confluents_own_deserializer_reads_our_values(endpoint: str, subject: Subject) -> None:
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    deserialize = AvroDeserializer(SchemaRegistryClient({"url": endpoint}))
    for _, path in examples(subject):
        record = load_example(path)
        value = Codec(FileRegistry()).encode(subject, record)
        read = deserialize(value, SerializationContext("any", MessageField.VALUE))
        assert set(read) >= set(record)  # an older example lacks what a newer version added
        plain = {k: v for k, v in record.items() if isinstance(v, str)}
        assert {k: read[k] for k in plain} == plain


def test_the_endpoint_lists_subjects_and_versions(endpoint: str) -> None:
    client = HttpRegistry(endpoint)
    assert client._call("/subjects") == sorted(registered_name(s) for s in SUBJECTS)
    assert client._call("/subjects/zhishu.Report/versions") == list(versions("report"))
    latest = client._call("/subjects/zhishu.Report/versions/latest")
    assert latest["id"] == schema_id("report", versions("report")[-1])
    for path in ("/subjects/nothing/versions", "/subjects/zhishu.Report/versions/99", "/schemas/ids/99"):
        with pytest.raises(UnknownSchemaError):
            client._call(path)


def test_the_endpoint_takes_no_writes(endpoint: str) -> None:
    with pytest.raises(RegistryError, match="405"):
        HttpRegistry(endpoint).id_for("report")


class ForeignRegistry(BaseHTTPRequestHandler):
    """A registry that hands out its own ids, as Confluent's and Karapace do."""

    registered: ClassVar[dict[int, str]] = {}
    asked: ClassVar[list[str]] = []

    def _send(self, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        self.asked.append(self.path)
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
        number = next((i for i, t in self.registered.items() if t == text), 40 + len(self.registered))
        self.registered[number] = text
        self._send({"id": number})

    def do_GET(self) -> None:
        self.asked.append(self.path)
        number = int(self.path.rsplit("/", 1)[1])
        if number in self.registered:
            self._send({"schema": self.registered[number]})
        else:
            self._send({"error_code": 40403}, 404)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def foreign() -> Iterator[str]:
    ForeignRegistry.registered.clear()
    ForeignRegistry.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), ForeignRegistry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://user:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_external_registrys_ids_are_used_and_remembered(foreign: str) -> None:
    codec = Codec(HttpRegistry(foreign))
    _, path = examples("report")[-1]  # of the newest version, which is written
    record = load_example(path)
    value = codec.encode("report", record)
    assert value[:5] == b"\0\0\0\0\x28"
    assert Codec(HttpRegistry(foreign)).report(value) == record
    asked = len(ForeignRegistry.asked)
    codec.encode("report", record)
    assert codec.report(value) == record
    codec.report(value)
    assert len(ForeignRegistry.asked) == asked + 1


def test_a_registry_that_is_away_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(RegistryError, match="ZHISHU_REGISTRY_URL"):
        HttpRegistry("http://127.0.0.1:1").id_for("report")
