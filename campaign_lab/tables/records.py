"""The catalogue: all records of one kind, of several sessions or of all that the user may see, each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from campaign_lab.errors import NotFoundError
from campaign_lab.records import Record
from campaign_lab.sessions.history.path_loader import (
    HandlePosition,
    PathStep,
    Phases,
    SessionLabel,
    StoredRecord,
    all_steps,
    latest,
    line_to,
    names_of,
    stored,
)
from campaign_lab.sessions.upkeep.access import visible
from campaign_lab.store.connection import Con
from campaign_lab.tables.claim_counts import counts, text_of
from campaign_lab.tables.columns import Row


def record_class(phases: Phases, kind: str) -> type[Record]:
    """The class of the records of a kind. Raises NotFoundError that lists the kinds that the known phases make."""
    classes: dict[str, type[Record]] = {}
    for phase in phases.values():
        for made in phase.makes:
            classes.setdefault(made.kind, made)
    if kind not in classes:
        raise NotFoundError("kind of record", str(kind), tuple(classes))
    return classes[kind]


def positions_of_all(con: Con, user: str) -> list[HandlePosition]:
    """All sessions that the user may see, each at its tip, the oldest first."""
    return [
        HandlePosition(row, row.tip_turn) for row in sorted(visible(con, user), key=lambda row: (row.made_at, row.id))
    ]


def record_rows(con: Con, user: str, phases: Phases, positions: Sequence[HandlePosition], *, kind: str) -> list[Row]:
    """One row per record of the turns up to the positions, degraded ones included; ``fields`` holds its own fields.

    A turn that several sessions carry is listed once, under the session that made it. When the user may not see that
    one, it is the first of the positions that carry it.
    """
    steps, names = all_steps(con), names_of(con, user)
    bearers: dict[PathStep, str] = {}
    for position in positions:
        for step in latest(line_to(steps, position.turn)):
            bearers.setdefault(step, step.session if step.session in names else position.session.id)
    rows: dict[str, list[Row]] = {}
    for record in stored(con, list(bearers), phases, kinds=(kind,)):
        step = steps[record.turn]
        rows.setdefault(record.turn, []).append(_row(record, step, names[bearers[step]]))
    return [row for step in bearers for row in rows.get(step.id, ())]


def _row(record: StoredRecord, step: PathStep, session: SessionLabel) -> Row:
    return {
        "session": session.name,
        "campaign": session.campaign,
        "phase": step.phase,
        "label": record.label,
        "fields": {name: _value(value) for name, value in record.fields.items()},
        **counts(record),
        "degraded": record.degraded,
        "endpoint": session.endpoint,
        "id": record.id,
    }


def _value(value: Any) -> Any:
    """Figures as they are, all else as text."""
    return value if isinstance(value, int | float) else text_of(value)
