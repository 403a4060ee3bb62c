"""Estimates what a batch will cost before it starts. All sums are US dollars."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from campaign_lab.batch.plan.jobs import PlannedRun
from campaign_lab.batch.plan.template import Template
from campaign_lab.batch.rows import Row
from campaign_lab.brief import FILLED_IN
from campaign_lab.money import Sum
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.spending.batch_budget import RunCost
from campaign_lab.sessions.spending.estimate import CONVERSATION_TOKENS, mean_cost, typical_usd
from campaign_lab.show.text import pluralize
from campaign_lab.store.queries import model_rank

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con

Known = frozenset[tuple[str, str]]
"""Brief, as ``_of_brief`` tells them apart, and phase of turns that are stored."""


def estimated(
    context: Context,
    template: Template,
    jobs: Sequence[PlannedRun],
    rows: Mapping[str, Row],
    costs: Mapping[str, RunCost],
) -> tuple[list[float | None], str]:
    """Returns the cost of each run, None when a price is unknown, and in words where the estimate comes from.

    Phases that a batch has stored for the brief are replayed for nothing, unless parameters or a change may ask for
    something else. A turn that several runs share, because their different parameters are read later, is paid by the first
    of them. A run that was cut off costs only its rest.
    """
    models = _models(context, template, jobs)
    wholes = {model: _whole(context, template, rows, models, model=model) for model in {*models.values()}}
    known = {model: context.engine.call(partial(_stored, context=context, model=model)) for model in wholes}
    paid: set[Asked] = set()
    found = []
    for job in jobs:
        model = models[job.run]
        asked = _asked(job, template, model) if job.todo else {}
        stored = {phase for phase in asked if _replays(job, template, phase, known[model])}
        carried = {phase for phase, question in asked.items() if phase in stored or question in paid}
        paid |= {*asked.values()}
        found.append(_missing(job, template, wholes[model][0], carried, costs.get(job.run)) if job.todo else 0.0)
    return found, "; ".join(dict.fromkeys(basis for _, basis in wholes.values()))


Asked = tuple[str, str, str, str]
"""Two runs share a turn when these are equal: brief, model, phase, and the parameters that were read before it."""


def _asked(job: PlannedRun, template: Template, model: str) -> dict[str, Asked]:
    """Returns by phase what the run asks for, without phases for which that is not known."""
    brief = job.source.brief
    if brief is None:
        return {}
    mine = _of_brief(brief.to_json())
    return {
        phase: (mine, model, phase, json.dumps(_in_force(job, names), sort_keys=True, default=str))
        for phase, names in template.reads.items()
        if names is not None
    }


def _in_force(job: PlannedRun, names: Collection[str]) -> dict[str, Any]:
    """Returns the parameters of these names, without the model, which is compared apart."""
    return {name: value for name, value in job.parameters.items() if name in names and name != "model"}


def _replays(job: PlannedRun, template: Template, phase: str, known: Known) -> bool:
    """Is the turn that the run asks for stored? False also where a parameter may change it."""
    brief, names = job.source.brief, template.reads[phase]
    if brief is None or job.status == "changed" or names is None or _in_force(job, names):
        return False
    return (_of_brief(brief.to_json()), phase) in known


def _models(context: Context, template: Template, jobs: Sequence[PlannedRun]) -> dict[str, str]:
    """Returns the model of each run: its parameter ``model``, else the template's, else that of its session, else the lab's."""
    sessions = context.engine.call(partial(_models_of_sessions, context=context))

    def model(job: PlannedRun) -> str:
        if named := job.parameters.get("model") or template.texts.get("model"):
            return str(named)
        brief, name = job.source.brief, job.parameters.get("session_name") or template.texts.get("session_name")
        return sessions.get((brief.campaign, brief.url, str(name or "main")), context.model) if brief else context.model

    return {job.run: model(job) for job in jobs}


def _models_of_sessions(con: Con, context: Context) -> dict[tuple[str, str, str], str]:
    """Returns by campaign, url and name the model of the user's session that a kernel would take, if it was asked for none."""
    if context.former_models is None:
        return {}
    sql = (
        "SELECT campaign, url, name, model FROM sessions WHERE owner = ? AND endpoint = ? AND swept_at IS NULL "
        "AND parent_session IS NULL ORDER BY made_at DESC, id"
    )
    rank = model_rank([context.model, *context.former_models])
    found: dict[tuple[str, str, str], str] = {}
    rows = con.execute(sql, [context.user, context.endpoint.name]).fetchall()
    for campaign, url, name, model in sorted(rows, key=lambda row: rank(row[3])):
        found.setdefault((campaign, url, name), model)
    return found


