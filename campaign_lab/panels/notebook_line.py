"""A running notebook in the BatchPanel: its bar, the cell that runs, and a Cancel of its own."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from campaign_lab.batch.board import RunLine
from campaign_lab.panels.batch_lines import LiveBatch, bar
from campaign_lab.show import framed
from campaign_lab.show.text import apart, plain


class NotebookLine(widgets.HBox):  # type: ignore[misc]  # ipywidgets has no types
    """One running notebook: its bar, its name and cell, and a button that cancels it alone. Hidden while there is none."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self.run = ""
        self.words = widgets.HTML()
        self.cancel_button = widgets.Button(description="Cancel", icon="stop", tooltip="Stop this notebook alone")
        self._cancel = cancel
        self.cancel_button.on_click(self._clicked)
        super().__init__([self.cancel_button, self.words], layout={"display": "none"})

    def keep(self, line: RunLine | None, live: LiveBatch) -> None:
        """Shows this notebook; None: none."""
        run = line.run if line else ""
        if run != self.run:
            self.run = run
            self.cancel_button.disabled = False
            self.cancel_button.tooltip = f"Stop {plain(line.name)} alone" if line else "Stop this notebook alone"
            self.layout.display = "flex" if line else "none"
        if line:
            said = f"<b>{apart(line.name)}</b> {apart(line.words())} · {live.elapsed(line.run)}"
            self.words.value = framed(f"{bar(line)} {said}")

    def _clicked(self, _button: widgets.Button) -> None:
        self.cancel_button.disabled = True
        self._cancel(self.run)
