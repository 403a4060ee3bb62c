"""Every sentence of an advertisement is carried by its own claims, says nothing that could be false, or is to be checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.checks import check_invalid, check_record
from campaign_lab.checks.sentences.carriers import ClaimText
from campaign_lab.checks.sentences.sentence_check import SentenceCheck, check_sentences
from campaign_lab.findings import SentenceCounts, faults
from campaign_lab.records import Claim, CopyVariant, Evidence

URL = "https://www.termwick.example/"
QUOTES = (
    "We compare the offers of 31 lenders before your renewal date.",
    "You pay us nothing: the lender that you choose pays our fee.",
    "Most offers can be held for up to 120 days.",
)
PAGE = "\n".join(QUOTES)
CLAIMS = [ClaimText(quote, (quote,)) for quote in QUOTES]


def checked(
    text: str, language: str = "en", *quotes: str, names: tuple[str, ...] = ("Termwick",)
) -> list[SentenceCheck]:
    """What is found of the sentences of a headline."""
    claims = [ClaimText(quote, (quote,)) for quote in quotes] or CLAIMS
    return check_sentences({"headline": text}, claims, language, names)


def variant(*quotes: str, **fields: str) -> CopyVariant:
    """An advertisement whose claims are quotes of the page."""
    claims = tuple(Claim(text=each, evidence=(Evidence(quote=each, url=URL),)) for each in quotes)
    texts = {"headline": "Compare before you renew", "primary_text": "Compare 31 lenders.", "description": "Ask us"}
    return CopyVariant(angle="Calm", call_to_action="GET_QUOTE", language="en-CA", claims=claims, **{**texts, **fields})


@pytest.mark.parametrize(
    ("text", "rule", "missing"),
    [
        ("Most lenders expect you to ask.", "superlative", "Most lenders"),
        ("Royal Bank will not remind you.", "name", "Royal Bank"),
        ("Ontario's best mortgage broker", "superlative", "best"),
        ("Compare 50 lenders.", "number", "50"),
        ("Lower fees than any other broker.", "comparison", "than"),
        ("Offers are held for 120 days.", "hedge", "120 days (up to, usually)"),
        ("Every offer is compared.", "absolute", "Every"),
        ("Approved by the regulator.", "absolute", "Approved by"),
        ("Our advisers trained with racers.", "unsupported", "advisers, trained, racers"),
        ('As a client says: "They saved us a fortune."', "quotation", "They saved us a fortune."),
        ("You pay us for comparing nothing.", "carried", ""),
        ("We do not compare offers of lenders.", "negation", QUOTES[0]),
    ],
)
def test_what_is_missing_is_named(text: str, rule: str, missing: str) -> None:
    """Each kind of invention has a rule of its own, and the answer says which word nobody claimed."""
    (found,) = checked(text)
    assert (found.rule, found.missing) == (rule, missing)


@pytest.mark.parametrize(
    "text",
    [
        "Thirty-one lenders compared before you renew.",
        "Termwick's service is free: the lender pays.",
        "Hold an offer for up to 120 days.",
        "Compare Offers Before Your Renewal Date",
        "COMPARE 31 OFFERS",
        "“You pay us nothing”",
    ],
)
def test_an_honest_paraphrase_is_carried(text: str) -> None:
    """Number words, possessives of the brand, titles, capitals and marked quotes say what the claims say."""
    assert [each.rule for each in checked(text)] == ["carried"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Is your renewal due? Have a look. We think you should compare. Here is a yardstick.", "en-CA"),
        ("Et si vous compariez? Jetez un œil. À notre avis, cela compte. Voici une question.", "fr-CA"),
    ],
)
def test_what_states_nothing_is_plain(text: str, language: str) -> None:
    """A question, an invitation, an opinion that says so, and words about nothing need no claim."""
    found = checked(text, language, "Nothing of all this is on the page.", names=())
    assert [each.rule for each in found[:1] + found[2:]] == ["plain"] * 3
    assert not found[1].to_check or language == "fr-CA"


@pytest.mark.parametrize(
    "text", ["Do you know that Royal Bank closes?", "Ask the best broker.", "We think 50 lenders are enough."]
)
def test_a_question_a_call_or_an_opinion_excuses_no_name_number_or_superlative(text: str) -> None:
    """What is asked or recommended can be an invention all the same."""
    assert [each.to_check for each in checked(text)] == [True]


def test_an_opinion_may_praise() -> None:
    """Who says that it is an opinion may call a thing the best."""
    assert [each.rule for each in checked("To us, the best offer is the one you compare.")] == ["carried"]


@pytest.mark.parametrize(
    ("text", "language", "rule"),
    [
        ("Wir vergleichen 31 Banken vor der Verlängerung.", "de", "carried"),
        ("Wir vergleichen 50 Banken vor der Verlängerung.", "de", "number"),
        ("Gegründet von ehemaligen Richtern.", "de", "unsupported"),
        ("Was wäre möglich?", "de", "plain"),
        ("Comparamos con Santander antes de la renovación.", "es", "name"),
    ],
)
def test_without_word_lists_only_what_is_known_is_carried(text: str, language: str, rule: str) -> None:
    """In other languages numbers, names and shared words are compared, and what remains is to be checked."""
    claims = {
        "de": "Wir vergleichen 31 Banken vor der Verlängerung Ihres Kredits.",
        "es": "Comparamos bancos antes de la renovación.",
    }
    assert [each.rule for each in checked(text, language, claims[language])] == [rule]


@pytest.mark.parametrize(
    ("text", "quote", "rule"),
    [
        ("A half-hour check-up", "Every check-up lasts 30 minutes.", "carried"),
        ("Done within an hour and a half.", "Done within 90 minutes of your call.", "carried"),
        ("70 pounds for a massage", "A massage costs £70 an hour.", "carried"),
        ("A massage for €70", "A massage costs £70 an hour.", "number"),
        ("Done in one hour.", "Done in three hours, or we call.", "number"),
    ],
)
def test_a_number_may_be_written_otherwise(text: str, quote: str, rule: str) -> None:
    """Half an hour is 30 minutes, pounds are £; another currency or time is another number."""
    assert [each.rule for each in checked(text, "en", quote)] == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "We compare the offers of 31 lenders! 🎉 Judges drink it.",
        "“We compare the offers of 31 lenders.” Judges drink it.",
        "We compare the offers of 31 lenders until 9 p.m. Judges drink it.",
    ],
)
def test_a_sentence_ends_before_an_emoji_behind_marks_and_after_an_hour(text: str) -> None:
    """What is invented does not hide behind what is carried, and "Judges" is no name there."""
    first, second = checked(text, "en", "We compare the offers of 31 lenders until 9 p.m. every day.")
    assert (first.rule, second.rule) == ("carried", "unsupported")


def test_a_brand_may_have_a_number_in_its_name() -> None:
    """It is a name and states nothing."""
    assert [each.rule for each in checked("Meet Two Sisters", names=("Two Sisters",))] == ["plain"]


def test_a_claim_that_is_not_supported_carries_nothing() -> None:
    """Its quote stands nowhere, so the sentence that rests on it is to be checked."""
    lie = "We have 900 advisers in town."
    found = check_record(variant(lie, headline="900 advisers"), {URL: PAGE}, ("Termwick",))
    assert ("sentence.number", "headline") in {(each.rule, each.field) for each in found}


def test_the_finding_says_what_is_missing_and_which_quote_was_looked_at() -> None:
    """In one line, with the sentence, so that who mends need not guess."""
    found = faults(check_record(variant(*QUOTES, headline="Compare 50 lenders"), {URL: PAGE}, ("Termwick",)))
    assert [each.sentence for each in found] == [
        f"headline: to check: no claim holds the number '50'; looked at {QUOTES[0]!r}: 'Compare 50 lenders'"
    ]


def test_the_counts_are_kept_with_the_record() -> None:
    """Carried, plain and to check, each sentence once; the finding that holds them asks for nothing."""
    text = "Compare 31 lenders. Shall we? Doctors drink it."
    found = check_record(variant(*QUOTES, primary_text=text), {URL: PAGE}, ("Termwick",))
    assert SentenceCounts.among(found) == (2, 2, 1)
    assert [each.rule for each in faults(found)] == ["sentence.unsupported"]


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["en", "fr", "de", "xx", ""]))
def test_any_text_can_be_checked(text: str, quote: str, language: str) -> None:
    """Whatever a model hands in: each sentence is counted once, and nothing raises."""
    found = check_sentences({"headline": text}, [ClaimText(quote, (quote,))], language, [quote], [text])
    assert all(each.text in text for each in found)


@given(st.text(max_size=60), st.sampled_from(["en", "fr"]))
def test_a_text_that_no_claim_stands_behind_is_never_carried(text: str, language: str) -> None:
    """Without a claim there is nothing to be carried by."""
    assert "carried" not in {each.rule for each in check_sentences({"headline": text}, [], language)}


def test_a_record_that_cannot_be_read_is_checked_all_the_same() -> None:
    """Its quotes, claims and sentences are there, whatever else is wrong with it."""
    raw = variant(*QUOTES, headline="Compare 50 lenders").model_dump(mode="json") | {"call_to_action": "CLICK"}
    assert [each.rule for each in faults(check_invalid(raw, {URL: PAGE}))] == ["sentence.number"]
    assert check_invalid("no record", {URL: PAGE}) == []
