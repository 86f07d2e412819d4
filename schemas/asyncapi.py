"""The topics as an AsyncAPI 3.0 document, made from schemas/topics.py and the .avsc files: what a program needs to know to
read the hub's decisions, or to publish into its own intake topic.

https://www.asyncapi.com/docs/reference/specification/v3.0.0; bindings: kafka 0.5.0.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from schemas.records import Subject
from schemas.registry import Registry, registered_name, schema, versions
from schemas.topics import (
    ALERTS,
    DEADLETTER,
    INTAKE_PREFIX,
    MAX_RECORD_BYTES,
    MESSAGES_PREFIX,
    PROGRESS,
    REPLAY_HEADER,
    REVIEW,
    ROUTED,
    RULINGS,
    TopicSpec,
    all_topics,
)

_FOLDER: Final = Path(__file__).parent
_BINDING: Final = "0.5.0"
_AVRO: Final = "application/vnd.apache.avro+json;version=1.9.0"
_KEYS: Final[dict[Subject, str]] = {
    "report": "place_key: the deployment's county_code, an alarm's device; of single messages the reporter_key",
    "progress": "the deployment's county_code, so that a case and its steps stand in partitions of one number",
    "routed_report": "place_key of the report, in the same partition as its intake record",
    "ruling": "the deployment's county_code",
    "change": "the deployment's county_code, in the partition of the decisions on the reports",
    "alert": "subject: the matter, agency, channel, device or place",
    "dead_letter": "the channel or topic it came by",
}
_TITLES: Final[dict[Subject, str]] = {
    "report": "Report: one message of a source, normalised",
    "progress": "Progress: a step in the life of a case",
    "routed_report": "RoutedReport: the decision on a report, with the report",
    "ruling": "Ruling: a person's word on what belongs together",
    "change": "Change: what a step or a ruling changed in matters and cases; stands among the decisions",
    "alert": "Alert: a rule that became true, or ceased to be",
    "dead_letter": "DeadLetter: what the hub could not take, with its original bytes",
}
_WIRE: Final = (
    "Confluent wire format: byte 0, schema id as 4 bytes big-endian, Avro body. GET /schemas/ids/{id} of the gateway (or the "
    f"deployment's registry) resolves the id. A value has at most {MAX_RECORD_BYTES} bytes, a wrapped one twice that."
)


def asyncapi(version: str, registry: Registry, feeds: Iterable[str], assembled: Iterable[str] = ()) -> dict[str, Any]:
    """The document of a deployment with these feeds, of which those in `assembled` come as single messages.

    version: of the hub. registry: whose schema ids the values carry.
    """
    topics = all_topics(feeds, assembled)
    subjects = dict.fromkeys(subject for topic in topics for subject in _subjects(topic.name))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "zhishu (智枢) topics",
            "version": version,
            "description": "Kafka topics of the hub. Same log, same answer: ids are the same on every machine, and a record "
            "that comes twice changes nothing.",
        },
        "defaultContentType": "application/vnd.apache.avro",
        "servers": {
            "kafka": {
                "host": "{broker}",
                "protocol": "kafka",
                "description": "The deployment's broker; its operator has the address and, where it asks for one, the login",
                "variables": {"broker": {"default": "127.0.0.1:9092", "description": "host:port"}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {
            f"{_action(topic.name)}.{topic.name}": {
                "action": _action(topic.name),
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": _about(topic.name),
                "messages": [
                    {"$ref": f"#/channels/{topic.name}/messages/{subject}"} for subject in _subjects(topic.name)
                ],
            }
            for topic in topics
        },
        "components": {
            "messages": {subject: _message(subject, registry) for subject in subjects},
            "schemas": {subject: {"schemaFormat": _AVRO, "schema": schema(subject)} for subject in subjects},
        },
    }


def _subjects(topic: str) -> tuple[Subject, ...]:
    """What stands in a topic; what it is named for first."""
    if topic.startswith((INTAKE_PREFIX, MESSAGES_PREFIX)):
        return ("report",)
    subjects: dict[str, tuple[Subject, ...]] = {
        PROGRESS: ("progress",),
        ROUTED: ("routed_report", "change"),
        REVIEW: ("routed_report",),
        RULINGS: ("ruling",),
        ALERTS: ("alert",),
        DEADLETTER: ("dead_letter",),
    }
    return subjects[topic]


def _action(topic: str) -> str:
    """What the hub does: it receives what sources publish, and sends what it decided."""
    return "receive" if _subjects(topic)[0] in ("report", "progress", "ruling") else "send"


def _about(topic: str) -> str:
    if topic.startswith(MESSAGES_PREFIX):
        return "Single messages of which several may make one report; the worker assembles them into the feed's intake topic"
    if topic.startswith(INTAKE_PREFIX):
        return "Reports, one topic a feed: from the gateway, or from a source that publishes Avro itself (docs/feeds/kafka.md)"
    return {
        PROGRESS: "Steps in the lives of cases, from any source",
        ROUTED: "Decisions: which matter a report belongs to, which agency must act by when, and why; and what steps and "
        "rulings changed in them since",
        REVIEW: "Decisions whose report a person is asked to compare with a matter (人工研判)",
        RULINGS: "What persons ruled on links: accepted, rejected, unlinked, merged",
        ALERTS: "Alerts raised and cleared",
        DEADLETTER: "What could not be taken, with origin, bounded reason code and original",
    }[topic]


def _channel(topic: TopicSpec) -> dict[str, Any]:
    subjects = _subjects(topic.name)
    configuration = {name: int(value) if value.isdigit() else value for name, value in topic.config.items()}
    return {
        "address": topic.name,
        "title": _TITLES[subjects[0]],
        "description": _about(topic.name),
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {subject: {"$ref": f"#/components/messages/{subject}"} for subject in subjects},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _message(subject: Subject, registry: Registry) -> dict[str, Any]:
    newest = versions(subject)[-1]
    return {
        "name": registered_name(subject),
        "title": _TITLES[subject],
        "summary": _WIRE,
        "contentType": "application/vnd.apache.avro",
        "headers": {
            "type": "object",
            "properties": {
                REPLAY_HEADER: {
                    "type": "string",
                    "pattern": "^[0-9]{1,5}$",
                    "description": "How often the record was dead-lettered and played again; absent: never",
                }
            },
        },
        "payload": {"$ref": f"#/components/schemas/{subject}"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _KEYS[subject]},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "schemaLookupStrategy": "RecordIdStrategy",
                "bindingVersion": _BINDING,
            }
        },
        "examples": [
            {"name": path.stem, "payload": json.loads(path.read_text(encoding="utf-8"))}
            for path in sorted((_FOLDER / subject / "examples").glob(f"v{newest}-*.json"))
        ],
        "x-schema-id": registry.id_for(subject),
        "x-schema-version": newest,
    }
