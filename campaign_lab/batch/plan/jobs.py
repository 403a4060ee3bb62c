"""A batch before it begins: how it is to be run, its runs, and what is to be done for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from campaign_lab.batch.plan.briefs import BriefSource
from campaign_lab.batch.plan.template import Template
from campaign_lab.money import Sum
from campaign_lab.show import framed, usd
from campaign_lab.show.tables import table
from campaign_lab.show.text import escape_html, pluralize

JobStatus = Literal["new", "kept", "again", "changed", "refused"]
"""``kept``: finished, and nothing it stands on has changed. ``again``: it did not finish. ``changed``: its inputs have changed,
whether it had finished or not.
``refused``: its brief cannot be used."""

TIMEOUT_S = 20 * 60.0
RETRIES = 2
MOST_SHOWN = 200
"""Jobs that a plan shows of itself."""


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run. ``parameters`` go to every run, ``matrix`` has a run for each combination of its values.

    ``workers`` None: as many as cores and memory allow. ``timeout_s``: for a whole notebook; None for no end. ``retries``: of
    what may pass the second time. ``budget_usd``: for the whole batch. ``scheduler``: the address of a Dask cluster.
    """

    notebook: Path
    out: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    matrix: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    workers: int | None = None
    timeout_s: float | None = TIMEOUT_S
    retries: int = RETRIES
    budget_usd: float | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan. ``reason`` says why it runs again, or what is wrong with its brief; one line."""

    run: str
    name: str
    source: BriefSource = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict, repr=False)
    status: JobStatus = "new"
    reason: str = ""
    estimate_usd: float | None = None

    @property
    def todo(self) -> bool:
        """Will it be run?"""
        return self.status in ("new", "again", "changed")


@dataclass(frozen=True, repr=False)
class BatchPlan:
    """What the batch is going to do. ``estimate_usd`` is for the runs to do, None when a price is unknown.

    ``basis`` says in words what the estimate stands on; ``spent`` is what earlier starts of this batch have paid, and
    ``limit_usd`` what all of it may cost: the batch's budget, or what the user's own budgets leave if that is less.
    """

    options: BatchOptions
    template: Template
    jobs: tuple[PlannedRun, ...]
    estimate_usd: float | None
    basis: str
    spent: Sum
    workers: int
    limit_usd: float | None = None

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The jobs that will be run."""
        return tuple(job for job in self.jobs if job.todo)

    @property
    def kept(self) -> tuple[PlannedRun, ...]:
        """The jobs whose results stand."""
        return tuple(job for job in self.jobs if job.status == "kept")

    @property
    def refused(self) -> tuple[PlannedRun, ...]:
        """The jobs whose brief cannot be used."""
        return tuple(job for job in self.jobs if job.status == "refused")

    def __repr__(self) -> str:
        states = Counter(job.status for job in self.jobs)
        counts = ", ".join(f"{number} {status}" for status, number in states.items())
        return f"BatchPlan({pluralize(len(self.jobs), 'run')}{': ' if counts else ''}{counts}; about {usd(self.estimate_usd)})"

    def _repr_html_(self) -> str:
        rows = [
            [job.name, job.status, job.reason, usd(job.estimate_usd) if job.todo else ""]
            for job in self.jobs[:MOST_SHOWN]
        ]
        more = f"<p>{len(rows)} of {len(self.jobs)} runs are shown.</p>" if len(self.jobs) > len(rows) else ""
        about = f"{pluralize(len(self.todo), 'run')} to do, about {usd(self.estimate_usd)} ({self.basis})"
        sums = f"{about if self.todo else 'Nothing is left to run'}; {self.spent} spent so far."
        return framed(f"{table(('Run', 'Plan', 'Why', 'About US$'), rows, right=(3,))}{more}<p>{escape_html(sums)}</p>")
