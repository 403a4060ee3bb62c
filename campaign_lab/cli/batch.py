"""``campaign-lab batch``: a notebook for each brief, with a plan and a question before, and a table of rows after."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab.cli.exit_codes import BY_SIGNAL, FAILED, REFUSED, STOPPED
from campaign_lab.cli.key_values import matrix, settings
from campaign_lab.cli.terminal.printing import cell, print_json, print_rows, print_text, say
from campaign_lab.cli.terminal.questions import refusal
from campaign_lab.cli.terminal.signals import Interrupts
from campaign_lab.errors import BudgetExceeded
from campaign_lab.lab import Lab
from campaign_lab.money import NOTHING, Sum
from campaign_lab.show import price_words, usd
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    from campaign_lab.batch.plan.jobs import BatchOptions, BatchPlan
    from campaign_lab.batch.rows import Row
    from campaign_lab.cli.terminal.batch_progress import BatchProgress

GIB = 2**30
LOOK_S = 0.2
"""How often the command looks whether it was asked to stop, in seconds."""
STOPPING = "Stopping: kernels are interrupted. Ctrl-C once more ends at once."


def batch(given: argparse.Namespace) -> int:
    """Plans, asks, runs, and shows the rows. Returns the exit code."""
    parameters, values = settings(given.set), matrix(given.matrix)
    with Lab(given.lab, user=given.user) as lab:
        try:
            plan = lab.plan_batch(
                given.briefs, given.notebook, out=given.out, parameters=parameters, matrix=values, workers=given.workers,
                timeout=given.timeout, retries=given.retries, budget_usd=given.budget, scheduler=given.scheduler,
            )  # fmt: skip
        except BudgetExceeded as error:
            return say(error, REFUSED)
        if not given.json:
            _print_plan(plan)
        if plan.todo and not given.yes:  # also when nothing is expected to be paid: an estimate is no promise
            price = price_words(plan.estimate_usd, unpaid=lab.endpoint.startswith("rehearsal"))
            if refused := refusal(f"Run {pluralize(len(plan.todo), 'notebook')}, {price}?", json=given.json):
                return say(refused, REFUSED)
        rows, stopped = _run(lab, plan, quiet=given.json)
        unpaid = lab.endpoint.startswith("rehearsal")
    if given.json:
        print_json(_as_json(rows, _files(plan)))
    else:
        _print_report(plan, rows, unpaid=unpaid)
    if stopped:
        return say(STOPPED, BY_SIGNAL + stopped)
    return _exit_code(plan, rows)


# -- before


def _print_plan(plan: BatchPlan) -> None:
    """The runs that are not simply kept, each with the reason; then the sums, and how many run at once."""
    rows = [
        {"notebook": job.name, "plan": job.status, "why": job.reason, "about_usd": job.estimate_usd}
        for job in plan.jobs
        if job.status != "kept"
    ]
    if rows:
        print_rows(f"plan for {plan.options.out}", rows)
    for line in plan_lines(plan):
        print_text(line)


def plan_lines(plan: BatchPlan) -> list[str]:
    """How many notebooks, for how much, under which budget, and how many at once."""
    states = Counter(job.status for job in plan.jobs)
    about = "a price that is not known" if plan.estimate_usd is None else f"about {usd(plan.estimate_usd)}"
    budget = plan.options.budget_usd
    held = "no budget" if budget is None else f"budget {usd(budget)}"
    found = f"{pluralize(len(plan.jobs), 'notebook')}: {', '.join(f'{number} {state}' for state, number in states.items())}."
    if not plan.todo:
        return [found, f"Nothing is left to run; spent so far {plan.spent}, {held}."]
    return [
        found,
        f"To run: {len(plan.todo)}, {about} ({plan.basis}); spent so far {plan.spent}, {held}.",
        f"At once: {plan.workers} ({_why_so_many(plan.options)}).",
    ]


def _why_so_many(options: BatchOptions) -> str:
    """What decides how many notebooks run at once."""
    from campaign_lab.batch.execute import machine

    if options.workers:
        return "as --workers says, and no more than there are to run"
    if options.scheduler:
        return "the cluster starts what it has room for"
    cores, free = len(os.sched_getaffinity(0)), machine.free_memory()
    return (
        f"{pluralize(cores, 'core')} allow {machine.PER_CORE * cores}, {free / GIB:.1f} GiB of free memory "
        f"{free // machine.NOTEBOOK_BYTES}, and no more than there are to run"
    )


# -- while it runs


def _run(lab: Lab, plan: BatchPlan, *, quiet: bool) -> tuple[list[Row], int]:
    """Does what the plan says. The rows, and the number of the signal that has stopped it, 0 for none.

    The work is done in a thread, so that a signal reaches the handler here and no lock is held when it does.
    """
    from campaign_lab.batch.execute.run import run_batch
    from campaign_lab.batch.execute.work import Cancellation
    from campaign_lab.cli.terminal.batch_progress import BatchProgress

    stop = Cancellation()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="batch") as pool,
        Interrupts(stop.set) as interrupts,
        BatchProgress(quiet=quiet) as progress,
    ):
        work = pool.submit(run_batch, lab._context, plan, on_event=progress.hear, cancelled=stop)
        while not wait([work], timeout=LOOK_S).done:
            _tell(progress, interrupted=bool(interrupts.heard))
        return work.result(), interrupts.heard


def _tell(progress: BatchProgress, *, interrupted: bool) -> None:
    if interrupted:
        progress.stopping(STOPPING)


# -- after


def _print_report(plan: BatchPlan, rows: Sequence[Row], *, unpaid: bool) -> None:
    """The rows with their sums, what went wrong in words, and where the report is."""
    from campaign_lab.batch.board import totals

    sums = totals(rows)
    print_rows("batch", [_as_line(row) for row in rows])
    for row in rows:
        if row.error:
            print_text(f"{row.name}: {f'in cell {row.cell}: ' if row.cell else ''}{row.error}")
    listed = " (list prices; rehearsal, so no money moved)" if unpaid else ""
    print_text(f"{sums.words()}: paid {sums.paid}, cut {sums.cut}, replayed {sums.replayed}{listed}.")
    for path in _files(plan):
        print_text(str(path))


def _files(plan: BatchPlan) -> list[Path]:
    """The files of the report that are there."""
    from campaign_lab.batch.report.write import PAGE, TABLE

    return [path for name in (PAGE, TABLE) if (path := Path(plan.options.out) / name).is_file()]


def _exit_code(plan: BatchPlan, rows: Sequence[Row]) -> int:
    """By the runs of this plan: other rows of the folder are of earlier commands."""
    planned = {job.run for job in plan.jobs}
    states = {row.state for row in rows if row.run in planned}
    if "over budget" in states:
        return REFUSED
    return FAILED if states - {"finished"} else 0


def _as_line(row: Row) -> dict[str, Any]:
    took = "" if row.duration_s is None else f"{row.duration_s:.0f} s"
    return {
        "notebook": row.name, "state": row.state, "paid_usd": cell(row.paid), "cut_usd": _unless_none(row.cut),
        "replayed_usd": _unless_none(row.replayed), "records": row.records, "tries": row.attempts, "took": took,
    }  # fmt: skip


def _unless_none(cost: Sum) -> float | str | None:
    return None if cost == NOTHING else cell(cost)


def _as_json(rows: Sequence[Row], files: Sequence[Path]) -> dict[str, Any]:
    """The rows as they are stored, the sums, and the files of the report."""
    from campaign_lab.batch.board import totals

    sums = totals(rows)
    return {
        "rows": [json.loads(row.to_json()) for row in rows],
        "states": dict(sums.states),
        "paid_usd": sums.paid.known,
        "cut_usd": sums.cut.known,
        "replayed_usd": sums.replayed.known,
        "unpriced_requests": sums.paid.unpriced,
        "cut_unpriced_requests": sums.cut.unpriced,
        "replayed_unpriced_requests": sums.replayed.unpriced,
        "files": [str(path) for path in files],
    }
