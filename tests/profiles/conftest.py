"""Samples that several tests of this folder read."""

from pathlib import Path

import pytest

from profiles import Profile, load_profile
from profiles.sample import write_sample
from tests.profiles.written import Written, read_sample

DEMO = Path(__file__).parents[2] / "profiles" / "demo"


@pytest.fixture(scope="session")
def demo() -> Profile:
    return load_profile(DEMO)


@pytest.fixture(scope="session")
def year(demo: Profile, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The whole year as the product ships it."""
    folder = tmp_path_factory.mktemp("year") / "sample"
    return read_sample(folder, write_sample(demo, folder))
