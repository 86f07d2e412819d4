"""The hub's own JSON, for any other channel and for the progress of cases handled elsewhere: docs/connectors/canonical.md.

A channel with `mapping` sends its own objects (or CSV rows), which are mapped to this shape first.
"""

import re
from typing import Any, Final, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors import fields, kinds, times
from connectors.base import Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import CSV_TYPE, Message, Parsed, media_type, parse_csv, parse_json
from connectors.errors import Refusal
from connectors.places import area_code
from profiles import Crs, Level

_REPORT: Final = fields.words(
    "record upstream_id reported_at appeal_type family table kind code category_path title content address admin_code "
    "grid_code place lon lat crs reporter confidential urgency via due_at related attachments extra"
)
_PROGRESS: Final = fields.words(
    "record upstream_id step occurred_at step_id unit level contacted solved satisfaction extended_to note extra"
)
_CODE: Final = re.compile(r"\S(?:.{0,62}\S)?")
_GRID_CODE: Final = re.compile(r"\d{12,20}", re.ASCII)


_APPEAL_TYPES: Final = fields.words("consult help complaint report suggestion praise case alarm other")
_FAMILIES: Final = fields.words("livelihood development enforcement")
_URGENCIES: Final = fields.words("normal urgent critical")
_STEPS: Final = fields.words(
    "accept register dispatch sign respond handle feedback revisit close rate return redispatch extend redo verify check "
    "rework suspend supervise cancel"
)
_LEVELS: Final = {level: level for level in get_args(Level)}
_SATISFACTION: Final = fields.words("satisfied basic dissatisfied unrated")
#: Targets that are text whatever the source makes of them.
_TEXTS: Final = frozenset(("upstream_id", "place", "address", "via", "code", "admin_code", "reporter.id", "step_id"))
_CRS: Final[dict[str, Crs]] = {crs: crs for crs in get_args(Crs)}


def parse(body: bytes, content_type: str, max_records: int | None = None) -> Parsed:
    """JSON (object, array, NDJSON) or CSV with a header row."""
    read = parse_csv if media_type(content_type)[0] == CSV_TYPE else parse_json
    return read(body, content_type, max_records)


def normalise(message: Message, ctx: Context) -> Record | None:
    """A report or a progress object, after the channel's mapping."""
    constants = ctx.channel.constants
    source = mapped(message.fields, ctx.channel.mapping, constants)
    kind = source.get("record")
    if kind == "report":
        return _report(source, message.raw, constants, ctx)
    if kind == "progress":
        return _progress(source, constants, ctx)
    raise Refusal("unsupported_type", "record: must be report or progress")


def normalise_progress(message: Message, ctx: Context) -> Record | None:
    """A progress object of any channel, unmapped: what the /progress route takes."""
    if message.fields.get("record") != "progress":
        raise Refusal("unsupported_type", "record: only progress is taken at this address")
    return _progress(message.fields, {}, ctx)


def mapped(source: dict[str, Any], mapping: dict[str, str], constants: dict[str, str]) -> dict[str, Any]:
    """The source object in the canonical shape: constants, then each mapped target that the source gives.

    Targets and sources are dotted paths ("reporter.id" = "applicant.number"). Without a mapping the source's own fields stay.
    The constant `zero_point = "none"` says that this source writes 0,0 where it has no point.
    """
    found: dict[str, Any] = {} if mapping else dict(source)
    for target, value in constants.items():
        _put(found, target, value)
    for target, path in mapping.items():
        given: Any = source.get(path)
        if given is None:
            given = source
            for part in path.split("."):
                given = given.get(part) if isinstance(given, dict) else None
        if isinstance(given, int) and not isinstance(given, bool) and target in _TEXTS:
            given = str(given)  # a source's own objects may number what is text here, such as a postcode
        if given is not None and given != "":
            _put(found, target, given)
    if constants.get("zero_point") == "none" and found.get("lon") == found.get("lat") == 0:
        del found["lon"], found["lat"]
    return found


def _put(found: dict[str, Any], target: str, value: Any) -> None:
    *parents, name = target.split(".")
    for parent in parents:
        inner = found.get(parent)
        found[parent] = found = dict(inner) if isinstance(inner, dict) else {}
    found[name] = value


