"""What all figures share: paper and colours that are read everywhere, a small template, and text that plotly cannot misread.

Plotly reads ``<b>``, ``<a href>`` and entities in every text, two dollar signs as LaTeX, and ``%{…}`` in templates. So each text
passes ``plain`` or ``wrapped``, and no figure has a hover template or a text template.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from campaign_lab.show.text import one_line

if TYPE_CHECKING:
    import plotly.graph_objects as go

PAPER = "#ffffff"
"""Behind everything: a saved figure knows no theme, and no tone has a contrast of 4.5 to 1 on white and on #111111."""
INK = "#595959"
"""Text and axes: a contrast of 7 to 1 on the paper."""
PAID = "#2e7cc4"
"""Marks for what was done and paid; white text on it can be read."""
AVOIDED = "#b3691c"
"""Marks for what was not paid; they are hatched as well."""
ON_MARKS = "#ffffff"
CLEAR = "rgba(0,0,0,0)"
TITLE_WIDTH = 84
HOVER_WIDTH = 64
"""Characters a line."""

_MEANT = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}
"""What plotly gives a meaning to, as entities, which it shows as the sign itself."""

_AXIS = {
    "gridcolor": "rgba(119,119,119,0.25)", "linecolor": INK, "tickcolor": INK, "zeroline": False, "automargin": True,
    "fixedrange": True,
}  # fmt: skip
TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"color": INK, "family": "sans-serif", "size": 12},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": CLEAR,
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {
            "align": "left",
            "bgcolor": "#222222",
            "bordercolor": INK,
            "font": {"color": ON_MARKS, "size": 12},
        },
        "hovermode": "closest",
        "showlegend": False,
        "bargap": 0.35,
        "barmode": "overlay",
    }
}
"""Plotly's own template is 7 kB in every figure, and white."""


def plain(value: object) -> str:
    """The value as text that plotly shows letter by letter, on one line, control characters out."""
    return "".join(_MEANT.get(sign, sign) for sign in one_line(value))


def wrapped(value: object, width: int, lines: int | None = None) -> str:
    """The value on lines of at most ``width`` characters; what goes beyond ``lines`` lines is cut with an ellipsis."""
    found = textwrap.wrap(one_line(value), width, max_lines=lines, placeholder="…", break_on_hyphens=False)
    return "<br>".join(plain(line) for line in found)


def cut(value: object, width: int) -> str:
    """The value with at most ``width`` characters, not yet escaped: a name for a title."""
    shown = one_line(value)
    return shown if len(shown) <= width else f"{shown[: width - 1].rstrip()}…"


def hover(title: object, facts: Mapping[str, object]) -> str:
    """The text of a hover box: what it is about, then one fact a line. Empty facts are left out."""
    lines = [f"<b>{wrapped(title, HOVER_WIDTH)}</b>"]
    lines += [
        wrapped(f"{name}: {value}" if name else value, HOVER_WIDTH) for name, value in facts.items() if value != ""
    ]
    return "<br>".join(lines)


def drawn(
    data: Sequence[Any], title: str, note: str, *, plot: int, head: int = 0, foot: int = 64, layout: Mapping[str, Any]
) -> go.Figure:
    """A figure with its title (any text) and a note below it (made of ``plain`` parts).

    Heights in pixels: ``plot`` is the drawing's, ``head`` and ``foot`` the room for axes above and below it.
    """
    import plotly.graph_objects as go  # 40 ms and more, and only needed when something is drawn

    heading = wrapped(title, TITLE_WIDTH, 3)
    more = heading.count("<br>")
    top = 62 + 21 * more
    words = {"text": heading, "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"}
    words |= {"font": {"size": 16}, "pad": {"t": 12 + 10 * more, "l": 14}}  # plotly centres several lines on the first
    words |= {"subtitle": {"text": note, "font": {"size": 12, "color": INK}}}
    margin = {"l": 14, "r": 24, "t": top + head, "b": foot}
    frame = {"template": TEMPLATE, "title": words, "margin": margin, "height": top + head + plot + foot}
    return go.Figure(data=list(data), layout=frame | dict(layout))


def nothing(title: str, next_step: str) -> go.Figure:
    """A figure that says that there is nothing to show yet, and what to do."""
    hidden = {"visible": False}
    return drawn([], title, plain(next_step), plot=12, foot=0, layout={"xaxis": hidden, "yaxis": hidden})
