"""What a lab holds, as plain rows for tables: sessions, costs, the fork tree. Only what the user may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.history.path_loader import all_steps, line_to
from campaign_lab.sessions.spending.costs import BOOKED, COST, session_costs
from campaign_lab.sessions.spending.receipts import MAIN_AGENT
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.store.rows import SessionRow

if TYPE_CHECKING:
    from campaign_lab.sessions.history.lineage import TreeNode
    from campaign_lab.store.connection import Con

Row = dict[str, Any]

COST_KEYS = {
    "user": "attempts.user_name",
    "campaign": "coalesce(sessions.campaign, '')",
    "session": "coalesce(sessions.name, '')",
    "phase": "attempts.phase",
    "agent": f"CASE WHEN requests.agent = '' THEN '{MAIN_AGENT}' ELSE requests.agent END",
    "day": "CAST(CAST(attempts.started_at AS DATE) AS VARCHAR)",
    "model": "requests.model",
    "batch": "coalesce(attempts.batch, '')",
    "run": "coalesce(attempts.run, '')",
}
"""What costs can be told apart by, as SQL of ours."""


def session_rows(con: Con, user: str, now: datetime) -> list[Row]:
    """One row a session that the user may see, newest first."""
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
                **_told(costs.get(row.id, NOTHING)),
                "state": _state(row, now),
                "expires_at": expires_at(row),
                "made_at": row.made_at,
                "endpoint": row.endpoint,
                "id": row.id,
            }
        )
    return rows


def cost_rows(con: Con, user: str, by: str) -> list[Row]:
    """The ledger, summed up. Raises ValueError for a key that is not known."""
    if by not in COST_KEYS:
        raise ValueError(f"by: {by!r} is not allowed; expected one of {', '.join(COST_KEYS)}")
    seen = [row.id for row in visible(con, user)]
    marks = ", ".join("?" for _ in seen) or "''"
    sql = (
        f"SELECT {COST_KEYS[by]}, count(*) FILTER (WHERE requests.complete), "
        "coalesce(sum(requests.input_tokens), 0), coalesce(sum(requests.cache_read_tokens), 0), "
        "coalesce(sum(requests.cache_write_5m_tokens + requests.cache_write_1h_tokens), 0), "
        f"coalesce(sum(requests.output_tokens), 0), count(*) FILTER (WHERE NOT requests.complete), {COST} {BOOKED} "
        f"WHERE attempts.user_name = ? OR sessions.owner = ? OR sessions.id IN ({marks}) GROUP BY 1 "
        "ORDER BY 8 DESC, 1"
    )
    tokens = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    names = (by, "requests", *tokens, "cut_requests")
    rows = con.execute(sql, [user, user, *seen]).fetchall()
    return [dict(zip(names, row, strict=False)) | _told(Sum(float(row[-2]), row[-1])) for row in rows]


def _told(cost: Sum) -> Row:
    """A sum as columns: the dollars that are known, None when nothing is, and how many requests have no price."""
    return {"cost_usd": cost.known, "unpriced_requests": cost.unpriced}


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
        **_told(node.cost),
        "carried_usd": node.carried.known,
        "carried_unpriced_requests": node.carried.unpriced,
        "automatic": node.automatic,
        "state": _state(row, now),
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
    for number, fact in enumerate(node.line, 1):
        if number > node.number or not known:
            rows.append(
                {
                    "number": number,
                    "phase": fact.phase,
                    "steer": fact.steer,
                    "take": fact.take,
                    **_told(fact.cost),
                    "made_by": fact.user,
                    "made_at": fact.made_at,
                    "notebook": fact.notebook or "",
                    "cell": fact.cell_id or "",
                }
            )
    return rows


def _root_row(node: TreeNode) -> Row:
    return {
        "number": 0, "phase": "root", "steer": "", "take": 1, **_told(NOTHING), "made_by": node.owner,
        "made_at": node.made_at, "notebook": node.notebook or "", "cell": node.cell_id or "",
    }  # fmt: skip


def _state(row: SessionRow, now: datetime) -> str:
    end = expires_at(row)
    return "pinned" if row.pinned else "expired" if end is not None and end <= now else "living"
