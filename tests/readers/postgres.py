"""A real PostgreSQL of its own for the tests: Debian's programs, an own folder, a unix socket and no port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

_PATIENCE_S = 60.0
_USER = "zhishu"


def _programs() -> Path:
    """Folder of initdb and postgres; skips the test, saying why, where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL: Debian's package `postgresql` brings initdb and postgres")
    return found[-1].parent


def _owner() -> str | None:
    """PostgreSQL refuses to run as root: then it runs as one who may not do much."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def postgres() -> Iterator[Path]:
    """A running server; gives the folder of its socket."""
    programs, owner = _programs(), _owner()
    folder = Path(tempfile.mkdtemp(prefix="zhishu-pg-"))
    server = None
    try:
        if owner:
            shutil.chown(folder, owner)
        data = folder / "data"
        setup = ["--username", _USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        made = subprocess.run(
            [programs / "initdb", "--pgdata", data, *setup], user=owner, cwd=folder, capture_output=True, check=False
        )
        assert made.returncode == 0, made.stderr.decode()
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "timezone=Asia/Shanghai")
        options = [part for setting in settings for part in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], user=owner, cwd=folder, stdout=log, stderr=log
            )
        _wait(server, folder)
        yield folder
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast shutdown
            server.wait(_PATIENCE_S)
        shutil.rmtree(folder, ignore_errors=True)


def connect(folder: Path, database: str = "postgres", **options: str) -> psycopg.Connection:
    """A connection that commits each statement."""
    return psycopg.connect(host=str(folder), user=_USER, dbname=database, autocommit=True, **options)


def dsn(folder: Path, database: str, **query: str) -> str:
    """The address as a secrets file has it."""
    rest = "".join(f"&{name}={value}" for name, value in query.items())
    return f"postgresql://{_USER}@/{database}?host={folder}{rest}"


def _wait(server: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connect(folder).close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)
