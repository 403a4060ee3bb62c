"""The sweep: what no living session stands on goes, and the ledger stays.

A session lives until its expiry and the grace after it have passed (``expiry``), as long as it is pinned, and while a
turn of it runs. Every turn on the line of a living session stays, whoever made it: a fork of an expired session is not
cut off from its research. Space in the file is given back by ``Store.compact``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.show.text import pluralize
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import AttemptRow, SessionRow

Scope = tuple[str, str]
"""Owner and campaign: pages belong to them."""

EMPTY = "{}"
"""Brief and metadata of a swept session."""


_SCOPE = "owner IS NOT DISTINCT FROM ? AND campaign IS NOT DISTINCT FROM ?"


@dataclass(frozen=True)
class SweepReport:
    """What a sweep took, or would take (``dry_run``). ``text_bytes``: the transcripts and pages among it, in bytes."""

    sessions: int
    turns: int
    entries: int
    pages: int
    text_bytes: int
    dry_run: bool = False

    def __str__(self) -> str:
        counts = {"session": self.sessions, "turn": self.turns, "transcript entry": self.entries, "page": self.pages}
        words = ", ".join(pluralize(count, noun) for noun, count in counts.items())
        return f"{'Would take' if self.dry_run else 'Took'} {words}: {self.text_bytes / 1e6:.1f} MB of text."


@dataclass(frozen=True)
class _SweepPlan:
    """``sessions`` have expired or were deleted, only swept sessions stand on ``turns``, ``failed`` attempts have no turn."""

    sessions: tuple[str, ...]
    turns: tuple[str, ...]
    failed: tuple[str, ...]
    pages: tuple[Scope, ...]


def sweep(con: Con, *, now: datetime, grace_s: float, keep_records: bool, dry_run: bool) -> SweepReport:
    """Takes the sessions that expired more than ``grace_s`` seconds before ``now`` or were deleted, and what only they stand on.

    The row of a swept session stays (``swept_at``, with brief and metadata emptied), and so do attempts and requests: costs
    must add up. ``keep_records`` takes transcripts and cached prefixes only: such turns replay, but no new turn can
    stand on them. ``dry_run`` only counts. Transcripts of failed attempts go once they are older than the grace.

    It is one transaction, so of two sweepers at once the second finds nothing left to do.
    """
    plan = _planned(con, now - timedelta(seconds=grace_s))
    report = _counted(con, plan, keep_records=keep_records, dry_run=dry_run)
    if not dry_run:
        _take_transcripts(con, (*plan.turns, *plan.failed))
        if not keep_records:
            _take_turns(con, plan.turns)
            _take_sessions(con, plan.sessions, now)
            for scope in plan.pages:
                con.execute(f"DELETE FROM pages WHERE {_SCOPE}", scope)
    return report


def _planned(con: Con, limit: datetime) -> _SweepPlan:
    sessions = queries.select(con, SessionRow)
    running = queries.select(con, AttemptRow, "WHERE state = 'running'")
    busy = {attempt.session_id for attempt in running}
    due = {row.id for row in sessions if row.id not in busy and _due(row, limit)}
    swept = {row.id for row in sessions if row.swept_at is not None}
    living = [row for row in sessions if row.id not in due | swept]
    turns = con.execute("SELECT id, parent_turn, session_id FROM turns").fetchall()
    stands_on = {turn: parent for turn, parent, _ in turns}
    tips = [turn for row in living for turn in (row.tip_turn, row.start_turn)]
    kept = _ancestors(stands_on, [*tips, *(attempt.parent_turn for attempt in running)])
    free = tuple(turn for turn, _, session in turns if session in due | swept and turn not in kept)
    staying = {session for turn, _, session in turns if turn not in free} | {row.id for row in living}
    scopes = con.execute("SELECT DISTINCT owner, campaign FROM pages").fetchall()
    return _SweepPlan(
        sessions=tuple(row.id for row in sessions if row.id in due or (row.id in swept and row.brief != EMPTY)),
        turns=free,
        failed=_failed(con, limit),
        pages=tuple(scope for scope in scopes if scope not in _read_by(sessions, staying)),
    )


def _read_by(sessions: Iterable[SessionRow], staying: Collection[str]) -> set[Scope]:
    """Whose pages the staying sessions read: their owner's, and those of the sessions that they were forked from."""
    rows = {row.id: row for row in sessions}
    found: dict[str, Scope] = {}
    for start in staying:
        row = rows.get(start)
        while row is not None and row.id not in found:
            found[row.id] = (row.owner, row.campaign)
            row = rows.get(row.parent_session or "")
    return set(found.values())


