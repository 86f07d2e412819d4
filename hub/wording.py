"""What a clerk reads for the words and codes of decisions, in Chinese and English. A word that is not here is shown as it is."""

import os
from collections.abc import Callable
from typing import Final, Literal

Language = Literal["zh", "en"]
_Pair = tuple[str, str]

_COLUMN: Final[dict[Language, int]] = {"zh": 0, "en": 1}


def language_of(locale: str | None = None) -> Language:
    """English for an English locale, else Chinese. `locale`: as in LANG; that of the process if not given."""
    if locale is None:
        locale = next((v for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := os.environ.get(name))), "")
    return "en" if locale.lower().startswith("en") else "zh"


def _share(text: str) -> str:
    return f"{float(text):.0%}"


def _flag(text: str) -> str:
    return text


#: Parts of a score (streams.matching.PARTS): Chinese, English, and how the value is written.
PARTS: Final[dict[str, tuple[_Pair, Callable[[str], str]]]] = {
    "place": (("地点吻合程度 {}", "evidence of one place: {}"), _share),
    "name": (("双方都提到“{}”", "both name {}"), str),
    "metres": (("相距 {} 米", "{} metres apart"), str),
    "community": (("在同一社区", "in the same community"), _flag),
    "apart": (("各自又提到另一处地点，程度 {}", "each also names another place: {}"), _share),
    "troubles": (("所反映问题的相似度 {}", "likeness of the troubles told: {}"), _share),
    "words": (("用词相似度 {}", "likeness of the words: {}"), _share),
    "copy": (("与先前来件文字重复 {}", "text told before: {}"), _share),
    "hours": (("与该事项来件相隔 {} 小时", "{} hours from the matter's reports"), str),
    "likeness": (("综合相似度 {}", "likeness in all: {}"), _share),
    "bar": (("就所知地点须达到 {}", "needed for what is known of the place: {}"), _share),
    "same_device": (("同一设备", "the same device"), _flag),
    "seconds": (("相隔 {} 秒", "{} seconds apart"), str),
    "same_message": (("同一消息再次送达", "the very same message again"), _flag),
    "same_report_id": (("同一编号的补充或更正", "more, or a correction, under the same number"), _flag),
}
_PERSON: Final[dict[str, _Pair]] = {
    "1": ("同一诉求人", "the same person"),
    "0": ("不是同一诉求人", "another person"),
}
#: All parts that are translated.
KNOWN_PARTS: Final = frozenset((*PARTS, "same_reporter"))


def part(reason: str, lang: Language) -> str:
    """A part of a score, `name=value`, in plain words; one that is not known, or whose value is no number, as it is."""
    name, _, value = reason.partition("=")
    if name == "same_reporter" and value in _PERSON:
        return _PERSON[value][_COLUMN[lang]]
    if name not in PARTS:
        return reason
    try:
        text, written = PARTS[name]
        return text[_COLUMN[lang]].format(written(value))
    except ValueError:
        return reason


