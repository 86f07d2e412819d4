"""What a text says, for matching: names of places and units, kinds of trouble, its words. Pure, the same on every machine.

A name is a run of words that are neither plea nor trouble, ended by a word like 小区, 路 or 公司 that may fall away, or a run
that no dictionary holds together (58车贷). Words and their parts of speech are those of the segmenter's own dictionary, pinned
by the lock file; the rest is streams/lexicon.toml. docs/decisions/0021-matching.md.
"""

import re
import tomllib
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

import opencc
import rjieba

#: Characters that are read of title and content: what it is about stands at the beginning.
TITLE_READ: Final = 80
CONTENT_READ: Final = 300
#: Characters of the content that stand for a title where there is none.
_OPENING: Final = 40
#: Words of the content in which names are looked for.
_NAME_WORDS: Final = 100
#: Names that are kept of a report.
MOST_NAMES: Final = 6
_LEAST_WORTH: Final = 0.3
#: A word of the title counts so much, one of the content once.
_TITLE_WEIGHT: Final = 3.0
#: Hashes of pairs of neighbouring words that are kept.
SKETCH: Final = 64
#: Rarity (0 to 12, an inverse frequency on a logarithmic scale) of a word in the dictionary, and of one that is in none.

OFF = 2.5
_CORPUS: Final = 60_101_967
_RARITY: Final = 12.0
#: Rarity of the words of a name from which it is sure to tell one place; what each character beyond three adds to its share.
_SURE_RARITY: Final = 15.0
_LONG_NAME: Final = 0.08
#: Rarity of a single character from which it is more likely part of a name than a word.
_COINED: Final = 8.5
#: A run of ordinary words is worth so much of one with a word that is in no dictionary.
_ORDINARY: Final = 0.4
#: Names of the content count so much, where the title names a place, and where it does not.
_IN_CONTENT: Final = 0.6
_ONLY_IN_CONTENT: Final = 0.9

with (Path(__file__).parent / "lexicon.toml").open("rb") as _file:
    _LEXICON: Final[dict[str, Any]] = tomllib.load(_file)
_LISTS: Final[dict[str, Any]] = _LEXICON["words"]
_HIDDEN: Final[dict[str, str]] = _LISTS["hidden_endings"]
#: An ending to how well such a name tells one place, and whether it is part of the name.
_ENDINGS: Final[dict[str, tuple[float, bool]]] = {
    word: (group["worth"], group["kept"]) for group in _LEXICON["endings"] for word in group["words"]
}
_ENDINGS.update({word: _ENDINGS[ending] for word, ending in _HIDDEN.items()})
_ROAD_LIKE: Final = frozenset(_LISTS["road_like"])
_ROADS: Final = frozenset(_LISTS["roads"])
_UNIT_ENDINGS: Final = frozenset(_LISTS["shops_and_firms"])
_AREAS: Final = frozenset(_LISTS["areas"])
_NUMBERED: Final = frozenset(_LISTS["numbered"])
_PEOPLE: Final = frozenset(_LISTS["people"])
_NOT_NAMED_FOR: Final = frozenset((*_LISTS["people"], *_LISTS["areas"], *_LISTS["not_named_for"]))
_INSTITUTIONS: Final = frozenset(_LISTS["institutions"])
_LINES: Final = frozenset(_LISTS["lines"])
_UNITS: Final = frozenset(_LISTS["units"])
_NAME_WORDS_OF_TROUBLE: Final = frozenset(_LISTS["name_words"])
_LOOSE: Final = frozenset(_LISTS["loose"])
_BOILERPLATE: Final = frozenset(_LISTS["boilerplate"])
#: Kinds of trouble, in the order of their place in a vector.
TROUBLES: Final = tuple(_LEXICON["troubles"])
_TROUBLES_OF: Final[dict[str, tuple[int, ...]]] = {}
for _place, _words in enumerate(_LEXICON["troubles"].values()):
    for _one in _words:
        _TROUBLES_OF[_one] = (*_TROUBLES_OF.get(_one, ()), _place)

