"""Spreadsheets as people fill them in: what is read, what is refused, and what a hostile file may cost."""

import csv
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.readers.sheet_process import messages
from connectors.readers.tables import Row, TableOptions, read_table
from connectors.sheets import Cell, Sheet, SheetError, cell_text, open_sheets
from tests.readers.workbooks import write_ods, write_xls

NUMBER = "250912101108115409"
HEADER = ["编号", "时间", "内容"]


def rows(path: Path, **options: Any) -> list[Row]:
    return [row for sheet in open_sheets(path) for row in read_table(sheet, TableOptions(**options))]


def read(path: Path, **options: Any) -> list[dict[str, str]]:
    return [row.fields for row in rows(path, **options)]


def grid(*lines: Sequence[Cell], **options: Any) -> list[dict[str, str]]:
    """Rows of a sheet that tells no merged cells, such as a CSV."""
    sheet = Sheet("", False, True, iter(enumerate(map(list, lines), start=1)))
    return [row.fields for row in read_table(sheet, TableOptions(**options))]


def text_file(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "drop.csv"
    path.write_bytes(text.encode(encoding))
    return path


def workbook(tmp_path: Path, *lines: Sequence[Any], merge: Sequence[str] = ()) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    for line in lines:
        sheet.append(line)
    for found in merge:
        sheet.merge_cells(found)
    path = tmp_path / "drop.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_a_csv_is_read_whatever_it_is_encoded_in(tmp_path: Path, encoding: str) -> None:
    path = text_file(tmp_path, f"编号,时间,内容\n{NUMBER},2025-09-12,噪声很大\n", encoding)
    assert read(path) == [{"编号": NUMBER, "时间": "2025-09-12", "内容": "噪声很大"}]


def test_bytes_that_are_no_text_are_told_and_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "drop.csv"
    path.write_bytes("编号,内容\n1,".encode() + b"\xff\xff\xfe\n")
    with pytest.raises(SheetError, match="neither UTF-8 nor GB18030"):
        read(path)


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_csv_may_part_its_cells_by_comma_tab_or_semicolon(tmp_path: Path, delimiter: str) -> None:
    text = "\n".join(
        delimiter.join(line) for line in (HEADER, ["1", "2025-09-12", "噪声,很大" if delimiter != "," else "噪声"])
    )
    assert read(text_file(tmp_path, text))[0]["编号"] == "1"


@pytest.mark.parametrize("bad", ['7,"没有结束', '7,"坏"了', '"7,坏\n', '7,"' + "长" * 1_100_000])
def test_a_row_of_a_csv_that_can_not_be_read_costs_itself_alone_wherever_it_stands(tmp_path: Path, bad: str) -> None:
    good = [f'{number},"两\n行 {number}"' for number in range(10, 30)]
    for place in (0, 11, 20):
        lines = [*good[:place], bad, *good[place:]]
        found = list(messages(text_file(tmp_path, "\n".join(["编号,内容", *lines]) + "\n"), TableOptions()))
        rows = [one for one in found if "fields" in one]
        taken = {row["fields"]["编号"]: row["fields"]["内容"] for row in rows if not row["problem"]}
        assert {str(number): f"两\n行 {number}" for number in range(10, 30)}.items() <= taken.items()
        told = [row for row in rows if row["problem"]]
        assert told
        assert "check its quotes" in told[0]["problem"]
        assert found[-1] == {"end": len(rows)}


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_row_whose_bytes_are_no_text_costs_itself_alone(tmp_path: Path, encoding: str) -> None:
    lines = [f"{number},夜间噪声很大".encode(encoding) for number in range(40)]
    lines[17] = "17,夜间".encode(encoding) + b"\xff\xff" + "噪声".encode(encoding)
    path = tmp_path / "drop.csv"
    path.write_bytes(b"\n".join(["编号,内容".encode(encoding), *lines]) + b"\n")
    rows = [one for one in messages(path, TableOptions()) if "fields" in one]
    assert [row["line"] for row in rows if row["problem"]] == [19]
    assert {row["fields"]["内容"] for row in rows if not row["problem"]} == {"夜间噪声很大"}
    assert len(rows) == 40


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("bad", [b"\xff", b"\0"])
def test_of_a_few_rows_too_one_that_is_no_text_costs_itself_alone(tmp_path: Path, encoding: str, bad: bytes) -> None:
    lines = [f"{number},2025-09-12,夜间噪声很大".encode(encoding) for number in range(3)]
    lines[1] += bad
    path = tmp_path / "drop.csv"
    for header in ("编号,时间,内容", "number,time,text"):
        path.write_bytes(b"\n".join([header.encode(encoding), *lines]) + b"\n")
        assert [bool(row.problem) for row in rows(path)] == [False, True, False]


def test_a_row_that_is_no_text_costs_itself_alone_among_ascii(tmp_path: Path) -> None:
    path = tmp_path / "drop.csv"
    path.write_bytes(b"number,text\n1,a\n2,\xff\n3,c\n")
    assert [bool(row.problem) for row in rows(path)] == [False, True, False]


@pytest.mark.parametrize("apart", [0, 1, 5])
@pytest.mark.parametrize("ends", ['{},2025-09-12,甲"', '{},2025-09-12",甲', '{}",2025-09-12,甲'])
@pytest.mark.parametrize("begins", ['1,2025-09-12,"甲', '1,"2025-09-12,甲', '"1,2025-09-12,甲'])
def test_a_stray_quote_never_joins_its_row_to_another(tmp_path: Path, begins: str, ends: str, apart: int) -> None:
    lines = [f"{number},2025-09-12,甲" for number in range(2, 9)]
    lines[apart] = ends.format(apart + 2)
    found = rows(text_file(tmp_path, "\n".join(["编号,时间,内容", begins, *lines]) + "\n"))
    assert [row.line for row in found] == list(range(2, 10))
    assert found[0].problem
    good = {row.fields["编号"] for row in found if not row.problem}
    assert good >= {str(number) for number in range(2, 9) if number != apart + 2}


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_cell_may_have_lines_in_whatever_column_it_stands(tmp_path: Path, column: int) -> None:
    cells = ["1", "2025-09-12", "甲"]
    cells[column] = "第一行, 和\n第二行\n第三行"
    path = tmp_path / "drop.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, cells, cells])
    assert read(path) == [dict(zip(HEADER, cells, strict=True))] * 2


def test_a_cell_of_the_last_second_of_the_calendar_or_of_no_number_fails_nothing_else(tmp_path: Path) -> None:
    assert cell_text(datetime(9999, 12, 31, 23, 59, 59, 999000)) == "9999-12-31 23:59:59"  # noqa: DTZ001
    assert cell_text(float("nan")) is None
    assert cell_text(float("inf")) is None


def test_a_header_of_two_rows_with_merged_cells_is_joined(tmp_path: Path) -> None:
    path = workbook(
        tmp_path,
        ["2025年9月工单（虚构）"],
        ["编号", "来电人", None, "内容"],
        [None, "姓名", "电话", None],
        [NUMBER, "甄样本", 13800001234, "噪声很大"],
        merge=["A1:D1", "A2:A3", "B2:C2", "D2:D3"],
    )
    assert read(path) == [
        {
            "编号": NUMBER,
            "来电人/姓名": "甄样本",
            "来电人/电话": "13800001234",
            "姓名": "甄样本",
            "电话": "13800001234",
            "内容": "噪声很大",
        }
    ]


def test_the_same_header_is_joined_in_xls_and_in_formats_that_tell_no_merged_cells(tmp_path: Path) -> None:
    lines = [["编号", "来电人", "", "内容"], ["", "姓名", "电话", ""], ["1", "甄样本", 13800001234.0, "噪声"]]
    write_xls(tmp_path / "a.xls", lines, [(0, 0, 1, 2), (0, 1, 0, 0), (0, 1, 3, 3)])
    write_ods(tmp_path / "a.ods", lines)
    text_file(tmp_path, "编号,来电人,,内容\n,姓名,电话,\n1,甄样本,13800001234,噪声\n")
    found = [read(tmp_path / name) for name in ("a.xls", "a.ods", "drop.csv")]
    assert found[0] == found[1] == found[2]
    assert found[0][0]["来电人/电话"] == "13800001234"


def test_a_lower_name_that_stands_twice_is_found_only_under_its_upper_one() -> None:
    found = grid(
        ["编号", "来电人", "", "办理人", ""], ["", "姓名", "电话", "姓名", "工号"], ["1", "甄", "1", "贾", "2"]
    )
    assert found == [
        {
            "编号": "1",
            "来电人/姓名": "甄",
            "来电人/电话": "1",
            "办理人/姓名": "贾",
            "办理人/工号": "2",
            "电话": "1",
            "工号": "2",
        }
    ]


def test_a_row_of_text_below_a_header_is_data_and_no_second_header_row() -> None:
    assert grid(["编号", "内容", ""], ["甲", "噪声", "备注"]) == [{"编号": "甲", "内容": "噪声", "column_3": "备注"}]


def test_titles_and_remarks_above_the_header_blank_rows_and_repeated_headers_are_passed_over() -> None:
    found = grid(
        ["某区工单（虚构）", "", ""],
        ["制表人：甄样本", "", "日期：2025-09-12"],
        HEADER,
        ["1", "2025-09-12", "甲"],
        ["", "", ""],
        HEADER,
        ["2", "2025-09-12", "乙"],
    )
    assert [row["编号"] for row in found] == ["1", "2"]


def test_the_source_may_name_the_columns_or_the_line_of_the_header() -> None:
    lines = [["甲", "乙", "丙"], ["丁", "戊", "己"], HEADER, ["1", "2", "3"]]
    assert grid(*lines, columns=("编号",)) == grid(*lines, header_row=3) == [{"编号": "1", "时间": "2", "内容": "3"}]
    with pytest.raises(SheetError, match="工单号"):
        grid(*lines, columns=("工单号",))
    with pytest.raises(SheetError, match="line 40"):
        grid(*lines, header_row=40)


def test_columns_that_are_named_are_found_over_a_second_header_row_too() -> None:
    lines = [["编号", "来电人", "", "内容"], ["", "姓名", "电话", ""], ["1", "甄", "2", "甲"]]
    assert grid(*lines, columns=("编号", "内容")) == grid(*lines) == grid(*lines, columns=("来电人/电话",))


def test_columns_of_one_name_are_numbered_and_ignored_ones_left_out() -> None:
    found = grid(["编号", "备注", "备注", "身份证"], ["1", "甲", "乙", "丙"], ignore=("身份证",))
    assert found == [{"编号": "1", "备注": "甲", "备注_2": "乙"}]


def test_a_sheet_without_a_header_is_refused_without_quoting_it() -> None:
    with pytest.raises(SheetError, match="no header") as refused:
        grid(["1", "13800001234"], ["2", "13800001235"])
    assert "138" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  甲 ", "甲"),
        (13800001234.0, "13800001234"),
        (120.47, "120.47"),
        (0.00001, "0.00001"),
        (45912.4244, "45912.4244"),
        (True, "true"),
        (datetime.fromisoformat("2025-09-12T10:11:07.999998"), "2025-09-12 10:11:08"),
        (date(2025, 9, 12), "2025-09-12"),
        (time(10, 11), "10:11:00"),
        ('="0532"', "0532"),
        ("'250912101108115409", NUMBER),
        (NUMBER, NUMBER),
        (2.50912101108115e17, None),
        (-1e15, None),
        ("2.50912E+17", None),
        ("1.38E+10", None),
    ],
)
def test_a_cell_is_read_as_its_owner_sees_it(value: Any, text: str | None) -> None:
    assert cell_text(value) == text


