"""Budgets: the most that may be spent, as given to a lab or by the environment. All amounts are US dollars."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Budgets:
    """The most that may be spent in US dollars: on one turn, on one session, by one user, by one user on one UTC day."""

    turn_usd: float | None = None
    session_usd: float | None = None
    user_usd: float | None = None
    day_usd: float | None = None


TURN_USD, SESSION_USD = "CAMPAIGN_LAB_TURN_USD", "CAMPAIGN_LAB_SESSION_USD"
"""Environment variables with the most that a turn and a session may cost, for a lab that is given no budgets."""


def budgets_of(environ: Mapping[str, str]) -> Budgets:
    """The budgets that the environment sets. Raises ValueError for one that is not a number of US dollars."""
    return Budgets(turn_usd=dollars(environ, TURN_USD), session_usd=dollars(environ, SESSION_USD))


def dollars(environ: Mapping[str, str], name: str) -> float | None:
    """The US dollars in an environment variable; None where it is not set. Raises ValueError for anything but a number."""
    text = environ.get(name, "")
    if not text.strip():
        return None
    try:
        usd = float(text)
    except ValueError:
        usd = math.nan
    if not (math.isfinite(usd) and usd >= 0):
        raise ValueError(f"{name}: {text!r} is not allowed; expected US dollars, such as 5.00")
    return usd
