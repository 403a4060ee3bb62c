"""All checks of one record: evidence, figures, sentences, lengths, wording."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from campaign_lab.checks.evidence import overstatements, quote_stands, substantial, support_of
from campaign_lab.checks.limits import fold_stands_alone, graphemes, limits
from campaign_lab.checks.numbers import numbers_in
from campaign_lab.checks.sentences.carriers import sentence_claims
from campaign_lab.checks.sentences.sentence_check import check_sentences
from campaign_lab.checks.sentences.sentence_counts import count_sentences
from campaign_lab.checks.wording import breaches
from campaign_lab.findings import MOST_SHOWN, OVERSTATED, Finding, Severity, is_claim, is_quote, parts_below
from campaign_lab.records import COPY_FIELDS, LONG_TEXT, Angle, Claim, CompetitorProfile, CopyVariant, Evidence, Record

_FIGURED = {Angle: ("core_angle", "promise", "offer"), CompetitorProfile: ("gap",)}
_COPY_RULES = {"personal_attribute", "unrealistic_promise", "false_urgency", "quoted_rate", "punctuation"}
_UNCARRIED = {
    "number": "no claim holds the number",
    "hedge": "only one of the two, this text or the quote, says of the number what stands in brackets:",
    "name": "no claim holds the name",
    "superlative": "no claim holds the superlative",
    "comparison": "no claim holds the comparison",
    "absolute": "no claim says as much as",
    "negation": "only one of the two denies something, this text or the claim",
    "quotation": "no quote holds the words in quotation marks",
    "unsupported": "no claim holds the words",
}
"""By the rule of a sentence that is to be checked, what is said before the missing words."""
_BESIDE = 120
"""Characters of a quote that was looked at."""


def check_record(record: Record, texts: Mapping[str, str], names: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a record, worst first, and of an advertisement how many of its sentences are carried.

    ``texts`` maps the url of each stored page to its visible text; ``names`` need no quote: the brand's own, and those of
    the market.
    """
    evidence = _evidence(list(record.places_of(Evidence)), list(record.places_of(Claim)), texts, names)
    found = [*evidence, *_figures(record, names), *_lengths(record), *_wording(record)]
    if isinstance(record, CopyVariant):
        found += _sentences({field: getattr(record, field) for field in COPY_FIELDS}, record.language,
                            list(record.places_of(Claim)), texts, names)  # fmt: skip
    return _worst_first(found)


def check_invalid(raw: Any, texts: Mapping[str, str], names: Collection[str] = ()) -> list[Finding]:
    """What is wrong with a record besides its errors of form: its quotes and claims, and the sentences of an advertisement."""
    parts = list(parts_below(raw)) if isinstance(raw, dict) else []
    quotes = [(path, _as_evidence(part)) for path, part in parts if is_quote(part)]
    claims = [
        (path, Claim.model_construct(text=part["text"], evidence=tuple(map(_as_evidence, part["evidence"]))))
        for path, part in parts
        if is_claim(part)
    ]
    found = list(_evidence(quotes, claims, texts, names))
    if isinstance(raw, dict) and all(isinstance(raw.get(field), str) for field in (*COPY_FIELDS, "language")):
        found += _sentences({field: raw[field] for field in COPY_FIELDS}, raw["language"], claims, texts, names)
    return _worst_first(found)


def _as_evidence(part: Mapping[str, Any]) -> Evidence:
    return Evidence.model_construct(quote=part["quote"], url=part["url"], supported=None)


def _worst_first(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: ("block", "warn", "info").index(finding.severity))


def _found(rule: str, severity: Severity, field: str, value: str, message: str) -> Finding:
    return Finding(rule, severity, field, value[:MOST_SHOWN], message)


def _evidence(
    quotes: Sequence[tuple[str, Evidence]],
    claims: Sequence[tuple[str, Claim]],
    texts: Mapping[str, str],
    names: Collection[str],
) -> Iterator[Finding]:
    supported = support_of((evidence for _, evidence in quotes), texts)
    for path, evidence in quotes:
        if not supported[evidence.model_copy(update={"supported": None})]:
            rule, message = _why_unsupported(evidence, texts)
            yield _found(rule, "block", f"{path}.quote", evidence.quote, message)
    for path, each in overstatements(claims, supported, names).items():
        message = "none of its quotes is supported"
        if each.quote:
            message = (
                f"no supported quote holds {', '.join(map(repr, each.missing))}; looked at {each.quote[:_BESIDE]!r}"
            )
        yield _found(OVERSTATED, "block", f"{path}.text", each.claim.text, message)


def _why_unsupported(evidence: Evidence, texts: Mapping[str, str]) -> tuple[str, str]:
    if evidence.url not in texts:
        return "evidence.page_unread", f"the quote names a page that was not read: {evidence.url}"
    if not substantial(evidence.quote) and quote_stands(evidence.quote, texts[evidence.url]):
        return "evidence.quote_short", "the quote is too short: copy at least four words, or the number with its unit"
    return "evidence.quote_missing", f"the quote does not stand on {evidence.url}"


def _sentences(
    fields: Mapping[str, str],
    language: str,
    claims: Sequence[tuple[str, Claim]],
    texts: Mapping[str, str],
    names: Collection[str],
) -> Iterator[Finding]:
    """The sentences of an advertisement that are to be checked, and the counts of all of them."""
    supported = support_of((each for _, claim in claims for each in claim.evidence), texts)
    overstated = overstatements(claims, supported, names)
    known = [
        (
            path,
            claim.text,
            [each.quote for each in claim.evidence if supported[each.model_copy(update={"supported": None})]],
        )
        for path, claim in claims
    ]
    hosts = [each.url for _, claim in claims for each in claim.evidence]
    carriers = sentence_claims(known, overstated)
    checks = check_sentences(fields, carriers, language, names, hosts)
    for each in checks:
        if each.to_check:
            looked = (
                f"; looked at {each.quote[:_BESIDE]!r}"
                if each.quote
                else "; the text has no claim with a quote that stands"
            )
            message = f"to check: {_UNCARRIED[each.rule]} {each.missing!r}{looked}"
            yield _found(
                f"sentence.{each.rule}", "block" if each.rule == "number" else "warn", each.field, each.text, message
            )
    yield count_sentences(checks).finding()


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
        if length > limit.rejects:
            message = f"{length} characters, at most {limit.rejects} ({limit.source})"
            yield _found(f"limits.{limit.field}", "block", limit.field, value, message)
        elif length > limit.recommended and not limit.folds:
            message = f"{length} characters, at most {limit.recommended} ({limit.source})"
            yield _found(f"limits.{limit.field}", "warn", limit.field, value, message)
        elif length > limit.recommended:
            yield _fold(value, length, limit.recommended)
    if isinstance(record, CopyVariant) and (length := graphemes(record.primary_text)) > LONG_TEXT:
        message = f"{length} characters, a long text has at most {LONG_TEXT}"
        yield _found("limits.long", "warn", "primary_text", record.primary_text, message)


def _fold(value: str, length: int, shown: int) -> Finding:
    """Text behind "See more" is no fault, as long as what stands before it can be read alone."""
    if fold_stands_alone(value, shown):
        message = f"{length} characters: those after the first {shown} stand behind See more"
        return _found("limits.fold", "info", "primary_text", value, message)
    message = f"the first {shown} of {length} characters do not stand alone: end a sentence before See more"
    return _found("limits.fold", "warn", "primary_text", value, message)


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
