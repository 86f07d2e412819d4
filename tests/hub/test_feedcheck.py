"""`zhishu feed check`: what the hub would do with a file, told without Kafka, without secrets and without repeating a value."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from rich.console import Console
from typer.testing import CliRunner

from connectors.examples import FOLDER, good_examples
from connectors.registry import CONNECTORS
from hub.cli import app
from hub.console import CommandError
from hub.feedcheck import Result, check, shown
from tests.connectors.make import ALERT, CASE, NOW, ORDER, PHONE, PROFILE, STEP, as_json

BAD: dict[str, Any] = {
    **ORDER, "record_number": "25 0912-of-zhen", "accepted_at": "yesterday", "appeal_type": "骂人话", "category_code": "zz-9",
    "lng": 0, "lat": 0,
}  # fmt: skip


def look(path: Path, channel: str = "demo-hotline", **options: Any) -> Result:
    return check(PROFILE, PROFILE.channels[channel], path, NOW, **options)


def wrong(result: Result) -> list[list[tuple[str, str]]]:
    return [[(problem.field, problem.code) for problem in message.problems] for message in result.messages]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def written(name: str, body: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(body)
        return path

    return written


def test_a_good_message_is_told_with_its_kind_place_and_local_time(write: Callable[[str, bytes], Path]) -> None:
    result = look(write("day.ndjson", as_json(ORDER) + b"\n" + as_json(STEP)))
    order, step = result.messages
    assert (order.where, order.status, order.record, order.matter) == ("line 1", "ok", "report", "噪声扰民")
    assert (order.at, order.place) == ("2025-09-12T10:11:08+08:00", "金家岭街道 大埠东社区 (code)")
    assert (step.where, step.record, step.matter, step.at) == (
        "line 2",
        "progress",
        "revisit",
        "2025-09-13T09:41:25+08:00",
    )
    assert (result.counts, result.reasons) == ({"ok": 2}, {})


def test_every_problem_of_a_message_is_told_by_field_even_those_that_only_the_profile_knows(
    write: Callable[[str, bytes], Path],
) -> None:
    (found,) = wrong(look(write("bad.json", as_json(BAD))))
    assert found == [
        ("record_number", "bad_field"), ("accepted_at", "bad_time"), ("appeal_type", "unknown_code"),
        ("category_code", "unknown_code"), ("lng, lat", "bad_location"),
    ]  # fmt: skip


def test_a_field_is_named_as_the_sender_spells_it(write: Callable[[str, bytes], Path]) -> None:
    chinese = {"message": "order", "工单编号": "1", "受理时间": "昨天", "诉求类型": "投诉", "诉求内容": ""}
    (found,) = wrong(look(write("chinese.json", as_json(chinese))))
    assert found == [("受理时间", "bad_time"), ("诉求内容", "missing_field")]


def test_without_a_kind_the_nearest_one_and_all_that_it_lacks_are_told(write: Callable[[str, bytes], Path]) -> None:
    lacking = {name: value for name, value in CASE.items() if name not in {"message", "case_code", "report_time"}}
    (message,) = look(write("case.json", as_json(lacking)), "demo-citymgmt").messages
    assert [(problem.field, problem.code) for problem in message.problems] == [
        ("case_code", "missing_field"), ("report_time", "missing_field"),
    ]  # fmt: skip
    assert all("the nearest kind, case; give it" in problem.what for problem in message.problems)
    unknown = write("none.json", as_json({"nothing": "known"}))
    assert wrong(look(unknown, "demo-citymgmt")) == [[("message", "unsupported_type")]]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"lng": 0, "lat": 0}, "lng, lat"),
        ({"lng": 36.1, "lat": 120.47}, "lng, lat"),
        ({"经度": 120.47, "lng": None, "lat": None}, "经度, lat"),
    ],
)
def test_a_refused_place_names_its_fields_as_the_sender_spells_them(
    given: dict[str, Any], fields: str, write: Callable[[str, bytes], Path]
) -> None:
    order = {name: value for name, value in (ORDER | given).items() if value is not None}
    assert wrong(look(write("order.json", as_json(order)))) == [[(fields, "bad_location")]]


def test_a_refused_place_of_a_form_names_lat_and_long() -> None:
    result = look(FOLDER / "open311" / "zero-point.form", "demo-open311")
    assert wrong(result) == [[("lat, long", "bad_location")]]


def test_an_alarm_is_told_with_its_kinds_name_and_whether_its_camera_is_registered(
    write: Callable[[str, bytes], Path],
) -> None:
    (known,) = look(FOLDER / "hikvision" / "plate.xml", "demo-hikvision").messages
    assert known.matter == "车牌识别"
    assert known.place.endswith("(register)")
    body = ALERT.replace("37021200001320000002", "37021200001320999999").encode()
    (strange,) = look(write("alert.xml", body), "demo-hikvision").messages
    assert (strange.status, strange.place) == ("ok", "(unregistered camera)")


def test_a_mapped_channel_is_told_in_the_names_of_its_targets(write: Callable[[str, bytes], Path]) -> None:
    own = PROFILE.channels["demo-canonical"]
    mapping = {"upstream_id": "no", "reported_at": "when", "content": "what", "code": "class"}
    channel = replace(own, mapping=mapping, constants={"record": "report", "kind": "appeal"})
    body = as_json({"no": "1", "when": "soon", "what": "x", "class": "zz"})
    result = check(PROFILE, channel, write("own.json", body), NOW)
    assert wrong(result) == [[("reported_at", "bad_time"), ("code", "unknown_code")]]


def test_no_value_of_the_file_is_repeated(write: Callable[[str, bytes], Path]) -> None:
    body = (
        as_json(BAD | {"caller_phone": PHONE * 200}) + b"\n" + as_json({**STEP, "note6": "secret word"}) + b"\nnot json"
    )
    result = look(write("bad.ndjson", body))
    console = Console(record=True, width=200)
    console.print(shown(result))
    told = console.export_text() + json.dumps(result.as_json(), ensure_ascii=False)
    for value in ("of-zhen", "yesterday", "骂人话", "zz-9", PHONE, "secret word", "甄样本", "not json"):
        assert value not in told
    assert result.counts == {"refused": 3}


def test_the_summary_counts_problems_by_their_reason(write: Callable[[str, bytes], Path]) -> None:
    result = look(write("bad.ndjson", b"\n".join([as_json(BAD)] * 2 + [as_json(ORDER)])))
    assert result.reasons == {"unknown_code": 4, "bad_field": 2, "bad_time": 2, "bad_location": 2}
    told = result.as_json()
    assert (told["ok"], told["ignored"], told["refused"], told["reasons"]["unknown_code"]) == (1, 0, 2, 4)


def test_an_ignored_message_is_no_problem(write: Callable[[str, bytes], Path]) -> None:
    result = look(write("day.json", as_json(ORDER | {"appeal_type": "无效"})))
    assert (result.counts, wrong(result)) == ({"ignored": 1}, [[]])


def test_a_file_of_more_messages_than_a_request_may_hold_is_looked_at_whole_or_to_its_limit(
    write: Callable[[str, bytes], Path],
) -> None:
    small = replace(PROFILE.channels["demo-hotline"], max_records=3)
    path = write("day.ndjson", b"\n".join([as_json(ORDER)] * 8))
    assert check(PROFILE, small, path, NOW).counts == {"ok": 8}
    assert check(PROFILE, small, path, NOW, limit=2).counts == {"ok": 2}


def test_rows_of_csv_and_of_a_workbook_are_named_by_their_line(
    tmp_path: Path, write: Callable[[str, bytes], Path]
) -> None:
    header, good = (
        ["工单编号", "受理时间", "诉求类型", "诉求内容"],
        ["001", "2025/9/12 10:20", "求助类", "停水（虚构）"],
    )
    bad = ["00 2", "2025/9/12 10:20", "求助类", "停水（虚构）"]
    table = "\n".join(",".join(row) for row in (header, good, bad)).encode("gb18030")
    result = look(write("day.csv", table), content_type="text/csv; charset=gb18030")
    assert [message.status for message in result.messages] == ["ok", "refused"]
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["工单清单（虚构）"], header, good, bad):
        sheet.append(row)
    path = tmp_path / "day.xlsx"
    book.save(path)
    result = look(path)
    assert [(message.where, message.status) for message in result.messages] == [
        ("row 3", "ok"), ("row 4", "refused"),
    ]  # fmt: skip


def test_a_csv_in_gb_bytes_is_read_as_a_dropped_file_is_whatever_the_channel_and_the_result_says_so(
    write: Callable[[str, bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = (
        "工单清单（虚构）,,,\n工单编号,受理时间,诉求类型,诉求内容\n"
        "001,2025/9/12 10:20,求助类,停水（虚构）\n00 2,2025/9/12 10:20,求助类,停水（虚构）\n"
    )
    for encoding in ("gbk", "gb18030", "utf-16"):
        path = write("day.csv", table.encode(encoding))
        result = look(path)
        assert [(message.where, message.status) for message in result.messages] == [
            ("row 3", "ok"),
            ("row 4", "refused"),
        ]
        assert "charset=gb18030" in result.as_json()["note"]
    monkeypatch.setenv("ZHISHU_DATA_DIR", str(tmp_path / "nothing-here"))
    told = CliRunner().invoke(app, ["feed", "check", str(path), "--feed", "demo-hotline"])
    assert "not UTF-8" in told.stdout
    neither = look(write("day.csv", b"a,b\n\xff\xff,1\n"))
    (message,) = neither.messages
    assert "neither UTF-8 nor GB18030" in message.problems[0].what
    assert look(write("plain.csv", b"a,b\n1,2\n")).note == ""
    assert wrong(look(write("day.csv", table.encode("gbk")), content_type="text/csv")) == [[("", "bad_encoding")]]
    assert wrong(look(write("day.csv", table.encode("gbk")), "demo-dahua")) == [[("", "unsupported_type")]]


def test_without_a_header_the_values_that_stand_in_its_place_are_not_repeated(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (["甄样本", "来电号码", "投诉", "噪声"], [1234567890123456789, 1234567890123456789, "投诉", "噪声"]):
        sheet.append(row)
    path = tmp_path / "day.xlsx"
    book.save(path)
    (message,) = look(path).messages
    (problem,) = message.problems
    assert "甄样本" not in json.dumps(asdict(message), ensure_ascii=False)
    assert "来电号码" in problem.what
    assert "a column that the channel does not know" in problem.what


def test_a_file_that_can_t_be_read_as_a_whole_says_why(write: Callable[[str, bytes], Path]) -> None:
    assert wrong(look(write("day.json", b"{"))) == [[("", "bad_json")]]
    assert wrong(look(write("day.json", b"\xff"))) == [[("", "bad_encoding")]]
    assert wrong(look(write("day.xlsx", b"PK"))) == [[("", "bad_field")]]
    with pytest.raises(CommandError, match="--content-type"):
        look(write("day.doc", b""))


def test_one_xml_message_over_several_lines_and_one_a_line_are_both_read(write: Callable[[str, bytes], Path]) -> None:
    example = next(one for one in good_examples("hikvision") if one.content_type.startswith("application/xml"))
    assert look(write("one.xml", example.body), "demo-hikvision").counts == {"ok": 1}
    line = b" ".join(example.body.split())
    result = look(write("many.xml", line + b"\n<broken\n" + line), "demo-hikvision")
    assert [(message.where, message.status) for message in result.messages] == [
        ("line 1", "ok"), ("line 2", "refused"), ("line 3", "ok"),
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", sorted(set(CONNECTORS) - {"wechat"}))
def test_the_examples_of_every_protocol_pass(protocol: str) -> None:
    checked = 0
    (channel, *_) = [one for one in PROFILE.channels.values() if one.protocol == protocol]
    for example in good_examples(protocol):
        if not example.tail or protocol == "open311":
            result = check(PROFILE, channel, FOLDER / protocol / example.file, NOW, content_type=example.content_type)
            assert result.counts["refused"] == 0, (example.file, wrong(result))
            checked += len(result.messages)
    assert checked or protocol == "gat1400"


def test_the_command_says_it_by_its_exit_code_and_needs_no_secrets(
    write: Callable[[str, bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZHISHU_DATA_DIR", str(tmp_path / "nothing-here"))
    run = CliRunner()
    good, bad = write("good.json", as_json(ORDER)), write("bad.json", as_json(BAD))
    told = run.invoke(app, ["feed", "check", str(good), "--feed", "demo-hotline"])
    assert (told.exit_code, "1 ok, 0 ignored by rule, 0 refused" in told.stdout) == (0, True)
    told = run.invoke(app, ["feed", "check", str(bad), "--feed", "hotline12345", "--json"])
    assert (told.exit_code, json.loads(told.stdout)["refused"]) == (1, 1)
    with pytest.raises(CommandError, match="demo-hotline"):
        run.invoke(app, ["feed", "check", str(bad), "--feed", "nothing"], catch_exceptions=False)
