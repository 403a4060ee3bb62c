"""Cards: each claim with its quote and page, what does not stand marked in words, and nothing lost."""

from __future__ import annotations

from typing import Any

from campaign_lab.findings import OVERSTATED, Finding
from campaign_lab.show import records_html, session_html
from support.markup import Reader, assert_only_ours
from support.stored import brand, claim, evidence, variant


def shown(*records: dict[str, Any], phase: str = "research", **options: Any) -> str:
    return assert_only_ours(records_html(phase, records, [], False, **options)).text


def test_rehearsal_says_so() -> None:
    """A rehearsed result cannot be taken for a model's."""
    assert "(rehearsal)" in records_html("copy", [], [], True)
    assert "(rehearsal)" not in records_html("copy", [], [], False)


def test_a_claim_shows_its_quote_and_page() -> None:
    """Sentence, quote, page; all that stand have a tick, in reading order."""
    text = shown(brand(claim("It is fast.", evidence("Seven minutes in all."))))
    assert "It is fast.✓ “Seven minutes in all.” — a.example/page.html" in text
    assert "⚠" not in text


def test_a_quote_that_is_the_sentence_is_not_printed_twice() -> None:
    """Then the page alone is named, and a sentence that no page carries is not called word for word on it."""
    quote = "Seven minutes in all."
    assert "“Seven minutes in all.”✓ word for word on a.example" in shown(brand(claim(f"“{quote}”", evidence(quote))))
    fallen = shown(brand(claim(quote, evidence(quote, supported=False))))
    assert f"{quote} ⚠ unsupported claimquoted word for word from a.example/page.html ⚠ not found on the page" in fallen


def test_what_no_page_carries_is_marked() -> None:
    """In words, on the quote, and on a claim that has no other; an unchecked quote is no supported one."""
    good, bad = evidence("It stands there."), evidence("Somebody made it up.", supported=False)
    text = shown(brand(claim("Both.", good, bad), claim("Unread.", evidence("Never looked at.", supported=None))))
    assert "“Somebody made it up.” — a.example/page.html ⚠ not found on the page" in text
    assert "“It stands there.” — a.example/page.html“" in text
    assert "Both.✓" in text
    assert "Unread. ⚠ unsupported claim“Never looked at.” — a.example/page.html ⚠ not checked against the page" in text


def test_a_claim_that_says_more_than_its_quotes_is_marked() -> None:
    """The checks found it; the card marks the claim itself, and tells what was found."""
    line = "claims: no supported quote holds every number and name of the claim: 'Rated 5 of 5.'"
    found = Finding(
        OVERSTATED,
        "block",
        "offers.0.text",
        "Rated 5 of 5.",
        "no supported quote holds every number and name of the claim",
    )
    text = shown(brand(claim("Rated 5 of 5.", evidence("Rated by many.")), check_findings=[found.to_json()]))
    assert "Rated 5 of 5. ⚠ says more than its quotes" in text
    assert f"⚠ Flagged{line}" in text


def test_long_lists_are_folded_and_say_what_they_hide() -> None:
    """Ten claims show four; the fold counts the others and those among them that do not stand."""
    offers = [claim(f"Offer {n}.", evidence(f"Offer {n}.", supported=n != 8)) for n in range(10)]
    read = Reader(records_html("research", [brand(*offers)], [], False))
    assert [tag for tag, _ in read.tags].count("details") == 1
    assert "6 more (⚠ 1 unsupported)" in read.text
    assert all(f"Offer {n}." in read.text for n in range(10))


def test_many_quotes_are_folded_below_their_claim() -> None:
    """Three quotes take one line that says how many were not found."""
    quotes = [evidence(f"Quote number {n}.", supported=n > 0) for n in range(3)]
    assert "Much.3 quotes, ⚠ 1 not found on the page" in shown(brand(claim("Much.", *quotes)))


def test_customers_are_told_by_stage_needs_and_words() -> None:
    """The stage by its name and in words; their own phrases as quotes."""
    text = shown(
        {
            "kind": "customer_insight", "segments": ["Owners"], "awareness_stage": "solution",
            "pains": [claim("It costs.", evidence("It costs a lot."))], "words": [evidence("I was glad of it.")],
        }
    )  # fmt: skip
    assert "Awareness solution: they know that there are solutions" in text
    assert "PainsIt costs." in text
    assert "“I was glad of it.”✓ on a.example/page.html" in text


