"""The rows of a lab as frozen values: one class per table, with fields named like the columns.

Times are aware and in UTC. Fields that hold JSON are text; the code that reads them knows their shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class SessionRow:
    """A named pointer to a turn. ``start_turn`` is the checkpoint it was forked from, ``tip_turn`` where it stands."""

    id: str
    owner: str
    campaign: str
    url: str
    name: str
    endpoint: str
    model: str
    parent_session: str | None
    start_turn: str | None
    tip_turn: str | None
    purpose: str
    automatic: bool
    brief: str
    made_at: datetime
    notebook: str | None = None
    cell_id: str | None = None
    source_sha: str | None = None
    last_paid_at: datetime | None = None
    ttl_seconds: int | None = None
    pinned: bool = False
    metadata: str = "{}"
    renews: str | None = None
    swept_at: datetime | None = None


@dataclass(frozen=True)
class TurnRow:
    """A finished turn. Its ``id`` is also the id of the attempt that made it, and of that attempt's SDK session."""

    id: str
    session_id: str
    parent_turn: str | None
    key: str
    take: int
    phase: str
    message: str
    steer: str
    fingerprint: str
    brief: str
    endpoint: str
    model: str
    user_name: str
    started_at: datetime
    finished_at: datetime
    leaf_uuid: str | None
    answer: str
    missing: str
    notebook: str | None = None
    cell_id: str | None = None
    source_sha: str | None = None


LEASE = timedelta(seconds=120)
"""How long a claim of another machine is believed after its last sign of life: eight times ``Context.beat_s``, enough for a
server to restart."""


@dataclass(frozen=True)
class ClaimRow:
    """Which process is running a key right now. A claim is void once its process has died.

    ``seen_at`` is the last time that the process confirmed that it is alive, by the store's clock.
    """

    key: str
    attempt_id: str
    user_name: str
    host: str
    pid: int
    process_start: str
    claimed_at: datetime
    seen_at: datetime | None = None


@dataclass(frozen=True)
class AttemptRow:
    """One try at a turn. ``state`` is running, finished or failed; ``versions`` is JSON.

    ``batch`` and ``run`` are the ids of the batch and of the run in it that made the attempt; None for one made by hand.
    """

    id: str
    session_id: str
    parent_turn: str | None
    key: str
    phase: str
    user_name: str
    state: str
    cause: str | None
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    cost_usd: float | None
    versions: str
    batch: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class TranscriptRow:
    """What one agent of an attempt wrote, as a whole. ``session_id`` is the attempt, ``subpath`` is empty for the main agent."""

    project_key: str
    session_id: str
    subpath: str
    n: int
    mtime: int
    summary: str | None


@dataclass(frozen=True)
class EntryRow:
    """One entry of a transcript, as the CLI wrote it (``entry``, JSON). ``seq`` is its place in the transcript, from 0."""

    project_key: str
    session_id: str
    subpath: str
    seq: int
    uuid: str | None
    kind: str | None
    entry: str
    stored_at: datetime


@dataclass(frozen=True)
class RequestRow:
    """One request of an attempt: the ledger of record. Token counts and the cost in US dollars are None where unknown."""

    attempt_id: str
    subpath: str
    message_id: str
    agent: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    cost_usd: float | None
    complete: bool
    stored_at: datetime
    n: int = 0


@dataclass(frozen=True)
class RecordRow:
    """A record of a turn. ``body`` is its JSON; ``problems`` the JSON list of its findings that were not mended.

    ``near_duplicate`` is the id of a record of the same turn with nearly the same text.
    """

    turn_id: str
    kind: str
    n: int
    record_id: str
    label: str
    revision: int
    body: str
    degraded: bool
    problems: str
    near_duplicate: str | None = None


@dataclass(frozen=True)
class JudgementRow:
    """What a user thinks of a record: ``pick`` is pick, reject or empty, ``rating`` 1 to 5. One row per record and user.

    A judgement that was taken back stays as an empty row, so that its time is known.
    """

    turn_id: str
    kind: str
    n: int
    user_name: str
    pick: str
    rating: int | None
    note: str
    rated_at: datetime


@dataclass(frozen=True)
class PageRow:
    """A page of a campaign; ``error`` is why it was refused. ``page`` is its JSON, ``body`` its bytes, ``size`` their number."""

    owner: str
    campaign: str
    url: str
    requested_url: str
    sha256: str | None = None
    size: int | None = None
    body: bytes | None = None
    page: str | None = None
    error: str | None = None
    fetched_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class CacheRow:
    """A prompt prefix that a rehearsal turn wrote to the cache. ``ttl`` is its life in seconds."""

    attempt_id: str
    actor: str
    prefix: str
    tokens: int
    ttl: str
    stored_at: datetime


@dataclass(frozen=True)
class ShareRow:
    """What another user may do with a session: ``read``, ``fork`` or ``run``."""

    session_id: str
    user_name: str
    permission: str
    shared_by: str
    shared_at: datetime


@dataclass(frozen=True)
class AuditRow:
    """One action on a session: which user, which verb, and whether it was allowed."""

    user_name: str
    verb: str
    session_id: str
    allowed: bool
    happened_at: datetime


TABLES: dict[type, str] = {
    SessionRow: "sessions",
    TurnRow: "turns",
    ClaimRow: "claims",
    AttemptRow: "attempts",
    TranscriptRow: "transcripts",
    EntryRow: "entries",
    RequestRow: "requests",
    RecordRow: "records",
    JudgementRow: "judgements",
    PageRow: "pages",
    CacheRow: "rehearsal_cache",
    ShareRow: "shares",
    AuditRow: "audit",
}
"""The table of each class of rows."""
