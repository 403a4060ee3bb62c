"""The plan of a batch as data: its options, its runs, and what is to be done for each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from campaign_lab.batch.plan.briefs import BriefSource
from campaign_lab.batch.plan.template import Template
from campaign_lab.money import Sum, usd
from campaign_lab.show import framed
from campaign_lab.show.tables import table
from campaign_lab.show.text import escape_html, pluralize

JobStatus = Literal["new", "kept", "again", "changed", "refused"]
"""``kept``: finished, with the same inputs as now. ``again``: it did not finish. ``changed``: its inputs have changed, whether
it had finished or not. ``refused``: its brief cannot be used."""

MOST_SHOWN = 200
"""The most runs that a plan shows in a notebook."""


@dataclass(frozen=True)
class BatchOptions:
    """How a batch is run. Every run gets the ``parameters``; each combination of the values of ``matrix`` is a run.

    ``workers``: notebooks at once, None for as many as cores and memory allow. ``timeout_s``: limit for a whole notebook in
    seconds, or None. ``retries``: how often a run is tried again after an error that may pass. ``budget_usd``: limit for the
    whole batch. ``scheduler``: the address of a Dask cluster.
    """

    notebook: Path
    out: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    matrix: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    workers: int | None = None
    timeout_s: float | None = 20 * 60.0
    retries: int = 2
    budget_usd: float | None = None
    scheduler: str | None = None


@dataclass(frozen=True)
class PlannedRun:
    """One run of the plan. ``reason`` says in one line why it runs again, or what is wrong with its brief."""

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
    """What the batch will do. ``estimate_usd`` is the expected cost of the runs to do, None when a price is unknown.

    ``basis`` says in words where the estimate comes from. ``spent`` is what earlier starts of this batch have paid.
    ``limit_usd`` is what the whole batch may cost: its budget, or what the user's budgets leave if that is less.
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
        """The runs to do."""
        return tuple(job for job in self.jobs if job.todo)

    @property
    def kept(self) -> tuple[PlannedRun, ...]:
        """The runs whose results are kept."""
        return tuple(job for job in self.jobs if job.status == "kept")

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
