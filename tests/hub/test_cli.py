"""The command line: help for every command, and one sentence instead of a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    [],
    *(
        [name]
        for name in (
            "gateway",
            "worker",
            "sink",
            "screen",
            "init",
            "up",
            "sample",
            "play",
            "reconcile",
            "kpi",
            "bench",
            "unseal",
            "train",
            "explain",
            "unlink",
            "merge",
        )
    ),
    ["schema"],
    ["schema", "check"],
    ["schema", "dictionary"],
    ["schema", "drift"],
    ["schema", "city"],
    ["eval", "match"],
    ["eval", "route"],
    ["review", "list"],
    ["review", "accept"],
    ["review", "reject"],
    ["deadletter", "list"],
    ["deadletter", "show"],
    ["deadletter", "replay"],
]


def zhishu(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `zhishu` with its data in an empty folder and no setting from outside."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ZHISHU_")}
    environment |= {"ZHISHU_DATA_DIR": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "hub", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c) or "zhishu")
def test_every_command_has_help(tmp_path: Path, command: list[str]) -> None:
    done = zhishu(tmp_path, *command, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        *(["reconcile"], ["kpi"], ["deadletter", "list"], ["init"], ["explain", "x"], ["review", "list"]),
        *(["review", "accept", "x"], ["review", "reject", "x"], ["unlink", "x"], ["merge", "x", "y"]),
    ],
)
def test_a_tool_without_a_hub_says_what_to_start(tmp_path: Path, command: list[str]) -> None:
    done = zhishu(tmp_path, *command)
    assert done.returncode == 1
    assert "zhishu: no hub runs on this data folder: start `zhishu up`, or set ZHISHU_" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_feed_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    done = zhishu(tmp_path, "play", "nothing", "file.ndjson")
    assert done.returncode == 1
    assert "demo-hotline" in done.stderr


def test_a_wrong_date_says_how_dates_read(tmp_path: Path) -> None:
    done = zhishu(tmp_path, "kpi", "--from", "3/1/2025")
    assert done.returncode == 1
    assert "no hub runs" in done.stderr or "YYYY-MM-DD" in done.stderr


def test_a_language_that_is_none_is_told_before_anything_else(tmp_path: Path) -> None:
    done = zhishu(tmp_path, "explain", "x", "--lang", "fr")
    assert done.returncode == 1
    assert "--lang is zh or en" in done.stderr


def test_schema_check_passes(tmp_path: Path) -> None:
    done = zhishu(tmp_path, "schema", "check")
    assert done.returncode == 0
    assert "compatible over all versions" in done.stdout


@pytest.mark.clickhouse
def test_the_data_dictionary_is_that_of_this_release(tmp_path: Path) -> None:
    done = zhishu(tmp_path, "schema", "dictionary")
    assert done.returncode == 0, done.stderr
    page = Path(__file__).parents[2] / "docs" / "data-dictionary.md"
    assert done.stdout == page.read_text("utf-8"), "run: zhishu schema dictionary > docs/data-dictionary.md"
