"""What a person sees while a turn runs, as plain HTML: a bar of phases and one line an agent, with how long each has taken.

The cell's display and the RunPanel show the same, so they cannot disagree.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Literal, Self

from campaign_lab.agents.events import AgentLine, Board, Event, TurnStarted, safe_listener
from campaign_lab.show import escape_html

DRAW_S = 0.1
"""The shortest time between two drawings, in seconds: each is a message to the browser."""
TICK_S = 1.0
"""The longest time between two drawings, in seconds: elapsed times go on while nothing happens."""

PhaseState = Literal["waiting", "running", "done", "failed", "cancelled"]
MARKS: Mapping[str, str] = {"waiting": "○", "running": "▶", "done": "✓", "failed": "✗", "cancelled": "■"}
CELL = "text-align:left;padding:1px 14px 1px 0"
NUMBER = "text-align:right;padding:1px 14px 1px 0;font-variant-numeric:tabular-nums"
STEP = "display:inline-block;padding:1px 10px;margin:0 6px 4px 0;border:1px solid currentColor;border-radius:10px"
HEAD = (("Agent", CELL), ("State", CELL), ("Pages", NUMBER), ("Tokens", NUMBER), ("Elapsed", NUMBER), ("Cost", NUMBER))


class LiveBoard:
    """A board with clocks: events tell no time, so it is taken when they are heard. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.board = Board()
        self._clock = clock
        self._started: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        """Takes in one event."""
        if isinstance(event, TurnStarted):
            self._started, self._ended = {}, {}
        self.board = self.board.after(event)
        now = self._clock()
        for call, line in self.board.all_lines.items():
            if call == "" or line.state != "waiting":
                self._started.setdefault(call, now)
            if line.ended:
                self._ended.setdefault(call, now)

    def elapsed(self, call: str = "") -> float | None:
        """Seconds since the agent began, or till it ended; the turn's own for the empty call. None before it began."""
        began = self._started.get(call)
        return None if began is None else self._ended.get(call, self._clock()) - began

    def html(self) -> str:
        """The lines as a table, with the note that goes for all of them below."""
        board = self.board
        notes = (*board.notices, *([board.note] if board.note and not board.ended else []))
        note = "".join(f"<p>{escape_html(each)}</p>" for each in notes)
        if not board.phase:
            return note or "<p>starting …</p>"
        head = "".join(f'<th scope="col" style="{style}">{name}</th>' for name, style in HEAD)
        rows = "".join(_row(line, self.elapsed(call)) for call, line in board.all_lines.items())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{note}"

    @property
    def share(self) -> tuple[int, int]:
        """How many of the agents, the main agent included, have ended, and of how many."""
        lines = self.board.all_lines.values()
        return sum(line.ended for line in lines), len(lines)


def phase_bar(states: Iterable[tuple[str, PhaseState]], share: tuple[int, int] = (0, 1)) -> str:
    """The phases in a row, each with its state in words; a bar shows how many agents of the one under way have ended."""
    steps = []
    for name, state in states:
        bar = f' <progress max="{share[1]}" value="{share[0]}" aria-label="{escape_html(name)}"></progress>'
        current = ' aria-current="step"' if state == "running" else ""
        said = f"{MARKS[state]} <b>{escape_html(name)}</b> {state}"
        steps.append(f'<span role="listitem"{current} style="{STEP}">{said}{bar if current else ""}</span>')
    return f'<div role="list" aria-label="Phases">{"".join(steps)}</div>'


def _row(line: AgentLine, elapsed_s: float | None) -> str:
    """One agent's line. Names and reasons come from models, so they are escaped."""
    pages = f"{line.pages_read} of {line.pages_asked}" if line.pages_asked else "-"
    took = "-" if elapsed_s is None else f"{elapsed_s:.0f} s"
    numbers = (pages, f"{line.tokens:,}", took, str(line.cost))
    return (
        f'<tr><th scope="row" style="{CELL}">{escape_html(line.name)}</th><td style="{CELL}">{escape_html(line.words())}</td>'
        + "".join(f'<td style="{NUMBER}">{number}</td>' for number in numbers)
        + "</tr>"
    )


class Drawing:
    """Calls ``draw`` in the running loop while it is entered: soon after ``changed`` was set, and each second besides."""

    def __init__(self, draw: Callable[[], None]) -> None:
        self.changed = False
        self._draw = safe_listener(draw)

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._now()
        self._timer = self._loop.call_later(DRAW_S, self._tick)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(DRAW_S, self._tick)  # first: a drawing that fails does not stop the next
        if self.changed or self._loop.time() - self._drawn_at >= TICK_S:
            self._now()

    def _now(self) -> None:
        self.changed = False
        self._drawn_at = self._loop.time()
        self._draw()
