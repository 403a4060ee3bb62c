"""A board with clocks, and the timer that draws it: soon after something has changed, and each second besides."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from campaign_lab.progress.board import ProgressBoard, ProgressView
from campaign_lab.progress.hook import safe_listener

DRAW_S = 0.1
"""The shortest time between two drawings, in seconds: each is a message to the browser."""
TICK_S = 1.0
"""The longest time between two drawings, in seconds: elapsed times go on while nothing happens."""


class LiveProgress:
    """A board with clocks: events tell no time, so it is taken when they come. ``clock`` gives seconds."""

    def __init__(self, board: ProgressBoard[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._clock = clock
        self._lock = threading.Lock()  # the events of a batch come from the threads of several notebooks
        self._times: dict[str, tuple[float, float | None]] = {}
        self._take_times()

    def on_event(self, event: Any) -> None:
        """Takes in one event. Called from any thread."""
        with self._lock:
            self._board = self._board.after(event)
            self._take_times()

    def elapsed(self, name: str = "") -> float | None:
        """Seconds since the clock of this name began, or until it stopped; None before it began."""
        if name not in self._times:
            return None
        began, ended = self._times[name]
        return (self._clock() if ended is None else ended) - began

    def view(self) -> ProgressView:
        """What the board shows now."""
        return self._board.view(self.elapsed)

    def _take_times(self) -> None:
        """A clock that has stopped and runs again begins anew; one that the board no longer names is forgotten."""
        now, before, self._times = self._clock(), self._times, {}
        for name, runs in self._board.clocks().items():
            began, ended = before.get(name, (now, None))
            if runs:
                self._times[name] = (began if ended is None else now, None)
            else:
                self._times[name] = (began, now if ended is None else ended)


class Drawing:
    """Calls ``draw`` in the running loop while it is entered: soon after ``changed`` was set, and each second besides."""

    def __init__(self, draw: Callable[[], None]) -> None:
        self.changed = False
        self._draw = safe_listener(draw)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._now()
        self._timer = self._loop.call_later(DRAW_S, self._tick)
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(DRAW_S, self._tick)  # first: a drawing that fails does not stop the next
        if self.changed or self._loop.time() - self._drawn_at >= TICK_S:
            self._now()

    def _now(self) -> None:
        self.changed = False
        self._drawn_at = self._loop.time()
        self._draw()
