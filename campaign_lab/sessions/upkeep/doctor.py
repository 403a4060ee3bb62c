"""The doctor: is this lab in good health? It looks, and changes nothing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from campaign_lab.sessions.run import claims
from campaign_lab.sessions.upkeep.verify import false_pages, verify
from campaign_lab.show.text import one_line, pluralize
from campaign_lab.store import queries, schema
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.duckdb import compacting, opening
from campaign_lab.store.location import is_server
from campaign_lab.store.rows import TABLES, AttemptRow, ClaimRow, SessionRow

Level = Literal["ok", "warn", "fail"]

TESTED = {"duckdb": "2.0.0", "claude-agent-sdk": "0.2.187"}
"""The versions that the tests of this version of campaign_lab run with."""
TESTED_CLI = "2.1.330"
"""The same for the command-line program that comes with claude-agent-sdk."""
TESTED_SERVER = 15
"""The oldest PostgreSQL that the tests run with: its major version."""
LOW_DISK_BYTES = 1_000_000_000
"""A campaign is a few megabytes; the rest is for the programs beside us."""

JUDGEMENTS, VISIBLE = "judgements of no record", " AND j.turn_id IN (SELECT id FROM turns)"
"""A role keeps what it said of a session that it may no longer read: of that it cannot tell whether the record is there."""
ORPHANS = {
    "transcript entries of no attempt": "SELECT count(*) FROM entries WHERE session_id NOT IN (SELECT id FROM attempts)",
    "records of no turn": "SELECT count(*) FROM records WHERE turn_id NOT IN (SELECT id FROM turns)",
    JUDGEMENTS: (
        "SELECT count(*) FROM judgements AS j LEFT JOIN records AS r"
        " ON r.turn_id = j.turn_id AND r.kind = j.kind AND r.n = j.n WHERE r.turn_id IS NULL"
    ),
    "requests of no attempt": "SELECT count(*) FROM requests WHERE attempt_id NOT IN (SELECT id FROM attempts)",
    "turns of no session": "SELECT count(*) FROM turns WHERE session_id NOT IN (SELECT id FROM sessions)",
    "shares of no session": "SELECT count(*) FROM shares WHERE session_id NOT IN (SELECT id FROM sessions)",
}
RESTORE = {
    "file": "put back a copy of the lab file",
    "server": "its owner puts back a backup of the database (pg_restore)",
}


@dataclass(frozen=True)
class HealthFinding:
    """What was looked at (``subject``), and what was found. ``warn``: works, but look at it; ``fail``: something is broken."""

    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.level:<4}  {self.subject}: {self.text}"


def examine(engine: Store, *, low_disk_bytes: int = LOW_DISK_BYTES) -> list[HealthFinding]:
    """Looks at the file and its disk, or at the database; at the versions, the claims and every living session.

    ``low_disk_bytes``: less free space than that, where the file lies, is warned of.
    """
    served = is_server(engine.display_url)
    around = [] if served else [*_disk(engine.display_url, low_disk_bytes), *_beside(engine.display_url)]
    home = partial(_server, engine=engine) if served else _file
    found = [*_versions(), *around]
    orphans = partial(_orphans, held=engine.role is not None, advice=RESTORE["server" if served else "file"])
    found += engine.call(lambda con: [*_schema(con), *home(con), *_claims(con), *orphans(con)])
    sessions = engine.call(lambda con: queries.select(con, SessionRow, "WHERE swept_at IS NULL ORDER BY made_at, id"))
    faults = []
    for session in sessions:  # one function each: others get at the file in between
        faults += engine.call(partial(_session, session=session))
    faults += engine.call(partial(_pages, advice=RESTORE["server" if served else "file"]))
    whole = HealthFinding(
        "ok", "sessions", f"{len(sessions)} living, each with an unbroken line and a ledger that adds up"
    )
    return [*found, *(faults or [whole])]


def _pages(con: Con, advice: str) -> list[HealthFinding]:
    false = list(false_pages(con))
    if not false:
        return []
    first = f"the first is {one_line(false[0].url[:200])} of {one_line(false[0].campaign[:80])}"
    words = f"the bytes of {pluralize(len(false), 'stored page')} are not those that were read; {first}"
    return [HealthFinding("fail", "pages", f"{words}. Quotes of them prove nothing: {advice}, or read them anew")]


def _versions() -> Iterator[HealthFinding]:
    for package, tested in TESTED.items():
        try:
            yield _version(package, importlib.metadata.version(package), tested)
        except importlib.metadata.PackageNotFoundError:
            yield HealthFinding("fail", package, "is not installed: install campaign_lab with all it needs")
    yield _version("claude CLI", bundled_cli() or "none", TESTED_CLI)


def _version(subject: str, found: str, tested: str) -> HealthFinding:
    if found == tested:
        return HealthFinding("ok", subject, f"{found}, as tested")
    return HealthFinding(
        "warn", subject, f"{found}; the tests ran with {tested}, so run the tests before you rely on it"
    )


def bundled_cli() -> str | None:
    """Version of the CLI in claude-agent-sdk, without the seconds that its import takes; None when it has none."""
    try:
        file = importlib.metadata.distribution("claude-agent-sdk").locate_file("claude_agent_sdk/_cli_version.py")
        with open(os.fspath(str(file)), encoding="utf-8") as text:
            found = re.search(r'__cli_version__\s*=\s*"([^"]+)"', text.read())
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    return found[1] if found else None


def _disk(path: str, low_bytes: int) -> Iterator[HealthFinding]:
    size, free = os.path.getsize(path), shutil.disk_usage(os.path.dirname(path)).free
    yield HealthFinding("ok", "lab file", f"{path}, {size / 1e6:.1f} MB")
    text = f"{free / 1e9:.1f} GB free where the lab file lies"
    if free < max(low_bytes, size):  # a compaction needs the size of the file once more
        yield HealthFinding("warn", "disk", f"{text}; free some space, a turn that cannot be stored fails")
    else:
        yield HealthFinding("ok", "disk", text)


def _beside(path: str) -> Iterator[HealthFinding]:
    for leftover in compacting.leftovers(path):
        yield HealthFinding("warn", "leftovers", f"{leftover} is of a process that was killed; it may be removed")


def _schema(con: Con) -> Iterator[HealthFinding]:
    version, newest = _number(con, "SELECT max(version) FROM schema_version"), schema.MIGRATIONS[-1].version
    yield HealthFinding(
        "ok" if version == newest else "fail", "schema", f"version {version}, this program's is {newest}"
    )


def _file(con: Con) -> Iterator[HealthFinding]:
    row = con.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal").fetchone()
    stored = str(row[0]) if row else "unknown"
    same = stored.rstrip("+") == opening.STORAGE
    text = f"{stored}, which DuckDB 1.5 and 2.0 read" if same else f"{stored}; an older DuckDB may not read the file"
    yield HealthFinding("ok" if same else "warn", "file format", text)


def _server(con: Con, engine: Store) -> Iterator[HealthFinding]:
    row = con.execute(
        "SELECT current_setting('server_version'), pg_database_size(current_database()), session_user,"
        " current_setting('fsync') || current_setting('full_page_writes')"
    ).fetchone()
    version, size, role, durable = row
    yield HealthFinding("ok", "database", f"{engine.display_url}, {size / 1e6:.1f} MB")
    old = int(version.split(".")[0]) < TESTED_SERVER
    text = f"PostgreSQL {version}"
    yield HealthFinding(
        "warn" if old else "ok", "server", f"{text}; the tests run with {TESTED_SERVER}" if old else text
    )
    if durable != "onon":
        yield HealthFinding("warn", "server", "fsync or full_page_writes is off: a power cut may damage the database")
    yield _guarded(con, role, held=engine.role is not None)


def _guarded(con: Con, role: str, *, held: bool) -> HealthFinding:
    """Does the server itself keep the sessions of one role from the others?"""
    sql = f"SELECT relname FROM pg_class WHERE relname {queries.IN_LIST} AND relkind = 'r' AND NOT relrowsecurity ORDER BY 1"
    bare = [name for (name,) in con.execute(sql, [list(TABLES.values())]).fetchall()]
    if bare:
        return HealthFinding("fail", "access", f"no row-level security on {', '.join(bare)}: every role can read them")
    if held:
        return HealthFinding(
            "ok", "access", f"row-level security holds for the role {role}: it finds what is its own or shared"
        )
    return HealthFinding(
        "ok", "access", f"row-level security is on; the role {role} is above it, and sees everybody's sessions"
    )


def _claims(con: Con) -> Iterator[HealthFinding]:
    held, living = queries.select(con, ClaimRow), claims.living_claims(con)
    stuck = [claim for claim in held if claim not in living]
    claimed = {claim.attempt_id for claim in held}
    running = queries.select(con, AttemptRow, "WHERE state = 'running' ORDER BY started_at, id")
    advice = "the next run, or look at the costs, of whoever started it or may run on that session books what it cost"
    for claim in stuck:
        text = f"process {claim.pid} of {claim.user_name} on {claims.host_name(claim)} has died in the middle of a turn: {advice}"
        yield HealthFinding("warn", "claims", text)
    for attempt in running:
        if attempt.id not in claimed:
            text = (
                f"nobody runs the attempt of {attempt.user_name} at {attempt.phase} that is down as running: {advice}"
            )
            yield HealthFinding("warn", "claims", text)
    if not stuck and all(attempt.id in claimed for attempt in running):
        yield HealthFinding("ok", "claims", f"{len(running)} attempts running, each by a living process")


def _orphans(con: Con, *, held: bool, advice: str) -> Iterator[HealthFinding]:
    """``held``: by row-level security, which hides what others own."""
    questions = ORPHANS | {JUDGEMENTS: ORPHANS[JUDGEMENTS] + VISIBLE} if held else ORPHANS
    counts = {what: _number(con, sql) for what, sql in questions.items()}
    for what, count in counts.items():
        if count:
            yield HealthFinding("fail", "tables", f"{count} {what}: {advice}")
    if not any(counts.values()):
        yield HealthFinding("ok", "tables", "no row without the one that it belongs to")


def _session(con: Con, session: SessionRow) -> list[HealthFinding]:
    """What is wrong with one session. A swept transcript is worth a warning."""
    subject = f"session {session.campaign}/{session.name}"
    return [
        HealthFinding("warn" if problem.info else "fail", subject, str(problem)) for problem in verify(con, session)
    ]


def _number(con: Con, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
