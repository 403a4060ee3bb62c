"""What a running turn says of itself, as typed events. ``agents.board`` folds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaign_lab.money import Sum
from campaign_lab.show.text import pluralize


@dataclass(frozen=True)
class TurnStarted:
    """The endpoint is about to be asked. ``agents`` are the names that the phase needs."""

    phase: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Queued:
    """Another run is making this very turn; its result will be replayed. ``user`` is who runs it."""

    user: str


@dataclass(frozen=True)
class DeadTurnBooked:
    """An earlier turn was cut off because its process died, and has been booked just now.

    ``spent`` is what its ``answered`` requests cost. What the ``cut`` ones cost nobody knows.
    """

    phase: str
    user: str
    spent: Sum
    answered: int
    cut: int

    @property
    def words(self) -> str:
        """What a person should know of it, in one sentence."""
        known = f"{pluralize(self.answered, 'answered request')} booked ({self.spent})"
        cut = pluralize(self.cut, "request") if self.cut else "what was under way was"
        bill = f"{cut} cut: the endpoint may bill that too"
        return f"An earlier run of {self.phase} by {self.user} was cut off when its process ended: {known}, {bill}."


@dataclass(frozen=True)
class AgentStarted:
    """A subagent began. ``call`` tells two agents of one name apart; ``label`` is the main agent's name for the job."""

    call: str
    agent: str
    label: str


@dataclass(frozen=True)
class PageAsked:
    """An agent asked for a page."""

    call: str
    url: str


@dataclass(frozen=True)
class PageRead:
    """A page came back, or its refusal did."""

    call: str
    ok: bool


@dataclass(frozen=True)
class RecordsHandedIn:
    """An agent, or the main agent (empty ``call``), is handing in records."""

    call: str
    kind: str


@dataclass(frozen=True)
class TokensBooked:
    """A response ended. ``tokens`` are those of this response, in and out; ``cost_usd`` is None where the price is unknown."""

    call: str
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True)
class AgentEnded:
    """A subagent reported or failed."""

    call: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Retrying:
    """The endpoint could not answer and is asked again in ``wait_s`` seconds."""

    attempt: int
    of: int
    wait_s: float
    reason: str


@dataclass(frozen=True)
class TurnEnded:
    """The turn is stored (``ok``), or it failed for ``reason``."""

    ok: bool
    reason: str = ""


Event = (
    TurnStarted
    | Queued
    | DeadTurnBooked
    | AgentStarted
    | PageAsked
    | PageRead
    | RecordsHandedIn
    | TokensBooked
    | AgentEnded
    | Retrying
    | TurnEnded
)
OnEvent = Callable[[Event], None]
