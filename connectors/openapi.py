"""The gateway's HTTP as an OpenAPI 3.1 document, made of what serves it: the profile's channels, the connectors' shapes and
examples, the reason codes. tests/connectors/test_openapi.py holds it against the running service.
"""

from collections.abc import Iterable
from typing import Any, Final, cast, get_args

import orjson

from connectors import answers, shapes
from connectors.auth import SIGNATURE_HEADER, TIME_HEADER
from connectors.bodies import media_type
from connectors.declared import SHAPES
from connectors.errors import Refusal
from connectors.examples import Example, good_examples
from connectors.gateway import OUTCOME_HEADER
from connectors.open311.description import open311_paths
from connectors.registry import CONNECTORS
from connectors.reports import Status
from connectors.status import CHANNEL_HEADER
from connectors.video.viid import viid_paths
from profiles import Auth, Channel, Profile, Protocol
from schemas.reasons import REASON_CODES, ReasonCode

Json = dict[str, Any]

_JSON: Final = "application/json"
_LINES: Final = "application/x-ndjson"
_TABLE: Final = "text/csv"
_VIID_JSON: Final = "application/VIID+JSON"
#: Media types of the answers that protocols give in their own words.
_OWN_ANSWERS: Final[dict[Protocol, tuple[str, ...]]] = {
    "wechat": ("text/plain", "text/xml", _JSON),
    "gat1400": (_VIID_JSON,),
    "gb28181": ("application/manscdp+xml",),
    "open311": (_JSON, "text/xml"),
}
#: Protocols whose devices are told apart by the end of the address.
_DEVICES: Final[frozenset[Protocol]] = frozenset(("hikvision", "dahua", "onvif"))
_DEVICE: Final[Json] = {
    "name": "device",
    "in": "path",
    "required": True,
    "description": "Name of the device that sends, as in cameras.csv: at most 64 characters without white space",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"},
}
_HMAC: Final[Json] = {"hmacTime": [], "hmacSignature": []}
_SECURITY: Final[dict[Auth, list[Json]]] = {
    "hmac": [_HMAC],
    "digest": [{"digest": []}, _HMAC],
    "mtls": [{"mutualTLS": []}, _HMAC],
    "wechat": [{"wechatTimestamp": [], "wechatNonce": [], "wechatSignature": []}, _HMAC],
    "api_key": [{"apiKey": []}, _HMAC],
}
_SCHEMES: Final[Json] = {
    "hmacTime": {
        "type": "apiKey",
        "in": "header",
        "name": TIME_HEADER,
        "description": "Unix seconds, within 300 s of now",
    },
    "hmacSignature": {
        "type": "apiKey",
        "in": "header",
        "name": SIGNATURE_HEADER,
        "description": "Hex HMAC-SHA256 by the channel's key over method, path without query and time, each with a line feed "
        "after it, then the body. docs/feeds/authentication.md",
    },
    "digest": {"type": "http", "scheme": "digest", "description": "The user is the channel's id"},
    "mutualTLS": {"type": "mutualTLS", "description": "A client certificate whose SHA-256 the operator knows"},
    "wechatTimestamp": {"type": "apiKey", "in": "query", "name": "timestamp"},
    "wechatNonce": {"type": "apiKey", "in": "query", "name": "nonce"},
    "wechatSignature": {
        "type": "apiKey",
        "in": "query",
        "name": "signature",
        "description": "SHA-1 of token, timestamp and nonce, sorted and joined, as WeChat sends it",
    },
    "apiKey": {"type": "apiKey", "in": "query", "name": "api_key", "description": "Also as a field of a form"},
}
_SAID: Final = {
    400: "The body can't be read",
    401: "The sender did not prove itself",
    404: "There is none",
    405: "The address takes other methods",
    413: "The body or the batch is too large",
    415: "The Content-Type is not taken here",
    422: "A field of the message is wrong; the reason names it, and what to do",
    429: "Too much at once; send the same again after Retry-After seconds",
    503: "Nothing was kept; send the same again after Retry-After seconds",
}


