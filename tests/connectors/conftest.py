"""Fixtures of the connector tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.kafka_embedded import EmbeddedKafka
from schemas.codec import Codec
from schemas.registry import FileRegistry


@pytest.fixture(scope="session")
def codec() -> Codec:
    return Codec(FileRegistry())


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A real broker for the session."""
    folder: Path = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(folder) as broker:
        yield broker
