"""The views for some reports only: the same text, reading tables by their keys and indexes.

A view that joins what was decided, ruled and stepped reads its tables whole, since no engine can know which rows of the others
one report needs. Whoever knows them says so here, and the rules stay written once.
"""

import re
from functools import cache
from typing import Final

from sinks.migrate import Ddl, read_views

#: Before FINAL, which would merge all columns of whole granules first: the report is in the key that FINAL merges by.
_KEYED: Final = Ddl(of_reports="PREWHERE report_id IN {ids:Array(String)}")
_STATEMENT: Final = re.compile(r"CREATE OR REPLACE VIEW (\S+) .*?\nAS\n(.*)\nCOMMENT '[^\n]*'", re.DOTALL)


@cache
def _texts() -> dict[str, str]:
    """The question of each view, by its name."""
    found = (_STATEMENT.fullmatch(statement) for statement in read_views())
    return {one[1]: one[2] for one in found if one is not None}


@cache
def keyed(question: str) -> str:
    """A question to views, asked of the reports in the parameter `ids` (Array(String)) alone.

    It is answered as by the views for a report if `ids` holds it, the reports that are or were in its matter, those it is
    linked to or compared with, and those ruled on with its matter (hub/explain.py finds them).
    """
    texts = _texts()
    names = "|".join(map(re.escape, texts))
    text = re.sub(rf"\b(FROM|JOIN) ({names})\b", lambda found: f"{found[1]} ({keyed(texts[found[2]])})", question)
    return _KEYED.fill(text)
