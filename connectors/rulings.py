"""Steps that must be granted: what a source says became of one, and which step stands then.

A voiding that was only asked for, or a closing that did not pass, changes nothing of a case; what reads progress looks at
the step alone, so such a step goes under another name and keeps the ruling beside it.
"""

import re
from typing import Final

#: A ruling by itself, in a field of its own.
RULINGS: Final = {
    **dict.fromkeys(("申请", "已申请", "待审批", "asked"), "asked"),
    **dict.fromkeys(("同意", "批准", "通过", "已批准", "approved"), "approved"),
    **dict.fromkeys(("不同意", "驳回", "不通过", "refused"), "refused"),
}
#: How actions and states say the same, in this order within a text: 待批准 approves nothing, 申请已通过 does.
_RULED: Final = (
    ("refused", re.compile("驳回|不同意|不通过|未通过|不予|不批准|未批准|拒绝|退回|撤回|取消")),
    ("asked", re.compile(r"待\S{0,8}[审批]")),
    ("approved", re.compile("同意|通过|批准")),
    ("asked", re.compile("申请|提交|发起|[审批核]中")),
)
#: What a ruling is cut out of, so that the step's own word is left.
_RULING_WORDS: Final = re.compile(
    "^(?:二次|再次|第[二三四五]次)|申请|审批|审核|不同意|同意|不批准|批准|驳回|不通过|通过"
)
#: States in which a case is worked on again: what was to close it did not.
_AT_WORK: Final = re.compile("待(?:受理|派|签收|处置|办理|处理|整改|重办|返工)|(?:处置|办理|处理|整改)中|重办|返工")
_SENT: Final = "提交|发起"
#: Words that rule on nothing beside these steps: they say how the step is done, or why. 提交 hands on a finished stage,
#: and asks for an extension only.
_MOOT: Final = {
    "extend": re.compile(r"(?!)"),
    **dict.fromkeys(("accept", "register", "dispatch"), re.compile(rf"待\S{{0,8}}[审批]|申请|[审批核]中|{_SENT}")),
    **dict.fromkeys(("redo", "rework"), re.compile(f"退回|不通过|未通过|{_SENT}")),
    **dict.fromkeys(("return", "redispatch"), re.compile(f"退回|{_SENT}")),
    "resume": re.compile(f"取消|{_SENT}"),
    "cancel": re.compile(f"不予受理|不予立案|已撤回|取消|{_SENT}"),
    **dict.fromkeys(("close", "suspend"), re.compile(_SENT)),
}
#: Steps that a ruling can undo. An extension stays one: it changes the case by its new due time only.
_UNDONE: Final = frozenset(_MOOT) - {"extend"}
#: The step that changes nothing of a case, neither its state nor a figure: 核实, somebody looked into it.
NO_CHANGE: Final = "verify"


def is_ruled(step: str) -> bool:
    """Whether a step of this name must be granted."""
    return step in _MOOT


def own_word(text: str) -> str:
    """The word of a step without what is said of it: 延期 of 二次延期, 退单 of 退单驳回; empty where nothing else is said."""
    return _RULING_WORDS.sub("", text)


def ruling(text: str, step: str = "extend") -> str:
    """asked, approved or refused, as an action or a state has it of a step of this name; empty where it says neither."""
    if step in _MOOT:
        text = _MOOT[step].sub("", text)
    return next((word for word, pattern in _RULED if pattern.search(text)), "")


def leaves_open(step: str, state: str) -> bool:
    """Whether the state after what was to close a case says that it is worked on still, or again."""
    return step == "close" and _AT_WORK.search(state) is not None


def standing(step: str, ruled: str, stage: str | None = None) -> str:
    """The step that stands: this one, or, where it was asked for or refused, one that changes nothing.

    ruled: of RULINGS, or not_pass, which undoes no 重办 and no 返工: it is why they are done. stage: the step of the stage
    in which it was asked for, which stands where it changes nothing (a revisit that asks for 重办 is still a revisit).
    """
    undone = ruled in ("asked", "refused") or (ruled == "not_pass" and step not in ("redo", "rework"))
    if step not in _UNDONE or not undone:
        return step
    return stage if stage and not is_ruled(stage) else NO_CHANGE
