"""The timeline: who worked when, from what is stored."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.sessions.spending.receipts import MAIN_AGENT
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.store import queries
from support.lab_rows import ANALYST, NOW, add, fork, grow, session, share
from support.labs import MakeLab
from support.stores import by_hand


def timed(con: queries.Con, turn: str, subpath: str, seconds: list[float]) -> None:
    """Gives the entries of a conversation the times at which they were written."""
    sql = "SELECT seq, entry FROM entries WHERE session_id = ? AND subpath = ? ORDER BY seq"
    for (seq, entry), second in zip(con.execute(sql, [turn, subpath]).fetchall(), seconds, strict=False):
        told = json.dumps({**json.loads(entry), "timestamp": (NOW + timedelta(seconds=second)).isoformat()})
        con.execute(
            "UPDATE entries SET entry = ? WHERE session_id = ? AND subpath = ? AND seq = ?", [told, turn, subpath, seq]
        )


def rows(lab: Lab, name: str = "main") -> list[dict[Any, Any]]:
    return lab.timeline(lab.open(name)).to_dict("records")


@pytest.mark.both_stores
def test_seconds_count_from_the_start_of_the_turn(make_lab: MakeLab) -> None:
    """The main agent first, then its agents; requests and pages are each agent's own."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        grow(con, add(con, session()), "t1")
        timed(con, "t1", "", [10, 11, 14.5, 16])
        timed(con, "t1", "subagents/agent-t1", [11.25, 11.25, 12, 13, 14])

    by_hand(lab, make)
    main = {"agent": MAIN_AGENT, "started_s": 0.0, "ended_s": 6.0, "requests": 2, "pages": 0}
    analyst = {"agent": ANALYST, "started_s": 1.25, "ended_s": 4.0, "requests": 2, "pages": 1}
    assert rows(lab) == [{"session": "main", "phase": "research", **row} for row in (main, analyst)]


def test_an_old_file_tells_by_when_its_entries_were_stored(make_lab: MakeLab) -> None:
    """Entries without a time of their own; the two clocks are never mixed."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        grow(con, add(con, session()), "t1")
        con.execute("UPDATE entries SET stored_at = stored_at + seq * INTERVAL '2 seconds'")

    by_hand(lab, make)
    assert [(row["started_s"], row["ended_s"]) for row in rows(lab)] == [(0.0, 6.0), (0.0, 8.0)]
    by_hand(lab, lambda con: timed(con, "t1", "", [500.0, 501, 502, 503]))
    assert [(row["agent"], row["started_s"], row["ended_s"]) for row in rows(lab)] == [(MAIN_AGENT, 0.0, 3.0)]


def test_turns_of_one_phase_are_told_apart(make_lab: MakeLab) -> None:
    """Each turn begins at 0, and what a fork carries is on its timeline too."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        base = grow(con, add(con, session()), "t1", phase="copy")
        grow(con, add(con, fork(base, "child")), "t2", phase="copy")

    by_hand(lab, make)
    assert [row["phase"] for row in rows(lab, "child")] == ["copy", "copy", "copy 2", "copy 2"]
    both = lab.timeline([lab.open("main"), lab.open("child")])
    assert both["session"].tolist() == ["main"] * 2 + ["child"] * 4
    assert lab.timeline(lab.open("main", from_start=True)).empty


def test_swept_conversations_leave_no_rows(make_lab: MakeLab) -> None:
    """The records stay, the times are gone: nothing is made up."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        share(con, grow(con, add(con, session()), "t1"), "ben")
        sweep(con, now=NOW + timedelta(days=30), grace_s=0, keep_records=True, dry_run=False)

    by_hand(lab, make)
    assert rows(lab) == []


def test_a_real_turn_shows_its_agents_in_parallel(lab_of: MakeLab) -> None:
    """Research of a demo site: three agents within the main agent's time, all requests of the ledger, pages for each."""
    lab = lab_of()
    main = lab.open("main").fork("look", at="research")
    table = lab.timeline(main)
    agents = [agent.name for agent in builtin_phases()["research"].agents]
    assert table["agent"].tolist()[0] == MAIN_AGENT
    assert sorted(table["agent"][1:]) == sorted(agents)
    assert table["started_s"][0] == 0
    assert (table["ended_s"][1:] <= table["ended_s"][0]).all()
    assert (table["started_s"] <= table["ended_s"]).all()
    assert table["started_s"].max() < table["ended_s"][1:].min()  # they worked at the same time
    assert table["requests"].sum() == sum(line.requests for line in main.receipt.lines)
    assert table["pages"].tolist()[0] == 0
    assert (table["pages"][1:] > 0).all()


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("names", [1, 3])
def test_agents_of_one_name_are_numbered(names: int, lab_of: MakeLab) -> None:
    """One copy-creator an angle."""
    lab = lab_of()
    main = lab.open("main")
    lab.run_sync(main.run("copy", angles=[each.label() for each in main.records("angle")[:names]], writers="each"))
    table = lab.timeline(main)
    found = table[table["phase"] == "copy"]["agent"].tolist()
    assert found == [MAIN_AGENT, "copy-creator", "copy-creator 2", "copy-creator 3"][: names + 1]
