"""What a worker of a Dask cluster does with a run: it waits for memory, says how far it is, and stops when nobody wants it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil

from campaign_lab.batch.execute import machine
from campaign_lab.batch.execute.notebook import clause
from campaign_lab.batch.execute.work import Outcome, Payload, run_payload
from campaign_lab.store.location import SETTING, is_server

if TYPE_CHECKING:
    from distributed import Worker

LOOK_S = 0.5
"""How often a notebook on a worker asks the scheduler whether it was cancelled, in seconds."""
KERNEL = "ipykernel_launcher"
"""What stands in the command of each Python kernel."""


class SecretPayload:
    """A payload that does not show itself: a cluster logs what a task was given, and a store's address holds a password."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    def __repr__(self) -> str:
        return f"Sealed({self.payload.run!r})"


def run_on_worker(sealed: SecretPayload, topic: str) -> Outcome:
    """Runs the notebook on this worker, in the thread of the task, and returns how it went; it never raises.

    Tells ``topic`` when it waits for memory, when it begins, and each cell: dicts with the task's key and nothing private.
    """
    from distributed import get_worker

    worker, payload = get_worker(), sealed.payload
    key = str(worker.get_current_task())
    host = socket.gethostname()

    def tell(**said: Any) -> None:
        worker.log_event(topic, {"key": key, **said})

    store = payload.env.get(SETTING, "")
    if not payload.at_home and not is_server(store):  # a file of that name here would be another lab
        return Outcome(
            payload.run, "failed", b"", error_type="StoreError", host=host,
            error=clause(
                f"the lab {store} is a file of {payload.home}, and this is {host}; give a server's url as {SETTING} or --lab"
            ),
        )  # fmt: skip
    stop = StopSignal(worker, key)
    try:
        with _room.taken(_limit(worker), stop, on_wait=partial(tell, what="memory", host=host)) as got:
            if not got:
                return Outcome(payload.run, "cancelled", b"", host=host)
            tell(what="start", host=host)
            return run_payload(
                payload,
                on_cell=lambda index, cells, cell: tell(what="cell", index=index, cells=cells, cell=cell),
                cancelled=stop,
            )
    except Exception as error:  # an error that left the task would be logged by the cluster with all that it was given
        kind = type(error).__name__
        return Outcome(
            payload.run, "failed", b"", error=clause(f"{kind}: {error}"), error_type=kind, retriable=True, host=host
        )


class StopSignal:
    """Is a task to end now? When it was cancelled, when its client is gone or wants it no more, when its worker closes."""

    def __init__(self, worker: Worker, key: str) -> None:
        from distributed import Event, get_client

        self._worker: Any = worker
        self._key = key
        self._event: Any = Event(cancel_name(key), client=get_client())  # type: ignore[no-untyped-call]
        self._next_look = 0.0
        self._stopped = False

    def __call__(self) -> bool:
        """Asks. Once it is yes it stays yes."""
        self._stopped = self._stopped or not self._wanted() or self._cancelled()
        return self._stopped

    def _wanted(self) -> bool:
        """Does the scheduler still want the result? It takes a task back when the client that sent it goes, however it went.

        A worker that lost its scheduler closes itself, and its result would reach nobody.
        """
        task = self._worker.state.tasks.get(self._key)
        alive = self._worker.status.name in {"running", "paused", "closing_gracefully"}
        return alive and task is not None and task.state in {"executing", "long-running"}

    def _cancelled(self) -> bool:
        """Has the client set the task's event? Only then is the notebook sent back as far as it came."""
        if time.monotonic() < self._next_look:
            return False
        try:
            return bool(self._event.is_set())
        except Exception:  # the scheduler does not answer: then the worker closes, and the task is not wanted
            return False
        finally:
            self._next_look = time.monotonic() + LOOK_S


def cancel_name(key: str) -> str:
    """The name of the event that cancels a task."""
    return f"cancel-{key}"


class KernelSlots:
    """The kernels of this worker process. One more is let in when there is memory for it, or when waiting would be in vain."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def taken(self, limit: int, stop: Callable[[], bool], *, on_wait: Callable[[], None]) -> Iterator[bool]:
        """Waits for room and holds it; yields False when ``stop`` came first. ``on_wait`` is called once when it must wait."""
        inside, told = self._enter(limit), False
        while not inside and not stop():
            if not told:
                on_wait()
                told = True
            time.sleep(LOOK_S)
            inside = self._enter(limit)
        try:
            yield inside and not stop()
        finally:
            if inside:
                with self._lock:
                    self._running -= 1

    def _enter(self, limit: int) -> bool:
        with self._lock:
            if self._running >= limit or not machine.room_for_one(self._running):
                return False
            if not self._running and machine.free_memory() < machine.NOTEBOOK_BYTES and _other_kernels():
                return False
            self._running += 1
            return True


_room = KernelSlots()


def _limit(worker: Worker) -> int:
    """How many kernels the worker's share of memory holds, at least one. Kernels are processes that Dask does not count."""
    share = worker.memory_manager.memory_limit
    return max(1, share // machine.NOTEBOOK_BYTES) if share else worker.state.nthreads


def _other_kernels() -> bool:
    """Do kernels run on this machine, such as those of its other workers? When they end there is memory again."""
    return any(KERNEL in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
