"""Plans a batch without starting anything: which runs are new, kept or run again and why, and what they will cost."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from campaign_lab.batch.execute import machine
from campaign_lab.batch.folder import RowFiles
from campaign_lab.batch.plan.briefs import Briefs, BriefSource, read_briefs
from campaign_lab.batch.plan.estimate import estimated
from campaign_lab.batch.plan.inputs import changes, inputs_of
from campaign_lab.batch.plan.jobs import BatchOptions, BatchPlan, PlannedRun
from campaign_lab.batch.plan.names import capped, distinct, file_slug
from campaign_lab.batch.plan.template import BRIEF_PARAMETER, Template, read_template
from campaign_lab.batch.rows import Row, run_name
from campaign_lab.errors import NotFoundError
from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.spending.batch_budget import batch_costs
from campaign_lab.sessions.spending.limits import Limit, check_limits, user_limits


def plan_batch(context: Context, source: Briefs, options: BatchOptions) -> BatchPlan:
    """Returns the plan for the briefs, the template and the folder. It costs nothing, starts nothing and writes nothing.

    Raises NotFoundError (no such template or parameter), BriefError (a source of briefs that cannot be read), ValueError
    (options), LabError (a damaged folder), BudgetExceeded when the estimate is more than the budgets leave.
    """
    _check(options)
    template = read_template(options.notebook)
    for name in (*options.parameters, *options.matrix):
        if name not in template.parameters or name == BRIEF_PARAMETER:
            known = tuple(each for each in template.parameters if each != BRIEF_PARAMETER)
            raise NotFoundError("parameter", name, known)
    if twice := set(options.parameters) & set(options.matrix):
        raise ValueError(f"matrix: {', '.join(sorted(twice))} is also among the parameters; give it once")
    jobs = tuple(_jobs(context, template, read_briefs(source), options))
    return planned(context, template, jobs, options)


def planned(context: Context, template: Template, jobs: Sequence[PlannedRun], options: BatchOptions) -> BatchPlan:
    """Returns the plan of these runs for the present folder. Raises BudgetExceeded, ValueError for foreign files in it."""
    files = RowFiles(options.out)
    rows, batch = files.rows(), files.batch_id()
    costs = context.engine.call(partial(batch_costs, batch=batch)) if batch else {}
    files.refuse_foreign([job.run for job in jobs if job.source.brief])
    judged = [_judged(job, rows.get(job.run), files.folder) for job in jobs]
    estimates, basis = estimated(context, template, judged, rows, costs)
    judged = [replace(job, estimate_usd=usd) for job, usd in zip(judged, estimates, strict=True)]
    todo, spent = sum(job.todo for job in judged), sum((cost.spent for cost in costs.values()), NOTHING)
    plan = BatchPlan(
        options, template, tuple(judged), Sum.of(estimates).whole, basis, spent,
        workers=min(options.workers or todo, max(1, todo)) or 1 if options.scheduler else machine.workers(todo, options.workers),
    )  # fmt: skip
    return replace(plan, limit_usd=_limit(context, plan))


def _check(options: BatchOptions) -> None:
    for name, value, least in (("workers", options.workers, 1), ("retries", options.retries, 0)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise ValueError(f"{name}: {value!r} is not allowed; expected a whole number from {least} on")
    if options.timeout_s is not None and not options.timeout_s > 0:
        raise ValueError(f"timeout: {options.timeout_s!r} is not allowed; expected more than 0 seconds")
    if options.budget_usd is not None and not (math.isfinite(options.budget_usd) and options.budget_usd >= 0):
        raise ValueError(f"budget_usd: {options.budget_usd!r} is not allowed; expected at least 0 US dollars")
    for name, values in options.matrix.items():
        if isinstance(values, str) or not values:
            raise ValueError(f"matrix: {name}={values!r} is not allowed; expected a list of one value or more")
    try:
        json.dumps([dict(options.parameters), {name: list(values) for name, values in options.matrix.items()}])
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters: they cannot be written into a notebook ({error}); give plain values") from None


def _jobs(
    context: Context, template: Template, sources: Sequence[BriefSource], options: BatchOptions
) -> Iterator[PlannedRun]:
    """Yields a run for each brief and each combination of the matrix. A brief that cannot be used has one run."""
    briefs = distinct([source.name for source in sources], [source.identity for source in sources])
    parts = [
        [(name, value, part) for value, part in zip(values, _slugs(values), strict=True)]
        for name, values in options.matrix.items()
    ]
    for source, brief in zip(sources, briefs, strict=True):
        for combination in itertools.product(*parts) if source.brief else [()]:
            varied = {name: value for name, value, _ in combination}
            run = capped("--".join([brief, *(f"{file_slug(name)}-{part}" for name, _, part in combination)]))
            parameters = _with_model(context, template, {**options.parameters, **varied})
            inputs = inputs_of(context, template, source.brief, parameters) if source.brief else {}
            yield PlannedRun(run, run_name(source.name, varied), source, parameters, inputs)


def _with_model(context: Context, template: Template, parameters: dict[str, Any]) -> dict[str, Any]:
    """Returns the parameters with the lab's model, where it was asked for and neither they nor the template name another.

    A lab that was given none leaves each session its own.
    """
    asked = context.former_models is None or "model" in parameters
    named = parameters.get("model") or template.texts.get("model")
    return (
        {**parameters, "model": context.model} if asked and not named and "model" in template.parameters else parameters
    )


def _slugs(values: Sequence[Any]) -> list[str]:
    return distinct([str(each) for each in values], [json.dumps(each) for each in values])


def _judged(job: PlannedRun, row: Row | None, folder: Path) -> PlannedRun:
    if job.source.brief is None:
        return replace(job, status="refused", reason=job.source.problem)
    if row is None:
        return replace(job, status="new", reason="")
    changed = changes(row.inputs, job.inputs)
    if row.state == "finished":
        if changed:
            return replace(job, status="changed", reason=changed)
        if not (folder / row.notebook).is_file():
            return replace(job, status="again", reason="its notebook is gone")
        return replace(job, status="kept", reason="")
    why = {
        "running": "it was cut off", "cancelled": "it was cancelled", "over budget": "it was over budget",
    }.get(row.state, f"it failed: {row.error}")  # fmt: skip
    return replace(
        job, status="changed" if changed else "again", reason="; ".join(part for part in (why, changed) if part)
    )


def _limit(context: Context, plan: BatchPlan) -> float | None:
    """The US dollars that the whole batch may cost, None for no limit. Raises BudgetExceeded when its estimate does not fit."""
    batch = Limit("batch", plan.options.budget_usd, plan.spent)
    limits = [batch, *context.engine.call(lambda con: user_limits(con, context))]
    left = check_limits(limits, plan.estimate_usd if plan.todo else -math.inf)
    return None if left is None else plan.spent.usd + left
