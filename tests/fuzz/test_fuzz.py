"""The fuzzer's kept inputs through every target, and some seconds of new ones; `make fuzz` runs many more."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.registry import CONNECTORS
from tests.fuzz.fuzz import CORPUS, good, growth_mb, table
from tests.fuzz.targets import (
    EMAIL,
    IDENTITY,
    NAME,
    PHONE,
    TARGETS,
    BrokenPromiseError,
    HangError,
    Target,
    check_said,
    guarded,
)

#: What a careless sender may put where something else belongs.
STRANGE: list[Any] = [
    *(None, True, "", " ", "\u200b", "\x1c", "\ud7ff", 0, -1, 2**53, 2**63, 1.5, 1e308, [], {}, [None], [{}]),
    *(f"{NAME}{PHONE}", IDENTITY, EMAIL, PHONE * 3_000, int(PHONE), [PHONE], [[NAME]], {NAME: PHONE}, {PHONE: NAME}),
    *("١٢٣٤٥٦٧٨٩", "１３８００００１２３４"),
]
#: Examples of a protocol and leaves of each, which keeps the test at seconds; the good ones come first.
_EXAMPLES = 5
_LEAVES = 40


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_kept_inputs_break_no_promise(name: str) -> None:
    inputs = [*TARGETS[name].seeds(), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]
    assert inputs
    for data in inputs:
        guarded(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_break_no_promise(name: str) -> None:
    seeds = [*TARGETS[name].seeds()]

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(st.sampled_from(seeds), st.data())
    def run(seed: bytes, data: st.DataObject) -> None:
        begin = data.draw(st.integers(0, len(seed)))
        end = data.draw(st.integers(begin, min(len(seed), begin + 40)))
        between = data.draw(st.one_of(st.binary(max_size=20), st.text(max_size=20).map(str.encode)))
        guarded(TARGETS[name], seed[:begin] + between + seed[end:])

    run()


@pytest.mark.parametrize("protocol", CONNECTORS)
def test_no_strange_value_of_any_field_breaks_a_promise(protocol: str) -> None:
    tried = 0
    for seed in islice(TARGETS[protocol].seeds(), _EXAMPLES):
        head, tail, body = seed.split(b"\n", 2)
        for changed in _spoilt(body):
            guarded(TARGETS[protocol], b"\n".join((head, tail, changed)))
            tried += 1
    assert tried > 20


def _spoilt(body: bytes) -> Iterator[bytes]:
    """The body with each of its leaves made strange: of JSON by any value, of other forms by text."""
    try:
        message = json.loads(body)
    except ValueError:
        for word in (NAME.encode(), PHONE.encode()):
            yield from (body.replace(word, str(value).encode()) for value in STRANGE if word in body)
        text = body.decode("utf-8", "replace")
        for old in ("2025-", "3702", "</", "=", "&"):
            yield from (text.replace(old, str(value), 1).encode() for value in STRANGE if old in text)
        return
    for path in _leaves(message)[:_LEAVES]:
        for value in STRANGE:
            changed = copy.deepcopy(message)
            inner = changed
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            yield json.dumps(changed, ensure_ascii=False).encode()


def _leaves(message: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where each value stands, the objects and lists between them too."""
    inside: list[tuple[Any, Any]] = (
        [*message.items()] if isinstance(message, dict) else [*enumerate(message)] if isinstance(message, list) else []
    )
    return [*([path] if path else []), *(leaf for step, value in inside for leaf in _leaves(value, (*path, step)))]


@pytest.mark.parametrize("word", ["五", "一三八", "一1", "0 ", "1转", "1-", "鲁B", "a@a.a ", "联系人：王"])
def test_a_message_full_of_what_may_be_a_number_is_read_in_time(word: str) -> None:
    """Half a second on an idle core; a busy machine's cores are slower."""

    def text(length: int) -> str:
        return (word * length)[:length]

    message = {
        **{"record": "report", "upstream_id": "A-1", "reported_at": "2025-06-05T10:30:00", "title": text(400)},
        **{"content": text(20_000), "address": text(1_000), "extra": {f"part {n}": text(1_000) for n in range(8)}},
    }
    for long in (message, {**message, "attachments": [text(1_000)] * 50, "category_path": [text(1_000)] * 50}):
        guarded(TARGETS["canonical"], b"application/json\n\n" + json.dumps(long, ensure_ascii=False).encode(), 3.0)


def test_an_input_that_never_ends_is_told() -> None:
    def run(_: bytes) -> None:
        while True:
            pass

    with pytest.raises(HangError):
        guarded(Target(run, list), b"", 0.1)


def test_a_connector_that_leaks_or_trips_is_told() -> None:
    def leaks(data: bytes) -> None:
        check_said(f"bad value {data.decode()}")

    with pytest.raises(BrokenPromiseError):
        guarded(Target(leaks, list), PHONE.encode())
    with pytest.raises(ZeroDivisionError):
        guarded(Target(lambda _: print(1 // 0), list), b"")


def test_growing_memory_and_findings_fail_the_campaign() -> None:
    fine = {"runs": 10, "findings": {}, "warm_kb": 100_000, "end_kb": 110_000, "edges": 1, "seconds": 1.0}
    assert good(fine)
    assert growth_mb(fine) == pytest.approx(9.8, abs=0.1)
    assert not good({**fine, "end_kb": 200_000})
    assert not good({**fine, "findings": {"ValueError": "finding-00"}})
    assert "| fine | 10 |" in table({"fine": fine}, 1.0)


def test_the_campaign_runs_its_target_and_tells_the_figures(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "tests.fuzz.fuzz", "--runs", "300", "--targets", "geo", "xml"]
    ended = subprocess.run(
        [*command, "--json", figures, "--findings", tmp_path / "found"], check=False, capture_output=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(figures.read_text())["targets"]
    assert {"geo", "xml"} == told.keys()
    assert all(found["runs"] >= 100 and found["edges"] > 10 for found in told.values())


def test_the_kept_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 2_000_000