def _due(row: SessionRow, limit: datetime) -> bool:
    end = expires_at(row)
    return row.swept_at is None and end is not None and end < limit


def _ancestors(stands_on: Mapping[str, str | None], turns: Iterable[str | None]) -> set[str]:
    """The turns and all that they stand on."""
    found: set[str] = set()
    for start in turns:
        turn = start
        while turn is not None and turn not in found:
            found.add(turn)
            turn = stands_on.get(turn)
    return found


def _failed(con: Con, limit: datetime) -> tuple[str, ...]:
    """Failed attempts of before the limit. Those that run are never among them."""
    found = con.execute(
        "SELECT id FROM attempts WHERE state = 'failed' AND coalesce(ended_at, started_at) < ?"
        " AND id NOT IN (SELECT id FROM turns)",
        [limit],
    )
    return tuple(attempt for (attempt,) in found.fetchall())


def _counted(con: Con, plan: _SweepPlan, *, keep_records: bool, dry_run: bool) -> SweepReport:
    attempts = [*plan.turns, *plan.failed]
    entries, size = _one(
        con,
        f"SELECT count(*), coalesce(sum(bit_length(entry)), 0) / 8 FROM entries WHERE session_id {IN_LIST}",
        [attempts],
    )
    if keep_records:
        (losing,) = _one(
            con,
            "SELECT count(DISTINCT t.session_id) FROM turns AS t"
            f" JOIN transcripts AS s ON s.session_id = t.id WHERE t.id {IN_LIST}",
            [list(plan.turns)],
        )
        return SweepReport(losing, 0, entries, 0, int(size), dry_run)
    sizes = [
        _one(
            con,
            "SELECT count(*), coalesce(sum(coalesce(octet_length(body), 0) + coalesce(bit_length(page), 0) / 8), 0)"
            f" FROM pages WHERE {_SCOPE}",
            scope,
        )
        for scope in plan.pages
    ]
    pages = sum(count for count, _ in sizes)
    size += sum(weight for _, weight in sizes)
    return SweepReport(len(plan.sessions), len(plan.turns), entries, pages, int(size), dry_run)


def _take_transcripts(con: Con, attempts: Collection[str]) -> None:
    for table, column in (("entries", "session_id"), ("transcripts", "session_id"), ("rehearsal_cache", "attempt_id")):
        con.execute(f"DELETE FROM {table} WHERE {column} {IN_LIST}", [list(attempts)])


def _take_turns(con: Con, turns: Collection[str]) -> None:
    # a turn may have moved to a fork of its own after its attempt began: what it cost stays with that fork
    con.execute(
        "UPDATE attempts SET session_id = t.session_id FROM turns AS t"
        f" WHERE t.id = attempts.id AND t.session_id <> attempts.session_id AND t.id {IN_LIST}",
        [list(turns)],
    )
    for table in ("records", "judgements"):
        con.execute(f"DELETE FROM {table} WHERE turn_id {IN_LIST}", [list(turns)])
    con.execute(f"DELETE FROM turns WHERE id {IN_LIST}", [list(turns)])


def _take_sessions(con: Con, sessions: Collection[str], now: datetime) -> None:
    con.execute(
        f"UPDATE sessions SET swept_at = coalesce(swept_at, ?), brief = ?, metadata = ? WHERE id {IN_LIST}",
        [now, EMPTY, EMPTY, list(sessions)],
    )
    con.execute(f"DELETE FROM shares WHERE session_id {IN_LIST}", [list(sessions)])
    for column in ("start_turn", "tip_turn"):  # nothing points at a turn that is gone
        con.execute(
            f"UPDATE sessions SET {column} = NULL"
            f" WHERE swept_at IS NOT NULL AND {column} IS NOT NULL AND {column} NOT IN (SELECT id FROM turns)"
        )


def _one(con: Con, sql: str, values: Iterable[object]) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = con.execute(sql, list(values)).fetchone()
    assert row is not None
    return row
