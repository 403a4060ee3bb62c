"""The prompt cache as a turn met it: was its checkpoint's prompt still warm, and if not, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from campaign_lab.store.rows import RequestRow

WARM_SHARE = 0.95
COLD_SHARE = 0.5


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
    mine = [request for request in first if not request.subpath and request.complete]
    theirs = [request for request in before if not request.subpath and request.complete]
    if not mine or not theirs:
        return None
    last = theirs[-1]
    written = last.cache_write_5m_tokens + last.cache_write_1h_tokens
    expected = last.input_tokens + last.cache_read_tokens + written
    read = mine[0].cache_read_tokens
    state = state_of(read, expected)
    if state == "warm":
        return CacheVerdict("warm", read, expected, "the checkpoint's prompt was read from the cache")
    age_s = (started_at - before_ended_at).total_seconds()
    life_s = 3600 if last.cache_write_1h_tokens or not last.cache_write_5m_tokens else 300
    if age_s > life_s:
        reason = f"the checkpoint was {_duration(age_s)} old, and its cache entry lives {_duration(life_s)}"
    elif not written and not last.cache_read_tokens:
        reason = "the checkpoint's prompt was too short to be cached, or the endpoint does not cache"
    else:
        reason = f"the checkpoint was only {_duration(age_s)} old: the endpoint dropped its entry, or a part before it changed"
    return CacheVerdict(state, read, expected, reason)


def state_of(read_tokens: int, expected_tokens: int) -> State:
    """Was the prompt read from the cache: nearly all of it, some, or less than half?"""
    share = read_tokens / expected_tokens if expected_tokens else 0.0
    return "warm" if share >= WARM_SHARE else "cold" if share < COLD_SHARE else "partial"


def _duration(seconds: float) -> str:
    """Seconds in the unit that a person would use."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
