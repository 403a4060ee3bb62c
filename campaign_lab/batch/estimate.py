"""What a batch is going to cost, before it starts. About: never a promise. All sums are US dollars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from campaign_lab.agents.prices import known_sum
from campaign_lab.batch.rows import Row
from campaign_lab.batch.template import Template
from campaign_lab.sessions.batches import RunCost
from campaign_lab.sessions.budgets import mean_cost, typical_usd
from campaign_lab.sessions.context import Context
from campaign_lab.show.text import counted

if TYPE_CHECKING:
    from campaign_lab.batch.plan import Job
    from campaign_lab.store.connection import Con

CONVERSATION_TOKENS = 8_000
"""Typical size of what a phase's main agent is sent, the conversation before it included."""

Known = frozenset[tuple[str, str, str]]
"""Campaign, url and phase of turns that are stored."""


def estimated(
    context: Context, template: Template, jobs: Sequence[Job], rows: Mapping[str, Row], costs: Mapping[str, RunCost]
) -> tuple[list[float | None], str]:
    """For each job what it will cost, None when a price is unknown, and in words what that stands on.

    A run that was cut off has only the rest before it. Phases that a batch has stored for the campaign are replayed, and cost
    nothing, unless parameters or a change may ask for something else.
    """
    whole, basis = _whole(context, template, rows)
    known = context.engine.call(partial(_stored, context=context))
    found: list[float | None] = []
    for job in jobs:
        paid = costs.get(job.run)
        usd = 0.0 if not job.todo else _missing(job, template, whole, known)
        found.append(usd if usd is None or paid is None else max(0.0, usd - (paid.paid_usd or 0.0)))
    return found, basis


def _whole(context: Context, template: Template, rows: Mapping[str, Row]) -> tuple[dict[str, float | None], str]:
    """By phase what it costs; runs of this batch that are finished count before all else, under an empty name."""
    past = [
        row.cost_usd + row.replayed_usd for row in rows.values() if row.state == "finished" and row.cost_usd is not None
    ]
    if past:
        words = f"the mean of {counted(len(past), 'finished run')} of this batch"
        return {"": math.fsum(past) / len(past)}, words
    recorded = {
        phase: context.engine.call(partial(mean_cost, phase=phase, model=context.model)) for phase in template.phases
    }
    typical = [phase for phase, usd in recorded.items() if usd is None]
    usd = {phase: _typical(context, phase) if usd is None else usd for phase, usd in recorded.items()}
    if not usd:
        return usd, "the template names no phase"
    others = [phase for phase in usd if phase not in typical]
    parts = [f"recorded turns for {', '.join(others)}"] if others else []
    return usd, "; ".join([*parts, *([f"typical sizes for {', '.join(typical)}"] if typical else [])])


def _typical(context: Context, phase: str) -> float | None:
    known = context.phases.get(phase)
    return typical_usd(context.model, CONVERSATION_TOKENS, agents=len(known.agents) if known else 0)


def _missing(job: Job, template: Template, whole: Mapping[str, float | None], known: Known) -> float | None:
    """What the phases cost that are not stored yet."""
    brief = job.source.brief
    stored: set[str] = set()
    if brief is not None and not job.parameters and job.status != "changed":
        stored = {phase for phase in template.phases if (brief.campaign, brief.url, phase) in known}
    if template.phases and stored.issuperset(template.phases):
        return 0.0
    return known_sum(usd for phase, usd in whole.items() if phase not in stored)


def _stored(con: Con, context: Context) -> Known:
    """The phases that batches of the user have finished, for each of his campaigns, with this model and endpoint."""
    sql = (
        "SELECT DISTINCT sessions.campaign, sessions.url, turns.phase FROM turns "
        "JOIN sessions ON sessions.id = turns.session_id JOIN attempts ON attempts.id = turns.id "
        "WHERE attempts.batch IS NOT NULL AND sessions.owner = ? AND turns.endpoint = ? AND turns.model = ?"
    )
    found = con.execute(sql, [context.user, context.endpoint.name, context.model]).fetchall()
    return frozenset((str(campaign), str(url), str(phase)) for campaign, url, phase in found)
