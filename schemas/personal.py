"""Masks personal data in fields and free text. Pure patterns without keys; connectors.privacy has the keys.

docs/decisions/0007-personal-data.md says what is masked, what is not, and why.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from schemas.numbers import DIGITS, find_numbers, plain_digits
from schemas.persons import CUE_STARTS, find_names, names_in_field

#: Stands for personal data of which nothing may be read.
FULL_MASK: Final = "***"

#: Text as the message gave it, and what stands in its place for readers.
Known = tuple[str, str]
_Span = tuple[int, int, str]

# One to one, so that a place found in the folded text is the same place in the text as it came.
_FOLD: Final = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {0x3000: 0x20, 0xA0: 0x20}
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), 0x2D)
)
_FULL_WIDTH: Final = re.compile("[\uff01-\uff5e\u3000\xa0\u2010-\u2015\u2212]")

# GA 36: province, issuing office, then five characters (six for new energy), the last maybe a word; WJ armed police.
_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼滬雲遼魯蘇贛晉陝閩貴粵寧瓊"
_LETTER: Final = "[A-Za-zＡ-Ｚａ-ｚ]"
_MARK: Final = f"[A-HJ-NP-Za-hj-np-zＡ-ＨＪ-ＮＰ-Ｚａ-ｈｊ-ｎｐ-ｚ{DIGITS}]"
_DOT: Final = "[ \t\u3000\xa0.．·•・‧∙_＿\\-－—–\u200b-\u200d\ufeff]{0,2}"
_MARKS: Final = (
    rf"(?=(?:{_LETTER}{_DOT}){{0,5}}[{DIGITS}])"
    rf"{_MARK}(?:{_DOT}{_MARK}){{3,4}}{_DOT}(?:{_MARK}|[挂学警港澳领使试超])(?![A-Za-z\d])"
)
#: Between the two letters and the rest: a dot, another sign, a bracket or 号牌.
_AFTER_LETTER: Final = (
    rf"(?:{_DOT}|[ ]?[:：、,，/／][ ]?|[ ]?(?P<open>[(（【“\"])|[”\"]|(?:号牌|车牌|牌照|牌)(?:号码|号)?[为是:：]?)"
)
_PLATE: Final = re.compile(
    rf"[{_PROVINCES}](?:{_DOT}|牌){_LETTER}{_AFTER_LETTER}{_MARKS}(?(open)[)）】”\"]?)"
    rf"|使{_DOT}\d{{3}}{_DOT}\d{{3}}(?!\d)|(?<!\d)\d{{3}}{_DOT}\d{{3}}{_DOT}使(?!用)"
    rf"|[WＷ][JＪ]{_DOT}(?:[{_PROVINCES}]{_DOT})?(?:\d{_DOT}){{4}}[\dA-Za-z](?![A-Za-z\d])"
    # Forces: 军A12345; those that are points of the compass only where the text speaks of a plate.
    rf"|(?:[军軍空海]|(?<=[车牌号是:：])[北沈兰济南广成]){_DOT}[A-ZＡ-Ｚ]{_DOT}\d{{5}}(?![A-Za-z\d])"
    # Without a province, where the text says that a plate follows.
    rf"|(?:车牌|车号|牌号|牌照)(?:号码|号)?[是为:：\s]{{0,2}}(?P<bare>{_LETTER}{_DOT}{_MARKS})"
)
#: 、B67890 after a plate.
_ANOTHER_PLATE: Final = re.compile(rf"[ ]?[、,，/／和及与][ ]?(?P<bare>{_LETTER}{_DOT}{_MARKS})")
# The first character is looked for by itself, since a set of characters is what `re` finds quickest.
_PLATE_STARTS: Final = f"{_PROVINCES}军軍空海北沈兰济南广成使WＷ车牌"
_PLATE_GOES_ON: Final = (
    rf"(?<=[{_PROVINCES}])(?:[\s.．·_\-—\u200b-\u200d]{{0,2}}|牌){_LETTER}|(?<=[军軍空海北沈兰济南广成]){_DOT}[A-ZＡ-Ｚ]"
    "|(?<=使)|(?<=[WＷ])[JＪ]|(?<=车)[牌号]|(?<=牌)[号照]"
)
_MAYBE_PLATE: Final = re.compile(f"[{_PLATE_STARTS}](?:{_PLATE_GOES_ON})")
_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9_.%+-])(?:(?P<user>[A-Za-z0-9_.%+-]{1,64})"
    r"(?:[ ]{0,2}@[ ]{0,2}|[ ]?(?:\(at\)|\[at\]|艾特)[ ]?)|(?P<han>[\u4e00-\u9fff]{1,4})@)"
    r"(?P<host>[A-Za-z0-9\u4e00-\u9fff-]{1,63}(?:[ ]?\.[ ]?[A-Za-z0-9-]{1,63}){1,8}|[A-Za-z0-9-]{1,63}\.[\u4e00-\u9fff]{2,4}"
    # A point that was typed or heard as another sign: only before what ends a host.
    r"|[A-Za-z0-9-]{1,63}(?:[ ]?[.。,点·][ ]?(?:com|cn|net|org|edu|gov))+)",
    re.IGNORECASE,
)
_MAYBE_EMAIL: Final = re.compile(r"[@＠]|艾特|[(\[（【][AaＡａ][TtＴｔ]")

#: Something of all that is masked. Most fields of most messages have none of it, and one look is all they cost.
_OTHERS: Final = f"{DIGITS}{CUE_STARTS}@＠艾(（\\[【"
_MAYBE: Final = re.compile(f"[{_PLATE_STARTS}{_OTHERS}](?:(?<=[{_OTHERS}])|{_PLATE_GOES_ON})")

_MOBILE: Final = re.compile(r"(?:(?:\+|00)?86|0)?(1[3-9]\d{9})")
_PHONE: Final = re.compile(r"0?\d{7,12}")
_COUNTRY: Final = re.compile(r"^(?:00)?860?")
_SEPARATORS: Final = re.compile(r"[\s().\-·_/\u200b-\u200f\u2060\ufeff]+")


def fold(text: str) -> str:
    """Full-width letters, digits and signs as ASCII, dashes as '-'; as long as the text itself."""
    return text.translate(_FOLD) if _FULL_WIDTH.search(text) else text


def mask_text(text: str, known: Iterable[Known] = (), *, fully: bool = False) -> str:
    """Text with phones, identity and card numbers, plates, e-mail addresses, named names and the `known` strings masked.

    `fully`: nothing of them stays readable, as a confidential report needs.
    """
    for given, mask in known:
        if given in text:
            text = text.replace(given, FULL_MASK if fully else mask)
    spans = _spans(text)
    if not spans:
        return text
    parts: list[str] = []
    done = 0
    for start, end, mask in spans:
        parts += (text[done:start], FULL_MASK if fully else mask)
        done = end
    return "".join((*parts, text[done:]))


def has_personal(text: str) -> bool:
    """Whether a text still holds something that `mask_text` would mask."""
    return bool(_spans(text))


def _spans(text: str) -> list[_Span]:
    """What to mask, in order and apart: start, end and mask."""
    if not _MAYBE.search(text):
        return []
    spans = [(found.start, found.end, _NUMBER_MASKS[found.kind](found.digits)) for found in find_numbers(text)]
    if _MAYBE_PLATE.search(text):
        spans += _plates(text)
    if _MAYBE_EMAIL.search(text):
        folded = fold(text).replace("【", "[").replace("】", "]")
        spans += [(*f.span(), _mask_email(f["user"] or "", f["host"])) for f in _EMAIL.finditer(folded)]
    spans += [(start, end, mask_name(name)) for start, end, name in find_names(text)]
    return _apart(spans) if len(spans) > 1 else spans


def _plates(text: str) -> list[_Span]:
    spans: list[_Span] = []
    for found in _PLATE.finditer(text):
        bare = found["bare"]
        spans.append((*found.span("bare"), f"{bare[0]}****") if bare else (*found.span(), _mask_plate(found[0])))
        while another := _ANOTHER_PLATE.match(text, spans[-1][1]):
            spans.append((*another.span("bare"), f"{another['bare'][0]}****"))
    return spans


def _apart(spans: list[_Span]) -> list[_Span]:
    """The spans in order; of two that overlap the longer one, grown over the other."""
    found: list[_Span] = []
    for start, end, mask in sorted(spans):
        if found and start < found[-1][1]:
            before = found.pop()
            shown = before[2] if before[1] - before[0] >= end - start else mask
            found.append((before[0], max(before[1], end), shown))
        else:
            found.append((start, end, mask))
    return found


def _mask_email(user: str, host: str) -> str:
    """The address with its user's first letter and its host, unless a number can be read in that."""
    return f"{user[:1]}***@{FULL_MASK if find_numbers(host) else host.replace(' ', '')}"


