"""Does a text tell of danger to life, now? Then 110, 119 or 120 must hear of it at once.

Words of danger and the words that take them back are data (profile file emergencies.csv). A word of danger counts unless it
is part of a harmless one (落水管), negated just before, told of the past, over, or of a drill. What is doubtful counts: a call
too many costs less than one too few.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import opencc

from profiles.flows import Cue, Danger, Emergencies, EmergencyNumber

_FULL_WIDTH: Final = str.maketrans("，！？；：", ",!?;:")
#: 着 is written 著 in some places, 灾 is 災 in all of them.
_TRADITIONAL: Final = tuple(opencc.OpenCC(way) for way in ("s2t", "s2tw", "s2hk"))
_SENTENCE: Final = re.compile(r"[。!?;\n\r]+")
_CLAUSE: Final = re.compile(r"[,:\s]+")
#: Characters between the parts of a word like 电梯+被困, and between a negation and what it negates.
_APART: Final = 8
_NEGATED: Final = 4
_NEGATED_BY_ONE: Final = 1
#: A clause so short says when the next one happened: 去年, ...
_WHEN: Final = 10
#: 着火过 is over; 着火过来看看 is not.
_EVER: Final = re.compile(r"过(?![来去程道往路马])")


class _Rule(NamedTuple):
    number: EmergencyNumber
    words: re.Pattern[str]
    covers: re.Pattern[str] | None
    unless: re.Pattern[str] | None


class DangerWords:
    """The words of a profile, ready to be looked for."""

    def __init__(self, emergencies: Emergencies) -> None:
        """Compile the words; none of them: nothing is ever found."""
        self._rules = [_rule(danger) for danger in emergencies.dangers]
        of_danger = [word for danger in emergencies.dangers for word in danger.words]
        self._any = _pattern({*of_danger, *(way.convert(word) for word in of_danger for way in _TRADITIONAL)})
        cues = emergencies.cues
        words = [word for danger in emergencies.dangers for word in (*danger.words, *danger.unless)]
        letters = set("".join((*words, *(word for of_cue in cues.values() for word in of_cue))))
        #: Only the characters that are looked for: converting a whole text costs more than all the rest.
        self._plain = _FULL_WIDTH | {
            ord(other): letter
            for letter in sorted(letters)
            for other in (way.convert(letter) for way in _TRADITIONAL)
            if len(other) == 1 and other not in letters
        }
        self._cue: dict[Cue, re.Pattern[str] | None] = {
            cue: _pattern(cues.get(cue, ())) for cue in ("harmless", "past", "resolved", "now")
        }
        negations = cues.get("negation", ())
        parts = [
            rf"(?:{'|'.join(map(re.escape, words))}).{{0,{gap}}}"
            for words, gap in (
                ([word for word in negations if len(word) > 1], _NEGATED),
                ([word for word in negations if len(word) == 1], _NEGATED_BY_ONE),
            )
            if words
        ]
        self._negated = re.compile(rf"(?:{'|'.join(parts)})$") if parts else None

    def number(self, text: str) -> EmergencyNumber | None:
        """The number to tell, of the first rule of the profile that the text meets; None: no danger is told."""
        if self._any is None or not self._any.search(text):
            return None
        text = text.translate(self._plain)
        found = set()
        end = 0
        for sentence in _SENTENCE.split(text):
            before = ""
            start = text.index(sentence, end)
            end = start + len(sentence)
            harmless = self._has("harmless", sentence)
            for clause in _CLAUSE.split(sentence):
                rest = text[text.index(clause, start) :]
                if not (harmless and not self._has("now", clause)) and not self._has("resolved", rest):
                    found |= {rule.number for rule in self._rules if self._tells(rule, clause, before)}
                before = clause
        return next((rule.number for rule in self._rules if rule.number in found), None)

    def _tells(self, rule: _Rule, clause: str, before: str) -> bool:
        spans = [match.span() for match in rule.words.finditer(clause)]
        if not spans or (rule.unless and rule.unless.search(clause)):
            return False
        now = self._has("now", clause)
        over = self._has("past", clause) or (len(before) <= _WHEN and self._has("past", before))
        if over and not now:
            return False
        covered = [match.span() for match in rule.covers.finditer(clause)] if rule.covers else []
        return any(
            not any(first < end and start < last for first, last in covered)
            and not (self._negated and self._negated.search(clause[:start]))
            and not _EVER.match(clause, end)
            for start, end in spans
        )

    def _has(self, cue: Cue, text: str) -> bool:
        pattern = self._cue[cue]
        return pattern is not None and pattern.search(text) is not None


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    """Any of the words, the longest first; + stands for a few characters between. By first letters, which is faster."""
    by_letter: dict[str, list[str]] = {}
    for word in sorted(set(words), key=lambda word: (-len(word), word)):
        rest = rf".{{0,{_APART}}}".join(map(re.escape, word[1:].split("+")))
        by_letter.setdefault(re.escape(word[0]), []).append(rest)
    joined = "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in by_letter.items())
    return re.compile(joined) if joined else None


def _rule(danger: Danger) -> _Rule:
    """`unless` words that hold a word of danger cover just that; the others speak for their whole clause."""
    words = _pattern(danger.words)
    assert words is not None  # noqa: S101 - the loader refuses a row without words
    parts = [part for word in danger.words for part in word.split("+")]
    covers = [word for word in danger.unless if any(part in word for part in parts)]
    rest = [word for word in danger.unless if word not in covers]
    return _Rule(danger.number, words, _pattern(covers), _pattern(rest))
