"""What was paid, from the table of requests: one expression for every sum, so that no two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from campaign_lab.money import DIGITS, NOTHING, Sum
from campaign_lab.store.connection import Con
from campaign_lab.store.grants import TAKEN_IN

_KNOWN = "requests.cost_usd BETWEEN 0 AND 1000000"
"""Any other cost is none: not of a request, and not a number that can be added."""

COST = (
    f"coalesce(sum(CASE WHEN requests.complete AND {_KNOWN} "
    f"THEN CAST(requests.cost_usd AS DECIMAL(30, {DIGITS})) END), 0), "
    f"count(*) FILTER (WHERE requests.complete AND ({_KNOWN}) IS NOT TRUE)"
)
"""Two columns: the US dollars that are known, the same to the last digit in any order, and how many requests have no price."""

SESSION = "coalesce(turns.session_id, attempts.session_id)"
"""Whose it is. A turn belongs to the fork that was made for it, not to where its attempt began."""

BOOKED = (
    "FROM requests JOIN attempts ON attempts.id = requests.attempt_id LEFT JOIN turns ON turns.id = attempts.id "
    f"LEFT JOIN sessions ON sessions.id = {SESSION}"
)


def costs_by(con: Con, key: str, where: str = "true", values: Sequence[Any] = ()) -> dict[str, Sum]:
    """The costs by the value of an expression over ``BOOKED``. A value without a request is not in it."""
    rows = con.execute(f"SELECT {key}, {COST} {BOOKED} WHERE {where} GROUP BY 1", list(values)).fetchall()
    return {name: Sum(float(known), unpriced) for name, known, unpriced in rows}


def cost_where(con: Con, where: str, values: Sequence[Any]) -> Sum:
    """The cost of all requests that fit."""
    return costs_by(con, "'all'", where, values).get("all", NOTHING)


def session_costs(con: Con) -> dict[str, Sum]:
    """By session id, what was paid on it: its own turns, and its attempts that failed or were cancelled."""
    return costs_by(con, SESSION)


def turn_costs(con: Con) -> dict[str, Sum]:
    """By attempt id, which for finished attempts is the turn id, what it cost."""
    return costs_by(con, "attempts.id")


def spent_by(con: Con, user: str, since: datetime | None = None) -> Sum:
    """What a user has paid, in all or since a moment. What somebody else took in under the user's name is no part of it."""
    own = "attempts.user_name = ? AND attempts.cause IS DISTINCT FROM ?"
    if since is None:
        return cost_where(con, own, [user, TAKEN_IN])
    return cost_where(con, f"{own} AND attempts.started_at >= ?", [user, TAKEN_IN, since])


def midnight_of(now: datetime) -> datetime:
    """The beginning of the UTC day."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
