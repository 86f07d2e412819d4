"""One running hub with a played sample, shared by the tests that only look."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.sample_year import play_year
from hub.up import Hub
from profiles.sample import write_sample
from tests.e2e.hubs import settle, start, url

#: A year in the small: all feeds, all months, all kinds of life.
REPORTS = 3_000


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small sample year."""
    from hub.settings import DEMO_PROFILE
    from profiles import load_profile

    folder = tmp_path_factory.mktemp("sample") / "year"
    write_sample(load_profile(DEMO_PROFILE), folder, seed=7, reports=REPORTS)
    return folder


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Hub]:
    """A running hub in which the sample was played to the last row."""
    with start(tmp_path_factory.mktemp("hub")) as hub:
        answers, _ = play_year(
            url(hub), hub.profile, hub.secrets, hub.settings.data_dir, sample, lambda *_: None, lambda *_: None
        )
        assert answers.refused == 0, answers.reasons
        settle(hub)
        yield hub
