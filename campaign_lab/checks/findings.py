"""All findings on one record: evidence, figures, lengths, wording."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from campaign_lab.checks.evidence import support, unsupported_claims
from campaign_lab.checks.limits import graphemes, limits
from campaign_lab.checks.numbers import numbers_in
from campaign_lab.checks.wording import Severity, breaches
from campaign_lab.records import Angle, CompetitorProfile, CopyVariant, Record

COPY_FIELDS = ("headline", "primary_text", "description")
_FIGURED = {CopyVariant: COPY_FIELDS, Angle: ("core_angle", "promise", "offer"), CompetitorProfile: ("gap",)}
_COPY_RULES = {"personal_attribute", "unrealistic_promise", "false_urgency", "quoted_rate", "punctuation"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a person should know before a record runs: ``block`` stops it, ``warn`` asks, ``info`` tells."""

    rule: str
    severity: Severity
    message: str
    field: str
    value: str


def problems(record: Record, texts: Mapping[str, str], names: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a record, worst first.

    ``texts`` maps the url of each stored page to its visible text; ``names`` are the brand's own, which need no quote.
    """
    found = [*_evidence(record, texts, names), *_figures(record, names), *_lengths(record), *_wording(record)]
    return sorted(found, key=lambda finding: ("block", "warn", "info").index(finding.severity))


def _evidence(record: Record, texts: Mapping[str, str], names: Collection[str]) -> Iterator[Finding]:
    for evidence, stands in support(record, texts).items():
        if not stands:
            why = "does not stand on" if evidence.url in texts else "names a page that was not read:"
            yield Finding("evidence", "block", f"the quote {why} {evidence.url}", "evidence", evidence.quote)
    for text in unsupported_claims(record, texts, names):
        yield Finding("claim", "block", "no supported quote holds every number and name of the claim", "claims", text)


def _figures(record: Record, names: Collection[str]) -> Iterator[Finding]:
    """Numbers that no quote of the record holds. A gap is an interpretation and states none at all."""
    held = numbers_in(" \n ".join(evidence.quote for evidence in record.evidence_in()))
    held = frozenset() if isinstance(record, CompetitorProfile) else held
    for field in _FIGURED.get(type(record), ()):
        value = getattr(record, field) or ""
        plain = value
        for name in names:
            plain = plain.replace(name, "")
        if loose := sorted(numbers_in(plain) - held):
            yield Finding("figure", "block", f"no quote holds {', '.join(loose)}", field, value)


def _lengths(record: Record) -> Iterator[Finding]:
    for limit in limits().values() if isinstance(record, CopyVariant) else ():
        value = getattr(record, limit.field)
        length = graphemes(value)
        if length > limit.recommended:
            severity: Severity = "block" if length > limit.rejects else "warn"
            most = limit.rejects if severity == "block" else limit.recommended
            message = f"{length} characters, at most {most} ({limit.source})"
            yield Finding("length", severity, message, limit.field, value)


def _wording(record: Record) -> Iterator[Finding]:
    """Wording rules. Those for advertisements hold for copy only; placeholders and orders nowhere."""
    ad = isinstance(record, CopyVariant)
    language = record.language if isinstance(record, CopyVariant) else ""
    for field, value in _texts(record):
        for rule, passage in breaches(value, language):
            if rule.id not in _COPY_RULES or (ad and field in COPY_FIELDS):
                yield Finding(rule.id, rule.severity, f"{rule.message}: {passage!r} ({rule.source})", field, value)


def _texts(record: Record) -> Iterator[tuple[str, str]]:
    """Each text of the record itself, and of its claims, with the field it stands in."""
    for field in type(record).model_fields:
        value = getattr(record, field)
        if isinstance(value, str):
            yield field, value
    for claim in record.claims_in():
        yield "claims", claim.text
