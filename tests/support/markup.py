"""A reader of our HTML that lets through our own tags, attributes and style only, and gives back the text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

from campaign_lab.show.frame import sheet

OUR_TAGS = {
    "a", "b", "bdi", "br", "code", "details", "div", "figure", "h4", "i", "li", "p", "pre", "section", "small", "span",
    "style", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
OUR_VALUES = {
    "class": r"campaign-lab tex2jax_ignore mathjax_ignore|cl-[a-z]+|n",
    "style": r"[a-z0-9 :;.%#(),-]*",
    "scope": "col|row",
    "dir": "auto",
    "target": "_blank",
    "rel": "noopener noreferrer",
    "title": r".{1,8}",  # a monogram: one character as a reader counts them
    "href": r"https?://.*",
}
SHEET_TEXT = sheet().removeprefix("<style>").removesuffix("</style>")


class Reader(HTMLParser):
    """The tags with their attributes, the links, and the texts, of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.others: list[str] = []
        self.feed(html)
        self.close()

    @property
    def links(self) -> list[str]:
        """Where the links lead."""
        return [values["href"] for tag, values in self.tags if tag == "a"]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An opening tag."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self.cdata_elem == "style":
            assert data == SHEET_TEXT
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        """A comment."""
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        """A doctype."""
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        """A processing instruction."""
        self.others.append(data)


def assert_only_ours(html: str) -> Reader:
    """No tag, attribute, value, style or comment but our own; links lead to the web."""
    read = Reader(html)
    assert {tag for tag, _ in read.tags} <= OUR_TAGS
    for _, values in read.tags:
        for name, value in values.items():
            assert name in OUR_VALUES
            assert re.fullmatch(OUR_VALUES[name], value, re.DOTALL), (name, value)
            assert name != "style" or "url(" not in value
    assert all(urlsplit(link).scheme in ("http", "https") for link in read.links)
    assert not read.others
    return read
