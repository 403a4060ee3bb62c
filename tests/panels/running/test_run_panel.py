"""RunPanel: phases at a click, who is at work, cancelling, errors in words, and what is saved of it."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign_lab import Brief
from campaign_lab.errors import NotFoundError, TurnFailed
from campaign_lab.panels import RunPanel
from campaign_lab.panels.base import ErrorBox
from campaign_lab.progress.live import TICK_S
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow
from support.labs import MakeLab
from support.panel_tools import inside, labels_of
from support.processes import at_work
from support.web.web_site import web_site

PATIENCE_S = 120.0
SPECIALISTS = ("brand-intelligence-analyst", "customer-psychology-specialist", "competitive-intelligence-specialist")


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def finished(panel: RunPanel) -> RunPanel:
    """The panel once its run has ended."""
    job = panel._job
    assert job is not None
    assert job.ended.wait(PATIENCE_S)
    return panel


def until(happened: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def attempts(panel: RunPanel) -> list[str]:
    """The states of all attempts in the lab."""
    engine = panel._session._context.engine
    return sorted(row.state for row in engine.call(lambda con: queries.select(con, AttemptRow)))


@pytest.fixture
def thinking() -> Iterator[RehearsalServer]:
    """A server that thinks before each answer, so that a click meets a run under way."""
    server = RehearsalServer(latency_s=1.5)
    yield server
    server.stop()


@pytest.mark.usefixtures("process")
def test_a_click_runs_the_phase_and_shows_each_agent_at_work(make_lab: MakeLab, termwick: Brief) -> None:
    """Three agents read and hand in; then the results stand below, and the session has moved on."""
    session = make_lab().session(termwick)
    panel = RunPanel(session, "research")
    seen: list[str] = []
    panel.agents.observe(lambda change: seen.append(words(change["new"])), "value")
    panel.run_button.click()
    assert words(panel.status.value) == "running"
    assert (panel.run_button.disabled, panel.cancel_button.disabled) == (True, False)
    finished(panel)
    for agent in SPECIALISTS:
        states = " ".join(each.split(agent)[1].split("-specialist")[0] for each in seen if agent in each)
        for state in ("thinking", "reading page", "saving", "done"):
            assert state in states, (agent, state)
    assert re.search(r"main agent done - [\d,]{4,} \d+ s \$0\.\d*[1-9]", seen[-1])
    assert words(panel.status.value) == "done"
    assert words(panel.phase_bar.value) == "✓ research done"
    assert "Termwick" in words(panel.results.value)
    assert [turn.phase for turn in session.turns()] == [turn.phase for turn in panel.turns] == ["research"]
    assert (panel.run_button.disabled, panel.cancel_button.disabled) == (False, True)


def test_clicked_twice_it_runs_once(lab_of: MakeLab) -> None:
    """The second click meets a run under way."""
    panel = RunPanel(lab_of().open("main"), "copy")
    before = len(attempts(panel))
    panel.run_button.click()
    panel.run_button.click()
    assert len(attempts(finished(panel))) == before + 1
    assert len(panel._session.turns()) == 3


def test_run_again_replays(lab_of: MakeLab) -> None:
    """It stands where it stood, pays nothing, and says so; nothing of that is saved."""
    lab = lab_of()
    panel = RunPanel(lab.open("main", from_start=True), "research", "strategy")
    saved = (panel.twin(), panel.line())
    for _ in range(2):
        panel.run_button.click()
        finished(panel)
        assert [turn.replayed for turn in panel.turns] == [True, True]
        assert words(panel.status.value) == "done · replayed: nothing was paid"
        assert words(panel.phase_bar.value) == "✓ research done ✓ strategy done"
    assert (panel.twin(), panel.line()) == saved
    assert len(panel._session.turns()) == 2


@pytest.mark.usefixtures("process", "slow")
def test_a_site_that_was_down_is_said_and_a_second_click_makes_it_whole(make_lab: MakeLab, tmp_path: Path) -> None:
    """The page's own reason stands in the panel; once the site is up, Run pays once, and a third click replays."""
    with web_site() as site:
        session = make_lab().session(Brief.load(site.brief(tmp_path / "brief.toml")))
        panel = RunPanel(session, "research", "strategy", "copy")
        panel.run_button.click()
        finished(panel)
        assert words(panel.phase_bar.value) == "✗ research failed ○ strategy waiting ○ copy waiting"
        assert "no connection could be made; the site is down" in words(panel.problem.value)
        assert (panel.turns, session.turns(), attempts(panel)) == ((), [], ["failed"])
        site.is_itself()
        panel.run_button.click()
        finished(panel)
        assert words(panel.status.value) == "done"
        assert panel.problem.value == ""
        assert len(panel.turns[-1].records) == 10
        site.down()
        panel.run_button.click()
        finished(panel)
        assert [turn.replayed for turn in panel.turns] == [True] * 3
        assert attempts(panel) == ["failed", *["finished"] * 3]


