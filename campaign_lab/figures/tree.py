"""The fork tree: one row per session, parents above their forks, with what it reached and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaign_lab.figures.style import CLEAR, INK, PAID, cut, drawn, hover, nothing, plain, wrapped
from campaign_lab.figures.tree_costs import avoided, carried, cost, own_phases, rows_of
from campaign_lab.money import NOTHING
from campaign_lab.show.text import pluralize
from campaign_lab.show.tree_places import TreePlace, tree_places

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Row = dict[str, Any]

ROW = 26
DENSE_ROW = 20
"""Height of a row in pixels; the denser one from ``MANY`` rows on."""
MANY = 40
SPAN = 26
"""How many steps of indentation the tree's half is wide; a very deep tree gets narrower steps."""
NAME_WIDTH = 44

SHAPES = {
    "start": ("square", "■ the first session"),
    "fork": ("circle", "● fork"),
    "automatic": ("diamond", "◆ fork that a run made by itself"),
}
"""Shape of the mark and its word; a session without a turn of its own has the same shape hollow."""


def fork_tree(frame: pd.DataFrame) -> go.Figure:
    """Draws ``lab.tree(session)``: the sessions as a tree, beside them their own cost in US dollars."""
    found = rows_of(frame)
    rows = [_placed(row, place, tree) for place, (row, tree) in enumerate(zip(found, tree_places(found), strict=True))]
    if not rows:
        return nothing("There is no session yet", "lab.session(brief) makes the first one.")
    height = len(rows) * (ROW if len(rows) < MANY else DENSE_ROW)
    return drawn(_traces(rows), _title(rows), _note(rows), plot=height, head=34, foot=12, layout=_layout(rows))


def _placed(row: Row, place: int, tree: TreePlace) -> Row:
    """The row with its place from the top, that of its parent and its depth, what it reached by itself, and its kind."""
    kind = "start" if place == 0 else "automatic" if row["automatic"] else "fork"
    return row | tree._asdict() | {"y": place, "own": own_phases(row), "kind": kind, "cost": cost(row)}


def _traces(rows: list[Row]) -> list[Row]:
    """A clear bar behind each row that carries the hover text, the branches, the marks with names, and the costs."""
    places, span = [row["y"] for row in rows], _span(rows)
    lines_x: list[float | None] = []
    lines_y: list[float | None] = []
    for row in rows:
        if row["above"] is not None:
            lines_x += [row["depth"] - 1, row["depth"] - 1, row["depth"], None]
            lines_y += [row["above"], row["y"], row["y"], None]
    behind = {
        "type": "bar", "orientation": "h", "x": [span] * len(rows), "y": places, "base": -0.5, "width": 1,
        "marker": {"color": CLEAR}, "hoverinfo": "text", "hovertext": [_hover(row) for row in rows], "textposition": "none",
    }  # fmt: skip
    branches = {
        "type": "scatter", "mode": "lines", "x": lines_x, "y": lines_y, "hoverinfo": "skip",
        "line": {"color": INK, "width": 1.5},
    }  # fmt: skip
    marks = {
        "type": "scatter", "mode": "markers+text", "x": [row["depth"] for row in rows], "y": places,
        "text": [_label(row) for row in rows], "textposition": "middle right", "hoverinfo": "skip", "cliponaxis": False,
        "marker": {"symbol": [_symbol(row) for row in rows], "size": 11, "color": PAID, "line": {"color": PAID, "width": 2}},
    }  # fmt: skip
    costs = {
        "type": "bar", "orientation": "h", "x": [row["cost"].usd for row in rows], "y": places, "xaxis": "x2", "width": 0.6,
        "marker": {"color": PAID}, "text": [_cost(row) for row in rows], "textposition": "outside", "hoverinfo": "skip",
        "cliponaxis": False,
    }  # fmt: skip
    return [behind, branches, marks, costs]


def _layout(rows: list[Row]) -> Row:
    most = max((row["cost"].usd for row in rows), default=0) or 1
    return {
        "xaxis": {"domain": [0, 0.7], "range": [-0.5, _span(rows) - 0.5], "visible": False},
        "xaxis2": {
            "domain": [0.72, 1], "range": [0, most * 1.45], "side": "top", "nticks": 4, "anchor": "y",
            "title": {"text": "Own cost (US&#36;)", "standoff": 4}, "fixedrange": True, "zeroline": False,
            "showgrid": False, "ticks": "outside", "showline": True,
        },
        "yaxis": {"range": [len(rows) - 0.5, -0.5], "visible": False},
        "bargap": 0,
    }  # fmt: skip


def _title(rows: list[Row]) -> str:
    forks = len(rows) - 1
    if not forks:
        return f"{cut(rows[0]['session'], NAME_WIDTH)} has no forks yet"
    stand = f"{pluralize(forks, 'fork')} grow{'s' if forks == 1 else ''} from {cut(rows[0]['session'], NAME_WIDTH)}"
    saved = avoided(rows)
    if saved == NOTHING:
        return stand
    return f"{stand}: work of {saved} was carried over, not paid again"


def _note(rows: list[Row]) -> str:
    """What the marks mean, of those that are there."""
    words = [word for kind, (_, word) in SHAPES.items() if any(row["kind"] == kind for row in rows)]
    hollow = ["hollow: no turn of its own yet"] if any(not row["own"] for row in rows) else []
    return " · ".join([*words, *hollow])


def _label(row: Row) -> str:
    reached = " → ".join(row["own"]) or "nothing run yet"
    return f"  <b>{wrapped(row['session'], NAME_WIDTH, 1)}</b>  {plain(reached)}"


def _hover(row: Row) -> str:
    start = "" if row["above"] is None else f"checkpoint {row['checkpoint']} ({row['phase']}) of {row['parent']}"
    facts = {
        "Purpose": "" if row["purpose"] == row["session"] else row["purpose"],
        "Forked at": start,
        "Its own turns": ", ".join(row["own"]) or "none yet",
        "Own cost": _cost(row),
        "Carried over, not paid again": str(carried(row)) if start else "",
    }
    return hover(row["session"], facts)


def _cost(row: Row) -> str:
    return "nothing paid" if row["cost"] == NOTHING else plain(str(row["cost"]))


def _symbol(row: Row) -> str:
    shape = SHAPES[row["kind"]][0]
    return shape if row["own"] else f"{shape}-open"


def _span(rows: list[Row]) -> int:
    return max(SPAN, 2 * max(int(row["depth"]) for row in rows))
