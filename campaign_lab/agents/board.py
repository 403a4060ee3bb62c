"""What a person sees of a running turn, folded from its events: one line per agent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from campaign_lab.agents import events
from campaign_lab.money import NOTHING, Sum
from campaign_lab.progress.board import Elapsed, ProgressLine, ProgressView

AgentState = Literal["waiting", "reading", "thinking", "saving", "done", "failed", "stopped"]
ENDED = ("done", "failed", "stopped")
STOPPED = "stopped"
"""The state of an agent, and the reason of a turn, that was cancelled."""


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
        return self.state in ENDED

    @property
    def works(self) -> bool:
        """Is it at work?"""
        return self.state in ("reading", "thinking", "saving")

    @property
    def name(self) -> str:
        """The agent, with the main agent's name for its job where that says more."""
        plain = self.label in ("", self.agent.replace("-", " "))
        return self.agent if plain else f"{self.agent} · {self.label}"

    def view(self, call: str, elapsed_s: float | None) -> ProgressLine:
        """The line as it is shown; None where the agent has not begun."""
        figures = {
            "Pages": f"{self.pages_read} of {self.pages_asked}" if self.pages_asked else "-",
            "Tokens": f"{self.tokens:,}",
            "Elapsed": "-" if elapsed_s is None else f"{elapsed_s:.0f} s",
            "Cost": str(self.cost),
        }
        brief = f"{self.tokens:,} tokens"
        return ProgressLine(call, self.name, self.words(), self.state, brief=brief, figures=figures)

    def words(self) -> str:
        """The state as a person reads it, such as: reading page 2 of 5."""
        if self.state == "reading":
            return f"reading page {min(self.pages_read + 1, self.pages_asked)} of {self.pages_asked}"
        if self.state == "done":
            return f"done, {self.pages_read - self.pages_refused} pages read" if self.pages_asked else "done"
        if self.state == "failed":
            return f"failed: {self.reason}" if self.reason else "failed"
        return self.state


MAIN = AgentLine("main agent", state="thinking")


@dataclass(frozen=True)
class TurnBoard:
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
            stopped = {call: replace(line, state="stopped") for call, line in self.lines.items() if line.works}
            state: AgentState = "stopped" if self.note == STOPPED else "failed"  # the reason is the note, said once
            return {"": replace(self.main, state=state), **self.lines, **stopped}
        busy = any(line.works for line in self.lines.values())
        state = "done" if self.ended else "waiting" if busy else self.main.state
        return {"": replace(self.main, state=state), **self.lines}

    def clocks(self) -> dict[str, bool]:
        """The turn's own clock has no name; an agent's has the name of its call, and begins with the agent."""
        lines = self.all_lines.items() if self.phase else ()
        return {call: not line.ended for call, line in lines if call == "" or line.state != "waiting"}

    def view(self, elapsed: Elapsed) -> ProgressView:
        """The main agent and its agents, with pages, tokens, seconds and cost; nothing before the turn has started."""
        lines = [line.view(call, elapsed(call)) for call, line in self.all_lines.items()] if self.phase else []
        head = f"{self.phase}  {elapsed('') or 0:.0f} s  {self.tokens:,} tokens  {self.cost}" if self.phase else ""
        note = "" if self.ended else self.note
        prefix = f"  {self.phase}: " if self.phase else "  "
        return ProgressView(
            self.phase, ("Agent", "State"), head, lines=lines, notices=self.notices, note=note, prefix=prefix
        )  # fmt: skip

    def after(self, event: events.Event) -> TurnBoard:
        """The board once the event has happened."""
        match event:
            case events.TurnStarted(phase, agents):
                return TurnBoard(phase, {f"?{name}": AgentLine(name) for name in agents}, notices=self.notices)
            case events.DeadTurnBooked():
                return replace(self, notices=(*self.notices, event.words))
            case events.AgentStarted(call, agent, label):
                lines = {key: line for key, line in self.lines.items() if key != f"?{agent}"}
                return replace(self, lines={**lines, call: AgentLine(agent, label, "thinking")}, note="")
            case events.Retrying(attempt, of, wait_s, reason):
                return replace(self, note=f"{reason}; asking again in {wait_s:.0f} s ({attempt} of {of})")
            case events.Queued(user):
                return replace(self, note=f"{user} is running this turn already; waiting for its result")
            case events.TurnEnded(ok, reason):
                return replace(self, ended=True, note="" if ok else reason or STOPPED)
            case events.TokensBooked("", tokens, cost):
                main = replace(self.main, tokens=self.main.tokens + tokens, cost=self.main.cost.plus(cost))
                return replace(self, main=main, note="")
            case events.PageAsked("") | events.PageRead("") | events.RecordsHandedIn(""):
                return replace(self, main=_line_after(self.main, event))
            case _:
                line = self.lines.get(event.call)
                if line is None or (line.ended and not isinstance(event, events.TokensBooked)):
                    return self  # nothing brings back an agent that has ended
                return replace(self, lines={**self.lines, event.call: _line_after(line, event)})


def _line_after(line: AgentLine, event: events.Event) -> AgentLine:
    """One agent's line once an event of its own has happened."""
    match event:
        case events.PageAsked():
            return replace(line, state="reading", pages_asked=line.pages_asked + 1)
        case events.PageRead(_, ok):
            read = line.pages_read + 1
            state: AgentState = "thinking" if read >= line.pages_asked else "reading"
            return replace(line, state=state, pages_read=read, pages_refused=line.pages_refused + (not ok))
        case events.RecordsHandedIn():
            return replace(line, state="saving")
        case events.TokensBooked(_, tokens, cost):
            return replace(line, tokens=line.tokens + tokens, cost=line.cost.plus(cost))
        case events.AgentEnded(_, ok, reason):
            return replace(line, state="done" if ok else "failed", reason=reason)
        case _:
            return line
