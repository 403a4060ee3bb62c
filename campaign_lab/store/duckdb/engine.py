"""The lab file as the rest of the package uses it: functions of a connection, run one after another.

One worker thread a process owns the connection. It opens the file when there is work, keeps it open while work keeps
coming, and hands it to the next process in line as soon as somebody waits (measured: 30 ms of work in one go
is what buys throughput). A function runs inside one transaction; those with a ``scope`` may share it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from campaign_lab.errors import StoreError
from campaign_lab.store.connection import Con
from campaign_lab.store.duckdb import compacting, opening, rollback_journal
from campaign_lab.store.duckdb.file_identity import Identity
from campaign_lab.store.duckdb.gate import Gate, GateTimeout
from campaign_lab.store.duckdb.statements import Parsed, ParsedCon

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds from submitting a function to giving up on the gate. The SDK gives up on an append after 60 and drops it."""
IDLE = 0.3
"""Seconds without work after which the file is closed, so that an outside tool can open it."""
QUANTUM = 0.03
"""Seconds of work in one go before the file is handed to a process that waits."""
POLL = 0.002
"""Seconds between two looks at the turnstile while the file is open and nothing is to do."""
JOURNAL = 16 * 2**20
"""Bytes of DuckDB's journal at which the file is closed even though work keeps coming, so that it is checkpointed."""
GROUP = 64
"""Functions that share a transaction at most."""
FORK_WAIT = 5.0
"""Seconds that a fork waits for a running transaction to end."""


def open_file(path: str | os.PathLike[str], *, patience: float = PATIENCE) -> DuckFile:
    """Open (or make, with its folders) the lab file and see that it can be used. Raises StoreError."""
    file = DuckFile(path, patience=patience)
    try:
        file.call(lambda _: None)
    except BaseException:
        file.close()
        raise
    return file


@dataclass(frozen=True, slots=True)
class _Work:
    work: Callable[[Con], Any] | None  # None: compact the file
    future: Future[Any]
    group: bool
    deadline: float


