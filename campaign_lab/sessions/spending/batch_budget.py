"""What a batch has spent, run by run, and the budget that holds over all its notebooks together, in US dollars."""

from __future__ import annotations

from dataclasses import dataclass, replace

from campaign_lab.agents.phases import Phase
from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.context import BatchTag, Context
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.spending.costs import BOOKED, cost_where, costs_by
from campaign_lab.sessions.spending.estimate import estimate
from campaign_lab.sessions.spending.limits import Limit, check_limits
from campaign_lab.store import queries
from campaign_lab.store.connection import Con


@dataclass(frozen=True)
class RunCost:
    """What one run of a batch has cost so far, over all its tries.

    ``paid`` is for finished turns, ``cut`` for attempts that failed or were cut off. ``cut_requests`` counts the requests whose
    response was cut, so that nobody knows their cost.
    """

    paid: Sum = NOTHING
    cut: Sum = NOTHING
    cut_requests: int = 0

    @property
    def spent(self) -> Sum:
        """What was paid for finished turns and for others."""
        return self.paid + self.cut


def batch_costs(con: Con, batch: str) -> dict[str, RunCost]:
    """By run id, what the runs of a batch have cost. A run that has sent nothing, because it only replayed, is not in it."""
    by_run = "coalesce(attempts.run, '')"
    paid, cut = (
        costs_by(con, by_run, f"attempts.batch = ? AND attempts.state = '{state}'", [batch])
        for state in ("finished", "failed")
    )
    lost = f"SELECT {by_run}, count(*) {BOOKED} WHERE attempts.batch = ? AND NOT requests.complete GROUP BY 1"
    requests = dict(con.execute(lost, [batch]).fetchall())
    return {
        run: RunCost(paid.get(run, NOTHING), cut.get(run, NOTHING), requests.get(run, 0))
        for run in sorted({*paid, *cut})
    }


def batch_limit(con: Con, tag: BatchTag) -> Limit:
    """The budget of a batch, and what its ended attempts cost."""
    return Limit("batch", tag.budget_usd, cost_where(con, "attempts.batch = ?", [tag.batch]))


def within_batch_budget(con: Con, context: Context, spec: TurnSpec, *, attempt_id: str) -> TurnSpec:
    """The turn with no more budget than its batch has left, once what runs now has cost what is expected of it.

    Called in the transaction that claimed the turn for the attempt. Raises BudgetExceeded, which takes the claim back.
    """
    tag = context.batch
    if tag is None or tag.budget_usd is None:
        return spec
    others = _expected_of_running(con, context, spec, without=attempt_id, batch=tag.batch)
    limit = batch_limit(con, tag)
    limit = limit._replace(spent=limit.spent + Sum(others or 0.0))
    left = check_limits([limit], None if others is None else estimate(con, spec).usd)
    assert left is not None
    return replace(spec, budget_usd=left if spec.budget_usd is None else min(spec.budget_usd, left))


def _expected_of_running(con: Con, context: Context, spec: TurnSpec, *, without: str, batch: str) -> float | None:
    """The US dollars expected of the batch's other attempts that run now; None when the price of one is not known.

    Their messages are not stored yet. Each counts as long as ours, because the runs of a batch send much the same.
    """
    sql = (
        "SELECT attempts.phase, sessions.model, attempts.parent_turn FROM attempts "
        "JOIN sessions ON sessions.id = attempts.session_id "
        "WHERE attempts.batch = ? AND attempts.state = 'running' AND attempts.id <> ?"
    )

    def expected(name: str, model: str, parent: str | None) -> float | None:
        phase = context.phases.get(name) or Phase(name=name, prompt="")
        other = replace(spec, phase=phase, model=model, ancestors=tuple(queries.ancestry(con, parent)))
        return estimate(con, other).usd

    rows = con.execute(sql, [batch, without]).fetchall()
    return Sum.of(expected(phase, model, parent) for phase, model, parent in rows).whole
