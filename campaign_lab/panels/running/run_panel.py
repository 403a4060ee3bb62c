"""RunPanel: runs phases of a session at a click, shows who is at work, and can be cancelled."""

from __future__ import annotations

import asyncio
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.agents.events import MAIN, Event, Queued
from campaign_lab.agents.phases import Phase
from campaign_lab.agents.process.sdk_loop import HEARTBEAT_S, STOP_S, LoopTask
from campaign_lab.errors import TurnFailed
from campaign_lab.panels.base import Panel
from campaign_lab.panels.running.live_board import CELL, Drawing, LiveBoard, PhaseState, phase_bar
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.not_awaited import awaited
from campaign_lab.sessions.position import CellRef, current_cell, running_for
from campaign_lab.show import escape_html, framed, price_words
from campaign_lab.show.text import and_take

if TYPE_CHECKING:
    from campaign_lab.sessions.session import Session


AFRESH, AGREED = "Again, afresh", "Yes, run afresh"
"""What the button says before its price was asked for, and after."""


class RunPanel(Panel):
    """Run, Again afresh, Cancel, a bar of the phases, one line an agent, and the results below once they are there.

    A click works for the cell that the panel was made in, like running that cell: what is stored replays, what a
    cancellation or an error has left out runs. ``steer`` and ``take`` go to the first phase, see ``session.run``.
    "Again, afresh" says what one more answer to the first phase would cost, and a second click makes it, as the next take
    with pages fetched anew; the other phases follow on it.
    Raises ValueError when no phase is named, NotFoundError for one that the lab does not know.
    """

    def __init__(self, session: Session, *phases: str, steer: str | None = None, take: int | None = None) -> None:
        super().__init__()
        if not phases:
            raise ValueError('phases: none is not allowed; name at least one, such as RunPanel(session, "research")')
        self._session, self._steer, self._take = session, steer, take
        self._phases = [session._context.phase(name) for name in phases]
        self._cell = current_cell()
        self._panel = f"panel {','.join(phases) if self._cell.cell_id else uuid.uuid4()}"
        self._states: list[PhaseState] = []
        self._lock = threading.RLock()  # callbacks have no fixed thread, and observers of our traits call back
        self._job: LoopTask[Turn] | None = None
        self._asking = self._afresh = False
        self._running = False  # not job.ended: that comes after Run can be clicked again
        self.turns: tuple[Turn, ...] = ()
        """The turns that the last run has finished, in order."""
        self._reset()
        self.run_button = widgets.Button(
            description="Run", icon="play", button_style="primary", tooltip=f"Run {', '.join(phases)}"
        )
        self.again_button = widgets.Button(
            description=AFRESH, icon="repeat", tooltip=f"Run {phases[0]} once more, with its pages fetched anew"
        )
        self.cancel_button = widgets.Button(
            description="Cancel", icon="stop", disabled=True, tooltip="Stop the run; what is finished is kept"
        )
        self.status, self.phase_bar, self.agents, self.results = (widgets.HTML() for _ in range(4))
        self.run_button.on_click(self.guarded(self.start))
        self.again_button.on_click(self.guarded(self.again))
        self.cancel_button.on_click(self.guarded(self.cancel))
        controls = widgets.HBox([self.run_button, self.again_button, self.cancel_button, self.status])
        self.children = [controls, self.phase_bar, self.agents, self.problem, self.results]
        self._say("idle")
        self._draw_phases()

    # -- from any thread

    def start(self) -> LoopTask[Turn]:
        """Starts the run, unless it is under way: then that one is given."""
        return self._start(afresh=False)

    def again(self) -> None:
        """Says what a run afresh would cost; called once more, it starts it. Cancel takes the question back."""
        with self._lock:
            if self._running:
                return
            if self._asking:
                self._start(afresh=True)
                return
            names = [phase.name for phase in self._phases]
            expected = self._session.estimate_all(names, steer=self._steer, fresh_pages=True)
            price = price_words(expected.usd, unpaid=self._session._context.endpoint.rehearsal)
            self._ask(True)
            self._say(f"{', '.join(names)} anew, {price}?")

    def _start(self, *, afresh: bool) -> LoopTask[Turn]:
        with self._lock:
            if self._job is None or not self._running:
                self._reset()
                self._ask(False)
                self._afresh = afresh
                job = self._job = self._session._context.loop.submit(self._work())
                self._running = True
                self.problem.clear()
                self.run_button.disabled = self.again_button.disabled = True
                self._say("running")
                self.cancel_button.disabled = False  # last: whoever hears of it may cancel
                return job
            return self._job

    def cancel(self) -> None:
        """Stops the run if one is under way. Finished phases are kept, and Run goes on from there."""
        with self._lock:
            if self._asking:
                self._ask(False)
                self._say("nothing was started")
            elif self._job is not None and not self.cancel_button.disabled:
                self.cancel_button.disabled = True
                self._say("cancelling …")
                self._job.future.cancel()

    @awaited
    async def run(self) -> Turn:
        """Runs in a cell and waits: gives the last phase's turn. An interrupt of the kernel cancels the run.

        Raises what ``session.run`` raises; TurnFailed when the run was cancelled at the panel.
        """
        with self._lock:
            job = self.start()
            self._in_cell = True
        try:
            while not job.ended.is_set():  # noqa: ASYNC110  # a thread's; and an interrupt reaches no idle await
                await asyncio.sleep(HEARTBEAT_S)
        except BaseException:
            self.cancel()
            await asyncio.to_thread(job.ended.wait, STOP_S)
            raise
        if not job.future.cancelled():
            return job.future.result()
        turns = self.turns
        if len(turns) == len(self._phases):
            return turns[-1]  # cancelled too late
        stopped = self._phases[len(turns)].name
        raise TurnFailed(stopped, "cancelled", "it was cancelled", "Phases that were finished are kept.")

    # -- in the loop's thread

    async def _work(self) -> Turn:
        try:
            with running_for(self._as_cell()), Drawing(self._draw) as self._drawing:
                for number in range(len(self._phases)):
                    await self._run_phase(number)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        except Exception as error:
            self._end("failed", error)
            raise
        last = self.turns[-1]
        self._end("done")
        return last

    async def _run_phase(self, number: int) -> None:
        self._live, self._states[number] = LiveBoard(), "running"
        self._drawing.changed = True
        options: dict[str, Any] = {}
        if number == 0:
            take = None if self._afresh else self._take
            options = {"steer": self._steer, "take": take, "fresh_pages": self._afresh}
        turn = await self._session.run(self._phases[number].name, on_event=self._hear, **options)
        self._states[number] = "done"
        self.turns = (*self.turns, turn)

    def _hear(self, event: Event) -> None:
        self._live.hear(event)
        self._queued = isinstance(event, Queued)
        self._drawing.changed = True

    def _draw(self) -> None:
        with self._lock:
            if not self.cancel_button.disabled:
                self._say("queued" if self._queued else "running")
        self._draw_phases()
        self.agents.value = framed(self._live.html())

    def _end(self, end: PhaseState, error: Exception | None = None) -> None:
        """Shows how the run has ended, with what it has finished."""
        self._states = [end if state == "running" else state for state in self._states]
        self._draw_phases()
        self.agents.value = framed(self._live.html()) if self._live.board.phase else ""
        self.results.value = framed("".join(map(self._result, self.turns))) if self.turns else ""
        if error is not None:
            self.problem.show(error)
        with self._lock:
            self.cancel_button.disabled = True
            self._say(f"{end}{self._remarks()}")
            self._running = False
            self.again_button.disabled = False
            self.run_button.disabled = False  # last: whoever hears of it may run again

    # -- inside

    def _reset(self) -> None:
        self.turns, self._queued, self._in_cell = (), False, False
        self._live = LiveBoard()
        self._states = ["waiting"] * len(self._phases)

    def _ask(self, asking: bool) -> None:
        """Shows that a second click is waited for, or no longer."""
        self._asking = asking
        self.again_button.description = AGREED if asking else AFRESH
        self.cancel_button.disabled = not asking

    def _as_cell(self) -> CellRef:
        """The panel's cell, executed once more: each click stands where the first one stood."""
        return replace(self._cell, panel=self._panel, execution=str(uuid.uuid4()))

    def _remarks(self) -> str:
        """What only the one who sees the run should know; nothing of it is saved."""
        replayed = [turn.phase for turn in self.turns if turn.replayed]
        every = len(replayed) == len(self._phases)
        words = f" · {'' if every else ', '.join(replayed) + ' '}replayed: nothing was paid" if replayed else ""
        words += "".join(f" · {turn.phase}{and_take(turn.take)}" for turn in self.turns if turn.take > 1)
        forked = any(turn.forked for turn in self.turns)
        return words + (" · the session had gone on differently, so a fork was made" if forked else "")

    def _result(self, turn: Turn) -> str:
        """A turn that can be folded away; it is so where a cell that awaits the run shows it too."""
        unfolded = "" if self._in_cell else " open"
        title = f"Results of {escape_html(turn.phase)}{and_take(turn.take)}"
        return f"<details{unfolded}><summary>{title}</summary>{turn._repr_html_()}</details>"

    def _say(self, words: str) -> None:
        self.status.value = framed(f'<span role="status">{escape_html(words)}</span>')

    def _draw_phases(self) -> None:
        names = [phase.name for phase in self._phases]
        self.phase_bar.value = framed(phase_bar(zip(names, self._states, strict=True), self._live.share))

    def twin(self) -> str:
        """The phases with the agents that work in them."""
        head = "".join(f'<th scope="col" style="{CELL}">{name}</th>' for name in ("Phase", "Agents"))
        rows = "".join(
            f'<tr><th scope="row" style="{CELL}">{escape_html(phase.name)}</th>'
            f'<td style="{CELL}">{escape_html(_agents(phase))}</td></tr>'
            for phase in self._phases
        )
        return framed(f"<table><caption>Run panel</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")

    def line(self) -> str:
        """Such as RunPanel(research)."""
        return f"RunPanel({', '.join(phase.name for phase in self._phases)})"


def _agents(phase: Phase) -> str:
    """Who works in a phase."""
    return ", ".join((MAIN.agent, *(agent.name for agent in phase.agents)))
