"""Finds the numbers in a text that belong to a person: phones, identity numbers, bank cards, however they are written.

A text is read as rows of digits: plain, full-width, of other scripts, or spoken (一三八, 幺, 壹), with a few separators or
words like 转 between them. A row is cut into atoms, the pieces in which no number may begin or end (a run of plain
digits; each spoken digit). Of all ways to read neighbouring atoms as numbers the one that explains most digits is taken.
docs/decisions/0007-personal-data.md has the rules and where they come from.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final, Literal, NamedTuple

Kind = Literal["identity", "card", "mobile", "landline", "local", "foreign"]

_SPOKEN: Final = {
    character: str(digit)
    for digit, characters in enumerate(
        (
            *("零〇○◯洞⓪⓿", "一壹弌幺么妖①⑴⒈❶➀➊㈠㊀", "二贰貳弍两兩②⑵⒉❷➁➋㈡㊁", "三叁參参弎③⑶⒊❸➂➌㈢㊂"),
            *("四肆④⑷⒋❹➃➍㈣㊃", "五伍⑤⑸⒌❺➄➎㈤㊄", "六陆陸⑥⑹⒍❻➅➏㈥㊅", "七柒拐⑦⑺⒎❼➆➐㈦㊆"),
            *("八捌⑧⑻⒏❽➇➑㈧㊇", "九玖勾⑨⑼⒐❾➈➒㈨㊈"),
        )
    )
    for character in characters
} | {character: str(n) for n, character in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")} | {chr(0x2080 + n): str(n) for n in range(10)}  # fmt: skip
_REPEATS: Final = {"二": 2, "两": 2, "俩": 2, "三": 3, "四": 4, "五": 5, "六": 6, "双": 2} | {
    str(n): n for n in range(2, 7)
}

_INVISIBLE: Final = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u20e3\u3164\ufe00-\ufe0f\ufeff\uffa0"
)
_DASHES: Final = "\\-\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
#: Between the parts of one number; what may also stand between different numbers is in _LISTING.
_TIGHT: Final = rf" \t\u00a0\u2000-\u200a\u202f\u205f\u3000{_DASHES}.．·•・‧∙⋅_＿*＊~～|｜()（）\[\]【】{_INVISIBLE}"
_LISTING: Final = r",，、/／\\。;；:：+＋=＝…&＆^<>「」#＃'＇\"＂‘’“”\n\r"
_WORD: Final = (
    "转|轉|空格|空|横杠|横|杠|点|点儿|分机|再|然后|接着|接|后面|后|逗号|减|加|嗯|呃|哦|啊|那个|中间"
    "|(?:&nbsp;)+|(?:<br ?/?>)+"
)
#: ** is a mask's, and what stands around it was read before.
_GAP: Final = rf"(?!\*\*)[{_TIGHT}{_LISTING}]{{0,6}}(?:(?:{_WORD})[{_TIGHT}{_LISTING}]{{0,3}})?"
#: For a character class; a text with none of these holds no number.
DIGITS: Final = rf"\d{''.join(_SPOKEN)}"
_DIGIT: Final = f"[{DIGITS}]"
#: 四个零, 双零 inside a number; never at its start, where it would be "three 138...".
_REPEAT: Final = rf"(?:[{''.join(_REPEATS)}]个|[双俩])(?:[{''.join(_SPOKEN)}]|\d(?!\d))"
#: Also as the Roman ten, the Cyrillic letter and the sign of multiplication.
_CHECK: Final = "[XxＸｘⅩⅹХх×](?![A-Za-zＡ-Ｚａ-ｚ\\d])"
# The first alternative is what the second finds, too, and is quicker.
_ROW: Final = re.compile(rf"{_DIGIT}(?:\d(?!个)|{_GAP}(?:{_REPEAT}|{_DIGIT}|{_CHECK})){{4,}}")
_ATOM: Final = re.compile(rf"(?P<repeat>{_REPEAT})|(?P<plain>\d+)|(?P<spoken>[{''.join(_SPOKEN)}])|(?P<check>{_CHECK})")
_LISTED: Final = re.compile(f"[{_LISTING}]")
_SUM: Final = re.compile("[+＋=＝]")
_CLOCK: Final = re.compile("[:：]")

_PROVINCE: Final = "(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3])"
_MONTH_DAY: Final = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
#: GB 11643: area, birthday, serial, check character; before 1999 fifteen digits with a year of two.
_IDENTITY: Final = re.compile(rf"{_PROVINCE}\d{{4}}(?:18|19|20)\d\d{_MONTH_DAY}\d{{3}}[\dX]")
_OLD_IDENTITY: Final = re.compile(rf"{_PROVINCE}\d{{4}}[2-9]\d{_MONTH_DAY}\d{{3}}")
_MOBILE: Final = re.compile(r"(?:0?086|86|0)?1[3-9]\d{9}")
_LANDLINE: Final = re.compile(
    r"(?P<area>(?:(?:00)?860?|0)(?:10|2[0-57-9]|(?P<four>[3-9]\d\d)))[2-9]\d{6}(?P<eighth>\d)?"
)
#: Mobile numbers without anything between them.
_MOBILES: Final = re.compile(r"(?:1[3-9]\d{9}){2,4}")
_SERVICE: Final = re.compile(r"[48]00\d{7}")
#: UnionPay 62 and older domestic ranges, Visa, Mastercard; the others only with a right Luhn digit.
_CARD: Final = re.compile(r"6[025689]\d{14,17}|4\d{15}|4\d{18}|5[0-8]\d{14}|95\d{14,17}")
_CHECKED_CARD: Final = re.compile(r"(?:2[2-7]|35)\d{14}|3[47]\d{13}|9\d{15,18}")
#: County and date, as case codes of city management begin (Appendix of CJ/T 315): 370212 20250512 00001.
_CASE_CODE: Final = re.compile(rf"{_PROVINCE}\d{{4}}20\d\d{_MONTH_DAY}\d{{5}}")
_DATE: Final = re.compile(rf"(?:19|20)\d\d{_MONTH_DAY}")

#: Not the + of a sum.
_ABROAD: Final = re.compile(r"(?<!\d)[+＋]$")
_CUE_REACH: Final = 16
_NEAR: Final = r"[^\d。；;！？!?\n]{0,6}$"
_PHONE_CUE: Final = re.compile(
    r"(?:电话|電話|座机|固话|手机|号码|致电|来电|回电|去电|联系|拨|打|回|呼|传真|小灵通|[Tt][Ee][Ll]|[Pp]hone|☎|📞)"
    + _NEAR
)
#: A second number after a first: 8888000 或 8888001.
_PHONE_BEFORE: Final = re.compile(r"\d{7}(?:或者?|[、，,/和及]|还有)\s?$")
_PHONE_CUE_AFTER: Final = re.compile(r"[^\d。；;\n]{0,4}(?:电话|座机|固话|号码|找我|联系我)")
_CARD_CUE: Final = re.compile(
    r"(?:卡|账号|帐号|账户|帐户|户头|存折|工行|农行|建行|中行|汇到|打到|打款|转到|转账)" + _NEAR
)
_IDENTITY_CUE: Final = re.compile(r"(?:身份|证件|居民证)" + _NEAR)
_NUMBER_CUE: Final = re.compile(
    r"(?:工单|单号|编号|编码|代码|案号|户号|表号|工号|流水号?|订单|运单|案件|事件|网格|社区|设备|合同|发票|票号|学号|文号|批次|经度|纬度"
    r"|坐标|金额|预算|[¥￥$#№]|[Nn][Oo]\.?|ID|[A-Za-z]-?)[^\d。；;，,\n]{0,4}$"
)
_UNIT_AFTER: Final = re.compile(
    r"\s?(?:[元块号米平㎡%％人户吨度年月日岁次个条株件份台套亩股盒公千万亿℃]|[A-Za-z.．:：/_=]|-(?!\d{3,4}(?![\d-]))|立方)"
)
#: What leads on from a phone number to the person: 转8012, -8012.
_EXTENSION: Final = re.compile(
    rf"[{_TIGHT},，]{{0,3}}(?:(?:转|轉|分机|[Ee][Xx][Tt])(?:分机|号)?[{_TIGHT}.:：]{{0,3}}{_DIGIT}{{2,6}}|[{_DASHES}]\d{{3,5}})"
    rf"[)）]?(?![\d{_DASHES}])"
)
_LOCAL_BARRED_BEFORE: Final = re.compile(r"[\dA-Za-z.．\-_/#=@:：%+*\\]$")


_PHONES: Final = frozenset(("mobile", "landline", "local"))
_SHORTEST: Final = 7
_LONGEST: Final = 19


@dataclass(frozen=True, slots=True)
class Found:
    """A personal number: where it stands in the text, what it is, and its digits (X for the check character)."""

    start: int
    end: int
    kind: Kind
    digits: str


class _Atom(NamedTuple):
    """Digits that stay together. `listed`: a separator before it that may also stand between different numbers."""

    start: int
    end: int
    digits: str
    plain: bool
    listed: bool


def find_numbers(text: str) -> list[Found]:
    """The personal numbers of a text, in order. Time grows with the length of the text, whatever is in it."""
    found: list[Found] = []
    for row in _ROW.finditer(text):
        atoms = _atoms(text, row.start(), row.end())
        if sum(len(atom.digits) for atom in atoms) >= _SHORTEST:
            found += _read(text, atoms)
    if not found:
        return found
    return [_with_extension(text, one, other) for one, other in zip(found, (*found[1:], None), strict=True)]


def _with_extension(text: str, one: Found, following: Found | None) -> Found:
    """A phone number with the extension behind it, where that is not the next number."""
    if one.kind not in _PHONES or not (behind := _EXTENSION.match(text, one.end)):
        return one
    if following and following.start < behind.end():
        return one
    return replace(one, end=behind.end())


def plain_digits(text: str) -> str:
    """Text with spoken, full-width and other digits as 0 to 9; as long as the text itself."""
    if text.isascii():
        return text
    return "".join(_SPOKEN.get(c) or (str(int(c)) if c.isdecimal() else c) for c in text)


def _atoms(text: str, start: int, end: int) -> list[_Atom]:
    atoms: list[_Atom] = []
    last = start
    for found in _ATOM.finditer(text, start, end):
        piece = found[0]
        if found.lastgroup == "plain":
            digits = piece if piece.isascii() else plain_digits(piece)
        elif found.lastgroup == "repeat":
            digits = plain_digits(piece[-1]) * _REPEATS[piece[0]]
        else:
            digits = _SPOKEN.get(piece, "X")
        listed = last < found.start() and _LISTED.search(text, last, found.start()) is not None
        if len(digits) >= 22 and _MOBILES.fullmatch(digits):
            starts = range(found.start(), found.end(), 11)
            atoms += [
                _Atom(at, at + 11, digits[at - starts[0] :][:11], True, at > starts[0] or listed) for at in starts
            ]
            last = found.end()
            continue
        atoms.append(_Atom(found.start(), found.end(), digits, found.lastgroup == "plain", listed))
        last = found.end()
    return atoms


class _Cues:
    """What the words before a place say about a number that begins there; each asked once."""

    def __init__(self, text: str, start: int) -> None:
        self._before = text[max(0, start - _CUE_REACH) : start]

    @property
    def abroad(self) -> bool:
        return _ABROAD.search(self._before) is not None

    @property
    def masked(self) -> bool:
        return self._before.endswith("**")

    @cached_property
    def identity(self) -> bool:
        return _IDENTITY_CUE.search(self._before) is not None

    @cached_property
    def card(self) -> bool:
        return _CARD_CUE.search(self._before) is not None

    @cached_property
    def number(self) -> bool:
        return _NUMBER_CUE.search(self._before) is not None

    @cached_property
    def phone(self) -> bool:
        return (_PHONE_CUE.search(self._before) or _PHONE_BEFORE.search(self._before)) is not None

    @cached_property
    def inside_another(self) -> bool:
        return _LOCAL_BARRED_BEFORE.search(self._before) is not None


def _read(text: str, atoms: list[_Atom]) -> list[Found]:
    """The reading of a row that explains most digits, with the fewest numbers; from the right, so that each is met once."""
    best: list[tuple[int, int]] = [(0, 0)] * (len(atoms) + 1)  # digits explained, minus numbers
    choice: list[tuple[int, Kind | None] | None] = [None] * len(atoms)
    for first in range(len(atoms) - 1, -1, -1):
        best[first] = best[first + 1]
        cues: _Cues | None = None
        digits = ""
        for last in range(first, len(atoms)):
            digits += atoms[last].digits
            if len(digits) > _LONGEST:
                break
            if len(digits) < _SHORTEST:
                continue
            cues = cues or _Cues(text, atoms[first].start)
            kind = _kind(text, atoms[first : last + 1], digits, cues)
            if kind is None:
                continue
            score = best[last + 1][0] + len(digits), best[last + 1][1] - 1
            if score > best[first]:
                best[first] = score
                choice[first] = (last, None if kind == "keep" else kind)
    found: list[Found] = []
    at = 0
    while at < len(atoms):
        taken = choice[at]
        if taken is None:
            at += 1
            continue
        last, chosen = taken
        if chosen is not None:
            start, end = _with_brackets(text, atoms[at].start, atoms[last].end)
            found.append(Found(start, end, chosen, "".join(atom.digits for atom in atoms[at : last + 1])))
        at = last + 1
    return found


def _with_brackets(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with a + or an opening bracket that belongs to it."""
    if start and text[start - 1] in "+＋":
        start -= 1
    if start and text[start - 1] in "(（" and any(bracket in text[start:end] for bracket in ")）"):
        start -= 1
    return start, end


