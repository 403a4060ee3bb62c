"""Whole campaigns of saved sites as the rehearsal writer makes them, and what is measured of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from campaign_lab.checks import check_record, near_duplicates, repeated_sentences
from campaign_lab.findings import faults
from campaign_lab.records import Angle, CopyVariant
from campaign_lab.rehearsal.analyst import profiles
from campaign_lab.rehearsal.writer import angles_and_variants
from campaign_lab.rehearsal.writer.angle_plans import usable_claims
from support.web.odd_sites import read

TOLD = ("wording.quoted_rate", "sentence.unsupported")
Campaign = dict[str, Any]


@cache
def research(folder: Path, language: str = "en") -> tuple[dict[str, Any], list[str]]:
    """What the reader finds on a saved site for a brief in ``language``, as records by kind, and what is missing."""
    pages, _ = read(folder)
    profile, missing = profiles.brand_profile(pages, language=language)
    insight, more = profiles.customer_insight(pages, language=language)
    found = {"brand_profile": [profile] if profile else [], "customer_insight": [insight] if insight else []}
    return found, [*missing, *more]


def campaign(
    folder: Path, *, steer: str = "", count: int = 2, language: str = "en", task: dict[str, Any] | None = None
) -> Campaign:
    """A whole campaign of a saved site: research, angles, texts, and what was missing."""
    found, missing = research(folder, language)
    angles, gaps = angles_and_variants.angles(found, steer=steer, count=5, language=language, task=task or {})
    brand: dict[str, Any] = next((profile for profile in found["brand_profile"]), {"name": "", "voice": {}})
    made: list[dict[str, Any]] = []
    for angle in angles:
        claims = [proof["claim"] for proof in angle["proofs"]]
        texts, notes = angles_and_variants.variants(
            angle, brand=brand["name"], traits=brand["voice"]["traits"], evidence=claims, language=language, count=count
        )
        made, gaps = [*made, *texts], [*gaps, *notes]
    return {"brand": brand["name"], "angles": angles, "variants": made, "texts": read(folder)[1], "count": count,
            "research": found, "missing": [*missing, *gaps]}  # fmt: skip


def wrong_count(found: Campaign) -> bool:
    """Five angles where the site states five claims, else as many as it states; so many texts an angle; gaps named."""
    expected = min(5, len(usable_claims(found["research"])))
    gaps = [line for line in found["missing"] if " angle: " in line]
    enough = len(found["angles"]) == expected and len(found["variants"]) == expected * found["count"]
    return not enough or (found["brand"] != "" and len(gaps) != 5 - expected)


def same_motivation(found: Campaign) -> bool:
    """Two angles with one motivation, one name or one claim."""
    motivations = [angle["motivation"] for angle in found["angles"]]
    names = [angle["name"] for angle in found["angles"]]
    claims = [proof["claim"]["text"] for angle in found["angles"] for proof in angle["proofs"]]
    return any(len(set(values)) < len(values) for values in (motivations, names, claims))


def faulty(found: Campaign) -> bool:
    """Anything that the checks say about angles and texts, but for what a person is told about.

    That is a quoted rate, and a phrase between two claims of which the check cannot tell that it states nothing.
    """
    made = [Angle.model_validate_json(json.dumps(data)) for data in found["angles"]]
    texts = [CopyVariant.model_validate_json(json.dumps(data)) for data in found["variants"]]
    findings = [item for record in (*made, *texts) for item in check_record(record, found["texts"], [found["brand"]])]
    return any(finding.rule not in TOLD for finding in faults(findings))


def alike(found: Campaign) -> bool:
    """Two texts of the campaign that are near duplicates, by primary text or by headline."""
    return any(near_duplicates([item[name] for item in found["variants"]]) for name in ("primary_text", "headline"))


def repeated(found: Campaign) -> bool:
    """A sentence that stands twice in the campaign."""
    texts = [item[name] for item in found["variants"] for name in ("headline", "primary_text", "description")]
    return bool(repeated_sentences(texts, [found["brand"]]))


def foreign_link(found: Campaign) -> bool:
    """An angle that leads to a page that was not read."""
    return any(angle["landing_url"] not in found["texts"] for angle in found["angles"])


MEASURES: tuple[Callable[[Campaign], bool], ...] = (wrong_count, same_motivation, faulty, alike, repeated, foreign_link)


def failures(found: Campaign) -> list[str]:
    """The measures that a campaign fails."""
    return [measure.__name__ for measure in MEASURES if measure(found)]
