"""What is read from and written to the lab file. Each function runs inside one transaction: ``engine.run(lambda con: …)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from campaign_lab.store.rows import (
    AttemptRow,
    CacheRow,
    ClaimRow,
    PageRow,
    RecordRow,
    RequestRow,
    SessionRow,
    TurnRow,
)

if TYPE_CHECKING:
    import duckdb

    Con = duckdb.DuckDBPyConnection

Row = TypeVar("Row", SessionRow, TurnRow, ClaimRow, AttemptRow, RequestRow, RecordRow, PageRow, CacheRow)

TABLES: dict[type, str] = {
    SessionRow: "sessions",
    TurnRow: "turns",
    ClaimRow: "claims",
    AttemptRow: "attempts",
    RequestRow: "requests",
    RecordRow: "records",
    PageRow: "pages",
    CacheRow: "rehearsal_cache",
}

ANCESTORS = """
    WITH RECURSIVE line(id, parent_turn, depth) AS (
        SELECT id, parent_turn, 0 FROM turns WHERE id = ?
        UNION ALL
        SELECT t.id, t.parent_turn, line.depth + 1 FROM turns AS t JOIN line ON t.id = line.parent_turn)
"""


def insert(con: Con, rows: Iterable[Row]) -> None:
    """Adds rows of one or several tables."""
    for row in rows:
        names = ", ".join(field.name for field in fields(row))
        marks = ", ".join("?" for _ in fields(row))
        con.execute(f"INSERT INTO {TABLES[type(row)]} ({names}) VALUES ({marks})", list(astuple(row)))


def select(con: Con, table: type[Row], rest: str = "", values: Sequence[Any] = ()) -> list[Row]:
    """Rows of a table. ``rest`` is what follows FROM, written by us and never from input; input goes into ``values``."""
    names = ", ".join(f"{TABLES[table]}.{field.name}" for field in fields(table))
    found = con.execute(f"SELECT {names} FROM {TABLES[table]} {rest}", list(values)).fetchall()
    return [table(*row) for row in found]


def line_of(con: Con, turn_id: str | None) -> list[TurnRow]:
    """The turn and all its ancestors, root first. Empty for the root checkpoint."""
    if turn_id is None:
        return []
    names = ", ".join(f"t.{field.name}" for field in fields(TurnRow))
    sql = f"{ANCESTORS} SELECT {names} FROM line JOIN turns AS t ON t.id = line.id ORDER BY line.depth DESC"
    return [TurnRow(*row) for row in con.execute(sql, [turn_id]).fetchall()]


def session_by_identity(con: Con, row: SessionRow) -> SessionRow | None:
    """The session with the same owner, campaign, url, name, endpoint and model."""
    rest = "WHERE owner = ? AND campaign = ? AND url = ? AND name = ? AND endpoint = ? AND model = ?"
    found = select(con, SessionRow, rest, [row.owner, row.campaign, row.url, row.name, row.endpoint, row.model])
    return found[0] if found else None


def get_or_create_session(con: Con, row: SessionRow) -> SessionRow:
    """The stored session of that identity; the row itself when there is none yet. The newest brief is kept."""
    found = session_by_identity(con, row)
    if found is None:
        insert(con, [row])
        return row
    if found.brief != row.brief:
        con.execute("UPDATE sessions SET brief = ? WHERE id = ?", [row.brief, found.id])
    return select(con, SessionRow, "WHERE id = ?", [found.id])[0]


def get_or_create_fork(con: Con, row: SessionRow) -> SessionRow:
    """The fork of that owner, checkpoint and purpose; the row itself when there is none yet."""
    rest = "WHERE owner = ? AND start_turn IS NOT DISTINCT FROM ? AND purpose = ? AND NOT automatic"
    found = [
        each
        for each in select(con, SessionRow, rest, [row.owner, row.start_turn, row.purpose])
        if each.parent_session is not None and (row.start_turn or each.parent_session == row.parent_session)
    ]
    if found:
        return found[0]
    taken = {
        each.name for each in select(con, SessionRow, "WHERE owner = ? AND campaign = ?", [row.owner, row.campaign])
    }
    named = _renamed(row, taken)
    insert(con, [named])
    return named


def family_of(con: Con, session: SessionRow) -> list[SessionRow]:
    """The named session that this one belongs to, and the forks that runs made of it by themselves."""
    rest = "WHERE owner = ? AND campaign = ? ORDER BY made_at, id"
    rows = {row.id: row for row in select(con, SessionRow, rest, [session.owner, session.campaign])}

    def named(row: SessionRow) -> str:
        while row.automatic and row.parent_session in rows:
            row = rows[row.parent_session]
        return row.id

    return [row for row in rows.values() if named(row) == named(session)]


def turns_after(con: Con, parent: str | None, sessions: Sequence[SessionRow]) -> list[TurnRow]:
    """Finished turns that stand right after a checkpoint, in any of the sessions, oldest first."""
    marks = ", ".join("?" for _ in sessions)
    rest = f"WHERE parent_turn IS NOT DISTINCT FROM ? AND session_id IN ({marks}) ORDER BY finished_at, id"
    return select(con, TurnRow, rest, [parent, *(session.id for session in sessions)])


def move_tip(con: Con, turn: TurnRow) -> SessionRow:
    """Moves the session on to its new turn. When it has gone on otherwise meanwhile, an automatic fork is made for the turn."""
    (session,) = select(con, SessionRow, "WHERE id = ?", [turn.session_id])
    if session.tip_turn == turn.parent_turn:
        con.execute(
            "UPDATE sessions SET tip_turn = ?, last_paid_at = ? WHERE id = ?", [turn.id, turn.finished_at, session.id]
        )
        return select(con, SessionRow, "WHERE id = ?", [session.id])[0]
    taken = {
        row.name
        for row in select(con, SessionRow, "WHERE owner = ? AND campaign = ?", [session.owner, session.campaign])
    }
    fork = replace(
        session, id=f"s-{turn.id}", parent_session=session.id, start_turn=turn.parent_turn, tip_turn=turn.id,
        purpose=turn.steer, automatic=True, made_at=turn.finished_at, last_paid_at=turn.finished_at,
    )  # fmt: skip
    fork = _renamed(fork, taken)
    insert(con, [fork])
    con.execute("UPDATE turns SET session_id = ? WHERE id = ?", [fork.id, turn.id])
    return fork


def end_attempt(con: Con, attempt: AttemptRow) -> None:
    """Writes how an attempt ended, and gives its claim back."""
    con.execute(
        "UPDATE attempts SET state = ?, cause = ?, reason = ?, ended_at = ?, cost_usd = ? WHERE id = ?",
        [attempt.state, attempt.cause, attempt.reason, attempt.ended_at, attempt.cost_usd, attempt.id],
    )
    con.execute("DELETE FROM claims WHERE attempt_id = ?", [attempt.id])


def entries_of(con: Con, attempt_id: str) -> list[tuple[str, str]]:
    """All entries of an attempt as (subpath, JSON text), in the order they were stored."""
    sql = "SELECT subpath, entry FROM entries WHERE session_id = ? ORDER BY subpath, seq"
    return [(subpath, entry) for subpath, entry in con.execute(sql, [attempt_id]).fetchall()]


def leaf_of(con: Con, attempt_id: str) -> str | None:
    """Uuid of the last entry of the main conversation that has one: the SDK's own mark of this checkpoint."""
    sql = (
        "SELECT uuid FROM entries WHERE session_id = ? AND subpath = '' AND uuid IS NOT NULL ORDER BY seq DESC LIMIT 1"
    )
    row = con.execute(sql, [attempt_id]).fetchone()
    return str(row[0]) if row else None


def pages_of(con: Con, owner: str, campaign: str) -> list[PageRow]:
    """The newest stored version of each page of a campaign, bytes left out. Refusals are not among them."""
    names = ", ".join("NULL" if field.name == "body" else field.name for field in fields(PageRow))
    sql = f"SELECT {names} FROM pages WHERE owner = ? AND campaign = ? AND error IS NULL ORDER BY fetched_at"
    found = [PageRow(*row) for row in con.execute(sql, [owner, campaign]).fetchall()]
    return list({row.requested_url: row for row in found}.values())


def oldest_page(con: Con, owner: str, campaign: str) -> datetime | None:
    """When the oldest page of a campaign was fetched."""
    sql = "SELECT min(fetched_at) FROM pages WHERE owner = ? AND campaign = ? AND error IS NULL"
    row = con.execute(sql, [owner, campaign]).fetchone()
    return row[0] if row else None


def _renamed(row: SessionRow, taken: set[str]) -> SessionRow:
    """The row under a name that is still free: the name, then with 2, 3, … behind it."""
    names = [row.name, *(f"{row.name} {number}" for number in range(2, len(taken) + 3))]
    free = next(name for name in names if name not in taken)
    return replace(row, name=free)
