"""KeptRecord: a record from the moment in which a turn keeps it to where a reader sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from campaign_lab.findings import Finding, faults, sentences
from campaign_lab.records import Record


@dataclass(frozen=True)
class KeptRecord:
    """A record with its id and its findings: what was not mended, and what only tells.

    ``record`` is None when only its raw text was kept.
    ``angle`` is the angle that a copy variant was handed in for; it is not stored.
    """

    id: str
    kind: str
    label: str
    record: Record | None
    body: str
    findings: tuple[Finding, ...] = ()
    angle: str = ""

    @property
    def degraded(self) -> bool:
        """Could it not be validated?"""
        return self.record is None

    @property
    def problems(self) -> tuple[str, ...]:
        """The findings that ask for something to be done, one line each."""
        return sentences(faults(self.findings))

    def to_json(self) -> dict[str, Any]:
        """JSON-ready: the record's fields, its id, all its evidence as a flat list, its findings and their ``problems`` lines."""
        evidence = [] if self.record is None else [each.model_dump() for each in self.record.evidence_in()]
        fields = {"raw": self.body} if self.record is None else self.record.model_dump(mode="json")
        return {
            "id": self.id,
            **fields,
            "evidence": evidence,
            "check_findings": [finding.to_json() for finding in self.findings],
            "problems": list(self.problems),
            "degraded": self.degraded,
        }
