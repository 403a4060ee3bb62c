"""The rows of the lab file as frozen values: one class a table, fields named like the columns.

Times are aware and in UTC. Fields that hold JSON are text; who reads them knows their shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime


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
    """A finished turn. ``id`` is that of the attempt that made it, and of its SDK session."""

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


@dataclass(frozen=True)
class ClaimRow:
    """Who is running a key right now. A claim whose process has died is void.

    ``seen_at`` is when that process last said that it lives, by the store's clock.
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
class RequestRow:
    """One request of an attempt: the ledger of record. Counts of tokens, and the cost, are None where they are not known."""

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

    @property
    def prompt_tokens(self) -> int | None:
        """All tokens that went in; None where a count is not known."""
        counts = (self.input_tokens, self.cache_read_tokens, self.cache_write_5m_tokens, self.cache_write_1h_tokens)
        return None if None in counts else sum(count or 0 for count in counts)


@dataclass(frozen=True)
class RecordRow:
    """A record of a turn. ``body`` is its JSON; ``problems`` the JSON list of its findings that were not mended.

    ``near_duplicate`` is the id of the record of the same turn that says nearly the same.
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
    """What a user thinks of a record: ``pick`` is pick, reject or nothing, ``rating`` 1 to 5. One row a (record, user).

    One that was taken back says nothing and stays, so that it is known when.
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
    """A page of a campaign, or (``error``) the refusal that was met. ``page`` is the page's JSON, ``body`` its bytes."""

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
    """Who did, or tried to do, what with which session."""

    user_name: str
    verb: str
    session_id: str
    allowed: bool
    happened_at: datetime
