"""What somebody else has written badly breaks no table of whom it is shared with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaign_lab.sessions.upkeep.doctor import examine
from campaign_lab.store import queries
from support.copy_rows import angle, turn, variant
from support.lab_rows import add, session, share
from support.labs import MakeLab
from support.stores import by_hand

ODD: dict[str, Any] = {
    "headline": 5, "primary_text": ["x"], "description": None, "angle": {}, "claims": "x", "name": 7, "proofs": 5,
    "motivation": [1], "awareness_stage": {}, "language": 9,
}  # fmt: skip
HIS = "WHERE turn_id IN ('b1', 'b2')"
BAD = {
    "no JSON": f"UPDATE records SET body = '{{' {HIS}",
    "a list": f"UPDATE records SET body = '[1]' {HIS}",
    "other types": f"UPDATE records SET body = '{json.dumps(ODD)}' {HIS}",
    "no findings": f"UPDATE records SET problems = 'x' {HIS}",
    "odd findings": f"UPDATE records SET problems = '[{{\"rule\": 5}}, 7, null]' {HIS}",
    "no labels": f"UPDATE records SET label = NULL, record_id = NULL {HIS}",
    "no names": "UPDATE sessions SET name = NULL, purpose = NULL WHERE owner = 'ben'",
    "its own parent": "UPDATE sessions SET parent_session = id WHERE owner = 'ben'",
    "its own turn": "UPDATE turns SET parent_turn = id WHERE id IN ('b1', 'b2')",
    "no brief": "UPDATE sessions SET brief = '{' WHERE owner = 'ben'",
}


@pytest.mark.parametrize("bad", BAD)
def test_the_tables_of_whom_it_is_shared_with_are_whole(bad: str, make_lab: MakeLab) -> None:
    """Her own rows stand there as before; what cannot be read of his is left out, and doctor looks at all of it."""

    def make(con: queries.Con) -> None:
        for owner, name in (("ana", "a"), ("ben", "b")):
            row = add(con, session(name if owner == "ana" else "his", owner=owner))
            row = turn(con, row, f"{name}1", angle("Calm"), phase="strategy")
            share(con, turn(con, row, f"{name}2", variant("Sleep well", primary_text=f"By {owner}.")), "ana")

    lab = make_lab()
    by_hand(lab, make)
    mine = lab.open("a")
    before = lab.compare(mine)
    by_hand(lab, lambda con: con.execute(BAD[bad]))
    assert lab.compare(mine).equals(before)
    both = lab.compare([lab.open(each) for each in lab.sessions()["id"]])
    assert both["primary_text"].tolist().count("By ana.") == 1
    assert "Calm" in lab.records("angle")["name"].tolist()
    for table in (lab.sessions, lab.costs, lambda: lab.records("copy_variant"), lambda: lab.tree(mine)):
        assert len(table()) > 0
    assert examine(lab._context.engine)
