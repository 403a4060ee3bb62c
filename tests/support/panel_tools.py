"""What tests of panels look at: the widgets inside one, in the order in which a Tab key meets them."""

from __future__ import annotations

from collections.abc import Iterator

import ipywidgets as widgets

QUIET = (widgets.HTML, widgets.Box, widgets.Label, widgets.Output)
"""Widgets that take no input."""


def inside(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    """The widget and all that is in it, in the order of the layout."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def labels_of(panel: widgets.Widget) -> list[tuple[str, str]]:
    """Label and tooltip of each control."""
    controls = [each for each in inside(panel) if not isinstance(each, QUIET)]
    return [(each.description, _tooltip(each)) for each in controls]


def _tooltip(control: widgets.Widget) -> str:
    several = getattr(control, "tooltips", None)
    return "; ".join(several) if several else (control.tooltip or "")
