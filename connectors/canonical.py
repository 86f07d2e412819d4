"""The hub's own JSON, for any other channel and for the progress of cases handled elsewhere: docs/feeds/canonical.md.

A channel with `mapping` sends its own objects (or table rows), which are brought into this shape first.
"""

from typing import Annotated, Final

from pydantic import model_validator

from connectors import kinds, shapes, words
from connectors.base import Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import Message, parse_json
from connectors.errors import Refusal
from connectors.mapping import clock, compiled, parse
from connectors.places import area_code
from connectors.shapes import Choice, Shape, given, maybe, needed


class Person(Shape):
    """Who reported."""

    name: shapes.Text = given("name", "masked wherever it is repeated", "甄样本")
    phone: shapes.Phone = given("phone", "becomes a key and a mask", "13800001234")
    id: shapes.Phone = given("id", "an account or other number of the person; becomes a key and a mask")


class Report(Shape):
    """A report in the hub's own words."""

    upstream_id: shapes.Identifier = needed("upstream_id", "your number of it", "A-0001")
    reported_at: shapes.AnyTime = needed("reported_at", "when it happened or was told", "2025-06-05T10:30:00+08:00")
    title: shapes.Title = given("title", "title, masked; it or content must be given", "路灯不亮")
    content: shapes.Content = given("content", "free text, masked", "小区门口路灯不亮")
    appeal_type: Annotated[str, Choice(words.APPEAL_TYPES)] = given("appeal_type", "", "complaint", "other")
    family: Annotated[str | None, Choice(words.FAMILIES)] = maybe("family", "livelihood, development, enforcement")
    table: shapes.Text = given("table", "edition of the code; the channel's where not given", "hotline-2025")
    kind: shapes.Text = given("kind", "kind of the code; appeal where not given", "appeal")
    code: shapes.ClassCode = given("code", "class, looked up in kinds.csv; else keywords decide", "020201")
    category_path: shapes.Names = given("category_path", "class names from coarse to fine", default=())
    address: shapes.Text = given("address", "where, masked")
    admin_code: shapes.AreaCode = given("admin_code", "street or community of places.csv", "370212005001")
    grid_code: shapes.Identifier = given("grid_code", "opaque, kept as it is")
    place: shapes.Text = given("place", "a free place name, where there is no code")
    lon: shapes.Degrees = maybe("lon", "longitude, degrees", 120.47)
    lat: shapes.Degrees = maybe("lat", "latitude, degrees", 36.1)
    crs: shapes.CrsName | None = maybe("crs", "coordinate system where it is not the channel's", "WGS-84")
    reporter: Person = given("reporter", "who reported", default=Person())
    confidential: Annotated[bool, Choice(words.SECRET, "bad_field")] = given("confidential", "", False, False)
    urgency: Annotated[str, Choice(words.URGENCIES)] = given("urgency", "normal, urgent, critical", "normal", "normal")
    via: shapes.Text = given("via", "how it came", "信访")
    due_at: shapes.AnyTime | None = maybe("due_at", "your own due time")
    related: shapes.Numbers = given("related", "your numbers of related reports", default=())
    attachments: shapes.Names = given("attachments", "media ids or addresses", default=())
    extra: shapes.Extra = shapes.kept()

    @model_validator(mode="after")
    def _says_something(self) -> "Report":
        if not self.title and not self.content:
            raise shapes.Wrong("missing_field", "is missing or empty; give title or content", "content")
        return self


class Progress(Shape):
    """A step in the life of a case, in the hub's own words."""

    upstream_id: shapes.Identifier = needed("upstream_id", "of the report, which may come later", "A-0001")
    step: Annotated[str, Choice(words.STEPS)] = needed("step", "accept, dispatch, handle, revisit, close...", "close")
    occurred_at: shapes.AnyTime = needed("occurred_at", "when it was done", "2025-06-06T10:30:00+08:00")
    step_id: shapes.Identifier = given("step_id", "your number of the step")
    unit: shapes.Text = given("unit", "who did it")
    level: Annotated[str | None, Choice(words.LEVELS)] = maybe("level", "grid, community, street, district", "grid")
    contacted: Annotated[bool | None, Choice(words.CONTACTED, "bad_field")] = maybe(
        "contacted", "the reporter was reached"
    )
    solved: Annotated[bool | None, Choice(words.SOLVED, "bad_field")] = maybe("solved", "the trouble is gone", True)
    satisfaction: Annotated[str | None, Choice(words.SATISFACTION)] = maybe("satisfaction", "", "satisfied")
    extended_to: shapes.AnyTime | None = maybe("extended_to", "new due time of an extension")
    note: shapes.Content = given("note", "what was done, or why not, masked")
    extra: shapes.Extra = shapes.kept()


KIND_FIELD: Final = "record"
KIND_WORDS: Final[dict[str, str]] = {}
SHAPES: Final[dict[str, type[Shape]]] = {"report": Report, "progress": Progress}


def normalise(message: Message, ctx: Context) -> Record | None:
    """A report or a progress object, after the channel's mapping."""
    source = compiled(ctx.channel).apply(message.fields)
    times = clock(ctx.channel, ctx.zone)
    if shapes.kind_of(source, KIND_FIELD, SHAPES, KIND_WORDS) == "report":
        return _report(*shapes.read(Report, source, times), message.raw, ctx)
    return _progress(*shapes.read(Progress, source, times), ctx)


def normalise_progress(message: Message, ctx: Context) -> Record | None:
    """A progress object of any channel, unmapped: what the /progress route takes."""
    if message.fields.get(KIND_FIELD) != "progress":
        raise Refusal("unsupported_type", "record: only progress is taken at this address")
    return _progress(*shapes.read(Progress, message.fields, shapes.Clock(ctx.zone)), ctx)


def _report(report: Report, data: shapes.Given, raw: bytes, ctx: Context) -> Record:
    table, kind, code = report.table or ctx.channel.table, report.kind or "appeal", report.code
    city = ctx.channel.constants.get("city", "")
    community, street = area_code(data, "admin_code", ctx.places)
    person = report.reporter
    appeal = Appeal(
        upstream_id=report.upstream_id,
        reported_at=report.reported_at,
        appeal_type=report.appeal_type,
        title=report.title,
        content=report.content,
        address=report.address,
        via=report.via,
        family=report.family,
        kind=kinds.by_code(ctx.profile, table, kind, code, "code", city) if code else None,
        category_path=list(report.category_path),
        community=community,
        street=street,
        place=report.place,
        grid_code=report.grid_code,
        lon=report.lon,
        lat=report.lat,
        crs=report.crs,
        reporter=Reporter(person.name, (person.phone,), ("id", person.id) if person.id else None),
        confidential=report.confidential,
        urgency=report.urgency,
        due_at=report.due_at,
        related=list(report.related),
        attachments=list(report.attachments),
        extra=report.extra,
    )
    return to_report(appeal, data, raw, ctx)


def _progress(told: Progress, data: shapes.Given, ctx: Context) -> Record:
    step = Step(
        upstream_id=told.upstream_id,
        step=told.step,
        occurred_at=told.occurred_at,
        step_id=told.step_id,
        unit=told.unit,
        level=told.level,
        contacted=told.contacted,
        solved=told.solved,
        satisfaction=told.satisfaction,
        extended_to=told.extended_to,
        note=told.note,
        extra=told.extra,
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse, normalise)
#: What the /progress route of every channel takes.
PROGRESS: Final = Connector(parse_json, normalise_progress)
