"""Open311 GeoReport v2 over a real aiohttp server: what a client of the specification sees."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, fromstring

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connectors.errors import Refusal
from connectors.open311 import CONNECTOR, FORM, form
from connectors.open311.answers import answer
from profiles import Profile
from schemas.codec import Codec
from schemas.records import Report
from tests.connectors.make import NOW, PRIVACY, PROFILE, context
from tests.connectors.stores import DAY, HOUR, KEY, KeepingSink, MemoryStore, publishers_app, step, stored

Client = TestClient[web.Request, web.Application]
Scenario = Callable[[Client, KeepingSink, MemoryStore], Awaitable[None]]
ROOT = "/open311/v2"
API_KEY = KEY.hex()
REQUEST = {
    "api_key": API_KEY,
    "service_code": "010101",
    "lat": "36.1117",
    "long": "120.4348",
    "description": "夜里很吵（虚构），请找甄样本，13800001234",
    "first_name": "样本",
    "last_name": "甄",
    "phone": "13800001234",
    "email": "zhen@example.com",
}


def run(scenario: Scenario, profile: Profile = PROFILE, keys: dict[str, bytes] | None = None) -> None:
    async def inner() -> None:
        sink, store = KeepingSink(), MemoryStore()
        async with TestClient(TestServer(publishers_app(sink, store, profile, keys))) as client:
            await scenario(client, sink, store)

    asyncio.run(inner())


def with_channels(*names: str, **constants: str) -> Profile:
    """The demonstration profile with these Open311 channels in place of its own."""
    own = PROFILE.channels["demo-open311"]
    others = {name: one for name, one in PROFILE.channels.items() if one.protocol != "open311"}
    return replace(PROFILE, channels=others | {name: replace(own, id=name, constants=constants) for name in names})


async def post(client: Client, fields: dict[str, Any], notation: str = "json", content_type: str = FORM) -> Any:
    body = urlencode(fields, doseq=True).encode()
    async with client.post(f"{ROOT}/requests.{notation}", data=body, headers={"Content-Type": content_type}) as found:
        return found.status, await found.read(), found.headers


async def get(client: Client, path: str, **query: str) -> tuple[int, Any]:
    async with client.get(f"{ROOT}/{path}", params=query) as found:
        body = await found.read()
        if path.endswith(".json"):
            assert found.headers["Content-Type"] == "application/json; charset=utf-8"
            return found.status, json.loads(body)
        assert found.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert body.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
        return found.status, fromstring(body)  # noqa: S314 - our own answer


def record_of(fields: dict[str, Any], received_at: int = NOW, **changed: Any) -> Report:
    """The report of a form, as demo-open311's connector reads it."""
    ctx = context("demo-open311", received_at)
    ctx = replace(ctx, channel=replace(ctx.channel, **changed))
    (message,) = CONNECTOR.parse(urlencode(fields, doseq=True).encode(), FORM, ctx).items
    found = CONNECTOR.normalise(message, ctx)  # type: ignore[arg-type]
    assert found is not None
    assert found[0] == "report"
    return found[1]


def texts(element: Element) -> dict[str, str | None]:
    return {child.tag: child.text for child in element}


# --- what is posted --------------------------------------------------------------------------------------------------


def test_a_posted_request_stands_in_kafka_before_its_id_is_told(codec: Codec) -> None:
    async def scenario(client: Client, sink: KeepingSink, _store: MemoryStore) -> None:
        status, body, _ = await post(client, REQUEST)
        (told,) = json.loads(body)
        ((topic, key, value),) = sink.records
        assert (status, topic, key) == (200, "intake.open311", b"370212")
        assert told == {
            "service_request_id": codec.report(value)["report_id"],
            "service_notice": None,
            "account_id": None,
        }
        sink.down = True
        status, body, headers = await post(client, REQUEST)
        assert (status, json.loads(body)[0]["code"], int(headers["Retry-After"]) > 0) == (503, 503, True)

    run(scenario)


