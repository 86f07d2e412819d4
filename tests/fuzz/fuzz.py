"""Coverage-guided fuzzing of all targets: `python -m tests.fuzz.fuzz --runs 1000000` (`make fuzz`).

One process a target, two at a time. It begins with the seeds and the kept corpus, and goes on past what it finds: each distinct
finding is written once. `--merge` adds to the corpus what reaches code that nothing kept does.
"""

import argparse
import atexit
import hashlib
import importlib.util
import json
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, Final

CORPUS: Final = Path(__file__).parent / "corpus"
#: Bytes of one input; longer ones are slow to no purpose, and texts are repeated by the targets themselves.
_LONGEST: Final = 4096
#: How often one value of a message is changed, and not any byte; and how often that is by a word of ours.
_INSIDE_SHARE: Final = 0.5
_WORD_SHARE: Final = 0.3
#: A value of JSON, XML, a form, or Dahua's text: what stands between its signs.
_VALUE: Final = re.compile(
    rb'(?<=")[^"\n]{1,200}(?=")|(?<=>)[^<\n]{1,200}(?=<)|(?<==)[^&;\n]{1,200}(?=[&;]|$)|(?<=: )[\d.-]{1,30}'
)
#: Words that chance would take long to find.
_WORDS: Final = (
    *(
        "13800001234",
        "甄样本",
        "110101199003070038",
        "zhen@example.com",
        "gb18030",
        "charset=",
        "<![CDATA[",
        "]]>",
        "&#0;",
    ),
    *(
        "2025-09-12 10:11:08",
        "6/5/25 14:57",
        "1749090600000",
        "null",
        "true",
        "[]",
        "{}",
        "0",
        "-1",
        "1e400",
        "９",
        "٣",
    ),
    *("\\u0000", "\\ud800"),
)
#: Inputs after which memory counts: imports, caches and the corpus are there by then.
_WARM_SHARE: Final = 0.2
_KEPT_BYTES: Final = 60_000
#: Memory that may grow from then on.
GROWTH_MB: Final = 64
#: A process that hangs in a library, where our own clock is not heard, is ended by the fuzzer's.
_HANG_S: Final = 20


