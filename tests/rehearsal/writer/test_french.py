"""French pages and French copy from the rehearsal endpoint: good French, from the page's own words, set as it is printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from campaign_lab.checks import near_duplicates, repeated_sentences, sentences_in
from campaign_lab.records import MOTIVATIONS
from campaign_lab.rehearsal.analyst import profiles
from campaign_lab.rehearsal.analyst.topics import topic_of
from campaign_lab.rehearsal.writer.answers import answer_question
from campaign_lab.rehearsal.writer.phrasebook import phrases
from campaign_lab.rehearsal.writer.typography import in_marks, is_speech, typeset
from support.copy_measures import Campaign, campaign, failures
from support.web.odd_sites import SITES, odd_site, page, read

FARM = SITES / "aubrelune"
COPY = ("headline", "primary_text", "description")
STEERS = ("", "le prix d'abord", "misez sur l'émotion", "pour les jeunes parents", "à contre-courant", "be bold")
ENGLISH = re.compile(
    r"\b(the|and|of|your|you|with|for|from|is|are|our|we|this|that|it|not|what|who|how)\b", re.IGNORECASE
)
OPEN_VOWEL = re.compile(
    r"\b(?:de|du|le|la|que|ne|se|je|me|te|ce|jusque|lorsque|puisque|quoique) (?=[aeiouyàâäéèêëîïôöùûü])"
    r"|\b(?:à|de) les? (?!leur\b|\w+(?:er|ir|re)\b)|\bsi ils?\b",
    re.IGNORECASE,
)
"""Where French would have elided or contracted."""
LOOSE = re.compile(r" [;:!?%$€»]|« |\d \d{3}\b|['\"“”]")
"""Marks that are set with a plain space, and marks that are not French. Inner quotation marks are not looked for here."""


@pytest.fixture(scope="module")
def french() -> Campaign:
    """The campaign of the farm in French, five texts an angle."""
    return campaign(FARM, language="fr-CA", count=5)


def copy_of(found: Campaign) -> Iterator[str]:
    """Every text of the advertisements."""
    return (item[name] for item in found["variants"] for name in COPY)


def written_by_us(found: Campaign) -> Iterator[str]:
    """The fields of angles that the writer's own words fill, and the names of groups."""
    fields = ("name", "core_angle", "persona", "anchor", "job", "mechanism", "hook_hypothesis", "tone", "novelty")
    yield from (angle[name] for angle in found["angles"] for name in fields)
    yield from (segment for record in found["research"]["customer_insight"] for segment in record["segments"])


def filled() -> Iterator[str]:
    """Every French phrase about brands and topics that begin with a vowel."""
    slots = {"claim": "…", "quote": "« … »", "segment": "Amis", "fact": "…", "how": "…", "stop": "…", "reason": "…"}
    slots |= {"subjects": "les avis", "name": "A", "role": "agent", "whom": "amis"}
    words = {key: value for key, value in phrases("fr").items() if key not in ("steer", "persona", "lowered")}
    for brand, topic in product(("Aubrelune", "Étable & Cie"), ("oignons", "abonnements d\u2019hiver")):
        for text in _leaves(words):
            yield text.format(**slots, brand=brand, topic=topic)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _leaves(item)


@pytest.mark.parametrize(("steer", "count"), [*product(STEERS, [2]), ("", 5)])
def test_french_campaigns_pass_every_measure(steer: str, count: int) -> None:
    """Five angles, all texts within the lengths, none alike, every fact with its quote, whatever the steer."""
    found = campaign(FARM, steer=steer, count=count, language="fr-CA")
    assert failures(found) == []
    assert len({angle["motivation"] for angle in found["angles"]}) == 5
    assert {item["language"] for item in found["variants"]} == {"fr-CA"}


@pytest.mark.parametrize("seed", [11, 31, 51])
def test_odd_french_sites_pass_every_measure(seed: int, tmp_path: Path) -> None:
    """A lamp workshop with eight sentences carries French copy too."""
    assert failures(campaign(odd_site(seed).write(tmp_path / "odd-site"), language="fr", count=2)) == []


