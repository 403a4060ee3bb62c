"""The feed mock-up: the cut of the feed, who sends it, and what a row of the comparison counts."""

from __future__ import annotations

import pytest

from campaign_lab.checks import graphemes, limit_of
from campaign_lab.show import ad_html, framed, records_html
from campaign_lab.show.ads import brand_and_host, first_graphemes
from support.browser.chromium import a_chromium
from support.markup import Reader, assert_only_ours
from support.stored import evidence, variant

LIMIT = limit_of("primary_text")


@pytest.mark.parametrize("sign", ["x", "é", "👩‍👩‍👧"])
def test_a_long_text_is_cut_where_the_feed_cuts_it(sign: str) -> None:
    """After as many characters as a reader counts; the rest is folded, and not lost."""
    read = assert_only_ours(ad_html(variant(primary_text=sign * (LIMIT + 3)), brand="Acme", address="acme.example"))
    assert f"{sign * LIMIT}… See more{sign * 3}" in read.text
    whole = Reader(ad_html(variant(primary_text=sign * LIMIT), brand="Acme", address="acme.example"))
    assert "See more" not in whole.text


def test_a_cut_parts_no_character() -> None:
    """Both parts together are the text, and the first has the length that was asked for."""
    value = "ab" + "👩‍👩‍👧" * 3 + "e\u0301"
    first, rest = first_graphemes(value, 4)
    assert first + rest == value
    assert graphemes(first) == 4


def test_the_mock_up_has_what_a_feed_has() -> None:
    """Brand, Sponsored, text, picture, address, headline, button, description: in that order."""
    read = Reader(ad_html(variant(), brand="Acme Bank", address="acmebank.example"))
    assert read.text == ("Acme BankSponsoredAsk AcmeBank today.your pictureacmebank.exampleA headline Get quoteShort")
    assert [values["title"] for _, values in read.tags if "title" in values] == ["A"]


def test_an_advertisement_without_a_button_shows_none() -> None:
    """NO_BUTTON is a choice and not a label."""
    assert "button" not in Reader(ad_html(variant(call_to_action="NO_BUTTON"), brand="A", address="a.example")).text


def test_the_sender_is_named_as_the_copy_writes_it() -> None:
    """The host comes from the pages that are quoted, the name from the texts; else the host stands for it."""
    assert brand_and_host([variant()]) == ("AcmeBank", "acmebank.example")
    assert brand_and_host([variant(primary_text="Ask us.")]) == ("acmebank.example", "acmebank.example")
    assert brand_and_host([variant(primary_text="At Acme Bank, ask.")])[0] == "Acme Bank"
    assert brand_and_host([variant(evidence=[evidence("x", url="http://[broken")])]) == ("", "")
    assert "Your brand" in Reader(records_html("copy", [variant(evidence=[])], [], False)).text


def test_a_row_of_the_comparison_says_what_it_counts() -> None:
    """Claims that do not stand, lengths and doubles are warnings in words; nothing is said where nothing is counted."""
    counted = variant(claims=3, claims_supported=2, over_limit="headline, primary_text", near_duplicate="The same")
    text = Reader(ad_html(counted, brand="A", address="a.example")).text
    for part in ("⚠ 2 of 3 claims stand", "⚠ too long: headline, primary text", "⚠ almost the same as The same"):
        assert part in text
    good = Reader(ad_html(variant(claims=2, claims_supported=2, over_limit=""), brand="A", address="a.example")).text
    assert "2 of 2 claims stand" in good
    assert "⚠" not in good


def test_lengths_beside_the_mock_up_warn_of_the_cut() -> None:
    """How many characters are too many, and what happens to them; primary text that folds is no fault."""
    long = variant(primary_text="x" * (LIMIT + 7), headline="x" * 47)
    text = Reader(records_html("copy", [long], [], False)).text
    assert f"Primary text: {LIMIT + 7} characters, those after the first {LIMIT} behind See more" in text
    assert "Headline: 47 characters of at most 40 ⚠ 7 too many: may be cut off" in text


def test_the_card_counts_the_sentences() -> None:
    """Carried by the claims, plain, and to check: the badge of a text that says more than its quotes is not clean."""
    plain = variant(headline="Ask AcmeBank", description="Shall we?", language="en-CA")
    text = Reader(records_html("copy", [plain], [], False)).text
    assert "3 sentences: 2 carried by claims, 1 plain" in text
    assert "to check" not in text
    boast = variant(headline="Ontario's best bank", description="Shall we?", language="en-CA")
    text = Reader(records_html("copy", [boast], [], False)).text
    assert "3 sentences: 1 carried by claims, 1 plain, ⚠ 1 to check" in text


BROKEN = """() => [...document.querySelectorAll('.cl-foot b bdi')].flatMap(bold => {
    const node = bold.firstChild, range = document.createRange();
    return [...node.data.matchAll(/\\S+/g)].filter(word => {
        range.setStart(node, word.index); range.setEnd(node, word.index + word[0].length);
        return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
    }).map(word => word[0]) })"""
"""The words of headlines that stand on two lines."""


def test_a_headline_beside_its_button_breaks_no_word(browser: None) -> None:
    """In Chromium, in cards of every width that a report has: the button goes below where a word has no room beside it."""
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
    ads = [
        ad_html(variant(headline=headline), brand="B", address="b.example")
        for headline in ("Sans engagement, semaine après semaine", long)
    ]
    cards = "".join(
        f'<div style="width:{width / 10}em;font-size:.9em">{ad}</div>' for width in range(110, 250, 2) for ad in ads
    )
    with a_chromium() as chromium:
        page = chromium.new_page()
        page.set_content(framed(cards))
        assert {word for word in page.evaluate(BROKEN) if word != long} == set()
        assert page.evaluate(
            "() => [...document.querySelectorAll('.cl-ad')].every(ad => ad.scrollWidth <= ad.clientWidth)"
        )
