"""Session: a named pointer into the tree of turns, and the handle that moves along it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.agents.events import Event
from campaign_lab.agents.phases import Phase
from campaign_lab.brief import Brief
from campaign_lab.errors import NotFoundError, PhaseOrderError, ReplayMiss
from campaign_lab.records import Record, slug
from campaign_lab.sessions.claims import Found, look
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.keys import root_key, turn_key
from campaign_lab.sessions.misses import estimate_usd, why_not_replayed
from campaign_lab.sessions.receipts import Receipt, joined
from campaign_lab.sessions.running import Order, find_or_make
from campaign_lab.sessions.turns import Kept, Turn, load_turn
from campaign_lab.store import tables
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow


@dataclass(frozen=True)
class Checkpoint:
    """The end of a finished turn, or the root. ``number`` counts turns from the root, which is 0."""

    number: int
    phase: str
    key: str
    turn_id: str | None = None

    def __repr__(self) -> str:
        return f"Checkpoint({self.number}, {self.phase})"


class Session:
    """A handle on a session. It stands at a checkpoint; each ``run`` starts there and moves it on.

    Made by ``lab.session``, ``lab.open`` and ``session.fork``, never by hand.
    """

    def __init__(self, context: Context, row: SessionRow, position: str | None) -> None:
        self._context = context
        self._row = row
        self._position = position

    @property
    def name(self) -> str:
        """The session's name, unique in its campaign."""
        return self._row.name

    @property
    def purpose(self) -> str:
        """Why it was forked; empty for a session that was not."""
        return self._row.purpose

    @property
    def brief(self) -> Brief:
        """The brief it works on."""
        return Brief.from_json(self._row.brief)

    def __repr__(self) -> str:
        return f"Session({self.name}, {self._row.campaign})"

    async def run(
        self,
        phase: str,
        *,
        steer: str | None = None,
        take: int = 1,
        on_miss: str | None = None,
        fresh_pages: bool = False,
        budget_usd: float | None = None,
        on_event: Callable[[Event], None] | None = None,
        **arguments: Any,
    ) -> Turn:
        """Runs a phase from where the handle stands, or replays it when a stored turn answers the same message.

        ``steer`` is a wish added to the message (a fork's first turn takes its purpose); ``take=2`` asks for a second
        answer; ``on_miss="refuse"`` raises ReplayMiss before anything is sent; ``fresh_pages`` fetches pages anew;
        ``budget_usd`` stops the turn above that cost; other arguments are the phase's own, such as ``angles=[…]``.
        Raises PhaseOrderError, ReplayMiss, TurnFailed.
        """
        order = await self._context.engine.run(
            lambda con: self._order(con, self._context.phase(phase), steer, take=take, arguments=arguments)
        )
        order = replace(order, fresh_pages=fresh_pages, budget_usd=budget_usd)
        found = await self._context.engine.run(lambda con: look(con, order.session, order.parent, order.key))
        if found.turn is None and (on_miss or self._context.on_miss) == "refuse":
            raise self._miss(order, found)
        hear = on_event or self._context.on_event
        row, session, replayed = await self._context.loop.run(find_or_make(self._context, order, hear))
        return await self._stand(row, session, replayed=replayed)

    def fork(self, purpose: str, *, at: str | int | Checkpoint | None = None) -> Session:
        """A session that starts at a checkpoint of this one and carries all before it. One row; nothing is copied or sent.

        Get-or-create by (owner, checkpoint, purpose). ``at`` is a checkpoint, a phase (the nearest such turn at or
        before the handle), a turn's number (0 is the root), or nothing: where the handle stands.
        """
        if not purpose.strip():
            raise ValueError("purpose: '' is not allowed; say in a few words why you fork")
        start = self.checkpoint(at)
        row = replace(
            self._row, id=str(uuid.uuid4()), name=purpose.strip(), parent_session=self._row.id, start_turn=start.turn_id,
            tip_turn=start.turn_id, purpose=purpose.strip(), automatic=False, made_at=datetime.now(UTC), last_paid_at=None,
            owner=self._context.user,
        )  # fmt: skip
        row = self._context.engine.call(lambda con: tables.get_or_create_fork(con, row))
        return Session(self._context, row, start.turn_id)

    def forks(self) -> list[Session]:
        """The user's forks of this session, those that runs made by themselves included, each standing at its tip."""
        rest = "WHERE parent_session = ? AND owner = ? ORDER BY made_at, id"
        rows = self._context.engine.call(
            lambda con: tables.select(con, SessionRow, rest, [self._row.id, self._context.user])
        )
        return [Session(self._context, row, row.tip_turn) for row in rows]

    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints from the root to where the handle stands."""
        line = self._context.engine.call(lambda con: tables.line_of(con, self._position))
        root = Checkpoint(0, "root", root_key(self._row.endpoint, self._row.model))
        return [root, *(Checkpoint(n, turn.phase, turn.key, turn.id) for n, turn in enumerate(line, 1))]

    def checkpoint(self, at: str | int | Checkpoint | None = None) -> Checkpoint:
        """The checkpoint that ``at`` names (see ``fork``). Raises NotFoundError that lists the known ones."""
        known = self.checkpoints()
        if at is None:
            return known[-1]
        if isinstance(at, Checkpoint):
            fitting = [each for each in known if each.turn_id == at.turn_id]
        else:
            fitting = [each for each in known if at in (each.number, each.phase)]
        if not fitting:
            raise NotFoundError("checkpoint", str(at), tuple(f"{each.number} ({each.phase})" for each in known))
        return fitting[-1]

    def kept(self, kind: str | None = None) -> list[Kept]:
        """The records up to where the handle stands, degraded ones included. A later turn of a phase replaces the earlier."""
        line = self._context.engine.call(lambda con: tables.line_of(con, self._position))
        latest = {turn.phase: turn for turn in line}
        return [kept for turn in latest.values() for kept in self._load(turn).kept if kind in (None, kept.kind)]

    def records(self, kind: str | None = None) -> list[Record]:
        """The valid records up to where the handle stands, such as ``records("angle")``."""
        return [kept.record for kept in self.kept(kind) if kept.record is not None]

    def turns(self) -> list[Turn]:
        """The turns from the root to where the handle stands."""
        line = self._context.engine.call(lambda con: tables.line_of(con, self._position))
        return [self._load(turn) for turn in line]

    @property
    def receipt(self) -> Receipt:
        """What all turns up to here cost when they were made."""
        return joined([turn.receipt for turn in self.turns()])

    def _load(self, turn: TurnRow) -> Turn:
        phase = self._context.phases.get(turn.phase)
        return self._context.engine.call(lambda con: load_turn(con, turn, phase, self._row))

    async def _stand(self, row: TurnRow, session: SessionRow, *, replayed: bool) -> Turn:
        """Moves the handle to the turn, into the fork that was made for it if there was one."""
        if row.session_id != session.id:
            owner = await self._context.engine.run(
                lambda con: tables.select(con, SessionRow, "WHERE id = ?", [row.session_id])
            )
            session = owner[0]
        turn = await self._context.engine.run(
            lambda con: load_turn(con, row, self._context.phases.get(row.phase), session)
        )
        forked = session.id != self._row.id
        self._row, self._position = session, row.id
        receipt = replace(turn.receipt, paid=not replayed)
        return replace(turn, replayed=replayed, forked=forked and not replayed, receipt=receipt)

    def _order(
        self, con: tables.Con, phase: Phase, steer: str | None, *, take: int, arguments: dict[str, Any]
    ) -> Order:
        """What is to be sent from here, and its key."""
        line = tables.line_of(con, self._position)
        made = {kind for turn in line for kind in json.loads(turn.fingerprint)["records"]}
        if lacking := tuple(kind.replace("_", " ") for kind in phase.needs if kind not in made):
            raise PhaseOrderError(phase.name, lacking)
        names = {kind: self._labels(con, line, kind) for kind in ("brand_profile", "angle")}
        if "angles" in phase.arguments:
            arguments["angles"] = _chosen(arguments.get("angles"), names["angle"], phase)
        first = self._row.parent_session is not None and self._position == self._row.start_turn
        wish = (self._row.purpose if first and not self._row.automatic else "") if steer is None else steer
        brief = self.brief
        message = phase.message(brief, steer=wish, arguments=arguments)
        parent = line[-1].key if line else root_key(self._row.endpoint, self._row.model)
        key = turn_key(parent, message, phase.fingerprint(), take)
        brand = (*names["brand_profile"], urlsplit(brief.url).hostname or "")
        return Order(
            session=self._row, line=tuple(line), phase=phase, brief=brief, message=message, key=key, take=take,
            steer=wish, brand=brand, angles=tuple(names["angle"]),
        )  # fmt: skip

    def _labels(self, con: tables.Con, line: Sequence[TurnRow], kind: str) -> list[str]:
        """Names of the records of a kind, from the newest turn that has any."""
        for turn in reversed(line):
            rows = tables.select(con, RecordRow, "WHERE turn_id = ? AND kind = ? ORDER BY n", [turn.id, kind])
            if rows:
                return [row.label for row in rows if not row.degraded]
        return []

    def _miss(self, order: Order, found: Found) -> ReplayMiss:
        reasons = why_not_replayed(order, found.siblings)
        price = self._context.engine.call(lambda con: estimate_usd(con, order))
        return ReplayMiss(order.phase.name, reasons, price)


def _chosen(wanted: Sequence[str] | None, known: list[str], phase: Phase) -> list[str]:
    """The angles to write for, by name; all of them when none is named. Ids and names are taken."""
    if not known:
        raise PhaseOrderError(phase.name, ("at least one angle",))
    by_id = {slug(name): name for name in known} | {name: name for name in known}
    unknown = [name for name in wanted or [] if name not in by_id]
    if unknown:
        raise NotFoundError("angle", unknown[0], tuple(known))
    return list(dict.fromkeys(by_id[name] for name in wanted or known))
