"""Money: one value for an amount of which a part may not be known, and how it is said. US dollars; unknown is never 0."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

DIGITS = 12
"""Sums are kept to so many decimals: more than any price has, and too few for the order of adding to show."""


def usd(cost: float | None) -> str:
    """Dollars with four decimals; an unknown price says so."""
    return "unknown" if cost is None else f"${cost:.4f}"


def price_words(cost: float | None, *, unpaid: bool) -> str:
    """What something is expected to cost, in words for a question. ``unpaid``: in rehearsal, at list price."""
    price = "at a price that is not known" if cost is None else f"about {usd(cost)}"
    return f"{price}{' (list price; rehearsal, so no money moves)' if unpaid else ''}"


@dataclass(frozen=True)
class Sum:
    """A sum of costs: the dollars that are known, and how many requests have no price. Equal in whatever order it was added."""

    usd: float = 0.0
    unpriced: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "usd", round(self.usd, DIGITS))

    @classmethod
    def of(cls, costs: Iterable[float | None]) -> Sum:
        """The sum of what single requests cost; None for one without a price."""
        listed = list(costs)
        return cls(math.fsum(cost for cost in listed if cost is not None), listed.count(None))

    @classmethod
    def stored(cls, known: float | None, unpriced: float | None = 0) -> Sum:
        """The sum whose ``known`` part (None or NaN: nothing is known) and count stand in two columns."""
        count = int(unpriced or 0)
        return cls(0.0, max(count, 1)) if known is None or math.isnan(known) else cls(float(known), count)

    @property
    def known(self) -> float | None:
        """The dollars that are known; None when nothing is known."""
        return self.usd if self.usd or not self.unpriced else None

    @property
    def whole(self) -> float | None:
        """The dollars; None unless all of them are known."""
        return None if self.unpriced else self.usd

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.usd + other.usd, self.unpriced + other.unpriced)

    def __sub__(self, other: Sum) -> Sum:
        return Sum(self.usd - other.usd, self.unpriced - other.unpriced)

    def __str__(self) -> str:
        return self.words()

    def words(self, note: str = "") -> str:
        """Such as "$0.3706 and 4 requests without a price"; the note stands behind the dollars."""
        if not self.unpriced:
            return f"{usd(self.usd)}{note}"
        count = f"{self.unpriced:,} request{'' if self.unpriced == 1 else 's'} without a price"
        return f"{usd(self.usd)}{note} and {count}" if self.usd else count

    def plus(self, cost: float | None) -> Sum:
        """With one request more; None for one without a price."""
        return self + Sum.of([cost])


NOTHING = Sum()
"""Nothing paid."""
