"""References: the short names by which later steps point at claims that are known, such as ``b4``, ``c7`` or ``r2.1``.

Code makes them, from the records in the order in which they are stored: ``b`` for the brand, ``c`` for its customers, ``r2.``
for the second rival, ``a3.`` for what the third angle adds, and the kind of record for any other. Equal claims share a name.
A quote without a statement, such as a customer's own words, has a name too: it is a claim that says what is quoted.
"""

from __future__ import annotations

import difflib
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from campaign_lab.records import (
    Angle,
    BrandProfile,
    Claim,
    CompetitorProfile,
    CopyVariant,
    CustomerInsight,
    Evidence,
    Record,
    RecordPart,
)

MOST_NEAR = 4
"""How many references an error lists for one that is not known."""
_LETTERS = {BrandProfile.kind: "b", CustomerInsight.kind: "c"}
_NUMBERED = {CompetitorProfile.kind: "r", Angle.kind: "a"}
"""Kinds of which each record has names of its own."""


def references_of(records: Iterable[Record]) -> dict[str, Claim]:
    """The claims of the records, each once in its kind, by their references. Copy makes none; an angle only what is new."""
    found: dict[str, Claim] = {}
    within: dict[str, set[Claim]] = {}
    places: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for record in records:
        if isinstance(record, CopyVariant):
            continue
        kind = record.kind
        places[kind] += 1
        start = f"{_NUMBERED[kind]}{places[kind]}." if kind in _NUMBERED else _LETTERS.get(kind, f"{kind}.")
        known = set(found.values()) if kind == Angle.kind else within.setdefault(kind, set())
        for claim in _claims(record):
            if claim not in known:
                known.add(claim)
                numbers[start] += 1
                found[f"{start}{numbers[start]}"] = claim
    return found


def shown_with_references(record: Record, references: Mapping[str, Claim]) -> dict[str, Any]:
    """The record as JSON-ready data for a model: each of its claims and quotes with its reference, in ``ref``.

    A claim that is its own quote has ``text`` and ``url``; any other ``text`` and ``evidence``. A claim that another kind of
    record brought into the conversation is its reference alone.
    """
    names = names_of(references, record.kind)

    def shown(value: Any) -> Any:
        if isinstance(value, Claim):
            name = names.get(value, "")
            return name if name and _kind_of(name) != record.kind else claim_with_reference(value, name)
        if isinstance(value, Evidence):
            named = names.get(_as_claim(value), "")
            return {**({"ref": named} if named else {}), **_evidence(value)}
        if isinstance(value, RecordPart):
            fields = {name: getattr(value, name) for name in type(value).model_fields}
            return {name: shown(each) for name, each in fields.items()}
        return [shown(each) for each in value] if isinstance(value, tuple) else value

    return dict(shown(record))


def names_of(references: Mapping[str, Claim], kind: str = "") -> dict[Claim, str]:
    """The reference of each claim: the one that records of this kind have, else the first."""
    names: dict[Claim, str] = {}
    for name, claim in references.items():
        if claim not in names or (_kind_of(name) == kind != _kind_of(names[claim])):
            names[claim] = name
    return names


def _kind_of(name: str) -> str:
    """The kind of record that brought the claim in."""
    start = name.rstrip("0123456789.")
    return next((kind for kind, letter in (_LETTERS | _NUMBERED).items() if letter == start), start)


def claim_with_reference(claim: Claim, name: str) -> dict[str, Any]:
    """A claim as JSON-ready data for a model."""
    named: dict[str, Any] = {"ref": name} if name else {}
    first = claim.evidence[0]
    if len(claim.evidence) == 1 and first.quote == claim.text:
        return {
            **named,
            "text": claim.text,
            **{key: value for key, value in _evidence(first).items() if key != "quote"},
        }
    return {**named, "text": claim.text, "evidence": [_evidence(each) for each in claim.evidence]}


def resolved(model: type[RecordPart], raw: Any, references: Mapping[str, Claim]) -> tuple[Any, dict[str, str]]:
    """What a model handed in, with each claim whole; and, by path, what is wrong with a reference.

    A claim may be a reference, an object with one in ``ref``, or an object whose ``text`` is left out where it is the first
    quote itself.
    """
    wrong: dict[str, str] = {}

    def claim(value: Any, path: str) -> Any:
        if isinstance(value, dict) and "ref" in value:  # as it is shown
            name = _name(value["ref"])
            value = name if name in references else {key: each for key, each in value.items() if key != "ref"}
        if isinstance(value, str):
            if (name := _name(value)) in references:
                return references[name].model_dump(mode="json", exclude={"evidence": {"__all__": {"supported"}}})
            wrong[path] = _unknown(value.strip(), references)
        elif isinstance(value, dict) and "text" not in value and isinstance(value.get("evidence"), list):
            quotes = [each.get("quote") for each in value["evidence"] if isinstance(each, dict)]
            return {**value, "text": quotes[0]} if quotes else value
        return value

    return _walked(model, raw, "", claim), wrong


def _walked(annotation: Any, value: Any, path: str, claim: Callable[[Any, str], Any]) -> Any:
    """The value with ``claim`` applied wherever the annotation says that a claim stands."""
    if annotation is Claim:
        return claim(value, path)
    if inspect.isclass(annotation) and issubclass(annotation, RecordPart):
        if not isinstance(value, dict):
            return value
        fields = annotation.model_fields
        return {
            name: _walked(fields[name].annotation, each, f"{path}.{name}" if path else name, claim)
            if name in fields
            else each
            for name, each in value.items()
        }
    for inner in get_args(annotation):
        if isinstance(value, list):
            value = [_walked(inner, each, f"{path}.{place}", claim) for place, each in enumerate(value)]
        else:
            value = _walked(inner, value, path, claim) if value is not None else None
    return value


def _name(value: Any) -> str:
    """A reference as it was made, where a model wrote it in capitals or in brackets."""
    return str(value).strip(" \t\n\"'[](){}").lower()


def _unknown(name: str, references: Mapping[str, Claim]) -> str:
    near = difflib.get_close_matches(name[:40], references, MOST_NEAR, 0.5) or list(references)[:MOST_NEAR]
    known = f"; near ones: {', '.join(near)}" if near else "; no claim has one yet"
    return f"no claim has the reference {name[:40]!r}{known}; or hand the claim in whole, with its evidence"


def _claims(record: Record) -> list[Claim]:
    """All claims of a record in reading order, then its quotes that belong to none."""
    claims = list(record.claims_in())
    held = {evidence for claim in claims for evidence in claim.evidence}
    return [*claims, *(_as_claim(each) for each in record.evidence_in() if each not in held)]


def _as_claim(evidence: Evidence) -> Claim:
    return Claim(text=evidence.quote, evidence=(evidence,))


def _evidence(evidence: Evidence) -> dict[str, Any]:
    """A quote and its page; and that it was not found there, where that is so."""
    shown: dict[str, Any] = {"quote": evidence.quote, "url": evidence.url}
    return {**shown, "supported": False} if evidence.supported is False else shown