@pytest.mark.usefixtures("slow")
def test_cancel_stops_and_keeps_what_is_finished(lab_of: MakeLab, thinking: RehearsalServer) -> None:
    """No process is left, the phase before stays, and Run goes on from there."""
    session = lab_of().open("main", from_start=True)
    panel = RunPanel(session, "research", "strategy", "copy")
    session._context.endpoint.server = thinking
    panel.run_button.click()
    until(lambda: "▶ copy running" in words(panel.phase_bar.value) and bool(at_work()))
    until(lambda: "copy-creator waiting" not in words(panel.agents.value))
    panel.cancel_button.click()
    assert words(panel.status.value) == "cancelling …"
    finished(panel)
    assert at_work() == []
    assert words(panel.status.value).startswith("cancelled")
    assert words(panel.phase_bar.value) == "✓ research done ✓ strategy done ■ copy cancelled"
    assert "stopped" in words(panel.agents.value)
    assert [turn.phase for turn in panel.turns] == ["research", "strategy"]
    assert panel.problem.value == ""
    assert attempts(panel) == ["failed", "finished", "finished"]

    session._context.endpoint.server._latency_s = 0
    panel.run_button.click()
    finished(panel)
    assert [turn.replayed for turn in panel.turns] == [True, True, False]
    assert words(panel.status.value) == "done · research, strategy replayed: nothing was paid"


def test_cancel_works_while_the_process_starts(lab_of: MakeLab, thinking: RehearsalServer) -> None:
    """At whatever moment: the CLI that is just starting does not listen yet."""
    session = lab_of().open("main")
    session._context.endpoint.server = thinking
    panel = RunPanel(session, "copy")
    panel.run_button.click()
    until(lambda: bool(at_work()))
    panel.cancel_button.click()
    finished(panel)
    assert at_work() == []
    assert words(panel.status.value) == "cancelled"


@pytest.mark.usefixtures("process", "slow")
def test_an_error_is_said_in_words_with_the_traceback_folded(make_lab: MakeLab, termwick: Brief) -> None:
    """The endpoint's own text is shown as text. Run tries again."""
    faulty = [True]
    broken = RehearsalServer(faults=lambda _ask, _times: Fault(400, message="not <b>now</b>") if faulty[0] else None)
    panel = RunPanel(make_lab(own_server=broken).session(termwick), "research")
    panel.run_button.click()
    finished(panel)
    said, folded = panel.problem.value.split("<details>")
    assert "The phase &#x27;research&#x27; failed: the endpoint did not answer (HTTP 400)" in said
    assert "not &lt;b&gt;now&lt;/b&gt;" in said
    assert "Traceback" not in said
    assert "Traceback" in folded
    assert words(panel.status.value) == "failed"
    assert words(panel.phase_bar.value) == "✗ research failed"
    assert panel.turns == ()

    faulty[0] = False
    panel.run_button.click()
    finished(panel)
    assert panel.problem.value == ""
    assert words(panel.status.value) == "done"
    broken.stop()


