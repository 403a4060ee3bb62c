"""Ctrl-C while a batch runs: once stops it in good order, twice ends it at once with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

import psutil

from campaign_lab.cli.exits import INTERRUPTED


class Interrupts:
    """While it is entered, ``first`` is called at the first Ctrl-C, in the main thread; the second one ends the process."""

    def __init__(self, first: Callable[[], None]) -> None:
        self._first = first
        self.heard = False

    def __enter__(self) -> Self:
        self._before: Any = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        if self.heard:
            end_now()
        self.heard = True
        self._first()


def end_now() -> None:
    """Kills what this process has started, and ends it without any clean-up: what is stored can stand that."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(INTERRUPTED)
