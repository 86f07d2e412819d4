"""110 non-police transfers: the event, and the feedback on it, as JSON. docs/connectors/police110.md describes the feed."""

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

_TRANSFER: Final = fields.words(
    "message 事件编号 事件描述 区县名称 镇街名称 村社名称 网格名称 事件级别 警情类别 "
    "二级分类 上报时间 网格类型 数据来源 经度 纬度 报警人"
)
_FEEDBACK: Final = fields.words("message 事件编号 环节 时间 单位 层级 处置结果 是否解决 满意度")
_CLASS: Final = re.compile(r"\d{6}", re.ASCII)
#: 50 help of the public and 60 social linkage may leave 110. Criminal, public order, traffic... never do.
_MAY_LEAVE: Final = ("50", "60")
_STEPS: Final = {
    "派发": "dispatch",
    "受理": "accept",
    "签收": "sign",
    "响应": "respond",
    "处置": "handle",
    "回访": "revisit",
    "归档": "close",
    "退回": "return",
}
_TAG_LIMIT: Final = 40
_NO_TAG: Final = re.compile(r"[#\s，。；！？]")
#: A # after one of these is part of an address (3#楼), or no tag.
_BEFORE_NO_TAG: Final = re.compile(r"[0-9A-Za-z#]")
_PHONE_TAG: Final = re.compile(r"报警电话[:：]?\s*([+\d０-９][\d０-９ -]{5,18})")
_PHONE_TAG_NAME: Final = "报警电话"
#: The event number ends in its date and four digits.
_DATED_NUMBER: Final = re.compile(r"[A-Z]{3,4}\d{4}(\d\d)(\d\d)\d{4}", re.ASCII)


def normalise(message: Message, ctx: Context) -> Record | None:
    """A transfer becomes a Report, a feedback a Progress."""
    kind = message.fields.get("message")
    if kind == "transfer":
        return _transfer(message, ctx)
    if kind == "feedback":
        return _feedback(message, ctx)
    raise Refusal("unsupported_type", "message: must be transfer or feedback")


def split_tags(description: str) -> tuple[str, list[str]]:
    """Description without the tags at its end, and the tags but the phone's.

    Read from the end back, each character once: the longest row of tags (#, then 1 to 40 characters) that ends the text.
    """
    end = len(description.rstrip().removesuffix("#"))
    row_end, start = end, -1
    while (hash_at := description.rfind("#", max(0, end - _TAG_LIMIT - 1), end)) >= 0:
        tag = description[hash_at + 1 : end]
        if not tag or _NO_TAG.search(tag):
            break
        end = hash_at
        if hash_at == 0 or not _BEFORE_NO_TAG.match(description, hash_at - 1):
            start = hash_at
    if start < 0:
        return description, []
    tags = description[start + 1 : row_end].split("#")
    return description[:start].strip(), [tag for tag in tags if not tag.startswith(_PHONE_TAG_NAME)]


def _transfer(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _TRANSFER)
    code = fields.code(data, "警情类别", _CLASS, "6 digits as text", required=True)
    if not code.startswith(_MAY_LEAVE):
        raise Refusal("forbidden_class", "警情类别: only classes 50 and 60 may leave 110; do not send this event")
    number = fields.identifier(data, "事件编号")
    description = fields.text(data, "事件描述", fields.CONTENT_LIMIT, required=True)
    content, tags = split_tags(description)
    phone = _PHONE_TAG.search(description)
    street, community = fields.text(data, "镇街名称"), fields.text(data, "村社名称")
    category = fields.text(data, "二级分类")
    appeal = Appeal(
        upstream_id=number,
        reported_at=times.day_first_time(data, "上报时间", ctx.zone),
        appeal_type="help",
        content=content,
        address=f"{street}{community}",
        via=fields.text(data, "数据来源"),
        kind=kinds.by_code(ctx.profile, ctx.channel.table, "alarm", code, "警情类别"),
        category_path=[category] if category else [],
        community_name=community,
        street_name=street,
        lon=fields.number(data, "经度", "bad_location"),
        lat=fields.number(data, "纬度", "bad_location"),
        reporter=Reporter(fields.text(data, "报警人"), (phone[1].strip(),) if phone else ()),
        extra={
            "tags": ",".join(tags),
            "grid": fields.text(data, "网格名称"),
            "grid_type": fields.text(data, "网格类型"),
            "event_level": fields.text(data, "事件级别"),
            "district": fields.text(data, "区县名称"),
        },
    )
    _check_day_first(number, str(data["上报时间"]))
    return to_report(appeal, data, message.raw, ctx)


def _check_day_first(number: str, stamp: str) -> None:
    """Refuses a sender that writes the month first, which the date in the event number gives away."""
    dated = _DATED_NUMBER.fullmatch(number)
    if dated:
        first, second = (int(part) for part in stamp.strip().split("/")[:2])
        month, day = int(dated[1]), int(dated[2])
        if (first, second) == (month, day) and month != day:
            raise Refusal("bad_time", "上报时间: has the month first by the date in 事件编号; send D/M/YY H:MM")


def _feedback(message: Message, ctx: Context) -> Record:
    data = fields.pick(message.fields, _FEEDBACK)
    step = Step(
        upstream_id=fields.identifier(data, "事件编号"),
        step=fields.needed(data, "环节", _STEPS),
        occurred_at=times.day_first_time(data, "时间", ctx.zone),
        unit=fields.text(data, "单位"),
        level=fields.choice(data, "层级", LEVELS, None),
        solved=fields.flag(data, "是否解决"),
        satisfaction=fields.choice(data, "满意度", SATISFACTION, None),
        note=fields.text(data, "处置结果", fields.CONTENT_LIMIT),
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse_json, normalise)
