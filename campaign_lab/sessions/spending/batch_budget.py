"""Batches: what a batch has spent, run by run, and the budget that holds over all its notebooks together.

All sums are US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.budgets import (
    CHARACTERS_A_TOKEN,
    conversation_tokens,
    estimate,
    hold,
    mean_cost,
    typical_usd,
)
from campaign_lab.sessions.spending.costs import BOOKED, cost_where, costs_by
from campaign_lab.store import queries

if TYPE_CHECKING:
    from campaign_lab.sessions.context import Context
    from campaign_lab.sessions.run.attempt import TurnSpec
    from campaign_lab.store.connection import Con


@dataclass(frozen=True)
class RunCost:
    """What one run of a batch has cost so far, over all its tries.

    ``paid`` is of finished turns, ``cut`` of attempts that failed or were cut; ``cut_requests`` counts requests whose response
    was cut: what they cost nobody knows. ``running`` counts turns that are being made.
    """

    paid: Sum = NOTHING
    cut: Sum = NOTHING
    cut_requests: int = 0
    running: int = 0

    @property
    def spent(self) -> Sum:
        """All that is known to be paid."""
        return self.paid + self.cut


def batch_costs(con: Con, batch: str) -> dict[str, RunCost]:
    """By run id, what the runs of a batch have cost. A run that only replayed has no attempt, and is not there."""
    by_run = "coalesce(attempts.run, '')"
    tries = f"SELECT {by_run}, count(*) FILTER (WHERE state = 'running') FROM attempts WHERE batch = ? GROUP BY 1 ORDER BY 1"
    paid, cut = (
        costs_by(con, by_run, f"attempts.batch = ? AND attempts.state = '{state}'", [batch])
        for state in ("finished", "failed")
    )
    lost = f"SELECT {by_run}, count(*) {BOOKED} WHERE attempts.batch = ? AND NOT requests.complete GROUP BY 1"
    requests = dict(con.execute(lost, [batch]).fetchall())
    return {
        run: RunCost(paid.get(run, NOTHING), cut.get(run, NOTHING), requests.get(run, 0), running)
        for run, running in con.execute(tries, [batch]).fetchall()
    }


def spent_on(con: Con, batch: str) -> Sum:
    """What the ended attempts of a batch cost."""
    return cost_where(con, "attempts.batch = ?", [batch])


def hold_batch(con: Con, context: Context, order: TurnSpec, *, attempt_id: str) -> TurnSpec:
    """The order with no more budget than its batch has left, when what runs now costs what is expected of it.

    Called in the transaction that claimed the order for the attempt. Raises BudgetExceeded, which takes the claim back.
    """
    tag = context.batch
    if tag is None or tag.budget_usd is None:
        return order
    expected = estimate(con, order).usd
    under_way = _under_way(con, context, order, but=attempt_id, batch=tag.batch)
    spent = spent_on(con, tag.batch) + Sum(under_way or 0.0)
    left = hold([("batch", tag.budget_usd, spent)], None if under_way is None else expected)
    assert left is not None
    return replace(order, budget_usd=left if order.budget_usd is None else min(order.budget_usd, left))


def _under_way(con: Con, context: Context, order: TurnSpec, *, but: str, batch: str) -> float | None:
    """What is expected of the batch's other attempts that run now; None when the price of one is not known.

    Their messages are not stored yet: each counts as long as ours, because the runs of a batch send much the same.
    """
    sql = (
        "SELECT attempts.phase, sessions.model, attempts.parent_turn FROM attempts "
        "JOIN sessions ON sessions.id = attempts.session_id "
        "WHERE attempts.batch = ? AND attempts.state = 'running' AND attempts.id <> ?"
    )
    message = len(order.message) // CHARACTERS_A_TOKEN

    def expected(phase: str, model: str, parent: str | None) -> float | None:
        if (recorded := mean_cost(con, phase, model)) is not None:
            return recorded
        main = conversation_tokens(con, queries.ancestry(con, parent)) + message
        known = context.phases.get(phase)
        return typical_usd(model, main, agents=len(known.agents) if known else 0)

    rows = con.execute(sql, [batch, but]).fetchall()
    return Sum.of(expected(phase, model, parent) for phase, model, parent in rows).whole
