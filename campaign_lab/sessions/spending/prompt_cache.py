"""The prompt cache as a turn found it: whether its checkpoint's prompt was still cached, and why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import RequestRow

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


def verdict(
    first: Sequence[RequestRow], before: Sequence[RequestRow], *, started_at: datetime, before_ended_at: datetime
) -> CacheVerdict | None:
    """The verdict on a turn, from its own requests and those of the turn before it; None where either has none.

    What can be read is the whole prompt of the last request that the main agent sent before the checkpoint: that is where
    the last breakpoint stood.
    """
    mine, theirs = ([request for request in several if _is_known(request)] for several in (first, before))
    if not mine or not theirs:
        return None
    expected, read = theirs[-1].prompt_tokens or 0, mine[0].cache_read_tokens or 0
    state = state_of(read, expected)
    if state == "warm":
        return CacheVerdict("warm", read, expected, "the checkpoint's prompt was read from the cache")
    age, life = started_at - before_ended_at, _life_after(theirs)
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
    wanted = list({turn for pair in parents.items() for turn in pair if turn is not None})
    sql = (
        f"SELECT attempt_id, cache_read_tokens, {WHOLE} "
        f"FROM requests WHERE subpath = '' AND complete AND {WHOLE} IS NOT NULL AND attempt_id {IN_LIST} ORDER BY n"
    )
    read: dict[str, int] = {}
    prompt: dict[str, int] = {}
    for turn, cached, whole in con.execute(sql, [wanted]).fetchall():
        read.setdefault(turn, cached)  # by the first request
        prompt[turn] = whole  # of the last one
    return {
        turn: state_of(read[turn], prompt[before])
        for turn, before in parents.items()
        if turn in read and before in prompt
    }


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


def _life_after(requests: Sequence[RequestRow]) -> timedelta | None:
    """The life by the last request that wrote to the cache; an entry that was only read counts as long-lived."""
    for request in reversed(requests):
        if life := life_of(request.cache_write_1h_tokens or 0, request.cache_write_5m_tokens or 0):
            return life
    return LONG_LIFE if requests[-1].cache_read_tokens else None


def _is_known(request: RequestRow) -> bool:
    """True for a complete request of the main agent whose prompt tokens are all known."""
    return not request.subpath and request.complete and request.prompt_tokens is not None


def _duration(time: timedelta) -> str:
    """A time in the unit that a person would use."""
    seconds = time.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
