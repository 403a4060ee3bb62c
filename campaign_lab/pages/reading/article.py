"""Articles: where a page is mostly prose, trafilatura knows best where the article begins and ends.

Measured on five layouts: on landing pages, product grids and rate tables trafilatura loses hero headings and card
titles and keeps hidden text; on an article in plain ``<div>`` elements it alone leaves out the related posts and the
newsletter box. So it never supplies a line: it only says which of our own lines are the article.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

from campaign_lab.pages.reading.blocks import TextBlock, letters
from campaign_lab.pages.reading.json_ld import types

_TYPES = {"Article", "BlogPosting", "NewsArticle", "TechArticle", "Report"}
_PROSE = 100  # letters of a paragraph
_PARAGRAPHS = 4
_LONGEST = 400_000  # letters of markup that are worth a second parser
_COVERED = 0.6


def within_article(
    own: list[TextBlock], markup: str, meta: dict[str, str], objects: Sequence[dict[str, Any]]
) -> list[TextBlock]:
    """The blocks from the first to the last one of the article, if the page is one; all of them otherwise."""
    if len(markup) > _LONGEST or not _is_article(own, meta, objects):
        return own
    article = _squeezed(_article(markup))
    found = [i for i, block in enumerate(own) if len(block.text) >= 20 and _squeezed(block.text) in article]
    if not found:
        return own
    first = next((i for i, block in enumerate(own[: found[0]]) if block.tag == "h1"), found[0])
    span = own[first : found[-1] + 1]
    covered = letters(own[i] for i in found)
    return span if covered >= _COVERED * letters(span) and covered * 2 >= letters(own) else own


def _is_article(own: Sequence[TextBlock], meta: dict[str, str], objects: Sequence[dict[str, Any]]) -> bool:
    """Does the page say that it is an article, or is most of its text long paragraphs?"""
    prose = [
        block
        for block in own
        if len(block.text) >= _PROSE and block.linked < 0.3 and block.tag not in ("tr", "h1", "h2")
    ]
    if len(prose) < _PARAGRAPHS:
        return False
    stated = meta.get("og:type", "").lower() == "article" or any(_TYPES.intersection(types(item)) for item in objects)
    return stated or letters(prose) >= _COVERED * letters(own)


def _article(markup: str) -> str:
    """What trafilatura takes for the article; empty when it finds none or stumbles over the markup."""
    import trafilatura  # costs 150 ms that other pages do not need

    logging.getLogger("trafilatura").addHandler(logging.NullHandler())
    try:
        return trafilatura.extract(markup, include_comments=False, include_tables=True, favor_recall=True) or ""
    except Exception:  # whatever it stumbles over, the page keeps its own lines
        return ""


def _squeezed(text: str) -> str:
    return re.sub(r"[\s|]+", "", text)
