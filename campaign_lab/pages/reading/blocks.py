"""Visible text as blocks (a paragraph, a list item, a heading, a table row), and where on the page each one stands."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from campaign_lab.pages.reading.document_tree import HEADINGS, INLINE, HtmlNode, HtmlTree, clean

CELL = " | "
"""What stands between the cells of a table row."""

_CHROME_TAGS = frozenset((
    "nav", "footer", "aside", "menu", "select", "dialog", "option", "optgroup",
))  # fmt: skip
_CHROME_ROLES = frozenset((
    "navigation", "contentinfo", "complementary", "dialog", "alertdialog", "search", "menu", "menubar", "banner",
    "tablist", "toolbar",
))  # fmt: skip
_CHROME_CLASS = re.compile(
    r"^(?:.*[-_])?(?:cookies?|consent|gdpr|ccpa|cmp|onetrust|didomi|tarteaucitron|axeptio|breadcrumbs?|fil-ariane"
    r"|skip-?(?:link|nav|to.*)|navbar|navigation|topbar|offcanvas|mega-?menu|pagination|pager|share|sharing"
    r"|social(?:-?(?:links|icons|share|media))?|sidebar|site-?footer|page-?footer|modal|popup|lightbox)"
    r"(?:[-_](?:banner|bar|notice|popup|modal|dialog|wrapper|container|overlay|message|list|links|buttons|nav|menu))*$"
    r"|^(?:nav|menu|footer|main-?menu|menu-.*|crumbs?|related-(?:posts|articles)|tags?-(?:list|links)|post-(?:meta|tags))$"
)
_BUTTON_CLASS = re.compile(r"(?:^|[-_])(?:btn|button|cta)(?:$|[-_])")
_HEADING_LIMIT = 400  # letters; a longer "heading" is a heading that was never closed
_ROW_LIMIT = 600
_ROW_NODES = 400
_NOT_IN_ROWS = frozenset(("table", "ul", "ol", *HEADINGS))
_LEAVES = frozenset((*HEADINGS, "button", "label", "option", "summary", "legend", "caption"))
_SPACED = frozenset(("a", "img"))  # inline, but never one word with a neighbour of its kind
_SENTENCE_ENDS = frozenset('.!?…"”»')
_BLOCK_CLASSES = frozenset((
    "block", "flex", "grid", "d-block", "d-flex", "d-grid",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextBlock:
    """One line of visible text."""

    text: str
    tag: str
    """The element that makes the line: ``p``, ``li``, ``h2``, ``tr``, ``button``, …"""
    position: int
    """Of its first text in the tree."""
    chrome: bool
    """Does it stand in navigation, header, footer, a sidebar, a dialog or a control?"""
    linked: float
    """Share of its letters that are links, 0 to 1."""
    links: int
    """How many links stand in it."""
    button: bool
    """Is it a button, or a link that looks like one?"""


def letters(blocks: Iterable[TextBlock]) -> int:
    """How long the texts of the blocks are together."""
    return sum(len(block.text) for block in blocks)


def is_button(node: HtmlNode) -> bool:
    """Is it a button, or a link that is styled as one?"""
    if node.tag == "button" or node.attrs.get("role", "").lower() == "button":
        return True
    return node.tag == "a" and any(_BUTTON_CLASS.search(name) for name in node.classes())


def blocks(tree: HtmlTree) -> list[TextBlock]:
    """The visible blocks of a page, in document order."""
    return list(_Walk(tree).run())


class _Walk:
    """One pass over the flat tree that collects inline text and cuts it at block boundaries."""

    def __init__(self, tree: HtmlTree) -> None:
        self.tree = tree
        self.titles = list(tree.find(lambda node: node.tag in ("h1", "h2")))
        self.parts: list[str] = []
        self.start = -1  # position of the first text of the block
        self.letters = self.linked = self.pressed = self.links = 0
        self.leaf_end = self.chrome_end = self.link_end = self.button_end = 0
        self.leaf_tag = ""
        self.breaks = 0

    def run(self) -> Iterator[TextBlock]:
        """The blocks. Elements that end are closed before the next node is looked at."""
        nodes, stack, position = self.tree.nodes, list[int](), 0
        while position < len(nodes):
            while stack and nodes[stack[-1]].end <= position:
                yield from self._leave(stack.pop())
            node = nodes[position]
            if node.unseen:
                position = max(node.end, position + 1)
                continue
            if node.tag == "-text":
                self._text(position, node.text)
            else:
                yield from self._enter(position, node)
                stack.append(position)
            position += 1
        yield from self._flush()

    def _text(self, position: int, text: str) -> None:
        size = len(text.strip())
        if size:
            self.breaks = 0
            self.start = position if self.start < 0 else self.start
            self.letters += size
            self.linked += size if position < self.link_end else 0
            self.pressed += size if position < self.button_end else 0
        self.parts.append(text)

    def _enter(self, position: int, node: HtmlNode) -> Iterator[TextBlock]:
        if node.tag == "br":
            self.breaks += 1
            if self.breaks > 1 and position >= self.leaf_end:
                yield from self._flush()
            self.parts.append(" ")
        elif position < self.leaf_end or self._inline(node):
            self.parts.append(self._joint(position, node))
        else:
            yield from self._flush()
        self._note(position, node)

    def _note(self, position: int, node: HtmlNode) -> None:
        """Remembers how far the properties of an element reach."""
        if position >= self.leaf_end and self._is_leaf(position, node):
            self.leaf_end, self.leaf_tag = node.end, node.tag
        if node.tag == "a":
            self.link_end = max(self.link_end, node.end)
            self.links += 1
        if is_button(node):
            self.button_end = max(self.button_end, node.end)
        if position >= self.chrome_end and self._is_chrome(position, node):
            self.chrome_end = node.end

    def _leave(self, position: int) -> Iterator[TextBlock]:
        node = self.tree.nodes[position]
        if node.end == self.leaf_end and node.tag == self.leaf_tag:
            yield from self._flush(node.tag)
            self.leaf_tag = ""
        elif node.end <= self.leaf_end:
            if not self._inline(node):
                self.parts.append(" ")
        elif not self._inline(node) and node.tag != "br":
            yield from self._flush()

    def _flush(self, tag: str = "") -> Iterator[TextBlock]:
        text = clean("".join(self.parts)).strip("| ") if tag == "tr" else clean("".join(self.parts))
        if text and self.letters:
            share, pressed = self.linked / self.letters, self.pressed / self.letters
            chrome, button = self.start < self.chrome_end, pressed > 0.9 or (pressed > 0 and share > 0.9)
            yield TextBlock(text, tag or self._container(), self.start, chrome, share, self.links, button)
        self.parts.clear()
        self.start, self.letters, self.linked, self.pressed, self.links, self.breaks = -1, 0, 0, 0, 0, 0

    def _container(self) -> str:
        """The nearest block element around the first text of the block."""
        found = self.tree.inside(self.start, lambda node: not self._inline(node))
        return self.tree.nodes[found].tag if found >= 0 else ""

    def _inline(self, node: HtmlNode) -> bool:
        if node.tag not in INLINE:
            return False
        if node.tag in ("-text", "br", "img") or not node.attrs:
            return True
        style = node.attrs.get("style", "").replace(" ", "")[:200]
        set_as_block = "display:block" in style or "display:flex" in style
        return not set_as_block and _BLOCK_CLASSES.isdisjoint(node.classes())

    def _joint(self, position: int, node: HtmlNode) -> str:
        """What stands before an element inside a heading, a button or a table row."""
        if node.tag in ("td", "th") and self.leaf_tag == "tr":
            return CELL if self.letters else ""
        if not self._inline(node):
            return " "
        before = self.tree.nodes[position - 1]
        if before.tag != "-text":
            return ""
        side_by_side = before.parent != node.parent
        if node.tag == "cite" and before.text[-1:] in _SENTENCE_ENDS:
            return " "
        return " " if side_by_side and (node.tag in _SPACED or self._set_apart(before.text, position)) else ""

    def _set_apart(self, before: str, position: int) -> bool:
        """Two spans side by side that a style sheet sets apart: ``Rate`` and ``4.19%``, but not ``$`` and ``18``."""
        following = self.tree.nodes[position + 1 : position + 2]
        if not following or following[0].tag != "-text":
            return False
        ending, after = before[-2:], following[0].text[:3]
        if ending[-1:] in _SENTENCE_ENDS:
            return after[:1].isupper()
        if re.search(r"[^\W\d_]{2}$", ending):
            return re.match(r"[A-ZÀ-Ý][^\W\d_]|\d|[$€£]\d", after) is not None
        if re.search(r"\d$", ending) and after[:1].isdigit():  # two numbers; single digits are a counter that rolls
            return len(before.strip()) > 1 or len(following[0].text.strip()) > 1
        return re.search(r"[\d%+★]$", ending) is not None and re.match(r"[^\W\d_]{3}|[%★]\s*\d", after) is not None

    def _is_leaf(self, position: int, node: HtmlNode) -> bool:
        """Is everything in the element one line?"""
        if node.tag == "tr":
            return self._is_row(position, node)
        return node.tag in _LEAVES and self.tree.length(position) <= _HEADING_LIMIT

    def _is_row(self, position: int, node: HtmlNode) -> bool:
        inner = self.tree.nodes[position + 1 : min(node.end, position + _ROW_NODES)]
        if node.end - position > _ROW_NODES or self.tree.length(position) > _ROW_LIMIT:
            return False
        return sum(n.tag in ("td", "th") for n in inner) > 1 and not any(n.tag in _NOT_IN_ROWS for n in inner)

    def _is_chrome(self, position: int, node: HtmlNode) -> bool:
        role = node.attrs.get("role", "").lower()
        if node.tag == "footer":
            return self.tree.inside(position, lambda n: n.tag in ("blockquote", "figure")) < 0
        if node.tag in _CHROME_TAGS or node.attrs.get("aria-modal", "").lower() == "true":
            return True
        if node.tag == "header" or role == "banner":
            return not self._is_content(position)
        if role in _CHROME_ROLES:
            return True
        names = [*node.classes(), node.attrs.get("id", "").lower()]
        named = node.tag not in ("html", "body", "main", "article") and any(
            _CHROME_CLASS.match(n) for n in names if len(n) < 60
        )
        return named and not self._is_content(position)

    def _is_content(self, position: int) -> bool:
        """Does it hold the page's own titles, or stand within its content, or make up most of the page?"""
        node, tree = self.tree.nodes[position], self.tree
        if node.tag == "header" and tree.inside(position, lambda n: n.tag in ("main", "article", "section")) >= 0:
            return True
        first = self.titles[bisect_left(self.titles, position) :][:1]
        titles = [tree.nodes[title].tag for title in first if title < node.end]
        if node.tag == "header":
            return bool(titles)
        return titles == ["h1"] or tree.length(position) * 2 > tree.letters[-1]
