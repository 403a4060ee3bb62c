"""What a person sees of a running batch, folded from its events: a bar, a line per running notebook, and how each ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from socket import gethostname

from campaign_lab.agents.events import DeadTurnBooked
from campaign_lab.batch import events
from campaign_lab.batch.rows import SIGNS, Row
from campaign_lab.money import NOTHING, Sum
from campaign_lab.progress.board import Elapsed, ProgressLine, ProgressView
from campaign_lab.show.text import pluralize

HERE = gethostname()
RESTING = ("waiting", "running")
"""States of a row whose notebook has not ended."""


@dataclass(frozen=True)
class RunLine:
    """A notebook under way: its try, its machine where that is another one, the cell that runs now and its place from 0."""

    run: str
    name: str
    attempt: int = 1
    host: str = ""
    cell: str = ""
    index: int = 0
    cells: int = 0

    def words(self) -> str:
        """Such as "cell research, 8 of 17 · try 2 · on node-3". Plain text: ids of cells are as hostile as any."""
        at = f"cell {self.cell or '(no id)'}, {self.index + 1} of {self.cells}" if self.cells else "kernel starting"
        again = f"try {self.attempt}" if self.attempt > 1 else ""
        return " · ".join(part for part in (at, again, f"on {self.host}" if self.host else "") if part)

    @property
    def share(self) -> float:
        """How much of the notebook is behind it: 0 to 1, by cells."""
        return self.index / self.cells if self.cells else 0.0

    @property
    def clock(self) -> str:
        """The name of its clock: each try has its own."""
        return f"{self.run} {self.attempt}"

    def view(self, elapsed_s: float | None) -> ProgressLine:
        """The line as it is shown."""
        took = clock_words(elapsed_s or 0)
        state = f"started, try {self.attempt}" if self.attempt > 1 else "started"
        return ProgressLine(self.run, self.name, self.words(), state, self.share, brief=took, figures={"Elapsed": took})


@dataclass(frozen=True)
class BatchBoard:
    """The batch as it stands. ``ended`` are the runs that ended in this go, in that order; ``note`` says what is waited for."""

    todo: int = 0
    kept: int = 0
    lines: Mapping[str, RunLine] = field(default_factory=dict)
    ended: tuple[events.RunEnded, ...] = ()
    note: str = ""
    begun: bool = False
    over: bool = False
    notices: tuple[str, ...] = ()
    """What a person should know beside the runs; it stays to the end."""

    def after(self, event: events.BatchEvent) -> BatchBoard:
        """The board once the event has happened."""
        match event:
            case events.BatchStarted():
                return BatchBoard(event.todo, event.kept, begun=True, notices=self.notices)
            case DeadTurnBooked():
                return replace(self, notices=(*self.notices, event.words))
            case events.RunStarted():
                line = RunLine(event.run, event.name, event.attempt, "" if event.host == HERE else event.host)
                return replace(self, lines={**self.lines, event.run: line}, note="")
            case events.CellStarted():
                line = self.lines.get(event.run) or RunLine(event.run, event.name)
                line = replace(line, cell=event.cell, index=event.index, cells=event.cells)
                return replace(self, lines={**self.lines, event.run: line})
            case events.RunEnded():
                lines = {run: line for run, line in self.lines.items() if run != event.run}
                ended = tuple(each for each in self.ended if each.run != event.run)
                return replace(self, lines=lines, ended=(*ended, event), note="")
            case events.Waiting():
                return replace(self, note=event.reason)
            case events.BatchEnded():
                return replace(self, lines={}, note="", over=True)

    def clocks(self) -> dict[str, bool]:
        """The batch's own clock has no name; each try at a notebook has one."""
        return dict.fromkeys(("", *(line.clock for line in self.lines.values())), True)

    def view(self, elapsed: Elapsed) -> ProgressView:
        """The bar with the time since the batch was called, the running notebooks, and those that have ended."""
        return ProgressView(
            "Batch",
            ("Notebook", "Now"),
            f"{self.words()} · {clock_words(elapsed('') or 0)}",
            self.share,
            lines=[line.view(elapsed(line.clock)) for line in self.lines.values()],
            ended=[_ended_line(each.name, each.row) for each in self.ended],
            notices=self.notices,
            note=self.note,
        )

    @property
    def share(self) -> float:
        """How much of what is to do is done: 0 to 1, by notebooks and their cells."""
        if not self.begun:
            return 0.0
        done = len(self.ended) + sum(line.share for line in self.lines.values())
        return min(1.0, done / self.todo) if self.todo else 1.0

    def words(self) -> str:
        """Such as "3 of 12 notebooks ended, 2 running, 1 not finished · 4 kept from before"."""
        if not self.begun:
            return "starting …"
        failed = sum(each.row.state not in (*RESTING, "finished") for each in self.ended)
        parts = [f"{len(self.ended)} of {pluralize(self.todo, 'notebook')} ended"]
        parts += [f"{len(self.lines)} running"] if self.lines else []
        parts += [f"{failed} not finished"] if failed else []
        kept = [f"{self.kept} kept from before"] if self.kept else []
        report = ["writing the report"] if len(self.ended) >= self.todo and not self.over else []
        return " · ".join([", ".join(parts), *kept, *report])


def clock_words(elapsed_s: float) -> str:
    """A duration as a clock beside a bar tells it: "7 s", "2 min 07 s", "1 h 02 min"."""
    minutes, seconds = divmod(int(elapsed_s), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def row_words(row: Row) -> str:
    """How a run ended, in words and without its name: what came out of it and what was paid, or why it stopped."""
    if row.state == "finished":
        replayed = f", {row.replayed} replayed" if row.replayed != NOTHING else ""
        return f"finished, {pluralize(row.records, 'record')}, {row.paid} paid{replayed}"
    where = f" in cell {row.cell}" if row.cell else ""
    tries = f" after {row.attempts} tries" if row.attempts > 1 else ""
    why = f": {row.error}" if row.error and row.state != "cancelled" else ""
    return f"{row.state}{where}{tries}{why}"


def _ended_line(ran_as: str, row: Row) -> ProgressLine:
    words, sign = row_words(row), SIGNS.get(row.state, "")
    return ProgressLine(row.run, row.name, words, row.state, sign=sign, file=row.notebook, ran_as=ran_as)


@dataclass(frozen=True)
class BatchTotals:
    """Sums over the rows of a batch, in US dollars, and how many stand in each state."""

    states: Mapping[str, int]
    paid: Sum
    cut: Sum
    replayed: Sum

    def words(self) -> str:
        """Such as "11 finished, 1 failed"."""
        return ", ".join(f"{number} {state}" for state, number in self.states.items()) or "no notebook"


def totals(rows: Iterable[Row]) -> BatchTotals:
    """The sums over the rows."""
    several = list(rows)
    paid, cut, replayed = (
        sum((getattr(row, name) for row in several), NOTHING) for name in ("paid", "cut", "replayed")
    )
    return BatchTotals(Counter(row.state for row in several), paid, cut, replayed)
