"""Records: strict, frozen, and evidence that only code marks as supported."""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign_lab.records import (
    RECORD_TYPES,
    Angle,
    BrandProfile,
    Claim,
    CompetitorProfile,
    CopyVariant,
    CustomerInsight,
    Evidence,
    Objection,
    Proof,
    Record,
    Voice,
    slug,
    with_support,
)
from support.paths import ROOT

FINGERPRINTS = ROOT / "tests" / "fingerprints.toml"
for kind in RECORD_TYPES:
    kind.model_rebuild()  # only a class that is built has the signature from which hypothesis fills in what is not named here
TEXTS = st.text("abc XYZ 19%é", min_size=2, max_size=20).map(str.strip).filter(lambda text: len(text) >= 2)
EVIDENCE = st.builds(Evidence, quote=TEXTS, url=TEXTS, supported=st.none() | st.booleans())


def several(part: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(part, min_size=least, max_size=most).map(tuple)


CLAIMS = st.builds(Claim, text=TEXTS, evidence=several(EVIDENCE, 1))
BRANDS = st.builds(
    BrandProfile,
    name=TEXTS,
    promise=CLAIMS,
    voice=st.builds(Voice, traits=several(TEXTS, 1), examples=several(EVIDENCE)),
    colours=several(TEXTS),
    offers=several(CLAIMS),
    proofs=several(CLAIMS),
    audience=several(CLAIMS),
    differentiators=several(CLAIMS),
)
INSIGHTS = st.builds(
    CustomerInsight,
    segments=several(TEXTS, 1),
    pains=several(CLAIMS),
    desires=several(CLAIMS),
    objections=several(CLAIMS),
    triggers=several(CLAIMS),
    words=several(EVIDENCE),
)
RIVALS = st.builds(
    CompetitorProfile, name=TEXTS, url=TEXTS, positioning=CLAIMS, offer=st.none() | CLAIMS, proof=CLAIMS, gap=TEXTS
)
ANGLES = st.builds(
    Angle,
    proofs=several(st.builds(Proof, claim=CLAIMS, tier=st.integers(1, 6)), 1),
    objections=several(st.builds(Objection, objection=TEXTS, rebuttal=TEXTS)),
    placements=several(TEXTS, 1),
    risk_flags=several(TEXTS),
    offer=st.none() | TEXTS,
    **dict.fromkeys(
        (
            "name", "core_angle", "persona", "anchor", "deepest_desire", "job", "promise", "mechanism",
            "hook_hypothesis", "tone", "format", "landing_url", "success_criterion", "novelty",
        ),
        TEXTS,
    ),
)  # fmt: skip
VARIANTS = st.builds(
    CopyVariant,
    angle=TEXTS,
    headline=TEXTS,
    primary_text=TEXTS,
    description=TEXTS,
    language=st.just("en-CA"),
    claims=several(CLAIMS),
)
RECORDS: st.SearchStrategy[Record] = st.one_of(BRANDS, INSIGHTS, RIVALS, ANGLES, VARIANTS)

CLAIM: dict[str, Any] = {
    "text": "It is quick",
    "evidence": [{"quote": "The form takes seven minutes.", "url": "https://a.example/"}],
}
BRAND = {"name": "Termwick", "promise": CLAIM, "voice": {"traits": ["plain"]}}


def brand(**fields: Any) -> BrandProfile:
    return BrandProfile.model_validate_json(json.dumps(BRAND | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 7},
        {"name": "T"},
        {"name": "T" * 81},
        {"name": None},
        {"promise": "It is quick"},
        {"promise": {**CLAIM, "evidence": []}},
        {"promise": {**CLAIM, "evidence": CLAIM["evidence"] * 7}},
        {"voice": {"traits": []}},
        {"colours": "#ffffff"},
        {"offers": [CLAIM] * 11},
        {"slogan": "an extra field"},
        {"promise": {**CLAIM, "sure": True}},
    ],
)
def test_what_is_not_quite_right_is_refused(fields: dict[str, Any]) -> None:
    """Nothing is coerced, cut or passed over: a wrong type, length or an extra field is an error."""
    assert brand().name == "Termwick"
    with pytest.raises(ValidationError):
        brand(**fields)


@pytest.mark.parametrize("value", ["1", 1.0, True])
def test_a_number_must_be_one(value: object) -> None:
    """A tier of another type than a whole number is refused, even when it looks like one."""
    text = json.dumps({"claim": CLAIM, "tier": value})
    with pytest.raises(ValidationError):
        Proof.model_validate_json(text)


@given(RECORDS)
def test_records_are_frozen(record: Record) -> None:
    """A stored record cannot be changed by who reads it."""
    for name in type(record).model_fields:
        with pytest.raises(ValidationError):
            setattr(record, name, getattr(record, name))


