"""From the bytes of a page to its facts. Pure: no network, no clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from campaign_lab.pages.fetching.charset import decode
from campaign_lab.pages.page import SCRIPTED, Link, same_site
from campaign_lab.pages.reading import json_ld
from campaign_lab.pages.reading.article import within_article
from campaign_lab.pages.reading.blocks import TextBlock, blocks, is_button
from campaign_lab.pages.reading.colours_and_fonts import colours_and_fonts
from campaign_lab.pages.reading.document_tree import HtmlNode, HtmlTree, clean, parse
from campaign_lab.pages.reading.main_text import MAX_LETTERS, cut, is_call, main_blocks, with_company
from campaign_lab.pages.reading.markup_limits import tame
from campaign_lab.pages.reading.numbers import numbers
from campaign_lab.pages.reading.reviews import ratings, testimonials

MAX_HEADINGS, MAX_LINKS, MAX_CALLS = 60, 80, 30
_CALL_LIMIT = 60  # letters of a button's text
_TITLE_LIMIT, _HEADING_LIMIT, _URL_LIMIT = 500, 400, 2_000  # letters; what is longer is none
_MAX_OPEN_GRAPH = 40
_CONTROLS = re.compile(
    r"(?:accept|reject|decline|allow|deny|manage|customi[sz]e|save)\b.*(?:all|cookies?|preferences|choices|settings)"
    r"|accept|decline|reject|close|menu|open menu|toggle.*|search|next|previous|prev|back|ok|got it|dismiss|skip.*"
    r"|back to top|[a-z]{2}|english|français|\u00d7|share|copy( link)?|play|pause"
    r"|(?:tout )?(?:accepter|refuser)(?: tout)?|fermer|rechercher|suivant|précédent|\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed page, and notes on its bytes that a reader should know."""

    tree: HtmlTree
    markup: str
    notes: tuple[str, ...]


def document(body: bytes, content_type: str = "") -> Document:
    """Decodes and parses a page. Never raises, whatever the bytes are."""
    text, notes = decode(body, content_type)
    markup, more = tame(text)
    return Document(parse(markup), markup, notes + more)


def stylesheets(doc: Document, url: str) -> list[str]:
    """Absolute addresses of the style sheets that stand on the page's own site, in order."""
    base = _base(doc.tree, url)
    found = []
    for link in doc.tree.elements("link"):
        relations, media = link.attrs.get("rel", "").lower().split(), link.attrs.get("media", "").lower()
        if "stylesheet" in relations and "alternate" not in relations and media != "print":
            found.append(_absolute(base, link.attrs.get("href", "")))
    return [address for address in dict.fromkeys(found) if address and same_site(address, url)]


