"""Quotes, and the claims that they carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.checks import check_record, numbers_in, quote_stands, support, unsupported_claims
from campaign_lab.records import BrandProfile, Claim, Evidence, Record, Voice

URL = "https://kettle.example/"
PAGE = (
    "Kettle & Spoke\nWe fix 73 bikes a week in a shed.\nBrake pads cost $1,249.50 fitted — “no surprises”.\n"
    "It\u2019s open\u00a0today.\nThe rate is 4.19%.\nMarta Ruiz-Lindqvist runs the bench."
)


def unsupported(record: Record, texts: dict[str, str], names: tuple[str, ...] = ()) -> list[str]:
    """The texts of the claims that are not carried."""
    return [each.claim.text for each in unsupported_claims(record, texts, names).values()]


def profile(text: str, *quotes: str, url: str = URL) -> BrandProfile:
    """A brand profile whose promise is one claim."""
    evidence = tuple(Evidence(quote=quote, url=url) for quote in quotes)
    return BrandProfile(
        name="Kettle & Spoke", promise=Claim(text=text, evidence=evidence), voice=Voice(traits=("plain",))
    )


@pytest.mark.parametrize(
    "quote",
    [
        "We fix 73 bikes",
        "we fix 73 bikes"[3:],
        'fitted - "no surprises"',
        "It's open today.",
        "in a shed. Brake pads cost",
    ],
)
def test_a_quote_stands_whatever_the_typography(quote: str) -> None:
    """Curly or straight quotes, dashes, no-break spaces and line ends make no difference."""
    assert quote_stands(quote, PAGE)


@pytest.mark.parametrize(
    "quote",
    ["", "   ", "WE FIX 73 BIKES", "We fix 7", "cost $1", "cost $1,249", "ate is 4.19%", "The rate is 4.1", "x"],
)
def test_a_quote_does_not_stand_when_changed_or_cut(quote: str) -> None:
    """Another letter case, half a word, half a number or nothing at all is no quote."""
    assert not quote_stands(quote, PAGE)


@given(st.text(min_size=1, max_size=60), st.text(max_size=30), st.text(max_size=30))
def test_any_line_of_a_page_stands_on_it(line: str, before: str, after: str) -> None:
    """Whatever a line holds, it stands on the page that holds the line, unless nothing of it is visible."""
    from campaign_lab.checks.evidence import fold

    assert quote_stands(line, f"{before}\n{line}\n{after}") or not fold(line)


@pytest.mark.parametrize(
    ("quote", "url", "expected"),
    [
        ("We fix 73 bikes a week", URL, True),
        ("73 bikes", URL, True),
        ("4.19%", URL, True),
        ("in a shed", URL, False),
        ("Kettle & Spoke", URL, False),
        ("We fix 74 bikes a week", URL, False),
        ("We fix 73 bikes a week", "https://kettle.example/other", False),
    ],
)
def test_support_needs_a_stored_page_and_substance(quote: str, url: str, expected: bool) -> None:
    """Supported is a quote of four words, or a number with its unit, that stands on the very page it names."""
    record = profile("We fix 73 bikes a week.", quote, url=url)
    assert list(support(record, {URL: PAGE}).values()) == [expected]


def test_support_ignores_the_mark_that_the_record_brings() -> None:
    """A model cannot mark its own evidence as supported."""
    lie = Evidence(quote="We fix 74 bikes a week", url=URL, supported=True)
    record = profile("x y", "a b").model_copy(update={"promise": Claim(text="We fix 74 bikes.", evidence=(lie,))})
    found = support(record, {URL: PAGE})
    assert found == {Evidence(quote="We fix 74 bikes a week", url=URL): False}


@pytest.mark.parametrize(
    ("text", "quote", "carried"),
    [
        ("We fix 73 bikes a week.", "We fix 73 bikes a week in a shed.", True),
        ("We fix seventy bikes or 74.", "We fix 73 bikes a week in a shed.", False),
        ("Brake pads cost $1,249.50.", "Brake pads cost $1,249.50 fitted", True),
        ("Brake pads cost €1,249.50.", "Brake pads cost $1,249.50 fitted", False),
        ("The bench is run by Marta.", "Marta Ruiz-Lindqvist runs the bench.", True),
        ("The bench is run by Marta Ruiz-Lindqvist.", "Marta Ruiz-Lindqvist runs the bench.", True),
        ("The bench is run by Ines Ruiz-Lindqvist.", "Marta Ruiz-Lindqvist runs the bench.", False),
        ("At Kettle, bikes are fixed in a shed.", "We fix 73 bikes a week in a shed.", True),
        ("Bikes are fixed by three people.", "We fix 73 bikes a week in a shed.", False),
        ("Bikes are fixed in a shed.", "We fix bikes in a garden", False),
    ],
)
def test_a_claim_needs_every_number_and_name_in_its_quotes(text: str, quote: str, carried: bool) -> None:
    """A number, a currency or a name that no supported quote holds makes the claim unsupported."""
    assert unsupported(profile(text, quote), {URL: PAGE}, ("Kettle & Spoke",)) == ([] if carried else [text])


def test_numbers_keep_their_sign_and_words_count() -> None:
    """Four per cent is not four dollars, and "seven" is 7."""
    assert numbers_in("4% of $4, 1 250 000 or seven, 12'000 and 9.30") == {"4%", "4$", "1250000", "7", "12000", "9.30"}


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("We manage $2.3 billion in loans.", "We manage $2.3 million in loans."),
        ("It has 10M customers in all.", "It has 10k customers in all."),
        ("You hear within 2 hours.", "You hear within 2 weeks."),
        ("It costs $29 a month.", "It costs $29 a year."),
        ("We fix forty bikes.", "We fix four bikes today."),
        ("We fix fifteen bikes.", "We fix five bikes today."),
        ("It has a billion users.", "It has a million users."),
        ("We fix a dozen bikes.", "We fix ten bikes today."),
        ("It costs half the price.", "It costs a fair price."),
        ("Deloitte audits every rate.", "We audit every rate twice."),
        ("Checked twice: Deloitte audits every rate.", "Checked twice, we audit every rate."),
        ("Checked - Deloitte audits every rate.", "Checked twice, we audit every rate."),
    ],
)
def test_a_claim_needs_scale_unit_and_first_name_in_its_quotes(text: str, quote: str) -> None:
    """Another scale, unit, number word or a name at the start is unsupported; the quote itself is not."""
    assert unsupported(profile(text, quote), {URL: quote}) == [text]
    assert unsupported(profile(quote, quote), {URL: quote}) == []


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("We manage $2,300,000 in loans.", "We manage $2.3 million in loans."),
        ("It has ten thousand customers.", "It has 10k customers in all."),
        ("You hear within 2 hrs.", "You hear within two business hours."),
        ("It costs 5 percent.", "It costs 5% at most."),
        ("It has twenty-five stands.", "There are 25 stands in town."),
        ("Compares every rate.", "We compare every rate twice."),
        ("Customers hear within 2 days.", "You hear within 2 days."),
    ],
)
def test_a_claim_may_say_the_same_in_other_words(text: str, quote: str) -> None:
    """Another spelling of a number or unit, and a common word at the start, need no quote of their own."""
    assert unsupported(profile(text, quote), {URL: quote}) == []


PARTS = ["2", "half", "million", "a", "5k", "Ana", "-", ":", "days", "1", "299", "€"]


@given(st.text(min_size=4, max_size=60) | st.lists(st.sampled_from(PARTS)).map(" ".join))
def test_a_claim_that_is_its_quote_is_carried(text: str) -> None:
    """Whatever it says."""
    quote = f"{text} and so we say it"
    record = profile("x y", "a b").model_copy(
        update={
            "promise": Claim.model_construct(
                text=quote, evidence=(Evidence.model_construct(quote=quote, url=URL, supported=None),)
            )
        }
    )
    assert unsupported(record, {URL: quote}) == []


@pytest.mark.parametrize(
    ("quote", "line", "stands"),
    [
        ("299 €", "Only 1 299 € today", False),
        ("costs 1", "It costs 1 299 € today", False),
        ("5% change", "A -5% change", False),
        ("5% change", "A \u22125% change", False),
        ("$5 change", "A -$5 change", False),
        ("3 days", "In 2\u20133 days", False),
        ("299 €", "Rated 1\n299 € today", True),
        ("120 reviews", "Rated 4.9 120 reviews", True),
        ("5 minutes flat", "Fast\u20145 minutes flat", True),
    ],
)
def test_a_number_without_its_minus_or_thousands_is_cut(quote: str, line: str, stands: bool) -> None:
    """Groups of thousands and signs belong to the number; another line or a dash behind a word does not."""
    assert quote_stands(quote, line) is stands


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("It costs $29 a month.", "Monthly fee, all included: $29"),
        ("Straight advice from the bench.", "The bench gives advice that is honest."),
        ("Conseils honnêtes de l'atelier.", "Un atelier qui vous dit la vérité."),
        ("Spoke's bench is open.", "The bench of Spoke is open."),
        ("The APR is 4.5%.", "A yearly cost of 4.5% in all."),
    ],
)
def test_openers_possessives_units_and_abbreviations_are_no_unknown_names(text: str, quote: str) -> None:
    """What a dictionary has, what everybody abbreviates, and a unit that the quote names elsewhere."""
    assert unsupported(profile(text, quote), {URL: quote}) == []


@pytest.mark.parametrize(
    ("text", "quote", "missing"),
    [
        ("Deloitte audits all 34 rates.", "We audit every rate twice.", ("34", "Deloitte")),
        ("You hear within 2 hours.", "You hear within 2 weeks.", ("2 hour",)),
        ("It costs $29 a month.", "It costs $29 a year. Pay monthly if you like.", ("29$ month",)),
    ],
)
def test_what_the_quotes_lack_is_named_with_the_quote_that_was_looked_at(
    text: str, quote: str, missing: tuple[str, ...]
) -> None:
    """Numbers, their units and names, so that nobody must guess which word was meant."""
    (found,) = unsupported_claims(profile(text, quote), {URL: quote}).values()
    assert (found.missing, found.quote) == (missing, quote)


def test_a_quote_that_is_too_short_is_told_apart_from_one_that_stands_nowhere() -> None:
    """It stands on the page, and the answer says what would be long enough."""
    found = check_record(profile("In a shed.", "in a shed"), {URL: PAGE})
    short = next(each for each in found if each.rule == "evidence.quote_short")
    assert "at least four words, or the number with its unit" in short.message
    assert "evidence.quote_missing" in {each.rule for each in check_record(profile("Ho.", "in a hut"), {URL: PAGE})}