#: Of each kind those that people tell the same matter by.
RELATED: Final[tuple[tuple[int, ...], ...]] = tuple(
    tuple(
        sorted(
            {
                TROUBLES.index(other)
                for group in _LEXICON["related"].values()
                if kind in group
                for other in group
                if other != kind
            }
        )
    )
    for kind in TROUBLES
)

_CUTTER: Final = rjieba.Jieba()
for _one in (*(word for word in _TROUBLES_OF if len(word) > 1), "号线", "号楼"):
    _CUTTER.add_word(_one, 20_000, "n")
_SIMPLE: Final = opencc.OpenCC("t2s")
#: No text holds it after `folded`.
_BETWEEN: Final = "\x00"
#: An administrative name in front, coded (a3区) or real: inside one district no evidence of a place.
_ADMIN: Final = re.compile(r"[a-z]\d{0,2}[省市区县州]|[\u4e00-\u9fff]{2}[省市](?=[\u4e00-\u9fff])")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]+")
_NUMBER_WORD: Final = re.compile(r"[a-z0-9\-]+|[一二三四五六七八九十百零]+")
_LINE_NUMBER: Final = re.compile("([一二三四五六七八九])(?=号线)")
_AGAIN: Final = re.compile(
    r"第[二三四五六七八九十\d]+次|再次|又一次|多次(?:反映|来电|投诉|报)|催一下|催办|(?:之前|上次|前两天|前几天)已?经?(?:反映|报|打|投诉|来电)"
)
_QUOTED: Final = re.compile(r"[“\"《「‘]([\u4e00-\u9fffa-z0-9]{3,10})[”\"》」’]")
_DIGITS: Final = frozenset("0123456789一二三四五六七八九十")
#: Units of a number that stand behind the name of an estate.
_BUILDINGS: Final = frozenset(("号楼", "栋", "幢", "座", "号院"))
#: Where two names differ so they are two: 一路 and 二路, 东路 and 西路.
_TELLING_APART: Final = frozenset("0123456789一二三四五六七八九十东西南北中上下新老前后大小")
_ROAD_ENDS: Final = ("路", "街", "巷", "道")
_FIRM: Final = re.compile(
    "(?<=..)(?:药业|药厂|化工厂?|公司|集团|实业|置业|地产|建设|[鞋酒矿]业|[鞋酒]?厂|(?:艺术|培训|职业|技术|实验)*学校|[艺驾技职]校|学院|职院)$"
)
_KINDS_OF_PLACES: Final = re.compile(
    "|".join(
        sorted(
            (*(word for word in _ENDINGS if len(word) > 1), *_LISTS["kinds_of_places"]),
            key=lambda word: (-len(word), word),
        )
    )
)
#: Parts of speech (jieba's marks) of words that hold no meaning of their own, and of those that break a name unless rare.
_FUNCTION_MARKS: Final = frozenset(
    ("r", "p", "c", "u", "d", "y", "e", "o", "q", "f", "zg", "ul", "uj", "uz", "ug", "ud", "uv", "k", "h", "t")
)
_VERB_MARKS: Final = frozenset(("v", "vn", "vd", "a", "ad", "an", "z", "i", "l", "vg"))

_BREAK, _NAME, _VERBAL, _ENDING, _NUMBER = range(5)
#: Sorts of names: a run of words that nothing ends; ended by a word like 小区, 公司 or 店, 路, 铁路, 社区 or 镇.
RUN, PLACE, UNIT, ROAD, LINE, AREA = range(6)
SORTS: Final = 6


