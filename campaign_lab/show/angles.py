"""Cards of angles: who is addressed, what is promised, and which proofs carry the promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from campaign_lab.show.evidence import claim_html
from campaign_lab.show.frame import bullets, card, columns, folded, warning
from campaign_lab.show.profiles import stage_html
from campaign_lab.show.text import address, bidi_isolate, escape_html, words

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
    """The card of an angle: idea and person first, then proofs, objections and risks; the rest is folded."""
    idea = f'<p class="cl-lead">{bidi_isolate(record.get("core_angle", ""))}</p>'
    who = "".join(_line(title, record.get(name)) for title, name in BRIEFLY)
    who += stage_html(str(record.get("awareness_stage", "")))
    return card(
        str(record.get("name", "")),
        idea + columns([who, _proofs(record) + _doubts(record)]) + _risks(record) + _further(record),
        words(record.get("motivation", "")).lower(),
    )


def _proofs(record: Mapping[str, Any]) -> str:
    proofs = record.get("proofs") or []
    tiers = [(proof, TIERS.get(proof.get("tier"), "strength not given")) for proof in proofs]
    items = [
        f"<small>{escape_html(words(tier))}:</small> {claim_html(proof.get('claim') or {})}" for proof, tier in tiers
    ]
    return f"<p><b>Proofs</b></p>{bullets(items)}" if items else f"<p><b>Proofs</b> {warning('none')}</p>"


def _doubts(record: Mapping[str, Any]) -> str:
    doubts = record.get("objections") or []
    items = [
        f"<i>{bidi_isolate(each.get('objection', ''))}</i><br>{bidi_isolate(each.get('rebuttal', ''))}"
        for each in doubts
    ]
    return f"<p><b>Doubts and answers</b></p>{bullets(items)}" if items else ""


def _risks(record: Mapping[str, Any]) -> str:
    flags = record.get("risk_flags") or []
    return (
        f"<p>{warning('To check before it runs:')} {'; '.join(bidi_isolate(flag) for flag in flags)}</p>"
        if flags
        else ""
    )


def _further(record: Mapping[str, Any]) -> str:
    lines = "".join(_line(title, record.get(name)) for title, name in FURTHER)
    lines += _line("Runs in", ", ".join(map(str, record.get("placements") or [])))
    lines += _line("Button", words(record.get("call_to_action") or ""))
    if record.get("landing_url"):
        lines += f"<p><b>Leads to</b> {address(record['landing_url'])}</p>"
    return folded("<small>Hook, tone, format, placements</small>", columns([lines])) if lines else ""


def _line(title: str, value: object) -> str:
    return f"<p><b>{escape_html(title)}</b> {bidi_isolate(value)}</p>" if value else ""
