"""The runs of a batch on this machine: threads that each run a notebook in a kernel, as many as cores and memory allow."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from campaign_lab.batch.events import MEMORY, CellStarted, RunStarted, Waiting
from campaign_lab.batch.execute.machine import LOOK_S, KernelSlots
from campaign_lab.batch.execute.runner import Runner, cancelled_outcome, pause_s
from campaign_lab.batch.execute.work import Outcome, Payload, run_payload


class LocalRunner(Runner):
    """Runs notebooks in kernels of this machine, at most ``workers`` at once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._slots = KernelSlots()
        self._waiting: deque[Payload] = deque()
        self._problems: list[BaseException] = []

    def _run_all(self, payloads: Sequence[Payload]) -> None:
        self._waiting.extend(payloads)
        ends = [self._start_thread(number) for number in range(min(self.workers, len(payloads)))]
        try:
            _wait_for(ends)
        except KeyboardInterrupt:
            self._cancelled.set()
            _wait_for(ends)
            raise
        if self._problems:
            raise self._problems[0]

    def _start_thread(self, number: int) -> threading.Event:
        """Starts a thread and returns the event of its end. It is a daemon, so that a second Ctrl-C ends the process."""
        ended = threading.Event()
        threading.Thread(target=self._work, args=(ended,), name=f"batch-{number}", daemon=True).start()
        return ended

    def _work(self, ended: threading.Event) -> None:
        try:
            while (payload := self._next()) and not self._problems:
                self._settle(self._last_outcome(payload))
        except BaseException as error:  # no run's fault: it ends the batch, and is raised where the batch was begun
            self._problems.append(error)
            self._cancelled.set()
        finally:
            ended.set()

    def _next(self) -> Payload | None:
        with suppress(IndexError):
            return self._waiting.popleft()
        return None

    def _last_outcome(self, payload: Payload) -> Outcome:
        failed = 0
        while True:
            outcome = self._try(payload, failed + 1)
            if not self._may_repeat(outcome, failed):
                return outcome
            failed += 1
            until = time.monotonic() + pause_s(failed)
            while time.monotonic() < until:
                if self._cancelled.cancelled_run(payload.run):
                    return outcome  # it did fail, and its notebook shows how
                self._cancelled.wait(LOOK_S)

    def _try(self, payload: Payload, attempt: int) -> Outcome:
        run, name = payload.run, payload.name
        stop = partial(self._cancelled.cancelled_run, run)
        with self._slots.taken(self.workers, stop, on_wait=lambda: self._on_event(Waiting(MEMORY))) as free:
            if not free:
                return cancelled_outcome(run)
            self._on_event(RunStarted(run, name, attempt, socket.gethostname()))
            return run_payload(
                payload, cancelled=stop,
                on_cell=lambda index, cells, cell: self._on_event(CellStarted(run, name, cell, index, cells)),
            )  # fmt: skip


def _wait_for(ends: Sequence[threading.Event]) -> None:
    """Waits until all threads have ended. ``Thread.join`` would not do: interrupted, it takes the thread for ended (3.11)."""
    for ended in ends:
        while not ended.wait(LOOK_S):
            pass