def test_no_english_word_stands_in_french_copy(french: Campaign) -> None:
    """Neither in the advertisements nor in what the writer says about them."""
    assert [text for text in (*copy_of(french), *written_by_us(french)) if ENGLISH.search(text)] == []
    assert ENGLISH.search("Comparez with Aubrelune")


def test_copy_is_set_as_french_is_printed(french: Campaign) -> None:
    """No line can break before a high mark, a sign or inside a number; marks and apostrophes are French."""
    assert [text for text in (*copy_of(french), *written_by_us(french)) if LOOSE.search(text)] == []
    said = "\n".join(copy_of(french))
    for proof in ("24,50\u00a0$", "1\u00a0047", "\u202f?", "\u00a0: ", "\u00ab\u00a0", "\u00a0\u00bb", "\u2019"):
        assert proof in said


def test_facts_keep_their_figures_as_the_page_has_them(french: Campaign) -> None:
    """Decimal commas, currency behind the amount: each claim in a text stands in the page's words, spaces aside."""
    pages = " ".join(" ".join(french["texts"].values()).split())
    figures = {
        figure
        for text in copy_of(french)
        for figure in re.findall(r"\d[\d,. ]*\d(?: [$%])?|\d(?: [$%])?", " ".join(text.split()))
    }
    assert {"24,50 $", "4,8"} <= figures
    assert [figure for figure in figures if figure not in pages] == []
    assert not re.search(r"\d\.\d|[$€]\d", " ".join(figures))


def test_quotes_stand_on_the_page_letter_by_letter(french: Campaign) -> None:
    """Evidence is the page's own text, typography included; only the copy is set anew."""
    quotes = [each for angle in french["angles"] for proof in angle["proofs"] for each in proof["claim"]["evidence"]]
    assert quotes
    for quote in quotes:
        assert quote["quote"] in french["texts"][quote["url"]].replace("\n", " ")


def test_traps_of_the_farm_stay_out(french: Campaign) -> None:
    """Neither the orders, nor the old price, nor the footer's figures reach a record."""
    said = json.dumps({key: french[key] for key in ("research", "angles", "variants")}, ensure_ascii=False)
    for trap in (
        "127.0.0.1",
        "guérissent",
        "gratuits à vie",
        "avariés",
        "AUBRELUNE GAGNE",
        "29,90",
        "5,90",
        "99 %",
        "000 000",
    ):
        assert trap not in " ".join(said.split())
    everything = " ".join(" ".join(read(FARM)[1].values()).split())
    assert all(trap in everything for trap in ("guérissent", "29,90 $", "5,90 $", "99 %"))


def test_phrases_are_those_of_english_and_no_other() -> None:
    """French has a phrase wherever English has one, as many to choose from, and states no figure either."""
    french, english = phrases("fr"), phrases("en")
    assert french.keys() - {"lowered"} == english.keys()
    for name in (*MOTIVATIONS, "angle", "flags", "answers"):
        assert french[name].keys() == english[name].keys()
        for key, items in english[name].items():
            assert type(french[name][key]) is type(items)
            assert not isinstance(items, list) or len(french[name][key]) == len(items)
    assert len(french["steer"]) == len(english["steer"])
    assert [row["motivations"] for row in french["steer"]] == [row["motivations"] for row in english["steer"]]
    assert [text for text in filled() if any(letter.isdigit() for letter in text)] == []


def test_phrases_elide_and_address_the_reader_formally() -> None:
    """No "de" stands before a vowel, whatever the brand is called, and nobody is called "tu"."""
    texts = list(filled())
    assert [text for text in texts if OPEN_VOWEL.search(text)] == []
    assert [
        text for text in texts if re.search(r"\b(tu|te|toi|(?<!du )ton|ta|tes|t\u2019)\b", text, re.IGNORECASE)
    ] == []
    assert OPEN_VOWEL.search("Les avis de Aubrelune")
    assert OPEN_VOWEL.search("le prix de les paniers")