def openapi(profile: Profile, version: str) -> Json:
    """The document of a deployment. version: of the hub."""
    channels = [channel for channel in profile.channels.values() if channel.protocol in CONNECTORS]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zhishu (智枢)",
            "version": version,
            "description": "What sources send to the hub, and what they can ask. 2xx means that Kafka has it (acks=all). The "
            "same message again changes nothing. docs/feeds has a page for each protocol.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            **{path: item for channel in channels for path, item in _channel_paths(channel).items()},
            "/intake/{channel}/progress": _progress_path([channel.id for channel in channels]),
            **open311_paths(profile),
            **_report_paths(),
            **_service_paths(),
        },
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": _own_schemas() | _message_schemas({channel.protocol for channel in channels}),
        },
    }


def _channel_paths(channel: Channel) -> Json:
    found = list(good_examples(channel.protocol))
    address = f"/intake/{channel.id}"
    operation: Json = {
        "operationId": f"send.{channel.id}",
        "tags": [channel.protocol],
        "summary": channel.name,
        "description": _limits(channel),
        # Open311's own addresses take its api_key; here is what the operator sends again.
        "security": [_HMAC] if channel.protocol == "open311" else _SECURITY[channel.auth],
        "requestBody": {"required": True, "content": _bodies(channel, found)},
        "responses": _sent(channel.protocol),
    }
    paths: Json = {address: {"post": operation}}
    if channel.protocol in _DEVICES:
        paths[f"{address}/{{device}}"] = {
            "post": operation | {"operationId": f"{operation['operationId']}.device", "parameters": [_DEVICE]}
        }
    if channel.protocol == "gat1400":
        paths |= viid_paths(
            channel.id, operation, lambda tail: _bodies(channel, (one for one in found if one.tail == tail), _VIID_JSON)
        )
    if channel.protocol == "wechat":
        paths[address]["get"] = _url_check(channel)
    return paths


def _limits(channel: Channel) -> str:
    rate = "" if channel.messages_per_s is None else f", {channel.messages_per_s:g} messages/s (burst {channel.burst})"
    return (
        f"Feed {channel.feed}, coordinates {channel.crs}. At most {channel.max_body_bytes:,} bytes and "
        f"{channel.max_records:,} messages in a body{rate}. docs/feeds/{channel.protocol}.md has the whole page."
    )


def _bodies(channel: Channel, found: Iterable[Example], otherwise: str = "application/octet-stream") -> Json:
    """The request's content by media type, with examples; of the type `otherwise` where no example tells one."""
    bodies: Json = {}
    if channel.protocol in SHAPES:
        one: Json = {"$ref": f"#/components/schemas/{channel.protocol}"}
        if channel.mapping:
            one = {"type": "object", "description": "The source's own objects, read as the profile's mapping says"}
        bodies[_JSON] = {"schema": {"anyOf": [one, {"type": "array", "items": one, "maxItems": channel.max_records}]}}
        bodies[_LINES] = {"schema": {"type": "string", "description": "One object a line"}}
        bodies[_TABLE] = {"schema": {"type": "string", "description": "A header row and rows; every value is text"}}
    for example in found:
        media, _ = media_type(example.content_type)
        shown = _value(example)
        if shown is None or (channel.mapping and media == _JSON):
            continue
        body = bodies.setdefault(media, {"schema": {} if media.endswith("json") else {"type": "string"}})
        body.setdefault("examples", {})[example.file] = {"summary": example.title, "value": shown}
    return bodies or {otherwise: {}}


def _value(example: Example) -> Any:
    """The example as the document shows it; None for bytes that are no text."""
    try:
        if media_type(example.content_type)[0].endswith("json"):
            return orjson.loads(example.body)
        return example.body.decode()
    except ValueError:
        return None


