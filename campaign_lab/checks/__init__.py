"""Checks of records: evidence, lengths, wording, near duplicates. Their rules are data with source and date."""

from campaign_lab.checks.evidence import quote_stands, support, unsupported_claims
from campaign_lab.checks.limits import graphemes, limit_of, limits
from campaign_lab.checks.numbers import numbers_in
from campaign_lab.checks.record_checks import check_invalid, check_record
from campaign_lab.checks.sameness import ALIKE, likeness, near_duplicates, repeated_sentences, sentences_in
from campaign_lab.checks.sentences.sentence_counts import counts_of
from campaign_lab.checks.wording import breaches, gives_orders

__all__ = [
    "ALIKE",
    "breaches",
    "check_invalid",
    "check_record",
    "counts_of",
    "gives_orders",
    "graphemes",
    "likeness",
    "limit_of",
    "limits",
    "near_duplicates",
    "numbers_in",
    "quote_stands",
    "repeated_sentences",
    "sentences_in",
    "support",
    "unsupported_claims",
]
