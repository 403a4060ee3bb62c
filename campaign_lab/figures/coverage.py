"""The coverage map: which needs have an angle, and for readers who know how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from campaign_lab.figures.style import CLEAR, INK, ON_MARKS, PAID, drawn, hover, nothing, wrapped
from campaign_lab.figures.tree_costs import rows_of
from campaign_lab.records import AwarenessStage
from campaign_lab.show.cards import stage_in_short
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

Need = dict[str, Any]
Trace = dict[str, Any]

STAGES: tuple[str, ...] = get_args(AwarenessStage)
ROW = 46
LABEL_ROOM = 2.6
"""Width of the needs' column, in cells."""
LEFT = -LABEL_ROOM - 0.5
NEED_WIDTH = 40
NAME_WIDTH = 18
STAGE_WIDTH = 20


def coverage_map(frame: pd.DataFrame) -> go.Figure:
    """Draws ``lab.coverage(session)``: one row per need, one column per awareness stage, filled where an angle stands."""
    needs = _needs(rows_of(frame))
    if not needs:
        return nothing("There are no needs yet", "Run research: it finds the customers' pains and desires.")
    layout = {
        "xaxis": {
            "range": [LEFT, len(STAGES) - 0.5], "tickvals": list(range(len(STAGES))), "side": "top",
            "ticktext": [f"<b>{stage}</b><br>{wrapped(stage_in_short(stage), STAGE_WIDTH)}" for stage in STAGES],
            "showgrid": False, "ticklen": 0,
            "title": {"text": "What the readers know already (awareness stage)", "standoff": 8},
        },
        "yaxis": {
            "range": [len(needs) - 0.5, -0.5], "showticklabels": False, "showgrid": False, "ticklen": 0,
            "title": {"text": "Needs of the customers"},
        },
        "bargap": 0,
    }  # fmt: skip
    others = sum(count for need in needs if need["kind"] == "other" for count, _ in need["stages"].values())
    elsewhere = f"   ({pluralize(others, 'angle')} from something else than these needs)" if others else ""
    note = f"■ an angle starts here   ○ no angle yet{elsewhere}"
    return drawn(
        [*_labels(needs), _cells(needs), _gaps(needs)],
        _title(needs),
        note,
        plot=len(needs) * ROW,
        head=86,
        foot=12,
        layout=layout,
    )


def _needs(rows: list[Need]) -> list[Need]:
    """One entry a need in the frame's order: its kind, its text, and the names and number of its angles by stage."""
    needs: dict[tuple[str, str], Need] = {}
    for row in rows:
        key = str(row["need_kind"]), str(row["need"])
        need = needs.setdefault(key, {"kind": key[0], "need": key[1], "stages": {}})
        count, names = need["stages"].get(row["awareness_stage"], (0, ""))
        both = ", ".join(part for part in (names, str(row["names"])) if part)
        need["stages"][row["awareness_stage"]] = (count + int(row["angles"]), both)
    return list(needs.values())


def _covered(need: Need) -> bool:
    return any(count for count, _ in need["stages"].values())


def _title(needs: list[Need]) -> str:
    counted_needs = [need for need in needs if need["kind"] != "other"]
    gaps = sum(not _covered(need) for need in counted_needs)
    empty = [stage for stage in STAGES if not any(need["stages"].get(stage, (0, ""))[0] for need in needs)]
    if len(empty) == len(STAGES):
        return f"{pluralize(len(counted_needs), 'need')} found, no angle yet"
    first = f"{gaps} of {pluralize(len(counted_needs), 'need')} {'has' if gaps == 1 else 'have'} no angle"
    first = first if gaps else f"Each of the {pluralize(len(counted_needs), 'need')} has an angle"
    return f"{first}; no angle speaks to readers at the stage {' or '.join(empty)}" if empty else first


def _labels(needs: list[Need]) -> list[Trace]:
    """The needs as the first column, and a clear bar behind each whose hover box has the whole text."""
    places = list(range(len(needs)))
    behind = {
        "type": "bar", "orientation": "h", "y": places, "x": [LABEL_ROOM] * len(needs), "base": LEFT, "width": 1,
        "marker": {"color": CLEAR}, "hoverinfo": "text",
        "hovertext": [hover(_kind(need), {"": need["need"]}) for need in needs],
    }  # fmt: skip
    words = {
        "type": "scatter", "mode": "text", "y": places, "x": [LEFT] * len(needs), "text": [_label(need) for need in needs],
        "textposition": "middle right", "hoverinfo": "skip",
    }  # fmt: skip
    return [behind, words]


def _label(need: Need) -> str:
    kind, text = _kind(need), str(need["need"])
    lines = wrapped(f"{kind}: {text}" if text else kind, NEED_WIDTH, 2)
    return f"<b>{kind}</b>{lines[len(kind) :]}" if lines.startswith(kind) else lines


def _kind(need: Need) -> str:
    return {"pain": "Pain", "desire": "Desire"}.get(need["kind"], "Something else")


def _places(needs: list[Need], *, filled: bool) -> list[tuple[int, int, int, str]]:
    """Column, row, number and names of the cells that have an angle, or of those that have none."""
    return [
        (STAGES.index(stage), place, count, names)
        for place, need in enumerate(needs)
        for stage, (count, names) in need["stages"].items()
        if bool(count) == filled
    ]


def _cells(needs: list[Need]) -> Trace:
    cells = _places(needs, filled=True)
    return {
        "type": "bar", "orientation": "h", "y": [cell[1] for cell in cells], "x": [0.94] * len(cells), "width": 0.88,
        "base": [cell[0] - 0.47 for cell in cells], "marker": {"color": PAID}, "text": [_names(*cell[2:]) for cell in cells],
        "textposition": "inside", "insidetextanchor": "middle", "constraintext": "none", "hoverinfo": "text", "textangle": 0,
        "insidetextfont": {"color": ON_MARKS, "size": 11},
        "hovertext": [hover(f"{pluralize(cell[2], 'angle')} for readers at {STAGES[cell[0]]}", {"": cell[3]}) for cell in cells],
    }  # fmt: skip


def _names(count: int, names: str) -> str:
    if count == 1:
        return wrapped(names, NAME_WIDTH, 2)
    return f"<b>{pluralize(count, 'angle')}</b><br>{wrapped(names, NAME_WIDTH, 1)}"


def _gaps(needs: list[Need]) -> Trace:
    gaps = _places(needs, filled=False)
    return {
        "type": "scatter", "mode": "markers", "x": [gap[0] for gap in gaps], "y": [gap[1] for gap in gaps],
        "marker": {"symbol": "circle-open", "size": 9, "color": INK}, "hoverinfo": "skip",
    }  # fmt: skip
