"""BatchPanel: a notebook for each of several briefs at a click, with the plan before, each of them seen at work, and Cancel."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.agents.process.sdk_loop import HEARTBEAT_S, STOP_S, LoopTask
from campaign_lab.batch.events import BatchEvent
from campaign_lab.batch.execute.work import Cancellation
from campaign_lab.panels.base import Panel
from campaign_lab.panels.running.batch_lines import LiveBatch, ended_html
from campaign_lab.panels.running.live_board import CELL, Drawing
from campaign_lab.panels.running.notebook_line import NotebookLine
from campaign_lab.sessions.not_awaited import awaited
from campaign_lab.show import escape_html, framed
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.batch.plan.briefs import Briefs
    from campaign_lab.lab import Lab

MOST_LINES = 16
"""Lines with a Cancel of their own. Where a cluster runs more notebooks at once, the others are told below the bar."""

FilePath = str | os.PathLike[str]


class BatchPanel(Panel):
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
        super().__init__()
        self._lab, self._out = lab, Path(out)
        self._given = (briefs, notebook)
        self._options = {"out": out, **options}
        self._plan = lab.plan_batch(*self._given, **self._options)
        self._lock = threading.RLock()  # callbacks have no fixed thread, and observers of our traits call back
        self._job: LoopTask[pd.DataFrame] | None = None
        self._running = False
        self._stop = Cancellation()
        self._live = LiveBatch()
        self.frame: pd.DataFrame | None = None
        """The rows of the last run, as ``lab.batch`` gives them."""
        self.start_button = widgets.Button(
            description="Start", icon="play", button_style="primary", tooltip="Run what is missing or changed"
        )
        self.cancel_button = widgets.Button(
            description="Cancel all", icon="stop", disabled=True, tooltip="Stop all notebooks; what is finished is kept"
        )
        self.status, self.plan, self.progress = (widgets.HTML() for _ in range(3))
        self.runs = [NotebookLine(self._cancel_run) for _ in range(min(MOST_LINES, len(self._plan.jobs)))]
        """Lines of running notebooks; those that are not in use are hidden."""
        self.results = widgets.Output()  # its links are followed by JupyterLab, those in an HTML widget are not
        self.start_button.on_click(self.guarded(self.start))
        self.cancel_button.on_click(self.guarded(self.cancel))
        controls = widgets.HBox([self.start_button, self.cancel_button, self.status])
        self.children = [self.plan, controls, self.progress, *self.runs, self.problem, self.results]
        self._say("idle")
        self._show_plan()

    # -- from any thread

    def start(self) -> LoopTask[pd.DataFrame]:
        """Starts the batch, unless it is under way: then that one is given."""
        with self._lock:
            if self._job is None or not self._running:
                self.frame, self._stop, self._live = None, Cancellation(), LiveBatch()
                job = self._job = self._lab._context.loop.submit(self._work())
                self._running = True
                self.problem.clear()
                self.start_button.disabled = True
                self._say("running")
                self.cancel_button.disabled = False  # last: whoever hears of it may cancel
                return job
            return self._job

    def cancel(self) -> None:
        """Stops the batch if one is under way: kernels are interrupted, finished notebooks stay, and Start goes on."""
        with self._lock:
            if self._running and not self.cancel_button.disabled:
                self.cancel_button.disabled = True
                self._say("cancelling …")
                self._stop.set()

    @awaited
    async def run(self) -> pd.DataFrame:
        """Runs in a cell and waits: gives the rows, cancelled ones too. An interrupt of the kernel cancels the batch.

        Raises what ``lab.batch`` raises.
        """
        job = self.start()
        try:
            while not job.ended.is_set():  # noqa: ASYNC110  # a thread's; and an interrupt reaches no idle await
                await asyncio.sleep(HEARTBEAT_S)
        except BaseException:
            self.cancel()
            await asyncio.to_thread(job.ended.wait, STOP_S)
            raise
        return job.future.result()

    # -- in the loop's thread

    async def _work(self) -> pd.DataFrame:
        try:
            with Drawing(self._draw) as self._drawing:
                frame = await self._lab.batch(*self._given, **self._options, on_event=self._hear, cancelled=self._stop)
                self._plan = await asyncio.to_thread(self._lab.plan_batch, *self._given, **self._options)
        except BaseException as error:
            self._end("failed", error if isinstance(error, Exception) else None)
            raise
        self.frame = frame
        self._end("cancelled" if self._stop.is_set() else "done")
        return frame

    def _hear(self, event: BatchEvent) -> None:
        """From the threads of the notebooks: they only mark a change."""
        self._live.hear(event)
        self._drawing.changed = True

    def _draw(self) -> None:
        live = self._live
        unshown = dict(live.board.lines)
        for control in self.runs:
            control.keep(unshown.pop(control.run, None), live)
        free = [control for control in self.runs if not control.run]
        for control, run in zip(free, list(unshown), strict=False):
            control.keep(unshown.pop(run), live)
        self.progress.value = framed(live.head_html() + live.lines_html(unshown.values()))
        self._show_results()

    def _end(self, end: str, error: Exception | None = None) -> None:
        """Shows how the batch has ended, and what it would do now."""
        self._draw()
        for control in self.runs:
            control.keep(None, self._live)
        if error is not None:
            self.problem.show(error)
        self._show_plan()
        with self._lock:
            self.cancel_button.disabled = True
            self._say(end)
            self._running = False
            self.start_button.disabled = False  # last: whoever hears of it may start again

    # -- inside

    def _cancel_run(self, run: str) -> None:
        self._stop.cancel_run(run)

    def _show_plan(self) -> None:
        self.plan.value = self._plan._repr_html_()

    def _show_results(self) -> None:
        """The rows that have ended. Drawn only when there is one more: a message to the browser each."""
        html = ended_html(self._live.board.ended, os.path.relpath(self._out))
        data = {"text/plain": "", "text/html": framed(html)}
        output = {"output_type": "display_data", "data": data, "metadata": {}}
        shown = (output,) if html else ()
        if self.results.outputs != shown:
            self.results.outputs = shown

    def _say(self, words: str) -> None:
        self.status.value = framed(f'<span role="status">{escape_html(words)}</span>')

    def twin(self) -> str:
        """The notebooks of the batch: a function of the briefs, the template and the options."""
        head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in ("Notebook", "Campaign"))
        rows = "".join(
            f'<tr><th scope="row" style="{CELL}">{escape_html(job.name)}</th>'
            f'<td style="{CELL}">{escape_html(_campaign(job))}</td></tr>'
            for job in self._plan.jobs
        )
        return framed(
            f"<table><caption>Batch panel</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def line(self) -> str:
        """Such as BatchPanel(3 notebooks)."""
        return f"BatchPanel({pluralize(len(self._plan.jobs), 'notebook')})"


def _campaign(job: Any) -> str:
    """The campaign that a job's brief is for; nothing where the brief cannot be used."""
    return job.source.brief.campaign if job.source.brief else ""
