"""The 12345 hotline: orders, and the steps of their handling, as JSON. docs/connectors/hotline12345.md describes the feed."""

import re
from typing import Final

from connectors import fields, kinds, times
from connectors.base import (
    LEVELS,
    SATISFACTION,
    Appeal,
    Connector,
    Context,
    Record,
    Reporter,
    Step,
    to_progress,
    to_report,
)
from connectors.bodies import Message, parse_json
from connectors.errors import Refusal
from connectors.places import area_code

_ORDER: Final = fields.words(
    "message record_number channel accepted_at appeal_type family category_code category_path title content address "
    "admin_code lng lat caller_name caller_phone contact_phone is_secret urgency due_at related_no"
) | {
    "工单编号": "record_number",
    "诉求渠道": "channel",
    "受理时间": "accepted_at",
    "诉求类型": "appeal_type",
    "诉求类别": "family",
    "分类编码": "category_code",
    "诉求分类": "category_path",
    "标题": "title",
    "诉求内容": "content",
    "事发地址": "address",
    "行政区划代码": "admin_code",
    "经度": "lng",
    "纬度": "lat",
    "来电人": "caller_name",
    "来电号码": "caller_phone",
    "联系电话": "contact_phone",
    "是否保密": "is_secret",
    "紧急程度": "urgency",
    "办理时限": "due_at",
    "关联工单号": "related_no",
}
_STEP: Final = fields.words(
    "message record_number id ps_caption pss_caption_start pss_caption_end pso_caption date di_title deal_level note3 "
    "note6 satisfaction extended_to note"
)
_RECORD_NUMBER: Final = re.compile(r"\d{18}", re.ASCII)
_CATEGORY: Final = re.compile(r"\d{2,12}", re.ASCII)
_APPEAL_TYPES: Final = {
    "咨询": "consult",
    "求助": "help",
    "投诉": "complaint",
    "举报": "report",
    "建议": "suggestion",
    "表扬": "praise",
    "感谢": "praise",
    "其他": "other",
}
_FAMILIES: Final = {"民生": "livelihood", "发展": "development", "执法": "enforcement"}
_URGENCIES: Final = {"一般": "normal", "紧急": "urgent", "特急": "critical"}
# An action that says what was done comes before the stage it was done in.
_ACTIONS: Final = {
    "签收": "sign",
    "联系": "respond",
    "退单": "return",
    "改派": "redispatch",
    "延期": "extend",
    "重办": "redo",
    "评价": "rate",
    "督办": "supervise",
}
_STAGES: Final = {
    "受理": "accept",
    "预审": "dispatch",
    "处置": "handle",
    "回访": "revisit",
    "结案": "close",
    "督办": "supervise",
}
_CONTACTED: Final[dict[str, bool | None]] = {"已联系": True, "未联系": False}
_SOLVED: Final[dict[str, bool | None]] = {"已解决": True, "未解决": False, "无法回访": None}


def normalise(message: Message, ctx: Context) -> Record | None:
    """An order becomes a Report, a step a Progress."""
    kind = message.fields.get("message")
    if kind == "order":
        return _order(message, ctx)
    if kind == "step":
        return _step(message, ctx)
    raise Refusal("unsupported_type", "message: must be order or step")


def _order(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _ORDER)
    code = fields.code(data, "category_code", _CATEGORY, "digits, leading zeros kept")
    community, street = area_code(data, "admin_code", ctx.places)
    appeal = Appeal(
        upstream_id=fields.code(data, "record_number", _RECORD_NUMBER, "18 digits as text", required=True),
        reported_at=times.local_time(data, "accepted_at", ctx.zone),
        appeal_type=fields.needed(data, "appeal_type", _APPEAL_TYPES),
        title=fields.text(data, "title", fields.TITLE_LIMIT),
        content=fields.text(data, "content", fields.CONTENT_LIMIT, required=True),
        address=fields.text(data, "address"),
        via=fields.text(data, "channel"),
        family=fields.choice(data, "family", _FAMILIES, None),
        kind=kinds.by_code(ctx.profile, ctx.channel.table, "appeal", code, "category_code") if code else None,
        category_path=fields.texts(data, "category_path"),
        community=community,
        street=street,
        lon=fields.number(data, "lng", "bad_location"),
        lat=fields.number(data, "lat", "bad_location"),
        reporter=Reporter(
            fields.text(data, "caller_name"),
            (fields.text(data, "caller_phone"), fields.text(data, "contact_phone")),
        ),
        confidential=bool(fields.flag(data, "is_secret")),
        urgency=fields.choice(data, "urgency", _URGENCIES, "normal"),
        due_at=times.local_time(data, "due_at", ctx.zone) if "due_at" in data else None,
        related=[related] if (related := fields.identifier(data, "related_no", required=False)) else [],
    )
    return to_report(appeal, data, message.raw, ctx)


def _step(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _STEP)
    action, stage = fields.text(data, "pso_caption"), fields.text(data, "ps_caption", required=True)
    name = _ACTIONS.get(action) or _STAGES.get(stage)
    if name is None:
        raise Refusal("unknown_code", f"ps_caption: must be one of {', '.join(_STAGES)}")
    step = Step(
        upstream_id=fields.code(data, "record_number", _RECORD_NUMBER, "18 digits as text", required=True),
        step=name,
        occurred_at=times.local_time(data, "date", ctx.zone),
        step_id=fields.token(data, "id", required=False),
        unit=fields.text(data, "di_title"),
        level=fields.choice(data, "deal_level", LEVELS, None),
        contacted=fields.choice(data, "note3", _CONTACTED, None),
        solved=fields.choice(data, "note6", _SOLVED, None),
        satisfaction=fields.choice(data, "satisfaction", SATISFACTION, None),
        extended_to=times.local_time(data, "extended_to", ctx.zone) if "extended_to" in data else None,
        note=fields.text(data, "note", fields.CONTENT_LIMIT),
        extra={
            "stage": stage,
            "action": action,
            "state_before": fields.text(data, "pss_caption_start"),
            "state_after": fields.text(data, "pss_caption_end"),
        },
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse_json, normalise)
