"""What stands in the stored JSON of a record, read without its class: claims and quotes wherever they are, and plain text."""

from __future__ import annotations

from typing import Any

from campaign_lab.sessions.lines import Stored

Part = dict[str, Any]

NOT_HELD = "claims: no supported quote holds"
"""How a turn's intake begins its remark on a claim that says more than its quotes."""


def parts_in(value: Any) -> tuple[list[Part], list[Part]]:
    """Every claim and every quote with its page, in reading order, each once."""
    claims: dict[tuple[Any, ...], Part] = {}
    quotes: dict[tuple[Any, ...], Part] = {}
    _collect(value, claims, quotes)
    return list(claims.values()), list(quotes.values())


def counts(record: Stored) -> dict[str, int]:
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
        case {"text": str(statement), "evidence": list()}:
            return statement
        case {"quote": str(words), "url": str()}:
            return words
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


def _collect(value: Any, claims: dict[tuple[Any, ...], Part], quotes: dict[tuple[Any, ...], Part]) -> None:
    if isinstance(value, dict):
        if "evidence" in value and "text" in value:
            claims.setdefault((value["text"], *map(_quote, value["evidence"])), value)
        elif "quote" in value and "url" in value:
            quotes.setdefault(_quote(value), value)
        value = value.values()
    for each in value:
        if isinstance(each, dict | list):
            _collect(each, claims, quotes)


def _quote(part: Part) -> tuple[Any, ...]:
    return part["quote"], part["url"], part.get("supported")
