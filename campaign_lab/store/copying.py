"""Copying a whole lab from one store to another, file or server: the rows that are not there yet, in one transaction.

What is there already stays. A session that has gone on since it was copied last is moved on; one that has gone on
differently on both sides is left as it is and named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import (
    AuditRow,
    CacheRow,
    JudgementRow,
    PageRow,
    RecordRow,
    RequestRow,
    SessionRow,
    ShareRow,
)
from campaign_lab.store.transfer import ENTRY, HEAD

CHUNK = 50
"""Attempts, or campaigns, whose rows are held in memory at a time."""

OnProgress = Callable[[str, int], None]
"""Hears of each table that rows were added to, and how many there are by now."""


@dataclass(frozen=True)
class CopiedTable:
    """A table as it is copied: its columns, and those that say whose row it is (``owned``) or which row (``key``)."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    owned: str = ""


@dataclass(frozen=True)
class Copied:
    """Rows added by table, sessions that were moved on, and the ids of those that differ on both sides."""

    added: dict[str, int]
    moved_on: tuple[str, ...]
    differing: tuple[str, ...]


def _table(row: type, *key: str, owned: str = "") -> CopiedTable:
    return CopiedTable(queries.TABLES[row], tuple(field.name for field in fields(row)), key, owned)


NAMED = tuple(
    CopiedTable(name, tuple(field.name for field in fields(row)), ("id",))
    for row, name in queries.TABLES.items()
    if name in ("sessions", "turns", "attempts")
)
OWNED = (
    CopiedTable("transcripts", HEAD, ("session_id", "subpath", "project_key"), "session_id"),
    CopiedTable("entries", ENTRY, ("session_id", "subpath", "project_key", "seq"), "session_id"),
    _table(RequestRow, owned="attempt_id"),
    _table(CacheRow, owned="attempt_id"),
    _table(RecordRow, owned="turn_id"),
)
"""What an attempt wrote: copied with it, and never without it."""
LOOSE = (
    _table(JudgementRow, "turn_id", "kind", "n", "user_name"),
    _table(ShareRow, "session_id", "user_name"),
    _table(AuditRow, "user_name", "verb", "session_id", "happened_at"),
    _table(PageRow, "owner", "campaign", "requested_url", "fetched_at"),
)
"""What has no parent that could say whether it was copied."""


def copy_rows(source: Store, target: Store, on_progress: OnProgress) -> Copied:
    """Copies what the target lacks. All of it is there afterwards, or nothing. Raises StoreError."""
    return target.call(lambda con: _Copy(source, con, on_progress).run())


class _Copy:
    """One copy into an open transaction of the target."""

    def __init__(self, source: Store, con: Con, on_progress: OnProgress) -> None:
        self._source = source
        self._con = con
        self._on_progress = on_progress
        self._added: Counter[str] = Counter()

    def run(self) -> Copied:
        """All tables. Sessions come first: who moved on is known by the turns that were there before."""
        moved_on, differing = self._sessions()
        before = self._ids("attempts", self._con) | self._ids("turns", self._con)
        for table in NAMED:
            self._missing(table)
        wanted = self._source.call(lambda con: self._ids("attempts", con) | self._ids("turns", con)) - before
        for some in _chunks(sorted(wanted)):
            for table in OWNED:
                self._add(table, self._read(table, f"WHERE {table.owned} {queries.IN_LIST}", [some]))
        for table in LOOSE:
            self._missing(table)
        return Copied(dict(self._added), moved_on, differing)

    def _sessions(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Sessions that are on both sides and do not stand at the same turn: moved on, and differing."""
        sql = "SELECT id, tip_turn FROM sessions"
        here = dict(self._con.execute(sql).fetchall())
        there = dict(self._source.call(lambda con: con.execute(sql).fetchall()))
        moved, differing = [], []
        for session in sorted(there.keys() & here.keys()):
            if there[session] == here[session]:
                continue
            line = self._source.call(lambda con, tip=there[session]: queries.ancestry(con, tip))  # type: ignore[misc]
            own = queries.ancestry(self._con, here[session])
            if here[session] is None or here[session] in line:
                moved.append(session)
            elif there[session] not in own:
                differing.append(session)
        for session in moved:
            (row,) = self._source.call(
                lambda con, each=session: queries.select(con, SessionRow, "WHERE id = ?", [each])  # type: ignore[misc]
            )
            for column in ("tip_turn", "last_paid_at", "brief"):
                queries.set_session(self._con, session, column, getattr(row, column))
        return tuple(moved), tuple(differing)

    def _missing(self, table: CopiedTable) -> None:
        """Adds the rows whose key is not there."""
        keys = ", ".join(table.key)
        known = set(self._con.execute(f"SELECT {keys} FROM {table.name}").fetchall())
        places = [table.columns.index(name) for name in table.key]
        for rows in self._parts(table):
            self._add(table, [row for row in rows if tuple(row[place] for place in places) not in known])

    def _parts(self, table: CopiedTable) -> Iterator[list[Any]]:
        """The rows of a table; pages campaign by campaign, because their bytes weigh."""
        if table.name != "pages":
            yield self._read(table, "", [])
            return
        scopes = self._source.call(lambda con: con.execute("SELECT DISTINCT owner, campaign FROM pages").fetchall())
        for owner, campaign in sorted(scopes):
            yield self._read(table, "WHERE owner = ? AND campaign = ?", [owner, campaign])

    def _read(self, table: CopiedTable, rest: str, values: Sequence[Any]) -> list[Any]:
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} {rest}"
        return self._source.call(lambda con: con.execute(sql, values).fetchall())

    def _add(self, table: CopiedTable, rows: Sequence[Any]) -> None:
        if rows:
            marks = ", ".join("?" for _ in table.columns)
            sql = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"
            self._con.executemany(sql, [list(row) for row in rows])
            self._added[table.name] += len(rows)
            self._on_progress(table.name, self._added[table.name])

    def _ids(self, table: str, con: Con) -> set[str]:
        return {found for (found,) in con.execute(f"SELECT id FROM {table}").fetchall()}


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), CHUNK):
        yield list(ids[start : start + CHUNK])
