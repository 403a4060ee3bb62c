"""The same tables on a PostgreSQL server, with what it needs beside them: indexes, for its writers are not alone, and policies.

All steps that are missing are taken in one transaction, under an advisory lock: of two processes that begin at once,
one waits and then finds everything done.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from campaign_lab.errors import StoreError
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.postgres.policies import policies
from campaign_lab.store.rows import TABLES
from campaign_lab.store.schema import MIGRATIONS, refuse_newer, take

INDEXES = (
    "UNIQUE INDEX sessions_id ON sessions (id)",
    "INDEX sessions_campaign ON sessions (owner, campaign)",
    "INDEX sessions_parent ON sessions (parent_session)",
    "UNIQUE INDEX turns_id ON turns (id)",
    "INDEX turns_parent ON turns (parent_turn)",
    "INDEX turns_session ON turns (session_id)",
    "UNIQUE INDEX claims_attempt ON claims (attempt_id)",
    "INDEX claims_key ON claims (key)",
    "UNIQUE INDEX attempts_id ON attempts (id)",
    "INDEX attempts_session ON attempts (session_id)",
    "INDEX attempts_user ON attempts (user_name, started_at)",
    "INDEX attempts_batch ON attempts (batch) WHERE batch IS NOT NULL",
    "UNIQUE INDEX transcripts_key ON transcripts (session_id, subpath, project_key)",
    "UNIQUE INDEX entries_key ON entries (session_id, subpath, project_key, seq)",
    "UNIQUE INDEX entries_uuid ON entries (session_id, subpath, project_key, uuid) WHERE uuid IS NOT NULL",
    "INDEX requests_attempt ON requests (attempt_id)",
    "UNIQUE INDEX records_place ON records (turn_id, kind, n)",
    "UNIQUE INDEX judgements_place ON judgements (turn_id, kind, n, user_name)",
    "INDEX pages_campaign ON pages (owner, campaign)",
    "INDEX rehearsal_cache_attempt ON rehearsal_cache (attempt_id)",
    "UNIQUE INDEX shares_user ON shares (session_id, user_name)",
    "INDEX audit_session ON audit (session_id)",
)
"""Without the word CREATE. The unique ones are the last line behind the locks: what they refuse must never happen."""

NEWEST = MIGRATIONS[-1].version
"""The schema that this version of the package works with."""

MIGRATING = 7_301_411_093_226_158_001
"""Number of the advisory lock under which a database is brought up to date: any that nobody else uses."""


def version(con: Con, path: str) -> int:
    """The database's schema version, 0 when it has none of our tables. Raises StoreError for one that is newer than us."""
    row = con.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchone()
    if not row[0]:
        _refuse_strangers(con, path)
        return 0
    found = int(con.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0])
    refuse_newer(path, found, "database")
    return found


def migrate(con: Con, path: str) -> int:
    """Takes the steps that are missing, in the transaction of ``con``; returns how many. Raises StoreError."""
    con.execute("SELECT pg_advisory_xact_lock(?)", [MIGRATING])
    found = version(con, path)
    pending = [step for step in MIGRATIONS if step.version > found]
    if not pending:
        return 0
    schema = _own_schema(con, path, found)
    for step in pending:
        take(
            con, step, re.sub(r"\bVARCHAR\b", 'VARCHAR COLLATE "C"', step.sql)
        )  # sorted by code points, as in a lab file
    for index in INDEXES:
        con.execute(f"CREATE {index.replace('INDEX ', 'INDEX IF NOT EXISTS ', 1)}")
    _arrange(con, policies(schema))
    return len(pending)


def renew_policies(con: Con) -> None:
    """Brings the policies up to date with this version's access table. Only the tables' owner can; others leave it as it is."""
    sql = (
        "SELECT n.nspname, pg_has_role(session_user, c.relowner, 'MEMBER'), obj_description(c.oid, 'pg_class')"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass('schema_version')"
    )
    schema, may, known = con.execute(sql).fetchone()
    if may and known != _digest(wanted := policies(schema)):
        con.execute("SELECT pg_advisory_xact_lock(?)", [MIGRATING])
        _arrange(con, wanted)


def _arrange(con: Con, statements: list[str]) -> None:
    for statement in statements:
        con.execute(statement)
    con.execute(f"COMMENT ON TABLE schema_version IS '{_digest(statements)}'")


def _digest(statements: list[str]) -> str:
    """What the policies of a version are known by."""
    return f"policies {hashlib.sha256(chr(10).join(statements).encode()).hexdigest()}"


def _own_schema(con: Con, path: str, found: int) -> str:
    """The schema that the tables lie in or are to be made in. Raises StoreError when this role may not change it."""
    schema, user, may = con.execute(
        "SELECT current_schema(), session_user, coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
    ).fetchone()
    owner: Any = None
    if found:
        owner = con.execute(
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('schema_version')"
        ).fetchone()[0]
        (may,) = con.execute("SELECT pg_has_role(session_user, ?, 'MEMBER')", [owner]).fetchone()
    if schema is None or not may:
        state = f"has the schema {found} of an older campaign_lab" if found else "has no lab in it yet"
        raise StoreError(
            path,
            f"{state}, and the role {user} may not change that",
            f"Let {f'its owner {owner}' if owner else 'the owner of the database'} open it once with this version: "
            "campaign-lab --lab URL doctor.",
        )
    return str(schema)


def _refuse_strangers(con: Con, path: str) -> None:
    """Raises StoreError when another program has tables of our names where ours would be."""
    sql = f"SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename {queries.IN_LIST} ORDER BY 1"
    taken = [name for (name,) in con.execute(sql, [list(TABLES.values())]).fetchall()]
    if taken:
        raise StoreError(
            path,
            f"has tables of another program ({', '.join(taken[:3])}), and no version of ours",
            "Make a database for the lab: CREATE DATABASE lab. Nothing was changed.",
        )
