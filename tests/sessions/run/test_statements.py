"""How often a turn and a fork ask the store: as often on a long line with many forks as on a short one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from campaign_lab.agents.phases import builtin_phases
from campaign_lab.brief import Brief
from campaign_lab.sessions.run.claims import look_or_claim
from campaign_lab.sessions.run.lookup import look_for
from campaign_lab.sessions.run.request import RunRequest, turn_spec_for
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import AttemptRow, SessionRow, TurnRow
from campaign_lab.store.transcripts import PROJECT, TurnTranscripts
from support.counting import statements_of
from support.lab_rows import NOW, add, fork, grow, session

BRIEF = Brief(url="https://a.example/", market="CA", campaign="Spring").to_json()
ASK = RunRequest(builtin_phases()["ask"], arguments={"question": "Why?"})
KEY: Any = {"project_key": PROJECT, "session_id": "new"}
MOST = {"fork": [5], "look": [9], "claim": [4], "load": [1], "append": [3], "write": [4]}
"""The most statements in each transaction of a fork, and of a turn at its start."""


def test_a_longer_line_and_more_forks_take_no_more_statements(tmp_path: Path) -> None:
    """A fork and its first turn ask for as much after twenty turns and a dozen forks as after two turns and one fork."""
    few = counted(str(tmp_path / "few.duckdb"), turns=2, forks=1)
    assert few == counted(str(tmp_path / "many.duckdb"), turns=20, forks=12)
    assert all(few[part] <= most for part, most in MOST.items()), few


def counted(path: str, *, turns: int, forks: int) -> dict[str, list[int]]:
    """The statements in each transaction of one more fork at the tip of a line, beside others with a turn each, and of a turn."""
    store = open_file(path)
    row = store.call(lambda con: grown(con, turns, forks))
    line = store.call(lambda con: queries.ancestry(con, row.tip_turn))[::-1]
    new = fork(row, "New")
    attempt = AttemptRow("new", new.id, row.tip_turn, "k", "ask", "ana", "running", None, None, NOW, None, None, "{}")
    (before,) = store.call(lambda con: queries.turns_of(con, line[-1:]))
    turn = replace(before, id=attempt.id, session_id=new.id, parent_turn=before.id, key=attempt.key)
    transcripts = TurnTranscripts(store, "new", line)  # type: ignore[abstract]
    parts = {
        "fork": lambda: store.call(lambda con: queries.get_or_create_fork(con, new, lambda _: False)),
        "look": lambda: store.call(lambda con: look_up(con, new)),
        "claim": lambda: store.call(lambda con: look_or_claim(con, new, attempt)),
        "load": lambda: asyncio.run(transcripts.load(KEY)),
        "append": lambda: asyncio.run(transcripts.append(KEY, [{"type": "user", "uuid": "u"}])),
        "write": lambda: store.call(lambda con: write(con, turn, attempt)),
    }
    counts: dict[str, list[int]] = {}
    for part, work in parts.items():
        with statements_of(store) as counts[part]:
            work()
    store.close()
    return counts


def grown(con: Con, turns: int, forks: int) -> SessionRow:
    """A session with so many turns, and so many forks with a turn each at its tip."""
    row = add(con, session(brief=BRIEF))
    for n in range(turns):
        row = grow(con, row, f"t{n}")
    for n in range(forks):
        grow(con, add(con, fork(row, f"Fork {n}")), f"f{n}")
    return row


def look_up(con: Con, row: SessionRow) -> None:
    """What ``run`` asks first; nothing is found."""
    spec = turn_spec_for(con, row, row.tip_turn, ASK)
    assert look_for(con, spec).turn is None


def write(con: Con, turn: TurnRow, attempt: AttemptRow) -> None:
    """What is stored of a turn that has ended, without its records and requests."""
    queries.insert(con, [turn])
    queries.end_attempt(con, replace(attempt, state="finished", ended_at=NOW))
    assert queries.move_tip(con, turn).tip_turn == turn.id
