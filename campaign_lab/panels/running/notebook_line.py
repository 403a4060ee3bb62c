"""A running notebook in the BatchPanel: its bar, the cell that runs, and a Cancel of its own."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from campaign_lab.batch.board import RunLine
from campaign_lab.panels.running.batch_lines import LiveBatch, bar
from campaign_lab.show import framed
from campaign_lab.show.text import bidi_isolate, plain


class NotebookLine(widgets.HBox):  # type: ignore[misc]  # ipywidgets has no types
    """One running notebook: its bar, its name and cell, and a button that cancels it alone. Hidden while there is none."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self.run = ""
        self.words = widgets.HTML()
        self._cancel = cancel
        self.cancel_button = self._button_of(None)
        super().__init__([self.cancel_button, self.words], layout={"display": "none"})

    def keep(self, line: RunLine | None, live: LiveBatch) -> None:
        """Shows this notebook; None: none."""
        run = line.run if line else ""
        if run != self.run:
            self.run, gone = run, self.cancel_button
            self.cancel_button = self._button_of(line)
            self.children = [self.cancel_button, self.words]
            gone.close()
            self.layout.display = "flex" if line else "none"
        if line:
            said = f"<b>{bidi_isolate(line.name)}</b> {bidi_isolate(line.words())} · {live.elapsed(line.run)}"
            self.words.value = framed(f"{bar(line)} {said}")

    def _button_of(self, line: RunLine | None) -> widgets.Button:
        """A button for this notebook and no other: a click that is heard late must not stop the next one on the line."""
        tooltip = f"Stop {plain(line.name)} alone" if line else "Stop this notebook alone"
        button = widgets.Button(description="Cancel", icon="stop", tooltip=tooltip, disabled=line is None)

        def clicked(_button: widgets.Button) -> None:
            button.disabled = True
            if line:
                self._cancel(line.run)

        button.on_click(clicked)
        return button
