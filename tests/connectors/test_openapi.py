"""The OpenAPI document is valid, whole, and true of the running gateway."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from requests.auth import AuthBase
from requests.models import PreparedRequest
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from connectors import answers, auth
from connectors.documents import page
from connectors.errors import Refusal
from connectors.openapi import openapi
from connectors.registry import CONNECTORS
from connectors.status import CHANNEL_HEADER
from schemas.reasons import REASON_CODES
from tests.connectors.make import NOW, PROFILE
from tests.connectors.stores import KEY, KeepingSink, MemoryStore, publishers_app, stored
from tests.servers import serve

DOCUMENT = openapi(PROFILE, "1")


class Signed(AuthBase):
    """Signs a request as a source does, over the very bytes that are sent."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else bytes(body)
        stamp = str(NOW // 1000)
        path = (request.path_url or "/").partition("?")[0]
        request.headers[auth.TIME_HEADER] = stamp
        request.headers[auth.SIGNATURE_HEADER] = auth.signature(KEY, str(request.method), path, stamp, data)
        return request


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    store = MemoryStore()
    store.reports = {name: [stored("r-1", part_ids=("r-2",))] for name in PROFILE.channels}
    with serve(publishers_app(KeepingSink(), store)) as url:
        yield url


@schemathesis.serializer(
    *("application/x-ndjson", "text/csv", "text/xml", "application/xml", "application/soap+xml"),
    *("application/manscdp+xml", "multipart/mixed", "multipart/x-mixed-replace", "text/plain"),
)
def as_text(_context: Any, value: Any) -> bytes:
    """What is no JSON is declared as text, and sent as it was made up."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Its coverage phase tries every border of every field, which takes minutes for messages of forty fields.
CONFIG = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}, "seed": 1})
FEW = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
messages = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG).include(path_regex="^/(intake|VIID)/")
questions = schemathesis.openapi.from_dict(DOCUMENT).exclude(path_regex="^/(intake|VIID)/")


@messages.parametrize()
@FEW
def test_what_is_sent_is_answered_as_the_document_says(case: schemathesis.Case, gateway: str) -> None:
    case.call_and_validate(base_url=gateway, auth=Signed(), checks=CHECKS, timeout=30)


@questions.parametrize()
@FEW
def test_what_is_asked_is_answered_as_the_document_says(case: schemathesis.Case, gateway: str) -> None:
    if CHANNEL_HEADER in (case.headers or {}):
        case.headers[CHANNEL_HEADER] = "demo-hotline"
    case.call_and_validate(base_url=gateway, auth=Signed(), checks=CHECKS, timeout=30)


def test_the_document_is_valid_openapi_and_the_one_that_is_served(gateway: str) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert requests.get(f"{gateway}/openapi.json", timeout=10).json() == DOCUMENT
    assert requests.get(f"{gateway}/asyncapi.json", timeout=10).json()["asyncapi"] == "3.0.0"


def operations() -> Iterator[tuple[str, str, Any]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_channel_with_an_address_is_in_it_with_its_own_proof_and_every_operation_has_its_own_name() -> None:
    kinds = {
        "hmac": "hmacSignature", "digest": "digest", "mtls": "mutualTLS", "wechat": "wechatSignature", "api_key": "apiKey",
    }  # fmt: skip
    for channel in PROFILE.channels.values():
        if channel.protocol in CONNECTORS and channel.protocol != "open311":
            operation = DOCUMENT["paths"][f"/intake/{channel.id}"]["post"]
            assert kinds[channel.auth] in operation["security"][0]
            assert f"{channel.max_body_bytes:,} bytes" in operation["description"]
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    schemes = {name for _, _, operation in operations() for one in operation.get("security", []) for name in one}
    assert schemes == set(DOCUMENT["components"]["securitySchemes"])


def test_every_code_with_which_a_request_may_be_refused_stands_under_its_status() -> None:
    responses = DOCUMENT["paths"]["/intake/demo-hotline"]["post"]["responses"] | {
        "404": DOCUMENT["paths"]["/v1/reports/{report_id}"]["get"]["responses"]["404"]
    }
    for code in REASON_CODES:
        status = answers.status_of(Refusal(code, ""))
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        assert code in json.dumps(schema), (code, status)


def test_every_example_fits_its_schema() -> None:
    checked = 0
    for method, path, operation in operations():
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            whole = {**content["schema"], "components": DOCUMENT["components"]} if "schema" in content else {}
            for name, example in content.get("examples", {}).items():
                errors = [error.message for error in Draft202012Validator(whole).iter_errors(example["value"])]
                assert errors == [], (method, path, media, name)
                checked += 1
    assert checked > 20


@pytest.mark.parametrize(
    "path", [path for path, item in DOCUMENT["paths"].items() if "post" in item and "{" not in path]
)
def test_nobody_is_heard_without_a_proof(gateway: str, path: str) -> None:
    answer = requests.post(f"{gateway}{path}", data=b"{}", headers={"Content-Type": "application/json"}, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


def test_the_page_for_a_reader_lists_every_operation_and_loads_nothing(gateway: str) -> None:
    answer = requests.get(f"{gateway}/docs", timeout=10)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    for _, path, operation in operations():
        assert f"<code>{path}</code>" in answer.text
        assert escape(operation["summary"]) in answer.text
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)


def test_a_name_in_the_profile_can_write_no_markup_into_the_page() -> None:
    channel = PROFILE.channels["demo-hotline"]
    named = replace(PROFILE, channels={channel.id: replace(channel, name="<script>alert(1)</script>")})
    assert "<script>" not in page(openapi(named, "<b>1"))
    assert "<b>1" not in page(openapi(named, "<b>1"))
