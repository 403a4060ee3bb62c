"""Watching runs: who has no listener of his own is heard by the front end, and a fan-out is one display."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from campaign_lab.agents.events import Event, OnEvent, TurnEnded, TurnStarted
from campaign_lab.errors import ReplayMiss
from campaign_lab.progress.hook import Watch, show_progress_in
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from support.labs import MakeLab

pytestmark = pytest.mark.usefixtures("slow")


class FrontEnd:
    """Keeps what it is asked to show: each display with its runs, and whether it was closed."""

    def __init__(self) -> None:
        self.displays: list[tuple[list[str], list[str]]] = []
        self.runs: list[tuple[str, str]] = []
        self.heard: dict[tuple[str, str], list[Event]] = {}
        self.ends: list[str] = []

    @contextmanager
    def display(self, phases: Sequence[str], sessions: Sequence[str]) -> Iterator[Watch]:
        """One display."""
        self.displays.append((list(phases), list(sessions)))
        try:
            yield self.watch
        finally:
            self.ends.append("display")

    @contextmanager
    def watch(self, session: str, phase: str) -> Iterator[OnEvent]:
        """One run in it."""
        self.runs.append((session, phase))
        try:
            yield self.heard.setdefault((session, phase), []).append
        finally:
            self.ends.append("run")


@pytest.fixture
def front_end() -> Iterator[FrontEnd]:
    """It watches while the test runs."""
    shown = FrontEnd()
    show_progress_in(runs=shown.display)
    yield shown
    show_progress_in()


def test_a_run_without_a_listener_is_shown(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """From its first event to its last; the display is closed when the run comes back."""
    lab = lab_of()
    lab.run_sync(lab.open("main").ask("What is promised?"))
    assert front_end.displays == [(["ask"], ["main"])]
    heard = front_end.heard["main", "ask"]
    assert heard[0] == TurnStarted("ask", ())
    assert heard[-1] == TurnEnded(True)
    assert front_end.ends == ["run", "display"]


def test_a_replay_is_shown_too(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """So that a cell shows the same after a run and a replay. Nothing happens in it."""
    lab = lab_of()
    lab.run_sync(lab.open("main", from_start=True).run("research"))
    assert front_end.heard == {("main", "research"): []}
    assert front_end.ends == ["run", "display"]


def test_a_listener_of_the_call_or_the_lab_hears_alone(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """Then nothing is shown: a panel, or the command line, shows it already."""
    mine: list[Event] = []
    lab, listening = lab_of(), lab_of(on_event=mine.append)
    lab.run_sync(lab.open("main").ask("Who says so?", on_event=mine.append))
    assert TurnEnded(True) in mine
    mine.clear()
    listening.run_sync(listening.run_all([listening.open("main")], "copy"))
    assert TurnEnded(True) in mine
    assert front_end.displays == []


def test_a_fan_out_is_one_display(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """It knows all its sessions from the start, and each run, also the second phase of one, reports into it."""
    lab = lab_of()
    base = lab.open("main")
    forks = [base.fork(name, at="research") for name in ("Calm", "Bold")]
    lab.run_sync(lab.run_all(forks, "strategy", "copy", at_once=2))
    assert front_end.displays == [(["strategy", "copy"], ["Calm", "Bold"])]
    assert sorted(front_end.runs) == [(name, phase) for name in ("Bold", "Calm") for phase in ("copy", "strategy")]
    assert front_end.ends == ["run"] * 4 + ["display"]
    for (_, phase), events in front_end.heard.items():
        assert [event.phase for event in events if isinstance(event, TurnStarted)] == [phase]
        assert events.count(TurnEnded(True)) == 1


def test_after_a_fan_out_a_run_has_its_own_display_again(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """Nothing of the common one is left, also within one coroutine."""
    lab = lab_of()
    base = lab.open("main", from_start=True)

    async def both() -> None:
        await lab.run_all([base], "research")
        await base.run("strategy")

    lab.run_sync(both())
    assert front_end.displays == [(["research"], ["main"]), (["strategy"], ["main"])]


def test_a_display_is_closed_whatever_happens(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """A run that is refused, and one that the endpoint fails, leave none open."""
    lab = lab_of(on_miss="refuse")
    with pytest.raises(ReplayMiss):
        lab.run_sync(lab.open("main").ask("Is it new?"))
    assert front_end.ends == ["run", "display"]


@pytest.mark.usefixtures("process")
def test_a_turn_that_fails_says_so_before_its_display_is_closed(
    make_lab: MakeLab, front_end: FrontEnd, termwick: object
) -> None:
    """The last event is the end with its reason."""
    broken = RehearsalServer(faults=lambda _ask, _times: Fault(400, message="not now"))
    lab = make_lab(own_server=broken)
    with pytest.raises(Exception, match="not now"):
        lab.run_sync(lab.session(termwick).run("research"))
    last = front_end.heard["main", "research"][-1]
    assert isinstance(last, TurnEnded)
    assert not last.ok
    assert "not now" in last.reason
    assert front_end.ends == ["run", "display"]
    broken.stop()


def test_two_fan_outs_at_once_do_not_mix(lab_of: MakeLab, front_end: FrontEnd) -> None:
    """Each thread, like each cell, has its own."""
    lab = lab_of()
    base = lab.open("main", from_start=True)
    fork = lab.open("main").fork("Again", at="research")
    threads = [
        threading.Thread(target=lambda each=each, phase=phase: lab.run_sync(lab.run_all([each], phase)))
        for each, phase in ((base, "research"), (fork, "strategy"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(front_end.displays) == [(["research"], ["main"]), (["strategy"], ["Again"])]