def test_a_number_that_lost_its_digits_is_refused_by_the_name_of_its_column(tmp_path: Path) -> None:
    path = workbook(tmp_path, HEADER, [250912101108115409, "2025-09-12", "甲"], [NUMBER, "2025-09-12", "乙"])
    lost, good = rows(path)
    assert "编号" in lost.problem
    assert "format the column as text" in lost.problem
    assert "2.5" not in lost.problem
    assert (lost.line, good.line, good.problem) == (2, 3, "")
    assert good.fields["编号"] == NUMBER


def test_real_dates_are_read_to_the_second(tmp_path: Path) -> None:
    moments = [datetime.fromisoformat(f"2025-09-12T10:11:{second:02d}") for second in range(60)]
    path = workbook(tmp_path, HEADER, *([str(n), moment, "甲"] for n, moment in enumerate(moments)))
    assert [row["时间"] for row in read(path)] == [str(moment) for moment in moments]


def test_a_row_with_more_values_than_the_header_is_refused() -> None:
    sheet = Sheet("", False, True, iter([(1, list(HEADER)), (2, ["1", "2", "3", "4"]), (3, ["1", "2", "3", ""])]))
    assert [bool(row.problem) for row in read_table(sheet, TableOptions())] == [True, False]


def test_merged_cells_below_the_header_are_filled(tmp_path: Path) -> None:
    path = workbook(tmp_path, HEADER, ["1", "2025-09-12", "甲"], [None, None, "乙"], merge=["A2:A3", "B2:B3"])
    assert [row["编号"] for row in read(path)] == ["1", "1"]


