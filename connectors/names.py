"""Places named in a text: streets, communities and the names of the profile's gazetteer, and how sure they make us.

docs/decisions/0017-places.md has the table of methods and confidences. One pass over a text, whatever is in it.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Final, Literal

from connectors.elsewhere import REACH, is_elsewhere
from connectors.geo import Point
from profiles import Community, Profile

_SUFFIX: Final = "社区"
#: A bare name of two characters is too often an everyday word (大桥, 会场): it counts right after its street only.
_AFTER_STREET: Final = ("街道", "镇", "乡")
_HOUSE: Final = re.compile(r"\s?(\d{1,5})(?:-\d{1,4})?号", re.ASCII)

# Confidences; 0017-places.md.
_OWN_NAME, _BARE_NAME, _GAZETTEER, _ROAD, _SEVERAL, _STREET = 0.8, 0.7, 0.8, 0.6, 0.5, 0.5
_AGREED, _DISAGREED, _MOST, _LEAST = 0.1, 0.2, 0.95, 0.3

# Traditional characters and variants of place names; others are compared as they are.
_PAIRS: Final = (
    "嶗崂勞劳區区鎮镇鄉乡縣县莊庄灣湾島岛東东韓韩張张劉刘孫孙馬马龍龙門门橋桥園园國国學学場场廣广陽阳陰阴雲云蘇苏華华興兴豐丰嶺岭澗涧"
    "峯峰樓楼號号單单環环濱滨蓋盖錦锦綠绿紅红黃黄藍蓝銀银鐵铁鋼钢溝沟麥麦窯窑棗枣樹树葉叶蘭兰關关電电車车站站棟栋戶户寶宝慶庆寧宁"
    "爾尔齊齐濟济濰潍煙烟臺台萬万頭头於于後后裏里裡里隊队處处發发長长連连運运邊边遠远鄭郑陳陈楊杨趙赵吳吴盧卢鄧邓羅罗許许葛葛"
    "蔣蒋賈贾顧顾閻阎範范穀谷義义禮礼聖圣嘯啸鳳凤鶴鹤鷹鹰鴻鸿鹽盐鹹咸滄沧瀾澜滙汇匯汇創创業业廠厂師师範范醫医館馆圖图書书報报氣气"
    "觀观覽览視视現现堯尧徑径衛卫衝冲務务勝胜協协參参雙双員员嶼屿嶽岳巖岩峽峡岡冈崗岗廟庙廳厅恆恒愛爱慮虑應应懷怀戲戏據据"
)
_SIGNS: Final = range(0xFF1A, 0xFF21)
_SIMPLE: Final[dict[int, str | int]] = {
    **{ord(old): new for old, new in zip(_PAIRS[::2], _PAIRS[1::2], strict=True) if old != new},
    **{
        code: code - 0xFEE0
        for first in (0xFF10, 0xFF21, 0xFF41)
        for code in range(first, first + 26)
        if code not in _SIGNS
    },
}
_TO_FOLD: Final = re.compile(f"[{''.join(map(chr, _SIMPLE))}]")


def simple(text: str) -> str:
    """Text with simplified characters and ASCII letters and digits, as long as the text itself."""
    return text.translate(_SIMPLE) if _TO_FOLD.search(text) else text


@dataclass(frozen=True, slots=True)
class Match:
    """What the texts say about the place. community: None where they tell a street only."""

    community: Community | None
    street_code: str
    method: Literal["gazetteer", "text"]
    confidence: float


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a name may mean. houses: tells whether a house number lies on this stretch of a road; None: any place of it."""

    kind: str
    community: Community | None
    street_code: str
    houses: Callable[[int], bool] | None = None


@dataclass(slots=True)
class _Hit:
    """A name found in a text, with what it may mean there; `sure`: how sure it makes us where it means one community."""

    name: str
    meanings: list[_Meaning]
    sure: float
    specific: bool

    @property
    def communities(self) -> set[str]:
        return {meaning.community.code for meaning in self.meanings if meaning.community}


