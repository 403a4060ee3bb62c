"""Cards of what research and strategy found, and of records of a user's own classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaign_lab.findings import is_claim, is_quote
from campaign_lab.show.templates import render
from campaign_lab.show.text import bidi_isolate, escape_html, words

HIDDEN = ("id", "kind", "evidence", "check_findings", "problems", "degraded")
TEMPLATES = {"brand_profile": "brand", "customer_insight": "customers", "competitor_profile": "rival", "angle": "angle"}
"""By the kind of a record, the template of its card."""
COLOUR = re.compile("#[0-9a-fA-F]{6}")
TIERS = {
    1: "measured figure",
    2: "third-party rating",
    3: "named customer",
    4: "guarantee",
    5: "feature",
    6: "own statement",
}
"""Strength of a proof, strongest first; the numbers are those of the records."""
STAGES = {
    "unaware": "do not know that they have the problem",
    "problem": "know their problem, and no solution",
    "solution": "know that there are solutions, and not this brand",
    "product": "know the brand, and are not convinced yet",
    "most": "are ready to buy, and wait for a reason",
}
"""The five stages of awareness (Eugene Schwartz, Breakthrough Advertising, 1966): what readers at each know or do not."""


def record_html(record: Mapping[str, Any]) -> str:
    """The card of a record. One of a kind that this package does not know shows all its fields."""
    if (template := TEMPLATES.get(record["kind"])) is None:
        return _any_record_html(record)
    awareness = stage_words(str(record.get("awareness_stage", "")))
    return render(template, record=record, awareness=awareness, tiers=TIERS, is_colour=COLOUR.fullmatch)


def stage_words(stage: str) -> str:
    """The stage of awareness by its name and in words. Plain text, not yet escaped."""
    return f"{stage}: they {STAGES[stage]}" if stage in STAGES else stage


def stage_in_short(stage: str) -> str:
    """The first part of a stage's description, such as "know their problem"."""
    return STAGES[stage].partition(",")[0]


def _any_record_html(record: Mapping[str, Any]) -> str:
    title = str(record.get("name") or record.get("headline") or words(record.get("kind", "")))
    fields = [
        (name, _pieces(value)) for name, value in record.items() if name not in HIDDEN and value and value != title
    ]
    return render("record", title=title, kind=words(record.get("kind", "")).lower(), fields=fields)


def _pieces(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        if is_claim(value) or is_quote(value):
            return [render("claim", value=value, is_claim=is_claim(value))]
        return [f"{escape_html(words(name))}: {'; '.join(_pieces(item))}" for name, item in value.items() if item]
    if isinstance(value, (list, tuple)):
        return [piece for item in value for piece in _pieces(item)]
    return [bidi_isolate(value)]
