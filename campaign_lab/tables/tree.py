"""The table of a fork tree: one row per session of it that the user may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from campaign_lab.money import NOTHING
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.columns import Row
from campaign_lab.tables.costs import cost_cells
from campaign_lab.tables.sessions import state_of

if TYPE_CHECKING:
    from campaign_lab.sessions.history.lineage import TreeNode


def tree_rows(con: Con, user: str, session: SessionRow, now: datetime) -> list[Row]:
    """The whole tree around a session, parents before their forks; forks that the user may not see are left out.

    ``checkpoints`` of a row are what the session has beyond the parent that stands in the tree, each to fork from.
    """
    from campaign_lab.sessions.history.lineage import tree

    seen = {row.id: row for row in visible(con, user)}
    return [_tree_row(node, seen, now) for node in tree(con, session) if node.id in seen]


def _tree_row(node: TreeNode, seen: Mapping[str, SessionRow], now: datetime) -> Row:
    row, known = seen[node.id], node.parent_id in seen
    warm_until = node.line[-1].warm_until if node.line else None
    return {
        "session": node.session,
        "parent": (node.parent or "") if known else "",
        "parent_id": (node.parent_id or "") if known else "",
        "checkpoint": node.number,
        "phase": node.phase,
        "purpose": node.purpose,
        "phases": ", ".join(node.phases),
        **cost_cells(node.cost),
        "carried_usd": node.carried.known,
        "carried_unpriced_requests": node.carried.unpriced,
        "automatic": node.automatic,
        "state": state_of(row, now),
        "expires_at": expires_at(row),
        "cache": "" if warm_until is None else "warm" if warm_until >= now else "cold",
        "made_by": node.owner,
        "made_at": node.made_at,
        "notebook": node.notebook or "",
        "cell": node.cell_id or "",
        "id": node.id,
        "checkpoints": _checkpoint_rows(node, known),
    }


def _checkpoint_rows(node: TreeNode, known: bool) -> list[Row]:
    """The session's turns after its start; when its parent is not in the tree (``known``), all from the root on, which is 0."""
    rows = [_root_row(node)] if not known else []
    for number, turn in enumerate(node.line, 1):
        if number > node.number or not known:
            rows.append(
                {
                    "number": number,
                    "phase": turn.phase,
                    "steer": turn.steer,
                    "take": turn.take,
                    **cost_cells(turn.cost),
                    "made_by": turn.user,
                    "made_at": turn.made_at,
                    "notebook": turn.notebook or "",
                    "cell": turn.cell_id or "",
                }
            )
    return rows


def _root_row(node: TreeNode) -> Row:
    return {
        "number": 0, "phase": "root", "steer": "", "take": 1, **cost_cells(NOTHING), "made_by": node.owner,
        "made_at": node.made_at, "notebook": node.notebook or "", "cell": node.cell_id or "",
    }  # fmt: skip