def _kind(text: str, atoms: list[_Atom], digits: str, cues: _Cues) -> Kind | Literal["keep"] | None:
    """What these atoms are together; "keep": a number that is nobody's and hides no other."""
    kind = _by_digits(text, atoms, digits, cues)
    return kind if kind is not None and _shape_fits(text, atoms) else None


def _by_digits(text: str, atoms: list[_Atom], digits: str, cues: _Cues) -> Kind | Literal["keep"] | None:
    size, first = len(digits), digits[0]
    if size <= 8:
        return "local" if first not in "01" and _is_local(text, atoms, digits, cues) else None
    if "X" in digits:
        return "identity" if size == 18 and digits[17] == "X" and _is_identity(digits, cues) else None
    if 11 <= size <= 15 and first in "108" and _MOBILE.fullmatch(digits):
        return "keep" if _is_ip_address(text, atoms) else "mobile"
    if size >= 15 and _is_identity(digits, cues):
        return "identity"
    if size >= 12 and _is_card(digits, cues, atoms):
        return "card"
    if size == 10 and _SERVICE.fullmatch(digits):
        return "keep"
    if size <= 16 and first in "08" and _is_landline(atoms, digits, cues):
        return "landline"
    return "foreign" if cues.abroad and size <= 15 and not text.startswith("**", atoms[-1].end) else None


