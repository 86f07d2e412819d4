"""hub.process with real processes, sockets and locks."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from hub import process
from hub.process import DirLock, DirLockedError, free_port, port_holder, spawn, terminate

BOUND = 20.0  # seconds that anything awaited here may take on a busy machine
ROOT = Path(__file__).parents[1]


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, f"not within {BOUND} s: {what}"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    return not process._alive(pid)


@pytest.fixture
def killed_at_the_end() -> Iterator[list[int]]:
    """Pids that a test leaves here do not outlive it, whatever fails."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


def start_parent(code: str, *args: str | Path) -> "subprocess.Popen[str]":
    """Start a Python that imports hub.process, with a pipe to read what it prints."""
    return subprocess.Popen([sys.executable, "-c", code, *args], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def first_line(parent: "subprocess.Popen[str]") -> str:
    assert parent.stdout is not None
    return parent.stdout.readline().strip()


def kill(parent: "subprocess.Popen[str]") -> None:
    """Kill it and reap it; not ``communicate()``, as its children have the pipe, too."""
    assert parent.stdout is not None
    parent.kill()
    parent.wait(BOUND)
    parent.stdout.close()


def test_a_child_ends_when_its_parent_is_killed(killed_at_the_end: list[int]) -> None:
    parent = start_parent(
        """
import time
from hub.process import spawn
import psutil
child = spawn(["sleep", "600"])
while psutil.Process(child.pid).name() != "sleep":
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(600)
"""
    )
    killed_at_the_end.append(parent.pid)
    child = int(first_line(parent))
    killed_at_the_end.append(child)
    assert not gone(child)
    kill(parent)
    wait_until(lambda: gone(child), "the child of a killed parent ended")


ECHO = """
import os, sys
read, write = map(int, sys.argv[1:])
os.write(write, b"r")
os.write(write, os.read(read, 1))
"""


def test_a_child_lives_on_when_the_thread_that_asked_for_it_ends(killed_at_the_end: list[int]) -> None:
    to_child, from_child = os.pipe(), os.pipe()
    fds = (to_child[0], from_child[1])

    def ask() -> None:
        child = spawn([sys.executable, "-c", ECHO, *map(str, fds)], pass_fds=fds)
        killed_at_the_end.append(child.pid)
        assert os.read(from_child[0], 1) == b"r"

    thread = threading.Thread(target=ask)
    thread.start()
    task = Path(f"/proc/self/task/{thread.native_id}")
    thread.join()
    wait_until(lambda: not task.exists(), "the kernel has forgotten the thread")
    for fd in fds:  # only the child has them now, so its death would read as the end of the pipe
        os.close(fd)
    os.write(to_child[1], b"x")
    assert os.read(from_child[0], 1) == b"x"
    os.close(to_child[1])
    os.close(from_child[0])


def test_a_child_whose_parent_died_before_the_signal_was_set_never_starts_its_program(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    command = [sys.executable, "-I", "-S", "-c", process._SHIM]
    another = str(os.getpid() + 1)
    subprocess.run([*command, another, "/usr/bin/touch", mark], check=True)
    assert not mark.exists()
    subprocess.run([*command, str(os.getpid()), "/usr/bin/touch", mark], check=True)
    assert mark.exists()


def test_a_child_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it() -> None:
    child = spawn(["sleep", "600"])
    assert os.getsid(child.pid) == child.pid
    assert terminate(child, BOUND) == -signal.SIGTERM


def test_a_child_that_ignores_sigterm_is_killed_after_the_timeout(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    child = spawn([sys.executable, "-c", code, ready])
    wait_until(ready.exists, "the child ignores SIGTERM")
    assert terminate(child, 0.1) == -signal.SIGKILL


def test_terminating_an_ended_child_returns_its_own_exit_code() -> None:
    child = spawn(["sh", "-c", "exit 7"])
    assert child.wait(BOUND) == 7
    assert terminate(child, BOUND) == 7


def test_output_and_errors_are_appended_to_the_given_file(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("before\n")
    child = spawn(["sh", "-c", "pwd; echo $MARK >&2"], env={"MARK": "seen"}, cwd=tmp_path, stdout=log)
    assert child.wait(BOUND) == 0
    assert log.read_text() == f"before\n{tmp_path}\nseen\n"


def test_a_broken_pipe_ends_a_child_as_in_a_shell(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = spawn(["grep", "SigIgn", "/proc/self/status"], stdout=log)
    assert child.wait(BOUND) == 0
    ignored = int(log.read_text().split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)


def test_a_program_that_does_not_exist_is_an_error_that_names_it() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        spawn(["no-such-program"])


def test_a_free_port_can_be_listened_on_and_is_no_port_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    port = free_port()
    assert port < first_outgoing
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_the_holder_of_a_port_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        assert port_holder(port) == f"{psutil.Process().name()} (pid {os.getpid()})"
    assert port_holder(port) is None


def test_a_server_that_listens_on_every_address_holds_the_port_too() -> None:
    with socket.create_server(("", free_port())) as server:
        assert f"(pid {os.getpid()})" in str(port_holder(server.getsockname()[1]))


def test_a_locked_directory_is_an_error_that_names_directory_and_pid(tmp_path: Path) -> None:
    with DirLock(tmp_path / "data"), pytest.raises(DirLockedError, match=rf"{tmp_path}/data .*{os.getpid()}"):
        DirLock(tmp_path / "data").acquire()


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first, second = DirLock(tmp_path), DirLock(tmp_path)
    first.acquire()
    first.acquire()
    first.release()
    first.release()
    with second:
        assert second.fileno() >= 0
    with pytest.raises(RuntimeError, match="acquire"):
        second.fileno()


def test_a_lock_waits_for_a_living_owner_as_long_as_it_is_told(tmp_path: Path) -> None:
    owner, waiter = DirLock(tmp_path), DirLock(tmp_path)
    owner.acquire()
    thread = threading.Thread(target=waiter.acquire, kwargs={"wait": BOUND})
    thread.start()
    owner.release()
    thread.join(BOUND)
    assert waiter.fileno() >= 0
    waiter.release()


OWNER = """
import sys, time
from pathlib import Path
from hub.process import DirLock, spawn
lock = DirLock(Path(sys.argv[1]))
lock.acquire()
ready = Path(sys.argv[1]) / "ready"
code = "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
code += "pathlib.Path(sys.argv[1]).touch(); signal.pause()"
child = spawn([sys.executable, "-c", code, ready], pass_fds=[lock.fileno()])
while not ready.exists():
    time.sleep(0.01)
lock.release()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_lock_given_to_a_child_is_held_until_the_child_has_ended_too(
    tmp_path: Path, killed_at_the_end: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = start_parent(OWNER, tmp_path)
    killed_at_the_end.append(owner.pid)
    child = int(first_line(owner))
    killed_at_the_end.append(child)
    lock = DirLock(tmp_path)
    with pytest.raises(DirLockedError, match=str(owner.pid)):
        lock.acquire()
    kill(owner)
    with monkeypatch.context() as patience:
        patience.setattr(DirLock, "LINGER", 0.1)
        with pytest.raises(DirLockedError, match=str(owner.pid)):
            lock.acquire()
    os.kill(child, signal.SIGKILL)
    lock.acquire()
    lock.release()
