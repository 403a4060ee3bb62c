"""Where a front end, such as a notebook, says how it shows progress that nobody else listens to. Silent until it does.

A run asks for its listener where it is called, before its work goes over to the background loop: so the display sees the
context of the cell. A fan-out opens one display, and its runs, which are tasks of it, find it in their context.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, ParamSpec

P = ParamSpec("P")

Listener = Callable[[Any], None]
"""Hears the events of a run, or of a batch."""
Watch = Callable[[str, str], AbstractContextManager[Listener]]
"""Watches one run, from the session's name and the phase: what is entered hears its events."""
RunDisplay = Callable[[Sequence[str], Sequence[str]], AbstractContextManager[Watch]]
"""Shows one or several runs as one, from the phases and the sessions' names: what is entered watches each of them."""
BatchDisplay = Callable[[], AbstractContextManager[Listener]]
"""Shows one batch while it is entered: what is entered hears its events."""

_run_display: RunDisplay | None = None
_batch_display: BatchDisplay | None = None
_shared: ContextVar[Watch | None] = ContextVar("shared_watch", default=None)


def ignore_event(_event: object) -> None:
    """Progress that nobody listens to."""


def safe_listener(listener: Callable[P, None]) -> Callable[P, None]:
    """The listener, or what draws; what it raises is logged and goes no further: no broken display ends a paid turn.

    SystemExit too, which some displays raise on a closed pipe. What stops a run, a cancellation or Ctrl-C, goes through.
    """

    def listen(*args: P.args, **options: P.kwargs) -> None:
        try:
            listener(*args, **options)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException:
            logging.getLogger("campaign_lab").exception("progress could not be shown: %r", args)

    return listen


def show_progress_in(*, runs: RunDisplay | None = None, batches: BatchDisplay | None = None) -> None:
    """Sets what shows the runs and the batches of this process that have no listener of their own; None is silent."""
    global _run_display, _batch_display  # one front end per process
    _run_display, _batch_display = runs, batches


@contextmanager
def watched_run(session: str, phase: str, listener: Listener) -> Iterator[Listener]:
    """Who hears a run: its listener when it has one, else the display that is open, else one of its own."""
    if listener is not ignore_event:
        yield listener
        return
    shared = _shared.get()
    with nullcontext(shared) if shared or not _run_display else _run_display([phase], [session]) as watch:
        if watch is None:
            yield listener
            return
        with watch(session, phase) as own:
            yield own


@contextmanager
def watched_together(phases: Sequence[str], sessions: Sequence[str], listener: Listener) -> Iterator[None]:
    """Opens one display for all runs that begin inside."""
    if listener is not ignore_event or _run_display is None:
        yield
        return
    with _run_display(phases, sessions) as watch:
        token = _shared.set(watch)
        try:
            yield
        finally:
            _shared.reset(token)


@contextmanager
def watched_batch(listener: Listener | None) -> Iterator[Listener]:
    """Who hears a batch: its listener when it has one, else the display, which is opened for it. Entered where it is called."""
    if listener is not None or _batch_display is None:
        yield listener or ignore_event
        return
    with _batch_display() as own:
        yield own