class Name(NamedTuple):
    """A name in a text. worth: how well it tells one place, 0 to 1. sort: RUN, PLACE, UNIT, ROAD, LINE or AREA.

    main: it says where it happens: a name of the title, or the first of the content where the title has none.
    """

    text: str
    worth: float
    main: bool
    sort: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as matching sees it. words: hash to weight, names left out. troubles: place in TROUBLES to weight.

    sketch: the smallest hashes of its pairs of neighbouring words, by which a text told again is known (`resemblance`).
    again: it says that the same was told before.
    """

    names: tuple[Name, ...]
    words: dict[int, float]
    troubles: dict[int, float]
    sketch: bytes
    again: bool


class _Word:
    """What is known of a word beforehand. telling: it has a meaning of its own, as a noun or a verb does.

    parts: an ending that never chains with another. road: one of a road.
    """

    __slots__ = ("ending", "hash", "kind", "parts", "rarity", "road", "sketched", "telling", "text", "troubles")

    def __init__(self, text: str) -> None:
        self.text = text
        self.hash = crc32(text.encode())
        known = rjieba.has_word(text)
        tagged = rjieba.tag(text, False) if known else []
        mark = tagged[0][1] if len(tagged) == 1 else "x"
        han = _HAN.fullmatch(text) is not None
        plea = text in _BOILERPLATE
        self.rarity = min(_RARITY, log(_CORPUS / rjieba.suggest_freq(text)) - OFF)
        self.troubles = _TROUBLES_OF.get(text) or _inner_troubles(text)
        self.telling = (
            len(text) > 1
            and han
            and not plea
            and mark not in _FUNCTION_MARKS
            and text not in _ENDINGS
            and text not in _UNITS
        )
        # 御花园 and 服务公司 end a name like 花园 and 公司.
        ending = text if text in _ENDINGS else text[-2:] if known and len(text) > 2 and text[-2:] in _ENDINGS else ""
        self.ending = ending
        self.parts = text in _ROADS
        self.road = bool(ending) and text.endswith(_ROAD_ENDS)
        if ending:
            self.kind = _ENDING
        elif _NUMBER_WORD.fullmatch(text):
            self.kind = _NUMBER
        elif not han or plea or text in _LOOSE or (self.troubles and text not in _NAME_WORDS_OF_TROUBLE):
            self.kind = _BREAK
        elif len(text) == 1:
            self.kind = _NAME
        elif mark == "m":
            self.kind = _NUMBER
        elif mark == "t" or (mark in _FUNCTION_MARKS and self.rarity < _COINED):
            self.kind = _BREAK
        else:
            self.kind = _VERBAL if mark in _VERB_MARKS else _NAME
        self.sketched = self.kind != _BREAK or self.telling or plea or bool(self.troubles)


def _inner_troubles(text: str) -> tuple[int, ...]:
    """The troubles of the longest word within a word (诈骗 in 诈骗案)."""
    for size in (4, 3, 2):
        for at in range(len(text) - size + 1) if len(text) > size else ():
            found = _TROUBLES_OF.get(text[at : at + size])
            if found:
                return found
    return ()


_word = lru_cache(200_000)(_Word)


def folded(text: str) -> str:
    """Full-width as ASCII, lower case, no blanks, traditional characters as simplified ones, 五号线 as 5号线."""
    text = str(_SIMPLE.convert(unicodedata.normalize("NFKC", "".join(text.split())).lower()))
    text = text.replace("#楼", "号楼").replace("#", "号楼")
    if "号线" in text:
        text = _LINE_NUMBER.sub(lambda found: str("零一二三四五六七八九".index(found[1])), text)
    return text


def read(title: str, content: str, address: str = "") -> Reading:
    """What title, content and address say; where there is no title, the beginning of the content takes its place."""
    # One text for all: what is called costs more than what is read.
    title = title.strip() or content[:_OPENING]
    told = _ADMIN.sub("，", folded(f"{title[:TITLE_READ]}，{address[:TITLE_READ]}{_BETWEEN}{content[:CONTENT_READ]}"))
    head, _, body = told.partition(_BETWEEN)
    in_head = [_word(token) for token in _CUTTER.cut(head, False)]
    in_body = [_word(token) for token in _CUTTER.cut(body, False)]
    names = _names(head, in_head, in_body)
    inside = "|".join([name.text for name in names])
    words: dict[int, float] = {}
    troubles: dict[int, float] = {}
    for found, weight in ((in_head, _TITLE_WEIGHT), (in_body, 1.0)):
        for word in found:
            for place in word.troubles:
                troubles[place] = troubles.get(place, 0.0) + weight / len(word.troubles)
            if word.telling and word.text not in inside:
                words[word.hash] = words.get(word.hash, 0.0) + weight
    return Reading(tuple(names), words, troubles, _sketch([*in_head, *in_body]), _AGAIN.search(told) is not None)


def _names(head: str, in_head: Sequence[_Word], in_body: Sequence[_Word]) -> list[Name]:
    """Names of the title, and of the content the best that the title lacks."""
    found: dict[str, Name] = {}
    for text, worth, sort in _told_names(in_head, in_title=True):
        old = found.get(text)
        found[text] = Name(text, max(worth, old.worth if old else 0.0), True, sort or (old.sort if old else RUN))
    for text in _QUOTED.findall(head):
        if text not in found:
            quoted = [_word(token) for token in _CUTTER.cut(text, False)]
            found[text] = Name(text, 0.8 * _rarity(quoted, len(text)), True, RUN)
    told = any(name.worth > 0.4 for name in found.values())
    more: dict[str, Name] = {}
    for text, worth, sort in _told_names(in_body[:_NAME_WORDS], in_title=False):
        if text not in found and worth > max(_LEAST_WORTH, more[text].worth if text in more else 0.0):
            more[text] = Name(text, worth, False, sort)
    if not told:
        first = next((name for name in more.values() if name.sort), None)
        if first is not None:
            more[first.text] = first._replace(main=True)
    best = sorted(more.values(), key=lambda name: (-name.worth * (1.3 if name.sort else 1.0), name.text))
    return [
        *found.values(),
        *(
            name
            if name.main
            else name._replace(worth=name.worth * (_IN_CONTENT if told or not name.sort else _ONLY_IN_CONTENT))
            for name in best[: max(3, MOST_NAMES - len(found))]
        ),
    ][:MOST_NAMES]


_Told = tuple[str, float, int]


def _told_names(words: Sequence[_Word], *, in_title: bool) -> list[_Told]:
    """Names in a line of words: each with its worth and sort."""
    found: list[_Told] = []
    start = size = 0
    promising = False
    for at, word in enumerate(words):
        kind = word.kind
        if kind != _BREAK or (size > 1 and word.troubles and _named_for(words, at)):
            size += len(word.text)
            promising = promising or kind in (_ENDING, _NAME)
            continue
        if size > 1 and (promising or words[at - 1].kind == _NUMBER):
            found += _names_of_run(tuple(words[start : at + 1]), in_title)
        start, size, promising = at + 1, 0, False
    if size > 1 and promising:
        found += _names_of_run(tuple(words[start:]), in_title)
    return found


def _named_for(words: Sequence[_Word], at: int) -> bool:
    """Whether a word of trouble stands within a name, before its ending: 养老 in 夕阳红养老公寓."""
    return at + 1 < len(words) and words[at + 1].kind == _ENDING and words[at + 1].text not in _NOT_NAMED_FOR


@lru_cache(65_536)
def _names_of_run(words: tuple[_Word, ...], in_title: bool) -> tuple[_Told, ...]:
    """Names in a run of words that nothing breaks but perhaps the last."""
    return tuple(_in_run(words, in_title=in_title))


def _in_run(words: Sequence[_Word], *, in_title: bool) -> Iterator[_Told]:
    run: list[_Word] = []
    at, last = 0, len(words)
    while at < last:
        word = words[at]
        kind = word.kind
        following = words[at + 1] if at + 1 < last else None
        if kind == _NUMBER and following and following.text in _UNITS:
            if run and following.text in _BUILDINGS and all(part.kind == _NAME for part in run):
                name = "".join([part.text for part in run])  # 岚铭 in 岚铭30号楼
                if 2 <= len(name) <= 8:
                    yield name, _rarity(run, len(name)), PLACE
            elif run:
                yield from _unended(run, in_title=in_title)
            run = []
            at += 2
            continue
        if kind == _ENDING and run and not _goes_on(words, at):
            until = at
            while (
                not words[until].parts
                and until + 1 < last
                and words[until + 1].kind == _ENDING
                and not words[until + 1].parts
            ):
                until += 1  # a chain of endings (花园 小区) ends one name
            number = _house_number(words, until)
            yield from _ended(run, words[at : until + 1], number)
            run = []
            at = until + (3 if number else 1)
            continue
        if kind == _ENDING and not run and (not _ENDINGS[word.ending][1] or word.text in _HIDDEN or word.parts):
            at += 1
            continue
        if kind == _NUMBER and following and following.troubles and len(word.text) > 1 and word.text.isdigit():
            yield word.text + following.text, 0.7, RUN  # 58车贷
        within = kind != _BREAK or (run and word.troubles and _named_for(words, at))
        if within and len(run) < 8:
            run.append(word)
        else:
            if run:
                yield from _unended(run, in_title=in_title)
            run = []
        at += 1
    if run:
        yield from _unended(run, in_title=in_title)


def _goes_on(words: Sequence[_Word], at: int) -> bool:
    """Whether a name goes on behind an ending of one character that is no road's: 湾 in 金沙湾锦公寓, 湖 in 梅溪湖金茂府."""
    if len(words[at].text) > 1 or words[at].parts or at + 2 >= len(words):
        return False
    return words[at + 1].kind == _NAME and words[at + 2].kind == _ENDING


