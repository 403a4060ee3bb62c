"""JobPanel: what panels share that run a job: buttons to start it, Cancel, a status, progress while it runs, and its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import ipywidgets as widgets

from campaign_lab.agents.process.sdk_loop import HEARTBEAT_S, STOP_S, AgentLoop, LoopTask
from campaign_lab.panels.base import Panel
from campaign_lab.progress.html import PhaseState
from campaign_lab.progress.live import Drawing, LiveProgress
from campaign_lab.sessions.not_awaited import awaited
from campaign_lab.show import framed
from campaign_lab.show.templates import render
from campaign_lab.show.text import escape_html

T = TypeVar("T")


class JobPanel(Panel, Generic[T]):
    """Base of the panels that run a job. A subclass says with ``_do`` what the job is, and with ``_draw`` what is seen of it.

    All of a job but its start and its cancellation happens in the thread of ``loop``.
    """

    def __init__(self, loop: AgentLoop, starters: Sequence[widgets.Button], *, cancel: widgets.Button) -> None:
        super().__init__()
        self._loop, self._starters = loop, starters
        self._lock = threading.RLock()  # callbacks have no fixed thread, and observers of our traits call back
        self._job: LoopTask[T] | None = None
        self._running = False  # not job.ended: that comes after a button can be clicked again
        self._in_cell = False
        self._progress: LiveProgress
        self._drawing: Drawing
        self.status = widgets.HTML()
        self.cancel_button = cancel
        self.cancel_button.disabled = True
        self.controls = widgets.HBox([*starters, cancel, self.status])
        self._say("idle")

    # -- from any thread

    def start(self) -> LoopTask[T]:
        """The job, which is started unless it is under way."""
        with self._lock:
            if self._job is None or not self._running:
                self._in_cell = False
                self._reset()
                self._job = self._loop.submit(self._work())
                self._running = True
                self.problem.clear()
                for button in self._starters:
                    button.disabled = True
                self._say("running")
                self.cancel_button.disabled = False  # last: whoever hears of it may cancel
            return self._job

    def cancel(self) -> None:
        """Stops the job if one is under way. What is finished is kept, and the next start goes on from there."""
        with self._lock:
            if self._running and not self.cancel_button.disabled:
                self.cancel_button.disabled = True
                self._say("cancelling …")
                self._stop()

    @awaited
    async def run(self) -> T:
        """Runs in a cell and waits: the result of the job. An interrupt of the kernel cancels it.

        Raises what the job raises.
        """
        with self._lock:
            job = self.start()
            self._in_cell = True
        try:
            while not job.ended.is_set():  # noqa: ASYNC110  # a thread's; and an interrupt reaches no idle await
                await asyncio.sleep(HEARTBEAT_S)
        except BaseException:
            self.cancel()
            await asyncio.to_thread(job.ended.wait, STOP_S)
            raise
        return self._result(job)

    # -- in the loop's thread

    async def _work(self) -> T:
        try:
            with Drawing(self._draw) as self._drawing:
                result = await self._do()
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        except Exception as error:
            self._end("failed", error)
            raise
        self._end("done")
        return result

    def _on_event(self, event: Any) -> None:
        """Only marks a change: events may come from any thread."""
        self._progress.on_event(event)
        self._drawing.changed = True

    def _end(self, end: PhaseState, error: Exception | None = None) -> None:
        words = self._show_end(end)
        if error is not None:
            self.problem.show(error)
        with self._lock:
            self.cancel_button.disabled = True
            self._say(words)
            self._running = False
            for button in reversed(self._starters):  # last: whoever hears of it may start again
                button.disabled = False

    # -- what a subclass says

    def _reset(self) -> None:
        """Forgets the job before."""

    async def _do(self) -> T:
        """The job: what ``run`` gives."""
        raise NotImplementedError

    def _stop(self) -> None:
        """Ends the job that is under way."""

    def _draw(self) -> None:
        """Draws the job as it stands."""

    def _show_end(self, end: PhaseState) -> str:
        """Draws the job with what it has finished, and says in words how it has ended."""
        return end

    def _result(self, job: LoopTask[T]) -> T:
        """The result of a job that has ended; raises what it has raised."""
        return job.future.result()

    # -- inside

    def _say(self, words: str) -> None:
        self.status.value = framed(f'<span role="status">{escape_html(words)}</span>')


def panel_table(caption: str, columns: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    """A table of texts, as the saved form of a panel."""
    return framed(render("panel_table", caption=caption, columns=columns, rows=rows))