class DuckFile:
    """A lab file, shared with other processes (see ``connection.Store``). ``f(con)`` runs in the worker thread."""

    role: str | None = None  # whoever can read the file can read it

    def __init__(self, path: str | os.PathLike[str], *, patience: float = PATIENCE) -> None:
        self.path = os.path.realpath(os.fspath(path))  # one file, one gate, whatever names it has
        self.display_url = self.location = self.path
        self._patience = patience
        if self.path in _lost:
            raise opening.half_inherited(self.path)
        opening.check_path(self.path)
        self._gate = Gate(self.path)
        self._identity = Identity(self.path, self._gate)
        self._parsed: Parsed = {}
        self._closed: StoreError | None = None
        self._reset()
        with _files_lock:
            _files.add(self)

    def _reset(self) -> None:
        self._con: duckdb.DuckDBPyConnection | None = None
        self._inside = False  # whether we hold the gate; True as long as there is a connection
        self._jobs: deque[_Work] = deque()
        self._news = threading.Condition()
        self._turn = threading.Lock()  # held while the connection is opened, used or closed
        self._thread: threading.Thread | None = None
        self._opened_at = self._used_at = 0.0
        self._paused = False

    # -- the caller's side

    def submit(self, f: Callable[[Con], T], *, scope: str = "") -> Future[T]:
        """Run ``f(con)`` as soon as it is its turn. Raises StoreError if the file was closed."""
        return self._submit(f, bool(scope))

    def _submit(self, f: Callable[[Con], T] | None, group: bool) -> Future[Any]:
        future: Future[Any] = Future()
        with self._news:
            if self._closed is not None:
                raise StoreError(*self._closed.args)
            self._jobs.append(_Work(f, future, group, time.monotonic() + self._patience))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="lab-file", daemon=True)
                self._thread.start()
            self._news.notify()
        return future

    async def run(self, f: Callable[[Con], T], *, scope: str = "") -> T:
        """``submit``, awaited."""
        return await asyncio.wrap_future(self.submit(f, scope=scope))

    def call(self, f: Callable[[Con], T]) -> T:
        """``submit``, waited for. Not from inside such a function: it would wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("call() inside a function of the store: use the connection that it was given")
        return self.submit(f).result()

    def strangers(self, users: Collection[str]) -> list[str]:
        """None: whoever can read the file is let in."""
        return []

    def compact(self) -> tuple[int, int]:
        """Give the space of deleted rows back to the disk. Returns the file's size in bytes before and after.

        Others wait meanwhile, a few seconds for each gigabyte, and then go on with the new file. Raises StoreError; the file
        is then as it was. Not from inside a function of the store.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("compact() inside a function of the store: call it when the function is done")
        before, after = self._submit(None, False).result()
        return before, after

    def close(self) -> None:
        """Finish what was submitted and let go of the file. Closing again does nothing."""
        with self._news:
            self._closed = self._closed or StoreError(self.path, "was closed by this process", "Open it again.")
            self._news.notify()
            thread = self._thread
        if thread is None:
            self._gate.close()
        elif thread is not threading.current_thread():
            thread.join()

    # -- the worker's side

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            if running := [job for job in batch if job.future.set_running_or_notify_cancel()]:
                self._settle(running)
                self._used_at = time.monotonic()
            del batch, running  # a result must not live until the next one
        self._let_go()
        self._gate.close()

    def _next_batch(self) -> list[_Work] | None:
        """The next job and those that may share its transaction; [] after a quiet moment; None at the end."""
        with self._news:
            if not self._jobs and self._closed is None:
                self._news.wait(None if self._con is None else POLL)
            if self._jobs:
                return self._take()
            if self._closed is not None:
                return None
        if self._con is not None and (time.monotonic() - self._used_at > IDLE or self._gate.wanted()):
            self._let_go()
        return []

    def _take(self) -> list[_Work]:
        batch = [self._jobs.popleft()]
        while batch[0].group and self._jobs and self._jobs[0].group and len(batch) < GROUP:
            batch.append(self._jobs.popleft())
        return batch

    def _settle(self, batch: list[_Work]) -> None:
        try:
            results = self._transact(batch)
        except BaseException as error:
            if len(batch) > 1 and not isinstance(error, StoreError):
                for job in batch:  # one that cannot be stored must not fail its neighbours
                    self._settle([job])
                return
            for job in batch:
                job.future.set_exception(error)
        else:
            for job, result in zip(batch, results, strict=True):
                job.future.set_result(result)

    def _transact(self, batch: list[_Work]) -> list[Any]:
        deadline = batch[0].deadline
        with self._admitted(deadline):
            works = [job.work for job in batch if job.work is not None]
            if not works:
                return [self._compact()]
            con = ParsedCon(self._connection(deadline), self._parsed)
            try:
                self._identity.check()
                con.execute("BEGIN")
                results = [work(con) for work in works]
                con.execute("COMMIT")
                self._identity.check()  # what went into a file that nobody finds was not stored
                if rollback_journal.pending(self.path) > JOURNAL:
                    self._drop()
            except BaseException as error:
                with contextlib.suppress(Exception):
                    con.execute("ROLLBACK")
                known = opening.explained(self.path, error)
                if known is not None or isinstance(error, StoreError):
                    self._drop()  # DuckDB may be in a state that only opening the file anew ends
                if known is None:
                    raise
                raise known from error
        return results

    def _compact(self) -> tuple[int, int]:
        """Compact with the connection closed, and hand over the gate after it. Holds the gate and ``_turn``."""
        con, self._con = self._con, None
        if con is not None:
            opening.close(con, self.path)
        try:
            self._identity.meet()
            sizes = compacting.compact(self.path, self._patience / 3, before_move=self._identity.announce)
            self._identity.meet()
            return sizes
        finally:
            self._leave()

    @contextlib.contextmanager
    def _admitted(self, deadline: float) -> Iterator[None]:
        """Hold the gate and ``_turn``. The gate is given up first when we had our share and another process waits."""
        if self._con is not None:
            had_share = time.monotonic() - self._opened_at > QUANTUM
            if not self._gate.sound() or (had_share and self._gate.wanted()):
                self._let_go()
        while True:
            if not self._inside:
                self._wait_at_gate(deadline)
            with self._turn:
                if self._inside:  # else a fork made us let go a moment ago
                    yield
                    return

    def _wait_at_gate(self, deadline: float) -> None:
        try:
            self._gate.acquire(max(0.0, deadline - time.monotonic()))
            self._inside = True
        except GateTimeout as late:
            raise opening.in_use(self.path, late.holder, self._patience) from None
        except OSError as error:
            raise opening.explained_os(self.path, error) from error

    def _connection(self, deadline: float) -> duckdb.DuckDBPyConnection:
        if self._con is None:
            try:
                outsiders = time.monotonic() + self._patience / 3  # others stand in line behind us meanwhile
                self._identity.meet()
                self._con = opening.connect(self.path, min(deadline, outsiders))
                self._identity.meet()
            except BaseException:
                if self._con is not None:
                    self._drop()
                else:
                    self._leave()
                raise
            self._opened_at = time.monotonic()
        return self._con

    def _let_go(self) -> None:
        with self._turn:
            self._drop()

    def _drop(self) -> None:
        """Close the connection, then hand over the gate. Holds ``_turn``."""
        con, self._con = self._con, None
        if con is not None:
            opening.close(con, self.path)
            self._leave()

    def _leave(self) -> None:
        self._inside = False
        self._gate.release()

    # -- fork: a child must share neither the connection nor the locks

    def before_fork(self) -> None:
        """Close the connection, so that no half of it lives on in the child."""
        inside = threading.current_thread() is self._thread
        self._paused = not inside and self._turn.acquire(timeout=FORK_WAIT)
        if self._paused:
            self._drop()

    def after_fork_in_parent(self) -> None:
        """Go on; the connection is opened again when there is work."""
        if self._paused:
            self._turn.release()

    def after_fork_in_child(self) -> None:
        """Begin anew with locks, queue and thread of our own. What the parent had submitted is the parent's."""
        if not self._paused:  # the fork came in the middle of a transaction
            self._closed = opening.half_inherited(self.path)
            _lost.add(self.path)
            if self._con is not None:  # its end would write to the file: keep it for ever
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._con))
        self._reset()
        self._gate.after_fork()


_files: weakref.WeakSet[DuckFile] = weakref.WeakSet()
_files_lock = threading.Lock()
_lost: set[str] = set()  # files that this process inherited in the middle of a transaction of its parent


def _before_fork() -> None:
    _files_lock.acquire()
    for file in _files:
        file.before_fork()


def _after_fork_in_parent() -> None:
    for file in _files:
        file.after_fork_in_parent()
    _files_lock.release()


def _after_fork_in_child() -> None:
    for file in _files:
        file.after_fork_in_child()
    _files_lock.release()


def _close_all() -> None:
    # DuckDB complains on stderr about connections that outlive the interpreter.
    for file in list(_files):
        file.close()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_close_all)
