"""What keeps personal data from going past the gateway: masks for reading, keyed hashes for joining, a seal for the original.

docs/decisions/0007-personal-data.md says what is masked, what is not, and why.
"""

import hmac
import os
import re
from collections.abc import Callable, Iterable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12
_MIN_HMAC_KEY: Final = 16
_SEAL_KEY_BYTES: Final = 32

# One to one, so that a place found in the folded text is the same place in the text as it came.
_FOLD: Final = (
    {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    | {0x3000: 0x20, 0xA0: 0x20}
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), 0x2D)
)
_GAP: Final = r"[ \t.-]{0,2}"
_WORTH_A_LOOK: Final = re.compile(r"[\d@＠]")  # \d takes full-width digits too
_FULL_WIDTH: Final = re.compile("[\uff01-\uff5e\u3000\xa0\u2010-\u2015\u2212]")
_PERSONAL: Final = re.compile(
    # Resident identity number: area, birthday, serial, check character. The birthday tells it from order numbers.
    rf"(?P<identity>(?<!\d)[1-8]\d(?:{_GAP}\d){{4}}{_GAP}(?:1[89]|20)\d\d{_GAP}(?:0[1-9]|1[0-2]){_GAP}"
    rf"(?:0[1-9]|[12]\d|3[01]){_GAP}\d{{3}}{_GAP}[\dXx](?!\d))"
    # Bank cards: UnionPay 62, Visa 4, Mastercard 51 to 55, JCB 35.
    rf"|(?P<card>(?<!\d)(?:62(?:{_GAP}\d){{14,17}}|(?:4\d|5[1-5]|35)(?:{_GAP}\d){{14}})(?!\d))"
    rf"|(?P<mobile>(?<!\d)(?:(?:\+|00)?86{_GAP}|0)?1[3-9](?:{_GAP}\d){{9}}(?!\d))"
    r"|(?P<landline>(?<!\d)(?:\(0\d{2,3}\) ?|0\d{2,3}[ -]{0,2})[2-9]\d{2,3}[ -]?\d{4}(?!\d))"
    r"|(?:电话|座机|号码|致电|联系方式)[^\d\n]{0,4}(?P<local>[2-9]\d{2,3}[ -]?\d{3,4})(?!\d)"
    r"|(?P<plate>[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使]"
    r"[A-Za-z][·• -]?(?=[A-Za-z]{0,5}\d)[A-HJ-NP-Za-hj-np-z0-9]{4,5}[A-HJ-NP-Za-hj-np-z0-9挂学警港澳](?![A-Za-z0-9]))"
    r"|(?P<email>(?<![A-Za-z0-9_.%+-])[A-Za-z0-9_.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})"
)
_MOBILE: Final = re.compile(r"(?:(?:\+|00)?86|0)?(1[3-9]\d{9})")
_PHONE: Final = re.compile(r"0?\d{7,12}")
_SEPARATORS: Final = re.compile(r"[\s().-]+")
#: Words that stand in name fields and are nobody's name.
_NOBODY: Final = frozenset(
    (
        "匿名",
        "无名",
        "先生",
        "女士",
        "小姐",
        "市民",
        "群众",
        "居民",
        "村民",
        "业主",
        "网友",
        "用户",
        "游客",
        "未知",
        "不详",
        "保密",
        "不愿透露",
        "无",
        "系统",
        "来电人",
        "报警人",
    )
)

#: Stands for personal data of which nothing may be read.
FULL_MASK: Final = "***"

#: Text as the message gave it, and what stands in its place for readers.
Known = tuple[str, str]


