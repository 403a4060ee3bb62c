"""References: short names of claims that code makes, and what a model hands in with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaign_lab.records import (
    Angle,
    BrandProfile,
    Claim,
    CompetitorProfile,
    CopyVariant,
    CustomerInsight,
    Evidence,
    Proof,
    Record,
    Voice,
)
from campaign_lab.references import references_of, resolved, shown_with_references

HOME = "https://kettle.example/"


def claim(text: str, *quotes: str) -> Claim:
    return Claim(text=text, evidence=tuple(Evidence(quote=quote, url=HOME) for quote in quotes or (text,)))


FAST, CHEAP, SAID = (
    claim("Repaired in two days"),
    claim("Chains from $30", "A chain costs $30 fitted"),
    "They saved my ride",
)
BRAND = BrandProfile(
    name="Kettle", promise=FAST, voice=Voice(traits=("plain",), examples=(FAST.evidence[0],)), offers=(CHEAP, FAST)
)
INSIGHT = CustomerInsight(
    segments=("Riders",), awareness_stage="problem", pains=(FAST,), words=(Evidence(quote=SAID, url=HOME),)
)
RIVALS = [
    CompetitorProfile(name=name, url=HOME, positioning=claim(f"{name} is near"), gap="Nothing") for name in ("Aa", "Bb")
]


def test_each_claim_and_loose_quote_has_one_name_in_reading_order() -> None:
    """Brand, customers, rivals by their number; a claim that is said twice has one name in its record, its own in each kind."""
    known = references_of([BRAND, INSIGHT, *RIVALS])
    assert {name: known[name].text for name in known} == {
        "b1": FAST.text, "b2": CHEAP.text, "c1": FAST.text, "c2": SAID, "r1.1": "Aa is near", "r2.1": "Bb is near",
    }  # fmt: skip


def test_names_do_not_depend_on_which_agent_was_first() -> None:
    """Those of a kind are the same with and without the records of the others."""
    whole = references_of([BRAND, INSIGHT, *RIVALS])
    parts = [references_of([BRAND]), references_of([INSIGHT]), references_of(RIVALS)]
    assert {name: each for part in parts for name, each in part.items()} == whole


def test_a_model_sees_each_claim_once_with_its_name_and_its_page() -> None:
    """One that is its own quote has text and url; another its evidence; a quote that does not stand says so."""
    lie = Evidence(quote="We are the best", url=HOME, supported=False)
    brand = BRAND.model_copy(update={"audience": (Claim(text="The best", evidence=(lie,)),)})
    shown = shown_with_references(brand, references_of([brand]))
    assert shown["promise"] == {"ref": "b1", "text": FAST.text, "url": HOME}
    assert shown["offers"][0]["evidence"] == [{"quote": "A chain costs $30 fitted", "url": HOME}]
    assert shown["audience"][0]["evidence"][0]["supported"] is False


def variant(*claims: object) -> dict[str, Any]:
    return {"claims": list(claims)}


def test_a_reference_becomes_the_whole_claim_and_a_claim_needs_no_second_text() -> None:
    """What is handed in short is whole before it is checked and stored."""
    quote = {"quote": "Open on Sundays too", "url": HOME}
    whole, wrong = resolved(CopyVariant, variant("b1", " b2 ", {"evidence": [quote]}), references_of([BRAND]))
    assert wrong == {}
    assert [each["text"] for each in whole["claims"]] == [FAST.text, CHEAP.text, "Open on Sundays too"]
    assert Claim.model_validate_json(json.dumps(whole["claims"][1])) == CHEAP


@pytest.mark.parametrize(
    ("model", "raw", "path"),
    [
        (CopyVariant, {"claims": ["b1", "b22"]}, "claims.1"),
        (Angle, {"proofs": [{"claim": "x", "tier": 1}]}, "proofs.0.claim"),
        (BrandProfile, {"promise": "Repaired in two days"}, "promise"),
    ],
)
def test_an_unknown_reference_is_told_with_its_place_and_near_ones(model: type[Record], raw: Any, path: str) -> None:
    """Wherever a claim stands in a record."""
    _, wrong = resolved(model, raw, references_of([BRAND]))
    assert list(wrong) == [path]
    assert "; near ones: b" in wrong[path]


@pytest.mark.parametrize(
    "raw", [None, 7, "b1", [], {"claims": 7}, {"claims": [None, 3, {}]}, {"claims": [{"evidence": 4}]}]
)
def test_rubbish_comes_back_as_it_is(raw: Any) -> None:
    """It is the record's class that says what is wrong with it."""
    assert resolved(CopyVariant, raw, {}) == (raw, {})


def test_an_angle_adds_names_only_for_what_it_brings_in() -> None:
    """Known claims keep their names; a claim found later has one of the angle's."""
    fields = dict.fromkeys(
        ("core_angle", "persona", "anchor", "deepest_desire", "job", "promise", "mechanism"), "Words"
    )
    fields |= dict.fromkeys(("name", "tone", "format"), "Words")
    fields |= dict.fromkeys(("hook_hypothesis", "success_criterion", "novelty"), "Words")
    angle = Angle.model_construct(
        **fields, motivation="pain", awareness_stage="problem", placements=("feed",), call_to_action="LEARN_MORE",
        landing_url=HOME, proofs=(Proof(claim=FAST, tier=1), Proof(claim=claim("Open on Sundays"), tier=5)),
    )  # fmt: skip
    known = references_of([BRAND, angle])
    assert [name for name in known if name.startswith("a")] == ["a1.1"]
    shown = shown_with_references(angle, known)
    assert [proof["claim"] for proof in shown["proofs"]] == [
        "b1",
        {"ref": "a1.1", "text": "Open on Sundays", "url": HOME},
    ]


@pytest.mark.parametrize(
    "written", ["B1", " b1 ", '"b1"', "[b1]", {"ref": "b1"}, {"ref": "b1", "text": FAST.text, "url": HOME}]
)
def test_a_reference_is_taken_as_it_may_be_written(written: object) -> None:
    """In capitals, in brackets, or in the object in which it is shown."""
    whole, wrong = resolved(CopyVariant, variant(written), references_of([BRAND]))
    assert wrong == {}
    assert whole["claims"][0]["text"] == FAST.text
