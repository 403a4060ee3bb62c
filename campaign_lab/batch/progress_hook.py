"""How a front end watches batches that nobody else listens to, such as a notebook cell. Silent until one is set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from campaign_lab.batch.events import OnBatchEvent, ignore_batch_event

Display = Callable[[], AbstractContextManager[OnBatchEvent]]
"""Shows one batch while it is entered: what is entered hears its events."""

_display: Display | None = None


def show_batches_in(display: Display | None) -> None:
    """Sets what shows the batches of this process that have no listener of their own; None is silent again."""
    global _display  # noqa: PLW0603  # one front end a process
    _display = display


@contextmanager
def watching(listener: OnBatchEvent | None) -> Iterator[OnBatchEvent]:
    """Who hears a batch: its listener when it has one, else the display, which is opened for it. Entered where it is called."""
    if listener is not None or _display is None:
        yield listener or ignore_batch_event
        return
    with _display() as hear:
        yield hear