RELATIONS: Final[dict[str, _Pair]] = {
    "new": ("新事项", "a new matter"),
    "repeat": ("同一人重复反映", "the same person again"),
    "joined": ("他人反映同一事项", "another person on the same matter"),
    "rebound": ("办结后反弹", "back after it was closed"),
    "episode": ("同一告警持续", "the same alarm going on"),
}
CHANGES: Final[dict[str, _Pair]] = {
    "closed": ("办结", "closed"),
    "finished": ("结案", "finished"),
    "reopened": ("重办", "reopened"),
    "reassigned": ("改派", "reassigned"),
    "escalated": ("提级", "escalated"),
    "returned": ("退单", "returned"),
    "extended": ("延期", "extended"),
    "accepted": ("人工研判：并入", "a person linked it"),
    "rejected": ("人工研判：不是同一事项", "a person said: not the same matter"),
    "unlinked": ("人工拆分：单独成为一事项", "a person unlinked it: a matter of its own"),
    "merged": ("人工并单：两事项合并", "a person merged two matters"),
    "void": ("未生效", "without effect"),
}
#: What a message of the source did.
MESSAGES: Final[dict[str, _Pair]] = {
    "decided": ("收到并决定", "received and decided"),
    "revised": ("收到补充或更正", "more, or a correction, received"),
}
#: Bounded reasons of changes (streams/cases.py), and why a ruling is void (streams/changes.py).
REASONS: Final[dict[str, _Pair]] = {
    "step": ("来源系统告知", "told by the source"),
    "rated": ("已评价", "rated"),
    "rating_timeout": ("逾期未评价", "nobody rated it in time"),
    "returned": ("承办单位退回", "the agency gave it back"),
    "whistle": ("吹哨", "departments were called (whistle)"),
    "ping_pong": ("循环交办，已停止，等待人工指定", "it went to and fro: stopped, waits for a person"),
    "top_level": ("已到最高一级，等待人工指定", "nobody is above: waits for a person"),
    "late_return": ("超过退单时限", "returned too late"),
    "late_extension": ("到期后才申请延期", "extended after it was due"),
    "long_extension": ("延期超过允许的时长", "extended for longer than allowed"),
    "no_longer_time": ("延期没有晚于原期限", "the extension is no later than the limit"),
    "unknown_unit": ("所派单位不在单位目录中", "the unit is not in the list of agencies"),
    "closed_case": ("工单已办结", "the case is closed"),
    "no_report": ("尚未收到该诉求", "its report has not come yet"),
    "both matters must be known, and two": ("两个事项都须存在且不相同", "both matters must be known, and two"),
    "one of the reports is confidential or stands alone by rule": (
        "其中有保密或按规则单独办理的诉求",
        "one of the reports is confidential or stands alone by rule",
    ),
    "the report is not known, or no more": ("没有该诉求，或已超出保存期", "the report is not known, or no more"),
    "the report is a matter of its own already": (
        "该诉求已经单独成为一事项",
        "the report is a matter of its own already",
    ),
    "it was ruled so before": ("此前已作同样决定", "it was ruled so before"),
    "the report is in this matter already": ("该诉求已在此事项中", "the report is in this matter already"),
    "the matter is not known, or no more": ("没有该事项，或已超出保存期", "the matter is not known, or no more"),
    "the report is in this matter: unlink it": (
        "该诉求就在此事项中，请用 unlink",
        "the report is in this matter: unlink it",
    ),
    "the report is confidential or stands alone by rule": (
        "该诉求保密，或按规则单独办理",
        "the report is confidential or stands alone by rule",
    ),
}
MANUAL: Final[dict[str, _Pair]] = {
    "no_kind": ("没有类别", "no kind is known"),
    "unsure": ("模型对类别把握不足", "the model is not sure enough of the kind"),
    "no_area": ("清单按地点区分，而地点未知", "the list asks for a place, and none is known"),
    "no_row": ("责任清单没有对应的行", "the responsibility list has no row for it"),
    "ping_pong": REASONS["ping_pong"],
    "top_level": REASONS["top_level"],
}
KIND_BY: Final[dict[str, _Pair]] = {
    "source": ("来源系统的类别代码", "the source's own code"),
    "keywords": ("关键词", "keywords"),
    "model": ("分类模型", "the model"),
}
LEVELS: Final[dict[str, _Pair]] = {
    "grid": ("网格", "grid"),
    "community": ("社区", "community"),
    "street": ("街道", "street"),
    "district": ("区", "district"),
}
UNITS: Final[dict[str, _Pair]] = {
    "urgent_hour": ("紧急工作时", "urgent hours"),
    "work_hour": ("工作时", "working hours"),
    "work_day": ("工作日", "working days"),
    "natural_day": ("自然日", "calendar days"),
}
PRIORITIES: Final[dict[str, _Pair]] = {"normal": ("一般", "normal"), "high": ("优先", "high"), "top": ("特急", "top")}
PRIORITY_REASONS: Final[dict[str, _Pair]] = {
    "urgent": ("来源标为紧急", "the source says urgent"),
    "critical": ("来源标为特急", "the source says critical"),
    "leader_call": ("领导交办", "a leader's call"),
    "mass_appeal": ("群诉", "many persons on one matter"),
    "emergency": ("可能有人身危险", "life may be in danger"),
}
APPROVALS: Final[dict[str, _Pair]] = {
    "street_political_legal": ("街道政法委员", "the street's political and legal officer"),
}
STEPS: Final[dict[str, _Pair]] = {
    "accept": ("受理", "accepted"),
    "register": ("立案", "registered"),
    "dispatch": ("派单", "dispatched"),
    "sign": ("签收", "signed for"),
    "respond": ("响应", "responded"),
    "handle": ("办理", "handled"),
    "feedback": ("反馈", "feedback"),
    "revisit": ("回访", "revisited"),
    "close": ("办结", "closed"),
    "rate": ("评价", "rated"),
    "return": ("退单", "returned"),
    "redispatch": ("改派", "dispatched again"),
    "extend": ("延期", "extended"),
    "redo": ("重办", "to be done again"),
    "verify": ("核实", "verified"),
    "check": ("核查", "checked"),
    "rework": ("返工", "reworked"),
    "suspend": ("挂账", "suspended"),
    "resume": ("恢复", "resumed"),
    "collect": ("采集", "collected"),
    "object": ("申诉", "objected"),
    "supplement": ("补充", "supplemented"),
    "supervise": ("督办", "supervised"),
    "cancel": ("作废", "cancelled"),
}


def word(table: dict[str, _Pair], code: str, lang: Language) -> str:
    """A code in plain words; as it is where the table does not have it."""
    return table[code][_COLUMN[lang]] if code in table else code


def limit(text: str, lang: Language) -> str:
    """A time limit such as `5 work_day`."""
    amount, _, unit = text.partition(" ")
    return f"{amount} {word(UNITS, unit, lang)}"
