"""access.toml: who reads what, and what is wrong with it told by name."""

from pathlib import Path

import pytest

from profiles import load_profile
from profiles.access import Limits, Reader, SecuritySpec, load_access
from profiles.files import ProfileError

DEMO = Path(__file__).parents[2] / "profiles" / "demo"
AGENCIES, STREETS = {"zhujian", "zhifa"}, {"370212001"}


def read(folder: Path, text: str) -> SecuritySpec:
    path = folder / "access.toml"
    path.write_text(text, encoding="utf-8")
    return load_access(path, AGENCIES, STREETS)


def test_without_the_file_there_is_the_user_bi_alone(tmp_path: Path) -> None:
    spec = load_access(tmp_path / "access.toml", AGENCIES, STREETS)
    assert spec.readers() == {"bi": Reader("bi_reader", "bi", Limits())}


def test_a_reader_has_the_database_and_the_limits_of_its_role(tmp_path: Path) -> None:
    spec = read(
        tmp_path,
        """
        [limits]
        seconds = 20
        memory_mib = 256
        [role.housing]
        agencies = ["zhujian"]
        limits = { seconds = 60 }
        [user.li]
        role = "housing"
        [user.wu]
        role = "bi"
        """,
    )
    general = Limits(seconds=20, memory_mib=256)
    assert spec.readers() == {
        "bi": Reader("bi_reader", "bi", general),
        "li": Reader("bi_housing_reader", "bi_housing", Limits(seconds=60, memory_mib=256)),
        "wu": Reader("bi_reader", "bi", general),
    }
    assert list(spec.roles()) == ["bi_reader", "bi_housing_reader"]


def test_it_is_the_same_after_it_went_to_another_process_as_json(tmp_path: Path) -> None:
    spec = read(tmp_path, '[limits]\nseconds = 20\n[role.a]\nstreets = ["370212001"]\n[user.b]\nrole = "a"\n')
    assert SecuritySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[limits]\nminutes = 3", "limits.minutes is no key of this file"),
        ("[limits]\nseconds = 0", "limits.seconds"),
        ("limits = 3", "limits"),
        ("[limits]\nresult_rows = 100", "limits.result_rows"),
        ("role = 3", "role"),
        ("[role.a]\n", "role 'a': give it agencies or streets"),
        ('[role.a]\nagencies = ["nobody"]', r"\[role.a\]: agencies.csv has no nobody"),
        ('[role.a]\nstreets = ["1"]', r"\[role.a\]: places.csv has no 1"),
        ('[role.bi]\nagencies = ["zhifa"]', "role 'bi'"),
        ('[role."a; DROP"]\nagencies = ["zhifa"]', "role 'a; DROP'"),
        ('[role.reader]\nagencies = ["zhifa"]', "role 'reader'"),
        ('[user.hub]\nrole = "bi"', "user 'hub'"),
        ('[user.A]\nrole = "bi"', "user 'A'"),
        ('[user.li]\nrole = "a"', "user 'li': there is no role"),
        ('[user.li]\nrole = "bi"\npassword = "x"', "user.li.password is no key of this file"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ProfileError, match=rf"access\.toml.*{told}"):
        read(tmp_path, text)


def test_the_demonstration_has_a_part_by_agency_and_one_by_street() -> None:
    spec = load_profile(DEMO).access
    assert spec.role["zhujian"].agencies
    assert spec.role["zhonghan"].streets
    assert {user.role for user in spec.user.values()} == set(spec.role)
