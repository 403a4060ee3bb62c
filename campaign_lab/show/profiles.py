"""Cards of what research found (the brand, its customers, its rivals), and of records of a user's own classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaign_lab.findings import is_claim, is_quote
from campaign_lab.show.evidence import claim_html, claims_html, quote_html
from campaign_lab.show.frame import bullets, card, columns
from campaign_lab.show.text import address, bidi_isolate, escape_html, words

HIDDEN = ("id", "kind", "evidence", "check_findings", "problems", "degraded")
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
    blocks = [
        _line("Voice", ", ".join(map(str, voice.get("traits") or [])))
        + _colours(record.get("colours") or [])
        + claims_html("Sounds like", voice.get("examples") or []),
        *(claims_html(words(name), record.get(name) or []) for name in ("offers", "proofs", "audience", "differentiators")),
    ]  # fmt: skip
    lead = f'<p class="cl-lead">{claim_html(record["promise"])}</p>' if record.get("promise") else ""
    return card(str(record.get("name", "")), lead + columns(blocks), "the brand")


def customers_html(record: Mapping[str, Any]) -> str:
    """The card of a customer insight: who they are, how much they know, what moves them, and their own words."""
    stage = str(record.get("awareness_stage", ""))
    lead = stage_html(stage)
    groups = bullets([bidi_isolate(each) for each in record.get("segments") or []])
    names = ("pains", "desires", "objections", "triggers")
    blocks = [claims_html(words(name), record.get(name) or []) for name in names]
    blocks.append(claims_html("In their own words", record.get("words") or []))
    return card("Customers", groups + lead + columns(blocks), "what moves them")


def rival_html(record: Mapping[str, Any]) -> str:
    """The card of a competitor: positioning, offer and proof with their quotes, and the gap it leaves."""
    parts = [
        f"<p><b>{title}</b><br>{claim_html(record[name]) if record.get(name) else 'its pages state none'}</p>"
        for title, name in (("Wants to be known for", "positioning"), ("Offer", "offer"), ("Proof", "proof"))
    ]
    parts.append(f"<p><b>Leaves open</b> <small>(our reading)</small><br>{bidi_isolate(record.get('gap', ''))}</p>")
    head = f"<p><small>{address(record.get('url', ''))}</small></p>"
    return card(str(record.get("name", "")), head + columns(parts), "a rival")


def stage_html(stage: str) -> str:
    """The stage of awareness by its name and in words."""
    return _line("Awareness", f"{stage}: they {STAGES[stage]}" if stage in STAGES else stage)


def stage_in_short(stage: str) -> str:
    """The first part of a stage's description, such as "know their problem"."""
    return STAGES[stage].partition(",")[0]


def any_record_html(record: Mapping[str, Any]) -> str:
    """The card of a record whose kind this package does not know: its fields in their order."""
    title = str(record.get("name") or record.get("headline") or words(record.get("kind", "")))
    rows = [(name, value) for name, value in record.items() if name not in HIDDEN and value and value != title]
    body = "".join(f"<p><b>{escape_html(words(name))}</b></p>{bullets(_pieces(value))}" for name, value in rows)
    return card(title, body, words(record.get("kind", "")).lower())


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


def _line(title: str, value: str) -> str:
    return f"<p><b>{escape_html(title)}</b> {bidi_isolate(value)}</p>" if value else ""


def _colours(colours: list[Any]) -> str:
    """Each colour as a patch with its value."""
    shown = [_colour(str(each)) for each in colours]
    return f"<p><b>Colours</b> {' '.join(shown)}</p>" if shown else ""


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return bidi_isolate(value)
    patch = f'<span style="background:{value};border:1px solid gray">&emsp;</span>'
    return f'<span style="white-space:nowrap">{patch} <small>{value}</small></span>'