def _is_landline(atoms: list[_Atom], digits: str, cues: _Cues) -> bool:
    found = _LANDLINE.fullmatch(digits)
    if not found or not (found["four"] or found["eighth"]):
        return False
    whole = cues.abroad or len(atoms) == 1 or digits[0] == "0" or atoms[0].digits == "86"
    return whole and _cut_after(atoms, digits, len(found["area"]))


def _shape_fits(text: str, atoms: list[_Atom]) -> bool:
    """Whether the atoms may be parts of one number, and not a list of several."""
    if len(atoms) == 1:
        return True
    sizes = [len(atom.digits) for atom in atoms if atom.plain]
    if sizes and any(atom.listed for atom in atoms[1:]):
        signs = "".join(text[one.end : other.start] for one, other in pairwise(atoms))
        if _SUM.search(signs) and sizes != [3, 4, 4]:
            return False
        if (len(sizes) == len(atoms) or _CLOCK.search(signs)) and not (min(sizes) >= 3 or max(sizes) == 1):
            return False
    if len(sizes) < len(atoms):
        return True  # digits spoken one by one are no list
    if len(atoms) > 3 and _are_decimals(text, atoms):
        return False
    if len(atoms) > 3 and max(sizes) == 2:
        values = [int(atom.digits) for atom in atoms]
        return any(one >= other for one, other in pairwise(values))
    return True


