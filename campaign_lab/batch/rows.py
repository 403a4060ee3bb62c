"""A row of a batch: what a run is and how it stands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from campaign_lab.money import Sum
from campaign_lab.tables import Column, frame

if TYPE_CHECKING:
    import pandas as pd

RunState = Literal["waiting", "running", "finished", "failed", "cancelled", "over budget", "refused"]
"""``refused``: the brief cannot be used, so nothing was started. ``over budget``: a turn was not sent for the budget's sake."""
SIGNS: Mapping[str, str] = {
    "waiting": "○", "running": "▶", "finished": "✓", "failed": "✗", "cancelled": "■", "over budget": "✗", "refused": "✗",
}  # fmt: skip
"""Before each state, beside its word and colour."""


@dataclass(frozen=True)
class Row:
    """What a run is and how it stands. ``run`` is its id, unique in its batch and safe as a file name. Sums are US dollars.

    ``parameters`` are those that the batch set, without the brief. ``cost_usd`` is what its finished attempts were paid, over
    all starts of the batch, as far as it is known, None when nothing is; ``cut_usd`` what failed and cut ones were;
    ``replayed_usd`` what replayed turns once cost. Beside each stands how many of its requests have no price. ``attempts``
    counts the tries, ``notebook`` is a file name in the batch's folder. ``error`` is one line, and ``cell`` where it happened.
    ``sessions`` are ids, ``tips`` the turn at which it left each: another run may have gone on from there. ``changed`` says
    why it ran again. ``inputs`` are digests of all that it stands on.
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
        """The run as people know it: its brief, and what sets it apart from other runs of that brief."""
        return run_name(self.brief, self.parameters)

    @property
    def paid(self) -> Sum:
        """What its finished attempts were paid."""
        return Sum.stored(self.cost_usd, self.unpriced_requests)

    @property
    def cut(self) -> Sum:
        """What attempts that failed or were cut were paid."""
        return Sum.stored(self.cut_usd, self.cut_unpriced_requests)

    @property
    def replayed(self) -> Sum:
        """What replayed turns once cost."""
        return Sum.stored(self.replayed_usd, self.replayed_unpriced_requests)

    def to_json(self) -> str:
        """The row as it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, default=_stored)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The row that ``to_json`` wrote. Raises ValueError or TypeError for anything else."""
        known = {one.name for one in fields(cls)}
        given = {name: value for name, value in json.loads(text).items() if name in known}
        if given.get("state") not in get_args(RunState):
            raise ValueError(f"state: {given.get('state')!r} is not allowed")
        for name in ("started_at", "ended_at"):
            given[name] = datetime.fromisoformat(given[name]) if given.get(name) else None
        return cls(**{**given, "sessions": tuple(given.get("sessions", ()))})


def run_name(brief: str, parameters: Mapping[str, Any]) -> str:
    """A run in words, such as ``termwick-renewals, angle: emotional``."""
    return ", ".join([brief, *(f"{name}: {value}" for name, value in parameters.items())])


def _stored(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else list(value)


UNPRICED = ("unpriced_requests", "cut_unpriced_requests", "replayed_unpriced_requests")
"""Beside what a row paid, cut and replayed: how many of those requests have no price."""

BATCH_COLUMNS: tuple[Column, ...] = (
    *(Column(name, "str", itemgetter(name)) for name in ("run", "brief", "campaign")),
    Column("parameters", "str", lambda row: run_name("", row["parameters"]).removeprefix(", ")),
    Column("state", "str", itemgetter("state")),
    *(Column(name, "float64", itemgetter(name)) for name in ("cost_usd", "cut_usd", "replayed_usd", "duration_s")),
    *(Column(name, "int64", itemgetter(name)) for name in ("records", "attempts")),
    *(Column(name, "str", itemgetter(name)) for name in ("notebook", "error", "cell", "changed")),
    *(Column(name, "int64", itemgetter(name)) for name in UNPRICED),
)
"""One row a run; see ``Row``. ``parameters`` in words, ``duration_s`` NaN for a run that was not begun."""


def batch_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table: BATCH_COLUMNS."""
    return frame([vars(row) for row in rows], BATCH_COLUMNS)
