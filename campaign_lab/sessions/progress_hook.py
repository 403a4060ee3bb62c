"""The hook by which a front end, such as a notebook cell, shows runs that have no listener. Nothing is shown until it is set.

A run asks for its watch where it is called, before its work moves to the background loop, so that the watch sees the
context of the cell. A fan-out opens one display, and its runs, which are its tasks, find it in their context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from campaign_lab.agents.events import OnEvent
from campaign_lab.sessions.context import ignore_event

Watch = Callable[[str, str], AbstractContextManager[OnEvent]]
"""Watches one run, given the session's name and the phase. The value of the ``with`` statement takes its events."""
Display = Callable[[Sequence[str], Sequence[str]], AbstractContextManager[Watch]]
"""Shows several runs as one, given the phases and the sessions' names. The value of ``with`` is the watch for each run."""

_display: Display | None = None
_shared: ContextVar[Watch | None] = ContextVar("shared_watch", default=None)


def show_runs_in(display: Display | None) -> None:
    """Sets what shows the runs of this process that have no listener of their own; None is silent again."""
    global _display  # noqa: PLW0603  # one front end a process
    _display = display


@contextmanager
def watching(session: str, phase: str, listener: OnEvent) -> Iterator[OnEvent]:
    """The listener of a run: its own when it has one, else that of the open display, else that of a new display."""
    if listener is not ignore_event or (_display is None and _shared.get() is None):
        yield listener
        return
    shared = _shared.get()
    opened = _display([phase], [session]) if shared is None and _display else nullcontext(shared)
    with opened as watch:
        assert watch is not None
        with watch(session, phase) as hear:
            yield hear


@contextmanager
def watching_together(phases: Sequence[str], sessions: Sequence[str], listener: OnEvent) -> Iterator[None]:
    """Inside, all runs that begin share one display."""
    if listener is not ignore_event or _display is None:
        yield
        return
    with _display(phases, sessions) as watch:
        token = _shared.set(watch)
        try:
            yield
        finally:
            _shared.reset(token)
