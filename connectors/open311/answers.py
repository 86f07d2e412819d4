"""Open311's two notations: XML without namespaces, and JSON as its Spark convention makes of the XML."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson

from connectors.base import Reply
from connectors.errors import Refusal
from schemas.reasons import ReasonCode

Notation = Literal["json", "xml"]

#: Name of a list's items in XML, by the list's own.
_ITEMS: Final = {
    "services": "service",
    "service_requests": "request",
    "errors": "error",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
}
_TYPES: Final[dict[Notation, str]] = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}
_STATUS: Final[dict[ReasonCode, int]] = {
    "bad_signature": 403,
    "unknown_code": 404,
    "unknown_channel": 404,
    "unknown_report": 404,
    "too_large": 413,
    "rate_limited": 429,
    "unavailable": 503,
}
#: Characters that XML 1.0 has no way to write.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def answer(notation: Notation, root: str, content: Any, status: int = 200) -> Reply:
    """An answer whose `content` (an object, or a list of objects) stands under `root` in XML and alone in JSON."""
    if notation == "json":
        return Reply(orjson.dumps(content), _TYPES["json"], status)
    element = Element(root)
    _fill(element, content)
    return Reply(tostring(element, encoding="utf-8", xml_declaration=True), _TYPES["xml"], status)


def error(notation: Notation, status: int, description: str) -> Reply:
    """The specification's error shape; the code is the HTTP status."""
    return answer(notation, "errors", [{"code": status, "description": description}], status)


def refused(notation: Notation, refusal: Refusal) -> Reply:
    """A refusal in the specification's shape: 403 for the key, 404 for what does not exist, 400 for nearly all else."""
    return error(notation, _STATUS.get(refusal.code, 400), f"{refusal.code}: {refusal.reason}")


def created(notation: Notation, report_id: str) -> Reply:
    """The answer to a request that was taken. Nothing of the sender's person is repeated."""
    content = [{"service_request_id": report_id, "service_notice": None, "account_id": None}]
    return answer(notation, "service_requests", content)


def _fill(element: Element, content: Any) -> None:
    if isinstance(content, Mapping):
        for name, value in content.items():
            _fill(SubElement(element, name), value)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for item in content:
            _fill(SubElement(element, _ITEMS[element.tag]), item)
    elif content is not None:
        element.text = _UNWRITABLE.sub("", str(content).lower() if isinstance(content, bool) else str(content))
