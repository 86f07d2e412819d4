"""Polling a GeoReport v2 server over real HTTP: windows, limits, pages, JSON and XML, and servers with quirks."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from connectors.readers.loop import Reader, SourceError
from connectors.readers.open311_client import Open311Origin
from profiles.sources import Open311Source
from tests.readers.parts import NOW, Kept, channel, reader
from tests.servers import serve

HEAD = '[[channel]]\nid = "city"\nfeed = "open311"\nprotocol = "canonical"\ncrs = "WGS-84"\n[channel.source]\nkind = "open311"\n'


@dataclass
class City:
    """A server that keeps to the standard, and breaks it where it is told to."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    json: bool = True
    cap: int = 1000
    pages: int = 0
    wrapped: bool = False
    api_key: str = ""
    services: list[dict[str, Any]] = field(
        default_factory=lambda: [{"service_code": "33", "service_name": "Noise", "group": "street"}]
    )
    asked: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        name, _, form = request.path.rpartition("/")[2].partition(".")
        asked = dict(request.query)
        if self.status != 200 or (self.api_key and asked.get("api_key") != self.api_key):
            return web.json_response(
                [{"code": self.status, "description": "no"}], status=self.status if self.status != 200 else 403
            )
        if form == "json" and not self.json:
            return web.Response(status=404)
        if name == "services":
            return self._form(form, self.services, "services", "service")
        self.asked.append(asked)
        begin, end = (datetime.fromisoformat(asked[key]) for key in ("start_date", "end_date"))
        assert end - begin <= timedelta(days=90)
        found = [one for one in reversed(self.requests) if begin <= _moment(one) <= end]
        if self.pages:
            size = min(self.pages, int(asked.get("page_size", self.pages)))
            first = (int(asked.get("page", "1")) - 1) * size
            found = found[first : first + size]
        return self._form(form, found[: self.cap], "service_requests", "request")

    def _form(self, form: str, objects: list[dict[str, Any]], root: str, name: str) -> web.Response:
        if form == "json":
            return web.json_response({root: objects} if self.wrapped else objects)
        inner = "".join(f"<{name}>{_xml(one)}</{name}>" for one in objects)
        return web.Response(
            text=f'<?xml version="1.0" encoding="utf-8"?><{root}>{inner}</{root}>', content_type="text/xml"
        )

    @contextmanager
    def running(self) -> Iterator[str]:
        app = web.Application()
        app.router.add_get("/v2/{tail:.*}", self.answer)
        with serve(app) as url:
            yield f"{url}/v2"


def _xml(one: dict[str, Any]) -> str:
    return "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in one.items() if value is not None)


def _moment(one: dict[str, Any]) -> datetime:
    moment = datetime.fromisoformat(one["requested_datetime"])
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def made(number: int, days_ago: float = 1, **changed: Any) -> dict[str, Any]:
    moment = NOW - timedelta(days=days_ago) + timedelta(seconds=number)
    given = {
        "service_request_id": str(number),
        "status": "open",
        "service_code": "33",
        "service_name": "Noise",
        "description": "made up",
        "requested_datetime": moment.isoformat(),
        "address": "1 Sample Street",
        "lat": 36.1,
        "long": 120.47,
    }
    return {name: value for name, value in {**given, **changed}.items() if value is not None}


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, kept: Kept, clock: Clock) -> Callable[..., Reader]:
    def built(url: str, more: str = "", zone: str = "", api_key: str = "") -> Reader:
        one = channel(tmp_path, f'{HEAD}url = "{url}"\n{more}\n')
        assert isinstance(one.source, Open311Source)
        origin = Open311Origin(one.id, one.source, ZoneInfo(zone) if zone else None, api_key, clock)
        return reader(one, origin, kept, tmp_path / "cursors")

    return built


def passed(one: Reader, times: int = 1) -> None:
    for _ in range(times):
        asyncio.run(one.pass_once())


