"""What a connector would have seen to in a record that a source wrote into its intake topic itself."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from schemas.codec import DecodeError
from schemas.personal import has_personal, phone_digits
from schemas.records import AnyRecord, Report

_DAY_MS: Final = 24 * 3600 * 1000
_HASH: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
#: Nonce and tag of a seal that holds nothing.
_SEAL_BYTES: Final = 12 + 16
#: Characters of a record's texts together; connectors take no more either.
_MOST_TEXT: Final = 30_000
#: Numbers and codes are no sentences: nobody's name and address hides in them.
_CODE: Final = re.compile(r"[A-Za-z0-9._:/@#=+-]{1,128}", re.ASCII)
_CODES: Final = ("upstream_id", "device_id", "grid_code", "kind_code", "sealed_key_id")
_CODE_LISTS: Final = ("related_upstream_ids", "professional_grids")
_WORDS: Final[dict[str, frozenset[str]]] = {
    "appeal_type": frozenset(
        ("consult", "help", "complaint", "report", "suggestion", "praise", "case", "alarm", "other")
    ),
    "family": frozenset(("livelihood", "development", "enforcement")),
    "urgency": frozenset(("normal", "urgent", "critical")),
    "location_method": frozenset(("code", "register", "coordinates", "name", "gazetteer", "text", "sea", "outside")),
    "source_crs": frozenset(("WGS-84", "CGCS2000", "GCJ-02", "BD-09")),
}
_AREAS: Final = {"street_code": re.compile(r"\d{9}", re.ASCII), "community_code": re.compile(r"\d{12}", re.ASCII)}


def check_direct(report: Report, written_at: int, kinds: Collection[str]) -> None:
    """Raises DecodeError, whose text names the field, never its value.

    written_at: Kafka's time of the record, milliseconds: a source's own clock must not run ahead of it. kinds: of matters.
    """
    if report["received_at"] > written_at + _DAY_MS or report["reported_at"] > report["received_at"] + _DAY_MS:
        raise DecodeError("bad_time", "fields received_at and reported_at lie more than 24 h ahead: check the clock")
    if report["part_ids"]:
        raise DecodeError("bad_record", "field part_ids: only the hub assembles reports; leave it empty")
    _check_words(report, kinds)
    _check_reporter(report)
    if report["sealed"] is not None and (not report["sealed_key_id"] or len(report["sealed"]) < _SEAL_BYTES):
        raise DecodeError("unmasked", "field sealed is no sealed original with its key id: leave it out, or seal it")
    texts = list(_texts(report))
    if sum(len(text) for _, text in texts) > _MOST_TEXT:
        raise DecodeError("too_large", f"the record's texts are over {_MOST_TEXT} characters together: shorten them")
    for name, text in texts:
        if has_personal(text):
            raise DecodeError("unmasked", f"field {name} holds readable personal data: mask it before it is sent")


def _check_words(report: Report, kinds: Collection[str]) -> None:
    fields: AnyRecord = {**report}
    for name, words in _WORDS.items():
        if fields[name] is not None and fields[name] not in words:
            raise DecodeError("bad_record", f"field {name}: must be one of {', '.join(sorted(words))}")
    if report["matter_kind"] and report["matter_kind"] not in kinds:
        raise DecodeError("bad_record", "field matter_kind: matters.csv has no such kind; leave it empty")
    codes = [(name, fields[name]) for name in _CODES] + [(name, code) for name in _CODE_LISTS for code in fields[name]]
    for name, code in codes:
        if code is not None and not _CODE.fullmatch(code):
            raise DecodeError("unmasked", f"field {name}: must be a code of letters, digits and signs, 128 at most")
    for name, area in _AREAS.items():
        if fields[name] is not None and not area.fullmatch(fields[name]):
            raise DecodeError("bad_record", f"field {name}: must be a code of digits, of GB/T 10114")
    if not _HASH.fullmatch(report["content_hash"]):
        raise DecodeError("bad_record", "field content_hash: must be 32 hex digits of a keyed hash")


def _check_reporter(report: Report) -> None:
    key, device = report["reporter_key"], report["device_id"]
    of_device = key is not None and key == device and report["appeal_type"] == "alarm"
    if key is not None and not of_device and not _HASH.fullmatch(key):
        raise DecodeError("unmasked", "field reporter_key is no keyed hash of 32 hex digits: never the number itself")
    if device is not None and _is_mobile(device):
        raise DecodeError("unmasked", "field device_id reads like a phone number: name the device otherwise")
    if report["confidential"] and report["reporter_mask"] is not None:
        raise DecodeError("unmasked", "field reporter_mask: leave it out of a confidential report")
    if report["appeal_type"] == "report" and not report["confidential"]:
        raise DecodeError("unmasked", "field confidential: a tip-off (举报) must be confidential")


def _is_mobile(text: str) -> bool:
    digits = phone_digits(text)
    return len(digits) == 11 and digits[0] == "1"


def _texts(report: Report) -> Iterator[tuple[str, str]]:
    """Every text that people write and read, with its field's name; numbers and codes are left out: a long one is no phone."""
    for name in ("place_key", "via", "title", "content", "reporter_mask", "address"):
        yield name, report[name] or ""
    for name in ("category_path", "attachments"):
        for text in report[name]:  # type: ignore[literal-required]
            yield name, text
    for key, text in report["extra"].items():
        yield "extra", key
        yield "extra", text
