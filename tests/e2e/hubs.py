"""A whole hub of its own for a test: own folder, own ports, the real parts."""

import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from kafka.errors import KafkaError
from rich.console import Console

from hub.endpoints import clickhouse_client
from hub.kafka_admin import TopicError
from hub.reconcile import Account, reconcile, sentences, under_way
from hub.settings import DEMO_PROFILE
from hub.up import Hub, private_settings
from schemas.codec import Codec
from schemas.registry import FileRegistry


def start(folder: Path, profile: Path = DEMO_PROFILE) -> Hub:
    """A hub to be used as a context manager."""
    return Hub(private_settings(folder, profile), Console(quiet=True))


def url(hub: Hub) -> str:
    """Address of its gateway."""
    return f"http://127.0.0.1:{hub.settings.http_port}"


def query(hub: Hub, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query as user hub."""
    client = clickhouse_client(str(hub.settings.clickhouse_url))
    try:
        return [tuple(row) for row in client.query(sql).result_rows]
    finally:
        client.close()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Returns as soon as the condition holds; fails with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)  # the pause between two looks, not a wait for the thing itself


def settle(hub: Hub, seconds: float = 300.0) -> Account:
    """Waits until every record has its outcome and its row; fails with what is missing.

    The supervision may tell alerts between two looks: those are stored at the next.
    """
    bootstrap = str(hub.settings.kafka_bootstrap)
    accounts: list[Account] = []

    def done() -> bool:
        with suppress(TopicError, KafkaError):  # the broker may just be starting again
            if under_way(bootstrap, hub.profile) == 0:
                with closing(clickhouse_client(str(hub.settings.clickhouse_url))) as client:
                    accounts.append(reconcile(bootstrap, client, hub.profile, Codec(FileRegistry())))
                return not any(accounts[-1].not_stored.values())
        return False

    wait_until(done, "every record is decided and stored", seconds)
    assert accounts[-1].good, sentences(accounts[-1])
    return accounts[-1]


class Background(threading.Thread):
    """Runs a call beside the test; `finish` waits for it and raises what it raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._error: BaseException | None = None
        self.result: Any = None

    def run(self) -> None:
        """The call."""
        try:
            self.result = self._call()
        except BaseException as error:
            self._error = error

    def finish(self, seconds: float) -> Any:
        """The call's result."""
        self.join(seconds)
        assert not self.is_alive(), f"still running after {seconds:g} s"
        if self._error:
            raise self._error
        return self.result
