"""What is in the lab file: the tables, and the steps that bring an older file up to date.

Rules of the house, measured: no UNIQUE, PRIMARY KEY, FOREIGN KEY or index (in DuckDB their space is never given back
and they block later changes to a table); what must be unique is checked inside the transaction, under the gate.
Times are TIMESTAMPTZ in UTC. JSON is text: a JSON column refuses text that was cut in the middle of an emoji.

The same text runs in PostgreSQL, whose words are used for it (DOUBLE PRECISION, BYTEA). What differs there: it needs
unique indexes, because its writers are not alone; placeholders are %s, and its text refuses the character U+0000.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaign_lab.errors import StoreError
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import TABLES
from campaign_lab.store.stored_sentences import sentences_to_findings

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Migration:
    """One step forward: ``sql``, which may hold several statements, then ``convert``. A released step is never edited."""

    version: int
    sql: str
    convert: Callable[[Con], None] | None = None


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        """
        CREATE TABLE sessions (
            id VARCHAR NOT NULL, owner VARCHAR, campaign VARCHAR, url VARCHAR, name VARCHAR, endpoint VARCHAR,
            model VARCHAR, parent_session VARCHAR, start_turn VARCHAR, tip_turn VARCHAR, purpose VARCHAR,
            automatic BOOLEAN, brief VARCHAR, made_at TIMESTAMPTZ, notebook VARCHAR, cell_id VARCHAR,
            source_sha VARCHAR, last_paid_at TIMESTAMPTZ, ttl_seconds BIGINT, pinned BOOLEAN, metadata VARCHAR);
        -- a turn stands here only when it is finished; its id is the id of the attempt that made it
        CREATE TABLE turns (
            id VARCHAR NOT NULL, session_id VARCHAR NOT NULL, parent_turn VARCHAR, key VARCHAR, take INTEGER,
            phase VARCHAR, message VARCHAR, steer VARCHAR, fingerprint VARCHAR, brief VARCHAR, endpoint VARCHAR,
            model VARCHAR, user_name VARCHAR, started_at TIMESTAMPTZ, finished_at TIMESTAMPTZ, leaf_uuid VARCHAR,
            answer VARCHAR, missing VARCHAR, notebook VARCHAR, cell_id VARCHAR, source_sha VARCHAR);
        CREATE TABLE claims (
            key VARCHAR NOT NULL, attempt_id VARCHAR NOT NULL, user_name VARCHAR, host VARCHAR, pid INTEGER,
            process_start VARCHAR, claimed_at TIMESTAMPTZ);
        CREATE TABLE attempts (
            id VARCHAR NOT NULL, session_id VARCHAR, parent_turn VARCHAR, key VARCHAR, phase VARCHAR,
            user_name VARCHAR, state VARCHAR, cause VARCHAR, reason VARCHAR, started_at TIMESTAMPTZ,
            ended_at TIMESTAMPTZ, cost_usd DOUBLE PRECISION, versions VARCHAR);
        -- the SDK's side: one transcript a (project_key, session_id, subpath), subpath '' is the main agent
        CREATE TABLE transcripts (
            project_key VARCHAR NOT NULL, session_id VARCHAR NOT NULL, subpath VARCHAR NOT NULL,
            n INTEGER NOT NULL, mtime BIGINT NOT NULL, summary VARCHAR);
        CREATE TABLE entries (
            project_key VARCHAR NOT NULL, session_id VARCHAR NOT NULL, subpath VARCHAR NOT NULL,
            seq INTEGER NOT NULL, uuid VARCHAR, kind VARCHAR, entry VARCHAR NOT NULL, stored_at TIMESTAMPTZ);
        CREATE TABLE requests (
            attempt_id VARCHAR NOT NULL, subpath VARCHAR, message_id VARCHAR, agent VARCHAR, model VARCHAR,
            input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_5m_tokens BIGINT,
            cache_write_1h_tokens BIGINT, cost_usd DOUBLE PRECISION, complete BOOLEAN, stored_at TIMESTAMPTZ);
        CREATE TABLE records (
            turn_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, n INTEGER, record_id VARCHAR, label VARCHAR,
            revision INTEGER, body VARCHAR, degraded BOOLEAN, problems VARCHAR);
        -- error is not null: the page was refused, and the refusal is what was met
        CREATE TABLE pages (
            owner VARCHAR, campaign VARCHAR, url VARCHAR NOT NULL, requested_url VARCHAR, sha256 VARCHAR,
            size BIGINT, body BYTEA, page VARCHAR, error VARCHAR, fetched_at TIMESTAMPTZ);
        CREATE TABLE rehearsal_cache (
            attempt_id VARCHAR NOT NULL, actor VARCHAR, prefix VARCHAR, tokens BIGINT, ttl VARCHAR,
            stored_at TIMESTAMPTZ);
        """,
    ),
    Migration(
        2,
        """
        -- a session that goes on from an expired one, and when a sweep took it; its row stays for the ledger's sake
        ALTER TABLE sessions ADD COLUMN renews VARCHAR;
        ALTER TABLE sessions ADD COLUMN swept_at TIMESTAMPTZ;
        -- the order of an attempt's requests
        ALTER TABLE requests ADD COLUMN n INTEGER;
        CREATE TABLE shares (
            session_id VARCHAR NOT NULL, user_name VARCHAR NOT NULL, permission VARCHAR NOT NULL,
            shared_by VARCHAR, shared_at TIMESTAMPTZ);
        CREATE TABLE audit (
            user_name VARCHAR, verb VARCHAR, session_id VARCHAR, allowed BOOLEAN, happened_at TIMESTAMPTZ);
        """,
    ),
    Migration(
        3,
        """
        -- id of the record of the same turn that says nearly the same; null when there is none, or nobody looked
        ALTER TABLE records ADD COLUMN near_duplicate VARCHAR;
        -- what people think of a record: one row a (record, user), empty when it was taken back
        CREATE TABLE judgements (
            turn_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, n INTEGER NOT NULL, user_name VARCHAR NOT NULL,
            pick VARCHAR, rating INTEGER, note VARCHAR, rated_at TIMESTAMPTZ);
        """,
    ),
    Migration(
        4,
        """
        -- the batch and the run of it that an attempt was made in; null for one that was made by hand
        ALTER TABLE attempts ADD COLUMN batch VARCHAR;
        ALTER TABLE attempts ADD COLUMN run VARCHAR;
        -- when the claiming process last said that it lives, by the store's clock: other machines cannot look at it
        ALTER TABLE claims ADD COLUMN seen_at TIMESTAMPTZ;
        """,
    ),
    Migration(
        5,
        "-- records.problems: a list of findings, no longer a list of sentences",
        sentences_to_findings,
    ),
)


def migrate(con: duckdb.DuckDBPyConnection, path: str) -> int:
    """Bring the file to the newest schema, each step in a transaction of its own; returns how many steps it took.

    Call it outside a transaction, under the gate. Raises StoreError for a file that is not ours or is newer than us.
    """
    found = _version(con, path)
    refuse_newer(path, found, "lab file")
    pending = [step for step in MIGRATIONS if step.version > found]
    for step in pending:
        _apply(con, path, step)
    return len(pending)


def take(con: Con, step: Migration, sql: str) -> None:
    """Takes a step and notes it. ``sql`` is the step's own, in the words of the database."""
    if step is MIGRATIONS[0]:
        con.execute("CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    con.execute(sql)
    if step.convert:
        step.convert(con)
    con.execute("INSERT INTO schema_version VALUES (?, now())", [step.version])


def refuse_newer(path: str, found: int, kind: str) -> None:
    """Raises StoreError for a schema version that is newer than ours. ``kind``: what to choose another one of."""
    newest = MIGRATIONS[-1].version
    if found > newest:
        raise StoreError(
            path,
            f"was written by a newer campaign_lab (schema {found}; this one knows {newest})",
            f"Upgrade campaign_lab, or choose another {kind}. Nothing was changed.",
        )


def shape(con: Con) -> set[tuple[str, str, str, str]]:
    """Table, kind of table, column and type of all our columns. A view in a table's place would run what its maker wrote."""
    found = con.execute(
        "SELECT c.table_name, t.table_type, c.column_name, c.data_type FROM information_schema.columns AS c"
        " JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
        f" WHERE c.table_name {queries.IN_LIST}",
        [list(TABLES.values())],
    )
    return {(str(table), str(kind), str(column), str(type_)) for table, kind, column, type_ in found.fetchall()}


def _version(con: duckdb.DuckDBPyConnection, path: str) -> int:
    """The file's schema version, 0 for an empty one. A database of somebody else is left alone."""
    import duckdb  # loaded by whoever made `con`; this module must stay light

    try:
        row = con.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    except duckdb.Error:  # no such table, or one of that name without a version
        tables = con.execute("SELECT table_name FROM information_schema.tables ORDER BY 1 LIMIT 3").fetchall()
        if not tables:
            return 0
        names = ", ".join(name for (name,) in tables)
        raise StoreError(
            path,
            f"is a DuckDB file of another program (it has the tables {names}, and no version of ours)",
            "Choose another name for the lab file. Nothing was changed.",
        ) from None
    return int(row[0]) if row else 0


def _apply(con: duckdb.DuckDBPyConnection, path: str, step: Migration) -> None:
    con.execute("BEGIN")
    try:
        take(con, step, step.sql)
        con.execute("COMMIT")
    except Exception as error:
        con.execute("ROLLBACK")
        raise StoreError(
            path,
            f"could not be brought to schema {step.version}: {error}",
            "It stays as it was and the program that wrote it can still use it. Keep a copy and report this.",
        ) from error
