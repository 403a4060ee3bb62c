"""Progress of a running turn as typed events, and the board that folds them into one line per agent.

The command line and the panels show the same board, so they cannot disagree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, ParamSpec

from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.text import pluralize

AgentState = Literal["waiting", "reading", "thinking", "saving", "done", "failed"]
STOPPED = "stopped"
"""The reason of an agent, or a turn, that was cancelled."""


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
P = ParamSpec("P")


def safe_listener(listener: Callable[P, None]) -> Callable[P, None]:
    """The listener, or what draws; what it raises is logged and goes no further: no broken display ends a paid turn.

    SystemExit too, which some displays raise on a closed pipe. What stops a run, a cancellation or Ctrl-C, goes through.
    """

    def hear(*said: P.args, **named: P.kwargs) -> None:
        try:
            listener(*said, **named)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException:
            logging.getLogger("campaign_lab").exception("progress could not be shown: %r", said)

    return hear


@dataclass(frozen=True)
class AgentLine:
    """What is known of one agent. Pages are counted as answered and asked for; tokens in and out are summed."""

    agent: str
    label: str = ""
    state: AgentState = "waiting"
    pages_read: int = 0
    pages_asked: int = 0
    pages_refused: int = 0
    tokens: int = 0
    cost: Sum = NOTHING
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Has the agent reported or failed?"""
        return self.state in ("done", "failed")

    @property
    def works(self) -> bool:
        """Is it at work?"""
        return self.state in ("reading", "thinking", "saving")

    @property
    def name(self) -> str:
        """The agent, with the main agent's name for its job where that says more."""
        plain = self.label in ("", self.agent.replace("-", " "))
        return self.agent if plain else f"{self.agent} · {self.label}"

    def words(self) -> str:
        """The state as a person reads it, such as: reading page 2 of 5."""
        if self.state == "reading":
            return f"reading page {min(self.pages_read + 1, self.pages_asked)} of {self.pages_asked}"
        if self.state == "done":
            return f"done, {self.pages_read - self.pages_refused} pages read" if self.pages_asked else "done"
        if self.state == "failed":
            return {"": "failed", STOPPED: STOPPED}.get(self.reason, f"failed: {self.reason}")
        return self.state


MAIN = AgentLine("main agent", state="thinking")


@dataclass(frozen=True)
class Board:
    """The state of a turn: one line per agent, keyed by call. Immutable; ``after`` gives the next one."""

    phase: str = ""
    lines: dict[str, AgentLine] = field(default_factory=dict)
    main: AgentLine = MAIN
    note: str = ""
    ended: bool = False
    notices: tuple[str, ...] = ()
    """What a person should know beside the turn itself; it stays to the end."""

    @property
    def tokens(self) -> int:
        """Tokens of all finished responses so far."""
        return self.main.tokens + sum(line.tokens for line in self.lines.values())

    @property
    def cost(self) -> Sum:
        """What all finished responses so far cost."""
        return sum((line.cost for line in self.lines.values()), self.main.cost)

    @property
    def all_lines(self) -> dict[str, AgentLine]:
        """The main agent's line, with an empty call, then those of its agents. It waits while one of them works."""
        if self.ended and self.note:
            lines = {call: _stopped(line) for call, line in self.lines.items()}
            reason = STOPPED if self.note == STOPPED else ""  # the turn's own reason is said once, not on a line
            return {"": replace(self.main, state="failed", reason=reason), **lines}
        busy = any(line.works for line in self.lines.values())
        state: AgentState = "done" if self.ended else "waiting" if busy else self.main.state
        return {"": replace(self.main, state=state), **self.lines}

    def after(self, event: Event) -> Board:
        """The board once the event has happened."""
        match event:
            case TurnStarted(phase, agents):
                return Board(phase, {f"?{name}": AgentLine(name) for name in agents}, notices=self.notices)
            case DeadTurnBooked():
                return replace(self, notices=(*self.notices, event.words))
            case AgentStarted(call, agent, label):
                lines = {key: line for key, line in self.lines.items() if key != f"?{agent}"}
                return replace(self, lines={**lines, call: AgentLine(agent, label, "thinking")}, note="")
            case Retrying(attempt, of, wait_s, reason):
                return replace(self, note=f"{reason}; asking again in {wait_s:.0f} s ({attempt} of {of})")
            case Queued(user):
                return replace(self, note=f"{user} is running this turn already; waiting for its result")
            case TurnEnded(ok, reason):
                return replace(self, ended=True, note="" if ok else reason or STOPPED)
            case TokensBooked("", tokens, cost):
                main = replace(self.main, tokens=self.main.tokens + tokens, cost=self.main.cost.plus(cost))
                return replace(self, main=main, note="")
            case PageAsked("") | PageRead("") | RecordsHandedIn(""):
                return replace(self, main=_line_after(self.main, event))
            case _:
                line = self.lines.get(event.call)
                late = line is not None and line.ended and not isinstance(event, TokensBooked)  # brings nobody back
                return (
                    self
                    if line is None or late
                    else replace(self, lines={**self.lines, event.call: _line_after(line, event)})
                )


def _stopped(line: AgentLine) -> AgentLine:
    """The line of an agent once its turn has failed: who was at work has been stopped."""
    return replace(line, state="failed", reason=STOPPED) if line.works else line


def _line_after(line: AgentLine, event: Event) -> AgentLine:
    """One agent's line once an event of its own has happened."""
    match event:
        case PageAsked():
            return replace(line, state="reading", pages_asked=line.pages_asked + 1)
        case PageRead(_, ok):
            read = line.pages_read + 1
            state: AgentState = "thinking" if read >= line.pages_asked else "reading"
            return replace(line, state=state, pages_read=read, pages_refused=line.pages_refused + (not ok))
        case RecordsHandedIn():
            return replace(line, state="saving")
        case TokensBooked(_, tokens, cost):
            return replace(line, tokens=line.tokens + tokens, cost=line.cost.plus(cost))
        case AgentEnded(_, ok, reason):
            return replace(line, state="done" if ok else "failed", reason=reason)
        case _:
            return line
