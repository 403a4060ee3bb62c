"""The runs of a batch on a Dask cluster. ``client`` is the connection, ``worker_task`` what a worker does with a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.cluster.client import ClusterClient, ClusterError, quiet
from campaign_lab.batch.events import MEMORY, CellStarted, RunStarted, Waiting
from campaign_lab.batch.execute.machine import LOOK_S
from campaign_lab.batch.execute.runner import Runner, cancelled_outcome, pause_s
from campaign_lab.batch.execute.work import Outcome, Payload
from campaign_lab.show.text import one_line

if TYPE_CHECKING:
    from distributed import Future

CONNECT_S = 10.0
"""How long a scheduler may take to answer, in seconds."""
PATIENCE_S = 600.0
"""For how long a scheduler that is gone is looked for, in seconds, before the batch gives up what is not finished."""
RECONNECT_S = 1.0
"""The pause before the scheduler is looked for again, in seconds."""
END_S = 20.0
"""How long a cancelled notebook may take to hand in what it has, in seconds; then its task is dropped."""
COUNT_S = 5.0
"""How often a batch of which nothing runs looks for workers, in seconds."""


@dataclass
class _ClusterTask:
    """A run that is not settled. Times are those of ``time.monotonic``."""

    payload: Payload
    future: Future[Any] | None = None
    """Its task on the cluster: a new one each time it is sent, None while it is not sent."""
    starts: int = 0
    """How often the task began: more than once when a worker was lost and Dask moved it to another."""
    tries: int = 0
    retries_used: int = 0
    not_before: float = 0.0
    """When it may be sent again."""
    failed: Outcome | None = None
    """How its last try failed, while it waits for the next one."""
    stop_by: float | None = None
    """When it is dropped, once it was asked to stop."""


class DaskRunner(Runner):
    """Runs notebooks on the workers of a scheduler, such as ``tcp://host:8786``: one per thread, as many as memory holds.

    ``most``: no more than so many at once, None for as many as there is room for. A lost worker costs one of a run's
    retries, a lost scheduler none; the scheduler is looked for again for ``patience_s`` seconds.
    ``run`` raises ClusterError when the scheduler is not there at the start, or when the cluster cannot run our notebooks.
    """

    def __init__(
        self, scheduler: str, *, most: int | None = None, patience_s: float = PATIENCE_S, connect_s: float = CONNECT_S
    ) -> None:
        self._most = most
        self._patience_s = patience_s
        self._connect: Callable[[], ClusterClient] = lambda: ClusterClient(scheduler, connect_s=connect_s)
        self._tasks: dict[str, _ClusterTask] = {}
        self._reported = ""
        self._next_count = 0.0

    def _run_all(self, payloads: Sequence[Payload]) -> None:
        self._tasks = {payload.run: _ClusterTask(payload) for payload in payloads}
        with quiet():
            self._client = self._connect()
            try:
                self._settle_all()
            except KeyboardInterrupt:
                self._cancelled.set()
                self._settle_all()
                raise
            finally:
                self._client.close()  # whatever still runs there is no longer wanted, and stops

    def _settle_all(self) -> None:
        while self._tasks:
            if self._client.alive or self._reconnect():
                self._step()

    def _step(self) -> None:
        """Cancels what was cancelled, sends what is not sent, and handles the messages and results that have come."""
        for task in list(self._tasks.values()):
            if self._is_cancelled(task):
                self._cancel(task)
            elif task.future is None and time.monotonic() >= task.not_before and self._has_room():
                task.future = self._client.submit(task.payload)
        ended = self._client.ended()  # before the messages: those of an ended task have then arrived
        for message in self._client.messages(0.0 if ended else LOOK_S):
            self._on_message(message)
        for key, result in ended:
            self._on_end(key, result)
        self._look_for_workers()

    def _has_room(self) -> bool:
        """May one more be sent? Every task that was sent and has not ended counts, whether it has begun or not."""
        return self._most is None or sum(task.future is not None for task in self._tasks.values()) < self._most

    def _task(self, key: str) -> _ClusterTask | None:
        """Returns the run whose task has this key, or None when the key is of an earlier task."""
        return next((task for task in self._tasks.values() if task.future is not None and task.future.key == key), None)

    def _on_message(self, message: Mapping[str, Any]) -> None:
        if (task := self._task(message["key"])) is None:
            return
        payload = task.payload
        match message["what"]:
            case "cell":
                cell, index, cells = str(message["cell"]), message["index"], message["cells"]
                self._on_event(CellStarted(payload.run, payload.name, cell, index, cells))
            case "memory":
                self._on_event(Waiting(MEMORY))
            case "start":
                self._on_start(task, str(message["host"]))

    def _on_start(self, task: _ClusterTask, host: str) -> None:
        self._reported = ""
        task.starts += 1
        if task.starts > 1 and task.stop_by is None and not self._use_retry(task):
            self._fail(task, f"its worker was lost {task.starts - 1} times, last before it was tried on {host}")
            return
        task.tries += 1
        self._on_event(RunStarted(task.payload.run, task.payload.name, task.tries, host))

    def _on_end(self, key: str, result: Any) -> None:
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        if (task := self._task(key)) is None:
            return
        match result:
            case Outcome() if task.stop_by is None and self._may_repeat(result, task.retries_used):
                task.retries_used += 1
                self._drop(task)
                task.failed = result
                task.not_before = time.monotonic() + pause_s(task.retries_used)
            case Outcome():
                self._end(task, result)
            case CancelledError() if task.stop_by is not None:
                self._end(task, cancelled_outcome(task.payload.run))
            case CancelledError() if not self._client.alive:
                self._drop(task)  # it is sent again once the scheduler answers
            case CancelledError() | KilledWorker() if self._use_retry(task):
                self._drop(task)
            case CancelledError():
                self._fail(task, "somebody else cancelled it on the cluster")
            case KilledWorker():
                self._fail(task, f"its worker was lost {result.allowed_failures + 1} times")
            case _:
                self._fail(task, f"the cluster could not run it: {type(result).__name__}: {result}")

    def _use_retry(self, task: _ClusterTask) -> bool:
        """Uses one retry of a run whose task was lost. Returns False when none is left or the run was asked to stop."""
        if task.retries_used >= self._retries or task.stop_by is not None:
            return False
        task.retries_used += 1
        return True

    def _is_cancelled(self, task: _ClusterTask) -> bool:
        return self._cancelled.cancelled_run(task.payload.run)

    def _cancel(self, task: _ClusterTask) -> None:
        """Asks a run that began to hand in its notebook within END_S; ends a run that did not begin at once."""
        if task.future is not None and task.starts and task.stop_by is None:
            task.stop_by = time.monotonic() + END_S
            self._client.interrupt(task.future)
        elif not task.starts or time.monotonic() > (task.stop_by or 0.0):
            self._end(task, task.failed or cancelled_outcome(task.payload.run))

    def _fail(self, task: _ClusterTask, error: str) -> None:
        self._end(task, Outcome(task.payload.run, "failed", b"", error=one_line(error), retriable=True))

    def _end(self, task: _ClusterTask, outcome: Outcome) -> None:
        del self._tasks[task.payload.run]
        self._drop(task)
        self._settle(outcome)

    def _drop(self, task: _ClusterTask) -> None:
        """Gives up the task on the cluster. If it still runs, its worker stops it."""
        if task.future is not None:
            if task.stop_by is not None:
                self._client.forget(task.future)
            task.future.release()  # type: ignore[no-untyped-call]
        task.future, task.starts = None, 0

    def _reconnect(self) -> bool:
        """Looks for the lost scheduler and returns whether it answers again. If not, every run is settled.

        Dask's own reconnection would neither subscribe to our events again nor check the versions of what has come back.
        """
        for task in self._tasks.values():
            self._drop(task)
        self._client.close()
        self._report(f"the scheduler at {self._client.scheduler} does not answer; trying again")
        give_up, lost = time.monotonic() + self._patience_s, ""
        while not (lost or self._cancelled.wait(RECONNECT_S) or all(map(self._is_cancelled, self._tasks.values()))):
            try:
                self._client = self._connect()
            except ClusterError as error:
                lost = str(error) if time.monotonic() > give_up else ""
            else:
                return True
        for task in list(self._tasks.values()):
            if self._is_cancelled(task):
                self._end(task, task.failed or cancelled_outcome(task.payload.run))
            else:
                self._fail(task, f"{lost} The same command again goes on from here.")
        return False

    def _look_for_workers(self) -> None:
        """Checks every COUNT_S seconds, while nothing runs, that the scheduler has workers."""
        if time.monotonic() < self._next_count or any(task.starts for task in self._tasks.values()):
            return
        self._next_count = time.monotonic() + COUNT_S
        if not self._client.has_workers():
            self._report(f"the scheduler at {self._client.scheduler} has no worker yet; start one with `dask worker`")

    def _report(self, reason: str) -> None:
        if reason != self._reported:
            self._reported = reason
            self._on_event(Waiting(reason))
