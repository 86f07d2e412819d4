"""Editions: what a code meant on a day."""

import itertools
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.settings import DEMO_PROFILE
from profiles import ProfileError, load_profile
from profiles.editions import ALWAYS, EVER, Told, editions, in_force

RENAMED = date(2025, 6, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO_PROFILE, tmp_path / "profile"))


def with_line(path: Path, column: str, line: str) -> None:
    """Adds a column, empty everywhere, and a line that fills it."""
    head, *rest = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([f"{head},{column}", *(f"{one}," for one in rest), line]) + "\n", "utf-8")


@given(st.sets(st.dates(ALWAYS, date(2100, 1, 1)), min_size=1, max_size=6), st.dates(ALWAYS, date(2100, 1, 1)))
def test_editions_of_a_code_cover_every_day_once(days: set[date], day: date) -> None:
    found = editions(Told(f"line {n}", "a", one, str(one)) for n, one in enumerate(days))["a"]
    assert (found[0].valid_from, found[-1].valid_to) == (ALWAYS, EVER)
    assert all(b.valid_from - a.valid_to == timedelta(days=1) for a, b in itertools.pairwise(found))
    assert sum(one.valid_from <= day <= one.valid_to for one in found) == 1
    begun = [one for one in days if one <= day]
    assert in_force({"a": found}, day) == {"a": str(max(begun) if begun else min(days))}


def test_an_agency_has_its_new_name_from_its_day_on_and_the_old_one_before(folder: Path) -> None:
    with_line(
        folder / "agencies.csv", "valid_from", "zhifa,城市管理执法局,City Management Bureau,district,*,,2025-06-01"
    )
    before, after = (load_profile(folder, day).agencies["zhifa"] for day in (RENAMED - timedelta(days=1), RENAMED))
    assert (before.name_zh, after.name_zh) == ("综合行政执法局", "城市管理执法局")
    kept = load_profile(folder, RENAMED).agency_editions["zhifa"]
    assert [(one.valid_from, one.valid_to, one.what.name_zh) for one in kept] == [
        (ALWAYS, RENAMED - timedelta(days=1), "综合行政执法局"),
        (RENAMED, EVER, "城市管理执法局"),
    ]


@pytest.mark.parametrize("day", ["2025-6-1", "20250601", "1969-12-31", "2149-06-06", "morgen"])
def test_a_day_that_is_none_is_told_with_its_line(folder: Path, day: str) -> None:
    with_line(folder / "agencies.csv", "valid_from", f"zhifa,新名,New,district,*,,{day}")
    with pytest.raises(ProfileError, match=r"agencies\.csv, line \d+: valid_from must be a day as YYYY-MM-DD"):
        load_profile(folder)


def test_two_lines_of_one_code_and_day_are_told_with_both_lines(folder: Path) -> None:
    with_line(folder / "places.csv", "valid_from", "370212001001,别名社区,370212001,中韩街道,120.43,36.11,1,")
    with pytest.raises(
        ProfileError, match=r"places\.csv, line \d+: places\.csv, line 2 has the same code and valid_from"
    ):
        load_profile(folder)
