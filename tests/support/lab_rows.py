"""Rows of a lab file made by hand: turns with transcripts, requests and records that fit together, without running the CLI."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from campaign_lab.agents.ledger import Ledger, cost_of
from campaign_lab.sessions.keys import root_key, turn_key
from campaign_lab.store import queries
from campaign_lab.store.rows import (
    AttemptRow,
    CacheRow,
    PageRow,
    RecordRow,
    RequestRow,
    SessionRow,
    ShareRow,
    TurnRow,
)
from campaign_lab.store.transcripts import PROJECT

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = "claude-sonnet-4-5-20250929"
ANALYST = "brand-intelligence-analyst"
PAGE = "https://a.example/"
FINGERPRINT = '{"agents": [], "records": {"brand_profile": 1}, "system": "s", "thinking": "disabled", "tools": []}'

ALL_TABLES = ("sessions", "turns", "claims", "attempts", "transcripts", "entries", "requests", "records", "judgements", "pages",
              "rehearsal_cache", "shares", "audit")  # fmt: skip


def session(name: str = "main", **changes: Any) -> SessionRow:
    """A session of ana's that was made at NOW and lives for an hour. Its id is its name."""
    made = SessionRow(
        id=name, owner="ana", campaign="Spring", url=PAGE, name=name, endpoint="rehearsal-1", model=MODEL,
        parent_session=None, start_turn=None, tip_turn=None, purpose="", automatic=False, brief='{"url": "x"}',
        made_at=NOW, ttl_seconds=3600,
    )  # fmt: skip
    return replace(made, **changes)


def fork(parent: SessionRow, name: str, **changes: Any) -> SessionRow:
    """A fork that starts where its parent stands."""
    starts = {"parent_session": parent.id, "start_turn": parent.tip_turn, "tip_turn": parent.tip_turn, "purpose": name}
    return replace(parent, id=name, name=name, **{**starts, **changes})


def add(con: queries.Con, row: SessionRow) -> SessionRow:
    """Stores a session as it is."""
    queries.insert(con, [row])
    return row


def grow(con: queries.Con, row: SessionRow, name: str, *, phase: str = "research", **changes: Any) -> SessionRow:
    """Stores a finished turn after the session's tip, with all that belongs to one, and moves the tip. Returns the session."""
    line = queries.line_of(con, row.tip_turn)
    message = f"Do the {phase} of {name}"
    before = line[-1].key if line else root_key(row.endpoint, row.model)
    leaf = write_transcripts(con, name, message)
    turn = TurnRow(
        id=name, session_id=row.id, parent_turn=row.tip_turn, key=turn_key(before, message, json.loads(FINGERPRINT), 1),
        take=1, phase=phase, message=message, steer="", fingerprint=FINGERPRINT, brief=row.brief, endpoint=row.endpoint,
        model=row.model, user_name=row.owner, started_at=NOW, finished_at=NOW, leaf_uuid=leaf, answer=f"Done {name}.",
        missing="[]",
    )  # fmt: skip
    queries.insert(con, [replace(turn, **changes)])
    queries.insert(
        con, [RecordRow(name, "brand_profile", 0, "a", "A", 1, body='{"name": "A"}', degraded=False, problems="[]")]
    )
    queries.insert(con, [CacheRow(name, "", "prefix", 2000, "300", NOW)])
    book(con, name, row, state="finished")
    con.execute("UPDATE sessions SET tip_turn = ?, last_paid_at = ? WHERE id = ?", [name, NOW, row.id])
    return replace(row, tip_turn=name, last_paid_at=NOW)


def try_in_vain(
    con: queries.Con, row: SessionRow, name: str, *, state: str = "failed", ended_at: datetime | None = NOW
) -> None:
    """Stores an attempt without a turn, with what it wrote."""
    write_transcripts(con, name, "Do it")
    book(con, name, row, state=state, ended_at=ended_at)


def book(con: queries.Con, name: str, row: SessionRow, *, state: str, ended_at: datetime | None = NOW) -> None:
    """The attempt, and its requests as the ledger reads them from its transcripts."""
    ledger = Ledger()
    for subpath, entry in queries.entries_of(con, name):
        ledger.read(subpath, [json.loads(entry)])
    requests = ledger.requests()
    attempt = AttemptRow(
        id=name, session_id=row.id, parent_turn=row.tip_turn, key="k", phase="research", user_name=row.owner, state=state,
        cause=None, reason=None, started_at=NOW, ended_at=ended_at, cost_usd=cost_of(requests).whole, versions="{}",
    )  # fmt: skip
    queries.insert(con, [attempt])
    queries.insert(
        con,
        [
            RequestRow(
                attempt_id=name, subpath=each.subpath, message_id=each.message_id, agent=each.agent, model=each.model,
                **vars(each.usage), cost_usd=each.cost_usd, complete=True, stored_at=NOW,
            )
            for each in requests
        ],
    )  # fmt: skip