def test_hidden_sheets_are_left_out_and_every_visible_one_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for name in ("一", "二", "三"):
        sheet = book.create_sheet(name)
        sheet.append(HEADER)
        sheet.append([name, "2025-09-12", "甲"])
    book["三"].sheet_state = "hidden"
    path = tmp_path / "drop.xlsx"
    book.save(path)
    found = list(messages(path, TableOptions()))
    assert [(one["sheet"], one["line"]) for one in found[:-1]] == [("一", 2), ("二", 2)]
    assert found[-1] == {"end": 2}
    assert [one["sheet"] for one in messages(path, TableOptions(sheets=("二",))) if "fields" in one] == ["二"]


def test_a_sheet_without_a_table_is_told_beside_those_that_have_one(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["图"])
    book.active.append([1])
    book.create_sheet("数据").append(HEADER)
    book["数据"].append(["1", "2025-09-12", "甲"])
    book.save(tmp_path / "drop.xlsx")
    found = list(messages(tmp_path / "drop.xlsx", TableOptions(columns=("编号",))))
    assert "skipped" in found[0]
    assert found[-1] == {"end": 1}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"PK\x03\x04 not a zip", "not whole"),
        (b"\xd0\xcf\x11\xe0 not a workbook", "can't be read"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "web page"),
        (b"", "no header"),
        (b"\x00\x01\x02\x03", "neither a spreadsheet nor text"),
    ],
)
def test_what_is_no_spreadsheet_is_refused_whatever_it_is_called(tmp_path: Path, body: bytes, told: str) -> None:
    path = tmp_path / "drop.xls"
    path.write_bytes(body)
    assert told in list(messages(path, TableOptions()))[-1]["error"]


