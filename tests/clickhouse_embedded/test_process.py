"""The child process: starting, stopping, crashing, and who else holds its port or its data."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from hub.clickhouse_embedded import EmbeddedClickHouse, EmbeddedClickHouseError, password_variable
from hub.process import LOOPBACK, DirLockedError, free_port
from profiles.access import SecuritySpec
from tests.clickhouse_embedded.conftest import ask, connect

pytestmark = pytest.mark.clickhouse

BATCH = 100


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedClickHouse]:
    """Run an engine of the test's own."""
    with EmbeddedClickHouse(tmp_path / "data") as running:
        assert ask(running, "CREATE DATABASE hub").status == 200
        yield running


def test_a_kill_in_the_middle_of_inserts_loses_nothing_acknowledged(server: EmbeddedClickHouse) -> None:
    table = "CREATE TABLE hub.t (a Int64, b Int64) ENGINE = MergeTree ORDER BY a"
    assert ask(server, f"{table} SETTINGS non_replicated_deduplication_window = 1000").status == 200
    acknowledged: list[int] = []
    failed: list[BaseException] = []
    enough = threading.Event()

    def insert() -> None:
        client = connect(server)
        try:
            while True:
                number = len(acknowledged)
                rows = [[number, row] for row in range(BATCH)]
                token = {"async_insert": 0, "insert_deduplication_token": f"sink:0:{number}"}
                client.insert("t", rows, database="hub", column_names=["a", "b"], settings=token)
                acknowledged.append(number)
                if len(acknowledged) == 15:
                    enough.set()
        except Exception as error:
            failed.append(error)
            enough.set()

    writer = threading.Thread(target=insert)
    writer.start()
    assert enough.wait(30)
    server.kill()
    writer.join(30)
    assert failed, "the writer was not interrupted"
    assert not server.alive()
    assert len(acknowledged) >= 15

    server.start()
    found = connect(server).query("SELECT a, count() FROM hub.t GROUP BY a ORDER BY a").result_rows
    assert {batch for batch, _ in found} >= set(acknowledged)
    assert len(found) <= len(acknowledged) + 1  # the batch in flight may have been written
    assert all(rows == BATCH for _, rows in found)

    # The sink repeats the batch it has no answer for; it is there once.
    again = len(acknowledged)
    for _ in range(2):
        connect(server).insert(
            "t",
            [[again, row] for row in range(BATCH)],
            database="hub",
            column_names=["a", "b"],
            settings={"async_insert": 0, "insert_deduplication_token": f"sink:0:{again}"},
        )
    assert ask(server, f"SELECT count() FROM hub.t WHERE a = {again}").body == b"%d\n" % BATCH


def test_a_refused_kafka_table_leaves_the_data_usable(server: EmbeddedClickHouse) -> None:
    """Trap 4: chDB fails to create it, keeps its file, and can never open the directory again."""
    sql = "CREATE TABLE hub.k (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'JSONEachRow')"
    reply = ask(server, sql)
    assert (reply.status, reply.code) == (501, 48)
    assert b"ENGINE = Kafka is refused" in reply.body
    server.stop()
    server.start()
    assert ask(server, "SHOW TABLES FROM hub").body == b""


