"""Stops running turns before their kernel ends (restart, shutdown, signal), so that their cost is booked."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from campaign_lab.agents.process.sdk_loop import stop_all

STOP_S = 2.0
"""How long turns may take to stop, in seconds: Jupyter asks a kernel to shut down, and ends it by force after 2.5 s."""


def stop_turns_with(kernel: Any) -> None:
    """Ties the turns of this process to the end of its kernel. Called once, in the main thread where it can be."""
    shut_down = kernel.do_shutdown

    def do_shutdown(restart: bool) -> Any:
        stop_all(STOP_S)
        return shut_down(restart)

    kernel.do_shutdown = do_shutdown
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) is signal.SIG_DFL:
                signal.signal(each, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    """Stops the turns, then ends as the signal would have ended it."""
    signal.signal(number, signal.SIG_DFL)
    stop_all(STOP_S)
    os.kill(os.getpid(), number)
