"""What must never leave 110, told by a message's own words: classes, names of classes and tags, wherever they stand.

Classes are those of 110's six-digit table: 10 criminal, 20 public order (200200 治安纠纷, 200600 家庭暴力), 30 traffic, 40 fire,
70 mass incidents (700100 聚众上访), 80 disasters...; only 50 (help) and 60 (social linkage) may leave. The second-level names
of events that are no police business (治安隐患, 公共秩序 and 交通事故 are among them) are others, and pass.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Any, Final

from connectors.fields import INVISIBLE
from connectors.tags import tags_in

MAY_LEAVE: Final = ("50", "60")
#: Parts of the names that a class may have: 警情类别编码, 警情类别名称, 警情性质代码...
_CLASS_KEY: Final = re.compile("警情(?:类别|性质|类型|种类)")
#: And of those under which other words say of what kind it is.
_KIND_KEY: Final = re.compile("[一二三]级分类|事件类型|案件(?:类别|类型|性质)|标注类型")
_SIMPLIFIED: Final = str.maketrans("類別質種級標註", "类别质种级标注")
#: What a name holds besides: white space, marks, and two letters that show nothing.
_NO_LETTER: Final = re.compile(r"[\W_\u115f\u1160]+")
#: A class's code: six digits anywhere, or the digits at the beginning.
_CODE: Final = re.compile(r"^\d{2,}|(?<!\d)\d{6}(?!\d)")
#: Names of what must stay, but where the text denies it.
_STAYS: Final = (
    "(?<!非)(?<!不是)(?<!不属于)(?<!不构成)"
    "(?:刑事|治安(?:案件|警情|纠纷)|行政案件|家庭暴力|聚众上访|群体性?事件|涉密|国家秘密|机密|绝密)"
)
_NAMED: Final = re.compile(_STAYS)
#: As the name of a class its group alone says it.
_CLASS_NAMED: Final = re.compile(f"{_STAYS}|^(?:治安|道路交通|交通|消防|火警|火灾|警种|群体|灾害|举报|投诉)")
#: As a tag: short, or beginning so. A sentence that stands after a closing # may speak of it.
_TAGGED: Final = re.compile(f"{_STAYS}|(?=.{{1,12}}$).*?{_STAYS}")
#: Liberal, and of a name that stands twice in an object it shows both.
_JSON: Final = json.JSONDecoder(
    parse_int=str, parse_float=str, object_pairs_hook=lambda pairs: [{name: value} for name, value in pairs]
)


def is_class(name: str) -> bool:
    """Whether a field of this name holds a class of 110's."""
    return _role(name) == "class"


def must_stay(message: Any, translated: Set[str] = frozenset()) -> bool:
    """Whether a message holds a class, a kind or a tag that must not leave 110, however deep, also in JSON inside a text.

    translated: codes of the source's own, not of six digits, which the channel's declaration turns into 110's (`*`: all);
    what they become is to be judged instead.
    """
    return any(_stays(key, word, translated) for key, word in _words(message))


def _stays(role: str, word: str, translated: Set[str]) -> bool:
    if "#" in word and any(_TAGGED.match(tag) for tag in tags_in(word.replace("# ", "#"))):
        return True
    if role == "class":
        codes = (code for code in _CODE.findall(word) if len(code) == 6 or translated.isdisjoint((code, "*")))
        return any(not code.startswith(MAY_LEAVE) for code in codes) or _CLASS_NAMED.search(word) is not None
    return role == "kind" and _NAMED.search(word) is not None


def _words(message: Any) -> Iterator[tuple[str, str]]:
    """Every text and number, folded, and what the names say it is that it stands under, the innermost first."""
    waiting: list[tuple[str, Any]] = [("", message)]
    while waiting:
        role, inner = waiting.pop()
        if isinstance(inner, dict):
            waiting += ((_role(str(name)) or role, value) for name, value in inner.items())
        elif isinstance(inner, list):
            waiting += ((role, value) for value in inner)
        elif isinstance(inner, str):
            text = inner if inner.isprintable() else INVISIBLE.sub("", inner)
            text = text.strip()
            yield role, unicodedata.normalize("NFKC", text)
            if text[:1] in ("{", "["):
                waiting.append((role, _parsed(text)))
        elif isinstance(inner, int | float) and not isinstance(inner, bool):
            yield role, str(inner)


def _parsed(text: str) -> Any:
    try:
        return _JSON.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=1024)
def _role(name: str) -> str:
    """class, kind or nothing."""
    folded = _NO_LETTER.sub("", unicodedata.normalize("NFKC", name)).translate(_SIMPLIFIED)
    if _CLASS_KEY.search(folded):
        return "class"
    return "kind" if _KIND_KEY.search(folded) else ""
