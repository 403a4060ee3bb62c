"""The live board: what it says of the agents, how long each took, and when it is drawn anew."""

from __future__ import annotations

import asyncio
import re
import selectors
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from campaign_lab.agents.board import TurnBoard
from campaign_lab.agents.events import (
    AgentEnded,
    AgentStarted,
    Event,
    PageAsked,
    PageRead,
    Retrying,
    TokensBooked,
    TurnEnded,
    TurnStarted,
)
from campaign_lab.progress.board import ProgressLine, ProgressView
from campaign_lab.progress.html import phase_bar, progress_html
from campaign_lab.progress.live import Drawing, LiveProgress

BEGIN = TurnStarted("research", ("reader", "writer"))
HOSTILE = '<img src=x onerror="alert(1)">\x1b[31m $x$ [link](javascript:alert(1))'


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time as it stands."""
        return self.now


def heard(*events: Event | float) -> LiveProgress:
    """A board that has heard the events; a number lets so many seconds pass."""
    clock = Seconds()
    live = LiveProgress(TurnBoard(), clock)
    for event in events:
        if isinstance(event, float):
            clock.now += event
        else:
            live.on_event(event)
    return live


def html(live: LiveProgress) -> str:
    """What is shown now."""
    return progress_html(live.view())


def cells(live: LiveProgress) -> list[list[str]]:
    """The texts of the table, row by row, without its head."""
    rows = html(live).split("<tr>")[2:]
    return [re.findall(r"<t[hd][^>]*>(?:<bdi>)?([^<]*)(?:</bdi>)?</t[hd]>", row) for row in rows]


def test_each_agent_has_its_own_time() -> None:
    """It counts from when the agent began till it ended; who has not begun has none."""
    live = heard(BEGIN, 2.0, AgentStarted("c1", "reader", ""), 3.0, AgentEnded("c1", True), 4.0)
    assert (live.elapsed(), live.elapsed("c1"), live.elapsed("?writer")) == (9.0, 3.0, None)


def test_a_turn_that_ended_stops_all_clocks() -> None:
    """Also that of an agent which was stopped in the middle."""
    live = heard(BEGIN, AgentStarted("c1", "reader", ""), 3.0, TurnEnded(False), 4.0)
    assert (live.elapsed(), live.elapsed("c1")) == (3.0, 3.0)


def test_a_line_says_all_that_is_known_of_an_agent() -> None:
    """Name with the job, state in words, pages, tokens, time and cost; the main agent stands first."""
    live = heard(
        BEGIN, AgentStarted("c1", "reader", "The brand"), PageAsked("c1", "u"), PageAsked("c1", "v"), PageRead("c1", True),
        TokensBooked("c1", 1234, 0.5), TokensBooked("", 10, 0.25), 7.0,
    )  # fmt: skip
    assert cells(live) == [
        ["main agent", "waiting", "-", "10", "7 s", "$0.2500"],
        ["writer", "waiting", "-", "0", "-", "$0.0000"],
        ["reader · The brand", "reading page 2 of 2", "1 of 2", "1,234", "7 s", "$0.5000"],
    ]


def test_a_cost_that_is_not_known_is_never_zero() -> None:
    """One that is known in part says so."""
    live = heard(
        BEGIN, AgentStarted("c1", "reader", ""), TokensBooked("", 10, None), TokensBooked("c1", 10, 0.0123),
        TokensBooked("c1", 10, None),
    )  # fmt: skip
    assert [row[-1] for row in cells(live)] == [
        "1 request without a price",
        "$0.0000",
        "$0.0123 and 1 request without a price",
    ]


def test_who_was_at_work_when_a_turn_was_cancelled_has_stopped() -> None:
    """Nobody is left reading for ever."""
    live = heard(BEGIN, AgentStarted("c1", "reader", ""), TurnEnded(False))
    assert [row[:2] for row in cells(live)] == [["main agent", "stopped"], ["writer", "waiting"], ["reader", "stopped"]]


def test_a_retry_is_said_below_the_lines() -> None:
    """Who waits sees why."""
    assert "answered 529; asking again in 2 s" in html(heard(BEGIN, Retrying(1, 3, 2.0, "the endpoint answered 529")))


def test_texts_of_models_stay_texts() -> None:
    """Neither a name, nor a reason, nor a note makes an element, and control characters are out."""
    live = heard(
        TurnStarted(HOSTILE, (HOSTILE,)), AgentStarted("c1", HOSTILE, HOSTILE), AgentEnded("c1", False, HOSTILE),
        Retrying(1, 2, 1.0, HOSTILE),
    )  # fmt: skip
    for shown in (html(live), phase_bar([(HOSTILE, "running")], live.view())):
        assert "<img" not in shown
        assert "\x1b" not in shown
        assert "&lt;img src=x onerror=&quot;" in shown


def test_the_phase_bar_tells_the_state_in_words() -> None:
    """Not by colour or sign alone; the one under way is marked for screen readers and shows how far it is."""
    lines = [ProgressLine("c", "reader", "", state) for state in ("done", "thinking", "waiting", "reading")]
    states = [("research", "done"), ("strategy", "running"), ("copy", "waiting")]
    html = phase_bar(states, ProgressView("", ("", ""), lines=lines))
    assert re.sub(r"<[^>]+>", "", html) == "✓ research done▶ strategy running ○ copy waiting"
    assert html.count('aria-current="step"') == 1
    assert '<progress max="4" value="1" aria-label="strategy">' in html


class Leaping(selectors.DefaultSelector):
    """Waits for nothing: the time that a loop would sleep has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Moves the time on."""
        self.now += timeout or 0.0
        return super().select(0)


def drawn(during: Callable[[Drawing], Any]) -> list[float]:
    """When a drawing was drawn while the coroutine function ran, in seconds of a loop whose time leaps."""
    times: list[float] = []
    selector = Leaping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]

    async def main() -> None:
        with Drawing(lambda: times.append(round(loop.time(), 3))) as drawing:
            await during(drawing)
        await asyncio.sleep(5)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    return times


def test_elapsed_times_tick_while_nothing_happens() -> None:
    """It is drawn at once, then each second, and never after its end."""
    times = drawn(lambda _drawing: asyncio.sleep(3.5))
    assert times == [0.0, *(pytest.approx(n, abs=0.11) for n in (1.0, 2.0, 3.0))]


def test_many_changes_are_drawn_together() -> None:
    """However fast events come, a tenth of a second lies between two drawings, and a change waits no longer than that."""

    async def busy(drawing: Drawing) -> None:
        for _ in range(200):
            drawing.changed = True
            await asyncio.sleep(0.005)

    times = drawn(busy)
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) >= 10
    assert all(0.099 <= gap <= 0.111 for gap in gaps)
