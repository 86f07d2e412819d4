"""Digital city management (数字化城管): cases and their flow, as JSON. docs/connectors/citymgmt.md describes the feed."""

import re
from typing import Final

from connectors import fields, kinds, times
from connectors.base import SATISFACTION, Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import Message, parse_json
from connectors.errors import Refusal
from connectors.places import area_code

_CASE: Final = fields.words(
    "message case_code category_type big_code small_code source_type reporter reporter_phone lng lat street_code "
    "community_code grid_code description address is_urgent report_time deadline_time"
)
_FLOW: Final = fields.words(
    "message case_code flow_id node operate_time unit level result visit_result satisfaction deadline_time remark"
)
_CASE_CODE: Final = re.compile(r"\d{19}", re.ASCII)
_GRID_CODE: Final = re.compile(r"\d{12,20}", re.ASCII)
_TWO_DIGITS: Final = re.compile(r"\d\d", re.ASCII)
_CATEGORY_TYPES: Final = {"event": "event", "component": "component"}
_SOURCES: Final = {"collector": "监督员上报", "register": "公众登记", "leader": "领导批示", "transfer": "转办"}
_STEPS: Final = {
    "核实": "verify",
    "立案": "register",
    "派遣": "dispatch",
    "签收": "sign",
    "响应": "respond",
    "处置": "handle",
    "核查": "check",
    "回访": "revisit",
    "结案": "close",
    "返工": "rework",
    "延期": "extend",
    "挂账": "suspend",
    "作废": "cancel",
}
_LEVELS: Final = {level: level for level in ("grid", "community", "street", "district")}
_RESULTS: Final = {result: result for result in ("pass", "not_pass")}
_SOLVED: Final[dict[str, bool | None]] = {"solved": True, "unsolved": False}


def normalise(message: Message, ctx: Context) -> Record | None:
    """A case becomes a Report, a flow entry a Progress."""
    kind = message.fields.get("message")
    if kind == "case":
        return _case(message, ctx)
    if kind == "flow":
        return _flow(message, ctx)
    raise Refusal("unsupported_type", "message: must be case or flow")


def _case(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _CASE)
    category = fields.needed(data, "category_type", _CATEGORY_TYPES)
    code = "".join(
        fields.code(data, name, _TWO_DIGITS, "2 digits as text", required=True) for name in ("big_code", "small_code")
    )
    community, street = area_code(data, "community_code", ctx.places)
    if not community and not street:
        _, street = area_code(data, "street_code", ctx.places)
    appeal = Appeal(
        upstream_id=fields.code(data, "case_code", _CASE_CODE, "19 digits as text", required=True),
        reported_at=times.local_time(data, "report_time", ctx.zone),
        appeal_type="case",
        content=fields.text(data, "description", fields.CONTENT_LIMIT),
        address=fields.text(data, "address"),
        via=fields.choice(data, "source_type", _SOURCES, ""),
        kind=kinds.by_code(ctx.profile, ctx.channel.table, category, code, "big_code, small_code"),
        community=community,
        street=street,
        grid_code=fields.code(data, "grid_code", _GRID_CODE, "12 to 20 digits as text"),
        lon=fields.number(data, "lng", "bad_location"),
        lat=fields.number(data, "lat", "bad_location"),
        reporter=Reporter(fields.text(data, "reporter"), (fields.text(data, "reporter_phone"),)),
        urgency="urgent" if fields.flag(data, "is_urgent") else "normal",
        due_at=times.local_time(data, "deadline_time", ctx.zone) if "deadline_time" in data else None,
    )
    return to_report(appeal, data, message.raw, ctx)


def _flow(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _FLOW)
    step = Step(
        upstream_id=fields.code(data, "case_code", _CASE_CODE, "19 digits as text", required=True),
        step=fields.needed(data, "node", _STEPS),
        occurred_at=times.local_time(data, "operate_time", ctx.zone),
        step_id=fields.token(data, "flow_id", required=False),
        unit=fields.text(data, "unit"),
        level=fields.choice(data, "level", _LEVELS, None),
        solved=fields.choice(data, "visit_result", _SOLVED, None),
        satisfaction=fields.choice(data, "satisfaction", SATISFACTION, None),
        extended_to=times.local_time(data, "deadline_time", ctx.zone) if "deadline_time" in data else None,
        note=fields.text(data, "remark", fields.CONTENT_LIMIT),
        extra={"result": fields.choice(data, "result", _RESULTS, "")},
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse_json, normalise)
