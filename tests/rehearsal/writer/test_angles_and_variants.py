"""The rehearsal writer: angles and texts that a strategist could start from, measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from campaign_lab.checks import near_duplicates, repeated_sentences
from campaign_lab.records import MOTIVATIONS
from campaign_lab.rehearsal.analyst import profiles
from campaign_lab.rehearsal.writer import angles_and_variants
from campaign_lab.rehearsal.writer.phrasebook import phrases
from support.copy_measures import Campaign, campaign, failures
from support.web.odd_sites import DEMO, KINDS, SITES, odd_site, page

SEEDS = range(2 * len(KINDS))


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("name", DEMO)
def test_the_campaigns_of_the_demo_sites_pass_every_measure(name: str, count: int) -> None:
    """Two texts an angle, and five: all within the lengths, all different, every fact with its evidence."""
    assert failures(campaign(SITES / name, count=count)) == []


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{KINDS[seed % len(KINDS)]}-{seed}")
def test_the_campaigns_of_odd_sites_pass_every_measure(seed: int, tmp_path: Path) -> None:
    """Whatever the trade, language or habit of a site, with two texts an angle and with five."""
    folder = odd_site(seed).write(tmp_path / "odd-site")
    assert failures(campaign(folder)) == []
    assert failures(campaign(folder, count=5)) == []


@pytest.fixture(scope="module")
def good() -> Campaign:
    """A campaign that passes every measure, for tests that spoil one thing."""
    return campaign(SITES / "termwick")


def spoilt(good: Campaign, kind: str, place: int, **fields: Any) -> Campaign:
    """The campaign with some fields of one angle or text replaced."""
    items = [{**item, **(fields if at == place else {})} for at, item in enumerate(good[kind])]
    return {**good, kind: items}


@pytest.mark.parametrize(
    ("measure", "spoil"),
    [
        ("wrong_count", lambda good: {**good, "angles": good["angles"][:4]}),
        ("wrong_count", lambda good: {**good, "variants": good["variants"][1:]}),
        ("same_motivation", lambda good: spoilt(good, "angles", 0, motivation=good["angles"][1]["motivation"])),
        ("same_motivation", lambda good: spoilt(good, "angles", 0, proofs=good["angles"][1]["proofs"])),
        (
            "faulty",
            lambda good: spoilt(good, "variants", 0, headline="A headline that is a good deal longer than forty"),
        ),
        ("faulty", lambda good: spoilt(good, "variants", 0, primary_text="Approved at 1.99% by 999 lenders.")),
        ("faulty", lambda good: spoilt(good, "variants", 0, description="Ask {brand}")),
        ("faulty", lambda good: spoilt(good, "angles", 0, promise="It takes 3 minutes and 77 seconds.")),
        ("alike", lambda good: spoilt(good, "variants", 0, primary_text=good["variants"][1]["primary_text"].upper())),
        ("alike", lambda good: spoilt(good, "variants", 0, headline=f"{good['variants'][1]['headline']} now")),
        ("repeated", lambda good: spoilt(good, "variants", 0, description=good["variants"][1]["description"])),
        ("foreign_link", lambda good: spoilt(good, "angles", 0, landing_url="https://elsewhere.example/")),
    ],
)
def test_each_measure_fails_on_a_bad_campaign(
    good: Campaign, measure: str, spoil: Callable[[Campaign], Campaign]
) -> None:
    """The measures are alive: one spoilt field makes them fail."""
    assert failures(good) == []
    assert measure in failures(spoil(good))


def test_most_headlines_are_specific_where_the_site_has_short_sentences(good: Campaign) -> None:
    """Where pages state short facts, at least half of the headlines are such facts, not slogans."""
    facts = [claim["text"].rstrip(".") for item in good["variants"] for claim in item["claims"]]
    specific = [item["headline"] for item in good["variants"] if item["headline"] in facts]
    assert len(specific) >= len(good["variants"]) / 2


def test_every_fact_of_a_text_is_listed_with_it(good: Campaign) -> None:
    """What is not a phrase of ours is a claim of the text: take both away and nothing is left."""
    words = phrases("en")
    ours = {text for name in MOTIVATIONS for key in ("hooks", "closers", "frames") for text in words[name][key]}
    for item in good["variants"]:
        rest = item["primary_text"]
        for text in [*(claim["text"] for claim in item["claims"]), *ours]:
            rest = rest.replace(text.replace(" {claim}", ""), "")
        assert rest.strip(" .") == "", item["primary_text"]


@pytest.mark.parametrize(
    ("steer", "first", "tone"),
    [
        ("Emotional angle", {"identity", "pain", "outcome"}, "warm"),
        ("price first", {"comparison"}, "matter-of-fact"),
        ("Lean on deadlines", {"urgency"}, "brisk"),
        ("be bold and provocative", {"contrarian"}, "bold"),
        ("let customers speak: trust", {"social_proof"}, "reassuring"),
    ],
)
def test_a_steer_decides_what_comes_first(good: Campaign, steer: str, first: set[str], tone: str) -> None:
    """The strategist's words choose the leading motivation and the tone, and the texts change with them."""
    steered = campaign(SITES / "termwick", steer=steer)
    assert steered["angles"][0]["motivation"] in first
    assert all(tone in angle["tone"] for angle in steered["angles"])
    assert [item["primary_text"] for item in steered["variants"]] != [item["primary_text"] for item in good["variants"]]
    assert failures(steered) == []


