"""Hash tags at the end of a text, as 110's transfers carry them: 来电称…… #非警务#消费问题#报警电话:…"""

import re
from typing import Final

_TAG_LIMIT: Final = 40
_NO_TAG: Final = re.compile(r"[#\s，。；！？]")
#: A # after one of these is part of an address (3#楼), or no tag.
_BEFORE_NO_TAG: Final = re.compile(r"[0-9A-Za-z#]")
_ENDS: Final = "。；，！ \t\r\n"
#: The caller's phone as a tag, masked or not, wherever it stands.
PHONE_TAG: Final = re.compile(r"#\s?报警电话\s?[:：]?\s?([+\d０-９][\d０-９* -]{5,18})")
_PHONE_TAG_NAME: Final = "报警电话"


def split_tags(description: str) -> tuple[str, list[str]]:
    """Description without the tags at its end, and the tags.

    Read from the end back, each character once: the longest row of tags (#, then 1 to 40 characters, white space between
    them) that ends the text, closed by punctuation or a last # or by nothing.
    """
    end = len(description.rstrip(_ENDS).removesuffix("#").rstrip())
    tags: list[str] = []
    start = kept = 0
    while (hash_at := description.rfind("#", max(0, end - _TAG_LIMIT - 1), end)) >= 0:
        tag = description[hash_at + 1 : end]
        if not tag or _NO_TAG.search(tag):
            break
        tags.append(tag)
        end = hash_at
        if hash_at == 0 or not _BEFORE_NO_TAG.match(description, hash_at - 1):
            start, kept = hash_at, len(tags)
        while end and description[end - 1].isspace():
            end -= 1
    if not kept:
        return description, []
    return description[:start].strip(), [tag for tag in reversed(tags[:kept]) if not tag.startswith(_PHONE_TAG_NAME)]
