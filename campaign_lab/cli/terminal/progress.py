"""Progress in the terminal: lines on stderr that are drawn anew while something runs, where there is a terminal to draw on."""

from __future__ import annotations

import threading
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaign_lab.cli.terminal.printing import PIPED_WIDTH, plain
from campaign_lab.progress.board import ProgressBoard, ProgressLine, ProgressView
from campaign_lab.progress.live import LiveProgress

STYLES = {
    "done": "green", "finished": "green", "failed": "red", "stopped": "red", "refused": "red", "over budget": "red",
    "cancelled": "yellow", "noticed": "yellow", "waiting": "dim",
}  # fmt: skip
WORKS = "cyan"
UNSAID = ("waiting", "reading", "saving", "stopped")
"""States of an agent that are not worth a line."""
BAR_WIDTH, LINE_BAR_WIDTH = 40, 16
"""Columns."""


class TerminalProgress:
    """A board as live lines. Without a terminal each new state is a line."""

    def __init__(self, board: ProgressBoard[Any], *, quiet: bool = False) -> None:
        self._empty = board
        self._progress = LiveProgress(board)
        self._lock = threading.Lock()  # the events of a batch come from the threads of several notebooks
        self._said: set[str] = set()
        self._request = ""
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        if not self._console.is_terminal:
            self._console.width = PIPED_WIDTH
        self._live = Live(self, console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    @property
    def elapsed_s(self) -> float:
        """How long the work has taken, in seconds."""
        return self._progress.elapsed() or 0.0

    def on_event(self, event: Any) -> None:
        """Takes in one event. Called from any thread."""
        with self._lock:
            before = self._progress.view()
            self._progress.on_event(event)
            self._say_news(before, self._progress.view())

    def _say_news(self, before: ProgressView, now: ProgressView) -> None:
        """Leaves a line for each notice and for what has ended; without a terminal also for each new state, once."""
        news = [(notice, "noticed") for notice in now.notices if notice not in before.notices]
        news += [(f"{line.ran_as}: {line.words}", line.state) for line in now.ended if line not in before.ended]
        if not self._console.is_terminal:
            states = [f"{line.name}: {line.state}" for line in now.lines if line.key and line.state not in UNSAID]
            said = [state for state in states if state not in self._said]
            self._said.update(said)
            said += [now.note] if now.note and now.note != before.note else []
            news += [(now.prefix + each, "") for each in said]
        for text, state in news:
            self._console.print(plain(text, style=STYLES.get(state, "")), soft_wrap=True)

    def done(self, words: str) -> None:
        """Leaves one line for work that has ended, and begins anew."""
        self._progress = LiveProgress(self._empty)
        self._said.clear()
        self._console.print(plain(words, style=STYLES["done"]))

    def stopping(self, words: str) -> None:
        """Says that the work is being stopped, and how to stop it at once. Once, however often it is called."""
        if not self._request and not self._console.is_terminal:
            self._console.print(plain(words))
        self._request = words

    def __rich__(self) -> RenderableType:
        """The board as it stands."""
        view = self._progress.view()
        if not view.head:
            return plain(view.note or "starting …", style="dim")
        head, lines = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 2))
        head.add_row(*_bar(view.share, BAR_WIDTH), plain(view.head, style="bold"))
        for line in view.lines:
            if line.key:  # the main agent's has none: the head says what is known of it
                lines.add_row(*_cells(line))
        notes = [Text("  ") + plain(note, style="yellow") for note in (view.note, self._request) if note]
        return Group(head, lines, *notes)


def _cells(line: ProgressLine) -> list[RenderableType]:
    words = plain(line.words, style=STYLES.get(line.state, WORKS))
    return [plain(f"  {line.name}"), *_bar(line.share, LINE_BAR_WIDTH), words, plain(line.brief, style="dim")]


def _bar(share: float | None, width: int) -> list[RenderableType]:
    return [] if share is None else [ProgressBar(total=1.0, completed=share, width=width)]