def mask_name(name: str) -> str:
    """A name with its first character only."""
    return f"{name[0]}**"


def phone_digits(text: str) -> str:
    """A phone number as bare digits (a mobile without country code); of several, or among words, the first.

    Empty for anything else, a masked number too.
    """
    digits = text if text.isdecimal() and text.isascii() else _SEPARATORS.sub("", plain_digits(fold(text)))
    if found := _MOBILE.fullmatch(digits):
        return found[1]
    digits = digits.removeprefix("+86")
    if _PHONE.fullmatch(digits):
        return digits
    first = next((found for found in find_numbers(text) if found.kind in ("mobile", "landline", "local")), None)
    if first is None:
        return ""
    return first.digits[-11:] if first.kind == "mobile" else _COUNTRY.sub("0", first.digits)


def mask_phone(digits: str) -> str:
    """A mobile as 138****0000, any other number with its last four digits hidden."""
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) == 11 and digits[0] == "1" else f"{digits[:-4]}****"


def mask_id(value: str) -> str:
    """An account or OpenID: its first two and last two characters where it is long enough to stay hidden."""
    return f"{value[:2]}****{value[-2:]}" if len(value) >= 12 else "****"


def known_name(name: str) -> list[Known]:
    """What masks a person's name in free text: the surname stays. Empty for words that name nobody."""
    return [(part, mask_name(part)) for part in names_in_field(name)]


def known_phone(given: str) -> list[Known]:
    """What masks a phone field's own text where free text repeats it, however it is written there."""
    digits = phone_digits(given)
    return [(spelling, mask_phone(digits)) for spelling in dict.fromkeys((given, digits))] if digits else []


def _mask_plate(found: str) -> str:
    kept = "".join(character for character in fold(found) if character.isalnum())
    return f"{kept[:2]}****" if not kept[0].isdigit() else "****使"


_NUMBER_MASKS: Final[dict[str, Callable[[str], str]]] = {
    "identity": lambda digits: f"{digits[0]}{'*' * 16}{digits[-1]}",
    "card": lambda digits: f"************{digits[-4:]}",
    "mobile": lambda digits: mask_phone(digits[-11:]),
    "landline": lambda digits: f"{digits[:-4]}****",
    "local": lambda _: "****",
    "foreign": lambda digits: f"{digits[:-6]}******",
}
