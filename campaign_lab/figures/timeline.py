"""The timeline of a run: when each agent worked, grouped by phase."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from campaign_lab.figures.style import CLEAR, INK, PAID, drawn, hover, nothing, wrapped
from campaign_lab.figures.tree_costs import known, rows_of
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MAIN_AGENT = "main agent"
ROW = 30
NAME_WIDTH = 40


@dataclass
class Stretch:
    """One turn: its phase and the rows of its agents."""

    phase: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def lasted_s(self) -> float:
        """Seconds from its beginning to the end of its last agent."""
        return max((_end(row) or 0 for row in self.rows), default=0.0)

    @property
    def agents(self) -> list[dict[str, Any]]:
        """The rows of the agents that the main agent called."""
        return [row for row in self.rows if row["agent"] != MAIN_AGENT]


def run_timeline(frame: pd.DataFrame) -> go.Figure:
    """Draws ``lab.timeline(session)``: one bar per agent, in seconds since its phase began."""
    turns = _turns(rows_of(frame))
    if not turns:
        return nothing("No run yet", "Run a phase, such as await session.run('research').")
    lines: list[dict[str, Any]] = [line for turn in turns for line in ({"phase": turn.phase}, *turn.rows)]
    most = max(turn.lasted_s for turn in turns) or 1
    layout = {
        "xaxis": {"title": {"text": "Seconds since the phase began"}, "range": [0, most * 1.3]},
        "yaxis": {
            "tickvals": list(range(len(lines))), "ticktext": [_tick(line) for line in lines], "showgrid": False,
            "range": [len(lines) - 0.5, -0.5], "ticklen": 0, "ticklabelstandoff": 6,
        },
    }  # fmt: skip
    note = "■ an agent at work   □ the main agent, which calls them and waits"
    return drawn([_bars(lines)], _title(turns), note, plot=len(lines) * ROW, layout=layout)


def _turns(rows: list[dict[str, Any]]) -> list[Stretch]:
    """The rows by turn. The main agent comes first in each, so it also tells two turns of one phase apart."""
    turns: list[Stretch] = []
    for row in rows:
        if not turns or turns[-1].phase != row["phase"] or row["agent"] == MAIN_AGENT:
            turns.append(Stretch(str(row["phase"])))
        turns[-1].rows.append(row)
    return turns


def _end(row: dict[str, Any]) -> float | None:
    return known(row["ended_s"])


def _seconds(row: dict[str, Any]) -> float | None:
    start, end = known(row["started_s"]), _end(row)
    return None if start is None or end is None else end - start


def _title(turns: list[Stretch]) -> str:
    longest = max(turns, key=lambda turn: turn.lasted_s)
    took = f"{longest.phase} took {longest.lasted_s:.1f} s"
    worked = sum(_seconds(row) or 0 for row in longest.agents)
    spans = [(row["started_s"], row["ended_s"]) for row in longest.agents if _seconds(row) is not None]
    busy = max((end for _, end in spans), default=0) - min((start for start, _ in spans), default=0)
    if len(spans) > 1 and busy < worked * 0.95:
        return f"{took}: its {len(spans)} agents did {worked:.1f} s of work side by side in {busy:.1f} s"
    return f"{took}, the longest of {len(turns)} turns" if len(turns) > 1 else took


def _bars(lines: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [(place, line) for place, line in enumerate(lines) if "agent" in line]
    main = [row["agent"] == MAIN_AGENT for _, row in rows]
    return {
        "type": "bar", "orientation": "h", "y": [place for place, _ in rows], "x": [_seconds(row) or 0 for _, row in rows],
        "base": [known(row["started_s"]) or 0 for _, row in rows], "text": [_said(row) for _, row in rows],
        "textposition": "outside", "cliponaxis": False, "hoverinfo": "text", "hovertext": [_hover(row) for _, row in rows],
        "marker": {
            "color": [CLEAR if each else PAID for each in main],
            "line": {
                "color": [INK if each else PAID for each in main], "width": [1.5 * bool(_seconds(row)) for _, row in rows],
            },
        },
    }  # fmt: skip


def _tick(line: dict[str, Any]) -> str:
    if "agent" not in line:
        return f"<b>{wrapped(line['phase'], NAME_WIDTH, 1)}</b>"
    return wrapped(line["agent"], NAME_WIDTH, 1)


def _time(row: dict[str, Any]) -> str:
    seconds = _seconds(row)
    return "time not known" if seconds is None else f"{seconds:.1f} s"


def _said(row: dict[str, Any]) -> str:
    pages = f" · {pluralize(int(row['pages']), 'page')}" if row["pages"] else ""
    return f"{_time(row)}{pages}"


def _hover(row: dict[str, Any]) -> str:
    start = known(row["started_s"])
    facts = {
        "Phase": row["phase"],
        "Began after": "" if start is None else f"{start:.1f} s",
        "Worked for": _time(row),
        "Requests": int(row["requests"]),
        "Pages": int(row["pages"]),
    }
    return hover(row["agent"], facts)
