"""What every session of a lab shares: the store, the user, the endpoint and the loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from campaign_lab.agents.endpoints import Endpoint
from campaign_lab.agents.events import Event
from campaign_lab.agents.ledger import Request
from campaign_lab.agents.phases import Phase
from campaign_lab.agents.process.sdk_loop import AgentLoop
from campaign_lab.errors import NotFoundError
from campaign_lab.money import Sum
from campaign_lab.progress.hook import ignore_event
from campaign_lab.sessions.budgets import Budgets, dollars
from campaign_lab.sessions.upkeep import access
from campaign_lab.sessions.upkeep.expiry import has_expired
from campaign_lab.store.connection import Store
from campaign_lab.store.grants import Verb
from campaign_lab.store.rows import SessionRow


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


RUN_JOURNAL = "CAMPAIGN_LAB_RUN_JOURNAL"
"""The environment variable with the path of the journal of a batch run."""


@dataclass(frozen=True)
class BatchTag:
    """The ids of the batch that this process works for and of its run, which are stored with each attempt.

    ``budget_usd`` is what the whole batch may spend, None for no limit; ``journal`` is the path of the run's journal.
    """

    batch: str
    run: str
    budget_usd: float | None = None
    journal: str | None = None


def batch_tag(environ: Mapping[str, str] | None = None) -> BatchTag | None:
    """The batch that this process works for, by the environment; None when it works for none.

    Raises ValueError for a batch without a run, and for a budget that is no number of US dollars.
    """
    env = os.environ if environ is None else environ
    batch, run = env.get("CAMPAIGN_LAB_BATCH", ""), env.get("CAMPAIGN_LAB_RUN", "")
    if not batch:
        return None
    if not run:
        raise ValueError("CAMPAIGN_LAB_RUN: missing; expected the id of a run, beside CAMPAIGN_LAB_BATCH")
    return BatchTag(batch, run, dollars(env, "CAMPAIGN_LAB_BATCH_USD"), env.get(RUN_JOURNAL) or None)


@dataclass
class Context:
    """Shared by all handles of one lab. ``on_miss`` is ``run`` or ``refuse``.

    ``model`` is that of new sessions. ``former_models``: nobody asked for one, so a session goes on with the model that it has;
    where there are several of one name, these come after ``model``. None: somebody asked for this model.
    """

    engine: Store
    user: str
    endpoint: Endpoint
    model: str
    loop: AgentLoop
    phases: dict[str, Phase]
    former_models: tuple[str, ...] | None = None
    on_miss: str = "run"
    budgets: Budgets = field(default_factory=Budgets)
    now: Callable[[], datetime] = utc_now
    on_event: Callable[[Event], None] = field(default=ignore_event)
    batch: BatchTag | None = None
    beat_s: float = 15.0
    """How often a running turn tells the store that it lives, in seconds."""
    replays: list[tuple[str, Sum]] = field(default_factory=list)
    """Session and cost of each turn that this lab has replayed since it was opened."""
    unbooked: dict[str, Sequence[Request]] = field(default_factory=dict)
    """By attempt, the requests of those that the store could not take when they ended."""

    def phase(self, name: str) -> Phase:
        """The phase of that name. Raises NotFoundError that lists the known ones."""
        if name not in self.phases:
            raise NotFoundError("phase", name, tuple(self.phases))
        return self.phases[name]

    def is_expired(self, session: SessionRow) -> bool:
        """Has the session expired by the lab's clock?"""
        return has_expired(session, self.now())

    def require(self, session: SessionRow, verb: Verb) -> None:
        """Raises NotFoundError unless the user may do this: the same error as for a session that does not exist."""
        if not self.engine.call(lambda con: access.decide(con, self.user, session, verb=verb, now=self.now())):
            raise NotFoundError("session", session.name)
