"""A publisher's afternoon, through the whole hub: the descriptions, a first request, and what became of it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from connectors.auth import SIGNATURE_HEADER, TIME_HEADER, signature
from connectors.status import CHANNEL_HEADER
from hub.up import Hub
from tests.connectors.make import ORDER, STEP, as_json
from tests.e2e.hubs import start, url, wait_until

pytestmark = pytest.mark.e2e
REQUEST = {
    "service_code": "010201", "lat": "36.1117", "long": "120.4348", "description": "工地夜间施工（虚构），13800001234",
    "attribute[fixmystreet_id]": "7000001", "phone": "13800001234",
}  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with start(tmp_path_factory.mktemp("publishers")) as running:
        yield running


def signed(hub: Hub, channel: str, method: str, path: str, body: bytes = b"") -> requests.Response:
    stamp = str(int(time.time()))
    key = hub.secrets.channels[channel].keys[0]
    headers = {
        CHANNEL_HEADER: channel,
        TIME_HEADER: stamp,
        SIGNATURE_HEADER: signature(key, method, path.partition("?")[0], stamp, body),
        "Content-Type": "application/json",
    }
    return requests.request(method, url(hub) + path, data=body, headers=headers, timeout=30)


def known(hub: Hub, channel: str, path: str, status: str) -> dict[str, Any]:
    """What a channel is told of a report once it has this status; 404 until then, never an error."""
    answers: list[requests.Response] = []

    def there() -> bool:
        answers.append(signed(hub, channel, "GET", path))
        assert answers[-1].status_code in (200, 404), answers[-1].text
        return answers[-1].status_code == 200 and answers[-1].json()["status"] == status

    wait_until(there, f"{path} is {status}")
    told: dict[str, Any] = answers[-1].json()
    return told


def test_an_open311_client_learns_the_agency_the_deadline_and_that_its_neighbour_said_the_same(hub: Hub) -> None:
    root, key = f"{url(hub)}/open311/v2", hub.secrets.channels["demo-open311"].keys[0].hex()
    services = requests.get(f"{root}/services.json", timeout=30).json()
    assert REQUEST["service_code"] in {service["service_code"] for service in services}
    posted = requests.post(f"{root}/requests.json", data=REQUEST | {"api_key": key}, timeout=30)
    assert posted.status_code == 200, posted.text
    report_id = posted.json()[0]["service_request_id"]
    told = known(hub, "demo-open311", f"/v1/reports/{report_id}", "routed")
    assert (told["upstream_id"], told["relation"], told["agency"]["code"]) == ("7000001", "new", "zhifa")
    assert told["deadline"] is not None
    again = REQUEST | {"api_key": key, "attribute[fixmystreet_id]": "7000002", "phone": "13900001235"}
    other = requests.post(f"{root}/requests.json", data=again, timeout=30).json()[0]["service_request_id"]
    assert known(hub, "demo-open311", "/v1/reports?upstream_id=7000002", "routed")["linked_to"] == report_id
    (shown,) = requests.get(f"{root}/requests/{other}.json", params={"api_key": key}, timeout=30).json()
    assert (shown["status"], shown["status_notes"]) == ("open", "Duplicate request.")
    assert (shown["agency_responsible"], "13800001234" in shown["description"]) == (told["agency"]["name"], False)
    window = {"api_key": key, "status": "open", "service_code": "010201"}
    listed = requests.get(f"{root}/requests.json", params=window, timeout=30).json()
    assert {one["service_request_id"] for one in listed} == {report_id, other}


def test_a_hotline_sees_its_order_through_to_its_end_and_no_other_channel_does(hub: Hub) -> None:
    number = str(ORDER["record_number"])
    sent = signed(hub, "demo-hotline", "POST", "/intake/demo-hotline", as_json(ORDER))
    assert sent.status_code == 200, sent.text
    (report_id,) = sent.json()["ids"]
    assert known(hub, "demo-hotline", f"/v1/reports/{report_id}", "routed")["upstream_id"] == number
    assert signed(hub, "demo-police", "GET", f"/v1/reports/{report_id}").status_code == 404
    close = STEP | {"record_number": number, "ps_caption": "办结", "id": "900000002", "pso_caption": ""}
    assert signed(hub, "demo-hotline", "POST", "/intake/demo-hotline", as_json(close)).status_code == 200
    told = known(hub, "demo-hotline", f"/v1/reports?upstream_id={number}", "closed")
    assert (told["closed_at"], told["steps"][-1]["step"]) == ("2025-09-13T01:41:25Z", "close")


def test_the_descriptions_are_served_with_the_hubs_own_channels_and_topics(hub: Hub) -> None:
    document = requests.get(f"{url(hub)}/openapi.json", timeout=30).json()
    assert "/intake/demo-hotline" in document["paths"]
    topics = requests.get(f"{url(hub)}/asyncapi.json", timeout=30).json()
    assert {f"intake.{feed}" for feed in hub.profile.feeds()} <= set(topics["channels"])
    number = topics["components"]["messages"]["report"]["x-schema-id"]
    schema = requests.get(f"{url(hub)}/schemas/ids/{number}", timeout=30)
    assert '"Report"' in schema.json()["schema"]
    assert "/intake/demo-hotline" in requests.get(f"{url(hub)}/docs", timeout=30).text
