"""What every connector must do, whatever its protocol: the suite runs over every registered one and its examples."""

import asyncio
import io
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import avro.io
import avro.schema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from connectors.base import Context, Record
from connectors.bodies import Broken, Message
from connectors.declared import SHAPES
from connectors.errors import Refusal
from connectors.intake import Intake
from connectors.mapping import clock
from connectors.producer import KafkaRecord
from connectors.registry import CONNECTORS
from connectors.shapes import Clock, Shape, picked, problems, read
from profiles import Protocol
from schemas.codec import Codec, without_logical_types
from schemas.reasons import REASON_CODES
from schemas.registry import schema
from tests.connectors.make import EXAMPLES, NOW, PRIVACY, PROFILE, Example, examples_of

ALL = [example for protocol in CONNECTORS for example in examples_of(protocol)]
GOOD = [example for example in ALL if not example.reason]
BAD = [example for example in ALL if example.reason]
TOLD = [example for example in GOOD if example.gives != "nothing"]
#: Their messages hold no person and no free text.
DEVICE_WORDS_ONLY = {"aibox", "onvif"}
HOSTILE = "'; DROP TABLE x;--<script>\u202e${jndi:ldap://x.invalid}13800001234"


def of_one_object(examples: Iterable[Example]) -> list[Example]:
    """Those that are one JSON object."""
    return [
        example for example in examples if example.body.lstrip().startswith(b"{") and example.file.endswith(".json")
    ]


def of_xml(examples: Iterable[Example]) -> list[Example]:
    return [example for example in examples if example.body.lstrip().startswith(b"<")]


def of_text(examples: Iterable[Example]) -> list[Example]:
    """Those in UTF-8 whose charset may be declared: JSON, XML and tables."""
    found = []
    for example in examples:
        media = example.content_type.partition(";")[0]
        if media.endswith(("json", "xml", "csv")) and b"GB" not in example.body[:80]:
            try:
                example.body.decode()
            except UnicodeDecodeError:
                continue
            found.append(example)
    return found


def each(examples: Sequence[Example]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("example", examples, ids=str)


def records(example: Example, body: bytes | None = None, content_type: str | None = None) -> list[Record]:
    made = example.found(body, content_type)
    for found in made:
        if isinstance(found, Refusal):
            raise found
    return [found for found in made if found is not None and not isinstance(found, Refusal)]


def facts(found: Iterable[Record]) -> list[dict[str, Any]]:
    """Records without the seal, which is never the same twice."""
    return [{**record, "subject": subject, "sealed": None} for subject, record in found]


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in texts_of(part)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts_of(item)]
    return []


