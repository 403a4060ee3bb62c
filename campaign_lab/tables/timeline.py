"""The timeline of a session's turns: which agent worked when, read from the times in the stored conversations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from campaign_lab.sessions.history.path_loader import HandlePosition, PathStep, all_steps, line_to
from campaign_lab.sessions.spending.receipts import MAIN_AGENT
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.tables.columns import Row
from campaign_lab.tables.page_rows import pages_asked


@dataclass
class _Thread:
    """One agent's part of a turn. Times are in seconds since 1970."""

    subpath: str
    agent: str
    began: float
    ended: float
    pages: int


def timeline_rows(con: Con, position: HandlePosition) -> list[Row]:
    """One row per agent of each turn from the root on, the main agent first, the others in the order in which they began.

    The second turn of a phase is called "copy 2", the second agent of a name in a turn likewise. A turn whose
    conversations were swept has no rows.
    """
    line = line_to(all_steps(con), position.turn)
    requests = _requests(con, line)
    phases: Counter[str] = Counter()
    rows: list[Row] = []
    for step in line:
        threads = sorted(_threads(con, step.id), key=lambda each: (bool(each.subpath), each.began, each.subpath))
        phase, names = _numbered(step.phase, phases), Counter[str]()
        start = min((each.began for each in threads), default=0.0)
        rows += [
            {
                "phase": phase,
                "agent": _numbered(thread.agent, names),
                "started_s": round(thread.began - start, 3),
                "ended_s": round(thread.ended - start, 3),
                "requests": requests[step.id, thread.subpath],
                "pages": thread.pages,
            }
            for thread in threads
        ]
    return rows


def _numbered(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name} {seen[name]}"


def _requests(con: Con, line: list[PathStep]) -> Counter[tuple[str, str]]:
    """Requests by turn and conversation, as they were booked."""
    sql = f"SELECT attempt_id, subpath FROM requests WHERE complete AND attempt_id {IN_LIST}"
    return Counter(con.execute(sql, [[step.id for step in line]]).fetchall())


def _threads(con: Con, turn: str) -> Iterator[_Thread]:
    sql = "SELECT subpath, entry, extract(epoch FROM stored_at) FROM entries WHERE session_id = ? ORDER BY subpath, seq"
    threads: dict[str, list[tuple[dict[str, Any], float]]] = {}
    for subpath, entry, stored_at in con.execute(sql, [turn]).fetchall():
        threads.setdefault(subpath, []).append((json.loads(entry), float(stored_at)))
    told = any(_time(entry) is not None for entries in threads.values() for entry, _ in entries)
    for subpath, entries in threads.items():
        # entries that do not tell their time were stored about when they were written, but never mix the two clocks
        times = [time for entry, stored_at in entries if (time := _time(entry) if told else stored_at) is not None]
        if times:
            asked = {call for entry, _ in entries for call, _ in pages_asked(entry)}
            yield _Thread(subpath, _agent(subpath, entries), min(times), max(times), len(asked))


def _time(entry: Mapping[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(entry.get("timestamp"))).timestamp()
    except ValueError:
        return None


def _agent(subpath: str, entries: list[tuple[dict[str, Any], float]]) -> str:
    if not subpath:
        return MAIN_AGENT
    names = [str(entry.get("agentType", "")) for entry, _ in entries if entry.get("type") == "agent_metadata"]
    return names[0] if names else subpath.rsplit("/", 1)[-1]
