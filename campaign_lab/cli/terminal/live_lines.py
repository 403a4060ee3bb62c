"""Lines on stderr that are drawn anew while something runs, where there is a terminal to draw on."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from campaign_lab.cli.terminal.printing import PIPED_WIDTH


class LiveLines:
    """Base of what is shown while something runs; a subclass says with ``__rich__`` what stands there. Gone at the end."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        if not self._console.is_terminal:
            self._console.width = PIPED_WIDTH
        self._since = time.monotonic()
        self._live = Live(self, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def __rich__(self) -> RenderableType:
        """What is shown now."""
        raise NotImplementedError
