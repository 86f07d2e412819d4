"""110 and 12345, both ways, as JSON or CSV: what 110 hands over, what becomes of it, and 110's word on orders handed to it.

docs/feeds/police110.md. An event (警单) keeps its number (警单号) and a step names the order's (工单号) beside it, and the
other way round, so that each is found under both. The duty to link them: 国办发〔2022〕12号.
"""

import re
from dataclasses import replace
from typing import Annotated, Final

from connectors import kinds, shapes, words
from connectors.base import Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import Message
from connectors.errors import Refusal
from connectors.mapping import clock, compiled, parse
from connectors.police_classes import MAY_LEAVE, is_class, must_stay
from connectors.shapes import Choice, Code, Shape, given, maybe, needed
from connectors.tags import PHONE_TAG, split_tags, tags_in

_CLASS_FIELDS: Final = ("警情类别", "警情类别编码")
_FORBIDDEN: Final = "警情类别: only classes 50 and 60 may leave 110, by code, name and tag; do not send this event"
#: Whole tags: #非警务不成立 says the opposite.
_NOT_POLICE: Final = frozenset(("非警务", "非警务类", "非警务警情"))
_STEPS: Final = words.STEPS | {"出警": "handle", "到达": "respond", "接警": "accept"}
#: The event number ends in its date and a few digits.
_DATED_NUMBER: Final = re.compile(r"[A-Z]{2,6}\d{4}(\d\d)(\d\d)\d{3,6}", re.ASCII)

_EVENT: Final = "事件编号 警单号 警单编号 接警单号"
_ORDER: Final = "工单号 工单编号 12345工单号"
_Class = Annotated[str, Code(r"\d{6}", "6 digits as text")]
_StepName = Annotated[str, Choice(_STEPS)]


class Transfer(Shape):
    """An event that is no police business (非警务警情), handed over by 110."""

    number: shapes.Identifier = needed(_EVENT, "the event's number", "ZHW202505060001")
    description: shapes.Content = needed(
        "事件描述 报警内容 简要警情", "free text; tags at its end are read", "退款纠纷。#非警务"
    )
    reported_at: shapes.DayFirstTime = needed(
        "上报时间 报警时间 接警时间", "D/M/YY H:MM, the day first", "6/5/25 14:57"
    )
    code: _Class = given(
        "警情类别 警情类别编码", "50 and 60 only; without it the text must be tagged #非警务", "600500"
    )
    category: shapes.Text = given("二级分类", "name of the class", "消费纠纷")
    group: shapes.Text = given("事件类型", "name of the class above it")
    district: shapes.Text = given("区县名称", "district")
    street: shapes.Text = given("镇街名称", "street, placed by places.csv", "中韩街道")
    community: shapes.Text = given("村社名称", "community, placed by places.csv", "牟家社区")
    grid: shapes.Text = given("网格名称", "kept as text: a grid of 110's may be virtual")
    grid_type: shapes.Text = given("网格类型", "警情分流网格 is virtual and places nothing", "警情分流网格")
    event_level: shapes.Text = given("事件级别", "三级...")
    via: shapes.Text = given("数据来源 报警方式", "how it came", "110")
    unit: shapes.Text = given("接警单位 辖区 处警单位", "who took it")
    address: shapes.Text = given("事发地址 报警地址", "where, masked")
    lon: shapes.Degrees = maybe("经度 lng lon", "longitude in the channel's system, degrees", 120.4659)
    lat: shapes.Degrees = maybe("纬度 lat", "latitude", 36.1118)
    caller: shapes.Text = given("报警人", "masked wherever it is repeated", "甄样本")
    phone: shapes.Phone = given("报警电话 联系电话", "becomes a key and a mask", "13800001234")
    order: shapes.Identifier = given(_ORDER, "12345's number, where it has one already")
    tracks: shapes.Text = given("四条跑道", "kept as text")
    label: shapes.Text = given("标注类型", "kept as text")


class _Step(Shape):
    """What a step on an event and on an order have in common."""

    step: _StepName = needed("环节 处理环节 事件详细状态", "受理 派发 签收 处置 反馈 回访 归档 退回...", "回访")
    at: shapes.DayFirstTime = needed("时间 操作时间 处警时间", "D/M/YY H:MM, the day first", "6/5/25 18:20")
    code: _Class = given("警情类别", "what must not leave 110 is refused here too")
    id: shapes.Identifier = given("反馈编号 流转编号", "the step's own number")
    unit: shapes.Text = given("单位 处警单位 经办单位", "who did it", "示例派出所")
    level: Annotated[str | None, Choice(words.LEVELS)] = maybe("层级", "网格 社区 街道 区")
    result: shapes.Content = given("处置结果 处警结果 处理意见 简要情况", "what was done, masked")
    contacted: Annotated[bool | None, Choice(words.CONTACTED)] = maybe("是否联系", "已联系, 未联系")
    solved: Annotated[bool | None, Choice(words.SOLVED)] = maybe("是否解决", "是, 否")
    satisfaction: Annotated[str | None, Choice(words.SATISFACTION)] = maybe("满意度", "满意 基本满意 不满意 未评价")


class Feedback(_Step):
    """A step in the life of an event that 110 handed over, whoever did it."""

    number: shapes.Identifier = needed(_EVENT, "of the event", "ZHW202505060001")
    order: shapes.Identifier = given(_ORDER, "of the order that 12345 made of it", "250912101108115409")


