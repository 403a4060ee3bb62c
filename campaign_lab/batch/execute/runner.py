"""What the two ways to run a batch have in common: ``LocalRunner`` on this machine, ``DaskRunner`` on a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from campaign_lab.batch.events import OnBatchEvent
from campaign_lab.batch.execute.work import Cancellation, Outcome, Payload

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""The pause before a run is tried again, in seconds: four times as long after each try."""


class Runner(ABC):
    """Runs the notebooks of one batch. Make a new one for each batch."""

    _retries: int
    _on_event: OnBatchEvent
    _cancelled: Cancellation
    _settle: Callable[[Outcome], None]

    def run(
        self,
        payloads: Sequence[Payload],
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        """Returns when the last run has ended. ``settle`` gets the last outcome of each run, from any thread.

        A run that failed is tried up to ``retries`` times more where that may help. ``on_event`` gets RunStarted for each try,
        CellStarted and Waiting. A run that was cancelled before it began is settled with an empty notebook. The first
        KeyboardInterrupt cancels all runs, waits until none is left, and is raised again; the second one does not wait.
        """
        self._retries, self._on_event, self._cancelled, self._settle = retries, on_event, cancelled, settle
        self._run_all(payloads)

    @abstractmethod
    def _run_all(self, payloads: Sequence[Payload]) -> None: ...

    def _may_repeat(self, outcome: Outcome, retries_used: int) -> bool:
        """Is the run worth one more try, and has it one left?"""
        return outcome.state == "failed" and outcome.retriable and retries_used < self._retries


def pause_s(failed: int) -> float:
    """The seconds that a run waits before its next try, when ``failed`` of its tries have failed."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 4.0 ** (failed - 1))


def cancelled_outcome(run: str) -> Outcome:
    """The outcome of a run that was cancelled and hands nothing in."""
    return Outcome(run, "cancelled", b"")
