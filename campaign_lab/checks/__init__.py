"""Checks of records: evidence, lengths, wording, near duplicates. Their rules are data with source and date."""

from campaign_lab.checks.evidence import quote_stands, support, unsupported_claims
from campaign_lab.checks.limits import graphemes, limit_of
from campaign_lab.checks.numbers import numbers_in
from campaign_lab.checks.record_checks import check_record
from campaign_lab.checks.sameness import likeness, near_duplicates, repeated_sentences, sentences_in
from campaign_lab.checks.wording import breaches, gives_orders

__all__ = [
    "breaches",
    "check_record",
    "gives_orders",
    "graphemes",
    "likeness",
    "limit_of",
    "near_duplicates",
    "numbers_in",
    "quote_stands",
    "repeated_sentences",
    "sentences_in",
    "support",
    "unsupported_claims",
]
