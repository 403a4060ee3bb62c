"""How a front end watches runs that nobody else listens to, such as a notebook cell. Silent until one is set.

A run asks for a watch where it is called, before its work goes over to the background loop: so the watch sees the context
of the cell. A fan-out opens one display, and its runs, which are tasks of it, find it in their context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from campaign_lab.agents.events import OnEvent
from campaign_lab.sessions.context import ignore_event

Watch = Callable[[str, str], AbstractContextManager[OnEvent]]
"""Watches one run, from the session's name and the phase: what is entered hears its events."""
Display = Callable[[Sequence[str], Sequence[str]], AbstractContextManager[Watch]]
"""Shows one or several runs as one, from the phases and the sessions' names: what is entered watches each of them."""

_display: Display | None = None
_shared: ContextVar[Watch | None] = ContextVar("shared_watch", default=None)


def show_runs_in(display: Display | None) -> None:
    """Sets what shows the runs of this process that have no listener of their own; None is silent again."""
    global _display  # noqa: PLW0603  # one front end a process
    _display = display


@contextmanager
def watching(session: str, phase: str, listener: OnEvent) -> Iterator[OnEvent]:
    """Who hears a run: its listener when it has one, else the display that is open, else one of its own."""
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
    """Opens one display for all runs that begin inside."""
    if listener is not ignore_event or _display is None:
        yield
        return
    with _display(phases, sessions) as watch:
        token = _shared.set(watch)
        try:
            yield
        finally:
            _shared.reset(token)
