"""Numbers, testimonials and ratings as they are found in text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.pages import Page
from campaign_lab.pages.reading.numbers import numbers, sentences, values

Make = Callable[..., Page]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$1,249.00 today", ["$1,249.00"]),
        ("€12", ["€12"]),
        ("12 $", ["12 $"]),
        ("CA$ 15 and CA$1,000", ["CA$ 15", "CA$1,000"]),
        ("4,19 %", ["4,19 %"]),
        ("4.19%", ["4.19%"]),
        ("40+ lenders", ["40+ lenders"]),
        ("1,200 reviews", ["1,200 reviews"]),
        ("Takes 2 minutes.", ["2 minutes"]),
        ("30-day returns", ["30-day returns"]),
        ("1 249,00 $ par mois", ["1 249,00 $"]),
        ("$2.4 billion funded", ["$2.4 billion"]),
        ("$10\u2013$20", ["$10", "$20"]),
        ("USD 500, 500 EUR", ["USD 500", "500 EUR"]),
        ("rated 4.9 out of 5 by 1,264 people", ["4.9 out of 5", "1,264 people"]),
        ("24/7 support", ["24/7"]),
        ("-20% now", ["-20%"]),
        ("40+ Canadian lenders compete", ["40+ Canadian lenders"]),
        ("10x faster", ["10x"]),
        ("200k+ teams", ["200k+ teams"]),
        ("50 pour cent", ["50 pour cent"]),
        ("weighs 1,380 g", ["1,380 g"]),
        ("£780, edition", ["£780"]),
    ],
)
def test_numbers_are_found_as_written(text: str, found: list[str]) -> None:
    """Prices, percentages and counts keep their currency, sign or unit."""
    assert values(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "from 12 March 2024",
        "In 2024 rates fell",
        "call 1-800-555-1234 now",
        "at 9:00 am",
        "until 7 p.m.",
        "12 Main Street",
        "version 1.2.3",
        "2026-01-02",
        "the Brae 2 tent",
        "2026 mortgage rates",
        "Top 10",
        "no digits at all",
    ],
)
def test_dates_phones_and_names_count_nothing(text: str) -> None:
    """A number that measures nothing is not proof of anything."""
    assert values(text) == []


@given(st.text(alphabet=st.sampled_from(list("0123456789.,$€£% +-/kKx abc\u2019é\u00a0")), max_size=80))
def test_every_value_stands_in_its_context_and_the_context_in_the_line(text: str) -> None:
    """Whatever the line, nothing is found that is not written there."""
    line = " ".join(text.split())
    for number in numbers([line]):
        assert number.value in number.context
        assert number.context in line


@given(st.text())
def test_sentences_lose_nothing_but_spaces(text: str) -> None:
    """The sentences of a line, put together, are the line."""
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


def test_the_context_is_the_sentence_of_a_long_line_and_bounded(page_of: Make) -> None:
    """A paragraph gives the sentence around its number; an endless line gives the words around it."""
    long = "We started small. " * 20 + "Now 40 lenders compete for you. " + "And so on. " * 20
    assert [n.context for n in page_of(f"<p>{long}").numbers] == ["Now 40 lenders compete for you."]
    (found,) = page_of("<p>" + "word " * 5_000 + "40 lenders " + "word " * 5_000).numbers
    assert "word 40 lenders word" in found.context
    assert len(found.context) < 600


def test_a_number_in_a_card_is_told_with_its_label(page_of: Make) -> None:
    """A big figure above its label, and a price below its name, say something only together."""
    page = page_of(
        "<div><div>40+</div><div>lenders</div></div><div><h3>Trail Runner</h3><p>$18.00</p></div><div><p>$99</p></div>"
    )
    assert [(n.value, n.context) for n in page.numbers] == [
        ("40+ lenders", "40+ lenders"),
        ("$18.00", "Trail Runner $18.00"),
        ("$99", "$99"),
    ]


@pytest.mark.parametrize(
    "html",
    [
        "<blockquote>Best rate in Ontario.<cite>Priya S.</cite></blockquote>",
        "<figure><blockquote><p>“Best rate in Ontario.”</p></blockquote><figcaption>Priya S.</figcaption></figure>",
        (
            "<div class=testimonials><div class=testimonial-card><p class=testimonial-text>Best rate in Ontario.</p>"
            "<span class=testimonial-author>Priya S.</span></div></div>"
        ),
        (
            "<div itemscope itemtype=https://schema.org/Review><span itemprop=author>Priya S.</span>"
            "<p itemprop=reviewBody>Best rate in Ontario.</p></div>"
        ),
        '<div class="review"><p>Best rate in Ontario.</p><p>— Priya S.</p></div>',
        "<section><h2>What people say</h2><p>“Best rate in Ontario, and it took ten minutes.”</p><p>Priya S.</p></section>",
        "<div class=quote><blockquote><p>Best rate in Ontario.</p><footer>— Priya S.</footer></blockquote></div>",
    ],
)
def test_testimonials_are_found_however_they_are_marked(page_of: Make, html: str) -> None:
    """Quote and author, without the marks around them, and the quote stands in the text."""
    page = page_of(f"<h1>Rates</h1>{html}<p>More text that nobody said.</p>")
    ((quote, author),) = [(t.quote, t.author) for t in page.testimonials]
    assert quote in ("Best rate in Ontario.", "Best rate in Ontario, and it took ten minutes.")
    assert author == "Priya S."
    assert quote in page.text


@pytest.mark.parametrize(
    "html",
    [
        '<form class="quote"><p>Get your free quote in two minutes.</p></form>',
        '<div class="get-a-quote"><p>Get your free quote in two minutes.</p></div>',
        "<p>“Short one”</p>",
    ],
)
def test_what_nobody_said_is_no_testimonial(page_of: Make, html: str) -> None:
    """A form for a quotation is not a customer's quote."""
    assert page_of(html).testimonials == ()


@pytest.mark.parametrize(
    ("html", "rating"),
    [
        ("<p>Rated 4.8 out of 5 in 1,264 reviews.", ("4.8", "5", "1,264")),
        ("<p>Note de 4,8 sur 5 (1 200 avis)", ("4,8", "5", "1 200")),
        (
            (
                '<script type="application/ld+json">{"@type":"Product","aggregateRating":'
                '{"@type":"AggregateRating","ratingValue":4.6,"bestRating":"5","reviewCount":88}}</script>'
            ),
            ("4.6", "5", "88"),
        ),
        (
            (
                "<div itemscope itemtype=http://schema.org/AggregateRating><b itemprop=ratingValue>4.5</b> of "
                "<i itemprop=bestRating>5</i>, <meta itemprop=ratingCount content=31></div>"
            ),
            ("4.5", "5", "31"),
        ),
    ],
)
def test_ratings_are_found_in_text_and_markup(page_of: Make, html: str, rating: tuple[str, str, str]) -> None:
    """An average, the best value, and how many reviews it stands on, as written."""
    assert [(r.value, r.best, r.count) for r in page_of(html).ratings] == [rating]


def test_one_customer_s_stars_are_no_average(page_of: Make) -> None:
    """5 out of 5 beside a single review says nothing about the others."""
    assert page_of("<div class=review><p>5 out of 5</p><p>It kept me dry all winter.</p></div>").ratings == ()
