"""When a session expires, and durations as people write them. Pure: no clock and no file."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from campaign_lab.store.rows import SessionRow

UNITS_S = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""Seconds in each unit, the largest first, as they are written."""
LONGEST_S = 100 * 365 * 86_400
"""A longer duration is a slip of the finger: what is to stay for ever is pinned."""

_PART = r"(?:(?P<{unit}>\d+(?:\.\d+)?)\s*{unit}\s*)?"
_DURATION = re.compile("".join(_PART.format(unit=unit) for unit in UNITS_S), re.IGNORECASE | re.ASCII)


def expires_at(row: SessionRow) -> datetime | None:
    """When the session expires, in UTC; None for one that never does (pinned, or made without a life).

    Its life counts from the last turn that was paid for: looking at a session and replaying it do not prolong it.
    """
    if row.pinned or row.ttl_seconds is None:
        return None
    # in UTC before the sum: aware times of a zone are added by the wall clock, which daylight saving turns
    began = (row.last_paid_at or row.made_at).astimezone(UTC)
    try:
        return began + timedelta(seconds=row.ttl_seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def has_expired(row: SessionRow, now: datetime) -> bool:
    """Has the session expired by then?"""
    end = expires_at(row)
    return end is not None and end <= now


def seconds(text: str | float) -> float:
    """A duration in seconds: a number of seconds, or text such as ``90s``, ``30m``, ``8h``, ``7d``, ``1h30m``, ``2w``.

    Raises ValueError for anything else, for a negative duration, and for one of more than a hundred years.
    """
    found = _written(text) if isinstance(text, str) else _number(text)
    if found is None or not 0 <= found <= LONGEST_S:
        raise ValueError(
            f"duration: {text!r} is not allowed; expected a number of seconds, or text such as 90s, 30m, 8h, 7d or "
            "1h30m, of at most a hundred years"
        )
    return found


def _written(text: str) -> float | None:
    fit = _DURATION.fullmatch(text.strip())
    if fit is None or not any(fit.groups()):
        return None
    return math.fsum(float(fit[unit] or 0) * length for unit, length in UNITS_S.items())


def _number(value: float) -> float | None:
    """The number as it is, if it is one: True is no duration, nor is NaN."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None