@pytest.mark.parametrize("json", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_requests_become_reports_in_the_order_they_were_made(
    make: Callable[..., Reader], kept: Kept, json: bool, wrapped: bool
) -> None:
    city = City([made(n, media_url="https://city.example/1.jpg") for n in range(1, 6)], json=json, wrapped=wrapped)
    with city.running() as url:
        passed(make(url), 2)
    assert kept.ids() == ["1", "2", "3", "4", "5"]
    report = kept.reports()[0]
    assert (report["lon"], report["lat"]) == (120.47, 36.1)
    assert report["title"] == "Noise"
    assert report["category_path"] == ["street"]
    assert report["extra"]["service_code"] == "33"
    assert report["reported_at"] == int(_moment(made(1)).timestamp() * 1000)


def test_only_what_is_new_is_asked_for_between_the_sweeps(
    make: Callable[..., Reader], kept: Kept, clock: Clock
) -> None:
    city = City([made(1)])
    with city.running() as url:
        one = make(url, "refresh_s = 3600\noverlap_s = 60")
        passed(one)
        city.asked.clear()
        clock.now = NOW + timedelta(minutes=10)
        city.requests.append(made(2, days_ago=-0.005))
        passed(one)
    assert kept.ids() == ["1", "2"]
    assert [asked["start_date"] for asked in city.asked] == ["2025-11-19T23:59:00Z"]


def test_a_change_is_seen_by_the_sweep_and_becomes_progress(
    make: Callable[..., Reader], kept: Kept, clock: Clock
) -> None:
    city = City([made(1, days_ago=60), made(2, days_ago=50)])
    with city.running() as url:
        one = make(url)
        passed(one)
        assert kept.steps() == []
        closed = (NOW + timedelta(hours=1)).isoformat()
        city.requests[0] |= {"status": "Closed", "updated_datetime": closed, "status_notes": "done, call 13800001234"}
        clock.now = NOW + timedelta(hours=2)
        passed(one, 2)
        (step,) = kept.steps()
        city.requests[0] |= {"status": "open", "updated_datetime": (NOW + timedelta(hours=3)).isoformat()}
        clock.now = NOW + timedelta(hours=4)
        passed(one)
    assert (step["step"], step["upstream_id"]) == ("close", "1")
    assert step["report_id"] == kept.reports()[0]["report_id"]
    assert step["occurred_at"] == int((NOW + timedelta(hours=1)).timestamp() * 1000)
    assert "13800001234" not in step["note"]
    assert [one["step"] for one in kept.steps()] == ["close", "redo"]
    hashes = {(report["report_id"], report["content_hash"]) for report in kept.reports()}
    assert len(hashes) == 2, "a change of status is no revision of the report"


def test_a_server_that_cuts_off_at_its_limit_is_asked_in_halves(make: Callable[..., Reader], kept: Kept) -> None:
    city = City([made(n, days_ago=30 - n / 10) for n in range(200)], cap=25)
    with city.running() as url:
        passed(make(url, "limit = 25\nwindow_days = 30\nbatch = 7"))
    assert Counter(kept.ids()) == Counter(str(n) for n in range(200))


def test_more_than_the_limit_in_one_second_is_told_and_not_passed_over(make: Callable[..., Reader]) -> None:
    moment = (NOW - timedelta(days=1)).isoformat()
    city = City([made(n, requested_datetime=moment) for n in range(5)], cap=5)
    with city.running() as url, pytest.raises(SourceError, match="page_size"):
        passed(make(url, "limit = 5"))


@pytest.mark.parametrize("pages", [10, 0])
def test_a_server_with_pages_is_asked_page_by_page_and_one_without_once_more(
    make: Callable[..., Reader], kept: Kept, pages: int
) -> None:
    city = City([made(n) for n in range(35)], pages=pages)
    with city.running() as url:
        passed(make(url, "page_size = 10\nwindow_days = 90"))
    assert Counter(kept.ids()) == Counter(str(n) for n in range(35))


def test_the_past_is_asked_for_from_the_day_the_source_names(make: Callable[..., Reader], kept: Kept) -> None:
    city = City([made(1, days_ago=400), made(2, days_ago=200), made(3)])
    with city.running() as url:
        passed(make(url, "since = 2025-01-01\nwindow_days = 90"), 2)
    assert kept.ids() == ["2", "3"]
    assert city.asked[0]["start_date"] == "2025-01-01T00:00:00Z"


def test_quirks_of_real_servers_are_read(make: Callable[..., Reader], kept: Kept) -> None:
    city = City(
        [
            made(1, service_request_id=909_001, zipcode=94110, lat=0.0, long=0.0, status="Closed"),
            made(2, description=None, address=None, lat=None, long=None, expected_datetime=None),
            made(3, service_name=None, description=None),
            made(4, service_request_id=None, token="abc"),
        ]
    )
    with city.running() as url:
        one = make(url)
        passed(one, 2)
    assert kept.ids() == ["909001", "2", "3"]
    first = kept.reports()[0]
    assert first["lon"] is None
    assert kept.steps() == [], "closed, but nobody knows when"
    assert kept.reports()[2]["title"] == "Noise", "the service list knows its name"
    assert [letter["reason_code"] for letter in kept.letters()] == ["missing_field"]


def test_times_without_a_zone_are_meant_in_the_sources(make: Callable[..., Reader], kept: Kept) -> None:
    city = City(
        [
            made(1, requested_datetime="2025-11-19 05:14:00", status="Closed", updated_datetime="2025-11-19 06:00:00"),
        ]
    )
    with city.running() as url:
        passed(make(url, zone="America/Los_Angeles"))
    assert kept.reports()[0]["reported_at"] == int(datetime(2025, 11, 19, 13, 14, tzinfo=UTC).timestamp() * 1000)
    assert kept.steps()[0]["occurred_at"] == int(datetime(2025, 11, 19, 14, tzinfo=UTC).timestamp() * 1000)


def test_jurisdiction_and_key_are_sent_and_the_key_is_not_told(make: Callable[..., Reader], kept: Kept) -> None:
    city = City([made(1)], api_key="made-up-key")
    with city.running() as url:
        passed(make(url, 'jurisdiction_id = "city.example"', api_key="made-up-key"))
        assert {asked["jurisdiction_id"] for asked in city.asked} == {"city.example"}
        with pytest.raises(SourceError, match="answers 403") as refused:
            passed(make(url, 'jurisdiction_id = "other"', api_key="wrong-key"))
    assert "wrong-key" not in str(refused.value)
    assert kept.ids() == ["1"]


@pytest.mark.parametrize("body", ["{", "[1]", '{"a": 1}', "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "", "\xff"])
def test_an_answer_that_is_no_list_is_told(make: Callable[..., Reader], body: str) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body.encode("latin-1"), content_type="application/json")

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    with serve(app) as url, pytest.raises(SourceError):
        passed(make(url))


def test_a_stop_in_the_middle_goes_on_at_the_window_it_stopped_in(make: Callable[..., Reader], kept: Kept) -> None:
    city = City([made(n, days_ago=80 - n * 10) for n in range(8)])
    with city.running() as url:
        passed(make(url, "window_days = 10"))
        before = len(city.asked)
        passed(make(url, "window_days = 10"))
    assert Counter(kept.ids()) == Counter(str(n) for n in range(8))
    assert len(city.asked) - before == 1
