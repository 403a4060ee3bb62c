"""Money in words. US dollars; an unknown cost is never 0."""

from __future__ import annotations

from dataclasses import dataclass


def usd(cost: float | None) -> str:
    """Dollars with four decimals; an unknown price says so."""
    return "unknown" if cost is None else f"${cost:.4f}"


def price_words(cost: float | None, *, unpaid: bool) -> str:
    """What something is expected to cost, in words for a question. ``unpaid``: in rehearsal, at list price."""
    price = "at a price that is not known" if cost is None else f"about {usd(cost)}"
    return f"{price}{' (list price; rehearsal, so no money moves)' if unpaid else ''}"


@dataclass(frozen=True)
class Sum:
    """A sum of costs: the dollars that are known, and how many costs are not."""

    usd: float = 0.0
    unknown: int = 0

    def __add__(self, other: Sum) -> Sum:
        return Sum(self.usd + other.usd, self.unknown + other.unknown)

    def __str__(self) -> str:
        if not self.unknown:
            return usd(self.usd)
        return f"at least {usd(self.usd)}" if self.usd else usd(None)

    def plus(self, cost: float | None) -> Sum:
        """With one cost more; None for one that is not known."""
        return self + (Sum(unknown=1) if cost is None else Sum(cost))
