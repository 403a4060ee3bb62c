"""Whether a quote stands on its page, and whether the quotes of a claim hold what the claim says."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from campaign_lab.checks.folding import fold
from campaign_lab.checks.names import missing_names
from campaign_lab.checks.numbers import measures_held, measures_in, numbers_in
from campaign_lab.records import Claim, Evidence, Record

__all__ = [
    "MIN_WORDS",
    "fold",
    "overstatements",
    "quote_stands",
    "substantial",
    "support",
    "support_of",
    "unsupported_claims",
]

MIN_WORDS = 4
"""A shorter quote stands on almost any page and proves nothing, unless it is a number with its unit."""

_WORD = re.compile(r"\w+(?:['\u2019.,/-]\w+)*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_WITH_UNIT = re.compile(r"[$€£¥]\s?\d|\d\s?[%‰$€£¥]|\d[\s-]?[^\W\d_]{2,}")
_AMOUNT = re.compile(r"[$€£¥]?\s?\d")
_MINUS = re.compile(r"(?<![^\W\d])-$")  # behind a letter it is a dash or a hyphen
_GROUP = re.compile(r"\d{3}(?!\d)")
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})* $")


@lru_cache(maxsize=256)
def _folded_lines(text: str) -> str:
    """The page folded line by line: digits at the end of one line and the start of the next are not one number."""
    return "\n".join(line for line in map(fold, text.splitlines()) if line)


def quote_stands(quote: str, text: str) -> bool:
    """Does the quote stand in the page's text word for word? A word or number cut in two does not."""
    wanted, lines = fold(quote), _folded_lines(text)
    page = lines.replace("\n", " ")
    at = page.find(wanted) if wanted else -1
    while at >= 0:
        if not _cut(lines, at, at + len(wanted)):
            return True
        at = page.find(wanted, at + 1)
    return False


def _cut(page: str, start: int, end: int) -> bool:
    """Does the passage begin or end inside a word or number?"""
    if _UNSPACED.match(page[start]) and _UNSPACED.match(page[end - 1]):
        return False
    before, after = page[max(0, start - 2) : start], page[end : end + 2]
    first = page[start].isalnum() and before[-1:].isalnum()
    last = page[end - 1].isalnum() and after[:1].isalnum()
    tail = page[end - 1].isdigit() and re.fullmatch(r"[.,]\d", after)
    head = page[start].isdigit() and re.fullmatch(r"\d[.,]", before)
    return bool(first or last or tail or head or _cut_number(page, start, end))


def _cut_number(page: str, start: int, end: int) -> bool:
    """Is a minus, the start of a range or a group of thousands left out: "5%" of "-5%", "299 €" of "1 299 €"?"""
    head, first = page[max(0, start - 16) : start], page[start : start + 4]
    minus = _AMOUNT.match(first) and _MINUS.search(head)
    left = _GROUP.match(first) and _GROUPED.search(head)
    last = _GROUPED.search(page[max(0, end - 16) : end] + " ")
    right = last and page[end : end + 1] == " " and _GROUP.match(page, end + 1)
    return bool(minus or left or right)


def substantial(quote: str) -> bool:
    """Is the quote long enough to prove something: four words, or a number with its unit?"""
    words = len(_WORD.findall(quote)) + len(_UNSPACED.findall(quote)) // 2
    return words >= MIN_WORDS or bool(_WITH_UNIT.search(fold(quote)))


def support(record: Record, texts: Mapping[str, str]) -> dict[Evidence, bool]:
    """By evidence, whether its quote is substantial and stands on the stored page that it names.

    ``texts`` maps the url of each stored page to all its visible text. What the record itself says in ``supported`` is ignored.
    """
    return support_of(record.evidence_in(), texts)


def support_of(evidence: Iterable[Evidence], texts: Mapping[str, str]) -> dict[Evidence, bool]:
    """The same for any evidence, without a record around it."""
    plain = (item.model_copy(update={"supported": None}) for item in evidence)
    return {item: substantial(item.quote) and quote_stands(item.quote, texts.get(item.url, "")) for item in plain}


class Overstatement(NamedTuple):
    """A claim that says more than its supported quotes: what they lack, and the quote that was looked at ("" without any)."""

    claim: Claim
    missing: tuple[str, ...]
    quote: str


def unsupported_claims(
    record: Record, texts: Mapping[str, str], names: Collection[str] = ()
) -> dict[str, Overstatement]:
    """By their paths, the claims whose supported quotes do not hold all numbers, with what they measure, and names in them.

    ``names`` need no quote (the brand's own).
    """
    return overstatements(record.places_of(Claim), support(record, texts), names)


def overstatements(
    claims: Iterable[tuple[str, Claim]], supported: Mapping[Evidence, bool], names: Collection[str] = ()
) -> dict[str, Overstatement]:
    """By their paths, the claims that say more than those of their quotes that are supported."""
    found = ((path, _overstatement(claim, supported, names)) for path, claim in claims)
    return {path: each for path, each in found if each is not None}


def _overstatement(claim: Claim, supported: Mapping[Evidence, bool], names: Collection[str]) -> Overstatement | None:
    plain = [evidence.model_copy(update={"supported": None}) for evidence in claim.evidence]
    quotes = [evidence.quote for evidence in plain if supported[evidence]]
    numbers = frozenset[str]().union(*map(numbers_in, quotes))
    measures = frozenset[tuple[str, str]]().union(*map(measures_held, quotes))
    lacks = sorted(numbers_in(claim.text) - numbers)
    lacks += [f"{number} {unit}" for number, unit in sorted(measures_in(claim.text) - measures) if number not in lacks]
    lacks += missing_names(claim.text, quotes, names)
    if quotes and not lacks:
        return None
    return Overstatement(
        claim, tuple(dict.fromkeys(lacks)), max(quotes, key=lambda each: _shared(each, claim.text), default="")
    )


def _shared(quote: str, text: str) -> int:
    return len(set(_WORD.findall(quote.casefold())) & set(_WORD.findall(text.casefold())))
