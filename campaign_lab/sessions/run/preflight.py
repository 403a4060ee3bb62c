"""The checks before a turn is sent. Whatever is refused here, nothing was sent."""

from __future__ import annotations

from dataclasses import replace

from campaign_lab.errors import EndpointError, ReplayMiss, SessionExpired, TranscriptGone
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run.cache_miss import why_not_replayed
from campaign_lab.sessions.run.lookup import LookupResult
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.spending.costs import cost_where
from campaign_lab.sessions.spending.estimate import estimate
from campaign_lab.sessions.spending.limits import check_turn
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST


def preflight(con: Con, context: Context, spec: TurnSpec, *, found: LookupResult, on_miss: str) -> TurnSpec:
    """The turn with the budget that is left for it. Raises the errors of ``Session.run``."""
    expected = estimate(con, spec).usd
    if on_miss == "refuse":
        raise ReplayMiss(spec.phase.name, why_not_replayed(con, spec, found.siblings), expected)
    if spec.session.endpoint != context.endpoint.name:
        reason = f"the session {spec.session.name!r} is one of {spec.session.endpoint}; open the lab with that endpoint"
        raise EndpointError(context.endpoint.name, reason)
    end = expires_at(spec.session)
    if end is not None and end <= context.now():
        raise SessionExpired(spec.session.name, f"{end:%Y-%m-%d %H:%M} UTC")
    if _is_swept(con, spec):
        before = cost_where(con, f"attempts.id {IN_LIST}", [list(spec.ancestors)])
        raise TranscriptGone(spec.session.name, spec.phase.name, before.plus(expected).whole)
    return replace(spec, budget_usd=check_turn(con, context, spec, expected))


def _is_swept(con: Con, spec: TurnSpec) -> bool:
    """Was the conversation of a turn before this one swept?"""
    sql = f"SELECT count(DISTINCT session_id) FROM entries WHERE session_id {IN_LIST}"
    row = con.execute(sql, [list(spec.ancestors)]).fetchone()
    return row is not None and int(row[0]) < len(spec.ancestors)
