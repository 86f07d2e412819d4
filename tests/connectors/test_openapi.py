"""The OpenAPI document is valid, whole, and true of the running gateway."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape
from typing import Any

import pytest
import requests
import schemathesis
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, Phase, settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from requests.auth import AuthBase, HTTPDigestAuth
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
from connectors.gateway import OUTCOME_HEADER
from connectors.openapi import openapi
from connectors.registry import CONNECTORS
from connectors.status import CHANNEL_HEADER
from schemas.reasons import REASON_CODES
from tests.connectors.make import NOW, PROFILE
from tests.connectors.stores import KEY, PASSWORD, KeepingSink, MemoryStore, publishers_app, stored
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
    if "%0A" in case.formatted_path:  # no address that is routed holds a line feed
        return
    rooted = case.path.startswith("/VIID/")
    proof = HTTPDigestAuth("demo-gat1400", PASSWORD) if rooted else Signed()
    case.call_and_validate(base_url=gateway, auth=proof, checks=CHECKS, timeout=30)


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
        if channel.protocol in CONNECTORS:
            operation = DOCUMENT["paths"][f"/intake/{channel.id}"]["post"]
            if channel.protocol != "open311":  # whose api_key counts at its own addresses
                assert kinds[channel.auth] in operation["security"][0]
            assert f"{channel.max_body_bytes:,} bytes" in operation["description"]
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    schemes = {name for _, _, operation in operations() for one in operation.get("security", []) for name in one}
    assert schemes == set(DOCUMENT["components"]["securitySchemes"])


#: What stands in a described path for its parameters.
FILLED = {"channel": "demo-hotline", "notation": "json", "resource": "MadeUp"}


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: FILLED.get(found[1], "x-1"), path)


def routed() -> set[tuple[str, str]]:
    """Method and pattern of all that the gateway serves."""
    app = publishers_app(KeepingSink(), MemoryStore())
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }


def routes_of(document: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str] | None]:
    """The gateway's route of each described method and path; None where it has none."""
    app = publishers_app(KeepingSink(), MemoryStore())

    async def resolved() -> dict[tuple[str, str], tuple[str, str] | None]:
        found: dict[tuple[str, str], tuple[str, str] | None] = {}
        for path, item in document["paths"].items():
            for method in item:
                match = await app.router.resolve(make_mocked_request(method.upper(), filled(path)))
                resource = match.route.resource
                wrong = match.http_exception or resource is None
                found[method, path] = None if wrong else (match.route.method, resource.canonical)  # type: ignore[union-attr]
        return found

    return asyncio.run(resolved())


def test_all_that_the_gateway_serves_is_described_and_nothing_else() -> None:
    found = routes_of(DOCUMENT)
    assert [operation for operation, route in found.items() if route is None] == []
    assert routed() - set(found.values()) == set()


def test_a_path_that_is_described_and_not_served_or_served_and_not_described_is_found() -> None:
    paths = {
        path: item for path, item in DOCUMENT["paths"].items() if path != "/health" and "/VIID/{resource}" not in path
    }
    found = routes_of({"paths": {**paths, "/made-up": {"get": {}}, "/metrics": {"put": {}}}})
    assert [operation for operation, route in found.items() if route is None] == [
        ("put", "/metrics"),
        ("get", "/made-up"),
    ]
    assert {path for _, path in routed() - set(found.values())} >= {"/health", "/VIID/{tail}"}


VIID = [(method, path) for method, path, _ in operations() if path.startswith("/VIID/")]


@pytest.mark.parametrize(("method", "path"), VIID)
def test_every_address_of_gat1400_answers_what_it_says(gateway: str, method: str, path: str) -> None:
    told = DOCUMENT["paths"][path][method]
    content = told.get("requestBody", {}).get("content", {"application/VIID+JSON": {}})
    sent = [
        (media, example["value"])
        for media, one in content.items()
        for example in one.get("examples", {"none": {"value": None}}).values()
    ]
    for media, value in sent:
        answer = requests.request(
            method, gateway + filled(path), auth=HTTPDigestAuth("demo-gat1400", PASSWORD), timeout=10,
            data=b"" if value is None else json.dumps(value).encode(), headers={"Content-Type": media},
        )  # fmt: skip
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].partition(";")[0] in told["responses"]["200"]["content"]
        body = answer.json()
        if path.startswith("/VIID/System/"):
            (name,) = body
            assert name == ("SystemTimeObject" if path.endswith("Time") else "ResponseStatusObject")
            assert body[name].get("StatusCode", 0) == 0
        else:
            codes = [entry["StatusCode"] for entry in body["ResponseStatusListObject"]["ResponseStatusObject"]]
            assert codes == ([4] if value is None else [0] * len(codes))
        outcome = answer.headers[OUTCOME_HEADER]
        assert outcome == ("accepted" if "DispositionNotifications" in path and value else "ignored")


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