def test_a_second_engine_on_the_same_data_names_the_process_that_has_it(server: EmbeddedClickHouse) -> None:
    """Trap 9: chDB itself says only "Error initializing EmbeddedServer: .", and may hang."""
    with pytest.raises(DirLockedError, match=rf"in use by process {os.getpid()}\b"):
        EmbeddedClickHouse(server.data_dir).start()
    environment = os.environ | dict.fromkeys(map(password_variable, ("hub", "bi")), "x")
    alone = subprocess.run(
        [sys.executable, "-m", "hub.clickhouse_embedded", "--data", server.data_dir, "--port", str(free_port())],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert alone.returncode == 1
    assert f"in use by process {os.getpid()}" in alone.stderr
    assert ask(server, "SELECT 1").body == b"1\n"


def test_a_port_in_use_is_told_with_the_program_that_has_it(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmbeddedClickHouseError, match=rf"port {port} .* in use by .*pid {os.getpid()}\b"):
            EmbeddedClickHouse(tmp_path, port).start()


def test_an_engine_that_cannot_open_its_data_says_so_and_where_to_read_more(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("not a directory")
    server = EmbeddedClickHouse(tmp_path)
    with pytest.raises(EmbeddedClickHouseError, match=r"ended with code 1: error: .*clickhouse\.log"):
        server.start()
    assert not server.alive()
    assert server.pid is None


def test_stop_lets_go_of_data_and_port_and_keeps_the_rows(server: EmbeddedClickHouse) -> None:
    assert ask(server, "CREATE TABLE hub.t (a Int64) ENGINE = MergeTree ORDER BY a").status == 200
    assert ask(server, "INSERT INTO hub.t VALUES (7)").status == 200
    pid = server.pid
    assert pid is not None
    server.stop()
    assert not server.alive()
    assert not psutil.pid_exists(pid)
    with EmbeddedClickHouse(server.data_dir, server.port, server.passwords) as again:
        assert again.url == f"http://127.0.0.1:{server.port}"
        assert ask(again, "SELECT a FROM hub.t").body == b"7\n"


def test_stop_cancels_a_query_that_would_never_end(server: EmbeddedClickHouse) -> None:
    sql = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
    failed = threading.Event()

    def run() -> None:
        with suppress(ConnectionError, http.client.HTTPException):
            ask(server, sql)
        failed.set()

    threading.Thread(target=run, daemon=True).start()
    wait_until(lambda: ask(server, "SELECT count() > 1 FROM system.processes").body == b"1\n")
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 20  # before the parent would have killed it
    assert failed.wait(5)


def test_passwords_are_not_on_the_command_line_and_not_in_the_log(server: EmbeddedClickHouse) -> None:
    assert server.pid is not None
    shown = " ".join(psutil.Process(server.pid).cmdline()) + server.log_file.read_text()
    assert ask(server, "SELECT 1", who=None, user="hub", password=server.passwords["hub"]).status == 200
    for password in server.passwords.values():
        assert password not in shown
        assert password not in server.log_file.read_text()


def test_the_log_holds_no_query_and_no_value(server: EmbeddedClickHouse) -> None:
    assert ask(server, "SELECT * FROM hub.missing WHERE phone = '13800000000'").status == 404
    text = server.log_file.read_text()
    assert "code 60 (UNKNOWN_TABLE)" in text
    assert "13800000000" not in text


def test_the_memory_cap_holds(tmp_path: Path) -> None:
    cap = 400 << 20
    with EmbeddedClickHouse(tmp_path, memory_bytes=cap) as server:
        value = ask(server, "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'")
        assert value.body == b"%d\n" % cap
        reply = ask(server, "SELECT groupArray(toString(number)) FROM numbers(30000000) FORMAT Null")
        assert reply.code == 241
        assert ask(server, "SELECT 1").body == b"1\n"


def test_the_engine_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom hub.clickhouse_embedded import EmbeddedClickHouse\n"
        "server = EmbeddedClickHouse(pathlib.Path(sys.argv[1])).start()\nprint(server.pid, flush=True)\ninput()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        engine = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    engine.wait(30)
    with EmbeddedClickHouse(tmp_path) as again:  # the lock was no obstacle
        assert ask(again, "SELECT 1").body == b"1\n"


@pytest.mark.parametrize("passwords", [{"hub": "x"}, {"hub": "x", "bi": ""}])
def test_every_user_needs_a_password(tmp_path: Path, passwords: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="password for bi"):
        EmbeddedClickHouse(tmp_path, passwords=passwords)
    access = SecuritySpec.model_validate({"user": {"li": {"role": "bi"}}})
    with pytest.raises(ValueError, match="password for li"):
        EmbeddedClickHouse(tmp_path, passwords={"hub": "x", "bi": "y"}, access=access)


def test_the_program_alone_says_which_password_is_missing(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != password_variable("bi")}
    done = subprocess.run(
        [sys.executable, "-m", "hub.clickhouse_embedded", "--data", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ZHISHU_CLICKHOUSE_BI_PASSWORD" in done.stderr
