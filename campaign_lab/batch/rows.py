"""A row of a batch: one run, its state and its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from campaign_lab.money import Sum
from campaign_lab.tables.columns import Column, frame

if TYPE_CHECKING:
    import pandas as pd

RunState = Literal["waiting", "running", "finished", "failed", "cancelled", "over budget", "refused"]
"""``refused``: the brief cannot be used, so nothing was started. ``over budget``: a budget stopped a turn."""
SIGNS: Mapping[str, str] = {
    "waiting": "○", "running": "▶", "finished": "✓", "failed": "✗", "cancelled": "■", "over budget": "✗", "refused": "✗",
}  # fmt: skip
"""The sign shown before the name of each state."""


@dataclass(frozen=True)
class Row:
    """One run of a batch. ``run`` is its id, unique in its batch and safe as a file name. Sums are US dollars.

    ``parameters`` are those that the batch set, without the brief. ``cost_usd`` is what was paid for its finished attempts in
    all starts of the batch, as far as it is known, None when nothing is; ``cut_usd`` for attempts that failed or were cut;
    ``replayed_usd`` is what replayed turns cost when they were made. Each sum has a count of its requests without a price.
    ``attempts`` counts the tries, ``notebook`` is a file name in the batch's folder. ``error`` is one line, ``cell`` the id of
    the cell that failed. ``sessions`` are ids, ``tips`` the last turn of the run in each session. ``changed`` says why it ran
    again. ``inputs`` are digests of all its inputs.
    """

    run: str
    brief: str
    campaign: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    state: RunState = "waiting"
    cost_usd: float | None = 0.0
    cut_usd: float | None = 0.0
    replayed_usd: float | None = 0.0
    duration_s: float | None = None
    records: int = 0
    attempts: int = 0
    notebook: str = ""
    error: str = ""
    cell: str = ""
    sessions: tuple[str, ...] = ()
    tips: Mapping[str, str] = field(default_factory=dict)
    changed: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    unpriced_requests: int = 0
    cut_unpriced_requests: int = 0
    replayed_unpriced_requests: int = 0

    @property
    def name(self) -> str:
        """The name shown to people: the brief, and the parameters that differ among the runs of that brief."""
        return run_name(self.brief, self.parameters)

    @property
    def paid(self) -> Sum:
        """What was paid for its finished attempts."""
        return Sum.stored(self.cost_usd, self.unpriced_requests)

    @property
    def cut(self) -> Sum:
        """What was paid for attempts that failed or were cut."""
        return Sum.stored(self.cut_usd, self.cut_unpriced_requests)

    @property
    def replayed(self) -> Sum:
        """What replayed turns cost when they were made."""
        return Sum.stored(self.replayed_usd, self.replayed_unpriced_requests)

    def to_json(self) -> str:
        """Returns the row as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, default=_stored)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Returns the row that ``to_json`` wrote. Raises ValueError or TypeError for anything else."""
        known = {one.name for one in fields(cls)}
        stored = {name: value for name, value in json.loads(text).items() if name in known}
        if stored.get("state") not in get_args(RunState):
            raise ValueError(f"state: {stored.get('state')!r} is not allowed")
        for name in ("started_at", "ended_at"):
            stored[name] = datetime.fromisoformat(stored[name]) if stored.get(name) else None
        return cls(**{**stored, "sessions": tuple(stored.get("sessions", ()))})


def run_name(brief: str, parameters: Mapping[str, Any]) -> str:
    """Returns the name of a run, such as ``termwick-renewals, angle: emotional``."""
    return ", ".join([brief, *(f"{name}: {value}" for name, value in parameters.items())])


def _stored(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else list(value)


UNPRICED = ("unpriced_requests", "cut_unpriced_requests", "replayed_unpriced_requests")
"""For what a row paid, cut and replayed: how many of those requests have no price."""

BATCH_COLUMNS: tuple[Column, ...] = (
    *(Column(name, "str", itemgetter(name)) for name in ("run", "brief", "campaign")),
    Column("parameters", "str", lambda row: run_name("", row["parameters"]).removeprefix(", ")),
    Column("state", "str", itemgetter("state")),
    *(Column(name, "float64", itemgetter(name)) for name in ("cost_usd", "cut_usd", "replayed_usd", "duration_s")),
    *(Column(name, "int64", itemgetter(name)) for name in ("records", "attempts")),
    *(Column(name, "str", itemgetter(name)) for name in ("notebook", "error", "cell", "changed")),
    *(Column(name, "int64", itemgetter(name)) for name in UNPRICED),
)
"""One row per run; see ``Row``. ``parameters`` in words, ``duration_s`` NaN for a run that was not begun."""


def batch_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Returns the rows as a table with BATCH_COLUMNS."""
    return frame([vars(row) for row in rows], BATCH_COLUMNS)