def _sent(protocol: Protocol) -> Json:
    """Answers to messages: the hub's own, or the protocol's."""
    own = _OWN_ANSWERS.get(protocol)
    errors = answer_of(400, 401, 404, 405, 413, 415, 422, 429, 503)
    if own is None:
        counts = {"schema": {"anyOf": [_reference("Accepted"), _reference("Batch")]}}
        some = {"schema": _reference("Batch")}
        return {
            "200": {"description": "Kafka has all of it", "content": {_JSON: counts}},
            "207": {"description": "Some of the batch was refused", "content": {_JSON: some}},
            **errors,
        }
    headers = {OUTCOME_HEADER: {"schema": {"enum": ["accepted", "refused", "ignored"]}, "required": True}}
    for status in ("400", "422"):
        errors[status]["content"] |= {media: {} for media in own}
    said = {
        "description": "Kept; in the protocol's own words",
        "headers": headers,
        "content": {media: {} for media in own},
    }
    return {"200": said, **errors}


def answer_of(*statuses: int) -> Json:
    """The hub's JSON answers of these error statuses."""
    found: Json = {}
    for status in statuses:
        codes = [code for code in REASON_CODES if answers.status_of(Refusal(cast(ReasonCode, code), "")) == status]
        schema = _reference("Error") if not codes else {"allOf": [_reference("Error"), _coded(codes)]}
        found[str(status)] = {"description": _SAID[status], "content": {_JSON: {"schema": schema}}}
        if status in (429, 503):
            found[str(status)]["headers"] = {
                "Retry-After": {"schema": {"type": "integer", "minimum": 1}, "required": True}
            }
    return found


def _coded(codes: Iterable[str]) -> Json:
    return {"properties": {"code": {"enum": list(codes)}}}


