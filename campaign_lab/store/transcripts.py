"""The SDK's SessionStore, kept in the lab: what the CLI writes, and what a turn resumes from.

Importing this module imports the SDK (one or two seconds), so only code that runs a turn or reads a transcript imports it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from claude_agent_sdk import SessionKey, SessionStore, SessionStoreEntry, fold_session_summary
from claude_agent_sdk.types import SessionListSubkeysKey, SessionStoreListEntry, SessionSummaryEntry

from campaign_lab.errors import NotFoundError
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.queries import IN_LIST

PROJECT = "campaign_lab"
"""The project_key of all turns. The SDK derives one from the working folder, and ours changes with every turn."""

NOT_CARRIED = frozenset({"cost-state", "last-prompt", "queue-operation", "custom-title"})
"""Entries of an ancestor that a turn does not inherit: costs and prompts that are not its own (measured)."""

Key = tuple[str, str, str]
"""project_key, session_id, subpath; subpath is "" for the main agent."""

_WHERE = "project_key = ? AND session_id = ? AND subpath = ?"


class Transcripts(SessionStore):
    """All transcripts of the lab, by the SDK's own keys."""

    def __init__(self, engine: Store) -> None:
        self._engine = engine

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Stores a batch and returns when it is committed. An entry whose uuid is stored already is skipped."""
        if entries:
            batch = _Batch.of(_key(key), entries)  # serialised here, to keep the worker and the gate short
            await self._engine.run(lambda con: _append(con, batch), scope="\n".join(batch.key))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """All entries of one transcript in the order in which they were stored; None for one that was never written."""
        rows = await self._engine.run(lambda con: _entries(con, _key(key)))
        return [json.loads(row) for row in rows] or None

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The main transcripts of a project, with the time of the last append in milliseconds."""
        rows = await self._engine.run(lambda con: _sessions(con, project_key))
        return [{"session_id": session, "mtime": mtime} for session, mtime, _ in rows]

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """The main transcripts of a project, each with the SDK's summary and the time of its last append in milliseconds."""
        rows = await self._engine.run(lambda con: _sessions(con, project_key))
        return [
            {"session_id": session, "mtime": mtime, "data": json.loads(summary or "{}")}
            for session, mtime, summary in rows
        ]

    async def delete(self, key: SessionKey) -> None:
        """Deletes one transcript; a main one together with those of its agents."""
        await self._engine.run(lambda con: _delete(con, _key(key)))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The subpaths of a session's agents."""
        project, session, _ = _key(key)
        return await self._engine.run(lambda con: _subpaths(con, project, session))