def test_a_phase_too_early_is_said_in_words(make_lab: MakeLab, termwick: Brief) -> None:
    """Nothing is sent for it."""
    panel = RunPanel(make_lab().session(termwick), "copy")
    panel.run_button.click()
    finished(panel)
    assert "Run the phase that makes angle first" in words(panel.problem.value)
    assert attempts(panel) == []


def test_awaited_it_gives_the_last_turn(lab_of: MakeLab) -> None:
    """For headless runs; the panel shows the same as after a click. A run under way is joined."""
    panel = RunPanel(lab_of().open("main", from_start=True), "research", "strategy")
    panel.run_button.click()
    turn = asyncio.run(panel.run())
    assert turn is panel.turns[-1]
    assert turn.phase == "strategy"
    assert words(panel.phase_bar.value) == "✓ research done ✓ strategy done"


def test_awaited_it_raises_what_went_wrong(make_lab: MakeLab, termwick: Brief) -> None:
    """The cell fails, and papermill with it; the panel says why too."""
    panel = RunPanel(make_lab().session(termwick), "strategy")
    with pytest.raises(Exception, match="needs brand profile before it"):
        asyncio.run(panel.run())
    assert "needs brand profile before it" in words(panel.problem.value)


def test_cancelled_at_the_panel_the_awaiting_cell_fails(lab_of: MakeLab, thinking: RehearsalServer) -> None:
    """Cells below do not go on as if it had run; and the cell comes back when the process is gone."""
    session = lab_of().open("main")
    session._context.endpoint.server = thinking
    panel = RunPanel(session, "copy")

    async def cell() -> None:
        running = asyncio.create_task(panel.run())
        await asyncio.to_thread(until, lambda: bool(at_work()))
        panel.cancel_button.click()
        await running

    with pytest.raises(TurnFailed, match="it was cancelled") as caught:
        asyncio.run(cell())
    assert caught.value.cause == "cancelled"
    assert at_work() == []


def test_an_interrupted_cell_cancels_the_run(lab_of: MakeLab, thinking: RehearsalServer) -> None:
    """It comes back as cancelled, with the process gone."""
    session = lab_of().open("main")
    session._context.endpoint.server = thinking
    panel = RunPanel(session, "copy")

    async def cell() -> None:
        running = asyncio.create_task(panel.run())
        await asyncio.to_thread(until, lambda: bool(at_work()))
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cell())
    assert words(panel.status.value) == "cancelled"
    assert at_work() == []


def test_cancel_without_a_run_does_nothing(lab_of: MakeLab) -> None:
    """The panel stays idle, and after a run it stays done."""
    panel = RunPanel(lab_of().open("main", from_start=True), "research")
    panel.cancel()
    assert words(panel.status.value) == "idle"
    panel.run_button.click()
    finished(panel).cancel()
    assert words(panel.status.value).startswith("done")


def test_an_observer_may_cancel_as_soon_as_it_can(lab_of: MakeLab) -> None:
    """It is called within the panel's own step, and does not wait for that."""
    panel = RunPanel(lab_of().open("main"), "copy")
    panel.cancel_button.observe(lambda change: change["new"] or panel.cancel(), "disabled")
    threading.Thread(target=panel.start, daemon=True).start()
    until(lambda: words(panel.status.value) == "cancelled")
    assert (panel.run_button.disabled, panel.cancel_button.disabled) == (False, True)
    assert finished(panel).turns == ()


def test_run_as_soon_as_it_can_be_clicked_is_a_new_run(lab_of: MakeLab) -> None:
    """Not the one that is just ending, whose job has not ended yet."""
    panel = RunPanel(lab_of().open("main", from_start=True), "research")
    first = panel.start()
    again: list[object] = []
    panel.run_button.observe(lambda change: change["new"] or again or again.append(panel.start()), "disabled")
    assert first.future.result(PATIENCE_S).phase == "research"
    until(lambda: bool(again))
    assert again == [panel._job]
    assert panel._job is not first
    assert [turn.phase for turn in finished(panel).turns] == ["research"]
    assert words(panel.status.value).startswith("done")