def main(argv: Sequence[str]) -> int:
    """Runs the fuzzer, or (with --child) one target of it. Exit code 1 on a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs of all targets together")
    parser.add_argument("--targets", nargs="*", default=[], help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder for inputs that fail")
    parser.add_argument("--merge", action="store_true", help="keep new inputs that reach new code")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--child", nargs=3, metavar=("TARGET", "RESULT", "RUNS"), help=argparse.SUPPRESS)
    given, rest = parser.parse_known_args(argv)
    if importlib.util.find_spec("atheris") is None:
        print(
            "atheris has no wheel for this Python and machine (it has for Linux x86_64, Python 3.11 to 3.13): nothing is fuzzed."
        )
        print("The kept corpus still goes through every target in `make test`.")
        return 1
    if given.child:
        name, result, runs = given.child
        return _child(name, Path(result), int(runs), rest)
    return _campaign(given)


# --- the child: one target -------------------------------------------------------------------------------------------


def _child(name: str, result: Path, runs: int, flags: Sequence[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["connectors", "schemas", "profiles", "streams.chunks"]):
        from tests.fuzz.targets import TARGETS, guarded

    target = TARGETS[name]
    folder = result.parent / "seeds"
    folder.mkdir(exist_ok=True)
    for seed in target.seeds():
        (folder / _named(seed)).write_bytes(seed)
    told: dict[str, Any] = {"runs": 0, "seconds": 0.0, "slowest_ms": 0.0, "warm_kb": 0, "end_kb": 0, "findings": {}}
    warm = int(runs * _WARM_SHARE)
    started = time.monotonic()
    findings: dict[str, Any] = told["findings"]

    def one(data: bytes) -> None:
        before = time.thread_time()
        try:
            guarded(target, data)
        except Exception as error:
            _note(findings, error, data, result.parent)
        took = 1000 * (time.thread_time() - before)
        told["runs"] += 1
        told["slowest_ms"] = max(told["slowest_ms"], took)
        if told["runs"] == warm:
            told["warm_kb"] = _resident_kb()
        if told["runs"] % 1_000 == 0 or told["runs"] == runs:
            told["seconds"] = time.monotonic() - started
            told["end_kb"] = _resident_kb()
            result.write_text(json.dumps(told))

    # The fuzzer's alarm clock would go off in Python's own end, when nobody hears it any more.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        draw = Random(seed)  # noqa: S311 - the fuzzer's own dice
        return (
            _inside(data, draw, atheris.Mutate)[:most] if draw.random() < _INSIDE_SHARE else atheris.Mutate(data, most)
        )

    program = str(_again(name, result))
    atheris.Setup([program, *flags], one, internal_libfuzzer=True, custom_mutator=mutated)
    atheris.Fuzz()
    return 0


def _inside(data: bytes, draw: Random, mutate: Callable[[bytes, int], bytes]) -> bytes:
    """The input with the value of one field changed, so that the rest of a JSON or XML message still reaches its parser."""
    values = [found for found in _VALUE.finditer(data) if found.end() > found.start()]
    if not values:
        return mutate(data, _LONGEST)
    chosen = draw.choice(values)
    value = draw.choice(_WORDS).encode() if draw.random() < _WORD_SHARE else mutate(chosen[0], len(chosen[0]) + 32)
    return data[: chosen.start()] + value + data[chosen.end() :]


def _again(name: str, result: Path) -> Path:
    """A program that is this target: a merge starts what it was started with."""
    program = result.parent / "again"
    command = shlex.join([sys.executable, "-m", "tests.fuzz.fuzz", "--child", name, str(result), "0"])
    program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    program.chmod(0o700)
    return program


def _note(findings: dict[str, Any], error: Exception, data: bytes, folder: Path) -> None:
    """One finding for each kind and place; its input is kept."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    inside = [f for f in traceback.extract_tb(error.__traceback__) if "/fuzz/" not in f.filename] or [frame]
    where = f"{Path(inside[-1].filename).name}:{inside[-1].lineno}"
    said = str(error) if isinstance(error, AssertionError) else ""  # others quote the input
    key = f"{type(error).__name__} at {where} {said}"
    if key not in findings and len(findings) < 50:
        name = f"finding-{_named(data)}"
        (folder / name).write_bytes(data)
        findings[key] = name


def _resident_kb() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def _named(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


# --- the campaign ----------------------------------------------------------------------------------------------------


def _campaign(given: argparse.Namespace) -> int:
    from tests.fuzz.targets import TARGETS

    names = given.targets or list(TARGETS)
    shares = sum(TARGETS[name].share for name in names)
    work = Path(tempfile.mkdtemp(prefix="zhishu-fuzz-"))
    started = time.monotonic()
    try:
        with ThreadPoolExecutor(given.jobs) as pool:
            turns = {
                name: pool.submit(_one, name, given.runs * TARGETS[name].share // shares + 1, work, given.findings)
                for name in sorted(names, key=lambda name: -TARGETS[name].share)
            }
            results = {name: turns[name].result() for name in names}
            if given.merge:
                list(pool.map(lambda name: _merge(name, work), names))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    seconds = time.monotonic() - started
    print(table(results, seconds))
    if given.json:
        figures = {"python": platform.python_version(), "seconds": seconds, "targets": results}
        given.json.write_text(json.dumps(figures, indent=1))
    return 0 if all(good(found) for found in results.values()) else 1


def _one(name: str, runs: int, work: Path, findings: Path) -> dict[str, Any]:
    """Runs one target in its process; what it told, with the fuzzer's own count of covered edges."""
    folder = work / name
    grown = folder / "grown"
    grown.mkdir(parents=True)
    result, log = folder / "result.json", folder / "log"
    (folder / "seeds").mkdir()
    command = [sys.executable, "-m", "tests.fuzz.fuzz", "--child", name, str(result), str(runs)]
    flags = [
        f"-atheris_runs={runs}",
        f"-max_len={_LONGEST}",
        f"-timeout={_HANG_S}",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    flags += [f"-artifact_prefix={folder}/", *_dictionary(folder)]
    corpora = [str(grown), str(folder / "seeds"), *([str(CORPUS / name)] if (CORPUS / name).is_dir() else [])]
    with log.open("wb") as out:
        process = subprocess.Popen([*command, *flags, *corpora], stdout=out, stderr=out)
        code = process.wait()
    told: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {"runs": 0, "findings": {}}
    told["edges"] = _edges(log.read_text(errors="replace"))
    if code != 0:
        told["findings"][f"the process ended with {code}"] = "log"
    for what, file in told["findings"].items():
        findings.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / file, findings / f"{name}-{file}")
        print(f"{name}: {what} ({findings / f'{name}-{file}'})", file=sys.stderr)
    print(f"{name}: {told['runs']:,} inputs, {len(told['findings'])} findings", file=sys.stderr)
    return told


def _dictionary(folder: Path) -> list[str]:
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in _WORDS)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in escaped))
    return [f"-dict={folder / 'words'}"]


