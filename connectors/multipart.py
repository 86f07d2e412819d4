"""Multipart messages (RFC 2046), whole bodies and endless streams alike, as cameras write them.

Devices get the format wrong in known ways, which are read rightly here: a Content-Length that is too large, a boundary
that the header gives with its leading dashes or not at all, parts without headers, a last part without an end. Pure
functions: bytes in, parts out.
"""

import re
from dataclasses import dataclass
from typing import Final

from connectors.errors import Refusal

#: Bytes of one part with its headers. A camera's picture has some hundred kilobytes.
MAX_PART_BYTES: Final = 8 * 1024 * 1024

_BOUNDARY: Final = re.compile(r""";\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))""", re.IGNORECASE)
_FIRST_LINE: Final = re.compile(rb"(?:^|[\r\n])-{2,}+([!-,.-~][!-~]{0,199}?)[ \t]*\r?\n")
_HEADER: Final = re.compile(rb"([A-Za-z0-9-]{1,60}):[ \t]*([^\r\n]{0,1000})\r?\n")
_BLANK: Final = re.compile(rb"\r?\n")
_LENGTH: Final = re.compile(r"\d{1,9}", re.ASCII)
#: A delimiter begins a line, but some firmware forgets the line feed after the end of its XML or JSON. Dashes are not counted.
_DELIMITER: Final = rb"(?:^|(?<=[\r\n>}]))-{2,}%s(--)?[ \t]*(?:(\r?\n)|\r?\Z)"


@dataclass(frozen=True, slots=True)
class Part:
    """One part; `content_type` is empty where its headers name none."""

    content_type: str
    body: bytes


def split_events(buffer: bytes, boundary: str = "", limit: int = MAX_PART_BYTES) -> tuple[list[Part], bytes]:
    """The whole parts at the beginning of a stream's bytes, and the rest, to be put before the bytes that come next.

    The parts are the same wherever the stream was cut. A part is whole when the next delimiter has come, or as many bytes
    as its Content-Length says with a line feed behind them. `boundary`: of the stream's Content-Type (`boundary_of`);
    empty: that of the first line that looks like one. Raises Refusal (too_large) when no part is whole within `limit`.
    """
    name = _core(boundary)
    if not name and (first := _FIRST_LINE.search(buffer)):
        name = _core(first[1].decode())
    parts: list[Part] = []
    rest = 0
    if name:
        delimiter = re.compile(_DELIMITER % re.escape(name))
        found = delimiter.search(buffer)
        if found is None:  # before the first delimiter nothing is kept but what may be its beginning
            rest = max(0, len(buffer) - len(name) - 200)
        while found:
            rest = found.start()
            if not found[2]:  # its line has not come whole
                break
            following = delimiter.search(buffer, found.end())
            part, end = _part(buffer, found.end(), following)
            if part is None:
                break
            if part.body and not found[1]:
                parts.append(part)
            rest, found = end, following
    if not parts and len(buffer) - rest > limit:
        raise Refusal("too_large", f"a part of the stream is over {limit} bytes; connect again")
    return parts, buffer[rest:]


def split_body(body: bytes, content_type: str, max_parts: int) -> list[Part]:
    """The parts of a whole body. Raises Refusal: unsupported_type (no boundary), too_many_records (over `max_parts`)."""
    name = _core(boundary_of(content_type))
    if not name or name not in body:
        first = _FIRST_LINE.search(body)
        if first is None:
            raise Refusal(
                "unsupported_type", "no line of the multipart body holds its boundary; send --boundary before each part"
            )
        name = _core(first[1].decode())
    parts, _ = split_events(b"%s\r\n--%s--\r\n" % (body, name), name.decode(errors="replace"), len(body) + 1024)
    if len(parts) > max_parts:
        raise Refusal("too_many_records", f"more than {max_parts} parts; send smaller bodies")
    return parts


def boundary_of(content_type: str) -> str:
    """The boundary a Content-Type names; empty where it names none."""
    found = _BOUNDARY.search(content_type)
    return (found[1] or found[2]) if found else ""


def _core(boundary: str) -> bytes:
    """A boundary without the dashes before it, which senders count differently."""
    return (boundary.lstrip("-") or boundary).encode(errors="replace")


def _part(buffer: bytes, start: int, following: re.Match[bytes] | None) -> tuple[Part | None, int]:
    """The part that begins at `start`, if it is whole, and where it ends."""
    end = following.start() if following else len(buffer)
    headers: dict[str, str] = {}
    while line := _HEADER.match(buffer, start, end):
        headers[line[1].decode().lower()] = line[2].decode(errors="replace").strip()
        start = line.end()
    content_type = headers.get("content-type", "")
    if blank := _BLANK.match(buffer, start, end):
        start = blank.end()
        given = headers.get("content-length", "")
        told = start + int(given) if _LENGTH.fullmatch(given) else start
        if start < told < end and buffer[told : told + 1] in b"\r\n":
            return Part(content_type, buffer[start:told]), told
    if following and following[2]:
        return Part(content_type, buffer[start:end].rstrip(b"\r\n")), end
    return None, end