def test_a_steer_can_name_the_audience() -> None:
    """``for …`` becomes the persona and the subject of the hypothesis, and stays out of the texts."""
    steered = campaign(SITES / "termwick", steer="for first-time buyers")
    assert all(angle["persona"].startswith("First-time buyers") for angle in steered["angles"])
    assert all("We believe first-time buyers will stop when" in angle["hook_hypothesis"] for angle in steered["angles"])
    assert "first-time buyers" not in json.dumps([item["primary_text"] for item in steered["variants"]])


def test_a_steer_that_means_nothing_to_us_is_said_to() -> None:
    """An unknown steer is not swallowed."""
    assert any("'xylophone'" in line for line in campaign(SITES / "termwick", steer="xylophone")["missing"])


def test_an_angles_name_as_steer_leads_back_to_its_motivation(good: Campaign) -> None:
    """A fork is named after an angle; run as a steer, the name puts that motivation first."""
    for angle in good["angles"]:
        assert campaign(SITES / "termwick", steer=angle["name"])["angles"][0]["motivation"] == angle["motivation"]


def test_special_categories_and_rates_are_flagged() -> None:
    """A person must look at the category, the rates and the licence line of a credit offer."""
    task = {
        "special_ad_categories": ["FINANCIAL_PRODUCTS_SERVICES"],
        "advertiser_role": "brokerage",
        "objective": "OUTCOME_LEADS",
    }
    made = campaign(SITES / "termwick", task=task)["angles"]
    assert all("special ad category: FINANCIAL_PRODUCTS_SERVICES" in angle["risk_flags"] for angle in made)
    assert any("quoted rate needs APR and term" in angle["risk_flags"] for angle in made)
    assert made[0]["call_to_action"] == "GET_QUOTE"


def test_a_site_without_claims_gets_no_angle_and_is_told_why() -> None:
    """Nothing is invented."""
    assert angles_and_variants.angles({}, steer="", count=5, language="en", task={}) == (
        [], ["angles: the research holds no brand profile, so there is no claim to build on"],
    )  # fmt: skip


def test_few_claims_give_few_angles_and_name_the_gaps() -> None:
    """Two claims carry two angles; the other three are listed in plain words."""
    profile, _ = profiles.brand_profile(
        [page("We fix bikes in a shed behind the station.\nBrake pads cost $40 fitted.")]
    )
    assert profile is not None
    made, missing = angles_and_variants.angles({"brand_profile": [profile]}, steer="", count=5, language="en", task={})
    assert len(made) == 2
    assert missing == [f"{place} angle: the site states only 2 usable claims" for place in ("third", "fourth", "fifth")]


def test_copy_in_a_language_without_phrases_is_english_and_says_so() -> None:
    """A Spanish brief gets English texts, tagged as such, and one line a phase that tells it."""
    found = campaign(SITES / "termwick", language="es-MX")
    assert {item["language"] for item in found["variants"]} == {"en"}
    assert [line for line in found["missing"] if line.startswith("language:")] == [
        "language: pages are in en; quotes stay in it",
        "language: rehearsal has no phrases in es-MX, so the copy is written in en",
    ]
    assert {item["language"] for item in campaign(SITES / "termwick", language="en-CA")["variants"]} == {"en-CA"}


def test_a_brand_in_capitals_keeps_them(good: Campaign) -> None:
    """The brand's name stands in texts as the profile has it."""
    said = ""
    for angle in good["angles"]:
        claims = [proof["claim"] for proof in angle["proofs"]]
        made, _ = angles_and_variants.variants(
            angle, brand="ACME & SONS", traits=(), evidence=claims, language="en", count=5
        )
        said += json.dumps(made)
    assert "ACME & SONS" in said
    assert "Acme" not in said


def test_foreign_sentences_are_quoted_in_quotation_marks(tmp_path: Path) -> None:
    """A French site: English around French quotes, and the strategist is told."""
    found = campaign(odd_site(11).write(tmp_path / "lumen"))
    french = [item for item in found["variants"] if item["claims"]]
    assert french
    assert all("\u201c" in item["primary_text"] and "\u201d" in item["primary_text"] for item in french)
    assert any("quotes stay in their own language" in line for line in found["missing"])


def test_different_sites_give_different_campaigns() -> None:
    """No two demo sites share a primary text, and hardly a headline."""
    found = [campaign(SITES / name) for name in DEMO]
    for left, right in pairwise(found):
        assert not {item["primary_text"] for item in left["variants"]} & {
            item["primary_text"] for item in right["variants"]
        }
        assert (
            len({item["headline"] for item in left["variants"]} & {item["headline"] for item in right["variants"]}) <= 3
        )


def test_phrases_of_two_motivations_share_no_sentence() -> None:
    """A phrase that stood in two sets would be said twice in a campaign, because copy-creators do not see each other."""
    words = phrases("en")
    said = [
        text
        for name in MOTIVATIONS
        for key in ("hooks", "closers", "headlines", "descriptions")
        for text in words[name][key]
    ]
    filled = [text.format(brand="Kettle and Spoke", topic="mortgage rates") for text in said]
    assert repeated_sentences(filled) == []
    heads = [
        (name, text.format(brand="Kettle and Spoke", topic="mortgage rates"))
        for name in MOTIVATIONS
        for text in words[name]["headlines"]
    ]
    pairs = near_duplicates([text for _, text in heads])
    assert [(heads[left], heads[right]) for left, right, _ in pairs if heads[left][0] != heads[right][0]] == []


def test_phrases_state_nothing() -> None:
    """No phrase of ours holds a number: facts come from pages."""
    words = phrases("en")
    for name in MOTIVATIONS:
        for key in ("hooks", "closers", "headlines", "descriptions", "frames"):
            assert not [text for text in words[name][key] if any(letter.isdigit() for letter in text)]