def _reference(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _url_check(channel: Channel) -> Json:
    names = ("signature", "timestamp", "nonce", "echostr")
    return {
        "operationId": f"prove.{channel.id}",
        "tags": [channel.protocol],
        "summary": "WeChat's check of the address",
        "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names],
        "responses": {
            "200": {"description": "echostr", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **answer_of(401, 422, 429),
        },
    }


def _progress_path(channels: list[str]) -> Json:
    one = _reference("canonical.progress")
    many: Json = {"anyOf": [one, {"type": "array", "items": one}]}
    parameter = {"name": "channel", "in": "path", "required": True, "schema": {"enum": channels}}
    operation = {
        "operationId": "progress",
        "tags": ["progress"],
        "summary": "Steps of a channel's cases that are handled in another system, in the hub's own shape",
        "security": [_HMAC, {"digest": []}, {"mutualTLS": []}],
        "parameters": [parameter],
        "requestBody": {"required": True, "content": {_JSON: {"schema": many}, _LINES: {"schema": {"type": "string"}}}},
        "responses": _sent("canonical"),
    }
    return {"post": operation}


def _report_paths() -> Json:
    channel = {
        "name": CHANNEL_HEADER,
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "Id of the channel that asks; it sees its own reports only",
    }
    by_id = {"name": "report_id", "in": "path", "required": True, "schema": {"type": "string"}}
    by_number = {"name": "upstream_id", "in": "query", "required": True, "schema": {"type": "string", "maxLength": 64}}
    found = {"description": "What became of it", "content": {_JSON: {"schema": _reference("Report")}}}

    def asked(name: str, summary: str, parameter: Json) -> Json:
        return {
            "get": {
                "operationId": name,
                "tags": ["reports"],
                "summary": summary,
                "security": [_HMAC, {"digest": []}, {"mutualTLS": []}],
                "parameters": [channel, parameter],
                "responses": {"200": found, **answer_of(401, 404, 422, 429, 503)},
            }
        }

    return {
        "/v1/reports/{report_id}": asked("report", "What became of a report, or of a message", by_id),
        "/v1/reports": asked("reportByNumber", "The same, by the source's own number", by_number),
    }


def _service_paths() -> Json:
    health = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    said = {"content": {_JSON: {"schema": health}}}

    def plain(name: str, summary: str, responses: Json) -> Json:
        return {"get": {"operationId": name, "tags": ["service"], "summary": summary, "responses": responses}}

    def document(description: str, media: str = _JSON) -> Json:
        return {"200": {"description": description, "content": {media: {}}}}

    ready = {
        "200": {"description": "Records can be acknowledged", **said},
        "503": {"description": "They can't", **said},
    }
    return {
        "/health": plain("health", "Readiness", ready),
        "/metrics": plain("metrics", "Prometheus", document("Counters of this process", "text/plain")),
        "/openapi.json": plain("openapi", "This document", document("OpenAPI 3.1")),
        "/asyncapi.json": plain("asyncapi", "The topics", document("AsyncAPI 3.0")),
        "/docs": plain("docs", "The channels for a reader", document("A page", "text/html")),
    }


def _message_schemas(protocols: set[Protocol]) -> Json:
    """Schemas of the JSON protocols' messages: <protocol>.<kind>, and <protocol> for any of its kinds."""
    found: Json = {}
    for protocol, (kind_field, kinds) in SHAPES.items():
        if protocol in protocols or protocol == "canonical":
            for kind, shape in kinds.items():
                schema = _spelt(shapes.schema(shape, kind_field, kind))
                parts = schema.pop("$defs", {})
                found |= {f"{protocol}.{name}": _spelt(part) for name, part in parts.items()}
                found[f"{protocol}.{kind}"] = _moved(schema, "#/$defs/", f"#/components/schemas/{protocol}.")
            found[protocol] = {"anyOf": [_reference(f"{protocol}.{kind}") for kind in kinds]}
    return found


def _spelt(schema: Json) -> Json:
    """The schema as senders may write it: a field under any of its spellings, and null or blank where it may be left out."""
    properties: Json = {}
    needed: list[Json] = []
    for name, declared in schema["properties"].items():
        field = {key: value for key, value in declared.items() if key != "default"}
        others = field.get("x-spellings", [])
        if name in schema.get("required", []):
            needed.append({"anyOf": [{"required": [spelling]} for spelling in (name, *others)]})
        else:
            said = {key: field.pop(key) for key in ("title", "description", "examples", "x-spellings") if key in field}
            field = said | {"anyOf": [field, {"enum": ["", None]}]}
        properties |= {name: field, **{other: {"description": f"The same as {name}"} for other in others}}
    rest = {key: value for key, value in schema.items() if key != "required"}
    return rest | {"properties": properties} | ({"allOf": needed} if needed else {})


def _moved(node: Any, old: str, new: str) -> Any:
    """The schema with its references pointed to where their targets stand now."""
    if isinstance(node, dict):
        return {
            key: value.replace(old, new) if key == "$ref" and isinstance(value, str) else _moved(value, old, new)
            for key, value in node.items()
        }
    return [_moved(item, old, new) for item in node] if isinstance(node, list) else node


def _own_schemas() -> Json:
    text, number = {"type": "string"}, {"type": "integer", "minimum": 0}
    maybe_text = {"type": ["string", "null"]}
    moment = {"type": ["string", "null"], "format": "date-time"}
    code = {"enum": [*REASON_CODES, "internal"]}
    outcome = _object(
        {"index": number, "status": {"enum": ["accepted", "refused", "ignored"]}},
        {"id": text, "code": code, "reason": text},
    )
    agency = _object({"code": text, "name": maybe_text, "level": maybe_text})
    step = _object({"step": text, "at": moment, "unit": maybe_text, "level": maybe_text})
    return {
        "Error": _object({"code": code, "reason": text}, open_=True),
        "Accepted": _object({"accepted": number, "ids": {"type": "array", "items": text}}, {"ignored": number}),
        "Batch": _object(
            {"accepted": number, "refused": number, "ignored": number, "outcomes": {"type": "array", "items": outcome}}
        ),
        "Report": _object(
            {
                "report_id": text,
                "upstream_id": text,
                "status": {"enum": list(get_args(Status))},
                **dict.fromkeys(("reported_at", "accepted_at", "deadline", "closed_at"), moment),
                "agency": {"anyOf": [agency, {"type": "null"}]},
                "manual_reason": maybe_text,
                "matter_id": text,
                "relation": text,
                "linked_to": maybe_text,
                "assembled_into": maybe_text,
                "part_ids": {"type": "array", "items": text},
                "steps": {"type": "array", "items": step},
            }
        ),
    }


def _object(required: Json, optional: Json | None = None, *, open_: bool = False) -> Json:
    found: Json = {"type": "object", "required": list(required), "properties": required | (optional or {})}
    return found if open_ else found | {"additionalProperties": False}