class Names:
    """Look-ups over all names of a profile. `community_at`: the community whose outline holds a point, None without one."""

    def __init__(self, profile: Profile, community_at: Callable[[Point], Community | None]) -> None:
        self._meanings: dict[str, list[_Meaning]] = defaultdict(list)
        streets = {community.street_code: community.street for community in profile.communities.values()}
        for code, name in streets.items():
            self._meanings[simple(name)].append(_Meaning("street", None, code))
        for community in profile.communities.values():
            for name in {community.name, community.name.removesuffix(_SUFFIX)}:
                self._meanings[simple(name)].append(_Meaning("community", community, community.street_code))
        for row in profile.gazetteer:
            found = profile.communities.get(row.community_code)
            if found is None and row.point is not None and row.kind != "road":
                found = community_at(row.point)
            if found is not None and found.street_code != row.street_code:
                found = None
            houses = row.houses.hold if row.houses else None
            for name in row.names:
                self._meanings[simple(name)].append(_Meaning(row.kind, found, row.street_code, houses))
        self._county = profile.county_code
        self._own = {simple(c.name) for c in profile.communities.values()}
        self._by_start: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._meanings, key=lambda name: (-len(name), name)):
            if len(name) >= 2:
                self._by_start[name[:2]].append(name)

    def find(self, texts: Sequence[str], street_code: str | None) -> Match | None:
        """The place that the texts name, the first text that tells a community first; `street_code` is known already.

        Within a text the most specific, then the longest name leads. Other names that fit make it surer, others that do not,
        less sure. Names of which each leaves several communities tell the one that all of them leave.
        """
        by_text = [
            sorted(self._hits(text, street_code), key=lambda hit: (-hit.specific, -len(hit.name))) for text in texts
        ]
        every = [hit for hits in by_text for hit in hits]
        for hits in by_text:
            for hit in hits:
                if len(hit.communities) == 1:
                    return _judged(hit, every, street_code)
            if (shared := _in_common(hits)) is not None:
                return _judged(shared, every, street_code)
        for hit in every:
            streets = {meaning.street_code for meaning in hit.meanings}
            if len(streets) == 1:
                own = hit.meanings[0].kind in ("street", "community")
                return Match(None, streets.pop(), "text" if own else "gazetteer", _STREET if own else _SEVERAL)
        return None

    def _hits(self, text: str, street_code: str | None) -> Iterator[_Hit]:
        folded = simple(text)
        for name, start in self._names_in(folded):
            before = folded[max(0, start - REACH) : start]
            if is_elsewhere(before, self._county):
                continue
            after_street = before.endswith(_AFTER_STREET)
            if len(name) == 2 and not after_street:
                continue
            meanings = [m for m in self._meanings[name] if street_code in (None, m.street_code)]
            house = _HOUSE.match(folded, start + len(name))
            if house and (stretches := [m for m in meanings if m.houses and m.houses(int(house[1]))]):
                yield _Hit(name, stretches, _GAZETTEER, True)
                continue
            if not meanings:
                continue
            road = all(meaning.kind == "road" for meaning in meanings)
            own = any(meaning.kind == "community" for meaning in meanings)
            sure = _ROAD if road else _GAZETTEER if not own else _OWN_NAME
            if own and name not in self._own and not after_street:
                sure = _BARE_NAME
            yield _Hit(name, meanings, sure, not road and meanings[0].kind != "street")

    def _names_in(self, text: str) -> Iterator[tuple[str, int]]:
        """Known names in order; a longer one hides the shorter ones inside it (中韩街道 is not 中韩社区)."""
        by_start, end = self._by_start, 0
        for start in [n for n, pair in enumerate(map(add, text, text[1:])) if pair in by_start]:
            if start < end:
                continue
            for name in by_start[text[start : start + 2]]:
                if text.startswith(name, start):
                    end = start + len(name)
                    yield name, start
                    break


def _in_common(hits: Sequence[_Hit]) -> _Hit | None:
    """The leading name, meaning the one community that every name leaves possible; None where that is not one."""
    placed = [hit for hit in hits if hit.communities]
    if len(placed) < 2:
        return None
    left = placed[0].communities.intersection(*(hit.communities for hit in placed[1:]))
    if len(left) != 1:
        return None
    meanings = [m for m in placed[0].meanings if m.community and m.community.code in left]
    return _Hit(placed[0].name, meanings, _ROAD, placed[0].specific)


def _judged(hit: _Hit, every: Iterable[_Hit], street_code: str | None) -> Match:
    """A hit that means one community, weighed against the other names and the street known already."""
    meaning = next(meaning for meaning in hit.meanings if meaning.community)
    community = meaning.community
    confidence = hit.sure + (_AGREED if street_code else 0)
    for name, others in {other.name: other for other in every if other.name != hit.name}.items():
        if name in hit.name or hit.name in name:
            continue
        if others.communities:
            fits = community is not None and community.code in others.communities
        else:
            fits = meaning.street_code in {m.street_code for m in others.meanings}
        confidence += _AGREED if fits else -_DISAGREED
    method: Literal["gazetteer", "text"] = "text" if meaning.kind == "community" else "gazetteer"
    return Match(community, meaning.street_code, method, round(min(_MOST, max(_LEAST, confidence)), 2))
