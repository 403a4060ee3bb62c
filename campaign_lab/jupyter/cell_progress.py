"""Progress in the cell that runs: a live display while the work goes on, and nothing that differs in what is saved.

The first and the last thing shown are the same constant bundle, which shows nothing. nbval compares the first with the one
that was saved last, so a notebook is the same after a run and after a replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from campaign_lab.agents.board import TurnBoard
from campaign_lab.progress.hook import Listener, Watch, safe_listener
from campaign_lab.progress.html import PhaseState, ended_html, phase_bar, progress_html
from campaign_lab.progress.live import Drawing, LiveProgress
from campaign_lab.show import framed
from campaign_lab.show.text import escape_html

HINT = "Interrupt the kernel (■) to stop; what is finished is kept."
NOTHING = "<!-- progress is shown while the cell runs -->"
"""Not an empty string: some front ends take that for no HTML at all, and show the text beside it."""


@contextmanager
def cell_display(what: str, html: Callable[[], str]) -> Iterator[Drawing]:
    """A display of the cell that runs, called ``what``, which begins and ends as NOTHING; ``html`` gives each picture.

    Entered in a coroutine of the cell, it draws in that loop, soon after the drawing was told of a change.
    """
    from IPython.display import DisplayHandle

    handle = DisplayHandle()  # type: ignore[no-untyped-call]  # IPython has few types

    def publish(send: Callable[..., None], picture: str) -> None:
        safe_listener(send)({"text/plain": f"Progress({what})", "text/html": picture}, raw=True)

    def draw() -> None:
        publish(handle.update, framed(f"{html()}<p><small>{HINT}</small></p>"))

    publish(handle.display, NOTHING)
    try:
        with Drawing(draw) as drawing:
            yield drawing
    finally:
        publish(handle.update, NOTHING)


@contextmanager
def runs_in_cell(phases: Sequence[str], sessions: Sequence[str]) -> Iterator[Watch]:
    """The display of one run, or of all runs of a fan-out."""
    blocks = [_SessionBlock(session, phases) for session in sessions]
    with cell_display(
        ", ".join(phases), lambda: "".join(each.html(named=len(blocks) > 1) for each in blocks)
    ) as drawing:
        yield partial(_watch, blocks, phases, drawing)


@contextmanager
def batch_in_cell() -> Iterator[Listener]:
    """The display of one batch: the bar and the notebooks."""
    from campaign_lab.batch.board import BatchBoard  # with the first batch: attaching to a kernel shall stay quick

    progress = LiveProgress(BatchBoard())

    def html() -> str:
        view = progress.view()
        return progress_html(view) + ended_html(view.ended)

    with cell_display("batch", html) as drawing:
        yield _listener(progress, drawing)


class _SessionBlock:
    """One session in the display: where each of its phases is, and the board of the one under way."""

    def __init__(self, session: str, phases: Sequence[str]) -> None:
        self.session = session
        self.states: dict[str, PhaseState] = dict.fromkeys(phases, "waiting")
        self.progress = LiveProgress(TurnBoard())

    @property
    def free(self) -> bool:
        """Is none of its phases under way?"""
        return "running" not in self.states.values()

    def html(self, *, named: bool) -> str:
        """The block, under the session's name where there are several."""
        view = self.progress.view()
        title = f"<p><b>{escape_html(self.session)}</b></p>" if named else ""
        return f"{title}{phase_bar(self.states.items(), view)}{'' if self.free else progress_html(view)}"


@contextmanager
def _watch(
    blocks: list[_SessionBlock], phases: Sequence[str], drawing: Drawing, session: str, phase: str
) -> Iterator[Listener]:
    """Watches a run in the first block of its session that is free: two sessions of a fan-out may have one name."""
    block = next((each for each in blocks if each.session == session and each.free), None)
    if block is None:
        blocks.append(block := _SessionBlock(session, phases))
    block.progress, block.states[phase] = LiveProgress(TurnBoard()), "running"
    end: PhaseState = "failed"
    try:
        yield _listener(block.progress, drawing)
        end = "done"
    except asyncio.CancelledError:
        end = "cancelled"
        raise
    finally:
        block.states[phase] = end
        drawing.changed = True


def _listener(progress: LiveProgress, drawing: Drawing) -> Listener:
    """Takes in events from any thread; they only mark a change."""

    def on_event(event: object) -> None:
        progress.on_event(event)
        drawing.changed = True

    return on_event
