"""XML without the dangers: no DTD, no entities, encodings decoded strictly by our own rules."""

import re
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml import DefusedXmlException

from connectors.bodies import decode_text, media_type
from connectors.errors import Refusal

_DECLARATION: Final = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]{0,200}?\?>")
#: Without this word there is no DTD, and without a DTD there are no entities but XML's own five.
_DTD: Final = "<!DOCTYPE"
_ENCODING: Final = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")


def parse_xml(body: bytes, content_type: str) -> Element:
    """Root element. The charset of the Content-Type wins over the XML declaration's.

    Raises Refusal: bad_encoding, forbidden_xml (DTD, entity), bad_xml (an unescaped & too).
    """
    declaration = _DECLARATION.match(body)
    declared = _ENCODING.search(declaration[0]) if declaration else None
    label = media_type(content_type)[1] or (declared[1].decode() if declared else "")
    # The declaration names the encoding of the bytes, which are text by now.
    text = decode_text(body[declaration.end() if declaration else 0 :], label)
    if "\0" in text:  # UTF-16 without its mark, which the parser would guess, and find a DTD in
        raise Refusal("bad_xml", "not valid XML: a NUL character; send UTF-8")
    try:
        if _DTD in text:  # perhaps in a comment or CDATA only: defusedxml, whose parser is Python and slow, tells
            root = defusedxml.ElementTree.fromstring(text.lstrip(), forbid_dtd=True)
        else:
            root = ElementTree.fromstring(text.lstrip())  # noqa: S314 - there is no DTD in it
    except DefusedXmlException:
        raise Refusal("forbidden_xml", "the XML has a DTD or entities; send it without") from None
    except ParseError as error:
        line, column = error.position
        raise Refusal("bad_xml", f"not valid XML at line {line}, column {column}; write & as &amp;") from None
    if not isinstance(root, Element):
        raise Refusal("bad_xml", "the XML has no root element")
    return root


def local_name(element: Element) -> str:
    """Name without its namespace."""
    return element.tag.rpartition("}")[2]


def children(root: Element) -> dict[str, str]:
    """Text of the root's own leaf elements by local name; the first of a name counts."""
    found: dict[str, str] = {}
    for child in root:
        if len(child) == 0:
            found.setdefault(local_name(child), (child.text or "").strip())
    return found
