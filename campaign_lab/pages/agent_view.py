"""What an agent reads of a page: its text once, and beside it only what the text does not say."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.pages.page import Page
from campaign_lab.pages.reading.numbers import sentences

SHOWN_TO_AGENTS = (
    "url", "title", "language", "description", "site_name", "headings", "text", "figures", "testimonials", "ratings",
    "calls_to_action", "structured_data", "open_graph", "links", "legal_lines", "colours", "notes",
)  # fmt: skip
"""What an agent may read, in this order; what a page does not have is left out. ``text`` is its main text, ``figures`` the
captions of numbers that stand in a block of their own, ``links`` text and url, ``legal_lines`` lines outside of the main text."""
MOST_LEGAL_LINES = 8
MOST_LINKS = 60
_ABBREVIATION = re.compile(r"\b(?:n[or\u00ba\u00b0]|nos|lic|reg|inc|ltd|co|corp|st|art|tel)\.$", re.IGNORECASE)
_LEGAL = re.compile(
    r"\u00a9|\b(?:copyright|licen[cs]ed?|licence|permis|regist\w+|nmls|fsra|regulated|r\u00e9gi\w*|r\u00e9glement\w*|autoris\w+"
    r"|inc|ltd|limited|llc|llp|gmbh|sarl|s\.a\.s?|corp|vat|tva|abn|apr|taeg|subject to|sous r\u00e9serve|disclos\w+)\b",
    re.IGNORECASE,
)


def page_for_agent(page: Page) -> str:
    """The JSON that an agent sees. Same page, same text, whenever it was fetched."""
    data = page.model_dump(mode="json")
    lines = set(page.main_text.splitlines())
    data |= {
        "text": page.main_text,
        "figures": _figures(page, lines),
        "links": _links(page),
        "legal_lines": legal_lines(page),
    }
    shown = (f' "{name}": {json.dumps(data[name], ensure_ascii=False)}' for name in SHOWN_TO_AGENTS if data[name])
    return "{\n" + ",\n".join(shown) + "\n}"


def legal_lines(page: Page) -> list[str]:
    """Legal name, licences and disclosures: sentences that stand outside of the page's main text, such as in its footer."""
    own = {page.title, page.description, *page.main_text.splitlines()}
    said = (each for line in page.text.splitlines() if line not in own for each in _whole_sentences(line))
    return list(dict.fromkeys(each for each in said if _LEGAL.search(each)))[:MOST_LEGAL_LINES]


def _whole_sentences(line: str) -> list[str]:
    """The sentences of a line; one that ends in an abbreviation, such as "licence no.", goes on with the next."""
    found: list[str] = []
    for part in sentences(line):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def _figures(page: Page, lines: set[str]) -> list[str]:
    """The contexts of numbers that are no line of the text, nor a part of one: a bare figure, and what its card says of it."""
    own = (number.context for number in page.numbers if all(word in page.main_text for word in number.context.split()))
    return [context for context in dict.fromkeys(own) if context not in lines and context not in page.main_text]


def _links(page: Page) -> list[list[Any]]:
    """Links to other pages, each once; of the same site only those without a query, which are rarely pages to read."""
    site = urlsplit(page.url).netloc
    found: dict[str, str] = {}
    for link in page.links:
        parts = urlsplit(link.url)
        leads = parts.scheme in ("http", "https") and link.url != page.url and (parts.netloc != site or not parts.query)
        if leads and not found.get(link.url):
            found[link.url] = link.text
    return [[text, url] for url, text in list(found.items())[:MOST_LINKS]]
