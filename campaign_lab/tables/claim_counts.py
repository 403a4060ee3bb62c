"""What stands in the stored JSON of a record, read without its class: claims and quotes wherever they are, and plain text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from campaign_lab.findings import SentenceCounts, claim_support, is_claim, is_quote, parts_below
from campaign_lab.records import CopyVariant
from campaign_lab.sessions.history.path_loader import StoredRecord

Part = Mapping[str, Any]


def claims_and_quotes(parts: Iterable[tuple[str, Part]]) -> tuple[list[tuple[str, Part]], list[Part]]:
    """Every claim with its path, and every quote among the parts, in their order, each once."""
    claims: dict[tuple[Any, ...], tuple[str, Part]] = {}
    quotes: dict[tuple[Any, ...], Part] = {}
    for path, part in parts:
        if is_claim(part):
            claims.setdefault((part["text"], *map(_quote, part["evidence"])), (path, part))
        elif is_quote(part):
            quotes.setdefault(_quote(part), part)
    return list(claims.values()), list(quotes.values())


def counts(record: StoredRecord) -> dict[str, int]:
    """How many claims and quotes the record has, and how many of them are supported; of an advertisement also its sentences.

    A quote is supported when code found it on its page; for a claim see ``findings.ClaimSupport``. A sentence that is to be
    checked states something without a claim, so it counts as a claim that is not supported.
    """
    claims, quotes = claims_and_quotes(parts_below(record.fields))
    sentences = sentence_counts(record)
    return {
        "claims": len(claims) + sentences.to_check,
        "claims_supported": sum([each.supported for each in claim_support(claims, record.findings)]),
        "quotes": len(quotes),
        "quotes_supported": sum([quote.get("supported") is True for quote in quotes]),
        "sentences_carried": sentences.carried,
        "sentences_plain": sentences.plain,
        "sentences_to_check": sentences.to_check,
    }


def sentence_counts(record: StoredRecord) -> SentenceCounts:
    """The sentences of an advertisement; no other record has any."""
    if record.kind != CopyVariant.kind or record.degraded:
        return SentenceCounts(0, 0, 0)
    return SentenceCounts.among(record.findings) or checks().counts_of(record.fields, record.findings)


@cache
def checks() -> ModuleType:
    """The package of checks, imported with the first table: importing ``campaign_lab`` needs none."""
    return import_module("campaign_lab.checks")


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


def _quote(part: Part) -> tuple[Any, ...]:
    return part["quote"], part["url"], part.get("supported") is True
