"""The table of sessions: one row per session that the user may see."""

from __future__ import annotations

from datetime import datetime

from campaign_lab.money import NOTHING
from campaign_lab.sessions.history.path_loader import all_steps, line_to
from campaign_lab.sessions.spending.costs import session_costs
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.sessions.upkeep.expiry import expires_at, has_expired
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.columns import Row
from campaign_lab.tables.costs import cost_cells


def session_rows(con: Con, user: str, now: datetime) -> list[Row]:
    """One row per session that the user may see, newest first."""
    steps, costs = all_steps(con), session_costs(con)
    rows = []
    for row in visible(con, user):
        line = line_to(steps, row.tip_turn)
        rows.append(
            {
                "session": row.name,
                "campaign": row.campaign,
                "url": row.url,
                "owner": row.owner,
                "purpose": row.purpose,
                "phase": line[-1].phase if line else "root",
                "turns": len(line),
                **cost_cells(costs.get(row.id, NOTHING)),
                "state": state_of(row, now),
                "expires_at": expires_at(row),
                "made_at": row.made_at,
                "endpoint": row.endpoint,
                "id": row.id,
            }
        )
    return rows


def state_of(row: SessionRow, now: datetime) -> str:
    """``pinned``, ``expired`` or ``living``."""
    return "pinned" if row.pinned else "expired" if has_expired(row, now) else "living"
