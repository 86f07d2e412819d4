"""What a bulletin says, in Chinese and English: names, numbers, and the sentences at its head."""

from datetime import date
from typing import Final, Literal

from hub.bulletin import Bulletin, Line, Value, is_noise
from sinks.figures import FIGURES

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")

_FIGURES: Final = {
    "accepted": ("受理量", "Orders"),
    "matters": ("事项量", "Matters"),
    "per_10000": ("万人诉求比", "Orders per 10 000 inhabitants"),
    **{figure.name: (figure.zh, figure.en) for figure in FIGURES},
}

WORDS: Final[dict[Language, dict[str, str]]] = {
    "zh": {
        "week": "周报",
        "month": "月报",
        "title": "诉求办理",
        "made_up": "虚构数据，仅供演示",
        "made": "生成于",
        "headline": "主要指标",
        "figure": "指标",
        "value": "本期",
        "parts": "分子 / 分母",
        "before": "环比",
        "year": "同比",
        "by_channel": "各渠道",
        "by_family": "诉求类别",
        "by_matter_kind": "高频事项",
        "by_street": "各街道",
        "name": "名称",
        "days": "每日受理",
        "curve": "各期受理量与解决率",
        "tiers": "承办单位分档",
        "tier": "档次",
        "agency": "单位",
        "level": "层级",
        "orders": "受理",
        "score": "得分",
        "tiers_note": "同档按单位代码排列，不作排名",
        "rules": "督办在办",
        "rule": "规则",
        "holds": "现有",
        "late": "超期最久",
        "number": "工单编号",
        "kind": "事项",
        "due": "到期日",
        "late_days": "超期天数",
        "warnings": "未诉先办",
        "what": "类型",
        "place": "地点",
        "reports": "件数",
        "usual": "平时",
        "until": "至",
        "hot": "热点",
        "emerging": "苗头",
        "seasonal": "季节",
        "none": "无",
        "now": "以下为生成时的情况，不限于本期",
        "points": "个百分点",
        "unknown": "不详",
        "district": "全区",
        "hours": "小时",
        "note": "各率均为分子 / 分母，分母为零不计率；按受理时间归期，迟到的信息会改变已出的数字。口径见 docs/kpi.md。",
    },
    "en": {
        "week": "Weekly bulletin",
        "month": "Monthly bulletin",
        "title": "Orders",
        "made_up": "Made-up data, for demonstration",
        "made": "Made",
        "headline": "Headline figures",
        "figure": "Figure",
        "value": "Value",
        "parts": "Numerator / denominator",
        "before": "Against before",
        "year": "Against a year ago",
        "by_channel": "By channel",
        "by_family": "By family",
        "by_matter_kind": "Most frequent kinds",
        "by_street": "By street",
        "name": "Name",
        "days": "Orders by day",
        "curve": "Orders and solved share by period",
        "tiers": "Agencies by tier",
        "tier": "Tier",
        "agency": "Agency",
        "level": "Level",
        "orders": "Orders",
        "score": "Score",
        "tiers_note": "Inside a tier by code, not by rank",
        "rules": "Supervision",
        "rule": "Rule",
        "holds": "Holds for",
        "late": "Late for longest",
        "number": "Number",
        "kind": "Kind",
        "due": "Due",
        "late_days": "Days late",
        "warnings": "Before anybody calls",
        "what": "Sort",
        "place": "Place",
        "reports": "Orders",
        "usual": "Usually",
        "until": "Until",
        "hot": "hot point",
        "emerging": "emerging",
        "seasonal": "season",
        "none": "None",
        "now": "As it stands when this was made, not of the period",
        "points": "points",
        "unknown": "unknown",
        "district": "District",
        "hours": "h",
        "note": "Each rate is numerator over denominator, and none over zero; orders count in the period they were received in, "
        "and late facts change figures. See docs/kpi.md.",
    },
}
LEVELS: Final[dict[Language, dict[str, str]]] = {
    "zh": {"grid": "网格", "community": "社区", "street": "街道", "district": "区级"},
    "en": {"grid": "grid", "community": "community", "street": "street", "district": "district"},
}
FAMILIES: Final[dict[Language, dict[str, str]]] = {
    "zh": {"livelihood": "民生", "development": "发展", "enforcement": "执法"},
    "en": {"livelihood": "livelihood", "development": "development", "enforcement": "enforcement"},
}


def figure_name(name: str, language: Language) -> str:
    """Name of a figure."""
    zh, en = _FIGURES[name]
    return zh if language == "zh" else en


def line_name(slice_: str, line: Line, language: Language) -> str:
    """Name of a line of a table."""
    name = line.name_zh if language == "zh" else line.name_en
    if slice_ == "family":
        name = FAMILIES[language].get(line.code, name)
    return name or WORDS[language]["unknown"]