def _house_number(words: Sequence[_Word], road: int) -> str:
    """The number of the house after a road (159号), empty where there is none."""
    if not words[road].road or road + 2 >= len(words) or words[road + 2].text != "号":
        return ""
    number = words[road + 1].text
    return f"{number}号" if number.isdecimal() and len(number) <= 4 else ""


def _ended(run: list[_Word], endings: Sequence[_Word], number: str) -> Iterator[_Told]:
    """The name that such words end, if there is one, with the number of the house."""
    first = endings[0].ending
    worth = max(_ENDINGS[ending.ending][0] for ending in endings)
    end = "".join(_HIDDEN.get(ending.text, ending.text) for ending in endings if _ENDINGS[ending.ending][1])
    verbs_belong = first in _ROAD_LIKE or _ENDINGS[first][1] or (len(run) == 1 and first not in _PEOPLE)
    body = run
    while body and body[0].kind == _VERBAL and not (verbs_belong and len(body) == 1):
        body = body[1:]
    if not verbs_belong:
        verb = max((at for at, word in enumerate(body) if word.kind == _VERBAL), default=-1)
        body = body[verb + 1 :]
    name = "".join([word.text for word in body]) + end
    if body and all(word.kind == _NUMBER for word in body):
        if first in _NUMBERED and len(body) == 1 and len(name) <= 6:
            yield name, 0.29, PLACE
        return
    if not body or not 2 <= len(name) <= 14:
        return
    if len(first) > 1 and len(body) < 2 and len(_KINDS_OF_PLACES.sub("", name)) < 2:
        return
    known = _rarity(body, len(name))
    if number:
        yield name + number, known, ROAD
        return
    last = endings[-1].ending
    if first in _LINES:
        sort = LINE
    elif any(ending.road for ending in endings):
        sort = ROAD  # 恒屿街店 is a branch in this street
    else:
        sort = AREA if last in _AREAS else UNIT if last in _UNIT_ENDINGS else PLACE
    yield name, worth * (max(known, 0.55) if first in _INSTITUTIONS else known), sort


