"""Made-up messages of every protocol: what the conformance suite sends, and what the descriptions show.

<protocol>/examples.toml lists them. No person, number or event in here is real.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Example:
    """A good message: its file's name, bytes and Content-Type, one line about it, and the address's tail."""

    file: str
    title: str
    content_type: str
    body: bytes
    tail: str


def good_examples(protocol: str) -> Iterator[Example]:
    """Those of a protocol in their order; none where an installation left the files out."""
    listed = FOLDER / protocol / "examples.toml"
    if not listed.is_file():
        return
    for entry in tomllib.loads(listed.read_text(encoding="utf-8")).get("good", []):
        file = listed.with_name(entry["file"])
        if file.is_file():
            title = entry.get("title", file.stem)
            yield Example(file.name, title, entry["content_type"], file.read_bytes(), entry.get("tail", ""))
