"""Differences: what two sessions have in common is not told, and the rest is told field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.errors import NotFoundError
from campaign_lab.store import queries
from campaign_lab.store.rows import RecordRow
from support.copy_rows import angle, claim, turn, variant
from support.lab_rows import add, fork, session
from support.labs import MakeLab
from support.stores import by_hand

Turns = list[tuple[str, list[RecordRow]]]


def told(lab: Lab, left: Turns, right: Turns, *, common: Turns | None = None) -> list[tuple[Any, ...]]:
    """The rows of the difference between two forks of one session: (kind, label, field, a, b)."""

    def make(con: queries.Con) -> None:
        base = add(con, session())
        for n, (phase, records) in enumerate(common or []):
            base = turn(con, base, f"c{n}", *records, phase=phase)
        for name, turns in (("a", left), ("b", right)):
            row = add(con, fork(base, name))
            for n, (phase, records) in enumerate(turns):
                row = turn(con, row, f"{name}{n}", *records, phase=phase)

    by_hand(lab, make)
    return list(lab.diff(lab.open("a"), lab.open("b")).itertuples(index=False, name=None))


def test_turns_that_both_carry_are_not_compared(make_lab: MakeLab) -> None:
    """Two forks of one strategy differ in their copy only; where nothing differs, there is no row."""
    common = [("strategy", [angle("Calm")])]
    left, right = [("copy", [variant("One")])], [("copy", [variant("One", description="Longer.")])]
    assert told(make_lab(), left, right, common=common) == [("copy_variant", "One", "description", "Short.", "Longer.")]
    assert told(make_lab("same.duckdb"), left, left, common=common) == []


def test_forks_that_are_equal_are_said_to_be(make_lab: MakeLab) -> None:
    """In words, on the page and in the terminal, and not as a table without rows; it is an empty frame all the same."""
    lab = make_lab()
    assert told(lab, [], []) == []
    same = lab.diff(lab.open("a"), lab.open("b"))
    assert (len(same), repr(same)) == (0, "The same: no record of theirs differs.")
    assert "The same: no record" in same._repr_html_()
    assert "The same" not in repr(lab.sessions().head(0))


def test_angles_are_paired_by_name_then_by_motivation(make_lab: MakeLab) -> None:
    """Of those that go by another name the one with the same motive is meant; others stand alone."""
    left = [("strategy", [angle("Calm", "pain"), angle("Old name", "urgency"), angle("Only here", "identity")])]
    right = [("strategy", [angle("New name", "urgency"), angle("Calm", "outcome"), angle("Only there", "curiosity")])]
    assert told(make_lab(), left, right) == [
        ("angle", "Calm", "motivation", "pain", "outcome"),
        ("angle", "Old name", "name", "Old name", "New name"),
        ("angle", "Only here", "record", "Only here", ""),
        ("angle", "Only there", "record", "", "Only there"),
    ]


def test_copy_is_paired_within_its_angle(make_lab: MakeLab) -> None:
    """By headline, else in order; the angle that is paired under another name counts as the same."""
    left = [
        ("strategy", [angle("Calm", "pain"), angle("Old name", "urgency")]),
        ("copy", [variant("One"), variant("Two"), variant("Three", angle="Old name"), variant("Four")]),
    ]
    right = [
        ("strategy", [angle("Calm", "pain"), angle("New name", "urgency")]),
        ("copy", [variant("Uno"), variant("Two"), variant("Three", angle="New name", description="Other.")]),
    ]
    assert told(make_lab(), left, right) == [
        ("angle", "Old name", "name", "Old name", "New name"),
        ("copy_variant", "One", "headline", "One", "Uno"),
        ("copy_variant", "Three", "angle", "Old name", "New name"),
        ("copy_variant", "Three", "description", "Short.", "Other."),
        ("copy_variant", "Four", "record", "Four", ""),
    ]


def test_claims_are_told_by_their_statements(make_lab: MakeLab) -> None:
    """Other evidence for the same statements is no row."""
    same = claim("Free for ten years.", {"quote": "free for ten years", "url": "x", "supported": True})
    left = [
        (
            "copy",
            [variant("One", claims=[claim("Free for ten years.")]), variant("Two", claims=[claim("A."), claim("B.")])],
        )
    ]
    right = [("copy", [variant("One", claims=[same]), variant("Two", claims=[claim("A.")])])]
    assert told(make_lab(), left, right) == [("copy_variant", "Two", "claims", "A. · B.", "A.")]


def test_a_figure_within_a_part_is_a_difference(make_lab: MakeLab) -> None:
    """The same claim as measured figure and as own statement: the texts are equal, so the figures are shown."""
    parts = [[{"claim": claim("Free repairs."), "tier": tier}] for tier in (1, 6)]
    left, right = ([("strategy", [angle("Calm", proofs=proofs)])] for proofs in parts)
    assert told(make_lab(), left, right) == [
        (
            "angle", "Calm", "proofs",
            '[{"claim": "Free repairs.", "tier": 1}]',
            '[{"claim": "Free repairs.", "tier": 6}]',
        )
    ]  # fmt: skip


def test_a_record_that_could_not_be_read_differs_by_its_raw_text(make_lab: MakeLab) -> None:
    """It is not taken for a record without fields."""
    broken = replace(variant("One"), degraded=True, body='"nonsense"')
    rows = told(make_lab(), [("copy", [broken])], [("copy", [replace(broken, body='"other"')])])
    assert rows == [("copy_variant", "One", "raw", '"nonsense"', '"other"')]


@pytest.mark.usefixtures("slow")
def test_turned_round_it_says_the_same(lab_of: MakeLab) -> None:
    """Two real strategies: as many rows either way, with a and b exchanged for those that both have."""
    lab = lab_of()
    main = lab.open("main")
    other = main.fork("Emotional angle", at="research")
    lab.run_sync(other.run("strategy"))
    there, back = lab.diff(main, other), lab.diff(other, main)
    assert len(there) == len(back) > 0
    assert set(there["kind"]) == {"angle"}
    assert sorted(zip(there["field"], there["a"], there["b"], strict=True)) == sorted(
        zip(back["field"], back["b"], back["a"], strict=True)
    )


@pytest.mark.both_stores
def test_both_must_be_the_users_to_see(make_lab: MakeLab) -> None:
    """Comparing with somebody else's session tells nothing of it."""
    lab = make_lab()
    by_hand(lab, lambda con: [add(con, session()), add(con, session(id="x", name="x", owner="ben"))])
    mine = lab.open("main")
    (row,) = by_hand(lab, lambda con: queries.select(con, type(mine._row), "WHERE id = 'x'"))
    with pytest.raises(NotFoundError):
        lab.diff(mine, type(mine)(lab._context, row, None))
