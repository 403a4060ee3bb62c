"""The parsed page as one flat list in document order, and the rules for what a reader cannot see.

A flat list keeps every later step a plain loop: nothing recurses, whatever the page nests.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborDocumentOptions, LexborHTMLParser

INLINE = frozenset((
    "-text", "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "img", "ins", "kbd", "mark", "nobr", "picture", "q", "rp", "rt", "ruby", "s", "samp", "small", "source",
    "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
))  # fmt: skip
"""Elements that do not break a line. Every other element does, custom elements too."""
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")

_UNSEEN_TAGS = frozenset((
    "script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object", "embed", "video", "audio",
    "canvas", "datalist", "textarea",
))  # fmt: skip
_UNSEEN_CLASSES = frozenset((
    "sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "screen-reader-only", "hidden", "d-none",
    "invisible", "hide", "is-hidden", "u-hidden", "u-visually-hidden", "offscreen",
))  # fmt: skip
_UNSEEN_STYLE = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|font-size:0(?:px|em|rem|%|pt)?(?:;|!|$)|transform:scale\(0\)"
    r"|(?:left|right|top|bottom|text-indent|margin-left):-(?:9\d\d|\d{4,})|content-visibility:hidden"
    r"|clip:rect\([01](?:px)?|clip-path:inset\((?:50|100)%"
)
_TRANSPARENT = re.compile(r"(?:^|;)opacity:0?\.?0*(?:;|!|$)")
_FADES_IN = re.compile(r"transform:|transition|will-change|animation|translate:")  # as many hero texts are sent
_SAME_COLOUR = re.compile(r"^(?=(?:.*;)?color:([^;!]+))(?=.*background(?:-color)?:\1(?:;|!|$))")
_STYLE_READ = 1_000  # letters of a style attribute that are looked at
_SHOWN_LATER = frozenset({"md", "lg", "sm", "xl"})
# Controls, bidirectional overrides, zero-width marks, soft hyphens and tag characters: they change what a person
# sees but not what a model reads. Zero-width joiners stay: emoji and several scripts need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """One line of plain text: NFC, whitespace collapsed, no invisible characters, no lone surrogates."""
    visible = _INVISIBLE.sub("", _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text))
    return " ".join(unicodedata.normalize("NFC", visible).split())


@dataclass(slots=True)
class HtmlNode:
    """An element, or a text (tag ``-text``). ``nodes[i + 1 : node.end]`` is what it contains."""

    tag: str
    parent: int
    text: str = ""
    attrs: dict[str, str] = field(default_factory=dict)
    end: int = 0
    unseen: bool = False

    def classes(self) -> list[str]:
        """Its class names, lower case."""
        return self.attrs.get("class", "").lower().split()


@dataclass(frozen=True, slots=True)
class HtmlTree:
    """A page's nodes in document order."""

    nodes: list[HtmlNode]
    letters: list[int]
    """Letters of visible text before node ``i``: the text of an element is a difference of two."""

    def find(self, test: Callable[[HtmlNode], bool], *, unseen: bool = False) -> Iterator[int]:
        """Positions of the nodes that pass the test, those that a reader cannot see only on request."""
        return (i for i, node in enumerate(self.nodes) if (unseen or not node.unseen) and test(node))

    def elements(self, *tags: str) -> Iterator[HtmlNode]:
        """The elements with one of the tags, also those that a reader cannot see."""
        return (node for node in self.nodes if node.tag in tags)

    def length(self, position: int) -> int:
        """Letters of visible text in an element."""
        return self.letters[self.nodes[position].end] - self.letters[position]

    def raw(self, position: int) -> str:
        """The text in an element as it stands, for scripts and styles."""
        return "".join(node.text for node in self.nodes[position : self.nodes[position].end])

    def inner(self, position: int) -> str:
        """The visible text of an element as one line."""
        seen = (node for node in self.nodes[position : self.nodes[position].end] if not node.unseen)
        return clean("".join(node.text or ("" if node.tag in INLINE else " ") for node in seen))

    def inside(self, position: int, test: Callable[[HtmlNode], bool]) -> int:
        """The nearest ancestor, or the node itself, that passes the test; -1 when none does."""
        while position >= 0 and not test(self.nodes[position]):
            position = self.nodes[position].parent
        return position


def parse(html: str) -> HtmlTree:
    """The tree of a page whose markup was tamed."""
    markup = _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", html)
    root = LexborHTMLParser(markup, options=LexborDocumentOptions.WO_EVENTS).root  # events: 50 s for 100,000 options
    nodes: list[HtmlNode] = []
    current, parent = root, -1
    while current is not None:
        tag, position = current.tag or "", len(nodes)
        text = (current.text_content or "") if tag == "-text" else ""
        given = {} if tag.startswith("-") else current.attributes
        node = HtmlNode(tag, parent, text, {key.lower(): value or "" for key, value in given.items()})
        node.unseen = (parent >= 0 and nodes[parent].unseen) or tag in ("-comment", "-doctype") or _unseen(node)
        nodes.append(node)
        below = current.first_child
        if below is not None:
            current, parent = below, position
            continue
        node.end = position + 1
        after = current.next
        while after is None and parent >= 0 and current is not None:
            nodes[parent].end = len(nodes)
            current, parent = current.parent, nodes[parent].parent
            after = current.next if current is not None and parent >= 0 else None
        current = after
    return HtmlTree(nodes, _letters(nodes))


def _letters(nodes: list[HtmlNode]) -> list[int]:
    total, before = 0, [0]
    for node in nodes:
        total += 0 if node.unseen else len(node.text.strip())
        before.append(total)
    return before


def _unseen(node: HtmlNode) -> bool:
    """Is the element left out by a browser, or put where no reader sees it?"""
    attrs = node.attrs
    if node.tag in _UNSEEN_TAGS or (node.tag == "dialog" and "open" not in attrs):
        return True
    if not attrs:
        return False
    if "hidden" in attrs or attrs.get("aria-hidden", "").strip().lower() == "true":
        return True
    if "style" in attrs and _unseen_style(attrs["style"]):
        return True
    classes = node.classes()
    shown = any(name.split(":")[0] in _SHOWN_LATER or (name.startswith("d-") and name != "d-none") for name in classes)
    return not shown and any(name in _UNSEEN_CLASSES for name in classes)


def _unseen_style(style: str) -> bool:
    """Does a style attribute hide its element: not shown, off the screen, without size, in its background's colour?"""
    rules = re.sub(r"\s+", "", style[:_STYLE_READ].lower())
    if _TRANSPARENT.search(rules) and not _FADES_IN.search(rules):
        return True
    return bool(_UNSEEN_STYLE.search(rules) or _SAME_COLOUR.match(rules))
