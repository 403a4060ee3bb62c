"""Lineage: how a turn came to be, what grew from one root, and what was said on the way.

A conversation is the same from every fork: its entries are stored once, with the turn that made them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaign_lab.errors import NotFoundError
from campaign_lab.sessions.upkeep.access import readable
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow, TurnRow


@dataclass(frozen=True)
class LineageStep:
    """A turn on a line. ``number`` counts from 1 (the root is 0); ``session`` and ``parent_session`` are names.

    Of a session that the user may not read nothing is told: ``session`` and ``purpose`` are empty, ``parent_session`` is None.
    """

    number: int
    phase: str
    turn: str
    session: str
    purpose: str
    parent_session: str | None
    made_at: datetime
    user: str
    notebook: str | None
    cell_id: str | None


@dataclass(frozen=True)
class ConversationMessage:
    """What was said in a turn. ``agent`` is "" for the main agent.

    ``role``: ``user`` is what the agent was told, ``assistant`` what it said, ``call`` a tool it used, ``result`` the answer.
    """

    turn: str
    phase: str
    agent: str
    role: str
    text: str


def lineage(con: Con, turn_id: str | None, user: str) -> list[LineageStep]:
    """The turns from the root to this one, as the user may know them; none for the root (None). Raises NotFoundError."""
    line, seen = _line(con, turn_id), readable(con, user)
    sessions = {row.id: row for row in queries.select(con, SessionRow) if row.id in seen}
    return [_step(number, turn, sessions) for number, turn in enumerate(line, 1)]


def _step(number: int, turn: TurnRow, sessions: Mapping[str, SessionRow]) -> LineageStep:
    session = sessions.get(turn.session_id)
    parent = sessions.get(parent_of(session) or "") if session else None
    return LineageStep(
        number=number,
        phase=turn.phase,
        turn=turn.id,
        session=session.name if session else "",
        purpose=session.purpose if session else "",
        parent_session=parent.name if parent else None,
        made_at=turn.finished_at,
        user=turn.user_name,
        notebook=turn.notebook,
        cell_id=turn.cell_id,
    )


def family_tree(con: Con, session: SessionRow) -> list[SessionRow]:
    """A session's root session and all forks of it, everybody's, swept ones included, each after its parent.

    Siblings stand in the order in which they were made. A session that goes on from an expired one is its child.
    """
    sessions = {row.id: row for row in queries.select(con, SessionRow, "ORDER BY made_at, id")}
    return list(_descended(sessions, _root(sessions, session)))


def parent_of(row: SessionRow) -> str | None:
    """The id of the session that it was forked from, or that it renews; None for a root session."""
    return row.parent_session or row.renews


def _root(sessions: Mapping[str, SessionRow], row: SessionRow) -> SessionRow:
    seen = {row.id}
    while (parent := sessions.get(parent_of(row) or "")) is not None and parent.id not in seen:
        seen.add(parent.id)
        row = parent
    return row


def _descended(sessions: Mapping[str, SessionRow], root: SessionRow) -> Iterator[SessionRow]:
    """The root session and all below it, depth first."""
    children: dict[str | None, list[SessionRow]] = {}
    for row in sessions.values():
        children.setdefault(parent_of(row), []).append(row)
    waiting, seen = [root], set[str]()
    while waiting:
        row = waiting.pop()
        if row.id not in seen:
            seen.add(row.id)
            yield row
            waiting += reversed(children.get(row.id, []))


def conversation(con: Con, turn_id: str | None, agent: str = "") -> list[ConversationMessage]:
    """What was said by and to the main agent, or the agent of that name, from the root to the end of the turn.

    Of a turn whose transcript was swept only the message and the answer are left. Raises NotFoundError for a turn or an agent
    that is not there.
    """
    line = _line(con, turn_id)
    said: list[ConversationMessage] = []
    names: set[str] = set()
    for turn in line:
        threads = _threads(con, turn.id)
        names |= {name for name, _ in threads}
        mine = [entries for name, entries in threads if name == agent]
        said += [
            ConversationMessage(turn.id, turn.phase, agent, role, text)
            for entries in mine
            for role, text in _said(entries)
        ]
        if not threads and not agent:
            kept = (("user", turn.message), ("assistant", turn.answer))
            said += [ConversationMessage(turn.id, turn.phase, agent, role, text) for role, text in kept]
    if agent and agent not in names:
        raise NotFoundError("agent in this conversation", agent, tuple(sorted(names - {""})))
    return said


def _line(con: Con, turn_id: str | None) -> list[TurnRow]:
    line = queries.line_of(con, turn_id)
    if turn_id is not None and not line:
        raise NotFoundError("turn", turn_id)
    return line


def _threads(con: Con, turn_id: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """The conversations of a turn as (agent, entries): the main agent's, then the others in the order they were called."""
    threads: dict[str, list[dict[str, Any]]] = {}
    for subpath, entry in queries.entries_of(con, turn_id):
        threads.setdefault(subpath, []).append(json.loads(entry))
    calls = [block.get("id") for block in _blocks(threads.get("", ())) if block.get("type") == "tool_use"]
    order = {call: place for place, call in enumerate(calls)}
    about = {subpath: _about(entries) for subpath, entries in threads.items()}

    def place(subpath: str) -> tuple[int, int, str]:
        return bool(subpath), order.get(about[subpath][1], len(order)), subpath

    return [(about[subpath][0], threads[subpath]) for subpath in sorted(threads, key=place)]


def _about(entries: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Name of the agent, and the call that started it; both empty for the main agent."""
    notes = [entry for entry in entries if entry.get("type") == "agent_metadata"]
    return (str(notes[0].get("agentType", "")), str(notes[0].get("toolUseId", ""))) if notes else ("", "")


def _blocks(entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The content blocks of messages; text alone counts as one."""
    for entry in entries:
        content = (entry.get("message") or {}).get("content") or ()
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _said(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Role and text of what was said, in order. Notes of the CLI for itself are left out."""
    for entry in entries:
        if entry.get("type") in ("user", "assistant") and not entry.get("isMeta"):
            for block in _blocks([entry]):
                match block.get("type"):
                    case "text":
                        yield str(entry["type"]), str(block.get("text", ""))
                    case "tool_use":
                        yield "call", f"{block.get('name')} {json.dumps(block.get('input'), ensure_ascii=False)}"
                    case "tool_result":
                        yield "result", _text(block.get("content"))


def _text(content: Any) -> str:
    """The text of a tool's answer."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or () if isinstance(part, dict))
