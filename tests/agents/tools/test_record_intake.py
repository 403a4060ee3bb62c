"""The intake: what a model hands in is checked, mended at most twice, and kept in an order of our own."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.agents.tools.record_intake import MENDS, RecordIntake
from campaign_lab.records import Angle, BrandProfile, Claim, CopyVariant

RESEARCH, STRATEGY, COPY = (builtin_phases()[name] for name in ("research", "strategy", "copy"))
ANGLES = ("Proof first", "Calm voice", "Plain words")
MakeIntake = Callable[..., RecordIntake]
URL = "https://termwick.example/"


@pytest.fixture
def intake(texts: dict[str, str]) -> RecordIntake:
    """The intake of a copy turn."""
    return RecordIntake(COPY, lambda: texts, brand=("Termwick",), angles=ANGLES)


def test_a_good_record_is_kept_with_its_evidence_marked(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """At the first try, with an id, and with the quote that stands marked as supported."""
    assert intake.hand_in("copy_variant", [variant])["problems"] == []
    (kept,) = intake.results()
    assert (kept.id, kept.label, kept.problems) == ("proof-first-v1", variant["headline"], ())
    assert isinstance(kept.record, CopyVariant)
    assert [each.supported for each in kept.record.evidence_in()] == [True]
    assert CopyVariant.model_validate_json(kept.body) == kept.record


def test_a_models_own_mark_of_support_is_not_believed(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """A quote that stands nowhere is unsupported, whatever the model says of it."""
    quote = {"quote": "Rated best by everyone", "url": "https://termwick.example/", "supported": True}
    for _ in range(MENDS + 1):
        intake.hand_in(
            "copy_variant", [variant | {"claims": [{"text": "Rated best by everyone", "evidence": [quote]}]}]
        )
    (kept,) = intake.results()
    assert kept.record is not None
    assert [each.supported for each in kept.record.evidence_in()] == [False]
    assert any("does not stand on https://termwick.example/" in problem for problem in kept.problems)


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"headline": None}, "headline"),
        ({"call_to_action": "CLICK_HERE"}, "call_to_action"),
        ({"slogan": "extra"}, "slogan"),
        ({"claims": [{"text": "No evidence", "evidence": []}]}, "claims.0.evidence"),
    ],
)
def test_what_cannot_be_validated_is_mended_twice_and_then_kept_degraded(
    intake: RecordIntake, variant: dict[str, Any], fault: dict[str, Any], named: str
) -> None:
    """Two answers name the field; the third try is kept as raw text, marked."""
    for _ in range(MENDS):
        answer = intake.hand_in("copy_variant", [variant | fault])
        assert answer["saved"] == []
        assert answer["problems"][0]["problem"].startswith(f"{named}: ")
        assert "hand in only them again" in answer["next"]
    assert intake.hand_in("copy_variant", [variant | fault])["problems"] == []
    (kept,) = intake.results()
    assert kept.degraded
    assert json.loads(kept.body) == variant | fault
    assert kept.problems[0].startswith(f"{named}: ")


def test_what_is_valid_but_faulty_is_mended_twice_and_then_kept_with_its_problems(
    intake: RecordIntake, variant: dict[str, Any]
) -> None:
    """The answer names record, label, field and value; what stays wrong stays visible."""
    faulty = variant | {"description": "See the rates first, then see the others too"}
    for _ in range(MENDS):
        answer = intake.hand_in("copy_variant", [variant | {"headline": "A good one"}, faulty])
        assert [(each["record"], each["label"]) for each in answer["problems"]] == [(1, variant["headline"])]
        assert answer["problems"][0]["problem"].startswith("description: ")
        assert faulty["description"] in answer["problems"][0]["problem"]
    last = intake.hand_in("copy_variant", [faulty])
    assert (last["problems"], len(last["to_check"])) == ([], 1)
    kept = {each.label: each for each in intake.results()}
    assert not kept[variant["headline"]].degraded
    assert len(kept[variant["headline"]].problems) == 1
    assert kept["A good one"].problems == ()


def test_a_plain_sentence_that_no_claim_carries_is_saved_and_marked(
    intake: RecordIntake, variant: dict[str, Any]
) -> None:
    """A person is asked to check it; the model is told, and need not hand the text in again."""
    answer = intake.hand_in("copy_variant", [variant | {"headline": "Your bank opened the bidding"}])
    assert (answer["saved"], answer["problems"]) == (["Your bank opened the bidding"], [])
    assert "no claim holds the words" in answer["to_check"][0]["problem"]
    (kept,) = intake.results()
    assert kept.problems


def test_a_mended_record_is_kept_without_problems(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """What was wrong at first leaves no trace."""
    intake.hand_in("copy_variant", [variant | {"language": "English please"}])
    assert intake.hand_in("copy_variant", [variant])["problems"] == []
    assert [kept.problems for kept in intake.results()] == [()]


def test_one_claim_is_mended_by_its_path_and_a_reference(texts: dict[str, str], variant: dict[str, Any]) -> None:
    """The rest of the record stays, its place too; the answer names the field, and an item that is null is gone."""
    b1 = Claim.model_validate_json(json.dumps(variant["claims"][0]))
    copy = RecordIntake(COPY, lambda: texts, brand=("Termwick",), angles=ANGLES, references={"b1": b1})
    made_up = {"text": "Rated best by everyone", "evidence": [{"quote": "Rated best by everyone", "url": URL}]}
    answer = copy.hand_in("copy_variant", [variant | {"claims": [made_up, "b1"]}, variant | {"headline": "Your rate"}])
    assert {each["field"].partition(".text")[0].partition(".evidence")[0] for each in answer["problems"]} == {
        "claims.0"
    }
    answer = copy.hand_in("copy_variant", [{"mend": variant["headline"], "claims.0": None, "description": "Ask us"}])
    assert (answer["saved"], answer["problems"]) == ([variant["headline"]], [])
    first, second = copy.results()
    assert (first.label, [claim.text for claim in first.record.claims_in()], first.problems) == (
        variant["headline"],
        [b1.text],
        (),
    )
    assert first.record.description == "Ask us"
    assert second.label == "Your rate"
    copy.hand_in("copy_variant", [{"mend": "Your rate", "headline": "Your next rate"}])
    assert [kept.label for kept in copy.results()] == [variant["headline"], "Your next rate"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ([{"mend": "No such"}], "no record has the label 'No such'; handed in were: 'One', 'One', 'Two'"),
        ([{"mend": "One", "headline": "C"}], "several records have the label 'One'; name the angle, too"),
        ([{"mend": "One", "angle": ANGLES[0], "claims.7": "b1"}], "claims.7: the list has 1 items, the first is 0"),
        ([{"mend": "One", "angle": ANGLES[0], "claims.1": None}], "claims.1: the list has 1 items, the first is 0"),
        ([{"mend": "One", "angle": ANGLES[0], "claims.00": None}], "claims.00: the list has 1 items, the first is 0"),
        (
            [{"mend": "One", "angle": ANGLES[0], "claims.0.none.text": "x"}],
            "claims.0.none.text: there is no such field",
        ),
        (
            [{"mend": "One", "angle": ANGLES[0], "headline": "Two"}],
            "another record is named 'Two'; choose another name",
        ),
        ([{"mend": "One", "angle": ANGLES[0], "headline": None}], "headline: Field required"),
        (
            [{"mend": "Two", "angle": ANGLES[1], "headline": "C"}],
            "no record has the label 'Two' in the angle 'Calm voice'",
        ),
        ([{"mend": ["One"], "headline.text": 1}], "no record has the label ['One']"),
    ],
)
def test_changes_that_belong_nowhere_change_nothing(
    intake: RecordIntake, variant: dict[str, Any], changes: list[dict[str, Any]], named: str
) -> None:
    """The answer says what there is; what was handed in before stays as it was."""
    places = [("One", ANGLES[0]), ("One", ANGLES[1]), ("Two", ANGLES[0])]
    intake.hand_in("copy_variant", [variant | {"headline": label, "angle": angle} for label, angle in places])
    before = intake.results()
    answer = intake.hand_in("copy_variant", changes)
    assert answer["saved"] == []
    assert named in answer["problems"][0]["problem"]
    assert intake.results() == before


def test_a_record_is_mended_once_in_a_call(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """The first change is kept, and the second is asked for again: nothing is lost in silence, nothing doubled."""
    label = variant["headline"]
    intake.hand_in("copy_variant", [variant])
    changes = [{"mend": label, "description": "Ask us"}, {"mend": label, "headline": "Your rate"}]
    answer = intake.hand_in("copy_variant", changes)
    assert answer["saved"] == [label]
    assert (
        answer["problems"][0]["problem"]
        == f"mend: {label!r} is in this call twice; hand in all that changes of it at once"
    )
    (kept,) = intake.results()
    assert kept.record is not None
    assert (kept.label, json.loads(kept.body)["description"]) == (label, "Ask us")


def test_a_mended_name_takes_no_other_record_away(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """Also when another one of the angle waits to be mended and reads nearly the same."""
    too_long = variant | {"description": "See the rates first, then see the others too"}
    intake.hand_in("copy_variant", [too_long | {"headline": name} for name in ("See the rates", "See the rates first")])
    intake.hand_in(
        "copy_variant", [{"mend": "See the rates", "headline": "See our rates first", "description": "See it"}]
    )
    assert [kept.label for kept in intake.results()] == ["See our rates first", "See the rates first"]


def test_an_angle_that_nobody_knows_is_mended(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """There the angle is what changes, and does not say which record is meant."""
    answer = intake.hand_in("copy_variant", [variant | {"angle": "Prof first"}])
    assert answer["problems"][0]["field"] == "angle"
    assert intake.hand_in("copy_variant", [{"mend": variant["headline"], "angle": ANGLES[0]}])["problems"] == []
    assert [kept.angle for kept in intake.results()] == [ANGLES[0]]


def test_a_field_that_does_not_exist_is_taken_out(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """Null removes it from the record."""
    assert intake.hand_in("copy_variant", [variant | {"slogan": "x"}])["problems"][0]["field"] == "slogan"
    assert intake.hand_in("copy_variant", [{"mend": variant["headline"], "slogan": None}])["problems"] == []


def test_agents_in_parallel_have_tries_of_their_own(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """One angle's mends do not use up another's."""
    bad = variant | {"language": "English please"}
    for angle, _ in itertools.product(ANGLES, range(MENDS)):
        assert intake.hand_in("copy_variant", [bad | {"angle": angle}])["problems"]


def test_a_record_that_is_never_handed_in_again_is_not_lost(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """The model stops after being told: the record is kept with its problems; one that it mends replaces only itself."""
    too_long = variant | {"description": "See the rates first, then see the others too"}
    other = too_long | {"headline": "Another question"}
    assert len(intake.hand_in("copy_variant", [too_long, other])["problems"]) == 2
    assert [bool(kept.problems) for kept in intake.results()] == [True, True]
    assert intake.hand_in("copy_variant", [variant])["problems"] == []
    kept = {each.label: bool(each.problems) for each in intake.results()}
    assert kept == {variant["headline"]: False, "Another question": True}


def test_a_kind_of_another_phase_is_refused_with_the_ones_it_takes(intake: RecordIntake, brand: dict[str, Any]) -> None:
    """Nothing is kept, and the model is told what to hand in."""
    answer = intake.hand_in("brand_profile", [brand])
    assert answer["saved"] == []
    assert answer["problems"] == [
        {"problem": "kind 'brand_profile' is not asked for in this phase; it takes copy_variant"}
    ]
    assert intake.results() == ()


def test_an_angle_that_the_campaign_does_not_have_is_named_with_those_it_has(
    intake: RecordIntake, variant: dict[str, Any]
) -> None:
    """A text for an angle that nobody asked for is sent back."""
    (problem,) = intake.hand_in("copy_variant", [variant | {"angle": "Fear"}])["problems"]
    assert problem["problem"] == f"angle: 'Fear' is not an angle of this campaign; it has {', '.join(ANGLES)}"


def test_a_record_as_json_text_is_read(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """Models sometimes send the text of an object for the object."""
    assert intake.hand_in("copy_variant", [json.dumps(variant)])["problems"] == []
    assert [kept.label for kept in intake.results()] == [variant["headline"]]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    max_leaves=6,
)


@given(JSON)
def test_anything_that_json_can_hold_is_taken(raw: Any) -> None:
    """Never an error: after the last mend it is kept as it came."""
    intake = RecordIntake(COPY, dict, angles=ANGLES)
    for _ in range(MENDS + 1):
        intake.hand_in("copy_variant", [raw])
    (kept,) = intake.results()
    assert kept.degraded
    assert kept.id
    kept.body.encode()


def test_half_an_emoji_can_be_stored(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """Text that was cut in the middle of a character does not break the lab file."""
    for _ in range(MENDS + 1):
        intake.hand_in("copy_variant", [variant | {"headline": "Look \ud83d", "angle": "Proof first\ud83d"}])
    (kept,) = intake.results()
    for text in (kept.body, kept.label, kept.angle, kept.id):
        text.encode()
    assert json.loads(kept.body)["headline"] == "Look \ud83d"


def test_the_brands_name_needs_no_quote(texts: dict[str, str], brand: dict[str, Any], claim: dict[str, Any]) -> None:
    """Its own pages rarely say it in every sentence; any other name and every number need one."""
    intake = RecordIntake(RESEARCH, lambda: texts)
    named = claim | {"text": "With Termwick the form takes seven minutes"}
    assert intake.hand_in("brand_profile", [brand | {"promise": named}])["problems"] == []
    other = claim | {"text": "With Brackendeer the form takes 9 minutes"}
    (problem,) = intake.hand_in("brand_profile", [brand | {"promise": other}])["problems"]
    assert other["text"] in problem["problem"]


@given(order=st.permutations(range(6)))
def test_results_do_not_depend_on_which_agent_was_first(order: Sequence[int]) -> None:
    """Kind, then the angles' own order: parallel agents give the same records and ids every time."""
    parts = [
        {
            "angle": angle, "headline": f"{angle} {kind}?", "primary_text": "See them all.", "description": "See how",
            "call_to_action": "GET_QUOTE", "language": "en-CA",
        }
        for angle in ANGLES
        for kind in ("early", "late")
    ]  # fmt: skip
    order = sorted(order, key=lambda place: place % 2)  # one agent hands in its own in order
    intake = RecordIntake(COPY, dict, angles=ANGLES)
    for place in order:
        assert intake.hand_in("copy_variant", [parts[place]])["problems"] == []
    assert [(kept.id, kept.label) for kept in intake.results()] == [
        ("proof-first-v1", "Proof first early?"),
        ("proof-first-v2", "Proof first late?"),
        ("calm-voice-v1", "Calm voice early?"),
        ("calm-voice-v2", "Calm voice late?"),
        ("plain-words-v1", "Plain words early?"),
        ("plain-words-v2", "Plain words late?"),
    ]