def shown(value: Value | None, language: Language) -> str:
    """The figure for a person: 1,234, 96.8%, 30.5 h, or -. Never 100 % unless it is all, nor 0 % unless it is none."""
    if value is None or value.value is None:
        return "-"
    if value.unit == "count":
        return f"{value.value:,.0f}"
    if value.unit == "per_10000":
        return f"{value.value:,.1f}"
    if value.unit == "hours":
        return f"{value.value:,.1f} {WORDS[language]['hours']}"
    text = f"{value.value:.1%}"
    return {"100.0%": "100%" if value.value >= 1 else ">99.9%", "0.0%": "0%" if value.value <= 0 else "<0.1%"}.get(
        text, text
    )


def parts(value: Value) -> str:
    """Numerator and denominator; nothing for a count."""
    if value.unit == "count" or value.denominator is None:
        return ""
    return f"{value.numerator:,.10g} / {value.denominator:,}"


def change(value: Value | None, amount: float | None, language: Language) -> str:
    """+3.2 % of a count, +0.5 points of a share; - where there is nothing to compare with."""
    if value is None or amount is None:
        return "-"
    unit = f" {WORDS[language]['points']}" if value.unit in ("share", "weighted") else "%"
    return f"{amount:+.1f}{unit}"


def tone(value: Value | None, amount: float | None) -> str:
    """better or worse, where the figure has a good side and the change is more than chance; else empty."""
    if value is None or amount is None or value.good is None or not amount or is_noise(value):
        return ""
    return "better" if (amount > 0) == value.good else "worse"


def headline(bulletin: Bulletin, language: Language) -> list[str]:
    """The sentences at the head. They say nothing of a figure without denominator, and of no change that chance makes."""
    sentences = _zh(bulletin) if language == "zh" else _en(bulletin)
    return [sentence for sentence in sentences if sentence]


def _zh(bulletin: Bulletin) -> list[str]:
    span, accepted = bulletin.span, bulletin.district["accepted"]
    period = "本周" if span.kind == "week" else "本月"
    found = [f"{period}（{span.first} 至 {span.last}）受理诉求 {accepted.numerator:,.0f} 件{_moved_zh(accepted)}。"]
    for name in ("on_time", "solved", "satisfied"):
        value = bulletin.district.get(name)
        if value and value.value is not None:
            found.append(f"{figure_name(name, 'zh')} {shown(value, 'zh')}（{parts(value)}）{_moved_zh(value)}。")
    if lines := bulletin.lines["matter_kind"]:
        top = lines[0]
        share = top.values["accepted"].numerator / accepted.numerator
        found.append(
            f"反映最多的是“{line_name('matter_kind', top, 'zh')}”，{top.values['accepted'].numerator:,.0f} 件，占 {share:.1%}。"
        )
    if late := _late(bulletin):
        found.append(f"目前有 {late:,} 件诉求超期未办结。")
    return found


def _en(bulletin: Bulletin) -> list[str]:
    span, accepted = bulletin.span, bulletin.district["accepted"]
    found = [
        f"{accepted.numerator:,.0f} orders were received in the {span.kind} from {span.first} to {span.last}"
        f"{_moved_en(accepted)}."
    ]
    for name in ("on_time", "solved", "satisfied"):
        value = bulletin.district.get(name)
        if value and value.value is not None:
            found.append(f"{figure_name(name, 'en')}: {shown(value, 'en')} ({parts(value)}){_moved_en(value)}.")
    if lines := bulletin.lines["matter_kind"]:
        top = lines[0]
        share = top.values["accepted"].numerator / accepted.numerator
        found.append(
            f"Most were about {line_name('matter_kind', top, 'en')}: {top.values['accepted'].numerator:,.0f}, {share:.1%} of all."
        )
    if late := _late(bulletin):
        found.append(f"{late:,} orders are open past their due time now.")
    return found


def _late(bulletin: Bulletin) -> int:
    return next((line.holds for line in bulletin.rules if line.rule == "red_card"), 0)


def _moved_zh(value: Value) -> str:
    if value.before_change is None:
        return ""
    if is_noise(value):
        return "，环比基本持平"
    return f"，环比{'上升' if value.before_change > 0 else '下降'} {change(value, abs(value.before_change), 'zh')[1:]}"


def _moved_en(value: Value) -> str:
    if value.before_change is None:
        return ""
    if is_noise(value):
        return ", about as many as before" if value.unit == "count" else ", about as before"
    way = "up" if value.before_change > 0 else "down"
    return f", {way} {change(value, abs(value.before_change), 'en')[1:]} against the period before"


def day_text(day: date) -> str:
    """Month and day."""
    return f"{day:%m-%d}"