def test_phrases_of_two_motivations_share_no_sentence() -> None:
    """Copy-creators do not see each other: what stood in two sets would be said twice in a campaign."""
    words = phrases("fr")
    said = [
        (name, text.format(brand="Aubrelune", topic="paniers"))
        for name in MOTIVATIONS
        for key in ("hooks", "closers", "headlines", "descriptions")
        for text in words[name][key]
    ]
    assert repeated_sentences([text for _, text in said]) == []
    heads = [
        (name, text.format(brand="Aubrelune", topic="paniers"))
        for name in MOTIVATIONS
        for text in words[name]["headlines"]
    ]
    pairs = near_duplicates([text for _, text in heads])
    assert [(heads[left], heads[right]) for left, right, _ in pairs if heads[left][0] != heads[right][0]] == []


@pytest.mark.parametrize(
    ("steer", "first", "tone"),
    [
        ("misez sur l'émotion", {"identity", "pain", "outcome"}, "chaleureux"),
        ("le prix d'abord", {"comparison"}, "factuel"),
        ("insistez sur les délais", {"urgency"}, "alerte"),
        ("soyez audacieux", {"contrarian"}, "audacieux"),
        ("let customers speak: trust", {"social_proof"}, "rassurant"),
        ("Vos légumes au bon moment", {"urgency"}, ""),
    ],
)
def test_a_steer_is_understood_in_french_and_in_english(steer: str, first: set[str], tone: str) -> None:
    """The words choose the motivation that comes first, and the tone is French."""
    found = campaign(FARM, steer=steer, language="fr-CA")
    assert found["angles"][0]["motivation"] in first
    assert all(tone in angle["tone"] for angle in found["angles"])
    assert not [line for line in found["missing"] if line.startswith("steer")]


def test_a_steer_can_name_the_audience() -> None:
    """``pour les …`` becomes the persona, ``pour vendre`` does not."""
    found = campaign(FARM, steer="pour les jeunes parents", language="fr-CA")
    assert all(angle["persona"].startswith("Jeunes parents\u00a0: ") for angle in found["angles"])
    found = campaign(FARM, steer="pour vendre plus", language="fr-CA")
    assert not any("vendre" in angle["persona"].lower() for angle in found["angles"])


def _outside_quotes(text: str) -> str:
    return re.sub(r"[\u201c\u00ab][^\u201d\u00bb]*[\u201d\u00bb](?: \u2013 .*)?", "", text)


def test_french_copy_for_an_english_site_quotes_it_and_says_so() -> None:
    """English stands in guillemets or not at all, and one line a phase tells the strategist."""
    found = campaign(SITES / "cairnwold", language="fr-FR", count=3)
    assert failures(found) == []
    assert [text for text in copy_of(found) if ENGLISH.search(_outside_quotes(text))] == []
    assert [
        angle["mechanism"] for angle in found["angles"] if ENGLISH.search(_outside_quotes(angle["mechanism"]))
    ] == []
    assert [line for line in found["missing"] if line.startswith("language")] == [
        "language: pages are in en; quotes stay in it",
        "language: the pages are not in fr; quotes stay in their own language, in quotation marks",
    ]


def test_english_copy_for_the_french_site_quotes_it_and_says_so() -> None:
    """No French outside quotation marks, no French topic or group of people in an English sentence."""
    found = campaign(FARM, language="en-CA", count=2)
    assert failures(found) == []
    french = re.compile(r"\b(nous|vous|les|des|légumes|paniers?|familles)\b|[àâçéèêëîïôûù]", re.IGNORECASE)
    texts = [*copy_of(found), *(angle[name] for angle in found["angles"] for name in ("name", "persona", "mechanism"))]
    assert [text for text in texts if french.search(_outside_quotes(text))] == []
    assert sum(line.startswith("language") for line in found["missing"]) == 2


def test_an_audience_in_another_language_is_left_out_and_said_so() -> None:
    """The brief's French audience would be half a sentence in an English persona."""
    pages, _ = read(FARM)
    insight, missing = profiles.customer_insight(pages, "Foyers de Montréal qui cuisinent", language="en-CA")
    assert insight is not None
    assert insight["segments"] == ["Visitors of Aubrelune"]
    assert any("audience is not in en" in line for line in missing)
    insight, missing = profiles.customer_insight(pages, "Foyers de Montréal qui cuisinent", language="fr-CA")
    assert insight is not None
    assert insight["segments"] == [
        "Foyers de Montréal qui cuisinent",
        "Familles pressées",
        "Personnes qui cherchent des légumes",
    ]
    assert missing == []


