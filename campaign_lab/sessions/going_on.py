"""Going on: where a session has what a phase needs, for who asks for a later phase alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from campaign_lab.agents.phases import Phase
from campaign_lab.errors import PhaseOrderError
from campaign_lab.sessions.ordering import check_needs
from campaign_lab.store import tables
from campaign_lab.store.rows import SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


def place_for(
    con: Con, session: SessionRow, position: str | None, *, phase: Phase, phases: Mapping[str, Phase]
) -> tuple[SessionRow, str | None]:
    """The position itself where the phase can start there; else the end of the newest line that has what it needs.

    Lines are those of the session and of the forks that runs made of it, as far as they were made for today's brief. The
    position itself also where there is no such line: then the run says what is lacking.
    """
    if _can_start(phase, tables.line_of(con, position)):
        return session, position
    brief = json.loads(session.brief)
    for row, line in _lines(con, session):
        if _can_start(phase, line) and all(_made_for(brief, turn, phases) for turn in line):
            return row, row.tip_turn
    return session, position


def _lines(con: Con, session: SessionRow) -> Iterator[tuple[SessionRow, Sequence[TurnRow]]]:
    """The session's line and those of its automatic forks, the one that was gone on with last first."""
    rows = {row.id: row for row in (session, *tables.family_of(con, session))}.values()
    lines = [(row, tables.line_of(con, row.tip_turn)) for row in rows if row.tip_turn]
    yield from sorted((each for each in lines if each[1]), key=lambda each: each[1][-1].finished_at, reverse=True)


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
