"""Cleans up after processes that died in the middle of a turn: books their requests and removes their folders.

An attempt stores each entry as it arrives. A killed process may have missed the last ones, which its CLI had written into
the attempt's folder: they are read from there before the folder is removed.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from campaign_lab.agents.events import DeadTurnBooked
from campaign_lab.agents.ledger import Ledger, Request, cost_of
from campaign_lab.agents.process.cli_environment import RUN
from campaign_lab.agents.process.scratch_folders import JUPYTERLAB, KERNEL, NOTEBOOK, base, dead_folders, remove_dead
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run import claims
from campaign_lab.sessions.upkeep.access import permits
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import AttemptRow, RequestRow, SessionRow

Entry = Mapping[str, Any]

RESUMED = "claude-resume-*"
"""The names of the folders, in the temporary folder, from which the SDK's CLI resumes a conversation."""
UNKNOWN_KEPT_S = 7 * 86_400.0
"""How long the folder of an attempt that this lab does not know is kept for the lab that does, in seconds."""
ID_CHARACTERS = 36
"""Characters of an attempt's id."""


async def recover(context: Context) -> list[DeadTurnBooked]:
    """As ``book_dead_attempts``, and removes the folders of dead processes."""
    booked = await book_dead_attempts(context)
    await _remove_folders(context)
    return booked


async def book_dead_attempts(context: Context) -> list[DeadTurnBooked]:
    """The attempts of dead processes that were booked now and marked as failed, one event each.

    Only the user's own attempts and those of sessions that the user may run. An attempt that cannot be read is logged and
    tried again the next time; it stops no run.
    """
    booked = []
    for row in await context.engine.run(partial(_to_settle, user=context.user)):
        try:
            booked += await _settle(context, row)
        except Exception:
            logging.getLogger("campaign_lab").exception("what a turn that was cut off has cost could not be booked")
    return booked


async def _settle(context: Context, row: AttemptRow) -> list[DeadTurnBooked]:
    """Books an attempt of a dead process, or one of this process that could not be booked when it ended."""
    requests = context.unbooked.get(row.id)
    if requests is None:
        requests = await _found_requests(context, row)
    ended = replace(row, state="failed", cause="process", reason="its process ended", ended_at=context.now())
    booked = await context.engine.run(partial(_settle_dead, attempt=ended, requests=requests))
    context.unbooked.pop(row.id, None)
    answered, spent = sum(request.complete for request in requests), cost_of(requests)
    return [DeadTurnBooked(row.phase, row.user_name, spent, answered, len(requests) - answered)] if booked else []


async def _found_requests(context: Context, row: AttemptRow) -> list[Request]:
    """The requests of the attempt, by its stored entries and by those that its CLI left in its folder."""
    known, stored = await context.engine.run(partial(_stored_entries, attempt=row))
    ledger = Ledger()
    for subpath, entry in (*stored, *_left_entries(row.id, known)):
        ledger.read(subpath, [entry])
    sessions = await context.engine.run(lambda con: queries.select(con, SessionRow, "WHERE id = ?", [row.session_id]))
    model = sessions[0].model if sessions else context.model
    return [*ledger.requests(), *ledger.cut(model, stopped=True)]


def _to_settle(con: Con, user: str) -> list[AttemptRow]:
    """The attempts of dead processes that the user may settle."""

    def may_run(attempt: AttemptRow) -> bool:
        sessions = queries.select(con, SessionRow, "WHERE id = ?", [attempt.session_id])
        return any(permits(con, user, session, "run") for session in sessions)

    return [row for row in claims.dead_attempts(con) if row.user_name == user or may_run(row)]


def _stored_entries(con: Con, attempt: AttemptRow) -> tuple[set[str], list[tuple[str, Entry]]]:
    """The uuids of all entries that the attempt stands on or has stored, and its own entries with their subpath."""
    line = [attempt.id, *queries.ancestry(con, attempt.parent_turn)]
    sql = f"SELECT uuid FROM entries WHERE session_id {queries.IN_LIST} AND uuid IS NOT NULL"
    known = {uuid for (uuid,) in con.execute(sql, [line]).fetchall()}
    stored = [(subpath, _entry(entry)) for subpath, entry in queries.entries_of(con, attempt.id)]
    return known, [(subpath, entry) for subpath, entry in stored if entry is not None]


