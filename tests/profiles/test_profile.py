"""What a profile may hold: an error names the file, the line or key, and what to change."""

from pathlib import Path

import pytest

from profiles import ProfileError, load_profile
from streams.state import CELL_DEGREES
from tests.profiles.conftest import DEMO


def copy_of_demo(folder: Path) -> Path:
    for path in DEMO.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def with_cell(folder: Path, name: str, column: str, value: str) -> Path:
    """The demo profile with another value in the first row of a CSV file."""
    path = copy_of_demo(folder) / name
    header, row, *rest = path.read_text(encoding="utf-8").splitlines()
    cells = row.split(",")
    cells[header.split(",").index(column)] = value
    path.write_text("\n".join([header, ",".join(cells), *rest]), encoding="utf-8")
    return folder


def with_key(folder: Path, key: str, value: str) -> Path:
    """The demo profile with another value of a key of profile.toml."""
    path = copy_of_demo(folder) / "profile.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    changed = [f"{key} = {value}" if line.startswith(f"{key} =") else line for line in lines]
    assert changed != lines
    path.write_text("\n".join(changed), encoding="utf-8")
    return folder


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "many", ""])
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("matters.csv", "radius_m"),
        ("matters.csv", "window_hours"),
        ("places.csv", "lon"),
        ("places.csv", "lat"),
        ("places.csv", "population"),
        ("cameras.csv", "lon"),
        ("cameras.csv", "lat"),
    ],
)
def test_a_number_that_is_none_or_endless_is_refused_by_file_line_and_column(
    tmp_path: Path, name: str, column: str, value: str
) -> None:
    with pytest.raises(ProfileError, match=rf"{name}, line 2: {column} must be "):
        load_profile(with_cell(tmp_path, name, column, value))


@pytest.mark.parametrize(
    ("name", "column", "good", "bad"),
    [
        ("matters.csv", "radius_m", "500", "500.1"),
        ("matters.csv", "radius_m", "0.1", "0"),
        ("matters.csv", "window_hours", "0.5", "0"),
        ("places.csv", "lon", "180", "181"),
        ("places.csv", "lat", "-90", "-91"),
        ("places.csv", "population", "0", "-1"),
        ("places.csv", "population", "12", "12.5"),
        ("cameras.csv", "lon", "-180", "-181"),
        ("cameras.csv", "lat", "90", "91"),
    ],
)
def test_a_number_out_of_its_range_is_refused(tmp_path: Path, name: str, column: str, good: str, bad: str) -> None:
    load_profile(with_cell(tmp_path, name, column, good))
    with pytest.raises(ProfileError, match=rf"{name}, line 2: {column} must be "):
        load_profile(with_cell(tmp_path, name, column, bad))


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("work_time", "[]"),
        ("work_time", '[["17:30", "08:30"]]'),
        ("work_time", '[["08:30", "08:30"]]'),
        ("work_time", '[["13:30", "17:30"], ["08:30", "12:00"]]'),
        ("work_time", '[["08:30", "14:00"], ["13:30", "17:30"]]'),
        ("work_time", '[["half past eight", "14:00"]]'),
        ("bbox", "[120.9, 35.8, 120.4, 36.3]"),
        ("bbox", "[120.4, 36.3, 120.9, 35.8]"),
        ("bbox", "[120.4, nan, 120.9, 36.3]"),
        ("bbox", "[120.4, 35.8, 120.9]"),
        ("bbox", "[120.4, 35.8, 190, 36.3]"),
        ("basic_satisfied_weight", "1.1"),
        ("basic_satisfied_weight", "nan"),
        ("respond_within_hours", "0"),
        ("respond_within_hours", "inf"),
        ("mass_appeal_persons", "1"),
        ("mass_appeal_persons", "inf"),
        ("mass_appeal_persons", '"many"'),
        ("mass_appeal_hours", "0"),
        ("mass_appeal_hours", "inf"),
    ],
)
def test_a_key_that_no_figure_or_deadline_could_be_reckoned_with_is_refused(tmp_path: Path, key: str, bad: str) -> None:
    with pytest.raises(ProfileError, match=r"profile\.toml: ") as raised:
        load_profile(with_key(tmp_path, key, bad))
    assert "must" in str(raised.value) or "wrong type or shape" in str(raised.value)


def test_spans_that_touch_are_in_order(tmp_path: Path) -> None:
    spans = load_profile(with_key(tmp_path, "work_time", '[["08:00", "12:00"], ["12:00", "16:00"]]')).work_time.spans
    assert [(str(start), str(end)) for start, end in spans] == [("08:00:00", "12:00:00"), ("12:00:00", "16:00:00")]


def test_the_widest_radius_allowed_lies_within_the_cells_that_are_searched() -> None:
    assert CELL_DEGREES / 2 * 111_195 * 0.754 >= 500 / 2, "cos of 41 degrees north"
