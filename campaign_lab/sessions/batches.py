"""Batches: what a batch has spent, run by run, and the budget that holds over all its notebooks together.

All sums are US dollars.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from campaign_lab.agents.prices import known_sum
from campaign_lab.errors import BudgetExceeded
from campaign_lab.sessions.budgets import CHARACTERS_A_TOKEN, conversation_tokens, estimate, mean_cost, typical_usd
from campaign_lab.store import tables
from campaign_lab.store.rows import AttemptRow

if TYPE_CHECKING:
    from campaign_lab.sessions.context import Context
    from campaign_lab.sessions.running import Order
    from campaign_lab.store.connection import Con


@dataclass(frozen=True)
class RunCost:
    """What one run of a batch has cost so far, over all its tries.

    ``paid_usd`` is of finished turns, None when the price of one is not known; ``cut_usd`` of attempts that failed or were
    cut, as far as it is known; ``cut_requests`` counts requests whose response was cut: what they cost nobody knows.
    ``running`` counts turns that are being made.
    """

    paid_usd: float | None
    cut_usd: float
    cut_requests: int
    running: int


def batch_costs(con: Con, batch: str) -> dict[str, RunCost]:
    """By run id, what the runs of a batch have cost. A run that only replayed has no attempt, and is not there."""
    attempts: dict[str, list[AttemptRow]] = {}
    for row in tables.select(con, AttemptRow, "WHERE batch = ? ORDER BY run, started_at, id", [batch]):
        attempts.setdefault(row.run or "", []).append(row)
    sql = (
        "SELECT attempts.run, count(*) FROM requests JOIN attempts ON attempts.id = requests.attempt_id "
        "WHERE attempts.batch = ? AND NOT requests.complete GROUP BY attempts.run"
    )
    cut = {run or "": int(count) for run, count in con.execute(sql, [batch]).fetchall()}
    return {run: _cost(rows, cut.get(run, 0)) for run, rows in attempts.items()}


def _cost(rows: Iterable[AttemptRow], cut_requests: int) -> RunCost:
    costs: dict[str, list[float | None]] = {"finished": [], "failed": [], "running": []}
    for row in rows:
        costs[row.state].append(row.cost_usd)
    failed = math.fsum(usd for usd in costs["failed"] if usd is not None)
    return RunCost(known_sum(costs["finished"]), failed, cut_requests, len(costs["running"]))


def spent_on(con: Con, batch: str) -> float:
    """What the ended attempts of a batch cost, as far as it is known."""
    sql = "SELECT cost_usd FROM attempts WHERE batch = ? AND cost_usd IS NOT NULL"
    return math.fsum(usd for (usd,) in con.execute(sql, [batch]).fetchall())


def hold_batch(con: Con, context: Context, order: Order, *, attempt_id: str) -> Order:
    """The order with no more budget than its batch has left, when what runs now costs what is expected of it.

    Called in the transaction that claimed the order for the attempt. Raises BudgetExceeded, which takes the claim back.
    """
    tag = context.batch
    if tag is None or tag.budget_usd is None:
        return order
    expected = estimate(con, order).usd
    under_way = _under_way(con, context, order, but=attempt_id, batch=tag.batch)
    spent = math.fsum((spent_on(con, tag.batch), under_way or 0.0))
    if expected is None or under_way is None or spent + expected > tag.budget_usd:
        raise BudgetExceeded("batch", tag.budget_usd, spent, None if under_way is None else expected)
    left = tag.budget_usd - spent
    return replace(order, budget_usd=left if order.budget_usd is None else min(order.budget_usd, left))


def _under_way(con: Con, context: Context, order: Order, *, but: str, batch: str) -> float | None:
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
        main = conversation_tokens(con, tables.ancestry(con, parent)) + message
        known = context.phases.get(phase)
        return typical_usd(model, main, agents=len(known.agents) if known else 0)

    rows = con.execute(sql, [batch, but]).fetchall()
    return known_sum(expected(phase, model, parent) for phase, model, parent in rows)
