"""Several sessions at once: so many together, a failed one stops no other, and the prompt cache is warmed where that pays."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from campaign_lab.agents.phases import Phase
from campaign_lab.errors import LabError
from campaign_lab.money import Sum
from campaign_lab.progress.hook import watched_together
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.path_loader import PathStep, Steps, all_steps, line_to
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.run.turn_spec import ANCHOR
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.spending import prompt_cache
from campaign_lab.sessions.spending.batch_budget import batch_limit
from campaign_lab.sessions.spending.estimate import Estimate
from campaign_lab.sessions.spending.limits import check_limits, user_limits
from campaign_lab.show.frame import bullets, framed
from campaign_lab.show.tables import table
from campaign_lab.show.text import escape_html, one_line, pluralize
from campaign_lab.store.connection import Con

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

    @property
    def phases(self) -> str:
        """The phases that were done, in words."""
        return ", ".join(turn.phase for turn in self.turns)

    @property
    def problem(self) -> str:
        """The error in words; empty when there was none."""
        return (str(self.error) or type(self.error).__name__) if self.error else ""

    def __repr__(self) -> str:
        end = f"failed: {self.problem}" if self.error else "done"
        return one_line(f"{self.session.name}: {self.phases or 'nothing'} {end}")


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

    def _repr_html_(self) -> str:
        names = ("Session", "Phases done", "State", "Error")
        rows = [
            [each.session.name, each.phases or "none", "failed" if each.error else "done", each.problem]
            for each in self.results
        ]
        return framed(table(names, rows) + bullets([escape_html(note) for note in self.notes]))


async def run_all(
    context: Context, sessions: Sequence[Session], phases: Sequence[str], *, steer: Mapping[str, str], at_once: int
) -> FanOut:
    """Runs the phases on each session (see ``Lab.run_all``)."""
    estimates = [_estimate(session, phases, steer) for session in sessions]
    _check_budgets(context, estimates)
    paying = [session for session, estimate in zip(sessions, estimates, strict=True) if estimate.basis != "replay"]
    gate = asyncio.Semaphore(max(1, at_once))

    async def one(session: Session) -> SessionResult:
        turns: list[Turn] = []
        async with gate:
            try:
                for phase in phases:
                    turns.append(await session.run(phase, steer=None if turns else steer.get(session.name)))
            except Exception as error:  # whatever stops one session stops no other; a cancellation is no Exception
                return SessionResult(session, tuple(turns), error)
        return SessionResult(session, tuple(turns))

    with watched_together(phases, [session.name for session in sessions], context.on_event):
        refused = await _anchor(context, paying)
        results = await asyncio.gather(*(one(session) for session in sessions))
    behind = context.engine.call(lambda con: _behind_anchors(con, results))
    return FanOut(tuple(results), (*refused, *behind))


def _estimate(session: Session, phases: Sequence[str], steer: Mapping[str, str]) -> Estimate:
    try:
        return session.estimate_all(phases, steer=steer.get(session.name))
    except (LabError, ValueError, TypeError):
        return Estimate(0.0, "sizes")  # its error is raised when it runs


def _check_budgets(context: Context, estimates: Sequence[Estimate]) -> None:
    """Raises BudgetExceeded when the user, or the batch, may not spend the estimates of all sessions together."""
    limits = context.engine.call(lambda con: user_limits(con, context))
    if (tag := context.batch) is not None:
        limits.append(context.engine.call(lambda con: batch_limit(con, tag)))
    check_limits(limits, Sum.of(estimate.usd for estimate in estimates).whole)


async def _anchor(context: Context, sessions: Sequence[Session]) -> list[str]:
    """Puts forks that would all meet a cold cache behind a common anchor turn. Returns where it could not, in words."""
    refused = []
    groups: dict[str, list[Session]] = {}
    for session in sessions if context.on_miss == "run" else ():
        try:
            start = session.checkpoint().turn_id
            waits = session.stands_at_its_start and session.may_run
        except LabError:
            continue  # its error is raised when it runs
        if start and waits:
            groups.setdefault(start, []).append(session)
    for start, forks in groups.items():
        warm_until = context.engine.call(partial(prompt_cache.warm_until, turn=start)).get(start)
        if len(forks) < ANCHOR_PAYS_FROM or warm_until is None or context.now() <= warm_until:
            continue
        try:
            turn = await forks[0].run_phase(ANCHOR_PHASE)
        except LabError as error:
            refused.append(f"The cache of a checkpoint was cold, and no anchor could be made for it: {error}")
            continue
        for fork in forks[1:]:
            fork.stand_behind(turn.key)
    return refused


def _behind_anchors(con: Con, results: Sequence[SessionResult]) -> list[str]:
    """What the stored turns say of anchors, in words: the same when all of it is replayed."""
    steps = all_steps(con)
    before = [_before(result, steps) for result in results]
    anchors = Counter(step.id for step in before if step is not None and step.phase == ANCHOR)
    return [
        f"A short common turn warmed the cache of a checkpoint for {pluralize(count, 'session')} that ran behind it."
        for count in anchors.values()
    ]


def _before(result: SessionResult, steps: Steps) -> PathStep | None:
    """The turn that stands before those of the result."""
    line = line_to(steps, result.session._position.now)
    place = len(line) - len(result.turns) - 1
    return line[place] if place >= 0 else None
