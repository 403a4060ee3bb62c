"""Session: a named pointer into the tree of turns. Its handle moves along the tree by running and forking."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from campaign_lab.agents.events import Event, OnEvent
from campaign_lab.agents.phases import Phase
from campaign_lab.agents.prices import BALANCED
from campaign_lab.errors import PhaseOrderError
from campaign_lab.money import Sum, price_words
from campaign_lab.progress.hook import safe_listener, watched_run
from campaign_lab.sessions.checkpoints import At, Checkpoint, chosen
from campaign_lab.sessions.handle import Handle
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.keys import root_key
from campaign_lab.sessions.not_awaited import awaited
from campaign_lab.sessions.position import Position, current_cell
from campaign_lab.sessions.run.attempt import find_or_make
from campaign_lab.sessions.run.lookup import LookupResult, look_for
from campaign_lab.sessions.run.preflight import preflight
from campaign_lab.sessions.run.request import RunRequest, line_for, turn_spec_for
from campaign_lab.sessions.run.run_journal import journalled
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.spending.estimate import Estimate, estimate, mean_cost, phases_usd
from campaign_lab.sessions.upkeep import access
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow, TurnRow


class Session(Handle):
    """A handle on a session, with a position: the checkpoint where each ``run`` starts, and which it moves on.

    Made by ``lab.session``, ``lab.open`` and ``session.fork``, never by hand.
    """

    # -- running

    @awaited
    async def run(
        self,
        phase: str,
        *,
        steer: str | None = None,
        take: int | None = None,
        on_miss: str | None = None,
        fresh_pages: bool = False,
        budget_usd: float | None = None,
        on_event: Callable[[Event], None] | None = None,
        **arguments: Any,
    ) -> Turn:
        """The turn of a phase from the handle's position: a stored one that answers the same message, or a new one.

        A turn that already lies before the position is replayed too, and the handle then stands at its end. Of several
        takes the newest is replayed. ``steer`` is added to the message (default: a fork's first turn takes its purpose).
        ``take`` names one answer: ``take=2`` asks for a second one, which replays from then on. ``fresh_pages=True``
        fetches the pages again and makes a new turn per call, as the next free take; in a notebook that is run again,
        name the take as well, so that it is paid for once. ``on_miss="refuse"`` raises ReplayMiss before anything is sent.
        ``budget_usd`` stops the turn above that cost. Other arguments are the phase's own, such as ``angles=[…]``.
        Raises ValueError, PhaseOrderError, ReplayMiss, SessionExpired, TranscriptGone, BudgetExceeded, EndpointError, TurnFailed.
        """
        if phase == "ask" and not str(arguments.get("question", "")).strip():
            raise ValueError("question: '' is not allowed; ask something")
        request = RunRequest(
            self._context.phase(phase),
            steer,
            take,
            arguments,
            fresh_pages=fresh_pages,
            budget_usd=budget_usd,
            cell=current_cell(),
        )
        return await self._run(request, on_miss=on_miss, on_event=on_event)

    async def run_phase(self, phase: Phase) -> Turn:
        """The turn of a phase that the lab does not know by name, such as the anchor of a fan-out. See ``run``."""
        return await self._run(RunRequest(phase, ""))

    async def _run(
        self, request: RunRequest, *, on_miss: str | None = None, on_event: Callable[[Event], None] | None = None
    ) -> Turn:
        refusal = on_miss or self._context.on_miss
        if refusal not in ("run", "refuse"):
            raise ValueError(f"on_miss: {refusal!r} is not allowed; expected run or refuse")
        with (
            journalled(self._context.batch, self._row, request.phase.name) as entry,
            watched_run(self.name, request.phase.name, on_event or self._context.on_event) as listener,
        ):
            turn, row = await self._found_or_made(request, refusal, safe_listener(listener))
            entry.stands_in(self._row, row)
            entry.replayed, entry.records = turn.replayed, len(turn.kept)
            entry.set_cost(turn.receipt.cost)
            return turn

    async def _found_or_made(self, request: RunRequest, on_miss: str, on_event: OnEvent) -> tuple[Turn, str]:
        """The turn and its id; the handle has moved to its end."""
        self._context.require(self._row, "read")
        start, step = self._position.enter(request.cell)
        spec, found = await self._context.engine.run(lambda con: self._looked_up(con, start, request))
        if found.turn is None:
            self._context.require(self._row, "run")
            spec = await self._context.engine.run(
                lambda con: preflight(con, self._context, spec, found=found, on_miss=on_miss)
            )
        row, session, replayed = await self._context.loop.run(find_or_make(self._context, spec, on_event))
        turn = await self._context.engine.run(lambda con: self._loaded(con, row, session))
        forked = session.id != self._row.id and not replayed
        self._row = session
        self._position.leave(step, row.id)
        if replayed:
            self._context.replays.append((session.id, turn.receipt.cost))
        older = await self._context.engine.run(lambda con: self._anew(con, spec)) if spec.older_key else ""
        receipt = replace(turn.receipt, paid=not replayed)
        return replace(turn, replayed=replayed, forked=forked, receipt=receipt, older=older), row.id

    def _anew(self, con: Con, spec: TurnSpec) -> str:
        """What is said of a turn of an older revision."""
        price = price_words(estimate(con, spec).usd, unpaid=self._context.endpoint.rehearsal)
        return f"of an older revision; take={(spec.take or 1) + 1} makes it anew, {price}"

    def go_on_for(self, phase: str) -> None:
        """Moves the handle to the end of the session's newest line, when the phase can start there and not at the position.

        So a later phase can be asked for alone, once the session has the turns before it.
        """
        self._context.require(self._row, "read")
        wanted, known, here = self._context.phase(phase), self._context.phases, self._position.now

        def stand(con: Con) -> tuple[SessionRow, str | None]:
            row, position = self._with_brief(con), here
            may_run = access.permits(con, self._context.user, row, "run")
            for turn in line_for(con, row, here, phase=wanted, phases=known):  # as if each had been replayed
                row, position = queries.session_for(con, row, turn, take_over=may_run), turn.id
            return row, position

        self._row, position = self._context.engine.call(stand)
        self._position = Position(position)

    @awaited
    async def ask(self, question: str, **options: Any) -> Turn:
        """The turn that answers a free question about the conversation. Needs a turn before it. Options as in ``run``."""
        return await self.run("ask", question=question.strip(), **options)

    def estimate(
        self,
        phase: str,
        *,
        steer: str | None = None,
        take: int | None = None,
        fresh_pages: bool = False,
        **arguments: Any,
    ) -> Estimate:
        """About what ``run`` would cost from here, in US dollars; 0 when it would replay. Never a promise."""
        request = RunRequest(self._context.phase(phase), steer, take, arguments, fresh_pages=fresh_pages)
        return self._estimated(self._position.now, request)[0]

    def estimate_all(
        self, phases: Sequence[str], *, steer: str | None = None, take: int | None = None, fresh_pages: bool = False
    ) -> Estimate:
        """About what ``run`` of these phases, one after the other, would cost from here; the options are for the first.

        Each phase after the first one that is not stored costs the mean of its stored turns, or else as much as that one.
        """
        here, expected = self._position.now, Estimate(0.0, "replay")
        options: dict[str, Any] = {"steer": steer, "take": take, "fresh_pages": fresh_pages}
        for number, name in enumerate(phases):
            request = RunRequest(self._context.phase(name), **({} if number else options))
            try:
                expected, here = self._estimated(here, request)
            except PhaseOrderError:
                if number == 0:
                    raise
                break  # its run raises it
            if expected.basis != "replay":
                return self._with_later(expected, phases[number + 1 :])
        return expected

    def estimate_by_model(self, phases: Sequence[str]) -> dict[str, float | None]:
        """About what a new turn of each phase costs in all, in US dollars, by balanced model; None without a known price."""
        self._context.require(self._row, "cost")
        asked = [self._context.phase(name) for name in phases]
        return self._context.engine.call(lambda con: {model: phases_usd(con, asked, model) for model in BALANCED})

    def _with_later(self, first: Estimate, later: Sequence[str]) -> Estimate:
        """The estimate of a phase with those of the phases that follow it."""
        if first.usd is None:
            return first
        model = self._row.model
        means = self._context.engine.call(lambda con: [mean_cost(con, phase, model) for phase in later])
        costs = [first.usd, *(first.usd if usd is None else usd for usd in means)]
        return Estimate(Sum.of(costs).whole, first.basis)

    def _estimated(self, here: str | None, request: RunRequest) -> tuple[Estimate, str | None]:
        """What one request would cost at a position, and the handle's position after it, as far as it replays."""
        self._context.require(self._row, "cost")
        engine = self._context.engine
        spec, found = engine.call(lambda con: self._looked_up(con, here, request))
        if found.turn:
            return Estimate(0.0, "replay"), found.turn.id
        expected = engine.call(lambda con: estimate(con, spec))
        if expected.basis == "recorded" or self._context.endpoint.rehearsal:
            return expected, here
        tokens = self._context.endpoint.count_tokens(self._row.model, spec.message)
        return engine.call(lambda con: estimate(con, spec, tokens)), here

    def _looked_up(self, con: Con, start: str | None, request: RunRequest) -> tuple[TurnSpec, LookupResult]:
        """The turn that is asked for, and what is stored of it."""
        row = self._with_brief(con)
        spec = turn_spec_for(con, row, start, request)
        return spec, look_for(con, spec)

    def _with_brief(self, con: Con) -> SessionRow:
        """The session as it is stored now, with the brief of the session that the handle was made for.

        A fork that a run made, in which the handle may stand by now, has the brief of the day on which it was made.
        """
        row = self._fresh_in(con)
        opened = queries.select(con, SessionRow, "WHERE id = ?", [self._opened])
        return replace(row, brief=opened[0].brief) if opened else row

    # -- forks and checkpoints

    def fork(self, purpose: str, *, at: At = None) -> Session:
        """The session that starts at a checkpoint of this one and has all turns before it. Nothing is copied or sent.

        Get-or-create by (owner, checkpoint, purpose). ``at`` is a checkpoint, a phase (the nearest such turn at or
        before the handle), ``"cell:ID"``, a turn's number (0 is the root), or nothing: where the handle stands.
        """
        if not purpose.strip():
            raise ValueError("purpose: '' is not allowed; say in a few words why you fork")
        self._context.require(self._row, "fork")
        cell, now = current_cell(), self._context.now()
        here, step = self._position.enter(cell)
        self._position.leave(step, here)
        start = self.checkpoint(at)

        def make(con: Con) -> SessionRow:
            row = replace(
                self._fresh_in(con), id=str(uuid.uuid4()), name=purpose.strip(), parent_session=self._row.id,
                start_turn=start.turn_id, tip_turn=start.turn_id, purpose=purpose.strip(), automatic=False, made_at=now,
                last_paid_at=None, pinned=False, owner=self._context.user, notebook=cell.notebook, cell_id=cell.cell_id,
                source_sha=cell.source_sha, renews=None,
            )  # fmt: skip
            return queries.get_or_create_fork(con, row, self._context.is_expired)

        row = self._context.engine.call(make)
        return Session(self._context, row, start.turn_id)

    def steered(self, purpose: str) -> Session:
        """The fork for this purpose from the handle's position; the session itself where the purpose is empty.

        For a notebook that takes its direction as a parameter: its runs with several directions share the turns before.
        """
        return self.fork(purpose) if purpose.strip() else self

    def forks(self) -> list[Session]:
        """The forks of this session that the user may read, each at its tip, with those that runs made."""
        rest = "WHERE parent_session = ? AND swept_at IS NULL ORDER BY made_at, id"

        def seen(con: Con) -> list[SessionRow]:
            rows = queries.select(con, SessionRow, rest, [self._row.id])
            return [row for row in rows if access.permits(con, self._context.user, row, "read")]

        return [Session(self._context, row, row.tip_turn) for row in self._context.engine.call(seen)]

    @property
    def stands_at_its_start(self) -> bool:
        """Is it a fork that has no turn of its own yet?"""
        row = self._fresh()
        return row.parent_session is not None and row.tip_turn == row.start_turn == self._position.now

    @property
    def may_run(self) -> bool:
        """May the user run on it?"""
        return self._context.engine.call(lambda con: access.permits(con, self._context.user, self._row, "run"))

    def stand_behind(self, key: str) -> None:
        """Moves a fork without turns behind the turn with this key right after its start: the anchor that its siblings share."""
        self._context.require(self._row, "run")
        rest = "WHERE parent_turn = ? AND key = ?"

        def move(con: Con) -> None:
            (turn,) = queries.select(con, TurnRow, rest, [self._position.now, key])[:1]
            queries.move_untouched_fork(con, self._row.id, turn.id)

        self._context.engine.call(move)

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints from the root to the handle's position."""
        root = Checkpoint(0, "root", root_key(self._row.endpoint, self._row.model))
        numbered = enumerate(self._line(), 1)
        return [root, *(Checkpoint(n, turn.phase, turn.key, turn.id, turn.cell_id) for n, turn in numbered)]

    def checkpoint(self, at: At = None) -> Checkpoint:
        """The checkpoint that ``at`` names (see ``fork``). Raises NotFoundError that lists the known ones."""
        return chosen(self.checkpoints(), at)
