"""What tools answer, as the analyst and the writer read it, and what they hand in, as tools take it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = ("title", "language", "description", "site_name", "text")
_LISTS = (
    "headings",
    "testimonials",
    "ratings",
    "calls_to_action",
    "structured_data",
    "legal_lines",
    "colours",
    "notes",
)


def page_facts(page: Mapping[str, Any]) -> dict[str, Any]:
    """A page as ``fetch_page`` shows it, with what it leaves out, its links by name, and each figure as a number's context."""
    empty: dict[str, Any] = dict.fromkeys(_TEXTS, "") | {name: [] for name in _LISTS}
    links = [{"text": text, "url": url} for text, url in page.get("links", ())]
    return {**empty, **page, "links": links, "numbers": [{"context": context} for context in page.get("figures", ())]}


def whole_claims(value: Any) -> Any:
    """The same with each claim whole: one that is its own quote comes without evidence, with its page only."""
    if isinstance(value, list):
        return [whole_claims(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "ref" in value and "text" in value and "evidence" not in value:
        if "url" not in value:  # in a writer's order, which names no pages
            return {**value, "evidence": [{"quote": quote} for quote in value.get("quotes", [value["text"]])]}
        kept = {name: each for name, each in value.items() if name not in ("url", "supported")}
        quote = {name: value[name] for name in ("url", "supported") if name in value}
        return {**kept, "evidence": [{"quote": value["text"], **quote}]}
    return {name: whole_claims(each) for name, each in value.items()}


def without_references(value: Any) -> Any:
    """The same without the references of its claims and quotes."""
    if isinstance(value, list):
        return [without_references(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without_references(each) for name, each in value.items() if name != "ref"}


def short_claims(value: Any) -> Any:
    """The same as it is handed in: a claim that has a reference is it; a text that is its first quote is left out."""
    if isinstance(value, list):
        return [short_claims(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "text" in value and "evidence" in value:
        if "ref" in value:
            return value["ref"]
        if value["evidence"] and value["text"] == value["evidence"][0]["quote"]:
            return {name: each for name, each in value.items() if name != "text"}
    return {name: short_claims(each) for name, each in value.items()}
