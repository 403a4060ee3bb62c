"""Markup that exhausts an HTML parser, made harmless before it is parsed.

The HTML standard's tree construction takes quadratic time on deep nesting and copies open formatting elements into
every new paragraph. Measured with lexbor: 100,000 nested ``<div>`` take 15 s, nested ``<ul><li>`` minutes, and
5 MB of ``<p>`` after a few hundred ``<b id=…>`` fill the memory. Browsers cap the depth too (Blink: 512).
"""

from __future__ import annotations

import re
from collections import Counter

MAX_DEPTH = 300
"""Elements inside each other; deeper ones lose their tags and keep their text."""
MAX_FORMATTING = 4
"""Open ``<b>``, ``<i>``, … inside each other."""
MAX_TAGS = 150_000
"""Tags of a page; what follows is not read."""

MAX_TAG = 4_000
"""Letters of one tag, pictures in it left aside; a longer one loses its attributes, which a parser compares in pairs."""

_PICTURE = re.compile(r"data:[^\"'\s)>]{200,}")
_FORMATTING = frozenset((
    "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
))  # fmt: skip
# Void elements, and elements that close themselves.
_NEVER_DEEP = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param",
    "p", "li", "td", "tr", "th", "tbody", "thead", "tfoot", "dd", "dt", "option", "optgroup", "html", "head",
    "body", "colgroup", "caption",
))  # fmt: skip
_MARKUP = re.compile(
    r"""
    <!--(?:-?>|.*?(?:--!?>|\Z))
    | <(?P<raw>script|style|title|textarea|xmp|iframe|noembed|noframes)(?=[\s/>]).*?(?:</(?P=raw)(?=[\s/>])[^>]*>?|\Z)
    | (?P<drawing><(?P<kind>svg|math)(?=[\s/>])(?:[^<>]*/>|.*?(?:</(?P=kind)(?=[\s/>])[^>]*>?|\Z)))
    | <(?P<close>/?)(?P<name>[a-z][^\s/>]*)[^>]*(?:>|\Z)
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


def tame(html: str) -> tuple[str, tuple[str, ...]]:
    """The same page with bounded nesting and without drawings, and notes on what was changed."""
    tamer = _Tamer()
    tamed = _MARKUP.sub(tamer.replace, html)
    notes = []
    if tamer.flattened:
        notes.append(f"the page nests its elements more than {MAX_DEPTH} deep: the deeper ones were flattened")
    if tamer.tags > MAX_TAGS:
        notes.append(f"only the first {MAX_TAGS} tags of the page were read")
    return tamed, tuple(notes)


class _Tamer:
    """Counts open elements while the markup passes by."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()
        self.depth = self.formatting = self.tags = 0
        self.flattened = False

    def replace(self, match: re.Match[str]) -> str:
        """What stands in the page instead of one tag, comment or drawing."""
        self.tags += 1
        if self.tags > MAX_TAGS:
            return " "
        if match["drawing"]:
            return ""
        name = (match["name"] or "").lower()
        tag = match[0] if len(match[0]) <= MAX_TAG or not name else _shortened(match)
        if not name or name in _NEVER_DEEP:
            return tag
        keep = self._closed(name) if match["close"] else self._opened(name)
        return tag if keep else "" if name in _FORMATTING else "<hr>"

    def _opened(self, name: str) -> bool:
        self.open[name] += 1
        self.depth += 1
        self.formatting += name in _FORMATTING
        return self._allowed(name)

    def _closed(self, name: str) -> bool:
        if not self.open[name]:  # closes nothing: the parser ignores it, and it must not lower the count
            return name not in _FORMATTING
        keep = self._allowed(name)
        self.open[name] -= 1
        self.depth -= 1
        self.formatting -= name in _FORMATTING
        return keep

    def _allowed(self, name: str) -> bool:
        if name in _FORMATTING:
            return self.formatting <= MAX_FORMATTING and self.depth <= MAX_DEPTH
        self.flattened |= self.depth > MAX_DEPTH
        return self.depth <= MAX_DEPTH


def _shortened(match: re.Match[str]) -> str:
    """A long tag without the pictures that stand in it, or without any attribute."""
    tag = _PICTURE.sub("", match[0])
    return tag if len(tag) <= MAX_TAG else f"<{match['close']}{match['name'][:40]}>"
