"""What stands in the stored JSON of a record, read without its class: claims and quotes wherever they are, and plain text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from campaign_lab.sessions.history.path_loader import StoredRecord

Part = dict[str, Any]

NOT_HELD = "claims: no supported quote holds"
"""How a turn's intake begins its remark on a claim that says more than its quotes."""


def parts_in(value: Any) -> tuple[list[Part], list[Part]]:
    """Every claim and every quote below the value, in reading order, each once. The value itself is neither."""
    claims: dict[tuple[Any, ...], Part] = {}
    quotes: dict[tuple[Any, ...], Part] = {}
    for part in _below(value):
        if is_claim(part):
            claims.setdefault((part["text"], *map(_quote, part["evidence"])), part)
        elif is_quote(part):
            quotes.setdefault(_quote(part), part)
    return list(claims.values()), list(quotes.values())


def is_claim(value: Any) -> bool:
    """Is it a statement with the quotes that carry it? A record of one's own may use the same names for other things."""
    match value:
        case {"text": str(), "evidence": list(evidence)}:
            return all(map(is_quote, evidence))
        case _:
            return False


def is_quote(value: Any) -> bool:
    """Is it a quote with its page?"""
    match value:
        case {"quote": str(), "url": str()}:
            return True
        case _:
            return False


def counts(record: StoredRecord) -> dict[str, int]:
    """How many claims and quotes the record has, and how many of them are supported.

    A quote is supported when code found it on its page; a claim, when one of its quotes is and the turn's checks had no
    remark that it says more than they hold.
    """
    claims, quotes = parts_in(record.fields)
    remarks = [line for line in record.problems if line.startswith(NOT_HELD)]
    return {
        "claims": len(claims),
        "claims_supported": sum(_stands(claim, remarks) for claim in claims),
        "quotes": len(quotes),
        "quotes_supported": sum(quote.get("supported") is True for quote in quotes),
    }


def text_of(value: Any) -> str:
    """A field as text: a claim is its statement, a quote its words; of other parts the texts, and of lists the items."""
    match value:
        case str():
            return value
        case list():
            return " · ".join(filter(None, map(text_of, value)))
        case {"text": statement} if is_claim(value):
            return str(statement)
        case {"quote": words} if is_quote(value):
            return str(words)
        case dict():
            texts = (text_of(each) for each in value.values() if isinstance(each, str | list | dict))
            return ": ".join(filter(None, texts))
        case None:
            return ""
        case _:
            return str(value)


def _stands(claim: Part, remarks: list[str]) -> bool:
    told = any(line.endswith(repr(claim["text"][:200])) for line in remarks)
    return not told and any(quote.get("supported") is True for quote in claim["evidence"])


def _below(value: Any) -> Iterator[Part]:
    """All objects below a value, in reading order."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, dict):
            yield each
        if isinstance(each, dict | list):
            yield from _below(each)


def _quote(part: Part) -> tuple[Any, ...]:
    return part["quote"], part["url"], part.get("supported") is True
