"""Running hubs with a played sample: one that tests may add to, and one for the figures that nothing else touches."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.sample_year import play_year
from hub.settings import DEMO_PROFILE
from hub.up import Hub
from profiles import load_profile
from profiles.sample import write_sample
from tests.e2e.hubs import settle, start, url

_YEAR_REPORTS = 7_000


@contextmanager
def playing(folder: Path, sample: Path) -> Iterator[Hub]:
    """A hub in which a sample was played to the last row."""
    with start(folder) as hub:
        answers, _ = play_year(
            url(hub), hub.profile, hub.secrets, hub.settings.data_dir, sample, lambda *_: None, lambda *_: None
        )
        assert answers.refused == 0, answers.reasons
        settle(hub)
        yield hub


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a sample year: the one that `make run` plays, with fewer reports."""
    folder = tmp_path_factory.mktemp("sample") / "year"
    write_sample(load_profile(DEMO_PROFILE), folder, reports=_YEAR_REPORTS)
    return folder


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Hub]:
    """A hub that holds the sample year and nothing else."""
    with playing(tmp_path_factory.mktemp("year"), sample) as hub:
        yield hub


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with some months' reports, shared by tests that send more to it."""
    folder = tmp_path_factory.mktemp("some") / "sample"
    write_sample(load_profile(DEMO_PROFILE), folder, seed=5, reports=300)
    with playing(tmp_path_factory.mktemp("hub"), folder) as hub:
        yield hub