def facts(doc: Document, url: str, sheets: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a Page that come from its contents."""
    tree = doc.tree
    meta = _meta(tree)
    objects, broken = json_ld.structured_data(tree)
    visible = blocks(tree)
    own = within_article(main_blocks(tree, visible), doc.markup, meta, objects)
    lines = [block.text for block in own]
    main, was_cut = cut(lines)
    head = {"title": _title(tree), "description": meta.get("description") or meta.get("og:description", "")}
    colours, fonts = colours_and_fonts(tree, sheets)
    links = _links(tree, _base(tree, url), url)
    return {
        **head,
        "language": _language(tree, meta),
        "site_name": (meta.get("og:site_name") or json_ld.site_name(objects) or meta.get("application-name", ""))[:200],
        "headings": _headings(visible),
        "main_text": main,
        "text": "\n".join(
            line for line in (*head.values(), *(block.text for block in visible), *_alternatives(tree)) if line
        ),
        "numbers": numbers([*with_company(tree, visible, own), *_announcements(visible, own)]),
        "testimonials": testimonials(tree, visible),
        "ratings": ratings(tree, objects, lines),
        "calls_to_action": _calls(tree, visible),
        "structured_data": json_ld.shown(objects),
        "open_graph": dict([(key, value) for key, value in meta.items() if key.startswith("og:")][:_MAX_OPEN_GRAPH]),
        "links": links[:MAX_LINKS],
        "colours": colours,
        "fonts": fonts,
        "notes": doc.notes + tuple(_notes(tree, meta, main=main, was_cut=was_cut, links=len(links), broken=broken)),
    }


def _title(tree: HtmlTree) -> str:
    found = tree.find(lambda node: node.tag == "title", unseen=True)
    titles = (clean(tree.raw(i).partition("<")[0]) for i in found)  # a title that was never closed swallows tags
    return next((title[:_TITLE_LIMIT] for title in titles if title), "")


def _headings(visible: Sequence[TextBlock]) -> tuple[str, ...]:
    found = (block.text for block in visible if block.tag in ("h1", "h2", "h3"))
    return tuple(text for text in found if len(text) <= _HEADING_LIMIT)[:MAX_HEADINGS]


def _meta(tree: HtmlTree) -> dict[str, str]:
    """Content by name or property, the first of each."""
    found: dict[str, str] = {}
    for attrs in (node.attrs for node in tree.elements("meta")):
        name = clean(attrs.get("property") or attrs.get("name") or attrs.get("http-equiv", "")).lower()
        content = clean(attrs.get("content", ""))
        if name and content:
            found.setdefault(name[:80], content[:2_000])
    return found


def _language(tree: HtmlTree, meta: dict[str, str]) -> str:
    given = next((node.attrs.get("lang", "") for node in tree.elements("html")), "")
    language = clean(given or meta.get("og:locale", "")).replace("_", "-")
    return language if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", language) else ""


def _base(tree: HtmlTree, url: str) -> str:
    found = (node.attrs["href"] for node in tree.elements("base") if node.attrs.get("href"))
    return next((_absolute(url, href) for href in found), "") or url


def _absolute(base: str, href: str) -> str:
    """The address of a link without its fragment; empty when it is no web address."""
    try:
        address = urldefrag(urljoin(base, clean(href))).url
        parts = urlsplit(address)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return ""
    return address if valid and len(address) <= _URL_LIMIT else ""


def _links(tree: HtmlTree, base: str, url: str) -> list[Link]:
    """Every address that the page links to, once, the same site first."""
    found: dict[str, str] = {}
    for position in tree.find(lambda node: node.tag in ("a", "area") and bool(node.attrs.get("href"))):
        href = tree.nodes[position].attrs["href"].strip()
        address = "" if href.startswith("#") else _absolute(base, href)
        if address and not found.get(address):
            found[address] = _label(tree, position)[:200]
    links = [Link(text=text, url=address) for address, text in found.items()]
    return sorted(links, key=lambda link: not same_site(link.url, url))


def _label(tree: HtmlTree, position: int) -> str:
    """What a reader sees of a link or button; of one without text, its label or its picture's."""
    node = tree.nodes[position]
    spoken = clean(node.attrs.get("aria-label") or node.attrs.get("title", ""))
    pictures = (n.attrs.get("alt", "") for n in tree.nodes[position : node.end] if n.tag == "img")
    return tree.inner(position) or spoken or next((clean(alt) for alt in pictures if clean(alt)), "")


def _calls(tree: HtmlTree, visible: Sequence[TextBlock]) -> tuple[str, ...]:
    """Texts of buttons and button-like links, without the page's own controls."""
    pressed = {block.position: block for block in visible if block.button}
    found: dict[str, None] = {}
    lone = {block.position for block in visible if is_call(block)}
    for position in tree.find(lambda node: _is_control(node) or node.tag == "a"):
        node = tree.nodes[position]
        text = clean(node.attrs.get("value", "")) if node.tag == "input" else tree.inner(position)
        if node.tag == "a" and not is_button(node) and lone.isdisjoint(range(position, node.end)):
            continue
        inside = next((pressed[i] for i in range(position, node.end) if i in pressed), None)
        text = (inside.text if inside and inside.text in text else text).strip(" →\u203a»>")
        if 1 < len(text) <= _CALL_LIMIT and not _CONTROLS.fullmatch(text) and any(letter.isalpha() for letter in text):
            found[text] = None
    return tuple(found)[:MAX_CALLS]


def _is_control(node: HtmlNode) -> bool:
    return is_button(node) or (node.tag == "input" and node.attrs.get("type", "").lower() in ("submit", "button"))


def _announcements(visible: Sequence[TextBlock], own: Sequence[TextBlock]) -> Iterator[str]:
    """Sentences outside the main text that may state an offer, such as a bar above the header."""
    known = {block.text for block in own}
    said = (block for block in visible if not block.button and block.tag not in ("option", "label"))
    return (block.text for block in said if block.text not in known and block.linked < 0.5)


def _alternatives(tree: HtmlTree) -> Iterator[str]:
    """What stands for pictures when they are not shown."""
    shown = (node.attrs.get("alt", "") for node in tree.elements("img", "area") if not node.unseen)
    yield from dict.fromkeys(alt for text in shown if (alt := clean(text)))


def _notes(tree: HtmlTree, meta: dict[str, str], *, main: str, was_cut: bool, links: int, broken: int) -> Iterator[str]:
    if not main:
        silent = "the page is empty" if not tree.letters[-1] else "there is only navigation"
        yield f"no text was found: {SCRIPTED if any(tree.elements('script')) else silent}"
    if was_cut:
        yield f"the text was cut at {MAX_LETTERS} characters"
    if links > MAX_LINKS:
        yield f"{MAX_LINKS} of {links} links are listed"
    if broken:
        yield f"{broken} JSON-LD script(s) could not be read: not valid JSON"
    if "refresh" in meta and "url=" in meta["refresh"].lower():
        yield f"the page sends its readers on to another address: {meta['refresh'][:200]}"