def _unended(run: list[_Word], *, in_title: bool) -> Iterator[_Told]:
    """Names in a run that no word like 路 or 小区 ends: pieces between verbs, from three characters on."""
    if sum([len(word.text) for word in run]) < 3:
        return
    piece: list[_Word] = []
    for word in (*run, None):
        if word is not None and word.kind != _VERBAL:
            piece.append(word)
            continue
        while piece and piece[-1].kind == _NUMBER:
            piece.pop()
        while piece and piece[0].kind == _NUMBER and not piece[0].text.isascii():
            del piece[0]
        name = "".join([part.text for part in piece])
        if 3 <= len(name) <= 12:
            spelt = sum(len(part.text) == 1 for part in piece)
            worth = 0.9 if spelt >= 2 else 0.75 if len(piece) > 1 and in_title else 0.5
            if not any(len(part.text) == 1 and part.rarity >= _COINED for part in piece):
                worth *= _ORDINARY
            yield name, worth * _rarity(piece, len(name)), RUN
        piece = []


def _rarity(body: Sequence[_Word], length: int) -> float:
    """How unlikely the words of a name stand together by chance, 0 to 1."""
    total = sum([word.rarity if word.kind != _NUMBER else 0.4 * word.rarity for word in body])
    return min(1.0, total / _SURE_RARITY + _LONG_NAME * max(0, length - 3))


