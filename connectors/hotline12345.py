"""The 12345 hotline: orders, supplements and the steps of their handling, as JSON or CSV. docs/feeds/hotline12345.md.

Field names are those of a real city's platform (record_number, ps_caption, note6...) with the common Chinese names beside
them; other names, and other meanings of the opaque note fields, are declared in the channel's mapping.
"""

from typing import Annotated, Final

from connectors import hotline_steps, kinds, rulings, shapes, words
from connectors.base import Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import Message
from connectors.errors import Refusal
from connectors.mapping import clock, compiled, parse
from connectors.places import area_code
from connectors.shapes import Choice, Shape, given, maybe, needed

#: An order that asks for nothing: silent, abusive or misdialled calls.
_INVALID: Final = "invalid"
_AppealType = Annotated[str, Choice(words.APPEAL_TYPES | {"无效": _INVALID, "无效类": _INVALID})]
_ORDER_NUMBER: Final = "record_number 工单编号 工单号 order_no"
_EXAMPLE: Final = "250912101108115409"


class Order(Shape):
    """An order (工单) as the hotline took it; sent again with other content it is a revision."""

    number: shapes.Identifier = needed(_ORDER_NUMBER, "the order's number, as text", _EXAMPLE)
    accepted_at: shapes.LocalTime = needed("accepted_at 受理时间 来电时间 工单生成时间", "when", "2025-09-12 10:11:08")
    appeal_type: _AppealType = needed("appeal_type 诉求类型 工单类型", "举报 is confidential, 无效 is ignored", "投诉")
    content: shapes.Content = needed("content 诉求内容 内容描述", "what the caller says, masked", "夜间噪声很大")
    title: shapes.Title = given("title 标题 诉求标题", "title, masked")
    channel: shapes.Text = given("channel 诉求渠道 诉求来源 来源", "how it came, as the source names it", "电话")
    family: Annotated[str | None, Choice(words.FAMILIES)] = maybe("family 诉求类别", "民生, 发展 or 执法")
    table: shapes.Text = given("table 分类版本", "edition of the class code; the channel's where not given")
    category_code: shapes.ClassCode = given(
        "category_code 分类编码", "code of kinds.csv; else keywords decide", "010101"
    )
    category_path: shapes.Names = given("category_path 诉求分类", "class names from coarse to fine", default=())
    address: shapes.Text = given("address 事发地址 诉求地址", "where, masked")
    admin_code: shapes.AreaCode = given("admin_code 行政区划代码", "street or community of places.csv", "370212005001")
    lng: shapes.Degrees = maybe("lng lon 经度", "longitude in the channel's system, degrees", 120.47)
    lat: shapes.Degrees = maybe("lat 纬度", "latitude", 36.1)
    crs: shapes.CrsName | None = maybe("crs 坐标系", "coordinate system where it is not the channel's")
    caller_name: shapes.Text = given("caller_name 来电人 诉求人 联系人", "masked wherever it is repeated", "甄样本")
    caller_phone: shapes.Phone = given("caller_phone 来电号码", "becomes a key and a mask", "13800001234")
    contact_phone: shapes.Phone = given("contact_phone 联系电话 联系方式", "used where the caller's is no phone")
    is_secret: Annotated[bool, Choice(words.SECRET, "bad_field")] = given(
        "is_secret 是否保密 是否匿名", "", "否", False
    )
    urgency: Annotated[str, Choice(words.URGENCIES)] = given("urgency 紧急程度 工单类别", "", "一般", "normal")
    due_at: shapes.LocalTime | None = maybe("due_at 办理时限", "the source's own due time")
    related: shapes.Numbers = given("related_no 关联工单号 警单号", "related orders; 110's own number", default=())
    attachments: shapes.Names = given("attachments 附件 d_attachments", "media ids or addresses", default=())
    extra: shapes.Extra = shapes.kept()


class Supplement(Shape):
    """Text added to an order, before or after it: a step of its life. (A whole order sent again is an order.)"""

    number: shapes.Identifier = needed(_ORDER_NUMBER, "of the order", _EXAMPLE)
    supplemented_at: shapes.LocalTime = needed("supplemented_at 补充时间", "when", "2025-09-12 15:20:00")
    supplement: shapes.Content = needed("supplement 补充内容", "the added text, masked", "噪声来自二楼")
    supplement_no: shapes.Identifier = given("supplement_no 补充编号", "its own number")
    channel: shapes.Text = given("channel 诉求渠道", "how it came")