def test_a_rival_without_an_offer_says_so() -> None:
    """Positioning and gap are there, and what its pages do not state is said in words."""
    text = shown(
        {
            "kind": "competitor_profile", "name": "Other", "url": "https://other.example/", "offer": None,
            "positioning": claim("First of all.", evidence("First of all.")), "gap": "Nothing on prices.",
        }
    )  # fmt: skip
    assert "Offerits pages state none" in text
    assert "Leaves open (our reading)Nothing on prices." in text


def test_an_angle_tells_the_strength_of_its_proofs_in_words() -> None:
    """Tier 2 is a third-party rating; doubts come with answers, risks with a warning."""
    proof = {"claim": claim("Rated 4.8.", evidence("Rated 4.8 out of 5.")), "tier": 2}
    text = shown(
        {
            "kind": "angle", "name": "Trust", "motivation": "social_proof", "core_angle": "Others speak.",
            "proofs": [proof], "objections": [{"objection": "Why?", "rebuttal": "Because."}], "risk_flags": ["licence"],
        }
    )  # fmt: skip
    for part in (
        "Trust social proof",
        "Third-party rating: Rated 4.8.",
        "Why?Because.",
        "⚠ To check before it runs: licence",
    ):
        assert part in text


def test_a_degraded_record_shows_its_raw_text_and_what_was_wrong() -> None:
    """Nothing that a model handed in is lost because it could not be read."""
    found = Finding("record.invalid", "block", "name", "", "not a text").to_json()
    text = shown({"kind": "angle", "degraded": True, "raw": '{"name": 7}', "check_findings": [found]})
    assert 'This record could not be read; here is its text.name: not a text{"name": 7}' in text


def test_a_kind_of_a_users_own_shows_all_its_fields() -> None:
    """Claims in it show their evidence like any other."""
    text = shown(
        {"kind": "slogan_set", "name": "Mine", "lines": ["One", "Two"], "basis": claim("So.", evidence("So it is."))}
    )
    assert "Mine slogan set" in text
    assert "LinesOneTwo" in text
    assert "So.✓ “So it is.” — a.example/page.html" in text


def test_an_answer_without_records_is_shown() -> None:
    """A free question's turn has nothing else; where there are records, they are the answer."""
    assert "The second one." in shown(phase="ask", answer="The second one.")
    assert "The second one." not in shown(brand(), answer="The second one.")


def test_a_colour_is_a_patch_only_if_it_is_one() -> None:
    """What is not six hexadecimal digits is text, and reaches no style."""
    html = records_html("research", [brand(colours=["#1f3a5f", "red;background:url(x)"])], [], False)
    styles = " ".join(values.get("style", "") for _, values in Reader(html).tags)
    assert "background:#1f3a5f" in styles
    assert "url" not in styles
    assert "red;background:url(x)" in Reader(html).text


def test_copy_stands_under_its_angle_with_lengths_claims_and_flags() -> None:
    """One heading an angle; a flag names its field and does not repeat the whole text."""
    found = Finding("wording.shouts", "warn", "headline", "A headline", "shouts ('!!!')")
    flagged = variant(check_findings=[found.to_json()])
    text = shown(variant(), flagged, variant(angle="Price"), phase="copy")
    assert text.count("Trust") == 1
    assert "Headline: 10 characters of at most 40" in text
    assert "⚠ FlaggedHeadline: shouts ('!!!')" in text
    assert "('!!!'): 'A headline'" not in text


def test_a_session_says_how_far_it_is_and_what_to_type_next() -> None:
    """Research is done, so strategy is next; when all is done, a fork."""
    kinds = ["brand_profile", "competitor_profile", "competitor_profile"]
    told = {"name": "Emotional", "campaign": "Spring", "purpose": "softer", "kinds": kinds}
    text = Reader(session_html(**told, phases=["research"], following="strategy")).text
    for part in ("Emotional Spring", "Purpose softer", "Done research", "1 brand profile, 2 competitor profiles"):
        assert part in text
    assert 'Next await session.run("strategy")' in text
    assert "Next session.fork(" in Reader(session_html(**told, phases=["copy"], following="")).text
