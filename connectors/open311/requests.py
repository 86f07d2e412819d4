"""GET requests: which of a channel's reports are asked for, and how the specification shows them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connectors.errors import Refusal
from connectors.open311.catalogue import Service
from connectors.reports import Search, StoredReport

DAY_MS: Final = 24 * 3600 * 1000
#: "Default query limit is a span of 90 days or first 1000 requests returned, whichever is smallest."
SPAN_MS: Final = 90 * DAY_MS
MOST: Final = 1000
_LAST_PAGE: Final = 1000
_STATUSES: Final = {"open": False, "closed": True}
#: The specification's own word for a request that was linked to another one.
_DUPLICATE: Final = "Duplicate request."
_DUPLICATES: Final = frozenset(("repeat", "joined", "episode"))


def wanted(query: Mapping[str, str], offered: Mapping[str, Service], zone: ZoneInfo, now: int) -> Search:
    """The search of a query; empty parameters are as good as none. `now`: milliseconds UTC.

    page and page_size are an extension. Raises Refusal (bad_time, unknown_code, bad_field).
    """
    start, end = _moment(query, "start_date", zone), _moment(query, "end_date", zone)
    if start is not None and end is not None and not 0 <= end - start <= SPAN_MS:
        raise Refusal("bad_time", "end_date: must lie after start_date, by at most 90 days; ask in several steps")
    if end is None:
        end = now if start is None else start + SPAN_MS
    if start is None:
        start = end - SPAN_MS
    chosen = [offered[code] for code in _listed(query, "service_code", offered)]
    by_code = bool(chosen) and chosen[0].kind_code is not None
    statuses = {_STATUSES[word] for word in _listed(query, "status", _STATUSES)}
    size = _count(query, "page_size", MOST, MOST)
    return Search(
        start=start,
        end=end,
        kind_codes=tuple(service.kind_code for service in chosen if service.kind_code) if by_code else None,
        matter_kinds=tuple(service.matter for service in chosen) if chosen and not by_code else None,
        closed=statuses.pop() if len(statuses) == 1 else None,
        limit=size,
        offset=(_count(query, "page", 1, _LAST_PAGE) - 1) * size,
    )


def shown(report: StoredReport, offered: Mapping[str, Service], zone: ZoneInfo) -> dict[str, Any]:
    """A request as the specification shows it. All texts are masked; nothing of the reporter is in it."""
    code = report.kind_code.rpartition("/")[2] if report.kind_code else report.matter_kind
    service = offered.get(code)
    linked = report.linked_to is not None and report.relation in _DUPLICATES
    pictures = (address for address in report.attachments if address.startswith(("http://", "https://")))
    return {
        "service_request_id": report.report_id,
        "status": "open" if report.closed_at is None else "closed",
        "status_notes": _DUPLICATE if linked else None,
        "service_name": service.name if service else code,
        "service_code": code,
        "description": report.content,
        "agency_responsible": report.agency_name,
        "service_notice": None,
        "requested_datetime": _written(report.reported_at, zone),
        "updated_datetime": _written(report.updated_at, zone),
        "expected_datetime": None if report.deadline is None else _written(report.deadline, zone),
        "address": report.address,
        "address_id": None,
        "zipcode": None,
        "lat": report.lat,
        "long": report.lon,
        "media_url": next(pictures, None),
    }


def _listed(query: Mapping[str, str], name: str, known: Mapping[str, Any]) -> list[str]:
    words = [word.strip() for word in query.get(name, "").split(",") if word.strip()]
    if any(word not in known for word in words):
        raise Refusal(
            "unknown_code" if name == "service_code" else "bad_field", f"{name}: holds a word that is none here"
        )
    return words


def _moment(query: Mapping[str, str], name: str, zone: ZoneInfo) -> int | None:
    text = query.get(name, "").strip().replace(" ", "+")  # an offset's plus sign that was not escaped
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if not 1990 <= moment.year <= 2100:
            raise ValueError
    except ValueError:
        raise Refusal("bad_time", f"{name}: must be in W3C form, as in 2025-01-01T00:00:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


def _count(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= most):
        raise Refusal("bad_field", f"{name}: must be a whole number from 1 to {most}")
    return int(text)


def _written(moment: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment / 1000, zone).isoformat(timespec="seconds")
