"""Open311 GeoReport v2 under /open311/v2, for the channels of protocol open311; the jurisdiction_id is the channel's id.

What is posted goes the way of every message (connectors/intake.py); what is asked comes from the store.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from multidict import CIMultiDict

from connectors.answers import CLOSE, AnsweredError
from connectors.base import Reply
from connectors.bodies import media_type
from connectors.errors import Refusal
from connectors.guard import Guard
from connectors.incoming import Bodies, expect
from connectors.intake import Intake, count_refused
from connectors.open311 import CONNECTOR, FORM, answer, answers, catalogue, form, id_attribute
from connectors.open311.catalogue import services
from connectors.open311.requests import MOST, shown, wanted
from connectors.producer import UnavailableError
from connectors.reports import ReportStore, StoredReport, StoreUnavailableError
from connectors.status import unknown_report
from profiles import Channel

ROOT: Final = "/open311/v2"
_NOTATION: Final = "{notation:[^/]+}"

Answering = Callable[[web.Request, answers.Notation], Awaitable[Reply]]


class Server:
    """Handlers of the specification's methods. `store`: what became of the reports."""

    def __init__(self, intake: Intake, guard: Guard, store: ReportStore, bodies: Bodies) -> None:
        self._intake = intake
        self._guard = guard
        self._store = store
        self._bodies = bodies
        profile = intake.profile
        self._channels = {name: one for name, one in profile.channels.items() if one.protocol == "open311"}
        self._offered = {name: services(profile, channel) for name, channel in self._channels.items()}
        self._zone = ZoneInfo(profile.timezone)

    def routes(self) -> list[web.RouteDef]:
        """The routes; none where the profile has no such channel."""
        if not self._channels:
            return []
        methods: dict[str, Answering] = {
            "discovery": self._discovery,
            "services": self._services,
            "services/{code}": self._definition,
            "requests": self._list,
            "requests/{id}": self._one,
            "tokens/{id}": self._token,
        }
        return [
            *(web.get(f"{ROOT}/{address}.{_NOTATION}", _spoken(method)) for address, method in methods.items()),
            web.post(f"{ROOT}/requests.{_NOTATION}", _spoken(self._create), expect_handler=expect),
        ]

    async def _discovery(self, request: web.Request, notation: answers.Notation) -> Reply:
        addresses = (channel.constants.get("base_url") for channel in self._channels.values())
        origin = next(filter(None, addresses), f"{request.scheme}://{request.host}")
        return answers.answer(notation, "discovery", catalogue.discovery(origin + ROOT))

    async def _services(self, request: web.Request, notation: answers.Notation) -> Reply:
        offered = self._offered[self._channel(request.query).id]
        return answers.answer(notation, "services", [catalogue.listed(service) for service in offered.values()])

    async def _definition(self, request: web.Request, notation: answers.Notation) -> Reply:
        channel = self._channel(request.query)
        code = request.match_info["code"]
        if code not in self._offered[channel.id]:
            raise Refusal("unknown_code", "service_code: is no service here; GET services lists them")
        return answers.answer(notation, "service_definition", catalogue.definition(code, id_attribute(channel)))

    async def _create(self, request: web.Request, notation: answers.Notation) -> Reply:
        # Which channel it is may stand in the body alone; until then it is none's.
        likely = self._likely(request.query.get("jurisdiction_id", ""))
        self._guard.admit(request, likely)
        limit = max(channel.max_body_bytes for channel in self._channels.values())
        read = bytearray()
        try:
            await self._bodies.read(request, limit, read)
            return await self._take(request, bytes(read), notation)
        except Refusal as refusal:
            if likely is not None:
                count_refused(likely, [refusal.code])
            raise AnsweredError(refusal, CLOSE) from None
        finally:
            self._bodies.release(read)

    async def _take(self, request: web.Request, body: bytes, notation: answers.Notation) -> Reply:
        content_type = request.headers.get("Content-Type", "").encode("ascii", "replace").decode()
        media, charset = media_type(content_type)
        if media != FORM:  # told before the key, which stands in the form
            raise Refusal("unsupported_type", f"send a form: Content-Type {FORM}; charset=utf-8")
        fields = dict(request.query) | dict(form(body, charset))
        channel = self._channel(fields)
        self._prove(request, channel, fields, body)
        tail = f"requests.{notation}"
        try:
            taken = await self._intake.take(channel, CONNECTOR, body, content_type, tail=tail)
        except UnavailableError:  # counted already
            refusal = Refusal("unavailable", "the hub can't keep the request now; send the same again")
            raise AnsweredError(refusal) from None
        return answer(body, content_type, taken.outcomes, taken.ctx)

    async def _list(self, request: web.Request, notation: answers.Notation) -> Reply:
        channel = self._reader(request)
        ids = [one.strip() for one in request.query.get("service_request_id", "").split(",") if one.strip()]
        if ids:  # "This overrides all other arguments."
            found = await self._stored(channel, ids[:MOST])
        else:
            search = wanted(request.query, self._offered[channel.id], self._zone, self._intake.clock())
            found = await _asked(self._store.search(channel, search))
        content = [shown(report, self._offered[channel.id], self._zone) for report in found]
        return answers.answer(notation, "service_requests", content)

    async def _one(self, request: web.Request, notation: answers.Notation) -> Reply:
        channel = self._reader(request)
        found = await self._stored(channel, [request.match_info["id"]])
        if not found:
            raise unknown_report()
        content = [shown(found[0], self._offered[channel.id], self._zone)]
        return answers.answer(notation, "service_requests", content)

    async def _token(self, request: web.Request, notation: answers.Notation) -> Reply:
        """All services are realtime, so that the id is known at once and stands for its own token."""
        found = await self._stored(self._reader(request), [request.match_info["id"]])
        if not found:
            raise unknown_report()
        content = [{"service_request_id": found[0].report_id, "token": request.match_info["id"]}]
        return answers.answer(notation, "service_requests", content)

    async def _stored(self, channel: Channel, ids: list[str]) -> list[StoredReport]:
        """Those that may be shown; a confidential one is as good as none."""
        found = await _asked(self._store.find(channel, ids))
        return [report for report in found if not report.confidential]

    def _likely(self, name: str) -> Channel | None:
        if not name and len(self._channels) == 1:
            return next(iter(self._channels.values()))
        return self._channels.get(name)

    def _channel(self, fields: Mapping[str, str]) -> Channel:
        name = fields.get("jurisdiction_id", "").strip()
        if found := self._likely(name):
            return found
        if not name:
            raise Refusal("missing_field", "jurisdiction_id: must be given, this server has several")
        raise Refusal("unknown_channel", "jurisdiction_id: there is none of this name here")

    def _reader(self, request: web.Request) -> Channel:
        """The channel whose reports may be read: by all only where it says so."""
        channel = self._channel(request.query)
        if channel.constants.get("public") != "yes":
            self._prove(request, channel, request.query, b"")
        return channel

    def _prove(self, request: web.Request, channel: Channel, fields: Mapping[str, str], body: bytes) -> None:
        self._guard.finish(self._guard.begin(request, channel, api_key=fields.get("api_key", "")), body)


async def _asked(answer: Awaitable[list[StoredReport]]) -> list[StoredReport]:
    try:
        return await answer
    except StoreUnavailableError:
        raise Refusal("unavailable", "the store does not answer now; ask again") from None


def _spoken(method: Answering) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The method as a handler: its refusals, too, in the notation of the address."""

    async def handler(request: web.Request) -> web.StreamResponse:
        notation: answers.Notation = "xml" if request.match_info["notation"] == "xml" else "json"
        headers: CIMultiDict[str] = CIMultiDict()
        try:
            if request.match_info["notation"] == notation:
                reply = await method(request, notation)
            else:
                reply = answers.error(notation, 404, "the address must end in .json or .xml")
        except (AnsweredError, Refusal) as error:
            answered = error if isinstance(error, AnsweredError) else AnsweredError(error)
            reply, headers = answers.refused(notation, answered.refusal), answered.headers
        headers["Content-Type"] = reply.content_type
        return web.Response(body=reply.body, status=reply.status, headers=headers)

    return handler
