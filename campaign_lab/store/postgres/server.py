"""The lab on a PostgreSQL server, for a team on many machines: the same functions of a connection, the same SQL.

What the gate is to the file, an advisory lock is here. A function is first tried in a transaction that only reads, beside
all others; one that turns out to write is run again under the lock, and from then on at once. Functions with a scope
(the appends of one transcript) take a lock of their own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import Any, TypeVar

from campaign_lab.errors import UNAVAILABLE, StoreError
from campaign_lab.store.connection import Con
from campaign_lab.store.postgres import schema
from campaign_lab.store.postgres.connections import CONNECTIONS, Connections, connect
from campaign_lab.store.postgres.dialect import ServerCon
from campaign_lab.store.postgres.errors import after_outage, explained, missing_driver, restarting
from campaign_lab.store.postgres.url import shown

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds from submitting a function to giving up on the server. The SDK gives up on an append after 60 and drops it."""
PAUSE_S = 0.05
"""Seconds between the first two tries on a server that does not answer."""
LAB = "campaign_lab"
"""What the lock of functions without a scope is made of."""


def open_server(url: str, *, patience: float = PATIENCE) -> PostgresStore:
    """Connect, make or update the tables, and see who we are there. Raises StoreError."""
    store = PostgresStore(url, patience=patience)
    try:
        store.prepare()
    except BaseException:
        store.close()
        raise
    return store


@dataclass(frozen=True, slots=True)
class _ServerWork:
    work: Callable[[Con], Any]
    future: Future[Any]
    deadline: float


