"""The table of a fork tree: one row per session of it that the user may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.history.lineage import family_tree, parent_of
from campaign_lab.sessions.history.path_loader import all_steps, line_to
from campaign_lab.sessions.spending import prompt_cache
from campaign_lab.sessions.spending.costs import session_costs, turn_costs
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.columns import Row
from campaign_lab.tables.costs import cost_cells
from campaign_lab.tables.sessions import state_of


class TurnSummary(NamedTuple):
    """What a tree shows of a finished turn. ``cost`` is its own; ``warm_until`` is when the cached prompt of its end expires,
    None where nothing was cached.
    """

    phase: str
    steer: str
    take: int
    user: str
    made_at: datetime
    notebook: str | None
    cell_id: str | None
    cost: Sum
    warm_until: datetime | None


def tree_rows(con: Con, user: str, session: SessionRow, now: datetime) -> list[Row]:
    """The whole tree around a session, parents before their forks; forks that the user may not see are left out.

    ``checkpoints`` of a row are what the session has beyond the parent that stands in the tree, each to fork from; where no
    parent stands there, all from the root on.
    """
    seen = {row.id: row for row in visible(con, user)}
    steps, turns, costs = all_steps(con), _turn_summaries(con), session_costs(con)
    rows = []
    for row in family_tree(con, session):
        if row.id in seen:
            ends = row.start_turn, row.tip_turn
            carried, line = ([turns[step.id] for step in line_to(steps, end)] for end in ends)
            parent = seen.get(parent_of(row) or "")
            known = {
                "parent": parent.name if parent else "",
                "parent_id": parent.id if parent else "",
                **cost_cells(costs.get(row.id, NOTHING)),
                "checkpoints": _checkpoint_rows(row, line, after=len(carried) if parent else -1),
            }
            rows.append(_of_session(row, carried, line, now) | known)
    return rows


def _turn_summaries(con: Con) -> dict[str, TurnSummary]:
    """All finished turns of the lab, by id: a few queries, however many forks there are."""
    costs, warm = turn_costs(con), prompt_cache.warm_until(con)
    sql = "SELECT id, phase, steer, take, user_name, finished_at, notebook, cell_id FROM turns"
    rows = con.execute(sql).fetchall()
    return {row[0]: TurnSummary(*(*row[1:], costs.get(row[0], NOTHING), warm.get(row[0]))) for row in rows}


def _of_session(row: SessionRow, carried: Sequence[TurnSummary], line: Sequence[TurnSummary], now: datetime) -> Row:
    """``carried`` are the turns before the session's start, ``line`` all up to its tip."""
    avoided = sum((turn.cost for turn in carried), NOTHING)
    warm_until = line[-1].warm_until if line else None
    return {
        "session": row.name,
        "checkpoint": len(carried),
        "phase": carried[-1].phase if carried else "root",
        "purpose": row.purpose,
        "phases": ", ".join(turn.phase for turn in line),
        "carried_usd": avoided.known,
        "carried_unpriced_requests": avoided.unpriced,
        "automatic": row.automatic,
        "state": state_of(row, now),
        "expires_at": expires_at(row),
        "cache": "" if warm_until is None else "warm" if warm_until >= now else "cold",
        **_made(row.owner, row),
        "id": row.id,
    }


def _checkpoint_rows(session: SessionRow, line: Sequence[TurnSummary], *, after: int) -> list[Row]:
    """The checkpoints of a line that have a higher number than ``after``; 0 is the root."""
    root = {
        "number": 0,
        "phase": "root",
        "steer": "",
        "take": 1,
        **cost_cells(NOTHING),
        **_made(session.owner, session),
    }
    turns = [
        {"number": number, "phase": turn.phase, "steer": turn.steer, "take": turn.take, **cost_cells(turn.cost)}
        | _made(turn.user, turn)
        for number, turn in enumerate(line, 1)
    ]
    return [root, *turns][after + 1 :]


def _made(by: str, what: SessionRow | TurnSummary) -> Row:
    return {"made_by": by, "made_at": what.made_at, "notebook": what.notebook or "", "cell": what.cell_id or ""}
