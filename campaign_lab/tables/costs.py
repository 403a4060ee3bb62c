"""The table of costs: the ledger of the requests that the user may see, summed up by one key."""

from __future__ import annotations

from campaign_lab.money import Sum
from campaign_lab.sessions.spending.costs import BOOKED, COST
from campaign_lab.sessions.spending.receipts import MAIN_AGENT
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.store.connection import Con
from campaign_lab.store.grants import TAKEN_IN
from campaign_lab.store.queries import literal
from campaign_lab.tables.columns import Row

COST_KEYS = {
    "user": f"attempts.user_name || CASE WHEN attempts.cause = {literal(TAKEN_IN)} THEN ' (taken in)' ELSE '' END",
    "campaign": "coalesce(sessions.campaign, '')",
    "session": "coalesce(sessions.name, '')",
    "phase": "attempts.phase",
    "agent": f"CASE WHEN requests.agent = '' THEN '{MAIN_AGENT}' ELSE requests.agent END",
    "day": "CAST(CAST(attempts.started_at AS DATE) AS VARCHAR)",
    "model": "requests.model",
    "batch": "coalesce(attempts.batch, '')",
    "run": "coalesce(attempts.run, '')",
}
"""What costs can be grouped by, and the SQL expression of each."""


def cost_rows(con: Con, user: str, by: str) -> list[Row]:
    """One row per value of the key ``by``, the dearest first. Raises ValueError for a key that is not known."""
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
    return [dict(zip(names, row, strict=False)) | cost_cells(Sum(float(row[-2]), row[-1])) for row in rows]


def cost_cells(cost: Sum) -> Row:
    """A sum as the two columns ``cost_usd`` (None when nothing is known) and ``unpriced_requests``."""
    return {"cost_usd": cost.known, "unpriced_requests": cost.unpriced}
