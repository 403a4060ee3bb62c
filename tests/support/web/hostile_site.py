"""A demo site whose every text tries to break out of where it is shown: markup, scripts, Markdown, LaTeX, ANSI, bidi, long words.

``write(folder)`` puts it there. The rehearsal endpoint takes nothing from such lines, but a live model may: ``BELIEVING`` is a
phase whose model believes every word, and puts what the pages say into profiles, angles and copy as it stands.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from itertools import cycle
from pathlib import Path
from typing import Any

from campaign_lab.agents.phases import Phase
from campaign_lab.records import MOTIVATIONS, Angle, BrandProfile, CompetitorProfile, CopyVariant, CustomerInsight

FLAG = "__pwned"
"""What every script of the site sets on the window."""
ELSEWHERE = "evil.invalid"
"""The host that everything of the site loads from or sends to. It can never be there (RFC 2606)."""
RUN = f"window.{FLAG}=1"
LONG_WORD = "Rollover" * 625
"""5,000 characters without a place to break."""
BRAND = f"Kettle <img src=//{ELSEWHERE}/b.png onerror={RUN}>"
RIGHT_TO_LEFT, POP, ISOLATE = "\u202e", "\u202c", "\u2067"

STATEMENTS = (
    f"We mend <img src=x onerror={RUN}> 26 bicycles a week in a shed behind the station.",
    f"Brake pads cost $48 <script>{RUN}</script> fitted, and the second visit costs $12.",
    f"Read [our 30 day promise](javascript:{RUN}) before you trust anybody else.",
    f"![Nobody](https://{ELSEWHERE}/pixel.png) leaves our shed without knowing what was wrong.",
    r"A service costs $24 and takes $\frac{1}{2}$ of a day \(x^2\), so nobody waits more than 2 days.",
    rf"$$\href{{javascript:{RUN}}}{{Every}}$$ repair carries a guarantee of \[12\] months.",
    "\x1b[31mFree\x1b[0m repairs for 10 years \x1b]8;;https://evil.invalid\x07if the squeak comes back\x1b]8;;\x07.",
    f"{RIGHT_TO_LEFT}Nine of ten riders{POP} come back {ISOLATE}within 3 years for another service.",
    f"</td></tr></table></div></div>Our 5 mechanics<svg onload={RUN}> have 70 years of practice between them.",
    f"Tired of being told to buy new? <iframe src=//{ELSEWHERE}></iframe> We never replace what can be mended in 1 hour.",
    "`code` **bold** <style>*{display:none}</style> and 14 days to change your mind.",
    f"Order {LONG_WORD} by Thursday and collect your bicycle on Saturday, in 2 days.",
    f"<details open ontoggle={RUN}>Opening hours: from 7 a.m., so that you can ride to work in 15 minutes.",
    f'<a href="data:text/html,<script>parent.{FLAG}=1</script>">Prices</a> stand on the door since 2009.',
    f'" autofocus onfocus="{RUN}" x="Members pay $9 a month and jump the queue.',
)
"""Sentences as a reader sees them; on the page they are escaped, so that the markup is text."""

STAGES = ("unaware", "problem", "solution", "product", "most")
VOICES = (
    (
        f"I had given up, <img src=x onerror={RUN}> and they found it in 10 minutes.",
        f"Rosalind <script>{RUN}</script> Abara",
    ),
    (f"They told me [the truth](javascript:{RUN}) for $0, and that never happens.", r"Teo $\alpha$ Lindqvist"),
    (f"\x1b[1mThe bill was lower\x1b[0m than the quote by $15. {RIGHT_TO_LEFT}Never before.", "M. Okafor"),
)


def write(folder: Path) -> Path:
    """Writes the site into the folder and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    middle = len(STATEMENTS) // 2
    (folder / "index.html").write_text(_page("index", STATEMENTS[:middle], voices=True), encoding="utf-8")
    (folder / "about.html").write_text(_page("about", STATEMENTS[middle:], voices=False), encoding="utf-8")
    return folder


def _page(name: str, statements: tuple[str, ...], *, voices: bool) -> str:
    title = f"Kettle </title><script>{RUN}</script> & \x1b[31mSpoke"
    shown = "".join(f"<p>{escape(text)}</p>" for text in statements)
    said = "".join(
        f"<blockquote><p>{escape(text)}</p><footer>{escape(author)}</footer></blockquote>" for text, author in VOICES
    )
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>{_head()}</head>"
        f"<body onload='{RUN}'><nav><a href='index.html'>Home</a> <a href='about.html'>About {escape(BRAND)}</a>"
        f"<a href='javascript:{RUN}'>Prices</a></nav><main><h1>{escape(BRAND)}</h1>"
        f"<img src='https://{ELSEWHERE}/h.png' onerror='{RUN}' alt='{escape(f'A shed <img src=x onerror={RUN}> for bicycles')}'>"
        f"<h2>{escape(f'Why <b>riders</b> [stay](javascript:{RUN})')}</h2>{shown}{said if voices else ''}"
        f"<button onclick='{RUN}'>{escape(f'Book <script>{RUN}</script> now')}</button></main>"
        f"<script>{RUN}</script><iframe src='https://{ELSEWHERE}/'></iframe></body></html>"
    )


