"""Limits: the one check of what may still be spent, for a turn, a fan-out and a batch. All amounts are US dollars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from campaign_lab.errors import BudgetExceeded
from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.spending.costs import SESSION, cost_where, midnight_of, spent_by
from campaign_lab.store import queries
from campaign_lab.store.connection import Con


class Limit(NamedTuple):
    """A budget and what has been spent of it. ``scope`` says whose it is, as in BudgetExceeded; ``usd`` None is no limit."""

    scope: str
    usd: float | None
    spent: Sum = NOTHING


def check_limits(limits: Iterable[Limit], expected: float | None) -> float | None:
    """The US dollars that the tightest limit leaves; None where there is no limit.

    Raises BudgetExceeded when ``expected`` does not fit, or is None (not known) and there is a limit.
    """
    left = []
    for scope, usd, spent in limits:
        if usd is None:
            continue
        if expected is None or spent.usd + expected > usd:
            raise BudgetExceeded(scope, usd, spent, expected)
        left.append(usd - spent.usd)
    return min(left, default=None)


def check_turn(con: Con, context: Context, spec: TurnSpec, expected: float | None) -> float | None:
    """The US dollars that the turn may cost; None where nothing limits it. Raises BudgetExceeded.

    The turn's own budget stops it once it is used up, so the estimate may be more than that; but its price must be known.
    """
    own = check_limits([Limit("turn", spec.budget_usd)], None if expected is None else 0.0)
    turn = Limit("turn", context.budgets.turn_usd)
    session = Limit("session", context.budgets.session_usd, _spent_on_family(con, spec))
    left = check_limits([turn, session, *user_limits(con, context)], expected)
    return min((usd for usd in (own, left) if usd is not None), default=None)


def user_limits(con: Con, context: Context) -> list[Limit]:
    """The budgets of the lab's user: in all, and of this UTC day."""
    budgets, user = context.budgets, context.user
    today = spent_by(con, user, since=midnight_of(context.now()))
    return [Limit("user", budgets.user_usd, spent_by(con, user)), Limit("day", budgets.day_usd, today)]


def _spent_on_family(con: Con, spec: TurnSpec) -> Sum:
    """What was spent on the session and on the forks that its runs made by themselves."""
    ids = queries.family_of(con, spec.session, renewed=False) or {spec.session.id}
    return cost_where(con, f"{SESSION} {queries.IN_LIST}", [sorted(ids)])
