"""Records as they are stored, with texts from wherever: strategies for hypothesis, and a few made by hand."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

HOSTILE = '<script>alert(\'x\')</script>"><img src=x onerror="alert(1)">&lt;b&gt;\' class="cl-x" $5 $10'
TEXTS = st.text(max_size=30) | st.text("<>&\"'/= abc!-\x1b\u202e\u200b", max_size=30)
URLS = TEXTS | TEXTS.map("https://a.com/{}".format) | TEXTS.map("javascript:{}".format)

EVIDENCE = st.fixed_dictionaries({"quote": TEXTS, "url": URLS, "supported": st.none() | st.booleans()})
CLAIM = st.fixed_dictionaries({"text": TEXTS, "evidence": st.lists(EVIDENCE, max_size=4)})
CLAIMS = st.lists(CLAIM, max_size=7)
FINDINGS = st.lists(
    st.fixed_dictionaries(
        {
            "rule": TEXTS, "severity": st.sampled_from(["block", "warn", "info"]), "value": TEXTS, "message": TEXTS,
            "field": TEXTS | st.sampled_from(["headline", "claims.0.text"]),
        }
    )
    | TEXTS,
    max_size=2,
)  # fmt: skip

BRAND = st.fixed_dictionaries(
    {"kind": st.just("brand_profile"), "name": TEXTS, "promise": CLAIM, "check_findings": FINDINGS},
    optional={
        "voice": st.fixed_dictionaries({"traits": st.lists(TEXTS), "examples": st.lists(EVIDENCE, max_size=2)}),
        "colours": st.lists(TEXTS | st.just("#1f3a5f"), max_size=2),
        "offers": CLAIMS,
    },
)
CUSTOMERS = st.fixed_dictionaries(
    {"kind": st.just("customer_insight"), "segments": st.lists(TEXTS, max_size=2), "awareness_stage": TEXTS},
    optional={"pains": CLAIMS, "words": st.lists(EVIDENCE, max_size=6)},
)
RIVAL = st.fixed_dictionaries(
    {"kind": st.just("competitor_profile"), "name": TEXTS, "url": URLS, "positioning": CLAIM, "gap": TEXTS},
    optional={"offer": st.none() | CLAIM},
)
ANGLE = st.fixed_dictionaries(
    {
        "kind": st.just("angle"), "name": TEXTS, "motivation": TEXTS, "core_angle": TEXTS, "landing_url": URLS,
        "proofs": st.lists(st.fixed_dictionaries({"claim": CLAIM, "tier": st.integers(0, 7)}), max_size=2),
        "objections": st.lists(st.fixed_dictionaries({"objection": TEXTS, "rebuttal": TEXTS}), max_size=1),
        "risk_flags": st.lists(TEXTS, max_size=2),
    }
)  # fmt: skip
COPY = st.fixed_dictionaries(
    {
        "kind": st.just("copy_variant"), "angle": TEXTS, "headline": TEXTS, "primary_text": TEXTS | TEXTS.map(lambda t: t * 9),
        "description": TEXTS, "call_to_action": TEXTS, "claims": CLAIMS, "evidence": st.lists(EVIDENCE, max_size=2),
        "check_findings": FINDINGS,
    }
)  # fmt: skip
KNOWN = ("brand_profile", "customer_insight", "competitor_profile", "angle", "copy_variant")
OTHER = st.fixed_dictionaries(
    {"kind": TEXTS.filter(lambda kind: kind not in KNOWN), "name": TEXTS, "said": CLAIM},
    optional={"words": st.lists(EVIDENCE, max_size=2), "more": st.dictionaries(TEXTS, st.lists(TEXTS), max_size=2)},
)
DEGRADED = st.fixed_dictionaries(
    {"kind": st.sampled_from(KNOWN) | TEXTS, "degraded": st.just(True), "raw": TEXTS, "check_findings": FINDINGS}
)
RECORDS = st.lists(BRAND | CUSTOMERS | RIVAL | ANGLE | COPY | OTHER | DEGRADED, max_size=3)


def evidence(quote: str, *, supported: bool | None = True, url: str = "https://a.example/page.html") -> dict[str, Any]:
    """A quote with its page."""
    return {"quote": quote, "url": url, "supported": supported}


def claim(text: str, *quotes: dict[str, Any]) -> dict[str, Any]:
    """A claim with its quotes."""
    return {"text": text, "evidence": list(quotes)}


def brand(*offers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A brand profile with these offers."""
    promise = claim("We promise it.", evidence("We promise it."))
    return {"kind": "brand_profile", "name": "Acme", "promise": promise, "offers": list(offers), **fields}


def variant(**fields: Any) -> dict[str, Any]:
    """A copy variant of a brand whose pages write its name as AcmeBank."""
    quote = evidence("Ask AcmeBank today.", url="https://www.acmebank.example/rates.html")
    made = {
        "kind": "copy_variant", "angle": "Trust", "headline": "A headline", "primary_text": "Ask AcmeBank today.",
        "description": "Short", "call_to_action": "GET_QUOTE", "claims": [claim("Ask AcmeBank today.", quote)],
        "evidence": [quote], "check_findings": [],
    }  # fmt: skip
    return {**made, **fields}
