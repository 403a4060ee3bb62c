"""The SDK's SessionStore, kept in the lab: what the CLI writes, and what a turn resumes from.

Importing this module imports the SDK (one or two seconds), so only code that runs a turn or reads a transcript imports it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

from claude_agent_sdk import SessionKey, SessionStore, SessionStoreEntry
from claude_agent_sdk.types import SessionListSubkeysKey
from pydantic_core import from_json

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
    """All transcripts of the lab, by the SDK's own keys. Nobody lists or deletes by this way: turns and sweeps do that."""

    def __init__(self, engine: Store) -> None:
        self._engine = engine

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """Stores a batch and returns when it is committed. An entry whose uuid is stored already is skipped."""
        if entries:
            own, new = _key(key), [_new(entry) for entry in entries]  # serialised here, to keep worker and gate short
            await self._engine.run(lambda con: _append(con, own, new), scope="\n".join(own))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """All entries of one transcript in the order in which they were stored; None for one that was never written."""
        rows = await self._engine.run(lambda con: _entries(con, _key(key)))
        return [_loads(row) for row in rows] or None

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
            self._require_ancestors({row[0] for row in rows})
        except Exception as error:
            self.not_loaded = error
            raise
        return [
            _carried(_loads(entry), self._attempt)
            for session, _, kind, entry in rows
            if session == self._attempt or kind not in NOT_CARRIED
        ] or None

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


class _NewEntry(NamedTuple):
    """An entry ready to be stored: its uuid and type, where they are texts that can be stored, and its JSON."""

    uuid: str | None
    kind: str | None
    text: str


def _new(entry: SessionStoreEntry) -> _NewEntry:
    return _NewEntry(_storable(entry.get("uuid")), _storable(entry.get("type")), dumps(entry))


def dumps(value: object) -> str:
    """JSON text that any database takes: readable, but with lone surrogates (half an emoji) kept as escapes."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return text if _storable(text) is not None else json.dumps(value, separators=(",", ":"))


def _loads(text: str) -> SessionStoreEntry:
    """What ``dumps`` wrote. Only the slower parser takes half an emoji and very deep nesting."""
    entry: SessionStoreEntry
    try:
        entry = from_json(text)
    except ValueError:
        entry = json.loads(text)
    return entry


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
    if "sessionId" in entry:
        entry["sessionId"] = attempt  # type: ignore[typeddict-unknown-key]
    return entry


# -- functions of a connection: each runs in one transaction, under the gate


def _append(con: Con, key: Key, entries: Sequence[_NewEntry]) -> None:
    """Stores the entries whose uuid is not there yet, or is none."""
    row = con.execute(f"SELECT n, mtime FROM transcripts WHERE {_WHERE}", key).fetchone()
    n, mtime = row or (0, 0)
    known = _known(con, key, entries) if n else set()
    new: list[_NewEntry] = []
    for entry in entries:
        if entry.uuid is None or entry.uuid not in known:
            new.append(entry)
            known.add(entry.uuid)
    if not new:
        return
    uuids, kinds, texts = (list(column) for column in zip(*new, strict=True))
    con.execute(
        "INSERT INTO entries SELECT ?, ?, ?, unnest(?::INTEGER[]), unnest(?::VARCHAR[]), unnest(?::VARCHAR[]),"
        " unnest(?::VARCHAR[]), now()",
        [*key, list(range(n, n + len(new))), uuids, kinds, texts],
    )
    values = [n + len(new), max(time.time_ns() // 1_000_000, mtime + 1)]
    if row is None:
        con.execute("INSERT INTO transcripts VALUES (?, ?, ?, ?, ?, NULL)", [*key, *values])
    else:
        con.execute(f"UPDATE transcripts SET n = ?, mtime = ? WHERE {_WHERE}", [*values, *key])


def _known(con: Con, key: Key, entries: Sequence[_NewEntry]) -> set[str | None]:
    """Those of the entries' uuids that are stored already."""
    uuids = [entry.uuid for entry in entries if entry.uuid is not None]
    found = con.execute(f"SELECT uuid FROM entries WHERE {_WHERE} AND uuid {IN_LIST}", [*key, uuids])
    return {uuid for (uuid,) in found.fetchall()}


def _entries(con: Con, key: Key) -> list[str]:
    rows = con.execute(f"SELECT entry FROM entries WHERE {_WHERE} ORDER BY seq", key).fetchall()
    return [entry for (entry,) in rows]


def _line(con: Con, line: list[str]) -> list[tuple[str, int, str | None, str]]:
    """session, place, type and JSON of the main entries of several sessions, in the order of ``line``."""
    rows = con.execute(
        "SELECT session_id, seq, kind, entry FROM entries "  # with a join in the place of IN it takes twice as long
        f"WHERE project_key = ? AND subpath = '' AND session_id {IN_LIST}",
        [PROJECT, line],
    ).fetchall()
    place = {session: n for n, session in enumerate(line)}
    rows.sort(key=lambda row: (place[row[0]], row[1]))  # faster than in the database
    return rows


def _subpaths(con: Con, project: str, session: str) -> list[str]:
    rows = con.execute(
        "SELECT subpath FROM transcripts WHERE project_key = ? AND session_id = ? AND subpath <> '' ORDER BY subpath",
        [project, session],
    ).fetchall()
    return [subpath for (subpath,) in rows]
