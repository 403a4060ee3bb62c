"""How many sentences of an advertisement its claims carry: counted as it is handed in, later for what older versions stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from campaign_lab.checks.sentences.carriers import sentence_claims
from campaign_lab.checks.sentences.sentence_check import SentenceCheck, check_sentences
from campaign_lab.findings import OVERSTATED, Finding, SentenceCounts, is_claim, is_quote, parts_below
from campaign_lab.records import COPY_FIELDS


def count_sentences(checks: Iterable[SentenceCheck]) -> SentenceCounts:
    """How many of the sentences are carried, plain, and to be checked."""
    rules = [each.rule for each in checks]
    carried, plain = rules.count("carried"), rules.count("plain")
    return SentenceCounts(carried, plain, len(rules) - carried - plain)


def counts_of(fields: Mapping[str, Any], findings: Iterable[Finding]) -> SentenceCounts:
    """The counts that were stored with an advertisement, given as its JSON; those of an older version's are made now."""
    findings = tuple(findings)
    return SentenceCounts.among(findings) or _counts_now(
        tuple((field, text) for field in COPY_FIELDS if isinstance(text := fields.get(field), str)),
        tuple(
            (path, part["text"], tuple(quote["quote"] for quote in part["evidence"] if quote.get("supported") is True))
            for path, part in parts_below(fields)
            if is_claim(part)
        ),
        tuple(part["url"] for _, part in parts_below(fields) if is_quote(part)),
        frozenset(finding.field.removesuffix(".text") for finding in findings if finding.rule == OVERSTATED),
        str(fields.get("language", "")),
    )


@lru_cache(maxsize=10_000)
def _counts_now(
    texts: tuple[tuple[str, str], ...],
    claims: tuple[tuple[str, str, tuple[str, ...]], ...],
    addresses: tuple[str, ...],
    overstated: frozenset[str],
    language: str,
) -> SentenceCounts:
    return count_sentences(
        check_sentences(dict(texts), sentence_claims(claims, overstated), language, addresses=addresses)
    )
