"""Wording rules: patterns that copy must not match, as data in ``wording.toml``."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from campaign_lab.findings import Severity


@dataclass(frozen=True, slots=True)
class WordingRule:
    """A pattern that copy must not match, and where the rule comes from."""

    id: str
    severity: Severity
    message: str
    patterns: re.Pattern[str]
    source: str
    checked_on: date
    not_in: frozenset[str] = frozenset()
    """Languages that the rule does not hold for, as two letters."""
    unless: tuple[re.Pattern[str], ...] = ()
    """A text that has all of these as well breaks no rule."""


@cache
def wording_rules() -> tuple[WordingRule, ...]:
    """All rules, in the order of ``wording.toml``."""
    data = tomllib.loads(files(__package__).joinpath("wording.toml").read_text(encoding="utf-8"))
    return tuple(
        WordingRule(
            **{
                **row,
                "patterns": re.compile("|".join(row["patterns"]), re.IGNORECASE),
                "not_in": frozenset(row.get("not_in", ())),
                "unless": tuple(re.compile(pattern, re.IGNORECASE) for pattern in row.get("unless", ())),
            }
        )
        for row in data["rule"]
    )


def breaches(text: str, language: str = "") -> list[tuple[WordingRule, str]]:
    """The rules that a text breaks, each with the passage that breaks it. ``language`` is a BCP 47 tag, if known."""
    rules = (rule for rule in wording_rules() if language[:2].lower() not in rule.not_in)
    found = ((rule, rule.patterns.search(text)) for rule in rules)
    return [(rule, match.group()) for rule, match in found if match and not _excused(rule, text)]


def _excused(rule: WordingRule, text: str) -> bool:
    return bool(rule.unless) and all(pattern.search(text) for pattern in rule.unless)


def gives_orders(text: str) -> bool:
    """Is the text an instruction to a model that was planted on a page? It is never used as a claim and never followed."""
    return any(rule.id == "orders" for rule, _ in breaches(text))
