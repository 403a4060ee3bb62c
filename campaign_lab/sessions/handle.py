"""Handle: what a session is, what can be read from it, and what its owner may do with it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import ORDER
from campaign_lab.brief import Brief
from campaign_lab.errors import NotFoundError
from campaign_lab.records import Record
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.lineage import ConversationMessage, LineageStep, conversation, lineage
from campaign_lab.sessions.history.path_loader import HandlePosition
from campaign_lab.sessions.history.ratings import Judgement, rate
from campaign_lab.sessions.history.turns import Turn, load_turn
from campaign_lab.sessions.position import Position
from campaign_lab.sessions.session_names import full_name, name_of
from campaign_lab.sessions.spending.receipts import Receipt, joined
from campaign_lab.sessions.upkeep import access
from campaign_lab.sessions.upkeep.expiry import expires_at, seconds
from campaign_lab.sessions.upkeep.verify import IntegrityProblem, verify
from campaign_lab.show import session_html
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.grants import GRANTS, Permission
from campaign_lab.store.rows import SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.sessions.transfer.session_file import SaveReport


class Handle:
    """A handle on a session, with a position: the turn up to which it reads."""

    def __init__(self, context: Context, row: SessionRow, position: str | None) -> None:
        self._context = context
        self._row = row
        self._opened = row.id
        self._position = Position(position)

    # -- what it is

    @property
    def id(self) -> str:
        """The session's id, for ``lab.open``; people use the name."""
        return self._row.id

    @property
    def name(self) -> str:
        """The session's name, unique in its campaign."""
        return self._row.name

    @property
    def full_name(self) -> str:
        """The site's host, campaign and name, as ``lab.open`` takes them."""
        return full_name(self._row)

    @property
    def known_as(self) -> str:
        """The shortest name by which ``lab.open`` finds exactly this session; its id where no name does."""
        context = self._context
        return context.engine.call(lambda con: name_of(con, context.user, self._row, now=context.now()))

    @property
    def owner(self) -> str:
        """Who owns it."""
        return self._row.owner

    @property
    def endpoint(self) -> str:
        """Who answers its turns: ``rehearsal-N``, ``anthropic``, or a url's origin."""
        return self._row.endpoint

    @property
    def purpose(self) -> str:
        """Why it was forked; empty for a session that was not."""
        return self._row.purpose

    @property
    def metadata(self) -> dict[str, Any]:
        """What was given to ``lab.session`` when it was made."""
        return dict(json.loads(self._row.metadata))

    @property
    def brief(self) -> Brief:
        """The brief it works on."""
        return Brief.from_json(self._row.brief)

    @property
    def expires_at(self) -> datetime | None:
        """When it expires if nothing is paid or forked until then; None when it is pinned."""
        return expires_at(self._fresh())

    @property
    def expired(self) -> bool:
        """Has it expired? Then its turns still replay, and nothing new is sent."""
        return self._context.is_expired(self._fresh())

    @property
    def notice(self) -> str:
        """What a person should know: that the market was guessed, that it renews an expired session, that its model is not the
        lab's; else empty.
        """
        guess = f"{self.brief.notice[:1].upper()}{self.brief.notice[1:]}." if self.brief.notice else ""
        renewed = f"The earlier session {self.name!r} had expired. This one replays its turns for nothing and goes on from there."
        model, new = self._row.model, self._context.model
        other = f"This session goes on with its own model, {model}; {new} must be asked for by name, and begins another session."
        said = (guess, renewed if self._row.renews is not None else "", other if model != new else "")
        return " ".join(filter(None, said))

    def __repr__(self) -> str:
        return one_line(f"Session({self.name}, {self._row.campaign})")

    def _repr_html_(self) -> str:
        phases, kinds = [turn.phase for turn in self._line()], [kept.kind for kept in self.kept()]
        return session_html(
            name=self.name, campaign=self._row.campaign, purpose=self.purpose, phases=phases, kinds=kinds,
            following=next((phase for phase in ORDER if phase not in phases), ""), notice=self.brief.notice,
        )  # fmt: skip

    # -- reading

    def kept(self, kind: str | None = None) -> list[KeptRecord]:
        """The records up to the handle's position, also degraded ones. A later turn of a phase replaces the earlier one."""
        latest = {turn.phase: turn for turn in self._line()}
        turns = self._context.engine.call(lambda con: [self._loaded(con, turn, self._row) for turn in latest.values()])
        return [kept for turn in turns for kept in turn.kept if kind in (None, kept.kind)]

    def records(self, kind: str | None = None) -> list[Record]:
        """The valid records up to the handle's position, such as ``records("angle")``."""
        return [kept.record for kept in self.kept(kind) if kept.record is not None]

    def turns(self) -> list[Turn]:
        """The turns from the root to the handle's position."""
        line = self._line()
        return self._context.engine.call(lambda con: [self._loaded(con, turn, self._row) for turn in line])

    @property
    def receipt(self) -> Receipt:
        """The receipt of all turns up to the handle's position: what they cost when they were made."""
        return joined([turn.receipt for turn in self.turns()])

    @property
    def lineage(self) -> list[LineageStep]:
        """One step per turn up to the position: its session and purpose, when and by whom it was made, and in which cell.

        Sessions that the user may not read are not named.
        """
        self._context.require(self._row, "read")
        return self._context.engine.call(lambda con: lineage(con, self._position.now, self._context.user))

    def conversation(self, agent: str = "") -> list[ConversationMessage]:
        """The messages up to the position: of the main agent, or of a named one, such as ``customer-psychology-specialist``."""
        self._context.require(self._row, "read")
        return self._context.engine.call(lambda con: conversation(con, self._position.now, agent))

    def verify(self) -> list[IntegrityProblem]:
        """What is wrong with the session in the store, after each stored part of it was read and checked; normally nothing."""
        self._context.require(self._row, "read")
        return self._context.engine.call(lambda con: verify(con, self._fresh_in(con)))

    # -- judging

    def rate(
        self, variant: str, *, pick: str | None = None, rating: int | None = None, note: str | None = None
    ) -> Judgement:
        """The stored judgement of the user on a copy variant, named by id or headline; ``lab.compare`` shows it.

        ``pick`` is "pick" or "reject" ("" takes it back), ``rating`` 1 to 5 (0 takes it back), ``note`` at most 1,000
        characters. What is not given stays as it was. Raises ValueError, NotFoundError.
        """
        here = HandlePosition(self._row, self._position.now)
        return rate(self._context, here, variant, pick=pick, rating=rating, note=note)

    # -- keeping and sharing

    def share(self, user: str, permission: Permission = "read") -> None:
        """Lets another user read, fork or run this session; fork and run include reading. Who runs it pays for it.

        Raises ValueError for another permission, NotFoundError when the session is not yours.
        """
        if permission not in GRANTS:
            raise ValueError(f"permission: {permission!r} is not allowed; expected one of {', '.join(GRANTS)}")
        self._context.require(self._row, "share")
        by, now = self._context.user, self._context.now()
        self._context.engine.call(lambda con: access.grant(con, self._row, user, permission=permission, by=by, now=now))

    def unshare(self, user: str) -> None:
        """Takes back what a user was given; who was given something may decline it. Forks that this user has made stay."""
        self._context.require(self._row, "read" if user == self._context.user else "share")
        self._context.engine.call(lambda con: access.revoke(con, self._row, user))

    def rename(self, name: str) -> None:
        """Gives it another name. Raises ValueError when the campaign has a session of that name."""
        self._context.require(self._row, "change")
        self._row = self._context.engine.call(lambda con: queries.rename_session(con, self._row, name.strip()))

    def pin(self, pinned: bool = True) -> None:
        """Pins the session, so that it does not expire, or unpins it."""
        self._context.require(self._row, "change")
        self._set("pinned", pinned)

    def keep_for(self, ttl: str | float) -> None:
        """Sets how long it lives after its last paid turn or fork: a text such as "8h" or "7d", or seconds."""
        self._context.require(self._row, "change")
        self._set("ttl_seconds", int(seconds(ttl)))

    def delete(self) -> None:
        """Hides it at once. The next sweep removes its turns, except those that another session stands on."""
        self._context.require(self._row, "delete")
        now = self._context.now()
        self._context.engine.call(lambda con: queries.set_session(con, self._row.id, "swept_at", now))

    def save(self, path: str | os.PathLike[str]) -> SaveReport:
        """Writes one file that ``lab.open`` reads: another lab, machine, folder or user replays the session and goes on."""
        self._context.require(self._row, "fork")  # who opens the file owns what is in it
        row = replace(self._fresh(), tip_turn=self._position.now)
        from campaign_lab.sessions.transfer.session_file import save

        return save(self._context.engine, row, path, user=self._context.user)

    # -- inside

    def _line(self) -> Sequence[TurnRow]:
        self._context.require(self._row, "read")
        return self._context.engine.call(lambda con: queries.line_of(con, self._position.now))

    def _loaded(self, con: Con, turn: TurnRow, session: SessionRow) -> Turn:
        return load_turn(con, turn, self._context.phases.get(turn.phase), session)

    def _fresh(self) -> SessionRow:
        return self._context.engine.call(self._fresh_in)

    def _fresh_in(self, con: Con) -> SessionRow:
        rows = queries.select(con, SessionRow, "WHERE id = ? AND swept_at IS NULL", [self._row.id])
        if not rows:  # it was deleted, or a server shows it to us no more
            raise NotFoundError("session", self._row.name)
        return rows[0]

    def _set(self, column: str, value: object) -> None:
        """Writes one column; its name comes from this module."""
        self._context.engine.call(lambda con: queries.set_session(con, self._row.id, column, value))
        self._row = self._fresh()
