"""What stops a command: Ctrl-C, SIGTERM (a container or a timeout that ends it) and SIGHUP (a terminal that was closed)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psutil

from campaign_lab.cli.exit_codes import BY_SIGNAL

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a process to end. One that was ignored when the command began, as under nohup, stays ignored."""


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end: it ends as by Ctrl-C. ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def exit_code(stopped: KeyboardInterrupt) -> int:
    """The exit code of a command that was stopped."""
    return BY_SIGNAL + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT)


@contextmanager
def ending_signals_stop() -> Iterator[None]:
    """Inside, the first of the ending signals raises Stopped in the main thread; what follows it is not heard.

    A closed terminal sends two at once, and a machine that shuts down sends both: the second must not disturb the end.
    """
    with _handled(ENDING, _stop):
        yield


def _stop(number: int, _frame: FrameType | None) -> None:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


@contextmanager
def first_signal_calls(first: Callable[[], None]) -> Iterator[Callable[[], int]]:
    """Inside, ``first`` is called at the first signal, in the main thread; a second Ctrl-C ends the process.

    Gives a function that returns the number of the first signal, 0 while there was none.
    """
    heard = 0

    def hear(number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        if not heard:
            heard = number
            first()
        elif number == signal.SIGINT:
            end_now()

    with _handled((signal.SIGINT, *ENDING), hear):
        yield lambda: heard


@contextmanager
def _handled(signals: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside, the handler gets these signals, but for those that are ignored. Only a process's main thread can hear any."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {each: found for each in signals if (found := signal.getsignal(each)) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, handler)
    try:
        yield
    finally:
        for each, was in before.items():
            signal.signal(each, was)


def end_now() -> None:
    """Kills what this process has started, and ends it without any clean-up: what is stored can stand that."""
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(BY_SIGNAL + signal.SIGINT)
