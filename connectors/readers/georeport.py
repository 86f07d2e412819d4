"""What Open311 GeoReport v2 servers answer, JSON or XML, as plain objects; and what of it is a step in a case's life.

Rules: GeoReport v2, "GET Service Requests" and "GET Service List" (wiki.open311.org/GeoReport_v2).
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from connectors.errors import Refusal
from connectors.readers.loop import SourceError
from connectors.xml import children, local_name, parse_xml

#: Names under which servers wrap the list that the standard gives bare.
_WRAPPERS: Final = ("service_requests", "requests", "request", "services", "service")
_TIMES: Final = ("requested_datetime", "updated_datetime", "expected_datetime")
_CLOSED: Final = "closed"


def read_objects(body: bytes, content_type: str, *, xml: bool) -> list[dict[str, Any]]:
    """The objects of an answer; raises SourceError."""
    if xml:
        try:
            root = parse_xml(body, content_type)
        except Refusal as refusal:
            raise SourceError(f"the server's XML can't be read: {refusal.reason}") from None
        return [children(element) for element in root if local_name(element) in ("request", "service")]
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise SourceError("the server's answer is not valid JSON; set format to xml") from None
    while isinstance(found, dict):
        found = next((found[name] for name in _WRAPPERS if name in found), None)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SourceError("the server's answer is no list of objects; check the url")
    return found


def with_zone(request: Mapping[str, Any], zone: ZoneInfo | None) -> dict[str, Any]:
    """The given fields, with the offset of `zone` on times that have none."""
    fields = {name: value for name, value in request.items() if value is not None and value != ""}
    for name in _TIMES:
        moment = moment_of(fields.get(name))
        if moment is not None and moment.tzinfo is None and zone is not None:
            fields[name] = moment.replace(tzinfo=zone).isoformat()
    return fields


def moment_of(value: Any) -> datetime | None:
    """A time as ISO 8601 has it; None for anything else."""
    try:
        return datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def is_closed(request: Mapping[str, Any]) -> bool:
    """Whether the request's status says closed, however it is written."""
    return str(request.get("status", "")).strip().lower() == _CLOSED


def progress_of(request: Mapping[str, Any], *, reopened: bool) -> dict[str, Any] | None:
    """The step that the request's present state tells of, in the canonical form; None when it was only made.

    Without updated_datetime nobody knows when it happened: then there is no step.
    """
    requested, updated = moment_of(request.get("requested_datetime")), moment_of(request.get("updated_datetime"))
    if updated is None:
        return None
    closed = is_closed(request)
    if not closed and requested is not None and _utc(updated) <= _utc(requested):
        return None
    step = {
        "record": "progress",
        "upstream_id": str(request["service_request_id"]),
        "step": "close" if closed else "redo" if reopened else "handle",
        "occurred_at": request["updated_datetime"],
        "unit": request.get("agency_responsible"),
        "note": request.get("status_notes"),
    }
    return {name: value for name, value in step.items() if value is not None}


def services_of(objects: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """What the service list adds to a request, by service code: the names of its service and group."""
    wanted = ("service_name", "group")
    return {
        str(service["service_code"]): {name: str(service[name]) for name in wanted if service.get(name)}
        for service in objects
        if service.get("service_code") is not None
    }


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
