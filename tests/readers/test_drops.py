"""A folder of dropped files: when one is taken, what is told of each row, and where it ends."""

import asyncio
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.readers.drops import FilesOrigin
from connectors.readers.loop import Reader, SourceError
from profiles.sources import FilesSource
from tests.readers.parts import ROWS, Kept, channel, reader, run_until

HEADER = ["number", "made_at", "text", "phone"]
GOOD = ["N1", "2025-09-12 10:11:08", "夜间噪声", "13800001234"]


@pytest.fixture
def one(tmp_path: Path, kept: Kept) -> Reader:
    found = channel(
        tmp_path, f"{ROWS}[channel.source]\nkind = 'files'\nfolder = 'drops'\nbatch = 100\nevery_s = 0.01\n"
    )
    assert isinstance(found.source, FilesSource)
    return reader(found, FilesOrigin(found.id, found.source, tmp_path), kept, tmp_path / "cursors")


def drop(tmp_path: Path, name: str, *lines: Sequence[Any]) -> Path:
    path = tmp_path / "drops" / name
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    else:
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append(list(line))
        book.save(path)
    return path


def looks(one: Reader, times: int) -> None:
    async def look() -> None:
        for _ in range(times):
            await one.pass_once()

    asyncio.run(look())


def outcomes(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_is_taken_at_the_second_look_and_put_away_with_its_outcomes(
    one: Reader, kept: Kept, tmp_path: Path
) -> None:
    drop(
        tmp_path,
        "九月.xlsx",
        HEADER,
        GOOD,
        ["N2", "2025-09-12", "", ""],
        ["", "", "", ""],
        ["N3", "2025/9/12 9:05", "甲", ""],
    )
    looks(one, 1)
    assert kept.records == []
    looks(one, 1)
    assert kept.ids() == ["N1", "N3"]
    done = tmp_path / "drops" / "done"
    assert sorted(path.name for path in done.iterdir()) == ["九月.xlsx", "九月.xlsx.outcome.csv"]
    told = outcomes(done / "九月.xlsx.outcome.csv")
    assert [(row["row"], row["status"], row["code"]) for row in told] == [
        ("2", "accepted", ""),
        ("3", "refused", "missing_field"),
        ("5", "accepted", ""),
    ]
    assert told[0]["id"] == kept.reports()[0]["report_id"]
    assert "content" in told[1]["reason"]
    assert len(kept.letters()) == 1


def test_a_file_that_still_grows_is_left_until_it_rests(one: Reader, kept: Kept, tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", HEADER, GOOD)
    looks(one, 1)
    with path.open("a", encoding="utf-8") as file:
        file.write("N2,2025-09-12 10:11:08,乙,\n")
    looks(one, 1)
    assert kept.records == []
    looks(one, 1)
    assert kept.ids() == ["N1", "N2"]


@pytest.mark.parametrize("name", ["a.csv.tmp", "a.csv.part", ".a.csv", "~$a.xlsx", "a.csv.crdownload", "notes.txt"])
def test_unfinished_and_foreign_files_are_never_taken(one: Reader, kept: Kept, tmp_path: Path, name: str) -> None:
    path = tmp_path / "drops" / name
    path.parent.mkdir()
    path.write_text("number,made_at,text\nN1,2025-09-12,甲\n", encoding="utf-8")
    looks(one, 3)
    assert path.exists()
    path.rename(tmp_path / "drops" / "ready.csv")
    looks(one, 2)
    assert kept.ids() == ["N1"]


@pytest.mark.parametrize("how", ["replaced", "appended"])
def test_a_file_that_is_written_to_while_it_is_read_is_read_again_and_loses_no_row(
    one: Reader, kept: Kept, tmp_path: Path, how: str
) -> None:
    path = drop(tmp_path, "a.csv", HEADER, *([f"N{number}", *GOOD[1:]] for number in range(5)))
    done = tmp_path / "drops" / "done"

    async def write(_: object) -> None:
        kept.before = None
        rows = [[f"N{number}", *GOOD[1:]] for number in range(5, 9)]
        if how == "appended":
            with path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(rows)
        else:
            other = drop(tmp_path, "b.tmp.csv", HEADER, *rows)
            other.replace(path)

    looks(one, 1)
    kept.before = write
    looks(one, 1)
    assert list(done.iterdir()) == []
    assert path.exists()
    looks(one, 2)
    assert set(kept.ids()) == {f"N{number}" for number in range(9)}
    assert sorted(found.name for found in done.iterdir()) == ["a.csv", "a.csv.outcome.csv"]


def test_a_file_that_is_written_to_before_its_turn_is_left_until_it_rests(
    one: Reader, kept: Kept, tmp_path: Path
) -> None:
    drop(tmp_path, "a.csv", HEADER, GOOD)
    later = drop(tmp_path, "b.csv", HEADER, ["N2", *GOOD[1:]])
    os.utime(tmp_path / "drops" / "a.csv", (1, 1))  # the older is read first

    async def write(_: object) -> None:
        kept.before = None
        with later.open("a", encoding="utf-8") as file:
            file.write("N3,2025-09-12 10:11:08,乙,\n")

    looks(one, 1)
    kept.before = write
    looks(one, 1)
    assert kept.ids() == ["N1"]
    looks(one, 2)
    assert kept.ids() == ["N1", "N2", "N3"]


@pytest.mark.parametrize("name", [("工" * 80).encode(), "九月".encode("gbk"), ("九" * 120).encode("gbk")])
def test_a_file_is_read_whatever_bytes_its_name_has_and_however_many(
    one: Reader, kept: Kept, tmp_path: Path, name: bytes
) -> None:
    drop(tmp_path, "a.csv", HEADER, GOOD)
    drop(tmp_path, "b.csv", HEADER, ["N2", *GOOD[1:]]).rename(tmp_path / "drops" / os.fsdecode(name + b".csv"))
    looks(one, 2)
    assert sorted(kept.ids()) == ["N1", "N2"]
    assert len(list((tmp_path / "drops" / "done").iterdir())) == 4


def test_links_and_folders_are_not_followed(one: Reader, kept: Kept, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("number,made_at,text\nN1,2025-09-12,甲\n", encoding="utf-8")
    (tmp_path / "drops").mkdir()
    (tmp_path / "drops" / "link.csv").symlink_to(outside)
    (tmp_path / "drops" / "folder.csv").mkdir()
    looks(one, 3)
    assert kept.records == []
    assert outside.exists()


def test_an_unreadable_file_goes_to_failed_and_the_others_are_taken(one: Reader, kept: Kept, tmp_path: Path) -> None:
    broken = drop(tmp_path, "a.csv", HEADER)
    broken.write_bytes(b"PK\x03\x04 half a workbook")
    drop(tmp_path, "b.csv", HEADER, GOOD)
    looks(one, 2)
    assert kept.ids() == ["N1"]
    (told,) = outcomes(tmp_path / "drops" / "failed" / "a.csv.outcome.csv")
    assert told["status"] == "failed"
    assert "not whole" in told["reason"]


def test_a_sheet_too_large_for_memory_ends_its_own_process_only(one: Reader, kept: Kept, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["A1"] = "number"
    book.active["XFD1048576"] = "far away"
    (tmp_path / "drops").mkdir()
    book.save(tmp_path / "drops" / "a.xlsx")
    drop(tmp_path, "b.csv", HEADER, GOOD)
    looks(one, 2)
    assert kept.ids() == ["N1"]
    (told,) = outcomes(tmp_path / "drops" / "failed" / "a.xlsx.outcome.csv")
    assert "too large or broken" in told["reason"]


def test_a_file_over_the_limit_is_not_opened(tmp_path: Path, kept: Kept) -> None:
    found = channel(tmp_path, f"{ROWS}[channel.source]\nkind = 'files'\nfolder = 'drops'\nmax_file_bytes = 10\n")
    assert isinstance(found.source, FilesSource)
    drop(tmp_path, "a.csv", HEADER, GOOD)
    looks(reader(found, FilesOrigin(found.id, found.source, tmp_path), kept, tmp_path / "cursors"), 2)
    assert kept.records == []
    assert (tmp_path / "drops" / "failed" / "a.csv").exists()


def test_the_same_file_again_gives_the_same_records_and_a_name_of_its_own(
    one: Reader, kept: Kept, tmp_path: Path
) -> None:
    for _ in range(2):
        drop(tmp_path, "a.csv", HEADER, GOOD)
        looks(one, 2)
    first, again = kept.reports()
    assert (first["report_id"], first["content_hash"]) == (again["report_id"], again["content_hash"])
    assert sorted(path.name for path in (tmp_path / "drops" / "done").iterdir()) == [
        "a.2.csv",
        "a.2.csv.outcome.csv",
        "a.csv",
        "a.csv.outcome.csv",
    ]


def test_digits_that_a_spreadsheet_lost_are_refused_and_dead_lettered(one: Reader, kept: Kept, tmp_path: Path) -> None:
    drop(tmp_path, "a.xlsx", HEADER, [250912101108115409, "2025-09-12", "甲", ""], GOOD)
    looks(one, 2)
    assert kept.ids() == ["N1"]
    told = outcomes(tmp_path / "drops" / "done" / "a.xlsx.outcome.csv")
    assert "number: stands as a number of more than 15 digits" in told[0]["reason"]
    assert [letter["reason_code"] for letter in kept.letters()] == ["bad_field"]


def test_a_kafka_that_is_away_stops_a_file_in_the_middle_and_loses_nothing(
    one: Reader, kept: Kept, tmp_path: Path
) -> None:
    drop(tmp_path, "a.csv", HEADER, *([f"N{n}", "2025-09-12", "甲", ""] for n in range(450)))
    kept.refusals = 2
    asyncio.run(run_until(one, (tmp_path / "drops" / "done" / "a.csv").exists))
    assert kept.ids() == [f"N{n}" for n in range(450)]
    assert kept.refused == 2


def test_a_file_whose_reading_was_stopped_is_read_again_from_its_start(one: Reader, kept: Kept, tmp_path: Path) -> None:
    drop(tmp_path, "a.csv", HEADER, *([f"N{n}", "2025-09-12", "甲", ""] for n in range(250)))
    kept.refusals = 10**6

    async def stop() -> None:
        await run_until(one, lambda: kept.refused > 0)

    asyncio.run(stop())
    assert (tmp_path / "drops" / "a.csv").exists()
    kept.refusals = 0
    looks(one, 2)
    assert kept.ids() == [f"N{n}" for n in range(250)]


def test_a_file_that_can_not_be_moved_is_told_after_the_others_were_read(
    one: Reader, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "a.csv":
            raise PermissionError
        return move(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    drop(tmp_path, "a.csv", HEADER, GOOD)
    drop(tmp_path, "b.csv", HEADER, ["N2", *GOOD[1:]])
    with pytest.raises(SourceError, match="rights"):
        looks(one, 2)
    assert kept.ids() == ["N1", "N2"]
    assert (tmp_path / "drops" / "done" / "b.csv").exists()
