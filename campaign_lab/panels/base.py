"""What all panels share: a live widget, a plain HTML twin for the saved notebook, one stable line of text, and plain errors."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from campaign_lab.errors import LabError
from campaign_lab.show import framed
from campaign_lab.show.templates import render
from campaign_lab.show.text import escape_html

PLAIN = (LabError, ValueError)
"""Errors whose text is written for the person at the panel."""


class ErrorBox(widgets.HTML):  # type: ignore[misc]  # ipywidgets has no types
    """Where a panel says what went wrong: in plain words, with the traceback folded below."""

    def __init__(self) -> None:
        super().__init__("")
        self.add_class("campaign-lab-problem")

    def show(self, error: BaseException) -> None:
        """Shows the error."""
        words = str(error) or type(error).__name__
        said = words if isinstance(error, PLAIN) else f"This should not have happened: {type(error).__name__}: {words}"
        trace = "".join(traceback.format_exception(error))
        self.value = framed(render("error_box", words=said, trace=trace))

    def clear(self) -> None:
        """Nothing is wrong any more."""
        self.value = ""


class Panel(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Base of the panels. A subclass lays out its controls, and says its ``twin`` and its ``line``."""

    def __init__(self) -> None:
        super().__init__()
        self.problem = ErrorBox()

    def twin(self) -> str:
        """The panel as plain HTML: a function of what is stored, so that saved notebooks compare equal."""
        raise NotImplementedError

    def line(self) -> str:
        """The panel as one short stable line."""
        raise NotImplementedError

    def guarded(self, action: Callable[[], Any]) -> Callable[[Any], None]:
        """A callback for buttons and traits that runs the action and shows what it raises: elsewhere it would vanish."""

        def call(_event: Any) -> None:
            self.problem.clear()
            try:
                action()
            except Exception as error:
                self.problem.show(error)

        return call

    def button(self, label: str, icon: str, tooltip: str, action: Callable[[], Any], **options: Any) -> widgets.Button:
        """A button that runs the action, guarded."""
        made = widgets.Button(description=label, icon=icon, tooltip=tooltip, **options)
        made.on_click(self.guarded(action))
        return made

    def __repr__(self) -> str:
        return self.line()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        return {**bundle, "text/plain": self.line(), "text/html": self.twin()}


def status_html(message: str) -> str:
    """What was done, in plain words, as a status that is also read out."""
    return framed(f'<div role="status" aria-live="polite">{escape_html(message)}</div>')
