"""Progress as HTML: what a cell's display and the panels show, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from campaign_lab.progress.board import ProgressLine, ProgressView
from campaign_lab.show.templates import render

PhaseState = Literal["waiting", "running", "done", "failed", "cancelled"]
MARKS: Mapping[str, str] = {"waiting": "○", "running": "▶", "done": "✓", "failed": "✗", "cancelled": "■"}


def progress_html(view: ProgressView) -> str:
    """The bar where there is one, the lines at work as a table, and the notes that go for all of them."""
    return render("progress", view=view)


def line_html(line: ProgressLine) -> str:
    """One line with a bar, beside which a control of its own stands."""
    return render("progress_line", line=line)


def ended_html(lines: Sequence[ProgressLine], folder: str = "") -> str:
    """How each notebook ended, in words. ``folder``, relative to the notebook that shows it, makes links to the executed ones."""
    return render("progress_ended", lines=lines, folder=folder) if lines else ""


def phase_bar(states: Iterable[tuple[str, PhaseState]], view: ProgressView) -> str:
    """The phases in a row, each with its state in words; a bar shows how many agents of the one under way have ended."""
    ended = sum(line.state in ("done", "failed", "stopped") for line in view.lines)
    return render("phase_bar", states=states, marks=MARKS, ended=ended, of=len(view.lines) or 1)