class TurnTranscripts(Transcripts):
    """The store of one attempt: it writes the attempt's own transcripts, and resumes from those of its ancestors.

    ``ancestors`` are the finished turns before it, root first. ``on_append(subpath, entries)`` is called after each
    commit, or when it failed: what was sent is to be booked all the same. The SDK repeats a batch when in doubt, so it may
    see an entry twice. ``clean`` takes out of an entry's JSON what must not be stored. Any other session raises
    NotFoundError: were it answered with None, the CLI would silently go on from a stale file of its own.
    """

    def __init__(
        self,
        engine: Store,
        attempt_id: str,
        ancestors: Sequence[str],
        on_append: Callable[[str, list[dict[str, Any]]], None] | None = None,
        *,
        clean: Callable[[str], str] = str,
    ) -> None:
        super().__init__(engine)
        self._attempt = attempt_id
        self._ancestors = tuple(ancestors)
        self._on_append = on_append
        self._clean = clean
        self._given_up = False
        self.not_loaded: Exception | None = None
        """Why the conversation before the attempt could not be loaded; the SDK wraps it in an error of its own."""

    def give_up(self) -> None:
        """Stores nothing from here on. The SDK retries each batch for a second, and ends its process only after the last one."""
        self._given_up = True

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Stores a batch of this attempt, then calls ``on_append``."""
        own = self._own(key)
        cleaned = [_cleaned(entry, self._clean) for entry in entries]
        try:
            if not self._given_up:
                await super().append(own, cleaned)
        finally:
            if cleaned and self._on_append is not None:
                self._on_append(own.get("subpath", ""), cast("list[dict[str, Any]]", cleaned))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """The conversation that the attempt stands on, as if it had been its own, and what it added itself.

        None for an attempt that begins a conversation and has written nothing yet (the SDK does not ask then).
        """
        own = self._own(key)
        if own.get("subpath"):
            return await super().load(own)
        line = [*self._ancestors, self._attempt]
        try:
            rows = await self._engine.run(lambda con: _line(con, line))
            self._require_ancestors({session for session, _, _ in rows})
        except Exception as error:
            self.not_loaded = error
            raise
        return [
            _carried(json.loads(entry), self._attempt)
            for session, kind, entry in rows
            if session == self._attempt or kind not in NOT_CARRIED
        ] or None

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """The main transcripts of all turns, whatever folder the SDK asks for."""
        return await super().list_sessions(PROJECT)

    async def list_session_summaries(self, project_key: str) -> list[SessionSummaryEntry]:
        """The main transcripts of all turns with their summaries."""
        return await super().list_session_summaries(PROJECT)

    async def delete(self, key: SessionKey) -> None:
        """Deletes what this attempt wrote."""
        await super().delete(self._own(key))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """The subpaths of this attempt's agents; those of its ancestors have ended."""
        own = self._own(cast("SessionKey", key))
        return await super().list_subkeys({"project_key": PROJECT, "session_id": own["session_id"]})

    def _own(self, key: SessionKey) -> SessionKey:
        if key["session_id"] != self._attempt:
            raise NotFoundError("conversation", key["session_id"], (self._attempt,))
        return {**key, "project_key": PROJECT}

    def _require_ancestors(self, found: set[str]) -> None:
        for turn in self._ancestors:
            if turn not in found:
                raise NotFoundError("stored conversation of the turn", turn)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Entries ready to be stored, in four lists of equal length: entry, uuid, type and JSON. No uuid stands twice."""

    key: Key
    entries: list[SessionStoreEntry]
    uuids: list[str | None]
    kinds: list[str | None]
    texts: list[str]

    @classmethod
    def of(cls, key: Key, entries: Sequence[SessionStoreEntry]) -> _Batch:
        uuids = [_storable(entry.get("uuid")) for entry in entries]
        kinds = [_storable(entry.get("type")) for entry in entries]
        first = {uuid: n for n, uuid in reversed(list(enumerate(uuids)))}
        whole = cls(key, list(entries), uuids, kinds, [dumps(entry) for entry in entries])
        return whole._at(n for n, uuid in enumerate(uuids) if uuid is None or first[uuid] == n)

    def without(self, known: set[str]) -> _Batch:
        """The batch without the entries whose uuid is stored already."""
        return self._at(n for n, uuid in enumerate(self.uuids) if uuid is None or uuid not in known)

    def _at(self, places: Iterable[int]) -> _Batch:
        chosen = list(places)
        return _Batch(
            self.key,
            [self.entries[n] for n in chosen],
            [self.uuids[n] for n in chosen],
            [self.kinds[n] for n in chosen],
            [self.texts[n] for n in chosen],
        )


def dumps(value: object) -> str:
    """JSON text that any database takes: readable, but with lone surrogates (half an emoji) kept as escapes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if _storable(text) is not None else json.dumps(value, separators=(",", ":"))


def _cleaned(entry: SessionStoreEntry, clean: Callable[[str], str]) -> SessionStoreEntry:
    text = dumps(entry)
    cleaned = clean(text)
    return entry if cleaned == text else cast("SessionStoreEntry", json.loads(cleaned))


