"""What a batch is going to cost, before it starts. About: never a promise. All sums are US dollars."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign_lab.agents.prices import known_sum
from campaign_lab.batch.rows import Row
from campaign_lab.batch.template import Template
from campaign_lab.brief import FILLED_IN
from campaign_lab.sessions.batches import RunCost
from campaign_lab.sessions.budgets import mean_cost, typical_usd
from campaign_lab.sessions.context import Context
from campaign_lab.show.text import counted

if TYPE_CHECKING:
    from campaign_lab.batch.plan import Job
    from campaign_lab.store.connection import Con

CONVERSATION_TOKENS = 8_000
"""Typical size of what a phase's main agent is sent, the conversation before it included."""

Known = frozenset[tuple[str, str]]
"""Brief, as ``_of_brief`` tells them apart, and phase of turns that are stored."""


def estimated(
    context: Context, template: Template, jobs: Sequence[Job], rows: Mapping[str, Row], costs: Mapping[str, RunCost]
) -> tuple[list[float | None], str]:
    """For each job what it will cost, None when a price is unknown, and in words what that stands on.

    Phases that a batch has stored for the brief are replayed, and cost nothing, unless parameters or a change may ask for
    something else. A run that was cut off has only the rest before it.
    """
    models = {job.run: _model(context, template, job.parameters) for job in jobs}
    wholes = {model: _whole(context, template, rows, model) for model in {*models.values()}}
    known = {model: context.engine.call(partial(_stored, context=context, model=model)) for model in wholes}
    found = [
        _missing(job, template, wholes[models[job.run]][0], known[models[job.run]], costs.get(job.run))
        if job.todo
        else 0.0
        for job in jobs
    ]
    return found, "; ".join(dict.fromkeys(basis for _, basis in wholes.values()))


def _model(context: Context, template: Template, parameters: Mapping[str, Any]) -> str:
    """Whom a run asks, as far as its parameter of that name tells."""
    return str(parameters.get("model") or template.model or context.model)


def _whole(
    context: Context, template: Template, rows: Mapping[str, Row], model: str
) -> tuple[dict[str, float | None], str]:
    """By phase what it costs; runs of this batch that are finished count before all else, under an empty name."""
    past = [
        row.cost_usd + row.replayed_usd
        for row in rows.values()
        if row.state == "finished" and row.cost_usd is not None
        and _model(context, template, row.parameters) == model
    ]  # fmt: skip
    if past:
        words = f"the mean of {counted(len(past), 'finished run')} of this batch"
        return {"": math.fsum(past) / len(past)}, words
    recorded = {phase: context.engine.call(partial(mean_cost, phase=phase, model=model)) for phase in template.phases}
    typical = [phase for phase, usd in recorded.items() if usd is None]
    usd = {phase: _typical(context, phase, model) if usd is None else usd for phase, usd in recorded.items()}
    if not usd:
        return usd, "the template names no phase"
    others = [phase for phase in usd if phase not in typical]
    parts = [f"recorded turns for {', '.join(others)}"] if others else []
    return usd, "; ".join([*parts, *([f"typical sizes for {', '.join(typical)}"] if typical else [])])


def _typical(context: Context, phase: str, model: str) -> float | None:
    known = context.phases.get(phase)
    return typical_usd(model, CONVERSATION_TOKENS, agents=len(known.agents) if known else 0)


def _missing(
    job: Job, template: Template, whole: Mapping[str, float | None], known: Known, cost: RunCost | None
) -> float | None:
    """What the phases cost that are not stored yet. What the run has paid counts off where the stored ones are not known."""
    brief = job.source.brief
    stored: set[str] = set()
    if brief is not None and not job.parameters and job.status != "changed":
        mine = _of_brief(brief.to_json())
        stored = {phase for phase in template.phases if (mine, phase) in known}
    if template.phases and stored.issuperset(template.phases):
        return 0.0
    usd = known_sum(usd for phase, usd in whole.items() if phase not in stored)
    by_phase = stored and "" not in whole
    if usd is None or cost is None or job.status == "changed" or by_phase:
        return usd
    return max(0.0, usd - (cost.paid_usd or 0.0))


def _stored(con: Con, context: Context, model: str) -> Known:
    """The phases that batches of the user have finished, for each of his briefs, with this model and endpoint."""
    sql = (
        "SELECT DISTINCT turns.brief, turns.phase FROM turns "
        "JOIN sessions ON sessions.id = turns.session_id JOIN attempts ON attempts.id = turns.id "
        "WHERE attempts.batch IS NOT NULL AND sessions.owner = ? AND turns.endpoint = ? AND turns.model = ?"
    )
    found = con.execute(sql, [context.user, context.endpoint.name, model]).fetchall()
    return frozenset((_of_brief(str(brief)), str(phase)) for brief, phase in found)


def _of_brief(stored: str) -> str:
    """The JSON of a brief without the folders of saved pages, which are in no key."""
    return json.dumps(
        {name: value for name, value in json.loads(stored).items() if name not in FILLED_IN}, sort_keys=True
    )
