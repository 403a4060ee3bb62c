"""Taking a session along: one file that another lab, machine, folder and user takes in, replays and goes on with.

The file is a lab file with one line of turns in it. No table holds a key or a token, and folders of this machine are left
out; the pages that were read go along.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from campaign_lab.errors import UNAVAILABLE, LabError, StoreError
from campaign_lab.sessions.history import ratings
from campaign_lab.sessions.transfer.bundle import Bundle, add_bundle, owned, portable, session_bundle, stands_on
from campaign_lab.sessions.upkeep.verify import circles, false_pages, verify
from campaign_lab.store import queries, schema
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import SessionRow, TurnRow

MARK = "saved"
"""The key in a session's metadata that says: this is the session that the file was saved for."""
SAME_TURN = (
    "parent_turn",
    "key",
    "take",
    "phase",
    "message",
    "fingerprint",
    "endpoint",
    "model",
    "leaf_uuid",
    "answer",
)
"""What makes a turn of one id the same turn in two files."""
SAME_SESSION = ("campaign", "url", "endpoint", "model", "start_turn")
NAMESPACE = uuid.UUID("8f0e2d5c-6a51-4b6e-9a07-5d1c3c6b7e42")
"""Ids that are made for taken-in sessions are derived from it, so that taking a file in twice makes the same ones."""


@dataclass(frozen=True)
class SaveReport:
    """What was written. ``size`` is the file's, in bytes."""

    path: str
    session: str
    turns: int
    records: int
    pages: int
    entries: int
    size: int

    def __str__(self) -> str:
        return (
            f"Saved {self.session!r} in {self.path}: {self.turns} turns, {self.records} records, {self.pages} pages, "
            f"{self.entries} transcript entries, {self.size / 1e6:.1f} MB."
        )


def save(engine: Store, session: SessionRow, path: str | os.PathLike[str], *, user: str | None = None) -> SaveReport:
    """Writes a new file with everything on the session's line, up to its tip. Raises StoreError; never overwrites a file.

    ``user``: who saves it; judgements that the user may not know are left out.
    """
    target = os.path.abspath(os.fspath(path))
    if os.path.lexists(target):
        raise _there(target)
    bundle = portable(engine.call(lambda con: session_bundle(con, session, user)))
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".saving-") as folder:
            draft = os.path.join(folder, "session.duckdb")
            _write(draft, bundle)
            _publish(draft, target)
    except OSError as error:
        advice = "Choose a folder that you may write to and that has room. Nothing was written."
        raise StoreError(target, f"could not be written: {error.strerror or error}", advice) from error
    except StoreError as error:
        raise StoreError(target, error.reason, error.advice, error.code) from error
    return SaveReport(
        path=target,
        session=session.name,
        turns=len(bundle.turns),
        records=len(bundle.records),
        pages=sum(page.error is None for page in bundle.pages),
        entries=len(bundle.entries),
        size=os.path.getsize(target),
    )


def load(engine: Store, path: str | os.PathLike[str], *, owner: str) -> SessionRow:
    """Takes in a file that ``save`` wrote, for that owner, and returns the session to stand on.

    Turns keep their ids, and those that are here already are not stored again, so taking a file in twice changes nothing, and
    a newer file of the same session moves it on. The life of the sessions begins with this. Raises StoreError for any
    other or damaged file; then nothing is written.
    """
    source = os.path.abspath(os.fspath(path))
    bundle = _read(source)
    hidden = engine.role is not None  # sessions of others may be there under ids that seem to be free
    return engine.call(lambda con: _take_in(con, bundle, owner, path=source, hidden=hidden))


# -- writing


def _write(path: str, bundle: Bundle) -> None:
    first, *others = bundle.sessions
    mark = {"at": datetime.now(UTC).isoformat(), "by": first.owner}
    marked = replace(first, metadata=json.dumps({**json.loads(first.metadata), MARK: mark}))
    with contextlib.closing(open_file(path)) as file:
        file.call(lambda con: add_bundle(con, replace(bundle, sessions=(marked, *others))))


