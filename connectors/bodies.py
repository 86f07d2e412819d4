"""Request bodies to text and messages: encodings, JSON, NDJSON and CSV. XML has its own module."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from connectors.errors import Refusal

if TYPE_CHECKING:
    from connectors.base import Context

_GB: Final = frozenset(("gb2312", "gbk", "gb18030", "gb_2312-80", "cp936", "x-gbk"))
_UTF8: Final = frozenset(("utf-8", "utf8", "us-ascii", "ascii", ""))
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")

_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^\s"';]{1,40})""", re.IGNORECASE)
_JSON_TYPES: Final = frozenset(("", "application/json", "text/json"))
_NDJSON_TYPES: Final = frozenset(("application/x-ndjson", "application/ndjson", "application/jsonl"))
CSV_TYPE: Final = "text/csv"
#: Levels of objects and lists in a batch's element that are kept. No protocol has more than 3; orjson writes 254.
_DEPTH: Final = 64
#: Characters of a CSV's header row: every row's own original repeats it.
_HEADER_LIMIT: Final = 8_192


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a body: its fields, and its own bytes for the seal."""

    fields: dict[str, Any]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Broken:
    """A part of a batch that is no message."""

    raw: bytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body's messages in order, read one by one as they are asked for. `single` when the body was one message and no batch."""

    items: Iterable[Message | Broken]
    single: bool


def media_type(content_type: str) -> tuple[str, str]:
    """Lower-case media type and charset of a Content-Type header; empty where not given."""
    charset = _CHARSET.search(content_type)
    return content_type.partition(";")[0].strip().lower(), charset[1].lower() if charset else ""


def decode_text(body: bytes, label: str) -> str:
    """Text of a body labelled UTF-8 (or nothing), GB2312, GBK or GB18030.

    Raises Refusal (bad_encoding) for other labels, bytes that do not fit, and UTF-8 Chinese sent under a GB label. GB2312
    and GBK are subsets of GB18030, and senders that say GB2312 do use the larger sets.
    """
    label = label.lower()
    if label not in _UTF8 | _GB:
        raise Refusal("bad_encoding", "the charset is not supported; send UTF-8 (or GB18030)")
    try:
        utf8 = body.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        if label in _UTF8:
            raise Refusal("bad_encoding", "the bytes are not UTF-8; send UTF-8 or declare charset=gb18030") from None
    else:
        if label in _UTF8 or body.isascii():
            return utf8
        if _HAN.search(utf8):
            raise Refusal("bad_encoding", "the bytes are UTF-8, but declared as GB; correct the charset")
    try:
        return body.decode("gb18030")
    except UnicodeDecodeError:
        raise Refusal("bad_encoding", "the bytes do not fit the declared GB charset; send UTF-8") from None


def parse_json(body: bytes, content_type: str, ctx: "Context") -> Parsed:
    """One object, an array of objects, or NDJSON. A bad line or element of a batch is Broken; a bad body raises Refusal.

    At most the channel's max_records messages are taken (too_many_records).
    """
    max_records = ctx.channel.max_records
    media, charset = media_type(content_type)
    if media not in _JSON_TYPES and media not in _NDJSON_TYPES:
        raise Refusal("unsupported_type", "send Content-Type application/json or application/x-ndjson")
    data = decode_text(body, charset).encode()
    if media in _NDJSON_TYPES:
        _check_count(_lines(data), max_records)
        return Parsed((_line(line) for line in _lines(data)), single=False)
    found = _load(data, "for one object per line send application/x-ndjson")
    if isinstance(found, dict):
        return Parsed([Message(found, body)], single=True)
    if not isinstance(found, list):
        raise Refusal("bad_json", "the body must be a JSON object or an array of objects")
    _check_count(found, max_records)
    return Parsed((_element(item) for item in found), single=False)


def parse_csv(body: bytes, content_type: str, ctx: "Context") -> Parsed:
    """One batch of rows under a header row; every value is text. Limited as `parse_json` is."""
    max_records = ctx.channel.max_records
    text = decode_text(body, media_type(content_type)[1])
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(rows, None)
        if not header:
            raise Refusal("bad_field", "the CSV is empty; send a header row and rows")
        if sum(map(len, header)) > _HEADER_LIMIT:
            raise Refusal(
                "field_too_long", f"the CSV's header row is over {_HEADER_LIMIT} characters; shorten its names"
            )
        # Counted before a row is kept, and read to the end, so that bad quotes refuse the whole and not its tail.
        _check_count(filter(None, rows), max_records)
    except csv.Error:
        raise Refusal("bad_field", f"line {rows.line_num}: not valid CSV; check its quotes") from None
    return Parsed(_rows(text), single=False)


def _check_count(found: Iterable[Any], max_records: int) -> None:
    count = sum(1 for _ in islice(found, max_records + 1))
    if not count:
        raise Refusal("missing_field", "the batch holds no message")
    if count > max_records:
        raise Refusal("too_many_records", f"more than {max_records} messages; send smaller batches")


def _lines(data: bytes) -> Iterator[bytes]:
    return (line.removesuffix(b"\n") for line in io.BytesIO(data) if not line.isspace())


def _rows(text: str) -> Iterator[Message | Broken]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(rows)
    return (_row(header, row) for row in rows if row)


def _load(data: bytes, hint: str) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refusal("bad_json", f"not valid JSON at line {error.lineno}, column {error.colno}; {hint}") from None


def _line(line: bytes) -> Message | Broken:
    try:
        found = _load(line, "each line must be one whole object")
    except Refusal as refusal:
        return Broken(line, refusal)
    return Message(found, line) if isinstance(found, dict) else _no_object(line)


def _element(item: Any) -> Message | Broken:
    try:
        raw = orjson.dumps(item)
    except TypeError:  # the only thing that can be read and not be written
        kept = orjson.dumps(_shallow(item, _DEPTH))
        return Broken(kept, Refusal("bad_json", f"nested too deeply; what lies below level {_DEPTH} is not kept"))
    return Message(item, raw) if isinstance(item, dict) else _no_object(raw)


def _shallow(item: Any, depth: int) -> Any:
    """The item without what lies deeper than `depth` levels: null stands in its place."""
    if isinstance(item, dict):
        return {name: _shallow(value, depth - 1) for name, value in item.items()} if depth else None
    if isinstance(item, list):
        return [_shallow(value, depth - 1) for value in item] if depth else None
    return item


def _row(header: list[str], row: list[str]) -> Message | Broken:
    raw = orjson.dumps(dict(zip(header, row, strict=False)))
    if len(row) != len(header):
        return Broken(raw, Refusal("bad_field", "the row has more or fewer values than the header; check its quotes"))
    return Message(dict(zip(header, row, strict=True)), raw)


def _no_object(raw: bytes) -> Broken:
    return Broken(raw, Refusal("bad_json", "each message must be a JSON object"))