def test_the_answer_in_xml_is_the_specifications() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        status, body, headers = await post(client, REQUEST, "xml")
        root = fromstring(body)  # noqa: S314
        assert (status, headers["Content-Type"], root.tag) == (200, "text/xml; charset=utf-8", "service_requests")
        (request,) = root
        assert [child.tag for child in request] == ["service_request_id", "service_notice", "account_id"]
        assert (request[0].text or "").startswith("open311-")

    run(scenario)


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"api_key": "0" * 64}, 403, "api_key"),
        ({"api_key": ""}, 403, "api_key"),
        ({"service_code": ""}, 400, "service_code"),
        ({"service_code": "no-such"}, 404, "service_code"),
        ({"lat": "", "long": ""}, 400, "address_string"),
        ({"description": "长" * 4001}, 400, "description"),
        ({"lat": "north"}, 400, "lat"),
        ({"phone": ["13800001234", "13800001235"]}, 400, "phone"),
        ({"jurisdiction_id": "nowhere"}, 404, "jurisdiction_id"),
        ({"description": "x" * 70_000}, 413, "65536"),
    ],
)
@pytest.mark.parametrize("notation", ["json", "xml"])
def test_a_request_that_can_t_be_taken_is_refused_in_the_specifications_shape(
    changed: dict[str, Any], status: int, says: str, notation: str
) -> None:
    async def scenario(client: Client, sink: KeepingSink, _store: MemoryStore) -> None:
        found, body, _ = await post(client, REQUEST | changed, notation)
        if notation == "json":
            (error,) = json.loads(body)
        else:
            (element,) = fromstring(body)  # noqa: S314
            error = texts(element)
        assert (found, int(error["code"])) == (status, status)
        assert says in error["description"]
        assert not any(value in error["description"] for value in ("13800001234", "no-such", "nowhere", "甄"))
        assert sink.records == []

    run(scenario)


@pytest.mark.parametrize("params", [{"api_key": API_KEY}, {}], ids=["key in the query", "key in the body"])
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", None])
def test_any_other_content_type_or_none_is_refused_by_its_name(
    content_type: str | None, params: dict[str, str]
) -> None:
    async def scenario(client: Client, sink: KeepingSink, _store: MemoryStore) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        skipped = [] if content_type else ["Content-Type"]
        async with client.post(
            f"{ROOT}/requests.json", params=params, data=b'{"service_code": "1"}', headers=headers,
            skip_auto_headers=skipped,
        ) as found:  # fmt: skip
            assert (found.status, "urlencoded" in (await found.json())[0]["description"]) == (400, True)
        assert sink.records == []

    run(scenario)


def test_the_same_request_again_is_the_same_report_by_the_clients_number_or_by_what_it_says_on_that_day() -> None:
    numbered = REQUEST | {"attribute[fixmystreet_id]": "7000001"}
    assert record_of(numbered)["upstream_id"] == "7000001"
    assert record_of(numbered)["report_id"] == record_of(numbered | {"description": "x"}, NOW + 9 * DAY)["report_id"]
    first, later = record_of(REQUEST), record_of(REQUEST, NOW + HOUR)
    assert (first["report_id"], first["content_hash"]) == (later["report_id"], later["content_hash"])
    assert first["report_id"] != record_of(REQUEST, NOW + DAY)["report_id"]
    assert first["report_id"] != record_of(REQUEST | {"description": "x"})["report_id"]
    assert first["report_id"] == record_of(REQUEST | {"api_key": "other", "jurisdiction_id": ""})["report_id"]


def test_a_channel_may_name_the_attribute_that_holds_the_clients_number() -> None:
    found = record_of(
        REQUEST | {"attribute[ticket]": "T-1", "attribute[fixmystreet_id]": "9"}, constants={"id_attribute": "ticket"}
    )
    assert (found["upstream_id"], found["extra"]) == ("T-1", {"fixmystreet_id": "9"})


def test_nothing_of_the_reporter_is_readable_and_the_api_key_is_not_even_sealed() -> None:
    fields = REQUEST | {
        "account_id": "account-of-zhen-0001",
        "device_id": "device-0001-of-zhen",
        "attribute[who]": "甄 样本",
    }
    found = record_of(fields | {"attribute[title]": "样本 甄说", "address_string": "甄样本家"})
    shown = json.dumps({name: value for name, value in found.items() if name != "sealed"}, ensure_ascii=False)
    for personal in ("甄", "样本", "13800001234", "zhen@example.com", "account-of-zhen-0001", "device-0001-of-zhen"):
        assert personal not in shown
    sealed, key_id = found["sealed"], found["sealed_key_id"]
    assert sealed is not None
    assert key_id is not None
    original = dict(form(PRIVACY.unseal(sealed, found["report_id"], key_id)))
    assert original == {name: value for name, value in fields.items() if name != "api_key"} | {
        "attribute[title]": "样本 甄说", "address_string": "甄样本家",
    }  # fmt: skip


