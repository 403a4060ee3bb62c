"""A running batch as plain HTML: one bar, a line for each running notebook with its cell, and a line for each that ended.

The cell's display and the BatchPanel show the same, so they cannot disagree.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from urllib.parse import quote

from campaign_lab.batch.board import BatchBoard, RunLine, clock_words, row_words
from campaign_lab.batch.events import BatchEvent, RunStarted
from campaign_lab.batch.rows import SIGNS, Row
from campaign_lab.panels.running.live_board import CELL, NUMBER
from campaign_lab.show.text import bidi_isolate, escape_html

BAR = "width:22em;max-width:100%;vertical-align:middle"


class LiveBatch:
    """A batch's board with clocks: events tell no time, so it is taken when they are heard. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.board = BatchBoard()
        self._clock = clock
        self._lock = threading.Lock()  # events come from the threads of several notebooks
        self._began = clock()
        self._started: dict[str, float] = {}

    def hear(self, event: BatchEvent) -> None:
        """Takes in one event. Called from any thread."""
        with self._lock:
            self.board = self.board.after(event)
            if isinstance(event, RunStarted):
                self._started[event.run] = self._clock()

    def head_html(self) -> str:
        """The bar, how many have ended, and what is waited for."""
        board = self.board
        percent = f'<progress max="100" value="{100 * board.share:.0f}" aria-label="Batch" style="{BAR}"></progress>'
        took = clock_words(self._clock() - self._began)
        note = "".join(f"<p>{escape_html(each)}</p>" for each in (*board.notices, board.note) if each)
        return f"<p>{percent} {escape_html(board.words())} · {took}</p>{note}"

    def html(self) -> str:
        """The bar and the notebooks that run."""
        return self.head_html() + self.lines_html(self.board.lines.values())

    def lines_html(self, lines: Collection[RunLine]) -> str:
        """These notebooks as a table; nothing where there are none."""
        if not lines:
            return ""
        names = (("Notebook", CELL), ("Progress", CELL), ("Now", CELL), ("Elapsed", NUMBER))
        top = "".join(f'<th scope="col" style="{style}">{name}</th>' for name, style in names)
        rows = "".join(self._line(line) for line in lines)
        return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"

    def _line(self, line: RunLine) -> str:
        return (
            f'<tr><th scope="row" style="{CELL}">{bidi_isolate(line.name)}</th><td style="{CELL}">{bar(line)}</td>'
            f'<td style="{CELL}">{bidi_isolate(line.words())}</td><td style="{NUMBER}">{self.elapsed(line.run)}</td></tr>'
        )

    def elapsed(self, run: str) -> str:
        """How long a notebook has been running, in words."""
        now = self._clock()
        return clock_words(now - self._started.get(run, now))


def bar(line: RunLine) -> str:
    """How far a notebook is, by its cells."""
    return f'<progress max="100" value="{100 * line.share:.0f}" aria-label="{escape_html(line.name)}"></progress>'


def ended_html(rows: Iterable[Row], folder: str = "") -> str:
    """How each run ended, in words. ``folder``, relative to the notebook that shows it, makes links to the executed ones."""
    lines = "".join(
        f'<tr><th scope="row" style="{CELL}">{_linked(row, folder)}</th>'
        f'<td style="{CELL}">{SIGNS.get(row.state, "")} {bidi_isolate(row_words(row))}</td></tr>'
        for row in rows
    )
    if not lines:
        return ""
    top = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in ("Notebook", "Result"))
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def _linked(row: Row, folder: str) -> str:
    if not row.notebook or not folder:
        return bidi_isolate(row.name)
    return f'<a href="{escape_html(quote(f"{folder}/{row.notebook}"))}">{bidi_isolate(row.name)}</a>'
