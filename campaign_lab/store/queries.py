"""Reading and writing the rows of a lab. Each function runs inside one transaction: ``engine.run(lambda con: …)``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from campaign_lab.store.connection import Con
from campaign_lab.store.rows import TABLES, AttemptRow, PageRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")

IN_LIST = "IN (SELECT unnest(?::VARCHAR[]))"
"""The SQL after a column in WHERE that finds any of several ids; they are bound as one list."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: no text that can be stored or shown."""

ROWS_AT_ONCE = 50
"""Rows that one INSERT adds at most. In the lab file, ten rows in one statement take a fifth of the time of ten statements."""

ONE_BY_ONE = (SessionRow, TurnRow)
"""Rows that stand on others of their table: a server lets them in only when it sees those, after their statement."""


def insert(con: Con, rows: Iterable[DataclassInstance]) -> None:
    """Adds rows, of one or several tables, in the given order."""
    for row_type, some in groupby(rows, type):
        names, waiting = _columns(row_type), list(some)
        marks = f"({', '.join('?' for _ in names)})"
        most = 1 if row_type in ONE_BY_ONE else ROWS_AT_ONCE
        for start in range(0, len(waiting), most):
            chunk = waiting[start : start + most]
            sql = f"INSERT INTO {TABLES[row_type]} ({', '.join(names)}) VALUES {', '.join([marks] * len(chunk))}"
            con.execute(sql, [_whole(getattr(row, name)) for row in chunk for name in names])


@cache
def _columns(table: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(table))


