"""Writes planned appeals and their steps in each channel's own wire shape (docs/feeds describe the shapes)."""

import math
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import orjson

from profiles import Profile
from profiles.sample.draw import Draw
from profiles.sample.life import Step
from profiles.sample.plan import UTC_OFFSET, Planned
from profiles.sample.texts import Texts

WECHAT_ACCOUNT: Final = "gh_demo00000000"
_DIGITS_ONLY: Final = str.maketrans("", "", "- :")

_SATISFACTION: Final = {"satisfied": "满意", "basic": "基本满意", "dissatisfied": "不满意", "unrated": "未评价"}
_LEVEL: Final = {"grid": "网格", "community": "社区", "street": "街道", "district": "区", "": ""}

# step -> ps_caption, pso_caption, pss_caption_start, pss_caption_end
_HOTLINE: Final = {
    "accept": ("受理", "提交", "待受理", "已受理"),
    "dispatch": ("预审", "确定", "待派遣", "已派遣"),
    "redispatch": ("预审", "改派", "待派遣", "已派遣"),
    "return": ("处置", "退单", "待处置", "待派遣"),
    "sign": ("处置", "签收", "待签收", "待处置"),
    "respond": ("处置", "联系", "待处置", "处置中"),
    "handle": ("处置", "提交", "处置中", "已处置"),
    "extend": ("处置", "延期", "处置中", "处置中"),
    "redo": ("回访", "重办", "待回访", "待处置"),
    "revisit": ("回访", "通过", "待回访", "待结案"),
    "close": ("结案", "结案", "待结案", "已结案"),
    "rate": ("回访", "评价", "已结案", "已结案"),
    "supervise": ("督办", "督办", "处置中", "督办中"),
}
_POLICE: Final = {
    "dispatch": "派发",
    "accept": "受理",
    "sign": "签收",
    "respond": "响应",
    "handle": "处置",
    "revisit": "回访",
    "close": "归档",
    "return": "退回",
}
_CITYMGMT: Final = {
    "verify": "核实",
    "register": "立案",
    "dispatch": "派遣",
    "sign": "签收",
    "respond": "响应",
    "handle": "处置",
    "check": "核查",
    "revisit": "回访",
    "close": "结案",
    "rework": "返工",
    "extend": "延期",
    "suspend": "挂账",
    "cancel": "作废",
}
_POLICE_TAGS: Final = {
    "consumer": "消费问题",
    "rental": "租赁问题",
    "wages": "劳资问题",
    "debt": "经济（债务）问题",
    "neighbour": "邻里纠纷",
    "taxi": "司乘（代驾）问题",
    "property_mgmt": "物业管理问题",
    "parcel": "物流（快递）问题",
    "family": "家庭婚姻感情问题",
    "medical": "医患问题",
}
_FAMILY: Final = {"livelihood": "民生", "development": "发展", "enforcement": "执法"}

# Ellipsoid of Krasovsky, which the public GCJ-02 formulas use.
_AXIS: Final = 6378245.0
_ECCENTRICITY: Final = 0.00669342162296594323


