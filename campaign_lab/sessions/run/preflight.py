"""Admission: what stands between a miss and the endpoint. Whatever is refused here, nothing was sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from campaign_lab.errors import EndpointError, ReplayMiss, SessionExpired, TranscriptGone
from campaign_lab.sessions.budgets import check, estimate
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run.attempt import TurnSpec
from campaign_lab.sessions.run.cache_miss import why_not_replayed
from campaign_lab.sessions.run.claims import LookupResult
from campaign_lab.sessions.spending.costs import cost_where
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.store.queries import IN_LIST

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


def admit(con: Con, context: Context, order: TurnSpec, *, found: LookupResult, on_miss: str) -> TurnSpec:
    """The order with the budget that is left for it. Raises what ``Session.run`` raises."""
    expected = estimate(con, order).usd
    if on_miss == "refuse":
        raise ReplayMiss(order.phase.name, why_not_replayed(con, order, found.siblings), expected)
    if order.session.endpoint != context.endpoint.name:
        reason = (
            f"the session {order.session.name!r} is one of {order.session.endpoint}; open the lab with that endpoint"
        )
        raise EndpointError(context.endpoint.name, reason)
    end = expires_at(order.session)
    if end is not None and end <= context.now():
        raise SessionExpired(order.session.name, f"{end:%Y-%m-%d %H:%M} UTC")
    if _gone(con, order):
        raise TranscriptGone(order.session.name, order.phase.name, _again(con, order, expected))
    left = check(con, order, context.budgets, user=context.user, now=context.now())
    limits = [limit for limit in (order.budget_usd, left) if limit is not None]
    return replace(order, budget_usd=min(limits, default=None))


def _again(con: Con, order: TurnSpec, expected: float | None) -> float | None:
    """What it would cost to make the turns before this one again, and this one."""
    before = cost_where(con, f"attempts.id {IN_LIST}", [[turn.id for turn in order.line]])
    return before.plus(expected).whole


def _gone(con: Con, order: TurnSpec) -> bool:
    """Was the conversation of a turn before this one swept?"""
    if not order.line:
        return False
    marks = ", ".join("?" for _ in order.line)
    sql = f"SELECT count(DISTINCT session_id) FROM entries WHERE session_id IN ({marks})"
    row = con.execute(sql, [turn.id for turn in order.line]).fetchone()
    return row is not None and int(row[0]) < len(order.line)