def _edges(log: str) -> int:
    found = [part for line in log.splitlines() if " cov: " in line for part in [line.partition(" cov: ")[2].split()[0]]]
    return int(found[-1]) if found else 0


def _merge(name: str, work: Path) -> None:
    """The kept corpus, made anew: the fewest inputs that reach all that seeds, old corpus and the new inputs reach."""
    folder, kept = work / name, CORPUS / name
    fresh = folder / "merged"
    fresh.mkdir()
    command = [sys.executable, "-m", "tests.fuzz.fuzz", "--child", name, str(folder / "merge.json"), "0"]
    old = [str(kept)] if kept.is_dir() else []
    flags = ["-merge=1", f"-max_len={_LONGEST}", str(fresh), str(folder / "seeds"), *old, str(folder / "grown")]
    subprocess.run([*command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    seeds = {path.name for path in (folder / "seeds").iterdir()}
    # The seeds are in connectors/examples already; of the rest the short ones, which say as much.
    found = {_named(data): data for data in (path.read_bytes() for path in fresh.iterdir())}
    regressions = {path.name: path.read_bytes() for path in kept.glob("regression-*")} if kept.is_dir() else {}
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    left = _KEPT_BYTES
    for digest, data in sorted(found.items(), key=lambda entry: len(entry[1])):
        if digest not in seeds and (left := left - len(data)) >= 0:
            (kept / digest).write_bytes(data)
    for file, data in regressions.items():
        (kept / file).write_bytes(data)


def growth_mb(found: dict[str, Any]) -> float:
    """Memory at the end less that after the first fifth of the inputs."""
    end = found.get("end_kb", 0)
    return float(end - (found.get("warm_kb") or end)) / 1024


def good(found: dict[str, Any]) -> bool:
    """Nothing found, and no growth."""
    return not found["findings"] and growth_mb(found) < GROWTH_MB


def table(results: dict[str, dict[str, Any]], seconds: float) -> str:
    """The figures as a Markdown table."""
    columns: dict[str, Callable[[str, dict[str, Any]], str]] = {
        "target": lambda name, _: name,
        "inputs": lambda _, found: f"{found['runs']:,}",
        "s": lambda _, found: f"{found.get('seconds', 0):,.0f}",
        "inputs/s": lambda _, found: f"{found['runs'] / max(found.get('seconds', 0), 0.001):,.0f}",
        "edges": lambda _, found: f"{found['edges']:,}",
        "findings": lambda _, found: str(len(found["findings"])),
        "slowest, ms": lambda _, found: f"{found.get('slowest_ms', 0):,.0f}",
        "growth, MB": lambda _, found: f"{growth_mb(found):.1f}",
    }
    total = sum(found["runs"] for found in results.values())
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(show(name, found) for show in columns.values())} |" for name, found in results.items()]
    count = sum(len(found["findings"]) for found in results.values())
    return "\n".join([*lines, f"\n{total:,} inputs in {seconds:,.0f} s, {count} findings."])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
