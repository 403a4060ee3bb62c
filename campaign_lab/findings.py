"""What the checks found on a record, and which of its claims are supported: one shape from check to table, card and export.

A path leads to a text in a record: names of fields and positions in lists, joined with dots, such as ``headline``,
``claims.0.text`` or ``proofs.1.claim.evidence.0.quote``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

Severity = Literal["block", "warn", "info"]
Part = Mapping[str, Any]

OVERSTATED = "evidence.claim_overstated"
"""The rule of a claim that says more than its quotes hold."""
STORED_SENTENCE = "stored.sentence"
"""The rule of a finding that an older version stored as a sentence, without its rule."""
SENTENCES = "sentence.counts"
"""The rule of the finding that counts the sentences of an advertisement."""
MOST_SHOWN = 200
"""Characters of a text that a finding quotes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know before a record runs: ``block`` stops it, ``warn`` asks, ``info`` tells.

    ``rule`` is a stable code, such as ``limits.headline``. ``field`` is the path of the text that was checked, "" for the
    whole record; ``value`` is how that text begins, "" where ``message`` says it already.
    """

    rule: str
    severity: Severity
    field: str
    value: str
    message: str

    @property
    def sentence(self) -> str:
        """The finding in one line: what was checked, what is wrong, and the text itself."""
        if not self.value:
            return f"{self.field}: {self.message}" if self.field else self.message
        subject = self.field
        for ending, plural in ((".text", "claims"), (".quote", "evidence")):
            subject = plural if self.field.endswith(ending) else subject
        return f"{subject}: {self.message}: {self.value!r}"

    def to_json(self) -> dict[str, str]:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Finding:
        """The finding that ``to_json`` gave. Anything else becomes the message of a stored sentence; nothing raises."""
        if (
            isinstance(value, Mapping)
            and value.keys() == FIELDS
            and all(isinstance(each, str) for each in value.values())
        ):
            return cls(**value)
        return cls(STORED_SENTENCE, "warn", "", "", value if isinstance(value, str) else json.dumps(value))


FIELDS = frozenset(Finding.__dataclass_fields__)


def dump_findings(findings: Iterable[Finding]) -> str:
    """The findings as JSON text, as a lab stores them."""
    return json.dumps([finding.to_json() for finding in findings])


@lru_cache(maxsize=4_096)  # most of a thousand forks' variants are without a fault, and so have one of few texts
def load_findings(text: str) -> tuple[Finding, ...]:
    """The findings in JSON text of ``dump_findings``. Raises ValueError when the text is no JSON list."""
    found = [] if text == "[]" else json.loads(text)
    if not isinstance(found, list):
        raise ValueError(f"findings: {text[:40]!r} is no JSON list")
    return tuple(map(Finding.from_json, found))


def sentences(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The findings in one line each, in order. Equal lines, of a text that stands in several places, are one."""
    return tuple(dict.fromkeys(finding.sentence for finding in findings))


def faults(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that ask for something to be done; the others only tell."""
    return tuple(finding for finding in findings if finding.severity != "info")


class SentenceCounts(NamedTuple):
    """How many sentences of an advertisement its claims carry, how many say nothing that could be false, and how many neither."""

    carried: int
    plain: int
    to_check: int

    def finding(self) -> Finding:
        """The counts as they are stored with a record."""
        message = f"sentences: {self.carried} carried by its claims, {self.plain} plain, {self.to_check} to check"
        return Finding(SENTENCES, "info", "", "/".join(map(str, self)), message)

    @classmethod
    def among(cls, findings: Iterable[Finding]) -> SentenceCounts | None:
        """The counts that were stored with a record; None where an older version stored it."""
        for finding in findings:
            if finding.rule == SENTENCES and re.fullmatch(r"\d{1,6}/\d{1,6}/\d{1,6}", finding.value, re.ASCII):
                return cls(*map(int, finding.value.split("/")))
        return None


class ClaimSupport(NamedTuple):
    """A claim in a record's JSON. ``overstated``: the checks found that it says more than its quotes hold."""

    claim: Part
    overstated: bool

    @property
    def supported(self) -> bool:
        """Does one of its quotes stand on its page, and does the claim say no more than they hold?"""
        return not self.overstated and any(quote.get("supported") is True for quote in self.claim.get("evidence") or ())


def claim_support(claims: Iterable[tuple[str, Part]], findings: Iterable[Finding]) -> list[ClaimSupport]:
    """For claims of a record's JSON, each with its path, whether it is supported."""
    overstated = {finding.field for finding in findings if finding.rule == OVERSTATED}
    return [ClaimSupport(claim, f"{path}.text" in overstated) for path, claim in claims]


def parts_below(value: Any) -> list[tuple[str, Part]]:
    """All objects below a JSON value, in reading order, each with its path."""
    found: list[tuple[str, Part]] = []
    _collect(value, "", found)
    return found


def _collect(value: Any, path: str, found: list[tuple[str, Part]]) -> None:
    for name, each in value.items() if isinstance(value, dict) else enumerate(value):
        kind = type(each)  # JSON has no other containers, and asking for the abstract ones takes ten times as long
        if kind is dict or kind is list:
            place = f"{path}.{name}" if path else str(name)
            if kind is dict:
                found.append((place, each))
            _collect(each, place, found)


def is_claim(value: Any) -> bool:
    """Is it a statement with the quotes that carry it? A record of one's own may use the same names for other things."""
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return False
    evidence = value.get("evidence")
    return isinstance(evidence, list) and all(map(is_quote, evidence))


def is_quote(value: Any) -> bool:
    """Is it a quote with its page?"""
    return isinstance(value, dict) and isinstance(value.get("quote"), str) and isinstance(value.get("url"), str)
