"""The connection to a Dask scheduler: quiet, and made only when all machines of the cluster have this package."""

from __future__ import annotations

import logging
import queue
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.cluster.worker_task import SecretPayload, cancel_name, run_on_worker
from campaign_lab.errors import LabError
from campaign_lab.show.text import plain

if TYPE_CHECKING:
    from distributed import Future

    from campaign_lab.batch.execute.work import Payload

PACKAGE = "campaign_lab"
ANSWER_S = 5.0
"""How long an answer of the scheduler is waited for while a batch runs, in seconds."""
_log = logging.getLogger(__name__)
_LOUD = ("distributed", "distributed.client", "tornado.application")
"""The loggers to which distributed gives handlers that write to standard error."""


class ClusterError(LabError):
    """The cluster cannot be used: nobody answers at ``scheduler``, or it cannot run our notebooks. ``advice`` is what to do."""

    def __init__(self, scheduler: str, reason: str, advice: str) -> None:
        super().__init__(scheduler, reason, advice)
        self.scheduler = scheduler
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"The scheduler at {self.scheduler} {self.reason}. {self.advice}"


class ClusterClient:
    """One connection. Its methods are called in one thread, and none of them waits for long.

    Raises ClusterError when nobody answers within ``connect_s`` seconds, or when the scheduler or a worker has another
    version of Python or of this package, or has none.
    """

    def __init__(self, scheduler: str, *, connect_s: float) -> None:
        self.scheduler = plain(scheduler)
        self._client = _connected(scheduler, connect_s)
        self._messages: queue.SimpleQueue[tuple[float, Any]] = queue.SimpleQueue()
        try:
            self._check_versions()
            self._client.subscribe_topic(self._client.id, self._messages.put)
        except BaseException:
            self.close()
            raise
        from distributed import as_completed

        self._ended: Any = as_completed(loop=self._client.loop)  # type: ignore[no-untyped-call]

    @property
    def alive(self) -> bool:
        """Is the scheduler still there?"""
        return bool(self._client.status == "running")

    def submit(self, payload: Payload) -> Future[Any]:
        """Sends a run. It is wanted for as long as the future is kept, and this process and the connection live.

        Dask's own retries are of no use for it: they wait for nothing, and hand in no notebook.
        """
        key = f"notebook-{payload.run}-{uuid.uuid4().hex[:12]}"
        # the client's id is the topic: the scheduler deletes its events some time after the client has gone
        future = self._client.submit(run_on_worker, SecretPayload(payload), self._client.id, key=key, pure=False)
        self._ended.add(future)
        return future  # type: ignore[no-any-return]  # distributed's client has no types there

    def ended(self) -> list[tuple[str, Any]]:
        """Returns the tasks that have ended since the last call: the key of each, with its Outcome or its error."""
        futures = self._ended.next_batch(block=False)
        return [(future.key, result) for future in futures if (result := self._result(future)) is not None]

    def _result(self, future: Any) -> Any:
        """Returns the result or the error; None if the result was lost with its worker, as Dask then runs the task again."""
        from distributed import CancelledError

        try:
            return future.exception() if future.status == "error" else future.result(timeout=ANSWER_S)
        except TimeoutError:
            self._ended.add(future)
            return None
        except (Exception, CancelledError) as error:
            return error

    def messages(self, wait_s: float) -> Iterator[Mapping[str, Any]]:
        """Yields what the tasks have logged since the last call; waits at most ``wait_s`` seconds for the first message."""
        with suppress(queue.Empty):
            while True:
                _, message = self._messages.get(timeout=wait_s)
                wait_s = 0.0
                if isinstance(message, Mapping) and "what" in message:  # the scheduler itself logs there too
                    yield message

    def interrupt(self, task: Future[Any]) -> None:
        """Asks the task to end and to hand in its notebook as far as it came."""
        self._call("event_set", task)

    def forget(self, task: Future[Any]) -> None:
        """Removes what ``interrupt`` left on the scheduler."""
        self._call("event_clear", task)

    def _call(self, method: str, task: Future[Any]) -> None:
        """Sets or clears the distributed.Event of a task. Event's own methods would block until the scheduler answers."""
        if self.alive:
            self._client.loop.add_callback(getattr(self._client.scheduler, method), name=cancel_name(str(task.key)))

    def has_workers(self) -> bool:
        """Does the scheduler have a worker? True, too, when it does not answer."""
        try:
            return bool(self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_S))
        except Exception:  # if the scheduler is lost, ``alive`` soon says so
            return True

    def close(self) -> None:
        """Ends the connection: what still runs there is interrupted and nothing of it is kept."""
        with suppress(Exception):  # it is gone already
            self._client.close(timeout=ANSWER_S)

    def _check_versions(self) -> None:
        """Raises ClusterError that names each machine that cannot run our notebooks; Dask's own check looks at its own needs."""
        try:
            found = self._client.get_versions(packages=[PACKAGE])
        except (OSError, TimeoutError) as error:
            raise _silent(self.scheduler) from error
        ours = _version(found["client"])
        machines = {"the scheduler": found["scheduler"]}
        machines |= {f"the worker {address}": worker for address, worker in found["workers"].items()}
        wrong = [f"{name} has {each}" for name, host in machines.items() if (each := _version(host)) != ours]
        if wrong:
            raise ClusterError(
                self.scheduler,
                f"has machines that cannot run these notebooks: {'; '.join(sorted(wrong))}",
                f"Give all of them what is here: {ours}.",
            )


def _connected(scheduler: str, connect_s: float) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ClusterError(
            plain(scheduler), "cannot be used: the package distributed is missing", "Install campaign_lab[team]."
        ) from None
    try:
        return Client(scheduler, timeout=connect_s, set_as_default=False, name="campaign-lab")  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError):
        raise _silent(plain(scheduler)) from None
    except (ValueError, TypeError) as error:
        raise ClusterError(
            plain(scheduler), f"has no usable address: {plain(error)}", "It looks like tcp://HOST:8786."
        ) from None


def _silent(scheduler: str) -> ClusterError:
    return ClusterError(
        scheduler,
        "does not answer",
        "Start one with `dask scheduler`, and workers with `dask worker`, or give its address.",
    )


def _version(host: Mapping[str, Any]) -> str:
    """Python's version without its patch number, and the version of this package where it is installed."""
    packages = host["packages"]
    python, package = ".".join(str(packages["python"]).split(".")[:2]), packages.get(PACKAGE)
    return f"Python {python} {f'with {PACKAGE} {package}' if package else f'without {PACKAGE}'}"


@contextmanager
def quiet() -> Iterator[None]:
    """Sends to our own log what distributed would write to standard error; what matters becomes an event, a row or an error."""
    with suppress(ImportError):
        import distributed  # noqa: F401  # it makes its handlers when it is imported

    def to_our_log(record: logging.LogRecord) -> bool:
        _log.debug("%s: %s", record.name, record.getMessage(), exc_info=record.exc_info)
        return False

    handlers = {handler for name in _LOUD for handler in logging.getLogger(name).handlers}
    for handler in handlers:
        handler.addFilter(to_our_log)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(to_our_log)