class PostgresStore:
    """A lab on a server, shared with other machines (see ``connection.Store``). ``role`` is set by ``prepare``."""

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        try:
            import psycopg  # 150 ms that only who works on a server should pay
            import psycopg_pool  # noqa: F401
        except ImportError as error:
            raise missing_driver(url) from error
        self.location = url
        self.display_url = shown(url)
        self.role: str | None = None
        self._patience = patience
        self._errors = psycopg
        self._writers: set[CodeType] = set()
        self._inside = threading.local()
        self._closed = False
        self._reset()
        _stores.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._connections = Connections(self.location)
        self._threads: ThreadPoolExecutor | None = None
        self._queues: dict[str, deque[_ServerWork]] = {}

    # -- the caller's side

    def submit(self, f: Callable[[Con], T], *, scope: str = "") -> Future[T]:
        """Run ``f(con)`` as soon as it is its turn. Raises StoreError if the store was closed."""
        with self._lock:
            if self._closed:
                raise StoreError(self.display_url, "was closed by this process", "Open it again.")
            if self._threads is None:
                self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="lab-server")
            job = _ServerWork(f, Future(), time.monotonic() + self._patience)
            if scope:
                queue = self._queues.setdefault(scope, deque())
                queue.append(job)
                if len(queue) > 1:
                    return job.future  # whoever works off this scope comes to it
            self._threads.submit(self._work_off, scope, job)
            return job.future

    async def run(self, f: Callable[[Con], T], *, scope: str = "") -> T:
        """``submit``, awaited."""
        return await asyncio.wrap_future(self.submit(f, scope=scope))

    def call(self, f: Callable[[Con], T]) -> T:
        """``submit``, waited for. Not from inside such a function: it would wait for itself."""
        if getattr(self._inside, "now", False):
            raise RuntimeError("call() inside a function of the store: use the connection that it was given")
        return self.submit(f).result()

    def strangers(self, users: Collection[str]) -> list[str]:
        """Users of whom the server has no role, in order."""
        sql = "SELECT rolname FROM pg_roles WHERE rolcanlogin"
        known = {name for (name,) in self.call(lambda con: con.execute(sql).fetchall())}
        return sorted(set(users) - known)

    def compact(self) -> tuple[int, int]:
        """The size of the database in bytes, twice: the server gives space back by itself (autovacuum)."""
        (size,) = self.call(lambda con: con.execute("SELECT pg_database_size(current_database())").fetchone())
        return int(size), int(size)

    def close(self) -> None:
        """Finish what was submitted and close the connections. Closing again does nothing."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown()
        self._connections.close()  # not before: what is still to be done may open them

    def prepare(self) -> None:
        """Bring the database up to date and learn whether it lets us in as one user only. Raises StoreError.

        A server that says it is starting up or shutting down is waited for; one that does not answer is not.
        """
        pauses = _Pauses(time.monotonic() + self._patience)
        while True:
            try:
                self.role = self._prepared()
                return
            except self._errors.Error as error:
                if not restarting(error) or not pauses.wait():
                    raise explained(self.display_url, error) from error

    def _prepared(self) -> str | None:
        """The role that the database binds us to, once it is up to date."""
        with connect(self.location) as raw:
            con = ServerCon(raw)
            if schema.version(con, self.display_url) < schema.NEWEST:
                schema.migrate(con, self.display_url)
            schema.renew_policies(con)
            user, bound = con.execute("SELECT session_user, row_security_active('sessions')").fetchone() or ("", 0)
        return str(user) if bound else None

    # -- in a thread of ours

    def _work_off(self, scope: str, job: _ServerWork | None) -> None:
        """Runs the function, and then those of its scope that came meanwhile, in the order in which they came."""
        while job is not None:
            if job.future.set_running_or_notify_cancel():
                try:
                    result = self._patiently(job.work, scope, job.deadline)
                except BaseException as error:
                    job.future.set_exception(error)
                else:
                    job.future.set_result(result)
            job = self._next_of(scope)

    def _next_of(self, scope: str) -> _ServerWork | None:
        if not scope:
            return None
        with self._lock:
            queue = self._queues[scope]
            queue.popleft()
            if queue:
                return queue[0]
            del self._queues[scope]
        return None

    def _patiently(self, f: Callable[[Con], T], scope: str, deadline: float) -> T:
        """Runs the function; again when the connection was lost, until the deadline."""
        self._inside.now, pauses = True, _Pauses(deadline)
        try:
            while True:
                try:
                    return self._transact(f, scope, deadline)
                except self._errors.Error as error:
                    if not after_outage(error) or not pauses.wait():
                        raise explained(self.display_url, error) from error
        finally:
            self._inside.now = False

    def _transact(self, f: Callable[[Con], T], scope: str, deadline: float) -> T:
        if scope or (code := _code_of(f)) in self._writers:
            return self._write(f, scope or LAB, deadline)
        try:
            return self._read(f, deadline)
        except self._errors.errors.ReadOnlySqlTransaction:
            if code is not None:
                self._writers.add(code)
            return self._write(f, LAB, deadline)

    def _read(self, f: Callable[[Con], T], deadline: float) -> T:
        """One view of the lab, whatever others write meanwhile. Nobody waits for it."""
        with self._connections.borrowed(deadline) as raw:
            raw.isolation_level, raw.read_only = self._errors.IsolationLevel.REPEATABLE_READ, True
            result = f(ServerCon(raw))
            raw.rollback()
            return result

    def _write(self, f: Callable[[Con], T], scope: str, deadline: float) -> T:
        """Alone with its scope. Each statement sees what was committed before it, which is everything of the scope."""
        with self._connections.borrowed(deadline) as raw:
            raw.isolation_level, raw.read_only = self._errors.IsolationLevel.READ_COMMITTED, False
            raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [scope])
            result = f(ServerCon(raw))
            row = raw.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
            try:
                raw.commit()
            except self._errors.OperationalError:
                transaction = row[0] if row else None  # none: it wrote nothing, after all
                if not raw.closed or (transaction and not self._was_committed(transaction, deadline)):
                    raise
            return result

    def _was_committed(self, transaction: str, deadline: float) -> bool:
        """Did it get through? Asked of the server when the connection was lost while it was committing."""
        pauses = _Pauses(deadline)
        while True:
            with suppress(self._errors.OperationalError), self._connections.borrowed(deadline) as raw:
                row = raw.execute("SELECT pg_xact_status(%s::xid8)", [transaction]).fetchone()
                if row is not None and row[0] != "in progress":
                    return bool(row[0] == "committed")
            if not pauses.wait():
                raise StoreError(
                    self.display_url,
                    "did not answer while it was committing, so nobody knows yet whether this was stored",
                    "See that the server runs, and run again: what was stored is found and not made twice.",
                    UNAVAILABLE,
                )

    # -- fork: a child must not talk over its parent's connections

    def after_fork_in_child(self) -> None:
        """Begin anew with connections and threads of our own. What the parent had submitted is the parent's."""
        _inherited.append(
            (self._connections, self._threads)
        )  # their end would speak to the server in the parent's name
        self._inside = threading.local()
        self._reset()


class _Pauses:
    """Pauses between tries on a server that does not answer: each twice as long as the one before, up to a second."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._next = PAUSE_S

    def wait(self) -> bool:
        """Waits before the next try. False, at once, when the pause would end after the deadline."""
        if time.monotonic() + self._next > self._deadline:
            return False
        time.sleep(self._next)
        self._next = min(self._next * 2, 1.0)
        return True


def _code_of(f: Callable[..., Any]) -> CodeType | None:
    """The code that a function runs: a lambda is another object each time it is met, its code is not."""
    while isinstance(f, partial):
        f = f.func
    return getattr(getattr(f, "__func__", f), "__code__", None)


_stores: weakref.WeakSet[PostgresStore] = weakref.WeakSet()
_inherited: list[object] = []  # what a forked process got of its parent and must neither use nor end


def _after_fork_in_child() -> None:
    for store in _stores:
        store.after_fork_in_child()


def _close_all() -> None:
    for store in list(_stores):
        store.close()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_close_all)
