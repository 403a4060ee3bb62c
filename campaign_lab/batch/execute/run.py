"""Runs a batch: locks its folder, does its runs, writes their rows. It can be killed at any moment without loss."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from campaign_lab.agents.process.sdk_loop import HEARTBEAT_S
from campaign_lab.batch.events import BatchEnded, BatchStarted, OnBatchEvent
from campaign_lab.batch.execute.booking import Booking
from campaign_lab.batch.execute.local import LocalRunner
from campaign_lab.batch.execute.runner import Runner
from campaign_lab.batch.execute.work import Cancellation, Payload
from campaign_lab.batch.folder import HOME, RowFiles
from campaign_lab.batch.plan.jobs import BatchOptions, BatchPlan, PlannedRun
from campaign_lab.batch.plan.planner import planned
from campaign_lab.batch.rows import Row
from campaign_lab.errors import LabError
from campaign_lab.progress.hook import ignore_event
from campaign_lab.sessions.budgets import SESSION_USD, TURN_USD
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run.recovery import recover

T = TypeVar("T")


def run_batch(
    context: Context,
    plan: BatchPlan,
    *,
    on_event: OnBatchEvent = ignore_event,
    cancelled: Cancellation | None = None,
) -> list[Row]:
    """Runs the plan and returns the rows: first its runs in their order, then other finished runs of the folder.

    It blocks: call it in a thread where an event loop must stay free. Cancelled runs have the state ``cancelled``; the same
    batch again does them. Ctrl-C cancels, waits for the kernels, writes all rows, and is raised again. Raises FolderInUse,
    BudgetExceeded.
    """
    files = RowFiles(plan.options.out)
    with files.held():
        batch = files.begin(plan.template.name)
        dead = context.loop.run_sync(recover(context))
        plan = planned(context, plan.template, plan.jobs, plan.options)  # another batch may have worked here meanwhile
        jobs = {job.run: job for job in plan.jobs}
        booking = Booking(context, files, batch, jobs=jobs, on_event=on_event)
        started = BatchStarted(len(plan.jobs), len(plan.todo), len(plan.kept), plan.workers, plan.estimate_usd)
        for turn in dead:
            booking.on_event(turn)
        booking.on_event(started)
        try:
            if plan.todo:
                _runner(plan.options, plan.workers).run(
                    _payloads(context, files, plan, batch=batch),
                    retries=plan.options.retries, on_event=booking.on_event, cancelled=cancelled or Cancellation(),
                    settle=booking.settle,
                )  # fmt: skip
        finally:
            booking.book_again()
            rows = booking.listed()
            _report(context, rows, plan)
            booking.on_event(BatchEnded(tuple(rows)))
        return rows


def _runner(options: BatchOptions, workers: int) -> Runner:
    if options.scheduler is None:
        return LocalRunner(workers)
    from campaign_lab.batch.cluster.runner import DaskRunner

    return DaskRunner(options.scheduler, most=options.workers)


def _payloads(context: Context, files: RowFiles, plan: BatchPlan, *, batch: str) -> list[Payload]:
    """Returns the payloads of all runs to do. Raises LabError when no file can be written in the folder."""
    try:
        return [_payload(context, files, plan, job, batch=batch) for job in plan.todo]
    except OSError as error:
        raise LabError(
            f"Nothing can be written in {files.folder} ({error.strerror}). Make room there, and run it again."
        ) from None


def _payload(context: Context, files: RowFiles, plan: BatchPlan, job: PlannedRun, *, batch: str) -> Payload:
    """Returns the payload of a run, and keeps a copy of its brief, so that the notebook can be run again by hand."""
    brief = files.save(f"{HOME}/briefs/{job.run}.toml", job.source.toml.encode())
    folder = plan.template.folder or files.folder
    return Payload(
        run=job.run, name=job.name, template_name=plan.template.name, template=plan.template.data,
        brief_toml=job.source.toml, parameters=dict(job.parameters),
        env=_env(context, plan, batch, job.run), timeout_s=plan.options.timeout_s, folder=str(folder.resolve()),
        brief_path=str(brief.resolve()), home=socket.gethostname(),
    )  # fmt: skip


def _env(context: Context, plan: BatchPlan, batch: str, run: str) -> Mapping[str, str]:
    """Returns the environment that gives the kernel this lab. The template sets the model and how long sessions live.

    It is the only place that the store's password is passed to.
    """
    env = {
        "CAMPAIGN_LAB_STORE": context.engine.location,
        "CAMPAIGN_LAB_USER": context.user,
        "CAMPAIGN_LAB_ENDPOINT": context.endpoint.setting,
        "CAMPAIGN_LAB_ON_MISS": context.on_miss,
        "CAMPAIGN_LAB_BATCH": batch,
        "CAMPAIGN_LAB_RUN": run,
    }
    limits = {
        "CAMPAIGN_LAB_BATCH_USD": plan.limit_usd,
        TURN_USD: context.budgets.turn_usd,
        SESSION_USD: context.budgets.session_usd,
    }
    return env | {name: repr(usd) for name, usd in limits.items() if usd is not None}


def _report(context: Context, rows: list[Row], plan: BatchPlan) -> None:
    """Writes the report of the folder. An error, such as a full disk, is logged and loses no result."""
    from campaign_lab.batch.report.write import write_report

    try:
        write_report(context, rows, plan.options.out)
    except Exception:
        logging.getLogger("campaign_lab").exception("the report of the batch could not be written")


async def in_thread(work: Callable[[], T], cancelled: Cancellation) -> T:
    """Returns the result of the work, which a thread does. When the caller stops waiting, it cancels and waits for its end."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=HEARTBEAT_S)  # a kernel interrupt does not reach an idle await
    except BaseException:
        cancelled.set()
        with suppress(BaseException):
            await asyncio.shield(task)
        raise
    return task.result()
