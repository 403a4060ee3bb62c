"""Claims with their quotes and the pages of these: what is supported, what is not, and where to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.findings import ClaimSupport, Finding, claim_support
from campaign_lab.show.frame import bullets, folded, warning
from campaign_lab.show.text import address, bidi_isolate, escape_html

MOST_OPEN = 4
"""Longer lists are folded after this many claims."""
MOST_QUOTES = 2
"""Claims with more quotes show them folded."""
SUPPORT = "claim_support"
"""The key of a claim's ``ClaimSupport`` in a copy that ``with_claim_support`` made."""
NOT_FOUND = "not found on the page"


def claim_html(claim: Mapping[str, Any]) -> str:
    """The claim as HTML, each quote with its page below it. A quote that is the claim word for word is not shown twice."""
    quotes = claim.get("evidence") or []
    text = str(claim.get("text", ""))
    mark = "" if stands(claim) else f" {warning(_claim_fault(claim))}"
    lines = [_quote_line(each, text) for each in quotes]
    if len(lines) <= MOST_QUOTES:
        return f"{bidi_isolate(text)}{mark}{''.join(lines)}"
    bad = sum(not each.get("supported") for each in quotes)
    summary = f"<small>{len(lines)} quotes{f', ⚠ {bad} {NOT_FOUND}' if bad else ''}</small>"
    return f"{bidi_isolate(text)}{mark}{folded(summary, ''.join(lines))}"


def quote_html(evidence: Mapping[str, Any]) -> str:
    """A quote with its page as HTML, where it stands on its own."""
    sign = "✓ on" if evidence.get("supported") else "from"
    page = f"<br><small>{sign} {address(evidence.get('url', ''))}{_quote_fault(evidence)}</small>"
    return f"“{bidi_isolate(evidence.get('quote', ''))}”{page}"


def claims_html(title: str, claims: Sequence[Mapping[str, Any]]) -> str:
    """A titled list of claims or quotes as HTML; "" when there are none."""
    if not claims:
        return ""
    items = [quote_html(each) if "quote" in each else claim_html(each) for each in claims]
    open_items, rest = (items, []) if len(items) <= MOST_OPEN + 1 else (items[:MOST_OPEN], items[MOST_OPEN:])
    more = ""
    if rest:
        bad = sum(not stands(each) for each in claims[MOST_OPEN:])
        more = folded(f"{len(rest)} more{f' (⚠ {bad} unsupported)' if bad else ''}", bullets(rest))
    return f"<p><b>{escape_html(title)}</b></p>{bullets(open_items)}{more}"


def stands(claim: Mapping[str, Any]) -> bool:
    """Is the claim supported? For a quote on its own: does it stand on its page?"""
    return claim.get("supported") is True if "quote" in claim else _support(claim).supported


def findings_in(record: Mapping[str, Any]) -> list[Finding]:
    """The findings in a record's JSON, as ``KeptRecord.to_json`` gives it."""
    return [Finding.from_json(each) for each in record.get("check_findings") or ()]


def with_claim_support(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record in which every claim has its ``ClaimSupport``."""
    known = {id(each.claim): each for each in claim_support(record, findings_in(record))}

    def marked(value: Any) -> Any:
        if isinstance(value, Mapping):
            copy = {name: marked(part) for name, part in value.items()}
            return {**copy, SUPPORT: known[id(value)]} if id(value) in known else copy
        return [marked(part) for part in value] if isinstance(value, list) else value

    return {name: marked(value) for name, value in record.items()}


def _support(claim: Mapping[str, Any]) -> ClaimSupport:
    support: ClaimSupport = claim.get(SUPPORT) or ClaimSupport(claim, overstated=False)
    return support


def _claim_fault(claim: Mapping[str, Any]) -> str:
    return "says more than its quotes" if _support(claim).overstated else "unsupported claim"


def _quote_line(evidence: Mapping[str, Any], claim: str) -> str:
    quote = str(evidence.get("quote", ""))
    same = quote and quote in claim and len(claim) - len(quote) <= 2  # the marks around a sentence that is a quote
    if same:
        shown = "✓ word for word on" if evidence.get("supported") else "quoted word for word from"
    else:
        shown = f"{'✓ ' if evidence.get('supported') else ''}“{bidi_isolate(quote)}” —"
    return f"<br><small>{shown} {address(evidence.get('url', ''))}{_quote_fault(evidence)}</small>"


def _quote_fault(evidence: Mapping[str, Any]) -> str:
    supported = evidence.get("supported")
    if supported:
        return ""
    return " " + warning("not checked against the page" if supported is None else NOT_FOUND)
