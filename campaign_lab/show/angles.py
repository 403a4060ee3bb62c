"""Cards of angles: who is addressed, what is promised, and which proofs carry the promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaign_lab.show.evidence import claim_html
from campaign_lab.show.profiles import stage_words
from campaign_lab.show.templates import render
from campaign_lab.show.text import words

TIERS = {
    1: "measured figure",
    2: "third-party rating",
    3: "named customer",
    4: "guarantee",
    5: "feature",
    6: "own statement",
}
"""Strength of a proof, strongest first; the numbers are those of the records."""

BRIEFLY = (("For", "persona"), ("Starts from", "anchor"), ("Promises", "promise"), ("Because", "mechanism"))
FURTHER = (
    ("Really wants", "deepest_desire"),
    ("Meets it when", "job"),
    ("Hook", "hook_hypothesis"),
    ("Offer", "offer"),
    ("Tone", "tone"),
    ("Format", "format"),
    ("Differs by", "novelty"),
    ("Works if", "success_criterion"),
)


def angle_html(record: Mapping[str, Any]) -> str:
    """The idea and the person first, then proofs, doubts and risks; the rest folded."""
    proofs = record.get("proofs") or []
    placements = ", ".join(map(str, record.get("placements") or []))
    button = words(record.get("call_to_action") or "")
    return render(
        "angle",
        name=str(record.get("name", "")),
        motivation=words(record.get("motivation", "")).lower(),
        idea=record.get("core_angle", ""),
        briefly=[(title, record.get(name)) for title, name in BRIEFLY],
        awareness=stage_words(str(record.get("awareness_stage", ""))),
        proofs=[
            (TIERS.get(proof.get("tier"), "strength not given"), claim_html(proof.get("claim") or {}))
            for proof in proofs
        ],
        doubts=record.get("objections") or [],
        risks=record.get("risk_flags") or [],
        further=[*((title, record.get(name)) for title, name in FURTHER), ("Runs in", placements), ("Button", button)],
        url=record.get("landing_url"),
    )
