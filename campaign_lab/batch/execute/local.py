"""Many kernels on this machine, from one process: threads that each run a notebook, as many as cores and memory allow."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from campaign_lab.batch.events import MEMORY, CellStarted, OnBatchEvent, RunStarted, Waiting
from campaign_lab.batch.execute import machine
from campaign_lab.batch.execute.work import Cancellation, Outcome, Payload, run_payload

LOOK_S = 0.2
"""How often a thread that waits looks up, in seconds."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Before a run is tried again, in seconds: four times as long from try to try."""


def pause_s(failed: int) -> float:
    """How long a run waits before it is tried again, in seconds, when so many of its tries have failed."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 4.0 ** (failed - 1))


class Runner(Protocol):
    """Where the runs of a batch are done: ``LocalRunner``, or ``cluster.DaskRunner``."""

    def run(
        self,
        payloads: Sequence[Payload],
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        """Does all runs and returns when the last one has ended. ``settle`` gets the last outcome of each, from any thread.

        ``on_event`` gets RunStarted for each try, CellStarted and Waiting. A KeyboardInterrupt cancels, waits until nothing
        runs, and is raised again. A run that was cancelled before it began settles too, with an empty notebook.
        """


class LocalRunner:
    """Runs notebooks in kernels of this machine, ``workers`` at once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(
        self,
        payloads: Sequence[Payload],
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        """As ``Runner.run``."""
        start = _LocalStart(payloads, retries=retries, on_event=on_event, cancelled=cancelled, settle=settle)
        try:
            start.begin(min(self.workers, len(payloads)))
            start.wait()
        except KeyboardInterrupt:
            cancelled.set()
            start.wait()
            raise
        if start.problems:
            raise start.problems[0]


class _LocalStart:
    """One start of a batch, shared by its threads."""

    def __init__(
        self,
        payloads: Sequence[Payload],
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        self.problems: list[BaseException] = []
        self._waiting = deque(payloads)
        self._retries = retries
        self._on_event = on_event
        self._cancelled = cancelled
        self._settle = settle
        self._door = threading.Lock()
        self._running = 0
        self._ends: list[threading.Event] = []

    def begin(self, threads: int) -> None:
        """Starts the threads. They are no reason to live on: a second Ctrl-C waits for none."""
        for n in range(threads):
            end = threading.Event()
            threading.Thread(target=self._work, args=(end,), name=f"batch-{n}", daemon=True).start()
            self._ends.append(end)

    def wait(self) -> None:
        """Waits until all threads have ended, and hears Ctrl-C meanwhile.

        Not by ``join``: interrupted, it takes a thread that still runs for ended (Python 3.11).
        """
        for end in self._ends:
            while not end.wait(LOOK_S):
                pass

    def _work(self, end: threading.Event) -> None:
        try:
            self._work_off()
        finally:
            end.set()

    def _work_off(self) -> None:
        """Does one run after another, until none is left."""
        while self._waiting and not self.problems:
            try:
                payload = self._waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                self._settle(self._done(payload))
            except BaseException as error:  # no run's doing: it ends the batch, and is raised where the batch was begun
                self.problems.append(error)
                self._cancelled.set()

    def _done(self, payload: Payload) -> Outcome:
        """The last outcome of a run: it is tried again where that may help, after a pause that grows."""
        attempt = 1
        while True:
            outcome = self._try(payload, attempt)
            if outcome.state != "failed" or not outcome.retriable or attempt > self._retries:
                return outcome
            until = time.monotonic() + pause_s(attempt)
            while time.monotonic() < until:
                if self._cancelled.cancelled_run(payload.run):
                    return outcome  # it did fail, and its notebook shows how
                self._cancelled.wait(LOOK_S)
            attempt += 1

    def _try(self, payload: Payload, attempt: int) -> Outcome:
        run = payload.run

        def gone() -> bool:
            return self._cancelled.cancelled_run(run)

        if not self._enter(gone):
            return Outcome(run, "cancelled", b"")
        try:
            self._on_event(RunStarted(run, payload.name, attempt, socket.gethostname()))
            return run_payload(
                payload, cancelled=gone,
                on_cell=lambda index, cells, cell: self._on_event(CellStarted(run, payload.name, cell, index, cells)),
            )  # fmt: skip
        finally:
            with self._door:
                self._running -= 1

    def _enter(self, gone: Callable[[], bool]) -> bool:
        """Waits until there is memory for one notebook more. False: the run was cancelled before."""
        said = False
        while not gone():
            with self._door:
                if machine.room_for_one(self._running):
                    self._running += 1
                    return True
            if not said:
                self._on_event(Waiting(MEMORY))
                said = True
            self._cancelled.wait(LOOK_S)
        return False
