"""The rows of a batch while it works: who runs, how each ended, and what the ledger says it cost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign_lab.agents.events import safe_listener
from campaign_lab.batch.events import BatchEvent, OnBatchEvent, RunEnded, RunStarted
from campaign_lab.batch.execute.work import Outcome
from campaign_lab.batch.folder import RowFiles
from campaign_lab.batch.plan.jobs import PlannedRun
from campaign_lab.batch.rows import Row, RunState
from campaign_lab.errors import BUDGET_CODES, LabError
from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run.recovery import recover
from campaign_lab.sessions.spending.batch_budget import RunCost, batch_costs

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con

log = logging.getLogger("campaign_lab")


@dataclass(frozen=True)
class BatchLedger:
    """What the store says of a batch: by run its cost, and the turns that were made for it."""

    costs: Mapping[str, RunCost]
    made: Mapping[str, frozenset[str]]


class Booking:
    """Keeps the rows of a batch. Called from the threads of its runs."""

    def __init__(
        self, context: Context, files: RowFiles, batch: str, *, jobs: Mapping[str, PlannedRun], on_event: OnBatchEvent
    ) -> None:
        self.rows = files.rows()
        self._context = context
        self._files = files
        self._batch = batch
        self._jobs = jobs
        self._on_event = safe_listener(on_event)
        self._lock = threading.Lock()
        self._begun: set[str] = set()

    def tell(self, event: BatchEvent) -> None:
        """Takes in an event and passes it on. A listener that breaks stops no run."""
        if isinstance(event, RunStarted):
            self._start(event)
        self._on_event(event)

    def _start(self, event: RunStarted) -> None:
        job, now = self._jobs[event.run], self._context.now()
        row = self._row_of(job)
        begun = event.run in self._begun
        if job.status == "changed" and not begun:  # what it made of other inputs is no result of these
            row = replace(
                row, notebook="", sessions=(), tips={}, records=0, replayed_usd=0.0, replayed_unpriced_requests=0
            )
        self._begun.add(event.run)
        self._keep(
            replace(
                row, parameters=dict(job.parameters), inputs=dict(job.inputs), state="running", attempts=row.attempts + 1,
                error="", cell="", changed=job.reason, started_at=row.started_at if begun else now, ended_at=None,
            )
        )  # fmt: skip

    def settle(self, outcome: Outcome) -> None:
        """Writes down how a run ended: its notebook first, so that a row which says finished always has one."""
        job = self._jobs[outcome.run]
        if outcome.run not in self._begun:  # cancelled before it began: nothing about it has changed
            self._end(replace(self._row_of(job), state="cancelled", error="", cell=""), kept=False)
            return
        row = replace(
            self._row_of(job), state=_state(outcome), duration_s=outcome.duration_s or None, error=outcome.error,
            cell=outcome.cell, ended_at=self._context.now(),
        )  # fmt: skip
        try:
            if outcome.notebook:
                row = replace(row, notebook=self._files.save(f"{outcome.run}.ipynb", outcome.notebook).name)
        except OSError as error:
            row = replace(row, state="failed", error=f"the executed notebook could not be saved: {error.strerror}")
        if outcome.state != "finished":
            self._settle_accounts()
        ledger = self._ledger()
        if outcome.notebook or outcome.journal:  # a try that handed nothing in takes nothing away
            row = with_journal(row, outcome.journal, ledger)
        self._end(replace(row, **_costs(ledger, row.run)))

    def book_again(self) -> None:
        """Reads the ledger once more: what killed attempts were charged is booked by whoever finds them."""
        self._settle_accounts()
        ledger = self._ledger()
        if ledger is None:
            return
        for run, row in self.rows.items():
            booked = replace(row, **_costs(ledger, run))
            if booked != row and row.state not in ("waiting", "running"):
                self._keep(booked)

    def listed(self) -> list[Row]:
        """The rows of the plan in its order, then those of other finished runs of the folder."""
        planned = [self._row_of(job) for job in self._jobs.values()]
        rest = [row for run, row in self.rows.items() if run not in self._jobs and row.state == "finished"]
        return planned + rest

    def _row_of(self, job: PlannedRun) -> Row:
        """The row of a job as it stands; of one that never began, what is known of it."""
        brief = job.source.brief
        campaign = brief.campaign if brief else ""
        row = self.rows.get(job.run) or Row(job.run, job.source.name, campaign, dict(job.parameters))
        if job.status == "refused":
            return replace(row, state="refused", error=job.reason, cell="")
        return replace(row, brief=job.source.name, campaign=campaign)

    def _end(self, row: Row, *, kept: bool = True) -> None:
        if kept:
            self._keep(row)
        else:
            self.rows[row.run] = row
        self.tell(RunEnded(row.run, self._jobs[row.run].name, row))

    def _keep(self, row: Row) -> None:
        """Keeps the row, also on disk. Where that is full the batch goes on: the run is then done again the next time."""
        with self._lock:
            self.rows[row.run] = row
            try:
                self._files.write(row)
            except OSError as error:
                log.warning("the row of %s could not be written: %s", row.run, error)

    def _settle_accounts(self) -> None:
        """Books what attempts of dead kernels were charged."""
        try:
            self._context.loop.run_sync(recover(self._context))
        except LabError as error:
            log.warning("what was cut off could not be booked yet: %s", error)

    def _ledger(self) -> BatchLedger | None:
        """What the store says of this batch; None when it does not answer: the rows then keep what they had."""
        try:
            return self._context.engine.call(partial(_read, batch=self._batch))
        except LabError as error:
            log.warning("the costs of the batch could not be read: %s", error)
            return None


def _read(con: Con, batch: str) -> BatchLedger:
    made: dict[str, set[str]] = {}
    for attempt, run in con.execute("SELECT id, run FROM attempts WHERE batch = ?", [batch]).fetchall():
        made.setdefault(str(run), set()).add(str(attempt))
    return BatchLedger(batch_costs(con, batch), {run: frozenset(ids) for run, ids in made.items()})


def _costs(ledger: BatchLedger | None, run: str) -> dict[str, Any]:
    if ledger is None:
        return {}
    cost = ledger.costs.get(run) or RunCost()
    return {
        "cost_usd": cost.paid.known, "unpriced_requests": cost.paid.unpriced,
        "cut_usd": cost.cut.known, "cut_unpriced_requests": cost.cut.unpriced,
    }  # fmt: skip


def _state(outcome: Outcome) -> RunState:
    return "over budget" if outcome.state == "failed" and outcome.code in BUDGET_CODES else outcome.state


def with_journal(row: Row, journal: tuple[dict[str, Any], ...], ledger: BatchLedger | None) -> Row:
    """The row with what the run's sessions wrote down. A turn counts once, and is no replay if this run has paid for it."""
    turns = {str(line["turn"]): line for line in journal if line.get("turn")}
    own = ledger.made.get(row.run, frozenset()) if ledger else frozenset()
    tips = {str(line["session"]): turn for turn, line in turns.items()}
    free = [line for turn, line in turns.items() if line.get("replayed") and turn not in own]
    replayed = sum(
        (Sum.stored(line.get("cost_usd"), int(line.get("unpriced_requests") or 0)) for line in free), NOTHING
    )
    errors = [str(line["error"]) for line in journal if line.get("error")]
    return replace(
        row,
        sessions=tuple(dict.fromkeys(str(line["session"]) for line in journal if line.get("session"))),
        tips=tips,
        records=sum(int(line.get("records") or 0) for line in turns.values()),
        replayed_usd=replayed.known,
        replayed_unpriced_requests=replayed.unpriced,
        error=row.error or (errors[-1].splitlines()[0] if errors and errors[-1] else ""),
    )