def values_of(value: Any) -> list[str]:
    """The texts that a JSON value holds, without the names of fields."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in values_of(item)]
    return [text for item in value for text in values_of(item)] if isinstance(value, list) else texts_of(value)


def without_examples(protocols: Iterable[str], folder: Path) -> set[str]:
    """Protocols that lack a good or a bad example."""
    lacking = set()
    for protocol in protocols:
        listing = folder / protocol / "examples.toml"
        text = listing.read_text("utf-8") if listing.exists() else ""
        if "[[good]]" not in text or "[[bad]]" not in text:
            lacking.add(protocol)
    return lacking


def test_every_registered_protocol_has_good_and_bad_examples() -> None:
    assert without_examples(CONNECTORS, EXAMPLES) == set()


def test_a_protocol_registered_without_examples_is_found(tmp_path: Path) -> None:
    (tmp_path / "good-only").mkdir()
    (tmp_path / "good-only" / "examples.toml").write_text("[[good]]")
    assert without_examples(["good-only", "none"], tmp_path) == {"good-only", "none"}


def unshown(protocol: Protocol, examples: Iterable[Example]) -> set[str]:
    """What the good examples of a protocol leave open, so that a connector that does it wrong would pass them."""
    told = [example for example in examples if example.gives in {"report", "progress"}]
    reports = [example for example in told if example.gives == "report"]
    lacking = set()
    ids = [record.get("progress_id", record["report_id"]) for example in told for _, record in records(example)]
    if len(set(ids)) < len(ids):
        lacking.add("ids")
    if protocol not in DEVICE_WORDS_ONLY and not any(example.personal for example in reports):
        lacking.add("personal")
    if not any(example.record.get("location_method") for example in reports):
        lacking.add("location_method")
    if not any({"reported_at", "occurred_at"} & example.record.keys() for example in told):
        lacking.add("time")
    return lacking


@pytest.mark.parametrize("protocol", CONNECTORS)
def test_the_examples_of_a_protocol_show_ids_persons_places_and_times(protocol: Protocol) -> None:
    assert unshown(protocol, [example for example in GOOD if example.protocol == protocol]) == set()


def bad_report(message: Message, ctx: Context) -> Record:
    """What a connector gives that has one id, the time of receipt, no place, and the name as it came."""
    kept = records(next(example for example in TOLD if example.gives == "report"))[0][1]
    name = str(message.fields.get("reporter"))
    made: Any = {"report_id": "one", "reported_at": ctx.received_at, "location_method": None, "street_code": None}
    return "report", {**kept, **made, "channel": ctx.channel.id, "feed": ctx.channel.feed, "title": name}  # type: ignore[return-value,typeddict-item]


def test_a_connector_with_one_id_the_time_of_receipt_no_place_and_a_leak_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = [example for example in GOOD if example.protocol == "canonical" and example.file.startswith("report")]
    bare = [replace(example, record={}, personal=()) for example in good]
    assert unshown("canonical", good) == set()
    assert unshown("canonical", bare) == {"personal", "location_method", "time"}
    monkeypatch.setitem(CONNECTORS, "canonical", replace(CONNECTORS["canonical"], normalise=bad_report))
    assert unshown("canonical", good) == {"ids"}
    (example,) = [example for example in good if "location_method" in example.record]
    for check in (
        test_a_good_example_becomes_what_it_says,
        test_the_same_message_twice_at_any_time_has_the_same_ids_and_hash,
        test_no_personal_data_comes_out,
    ):
        with pytest.raises(AssertionError):
            check(example)


def test_every_file_among_the_examples_is_used() -> None:
    for protocol in CONNECTORS:
        listed = {example.file for example in examples_of(protocol)} | {"examples.toml"}
        assert {path.name for path in (EXAMPLES / protocol).iterdir()} == listed, protocol


@each(GOOD)
def test_a_good_example_becomes_what_it_says(example: Example) -> None:
    made = records(example)
    if example.gives == "nothing":
        assert made == []
        return
    assert made
    for subject, record in made:
        assert subject == example.gives
        assert (record["channel"], record["feed"]) == (example.channel, PROFILE.channels[example.channel].feed)
        for name, expected in example.record.items():
            value: Any = dict(record)[name]
            if isinstance(value, int) and not isinstance(value, bool) and isinstance(expected, str):
                value = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value / 1000))
            assert (value or "") == expected if expected == "" else value == expected, name


@each(BAD)
def test_a_bad_example_is_refused_with_its_reason(example: Example) -> None:
    refusals = [found for found in example.found() if isinstance(found, Refusal)]
    assert refusals
    for refusal in refusals:
        assert refusal.code == example.reason
        assert refusal.code in REASON_CODES
        assert example.names in refusal.reason
    if example in of_one_object(BAD):
        try:
            given = values_of(json.loads(example.body))
        except ValueError:
            return
        for text in given:  # plain English words are the protocol's own, such as the kind of message
            told = len(text) < 6 or re.fullmatch("[a-z_]+", text)
            assert told or all(text not in refusal.reason for refusal in refusals)


@each(GOOD)
def test_the_same_message_twice_at_any_time_has_the_same_ids_and_hash(example: Example) -> None:
    expected = facts(records(example))
    at_receipt = [NOW in (found.get("reported_at"), found.get("occurred_at")) for found in expected]
    assert at_receipt == [example.at_receipt] * len(expected)
    if example.at_receipt:
        assert expected == facts(records(example))
        return
    later = replace(example.context(), received_at=NOW + 86_400_000)
    connector = CONNECTORS[example.protocol]
    again = []
    for item in connector.parse(example.body, example.content_type, later).items:
        assert isinstance(item, Message)
        found = connector.normalise(item, later)
        if found is not None:
            again.append({**found[1], "subject": found[0], "sealed": None, "received_at": NOW})
    assert again == expected


@each(TOLD)
def test_different_messages_have_different_ids(example: Example) -> None:
    names = [record.get("progress_id", record["report_id"]) for _, record in records(example)]
    assert len(set(names)) == len(names)


@each(TOLD)
def test_what_comes_out_is_read_back_equal_by_the_codec_and_by_another_avro_library(
    example: Example, codec: Codec
) -> None:
    for subject, record in records(example):
        data = codec.encode(subject, record)  # type: ignore[arg-type]
        assert codec.decode(data) == (subject, record)
        writer = avro.schema.parse(json.dumps(without_logical_types(schema(subject))))
        assert avro.io.DatumReader(writer).read(avro.io.BinaryDecoder(io.BytesIO(data[5:]))) == record


@each(TOLD)
def test_no_personal_data_comes_out(example: Example) -> None:
    for _, record in records(example):
        for text in texts_of(dict(record)):
            for secret in example.personal:
                assert secret not in text


@each([example for example in TOLD if example.personal])
def test_the_personal_data_of_an_example_do_stand_in_it(example: Example) -> None:
    text = example.body.decode("gb18030" if b"GB2312" in example.body[:100] else "utf-8", "replace")
    shown = " ".join([text, *texts_of(json.loads(text))]) if example in of_one_object(GOOD) else text
    assert any(secret in shown for secret in example.personal)


@each([example for example in TOLD if example.gives == "report"])
def test_a_report_is_placed_and_its_original_opens_with_its_own_id_only(example: Example) -> None:
    west, south, east, north = PROFILE.bbox
    for _, found in records(example):
        report: Any = found
        assert report["place_key"] == (report["device_id"] or PROFILE.county_code)
        assert (report["lon"] is None) == (report["lat"] is None)
        if report["lon"] is not None:
            assert west - 0.5 < report["lon"] < east + 0.5
            assert south - 0.5 < report["lat"] < north + 0.5
        if report["street_code"]:
            assert report["location_method"]
        assert report["sealed_key_id"] == "seal-test"
        assert PRIVACY.unseal(report["sealed"], report["report_id"], "seal-test")
        with pytest.raises(ValueError, match="does not open"):
            PRIVACY.unseal(report["sealed"], "another-id", "seal-test")


class KeepingSink:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[KafkaRecord] = []

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        self.records += records

    async def ready(self) -> bool:
        return True


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"zhishu_{name}_total", labels) or 0.0


@each(ALL)
def test_what_became_of_an_example_is_counted_under_its_feed(example: Example, codec: Codec) -> None:
    channel = PROFILE.channels[example.channel]
    intake = Intake(PROFILE, PRIVACY, KeepingSink(), codec, lambda: NOW)
    names = [("received_messages", {"feed": channel.feed})]
    if example.reason:
        names.append(("refused_messages", {"feed": channel.feed, "reason": example.reason}))
    elif example.gives == "nothing":
        names.append(("ignored_messages", {"feed": channel.feed}))
    else:
        names.append(("accepted_messages", {"feed": channel.feed, "record": example.gives}))
    before = [counted(name, **labels) for name, labels in names]
    asyncio.run(
        intake.take(
            channel, CONNECTORS[example.protocol], example.body, example.content_type,
            query=example.query, tail=example.tail,
        )
    )  # fmt: skip
    made = len(example.found())
    if not example.reason and example.gives == "nothing" and not made:  # a sign of life holds no message at all
        return
    assert [counted(name, **labels) - old for (name, labels), old in zip(names, before, strict=True)] == [made, made]


@each(of_text(GOOD))
def test_gb_bytes_declared_as_such_give_the_same(example: Example) -> None:
    text = example.body.decode()
    if text.lstrip().startswith("<"):
        text = '<?xml version="1.0" encoding="GB2312"?>' + re.sub(r"^\s*<\?xml[^>]*\?>\s*", "", text)
    declared = example.content_type.partition(";")[0] + "; charset=GB2312"
    assert facts(records(example, text.encode("gb18030"), declared)) == facts(records(example))


@each([example for example in of_text(GOOD) if re.search("[\u4e00-\u9fff]", example.body.decode())])
def test_bytes_of_another_encoding_than_declared_are_refused_or_read_rightly(example: Example) -> None:
    text = example.body.decode()
    media = example.content_type.partition(";")[0]
    unlabelled = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    for body, declared in ((unlabelled.encode("gb18030"), media), (text.encode(), f"{media}; charset=gbk")):
        made = example.found(body, declared)
        refused = [found.code for found in made if isinstance(found, Refusal)]
        assert (
            refused == ["bad_encoding"]
            if refused
            else facts(records(example, body, declared)) == facts(records(example))
        )


@each(of_one_object(GOOD))
def test_broken_json_is_refused(example: Example) -> None:
    for body in (example.body.rstrip()[:-1], b'"text"', b"[" * 5000 + b"]" * 5000):
        (found,) = example.found(body)
        assert isinstance(found, Refusal)
        assert found.code in {"bad_json", "bad_xml"}  # of a protocol with two forms, the first byte tells which
    for found in example.found(b""):  # where the address alone says it all, an empty body is a sign of life
        assert found is None or (isinstance(found, Refusal) and found.code in {"bad_json", "bad_xml"})


@each(of_xml(GOOD))
def test_broken_xml_is_refused(example: Example) -> None:
    for body in (example.body.rstrip()[:-3], b""):
        (found,) = example.found(body)
        assert isinstance(found, Refusal)
        assert found.code == "bad_xml"


@each(of_xml(GOOD))
def test_a_dtd_or_entity_is_refused(example: Example) -> None:
    start = example.body.find(b"?>") + 2 if example.body.lstrip().startswith(b"<?xml") else 0
    for dtd in ('<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x SYSTEM "http://x.invalid/x.dtd">', "<!DOCTYPE x>"):
        (found,) = example.found(example.body[:start] + dtd.encode() + example.body[start:])
        assert isinstance(found, Refusal)
        assert found.code == "forbidden_xml"


@each(of_xml(GOOD))
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark_in_which_a_parser_would_find_a_dtd_is_refused(example: Example, encoding: str) -> None:
    (found,) = example.found('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'.encode(encoding))
    assert isinstance(found, Refusal)
    assert found.code == "bad_xml"


@pytest.mark.parametrize("protocol", CONNECTORS)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.data_too_large])
def test_any_change_of_bytes_is_taken_or_refused(protocol: Protocol, data: st.DataObject) -> None:
    example = data.draw(st.sampled_from(examples_of(protocol)))
    body = bytearray(example.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        kind = data.draw(st.integers(0, 3))
        if kind == 0 and at < len(body):
            body[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            body[at : at + data.draw(st.integers(1, 40))] = b""
        elif kind == 2:
            body[at:at] = data.draw(st.binary(max_size=20))
        else:
            body[at:at] = body[at : at + data.draw(st.integers(1, 200))]
    for found in example.found(bytes(body)):
        if isinstance(found, Refusal):
            assert found.code in REASON_CODES
            assert found.reason


@each(of_one_object(TOLD))
def test_a_message_written_anew_or_with_a_field_nobody_knows_gives_the_same(example: Example) -> None:
    fields = json.loads(example.body)
    expected = facts(records(example))
    anew = json.dumps(dict(reversed(fields.items())), indent=2, ensure_ascii=True).encode()
    assert facts(records(example, anew)) == expected
    more = json.dumps({**fields, "pushed_at": "12:00", "retry": 3}).encode()
    assert facts(records(example, more)) == expected


def said(example: Example, body: bytes) -> tuple[list[str], bool]:
    """All that comes back of a message: the texts of its records, or the reasons of its refusals (True)."""
    made = example.found(body)
    refusals = [found.reason for found in made if isinstance(found, Refusal)]
    return (refusals, True) if refusals else (texts_of([dict(found[1]) for found in made if found]), False)  # type: ignore[index]


@each(of_one_object(GOOD))
@given(
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.text(), max_size=60)
    )
)
@settings(max_examples=25, deadline=None)
def test_any_value_in_any_field_is_taken_or_refused_without_repeating_it(example: Example, value: Any) -> None:
    fields = json.loads(example.body)
    for name in fields:
        texts, refused = said(example, json.dumps({**fields, name: value}).encode())
        if refused and isinstance(value, str) and len(value) >= 6:
            assert value not in texts[0]


@each(of_one_object(GOOD))
def test_hostile_text_in_any_field_leaks_nothing(example: Example) -> None:
    fields = json.loads(example.body)
    for name in fields:
        texts, refused = said(example, json.dumps({**fields, name: HOSTILE}).encode())
        assert all("\u202e" not in text for text in texts)
        if refused:
            assert "DROP" not in texts[0]
        assert all("13800001234" not in text for text in texts)


def clock_of(channel: str) -> Clock:
    """How a channel of the demonstration profile writes times."""
    return clock(PROFILE.channels[channel], ZoneInfo(PROFILE.timezone))


SHAPED = [
    (example, shape)
    for example in of_one_object(TOLD)
    for shape in SHAPES.get(example.protocol, ("", {}))[1].values()
    if not problems(shape, json.loads(example.body), clock_of(example.channel))
]
each_shape = pytest.mark.parametrize(("example", "shape"), SHAPED, ids=str)


@each_shape
def test_a_field_that_must_be_given_is_missed_by_its_name(example: Example, shape: type[Shape]) -> None:
    fields = json.loads(example.body)
    for name in shape.required:
        spellings = {key for key, first in shape.spellings.items() if first == name}
        for blank in ({}, dict.fromkeys(spellings & fields.keys(), " ")):
            rest = {key: value for key, value in fields.items() if key not in spellings} | blank
            (found,) = problems(shape, rest, clock_of(example.channel))
            assert (found.field in spellings, found.refusal.code) == (True, "missing_field")
            assert found.field in found.refusal.reason


@each_shape
def test_every_problem_is_found_and_the_first_one_refuses(example: Example, shape: type[Shape]) -> None:
    clock = clock_of(example.channel)
    wrong = {name: ["nested", {"a": 1}] for name in {*shape.spellings.values()}}
    found = problems(shape, wrong, clock)
    assert {problem.field for problem in found} >= {*shape.required}
    assert len({problem.field for problem in found}) == len(found)
    with pytest.raises(Refusal) as caught:
        read(shape, wrong, clock)
    assert str(caught.value) == str(found[0].refusal)


@each_shape
def test_a_shapes_json_schema_tells_every_field_its_meaning_and_its_examples_are_good(
    example: Example, shape: type[Shape]
) -> None:
    told = shape.model_json_schema()
    assert set(told["properties"]) == {*shape.spellings.values()}
    assert set(told["required"]) == set(shape.required)
    given = {name: entry["examples"][0] for name, entry in told["properties"].items() if "examples" in entry}
    assert set(shape.required) <= set(given)
    assert problems(shape, given, clock_of(example.channel)) == []


@pytest.mark.parametrize("protocol", SHAPES)
def test_every_name_of_a_field_stands_in_the_protocols_page(protocol: Protocol) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "feeds" / f"{protocol}.md").read_text("utf-8")
    for shape in SHAPES[protocol][1].values():
        assert [name for name in shape.spellings if name not in page] == []


@each_shape
def test_every_spelling_of_a_field_gives_the_same(example: Example, shape: type[Shape]) -> None:
    fields = json.loads(example.body)
    data = picked(fields, shape.spellings)
    for key, first in shape.spellings.items():
        if first in data:
            others = {name: value for name, value in data.items() if name != first}
            assert picked({**others, key: data[first]}, shape.spellings) == data


@pytest.mark.parametrize("protocol", [p for p in SHAPES if p != "canonical"])
def test_numbers_of_18_digits_are_refused_where_they_are_no_text(protocol: Protocol) -> None:
    (example, shape) = next(pair for pair in SHAPED if pair[0].protocol == protocol)
    name = next(
        name for name in shape.spellings.values() if name in {"record_number", "事件编号", "case_code", "工单号"}
    )
    fields = json.loads(example.body)
    (found,) = example.found(json.dumps({**fields, name: 250912101108115409}).encode())
    assert isinstance(found, Refusal)
    assert found.code == "bad_field"
    assert "quotes" in found.reason


@pytest.mark.parametrize("protocol", SHAPES)
def test_a_batch_keeps_its_order_with_one_outcome_each(protocol: Protocol, codec: Codec) -> None:
    example = next(example for example in of_one_object(TOLD) if example.protocol == protocol)
    line = json.dumps(json.loads(example.body), ensure_ascii=False).encode()
    body = b"\n".join(b"{broken" if number % 100 == 7 else line for number in range(10_000))
    channel = PROFILE.channels[example.channel]
    sink = KeepingSink()
    intake = Intake(PROFILE, PRIVACY, sink, codec, lambda: NOW)
    taken = asyncio.run(intake.take(channel, CONNECTORS[protocol], body, "application/x-ndjson"))
    assert [outcome.status for outcome in taken.outcomes] == [
        "refused" if number % 100 == 7 else "accepted" for number in range(10_000)
    ]
    assert len({outcome.id for outcome in taken.outcomes if outcome.id}) == 1
    assert len(sink.records) == 9_900
    with_one_more = asyncio.run(intake.take(channel, CONNECTORS[protocol], body + b"\n" + line, "application/x-ndjson"))
    (outcome,) = with_one_more.outcomes
    assert outcome.refusal is not None
    assert outcome.refusal.code == "too_many_records"


def test_a_batch_names_its_broken_parts() -> None:
    example = next(example for example in of_one_object(TOLD) if example.protocol == "canonical")
    line = json.dumps(json.loads(example.body)).encode()
    parse, ctx = CONNECTORS["canonical"].parse, example.context()
    lines = b"\n".join((line, b"{broken", b"", line, b"[1]"))
    assert [type(item) for item in parse(lines, "application/x-ndjson", ctx).items] == [
        Message,
        Broken,
        Message,
        Broken,
    ]
    array = b"[" + line + b",7]"
    assert [type(item) for item in parse(array, "application/json", ctx).items] == [Message, Broken]