def test_gaps_of_rivals_are_told_in_french() -> None:
    """What rivals leave open is named in the brief's language."""
    rivals = {f"https://{name}.example/": read(SITES / name)[0] for name in ("croquevite", "frigoplein")}
    records, _ = profiles.competitor_profiles(rivals, read(FARM)[0], language="fr-CA")
    for record in records:
        assert record["gap"].startswith("Les pages que nous avons lues chez eux ne disent rien sur ")
        assert not ENGLISH.search(record["gap"])


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Nos paniers de légumes arrivent. Vos paniers de légumes attendent.", "paniers de légumes"),
        ("Les paniers d\u2019hiver. Nos paniers d\u2019hiver. Des paniers.", "paniers d\u2019hiver"),
        ("Nous réparons les lampes. Vos lampes. Des lampes. Nos lampes.", "lampes"),
        ("Il pleut souvent, et nous vous aimons plus sans raison.", ""),
    ],
)
def test_a_french_topic_is_a_plural_noun_of_the_pages(text: str, topic: str) -> None:
    """With the noun that "de" adds, elided as the page has it."""
    assert topic_of([page(text, language="fr")], "", "fr") == topic


@pytest.mark.parametrize(
    ("plain", "printed"),
    [
        ("Vraiment ? Oui !", "Vraiment\u202f? Oui\u202f!"),
        ("Le prix : 1 234,50 $, soit 4,5 %", "Le prix\u00a0: 1\u00a0234,50\u00a0$, soit 4,5\u00a0%"),
        ("\u201cC'est dit.\u201d \u2013 Ana", "\u00ab\u00a0C\u2019est dit.\u00a0\u00bb \u2013 Ana"),
        ("« Un mot “juste” »", "\u00ab\u00a0Un mot “juste”\u00a0\u00bb"),
        ("Ouvert à 18 h 30, à 94 km", "Ouvert à 18\u00a0h\u00a030, à 94\u00a0km"),
        ("« Rates from 4.19%. Really? »", "\u00ab\u00a0Rates from 4.19%. Really?\u00a0\u00bb"),
    ],
)
def test_text_is_typeset(plain: str, printed: str) -> None:
    """Thin spaces before ; ! ?, full ones before : % $ and in guillemets; none is put where none was."""
    assert typeset(plain, "fr-CA") == printed
    assert typeset(printed, "fr-CA") == printed
    assert typeset(plain, "en-CA") == plain


def test_quotation_marks_follow_the_language() -> None:
    """Marks within marks become inner ones; both kinds are known as speech."""
    assert in_marks("le « vrai » prix", "fr") == "\u00ab\u00a0le “vrai” prix\u00a0\u00bb"
    assert in_marks("the “real” price", "en") == "\u201cthe \u2018real\u2019 price\u201d"
    assert is_speech("« Je reviens. » \u2013 Ana")
    assert is_speech("\u201cI am back.\u201d \u2013 Ana")
    assert not is_speech("Ana a écrit : « Je reviens. »")


def test_french_sentences_are_told_apart() -> None:
    """A guillemet or a ligature may open a sentence."""
    assert sentences_in("Un mot. Œufs frais. « Très frais. »") == ["Un mot.", "Œufs frais.", "« Très frais. »"]


def test_a_french_question_is_answered_in_french() -> None:
    """The quotes stay as they are; the sentence around them is in the question's language."""
    profile, _ = profiles.brand_profile(read(FARM)[0], language="fr-CA")
    assert profile is not None
    answer = answer_question("Combien coûte la livraison à domicile ?", {"brand_profile": [profile]})
    assert answer.startswith("La recherche dit\u00a0:")
    assert "4,90 $" in answer
    assert (
        answer_question("Quelle est la météo de la planète ?", {})
        == "La recherche de cette conversation n\u2019en dit rien."
    )
