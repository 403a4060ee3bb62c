"""Progress in the cell that runs: a live display while the run goes on, and nothing that differs in what is saved.

The first and the last thing shown are the same constant bundle, which shows nothing. nbval compares the first with the one
that was saved last, so a notebook is the same after a run and after a replay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from campaign_lab.agents.events import Event, OnEvent, safe_listener
from campaign_lab.panels.running.live_board import Drawing, LiveBoard, PhaseState, phase_bar
from campaign_lab.sessions.progress_hook import Watch
from campaign_lab.show import escape_html, framed

HINT = "Interrupt the kernel (■) to stop; what is finished is kept."
NOTHING = "<!-- progress is shown while the cell runs -->"
"""Not an empty string: some front ends take that for no HTML at all, and show the text beside it."""


class SessionProgress:
    """One session in the display: where each of its phases is, and the board of the one under way."""

    def __init__(self, session: str, phases: Sequence[str]) -> None:
        self.session = session
        self.states: dict[str, PhaseState] = dict.fromkeys(phases, "waiting")
        self.live = LiveBoard()

    @property
    def free(self) -> bool:
        """Is none of its phases under way?"""
        return "running" not in self.states.values()

    def html(self, *, named: bool) -> str:
        """The block, under the session's name where there are several."""
        title = f"<p><b>{escape_html(self.session)}</b></p>" if named else ""
        board = "" if self.free else self.live.html()
        return f"{title}{phase_bar(self.states.items(), self.live.share)}{board}"


class CellDisplay:
    """A display of the cell that runs, called ``what``, which begins and ends as NOTHING; ``html`` gives each picture.

    Entered in a coroutine of the cell, it draws in that loop, soon after ``mark`` was called.
    """

    def __init__(self, what: str, html: Callable[[], str]) -> None:
        from IPython.display import DisplayHandle

        self._line = f"Progress({what})"
        self._html = html
        self._handle = DisplayHandle()  # type: ignore[no-untyped-call]  # IPython has few types
        self._drawing = Drawing(self._draw)

    def __enter__(self) -> Self:
        self._publish(self._handle.display, NOTHING)
        self._drawing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._drawing.__exit__(kind, error, trace)
        self._publish(self._handle.update, NOTHING)

    def mark(self) -> None:
        """Says that there is something new to draw. From any thread."""
        self._drawing.changed = True

    def _draw(self) -> None:
        self._publish(self._handle.update, framed(f"{self._html()}<p><small>{HINT}</small></p>"))

    def _publish(self, send: Callable[..., None], html: str) -> None:
        safe_listener(send)({"text/plain": self._line, "text/html": html}, raw=True)


class CellProgress:
    """The display of one run, or of all runs of a fan-out."""

    def __init__(self, phases: Sequence[str], sessions: Sequence[str]) -> None:
        self._phases = phases
        self._blocks = [SessionProgress(session, phases) for session in sessions]
        self._display = CellDisplay(", ".join(phases), self._html)

    def __enter__(self) -> Watch:
        self._display.__enter__()
        return self.watch

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    @contextmanager
    def watch(self, session: str, phase: str) -> Iterator[OnEvent]:
        """Watches a run in the block of its session. Events come from the agents' thread; they only mark a change."""
        block = self._block_of(session)
        block.live, block.states[phase] = LiveBoard(), "running"

        def hear(event: Event) -> None:
            block.live.hear(event)
            self._display.mark()

        end: PhaseState = "failed"
        try:
            yield hear
            end = "done"
        except asyncio.CancelledError:
            end = "cancelled"
            raise
        finally:
            block.states[phase] = end
            self._display.mark()

    def _block_of(self, session: str) -> SessionProgress:
        """The first block of that name that is free: two sessions of a fan-out may have one name, in two campaigns."""
        for block in self._blocks:
            if block.session == session and block.free:
                return block
        self._blocks.append(SessionProgress(session, self._phases))
        return self._blocks[-1]

    def _html(self) -> str:
        several = len(self._blocks) > 1
        return "".join(block.html(named=several) for block in self._blocks)