def write_transcripts(con: queries.Con, name: str, message: str) -> str:
    """A main agent that calls a specialist, which reads a page. Returns the uuid of the last entry."""
    call, fetch = f"toolu_{name}_agent", f"toolu_{name}_page"
    main = [
        said("user", message),
        said("assistant", [use(call, "Agent", {"subagent_type": ANALYST})], message_id=f"msg_{name}_1"),
        said("user", [result(call, f"Report of {name}")]),
        said("assistant", [{"type": "text", "text": f"Done {name}."}], message_id=f"msg_{name}_2"),
    ]
    agent = [
        {"type": "agent_metadata", "agentType": ANALYST, "toolUseId": call},
        said("user", f"Read the site for {name}"),
        said("assistant", [use(fetch, "fetch_page", {"url": PAGE})], message_id=f"msg_{name}_3"),
        said("user", [result(fetch, "The page")]),
        said("assistant", [{"type": "text", "text": f"Report of {name}"}], message_id=f"msg_{name}_4"),
    ]
    store(con, name, "", main)
    store(con, name, f"subagents/agent-{name}", agent)
    return str(main[-1]["uuid"])


def store(con: queries.Con, name: str, subpath: str, entries: Sequence[dict[str, Any]]) -> None:
    """Stores one transcript."""
    con.execute("INSERT INTO transcripts VALUES (?, ?, ?, ?, 1, NULL)", [PROJECT, name, subpath, len(entries)])
    for seq, entry in enumerate(entries):
        values = [PROJECT, name, subpath, seq, entry.get("uuid"), entry["type"], json.dumps(entry), NOW]
        con.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def said(role: str, content: Any, message_id: str = "") -> dict[str, Any]:
    """An entry as the CLI writes it; one with a message id is a response of the model, with its usage."""
    message: dict[str, Any] = {"role": role, "content": content}
    if message_id:
        message |= {"id": message_id, "model": MODEL, "usage": {"input_tokens": 100, "output_tokens": 20}}
    return {"type": role, "uuid": str(uuid.uuid4()), "message": message}


def use(call: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A call of a tool."""
    return {"type": "tool_use", "id": call, "name": name, "input": given}


def result(call: str, text: str) -> dict[str, Any]:
    """What a tool answered."""
    return {"type": "tool_result", "tool_use_id": call, "content": [{"type": "text", "text": text}]}


def add_page(con: queries.Con, owner: str = "ana", campaign: str = "Spring") -> None:
    """Stores a page of a campaign."""
    body = b"<p/>"
    sha256 = hashlib.sha256(body).hexdigest()
    queries.insert(con, [PageRow(owner, campaign, PAGE, PAGE, sha256, size=4, body=body, page="{}", fetched_at=NOW)])


def share(con: queries.Con, row: SessionRow, user: str) -> None:
    """Shares a session."""
    queries.insert(con, [ShareRow(row.id, user, "fork", row.owner, NOW)])


def dump(con: queries.Con) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in an order of their own."""
    return {name: sorted(con.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in ALL_TABLES}


def ids(con: queries.Con, table: str, column: str = "id") -> set[str]:
    """What stands in a column."""
    return {str(value) for (value,) in con.execute(f"SELECT {column} FROM {table}").fetchall()}


def orphans(con: queries.Con) -> list[str]:
    """Rows that belong to nothing, in words; there should be none."""
    questions = {
        "transcript without attempt": "SELECT session_id FROM transcripts WHERE session_id NOT IN (SELECT id FROM attempts)",
        "entry without transcript": "SELECT e.session_id FROM entries AS e LEFT JOIN transcripts AS t"
        " ON t.session_id = e.session_id AND t.subpath = e.subpath WHERE t.session_id IS NULL",
        "transcript without entry": "SELECT t.session_id FROM transcripts AS t LEFT JOIN entries AS e"
        " ON t.session_id = e.session_id AND t.subpath = e.subpath WHERE e.session_id IS NULL",
        "record without turn": "SELECT turn_id FROM records WHERE turn_id NOT IN (SELECT id FROM turns)",
        "judgement without record": "SELECT j.turn_id FROM judgements AS j LEFT JOIN records AS r"
        " ON r.turn_id = j.turn_id AND r.kind = j.kind AND r.n = j.n WHERE r.turn_id IS NULL",
        "cache without attempt": "SELECT attempt_id FROM rehearsal_cache WHERE attempt_id NOT IN (SELECT id FROM attempts)",
        "request without attempt": "SELECT attempt_id FROM requests WHERE attempt_id NOT IN (SELECT id FROM attempts)",
        "turn without session": "SELECT id FROM turns WHERE session_id NOT IN (SELECT id FROM sessions)",
        "turn without parent": "SELECT id FROM turns WHERE parent_turn IS NOT NULL AND parent_turn NOT IN (SELECT id FROM turns)",
        "pointer to no turn": "SELECT id FROM sessions WHERE coalesce(tip_turn, start_turn) IS NOT NULL"
        " AND coalesce(tip_turn, start_turn) NOT IN (SELECT id FROM turns)",
        "share without session": "SELECT session_id FROM shares WHERE session_id NOT IN (SELECT id FROM sessions)",
    }
    return [f"{what}: {row[0]}" for what, sql in questions.items() for row in con.execute(sql).fetchall()]
