"""Digital city management (数字化城管): cases and their flow, as JSON or CSV. docs/feeds/citymgmt.md describes the feed.

Codes of 部件 and 事件 differ between cities and editions (GB/T 30428.2, CJ/T 214), so they are looked up in the profile's
kinds.csv by city, edition, kind and code; grid and case codes have 14 to 20 digits or letters and are opaque.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from connectors import kinds, rulings, shapes, words
from connectors.base import Appeal, Connector, Context, Record, Reporter, Step, to_progress, to_report
from connectors.bodies import Message
from connectors.mapping import clock, compiled, parse
from connectors.places import area_code
from connectors.shapes import Choice, Code, Shape, given, maybe, needed

_CATEGORY_TYPES: Final = {"event": "event", "component": "component", "事件": "event", "部件": "component"}
#: Who found it, by the words and the numbers of deployed systems; anything else stays as the source names it.
_SOURCES: Final = {
    "collector": "监督员上报",
    "register": "公众登记",
    "leader": "领导批示",
    "transfer": "转办",
    "3004": "监督员上报",
    "3005": "公众上报",
}
#: Nodes that ask for more time; nothing is granted by them.
_ASKING: Final = ("申请延期", "延期申请")
_STEPS: Final = (
    words.STEPS
    | {"派单": "dispatch", "申报": "object"}
    | dict.fromkeys((*_ASKING, "延期审批", "二次延期", "再次延期"), "extend")
)
_RESULTS: Final = {
    **dict.fromkeys(("pass", "通过", "合格"), "pass"),
    **dict.fromkeys(("not_pass", "不通过", "不合格"), "not_pass"),
    **dict.fromkeys(("unable", "无法核查", "无法核实"), "unable"),
    **dict.fromkeys(("exist", "属实", "存在"), "exist"),
    **dict.fromkeys(("not_exist", "不属实", "不存在"), "not_exist"),
    **{word: ruling for word, ruling in rulings.RULINGS.items() if word not in ("通过", "不通过")},
}
#: Results with which an extension is granted; none given: the step itself says so.
_GRANTING: Final = frozenset(("pass", "approved", ""))


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: Deployed systems number the sources, some in JSON numbers.
_Source = Annotated[shapes.Text, BeforeValidator(_number_as_text, json_schema_input_type=shapes.Text | int)]
_ClassPart = Annotated[str, Code(r"[0-9A-Za-z]{1,16}", "digits as text, leading zeros kept")]
_CASE: Final = "case_code 案件编号 案卷号 任务号"


class Case(Shape):
    """A case (案件) as it was reported (采集上报)."""

    number: shapes.Identifier = needed(_CASE, "the case's number, as text", "3702122025051200001")
    kind: Annotated[str, Choice(_CATEGORY_TYPES)] = needed(
        "category_type 案件类型", "event 事件 or component 部件", "event"
    )
    big: _ClassPart = needed("big_code 大类编码", "major class", "01")
    small: _ClassPart = needed("small_code 小类编码", "minor class; with the major one before it the code", "02")
    reported_at: shapes.LocalTime = needed("report_time 上报时间 采集时间", "when", "2025-05-12 09:00:00")
    table: shapes.Text = given("table 编码版本", "edition of the codes in kinds.csv; the channel's where not given")
    source: _Source = given("source_type 案件来源 问题来源", "collector, register, leader, transfer...", "collector")
    reporter: shapes.Text = given("reporter 上报人", "masked wherever it is repeated", "甄样本")
    phone: shapes.Phone = given("reporter_phone 上报人电话 联系电话", "becomes a key and a mask", "13800001234")
    lng: shapes.Degrees = maybe("lng lon 经度", "longitude in the channel's system, degrees", 120.4547)
    lat: shapes.Degrees = maybe("lat 纬度", "latitude", 36.112)
    street_code: shapes.AreaCode = given("street_code 街道编码", "9 digits of places.csv", "370212001")
    community_code: shapes.AreaCode = given("community_code 社区编码", "12 digits of places.csv", "370212001003")
    grid: shapes.Identifier = given("grid_code 网格编码 单元网格编码", "opaque, kept as it is", "3702120010030001")
    resp_grid: shapes.Identifier = given("resp_grid 责任网格编码", "opaque, kept beside")
    part: shapes.Identifier = given("part_code 部件标识码", "the component's own code, opaque")
    description: shapes.Content = given("description 问题描述 案件描述", "free text, masked", "路边暴露垃圾")
    address: shapes.Text = given("address 事发地址 位置描述", "where, masked")
    urgent: shapes.Yes = given("is_urgent 是否紧急", "0 or 1", 0, False)
    due_at: shapes.LocalTime | None = maybe("deadline_time 处置时限", "the source's own due time")
    attachments: shapes.Names = given("attachments 附件", "media ids or addresses", default=())
    extra: shapes.Extra = shapes.kept()


class Flow(Shape):
    """A step (环节) in the life of a case."""

    number: shapes.Identifier = needed(_CASE, "of the case, which may come later", "3702122025051200001")
    node: Annotated[str, Choice(_STEPS)] = needed(
        "node 环节 节点", "采集 核实 立案 派遣 处置 核查 结案 返工...", "核查"
    )
    at: shapes.LocalTime = needed("operate_time 操作时间 时间", "when it was done", "2025-05-12 12:00:00")
    id: shapes.Identifier = given("flow_id 流转编号", "the step's own number", "77")
    unit: shapes.Text = given("unit 单位 处置部门", "who did it")
    level: Annotated[str | None, Choice(words.LEVELS)] = maybe("level 层级", "grid, community, street, district")
    result: Annotated[str, Choice(_RESULTS)] = given("result 结果", "通过 不通过 属实 不属实; 申请 同意 驳回", "pass")
    solved: Annotated[bool | None, Choice(words.SOLVED)] = maybe("visit_result 是否解决", "solved, unsolved")
    satisfaction: Annotated[str | None, Choice(words.SATISFACTION)] = maybe(
        "satisfaction 满意度", "满意 基本满意 不满意"
    )
    extended_to: shapes.LocalTime | None = maybe("deadline_time 延期至", "new due time of an extension")
    remark: shapes.Content = given("remark 备注 处置情况", "what was done, or why not, masked")
    extra: shapes.Extra = shapes.kept()


KIND_FIELD: Final = "message"
SHAPES: Final[dict[str, type[Shape]]] = {"case": Case, "flow": Flow}
KIND_WORDS: Final = {"案件": "case", "流程": "flow", "环节": "flow"}


def normalise(message: Message, ctx: Context) -> Record | None:
    """A case becomes a Report, a flow entry a Progress."""
    source = compiled(ctx.channel).apply(message.fields)
    times = clock(ctx.channel, ctx.zone)
    if shapes.kind_of(source, KIND_FIELD, SHAPES, KIND_WORDS) == "case":
        return _case(*shapes.read(Case, source, times), message.raw, ctx)
    return _flow(*shapes.read(Flow, source, times), ctx)


def _case(case: Case, data: shapes.Given, raw: bytes, ctx: Context) -> Record:
    community, street = area_code(data, "community_code", ctx.places)
    if not community and not street:
        _, street = area_code(data, "street_code", ctx.places)
    table, city = case.table or ctx.channel.table, ctx.channel.constants.get("city", "")
    appeal = Appeal(
        upstream_id=case.number,
        reported_at=case.reported_at,
        appeal_type="case",
        content=case.description,
        address=case.address,
        via=_SOURCES.get(case.source, case.source),
        kind=kinds.by_code(ctx.profile, table, case.kind, case.big + case.small, "big_code, small_code", city),
        community=community,
        street=street,
        grid_code=case.grid,
        lon=case.lng,
        lat=case.lat,
        reporter=Reporter(case.reporter, (case.phone,)),
        urgency="urgent" if case.urgent else "normal",
        due_at=case.due_at,
        attachments=list(case.attachments),
        extra=case.extra | {"responsibility_grid": case.resp_grid, "component": case.part},
    )
    return to_report(appeal, data, raw, ctx)


def _flow(flow: Flow, data: shapes.Given, ctx: Context) -> Record:
    result = flow.result or ("asked" if data["node"] in _ASKING else "")
    stands = rulings.standing(flow.node, result)
    step = Step(
        upstream_id=flow.number,
        step=stands,
        occurred_at=flow.at,
        step_id=flow.id,
        unit=flow.unit,
        level=flow.level,
        solved=flow.solved,
        satisfaction=flow.satisfaction,
        # What is only asked for, or refused, is no new due time.
        extended_to=flow.extended_to if result in _GRANTING else None,
        note=flow.remark,
        extra=flow.extra | {"result": result, "asked_step": flow.node if stands != flow.node else ""},
    )
    return to_progress(step, data, ctx)


CONNECTOR: Final = Connector(parse, normalise)
