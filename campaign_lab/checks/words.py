"""Words that are needed to compare a claim with its quotes, as data in ``words.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Words:
    """Number words and scales with their values, suffixes of digits, units by spelling, openers of claims, abbreviations."""

    numbers: dict[str, int]
    scales: dict[str, int]
    suffixes: dict[str, int]
    money_suffixes: dict[str, int]
    units: dict[str, str]
    openers: frozenset[str]
    general: frozenset[str]


@cache
def words() -> Words:
    """The words of ``words.toml``."""
    data = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))
    units = {spelling: unit for unit, spellings in data["units"].items() for spelling in spellings}
    return Words(
        **{**data, "units": units, **{name: frozenset(data[name]["words"].split()) for name in ("openers", "general")}}
    )


def is_general(word: str) -> bool:
    """Is it an abbreviation that everybody uses, such as APR, and no name?"""
    return word.casefold() in words().general
