"""The AsyncAPI document says what the topics really are."""

import io
import json
import re
from pathlib import Path
from typing import Any

import fastavro
import pytest
from jsonschema import Draft7Validator

from schemas.asyncapi import asyncapi
from schemas.check import load_example
from schemas.codec import Codec, parse
from schemas.records import SUBJECTS
from schemas.registry import FileRegistry, schema, versions
from schemas.topics import REPLAY_HEADER, all_topics, replay_count

SCHEMAS = Path(__file__).parents[2] / "schemas"
FEEDS = ["hotline12345", "wechat"]
DOCUMENT = asyncapi("1.2.3", FileRegistry(), FEEDS, ["wechat"])

#: What AsyncAPI 3.0.0 demands of the parts that are used here, and that nothing else stands in them.
_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": False, "patternProperties": {"^x-": True}}
_REFERENCE = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"type": "string"}}}
_TEXTS = {name: {"type": "string"} for name in ("title", "summary", "description")}
SPECIFICATION = {
    **_OBJECT,
    "required": ["asyncapi", "info"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {**_OBJECT, "required": ["title", "version"], "properties": {**_TEXTS, "version": {"type": "string"}}},
        "defaultContentType": {"type": "string"},
        "servers": {
            "type": "object",
            "additionalProperties": {
                **_OBJECT,
                "required": ["host", "protocol"],
                "properties": {
                    **_TEXTS,
                    "host": {"type": "string"},
                    "protocol": {"enum": ["kafka"]},
                    "variables": {"type": "object"},
                },
            },
        },
        "channels": {
            "type": "object",
            "additionalProperties": {
                **_OBJECT,
                "properties": {
                    **_TEXTS,
                    "address": {"type": "string"},
                    "servers": {"type": "array", "items": _REFERENCE},
                    "messages": {"type": "object", "additionalProperties": _REFERENCE},
                    "bindings": {
                        "type": "object",
                        "properties": {
                            "kafka": {
                                **_OBJECT,
                                "properties": {
                                    "topic": {"type": "string"},
                                    "partitions": {"type": "integer", "minimum": 1},
                                    "replicas": {"type": "integer", "minimum": 1},
                                    "topicConfiguration": {
                                        "type": "object",
                                        "properties": {
                                            "retention.ms": {"type": "integer", "minimum": -1},
                                            "max.message.bytes": {"type": "integer", "minimum": 0},
                                        },
                                    },
                                    "bindingVersion": {"const": "0.5.0"},
                                },
                            }
                        },
                    },
                },
            },
        },
        "operations": {
            "type": "object",
            "propertyNames": {"pattern": r"^[\w\d.\-_]+$"},
            "additionalProperties": {
                **_OBJECT,
                "required": ["action", "channel"],
                "properties": {
                    **_TEXTS,
                    "action": {"enum": ["send", "receive"]},
                    "channel": _REFERENCE,
                    "messages": {"type": "array", "items": _REFERENCE},
                },
            },
        },
        "components": {
            **_OBJECT,
            "properties": {
                "messages": {
                    "type": "object",
                    "propertyNames": {"pattern": r"^[a-zA-Z0-9.\-_]+$"},
                    "additionalProperties": {
                        **_OBJECT,
                        "properties": {
                            **_TEXTS,
                            "name": {"type": "string"},
                            "contentType": {"type": "string"},
                            "headers": {"type": "object", "required": ["type"]},
                            "payload": _REFERENCE,
                            "bindings": {"type": "object"},
                            "examples": {
                                "type": "array",
                                "items": {**_OBJECT, "properties": {"name": {"type": "string"}, "payload": True}},
                            },
                        },
                    },
                },
                "schemas": {
                    "type": "object",
                    "additionalProperties": {
                        **_OBJECT,
                        "required": ["schemaFormat", "schema"],
                        "properties": {"schemaFormat": {"type": "string"}, "schema": {"type": "object"}},
                    },
                },
            },
        },
    },
}


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def at(pointer: str) -> Any:
    found: Any = DOCUMENT
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_it_is_an_asyncapi_3_document_in_every_part_that_it_uses() -> None:
    assert [error.message for error in Draft7Validator(SPECIFICATION).iter_errors(DOCUMENT)] == []
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    found = references({key: value for key, value in DOCUMENT.items() if key != "components"})
    assert found
    assert all(at(pointer) for pointer in found + references(DOCUMENT["components"]["messages"]))


def test_its_channels_are_the_topics_of_the_deployment_with_their_partitions_and_settings() -> None:
    for topic in all_topics(FEEDS, ["wechat"]):
        channel = DOCUMENT["channels"][topic.name]
        kafka = channel["bindings"]["kafka"]
        assert (channel["address"], kafka["topic"], kafka["partitions"]) == (topic.name, topic.name, topic.partitions)
        assert {name: str(value) for name, value in kafka["topicConfiguration"].items()} == topic.config
    assert set(DOCUMENT["channels"]) == {topic.name for topic in all_topics(FEEDS, ["wechat"])}


def test_the_hub_receives_what_sources_publish_and_sends_what_it_decided() -> None:
    actions = {op["channel"]["$ref"].rpartition("/")[2]: op["action"] for op in DOCUMENT["operations"].values()}
    assert actions == {
        **dict.fromkeys(("intake.hotline12345", "intake.wechat", "messages.wechat", "progress", "rulings"), "receive"),
        **dict.fromkeys(("routed", "review", "alerts", "deadletter"), "send"),
    }


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_value_that_the_hub_writes_is_read_with_nothing_but_the_document(subject: Any) -> None:
    message = DOCUMENT["components"]["messages"][subject]
    _, _, name = message["payload"]["$ref"].rpartition("/")
    stored = DOCUMENT["components"]["schemas"][name]["schema"]
    assert stored == schema(subject)
    (example, *_) = message["examples"]
    record = load_example(SCHEMAS / subject / "examples" / f"{example['name']}.json")
    value = Codec(FileRegistry()).encode(subject, record)
    assert int.from_bytes(value[1:5], "big") == message["x-schema-id"]
    assert message["x-schema-version"] == versions(subject)[-1]
    assert fastavro.schemaless_reader(io.BytesIO(value[5:]), parse(stored), None) == record


def test_the_replay_header_is_as_the_worker_reads_it() -> None:
    pattern = DOCUMENT["components"]["messages"]["report"]["headers"]["properties"][REPLAY_HEADER]["pattern"]
    for text in ("0", "7", "99999", "100000", "-1", "", "x"):
        read = replay_count([(REPLAY_HEADER, text.encode())])
        assert bool(re.fullmatch(pattern, text)) == (text in ("0", "7", "99999"))
        assert read == (int(text) if re.fullmatch(pattern, text) else 0)


def test_a_deployment_without_assembled_feeds_has_no_topic_of_single_messages() -> None:
    document = asyncapi("1", FileRegistry(), ["video"])
    assert not [name for name in document["channels"] if name.startswith("messages.")]