@given(RECORDS)
def test_json_gives_the_record_back(record: Record) -> None:
    """A record survives the lab file."""
    assert type(record).model_validate_json(record.model_dump_json()) == record


def test_surrounding_space_is_no_part_of_a_text() -> None:
    """A quote with a stray line break at its end is the same quote."""
    assert brand(name="  Termwick\n").name == "Termwick"


def test_kinds_are_unique_and_revisions_count_from_one() -> None:
    """The kind names the table row and the tool's argument, so no two record types share one."""
    kinds = [each.kind for each in RECORD_TYPES]
    assert len(set(kinds)) == len(kinds) == 5
    assert all(each.revision >= 1 for each in RECORD_TYPES)


def test_every_field_tells_the_model_what_it_is_and_support_is_not_one_of_them() -> None:
    """The schema that a model reads describes each field, and does not offer it to vouch for itself."""
    for each in RECORD_TYPES:
        schema = each.model_json_schema()
        for part in (schema, *schema.get("$defs", {}).values()):
            assert all(field.get("description") for field in part["properties"].values())
        assert "supported" not in str(schema)


@given(RECORDS)
def test_evidence_and_claims_are_all_there_once_and_in_order(record: Record) -> None:
    """Reading order is the order of the JSON; what is said twice is listed once."""
    body = record.model_dump()
    quotes, claims = dict.fromkeys(_found(body, "quote")), dict.fromkeys(_found(body, "text"))
    assert [json.dumps(item.model_dump()) for item in record.evidence_in()] == list(quotes)
    assert [json.dumps(item.model_dump()) for item in record.claims_in()] == list(claims)


def _found(value: Any, mark: str) -> list[str]:
    """Objects that hold the field ``mark``, as JSON, depth first."""
    if isinstance(value, dict):
        own = [json.dumps(value)] if mark in value else []
        return own + [item for part in value.values() for item in _found(part, mark)]
    if isinstance(value, (list, tuple)):
        return [item for part in value for item in _found(part, mark)]
    return []


@given(record=RECORDS, data=st.data())
def test_support_is_what_code_found_whatever_the_model_said(record: Record, data: st.DataObject) -> None:
    """A mark of the model's own is overwritten; what was not found is unsupported; nothing else changes."""
    plain = [each.model_copy(update={"supported": None}) for each in record.evidence_in()]
    found = {each: data.draw(st.booleans()) for each in plain if data.draw(st.booleans())}
    marked = with_support(record, found)
    for each in marked.evidence_in():
        assert each.supported is found.get(each.model_copy(update={"supported": None}), False)
    assert _unmarked(marked.model_dump()) == _unmarked(record.model_dump())


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmarked(part) for name, part in value.items() if name != "supported"}
    return [_unmarked(part) for part in value] if isinstance(value, (list, tuple)) else value


def test_a_record_goes_by_its_name_and_a_copy_variant_by_its_headline() -> None:
    """What a person reads in a list is the label."""
    variant = {
        "angle": "Proof first", "headline": "34 lenders, one table", "primary_text": "Compare them.", "description": "Free.",
        "call_to_action": "GET_QUOTE", "language": "en-CA",
    }  # fmt: skip
    assert brand().label() == "Termwick"
    assert CopyVariant.model_validate_json(json.dumps(variant)).label() == "34 lenders, one table"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Save $167 a month", "save-167-a-month"),
        ("  Émotion & Confiance!  ", "émotion-confiance"),
        ("Straße", "strasse"),
        ("__init__", "init"),
        ("!?", ""),
        ("a" * 59 + " tail", "a" * 59),
    ],
)
def test_slugs_of_names(name: str, expected: str) -> None:
    """Lower case, words joined by hyphens, empty when nothing is left."""
    assert slug(name) == expected


@given(st.text(max_size=90))
def test_a_slug_is_short_clean_and_its_own_slug(name: str) -> None:
    """An id can be typed back in: it is its own slug, at most 60 long, and never starts or ends with a joint."""
    short = slug(name)
    assert slug(short) == short
    assert len(short) <= 60
    assert short == short.strip("-_")
    assert not set(short) & set(" /\\.:?#")


@pytest.mark.parametrize("made", RECORD_TYPES, ids=lambda made: made.kind)
def test_a_record_whose_fields_change_has_a_new_revision(made: type[Record]) -> None:
    """A stored turn with the old shape must not be replayed as one with the new shape."""
    schema = json.dumps(made.model_json_schema(), sort_keys=True)
    found = sha256(schema.encode()).hexdigest()[:16]
    known = tomllib.loads(FINGERPRINTS.read_text(encoding="utf-8"))["records"][made.kind]
    advice = f"{made.kind} is now {found}: write it into {FINGERPRINTS.name}, and raise its revision in records.py if "
    advice += "what is stored has another shape or meaning; a field with a default, or other words for it, is none"
    assert known == {"revision": made.revision, "schema": found}, advice
