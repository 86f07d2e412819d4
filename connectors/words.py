"""The words that sources use for a report's kind, urgency, satisfaction and the steps of a case, in the hub's vocabulary.

The right-hand words are those of schemas/report and schemas/progress; each also stands for itself.
"""

from typing import Final, TypeVar

T = TypeVar("T")


def _with_own(table: dict[str, str]) -> dict[str, str]:
    """The table in which our own words are taken too."""
    return table | {word: word for word in table.values()}


APPEAL_TYPES: Final = _with_own(
    {
        "咨询": "consult",
        "求助": "help",
        "投诉": "complaint",
        "投诉举报": "complaint",
        "举报": "report",
        "建议": "suggestion",
        "意见建议": "suggestion",
        "表扬": "praise",
        "感谢": "praise",
        "案件": "case",
        "告警": "alarm",
        "其他": "other",
        "咨询类": "consult",
        "求助类": "help",
        "投诉类": "complaint",
        "投诉举报类": "complaint",
        "举报类": "report",
        "建议类": "suggestion",
        "意见建议类": "suggestion",
        "表扬类": "praise",
        "感谢类": "praise",
        "其他类": "other",
    }
)
FAMILIES: Final = _with_own({"民生": "livelihood", "发展": "development", "执法": "enforcement"})
URGENCIES: Final = _with_own(
    {
        "一般": "normal",
        "普通": "normal",
        "次紧急": "urgent",
        "紧急": "urgent",
        "特急": "critical",
        "特别紧急": "critical",
    }
)
#: By their place in a scale of five, which the figures count in three: 1 and 2, 3, 4 and 5.
SATISFACTION: Final = _with_own(
    {
        "非常满意": "satisfied",
        "满意": "satisfied",
        "比较满意": "satisfied",
        "基本满意": "basic",
        "一般": "basic",
        "不太满意": "dissatisfied",
        "比较不满意": "dissatisfied",
        "不满意": "dissatisfied",
        "非常不满意": "dissatisfied",
        "未评价": "unrated",
    }
)
LEVELS: Final = _with_own(
    {
        "网格": "grid",
        "社区": "community",
        "村": "community",
        "街道": "street",
        "镇": "street",
        "乡镇": "street",
        "区": "district",
        "县": "district",
    }
)
YES_NO: Final[dict[str, bool]] = {
    **dict.fromkeys(("是", "有", "true", "1", "y", "yes"), True),
    **dict.fromkeys(("否", "无", "false", "0", "n", "no"), False),
}
SECRET: Final = YES_NO | {"保密": True, "匿名": True, "不保密": False, "公开": False, "实名": False}
CONTACTED: Final = YES_NO | {"已联系": True, "未联系": False}
#: 基本解决 is what the caller accepts as solved, 部分解决 leaves some of it open. 无法回访: nobody could be asked.
SOLVED: Final[dict[str, bool | None]] = {
    **YES_NO,
    **dict.fromkeys(("已解决", "解决", "基本解决", "solved"), True),
    **dict.fromkeys(("未解决", "部分解决", "unsolved"), False),
    **dict.fromkeys(("无法回访", "未知", "unable"), None),
}
#: Steps of a case whatever the feed; a feed adds its own words.
STEPS: Final = _with_own(
    {
        "采集": "collect",
        "上报": "collect",
        "采集上报": "collect",
        "受理": "accept",
        "接收": "accept",
        "立案": "register",
        "派单": "dispatch",
        "转办": "dispatch",
        "交办": "dispatch",
        "派遣": "dispatch",
        "派发": "dispatch",
        "下派": "dispatch",
        "加派": "dispatch",
        "移交": "dispatch",
        "签收": "sign",
        "响应": "respond",
        "联系": "respond",
        "办理": "handle",
        "处置": "handle",
        "处理": "handle",
        "处警": "handle",
        "反馈": "feedback",
        "答复": "feedback",
        "回访": "revisit",
        "办结": "close",
        "结案": "close",
        "强制结案": "close",
        "归档": "close",
        "评价": "rate",
        "退单": "return",
        "退回": "return",
        "回退": "return",
        "改派": "redispatch",
        "转派": "redispatch",
        "二次派遣": "redispatch",
        "延期": "extend",
        "重办": "redo",
        "重新办理": "redo",
        "二次办理": "redo",
        "再次交办": "redo",
        "核实": "verify",
        "核查": "check",
        "返工": "rework",
        "申诉": "object",
        "挂账": "suspend",
        "恢复": "resume",
        "解挂": "resume",
        "解除挂账": "resume",
        "取消挂账": "resume",
        "督办": "supervise",
        "催办": "supervise",
        "补充": "supplement",
        "作废": "cancel",
        "撤单": "cancel",
        # It ends before anybody works on it.
        "不予受理": "cancel",
        "不予立案": "cancel",
        # Each merged order stays one of its own, with its own reply: nothing of its state changes.
        "并单": "verify",
    }
)