def _time(data: dict[str, Any], name: str, constants: dict[str, str], ctx: Context) -> int:
    """By the channel's time_format and timezone where its constants give them, else ISO 8601 or an epoch number.

    Never by the message's own: a pattern is the profile's to choose.
    """
    zone = _zone(constants.get("timezone"), ctx)
    if pattern := constants.get("time_format"):
        return times.formatted_time(data, name, zone, pattern)
    return times.any_time(data, name, zone)


def _zone(name: str | None, ctx: Context) -> ZoneInfo:
    if not name:
        return ctx.zone
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refusal("bad_field", "the channel's timezone must be an IANA name such as Asia/Shanghai") from None


def _extra(data: dict[str, Any]) -> dict[str, str]:
    given = fields.nested(data, "extra")
    if len(given) > fields.LIST_LIMIT or any(len(name) > fields.ID_LIMIT for name in given):
        raise Refusal("field_too_long", f"extra: at most {fields.LIST_LIMIT} entries with names of {fields.ID_LIMIT}")
    return {
        name: fields.text({"extra": str(value) if isinstance(value, int | float) else value}, "extra")
        for name, value in given.items()
    }


def _reporter(data: dict[str, Any]) -> Reporter:
    given = fields.nested(data, "reporter")
    account = fields.text(given, "id", fields.ID_LIMIT)
    return Reporter(fields.text(given, "name"), (fields.text(given, "phone"),), ("id", account) if account else None)


def _crs(data: dict[str, Any]) -> Crs | None:
    name = fields.text(data, "crs")
    if name and name not in _CRS:
        raise Refusal("bad_location", f"crs: must be one of {', '.join(_CRS)}")
    return _CRS.get(name)


def _report(source: dict[str, Any], raw: bytes, constants: dict[str, str], ctx: Context) -> Record:
    data = fields.pick(source, _REPORT)
    code = fields.code(data, "code", _CODE, "1 to 64 characters")
    table = fields.text(data, "table", fields.ID_LIMIT) or ctx.channel.table
    kind = fields.text(data, "kind", fields.ID_LIMIT) or "appeal"
    community, street = area_code(data, "admin_code", ctx.places)
    title = fields.text(data, "title", fields.TITLE_LIMIT)
    appeal = Appeal(
        upstream_id=fields.token(data, "upstream_id"),
        reported_at=_time(data, "reported_at", constants, ctx),
        appeal_type=fields.choice(data, "appeal_type", _APPEAL_TYPES, "other"),
        title=title,
        content=fields.text(data, "content", fields.CONTENT_LIMIT, required=not title),
        address=fields.text(data, "address"),
        via=fields.text(data, "via"),
        family=fields.choice(data, "family", _FAMILIES, None),
        kind=kinds.by_code(ctx.profile, table, kind, code, "code") if code else None,
        category_path=fields.texts(data, "category_path"),
        community=community,
        street=street,
        place=fields.text(data, "place"),
        grid_code=fields.code(data, "grid_code", _GRID_CODE, "12 to 20 digits as text"),
        lon=fields.number(data, "lon", "bad_location"),
        lat=fields.number(data, "lat", "bad_location"),
        crs=_crs(data),
        reporter=_reporter(data),
        confidential=bool(fields.flag(data, "confidential")),
        urgency=fields.choice(data, "urgency", _URGENCIES, "normal"),
        due_at=_time(data, "due_at", constants, ctx) if "due_at" in data else None,
        related=fields.texts(data, "related", fields.ID_LIMIT),
        attachments=fields.texts(data, "attachments"),
        extra=_extra(data),
    )
    return to_report(appeal, data, raw, ctx)


def _progress(source: dict[str, Any], constants: dict[str, str], ctx: Context) -> Record:
    data = fields.pick(source, _PROGRESS)
    step = Step(
        upstream_id=fields.token(data, "upstream_id"),
        step=fields.needed(data, "step", _STEPS),
        occurred_at=_time(data, "occurred_at", constants, ctx),
        step_id=fields.token(data, "step_id", required=False),
        unit=fields.text(data, "unit"),
        level=fields.choice(data, "level", _LEVELS, None),
        contacted=fields.flag(data, "contacted"),
        solved=fields.flag(data, "solved"),
        satisfaction=fields.choice(data, "satisfaction", _SATISFACTION, None),
        extended_to=_time(data, "extended_to", constants, ctx) if "extended_to" in data else None,
        note=fields.text(data, "note", fields.CONTENT_LIMIT),
        extra=_extra(data),
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse, normalise)
#: What the /progress route of every channel takes.
PROGRESS: Final = Connector(parse_json, normalise_progress)
