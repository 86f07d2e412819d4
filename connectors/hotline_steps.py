"""Which step a row of a hotline's flow is: its special action, action, stage and states, read together.

Stages and actions are those of a real city's platform (受理/预审/处置/回访/结案 and 提交/确定/通过/结案...), see
docs/feeds/hotline12345.md.
"""

from typing import Final

from connectors import rulings, words

#: Stages that say what was done, where the action does not.
_STAGES: Final = words.STEPS | {"预审": "dispatch", "审核": "dispatch"}
#: Actions that say more than the stage they are done in.
_ACTIONS: Final = {
    word: words.STEPS[word]
    for word in (
        *(
            "签收",
            "联系",
            "响应",
            "转办",
            "派单",
            "派遣",
            "下派",
            "加派",
            "交办",
            "退单",
            "退回",
            "回退",
            "改派",
            "转派",
        ),
        *("延期", "反馈", "重办", "重新办理", "二次办理", "再次交办", "评价", "督办", "催办", "补充", "并单"),
        *("作废", "撤单", "不予受理"),
    )
} | {"返工": "redo", "退回重办": "redo"}
#: Actions and states that end an order in these stages, as in the call itself. At a revisit or a supervision they end
#: that alone, at a return the return.
_CLOSING: Final = frozenset(("办结", "结案", "直接办结", "即时办结", "当场办结", "在线办结", "强制结案", "归档"))
_CLOSED: Final = frozenset(("已办结", "已结案"))
#: Stages that decide on a request: sent back there, it is the request that is refused, not the order that returns.
_DECIDING: Final = frozenset(("extend", "suspend", "close", "cancel"))
_CLOSABLE: Final = frozenset(("accept", "dispatch", "sign", "respond", "handle", "feedback", "close"))


def named(special: str, action: str, stage: str, after: str) -> tuple[str | None, str | None]:
    """The step, and the step that the stage by itself would be; None where the hub knows none."""
    of_stage = _step(_STAGES, stage)
    own = _step(_ACTIONS, special) or _step(_ACTIONS, action)
    if own and not (own == "return" and of_stage in _DECIDING):
        return own, of_stage
    if of_stage in ("revisit", "close") and "重办" in after:
        return "redo", of_stage
    if not stage:
        return _step(_STAGES, action), None
    if of_stage in _CLOSABLE and (action in _CLOSING or rulings.own_word(action) in _CLOSING or after in _CLOSED):
        return "close", of_stage
    return of_stage, of_stage


def ruling(step: str, special: str, action: str, stage: str, after: str) -> str:
    """What became of it, the most careful word first; the stage counts where no action or state tells."""
    if rulings.leaves_open(step, after):
        return "refused"
    said = {rulings.ruling(text, step) for text in (special, action, after)} - {""}
    first = next((word for word in ("refused", "asked", "approved") if word in said), "")
    return first or rulings.ruling(stage, step)


def _step(table: dict[str, str], text: str) -> str | None:
    return table.get(text) or table.get(rulings.own_word(text))