class RunEstimate(NamedTuple):
    """What a whole run costs: the sum of ``phases``, or ``mean``, the mean of this batch's finished runs, if there are any."""

    phases: Mapping[str, float | None]
    mean: float | None = None


def _whole(
    context: Context, template: Template, rows: Mapping[str, Row], models: Mapping[str, str], *, model: str
) -> tuple[RunEstimate, str]:
    """Returns what a run with the model costs, and in words where the estimate comes from."""
    sums = [
        row.paid + row.replayed for run, row in rows.items() if row.state == "finished" and models.get(run) == model
    ]
    past = [each.whole for each in sums if each.whole is not None]
    recorded = {phase: context.engine.call(partial(mean_cost, phase=phase, model=model)) for phase in template.reads}
    if past:
        words = f"the mean of {pluralize(len(past), 'finished run')} of this batch"
        return RunEstimate(recorded, math.fsum(past) / len(past)), words
    typical = [phase for phase, usd in recorded.items() if usd is None]
    usd = {phase: _typical(context, phase, model) if usd is None else usd for phase, usd in recorded.items()}
    if not usd:
        return RunEstimate(usd), "the template names no phase"
    others = [phase for phase in usd if phase not in typical]
    parts = [f"recorded turns for {', '.join(others)}"] if others else []
    return RunEstimate(usd), "; ".join([*parts, *([f"typical sizes for {', '.join(typical)}"] if typical else [])])


def _typical(context: Context, phase: str, model: str) -> float | None:
    known = context.phases.get(phase)
    return typical_usd(model, CONVERSATION_TOKENS, known.agents if known else ())


def _missing(
    job: PlannedRun, template: Template, whole: RunEstimate, carried: Collection[str], cost: RunCost | None
) -> float | None:
    """Returns the cost of the phases that are not carried, at most the cost of a whole run less what the run has paid."""
    if template.reads and set(template.reads) <= set(carried):
        return 0.0
    rest = Sum.of(usd for phase, usd in whole.phases.items() if phase not in carried).whole
    every = Sum.of(whole.phases.values()).whole
    if whole.mean is not None:
        rest, every = max(0.0, whole.mean - sum(whole.phases.get(phase) or 0.0 for phase in carried)), whole.mean
    if rest is None or every is None or cost is None or job.status == "changed":
        return rest
    return min(rest, max(0.0, every - cost.paid.usd))


def _stored(con: Con, context: Context, model: str) -> Known:
    """Returns brief and phase of all turns that the user's batches have finished with this model and endpoint."""
    sql = (
        "SELECT DISTINCT turns.brief, turns.phase FROM turns "
        "JOIN sessions ON sessions.id = turns.session_id JOIN attempts ON attempts.id = turns.id "
        "WHERE attempts.batch IS NOT NULL AND sessions.owner = ? AND turns.endpoint = ? AND turns.model = ?"
    )
    found = con.execute(sql, [context.user, context.endpoint.name, model]).fetchall()
    return frozenset((_of_brief(str(brief)), str(phase)) for brief, phase in found)


def _of_brief(stored: str) -> str:
    """Returns the JSON of a brief without the folders of saved pages, which are in no key."""
    return json.dumps(
        {name: value for name, value in json.loads(stored).items() if name not in FILLED_IN}, sort_keys=True
    )
