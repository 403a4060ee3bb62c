"""Prices, percentages and counts with their unit, each in the line or sentence it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from campaign_lab.pages.page import Number

MAX_NUMBERS = 60
_READ = 300_000  # letters that are searched
_LONGEST = 60  # letters of a number with its unit
_LINE_LIMIT = 240  # letters; the context of a longer line is the sentence

_AMOUNT = r"(?:\d{1,3}(?:[,.'\u2019 ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)(?![\d]|[.,:]\d)"
_BEFORE = r"(?<![\w$€£.,:/-])(?<!\d[ \u2019'])"
_SCALE = r"(?:\s?(?:million|billion|trillion|thousand|milliards?|millions?|mille)\b|\s?(?:bn|[kKMB])\b)?"
_CODE = r"(?:CAD|USD|EUR|GBP|AUD|NZD|CHF|JPY|INR)"
_SIGN = r"(?:(?:CA|US|AU|NZ|HK|C|A|S|R)?\$|[€£¥₹])"
_NOT_A_UNIT = (
    r"(?!(?:and|or|to|of|the|a|an|at|in|on|by|is|er|re|e|ère|th|[ap]\.m|[ap](?=\.)|are|was|were|for|with|from|as|than|per|off|out|et|ou|de|des|du|à|au|en|"
    r"le|la|les|sur|par|pour|est|und|oder|von|bis|y|o|am|pm|st|nd|rd|th|vs|via|this|that|this|your|our|his|has|"
    r"jan\w*|feb\w*|march|mar|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*|dec\w*|"
    r"janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre)\b)"
)
_WORD = rf"{_NOT_A_UNIT}[^\W\d_][^\W\d_\u2019']*(?:-[^\W\d_]+)*"
_NUMBER = re.compile(
    rf"""
    (?P<price> {_BEFORE} (?:{_CODE}\s?)? {_SIGN} \s? {_AMOUNT} {_SCALE} \+? (?:\s?{_CODE}\b)?
             | {_BEFORE} {_CODE} \s? {_AMOUNT} {_SCALE}
             | {_BEFORE} {_AMOUNT} \s? {_SCALE} \s?
               (?:\$(?:\s?(?:CA|US)\b)?|[€£¥¢]|{_CODE}\b|dollars?\b|euros?\b|cents?\b) )
    | (?P<percent> (?:(?<![\w$€£.,:/)-])[-+\u2212\u2013])? {_BEFORE.replace("/-", "/")} {_AMOUNT}
               \s? (?:%|per\ ?cent\b|pour\ cent\b|Prozent\b) )
    | (?P<score> {_BEFORE} {_AMOUNT} (?:\s?/\s?|\s(?:out\ of|sur|von|de)\s) (?:5|10|100)\b (?![/.,]\d)
             | {_BEFORE} 24/7 (?![/\d]) )
    | (?P<count> {_BEFORE} {_AMOUNT} {_SCALE} \+? (?: -{_WORD}(?:\s{_WORD})? | x\b
             | \s(?:{_WORD}\s){{0,2}}?{_WORD}(?<=s)(?![\w\u2019'-]) | \s?(?=[^\W\d_A-Z]){_WORD} ) )
    """,
    re.VERBOSE,
)
_YEAR = re.compile(r"(?:19|20)\d\d(?:\s|-)")
_MEASURE = re.compile(
    r"[\s-](?:[kcm]?[mgl]|min|sec|h|hrs?|mm|cm|km|kg|mg|ml|lb|oz|px|[GMT]B|people|members?|personnes)\b|x$"
)
_OPENERS = frozenset(
    ("A", "About", "After", "All", "Almost", "And", "Any", "At", "Compare", "Every", "For", "From", "Get", "In", "Join", "Just",
     "More", "Nearly", "Only", "Our", "Over", "Plus", "Save", "The", "Their", "These", "Under", "Up", "With", "Within", "Your")
)  # fmt: skip
_SENTENCE = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"”»)]))\s+(?=[\"“«(]?[A-ZÀ-Ý0-9$€£])")


def numbers(lines: Iterable[str]) -> tuple[Number, ...]:
    """The numbers in lines of text, each with its context once, at most MAX_NUMBERS."""
    found: dict[tuple[str, str], None] = {}
    for sentence in _searched(lines):
        for match in _matches(sentence):
            found[match[0].strip(), _context(sentence, match.start(), match.end())] = None
        if len(found) >= MAX_NUMBERS:
            break
    return tuple(Number(value=value, context=context) for value, context in list(found)[:MAX_NUMBERS])


def _searched(lines: Iterable[str]) -> Iterator[str]:
    """The lines, long ones as sentences, as far as they are searched."""
    left = _READ
    for line in lines:
        text = line if len(line) <= left else line[: max(left, 0)].rpartition(". ")[0]  # no number is cut in two
        left -= len(line)
        yield from sentences(text) if len(text) > _LINE_LIMIT else (text,)


def values(text: str) -> list[str]:
    """Every number with its currency, percent sign or unit word, as written."""
    return [match[0].strip() for match in _matches(text)]


def sentences(line: str) -> list[str]:
    """The sentences of a line; the whole line when none can be told apart."""
    return [part for part in _SENTENCE.split(line) if part]


def _matches(text: str) -> Iterator[re.Match[str]]:
    for match in _NUMBER.finditer(text):
        if match.end() - match.start() > _LONGEST:
            continue
        # "2026 rates" counts nothing
        if not (match["count"] and (_YEAR.match(match[0]) or _is_name(text[: match.start()], match[0]))):
            yield match


def _is_name(before: str, count: str) -> bool:
    """Is the number part of a name, as in ``Brae 2 tent``? Nothing is counted then."""
    word = before[-40:].rstrip().rpartition(" ")[2]
    named = word[:1].isupper() and word.isalpha() and word not in _OPENERS
    return named and not count.endswith("s") and not _MEASURE.search(count)


def _context(sentence: str, start: int, end: int) -> str:
    """The sentence; of an endless one, the words around the number."""
    if len(sentence) <= 2 * _LINE_LIMIT:
        return sentence
    first = sentence.find(" ", start - _LINE_LIMIT, start) + 1 or start if start > _LINE_LIMIT else 0
    last = sentence.rfind(" ", end, end + _LINE_LIMIT)
    return sentence[first : last if last >= end else end].strip()
