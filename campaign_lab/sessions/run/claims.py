"""Claims: a run claims its key before it sends, so that two processes never pay for the same turn."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import os
import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from campaign_lab.sessions.run.lookup import LookupResult, look
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import LEASE, AttemptRow, ClaimRow, SessionRow

CLOCK_SLACK_S = 2.0
"""How far two readings of one process's start may lie apart, in seconds."""
AHEAD = timedelta(days=1)
"""How far a sign of life may lie ahead of us: no clock is set back by more than hours, so no run wrote a later one."""

_under_way: Counter[str] = Counter()  # attempts of this process; each is counted by the one thread that runs its loop


def look_or_claim(con: Con, session: SessionRow, attempt: AttemptRow) -> LookupResult:
    """As ``look``; where nothing is found, the key is claimed for the attempt, and the attempt is stored.

    A claim whose process has died is removed.
    """
    found = look(con, session, attempt.parent_turn, attempt.key)
    if found.turn:
        return found
    scope = claim_scope(session, attempt)
    if others := queries.select(con, ClaimRow, "WHERE key = ?", [scope]):
        now = store_time(con)
        for claim in others:
            if alive(claim, now):
                return LookupResult(busy=claim)
            con.execute("DELETE FROM claims WHERE attempt_id = ?", [claim.attempt_id])
    queries.insert(con, [attempt])  # first: a server takes a claim only for an attempt of one's own that is there
    pid = os.getpid()
    con.execute(
        "INSERT INTO claims (key, attempt_id, user_name, host, pid, process_start, claimed_at, seen_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, now())",
        [scope, attempt.id, attempt.user_name, machine(), pid, str(_started(pid)), datetime.now(UTC)],
    )
    return found


def claim_scope(session: SessionRow, attempt: AttemptRow) -> str:
    """The digest that is claimed: of the key within one owner's campaign. Other owners with the same key do not wait."""
    parts = [session.owner, session.campaign, session.url, attempt.parent_turn or "", attempt.key]
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def dead_attempts(con: Con) -> list[AttemptRow]:
    """The attempts that are stored as running although their process has died."""
    living = {claim.attempt_id for claim in living_claims(con)}
    return [row for row in queries.select(con, AttemptRow, "WHERE state = 'running'") if row.id not in living]


def living_claims(con: Con) -> list[ClaimRow]:
    """The claims whose process is alive."""
    now = store_time(con)
    return [claim for claim in queries.select(con, ClaimRow) if alive(claim, now)]


def alive(claim: ClaimRow, now: datetime) -> bool:
    """True while the claiming process runs; on another machine, while its last sign of life is recent.

    In our own process, true while that attempt is under way. ``now`` is the time by the store's clock (``store_time``), the
    same for all machines. A claim that cannot be checked counts as dead, so that it cannot block others for ever.
    """
    if claim.host != machine():
        seen = claim.seen_at or claim.claimed_at
        return seen is not None and -AHEAD <= now - seen < LEASE
    began = _beginning(claim)
    if claim.pid == os.getpid():  # in a container that was started anew, a dead process may have had our number
        return claim.attempt_id in _under_way and began == _started(claim.pid)
    import psutil

    try:
        process = psutil.Process(claim.pid)
        started, gone = process.create_time(), process.status() == psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):  # nobody has that number, or it is none that anybody could have
        return False
    return not gone and abs(started - began) < CLOCK_SLACK_S


def _beginning(claim: ClaimRow) -> float:
    """When the claiming process began, in seconds since 1970; NaN when the claim does not say."""
    try:
        return float(claim.process_start)
    except (TypeError, ValueError):
        return math.nan


@contextmanager
def under_way(attempt_id: str) -> Iterator[None]:
    """Inside, this process counts as working on that attempt, so that its claim is alive. May be entered again inside."""
    _under_way[attempt_id] += 1
    try:
        yield
    finally:
        _under_way[attempt_id] -= 1
        if not _under_way[attempt_id]:
            del _under_way[attempt_id]


@cache
def machine() -> str:
    """The name within which process ids are unique: the host's name with its boot id and pid namespace.

    Two containers or copies of one machine may share a host name. Without such namespaces it is the network card's number.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        apart = f"{boot}-{os.readlink('/proc/self/ns/pid').strip('pid:[]')}"
    except OSError:
        apart = f"{uuid.getnode():012x}"
    return f"{socket.gethostname()} {apart}"


def host_name(claim: ClaimRow) -> str:
    """The name of the claim's machine, for people."""
    return claim.host.partition(" ")[0]


def store_time(con: Con) -> datetime:
    """The time by the store's clock: that of the server, or of the machine where the lab file is open."""
    found: datetime = con.execute("SELECT now()").fetchone()[0]
    return found


def beat(con: Con, attempt_id: str) -> None:
    """Stores the time now as the last sign of life of a claim. Does nothing when the claim is gone."""
    con.execute("UPDATE claims SET seen_at = now() WHERE attempt_id = ?", [attempt_id])


@asynccontextmanager
async def kept_alive(store: Store, attempt_id: str, *, every_s: float) -> AsyncIterator[None]:
    """Inside, the claim of an attempt gets a sign of life every ``every_s`` seconds, for other machines to see."""
    beating = asyncio.create_task(_beat_on(store, attempt_id, every_s))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _beat_on(store: Store, attempt_id: str, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await store.run(lambda con: beat(con, attempt_id), scope=f"claim {attempt_id}")
        except Exception as error:  # a busy store does not end a turn that is paid for
            logging.getLogger("campaign_lab").warning("the store could not be told that a turn is running: %s", error)


@cache
def _started(pid: int) -> float:
    """When this process started, in seconds since 1970. Read once, so that a clock change does not end its own claims."""
    import psutil

    return psutil.Process(pid).create_time()