class Flow(Shape):
    """A step (环节) in the life of an order."""

    number: shapes.Identifier = needed(_ORDER_NUMBER, "of the order, which may come later", _EXAMPLE)
    date: shapes.LocalTime = needed("date 时间 操作时间 办理时间", "when it was done", "2025-09-13 09:41:25")
    id: shapes.Identifier = given("id 流转编号 环节编号", "the step's own number", "140252281")
    stage: shapes.Text = given("ps_caption 环节 阶段", "stage: 受理 预审 派单 办理 反馈 回访 办结...", "回访")
    action: shapes.Text = given("pso_caption 操作 动作", "签收 退单 改派 延期 重办... say more than the stage", "确定")
    special: shapes.Text = given("psot_name psot_attr 特殊操作", "special action: 加派, 督办")
    before: shapes.Text = given("pss_caption_start 办理前状态", "state before", "待回访")
    after: shapes.Text = given("pss_caption_end 办理后状态", "state after", "已回访")
    unit: shapes.Text = given("di_title 单位 经办单位 承办单位 主办单位", "who did it")
    level: Annotated[str | None, Choice(words.LEVELS)] = maybe("deal_level 层级", "网格 社区 街道 区")
    contacted: Annotated[bool | None, Choice(words.CONTACTED)] = maybe("note3 是否联系", "已联系, 未联系")
    solved: Annotated[bool | None, Choice(words.SOLVED)] = maybe("note6 是否解决", "已解决, 未解决, 无法回访")
    satisfaction: Annotated[str | None, Choice(words.SATISFACTION)] = maybe(
        "satisfaction 满意度", "满意 基本满意 不满意"
    )
    extended_to: shapes.LocalTime | None = maybe("extended_to 延期至 延期时限", "new due time of an extension")
    ruling: Annotated[str, Choice(rulings.RULINGS)] = given(
        "ruling 审批结果", "of what must be granted: 申请, 同意, 驳回"
    )
    note: shapes.Content = given("note 办理情况 处理描述 理由", "what was done, or why not, masked")
    true: shapes.Text = given("note1 诉求属实", "whether the appeal is true")
    request: shapes.Text = given("note8 申请类型", "kind of request, as of a return")
    reply: shapes.Text = given("note10 公开答复", "reply that may be shown, masked")
    unsolved: shapes.Text = given("note11 未解决原因", "why it is not solved")
    beyond: shapes.Text = given("distribute_way 超职责诉求", "beyond the unit's duties")
    extra: shapes.Extra = shapes.kept()


KIND_FIELD: Final = "message"
SHAPES: Final[dict[str, type[Shape]]] = {"order": Order, "supplement": Supplement, "step": Flow}
KIND_WORDS: Final = {"工单": "order", "补充": "supplement", "环节": "step"}


def normalise(message: Message, ctx: Context) -> Record | None:
    """An order becomes a Report (an invalid one nothing), a supplement or a step a Progress."""
    source = compiled(ctx.channel).apply(message.fields)
    kind = shapes.kind_of(source, KIND_FIELD, SHAPES, KIND_WORDS)
    times = clock(ctx.channel, ctx.zone)
    if kind == "order":
        return _order(*shapes.read(Order, source, times), message.raw, ctx)
    if kind == "supplement":
        return _supplement(*shapes.read(Supplement, source, times), ctx)
    return _step(*shapes.read(Flow, source, times), ctx)


def _order(order: Order, data: shapes.Given, raw: bytes, ctx: Context) -> Record | None:
    if order.appeal_type == _INVALID:
        return None
    table, code = order.table or ctx.channel.table, order.category_code
    community, street = area_code(data, "admin_code", ctx.places)
    appeal = Appeal(
        upstream_id=order.number,
        reported_at=order.accepted_at,
        appeal_type=order.appeal_type,
        title=order.title,
        content=order.content,
        address=order.address,
        via=order.channel,
        family=order.family,
        kind=kinds.by_code(ctx.profile, table, "appeal", code, "category_code") if code else None,
        category_path=list(order.category_path),
        community=community,
        street=street,
        lon=order.lng,
        lat=order.lat,
        crs=order.crs,
        reporter=Reporter(order.caller_name, (order.caller_phone, order.contact_phone)),
        confidential=order.is_secret,
        urgency=order.urgency,
        due_at=order.due_at,
        related=list(order.related),
        attachments=list(order.attachments),
        extra=order.extra,
    )
    return to_report(appeal, data, raw, ctx)


def _supplement(added: Supplement, data: shapes.Given, ctx: Context) -> Record:
    step = Step(added.number, "supplement", added.supplemented_at, added.supplement_no, note=added.supplement)
    step.extra["via"] = added.channel
    return to_progress(step, data, ctx)


def _step(flow: Flow, data: shapes.Given, ctx: Context) -> Record:
    said = (flow.special, flow.action, flow.stage, flow.after)
    name, of_stage = hotline_steps.named(*said)
    if name is None:
        raise Refusal("unknown_code", "ps_caption, pso_caption: name no step that the hub knows; docs list them")
    ruling = flow.ruling
    if not ruling and (rulings.is_ruled(name) or flow.extended_to is not None):
        ruling = hotline_steps.ruling(name, *said)
    stands = rulings.standing(name, ruling, of_stage)
    step = Step(
        upstream_id=flow.number,
        step=stands,
        occurred_at=flow.date,
        step_id=flow.id,
        unit=flow.unit,
        level=flow.level,
        contacted=flow.contacted,
        solved=flow.solved,
        satisfaction=flow.satisfaction,
        # What is only asked for, or refused, is no new due time.
        extended_to=None if ruling in ("asked", "refused") else flow.extended_to,
        note=flow.note,
        extra=flow.extra
        | {
            "stage": flow.stage,
            "action": flow.special or flow.action,
            "state_before": flow.before,
            "state_after": flow.after,
            "ruling": ruling,
            "asked_step": name if stands != name else "",
            "true": flow.true,
            "request": flow.request,
            "reply": flow.reply,
            "unsolved_reason": flow.unsolved,
            "beyond_duty": flow.beyond,
        },
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse, normalise)
