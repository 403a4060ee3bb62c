"""The cost waterfall: the first session once, each fork on top, and what would have been paid without forks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.figures.style import AVOIDED, CLEAR, INK, PAID, cut, drawn, hover, nothing, wrapped
from campaign_lab.figures.tree_costs import avoided, cost, own_phases, paid, rows_of
from campaign_lab.money import NOTHING, Sum

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_FORKS = 12
"""Forks with a bar of their own; the cheaper ones beyond them share one."""
ROW = 34
NAME_WIDTH = 32

LOOKS = {"paid": (PAID, PAID), "sum": (PAID, PAID), "avoided": (AVOIDED, AVOIDED), "without": (CLEAR, INK)}
"""Fill and edge by kind. What was avoided is hatched, so that it is not told by its colour alone."""

Fields = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """One bar: where it begins and what it stands for, in US dollars. Unknown costs have no length."""

    kind: str
    label: str
    start: float
    cost: Sum
    detail: str = ""

    @property
    def end(self) -> float:
        """Where it ends."""
        return (Sum(self.start) + self.cost).usd

    @property
    def amount(self) -> str:
        """The sum in words: an unknown part is said, never drawn as 0."""
        nothing_paid = self.kind == "paid" and self.cost == NOTHING
        return "nothing paid" if nothing_paid else str(self.cost)


def cost_waterfall(frame: pd.DataFrame) -> go.Figure:
    """Draws ``lab.tree(session)``: research once, each fork's own cost, the sum, and what forking avoided. US dollars."""
    rows = rows_of(frame)
    if not rows:
        return nothing("Nothing was paid yet", "Run a phase, such as await session.run('research').")
    bars = _bars(rows)
    most = max(bar.end for bar in bars) or 1
    layout = {
        "xaxis": {
            "title": {"text": "US dollars at list price, when the turns were made"}, "range": [0, most * 1.2],
            "showgrid": False, "ticks": "outside", "showline": True,
        },
        "yaxis": {
            "tickvals": list(range(len(bars))), "ticktext": [_tick(bar) for bar in bars], "range": [len(bars) - 0.5, -0.5],
            "showgrid": False, "ticklen": 0, "ticklabelstandoff": 6,
        },
    }  # fmt: skip
    note = "■ paid   ▨ not paid, because forks carry it   □ what it would have been"
    return drawn([_trace(bars), _steps(bars)], _title(rows, bars), note, plot=len(bars) * ROW, layout=layout)


def _bars(rows: list[Fields]) -> list[Bar]:
    first, *forks = rows
    dearest = sorted(range(len(forks)), key=lambda place: -cost(forks[place]).usd)
    own = set(dearest if len(forks) <= MOST_FORKS + 1 else dearest[:MOST_FORKS])
    rest = [row for place, row in enumerate(forks) if place not in own]
    bars = [_bar(first, 0.0)]
    for place in sorted(own):
        bars.append(_bar(forks[place], bars[-1].end))
    if rest:
        bars.append(Bar("paid", f"{len(rest)} more forks", bars[-1].end, paid(rest)))
    spent, carried = paid(rows), avoided(rows)
    return [
        *bars,
        Bar("sum", "Paid in all", 0.0, spent),
        Bar("avoided", "Avoided by forking", spent.usd, carried),
        Bar("without", "Without forks", 0.0, spent + carried),
    ]


def _bar(row: Fields, start: float) -> Bar:
    return Bar("paid", str(row["session"]), start, cost(row), ", ".join(own_phases(row)))


def _trace(bars: list[Bar]) -> dict[str, Any]:
    fills, edges = ([pair[place] for pair in (LOOKS[bar.kind] for bar in bars)] for place in (0, 1))
    return {
        "type": "bar", "orientation": "h", "y": list(range(len(bars))), "x": [bar.cost.usd for bar in bars],
        "base": [bar.start for bar in bars], "text": [wrapped(bar.amount, 60) for bar in bars], "textposition": "outside",
        "cliponaxis": False, "hoverinfo": "text", "hovertext": [_hover(bar) for bar in bars],
        "marker": {
            "color": fills, "line": {"color": edges, "width": [1.5 * bool(bar.cost.usd) for bar in bars]},
            "pattern": {
                "shape": ["/" if bar.kind == "avoided" else "" for bar in bars], "bgcolor": CLEAR, "size": 7,
            },
        },
    }  # fmt: skip


def _steps(bars: list[Bar]) -> dict[str, Any]:
    """Thin lines from the end of each bar to the beginning of the next."""
    ends: list[float | None] = []
    places: list[float | None] = []
    for place, bar in enumerate(bars[:-1]):
        ends += [bar.end] * 2 + [None]
        places += [place - 0.3, place + 1.3, None]
    return {
        "type": "scatter", "mode": "lines", "x": ends, "y": places, "hoverinfo": "skip",
        "line": {"color": INK, "width": 1, "dash": "dot"},
    }  # fmt: skip


def _title(rows: list[Fields], bars: list[Bar]) -> str:
    spent, carried, without = (bar.cost for bar in bars[-3:])
    if len(rows) == 1:
        return f"{cut(rows[0]['session'], NAME_WIDTH)} cost {spent}; a fork would carry that without paying it again"
    if without.unpriced or not carried.usd:
        return f"Paid: {spent}. Avoided by forking: {carried}" + (
            ". Some costs are not known" if without.unpriced else ""
        )
    return f"Forking saved {carried.usd / without.usd:.0%}: {spent} paid, instead of {without} without forks"


def _tick(bar: Bar) -> str:
    label = wrapped(bar.label, NAME_WIDTH, 1)
    return label if bar.kind == "paid" else f"<b>{label}</b>"


def _hover(bar: Bar) -> str:
    return hover(bar.label, {"": bar.amount, "Turns": bar.detail})