def _are_decimals(text: str, atoms: list[_Atom]) -> bool:
    """Whether each second separator is a point, and no other: 13.5 12.6 13.8."""
    points = [text[one.end : other.start] in (".", "．") for one, other in pairwise(atoms)]
    return all(one != other for one, other in pairwise(points))


def _cut_after(atoms: list[_Atom], digits: str, length: int) -> bool:
    """Whether an area code of so many digits (with its country code) is nowhere cut by a separator between plain digits."""
    if all(len(atom.digits) == 1 for atom in atoms):
        return True
    country = 4 if digits.startswith("0086") else 2 if digits.startswith("86") else 0
    total = 0
    for atom, following in pairwise(atoms):
        total += len(atom.digits)
        if total < length and total not in (country, country + 1) and atom.plain and following.plain:
            return False
    return True


def _is_ip_address(text: str, atoms: list[_Atom]) -> bool:
    return len(atoms) == 4 and all(
        int(atom.digits) < 256 and (atom is atoms[0] or text[atom.start - 1] == ".") for atom in atoms
    )


def _is_identity(digits: str, cues: _Cues) -> bool:
    if len(digits) == 18 and _IDENTITY.fullmatch(digits):
        return _check_character(digits) == digits[17] or cues.identity or not cues.number
    if len(digits) == 15 and _OLD_IDENTITY.fullmatch(digits):
        return cues.identity or not cues.number
    return cues.identity


