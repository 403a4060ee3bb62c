"""Claims: a run claims its key before it sends, so that two processes never pay for the same turn."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from campaign_lab.store import tables
from campaign_lab.store.rows import AttemptRow, ClaimRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con

CLOCK_SLACK_S = 2.0
"""How far two readings of one process's start may lie apart, in seconds."""


@dataclass(frozen=True)
class Found:
    """What stands right after a checkpoint: the finished ``turn``, or who is running it (``busy``), or neither: it is ours."""

    turn: TurnRow | None = None
    busy: ClaimRow | None = None
    siblings: tuple[TurnRow, ...] = ()


def look(con: Con, session: SessionRow, parent: str | None, key: str) -> Found:
    """Looks for a finished turn with the key, in the session's own line and in the forks that runs made of it."""
    own = [turn for turn in tables.line_of(con, session.tip_turn) if turn.parent_turn == parent]
    others = tables.turns_after(con, parent, tables.family_of(con, session))
    siblings = list({turn.id: turn for turn in (*own, *others)}.values())
    turn = next((turn for turn in siblings if turn.key == key), None)
    return Found(turn=turn, siblings=tuple(siblings))


def look_or_claim(con: Con, session: SessionRow, attempt: AttemptRow) -> Found:
    """As ``look``; when nothing is there, claims the key for the attempt and writes the attempt down.

    A claim whose process has died is void: its attempt is marked as failed.
    """
    found = look(con, session, attempt.parent_turn, attempt.key)
    if found.turn:
        return found
    scope = claim_scope(session, attempt)
    for claim in tables.select(con, ClaimRow, "WHERE key = ?", [scope]):
        if alive(claim):
            return Found(busy=claim, siblings=found.siblings)
        con.execute("DELETE FROM claims WHERE attempt_id = ?", [claim.attempt_id])
    pid = os.getpid()
    tables.insert(
        con,
        [
            ClaimRow(
                key=scope, attempt_id=attempt.id, user_name=attempt.user_name, host=socket.gethostname(), pid=pid,
                process_start=str(_started(pid)), claimed_at=datetime.now(UTC),
            )
        ],
    )  # fmt: skip
    tables.insert(con, [attempt])
    return found


def claim_scope(session: SessionRow, attempt: AttemptRow) -> str:
    """What is claimed: the key, within one owner's campaign. Others with the same key do not wait for each other."""
    parts = [session.owner, session.campaign, session.url, attempt.parent_turn or "", attempt.key]
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def dead_attempts(con: Con) -> list[AttemptRow]:
    """Attempts that are written down as running although their process has died."""
    claims: Sequence[ClaimRow] = tables.select(con, ClaimRow)
    living = {claim.attempt_id for claim in claims if alive(claim)}
    return [row for row in tables.select(con, AttemptRow, "WHERE state = 'running'") if row.id not in living]


def alive(claim: ClaimRow) -> bool:
    """Does the claiming process still run? One on another machine is believed."""
    if claim.host != socket.gethostname():
        return True
    if claim.pid == os.getpid():  # in a container that was started anew, a dead process may have had our number
        return float(claim.process_start) == _started(claim.pid)
    import psutil

    try:
        process = psutil.Process(claim.pid)
        started, gone = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
    return not gone and abs(started - float(claim.process_start)) < CLOCK_SLACK_S


@cache
def _started(pid: int) -> float:
    """When this process started. Read once: a change of the clock must not make its own claims void."""
    import psutil

    return psutil.Process(pid).create_time()
