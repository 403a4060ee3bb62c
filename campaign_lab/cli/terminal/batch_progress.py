"""A batch in the terminal: one bar for all of it, a line for each running notebook, and a line left for each that ended."""

from __future__ import annotations

import threading
import time

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaign_lab.agents.events import DeadTurnBooked
from campaign_lab.batch.board import BatchBoard, clock_words, row_words
from campaign_lab.batch.events import BatchEvent, RunEnded, RunStarted, Waiting
from campaign_lab.cli.terminal.live_lines import LiveLines
from campaign_lab.cli.terminal.printing import plain

STYLES = {"finished": "green", "failed": "red", "refused": "red", "over budget": "red", "cancelled": "yellow"}
BAR_WIDTH, CELL_BAR_WIDTH = 40, 16
"""Columns."""


class BatchProgress(LiveLines):
    """Live lines on stderr. Without a terminal, a line when a notebook starts, when one ends, and when one has to wait."""

    def __init__(self, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._board = BatchBoard()
        self._lock = threading.Lock()  # events come from the threads of several notebooks
        self._started: dict[str, float] = {}
        self._stopping = ""

    def hear(self, event: BatchEvent) -> None:
        """Takes in one event. Called from any thread."""
        with self._lock:
            before, self._board = self._board, self._board.after(event)
            if isinstance(event, RunStarted):
                self._started[event.run] = time.monotonic()
            if isinstance(event, DeadTurnBooked):
                self._console.print(plain(event.words, style="yellow"), soft_wrap=True)
            elif isinstance(event, RunEnded):
                words = plain(f"{event.name}: {row_words(event.row)}", style=STYLES.get(event.row.state, ""))
                self._console.print(words)
            elif not self._console.is_terminal:
                self._say(event, before)

    def stopping(self, words: str) -> None:
        """Says that the batch is being stopped, and how to stop it at once. Once, however often it is called."""
        if not self._stopping and not self._console.is_terminal:
            self._console.print(plain(words))
        self._stopping = words

    def _say(self, event: BatchEvent, before: BatchBoard) -> None:
        """Without a terminal: what begins, and what is waited for when that is new."""
        if isinstance(event, RunStarted):
            again = f", try {event.attempt}" if event.attempt > 1 else ""
            self._console.print(plain(f"{event.name}: started{again}"))
        elif isinstance(event, Waiting) and self._board.note != before.note:
            self._console.print(plain(self._board.note))

    def __rich__(self) -> Group:
        """The board as it stands."""
        board, now = self._board, time.monotonic()
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=1.0, completed=board.share, width=BAR_WIDTH)
        head.add_row(bar, plain(f"{board.words()} · {clock_words(now - self._since)}", style="bold"))
        lines = Table.grid(padding=(0, 2))
        for run, line in board.lines.items():
            took = clock_words(now - self._started.get(run, now))
            lines.add_row(
                plain(f"  {line.name}"), ProgressBar(total=1.0, completed=line.share, width=CELL_BAR_WIDTH),
                plain(line.words(), style="cyan"), plain(took, style="dim"),
            )  # fmt: skip
        notes = [Text("  ") + plain(note, style="yellow") for note in (board.note, self._stopping) if note]
        return Group(head, lines, *notes)
