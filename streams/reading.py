"""What a text says, for matching: the places and units it names, its words, the kinds of trouble it tells.

Pure and the same on every machine: words are those of the segmenter's own dictionary (pinned by the lock file), names are
found by their endings (小区, 学院, 公司, 路...), kinds of trouble by streams/lexicon.toml. docs/decisions/0021-matching.md.
"""

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import opencc
import rjieba

#: Characters of the content that are read: what it is about stands at the beginning, the rest repeats and pleads.
CONTENT_READ: Final = 160
#: Characters of the content in which kinds of trouble are looked for; they cost less than words.
TROUBLE_READ: Final = 300
#: A word of the title weighs so many of the content.
_TITLE_WEIGHT: Final = 3
_MOST_NAMES: Final = 6
_HEAD: Final = 300
#: No title holds it: it is no character of text.
_BETWEEN: Final = "\x00"

with (Path(__file__).parent / "lexicon.toml").open("rb") as _file:
    _LEXICON: Final[dict[str, Any]] = tomllib.load(_file)
_ENDINGS: Final = tuple(_LEXICON["endings"])
_WIDE: Final = tuple(_LEXICON["wide_endings"])
_NO_PLACES: Final = tuple(_LEXICON["no_place_endings"])
_BEFORE_NAMES: Final = frozenset(_LEXICON["before_names"])
_HOMES: Final = tuple(_LEXICON["home_endings"])
_COMMON_STARTS: Final = frozenset(_LEXICON["common_starts"])
_FUNCTION_CHARACTERS: Final = frozenset(_LEXICON["function_characters"])
_NO_NAMES: Final = frozenset(_LEXICON["no_names"])
_BOILERPLATE: Final = frozenset(_LEXICON["boilerplate"])
_TROUBLE_WORDS: Final[dict[str, list[str]]] = _LEXICON["troubles"]
#: Kinds of trouble, in the order of their place in a vector.
TROUBLES: Final = tuple(_TROUBLE_WORDS)
_KIND_OF_PLACE: Final = re.compile(r"(?:小区|楼盘|项目|公寓|有限公司|集团|公司|花园|家园)$")
_DISTRICT: Final = re.compile(r"[a-z]\d*[市区县]|[\u4e00-\u9fff]{1,3}[省市县]")
#: 30号楼, a4栋: parts of a place that every estate has.
_NUMBERED: Final = re.compile(
    r"[a-z]?\d+[a-z]?(?:号|栋|幢|期|层|楼|单元)|[一二三四五六七八九十]+(?:号|栋|幢|期|层|楼|单元)"
)
_ROADS: Final = ("路", "街", "大道", "巷")
_HOUSE_NUMBER: Final = re.compile(r"\d{1,4}号")
_WORD: Final = re.compile(r"[\u4e00-\u9fffa-z0-9]+")
_TROUBLES_OF: Final[dict[str, tuple[int, ...]]] = {
    word: tuple(place for place, kind in enumerate(TROUBLES) if word in _TROUBLE_WORDS[kind])
    for word in {word for words in _TROUBLE_WORDS.values() for word in words}
}
_TROUBLE: Final = re.compile("|".join(sorted(map(re.escape, _TROUBLES_OF), key=lambda word: (-len(word), word))))
_SIMPLE: Final = opencc.OpenCC("t2s")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as matching sees it. words: how often, the title's counted three times. troubles: place in TROUBLES to weight.

    title_names, names: of places and units in the title, and in the content alone, without their kind (小区, 公司).
    rare: pairs of neighbouring words of the title of which one is in no dictionary: names without an ending (五八车贷).
    head: beginning of both as it is read, by which two reports of one person are compared.
    """

    title_names: tuple[str, ...]
    names: tuple[str, ...]
    words: dict[str, int]
    troubles: dict[int, float]
    rare: tuple[str, ...]
    head: str


def folded(text: str) -> str:
    """Full-width as ASCII, lower case, traditional characters as simplified ones."""
    return str(_SIMPLE.convert(unicodedata.normalize("NFKC", text).lower()))


def read(title: str, content: str) -> Reading:
    """What title and content say."""
    # One text for both: what is called costs more than what is read.
    head, _, body = folded(f"{title.strip()}{_BETWEEN}{content[:TROUBLE_READ].strip()}").partition(_BETWEEN)
    words: Counter[str] = Counter()
    in_title, rare = _read(head, _TITLE_WEIGHT, words, rare=True)
    in_body, _ = _read(body[:CONTENT_READ], 1, words, rare=False)
    troubles: Counter[int] = Counter()
    for text, weight in ((head, _TITLE_WEIGHT), (body, 1)):
        for word in _TROUBLE.findall(text):
            kinds = _TROUBLES_OF[word]
            for kind in kinds:
                troubles[kind] += weight / len(kinds)  # type: ignore[assignment]
    return Reading(
        tuple(in_title)[:_MOST_NAMES],
        tuple(name for name in in_body if name not in in_title)[:_MOST_NAMES],
        dict(words),
        dict(troubles),
        tuple(rare),
        (head + body)[:_HEAD],
    )


def _read(text: str, weight: int, words: Counter[str], *, rare: bool) -> tuple[dict[str, None], dict[str, None]]:
    """Names and rare pairs of a text, in order; its other words are added to `words`."""
    names: dict[str, None] = {}
    pairs: dict[str, None] = {}
    for run in _WORD.findall(text):
        tokens: list[str] = rjieba.cut(run, False)
        if rare:
            pairs |= dict.fromkeys(_rare_pairs(tokens))
        for name in _coined(tokens):
            names[name] = None
        pending: list[str] = []
        for at, token in enumerate(tokens):
            if not token.endswith(_ENDINGS):
                pending.append(token)
                continue
            name = _DISTRICT.sub("", _start_of_name(pending) + token)
            if len(name) < 3 and name not in _NO_NAMES:
                pending.append(token)  # 山 in 拟山花园
                continue
            if name in _NO_NAMES or _NUMBERED.match(name):
                _count(pending, weight, words)
                _count((token,), weight, words)
            else:
                _count((part for part in pending if part not in name), weight, words)
                number = "".join(tokens[at + 1 : at + 3])
                if name.endswith(_ROADS) and _HOUSE_NUMBER.fullmatch(number):
                    names[name + number] = None
                elif not name.endswith(_NO_PLACES):
                    names[_KIND_OF_PLACE.sub("", name) if len(name) > 4 else name] = None
            pending = []
        _count(pending, weight, words)
    return names, pairs


def _start_of_name(pending: list[str]) -> str:
    """What of the words before an ending belongs to the name: at most six characters, up to a word that ends no name."""
    start = ""
    for token in reversed(pending):
        if len(start) + len(token) > 6 or token in _BEFORE_NAMES or token in _BOILERPLATE:
            break
        start = token + start
    return start


def _count(tokens: Iterator[str] | list[str] | tuple[str, ...], weight: int, words: Counter[str]) -> None:
    for token in tokens:
        if len(token) > 1 and token not in _BOILERPLATE and token not in _NO_NAMES:
            words[token] += weight


def _rare_pairs(tokens: list[str]) -> Iterator[str]:
    for one, other in pairwise(tokens):
        if len(one) + len(other) < 3 or one in _BOILERPLATE or other in _BOILERPLATE:
            continue
        if (_unknown(one) or _unknown(other)) and not (_DISTRICT.fullmatch(one) or _DISTRICT.fullmatch(other)):
            yield one + other


def _coined(tokens: list[str]) -> Iterator[str]:
    """Runs of three characters and more that the dictionary can only spell one by one: names without an ending (鑫某宝)."""
    run = ""
    for token in (*tokens, ""):
        if (len(token) == 1 and token not in _FUNCTION_CHARACTERS and not token.isascii()) or (
            token and len(token) > 1 and _unknown(token) and not token.isascii()
        ):
            run += token
            continue
        if 3 <= len(run) <= 8:
            yield run
        run = ""


@lru_cache(65_536)
def _unknown(token: str) -> bool:
    """Whether a word is in no dictionary and tells no trouble: a name, most likely."""
    return len(token) > 1 and not rjieba.has_word(token) and token not in _TROUBLES_OF


@lru_cache(65_536)
def distinctive(name: str) -> bool:
    """Whether a name stands for one place: no road or village, no word of the dictionary (麻将馆), nothing like 夜宵店."""
    if name.endswith(_WIDE) or rjieba.has_word(name):
        return False
    ending = next((end for end in _ENDINGS if name.endswith(end)), "")
    start = name.removesuffix(ending)
    if len(start) > 6:
        return False
    tokens = rjieba.cut(start)
    if len(tokens) != 1 or not rjieba.has_word(tokens[0]):
        return True
    return name.endswith(_HOMES) and start not in _COMMON_STARTS


def same_name(one: str, other: str) -> bool:
    """Whether two names may be of one place: equal, or with something before it (the developer) or behind it (二期)."""
    if one == other:
        return True
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    return len(short) >= 3 and (long.endswith(short) or (len(short) >= 4 and long.startswith(short)))
