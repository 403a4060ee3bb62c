"""Going on: where a session has what a phase needs, for who asks for a later phase alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from campaign_lab.agents.phases import Phase
from campaign_lab.errors import PhaseOrderError
from campaign_lab.sessions.run.request import check_needs
from campaign_lab.store import queries
from campaign_lab.store.rows import SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


def line_for(
    con: Con, session: SessionRow, position: str | None, *, phase: Phase, phases: Mapping[str, Phase]
) -> Sequence[TurnRow]:
    """The line behind which the phase goes on; empty where it can start at the position itself, or can start nowhere.

    It is the newest of the session's line and those of the forks that runs made of it that has what the phase needs and
    was made for the session's brief. A session that renews an expired one goes on with that one's lines, too.
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
    """Was the turn made with what its phase shows of this brief? One of a phase that is not known here counts as made so."""
    shown = phases[turn.phase].shows if turn.phase in phases else ()
    before = json.loads(turn.brief)
    return all(before.get(name) == brief.get(name) for name in shown)