def gcj02(lon: float, lat: float) -> tuple[float, float]:
    """WGS-84 to GCJ-02 by the published approximation, rounded to 6 decimals (0.1 m)."""
    x, y, pi = lon - 105, lat - 35, math.pi
    wave = (20 * math.sin(6 * x * pi) + 20 * math.sin(2 * x * pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * math.sqrt(abs(x)) + wave
    north += (20 * math.sin(y * pi) + 40 * math.sin(y * pi / 3)) * 2 / 3
    north += (160 * math.sin(y * pi / 12) + 320 * math.sin(y * pi / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * math.sqrt(abs(x)) + wave
    east += (20 * math.sin(x * pi) + 40 * math.sin(x * pi / 3)) * 2 / 3
    east += (150 * math.sin(x * pi / 12) + 300 * math.sin(x * pi / 30)) * 2 / 3
    phi = math.radians(lat)
    magic = 1 - _ECCENTRICITY * math.sin(phi) ** 2
    root = math.sqrt(magic)
    lat_shift = math.degrees(north / (_AXIS * (1 - _ECCENTRICITY) / (magic * root)))
    lon_shift = math.degrees(east / (_AXIS / root * math.cos(phi)))
    return round(lon + lon_shift, 6), round(lat + lat_shift, 6)


def clock(seconds: int) -> str:
    """Local seconds as YYYY-MM-DD HH:MM:SS."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _police_clock(seconds: int) -> str:
    """D/M/YY H:MM, as real transfers write it."""
    t = datetime.fromtimestamp(seconds, UTC)
    return f"{t.day}/{t.month}/{t.year % 100:02d} {t.hour}:{t.minute:02d}"


def _json(message: dict[str, Any]) -> bytes:
    return orjson.dumps(message)


def cdata(text: str) -> str:
    """Text as a CDATA section, as WeChat sends it."""
    return f"<![CDATA[{text.replace(']]>', ']] >')}]]>"


class Wire:
    """Writes lines; numbers orders, cases and steps, so it must be asked in time order, always the same."""

    def __init__(self, profile: Profile, texts: Texts, draw: Draw) -> None:
        self._profile, self._texts, self._draw = profile, texts, draw
        self._serial = 0
        self._step_serial = 140_000_000
        self._per_day: dict[str, int] = {}

    def report(self, report: Planned, due: int | None) -> tuple[str, bytes]:
        """(upstream id, message) of an appeal."""
        self._serial += 1
        if report.feed == "hotline12345":
            return self._order(report, due)
        if report.feed == "police110":
            return self._transfer(report)
        if report.feed == "citymgmt":
            return self._case(report, due)
        return self._wechat(report)

    def step(self, report: Planned, upstream_id: str, step: Step, number: int) -> bytes:
        """The message of a step; `number` counts the case's steps from 1."""
        self._step_serial += 1
        if report.feed == "hotline12345":
            return self._hotline_step(upstream_id, step)
        if report.feed == "police110":
            return self._police_step(upstream_id, step)
        if report.feed == "citymgmt":
            return self._citymgmt_step(upstream_id, step)
        return self._canonical_step(upstream_id, step, number)

    def _topic(self, report: Planned) -> str:
        return self._profile.matters[report.kind].name_zh if report.kind else report.code[2]

    def _community_text(self, report: Planned) -> str:
        return report.community.name if report.community else ""

    def _phone_tail(self, report: Planned) -> str:
        if not report.person.phone or report.confidential or not self._draw.chance(0.08):
            return ""
        return self._draw.pick(self._texts.shared["phone"]).replace("{phone}", report.person.phone)

    def _compose(self, report: Planned, pattern: str, where: str) -> str:
        what = self._draw.pick(report.trouble)
        return self._texts.compose(self._draw, pattern, where, what, report.kind, self._topic(report))

    def _texts_naming(self, report: Planned, pattern: str, *, keyword: bool) -> tuple[str, str]:
        """(where, text) that names the report's own community or, where it has none, none at all; and no other kind."""
        own = self._community_text(report).removesuffix("社区")
        for _ in range(200):
            where = self._community_text(report) + self._draw.pick(report.spot.names)
            text = self._compose(report, pattern, where)
            strangers = [name for name in self._texts.places_named(text) if name not in own]
            kinds = self._texts.kinds_hit(text)
            if not strangers and (not keyword or kinds == [report.kind]):
                return where, text
        raise ValueError(
            f"sample.toml: no template of {pattern} tells {report.kind} without naming another place or kind"
        )

    def _order(self, report: Planned, due: int | None) -> tuple[str, bytes]:
        draw = self._draw
        _, code, name = report.code
        pattern = {"咨询": "consult", "建议": "suggestion", "表扬": "praise"}.get(
            report.appeal_type, "hotline_again" if report.relation == "repeat" else "hotline"
        )
        if report.mode == "sea":
            where = f"近岸海域{draw.between(1, 20)}号浮标附近"
            content = self._compose(report, pattern, where)
        elif report.mode in ("named", "street", "nowhere"):
            where, content = self._texts_naming(report, pattern, keyword=False)
        else:
            where = self._community_text(report) + draw.pick(report.spot.names)
            content = self._compose(report, pattern, where)
        if pattern in ("consult", "suggestion", "praise"):
            title = f"{report.appeal_type}{name}"
        elif report.mode in ("named", "street", "nowhere"):
            title = draw.pick(report.trouble)
        else:
            title = f"{where}{draw.pick(report.trouble)}"
        point = gcj02(*report.point) if report.point else (None, None)
        number = f"{clock(report.at)[2:].translate(_DIGITS_ONLY)}{self._serial * 7919 % 1_000_000:06d}"
        admin = ""
        if report.community and report.mode in ("code", "code_only"):
            admin = report.community.code
        elif report.mode in ("street", "street_point"):
            admin = report.street_code
        in_street = report.mode in ("code", "code_only", "street_point")
        family = _FAMILY[self._profile.matters[report.kind].family]
        return number, _json(
            {
                "message": "order",
                "record_number": number,
                "channel": draw.pick(("电话", "电话", "电话", "电话", "网站", "APP")),
                "accepted_at": clock(report.at),
                "appeal_type": report.appeal_type,
                "family": family,
                "category_code": code,
                "category_path": [family, name],
                "title": title,
                "content": content + self._phone_tail(report),
                "address": "" if report.mode == "nowhere" else f"{report.street if in_street else ''}{where}",
                "admin_code": admin,
                "lng": point[0],
                "lat": point[1],
                "caller_name": report.person.name,
                "caller_phone": report.person.phone,
                "contact_phone": report.person.phone if draw.chance(0.3) else "",
                "is_secret": "是" if report.confidential else "否",
                "urgency": draw.pick(("一般", "一般", "一般", "一般", "一般", "一般", "紧急", "特急")),
                "due_at": clock(due) if due is not None else None,
                "related_no": "",
            }
        )

    def _hotline_step(self, upstream_id: str, step: Step) -> bytes:
        draw = self._draw
        caption, action, before, after = _HOTLINE[step.step]
        solved = "" if step.solved is None else "已解决" if step.solved else "未解决"
        return _json(
            {
                "message": "step",
                "record_number": upstream_id,
                "id": str(self._step_serial),
                "ps_caption": caption,
                "pss_caption_start": before,
                "pss_caption_end": after,
                "pso_caption": action,
                "opper": f"{draw.between(1000, 9999)}",
                "date": clock(step.at),
                "di_title": f"联动单位-{step.unit}" if step.unit else "政务服务热线-受理组",
                "deal_level": _LEVEL[step.level],
                "note3": "" if step.contacted is None else "已联系" if step.contacted else "未联系",
                "note6": solved or ("无法回访" if step.step == "revisit" else ""),
                "satisfaction": _SATISFACTION.get(step.satisfaction, ""),
                "extended_to": clock(step.extended_to) if step.extended_to is not None else None,
                "note": self._note(step),
            }
        )

    def _note(self, step: Step) -> str:
        shared = {"handle": "handled", "return": "returned", "extend": "extended"}.get(step.step)
        return self._draw.pick(self._texts.patterns[shared]) if shared else ""

    def _transfer(self, report: Planned) -> tuple[str, bytes]:
        draw = self._draw
        _, code, name = report.code
        where = self._community_text(report) + draw.pick(report.spot.names)
        if report.mode == "street":
            where, text = self._texts_naming(report, "police", keyword=False)
        else:
            text = self._compose(report, "police", where)
        day = clock(report.at)[:10].replace("-", "")
        initials = self._texts.town_initials.get(report.street, "QT")
        count = self._per_day[day] = self._per_day.get(day, 0) + 1
        number = f"{initials}W{day}{count:04d}"
        tags = f"#非警务#{_POLICE_TAGS.get(report.kind, '其他问题')}"
        lon, lat = report.point or (None, None)
        return number, _json(
            {
                "message": "transfer",
                "事件编号": number,
                "事件描述": f"{text.rstrip('，。')}。{tags}#报警电话:{report.person.phone}#",
                "区县名称": "示范区",
                "镇街名称": report.street,
                "村社名称": self._community_text(report) if report.mode in ("code", "code_only") else "",
                "网格名称": draw.pick(("警情分流网格", "警情分流网格", "公安网格", "城市网格")),
                "事件级别": draw.pick(("三级", "三级", "三级", "二级", "二级", "四级")),
                "警情类别": code,
                "二级分类": name,
                "上报时间": _police_clock(report.at),
                "网格类型": "警情分流网格",
                "数据来源": "110",
                "经度": lon,
                "纬度": lat,
                "报警人": report.person.name,
            }
        )

    def _police_step(self, upstream_id: str, step: Step) -> bytes:
        return _json(
            {
                "message": "feedback",
                "事件编号": upstream_id,
                "环节": _POLICE[step.step],
                "时间": _police_clock(step.at),
                "单位": step.unit or "社会治理中心",
                "层级": _LEVEL[step.level],
                "处置结果": self._note(step),
                "是否解决": "" if step.solved is None else "是" if step.solved else "否",
                "满意度": _SATISFACTION.get(step.satisfaction, ""),
            }
        )

    def _case(self, report: Planned, due: int | None) -> tuple[str, bytes]:
        draw = self._draw
        if report.community is None or report.point is None:
            raise ValueError("a case of city management always has a community and a point")
        category, code, _ = report.code
        where = report.community.name + draw.pick(report.spot.names)
        day = clock(report.at)[:10].replace("-", "")
        count = self._per_day["c" + day] = self._per_day.get("c" + day, 0) + 1
        number = f"{self._profile.county_code}{day}{count:05d}"
        public = bool(report.person.phone)
        return number, _json(
            {
                "message": "case",
                "case_code": number,
                "category_type": category,
                "big_code": code[:2],
                "small_code": code[2:],
                "source_type": draw.pick(("register", "register", "leader", "transfer")) if public else "collector",
                "reporter": report.person.name,
                "reporter_phone": report.person.phone,
                "lng": report.point[0],
                "lat": report.point[1],
                "street_code": report.community.street_code,
                "community_code": report.community.code,
                "grid_code": f"{report.community.code}{draw.between(1, 6):04d}",
                "description": self._compose(report, "citymgmt", where),
                "address": f"{report.community.street}{where}",
                "is_urgent": 1 if draw.chance(0.05) else 0,
                "report_time": clock(report.at),
                "deadline_time": clock(due) if due is not None else None,
            }
        )

    def _citymgmt_step(self, upstream_id: str, step: Step) -> bytes:
        return _json(
            {
                "message": "flow",
                "case_code": upstream_id,
                "flow_id": f"F{self._step_serial}",
                "node": _CITYMGMT[step.step],
                "operate_time": clock(step.at),
                "unit": step.unit or "城市运行管理中心",
                "level": step.level,
                "result": "pass" if step.step == "check" else "not_pass" if step.step == "rework" else "",
                "visit_result": "" if step.solved is None else "solved" if step.solved else "unsolved",
                "satisfaction": _SATISFACTION.get(step.satisfaction, ""),
                "deadline_time": clock(step.extended_to) if step.extended_to is not None else None,
                "remark": self._note(step),
            }
        )

    def wechat(self, openid: str, at: int, kind: str, rest: str) -> bytes:
        """An XML message of the official account; `rest` holds the elements of its kind."""
        return (
            f"<xml><ToUserName>{cdata(WECHAT_ACCOUNT)}</ToUserName><FromUserName>{cdata(openid)}</FromUserName>"
            f"<CreateTime>{at - UTC_OFFSET}</CreateTime><MsgType>{cdata(kind)}</MsgType>{rest}</xml>"
        ).encode()

    def _wechat(self, report: Planned) -> tuple[str, bytes]:
        draw = self._draw
        number = str(24_000_000_000_000_000 + self._serial * 1_000_003)
        media = f"DEMO{draw.digits(12)}"
        if report.form == "image":
            rest = f"<PicUrl>{cdata(f'https://media.invalid/{media}.jpg')}</PicUrl><MediaId>{cdata(media)}</MediaId>"
        elif report.form == "location" and report.point:
            lon, lat = gcj02(*report.point)
            label = escape(self._community_text(report) + report.spot.names[0])
            rest = f"<Location_X>{lat:.6f}</Location_X><Location_Y>{lon:.6f}</Location_Y><Scale>16</Scale>"
            rest += f"<Label>{cdata(label)}</Label>"
        else:
            _, text = self._texts_naming(report, "wechat", keyword=True)
            rest = f"<Content>{cdata(text)}</Content>"
            if report.form == "voice":
                rest = f"<MediaId>{cdata(media)}</MediaId><Format>{cdata('amr')}</Format>"
                rest += f"<Recognition>{cdata(text)}</Recognition>"
        rest += f"<MsgId>{number}</MsgId>"
        return number, self.wechat(report.person.openid, report.at, report.form, rest)

    def _canonical_step(self, upstream_id: str, step: Step, number: int) -> bytes:
        return _json(
            {
                "record": "progress",
                "upstream_id": upstream_id,
                "step": step.step,
                "occurred_at": clock(step.at).replace(" ", "T") + "+08:00",
                "step_id": f"{upstream_id}-{number}",
                "unit": step.unit,
                "level": step.level or None,
                "contacted": step.contacted,
                "solved": step.solved,
                "satisfaction": step.satisfaction or None,
                "extended_to": None
                if step.extended_to is None
                else clock(step.extended_to).replace(" ", "T") + "+08:00",
                "note": self._note(step),
            }
        )