def _whole(value: Any) -> Any:
    """The value without lone surrogates: models cut emoji in half, and a paid answer must still be stored."""
    return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def select(con: Con, table: type[Row], rest: str = "", values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a table. ``rest`` is the SQL after FROM, always written by us; input goes into ``values``."""
    names = ", ".join(f"{TABLES[table]}.{name}" for name in _columns(table))
    found = con.execute(f"SELECT {names} FROM {TABLES[table]} {rest}", list(values)).fetchall()
    return [table(*row) for row in found]


def literal(text: str) -> str:
    """The text as a constant of SQL, where no value can be bound."""
    return "'" + text.replace("'", "''") + "'"


def ids_in(con: Con, table: str, column: str, ids: Collection[str]) -> set[str]:
    """Those of the ids that a column of a table has. Table and column are named by us."""
    sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} {IN_LIST}"
    return {str(found) for (found,) in con.execute(sql, [list(ids)]).fetchall()}


class LineTurn(NamedTuple):
    """What a later turn has to know of a finished one, without its texts."""

    id: str
    key: str
    take: int
    phase: str
    fingerprint: str
    missing: str
    cell_id: str | None


def line_of(con: Con, turn_id: str | None) -> list[TurnRow]:
    """The turn and all its ancestors, root first. Empty for the root checkpoint."""
    return [TurnRow(*row) for row in _on_line(con, turn_id, _columns(TurnRow))]


def short_line_of(con: Con, turn_id: str | None) -> list[LineTurn]:
    """As ``line_of``, in half of the time."""
    return [LineTurn(*row) for row in _on_line(con, turn_id, LineTurn._fields)]


def _on_line(con: Con, turn_id: str | None, columns: Sequence[str]) -> list[Sequence[Any]]:
    """Columns of the turn and its ancestors, root first; the first column is the id."""
    line = ancestry(con, turn_id)
    sql = f"SELECT {', '.join(columns)} FROM turns WHERE id {IN_LIST}"
    rows = {row[0]: row for row in con.execute(sql, [line]).fetchall()} if line else {}
    return [rows[each] for each in reversed(line) if each in rows]


def ancestry(con: Con, turn_id: str | None) -> list[str]:
    """The ids of the turn and its ancestors, the root last. For 200 turns a recursive query took 20 times as long."""
    parents = dict(con.execute("SELECT id, parent_turn FROM turns").fetchall()) if turn_id else {}
    line: dict[str, None] = {}
    while turn_id is not None and turn_id in parents and turn_id not in line:
        line[turn_id] = None
        turn_id = parents[turn_id]
    return list(line)


def session_by_identity(con: Con, row: SessionRow, former: Sequence[str] | None = None) -> SessionRow | None:
    """The newest session with the same owner, campaign, url, name, endpoint and model.

    With ``former`` models, where none has that model, the newest of the first of those that has one, else of any model.
    """
    rest = (
        "WHERE owner = ? AND campaign = ? AND url = ? AND name = ? AND endpoint = ? AND swept_at IS NULL "
        "AND parent_session IS NULL ORDER BY made_at DESC, id"
    )
    found = select(con, SessionRow, rest, [row.owner, row.campaign, row.url, row.name, row.endpoint])
    if former is None:
        return next((each for each in found if each.model == row.model), None)
    rank = model_rank([row.model, *former])
    return min(found, key=lambda each: rank(each.model), default=None)


def model_rank(order: Sequence[str]) -> Callable[[str], int]:
    """The place of a model in the order, by its id; one that is not in it comes after all that are."""
    return lambda model: order.index(model) if model in order else len(order)


def get_or_create_session(
    con: Con, row: SessionRow, is_expired: Callable[[SessionRow], bool], *, former: Sequence[str] | None = None
) -> SessionRow:
    """The stored session of that identity, with the row's brief; the row itself, now stored, when there is none yet.

    When the stored one has expired, the row is a new session that renews it. ``former`` as in ``session_by_identity``.
    """
    found = session_by_identity(con, row, former)
    if found is None or is_expired(found):
        fresh = replace(row, renews=found.id, model=found.model) if found else row
        insert(con, [fresh])
        return fresh
    if found.brief != row.brief:
        set_session(con, found.id, "brief", row.brief)
    return replace(found, brief=row.brief)


def get_or_create_fork(con: Con, row: SessionRow, is_expired: Callable[[SessionRow], bool]) -> SessionRow:
    """The stored fork of that owner, checkpoint and purpose; the row itself, now stored, when there is none or it has expired."""
    rest = (
        "WHERE owner = ? AND start_turn IS NOT DISTINCT FROM ? AND purpose = ? AND NOT automatic AND swept_at IS NULL "
        "ORDER BY made_at DESC, id"
    )
    found = [
        each
        for each in select(con, SessionRow, rest, [row.owner, row.start_turn, row.purpose])
        if each.parent_session is not None and (row.start_turn or each.parent_session == row.parent_session)
    ]
    if found and not is_expired(found[0]):
        return found[0]
    named = replace(row, name=found[0].name, renews=found[0].id) if found else renamed(row, _names(con, row))
    insert(con, [named])
    parents = select(con, SessionRow, "WHERE id = ?", [row.parent_session])
    if parents and not is_expired(parents[0]):  # forking prolongs a living session, but revives none
        set_session(con, parents[0].id, "last_paid_at", row.made_at)
    return named


def family_of(con: Con, session: SessionRow, *, renewed: bool = True) -> set[str]:
    """The ids of the named session that this one belongs to, and of the automatic forks that runs made of it.

    With ``renewed`` also the families of the expired sessions that it renews: it replays their turns.
    """
    columns = "id, CASE WHEN automatic THEN parent_session END, renews"
    sql = f"SELECT {columns} FROM sessions WHERE owner = ? AND campaign = ?"
    rows = {row[0]: row for row in con.execute(sql, [session.owner, session.campaign]).fetchall()}

    def named(name: str) -> str:
        seen = {name}
        while (parent := rows[name][1]) in rows and parent not in seen:
            seen.add(name := parent)
        return name

    parent = session.parent_session if session.automatic else None
    heads = [named(parent) if parent and parent in rows else session.id]
    while renewed and (before := rows[heads[-1]][2] if heads[-1] in rows else None) and before not in heads:
        heads.append(before)
    return {each for each in rows if named(each) in heads}


def session_for(con: Con, session: SessionRow, turn: TurnRow, *, take_over: bool) -> SessionRow:
    """The session of the family that a found turn belongs to.

    With ``take_over`` (for a user who may run on it) a session that renews another one moves on to that one's turn.
    """
    on_line = turn.id in ancestry(con, session.tip_turn)
    in_family = not on_line and turn.session_id in family_of(con, session, renewed=False)
    row = next(iter(select(con, SessionRow, "WHERE id = ?", [turn.session_id if in_family else session.id])), session)
    if not on_line and not in_family and take_over and row.tip_turn == turn.parent_turn:
        set_session(con, row.id, "tip_turn", turn.id)
        return replace(row, tip_turn=turn.id)
    return row


def turns_after(con: Con, parent: str | None, key: str | None = None) -> dict[str, str]:
    """The finished turns directly after a checkpoint, of all sessions: the session that each was made in, by the turn's id.

    With a key, only those that have it.
    """
    where = f"parent_turn {'IS NULL' if parent is None else '= ?'}{'' if key is None else ' AND key = ?'}"
    values = [value for value in (parent, key) if value is not None]
    return dict(con.execute(f"SELECT id, session_id FROM turns WHERE {where}", values).fetchall())


def turns_of(con: Con, ids: Collection[str]) -> list[TurnRow]:
    """The turns of these ids, oldest first."""
    return select(con, TurnRow, f"WHERE id {IN_LIST} ORDER BY finished_at, id", [list(ids)]) if ids else []


def move_tip(con: Con, turn: TurnRow) -> SessionRow:
    """Moves the session on to its new turn and returns it; an automatic fork instead when it has another new turn meanwhile."""
    sql = (
        "UPDATE sessions SET tip_turn = ?, last_paid_at = ? WHERE id = ? AND tip_turn IS NOT DISTINCT FROM ? "
        f"RETURNING {', '.join(_columns(SessionRow))}"
    )
    moved = con.execute(sql, [turn.id, turn.finished_at, turn.session_id, turn.parent_turn]).fetchone()
    if moved:
        return SessionRow(*moved)
    (session,) = select(con, SessionRow, "WHERE id = ?", [turn.session_id])
    fork = replace(
        session, id=f"s-{turn.id}", parent_session=session.id, start_turn=turn.parent_turn, tip_turn=turn.id,
        purpose=turn.steer, automatic=True, made_at=turn.finished_at, last_paid_at=turn.finished_at,
    )  # fmt: skip
    fork = renamed(fork, _names(con, session))
    insert(con, [fork])
    con.execute("UPDATE turns SET session_id = ? WHERE id = ?", [fork.id, turn.id])
    con.execute("UPDATE attempts SET session_id = ? WHERE id = ?", [fork.id, turn.id])  # its cost goes with it
    return fork


def end_attempt(con: Con, attempt: AttemptRow) -> None:
    """Stores how an attempt ended, and removes its claim."""
    con.execute(
        "UPDATE attempts SET state = ?, cause = ?, reason = ?, ended_at = ?, cost_usd = ? WHERE id = ?",
        [attempt.state, attempt.cause, _whole(attempt.reason), attempt.ended_at, attempt.cost_usd, attempt.id],
    )
    con.execute("DELETE FROM claims WHERE attempt_id = ?", [attempt.id])


def entries_of(con: Con, attempt_id: str) -> list[tuple[str, str]]:
    """All entries of an attempt as (subpath, JSON text), in the order they were stored."""
    sql = "SELECT subpath, entry FROM entries WHERE session_id = ? ORDER BY subpath, seq"
    return [(subpath, entry) for subpath, entry in con.execute(sql, [attempt_id]).fetchall()]


def leaf_of(con: Con, attempt_id: str) -> str | None:
    """The uuid of the last entry of the main conversation that has one: by it the SDK knows this checkpoint."""
    sql = (
        "SELECT uuid FROM entries WHERE session_id = ? AND subpath = '' AND uuid IS NOT NULL ORDER BY seq DESC LIMIT 1"
    )
    row = con.execute(sql, [attempt_id]).fetchone()
    return str(row[0]) if row else None


def pages_of(con: Con, owners: Sequence[str], campaign: str) -> list[PageRow]:
    """The newest stored version of each page of the owners' campaign, without bytes and without refused pages."""
    return list({row.requested_url: row for row in pages_met(con, owners, campaign) if row.error is None}.values())


def pages_met(con: Con, owners: Sequence[str], campaign: str) -> list[PageRow]:
    """One row per time that a page of the owners' campaign was read or refused, oldest first, without bytes."""
    names = ", ".join("NULL" if field.name == "body" else field.name for field in fields(PageRow))
    sql = f"SELECT {names} FROM pages WHERE owner {IN_LIST} AND campaign = ? ORDER BY fetched_at"
    return [PageRow(*row) for row in con.execute(sql, [list(owners), campaign]).fetchall()]


def oldest_page(con: Con, owners: Sequence[str], campaign: str) -> datetime | None:
    """The time at which the oldest page of the owners' campaign was fetched; None when it has none."""
    sql = f"SELECT min(fetched_at) FROM pages WHERE owner {IN_LIST} AND campaign = ? AND error IS NULL"
    row = con.execute(sql, [list(owners), campaign]).fetchone()
    return row[0] if row else None


def _names(con: Con, session: SessionRow) -> set[str]:
    """The names of all sessions of the owner's campaign."""
    sql = "SELECT name FROM sessions WHERE owner = ? AND campaign = ?"
    return {str(name) for (name,) in con.execute(sql, [session.owner, session.campaign]).fetchall()}


def renamed(row: SessionRow, taken: set[str]) -> SessionRow:
    """The row with the first free name: its own, else with 2, 3, … behind it."""
    names = [row.name, *(f"{row.name} {number}" for number in range(2, len(taken) + 3))]
    free = next(name for name in names if name not in taken)
    return replace(row, name=free)


def move_untouched_fork(con: Con, session_id: str, turn_id: str) -> None:
    """Moves a fork to a turn, unless the fork already has a turn of its own."""
    con.execute(
        "UPDATE sessions SET tip_turn = ? WHERE id = ? AND tip_turn IS NOT DISTINCT FROM start_turn",
        [turn_id, session_id],
    )


def set_session(con: Con, session_id: str, column: str, value: object) -> None:
    """Sets one column of a session. Raises ValueError when ``column`` is no field of SessionRow."""
    if column not in {field.name for field in fields(SessionRow)}:
        raise ValueError(f"column: {column!r} is not a field of a session")
    con.execute(f"UPDATE sessions SET {column} = ? WHERE id = ?", [value, session_id])


def rename_session(con: Con, session: SessionRow, name: str) -> SessionRow:
    """The session under its new name, which is stored. Raises ValueError for an empty name, or one taken in its campaign."""
    rest = "WHERE owner = ? AND campaign = ? AND name = ? AND id <> ? AND swept_at IS NULL"
    if not name:
        raise ValueError("name: '' is not allowed; give a name")
    if select(con, SessionRow, rest, [session.owner, session.campaign, name, session.id]):
        raise ValueError(f"name: {name!r} is taken in the campaign {session.campaign!r}; choose another one")
    set_session(con, session.id, "name", name)
    return replace(session, name=name)
