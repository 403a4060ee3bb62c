"""All checks of one record: evidence, figures, lengths, wording."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from campaign_lab.checks.evidence import support, unsupported_claims
from campaign_lab.checks.limits import graphemes, limits
from campaign_lab.checks.numbers import numbers_in
from campaign_lab.checks.wording import breaches
from campaign_lab.findings import MOST_SHOWN, OVERSTATED, Finding, Severity
from campaign_lab.records import COPY_FIELDS, Angle, Claim, CompetitorProfile, CopyVariant, Evidence, Record

_FIGURED = {CopyVariant: COPY_FIELDS, Angle: ("core_angle", "promise", "offer"), CompetitorProfile: ("gap",)}
_COPY_RULES = {"personal_attribute", "unrealistic_promise", "false_urgency", "quoted_rate", "punctuation"}


def check_record(record: Record, texts: Mapping[str, str], names: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a record, worst first.

    ``texts`` maps the url of each stored page to its visible text; ``names`` are the brand's own, which need no quote.
    """
    found = [*_evidence(record, texts, names), *_figures(record, names), *_lengths(record), *_wording(record)]
    return sorted(found, key=lambda finding: ("block", "warn", "info").index(finding.severity))


def _found(rule: str, severity: Severity, field: str, value: str, message: str) -> Finding:
    return Finding(rule, severity, field, value[:MOST_SHOWN], message)


def _evidence(record: Record, texts: Mapping[str, str], names: Collection[str]) -> Iterator[Finding]:
    supported = support(record, texts)
    for path, evidence in record.places_of(Evidence):
        if not supported[evidence.model_copy(update={"supported": None})]:
            rule, why = "quote_missing", "does not stand on"
            if evidence.url not in texts:
                rule, why = "page_unread", "names a page that was not read:"
            message = f"the quote {why} {evidence.url}"
            yield _found(f"evidence.{rule}", "block", f"{path}.quote", evidence.quote, message)
    for path, claim in unsupported_claims(record, texts, names).items():
        message = "no supported quote holds every number and name of the claim"
        yield _found(OVERSTATED, "block", f"{path}.text", claim.text, message)


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
            yield _found("evidence.figure_unquoted", "block", field, value, f"no quote holds {', '.join(loose)}")


def _lengths(record: Record) -> Iterator[Finding]:
    for limit in limits().values() if isinstance(record, CopyVariant) else ():
        value = getattr(record, limit.field)
        length = graphemes(value)
        if length > limit.recommended:
            severity: Severity = "block" if length > limit.rejects else "warn"
            most = limit.rejects if severity == "block" else limit.recommended
            message = f"{length} characters, at most {most} ({limit.source})"
            yield _found(f"limits.{limit.field}", severity, limit.field, value, message)


def _wording(record: Record) -> Iterator[Finding]:
    """Broken wording rules. Those for advertisements are applied to the copy's own texts only, the others to every text."""
    language = record.language if isinstance(record, CopyVariant) else ""
    for path, value in _texts(record):
        for rule, passage in breaches(value, language):
            if rule.id not in _COPY_RULES or (isinstance(record, CopyVariant) and path in COPY_FIELDS):
                message = f"{rule.message}: {passage!r} ({rule.source})"
                yield _found(f"wording.{rule.id}", rule.severity, path, value, message)


def _texts(record: Record) -> Iterator[tuple[str, str]]:
    """Each text of the record itself, and of its claims, with its path."""
    for field in type(record).model_fields:
        value = getattr(record, field)
        if isinstance(value, str):
            yield field, value
    for path, claim in record.places_of(Claim):
        yield f"{path}.text", claim.text
