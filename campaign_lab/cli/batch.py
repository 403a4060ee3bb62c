"""``campaign-lab batch``: shows the plan, asks, runs a notebook for each brief, and shows a table of the results."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.execute import machine
from campaign_lab.cli.exit_codes import BY_SIGNAL, FAILED, REFUSED, STOPPED
from campaign_lab.cli.key_values import matrix, settings
from campaign_lab.cli.terminal.printing import cell, print_json, print_rows, print_text, say
from campaign_lab.cli.terminal.questions import refusal
from campaign_lab.cli.terminal.signals import first_signal_calls
from campaign_lab.errors import BudgetExceeded
from campaign_lab.lab import Lab
from campaign_lab.money import NOTHING, Sum, price_words, usd
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    from campaign_lab.batch.plan.jobs import BatchOptions, BatchPlan
    from campaign_lab.batch.rows import Row

GIB = 2**30
STOPPING = "Stopping: kernels are interrupted. Ctrl-C once more ends at once."


def batch(args: argparse.Namespace) -> int:
    """Run a notebook for each of several briefs; again, it does only what is missing or changed."""
    parameters, values = settings(args.set), matrix(args.matrix)
    with Lab(args.lab, user=args.user) as lab:
        try:
            plan = lab.plan_batch(
                args.briefs, args.notebook, out=args.out, parameters=parameters, matrix=values, workers=args.workers,
                timeout=args.timeout, retries=args.retries, budget_usd=args.budget, scheduler=args.scheduler,
            )  # fmt: skip
        except BudgetExceeded as error:
            return say(error, REFUSED)
        unpaid = lab.endpoint.startswith("rehearsal")
        if not args.json:
            _print_plan(plan)
        if plan.todo and not args.yes:  # also when nothing is expected to be paid: an estimate is no promise
            price = price_words(plan.estimate_usd, unpaid=unpaid)
            if refused := refusal(f"Run {pluralize(len(plan.todo), 'notebook')}, {price}?", json=args.json):
                return say(refused, REFUSED)
        rows, stopped = _run(lab, plan, quiet=args.json)
    if args.json:
        print_json(_as_json(rows, _files(plan)))
    else:
        _print_report(plan, rows, unpaid=unpaid)
    if stopped:
        return say(STOPPED, BY_SIGNAL + stopped)
    return _exit_code(plan, rows)


# -- before


def _print_plan(plan: BatchPlan) -> None:
    """Prints the runs that will be run or are refused, each with the reason; then the sums, and how many run at once."""
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
    """Returns in lines how many notebooks there are, what they cost in US dollars, the budget, and how many run at once."""
    states = Counter(job.status for job in plan.jobs)
    about = "a price that is not known" if plan.estimate_usd is None else f"about {usd(plan.estimate_usd)}"
    budget = plan.options.budget_usd
    limit = "no budget" if budget is None else f"budget {usd(budget)}"
    found = f"{pluralize(len(plan.jobs), 'notebook')}: {', '.join(f'{number} {state}' for state, number in states.items())}."
    if not plan.todo:
        return [found, f"Nothing is left to run; spent so far {plan.spent}, {limit}."]
    return [
        found,
        f"To run: {len(plan.todo)}, {about} ({plan.basis}); spent so far {plan.spent}, {limit}.",
        f"At once: {plan.workers} ({_why_so_many(plan.options)}).",
    ]


def _why_so_many(options: BatchOptions) -> str:
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
    """Runs the plan. Returns the rows, and the number of the signal that stopped it, or 0.

    The work is done in another thread, so that a signal reaches the handler here while no lock is held.
    """
    from campaign_lab.batch.board import BatchBoard
    from campaign_lab.batch.execute.run import run_batch
    from campaign_lab.batch.execute.work import Cancellation
    from campaign_lab.cli.terminal.progress import TerminalProgress

    stop = Cancellation()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="batch") as pool,
        first_signal_calls(stop.set) as heard,
        TerminalProgress(BatchBoard(), quiet=quiet) as progress,
    ):
        work = pool.submit(run_batch, lab._context, plan, on_event=progress.on_event, cancelled=stop)
        while not wait([work], timeout=machine.LOOK_S).done:
            if heard():
                progress.stopping(STOPPING)
        return work.result(), heard()


# -- after


def _print_report(plan: BatchPlan, rows: Sequence[Row], *, unpaid: bool) -> None:
    from campaign_lab.batch.board import totals

    sums = totals(rows)
    print_rows("batch", [_table_row(row) for row in rows])
    for row in rows:
        if row.error:
            print_text(f"{row.name}: {f'in cell {row.cell}: ' if row.cell else ''}{row.error}")
    listed = " (list prices; rehearsal, so no money moved)" if unpaid else ""
    print_text(f"{sums.words()}: paid {sums.paid}, cut {sums.cut}, replayed {sums.replayed}{listed}.")
    for path in _files(plan):
        print_text(str(path))


def _files(plan: BatchPlan) -> list[Path]:
    from campaign_lab.batch.report.write import PAGE, TABLE

    return [path for name in (PAGE, TABLE) if (path := Path(plan.options.out) / name).is_file()]


def _exit_code(plan: BatchPlan, rows: Sequence[Row]) -> int:
    """Returns the exit code for the runs of this plan; other rows of the folder belong to earlier commands."""
    planned = {job.run for job in plan.jobs}
    states = {row.state for row in rows if row.run in planned}
    if "over budget" in states:
        return REFUSED
    return FAILED if states - {"finished"} else 0


def _table_row(row: Row) -> dict[str, Any]:
    took = "" if row.duration_s is None else f"{row.duration_s:.0f} s"
    return {
        "notebook": row.name, "state": row.state, "paid_usd": cell(row.paid), "cut_usd": _unless_none(row.cut),
        "replayed_usd": _unless_none(row.replayed), "records": row.records, "tries": row.attempts, "took": took,
    }  # fmt: skip


def _unless_none(cost: Sum) -> float | str | None:
    return None if cost == NOTHING else cell(cost)


def _as_json(rows: Sequence[Row], files: Sequence[Path]) -> dict[str, Any]:
    """Returns the rows as they are stored, their sums in US dollars, and the files of the report."""
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