def test_research_comes_in_the_order_of_its_kinds(
    texts: dict[str, str], brand: dict[str, Any], claim: dict[str, Any]
) -> None:
    """Brand, customers, rivals: whoever reported first."""
    insight = {"segments": ["renewers"], "awareness_stage": "problem", "pains": [claim]}
    rival = {
        "name": "Termwick",
        "url": "https://rival.example/",
        "positioning": claim,
        "gap": "It says nothing of time",
    }
    expected = ["brand_profile", "customer_insight", "competitor_profile"]
    records: dict[str, Any] = dict(zip(expected, (brand, insight, rival), strict=True))
    for order in itertools.permutations(records):
        intake = RecordIntake(RESEARCH, lambda: texts)
        for kind in order:
            assert intake.hand_in(kind, [records[kind]])["problems"] == []
        assert [kept.kind for kept in intake.results()] == expected
        assert [kept.id for kept in intake.results()] == ["termwick", "customer_insight", "termwick-2"]


def keep_by_force(intake: RecordIntake, labels: Sequence[str]) -> tuple[KeptRecord, ...]:
    """Hands in records that are nothing but a name until they are kept."""
    for label in labels:
        for _ in range(MENDS + 1):
            intake.hand_in("angle", [{"name": label}])
    return intake.results()


