"""RunPanel: runs phases of a session at a click, shows who is at work, and can be cancelled."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.agents.board import MAIN, TurnBoard
from campaign_lab.agents.events import Event, Queued
from campaign_lab.agents.process.sdk_loop import LoopTask
from campaign_lab.errors import TurnFailed
from campaign_lab.money import price_words
from campaign_lab.panels.running.job_panel import JobPanel, panel_table
from campaign_lab.progress.html import PhaseState, phase_bar, progress_html
from campaign_lab.progress.live import LiveProgress
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.position import CellRef, current_cell, running_for
from campaign_lab.show import framed
from campaign_lab.show.text import and_take, escape_html

if TYPE_CHECKING:
    from campaign_lab.sessions.session import Session


AFRESH, AGREED = "Again, afresh", "Yes, run afresh"
"""What the button says before its price was asked for, and after."""


class RunPanel(JobPanel[Turn]):
    """Run, Again afresh, Cancel, a bar of the phases, one line per agent, and the results below once they are there.

    A click works for the cell that the panel was made in, like running that cell: what is stored replays, what a
    cancellation or an error has left out runs. ``steer`` and ``take`` go to the first phase, see ``session.run``.
    "Again, afresh" says what one more answer to the first phase would cost, and a second click makes it, as the next take
    with pages fetched anew; the other phases follow on it.
    Raises ValueError when no phase is named, NotFoundError for one that the lab does not know.
    """

    def __init__(self, session: Session, *phases: str, steer: str | None = None, take: int | None = None) -> None:
        if not phases:
            raise ValueError('phases: none is not allowed; name at least one, such as RunPanel(session, "research")')
        self._session, self._steer, self._take = session, steer, take
        self._phases = [session._context.phase(name) for name in phases]
        self._cell = current_cell()
        self._panel = f"panel {','.join(phases) if self._cell.cell_id else uuid.uuid4()}"
        self._states: list[PhaseState] = []
        self._asking = self._afresh = False
        self.run_button = self.button("Run", "play", f"Run {', '.join(phases)}", self.start, button_style="primary")
        anew = f"Run {phases[0]} once more, with its pages fetched anew"
        self.again_button = self.button(AFRESH, "repeat", anew, self.again)
        cancel = self.button("Cancel", "stop", "Stop the run; what is finished is kept", self.cancel)
        super().__init__(session._context.loop, [self.run_button, self.again_button], cancel=cancel)
        self.turns: tuple[Turn, ...] = ()
        """The turns that the last run has finished, in order."""
        self._reset()
        self.phase_bar, self.agents, self.results = (widgets.HTML() for _ in range(3))
        self.children = [self.controls, self.phase_bar, self.agents, self.problem, self.results]
        self._draw_phases()

    # -- from any thread

    def start(self, *, afresh: bool = False) -> LoopTask[Turn]:
        """The run, which is started unless it is under way."""
        with self._lock:
            if not self._running:
                self._ask(False)
                self._afresh = afresh
            return super().start()

    def again(self) -> None:
        """Says what a run afresh would cost; called once more, it starts it. Cancel takes the question back."""
        with self._lock:
            if self._running:
                return
            if self._asking:
                self.start(afresh=True)
                return
            names = [phase.name for phase in self._phases]
            expected = self._session.estimate_all(names, steer=self._steer, fresh_pages=True)
            price = price_words(expected.usd, unpaid=self._session._context.endpoint.rehearsal)
            self._ask(True)
            self._say(f"{', '.join(names)} anew, {price}?")

    def cancel(self) -> None:
        """Stops the run if one is under way. Finished phases are kept, and Run goes on from there."""
        with self._lock:
            if self._asking:
                self._ask(False)
                self._say("nothing was started")
            else:
                super().cancel()

    def _stop(self) -> None:
        assert self._job is not None
        self._job.future.cancel()

    def _result(self, job: LoopTask[Turn]) -> Turn:
        """The last phase's turn. Raises TurnFailed when the run was cancelled at the panel."""
        if not job.future.cancelled():
            return job.future.result()
        turns = self.turns
        if len(turns) == len(self._phases):
            return turns[-1]  # cancelled too late
        stopped = self._phases[len(turns)].name
        raise TurnFailed(stopped, "cancelled", "it was cancelled", "Phases that were finished are kept.")

    # -- in the loop's thread

    async def _do(self) -> Turn:
        with running_for(self._as_cell()):
            for number in range(len(self._phases)):
                await self._run_phase(number)
        return self.turns[-1]

    async def _run_phase(self, number: int) -> None:
        self._progress, self._states[number] = LiveProgress(TurnBoard()), "running"
        self._drawing.changed = True
        options: dict[str, Any] = {}
        if number == 0:
            take = None if self._afresh else self._take
            options = {"steer": self._steer, "take": take, "fresh_pages": self._afresh}
        turn = await self._session.run(self._phases[number].name, on_event=self._on_event, **options)
        self._states[number] = "done"
        self.turns = (*self.turns, turn)

    def _on_event(self, event: Event) -> None:
        self._queued = isinstance(event, Queued)
        super()._on_event(event)

    def _draw(self) -> None:
        with self._lock:
            if not self.cancel_button.disabled:
                self._say("queued" if self._queued else "running")
        self._draw_phases()
        self.agents.value = framed(progress_html(self._progress.view()))

    def _show_end(self, end: PhaseState) -> str:
        self._states = [end if state == "running" else state for state in self._states]
        self._draw_phases()
        view = self._progress.view()
        self.agents.value = framed(progress_html(view)) if view.lines else ""
        self.results.value = framed("".join(map(self._html_of, self.turns))) if self.turns else ""
        return f"{end}{self._remarks()}"

    # -- inside

    def _reset(self) -> None:
        self.turns, self._queued = (), False
        self._progress = LiveProgress(TurnBoard())
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
        words += "".join(f" · {turn.phase} {turn.older}" for turn in self.turns if turn.older)
        forked = any(turn.forked for turn in self.turns)
        return words + (" · the session had gone on differently, so a fork was made" if forked else "")

    def _html_of(self, turn: Turn) -> str:
        """A turn that can be folded away; it is so where a cell that awaits the run shows it too."""
        unfolded = "" if self._in_cell else " open"
        title = f"Results of {escape_html(turn.phase)}{and_take(turn.take)}"
        return f"<details{unfolded}><summary>{title}</summary>{turn._repr_html_()}</details>"

    def _draw_phases(self) -> None:
        names = [phase.name for phase in self._phases]
        self.phase_bar.value = framed(phase_bar(zip(names, self._states, strict=True), self._progress.view()))

    def twin(self) -> str:
        """The phases with the agents that work in them."""
        rows = [
            (phase.name, ", ".join((MAIN.agent, *(agent.name for agent in phase.agents)))) for phase in self._phases
        ]
        return panel_table("Run panel", ("Phase", "Agents"), rows)

    def line(self) -> str:
        """Such as RunPanel(research)."""
        return f"RunPanel({', '.join(phase.name for phase in self._phases)})"