def _head() -> str:
    """Description, Open Graph and JSON-LD, each with markup in its values."""
    description = f'Bicycles mended in 2 days <script>{RUN}</script> " onload="{RUN}'
    facts = {
        "@context": "https://schema.org",
        "@type": "LocalBusiness",
        "name": BRAND,
        "description": f"A shed <iframe src=//{ELSEWHERE}></iframe> for 26 bicycles.",
        "aggregateRating": {
            "@type": "AggregateRating",
            "ratingValue": f"4.9<img src=x onerror={RUN}>",
            "reviewCount": "312",
        },
    }
    data = json.dumps(facts).replace("</", "<\\/")
    return (
        f'<meta name="description" content="{escape(description)}">'
        f'<meta property="og:site_name" content="{escape(BRAND)}">'
        f'<meta property="og:image" content="https://{ELSEWHERE}/og.png">'
        f'<script type="application/ld+json">{data}</script>'
        f"<style>body{{background:url(https://{ELSEWHERE}/c.png)}} h1{{color:#3f5b3a;font-family:'Kettle</style>x'}}</style>"
    )


def _believed(
    _records: Mapping[str, list[dict[str, Any]]], task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """What a model hands in that takes every sentence for what it says."""
    home = task["url"].rstrip("/") + "/"
    middle = len(STATEMENTS) // 2
    claims = [
        {"text": text[:2000], "evidence": [{"quote": text[:2000], "url": home if at < middle else f"{home}about.html"}]}
        for at, text in enumerate(STATEMENTS)
    ]
    makers = {
        "brand_profile": _brand, "customer_insight": _customers, "competitor_profile": _rivals, "angle": _angles,
        "copy_variant": _copy,
    }  # fmt: skip
    return makers[task["kind"]](claims, home), [
        f"{task['kind']}: <img src=x onerror={RUN}> $x$ \x1b[31mwas not found\x1b[0m"
    ]


Claims = list[dict[str, Any]]


def _brand(claims: Claims, _home: str) -> list[dict[str, Any]]:
    voice = {
        "traits": [f"<b onclick={RUN}>plain</b>", "$warm$"],
        "examples": [claim["evidence"][0] for claim in claims[:3]],
    }
    colours = ["#3f5b3a", f"red;background:url(//{ELSEWHERE}/c.png)", f'"><img src=x onerror={RUN}>']
    return [
        {
            "name": BRAND, "promise": claims[0], "voice": voice, "colours": colours, "offers": claims[1:9],
            "proofs": claims[4:15], "audience": claims[:2], "differentiators": claims[8:12],
        }
    ]  # fmt: skip


def _customers(claims: Claims, home: str) -> list[dict[str, Any]]:
    words = [{"quote": quote, "url": home} for quote, _ in VOICES]
    return [
        {
            "segments": [f"Riders <script>{RUN}</script>"[:80], "$x$ commuters"], "awareness_stage": "problem",
            "pains": claims[6:12], "desires": claims[:6], "objections": claims[2:5], "triggers": claims[10:13], "words": words,
        }
    ]  # fmt: skip


def _rivals(claims: Claims, home: str) -> list[dict[str, Any]]:
    return [{"name": BRAND, "url": home, "positioning": claims[3], "gap": f"It leaves [this](javascript:{RUN}) open."}]


def _angles(claims: Claims, home: str) -> list[dict[str, Any]]:
    """One angle a statement, its name the statement's beginning."""
    return [
        {
            "name": claim["text"][:80], "motivation": motivation, "core_angle": claim["text"], "persona": claim["text"],
            "anchor": claim["text"][:500], "deepest_desire": claim["text"], "awareness_stage": stage,
            "job": claim["text"], "promise": claim["text"], "mechanism": claim["text"],
            "proofs": [{"claim": claim, "tier": 4}], "objections": [{"objection": claim["text"], "rebuttal": claim["text"]}],
            "hook_hypothesis": claim["text"], "tone": "$plain$ <b>", "format": "<i>carousel</i>", "placements": ["facebook feed"],
            "call_to_action": "BOOK_NOW", "landing_url": home, "risk_flags": [f"<img src=x onerror={RUN}>"],
            "success_criterion": claim["text"], "novelty": claim["text"],
        }
        for claim, motivation, stage in zip(claims, cycle(MOTIVATIONS), cycle(STAGES))
    ]  # fmt: skip


def _copy(claims: Claims, _home: str) -> list[dict[str, Any]]:
    """One variant a statement: every field says it."""
    return [
        {
            "angle": claim["text"][:80], "headline": claim["text"], "primary_text": claim["text"] * 2 if len(claim["text"]) < 900
            else claim["text"], "description": claim["text"], "call_to_action": "BOOK_NOW", "language": "en", "claims": [claim],
        }
        for claim in claims
    ]  # fmt: skip


BELIEVING = Phase(
    name="believing",
    prompt="Believe every word.\n\n```json\n$task\n```\n",
    makes=(BrandProfile, CustomerInsight, CompetitorProfile, Angle, CopyVariant),
    shows=("url",),
    rehearse=_believed,
)
"""Hands in all five kinds of record, full of what the pages say."""
