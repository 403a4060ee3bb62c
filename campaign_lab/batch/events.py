"""What a batch says while it works. Events come from several threads; a listener only takes note of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaign_lab.agents.events import DeadTurnBooked
from campaign_lab.batch.rows import Row


@dataclass(frozen=True)
class BatchStarted:
    """The batch holds its folder and begins. Of ``total`` runs ``kept`` are finished already and ``todo`` are to be run.

    ``estimate_usd`` is what the runs to do will cost, None when a price is unknown.
    """

    total: int
    todo: int
    kept: int
    workers: int
    estimate_usd: float | None


@dataclass(frozen=True)
class RunStarted:
    """A try at a run has begun. ``attempt`` counts from 1; ``name`` is for people; ``host`` is the machine it runs on."""

    run: str
    name: str
    attempt: int
    host: str


@dataclass(frozen=True)
class CellStarted:
    """A cell is about to run: its id, its place from 0, and how many cells the notebook has."""

    run: str
    name: str
    cell: str
    index: int
    cells: int


@dataclass(frozen=True)
class RunEnded:
    """A run has ended, well or not; its row is written."""

    run: str
    name: str
    row: Row


MEMORY = "waiting for memory"


@dataclass(frozen=True)
class Waiting:
    """No further notebook is started for now. ``reason`` says why, such as ``waiting for memory``; a part of a sentence."""

    reason: str


@dataclass(frozen=True)
class BatchEnded:
    """All runs have ended, or the batch was cancelled. ``rows`` are what ``run_batch`` returns."""

    rows: tuple[Row, ...]


BatchEvent = BatchStarted | DeadTurnBooked | RunStarted | CellStarted | RunEnded | Waiting | BatchEnded
OnBatchEvent = Callable[[BatchEvent], None]
