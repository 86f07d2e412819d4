"""What every reader keeps to, whatever it reads."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.bodies import Message
from connectors.readers.cursor import Cursor, CursorStore
from connectors.readers.loop import Batch, Reader, SourceError, observe
from monitoring import metrics
from tests.readers.parts import ROWS, Kept, channel, reader, run_until


class Listed:
    """A source of numbered rows in batches of two; `before` is called before each batch and may raise."""

    identity = "a list"
    every_s = 0.01
    errors: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, name: str, count: int, before: Callable[[int], None] = lambda _: None) -> None:
        self.name = name
        self._count = count
        self._before = before

    async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        for first in range(cursor.get("next", 0), self._count, 2):
            self._before(first)
            yield Batch(
                items=[_message(n) for n in range(first, min(first + 2, self._count))], cursor={"next": first + 2}
            )


def _message(number: int) -> Message:
    fields = {"number": f"N{number}", "made_at": "2025-09-12 10:11:08", "text": "甲"}
    return Message(fields, json.dumps(fields).encode())


def listed(tmp_path: Path, kept: Kept, *arguments: Any) -> Reader:
    return reader(channel(tmp_path, ROWS), Listed("table", *arguments), kept, tmp_path / "cursors")


def stored(tmp_path: Path) -> Cursor:
    return CursorStore(tmp_path / "cursors").load("table", "a list")


def test_the_cursor_moves_only_after_kafka_acknowledged(tmp_path: Path, kept: Kept) -> None:
    kept.refusals = 10**6
    asyncio.run(run_until(listed(tmp_path, kept, 4), lambda: kept.refused > 1))
    assert stored(tmp_path) == {}
    kept.refusals = 0
    asyncio.run(run_until(listed(tmp_path, kept, 4), lambda: len(kept.records) == 4))
    assert kept.ids() == ["N0", "N1", "N2", "N3"]


def test_a_batch_that_kafka_did_not_take_is_taken_again_and_once(tmp_path: Path, kept: Kept) -> None:
    kept.refusals = 3
    one = listed(tmp_path, kept, 4)
    asyncio.run(run_until(one, lambda: stored(tmp_path) == {"next": 4}))
    assert kept.ids() == ["N0", "N1", "N2", "N3"]
    assert one.state.last_error == ""


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SourceError("no such table"), "no such table"),
        (ConnectionRefusedError("13800001234"), "ConnectionRefusedError"),
        (KeyError("13800001234"), "KeyError in"),
    ],
)
def test_a_source_that_fails_is_asked_again_and_its_error_quotes_nothing(
    tmp_path: Path, kept: Kept, error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [error, error]

    def before(first: int) -> None:
        if first == 2 and failures:
            raise failures.pop()

    one = listed(tmp_path, kept, 4, before)
    asyncio.run(run_until(one, lambda: len(kept.records) == 4))
    assert kept.ids() == ["N0", "N1", "N2", "N3"]
    assert told in caplog.text
    assert "13800001234" not in caplog.text


def test_one_broken_source_stops_no_other(tmp_path: Path, kept: Kept) -> None:
    def broken(_: int) -> None:
        raise SourceError("always")

    bad, good = listed(tmp_path / ".", kept, 2, broken), listed(tmp_path, kept, 2)

    async def both() -> None:
        async with asyncio.timeout(30):
            task = asyncio.create_task(bad.run())
            await run_until(good, lambda: len(kept.records) == 2 and bad.state.failures > 0)
            task.cancel()

    asyncio.run(both())
    assert bad.state.last_error == "always"
    assert bad.state.last_success == 0.0


def test_two_readers_of_one_channel_make_the_same_records(tmp_path: Path, kept: Kept) -> None:
    first, second = listed(tmp_path, kept, 6), listed(tmp_path, kept, 6)

    async def both() -> None:
        await asyncio.gather(first.pass_once(), second.pass_once())

    asyncio.run(both())
    assert set(kept.ids()) == {f"N{n}" for n in range(6)}
    assert len({(r["report_id"], r["content_hash"]) for r in kept.reports()}) == 6


def test_a_record_that_is_refused_is_dead_lettered_since_nobody_can_repeat_it(tmp_path: Path, kept: Kept) -> None:
    class Bad(Listed):
        async def read(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
            yield Batch(items=[Message({"number": "N1"}, b'{"number": "N1"}')], cursor={"next": 1})

    one = reader(channel(tmp_path, ROWS), Bad("table", 1), kept, tmp_path / "cursors")
    asyncio.run(one.pass_once())
    (letter,) = kept.letters()
    assert (letter["stage"], letter["channel"], letter["content_type"]) == ("connector", "table", "application/json")


def test_the_metric_of_a_channel_is_that_of_its_most_silent_source(tmp_path: Path, kept: Kept) -> None:
    one, other = listed(tmp_path, kept, 2), listed(tmp_path, kept, 2)
    one.state.last_success, other.state.last_success = 5.0, 7.0
    observe([one, other])
    assert metrics.LAST_READ.labels(channel="table")._value.get() == 5.0


def test_a_cursor_of_another_origin_is_not_used(tmp_path: Path) -> None:
    cursors = CursorStore(tmp_path)
    cursors.save("a", "table one", {"next": 1})
    assert cursors.load("a", "table one") == {"next": 1}
    assert cursors.load("a", "table two") == {}


def test_channels_whose_ids_look_alike_in_file_names_have_cursors_of_their_own(tmp_path: Path) -> None:
    cursors = CursorStore(tmp_path)
    for name in ("a/b", "a_b", "../a", "热线", "热点"):
        cursors.save(name, "", {"name": name})
    assert [cursors.load(name, "")["name"] for name in ("a/b", "a_b", "../a", "热线", "热点")] == [
        "a/b", "a_b", "../a", "热线", "热点",
    ]  # fmt: skip
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.json"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"origin": ""}', b'{"origin": "", "cursor": [1]}', b"\xff"])
def test_a_damaged_cursor_is_no_cursor(tmp_path: Path, body: bytes) -> None:
    cursors = CursorStore(tmp_path)
    (tmp_path / "a.json").write_bytes(body)
    assert cursors.load("a", "") == {}
