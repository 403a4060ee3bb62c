"""What a fork tree cost and what forking avoided, from the rows of ``lab.tree``. US dollars; an unknown cost is never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from campaign_lab.money import NOTHING, Sum

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows as plain dicts."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def known(value: Any) -> float | None:
    """The value as a float, in US dollars; None when it is not known."""
    return None if value is None or math.isnan(value) else float(value)


def cost(row: Row) -> Sum:
    """US dollars that the session of the row cost; None when unknown."""
    return Sum.stored(row["cost_usd"], row.get("unpriced_requests"))


def carried(row: Row) -> Sum:
    """US dollars that the turns before the session's start cost when they were made; None when unknown."""
    return Sum.stored(row["carried_usd"], row.get("carried_unpriced_requests"))


def own_phases(row: Row) -> list[str]:
    """The phases that the session ran itself, after the checkpoint that it starts from."""
    return [phase for phase in str(row["phases"]).split(", ") if phase][int(row["checkpoint"]) :]


def paid(rows: Iterable[Row]) -> Sum:
    """US dollars that all sessions paid when their turns were made; None when unknown."""
    return sum((cost(row) for row in rows), NOTHING)


def avoided(rows: Iterable[Row]) -> Sum:
    """What the forks carry and did not pay again. A fork that has run nothing yet has avoided nothing yet."""
    return sum((carried(row) for row in rows if own_phases(row)), NOTHING)
