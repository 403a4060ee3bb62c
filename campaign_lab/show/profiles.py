"""Cards of what research found (the brand, its customers, its rivals), and of records of a user's own classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaign_lab.findings import is_claim, is_quote
from campaign_lab.show.evidence import claim_html, claims_html, quote_html
from campaign_lab.show.templates import render
from campaign_lab.show.text import bidi_isolate, escape_html, words

HIDDEN = ("id", "kind", "evidence", "check_findings", "problems", "degraded")
CLAIMED = ("offers", "proofs", "audience", "differentiators")
MOVING = ("pains", "desires", "objections", "triggers")
COLOUR = re.compile("#[0-9a-fA-F]{6}")
STAGES = {
    "unaware": "do not know that they have the problem",
    "problem": "know their problem, and no solution",
    "solution": "know that there are solutions, and not this brand",
    "product": "know the brand, and are not convinced yet",
    "most": "are ready to buy, and wait for a reason",
}
"""The five stages of awareness (Eugene Schwartz, Breakthrough Advertising, 1966): what readers at each know or do not."""


def brand_html(record: Mapping[str, Any]) -> str:
    """The card of a brand profile: name and promise, then voice and claims, each with its quotes."""
    voice = record.get("voice") or {}
    return render(
        "brand",
        name=str(record.get("name", "")),
        promise=claim_html(record["promise"]) if record.get("promise") else "",
        traits=", ".join(map(str, voice.get("traits") or [])),
        colours=[(each, COLOUR.fullmatch(each)) for each in map(str, record.get("colours") or [])],
        examples=claims_html("Sounds like", voice.get("examples") or []),
        claims=[claims_html(words(name), record.get(name) or []) for name in CLAIMED],
    )


def customers_html(record: Mapping[str, Any]) -> str:
    """Who they are and how much they know, then what moves them, and their own words."""
    titles = {name: words(name) for name in MOVING} | {"words": "In their own words"}
    return render(
        "customers",
        segments=record.get("segments") or [],
        awareness=stage_words(str(record.get("awareness_stage", ""))),
        claims=[claims_html(title, record.get(name) or []) for name, title in titles.items()],
    )


def rival_html(record: Mapping[str, Any]) -> str:
    """Positioning, offer and proof with their quotes, and the gap it leaves."""
    titles = {"positioning": "Wants to be known for", "offer": "Offer", "proof": "Proof"}
    return render(
        "rival",
        name=str(record.get("name", "")),
        url=record.get("url", ""),
        claims=[(title, claim_html(record[name]) if record.get(name) else "") for name, title in titles.items()],
        gap=record.get("gap", ""),
    )


def stage_words(stage: str) -> str:
    """The stage of awareness by its name and in words. Plain text, not yet escaped."""
    return f"{stage}: they {STAGES[stage]}" if stage in STAGES else stage


def stage_in_short(stage: str) -> str:
    """The first part of a stage's description, such as "know their problem"."""
    return STAGES[stage].partition(",")[0]


def any_record_html(record: Mapping[str, Any]) -> str:
    """The card of a record whose kind this package does not know: its fields in their order."""
    title = str(record.get("name") or record.get("headline") or words(record.get("kind", "")))
    fields = [
        (name, _pieces(value)) for name, value in record.items() if name not in HIDDEN and value and value != title
    ]
    return render("record", title=title, kind=words(record.get("kind", "")).lower(), fields=fields)


def _pieces(value: Any) -> list[str]:
    """A value of any shape as pieces of HTML."""
    if isinstance(value, Mapping):
        if is_claim(value):
            return [claim_html(value)]
        if is_quote(value):
            return [quote_html(value)]
        return [f"{escape_html(words(name))}: {'; '.join(_pieces(item))}" for name, item in value.items() if item]
    if isinstance(value, (list, tuple)):
        return [piece for item in value for piece in _pieces(item)]
    return [bidi_isolate(value)]