def _check_character(digits: str) -> str:
    """ISO 7064 MOD 11-2 over the first 17 digits."""
    return "10X98765432"[sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(digits[:17])) % 11]


def _is_card(digits: str, cues: _Cues, atoms: list[_Atom]) -> bool:
    if len(digits) >= 15:
        ranged = _CARD.fullmatch(digits)
        if (ranged or _CHECKED_CARD.fullmatch(digits)) and _luhn(digits):
            return True
        if (ranged or _in_fours(atoms)) and not cues.number and not _CASE_CODE.fullmatch(digits):
            return True
    return cues.card


def _in_fours(atoms: list[_Atom]) -> bool:
    """Written as it is embossed on a card, four by four; years and prices in a row rise."""
    if not 4 <= len(atoms) <= 5 or any(len(atom.digits) != 4 for atom in atoms[:4]) or atoms[0].digits[0] in "012":
        return False
    values = [int(atom.digits) for atom in atoms[:4]]
    return any(one >= other for one, other in pairwise(values))


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    doubled = sum(int("0246813579"[int(digit)]) for digit in digits[-2::-2])
    return (doubled + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def _is_local(text: str, atoms: list[_Atom], digits: str, cues: _Cues) -> bool:
    """Seven or eight digits without area code: with a word for phones, or eight in one piece that nothing else explains."""
    end = atoms[-1].end
    if "X" in digits or cues.masked or text.startswith("**", end):
        return False
    if _DATE.fullmatch(digits) and len(atoms) == 3:
        return False
    if cues.number or (_UNIT_AFTER.match(text, end) and not cues.phone):
        return False
    if cues.phone or _PHONE_CUE_AFTER.match(text, end):
        return True
    whole = len(digits) == 8 and all(one.end == other.start for one, other in pairwise(atoms))
    counted = digits in "123456789"  # 一二三四五六七八九号楼
    return whole and not counted and not _DATE.fullmatch(digits) and not cues.inside_another
