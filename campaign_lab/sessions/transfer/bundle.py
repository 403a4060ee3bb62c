"""Bundles: rows of a lab on their way to another one. A saved session is one bundle, a copied lab many, one after another."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import PurePath

from campaign_lab.sessions.history import ratings
from campaign_lab.sessions.upkeep import access
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST, Row
from campaign_lab.store.rows import (
    TABLES,
    AttemptRow,
    AuditRow,
    CacheRow,
    EntryRow,
    JudgementRow,
    PageRow,
    RecordRow,
    RequestRow,
    SessionRow,
    ShareRow,
    TranscriptRow,
    TurnRow,
)

IDENTITY: dict[type, tuple[str, ...]] = {
    SessionRow: ("id",),
    TurnRow: ("id",),
    AttemptRow: ("id",),
    TranscriptRow: ("session_id",),
    EntryRow: ("session_id",),
    RequestRow: ("attempt_id",),
    CacheRow: ("attempt_id",),
    RecordRow: ("turn_id",),
    JudgementRow: ("turn_id", "kind", "n", "user_name"),
    ShareRow: ("session_id", "user_name"),
    AuditRow: ("session_id", "user_name", "verb", "happened_at"),
    PageRow: ("owner", "campaign", "requested_url", "fetched_at"),
}
"""Columns by which a row is known to be in a lab already. What an attempt wrote into a table comes whole or not at all."""


@dataclass(frozen=True)
class Bundle:
    """Rows by table, in the order in which they are added. In the bundle of one session that session is the first.

    On a server nobody adds to a turn that is there, or stands on one that is not: turns come after what belongs to them,
    the root first.
    """

    sessions: tuple[SessionRow, ...] = ()
    attempts: tuple[AttemptRow, ...] = ()
    requests: tuple[RequestRow, ...] = ()
    records: tuple[RecordRow, ...] = ()
    judgements: tuple[JudgementRow, ...] = ()
    cache: tuple[CacheRow, ...] = ()
    transcripts: tuple[TranscriptRow, ...] = ()
    entries: tuple[EntryRow, ...] = ()
    turns: tuple[TurnRow, ...] = ()
    pages: tuple[PageRow, ...] = ()
    shares: tuple[ShareRow, ...] = ()
    audit: tuple[AuditRow, ...] = ()


def session_bundle(con: Con, session: SessionRow, user: str | None = None) -> Bundle:
    """Everything on the session's line, and the pages that its campaign has read.

    ``user``: whom it is collected for; judgements that the user may not know are left out. None: nothing is left out.
    """
    line = queries.line_of(con, session.tip_turn)
    ids = [turn.id for turn in line]
    judgements = (
        queries.select(con, JudgementRow, f"WHERE turn_id {IN_LIST} ORDER BY turn_id, n, user_name", [ids])
        if user is None
        else ratings.known_to(con, ids, user)
    )
    return replace(
        attempts_bundle(con, ids),
        sessions=(session, *_came_through(con, session, line)),
        turns=tuple(line),
        judgements=tuple(judgements),
        pages=tuple(stored_pages(con, access.page_owners(con, session), session.campaign)),
    )


def attempts_bundle(con: Con, ids: Sequence[str]) -> Bundle:
    """The attempts of these ids with all that they wrote, and the turns that they came to."""

    def found(table: type[Row], column: str, order: str = "") -> tuple[Row, ...]:
        return tuple(queries.select(con, table, f"WHERE {column} {IN_LIST} {order}", [list(ids)]))

    return Bundle(
        attempts=found(AttemptRow, "id"),
        requests=found(RequestRow, "attempt_id"),
        records=found(RecordRow, "turn_id", "ORDER BY turn_id, n"),
        cache=found(CacheRow, "attempt_id"),
        transcripts=found(TranscriptRow, "session_id", "ORDER BY session_id, subpath"),
        entries=found(EntryRow, "session_id", "ORDER BY session_id, subpath, seq"),
        turns=found(TurnRow, "id"),
    )


def stored_pages(con: Con, owners: Sequence[str], campaign: str) -> list[PageRow]:
    """All pages of the owners' campaign with their bytes, oldest first."""
    rest = f"WHERE owner {IN_LIST} AND campaign = ? ORDER BY fetched_at"
    return queries.select(con, PageRow, rest, [list(owners), campaign])