def test_a_reporter_is_joined_by_phone_else_account_else_mail_else_device() -> None:
    given = {"phone": "13800001234", "account_id": "account-0001", "email": "Zhen@Example.com", "device_id": "d-1"}
    keys = []
    for dropped in range(5):
        left = dict(list(given.items())[dropped:])
        keys.append(record_of({**REQUEST, **dict.fromkeys(given, ""), **left})["reporter_key"])
    assert len(set(keys)) == 5
    assert keys[-1] is None
    lower = record_of({**REQUEST, "phone": "", "email": "zhen@example.com"})["reporter_key"]
    assert keys[2] == lower


def test_an_attribute_of_several_values_and_its_code_are_kept() -> None:
    found = record_of(
        REQUEST | {"attribute[tool][]": ["drill", "hammer"], "attribute[13800001234]": "x", "attribute[a b]": "y"}
    )
    assert found["extra"] == {"tool": "drill, hammer"}


def test_without_a_table_the_kinds_of_matter_are_the_services() -> None:
    found = record_of(REQUEST | {"service_code": "heating"}, table="")
    assert (found["matter_kind"], found["kind_code"]) == ("heating", None)
    with pytest.raises(Refusal, match="service_code"):
        record_of(REQUEST, table="")


def test_a_source_that_writes_zero_where_it_has_no_point_says_so() -> None:
    zero = REQUEST | {"lat": "0", "long": "0", "address_string": "金家岭街道大埠东社区3号楼"}
    with pytest.raises(Refusal, match="both 0"):
        record_of(zero)
    assert record_of(zero, constants={"zero_point": "none"})["lon"] is None


def test_a_form_that_is_no_utf8_is_refused_and_one_declared_gb_is_read() -> None:
    with pytest.raises(Refusal) as caught:
        form(b"description=%D6%D0")
    assert caught.value.code == "bad_encoding"
    assert form(b"description=%D6%D0", "gb2312") == [("description", "中")]
    with pytest.raises(Refusal, match="200 fields"):
        form(b"&".join([b"a=1"] * 201))


def test_an_address_that_fails_to_prove_itself_again_and_again_is_no_longer_read() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        statuses = [(await post(client, REQUEST | {"api_key": "wrong"}))[0] for _ in range(25)]
        assert (statuses[0], statuses[-1]) == (403, 429)
        assert set(statuses) == {403, 429}

    run(scenario)


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_the_services_are_the_classes_of_the_channels_table() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        status, listed = await get(client, "services.json")
        table = {
            key[3]: name for key, (_, name) in PROFILE.kinds.items() if key[:3] == ("demo", "hotline-2025", "appeal")
        }
        assert (status, {one["service_code"]: one["service_name"] for one in listed}) == (200, table)
        assert listed[0] == {
            "service_code": "010101", "service_name": "噪声扰民", "description": "噪声扰民", "metadata": True,
            "type": "realtime", "keywords": "噪音,噪声,扰民,广场舞", "group": "livelihood",
        }  # fmt: skip
        _, root = await get(client, "services.xml")
        assert (root.tag, texts(root[0])["metadata"], texts(root[0])["service_code"]) == ("services", "true", "010101")

    run(scenario)


def test_a_service_asks_for_the_clients_own_number_and_an_unknown_one_is_404() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        status, found = await get(client, "services/010101.json")
        (attribute,) = found["attributes"]
        assert (status, attribute["code"], attribute["required"]) == (200, "fixmystreet_id", False)
        _, root = await get(client, "services/010101.xml")
        assert (root.tag, root.findtext("attributes/attribute/code")) == ("service_definition", "fixmystreet_id")
        assert (await get(client, "services/nothing.json"))[0] == 404

    run(scenario)


