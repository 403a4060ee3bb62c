"""Copying a whole lab to another store, such as a team's server: bundle by bundle, in one transaction.

What is there already stays. A session that has gone on since it was copied last is moved on; one that has gone on
differently on both sides is left as it is and named. Besides what the sessions stand on, a copy takes along what no bundle
of a session has: the ledger of swept sessions and of attempts in vain, shares, and the audit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from campaign_lab.errors import StoreError
from campaign_lab.sessions.run.claims import living_claims
from campaign_lab.sessions.transfer.bundle import IDENTITY, Bundle, add_bundle, attempts_bundle, stands_on, stored_pages
from campaign_lab.sessions.upkeep.verify import verify
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.location import is_server, open_store
from campaign_lab.store.rows import TABLES, AuditRow, JudgementRow, SessionRow, ShareRow

ATTEMPTS = 50
"""Attempts of one bundle: with all that they wrote they are held in memory at a time."""

OnProgress = Callable[[str, int], None]
"""Is called with each table that rows were added to, and how many there are by now."""


@dataclass(frozen=True)
class CopyReport:
    """What was copied where, the users that the server has no role for, and what is wrong with sessions there.

    ``added`` has the rows by table, ``moved_on`` and ``differing`` the names of sessions.
    """

    source: str
    target: str
    added: dict[str, int]
    moved_on: tuple[str, ...]
    differing: tuple[str, ...]
    sessions: int
    strangers: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return sum(self.added.values())


def copy_lab(source: str, target: str, *, on_progress: OnProgress = lambda _table, _rows: None) -> CopyReport:
    """Copies all that a lab has, of all users, to another one, and verifies every session there.

    Both are a path or a server's url. Doing it again copies what has come since. Raises StoreError: the source is not
    there or a turn runs in it, the target lets us in as one user only, or both are the same.
    """
    if not is_server(source) and not Path(source).is_file():
        raise StoreError(source, "is not there", "Look at the path of the lab that is to be copied.")
    with closing(open_store(source)) as old, closing(open_store(target)) as new:
        _refuse(old, new)
        copy = new.call(lambda con: _Copy(old, con, on_progress).done())
        return _proved(old, new, copy)


def _refuse(old: Store, new: Store) -> None:
    if old.display_url == new.display_url:
        raise StoreError(new.display_url, "cannot be copied to itself", "Name another file or database.")
    for store in (old, new):
        if store.role is not None:
            reason = f"lets you in as {store.role}, who sees no sessions of others"
            raise StoreError(store.display_url, reason, "Copy as the role that owns the tables.")
    running = old.call(living_claims)
    if running:
        users = ", ".join(sorted({claim.user_name for claim in running}))
        turns = "1 turn is" if len(running) == 1 else f"{len(running)} turns are"
        raise StoreError(old.display_url, f"is in use: {turns} running ({users})", "Copy it when nothing runs.")


class _Copy:
    """One copy into an open transaction of the target. ``moved_on`` and ``differing`` are ids of sessions."""

    def __init__(self, source: Store, con: Con, on_progress: OnProgress) -> None:
        self._source = source
        self._con = con
        self._on_progress = on_progress
        self._counts: Counter[str] = Counter()
        self.moved_on: list[str] = []
        self.differing: list[str] = []

    @property
    def added(self) -> dict[str, int]:
        """Rows added by table."""
        return {TABLES[row]: count for row in IDENTITY if (count := self._counts[TABLES[row]])}

    def done(self) -> _Copy:
        """Copies everything. Sessions that are on both sides come first: their lines there are still without new turns."""
        self._move_sessions_on()
        for bundle in self._bundles():
            for table, count in add_bundle(self._con, bundle).items():
                self._counts[table] += count
                self._on_progress(table, self._counts[table])
        return self

    def _bundles(self) -> Iterator[Bundle]:
        yield Bundle(sessions=self._all(SessionRow))
        wanted = sorted(self._ids("attempts") | self._ids("turns"))
        for start in range(0, len(wanted), ATTEMPTS):
            yield self._source.call(partial(attempts_bundle, ids=wanted[start : start + ATTEMPTS]))
        yield Bundle(judgements=self._all(JudgementRow), shares=self._all(ShareRow), audit=self._all(AuditRow))
        sql = "SELECT DISTINCT owner, campaign FROM pages ORDER BY 1, 2"
        for owner, campaign in self._source.call(lambda con: con.execute(sql).fetchall()):
            yield Bundle(pages=tuple(self._source.call(partial(stored_pages, owners=[owner], campaign=campaign))))

    def _all(self, table: Any) -> tuple[Any, ...]:
        return tuple(self._source.call(partial(queries.select, table=table)))

    def _ids(self, table: str) -> set[str]:
        """Ids that the target lacks in a table."""
        found = partial(_column, sql=f"SELECT id FROM {table}")
        return self._source.call(found) - found(self._con)

    def _move_sessions_on(self) -> None:
        """Moves on the sessions that have only gone on in the source, and notes those that differ on both sides."""
        sql = "SELECT id, tip_turn FROM sessions"
        here = dict(self._con.execute(sql).fetchall())
        there = dict(self._source.call(lambda con: con.execute(sql).fetchall()))
        for session in sorted(each for each in there.keys() & here.keys() if there[each] != here[each]):
            line = self._source.call(partial(queries.ancestry, turn_id=there[session]))
            if stands_on(line, here[session]):
                self._move_on(session)
            elif not stands_on(queries.ancestry(self._con, here[session]), there[session]):
                self.differing.append(session)

    def _move_on(self, session: str) -> None:
        (row,) = self._source.call(partial(queries.select, table=SessionRow, rest="WHERE id = ?", values=[session]))
        for column in ("tip_turn", "last_paid_at", "brief"):
            queries.set_session(self._con, session, column, getattr(row, column))
        self.moved_on.append(session)


def _column(con: Con, sql: str) -> set[str]:
    return {found for (found,) in con.execute(sql).fetchall()}


def _proved(old: Store, new: Store, copy: _Copy) -> CopyReport:
    sessions = old.call(lambda con: queries.select(con, SessionRow, "ORDER BY made_at, id"))
    names = {session.id: session.name for session in sessions}
    problems: list[str] = []
    for session in (row for row in new.call(lambda con: queries.select(con, SessionRow)) if row.id in names):
        found = new.call(partial(verify, session=session))
        problems += [f"{session.campaign}/{session.name}: {problem}" for problem in found if not problem.info]
    return CopyReport(
        source=old.display_url, target=new.display_url, added=copy.added, sessions=len(names),
        moved_on=tuple(names[each] for each in copy.moved_on),
        differing=tuple(names[each] for each in copy.differing),
        strangers=tuple(new.strangers({session.owner for session in sessions})), problems=tuple(problems),
    )  # fmt: skip
