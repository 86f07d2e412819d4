"""Reads names out of PromQL: which metrics an expression asks for, and by which labels.

No parser, but enough for rules and dashboards: whatever is not a keyword, a function, a number, a duration or a label list
must be a metric, so that a misspelt name can't slip through as something unknown.
"""

import re
from dataclasses import dataclass

_WORDS = {"and", "or", "unless", "on", "ignoring", "by", "without", "group_left", "group_right", "offset", "bool"}
_LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_STRING = re.compile(r'"[^"]*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_OFFSET = re.compile(r"\boffset\s+\w+")
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*\b(?!\s*\()")  # a function's name stands before its bracket
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?(?:e\d+)?\b")


@dataclass(frozen=True)
class Names:
    """Metric names and label names of an expression."""

    metrics: frozenset[str]
    labels: frozenset[str]


def names(expression: str) -> Names:
    """Metric names and label names of an expression."""
    text = _OFFSET.sub(" ", _RANGE.sub(" ", _STRING.sub('""', expression)))
    labels = {
        part.split("=")[0].split("!")[0].strip() for found in _MATCHERS.findall(text) for part in found.split(",")
    }
    text = _MATCHERS.sub(" ", text)
    labels |= {part.strip() for found in _LABEL_LIST.findall(text) for part in found.split(",")}
    text = _NUMBER.sub(" ", _LABEL_LIST.sub(" ", text))
    return Names(frozenset(set(_NAME.findall(text)) - _WORDS), frozenset(labels - {""}))
