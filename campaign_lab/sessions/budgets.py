"""Budgets: what may be spent, an estimate before a run, and the refusal that says the numbers. All sums are US dollars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from campaign_lab.agents.prices import TokenUsage, price_usd
from campaign_lab.errors import BudgetExceeded
from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.spending.costs import SESSION, cost_where
from campaign_lab.store import queries

if TYPE_CHECKING:
    from campaign_lab.sessions.run.attempt import TurnSpec
    from campaign_lab.store.connection import Con

CHARACTERS_A_TOKEN = 4
TOKENS_READ_AN_AGENT = 30_000
TOKENS_WRITTEN = 2_500
"""Typical sizes, for an estimate before anything like it was run: a page is about 4,000 tokens, an agent reads up to six."""


@dataclass(frozen=True)
class Budgets:
    """The most that may be spent in US dollars: on one turn, on one session, by one user, by one user on one UTC day."""

    turn_usd: float | None = None
    session_usd: float | None = None
    user_usd: float | None = None
    day_usd: float | None = None


TURN_USD, SESSION_USD = "CAMPAIGN_LAB_TURN_USD", "CAMPAIGN_LAB_SESSION_USD"
"""Environment variables with what a turn and a session may cost, for a lab that is given no budgets."""


def budgets_of(environ: Mapping[str, str]) -> Budgets:
    """The budgets that the environment sets. Raises ValueError for one that is no number of US dollars."""
    return Budgets(turn_usd=dollars(environ, TURN_USD), session_usd=dollars(environ, SESSION_USD))


def dollars(environ: Mapping[str, str], name: str) -> float | None:
    """A sum from the environment, None where it has none. Raises ValueError."""
    said = environ.get(name, "")
    if not said.strip():
        return None
    try:
        usd = float(said)
    except ValueError:
        usd = math.nan
    if not (math.isfinite(usd) and usd >= 0):
        raise ValueError(f"{name}: {said!r} is not allowed; expected US dollars, such as 5.00")
    return usd


@dataclass(frozen=True)
class Estimate:
    """About what a turn will cost: never a promise.

    ``basis`` is ``recorded`` (turns like it), ``counted`` (its message by the endpoint's own count, the rest typical),
    ``sizes`` (all typical) or ``replay``.
    """

    usd: float | None
    basis: Literal["recorded", "counted", "sizes", "replay"]


def estimate(con: Con, order: TurnSpec, message_tokens: int | None = None) -> Estimate:
    """The mean of finished turns of the same phase and model; else a price for typical sizes; None for an unknown price.

    ``message_tokens`` is the size of the order's message, where the endpoint has counted it.
    """
    model = order.session.model
    recorded = mean_cost(con, order.phase.name, model)
    if recorded is not None:
        return Estimate(recorded, "recorded")
    message = len(order.message) // CHARACTERS_A_TOKEN if message_tokens is None else message_tokens
    main = conversation_tokens(con, [turn.id for turn in order.line]) + message
    basis: Literal["counted", "sizes"] = "sizes" if message_tokens is None else "counted"
    return Estimate(typical_usd(model, main, agents=len(order.phase.agents)), basis)


def typical_usd(model: str, main_tokens: int, *, agents: int) -> float | None:
    """What a turn of typical size costs: what the main agent is sent, and so many agents; None for an unknown price."""
    read, written = agents * TOKENS_READ_AN_AGENT, agents * TOKENS_WRITTEN
    uses = (
        TokenUsage(input_tokens=main_tokens, output_tokens=TOKENS_WRITTEN),
        TokenUsage(input_tokens=read, output_tokens=written),
    )
    return Sum.of(price_usd(model, use) for use in uses).whole


def mean_cost(con: Con, phase: str, model: str) -> float | None:
    """What turns of a phase have cost with a model, on average; None when there is none with a known price.

    None also when the model has no price any more: what it cost once does not tell what it will.
    """
    if price_usd(model, TokenUsage()) is None:
        return None
    sql = (
        "SELECT avg(attempts.cost_usd) FROM attempts JOIN turns ON turns.id = attempts.id "
        "WHERE turns.phase = ? AND turns.model = ? AND attempts.cost_usd IS NOT NULL"
    )
    row = con.execute(sql, [phase, model]).fetchone()
    return None if row is None or row[0] is None else float(row[0])


Scope = tuple[str, float | None, Sum]
"""What a budget is for, how much it is (None: no limit), and what was spent under it."""


def hold(scopes: Iterable[Scope], expected: float | None) -> float | None:
    """What the scopes leave, None for no limit. Raises BudgetExceeded when the estimate does not fit, or is not known."""
    left = []
    for scope, limit, spent in scopes:
        if limit is None:
            continue
        if expected is None or spent.usd + expected > limit:
            raise BudgetExceeded(scope, limit, spent, expected)
        left.append(limit - spent.usd)
    return min(left, default=None)


def check(con: Con, order: TurnSpec, budgets: Budgets, *, user: str, now: datetime) -> float | None:
    """What is left for this turn, None for no limit. Raises BudgetExceeded when the estimate does not fit.

    ``order.budget_usd`` stops the turn when it is used up, so the estimate may be more; but its price must be known.
    """
    expected = estimate(con, order).usd
    if order.budget_usd is not None and expected is None:
        raise BudgetExceeded("turn", order.budget_usd, NOTHING, None)
    scopes = (("turn", budgets.turn_usd, NOTHING), ("session", budgets.session_usd, _of_family(con, order)))
    return hold((*scopes, *of_user(con, budgets, user, now)), expected)


def of_user(con: Con, budgets: Budgets, user: str, now: datetime) -> list[Scope]:
    """The budgets of a user, in all and of today."""
    today = spent_by(con, user, since=midnight_of(now))
    return [("user", budgets.user_usd, spent_by(con, user)), ("day", budgets.day_usd, today)]


def _of_family(con: Con, order: TurnSpec) -> Sum:
    """What was spent on the session, the forks that its runs made by themselves included."""
    ids = [row.id for row in queries.family_of(con, order.session, renewed=False)] or [order.session.id]
    return cost_where(con, f"{SESSION} {queries.IN_LIST}", [ids])


def spent_by(con: Con, user: str, since: datetime | None = None) -> Sum:
    """What a user has paid, in all or since a moment."""
    if since is None:
        return cost_where(con, "attempts.user_name = ?", [user])
    return cost_where(con, "attempts.user_name = ? AND attempts.started_at >= ?", [user, since])


def midnight_of(now: datetime) -> datetime:
    """The beginning of the UTC day."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def conversation_tokens(con: Con, line: Sequence[str]) -> int:
    """Size of the main conversation of the turns of these ids, from what is stored of it."""
    if not line:
        return 0
    sql = f"SELECT coalesce(sum(length(entry)), 0) FROM entries WHERE subpath = '' AND session_id {queries.IN_LIST}"
    row = con.execute(sql, [list(line)]).fetchone()
    return int(row[0]) // CHARACTERS_A_TOKEN if row else 0
