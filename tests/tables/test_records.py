"""The catalogue: every record of a kind that the user may see, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from campaign_lab import Lab
from campaign_lab.agents.phases import Phase
from campaign_lab.errors import NotFoundError
from campaign_lab.records import RECORD_TYPES, Claim, Record, Text
from campaign_lab.store import queries
from support.copy_rows import angle, claim, quote, turn, variant
from support.lab_rows import NOW, add, fork, session, share
from support.labs import MakeLab
from support.stores import by_hand


class Slogan(Record):
    """A line to remember, with a figure."""

    kind: ClassVar[str] = "slogan"

    name: Text
    """The line."""
    words: int
    """How many words it has."""
    claim: Claim
    """What carries it."""


def _slogans(
    research: Mapping[str, list[dict[str, Any]]], _task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    promise = research["brand_profile"][0]["promise"]
    return [{"name": promise["text"], "words": len(promise["text"].split()), "claim": promise}], []


SLOGANS = Phase(
    name="slogans",
    prompt="Make slogans.\n\n```json\n$task\n```\n",
    makes=(Slogan,),
    needs=("brand_profile",),
    rehearse=_slogans,
)


def listed(lab: Lab, kind: str = "angle", **options: Any) -> list[tuple[str, str]]:
    table = lab.records(kind, **options)
    return list(zip(table["session"], table["label"], strict=True))


@pytest.mark.both_stores
def test_each_record_is_listed_once_under_the_session_that_made_it(make_lab: MakeLab) -> None:
    """Two forks carry the strategy, one makes another one: three angles, the oldest session first."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        base = turn(con, add(con, session()), "t1", angle("Calm"), angle("Bold"), phase="strategy")
        add(con, fork(base, "carries", made_at=NOW + timedelta(hours=1)))
        child = add(con, fork(base, "again", made_at=NOW + timedelta(hours=2)))
        turn(con, child, "t2", angle("Other"), phase="strategy")

    by_hand(lab, make)
    assert listed(lab) == [("main", "Calm"), ("main", "Bold"), ("again", "Other")]
    assert listed(lab, sessions=lab.open("carries")) == [("main", "Calm"), ("main", "Bold")]
    assert listed(lab, sessions=[lab.open("again")]) == [("again", "Other")]
    assert listed(lab, sessions=[]) == []


@pytest.mark.both_stores
def test_only_what_the_user_may_see_is_listed(make_lab: MakeLab) -> None:
    """What a shared fork carries stands under that fork, as long as the session that made it was not shared."""
    lab = make_lab(user="ben")

    def make(con: queries.Con) -> None:
        base = turn(con, add(con, session()), "t1", angle("Calm"), phase="strategy")
        share(con, add(con, fork(base, "given")), "ben")
        turn(con, add(con, session(id="x", name="hidden")), "t2", angle("Secret"), phase="strategy")

    by_hand(lab, make)
    assert listed(lab) == [("given", "Calm")]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("made", RECORD_TYPES, ids=lambda made: made.kind)
def test_fields_are_told_as_the_classes_have_them(made: type[Record], lab_of: MakeLab) -> None:
    """Plain texts letter by letter, in the order of the class; claims and quotes counted as the classes count them."""
    lab = lab_of()
    main = lab.open("main")
    if made.kind == "copy_variant":
        lab.run_sync(main.run("copy", angles=[main.records("angle")[0].label()]))
    table, records = lab.records(made.kind), main.records(made.kind)
    assert len(table) == len(records) > 0
    assert table["label"].tolist() == [record.label() for record in records]
    assert table["claims"].tolist() == [len(record.claims_in()) for record in records]
    plain = [name for name in made.model_fields if isinstance(getattr(records[0], name), str)]
    order = [str(name) for name in table.columns if name in made.model_fields]
    assert [name for name in order if name in plain] == plain
    for name in plain:
        assert table[name].tolist() == [getattr(record, name) for record in records]


def test_parts_are_told_as_text(make_lab: MakeLab) -> None:
    """A claim by its statement, a list by its items, an objection with its answer; figures inside are left out."""
    lab = make_lab()
    told = angle(
        "Calm",
        placements=["feed", "stories"],
        proofs=[{"claim": claim("Free for ten years.", quote("free for ten years")), "tier": 4}],
        objections=[{"objection": "Too dear?", "rebuttal": "No."}],
        offer=None,
    )
    by_hand(lab, lambda con: turn(con, add(con, session()), "t1", told, phase="strategy"))
    (row,) = lab.records("angle").to_dict("records")
    assert (row["placements"], row["proofs"]) == ("feed · stories", "Free for ten years.")
    assert (row["objections"], row["offer"]) == ("Too dear?: No.", "")
    assert (row["claims"], row["claims_supported"], row["phase"], row["campaign"]) == (1, 1, "strategy", "Spring")


def test_degraded_records_are_listed_without_fields(make_lab: MakeLab) -> None:
    """With the name that they came under, so that somebody can look."""
    lab = make_lab()
    broken = replace(variant("Half"), degraded=True, body='["nonsense"]')
    by_hand(lab, lambda con: turn(con, add(con, session()), "t1", variant("Whole"), broken))
    table = lab.records("copy_variant")
    assert table[["label", "degraded", "headline"]].values.tolist() == [["Whole", False, "Whole"], ["Half", True, ""]]


@pytest.mark.usefixtures("slow")
def test_kinds_of_ones_own_phases_have_tables(lab_of: MakeLab) -> None:
    """A real turn of a phase of one's own: its class gives the columns, figures stay figures."""
    lab = lab_of(phases=[SLOGANS])
    main = lab.open("main")
    lab.run_sync(main.run("slogans"))
    (slogan,) = main.records("slogan")
    assert isinstance(slogan, Slogan)
    (row,) = lab.records("slogan").to_dict("records")
    assert (row["name"], row["words"], row["claim"]) == (slogan.name, slogan.words, slogan.claim.text)
    assert str(lab.records("slogan")["words"].dtype) == "Int64"


def test_an_unknown_kind_is_answered_with_the_known_ones(make_lab: MakeLab) -> None:
    """Those of the phases that this lab knows, its own ones included."""
    known = r"brand_profile.*customer_insight.*competitor_profile.*angle.*copy_variant.*slogan"
    with pytest.raises(NotFoundError, match=rf"'slogans'?.*{known}|slogans.*{known}"):
        make_lab(phases=[SLOGANS]).records("slogans")
    with pytest.raises(NotFoundError):
        make_lab("plain.duckdb").records("slogan")
