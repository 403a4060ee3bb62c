"""A running notebook in the BatchPanel: its bar, the cell that runs, and a Cancel of its own."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from campaign_lab.progress.board import ProgressLine
from campaign_lab.progress.html import line_html
from campaign_lab.show import framed
from campaign_lab.show.text import plain


class NotebookLine(widgets.HBox):  # type: ignore[misc]  # ipywidgets has no types
    """One running notebook: its bar, its name and cell, and a button that cancels it alone. Hidden while there is none."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self.run = ""
        self.words = widgets.HTML()
        self._cancel = cancel
        self.cancel_button = self._button_of(None)
        super().__init__([self.cancel_button, self.words], layout={"display": "none"})

    def show(self, line: ProgressLine | None) -> None:
        """Shows this notebook, or none."""
        run = line.key if line else ""
        if run != self.run:
            self.run, gone = run, self.cancel_button
            self.cancel_button = self._button_of(line)
            self.children = [self.cancel_button, self.words]
            gone.close()
            self.layout.display = "flex" if line else "none"
        if line:
            self.words.value = framed(line_html(line))

    def _button_of(self, line: ProgressLine | None) -> widgets.Button:
        """A button for this notebook and no other: a click that is heard late must not stop the next one on the line."""
        tooltip = f"Stop {plain(line.name)} alone" if line else "Stop this notebook alone"
        button = widgets.Button(description="Cancel", icon="stop", tooltip=tooltip, disabled=line is None)

        def clicked(_button: widgets.Button) -> None:
            button.disabled = True
            if line:
                self._cancel(line.key)

        button.on_click(clicked)
        return button