def _publish(draft: str, target: str) -> None:
    """Gives the draft its name, unless somebody has made a file of that name meanwhile."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise _there(target) from None
    except OSError:  # a file system without links
        if os.path.lexists(target):
            raise _there(target) from None
        os.rename(draft, target)


def _there(path: str) -> StoreError:
    return StoreError(path, "is there already", "Choose another name, or remove it first. It was left as it is.")


# -- reading


def _read(path: str) -> Bundle:
    """The bundle in a saved file. It is read from a copy: an older file is brought up to date there, and ours stays as it is."""
    if not os.path.isfile(path):
        raise _unfit(path, "is not a file")
    if os.path.exists(path + ".wal"):
        advice = "Close it in the program that works in it, and try again. Nothing was taken in."
        raise StoreError(path, "is in use, or was left in the middle of a change", advice, UNAVAILABLE)
    with tempfile.TemporaryDirectory(prefix="campaign-lab-load-") as folder:
        copy = os.path.join(folder, "session.duckdb")
        try:
            shutil.copyfile(path, copy)
            shape = _shape(folder)
            with contextlib.closing(open_file(copy)) as file:
                return file.call(lambda con: _checked(con, path, shape))
        except StoreError as error:
            raise StoreError(path, error.reason, error.advice, error.code) from error
        except OSError as error:
            raise _unfit(path, f"cannot be read: {error.strerror or error}") from error
        except LabError:
            raise
        except Exception as error:  # whatever the database or a parser says of a file that only looks like one of ours
            raise _unfit(path, f"cannot be read: {error}") from error


def _shape(folder: str) -> set[tuple[str, str, str, str]]:
    """The tables of a new lab file."""
    with contextlib.closing(open_file(os.path.join(folder, "new.duckdb"))) as file:
        return file.call(schema.shape)


def _checked(con: Con, path: str, shape: set[tuple[str, str, str, str]]) -> Bundle:
    if schema.shape(con) != shape:
        raise _unfit(path, "has other tables than a lab file")
    marked = [row for row in queries.select(con, SessionRow) if MARK in json.loads(row.metadata)]
    if len(marked) != 1:
        raise _unfit(path, "is a lab file, but not a saved session")
    faults = [problem for problem in verify(con, marked[0]) if not problem.info]
    for row in queries.select(con, SessionRow, "WHERE id <> ?", [marked[0].id]):
        faults += circles(con, row)
    if faults:
        raise _unfit(path, f"is damaged: {faults[0].what}")
    for page in false_pages(con):
        raise _unfit(path, f"is damaged: the bytes of the page {page.url[:200]!r} are not those that were read")
    unmarked = {name: value for name, value in json.loads(marked[0].metadata).items() if name != MARK}
    return portable(session_bundle(con, replace(marked[0], metadata=json.dumps(unmarked))))


def _unfit(path: str, reason: str) -> StoreError:
    return StoreError(path, reason, "Give a file that session.save(…) has written. Nothing was taken in.")


# -- taking in


def _take_in(con: Con, bundle: Bundle, owner: str, *, path: str, hidden: bool) -> SessionRow:
    """Sessions first, without a line: on a server nobody writes turns into one that is not there, or stands on what is not."""
    _refuse_other_turns(con, bundle, path)
    line = [turn.id for turn in bundle.turns]
    ids = {row.id: _id_here(con, row, owner, line=line, hidden=hidden) for row in bundle.sessions}
    new = [row for row in bundle.sessions if _add_session(con, row, owner, ids[row.id])]
    fresh = set(line) - queries.ids_in(con, "records", "turn_id", line)
    judgements = ratings.make_room(con, bundle.judgements, fresh=fresh, owner=owner)
    add_bundle(con, replace(owned(bundle, owner, ids), sessions=(), judgements=tuple(judgements)))
    for row in bundle.sessions:
        _settle(con, row, ids, new=row in new)
    (session,) = queries.select(con, SessionRow, "WHERE id = ?", [ids[bundle.sessions[0].id]])
    return session


def _refuse_other_turns(con: Con, bundle: Bundle, path: str) -> None:
    """Nobody gets at a turn of this lab by a file that only bears its id."""
    for turn in bundle.turns:
        for here in queries.select(con, TurnRow, "WHERE id = ?", [turn.id]):
            if any(getattr(here, name) != getattr(turn, name) for name in SAME_TURN):
                raise _unfit(path, f"has a turn {turn.id} that differs from the one of that id in this lab")


def _id_here(con: Con, row: SessionRow, owner: str, *, line: list[str], hidden: bool) -> str:
    """The id that the session has or gets here: its own, else one made from it, else one made from it and its tip.

    Where sessions of others are ``hidden``, that of somebody else's session may be taken.
    """
    own_ids = [row.id, _derived(owner, row.id), _derived(owner, row.id, row.tip_turn or "")]
    for session_id in own_ids[1:] if hidden and row.owner != owner else own_ids:
        here = queries.select(con, SessionRow, "WHERE id = ?", [session_id])
        if not here or _is_same(con, here[0], row, owner, line=line):
            return session_id
    return str(uuid.uuid4())  # all three have gone other ways since


def _derived(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\x00".join(parts)))


def _is_same(con: Con, here: SessionRow, row: SessionRow, owner: str, *, line: list[str]) -> bool:
    """Is it the owner's same session, which one of the two only knows further along?"""
    if here.owner != owner or here.swept_at != row.swept_at:
        return False
    if any(getattr(here, name) != getattr(row, name) for name in SAME_SESSION):
        return False
    return _is_ahead(con, here, row) or stands_on(line, here.tip_turn)


def _is_ahead(con: Con, here: SessionRow, row: SessionRow) -> bool:
    """Has the session here gone on from where the file has it?"""
    return stands_on(queries.ancestry(con, here.tip_turn), row.tip_turn)


def _add_session(con: Con, row: SessionRow, owner: str, session_id: str) -> bool:
    """Adds the session under that id and a free name, standing nowhere, unless it is here."""
    if queries.select(con, SessionRow, "WHERE id = ?", [session_id]):
        return False
    rest = "WHERE owner = ? AND campaign = ? AND swept_at IS NULL"
    taken = {each.name for each in queries.select(con, SessionRow, rest, [owner, row.campaign])}
    bare = replace(row, id=session_id, owner=owner, parent_session=None, renews=None, start_turn=None, tip_turn=None)
    queries.insert(con, [queries.renamed(bare, taken)])
    return True


def _settle(con: Con, row: SessionRow, ids: Mapping[str, str], *, new: bool) -> None:
    """Moves the session on to where the file has it, unless it has gone further here. A new one also gets what it came from."""
    (here,) = queries.select(con, SessionRow, "WHERE id = ?", [ids[row.id]])
    if new:
        above = [ids.get(row.parent_session or ""), ids.get(row.renews or ""), row.start_turn]
        sql = "UPDATE sessions SET parent_session = ?, renews = ?, start_turn = ? WHERE id = ?"
        con.execute(sql, [*above, here.id])
    if new or not _is_ahead(con, here, row):
        sql = "UPDATE sessions SET tip_turn = ?, last_paid_at = ? WHERE id = ?"
        con.execute(sql, [row.tip_turn, datetime.now(UTC), here.id])
