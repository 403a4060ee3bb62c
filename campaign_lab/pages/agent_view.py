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
sentences with a number that stand outside of it, ``links`` text and url, ``legal_lines`` lines outside of the main text."""
MOST_LEGAL_LINES = 8
MOST_LINKS = 60
_ABBREVIATION = re.compile(r"\b(?:n[or\u00ba\u00b0]|nos|lic|reg|inc|ltd|co|corp|st|art|tel)\.$", re.IGNORECASE)
_LEGAL = re.compile(
    r"\u00a9|\b(?:copyright|licen[cs]ed?|licence|permis|registered (?:in|office|company|charity|with)|company no"
    r"|registration n\w*|enregistr\u00e9e?|nmls|fsra|regulated by|r\u00e9gie par|autoris\u00e9e? par|vat|tva|abn|apr|taeg"
    r"|subject to|sous r\u00e9serve|disclosures?)\b",
    re.IGNORECASE,
)
_COMPANY = re.compile(
    r"[A-Z\u00c0-\u00de][\w&'\u2019.-]* (?:Inc|Ltd|Limited|LLC|LLP|GmbH|SARL|S\.A\.S?|Corp|Lt\u00e9e|Pty)\b"
)


def page_for_agent(page: Page) -> str:
    """The JSON that an agent sees. Same page, same text, whenever it was fetched."""
    data = page.model_dump(mode="json")
    legal = legal_lines(page)
    data |= {
        "text": page.main_text,
        "figures": _figures(page, legal),
        "links": _links(page),
        "legal_lines": legal,
    }
    shown = (f' "{name}": {json.dumps(data[name], ensure_ascii=False)}' for name in SHOWN_TO_AGENTS if data[name])
    return "{\n" + ",\n".join(shown) + "\n}"


def legal_lines(page: Page) -> list[str]:
    """Legal name, licences and disclosures: sentences that stand outside of the page's main text, such as in its footer."""
    own = {page.title, page.description, *page.main_text.splitlines()}
    said = (each for line in page.text.splitlines() if line not in own for each in _whole_sentences(line))
    return list(dict.fromkeys(each for each in said if _LEGAL.search(each) or _COMPANY.search(each)))[:MOST_LEGAL_LINES]


def _whole_sentences(line: str) -> list[str]:
    """The sentences of a line; one that ends in an abbreviation, such as "licence no.", goes on with the next."""
    found: list[str] = []
    for part in sentences(line):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {part}"
        else:
            found.append(part)
    return found


def _figures(page: Page, legal: list[str]) -> list[str]:
    """The contexts of numbers that are no line of the main text, nor a part of one: cards, and what stands above or below it."""
    contexts = dict.fromkeys(number.context for number in page.numbers)
    return [each for each in contexts if each not in page.main_text and not any(line in each for line in legal)]


def _links(page: Page) -> list[list[Any]]:
    """Links to other pages, each once; those with a query last, because they are rarely pages to read."""
    found: dict[str, str] = {}
    for link in page.links:
        parts = urlsplit(link.url)
        leads = parts.scheme in ("http", "https") and link.url != page.url
        if leads and not found.get(link.url):
            found[link.url] = link.text
    ranked = sorted(found.items(), key=lambda link: bool(urlsplit(link[0]).query))
    return [[text, url] for url, text in ranked[:MOST_LINKS]]
