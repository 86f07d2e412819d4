"""Hash tags of a text, as 110's transfers carry them: 来电称…… #非警务#消费问题#报警电话:… or #非警务##消费问题#, # or ＃."""

import re
from typing import Final

_TAG_LIMIT: Final = 40
_NO_TAG: Final = re.compile(r"[#\s，。；！？]")
#: A # after one of these is part of an address (3#楼), or no tag.
_BEFORE_NO_TAG: Final = re.compile(r"[0-9A-Za-z#]")
_ENDS: Final = "。；，！ \t\r\n"
#: A tag wherever it stands. A question mark ends none: #非警务？ asks.
_ANYWHERE: Final = re.compile(r"[#＃]([^#＃\s，。；！、：,;:（）()]{1,40})")
#: The caller's phone as a tag, masked or not, wherever it stands, with its closing # where that opens no other tag.
PHONE_TAG: Final = re.compile(
    r"[#＃]\s?报警电话\s?[:：]?\s?([+\d０-９][\d０-９* -]{5,18})(?:[#＃](?=[#＃\s，。；！]|$))?"
)
_PHONE_TAG_NAME: Final = "报警电话"


def tags_in(description: str) -> set[str]:
    """The tags of a text wherever they stand."""
    return set(_ANYWHERE.findall(description))


def split_tags(description: str) -> tuple[str, list[str]]:
    """Description without the tags at its end, and these tags.

    Read from the end back, each character once: the longest row of tags (#, then 1 to 40 characters, a closing # or none,
    white space between them) that ends the text, closed by punctuation or by nothing.
    """
    text = description.replace("＃", "#")
    end = len(text.rstrip(_ENDS))
    tags: list[str] = []
    start = kept = 0
    while True:
        end = _before_space(text, end)
        if end and text[end - 1] == "#":
            end = _before_space(text, end - 1)
        hash_at = text.rfind("#", max(0, end - _TAG_LIMIT - 1), end)
        tag = text[hash_at + 1 : end]
        if hash_at < 0 or not tag or _NO_TAG.search(tag):
            break
        tags.append(tag)
        end = hash_at
        if hash_at == 0 or not _BEFORE_NO_TAG.match(text, hash_at - 1):
            start, kept = hash_at, len(tags)
    if not kept:
        return description, []
    return description[:start].strip(), [tag for tag in reversed(tags[:kept]) if not tag.startswith(_PHONE_TAG_NAME)]


def _before_space(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end
