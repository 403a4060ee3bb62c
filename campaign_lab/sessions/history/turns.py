"""A turn as its reader sees it: the records, what is missing, and the receipt."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import Phase
from campaign_lab.findings import Finding, load_findings
from campaign_lab.records import Record
from campaign_lab.sessions.spending.costs import cost_where
from campaign_lab.sessions.spending.prompt_cache import verdict
from campaign_lab.sessions.spending.receipts import Receipt, receipt_of
from campaign_lab.sessions.upkeep.access import page_owners
from campaign_lab.show import records_html
from campaign_lab.show.text import and_take, pluralize
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import RecordRow, RequestRow, SessionRow, TurnRow


@dataclass(frozen=True, repr=False)
class Turn:
    """A finished turn of a session. ``replayed`` tells whether it was found or made; nothing that is saved depends on it."""

    phase: str
    key: str
    take: int
    session: str
    kept: tuple[KeptRecord, ...]
    missing: tuple[str, ...]
    answer: str
    receipt: Receipt
    rehearsal: bool
    replayed: bool = False
    forked: bool = False
    """Was a fork made for it, because the line went on differently?"""
    older: str = ""
    """Empty, or where it was found in an older revision: how it is made anew, and what that costs."""
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    pages_read_at: datetime | None = None
    """When the oldest page of the campaign was fetched."""

    @property
    def records(self) -> tuple[Record, ...]:
        """The valid records, in order."""
        return tuple(kept.record for kept in self.kept if kept.record is not None)

    def __repr__(self) -> str:
        counts = Counter(kept.kind.replace("_", " ") for kept in self.kept)
        what = ", ".join(pluralize(count, kind) for kind, count in counts.items()) or "no records"
        older = f", {self.older}" if self.older else ""
        return f"Turn({self.phase}: {what}{and_take(self.take)}{', rehearsal' if self.rehearsal else ''}{older})"

    def _repr_html_(self) -> str:
        records = [kept.to_json() | {"kind": kept.kind} for kept in self.kept]
        return records_html(
            self.phase,
            records,
            self.missing,
            self.rehearsal,
            answer=self.answer,
            note=and_take(self.take) + (f", {self.older}" if self.older else ""),
        )


def load_turn(con: Con, row: TurnRow, phase: Phase | None, session: SessionRow) -> Turn:
    """The stored turn. Records of a phase that is not known here are given as raw text."""
    records = queries.select(con, RecordRow, "WHERE turn_id = ? ORDER BY n", [row.id])
    requests = queries.select(con, RequestRow, "WHERE attempt_id = ? ORDER BY n", [row.id])
    before = queries.select(con, TurnRow, "WHERE id = ?", [row.parent_turn or ""])
    rehearsal = row.endpoint.startswith("rehearsal")
    return Turn(
        phase=row.phase,
        key=row.key,
        take=row.take,
        session=session.name,
        kept=kept_of(records, phase),
        missing=tuple(json.loads(row.missing)),
        answer=row.answer,
        receipt=replace(
            receipt_of(row.phase, requests, rehearsal=rehearsal, take=row.take),
            cache=verdict(con, row, *before) if before else None,
            avoided=cost_where(con, f"attempts.id {queries.IN_LIST}", [queries.ancestry(con, row.parent_turn)]),
        ),
        rehearsal=rehearsal,
        made_at=row.finished_at,
        pages_read_at=queries.oldest_page(con, page_owners(con, session), session.campaign),
    )


def kept_of(rows: Sequence[RecordRow], phase: Phase | None) -> tuple[KeptRecord, ...]:
    """Rows as records of the phase's classes."""
    kept = []
    for row in rows:
        model = None if row.degraded or phase is None else phase.record_type(row.kind)
        findings = load_findings(row.problems)
        if model is not None and model.revision != row.revision:
            message = f"stored as revision {row.revision}, read as text: the class is revision {model.revision}"
            findings = (*findings, Finding("stored.revision", "warn", "", "", message))
            model = None
        record = None if model is None else model.model_validate_json(row.body)
        kept.append(KeptRecord(row.record_id, row.kind, row.label, record, row.body, findings))
    return tuple(kept)
