"""The connection to a Dask scheduler: made only when all its Pythons have this package, quiet, and told when it is gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.cluster.worker_task import SecretPayload, cancel_name, run_on_worker
from campaign_lab.errors import LabError
from campaign_lab.show.text import plain

if TYPE_CHECKING:
    from distributed import Future

    from campaign_lab.batch.execute.work import Payload

PACKAGE = "campaign_lab"
CLOSE_S = 5.0
"""How long saying goodbye to a scheduler may take, in seconds."""
_log = logging.getLogger(__name__)
_LOUD = ("distributed", "distributed.client", "tornado.application")
"""The loggers to which distributed gives handlers of its own, which write to standard error."""


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
    """One connection. ``on_message`` hears what the tasks tell; ``on_end`` gets a task's key and its Outcome, or the error.

    Both are called in other threads. Raises ClusterError when nobody answers within ``connect_s`` seconds, or when the
    scheduler or a worker has another version of Python or of this package, or has none.
    """

    def __init__(
        self,
        scheduler: str,
        *,
        connect_s: float,
        on_message: Callable[[Mapping[str, Any]], None],
        on_end: Callable[[str, Any], None],
    ) -> None:
        self.scheduler = plain(scheduler)
        self._on_message = on_message
        self._on_end = on_end
        self._client = _client(scheduler, connect_s)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="cluster")
        try:
            self._check_versions()
            self._client.subscribe_topic(self._client.id, self._heard)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Is the scheduler still there?"""
        return bool(self._client.status == "running")

    def submit(self, payload: Payload, key: str) -> Future[Any]:
        """Sends a run. It is wanted for as long as the future is kept, and this process and the link live."""
        # the client's id is the topic: the scheduler forgets what was said there some time after the client has gone
        future = self._client.submit(run_on_worker, SecretPayload(payload), self._client.id, key=key, pure=False)
        future.add_done_callback(lambda done: self._later(self._fetch, key, done))
        return future  # type: ignore[no-any-return]  # distributed's client has no types there

    def interrupt(self, key: str) -> None:
        """Asks the task to end and to hand in its notebook as far as it came."""
        self._later(self._event(key).set)

    def forget(self, key: str) -> None:
        """Takes back what ``interrupt`` left on the scheduler."""
        self._later(self._event(key).clear)

    def count_workers(self, tell: Callable[[int], None]) -> None:
        """Tells, from another thread, how many workers the scheduler has."""
        self._later(lambda: tell(len(self._client.nthreads())))

    def close(self) -> None:
        """Lets go: what still runs there is interrupted and nothing of it is kept."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        with suppress(Exception):  # it is gone already
            self._client.close(timeout=CLOSE_S)

    def _later(self, do: Callable[..., None], *given: Any) -> None:
        """In a thread of its own, as each question to a scheduler may wait for long. A link that is closed asks nothing."""
        with suppress(RuntimeError):
            self._pool.submit(_logged, do, *given)

    def _fetch(self, key: str, future: Future[Any]) -> None:
        try:
            result = future.result()
        except BaseException as error:  # the task's own error may be of any kind
            result = error
        self._on_end(key, result)

    def _heard(self, event: tuple[float, Any]) -> None:
        _, message = event
        if isinstance(message, Mapping) and "key" in message:  # the scheduler itself writes there too
            self._on_message(message)

    def _event(self, key: str) -> Any:
        from distributed import Event

        return Event(cancel_name(key), client=self._client)  # type: ignore[no-untyped-call]

    def _check_versions(self) -> None:
        """Raises ClusterError for each machine that cannot run our notebooks."""
        try:
            found = self._client.get_versions(packages=[PACKAGE])
        except (OSError, TimeoutError) as error:
            raise _silent(self.scheduler) from error
        ours = _versions(found["client"])
        hosts = {
            "the scheduler": found["scheduler"],
            **{f"the worker {at}": one for at, one in found["workers"].items()},
        }
        wrong = [f"{name} has {_told(_versions(one))}" for name, one in hosts.items() if _versions(one) != ours]
        if wrong:
            raise ClusterError(
                self.scheduler,
                f"has machines that cannot run these notebooks: {'; '.join(sorted(wrong))}",
                f"Give all of them what is here: {_told(ours)}.",
            )


def _client(scheduler: str, connect_s: float) -> Any:
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


def _versions(found: Mapping[str, Any]) -> tuple[str, str]:
    """Python's version without what a patch changes, and the version of this package, empty where it is not installed."""
    packages = found["packages"]
    return ".".join(str(packages["python"]).split(".")[:2]), packages.get(PACKAGE) or ""


def _told(versions: tuple[str, str]) -> str:
    python, package = versions
    return f"Python {python} {f'with {PACKAGE} {package}' if package else f'without {PACKAGE}'}"


def _logged(do: Callable[..., None], *given: Any) -> None:
    """Calls it; what fails because the scheduler has just gone is seen by ``Link.alive``."""
    try:
        do(*given)
    except Exception:
        _log.debug("the scheduler was asked in vain", exc_info=True)


class _Debug(logging.Handler):
    """Passes a record on to our own logger, where it is told to whoever wants to debug."""

    def emit(self, record: logging.LogRecord) -> None:
        """As ``logging.Handler.emit``."""
        _log.debug("%s: %s", record.name, record.getMessage(), exc_info=record.exc_info)


class _Quiet:
    """Keeps distributed's log off standard error while any batch of this process needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0
        self._before: list[tuple[logging.Logger, list[logging.Handler], bool]] = []

    def enter(self) -> None:
        with self._lock:
            self._batches += 1
            if self._batches > 1:
                return
            with suppress(ImportError):
                import distributed  # noqa: F401  # it sets its handlers up as it is imported
            loggers = [logging.getLogger(name) for name in _LOUD]
            self._before = [(logger, logger.handlers[:], logger.propagate) for logger in loggers]
            for logger in loggers:
                logger.handlers, logger.propagate = [_Debug()], False

    def leave(self) -> None:
        with self._lock:
            self._batches -= 1
            if self._batches:
                return
            for logger, handlers, propagate in self._before:
                logger.handlers, logger.propagate = handlers, propagate


_quiet = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """What distributed would write to standard error goes to our log; what matters of it becomes an event, a row or an error."""
    _quiet.enter()
    try:
        yield
    finally:
        _quiet.leave()
