"""Where a session has what a phase needs: for a caller who asks for a later phase alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from campaign_lab.agents.phases import Phase
from campaign_lab.errors import PhaseOrderError
from campaign_lab.sessions.run.request import check_needs
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow, TurnRow


def line_for(
    con: Con, session: SessionRow, position: str | None, *, phase: Phase, phases: Mapping[str, Phase]
) -> Sequence[TurnRow]:
    """The turns after which the phase can start; empty where it can start at the position itself, or nowhere.

    They are the newest line of the session, of forks that runs made of it, or of an expired session that it renews, which
    has what the phase needs and was made for the session's brief.
    """
    if _can_start(phase, queries.line_of(con, position)):
        return ()
    brief = json.loads(session.brief)
    rows = {row.id: row for row in (session, *queries.family_of(con, session))}.values()
    lines = [line for row in rows if (line := queries.line_of(con, row.tip_turn))]
    fitting = [
        line for line in lines if _can_start(phase, line) and all(_made_for(brief, turn, phases) for turn in line)
    ]
    return max(fitting, key=lambda line: line[-1].finished_at, default=())


def _can_start(phase: Phase, line: Sequence[TurnRow]) -> bool:
    try:
        check_needs(phase, line)
    except PhaseOrderError:
        return False
    return True


def _made_for(brief: Mapping[str, object], turn: TurnRow, phases: Mapping[str, Phase]) -> bool:
    """True when the turn was made with the same fields of the brief that its phase shows. An unknown phase shows none."""
    shown = phases[turn.phase].shows if turn.phase in phases else ()
    before = json.loads(turn.brief)
    return all(before.get(name) == brief.get(name) for name in shown)