def test_a_drawing_never_says_running_over_cancelling(lab_of: MakeLab, thinking: RehearsalServer) -> None:
    """While a click is handled, the loop's thread does not write the status, however often it draws."""
    session = lab_of().open("main")
    session._context.endpoint.server = thinking
    panel = RunPanel(session, "copy")
    panel.run_button.click()
    until(lambda: "copy-creator" in words(panel.agents.value))
    with panel._lock:
        panel.status.value = "held"
        time.sleep(2 * TICK_S)
        assert panel.status.value == "held"
        panel.cancel()
    finished(panel)
    assert words(panel.status.value) == "cancelled"


def test_a_problem_is_shown_without_what_a_reader_cannot_see() -> None:
    """Texts of pages and endpoints come in errors; a bug does not pass for plain words."""
    problem = ErrorBox()
    problem.show(ValueError("a \u202e\x1b[31m<b>b"))
    assert "⚠ a &lt;b&gt;b</b>" in problem.value
    assert not {"\u202e", "\x1b"} & set(problem.value)
    problem.show(TypeError("'NoneType' object is not iterable"))
    assert "This should not have happened: TypeError" in problem.value


def test_a_wish_goes_to_the_first_phase(lab_of: MakeLab) -> None:
    """Like in a fan-out: the steer and the take are of the turn that the panel begins with."""
    session = lab_of().open("main").fork("Take two", at="research")
    panel = RunPanel(session, "strategy", steer="Be calm", take=2)
    panel.run_button.click()
    (turn,) = finished(panel).turns
    assert turn.take == 2
    assert any("Be calm" in message.text for message in session.conversation())


@pytest.mark.usefixtures("slow")
def test_again_afresh_says_its_price_and_waits_for_a_second_click(lab_of: MakeLab) -> None:
    """Cancel takes it back and nothing was sent; agreed to, the next take is made, the others follow, and Run replays it."""
    session = lab_of().open("main", from_start=True)
    panel = RunPanel(session, "research", "strategy")
    before = len(attempts(panel))
    panel.again_button.click()
    assert re.match(r"research, strategy anew, about \$0\.\d+ \(list price; rehearsal", words(panel.status.value))
    panel.cancel_button.click()
    assert (words(panel.status.value), panel.cancel_button.disabled) == ("nothing was started", True)
    assert (panel._job, len(attempts(panel))) == (None, before)

    panel.again_button.click()
    panel.again_button.click()
    assert panel.again_button.description == "Again, afresh"
    turns = finished(panel).turns
    assert [(turn.phase, turn.take, turn.replayed) for turn in turns] == [
        ("research", 2, False),
        ("strategy", 1, False),
    ]
    assert words(panel.status.value).startswith("done · research, take 2")
    assert "Results of research, take 2" in words(panel.results.value)
    panel.run_button.click()
    assert [(turn.key, turn.replayed) for turn in finished(panel).turns] == [(turn.key, True) for turn in turns]


def test_what_is_saved_is_constant(lab_of: MakeLab) -> None:
    """The phases with their agents, and one line; a phase that the lab does not know is refused when the panel is made."""
    session = lab_of().open("main")
    panel = RunPanel(session, "research", "copy")
    assert panel.line() == repr(panel) == "RunPanel(research, copy)"
    for name in ("research", "copy", "main agent", "copy-creator", *SPECIALISTS):
        assert name in panel.twin()
    with pytest.raises(NotFoundError, match="'reserach'"):
        RunPanel(session, "reserach")
    with pytest.raises(ValueError, match="name at least one"):
        RunPanel(session)


def test_its_controls_are_labelled_and_in_order(lab_of: MakeLab) -> None:
    """Run, Again afresh, then Cancel; the state is said to screen readers."""
    panel = RunPanel(lab_of().open("main"), "research")
    labels = labels_of(panel)
    assert [label for label, _ in labels] == ["Run", "Again, afresh", "Cancel"]
    assert all(tooltip for _, tooltip in labels)
    assert 'role="status"' in panel.status.value
    assert "mathjax_ignore" in panel.status.value
    assert {panel.status, panel.phase_bar, panel.agents, panel.problem, panel.results} <= set(inside(panel))
