"""Child processes that never outlive their parent, ports, and directory locks.

Shared by the embedded Kafka, the embedded ClickHouse and the supervisor. Two Linux facts shape :func:`spawn`:

* ``PR_SET_PDEATHSIG`` must be set inside the child, after the fork. A ``preexec_fn`` would run Python between fork and
  exec, which can deadlock as soon as the parent has other threads (librdkafka, Faust, a thread pool), and it also
  forbids ``vfork``. So a tiny shim is started instead: it sets the signal, checks that the parent is still there (it
  may have died before the call) and replaces itself with the wanted program; the pid stays the same.
* The signal comes when the *thread* that forked ends, not when the process does. So each child is forked by a thread
  of its own, which lives until the child has ended; :func:`spawn` may then be called from any thread.

On other systems than Linux the child starts the same way, without the death signal.
"""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

LOOPBACK = "127.0.0.1"

# Runs in the child: argv is [parent's pid, program, argument...]. A broken pipe must end a program as it does in a
# shell; Python ignores that signal, and an ignored signal stays ignored through exec.
_SHIM = """
import ctypes, os, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
    if os.getppid() != int(sys.argv[1]):
        sys.exit(0)
os.execv(sys.argv[2], sys.argv[2:])
"""


class DirLockedError(RuntimeError):
    """Another process uses the directory; the message names the directory and the pid."""


def spawn(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdout: Path | None = None,
    cwd: Path | None = None,
    pass_fds: Collection[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start a program that gets SIGTERM when this process ends, even by SIGKILL; callable from any thread.

    ``args[0]`` is a path, or a name looked up in PATH. ``env`` replaces the whole environment. ``stdout`` is a file
    that output and errors are appended to (None: this process's own). ``pass_fds`` stay open in the child. The child
    has its own session, so a Ctrl-C in the terminal reaches only this process, which stops its children in order.

    Raises FileNotFoundError when there is no such program.
    """
    program = shutil.which(args[0])
    if program is None:
        raise FileNotFoundError(f"no program {str(args[0])!r} to start: install it, or correct its path")
    command = [sys.executable, "-I", "-S", "-c", _SHIM, str(os.getpid()), os.path.abspath(program), *map(str, args[1:])]
    started: Future[subprocess.Popen[bytes]] = Future()

    def own() -> None:
        try:
            with open(stdout or os.devnull, "ab") as log:
                child = subprocess.Popen(  # noqa: S603 -- the caller's own program, no shell
                    command,
                    env=env,
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log if stdout else None,
                    stderr=log if stdout else None,
                    pass_fds=tuple(pass_fds),
                    start_new_session=True,
                )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(child)
        with suppress(ChildProcessError):  # WNOWAIT leaves the exit code to the Popen
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    threading.Thread(target=own, name=f"parent of {Path(program).name}", daemon=True).start()
    return started.result()


def terminate(popen: "subprocess.Popen[bytes]", timeout: float = 10.0) -> int:
    """Ask a child to end (SIGTERM), kill it after ``timeout`` seconds, and return its exit code (-N: by signal N)."""
    popen.terminate()
    try:
        return popen.wait(timeout)
    except subprocess.TimeoutExpired:
        popen.kill()
        return popen.wait()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on now.

    It lies below the range from which the kernel takes the local ports of outgoing connections: a client that keeps
    dialling a port of that range while its server restarts can be given the very same port and connect to itself,
    and the server can't come back.
    """
    first = _first_outgoing_port()
    while True:
        port = 10_000 + secrets.randbelow(first - 10_000)
        if _can_listen(port):
            return port


def port_holder(port: int) -> str | None:
    """Name the program that holds a TCP port of 127.0.0.1, as ``java (pid 42)``; None when the port is free."""
    if _can_listen(port):
        return None
    held = [c for c in psutil.net_connections(kind="tcp") if c.laddr and c.laddr.port == port and c.pid]
    held.sort(key=lambda connection: connection.status != psutil.CONN_LISTEN)
    for connection in held:
        with suppress(psutil.Error):
            return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "a program this user may not see"


def _can_listen(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not hold a port
        try:
            sock.bind((LOOPBACK, port))
            sock.listen(1)
        except OSError:
            return False
    return True


def _first_outgoing_port() -> int:
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 32_768  # Linux's default; below the range of macOS too
    return first if first > 11_000 else 32_768


class DirLock:
    """One process's right to a directory, held through flock: it ends with its holders, so it is never stale.

    The file ``owner.lock`` holds the pid of the process that took the lock. A child given ``fileno()`` in
    ``spawn(pass_fds=...)`` keeps the lock until it has ended as well, even when its parent was killed.
    """

    # Seconds that a child of a killed owner is given to end before the directory counts as taken.
    LINGER = 15.0

    def __init__(self, path: Path) -> None:
        """Name the directory; it is created by :meth:`acquire` where missing."""
        self.path = path
        self._fd: int | None = None

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock; no effect when this object has it. Wait at most ``wait`` seconds for a living owner.

        Raises DirLockedError, naming the owner's pid.
        """
        if self._fd is not None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        begun = time.monotonic()
        try:
            while not _try_flock(fd):
                owner = int(os.pread(fd, 32, 0) or b"0")
                patience = wait if _alive(owner) else max(wait, self.LINGER)
                if time.monotonic() - begun >= patience:
                    raise DirLockedError(
                        f"{self.path} is in use by process {owner}: stop that process, or use another directory"
                    )
                time.sleep(0.05)
            os.ftruncate(fd, 0)
            os.pwrite(fd, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Give up this process's share of the lock; no effect when it has none."""
        if self._fd is not None:
            os.close(self._fd)  # not LOCK_UN: that would take the lock from a child that still holds it
            self._fd = None

    def fileno(self) -> int:
        """Return the descriptor that carries the lock, for ``pass_fds``; RuntimeError when it is not held."""
        if self._fd is None:
            raise RuntimeError(f"the lock on {self.path} is not held: call acquire() first")
        return self._fd

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Give the lock up."""
        self.release()


def _alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _try_flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
