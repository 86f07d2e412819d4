"""Writes small spreadsheets in formats for which no writer is installed."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def write_ods(path: Path, rows: Sequence[Sequence[str | float]]) -> None:
    """An OpenDocument sheet: texts and numbers."""
    body = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content office:version="1.2" '
        'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="Sheet1">{body}</table:table></office:spreadsheet></office:body></office:document-content>'
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?><manifest:manifest '
        'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("mimetype", kind)
        packed.writestr("META-INF/manifest.xml", manifest)
        packed.writestr("content.xml", content, zipfile.ZIP_DEFLATED)


def _ods_cell(value: str | float) -> str:
    if value == "":
        return "<table:table-cell/>"
    if isinstance(value, str):
        return f'<table:table-cell office:value-type="string"><text:p>{escape(value)}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'


def write_xls(
    path: Path, rows: Sequence[Sequence[str | float]], merged: Sequence[tuple[int, int, int, int]] = ()
) -> None:
    """A BIFF8 workbook of one sheet: texts, numbers and merged ranges (first row, last row, first column, last column)."""
    cells = b"".join(
        _xls_cell(row, column, value)
        for row, line in enumerate(rows)
        for column, value in enumerate(line)
        if value != ""
    )
    ranges = _record(0x00E5, struct.pack("<H", len(merged)) + b"".join(struct.pack("<4H", *one) for one in merged))
    sheet = _bof(0x0010) + cells + ranges + _record(0x000A, b"")
    name = "Sheet1".encode("utf-16-le")
    codepage = _record(0x0042, struct.pack("<H", 1200))

    def bound(offset: int) -> bytes:
        return _record(0x0085, struct.pack("<IBBBB", offset, 0, 0, len(name) // 2, 1) + name)

    start = len(_bof(0x0005) + codepage + bound(0) + _record(0x000A, b""))
    path.write_bytes(_compound(_bof(0x0005) + codepage + bound(start) + _record(0x000A, b"") + sheet))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _bof(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 0))


def _xls_cell(row: int, column: int, value: str | float) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(value, str):
        text = value.encode("utf-16-le")
        return _record(0x0204, place + struct.pack("<HB", len(text) // 2, 1) + text)
    return _record(0x0203, place + struct.pack("<d", value))


def _compound(stream: bytes) -> bytes:
    """A compound file with one stream, `Workbook`, long enough to lie in ordinary sectors."""
    stream = stream.ljust(4096, b"\0")
    count = -(-len(stream) // _SECTOR)
    stream = stream.ljust(count * _SECTOR, b"\0")
    fat = [*range(1, count), _END, _END, _FAT]  # the stream, the directory, this table
    assert len(fat) <= _SECTOR // 4
    header = struct.pack(
        "<8s16sHHHHH6sIIIIIIIII",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6, b"", 0, 1, count, 0, 4096, _END, 0, _END, 0),
    ) + struct.pack("<109I", count + 1, *[_FREE] * 108)
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, 0, len(stream))
    directory = directory.ljust(_SECTOR, b"\0")
    table = struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat)))
    return header + stream + directory + table


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    return struct.pack("<64sHBBIII16sIQQIQ", text, len(text), kind, 1, _FREE, _FREE, child, b"", 0, 0, 0, start, size)