def _entry(line: str | bytes) -> Entry | None:
    """The object that a line of JSON holds; None for what cannot be read, such as one whose writer was killed."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _settle_dead(con: Con, attempt: AttemptRow, requests: Sequence[Request]) -> bool:
    """Books the attempt and returns True if it is still dead: it may have finished since we looked."""
    dead = any(row.id == attempt.id for row in claims.dead_attempts(con))
    if dead:
        book(con, attempt, requests)
    return dead


def book(con: Con, attempt: AttemptRow, requests: Sequence[Request]) -> None:
    """Stores the requests of an attempt that has ended, its end and its cost."""
    con.execute("DELETE FROM requests WHERE attempt_id = ?", [attempt.id])
    queries.insert(
        con,
        [
            RequestRow(
                attempt_id=attempt.id, subpath=request.subpath, message_id=request.message_id, agent=request.agent,
                model=request.model, **vars(request.usage), cost_usd=request.cost_usd, complete=request.complete,
                stored_at=attempt.ended_at or attempt.started_at, n=n,
            )
            for n, request in enumerate(requests)
        ],
    )  # fmt: skip
    queries.end_attempt(con, replace(attempt, cost_usd=cost_of(requests).whole))


# -- folders


def _left_entries(attempt_id: str, known: set[str]) -> Iterator[tuple[str, Entry]]:
    """Entries of an attempt that its CLI has written down and nobody has stored, with their subpath."""
    for folder in (*dead_folders(f"{RUN}-{attempt_id}"), *Path(tempfile.gettempdir()).glob(RESUMED)):
        for main in sorted(folder.glob(f"**/projects/*/{attempt_id}.jsonl")):
            yield from (("", entry) for entry in _new_entries(main, known))
            for agent in sorted(main.with_suffix("").glob("subagents/*.jsonl")):
                subpath = f"subagents/{agent.stem}"
                about = _json_lines(agent.with_suffix(".meta.json"))
                yield from ((subpath, {**each, "type": "agent_metadata"}) for each in about)
                yield from ((subpath, entry) for entry in _new_entries(agent, known))


def _new_entries(path: Path, known: set[str]) -> Iterator[Entry]:
    """The entries with a uuid that is not known yet. Those without one say nothing of a request."""
    for entry in _json_lines(path):
        uuid = entry.get("uuid")
        if isinstance(uuid, str) and uuid not in known:
            known.add(uuid)
            yield entry


def _json_lines(path: Path) -> Iterator[Entry]:
    """The objects of a file, a line each."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    yield from (entry for line in lines if (entry := _entry(line)) is not None)


async def _remove_folders(context: Context) -> None:
    """Removes the folders of dead processes, except those of attempts that are not booked yet.

    Folders of attempts that this lab does not know stay for a week, for the lab that does.
    """
    for folder in (each for kind in (NOTEBOOK, KERNEL, JUPYTERLAB) for each in dead_folders(kind)):
        remove_dead(folder)
    runs = {folder: folder.name.removeprefix(f"{RUN}-")[:ID_CHARACTERS] for folder in dead_folders(RUN)}
    resumed = dict(_resumed_folders())
    attempts = list({*runs.values(), *resumed.values()})
    states = await context.engine.run(partial(_states, attempts=attempts)) if attempts else {}
    for folder in (each for each, attempt in runs.items() if _is_over(each, states.get(attempt))):
        remove_dead(folder)
    for folder, attempt in resumed.items():
        if _is_over(folder, states.get(attempt)) and not any(base().glob(f"{RUN}-{attempt}-*")):
            shutil.rmtree(folder, ignore_errors=True)


def _resumed_folders() -> Iterator[tuple[Path, str]]:
    """The folders in which the SDK has laid down a conversation of ours, and the attempt that resumes it."""
    ours = re.sub("[^a-zA-Z0-9]", "-", f"{base().name}/work")  # as the SDK names the folder of a project
    for found in Path(tempfile.gettempdir()).glob(f"{RESUMED}/projects/*{ours}/*.jsonl"):
        yield found.parents[2], found.stem


def _states(con: Con, attempts: Sequence[str]) -> dict[str, str]:
    found = con.execute(f"SELECT id, state FROM attempts WHERE id {queries.IN_LIST}", [list(attempts)]).fetchall()
    return dict(found)


def _is_over(folder: Path, state: str | None) -> bool:
    """True when the attempt of a folder has ended. ``state`` is as stored, None where this lab does not know the attempt."""
    if state is not None:
        return state != "running"
    try:
        return time.time() - folder.stat().st_mtime > UNKNOWN_KEPT_S
    except OSError:  # somebody else has removed it
        return False