def _storable(value: object) -> str | None:
    """The value if it is a string that a text column takes as it is, else None."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _key(key: SessionKey | SessionListSubkeysKey) -> Key:
    return key["project_key"], key["session_id"], str(key.get("subpath") or "")


def _carried(entry: SessionStoreEntry, attempt: str) -> SessionStoreEntry:
    return cast("SessionStoreEntry", {**entry, "sessionId": attempt}) if "sessionId" in entry else entry


# -- functions of a connection: each runs in one transaction, under the gate


def _append(con: Con, batch: _Batch) -> None:
    row = con.execute(f"SELECT n, mtime, summary FROM transcripts WHERE {_WHERE}", batch.key).fetchone()
    n, mtime, summary = row or (0, 0, None)
    new = batch.without(_known(con, batch)) if n else batch
    if not new.texts:
        return
    con.execute(
        "INSERT INTO entries SELECT ?, ?, ?, unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
        " unnest(?::VARCHAR[]), now()",
        [*new.key, list(range(n, n + len(new.texts))), new.uuids, new.kinds, new.texts],
    )
    values = [n + len(new.texts), max(time.time_ns() // 1_000_000, mtime + 1), _fold(new, mtime, summary)]
    if row is None:
        con.execute("INSERT INTO transcripts VALUES (?, ?, ?, ?, ?, ?)", [*new.key, *values])
    else:
        con.execute(f"UPDATE transcripts SET n = ?, mtime = ?, summary = ? WHERE {_WHERE}", [*values, *new.key])


def _known(con: Con, batch: _Batch) -> set[str]:
    uuids = [uuid for uuid in batch.uuids if uuid is not None]
    if not uuids:
        return set()
    found = con.execute(f"SELECT uuid FROM entries WHERE {_WHERE} AND uuid {IN_LIST}", [*batch.key, uuids])
    return {uuid for (uuid,) in found.fetchall()}


def _fold(new: _Batch, mtime: int, summary: str | None) -> str | None:
    project, session, subpath = new.key
    if subpath:
        return None
    before: SessionSummaryEntry | None = None
    if summary is not None:
        before = {"session_id": session, "mtime": mtime, "data": json.loads(summary)}
    folded = fold_session_summary(before, {"project_key": project, "session_id": session}, new.entries)
    return dumps(folded["data"])


def _entries(con: Con, key: Key) -> list[str]:
    rows = con.execute(f"SELECT entry FROM entries WHERE {_WHERE} ORDER BY seq", key).fetchall()
    return [entry for (entry,) in rows]


def _line(con: Con, line: list[str]) -> list[tuple[str, str | None, str]]:
    """session, type and JSON of the main entries of several sessions, in the order of ``line``."""
    return con.execute(
        "SELECT e.session_id, e.kind, e.entry FROM entries AS e"
        " JOIN (SELECT unnest(?::VARCHAR[]) AS session_id, unnest(?::INTEGER[]) AS place) AS l"
        " ON e.session_id = l.session_id WHERE e.project_key = ? AND e.subpath = '' ORDER BY l.place, e.seq",
        [line, list(range(len(line))), PROJECT],
    ).fetchall()


def _sessions(con: Con, project: str) -> list[tuple[str, int, str | None]]:
    return con.execute(
        "SELECT session_id, mtime, summary FROM transcripts WHERE project_key = ? AND subpath = ''", [project]
    ).fetchall()


def _subpaths(con: Con, project: str, session: str) -> list[str]:
    rows = con.execute(
        "SELECT subpath FROM transcripts WHERE project_key = ? AND session_id = ? AND subpath <> '' ORDER BY subpath",
        [project, session],
    ).fetchall()
    return [subpath for (subpath,) in rows]


def _delete(con: Con, key: Key) -> None:
    where, values = (_WHERE, key) if key[2] else ("project_key = ? AND session_id = ?", key[:2])
    con.execute(f"DELETE FROM entries WHERE {where}", values)
    con.execute(f"DELETE FROM transcripts WHERE {where}", values)
