"""Which claims of a record are supported, told to its card. How claims and quotes look is said in ``evidence.html``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaign_lab.findings import ClaimSupport, Finding, claim_support, is_claim, parts_below

SUPPORT = "claim_support"
"""The key of a claim's ``ClaimSupport`` in a copy that ``with_claim_support`` made."""


def stands(claim: Mapping[str, Any]) -> bool:
    """Is the claim supported? For a quote on its own: does it stand on its page?"""
    return claim.get("supported") is True if "quote" in claim else _support(claim).supported


def overstated(claim: Mapping[str, Any]) -> bool:
    """Does the claim say more than its quotes?"""
    return _support(claim).overstated


def findings_in(record: Mapping[str, Any]) -> list[Finding]:
    """The findings in a record's JSON, as ``KeptRecord.to_json`` gives it."""
    return [Finding.from_json(each) for each in record.get("check_findings") or ()]


def with_claim_support(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the record in which every claim has its ``ClaimSupport``."""
    claims = [(path, part) for path, part in parts_below(record) if is_claim(part)]
    known = {id(each.claim): each for each in claim_support(claims, findings_in(record))}

    def marked(value: Any) -> Any:
        if isinstance(value, Mapping):
            copy = {name: marked(part) for name, part in value.items()}
            return {**copy, SUPPORT: known[id(value)]} if id(value) in known else copy
        return [marked(part) for part in value] if isinstance(value, list) else value

    return {name: marked(value) for name, value in record.items()}


def _support(claim: Mapping[str, Any]) -> ClaimSupport:
    support: ClaimSupport = claim.get(SUPPORT) or ClaimSupport(claim, overstated=False)
    return support
