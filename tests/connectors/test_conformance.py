"""What every connector must do, whatever its protocol."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import avro.io
import avro.schema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.bodies import Broken, Message, parse_json
from connectors.errors import Refusal
from schemas.codec import Codec, without_logical_types
from schemas.registry import schema
from tests.connectors.make import GOOD, GOOD_JSON, GOOD_XML, NAME, NOW, OPENID, PHONE, PRIVACY, Good, normalised

each = pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
each_json = pytest.mark.parametrize("good", GOOD_JSON, ids=lambda good: good.name)
each_xml = pytest.mark.parametrize("good", GOOD_XML, ids=lambda good: good.name)

HOSTILE = "'; DROP TABLE x;--<script>\u202e${jndi:ldap://x.invalid}13800001234"


def record_of(good: Good, body: bytes | None = None, content_type: str | None = None) -> tuple[str, dict[str, Any]]:
    found = normalised(good.channel, good.body if body is None else body, content_type or good.content_type)
    assert found is not None
    return found[0], dict(found[1])


def refusal_of(good: Good, body: bytes, content_type: str | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        normalised(good.channel, body, content_type or good.content_type)
    return caught.value


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_of(part)]
    if isinstance(value, list):
        return [text for item in value for text in texts_of(item)]
    return []


@each
def test_a_good_message_is_read_back_equal_by_the_codec_and_by_another_avro_library(good: Good, codec: Codec) -> None:
    subject, record = record_of(good)
    data = codec.encode(subject, record)  # type: ignore[arg-type]
    assert codec.decode(data) == (subject, record)
    writer = avro.schema.parse(json.dumps(without_logical_types(schema(subject))))  # type: ignore[arg-type]
    read = avro.io.DatumReader(writer).read(avro.io.BinaryDecoder(io.BytesIO(data[5:])))
    assert read == record


@each
def test_the_same_message_twice_has_the_same_ids_and_hash(good: Good) -> None:
    volatile = {"sealed": None}
    assert record_of(good)[1] | volatile == record_of(good)[1] | volatile


@each_json
def test_a_message_written_anew_has_the_same_hash(good: Good) -> None:
    anew = json.dumps(dict(reversed(good.fields.items())), indent=2, ensure_ascii=True).encode()
    volatile = {"sealed": None}
    assert record_of(good, anew)[1] | volatile == record_of(good)[1] | volatile


@each_json
def test_a_field_the_protocol_does_not_know_changes_nothing(good: Good) -> None:
    volatile = {"sealed": None}
    assert record_of(good, good.changed(pushed_at="12:00", retry=3))[1] | volatile == record_of(good)[1] | volatile


@each_json
def test_gb_bytes_declared_as_such_give_the_same_record(good: Good) -> None:
    body = good.body.decode().encode("gb18030")
    volatile = {"sealed": None}
    assert record_of(good, body, "application/json; charset=GB2312")[1] | volatile == record_of(good)[1] | volatile


@each
def test_no_personal_data_stands_in_the_record(good: Good) -> None:
    _, record = record_of(good)
    for text in texts_of(record):
        for secret in (NAME, PHONE, OPENID, "138 0000 1234"):
            assert secret not in text


@each
def test_the_sealed_original_opens_with_the_key_and_the_record_id_only(good: Good) -> None:
    subject, record = record_of(good)
    if subject == "report":
        assert record["sealed_key_id"] == "seal-test"
        assert PRIVACY.unseal(record["sealed"], record["report_id"]) == good.body
        with pytest.raises(ValueError, match="does not open"):
            PRIVACY.unseal(record["sealed"], "another-id")


@each_json
def test_broken_json_is_refused(good: Good) -> None:
    assert refusal_of(good, good.body[:-1]).code == "bad_json"
    assert refusal_of(good, b"").code == "bad_json"
    assert refusal_of(good, b'"text"').code == "bad_json"
    assert refusal_of(good, b"[" * 5000 + b"]" * 5000).code == "bad_json"


@each_xml
def test_broken_xml_is_refused(good: Good) -> None:
    assert refusal_of(good, good.body[:-3]).code == "bad_xml"
    assert refusal_of(good, b"").code == "bad_xml"
    assert refusal_of(good, good.body.replace(b"</", b"&</", 1)).code == "bad_xml"


@each_xml
def test_a_dtd_or_entity_is_refused(good: Good) -> None:
    text = good.body.decode().removeprefix('<?xml version="1.0" encoding="UTF-8"?>').strip()
    for dtd in ('<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x SYSTEM "http://x.invalid/x.dtd">', "<!DOCTYPE x>"):
        assert refusal_of(good, (dtd + text).encode()).code == "forbidden_xml"


@each_xml
def test_xml_in_declared_gb_bytes_gives_the_same_record(good: Good) -> None:
    text = good.body.decode().removeprefix('<?xml version="1.0" encoding="UTF-8"?>').strip()
    body = ('<?xml version="1.0" encoding="GB2312"?>' + text).encode("gb18030")
    volatile = {"sealed": None}
    assert record_of(good, body)[1] | volatile == record_of(good)[1] | volatile


@each
def test_bytes_of_another_encoding_than_declared_are_refused(good: Good) -> None:
    text = good.body.decode().replace('<?xml version="1.0" encoding="UTF-8"?>', "")
    media = good.content_type
    spoilt = text.replace("2025", "中文2025") if text.isascii() else text
    assert refusal_of(good, spoilt.encode("gb18030")).code == "bad_encoding"
    assert refusal_of(good, spoilt.encode(), f"{media}; charset=gbk").code == "bad_encoding"
    assert refusal_of(good, spoilt.encode("utf-16"), f"{media}; charset=utf-16").code == "bad_encoding"


@each_json
def test_another_content_type_is_refused(good: Good) -> None:
    assert refusal_of(good, good.body, "application/x-www-form-urlencoded").code == "unsupported_type"


@each_json
def test_an_unknown_kind_of_message_is_refused(good: Good) -> None:
    for name in ("message", "record"):
        if name in good.fields:
            assert refusal_of(good, good.changed(**{name: "nonsense"})).code == "unsupported_type"
            assert refusal_of(good, good.changed(**{name: None})).code == "unsupported_type"


@each_json
def test_a_missing_field_is_named(good: Good) -> None:
    for name in good.required:
        for nothing in (None, ""):
            refusal = refusal_of(good, good.changed(**{name: nothing}))
            assert refusal.code == "missing_field"
            assert name in refusal.reason


@each_json
def test_a_number_in_place_of_an_id_is_refused_since_it_may_have_lost_digits(good: Good) -> None:
    if good.name.startswith("canonical"):  # whose ids may be small numbers
        return
    refusal = refusal_of(good, good.changed(**{good.identity: 250912101108115409}))
    assert refusal.code == "bad_field"
    assert good.identity in refusal.reason


@each_json
def test_a_wrong_type_is_refused(good: Good) -> None:
    assert refusal_of(good, good.changed(**{good.identity: {"a": 1}})).code == "bad_field"
    assert refusal_of(good, good.changed(**{good.identity: [1]})).code == "bad_field"


@each_json
def test_an_id_too_long_or_with_white_space_is_refused(good: Good) -> None:
    assert refusal_of(good, good.changed(**{good.identity: "9" * 65})).code == "field_too_long"
    assert refusal_of(good, good.changed(**{good.identity: "12 34"})).code == "bad_field"


@each_json
def test_times_outside_this_century_or_in_the_future_are_refused(good: Good) -> None:
    now = datetime.fromtimestamp(NOW / 1000, UTC).replace(tzinfo=None)
    bad: list[Any] = [good.write_time(now + timedelta(days=3)), "yesterday", "2025-02-30 10:00:00", "30/2/25 10:00"]
    if good.write_time(now).startswith(str(now.year)):
        bad += ["1900-01-01 00:00:00", "2300-01-01 00:00:00", "0001-01-01 00:00:00", "9999-12-31 23:59:59"]
    for stamp in bad:
        assert refusal_of(good, good.changed(**{good.time: stamp})).code == "bad_time"


@each_json
def test_a_wrong_point_is_refused(good: Good) -> None:
    if not good.lon:
        return
    wrong: list[tuple[Any, Any]] = [
        (0, 0), (0.0, 0.0), (36.1, 120.47), (181, 36.1), (116.4, 39.9), ("x", 36.1), (120.47, None), (True, 36.1),
    ]  # fmt: skip
    for lon, lat in wrong:
        assert refusal_of(good, good.changed(**{good.lon: lon, good.lat: lat})).code == "bad_location"
    assert "both 0" in refusal_of(good, good.changed(**{good.lon: 0, good.lat: 0})).reason
    assert "swapped" in refusal_of(good, good.changed(**{good.lon: 36.1, good.lat: 120.47})).reason


@each_json
def test_a_point_at_sea_is_taken(good: Good) -> None:
    if good.lon:
        _, record = record_of(good, good.changed(**{good.lon: 120.9, good.lat: 35.95}))
        assert record["lon"] == pytest.approx(120.9, abs=0.01)


def said(good: Good, body: bytes) -> tuple[list[str], bool]:
    """All that comes back of a message: the texts of its record, or the reason of its refusal (True)."""
    try:
        return texts_of(record_of(good, body)[1]), False
    except Refusal as refusal:
        return [refusal.reason], True


@each_json
@given(
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.text(), max_size=60)
    )
)
@settings(max_examples=30, deadline=None)
def test_any_value_in_any_field_is_taken_or_refused_without_repeating_it(good: Good, value: Any) -> None:
    for name in good.fields:
        texts, refused = said(good, json.dumps({**good.fields, name: value}).encode())
        if refused and isinstance(value, str) and len(value) >= 6:
            assert value not in texts[0]


@each_json
def test_hostile_text_in_any_field_leaks_no_personal_data(good: Good) -> None:
    for name in good.fields:
        texts, refused = said(good, good.changed(**{name: HOSTILE}))
        assert all("\u202e" not in text for text in texts)
        if refused:
            assert "DROP" not in texts[0]
        assert all(PHONE not in text for text in texts)


@each_json
def test_text_over_its_limit_is_refused(good: Good) -> None:
    for name in ("content", "事件描述", "description", "note", "处置结果", "remark"):
        if name in good.fields:
            assert refusal_of(good, good.changed(**{name: "长" * 20_001})).code == "field_too_long"


@each_json
def test_a_batch_keeps_its_order_and_names_its_broken_parts(good: Good) -> None:
    lines = b"\n".join((good.body, b"{broken", b"", good.body, b"[1]"))
    items = list(parse_json(lines, "application/x-ndjson").items)
    assert [type(item) for item in items] == [Message, Broken, Message, Broken]
    items = list(parse_json(b"[" + good.body + b",7]", "application/json").items)
    assert [type(item) for item in items] == [Message, Broken]
