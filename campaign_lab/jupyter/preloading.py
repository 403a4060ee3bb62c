"""Imports heavy libraries during the first pause between two cells, so the first run and the first table are quick."""

from __future__ import annotations

import threading
from importlib import import_module
from typing import Any

LIBRARIES = ("claude_agent_sdk", "pandas")
IDLE_S = 0.5
"""How long a kernel must have had nothing to do, in seconds. Cells that come at once, as under papermill, are not slowed."""


class Warming:
    """Waits for the first pause between two cells, and imports the libraries then, in a thread of its own."""

    def __init__(self, shell: Any) -> None:
        self._events = shell.events
        self._timer: threading.Timer | None = None
        self._events.register("pre_run_cell", self._stop)
        self._events.register("post_run_cell", self._begin)

    def _begin(self, _result: object) -> None:
        self._timer = threading.Timer(IDLE_S, self._warm)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self, _info: object) -> None:
        """Another cell has begun. An import that is under way goes on."""
        if self._timer is not None:
            self._timer.cancel()

    def _warm(self) -> None:
        self._events.unregister("pre_run_cell", self._stop)
        self._events.unregister("post_run_cell", self._begin)
        for name in LIBRARIES:
            import_module(name)
