"""The prompt cache as a turn found it: whether its checkpoint's prompt was still cached, and why not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import TurnRow

WARM_SHARE = 0.95
COLD_SHARE = 0.5
LONG_LIFE, SHORT_LIFE = timedelta(hours=1), timedelta(minutes=5)
"""How long an entry of the prompt cache lives after its last use, by how it was written."""


WHOLE = "input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens"
"""The tokens of a request's whole prompt, as SQL; NULL where one count is not known."""

State = Literal["warm", "partial", "cold"]


@dataclass(frozen=True)
class CacheVerdict:
    """How much of the checkpoint's prompt the turn's first request read from the cache, in tokens, and why not more."""

    state: State
    read_tokens: int
    expected_tokens: int
    reason: str


class PromptUse(NamedTuple):
    """How the main agent of a turn used the prompt cache, by those of its requests whose prompt tokens are all known.

    In tokens, ``first_read`` is what its first request read from the cache, ``prompt`` the whole prompt of its last request and
    ``last_read`` what that one read. ``written`` is the life of the entry that was written last, None where none was.
    """

    first_read: int
    prompt: int
    last_read: int
    written: timedelta | None

    @property
    def life(self) -> timedelta | None:
        """How long the end of the prompt stays cached; an entry that was only read counts as long-lived."""
        return self.written or (LONG_LIFE if self.last_read else None)


def verdict(con: Con, turn: TurnRow, before: TurnRow) -> CacheVerdict | None:
    """The verdict on a turn, by the turn before it; None where either has no such request.

    What can be read is the whole prompt of the last request that the main agent sent before the checkpoint: that is where
    the last breakpoint stood.
    """
    uses = _uses(con, [turn.id, before.id])
    if len(uses) < 2:
        return None
    read, expected, life = uses[turn.id].first_read, uses[before.id].prompt, uses[before.id].life
    state = state_of(read, expected)
    if state == "warm":
        return CacheVerdict("warm", read, expected, "the checkpoint's prompt was read from the cache")
    age = turn.started_at - before.finished_at
    if life is None:
        reason = "the checkpoint's prompt was too short to be cached, or the endpoint does not cache"
    elif age > life:
        reason = f"the checkpoint was {_duration(age)} old, and its cache entry lives {_duration(life)}"
    else:
        reason = (
            f"the checkpoint was only {_duration(age)} old: the endpoint dropped its entry, or a part before it changed"
        )
    return CacheVerdict(state, read, expected, reason)


def states(con: Con, parents: Mapping[str, str | None]) -> dict[str, State]:
    """By turn, the state of its verdict. ``parents`` has the turn before each; turns of which it is not known are left out."""
    uses = _uses(con, {turn for pair in parents.items() for turn in pair if turn is not None})
    return {
        turn: state_of(uses[turn].first_read, uses[before].prompt)
        for turn, before in parents.items()
        if turn in uses and before in uses
    }


def _uses(con: Con, turns: Collection[str]) -> dict[str, PromptUse]:
    sql = (
        f"SELECT attempt_id, cache_read_tokens, {WHOLE}, cache_write_1h_tokens, cache_write_5m_tokens FROM requests "
        f"WHERE subpath = '' AND complete AND {WHOLE} IS NOT NULL AND attempt_id {IN_LIST} ORDER BY n"
    )
    found: dict[str, PromptUse] = {}
    for turn, read, prompt, long, short in con.execute(sql, [list(turns)]).fetchall():
        earlier = found.get(turn, PromptUse(read, prompt, read, None))
        found[turn] = PromptUse(earlier.first_read, prompt, read, life_of(long, short) or earlier.written)
    return found


def life_of(long_tokens: int, short_tokens: int) -> timedelta | None:
    """How long the end of a prompt stays cached, given the tokens written for one hour and for five minutes; None for none.

    The part written for long comes first, so the end lives as long as the part written for short.
    """
    return SHORT_LIFE if short_tokens else LONG_LIFE if long_tokens else None


def warm_until(con: Con, turn: str | None = None) -> dict[str, datetime]:
    """By turn, until when the cached prompt of its end can be read; for all turns of the lab, or for one.

    Its life counts from the last use: the end of the turn, or of one that follows it. The main agent's last request that
    wrote to the cache decides how long it is. Turns that cached nothing are left out.
    """
    written = (
        "SELECT DISTINCT ON (attempt_id) attempt_id, cache_write_1h_tokens AS long, cache_write_5m_tokens AS short "
        "FROM requests WHERE subpath = '' AND complete AND cache_write_1h_tokens + cache_write_5m_tokens > 0 "
        f"{'' if turn is None else 'AND attempt_id = ? '}ORDER BY attempt_id, coalesce(n, 0) DESC"
    )
    sql = (
        "SELECT turns.id, greatest(turns.finished_at, max(later.finished_at)), long, short "
        f"FROM turns JOIN ({written}) AS written ON written.attempt_id = turns.id "
        "LEFT JOIN turns AS later ON later.parent_turn = turns.id GROUP BY turns.id, turns.finished_at, long, short"
    )
    rows = con.execute(sql, [] if turn is None else [turn]).fetchall()
    lives = ((found, used, life_of(long, short)) for found, used, long, short in rows)
    return {found: used + life for found, used, life in lives if life}


def state_of(read_tokens: int, expected_tokens: int) -> State:
    """``warm`` when nearly the whole prompt was read from the cache, ``cold`` when less than half was, else ``partial``."""
    share = read_tokens / expected_tokens if expected_tokens else 0.0
    return "warm" if share >= WARM_SHARE else "cold" if share < COLD_SHARE else "partial"


def _duration(time: timedelta) -> str:
    """A time in the unit that a person would use."""
    seconds = time.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