class OrderStep(_Step):
    """A step in 110's hands of an order that 12345 handed to it."""

    order: shapes.Identifier = needed(_ORDER, "of 12345's order", "250912101108115409")
    number: shapes.Identifier = given(_EVENT, "of the event that 110 made of it", "ZHW202505060001")


KIND_FIELD: Final = "message"
SHAPES: Final[dict[str, type[Shape]]] = {"transfer": Transfer, "feedback": Feedback, "order": OrderStep}
KIND_WORDS: Final = {"警单": "transfer", "反馈": "feedback", "工单": "order"}


def normalise(message: Message, ctx: Context) -> Record | None:
    """A transfer becomes a Report; a step on it or on an order becomes a Progress."""
    # Before anything else: what must not leave is told so, however the rest looks, and whatever the mapping leaves out.
    translated = frozenset[str]().union(*(words for name, words in ctx.channel.codes.items() if is_class(name)))
    if must_stay(message.fields, translated):
        raise Refusal("forbidden_class", _FORBIDDEN)
    source = compiled(ctx.channel).apply(message.fields)
    mapped = (str(word) for name in _CLASS_FIELDS if (word := shapes.clean(source.get(name))))
    if not all(code.startswith(MAY_LEAVE) for code in mapped) or (source is not message.fields and must_stay(source)):
        raise Refusal("forbidden_class", _FORBIDDEN)
    kind = shapes.kind_of(source, KIND_FIELD, SHAPES, KIND_WORDS)
    times = clock(ctx.channel, ctx.zone)
    if kind == "transfer":
        return _transfer(*shapes.read(Transfer, source, times), message.raw, ctx)
    if kind == "feedback":
        feedback, data = shapes.read(Feedback, source, times)
        return _progress(feedback, feedback.number, {"order_number": feedback.order}, data, ctx)
    return _order_step(*shapes.read(OrderStep, source, times), ctx)


def _transfer(event: Transfer, data: shapes.Given, raw: bytes, ctx: Context) -> Record:
    phone_tag = PHONE_TAG.search(event.description)
    content, tags = split_tags(PHONE_TAG.sub("", event.description))
    kind: kinds.Kind | None
    if event.code:
        kind = kinds.by_code(ctx.profile, ctx.channel.table, "alarm", event.code, "警情类别")
    elif _NOT_POLICE.isdisjoint(tags_in(event.description)):
        raise Refusal("missing_field", "警情类别: must be given where the text is not tagged #非警务")
    else:
        kind = kinds.by_name(ctx.profile, ctx.channel.table, "alarm", event.category)
    phones = (event.phone, phone_tag[1].strip() if phone_tag else "")
    appeal = Appeal(
        upstream_id=event.number,
        reported_at=event.reported_at,
        appeal_type="help",
        content=content,
        address=event.address or f"{event.street}{event.community}",
        via=event.via,
        kind=kind,
        category_path=[name for name in (event.group, event.category) if name],
        community_name=event.community,
        street_name=event.street,
        lon=event.lon,
        lat=event.lat,
        # A masked phone is nobody's.
        reporter=Reporter(event.caller, tuple(phone for phone in phones if phone and "*" not in phone)),
        related=[event.order] if event.order else [],
        extra={
            "tags": ",".join(tags),
            "grid": event.grid,
            "grid_type": event.grid_type,
            "event_level": event.event_level,
            "district": event.district,
            "unit": event.unit,
            "track": event.tracks,
            "label": event.label,
        },
    )
    _check_day_first(event.number, data)
    return to_report(appeal, data, raw, ctx)


def _check_day_first(number: str, data: shapes.Given) -> None:
    """Refuses a sender that writes the month first, which the date in the event number gives away."""
    first, _, rest = str(data["上报时间"]).partition("/")
    second = rest.partition("/")[0]
    if (dated := _DATED_NUMBER.fullmatch(number)) and first.isdecimal() and second.isdecimal() and len(first) < 3:
        month, day = int(dated[1]), int(dated[2])
        if (int(first), int(second)) == (month, day) and month != day:
            raise Refusal("bad_time", "上报时间: has the month first by the date in 事件编号; send D/M/YY H:MM")


def _progress(told: _Step, upstream_id: str, beside: dict[str, str], data: shapes.Given, ctx: Context) -> Record:
    step = Step(
        upstream_id=upstream_id,
        step=told.step,
        occurred_at=told.at,
        step_id=told.id,
        unit=told.unit,
        level=told.level,
        contacted=told.contacted,
        solved=told.solved,
        satisfaction=told.satisfaction,
        note=told.result,
        extra=beside,
    )
    return to_progress(step, data, ctx)


def _order_step(told: OrderStep, data: shapes.Given, ctx: Context) -> Record:
    """The step of an order: of the report of `orders_channel` where the channel's constants name it, else of this channel's."""
    owner = ctx.profile.channels.get(ctx.channel.constants.get("orders_channel", ""), ctx.channel)
    record = _progress(told, told.order, {"event_number": told.number}, data, replace(ctx, channel=owner))
    # 110 said it, whoever's order it is.
    record[1]["feed"], record[1]["channel"] = ctx.channel.feed, ctx.channel.id
    return record


CONNECTOR: Final = Connector(parse, normalise)