def _sketch(words: Sequence[_Word]) -> bytes:
    hashes = [word.hash for word in words if word.sketched]
    pairs = {(one * 31 + other * 0x9E3779B1 >> 7) & 0xFFFF for one, other in pairwise(hashes)}
    return array("H", sorted(pairs)[:SKETCH]).tobytes()


def resemblance(one: bytes, other: bytes) -> float:
    """Share of the pairs of neighbouring words that two texts have in common, by their sketches, 0 to 1 (MinHash)."""
    a, b = set(array("H", one)), set(array("H", other))
    full = [max(sketch) for sketch in (a, b) if len(sketch) == SKETCH]
    if full:
        top = min(full)
        a, b = {value for value in a if value <= top}, {value for value in b if value <= top}
    both = len(a & b)
    return both / (len(a) + len(b) - both) if both else 0.0


@lru_cache(65_536)
def same_name(one: str, other: str) -> bool:
    """Whether two names may be of one place: equal, one within the other, or the end of one in the other."""
    if one == other:
        return True
    short, long = (one, other) if len(one) <= len(other) else (other, one)
    if len(short) >= 3 and short in long:
        at = long.index(short)
        return at == 0 or short[0] not in _DIGITS or long[at - 1] not in _DIGITS
    if short[:2] == long[:2] and len(long) <= 8:
        core = _FIRM.sub("", short)
        if core != short and core == _FIRM.sub("", long):
            return True
    if len(short) == 2:
        return len(long) <= 4 and long.startswith(short)
    if len(short) == len(long) >= 6:
        slips = [(a, b) for a, b in zip(short, long, strict=True) if a != b]
        if len(slips) == 1 and _TELLING_APART.isdisjoint(slips[0]):
            return True  # 万婴格林 and 万瀛格林: a slip of the ear
    if len(short) >= 5:
        size = max(4, (len(short) * 2 + 2) // 3)
        return _end_within(short, long, size) or _end_within(long, short, size)
    return False


def _end_within(one: str, other: str, size: int) -> bool:
    """Whether the last `size` characters of a name stand in another, and are more than words like 公园."""
    end = one[-size:]
    return end in other and _telling(_KINDS_OF_PLACES.sub("", end))


@lru_cache(65_536)
def _telling(text: str) -> bool:
    """Whether a text holds a word rare enough for a name: not the 装饰工程 of a company, the 家常 of an inn."""
    words = [_word(token) for token in _CUTTER.cut(text, False)]
    return len(text) >= 2 and any(
        word.rarity >= (_COINED if len(word.text) == 1 else _RARITY) for word in words if word.kind != _NUMBER
    )
