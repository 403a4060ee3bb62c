"""From a name to its session. A name that fits several picks none: the error lists a name for each that picks only it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from campaign_lab.errors import AmbiguousName
from campaign_lab.sessions.upkeep.access import permits
from campaign_lab.sessions.upkeep.expiry import has_expired
from campaign_lab.show.text import one_line, pluralize
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import AuditRow, SessionRow

SAVED = ".duckdb"
"""The ending of a file with a saved session. A name with it is never taken for a session."""
UNITS_S = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def full_name(row: SessionRow) -> str:
    """The site's host, campaign and name: what picks one session, but for those that differ in who answers."""
    return f"{urlsplit(row.url).netloc}/{row.campaign}/{row.name}"


def find_session(con: Con, user: str, name: str, *, now: datetime) -> SessionRow | None:
    """The session of that name, "campaign/name", "host/campaign/name" or id: the user's own, else one that was shared.

    Of a session and those that renew it, and of sessions with one full name, it is the newest that has not expired. A name
    that fits only somebody else's session gives None and is stored as a refusal. Raises AmbiguousName.
    """
    named = [
        row
        for row in queries.select(con, SessionRow, "WHERE swept_at IS NULL ORDER BY made_at DESC, id")
        if name in (row.id, row.name, f"{row.campaign}/{row.name}", full_name(row))
    ]
    seen = [row for row in named if row.owner == user or permits(con, user, row, "read")]
    if named and not seen:
        queries.insert(con, [AuditRow(user, "read", named[0].id, False, now)])
    seen = [row for row in seen if name in (row.id, full_name(row))] or seen
    fits = _told_apart([row for row in seen if row.owner == user] or seen, now)
    if len(fits) > 1:
        raise AmbiguousName("session", name, _described(fits, user, now))
    return next(iter(fits), None)


def name_of(con: Con, user: str, session: SessionRow, *, now: datetime) -> str:
    """The name by which ``find_session`` finds exactly this session: campaign and name, else with the host, else its id."""
    for name in (f"{session.campaign}/{session.name}", full_name(session)):
        try:
            found = find_session(con, user, name, now=now)
        except AmbiguousName:
            continue
        if found is not None and found.id == session.id and not name.endswith(SAVED):
            return name
    return session.id


def _told_apart(rows: Sequence[SessionRow], now: datetime) -> list[SessionRow]:
    """The newest session of each identity, without expired ones where another of the same full name is alive."""
    newest: dict[tuple[str, ...], SessionRow] = {}
    for row in rows:
        newest.setdefault((row.owner, row.url, row.campaign, row.name, row.endpoint, row.model), row)
    living = {(row.owner, full_name(row)) for row in newest.values() if not has_expired(row, now)}
    return [row for row in newest.values() if not has_expired(row, now) or (row.owner, full_name(row)) not in living]


def _described(rows: Sequence[SessionRow], user: str, now: datetime) -> tuple[str, ...]:
    """One line per session: the name that picks it and when it was last used; its id where the full name is not enough."""
    counts = Counter(map(full_name, rows))
    lines = []
    for row in rows:
        known = [] if counts[full_name(row)] == 1 else [f"id {row.id}", row.endpoint, row.model]
        known += [f"of {row.owner}"] if row.owner != user else []
        known += [_ago((now - (row.last_paid_at or row.made_at)).total_seconds())]
        lines.append(one_line(f"{full_name(row)} ({', '.join(known)})"))
    return tuple(lines)


def _ago(seconds: float) -> str:
    unit, length = next(((unit, length) for unit, length in UNITS_S if seconds >= length), ("", 1))
    return f"last used {pluralize(int(seconds // length), unit)} ago" if unit else "last used just now"