def test_the_discovery_document_leads_to_the_endpoint() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        _, found = await get(client, "discovery.json")
        (endpoint,) = found["endpoints"]
        assert endpoint["url"] == str(client.make_url(ROOT))
        _, root = await get(client, "discovery.xml")
        assert [one.text for one in root.findall("endpoints/endpoint/formats/format")] == [
            "text/xml",
            "application/json",
        ]

    run(scenario)
    own = with_channels("city-311", base_url="https://hub.example")

    async def behind_a_proxy(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        _, found = await get(client, "discovery.json")
        assert found["endpoints"][0]["url"] == "https://hub.example/open311/v2"

    run(behind_a_proxy, own)


def test_a_request_is_shown_as_the_specification_says_with_a_zone_and_no_person() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["demo-open311"] = [stored("open311-a")]
        status, (found,) = await get(client, "requests/open311-a.json", api_key=API_KEY)
        assert status == 200
        assert found == {
            "service_request_id": "open311-a", "status": "open", "status_notes": None, "service_name": "噪声扰民",
            "service_code": "010101", "description": "夜里很吵 <b>&", "agency_responsible": "综合行政执法局",
            "service_notice": None, "requested_datetime": "2025-11-19T08:00:00+08:00",
            "updated_datetime": "2025-11-19T08:00:01+08:00", "expected_datetime": "2025-11-21T08:00:00+08:00",
            "address": "示例路1号", "address_id": None, "zipcode": None, "lat": 36.11, "long": 120.43,
            "media_url": "https://pictures.example/1.jpg",
        }  # fmt: skip
        _, root = await get(client, "requests/open311-a.xml", api_key=API_KEY)
        written = {name: None if value is None else str(value) for name, value in found.items()}
        assert texts(root[0]) == written

    run(scenario)


def test_status_notes_and_times_follow_what_became_of_it() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        closed = (step("accept", NOW - 9 * HOUR), step("close", NOW - 2 * HOUR), step("rate", NOW - HOUR))
        store.reports["demo-open311"] = [
            stored("a", steps=closed),
            stored("b", steps=(*closed, step("redo", NOW))),
            stored("c", relation="joined", linked_to="a", matter_id="a"),
            stored("d", relation="rebound", linked_to="a", matter_id="a"),
            stored("e", kind_code=None, matter_kind="heating", attachments=("media-id",)),
        ]
        _, found = await get(client, "requests.json", api_key=API_KEY)
        by_id = {one["service_request_id"]: one for one in found}
        assert [by_id[name]["status"] for name in "abcde"] == ["closed", "open", "open", "open", "open"]
        assert by_id["a"]["updated_datetime"] == "2025-11-20T06:00:00+08:00"
        assert by_id["b"]["updated_datetime"] == "2025-11-20T08:00:00+08:00"
        assert [by_id[name]["status_notes"] for name in "acd"] == [None, "Duplicate request.", None]
        assert (by_id["e"]["service_code"], by_id["e"]["media_url"]) == ("heating", None)

    run(scenario)


def test_a_confidential_report_is_never_shown() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["demo-open311"] = [stored("a", confidential=True)]
        assert (await get(client, "requests/a.json", api_key=API_KEY))[0] == 404
        assert (await get(client, "tokens/a.json", api_key=API_KEY))[0] == 404
        for query in ({}, {"service_request_id": "a"}):
            assert await get(client, "requests.json", api_key=API_KEY, **query) == (200, [])

    run(scenario)


def test_reports_are_read_with_the_key_unless_the_channel_is_public() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["demo-open311"] = [stored("a")]
        for path in ("requests.json", "requests.xml", "requests/a.json", "tokens/a.xml"):
            assert (await get(client, path))[0] == 403
            assert (await get(client, path, api_key="0" * 64))[0] == 403
            assert (await get(client, path, api_key=API_KEY))[0] == 200

    run(scenario)

    async def public(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["city-311"] = [stored("a")]
        assert (await get(client, "requests/a.json"))[0] == 200
        assert (await post(client, REQUEST | {"api_key": ""}))[0] == 403

    run(public, with_channels("city-311", public="yes"))


def test_of_several_jurisdictions_one_must_be_named_and_its_key_opens_no_other() -> None:
    keys = {"north": b"n" * 32, "south": b"s" * 32}

    async def scenario(client: Client, sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["north"] = [stored("a")]
        north, south = keys["north"].hex(), keys["south"].hex()
        assert (await get(client, "services.json"))[0] == 400
        assert (await get(client, "services.json", jurisdiction_id="nowhere"))[0] == 404
        assert (await get(client, "services.json", jurisdiction_id="south"))[0] == 200
        assert (await post(client, REQUEST | {"api_key": north}))[0] == 400
        assert (await post(client, REQUEST | {"api_key": north, "jurisdiction_id": "south"}))[0] == 403
        assert sink.records == []
        assert (await post(client, REQUEST | {"api_key": south, "jurisdiction_id": "south"}))[0] == 200
        for name, key, status in (("north", north, 200), ("north", south, 403), ("south", south, 404)):
            assert (await get(client, "requests/a.json", jurisdiction_id=name, api_key=key))[0] == status

    run(scenario, with_channels("north", "south"), keys)


def test_a_page_is_asked_for_by_time_class_and_status() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        async def asked(**query: str) -> dict[str, Any]:
            status, _ = await get(client, "requests.json", api_key=API_KEY, **query)
            assert status == 200
            wanted = store.searched
            assert wanted is not None
            return {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}

        default = await asked()
        assert default == {
            "start": NOW - 90 * DAY, "end": NOW, "kind_codes": None, "matter_kinds": None, "closed": None,
            "limit": 1000, "offset": 0,
        }  # fmt: skip
        assert await asked(start_date="", end_date="", status="", service_code="", page="") == default
        assert (await asked(status="open"))["closed"] is False
        assert (await asked(status="closed"))["closed"] is True
        assert (await asked(status="open,closed"))["closed"] is None
        assert (await asked(service_code="010101, 010201"))["kind_codes"] == (
            "demo/hotline-2025/appeal/010101", "demo/hotline-2025/appeal/010201",
        )  # fmt: skip
        page = await asked(page="3", page_size="50")
        assert (page["limit"], page["offset"]) == (50, 100)
        times = await asked(start_date="2025-01-01T00:00:00Z", end_date="2025-04-01T08:00:00+08:00")
        assert (times["end"] - times["start"], times["start"]) == (90 * DAY, 1735689600000)
        assert (await asked(start_date="2025-01-01T00:00:00Z"))["end"] == 1735689600000 + 90 * DAY
        assert (await asked(end_date="2025-01-01T00:00:00"))["end"] == 1735689600000 - 8 * HOUR

    run(scenario)


@pytest.mark.parametrize(
    ("query", "status", "names"),
    [
        ({"start_date": "2025-01-01T00:00:00Z", "end_date": "2025-04-01T00:00:01Z"}, 400, "end_date"),
        ({"start_date": "2025-02-01T00:00:00Z", "end_date": "2025-01-01T00:00:00Z"}, 400, "end_date"),
        ({"start_date": "yesterday"}, 400, "start_date"),
        ({"end_date": "9999-12-31T23:59:59Z"}, 400, "end_date"),
        ({"status": "done"}, 400, "status"),
        ({"service_code": "010101,nothing"}, 404, "service_code"),
        ({"page": "0"}, 400, "page"),
        ({"page_size": "1001"}, 400, "page_size"),
        ({"page_size": "٣"}, 400, "page_size"),
    ],
)
def test_a_question_that_can_t_be_answered_names_the_parameter(query: dict[str, str], status: int, names: str) -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        found, (error,) = await get(client, "requests.json", api_key=API_KEY, **query)
        assert (found, error["code"], names in error["description"]) == (status, status, True)

    run(scenario)


def test_given_ids_override_every_other_argument() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["demo-open311"] = [stored("a"), stored("b"), stored("c")]
        _, found = await get(
            client, "requests.json", api_key=API_KEY, service_request_id="a, c,x", start_date="nonsense"
        )
        assert [one["service_request_id"] for one in found] == ["a", "c"]

    run(scenario)


def test_a_token_stands_for_the_request_of_its_name() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.reports["demo-open311"] = [stored("a")]
        assert await get(client, "tokens/a.json", api_key=API_KEY) == (200, [{"service_request_id": "a", "token": "a"}])
        assert (await get(client, "tokens/b.json", api_key=API_KEY))[0] == 404

    run(scenario)


def test_while_the_store_is_away_only_its_questions_fail() -> None:
    async def scenario(client: Client, _sink: KeepingSink, store: MemoryStore) -> None:
        store.away = True
        for path in ("requests.json", "requests/a.xml", "tokens/a.json"):
            assert (await get(client, path, api_key=API_KEY))[0] == 503
        assert (await post(client, REQUEST))[0] == 200
        assert (await get(client, "services.json"))[0] == 200

    run(scenario)


def test_an_installation_without_such_a_channel_has_no_such_address() -> None:
    async def scenario(client: Client, _sink: KeepingSink, _store: MemoryStore) -> None:
        async with client.get(f"{ROOT}/services.json") as found:
            assert found.status == 404

    run(scenario, with_channels())


def test_text_that_xml_can_t_hold_is_left_out() -> None:
    reply = answer("xml", "services", [{"service_name": "a\x0b\ufffe<b>\ud800&"}])
    assert fromstring(reply.body)[0][0].text == "a<b>&"  # noqa: S314
