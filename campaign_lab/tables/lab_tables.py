"""The tables of a lab: what sessions know as plain rows, as pandas frames with fixed columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from campaign_lab.errors import NotFoundError
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.path_loader import HandlePosition
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.upkeep import access
from campaign_lab.store import queries
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables import (
    COPY_COLUMNS,
    COVERAGE_COLUMNS,
    DIFF_COLUMNS,
    PAGE_COLUMNS,
    SESSION_COLUMNS,
    TIMELINE_COLUMNS,
    TREE_COLUMNS,
    cost_columns,
    frame,
    record_columns,
)
from campaign_lab.tables.session_rows import cost_rows, session_rows, tree_rows

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.store.connection import Con

T = TypeVar("T")
Sessions = Session | Sequence[Session]


def compare(context: Context, sessions: Sessions) -> pd.DataFrame:
    """One row a copy variant: COPY_COLUMNS."""
    from campaign_lab.tables.copy_variants import copy_rows

    places = _places(context, sessions)
    rows = _read(context, places, lambda con: copy_rows(con, context.user, context.phases, places))
    return frame(rows, COPY_COLUMNS)


def records(context: Context, kind: str, sessions: Sessions | None) -> pd.DataFrame:
    """One row a record of the kind: ``record_columns`` of its class. ``sessions`` None: all that the user may see."""
    from campaign_lab.tables.records import places_of_all, record_class, record_rows

    columns = record_columns(record_class(context.phases, kind))
    given = None if sessions is None else _places(context, sessions)

    def rows(con: Con) -> list[dict[str, Any]]:
        places = places_of_all(con, context.user) if given is None else given
        return record_rows(con, context.user, context.phases, places, kind=kind)

    return frame(_read(context, given or (), rows), columns)


def diff(context: Context, one: Session, other: Session) -> pd.DataFrame:
    """One row a field that differs: DIFF_COLUMNS."""
    from campaign_lab.tables.differences import difference_rows

    a, b = places = _places(context, [one, other])
    return frame(_read(context, places, lambda con: difference_rows(con, context.phases, a, b)), DIFF_COLUMNS)


def coverage(context: Context, sessions: Sessions) -> pd.DataFrame:
    """One row a need and stage: COVERAGE_COLUMNS."""
    from campaign_lab.tables.coverage import coverage_rows

    places = _places(context, sessions)
    rows = _read(context, places, lambda con: coverage_rows(con, context.phases, _fresh(con, places)))
    return frame(rows, COVERAGE_COLUMNS)


def timeline(context: Context, sessions: Sessions) -> pd.DataFrame:
    """One row an agent of each turn: TIMELINE_COLUMNS."""
    from campaign_lab.tables.timeline import timeline_rows

    return frame(_each(context, sessions, timeline_rows), TIMELINE_COLUMNS)


def pages(context: Context, sessions: Sessions) -> pd.DataFrame:
    """One row a page that was asked for: PAGE_COLUMNS."""
    from campaign_lab.tables.page_rows import page_rows

    return frame(_each(context, sessions, lambda con, place: page_rows(con, context.user, place)), PAGE_COLUMNS)


def sessions(context: Context) -> pd.DataFrame:
    """One row a session that the user may see: SESSION_COLUMNS."""
    return frame(context.engine.call(lambda con: session_rows(con, context.user, context.now())), SESSION_COLUMNS)


def costs(context: Context, by: str) -> pd.DataFrame:
    """One row a key: ``cost_columns``."""
    return frame(context.engine.call(lambda con: cost_rows(con, context.user, by)), cost_columns(by))


def tree(context: Context, session: Session) -> pd.DataFrame:
    """One row a session of the tree: TREE_COLUMNS."""
    context.require(session._row, "read")
    rows = context.engine.call(lambda con: tree_rows(con, context.user, session._row, context.now()))
    return frame(rows, TREE_COLUMNS)


def _places(context: Context, sessions: Sessions) -> list[HandlePosition]:
    """Where the handles stand. Raises ValueError for one of another lab file."""
    several = [sessions] if isinstance(sessions, Session) else list(sessions)
    for session in several:
        if session._context.engine.path != context.engine.path:
            raise ValueError(f"session: {session.full_name!r} is of another lab file, {session._context.engine.path}")
    return [HandlePosition(session._row, session._position.now) for session in several]


def _read(context: Context, places: Sequence[HandlePosition], work: Callable[[Con], T]) -> T:
    """What the work gives, in one transaction. Raises NotFoundError unless the user may read all of the places."""

    def within(con: Con) -> tuple[str | None, list[T]]:
        refused = access.first_refused(con, context.user, [place.session for place in places], now=context.now())
        return (refused.name, []) if refused else (None, [work(con)])

    refused, found = context.engine.call(within)
    if refused is not None:
        raise NotFoundError("session", refused)
    return found[0]


def _each(
    context: Context, sessions: Sessions, work: Callable[[Con, HandlePosition], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The rows of each session, with its name as it is now."""
    places = _places(context, sessions)
    return _read(
        context,
        places,
        lambda con: [
            {"session": place.session.name} | row for place in _fresh(con, places) for row in work(con, place)
        ],
    )


def _fresh(con: Con, places: Sequence[HandlePosition]) -> list[HandlePosition]:
    """The places with their sessions as they are stored now: another handle may have renamed one."""
    found = queries.select(con, SessionRow, f"WHERE id {IN_LIST}", [[place.session.id for place in places]])
    rows = {row.id: row for row in found}
    return [replace(place, session=rows[place.session.id]) for place in places]
