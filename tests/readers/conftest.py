"""Fixtures of the readers' tests."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.readers.parts import Kept
from tests.readers.postgres import connect, postgres

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """A real PostgreSQL for the session."""
    with postgres() as folder:
        yield folder


@pytest.fixture
def database(postgres_folder: Path) -> str:
    """Name of a fresh database."""
    name = f"feed_{next(_NUMBERS)}"
    with connect(postgres_folder) as owner:
        owner.execute(f"CREATE DATABASE {name}")
    return name


@pytest.fixture
def pg(postgres_folder: Path, database: str) -> Iterator[psycopg.Connection]:
    """The source system's own connection, committing each statement."""
    with connect(postgres_folder, database) as connection:
        yield connection


@pytest.fixture
def kept() -> Kept:
    return Kept()
