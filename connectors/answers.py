"""HTTP answers of the hub's own: JSON with a code of schemas/reasons.py and a sentence, and the status that goes with it."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from aiohttp import web
from multidict import CIMultiDict

from connectors.base import Outcome
from connectors.errors import Refusal
from connectors.intake import log_place
from schemas.reasons import ReasonCode

_STATUS: Final[dict[ReasonCode, int]] = {
    "bad_signature": 401,
    "unknown_channel": 404,
    "unknown_report": 404,
    "too_large": 413,
    "too_many_records": 413,
    "rate_limited": 429,
    "bad_encoding": 400,
    "bad_json": 400,
    "bad_xml": 400,
    "forbidden_xml": 400,
    "unsupported_type": 415,
    "unavailable": 503,
}
#: All other codes are about one message's fields.
_FIELD_STATUS: Final = 422
_RETRY_AFTER_S: Final = 5
#: For a request whose body is not read to its end: the connection can't carry another one.
CLOSE: Final[Mapping[str, str]] = {"Connection": "close"}


class AnsweredError(Exception):
    """Ends a request with a refusal; `status` and `headers` add to what its code says."""

    def __init__(self, refusal: Refusal, headers: Mapping[str, str] | None = None, status: int | None = None) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal
        self.status = status or status_of(refusal)
        self.headers = CIMultiDict(headers or {})
        if refusal.code == "unavailable":
            self.headers.setdefault("Retry-After", str(_RETRY_AFTER_S))


def status_of(refusal: Refusal) -> int:
    """HTTP status of a refusal."""
    return _STATUS.get(refusal.code, _FIELD_STATUS)


def as_json(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


@web.middleware
async def answering(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refusals as JSON. An unforeseen error is 500; its text may quote the message, so only its type and place are logged."""
    try:
        return await handler(request)
    except AnsweredError as answered:
        refusal = answered.refusal
        return as_json({"code": refusal.code, "reason": refusal.reason}, answered.status, answered.headers)
    except web.HTTPException:
        raise
    except Exception as error:
        log_place(error)
        return as_json({"code": "internal", "reason": "the hub failed; its log says where"}, 500)


def single(outcome: Outcome) -> web.Response:
    """The answer to one message."""
    if outcome.refusal:
        return as_json({"code": outcome.refusal.code, "reason": outcome.refusal.reason}, status_of(outcome.refusal))
    if outcome.status == "ignored":
        return as_json({"accepted": 0, "ignored": 1, "ids": []})
    return as_json({"accepted": 1, "ids": [outcome.id]})


def batch(outcomes: Sequence[Outcome]) -> web.Response:
    """The answer to a batch: counts, and an outcome for each message in order. 207 when some were refused."""
    counts = Counter(outcome.status for outcome in outcomes)
    body: dict[str, Any] = {status: counts[status] for status in ("accepted", "refused", "ignored")}
    body["outcomes"] = [_part(index, outcome) for index, outcome in enumerate(outcomes)]
    if not counts["refused"]:
        return as_json(body)
    first = outcomes[0].refusal
    if counts["refused"] == len(outcomes) and first is not None:
        return as_json({"code": first.code, "reason": first.reason, **body}, status_of(first))
    return as_json(body, 207)


def _part(index: int, outcome: Outcome) -> dict[str, Any]:
    shown: dict[str, Any] = {"index": index, "status": outcome.status}
    if outcome.refusal:
        return {**shown, "code": outcome.refusal.code, "reason": outcome.refusal.reason}
    return {**shown, "id": outcome.id} if outcome.id else shown
