"""BatchPanel: a notebook for each of several briefs at a click, with the plan before, each of them seen at work, and Cancel."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.batch.board import BatchBoard
from campaign_lab.batch.execute.work import Cancellation
from campaign_lab.panels.running.job_panel import JobPanel, panel_table
from campaign_lab.panels.running.notebook_line import NotebookLine
from campaign_lab.progress.html import PhaseState, ended_html, progress_html
from campaign_lab.progress.live import LiveProgress
from campaign_lab.show import framed
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.batch.plan.briefs import Briefs
    from campaign_lab.lab import Lab

MOST_LINES = 16
"""Lines with a Cancel of their own. Where a cluster runs more notebooks at once, the others are told below the bar."""

FilePath = str | os.PathLike[str]


class BatchPanel(JobPanel["pd.DataFrame"]):
    """The plan with its estimate, Start, Cancel, one bar, a line with its own Cancel for each running notebook, and results.

    The options are those of ``lab.plan_batch``. A click on Start does what is missing or changed, as the same
    command again would.
    Raises what ``lab.plan_batch`` raises: BriefError, NotFoundError, ValueError, BudgetExceeded.
    """

    def __init__(
        self,
        lab: Lab,
        briefs: Briefs,
        notebook: FilePath | None = None,
        *,
        out: FilePath,
        **options: Any,
    ) -> None:
        self._lab, self._out = lab, Path(out)
        self._given = (briefs, notebook)
        self._options = {"out": out, **options}
        self._plan = lab.plan_batch(*self._given, **self._options)
        self.start_button = self.button(
            "Start", "play", "Run what is missing or changed", self.start, button_style="primary"
        )
        cancel = self.button("Cancel all", "stop", "Stop all notebooks; what is finished is kept", self.cancel)
        super().__init__(lab._context.loop, [self.start_button], cancel=cancel)
        self.frame: pd.DataFrame | None = None
        """The rows of the last run, as ``lab.batch`` gives them."""
        self._reset()
        self.plan, self.progress = widgets.HTML(), widgets.HTML()
        self.runs = [NotebookLine(self._cancel_run) for _ in range(min(MOST_LINES, len(self._plan.jobs)))]
        """Lines of running notebooks; those that are not in use are hidden."""
        self.results = widgets.Output()  # its links are followed by JupyterLab, those in an HTML widget are not
        self.children = [self.plan, self.controls, self.progress, *self.runs, self.problem, self.results]
        self._show_plan()

    # -- from any thread

    def _reset(self) -> None:
        self.frame, self._cancellation, self._progress = None, Cancellation(), LiveProgress(BatchBoard())

    def _stop(self) -> None:
        """Kernels are interrupted, finished notebooks stay, and Start goes on."""
        self._cancellation.set()

    def _cancel_run(self, run: str) -> None:
        self._cancellation.cancel_run(run)

    # -- in the loop's thread

    async def _do(self) -> pd.DataFrame:
        frame = await self._lab.batch(
            *self._given, **self._options, on_event=self._on_event, cancelled=self._cancellation
        )
        self._plan = await asyncio.to_thread(self._lab.plan_batch, *self._given, **self._options)
        self.frame = frame
        return frame

    def _draw(self) -> None:
        view = self._progress.view()
        unshown = {line.key: line for line in view.lines}
        for control in self.runs:
            control.show(unshown.pop(control.run, None))
        free = [control for control in self.runs if not control.run]
        for control, run in zip(free, list(unshown), strict=False):
            control.show(unshown.pop(run))
        self.progress.value = framed(progress_html(replace(view, lines=list(unshown.values()))))
        self._show_results(ended_html(view.ended, os.path.relpath(self._out)))

    def _show_end(self, end: PhaseState) -> str:
        """Shows what has ended, and what the batch would do now. A batch that is stopped ends well, with its rows."""
        self._draw()
        for control in self.runs:
            control.show(None)
        self._show_plan()
        return "cancelled" if end == "done" and self._cancellation.is_set() else end

    # -- inside

    def _show_plan(self) -> None:
        self.plan.value = self._plan._repr_html_()

    def _show_results(self, html: str) -> None:
        """The notebooks that have ended. Drawn only when there is one more: a message to the browser each."""
        data = {"text/plain": "", "text/html": framed(html)}
        shown = ({"output_type": "display_data", "data": data, "metadata": {}},) if html else ()
        if self.results.outputs != shown:
            self.results.outputs = shown

    def twin(self) -> str:
        """The notebooks of the batch: a function of the briefs, the template and the options."""
        jobs = self._plan.jobs
        rows = [(job.name, job.source.brief.campaign if job.source.brief else "") for job in jobs]
        return panel_table("Batch panel", ("Notebook", "Campaign"), rows)

    def line(self) -> str:
        """Such as BatchPanel(3 notebooks)."""
        return f"BatchPanel({pluralize(len(self._plan.jobs), 'notebook')})"
