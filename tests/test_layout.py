"""Arrows run one way: connectors, streams and sinks know schemas, never each other; only hub knows all of them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"connectors", "schemas", "streams", "sinks", "monitoring", "hub", "profiles", "bench", "tests"}
ALLOWED = {
    "schemas": set(),
    "profiles": {"schemas"},
    "monitoring": {"schemas", "profiles"},
    "connectors": {"schemas", "profiles", "monitoring"},
    "streams": {"schemas", "profiles", "monitoring"},
    "sinks": {"schemas", "profiles", "monitoring"},
    "hub": OURS - {"tests", "hub"},
}
#: Modules of streams that decide; I/O and Faust stand around them.
PURE = (
    *("reading", "likeness", "postings", "matching", "routing", "emergency", "cases", "surge"),
    *("decide", "changes", "state", "chunks", "assembly", "classify"),
)


def imported(path: Path) -> set[str]:
    """Our packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found & OURS


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_the_design_allows(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imported(path) - {package} - ALLOWED[package]
    }
    assert wrong == set()


def test_pure_parts_of_streams_import_no_faust() -> None:
    for name in PURE:
        path = ROOT / "streams" / f"{name}.py"
        modules = {n.module or "" for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
        names = {a.name for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import) for a in n.names}
        assert not {m for m in modules | names if m.split(".")[0] in {"faust", "mode", "aiokafka", "confluent_kafka"}}
