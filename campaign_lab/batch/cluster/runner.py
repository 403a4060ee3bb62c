"""The runs of a batch on a Dask cluster, whatever started it. What a worker does is in ``remote``, the connection in ``link``."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.cluster.client import ClusterClient, ClusterError, quiet
from campaign_lab.batch.events import MEMORY, CellStarted, OnBatchEvent, RunStarted, Waiting
from campaign_lab.batch.execute.local import pause_s
from campaign_lab.batch.execute.work import Cancellation, Outcome, Payload
from campaign_lab.show.text import one_line

if TYPE_CHECKING:
    from distributed import Future

CONNECT_S = 10.0
"""How long a scheduler may take to answer, in seconds."""
PATIENCE_S = 600.0
"""For how long a scheduler that is gone is looked for, in seconds, before the batch gives up what is not finished."""
LOOK_S = 0.2
"""How often a batch looks whether it was cancelled and whether its scheduler is there, in seconds."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
"""How long it waits before it looks for the scheduler again, in seconds; twice as long each time."""
END_S = 20.0
"""How long a cancelled notebook may take to hand in what it has, in seconds; then its task is dropped."""
COUNT_S = 5.0
"""How often a batch of which nothing runs counts the workers, in seconds."""


class DaskRunner:
    """Runs notebooks on the workers of a scheduler, such as ``tcp://host:8786``: one a thread, and as many as memory holds.

    ``most``: no more than so many at once, None for as many as there is room for.
    """

    def __init__(
        self, scheduler: str, *, most: int | None = None, patience_s: float = PATIENCE_S, connect_s: float = CONNECT_S
    ) -> None:
        self.scheduler = scheduler
        self.most = most
        self.patience_s = patience_s
        self.connect_s = connect_s

    def run(
        self,
        payloads: Sequence[Payload],
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        """As ``Runner.run``. A lost worker costs one of a run's ``retries``, a lost scheduler none.

        Raises ClusterError when the scheduler is not there at the start, or when the cluster cannot run our notebooks.
        """
        start = _ClusterStart(self, retries=retries, on_event=on_event, cancelled=cancelled, settle=settle)
        with quiet():
            start.run(payloads)


@dataclass
class _ClusterTask:
    """A run that is not settled. ``key`` names its task, and is new each time it is sent; empty while it is not."""

    payload: Payload
    key: str = ""
    future: Future[Any] | None = None
    tries: int = 0
    used: int = 0
    """How many of its retries were used."""
    starts: int = 0
    """How often this task began: more than once when a worker was lost and the cluster moved it to another."""
    not_before: float = 0.0
    """When it may be sent again, as told by ``time.monotonic``."""
    failed: Outcome | None = None
    """How its last try failed, while it waits for the next one."""
    stop_by: float | None = None
    """When it is dropped, once it was cancelled, as told by ``time.monotonic``."""


class _ClusterStart:
    """One start of a batch. All its state is in the caller's thread; the link's threads only put messages into ``_inbox``."""

    def __init__(
        self,
        runner: DaskRunner,
        *,
        retries: int,
        on_event: OnBatchEvent,
        cancelled: Cancellation,
        settle: Callable[[Outcome], None],
    ) -> None:
        self._runner = runner
        self._retries = retries
        self._on_event = on_event
        self._cancelled = cancelled
        self._settle = settle
        self._jobs: dict[str, _ClusterTask] = {}
        self._by_key: dict[str, _ClusterTask] = {}
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._said = ""
        self._next_count = 0.0

    def run(self, payloads: Sequence[Payload]) -> None:
        """Does all runs, and ends when each is settled. The first Ctrl-C cancels them, a second one does not wait for them."""
        self._jobs = {payload.run: _ClusterTask(payload) for payload in payloads}
        self._link = self._connect()
        interrupt: KeyboardInterrupt | None = None
        try:
            while self._jobs:
                try:
                    self._step()
                except KeyboardInterrupt as error:
                    if interrupt is not None:
                        raise
                    interrupt = error
                    self._cancelled.set()
        finally:
            self._link.close()  # whatever still runs there is no longer wanted, and stops
        if interrupt is not None:
            raise interrupt

    def _connect(self) -> ClusterClient:
        return ClusterClient(
            self._runner.scheduler,
            connect_s=self._runner.connect_s,
            on_message=lambda message: self._inbox.put(lambda: self._heard(message)),
            on_end=lambda key, result: self._inbox.put(lambda: self._ended(key, result)),
        )

    def _step(self) -> None:
        """Sends what is not sent, hears what was said, and looks whether anything was cancelled or lost."""
        if not self._link.alive and not self._find_again():
            return
        for job in list(self._jobs.values()):
            if self._is_cancelled(job):
                self._cancel(job)
            elif job.future is None and time.monotonic() >= job.not_before and self._has_room():
                self._send(job)
        self._listen()
        self._count_workers()

    def _has_room(self) -> bool:
        """May one more be sent? What was sent and has not ended counts, begun or not."""
        most = self._runner.most
        return most is None or sum(job.future is not None for job in self._jobs.values()) < most

    def _send(self, job: _ClusterTask) -> None:
        job.key = f"notebook-{job.payload.run}-{uuid.uuid4().hex[:12]}"
        job.starts = 0
        self._by_key[job.key] = job
        job.future = self._link.submit(job.payload, job.key)

    def _listen(self) -> None:
        """Hears all that was said, and waits a moment for the first word."""
        wait = LOOK_S
        while True:
            try:
                handle = self._inbox.get(timeout=wait)
            except queue.Empty:
                return
            handle()
            wait = 0.0

    def _heard(self, message: Mapping[str, Any]) -> None:
        """Tells what a task told. What an earlier task of the same run says is of no interest any more."""
        job = self._by_key.get(str(message["key"]))
        if job is None:
            return
        payload = job.payload
        match message["what"]:
            case "cell":
                self._on_event(
                    CellStarted(payload.run, payload.name, str(message["cell"]), message["index"], message["cells"])
                )
            case "memory":
                self._on_event(Waiting(MEMORY))
            case _:
                self._began(job, str(message["host"]))

    def _began(self, job: _ClusterTask, host: str) -> None:
        self._said = ""
        job.starts += 1
        if job.starts > 1 and job.stop_by is None and not self._may_try_again(job):
            self._fail(job, f"its worker was lost {job.starts - 1} times, last before it was tried on {host}")
            return
        job.tries += 1
        self._on_event(RunStarted(job.payload.run, job.payload.name, job.tries, host))

    def _ended(self, key: str, result: Any) -> None:
        """A task has ended, with an outcome or with an error of the cluster."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        job = self._by_key.get(key)
        if job is None:
            return
        match result:
            case Outcome():
                if result.state == "failed" and result.retriable and self._may_try_again(job):
                    self._drop(job)
                    job.failed = result
                    job.not_before = time.monotonic() + pause_s(job.used)
                else:
                    self._done(job, result)
            case CancelledError() if job.stop_by is not None:
                self._done(job, _cancelled(job))
            case CancelledError() if not self._link.alive:
                self._drop(job)  # it is sent again once the scheduler answers
            case CancelledError() | KilledWorker() if self._may_try_again(job):
                self._drop(job)
            case CancelledError():
                self._fail(job, "somebody else cancelled it on the cluster")
            case KilledWorker():
                self._fail(job, f"its worker was lost {result.allowed_failures + 1} times")
            case _:
                self._fail(job, f"the cluster could not run it: {type(result).__name__}: {result}")

    def _may_try_again(self, job: _ClusterTask) -> bool:
        """Uses up one retry, when there is one and nobody cancelled the run."""
        if job.used >= self._retries or job.stop_by is not None:
            return False
        job.used += 1
        return True

    def _is_cancelled(self, job: _ClusterTask) -> bool:
        return self._cancelled.cancelled_run(job.payload.run)

    def _cancel(self, job: _ClusterTask) -> None:
        """A run that began is asked to hand in what it has, for a bounded time; one that did not is taken back at once."""
        if job.stop_by is None and job.starts:
            job.stop_by = time.monotonic() + END_S
            self._link.interrupt(job.key)
        elif not job.starts or time.monotonic() > (job.stop_by or 0.0):
            self._done(job, job.failed or _cancelled(job))

    def _fail(self, job: _ClusterTask, error: str) -> None:
        self._done(
            job,
            Outcome(job.payload.run, "failed", b"", error=one_line(error), error_type="ClusterError", retriable=True),
        )

    def _done(self, job: _ClusterTask, outcome: Outcome) -> None:
        del self._jobs[job.payload.run]
        self._drop(job)
        self._settle(outcome)

    def _drop(self, job: _ClusterTask) -> None:
        """Forgets the task. Where it still runs it stops, as nobody wants its result any more."""
        if job.stop_by is not None:
            self._link.forget(job.key)
        self._by_key.pop(job.key, None)
        if job.future is not None:
            job.future.release()  # type: ignore[no-untyped-call]
        job.key, job.future, job.starts = "", None, 0

    def _find_again(self) -> bool:
        """The scheduler is gone: looks for it with a growing pause, and gives up in the end. What is finished stays finished."""
        self._link.close()
        for job in self._jobs.values():
            self._by_key.pop(job.key, None)
            job.key, job.future, job.starts = "", None, 0
        self._say(f"the scheduler at {self._link.scheduler} does not answer; trying again")
        give_up, pause = time.monotonic() + self._runner.patience_s, FIRST_PAUSE_S
        while True:
            self._wait(pause)
            if all(self._is_cancelled(job) for job in self._jobs.values()):
                self._give_up(None)
                return False
            try:
                self._link = self._connect()
            except ClusterError as error:
                if time.monotonic() > give_up:
                    self._give_up(error)
                    return False
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                return True

    def _wait(self, pause: float) -> None:
        """Waits, but no longer than until all is cancelled."""
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0:
            if self._cancelled.wait(min(left, LOOK_S)):
                return

    def _give_up(self, error: ClusterError | None) -> None:
        for job in list(self._jobs.values()):
            if error is None or self._is_cancelled(job):
                self._done(job, job.failed or _cancelled(job))
            else:
                self._fail(job, f"{error} The same command again goes on from here.")

    def _count_workers(self) -> None:
        """Looks now and then for workers while nothing runs."""
        if time.monotonic() < self._next_count or any(job.starts for job in self._jobs.values()):
            return
        self._next_count = time.monotonic() + COUNT_S
        self._link.count_workers(lambda count: self._inbox.put(lambda: self._counted(count)))

    def _counted(self, count: int) -> None:
        if not count:
            self._say(f"the scheduler at {self._link.scheduler} has no worker yet; start one with `dask worker`")

    def _say(self, reason: str) -> None:
        """Says once why nothing goes on."""
        if reason != self._said:
            self._said = reason
            self._on_event(Waiting(reason))


def _cancelled(job: _ClusterTask) -> Outcome:
    """The outcome of a run that hands nothing in."""
    return Outcome(job.payload.run, "cancelled", b"")
