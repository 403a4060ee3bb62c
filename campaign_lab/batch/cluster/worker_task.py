"""Runs a notebook on a worker of a Dask cluster: waits for memory, reports each cell, stops when nobody wants the result."""

from __future__ import annotations

import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.execute import machine
from campaign_lab.batch.execute.notebook import clause
from campaign_lab.batch.execute.runner import cancelled_outcome
from campaign_lab.batch.execute.work import Outcome, Payload, run_payload
from campaign_lab.store.location import SETTING, is_server

if TYPE_CHECKING:
    from distributed import Worker

ASK_S = 0.5
"""How often a notebook on a worker asks the scheduler whether it was cancelled, in seconds."""

# Dask's resources would have to be declared where a worker is started, and count neither kernels nor free memory
_slots = machine.KernelSlots(shared=True)


class SecretPayload:
    """A payload that does not show itself: Dask logs the arguments of a task, and the address of a store holds a password."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"SecretPayload({self.payload.run!r})"


def run_on_worker(secret: SecretPayload, topic: str) -> Outcome:
    """Runs the notebook in the thread of this task and returns its outcome. It never raises.

    Logs an event under ``topic`` when it waits for memory, when it begins, and for each cell: a dict with the key of the
    task and nothing private.
    """
    payload = secret.payload
    try:
        return _run(payload, topic)
    except Exception as error:  # Dask would log an error that left the task, with all that it holds
        return _failed(payload, f"{type(error).__name__}: {error}", retriable=True)


def _run(payload: Payload, topic: str) -> Outcome:
    from distributed import get_worker

    worker, host = get_worker(), socket.gethostname()
    key = str(worker.get_current_task())
    store = payload.env.get(SETTING, "")
    if not payload.at_home and not is_server(store):  # a file of that name here would be another lab
        where = f"the lab {store} is a file of {payload.home}, and this is {host}"
        return _failed(payload, f"{where}; give a server's url as {SETTING} or --lab", retriable=False)

    def log(**message: Any) -> None:
        worker.log_event(topic, {"key": key, "host": host, **message})

    stop = StopSignal(worker, key)
    with _slots.taken(_limit(worker), stop, on_wait=partial(log, what="memory")) as free:
        if not free:
            return cancelled_outcome(payload.run)
        log(what="start")
        return run_payload(
            payload, cancelled=stop,
            on_cell=lambda index, cells, cell: log(what="cell", index=index, cells=cells, cell=cell),
        )  # fmt: skip


def _failed(payload: Payload, error: str, *, retriable: bool) -> Outcome:
    return Outcome(payload.run, "failed", b"", clause(error), retriable=retriable)


class StopSignal:
    """Must a task end now? Yes once it was cancelled, its client is gone or wants it no more, or its worker closes."""

    def __init__(self, worker: Worker, key: str) -> None:
        from distributed import Event, get_client

        self._worker: Any = worker
        self._key = key
        self._event: Any = Event(cancel_name(key), client=get_client())  # type: ignore[no-untyped-call]
        self._next_question = 0.0
        self._stopped = False

    def __call__(self) -> bool:
        """Returns the answer; once it is yes it stays yes."""
        self._stopped = self._stopped or not self._wanted() or self._cancelled()
        return self._stopped

    def _wanted(self) -> bool:
        """Does the scheduler still want the result? It takes a task back when the client that sent it ends, however it ends.

        A worker that has lost its scheduler closes, and its result would reach nobody.
        """
        task = self._worker.state.tasks.get(self._key)
        alive = self._worker.status.name in {"running", "paused", "closing_gracefully"}
        return alive and task is not None and task.state in {"executing", "long-running"}

    def _cancelled(self) -> bool:
        """Did the client set the event of the task? Only then is the notebook sent back as far as it came."""
        if time.monotonic() < self._next_question:
            return False
        try:
            return bool(self._event.is_set())
        except Exception:  # the scheduler does not answer: then the worker closes, and the task is not wanted
            return False
        finally:
            self._next_question = time.monotonic() + ASK_S


def cancel_name(key: str) -> str:
    """The name of the distributed.Event that cancels a task: Dask's own cancel would hand in no notebook."""
    return f"cancel-{key}"


def _limit(worker: Worker) -> int:
    """How many kernels the worker's share of memory holds, at least one. Kernels are processes that Dask does not count."""
    share = worker.memory_manager.memory_limit
    return max(1, share // machine.NOTEBOOK_BYTES) if share else worker.state.nthreads
