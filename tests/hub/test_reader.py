"""`zhishu reader`: which channels are read, what ends the command, and how it stops."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from hub.kafka_admin import ensure_topics, offset_ranges
from hub.kafka_embedded import EmbeddedKafka
from hub.process import free_port
from hub.reader import ReaderError, make_readers, pull_channels
from hub.secrets import ensure_secrets, load_secrets
from schemas.topics import all_topics
from tests.readers.parts import PROFILE, ROWS, Kept, channel, intake

PATIENCE_S = 60.0
FILES = f"{ROWS}[channel.source]\nkind = 'files'\nfolder = 'drops'\nevery_s = 0.1\n"
SQL = f"{ROWS}[channel.source]\nkind = 'sql'\ntable = 'a'\nkey = 'id'\n"


@pytest.fixture
def kept() -> Kept:
    return Kept()


def secrets_file(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "secrets.toml"
    ensure_secrets(path, [])
    with path.open("a", encoding="utf-8") as file:
        file.write(more)
    return path


def test_a_channel_that_is_named_must_have_a_source(tmp_path: Path) -> None:
    one = channel(tmp_path, FILES)
    profile = replace(PROFILE, channels={one.id: one, **PROFILE.channels})
    assert [found.id for found in pull_channels(profile)] == ["table"]
    with pytest.raises(ReaderError, match="it has table"):
        pull_channels(profile, ["demo-hotline"])


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("", "has no dsn"),
        ('[channel.table]\ndsn = "no url"\n', "dsn must be"),
        ('[channel.table]\ndsn = "x://u:secret@h"\n', "driver"),
    ],
)
def test_what_no_try_can_mend_is_told_at_the_start_without_secrets(
    tmp_path: Path, kept: Kept, secret: str, told: str
) -> None:
    one = channel(tmp_path, SQL)
    secrets = load_secrets(secrets_file(tmp_path, secret))
    with pytest.raises(ReaderError, match=told) as refused:
        make_readers(replace(PROFILE, channels={one.id: one}), secrets, intake(kept, one), tmp_path)
    assert "secret@" not in str(refused.value)


@pytest.mark.kafka
def test_the_command_reads_a_dropped_file_into_kafka_and_stops_at_sigterm(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    for path in PROFILE.folder.iterdir():
        if path.is_file():
            (profile / path.name).write_bytes(path.read_bytes())
    (profile / "channels.toml").write_text(FILES, encoding="utf-8")
    drops = tmp_path / "drops"
    drops.mkdir()
    (drops / "a.csv").write_text("number,made_at,text\nN1,2025-09-12 10:11:08,噪声\nN2,,噪声\n", encoding="gbk")
    port = free_port()
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        ensure_topics(broker.bootstrap, all_topics(["other"]))
        environment = os.environ | {
            "ZHISHU_KAFKA_BOOTSTRAP": broker.bootstrap,
            "ZHISHU_PROFILE": str(profile),
            "ZHISHU_DATA_DIR": str(tmp_path),
            "ZHISHU_SECRETS": str(secrets_file(tmp_path)),
            "ZHISHU_READER_PORT": str(port),
        }
        with subprocess.Popen([sys.executable, "-m", "hub", "reader"], env=environment) as process:
            try:
                deadline = time.monotonic() + PATIENCE_S
                while not (drops / "done" / "a.csv.outcome.csv").exists():
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                health = urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read()
                metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) in (0, 130)
        assert ends(broker.bootstrap) == {"intake.other": 1, "deadletter": 1}
    assert b'"table"' in health
    assert 'zhishu_accepted_messages_total{feed="other",record="report"} 1.0' in metrics
    assert 'zhishu_last_read_timestamp_seconds{channel="table"}' in metrics


def ends(bootstrap: str) -> dict[str, int]:
    """Records by topic."""
    found: dict[str, int] = {}
    for (topic, _), bounds in offset_ranges(bootstrap, ["intake.other", "deadletter"]).items():
        found[topic] = found.get(topic, 0) + bounds.end - bounds.begin
    return found