class Privacy:
    """The deployment's keys. The same `hmac_key` must be used by every gateway, or one person looks like several.

    hmac_key: at least 16 bytes. seal_key: 32 bytes (AES-256). seal_key_id: name under which the reader finds the seal key.
    """

    def __init__(self, hmac_key: bytes, seal_key: bytes, seal_key_id: str) -> None:
        if len(hmac_key) < _MIN_HMAC_KEY:
            raise ValueError(
                f"the HMAC key must have at least {_MIN_HMAC_KEY} bytes; make one with: openssl rand -hex 32"
            )
        if len(seal_key) != _SEAL_KEY_BYTES:
            raise ValueError(f"the seal key must have {_SEAL_KEY_BYTES} bytes; make one with: openssl rand -hex 32")
        if not seal_key_id:
            raise ValueError("the seal key needs an id, so that a reader finds it after the next key was taken")
        self._hmac_key = hmac_key
        self._aead = AESGCM(seal_key)
        self.seal_key_id = seal_key_id

    def key_of(self, kind: str, value: str) -> str:
        """32 hex digits that stand for a person's `value` (phone, openid, id) wherever it appears."""
        return self._digest(f"{kind}:{value}".encode())

    def fingerprint(self, data: bytes) -> str:
        """32 hex digits that stand for a message. Keyed: a plain hash would let a masked phone be found by trying."""
        return self._digest(b"message:" + data)

    def _digest(self, data: bytes) -> str:
        return hmac.digest(self._hmac_key, data, "sha256").hex()[:32]

    def seal(self, data: bytes, bound_to: str) -> bytes:
        """12-byte random nonce, then AES-256-GCM ciphertext with its tag; `bound_to` (an id) is authenticated with it."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, data, bound_to.encode())

    def unseal(self, sealed: bytes, bound_to: str) -> bytes:
        """The original bytes; raises ValueError for another key, another id or changed bytes."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to.encode())
        except InvalidTag:
            raise ValueError("the seal does not open: another key, another record id, or changed bytes") from None


def fold(text: str) -> str:
    """Full-width letters, digits and signs as ASCII, dashes as '-'; as long as the text itself."""
    return text.translate(_FOLD) if _FULL_WIDTH.search(text) else text


def mask_text(text: str, known: Iterable[Known] = (), *, fully: bool = False) -> str:
    """Text with phones, identity and card numbers, plates, e-mail addresses and the `known` strings masked.

    `fully`: nothing of them stays readable, as a confidential report needs.
    """
    for given, mask in known:
        if given in text:
            text = text.replace(given, FULL_MASK if fully else mask)
    if not _WORTH_A_LOOK.search(text):
        return text
    folded = fold(text)
    parts: list[str] = []
    done = 0
    for found in _PERSONAL.finditer(folded):
        what = found.lastgroup or ""
        start, end = found.span(what)
        parts += (text[done:start], FULL_MASK if fully else _MASKS[what](found[what]))
        done = end
    return "".join((*parts, text[done:])) if parts else text


def phone_digits(text: str) -> str:
    """A phone number as bare digits (a mobile without country code); empty for anything else, a masked number too."""
    digits = _SEPARATORS.sub("", fold(text))
    if found := _MOBILE.fullmatch(digits):
        return found[1]
    digits = digits.removeprefix("+86")
    return digits if _PHONE.fullmatch(digits) else ""


def mask_phone(digits: str) -> str:
    """A mobile as 138****0000, any other number with its last four digits hidden."""
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) == 11 and digits[0] == "1" else f"{digits[:-4]}****"


def mask_id(value: str) -> str:
    """An account or OpenID: its first two and last two characters where it is long enough to stay hidden."""
    return f"{value[:2]}****{value[-2:]}" if len(value) >= 12 else "****"


def known_name(name: str) -> list[Known]:
    """What masks a person's name in free text: the surname stays. Empty for words that name nobody."""
    return [(name, f"{name[0]}**")] if len(name) >= 2 and name not in _NOBODY else []


def known_phone(given: str) -> list[Known]:
    """What masks a phone field's own text where free text repeats it, however it is written there."""
    digits = phone_digits(given)
    return [(spelling, mask_phone(digits)) for spelling in dict.fromkeys((given, digits))] if digits else []


def _digits(found: str) -> str:
    return "".join(character for character in found if character.isalnum())


_MASKS: Final[dict[str, Callable[[str], str]]] = {
    "identity": lambda found: f"{_digits(found)[0]}{'*' * 16}{_digits(found)[-1]}",
    "card": lambda found: f"************{_digits(found)[-4:]}",
    "mobile": lambda found: mask_phone(_digits(found)[-11:]),
    "landline": lambda found: f"{_digits(found)[:-4]}****",
    "local": lambda _: "****",
    "plate": lambda found: f"{found[:2]}****",
    "email": lambda found: f"{found[0]}***@{found.rpartition('@')[2]}",
}