@given(st.lists(st.text("aA -2!", max_size=5) | st.text(max_size=5), max_size=6, unique=True))
def test_ids_are_unique(labels: list[str]) -> None:
    """Also where names differ in punctuation only, or look like an id with a number."""
    ids = [kept.id for kept in keep_by_force(RecordIntake(STRATEGY, dict), labels)]
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_ids_with_numbers_do_not_collide() -> None:
    """The second record called “a” gets the number that no other has taken."""
    kept = keep_by_force(RecordIntake(STRATEGY, dict), ["a a", "a-a", "a a 2"])
    assert [each.id for each in kept] == ["a-a", "a-a-2", "a-a-2-2"]


def test_a_record_handed_in_again_replaces_the_earlier_one(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """Same kind and label: the last word holds, in the first one's place."""
    intake.hand_in("copy_variant", [variant, variant | {"headline": "Another one"}])
    intake.hand_in("copy_variant", [variant | {"description": "See the rates"}])
    kept = intake.results()
    assert [each.label for each in kept] == [variant["headline"], "Another one"]
    assert json.loads(kept[0].body)["description"] == "See the rates"


def test_what_is_missing_is_kept_once_and_in_order(intake: RecordIntake) -> None:
    """Also when no record came with it; of copy-creators, which work at once, in an order of its own."""
    strategy = RecordIntake(STRATEGY, dict)
    strategy.hand_in("angle", [], ["no third claim", "no price"])
    strategy.hand_in("angle", [], ["no price", "no rating"])
    assert strategy.missing == ["no third claim", "no price", "no rating"]
    intake.hand_in("copy_variant", [], ["no third claim", "no price"])
    intake.hand_in("copy_variant", [], ["no price", "no rating"])
    assert intake.missing == ["no price", "no rating", "no third claim"]


def test_evidence_is_checked_against_the_pages_stored_by_then(
    claim: dict[str, Any], brand: dict[str, Any], texts: dict[str, str]
) -> None:
    """A page that was read after the first try counts at the second."""
    stored: dict[str, str] = {}
    intake = RecordIntake(RESEARCH, lambda: stored)
    (problem, *_) = intake.hand_in("brand_profile", [brand])["problems"]
    assert "names a page that was not read" in problem["problem"]
    stored |= texts
    assert intake.hand_in("brand_profile", [brand])["problems"] == []


def test_an_angles_own_name_exempts_nothing(texts: dict[str, str], variant: dict[str, Any]) -> None:
    """Only a company's own name needs no quote: an angle cannot name itself after its false promise."""
    intake = RecordIntake(STRATEGY, lambda: texts, brand=("Termwick",))
    angle = Angle.model_construct(name="50% off, backed by Deloitte")
    assert intake._names(angle) == ("Termwick",)
    assert intake._names(BrandProfile.model_construct(name="Brackendeer")) == ("Termwick", "Brackendeer")


def test_a_mended_record_leaves_no_ghost_under_its_first_name(
    texts: dict[str, str], claim: dict[str, Any], variant: dict[str, Any], intake: RecordIntake
) -> None:
    """An insight that could not be read has no other name than its kind; a headline that was mended replaces the first one."""
    research = RecordIntake(RESEARCH, lambda: texts)
    insight = {"segments": ["renewers"], "awareness_stage": "problem", "pains": [claim]}
    research.hand_in("customer_insight", [insight | {"awareness_stage": "asleep"}])
    assert research.hand_in("customer_insight", [insight])["problems"] == []
    assert [kept.degraded for kept in research.results()] == [False]
    intake.hand_in(
        "copy_variant", [variant | {"headline": "In 9 minutes you know", "primary_text": "See it.\nSee the rates."}]
    )
    intake.hand_in(
        "copy_variant", [variant | {"headline": "In 7 minutes you know", "primary_text": "See it.\nSee the rates."}]
    )
    assert [kept.label for kept in intake.results()] == ["In 7 minutes you know"]


def test_a_rival_is_one_profile_whatever_it_is_called(texts: dict[str, str], claim: dict[str, Any]) -> None:
    """Its home page tells, with www or without: the last word holds."""
    rival = {
        "name": "Pendle",
        "url": "https://www.rival.example/",
        "positioning": claim,
        "gap": "It says nothing of time",
    }
    intake = RecordIntake(RESEARCH, lambda: texts)
    intake.hand_in("competitor_profile", [rival])
    intake.hand_in(
        "competitor_profile", [rival | {"name": "Pendlewarth Mortgages", "url": "https://rival.example/about"}]
    )
    assert [kept.label for kept in intake.results()] == ["Pendlewarth Mortgages"]


def test_an_error_of_form_hides_no_other_problem(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """All kinds at once: a field that cannot be read, a quote that stands nowhere, a name and a number that nobody said."""
    invented = {
        "text": "Deloitte says so",
        "evidence": [{"quote": "Deloitte audits us daily", "url": "https://termwick.example/"}],
    }
    answer = intake.hand_in(
        "copy_variant",
        [variant | {"call_to_action": "CLICK", "headline": "Save 40% now", "claims": [invented]}],
    )
    told = " ".join(each["problem"] for each in answer["problems"])
    for part in (
        "call_to_action: ",
        "does not stand on https://termwick.example/",
        "none of its quotes",
        "the number '40%'",
    ):
        assert part in told


def test_the_answer_names_the_missing_word_and_the_quote_beside_it(
    intake: RecordIntake, variant: dict[str, Any]
) -> None:
    """Who mends must not guess which word was meant."""
    quote = {"quote": "The form takes seven minutes", "url": "https://termwick.example/"}
    claims = [{"text": "The form by Deloitte takes seven minutes", "evidence": [quote]}]
    (problem, *_) = intake.hand_in("copy_variant", [variant | {"claims": claims}])["problems"]
    assert "no supported quote holds 'Deloitte'; looked at 'The form takes seven minutes'" in problem["problem"]


def test_what_only_tells_is_kept_and_not_handed_back(intake: RecordIntake, variant: dict[str, Any]) -> None:
    """A text that folds, and the counts of its sentences, are no problems."""
    long = variant | {"primary_text": " ".join(["The form takes seven minutes."] * 6)}
    assert intake.hand_in("copy_variant", [long])["problems"] == []
    (kept,) = intake.results()
    assert {finding.rule for finding in kept.findings} == {"limits.fold", "sentence.counts"}
    assert kept.problems == ()


def test_a_rival_that_waits_to_be_mended_is_not_replaced_by_another_rival(
    texts: dict[str, str], claim: dict[str, Any]
) -> None:
    """Two researchers at once: what the one hands in leaves the other's record alone, however alike the two are."""
    rival = {"name": "Pendle", "url": "https://one.example/", "positioning": claim, "gap": "It says nothing of time"}
    intake = RecordIntake(RESEARCH, lambda: texts)
    assert intake.hand_in("competitor_profile", [rival | {"gap": "They miss 73 bikes"}])["problems"]
    intake.hand_in("competitor_profile", [rival | {"name": "Brack", "url": "https://two.example/"}])
    assert sorted(kept.label for kept in intake.results()) == ["Brack", "Pendle"]