def add_bundle(con: Con, bundle: Bundle) -> dict[str, int]:
    """Adds the rows that are not there yet, and says how many by table. What is there stays as it is."""
    added = {}
    for field in fields(bundle):
        if rows := _missing(con, getattr(bundle, field.name)):
            queries.insert(con, rows)
            added[TABLES[type(rows[0])]] = len(rows)
    return added


def stands_on(line: Collection[str], tip: str | None) -> bool:
    """Is the tip one of the line's turns, or the root? Then a session at the end of the line has only gone on from it."""
    return tip is None or tip in line


def portable(bundle: Bundle) -> Bundle:
    """The bundle of a session without what holds on this machine only: folders of sites and notebooks, turns of other lines."""
    line = [turn.id for turn in bundle.turns]
    last = {turn.session_id: turn.id for turn in bundle.turns}  # the line is root first

    def session(row: SessionRow) -> SessionRow:
        start = row.start_turn if row.start_turn in line else None
        return replace(
            row, start_turn=start, tip_turn=last.get(row.id, start), brief=_without_folders(row.brief),
            notebook=_file_name(row.notebook),
        )  # fmt: skip

    first, *others = bundle.sessions
    tip = line[-1] if line else None
    start = first.start_turn if first.start_turn in line else tip
    stands = replace(session(first), start_turn=start if first.start_turn else None, tip_turn=tip)
    return replace(
        bundle,
        sessions=(stands, *map(session, others)),
        turns=tuple(
            replace(turn, brief=_without_folders(turn.brief), notebook=_file_name(turn.notebook))
            for turn in bundle.turns
        ),
    )


def owned(bundle: Bundle, owner: str, ids: Mapping[str, str]) -> Bundle:
    """The bundle as another user's: turns, attempts and pages; ``ids`` are the sessions' new ids by their old ones."""
    homes = {turn.id: ids[turn.session_id] for turn in bundle.turns}
    return replace(
        bundle,
        turns=tuple(replace(turn, session_id=homes[turn.id]) for turn in bundle.turns),
        attempts=tuple(replace(each, session_id=ids.get(each.session_id, homes[each.id])) for each in bundle.attempts),
        pages=tuple(replace(page, owner=owner) for page in bundle.pages),
    )


def _missing(con: Con, rows: Sequence[Row]) -> list[Row]:
    """The rows of one table that are not there yet."""
    if not rows:
        return []
    names = IDENTITY[type(rows[0])]
    keys = [tuple(getattr(row, name) for name in names) for row in rows]
    table = TABLES[type(rows[0])]
    sql = f"SELECT DISTINCT {', '.join(names)} FROM {table} WHERE {names[0]} {IN_LIST}"
    here = set(con.execute(sql, [list({key[0] for key in keys})]).fetchall())
    return [row for row, key in zip(rows, keys, strict=True) if key not in here]


def _came_through(con: Con, session: SessionRow, line: Sequence[TurnRow]) -> list[SessionRow]:
    """The sessions that the line's turns were made in, and those that they were forked from or renew."""
    every = {row.id: row for row in queries.select(con, SessionRow)}
    waiting = [session.parent_session, session.renews, *(turn.session_id for turn in line)]
    found: dict[str, SessionRow] = {}
    while waiting:
        row = every.get(waiting.pop(0) or "")
        if row is not None and row.id != session.id and row.id not in found:
            found[row.id] = row
            waiting += [row.parent_session, row.renews]
    return sorted(found.values(), key=lambda row: (row.made_at, row.id))


def _without_folders(brief: str) -> str:
    """The JSON of a brief without the local folders that stand for its sites; their pages are in the bundle."""
    found = json.loads(brief)
    return json.dumps({**found, "sources": []}, sort_keys=True) if "sources" in found else brief


def _file_name(notebook: str | None) -> str | None:
    return PurePath(notebook).name if notebook else notebook
