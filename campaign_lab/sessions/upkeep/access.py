"""Access: the one place that decides who may do what with a session.

The owner may do everything. Others may do what was shared with them, and are otherwise told what somebody is told who names
a session that does not exist. In a lab file this guards against mistakes: whoever can read the file can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.grants import GRANTS, Permission, Verb
from campaign_lab.store.rows import AuditRow, SessionRow, ShareRow

_ABOVE = "SELECT id, owner, CASE WHEN automatic THEN parent_session END FROM sessions"
"""The session that an automatic fork belongs to; none for a named one."""


def permits(con: Con, user: str, session: SessionRow, verb: Verb) -> bool:
    """May the user do this with the session? A fork that a run made by itself is shared as the session it came from."""
    named = named_session(con, session)
    if named.owner == user:
        return True
    rest = "WHERE session_id = ? AND user_name = ?"
    return any(verb in GRANTS[row.permission] for row in queries.select(con, ShareRow, rest, [named.id, user]))


def decide(con: Con, user: str, session: SessionRow, *, verb: Verb, now: datetime) -> bool:
    """As ``permits``, and writes it down. Reading one's own sessions is not worth a row."""
    allowed = permits(con, user, session, verb)
    if not allowed or verb != "read" or session.owner != user:
        queries.insert(con, [AuditRow(user, verb, session.id, allowed, now)])
    return allowed


def readable(con: Con, user: str) -> set[str]:
    """Ids of all sessions that the user owns or was given, swept ones included. Two queries, however many there are."""
    above = {session: (owner, parent) for session, owner, parent in con.execute(_ABOVE).fetchall()}
    shared = {row.session_id for row in queries.select(con, ShareRow, "WHERE user_name = ?", [user])}

    def named(session: str) -> str:
        seen = {session}
        while (parent := above[session][1]) in above and parent not in seen:
            seen.add(parent)
            session = parent
        return session

    return {session for session in above if above[head := named(session)][0] == user or head in shared}


def first_refused(con: Con, user: str, sessions: Sequence[SessionRow], *, now: datetime) -> SessionRow | None:
    """The first of the sessions that the user may not read; None when all may be read.

    What is written down is what ``decide`` writes down for reading each of them, up to the first refusal.
    """
    others = [row for row in sessions if row.owner != user]
    allowed = readable(con, user) if others else set()
    for row in others:
        queries.insert(con, [AuditRow(user, "read", row.id, row.id in allowed, now)])
        if row.id not in allowed:
            return row
    return None


def grant(con: Con, session: SessionRow, user: str, *, permission: Permission, by: str, now: datetime) -> None:
    """Shares the session; a user has one permission a session, the newest."""
    named = named_session(con, session)
    revoke(con, session, user)
    queries.insert(con, [ShareRow(named.id, user, permission, by, now)])


def revoke(con: Con, session: SessionRow, user: str) -> None:
    """Takes a share back. Forks that the user made stay theirs."""
    named = named_session(con, session)
    con.execute("DELETE FROM shares WHERE session_id = ? AND user_name = ?", [named.id, user])


def visible(con: Con, user: str) -> list[SessionRow]:
    """The sessions that the user owns or was given, newest first; swept ones are not among them."""
    seen = readable(con, user)
    rows = queries.select(con, SessionRow, "WHERE swept_at IS NULL ORDER BY made_at DESC, id")
    return [row for row in rows if row.id in seen]


def named_session(con: Con, session: SessionRow) -> SessionRow:
    """The session itself, or the named one that an automatic fork belongs to."""
    return _climbed(con, session, lambda row: row.automatic)[-1]


def page_owners(con: Con, session: SessionRow) -> tuple[str, ...]:
    """Under whose names the pages of a session's line are kept: the owners of its forks and, first, of its root.

    The last one owns the session itself. What its turns read is kept under that name only: who forks a session adds nothing
    to the campaign of whom it was forked from.
    """
    line = _climbed(con, session, lambda _: True)
    return tuple(reversed(dict.fromkeys(row.owner for row in line)))


def _climbed(con: Con, session: SessionRow, goes_on: Callable[[SessionRow], bool]) -> list[SessionRow]:
    """The sessions on the way from fork to parent, as long as the fork says so and the parent is there, each once."""
    line = {session.id: session}
    while goes_on(session) and session.parent_session and session.parent_session not in line:
        found = queries.select(con, SessionRow, "WHERE id = ?", [session.parent_session])
        if not found:
            break
        session = line[found[0].id] = found[0]
    return list(line.values())
