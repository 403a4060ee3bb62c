"""What a tree shows of each turn, without reading what was said: three queries for all turns of a lab, however many forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from campaign_lab.agents.prices import known_sum

if TYPE_CHECKING:
    from campaign_lab.store.tables import Con

LONG_LIFE, SHORT_LIFE = timedelta(hours=1), timedelta(minutes=5)
"""How long an entry of the prompt cache lives after its last use, by how it was written."""


@dataclass(frozen=True)
class Fact:
    """A finished turn. ``cost_usd`` is its own, None when a price is unknown.

    ``warm_until`` is when the cached prompt of its end expires, None where nothing was cached.
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
    cost_usd: float | None
    warm_until: datetime | None


Facts = Mapping[str, Fact]


def turn_facts(con: Con) -> dict[str, Fact]:
    """All finished turns of the lab, by id."""
    costs = dict(con.execute("SELECT id, cost_usd FROM attempts").fetchall())
    lives = _cache_lives(con)
    sql = "SELECT id, parent_turn, phase, steer, take, user_name, finished_at, notebook, cell_id FROM turns"
    rows = con.execute(sql).fetchall()
    used: dict[str, datetime] = {}
    for turn, parent, *_, at, _, _ in rows:
        for each in filter(None, (turn, parent)):
            used[each] = max(used.get(each, at), at)
    found: dict[str, Fact] = {}
    for row in rows:
        life = lives.get(row[0])
        found[row[0]] = Fact(*(*row, costs.get(row[0]), used[row[0]] + life if life else None))
    return found


def line_in(facts: Facts, turn: str | None) -> tuple[Fact, ...]:
    """The turns from the root to this one; none for the root."""
    line: dict[str, Fact] = {}
    while turn is not None and turn in facts and turn not in line:
        line[turn] = facts[turn]
        turn = facts[turn].parent
    return tuple(reversed(line.values()))


def cost_of(line: Sequence[Fact]) -> float | None:
    """US dollars of the turns of a line; None when a price is unknown."""
    return known_sum(fact.cost_usd for fact in line)


def _cache_lives(con: Con) -> dict[str, timedelta]:
    """By turn, how long what the main agent wrote to the prompt cache lives; turns that wrote nothing are not there."""
    sql = (
        "SELECT attempt_id, bool_or(cache_write_1h_tokens > 0) FROM requests WHERE subpath = '' AND complete "
        "AND cache_write_1h_tokens + cache_write_5m_tokens > 0 GROUP BY attempt_id"
    )
    return {turn: LONG_LIFE if long else SHORT_LIFE for turn, long in con.execute(sql).fetchall()}
