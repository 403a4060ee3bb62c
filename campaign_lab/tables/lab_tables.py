"""The tables of a lab: the one module that says which there are, what each shows and where its rows come from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from campaign_lab.errors import NotFoundError
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.path_loader import HandlePosition
from campaign_lab.sessions.run.recovery import recover
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.upkeep import access
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.columns import (
    COPY_COLUMNS,
    COVERAGE_COLUMNS,
    DIFF_COLUMNS,
    PAGE_COLUMNS,
    SESSION_COLUMNS,
    TIMELINE_COLUMNS,
    TREE_COLUMNS,
    Row,
    cost_columns,
    frame,
    record_columns,
)
from campaign_lab.tables.copy_variants import copy_rows
from campaign_lab.tables.costs import cost_rows
from campaign_lab.tables.differences import difference_rows
from campaign_lab.tables.page_rows import page_rows
from campaign_lab.tables.records import positions_of_all, record_class, record_rows
from campaign_lab.tables.sessions import session_rows
from campaign_lab.tables.timeline import timeline_rows
from campaign_lab.tables.tree import tree_rows

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Sessions = Session | Sequence[Session]


class LabTables:
    """The tables of a lab, each a pandas frame with fixed columns. ``Lab`` gets its tables from here."""

    _context: Context

    def sessions(self) -> pd.DataFrame:
        """One row per session that the user owns or was given: what it is for, how far it is, what it cost, when it expires.

        Its columns are ``tables.columns.SESSION_COLUMNS``.
        """
        context = self._context
        return frame(context.engine.call(lambda con: session_rows(con, context.user, context.now())), SESSION_COLUMNS)

    def compare(self, sessions: Sessions) -> pd.DataFrame:
        """One row per copy variant of the sessions, up to where each handle stands (``tables.columns.COPY_COLUMNS``)."""
        context, positions = self._context, _positions(self._context, sessions)
        rows = _read(context, positions, lambda con: copy_rows(con, context.user, context.phases, positions))
        return frame(rows, COPY_COLUMNS)

    def records(self, kind: str, sessions: Sessions | None = None) -> pd.DataFrame:
        """One row per record of a kind, such as ``angle``; of all sessions that the user may see, unless some are named.

        Each record is listed once, under the session that made it. Its columns are ``tables.columns.record_columns``.
        Raises NotFoundError that lists the known kinds.
        """
        context = self._context
        columns = record_columns(record_class(context.phases, kind))
        given = None if sessions is None else _positions(context, sessions)

        def rows(con: Con) -> list[Row]:
            positions = positions_of_all(con, context.user) if given is None else given
            return record_rows(con, context.user, context.phases, positions, kind=kind)

        return frame(_read(context, given or (), rows), columns)

    def diff(self, a: Session, b: Session) -> pd.DataFrame:
        """One row per field in which the records of two sessions differ.

        Turns that both carry are equal. Its columns are ``tables.columns.DIFF_COLUMNS``.
        """
        context = self._context
        one, other = positions = _positions(context, [a, b])
        rows = _read(context, positions, lambda con: difference_rows(con, context.phases, one, other))
        return frame(rows, DIFF_COLUMNS, when_empty="The same: no record of theirs differs.")

    def coverage(self, session: Sessions) -> pd.DataFrame:
        """Each pain and desire at each stage of awareness, with the angles there: zeros are gaps.

        Its columns are ``tables.columns.COVERAGE_COLUMNS``.
        """
        from campaign_lab.tables.coverage import coverage_rows

        context, positions = self._context, _positions(self._context, session)
        rows = _read(context, positions, lambda con: coverage_rows(con, context.phases, _fresh(con, positions)))
        return frame(rows, COVERAGE_COLUMNS)

    def pages(self, session: Session) -> pd.DataFrame:
        """One row per page that agents asked for: the brand's own first, refused ones with the reason.

        Its columns are ``tables.columns.PAGE_COLUMNS``.
        """
        context = self._context
        return frame(_each(context, session, lambda con, at: page_rows(con, context.user, at)), PAGE_COLUMNS)

    def timeline(self, session: Sessions) -> pd.DataFrame:
        """Which agent worked when in the session's turns, in seconds from the start of each turn.

        Its columns are ``tables.columns.TIMELINE_COLUMNS``.
        """
        return frame(_each(self._context, session, timeline_rows), TIMELINE_COLUMNS)

    def costs(self, by: str = "session") -> pd.DataFrame:
        """What was spent, in US dollars, by ``user``, ``campaign``, ``session``, ``phase``, ``agent``, ``day``, ``model``,
        ``batch`` or ``run`` of a batch (empty for what was made by hand).

        Read from the ledger: what the user paid, and what was paid on sessions that the user may see. The rows add up. What
        turns were charged whose process died is booked first. Its columns are ``tables.columns.cost_columns``.
        """
        context = self._context
        for booked in context.loop.run_sync(recover(context)):
            logging.getLogger("campaign_lab").warning(booked.words)
        return frame(context.engine.call(lambda con: cost_rows(con, context.user, by)), cost_columns(by))

    def tree(self, session: Session) -> pd.DataFrame:
        """The fork tree that a session belongs to: one row per session that the user may see, parents first.

        Its columns are ``tables.columns.TREE_COLUMNS``.
        """
        context = self._context
        context.require(session._row, "read")
        rows = context.engine.call(lambda con: tree_rows(con, context.user, session._row, context.now()))
        return frame(rows, TREE_COLUMNS)


def _positions(context: Context, sessions: Sessions) -> list[HandlePosition]:
    """Where the handles stand. Raises ValueError for one of another lab file."""
    several = [sessions] if isinstance(sessions, Session) else list(sessions)
    for session in several:
        if session._context.engine.display_url != context.engine.display_url:
            raise ValueError(
                f"session: {session.full_name!r} is of another lab file, {session._context.engine.display_url}"
            )
    return [HandlePosition(session._row, session._position.now) for session in several]


def _read(context: Context, positions: Sequence[HandlePosition], work: Callable[[Con], T]) -> T:
    """What the work gives, in one transaction. Raises NotFoundError unless the user may read all of the positions."""

    def within(con: Con) -> tuple[str | None, list[T]]:
        refused = access.first_refused(
            con, context.user, [position.session for position in positions], now=context.now()
        )
        return (refused.name, []) if refused else (None, [work(con)])

    refused, found = context.engine.call(within)
    if refused is not None:
        raise NotFoundError("session", refused)
    return found[0]


def _each(context: Context, sessions: Sessions, work: Callable[[Con, HandlePosition], list[Row]]) -> list[Row]:
    """The rows of each session, with its name as it is now."""
    positions = _positions(context, sessions)
    return _read(
        context,
        positions,
        lambda con: [
            {"session": position.session.name} | row
            for position in _fresh(con, positions)
            for row in work(con, position)
        ],
    )


def _fresh(con: Con, positions: Sequence[HandlePosition]) -> list[HandlePosition]:
    """The positions with their sessions as they are stored now: another handle may have renamed one."""
    found = queries.select(con, SessionRow, f"WHERE id {IN_LIST}", [[position.session.id for position in positions]])
    rows = {row.id: row for row in found}
    return [replace(position, session=rows[position.session.id]) for position in positions]
