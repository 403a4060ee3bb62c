"""Page: a web page as it was fetched, and the facts that were found on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict


class _PageFact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)


class Number(_PageFact):
    """A price, a percentage or a count with its unit."""

    value: str
    """As written: ``4.19%``, ``$1,249.00``, ``40+ lenders``."""
    context: str
    """The line or sentence it stands in."""


class Testimonial(_PageFact):
    """What a customer is quoted with."""

    quote: str
    """The words, without the quotation marks around them."""
    author: str = ""
    """Who said it; empty when the page does not say."""


class Rating(_PageFact):
    """An average of many reviews, as written."""

    value: str
    """The average, such as ``4.8``."""
    best: str = ""
    """The best possible value, such as ``5``; empty when not stated."""
    count: str = ""
    """How many reviews it stands on; empty when not stated."""


class Link(_PageFact):
    """A link to another page."""

    text: str
    """What the reader sees."""
    url: str
    """Absolute, without a fragment."""


class Page(_PageFact):
    """A web page as it was fetched. What agents may quote of it stands in ``text``."""

    url: str
    """The page's public address, after redirects, without fragment."""
    requested_url: str
    """The address that was asked for."""
    fetched_at: datetime
    """When it was read, UTC."""
    sha256: str
    """Hash of its bytes, hexadecimal."""
    size: int
    """Its size in bytes, after decompression."""
    title: str = ""
    language: str = ""
    description: str = ""
    site_name: str = ""
    headings: tuple[str, ...] = ()
    main_text: str = ""
    """The page's own text without navigation and boilerplate, one block a line."""
    text: str = ""
    """All visible text, one block a line: what quotes are checked against."""
    numbers: tuple[Number, ...] = ()
    testimonials: tuple[Testimonial, ...] = ()
    ratings: tuple[Rating, ...] = ()
    calls_to_action: tuple[str, ...] = ()
    structured_data: tuple[dict[str, Any], ...] = ()
    open_graph: dict[str, str] = {}
    links: tuple[Link, ...] = ()
    colours: tuple[str, ...] = ()
    fonts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The page as stored, for ``Page.from_json``."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The page that ``to_json`` wrote."""
        return cls.model_validate_json(text)


def host_of(url: str) -> str:
    """The host of an address, ``www.`` left aside."""
    return (urlsplit(url).hostname or "").removeprefix("www.")


def same_site(one: str, other: str) -> bool:
    """Do two addresses share their host, ``www.`` left aside, and their port?"""
    return (host_of(one), urlsplit(one).port or 0) == (host_of(other), urlsplit(other).port or 0)


SCRIPTED = "the page is drawn by scripts"
"""What is noted of a page without text that has scripts."""
