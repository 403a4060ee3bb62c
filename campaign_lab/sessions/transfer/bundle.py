"""A bundle: one line of turns with all that belongs to it, as rows that any lab file can take in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from campaign_lab.sessions.history import ratings
from campaign_lab.sessions.upkeep import access
from campaign_lab.store import queries, transfer
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import (
    AttemptRow,
    CacheRow,
    JudgementRow,
    PageRow,
    RecordRow,
    RequestRow,
    SessionRow,
    TurnRow,
)
from campaign_lab.store.transfer import Transcript

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


@dataclass(frozen=True)
class Bundle:
    """``sessions``: the one to stand on first, then those that its line came through. The rest belongs to ``turns``."""

    sessions: tuple[SessionRow, ...]
    turns: tuple[TurnRow, ...]
    attempts: tuple[AttemptRow, ...]
    requests: tuple[RequestRow, ...]
    records: tuple[RecordRow, ...]
    judgements: tuple[JudgementRow, ...]
    cache: tuple[CacheRow, ...]
    transcripts: tuple[Transcript, ...]
    pages: tuple[PageRow, ...]


def collect(con: Con, session: SessionRow, user: str | None = None) -> Bundle:
    """Everything on the session's line, and the pages that its campaign has read.

    ``user``: whoever it is collected for; judgements that the user may not know are left out. None: nothing is.
    """
    line = queries.line_of(con, session.tip_turn)
    ids = [turn.id for turn in line]
    owner = access.root_owner(con, session)
    said = (
        queries.select(con, JudgementRow, f"WHERE turn_id {IN_LIST} ORDER BY turn_id, n, user_name", [ids])
        if user is None
        else ratings.known_to(con, ids, user)
    )
    return Bundle(
        sessions=(session, *_came_through(con, session, line)),
        turns=tuple(line),
        attempts=tuple(queries.select(con, AttemptRow, f"WHERE id {IN_LIST}", [ids])),
        requests=tuple(queries.select(con, RequestRow, f"WHERE attempt_id {IN_LIST}", [ids])),
        records=tuple(queries.select(con, RecordRow, f"WHERE turn_id {IN_LIST} ORDER BY turn_id, n", [ids])),
        judgements=tuple(said),
        cache=tuple(queries.select(con, CacheRow, f"WHERE attempt_id {IN_LIST}", [ids])),
        transcripts=tuple(transfer.transcripts_of(con, ids)),
        pages=tuple(
            queries.select(
                con, PageRow, "WHERE owner = ? AND campaign = ? ORDER BY fetched_at", [owner, session.campaign]
            )
        ),
    )


def portable(bundle: Bundle) -> Bundle:
    """The bundle without what holds on this machine only: folders of sites and of notebooks, and turns of other lines."""
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


def store(con: Con, bundle: Bundle, owner: str = "") -> None:
    """Stores all but the sessions; what is here already is not stored again, but for newer judgements of the owner's."""
    turns = [turn.id for turn in bundle.turns]
    known = {
        name: transfer.present(con, table, column, turns)
        for name, table, column in (
            ("turn", "turns", "id"),
            ("attempt", "attempts", "id"),
            ("record", "records", "turn_id"),
            ("cache", "rehearsal_cache", "attempt_id"),
        )
    }
    queries.insert(con, [row for row in bundle.attempts if row.id not in known["attempt"]])
    queries.insert(con, [row for row in bundle.requests if row.attempt_id not in known["attempt"]])
    queries.insert(con, [row for row in bundle.records if row.turn_id not in known["record"]])
    ratings.take_in(con, bundle.judgements, fresh={turn for turn in turns if turn not in known["record"]}, owner=owner)
    queries.insert(con, [row for row in bundle.cache if row.attempt_id not in known["cache"]])
    transfer.add_transcripts(con, bundle.transcripts)
    # last, and the root first: on a server nobody adds to a turn that is there, or stands on one that is not
    queries.insert(con, [row for row in bundle.turns if row.id not in known["turn"]])
    for page in bundle.pages:
        if not _has_page(con, page):
            queries.insert(con, [page])


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


def _has_page(con: Con, page: PageRow) -> bool:
    same = ("owner", "campaign", "url", "requested_url", "sha256", "error", "fetched_at")
    where = " AND ".join(f"{name} IS NOT DISTINCT FROM ?" for name in same)
    values: list[str | datetime | None] = [getattr(page, name) for name in same]
    return con.execute(f"SELECT 1 FROM pages WHERE {where} LIMIT 1", values).fetchone() is not None


def _without_folders(brief: str) -> str:
    """The JSON of a brief without the local folders that stand for its sites; their pages are in the bundle."""
    fields = json.loads(brief)
    return json.dumps({**fields, "sources": []}, sort_keys=True) if "sources" in fields else brief


def _file_name(notebook: str | None) -> str | None:
    return PurePath(notebook).name if notebook else notebook
