"""What a fork tree cost and what forking avoided, from the rows of ``lab.tree``. US dollars; an unknown cost is never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from campaign_lab.show import Sum

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The frame's rows as plain dicts."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def known(value: Any) -> float | None:
    """The number; None for one that is not known."""
    return None if value is None or math.isnan(value) else float(value)


def total(values: Iterable[Any]) -> Sum:
    """The sum of costs of which some may not be known."""
    numbers = [known(value) for value in values]
    return Sum(sum(number for number in numbers if number is not None), numbers.count(None))


def own_phases(row: Row) -> list[str]:
    """The phases that the session ran itself, after the checkpoint that it starts from."""
    return [phase for phase in str(row["phases"]).split(", ") if phase][int(row["checkpoint"]) :]


def paid(rows: Iterable[Row]) -> Sum:
    """What all sessions paid when their turns were made."""
    return total(row["cost_usd"] for row in rows)


def avoided(rows: Iterable[Row]) -> Sum:
    """What the forks carry and did not pay again. A fork that has run nothing yet has avoided nothing yet."""
    return total(row["carried_usd"] for row in rows if own_phases(row))