def test_a_workbook_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet1.xml", "w") as member,
    ):
        for _ in range(1100):
            member.write(bytes(1024 * 1024))
    with pytest.raises(SheetError, match="unpacks to more"):
        read(path)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_a_sheet_error(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(body)
    last = list(messages(path, TableOptions()))[-1]
    assert "end" in last or "error" in last


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.text(max_size=12) | st.none(), max_size=6), max_size=12))
def test_any_cells_give_rows_with_text_or_a_sheet_error(lines: list[list[Cell]]) -> None:
    sheet = Sheet("", False, True, iter(enumerate(lines, start=1)))
    try:
        found = list(read_table(sheet, TableOptions()))
    except SheetError:
        return
    assert all(isinstance(value, str) for row in found for value in row.fields.values())


def test_a_hundred_thousand_rows_are_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "drop.csv"
    with path.open("w", encoding="gbk") as file:
        file.write("编号,时间,内容\n")
        file.writelines(f"{number},2025-09-12 10:11:08,夜间噪声很大\n" for number in range(100_000))
    command = [sys.executable, "-m", "connectors.readers.sheet_process", path, "{}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = sum(1 for _ in islice(process.stdout, 95_000))
        # It waits for us now: what is left does not fit into the pipe.
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        lines += sum(1 for _ in process.stdout)
    assert (process.returncode, lines) == (0, 100_001)
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert peak < 60 * 1024  # KiB
