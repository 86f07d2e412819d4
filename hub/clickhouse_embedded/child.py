"""The embedded ClickHouse as a child process, from its parent's side."""

import http.client
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from hub.process import LOOPBACK, DirLock, free_port, port_holder, spawn, terminate
from profiles.access import SecuritySpec

HUB = "hub"

GIB = 1 << 30

_STOP_TIMEOUT = 30.0


def password_variable(user: str) -> str:
    """Where the child finds a user's password: the environment, since a command line is for everyone to read."""
    return f"ZHISHU_CLICKHOUSE_{user.upper()}_PASSWORD"


class EmbeddedClickHouseError(RuntimeError):
    """The embedded ClickHouse can't be started; the message says why and what to do."""


class EmbeddedClickHouse:
    """The ClickHouse engine in a process of its own, behind ClickHouse's HTTP interface on 127.0.0.1.

    Users are ``hub``, who may do everything, and those of ``access``, who may read one database each: ``bi`` that of
    its name, and whom a deployment adds. The process ends with the one that started it. What an insert was acknowledged for
    survives a kill of either.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        passwords: Mapping[str, str] | None = None,
        *,
        memory_bytes: int = 2 * GIB,
        access: SecuritySpec | None = None,
    ) -> None:
        """Name what to start; nothing happens yet.

        ``port`` None takes a free one. ``passwords`` holds one for ``hub`` and each user of ``access``; None makes
        them up. ``memory_bytes`` caps what all queries and caches of the engine use together.

        Raises ValueError when a password is missing or empty.
        """
        self.data_dir = data_dir
        self.port = free_port() if port is None else port
        self._access = access or SecuritySpec()
        users = (HUB, *self._access.readers())
        given = passwords or {user: secrets.token_urlsafe(24) for user in users}
        self.passwords = {user: given.get(user, "") for user in users}
        if missing := [user for user, password in self.passwords.items() if not password]:
            raise ValueError(f"the embedded ClickHouse needs a password for {', '.join(missing)}")
        self.log_file = data_dir / "clickhouse.log"
        self._memory_bytes = memory_bytes
        self._lock = DirLock(data_dir)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the HTTP interface, without user and password."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The engine's process id; None before the start and after the stop."""
        return self._child.pid if self._child else None

    def alive(self) -> bool:
        """Tell whether the process runs."""
        return self._child is not None and self._child.poll() is None

    def start(self, timeout: float = 60.0) -> Self:
        """Start the process and wait until it answers; no effect while it runs.

        Raises DirLockedError (the data directory is in use: by whom) and EmbeddedClickHouseError (the port is in use:
        by what; or the process ended, or did not answer within ``timeout`` seconds).
        """
        if self.alive():
            return self
        holder = port_holder(self.port)
        if holder is not None:
            raise EmbeddedClickHouseError(
                f"port {self.port} of {LOOPBACK} is in use by {holder}: stop it, or give ClickHouse another port"
            )
        self._lock.acquire()
        try:
            self._child = self._spawn()
            self._wait(self._child, timeout)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Let the running requests end, stop the process, and give the data directory up."""
        if self._child is not None:
            terminate(self._child, _STOP_TIMEOUT)
            self._child = None
        self._lock.release()

    def kill(self) -> None:
        """End the process at once by SIGKILL, as a crash would; :meth:`start` reopens the data."""
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)
            self._child.wait()
            self._child = None

    def _spawn(self) -> "subprocess.Popen[bytes]":
        environment = dict(os.environ)
        environment |= {password_variable(user): password for user, password in self.passwords.items()}
        environment["TZ"] = "UTC"  # the engine's zone is its process's
        arguments = ["--data", self.data_dir, "--port", self.port, "--memory", self._memory_bytes]
        arguments += ["--access", self._access.model_dump_json()]
        fd = self._lock.fileno()
        return spawn(
            [sys.executable, "-m", "hub.clickhouse_embedded", *map(str, arguments), "--lock-fd", str(fd)],
            env=environment,
            stdout=self.log_file,
            pass_fds=(fd,),
        )

    def _wait(self, child: "subprocess.Popen[bytes]", timeout: float) -> None:
        begun = time.monotonic()
        while time.monotonic() - begun < timeout:
            if child.poll() is not None:
                raise EmbeddedClickHouseError(
                    f"the embedded ClickHouse ended with code {child.returncode}: {self._last_line()} (log: {self.log_file})"
                )
            if self._answers():
                return
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.05)
        raise EmbeddedClickHouseError(
            f"the embedded ClickHouse did not answer within {timeout:.0f} seconds: {self._last_line()} "
            f"(log: {self.log_file})"
        )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=5.0)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _last_line(self) -> str:
        try:
            lines = self.log_file.read_text(errors="replace").split("\n")
        except OSError:
            return "no log was written"
        return next((line.strip() for line in reversed(lines) if line.strip()), "the log is empty")

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Stop."""
        self.stop()
