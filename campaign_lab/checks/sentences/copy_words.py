"""The words of a language by which the check of copy tells what a sentence states, as data in ``copy_words_*.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "fr")
"""Languages with words of their own. Of a text in another one, only names, numbers and shared words are compared."""


@dataclass(frozen=True, slots=True)
class CopyWords:
    """What is known of a language. Patterns are matched in folded text, letter case aside."""

    plain: frozenset[str]
    talk: frozenset[str]
    calls: frozenset[str]
    opinion: re.Pattern[str]
    denial: re.Pattern[str]
    superlative: re.Pattern[str]
    comparison: re.Pattern[str]
    no_comparison: frozenset[str]
    verbs_before: frozenset[str]
    """Words before "lower" that make it a verb."""
    strong: Mapping[str, re.Pattern[str]]
    hedges: Mapping[str, re.Pattern[str]]
    bounds: Mapping[str, re.Pattern[str]]
    phrases: Sequence[tuple[re.Pattern[str], str]]
    same: Mapping[str, frozenset[int]]
    """By basic form, the groups of words that stand for each other."""


@cache
def copy_words(language: str) -> CopyWords | None:
    """The words of a language, of which only the first two letters count; None when there are none."""
    code = language[:2].lower()
    if code not in LANGUAGES:
        return None
    data = tomllib.loads(files(__package__).joinpath(f"copy_words_{code}.toml").read_text(encoding="utf-8"))
    same: dict[str, set[int]] = {}
    for number, group in enumerate(data["same"]["words"]):
        for word in group.split():
            same.setdefault(word, set()).add(number)
    return CopyWords(
        plain=frozenset(data["plain"].split()),
        talk=frozenset(data["talk"].split()),
        calls=frozenset(data["calls"].split()),
        opinion=_any(data["opinions"]),
        denial=_any(data["denials"]),
        superlative=_any(data["superlatives"]),
        comparison=_any(data["comparisons"]),
        no_comparison=frozenset(data["no_comparison"].split()),
        verbs_before=frozenset(data["verbs_before"].split()),
        strong=_classes(data["strong"]),
        hedges=_classes(data["hedges"]),
        bounds=_classes(data["bounds"]),
        phrases=_rewrites(data),
        same={word: frozenset(groups) for word, groups in same.items()},
    )


def _any(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _classes(table: Mapping[str, Sequence[str]]) -> dict[str, re.Pattern[str]]:
    return {name: _any(patterns) for name, patterns in table.items()}


def _rewrites(data: Mapping[str, Any]) -> list[tuple[re.Pattern[str], str]]:
    """Phrases, and number words with the units behind them, which ``checks/numbers.py`` reads in English only."""
    made = [(re.compile(pattern, re.IGNORECASE), text) for pattern, text in data["phrases"].items()]
    numbers = dict(data.get("numbers", {}))
    for ten, value in [(word, value) for word, value in numbers.items() if value in (20, 30, 40, 50, 60, 80)]:
        numbers |= {f"{ten}-{word}": value + ones for word, ones in data["numbers"].items() if ones < 20}
    for words, before in ((numbers, r"(?<![\w-])"), (data.get("units", {}), r"(?<=\d )")):
        for word, text in sorted(words.items(), key=lambda pair: -len(pair[0])):
            made.append((re.compile(rf"{before}{word}(?![\w-])", re.IGNORECASE), str(text)))
    return made
