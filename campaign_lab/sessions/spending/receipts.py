"""Receipts: what a turn cost when it was made, by agent. Seeing it again costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from campaign_lab.money import NOTHING, Sum
from campaign_lab.sessions.spending.prompt_cache import CacheVerdict
from campaign_lab.show import receipt_html
from campaign_lab.store.rows import RequestRow

MAIN_AGENT = "main agent"


@dataclass(frozen=True)
class ReceiptLine:
    """Requests, tokens and US dollars of one agent in one phase.

    ``cost_usd`` is what is known of the cost, None when nothing is; ``unpriced_requests`` have no price.
    """

    phase: str
    agent: str
    requests: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost_usd: float | None
    unpriced_requests: int = 0
    take: int = 1
    """Which answer of the phase it was."""


@dataclass(frozen=True, repr=False)
class Receipt:
    """What turns cost. ``paid`` is false for a replay: then nothing was paid this time, and ``cost`` is what it once was."""

    lines: tuple[ReceiptLine, ...]
    paid: bool = True
    rehearsal: bool = False
    """True when no model answered: the dollars are list prices, and nothing was paid."""
    cache: CacheVerdict | None = None
    """How much of the checkpoint's prompt was still cached. None for a first turn and for several turns together."""
    avoided: Sum = NOTHING
    """What the turns before it cost, which a fork does not pay again."""
    cut_requests: int = 0
    """The number of requests whose response was cut. They are not in the lines, and their cost is not known."""

    def __repr__(self) -> str:
        return f"Receipt({len(self.lines)} lines, {self.cost}{', rehearsal' if self.rehearsal else ''})"

    def _repr_html_(self) -> str:
        lines = [asdict(line) for line in self.lines]
        return receipt_html(lines, self.cost, self.rehearsal, avoided=self.avoided, cut=self.cut_requests)

    @property
    def cost(self) -> Sum:
        """What the turns cost when they were made."""
        return sum((Sum.stored(line.cost_usd, line.unpriced_requests) for line in self.lines), NOTHING)

    @property
    def cost_usd(self) -> float | None:
        """US dollars when the turns were made, as far as they are known; None when nothing is."""
        return self.cost.known

    @property
    def avoided_usd(self) -> float | None:
        """The dollars of ``avoided`` that are known."""
        return self.avoided.known

    @property
    def paid_usd(self) -> float | None:
        """US dollars paid this time, as far as they are known."""
        return self.cost_usd if self.paid else 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, with the totals: dollars as far as they are known, and beside them the requests without a price."""
        return {
            "currency": "USD",
            "rehearsal": self.rehearsal,
            "paid": self.paid_usd,
            "cost": self.cost_usd,
            "unpriced_requests": self.cost.unpriced,
            "second_run": 0.0,
            "avoided": self.avoided_usd,
            "avoided_unpriced_requests": self.avoided.unpriced,
            "cache": None if self.cache is None else asdict(self.cache),
            "cut_requests": self.cut_requests,
            "lines": [asdict(line) for line in self.lines],
        }


def receipt_of(phase: str, requests: Iterable[RequestRow], *, rehearsal: bool, take: int = 1) -> Receipt:
    """The receipt of one turn: the main agent first, then the others by name."""
    by_agent: dict[str, list[RequestRow]] = {}
    cut = 0
    for request in requests:
        if request.complete:
            by_agent.setdefault(request.agent or MAIN_AGENT, []).append(request)
        cut += not request.complete
    names = sorted(by_agent, key=lambda name: (name != MAIN_AGENT, name))
    lines = tuple(replace(_line(phase, name, by_agent[name]), take=take) for name in names)
    return Receipt(lines, rehearsal=rehearsal, cut_requests=cut)


def joined(receipts: Sequence[Receipt]) -> Receipt:
    """One receipt with the lines of all. It counts as paid, also when the turns were replayed."""
    return Receipt(
        tuple(line for receipt in receipts for line in receipt.lines),
        rehearsal=any(receipt.rehearsal for receipt in receipts),
        cut_requests=sum(receipt.cut_requests for receipt in receipts),
    )


def _line(phase: str, agent: str, requests: Sequence[RequestRow]) -> ReceiptLine:
    cost = Sum.of(request.cost_usd for request in requests)
    return ReceiptLine(
        phase=phase,
        agent=agent,
        requests=len(requests),
        input_tokens=sum(request.input_tokens or 0 for request in requests),
        cache_read_tokens=sum(request.cache_read_tokens or 0 for request in requests),
        cache_write_tokens=sum(
            (request.cache_write_5m_tokens or 0) + (request.cache_write_1h_tokens or 0) for request in requests
        ),
        output_tokens=sum(request.output_tokens or 0 for request in requests),
        cost_usd=cost.known,
        unpriced_requests=cost.unpriced,
    )
