"""What customers say: testimonials as they stand on the page, and average ratings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from campaign_lab.pages.page import Rating, Testimonial
from campaign_lab.pages.reading.blocks import TextBlock
from campaign_lab.pages.reading.document_tree import HEADINGS, HtmlNode, HtmlTree, clean
from campaign_lab.pages.reading.json_ld import of_type, string

MAX_TESTIMONIALS = 30
MAX_RATINGS = 10
_SHORTEST = 4  # words of a quote
_LONGEST = 1_500  # letters of a quote; more is an article
_NAME_LIMIT = 80  # letters of an author line

_UNIT = re.compile(
    r"^(?!(?:get|free|instant|request|your|my|a)[-_])(?:[\w-]*[-_])?"
    r"(?:testimonial|review|quote|customer-?story|t[eé]moignage|avis|opinion|kundenstimme|bewertung)"
    r"(?:[-_]{0,2}(?:card|item|box|block|slide|entry|single|\d+))?$"
)
_WORDS = re.compile(
    r"(?:testimonial|review|quote|t[eé]moignage|avis)s?[-_]{1,2}(?:\w+[-_])?(?:text|body|content|copy|message|quote)$|^(?:quote|review)-?text$"
)
_AUTHOR = re.compile(
    r"(?:^|[-_])(?:author|name|client|customer|reviewer|person|cite|citation|by|attribution|signature|auteur|nom)$"
)
_MARKS = {"“": "”", "«": "»", "„": "“", '"': '"', "”": "”"}
_SCORE = re.compile(
    r"(?<![\w.,/])(?P<value>[0-5](?:[.,]\d{1,2})?)\s?(?:★|⭐|(?:/|out of|sur|von|de)\s?(?P<best>5)(?![\d.,]\d|%))",
    re.IGNORECASE,
)
_COUNT = re.compile(
    r"(?P<count>\d[\d,.\s]*\+?)\s*(?:[^\W\d_]+\s){0,2}?(?:reviews?|ratings?|votes?|answers|customers|clients|shoppers|buyers"
    r"|users|people|guests|avis|Bewertungen|Kunden|reseñas|opiniones|clientes)\b",
    re.IGNORECASE,
)


def testimonials(tree: HtmlTree, blocks: Sequence[TextBlock]) -> tuple[Testimonial, ...]:
    """Quotes of customers, in document order, at most MAX_TESTIMONIALS. Each stands in the visible text."""
    found: dict[str, str] = {}
    for _, quote, author in sorted(_Finder(tree, blocks).run()):
        if quote not in found or (author and not found[quote]):
            found[quote] = author
    return tuple(Testimonial(quote=quote, author=author) for quote, author in list(found.items())[:MAX_TESTIMONIALS])


class _Finder:
    """Looks at marked-up quotes from the inside out, then at lines in quotation marks. Each line is used once."""

    def __init__(self, tree: HtmlTree, blocks: Sequence[TextBlock]) -> None:
        self.tree, self.blocks = tree, blocks
        self.starts = [block.position for block in blocks]
        self.authors = [i for i in tree.find(_is_author) if tree.length(i)]
        self.captions = list(tree.find(lambda node: node.tag == "figcaption", unseen=True))
        self.used: set[int] = set()

    def run(self) -> Iterator[tuple[int, str, str]]:
        """Position, words and author of each quote."""
        for position in reversed(list(self.tree.find(_is_unit))):
            lines = self._lines(position)
            if 0 < len(lines) <= 40 and not self.used.intersection(lines):
                yield from self._unit(position, lines)
        for index, block in enumerate(self.blocks):
            if index not in self.used and not block.chrome and block.tag not in HEADINGS and _marked(block.text):
                yield from self._quote(block.position, [index], self._next_author(index))

    def _unit(self, position: int, lines: Sequence[int]) -> Iterator[tuple[int, str, str]]:
        author_at = self._author_at(position)
        author_lines = self._lines(author_at) if author_at >= 0 else range(0)
        words = [i for i in lines if i not in author_lines and not self.blocks[i].button]
        author = self.tree.inner(author_at) if author_at >= 0 else ""
        quoted = [i for i in words if self._is_quoted(i)]
        if quoted:
            words = quoted
        elif words:
            words = [max(words, key=lambda i: len(self.blocks[i].text))]
        elif lines:
            words = list(lines[:1])  # words and author share one line
        if not author and words:
            author = self._next_author(words[-1], within=lines)
        yield from self._quote(position, words, author)

    def _quote(self, position: int, lines: list[int], author: str) -> Iterator[tuple[int, str, str]]:
        consecutive = [i for n, i in enumerate(lines) if i == lines[0] + n]
        text = " ".join(self.blocks[i].text for i in consecutive)
        if author and text.endswith(author):
            text = text.removesuffix(author).rstrip(" —\u2013-~|,")
        text = _bare(text)
        if len(text.split()) >= _SHORTEST and len(text) <= _LONGEST:
            self.used.update(consecutive)
            yield position, text, re.sub(r"^[\s—\u2013~|•,-]+", "", author)[:_NAME_LIMIT]

    def _lines(self, position: int) -> range:
        """The blocks that begin in an element."""
        end = self.tree.nodes[position].end
        return range(bisect_left(self.starts, position), bisect_left(self.starts, end))

    def _is_quoted(self, line: int) -> bool:
        """Is the line marked as the words themselves: blockquote, q, reviewBody, a class such as testimonial-text?"""
        return self.tree.inside(self.blocks[line].position, _is_words) >= 0

    def _author_at(self, position: int) -> int:
        nodes = self.tree.nodes
        found = _first(self.authors, position + 1, nodes[position].end)
        parent = nodes[position].parent
        if found < 0 and nodes[position].tag == "blockquote" and parent >= 0 and nodes[parent].tag == "figure":
            found = _first(self.captions, nodes[position].end, nodes[parent].end)
        return found if found < 0 or self.tree.length(found) <= 2 * _NAME_LIMIT else -1

    def _next_author(self, line: int, within: Sequence[int] = ()) -> str:
        """The short line after a quote, when it reads like a name."""
        if line + 1 >= len(self.blocks) or (within and line + 1 not in within):
            return ""
        block = self.blocks[line + 1]
        name = re.sub(r"^[\s—\u2013~|•-]+", "", block.text)
        if len(block.text) > _NAME_LIMIT or len(name.split()) > 8 or block.button or block.tag in HEADINGS[:3]:
            return ""
        ends = re.search(r"[.!?:]$", re.sub(r"\b[A-Z]\.$", "", name))  # an initial ends no sentence
        named = name != block.text or (name[:1].isupper() and not ends)
        return name if named and not _marked(block.text) else ""


def ratings(tree: HtmlTree, objects: list[dict[str, Any]], lines: Sequence[str]) -> tuple[Rating, ...]:
    """Average ratings: as written in a line (``4.8/5``, ``4.9 out of 5``), from JSON-LD and from microdata."""
    found: dict[tuple[str, str], Rating] = {}
    for rating in (*_from_lines(lines), *_from_objects(objects), *_from_microdata(tree)):
        if rating.value:
            found.setdefault((rating.value.replace(",", "."), re.sub(r"\D", "", rating.count)), rating)
    full = [rating for rating in found.values() if rating.count]
    known = {rating.value.replace(",", ".") for rating in full}
    rest = [rating for (value, _), rating in found.items() if not rating.count and value not in known]
    return tuple([*full, *rest][:MAX_RATINGS])


def _from_objects(objects: list[dict[str, Any]]) -> Iterator[Rating]:
    for item in of_type(objects, "AggregateRating"):
        count = string(item.get("reviewCount")) or string(item.get("ratingCount"))
        value, best = string(item.get("ratingValue")), string(item.get("bestRating"))
        yield Rating(value=value[:40], best=best[:40], count=count[:40])


def _from_microdata(tree: HtmlTree) -> Iterator[Rating]:
    for position in tree.find(lambda node: node.attrs.get("itemtype", "").rstrip("/").endswith("/AggregateRating")):
        stated: dict[str, str] = {}
        for i in range(position + 1, tree.nodes[position].end):
            attrs = tree.nodes[i].attrs
            if "itemprop" in attrs:
                stated.setdefault(attrs["itemprop"], clean(attrs.get("content", "")) or tree.inner(i))
        count = stated.get("reviewCount") or stated.get("ratingCount", "")
        yield Rating(value=stated.get("ratingValue", "")[:40], best=stated.get("bestRating", "")[:40], count=count[:40])


def _from_lines(lines: Sequence[str]) -> Iterator[Rating]:
    for number, line in enumerate(lines):
        for match in _SCORE.finditer(line[:_LONGEST]):
            following = lines[number + 1] if number + 1 < len(lines) else ""
            count = _COUNT.search(line[match.end() : _LONGEST]) or _COUNT.search(following[:_NAME_LIMIT])
            if count or not match["value"].isdigit():  # "5 out of 5" alone is what one customer gave
                stated = count["count"].strip(" .,") if count else ""
                yield Rating(value=match["value"], best=match["best"] or "5", count=stated)


def _first(positions: Sequence[int], start: int, end: int) -> int:
    """The first of the positions from ``start`` to before ``end``; -1 when there is none."""
    place = bisect_left(positions, start)
    return positions[place] if place < len(positions) and positions[place] < end else -1


def _is_unit(node: HtmlNode) -> bool:
    if node.tag == "blockquote" or node.attrs.get("itemtype", "").rstrip("/").endswith("schema.org/Review"):
        return True
    return node.tag not in ("form", "a", "button", "input", "body", "html") and any(
        _UNIT.match(name) for name in node.classes()
    )


def _is_words(node: HtmlNode) -> bool:
    if node.tag in ("blockquote", "q") or node.attrs.get("itemprop") in ("reviewBody", "description"):
        return True
    return any(_WORDS.search(name) for name in node.classes())


def _is_author(node: HtmlNode) -> bool:
    if node.tag in ("cite", "figcaption", "footer") or node.attrs.get("itemprop") == "author":
        return True
    return any(_AUTHOR.search(name) for name in node.classes())


def _marked(text: str) -> bool:
    closing = _MARKS.get(text[:1])
    return closing is not None and text.rstrip(".!").endswith(closing) and len(text.split()) >= _SHORTEST + 2


def _bare(text: str) -> str:
    """The words without the quotation marks around all of them."""
    closing = _MARKS.get(text[:1])
    if closing and text.endswith(closing) and text.count(text[0]) <= (2 if closing == text[0] else 1):
        return text[1:-1].strip()
    return text
