"""Several sessions at once: bounded, one failing does not stop the others, and the prompt cache is kept warm where it pays."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from campaign_lab.agents.phases import Phase
from campaign_lab.errors import BudgetExceeded, LabError
from campaign_lab.sessions.budgets import Estimate, mean_cost, midnight_of, spent_by
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.running import ANCHOR
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.turns import Turn
from campaign_lab.sessions.watching import watching_together
from campaign_lab.store import tables
from campaign_lab.store.rows import RequestRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.tables import Con

ANCHOR_PAYS_FROM = 3
"""From how many forks on an anchor is cheaper than each fork writing the conversation to the cache anew (measured: 5 forks
cost 11.9 % each of the research cold, and 6.8 % with an anchor)."""
ANCHOR_PHASE = Phase(name=ANCHOR, prompt="Answer with one word: ready.", follows=True)


@dataclass(frozen=True)
class SessionResult:
    """What a fan-out did with one session: its finished turns, and the error that stopped it."""

    session: Session
    turns: tuple[Turn, ...] = ()
    error: Exception | None = None

    def __repr__(self) -> str:
        end = f"failed: {self.error}" if self.error else "done"
        return f"{self.session.name}: {', '.join(turn.phase for turn in self.turns) or 'nothing'} {end}"


@dataclass(frozen=True)
class FanOut:
    """The results in the order of the sessions, and what was done besides, in words."""

    results: tuple[SessionResult, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def failed(self) -> tuple[SessionResult, ...]:
        """The sessions that an error stopped."""
        return tuple(result for result in self.results if result.error)

    def __repr__(self) -> str:
        return f"FanOut({len(self.results)} sessions, {len(self.failed)} failed)"


async def run_all(
    context: Context, sessions: Sequence[Session], phases: Sequence[str], *, steer: Mapping[str, str], at_once: int
) -> FanOut:
    """Runs the phases on each session (see ``Lab.run_all``)."""
    estimates = [_estimate(context, session, phases, steer) for session in sessions]
    _check_budgets(context, estimates)
    paying = [session for session, estimate in zip(sessions, estimates, strict=True) if estimate.basis != "replay"]
    gate = asyncio.Semaphore(max(1, at_once))

    async def one(session: Session) -> SessionResult:
        turns: list[Turn] = []
        async with gate:
            try:
                for phase in phases:
                    wish = steer.get(session.name) if not turns else None
                    turns.append(await session.run(phase, steer=wish))
            except Exception as error:  # whatever stops one session stops no other; a cancellation is no Exception
                return SessionResult(session, tuple(turns), error)
        return SessionResult(session, tuple(turns))

    with watching_together(phases, [session.name for session in sessions], context.on_event):
        notes = await _anchor(context, paying)
        results = await asyncio.gather(*(one(session) for session in sessions))
    return FanOut(tuple(results), tuple(notes))


def _estimate(context: Context, session: Session, phases: Sequence[str], steer: Mapping[str, str]) -> Estimate:
    """The first phase where the session stands, and each later one as turns of it cost so far, or like the first."""
    try:
        first = session.estimate(phases[0], steer=steer.get(session.name)) if phases else Estimate(0.0, "replay")
    except (LabError, ValueError, TypeError):
        return Estimate(0.0, "sizes")  # what is wrong with it is said when it runs
    if first.basis == "replay" or first.usd is None:
        return first
    later = [context.engine.call(partial(mean_cost, phase=phase, model=context.model)) for phase in phases[1:]]
    return Estimate(first.usd + sum(first.usd if usd is None else usd for usd in later), first.basis)


def _check_budgets(context: Context, estimates: Sequence[Estimate]) -> None:
    """Holds the estimates of all sessions together against what the user may still spend."""
    whole = sum(estimate.usd or 0.0 for estimate in estimates)
    now = context.now()
    user = context.engine.call(lambda con: spent_by(con, context.user))
    day = context.engine.call(lambda con: spent_by(con, context.user, since=midnight_of(now)))
    for scope, limit, spent in (("user", context.budgets.user_usd, user), ("day", context.budgets.day_usd, day)):
        if limit is not None and spent + whole > limit:
            raise BudgetExceeded(scope, limit, spent, whole)


async def _anchor(context: Context, sessions: Sequence[Session]) -> list[str]:
    """Puts forks that would all meet a cold cache behind a common anchor turn. Returns what it did, in words."""
    notes = []
    groups: dict[str, list[Session]] = {}
    for session in sessions if context.on_miss == "run" else ():
        try:
            start = session.checkpoint().turn_id
            waits = session.stands_at_its_start and session.may_run
        except LabError:
            continue  # said when it runs
        if start and waits:
            groups.setdefault(start, []).append(session)
    for start, forks in groups.items():
        cold_s = context.engine.call(partial(_cold_for, context=context, turn_id=start))
        if len(forks) < ANCHOR_PAYS_FROM or cold_s is None:
            continue
        try:
            turn = await forks[0].run_phase(ANCHOR_PHASE)
        except LabError as error:
            notes.append(f"The cache of a checkpoint was cold, and no anchor could be made for it: {error}")
            continue
        for fork in forks[1:]:
            fork.stand_behind(turn.key)
        notes.append(
            f"The cache of the checkpoint of {len(forks)} forks was {cold_s / 3600:.1f} h past its life: a short common turn "
            "warmed it before they ran."
        )
    return notes


def _cold_for(con: Con, context: Context, turn_id: str) -> float | None:
    """How long ago the cache entry of a checkpoint expired, in seconds; None while it lives or where none was written."""
    turns = tables.select(con, TurnRow, "WHERE id = ?", [turn_id])
    used = [row.finished_at for row in (*turns, *tables.select(con, TurnRow, "WHERE parent_turn = ?", [turn_id]))]
    requests = tables.select(
        con, RequestRow, "WHERE attempt_id = ? AND subpath = '' AND complete ORDER BY n", [turn_id]
    )
    if not turns or not requests:
        return None
    long_lived = any(request.cache_write_1h_tokens for request in requests)
    if not long_lived and not any(request.cache_write_5m_tokens for request in requests):
        return None
    past = (context.now() - max(used)).total_seconds() - (3600 if long_lived else 300)
    return past if past > 0 else None
