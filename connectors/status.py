"""GET /v1/reports/{id} and GET /v1/reports?upstream_id=...: what became of a report, for the channel that sent it.

Asked for as the channel sends: signed with HMAC (over an empty body), by digest or with its certificate; the header
X-Zhishu-Channel names it. docs/feeds/README.md shows it.
"""

from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

from connectors.answers import AnsweredError, as_json
from connectors.errors import Refusal
from connectors.fields import ID_LIMIT
from connectors.guard import Guard
from connectors.reports import ReportStore, StoredReport, StoreUnavailableError
from profiles import Channel, Profile
from schemas.ids import report_id

CHANNEL_HEADER: Final = "X-Zhishu-Channel"
#: Longest report_id there is, with room.
_LONGEST_ID: Final = 200
#: Between Kafka's acknowledgement and the stored row lie the worker and the sink: about two seconds.
_STORED_WITHIN_S: Final = 5


def report_routes(profile: Profile, guard: Guard, store: ReportStore) -> list[web.RouteDef]:
    """The two routes. A channel sees its own reports only."""

    def asker(request: web.Request) -> Channel:
        name = request.headers.get(CHANNEL_HEADER, "")
        channel = profile.channels.get(name)
        if channel is None:
            reason = f"send the header {CHANNEL_HEADER} with the id of your channel"
            raise guard.stranger(request, Refusal("unknown_channel", reason))
        guard.finish(guard.begin(request, channel, own=False), b"")
        return channel

    async def answer(channel: Channel, asked: str) -> web.StreamResponse:
        try:
            found = await store.find(channel, [asked])
        except StoreUnavailableError:
            raise AnsweredError(Refusal("unavailable", "the store does not answer now; ask again")) from None
        if not found:
            raise unknown_report()
        # An assembled report is known by its own id and by those of its messages.
        whole = next((report for report in found if asked in report.part_ids), found[0])
        return as_json(told(whole, asked))

    async def by_id(request: web.Request) -> web.StreamResponse:
        channel = asker(request)
        asked = request.match_info["report_id"]
        if len(asked) > _LONGEST_ID:
            raise unknown_report()
        return await answer(channel, asked)

    async def by_upstream_id(request: web.Request) -> web.StreamResponse:
        channel = asker(request)
        number = request.query.get("upstream_id", "")
        if not number:
            raise AnsweredError(Refusal("missing_field", "upstream_id: give your own number as a query parameter"))
        if len(number) > ID_LIMIT:
            raise AnsweredError(Refusal("field_too_long", f"upstream_id: longer than {ID_LIMIT} characters"))
        return await answer(channel, report_id(channel.feed, channel.id, number))

    return [web.get("/v1/reports", by_upstream_id), web.get("/v1/reports/{report_id}", by_id)]


def unknown_report() -> AnsweredError:
    """The answer where the channel has no such report, or none yet."""
    reason = (
        f"no report of this channel has this id; one accepted just now is known within {_STORED_WITHIN_S} s: ask again"
    )
    return AnsweredError(Refusal("unknown_report", reason), {"Retry-After": str(_STORED_WITHIN_S)})


def told(report: StoredReport, asked: str) -> dict[str, Any]:
    """What a source is told: no texts, no person; other reports by their ids only. Times are ISO 8601, UTC."""
    agency = {"code": report.agency_code, "name": report.agency_name, "level": report.level}
    return {
        "report_id": report.report_id,
        "upstream_id": report.upstream_id,
        "status": report.status,
        "reported_at": _time(report.reported_at),
        "accepted_at": _time(report.accepted_at),
        "agency": agency if report.agency_code else None,
        "manual_reason": report.manual_reason,
        "deadline": _time(report.deadline),
        "closed_at": _time(report.closed_at),
        "matter_id": report.matter_id,
        "relation": report.relation,
        "linked_to": report.linked_to,
        "assembled_into": report.report_id if asked in report.part_ids and asked != report.report_id else None,
        "part_ids": list(report.part_ids),
        "steps": [
            {"step": step.step, "at": _time(step.occurred_at), "unit": step.unit, "level": step.level}
            for step in report.steps
        ],
    }


def _time(moment: int | None) -> str | None:
    if moment is None:
        return None
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
