"""What a tree shows of each turn, without reading what was said: three queries for all turns of a lab, however many forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.spending import prompt_cache
from campaign_lab.sessions.spending.costs import turn_costs
from campaign_lab.store.connection import Con


@dataclass(frozen=True)
class TurnSummary:
    """A finished turn. ``cost`` is its own; ``warm_until`` is when the cached prompt of its end expires, None where
    nothing was cached.
    """

    id: str
    parent: str | None
    phase: str
    steer: str
    take: int
    user: str
    made_at: datetime
    notebook: str | None
    cell_id: str | None
    cost: Sum
    warm_until: datetime | None


Facts = Mapping[str, TurnSummary]


def turn_summaries(con: Con) -> dict[str, TurnSummary]:
    """All finished turns of the lab, by id."""
    costs = turn_costs(con)
    warm = prompt_cache.warm_until(con)
    sql = "SELECT id, parent_turn, phase, steer, take, user_name, finished_at, notebook, cell_id FROM turns"
    rows = con.execute(sql).fetchall()
    return {row[0]: TurnSummary(*(*row, costs.get(row[0], NOTHING), warm.get(row[0]))) for row in rows}


def cost_of(line: Sequence[TurnSummary]) -> Sum:
    """What the turns of a line cost."""
    return sum((fact.cost for fact in line), NOTHING)
