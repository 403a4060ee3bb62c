"""The lab on a PostgreSQL server, for a team on many machines: the same functions of a connection, the same SQL.

What the gate is to the file, an advisory lock is here. A function is first tried in a transaction that only reads, beside
all others; one that turns out to write is run again under the lock, and from then on at once. Functions with a scope
(the appends of one transcript) take a lock of their own.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeVar

from campaign_lab.errors import UNAVAILABLE, StoreError
from campaign_lab.store.postgres import schema
from campaign_lab.store.postgres.dialect import ServerCon
from campaign_lab.store.postgres.errors import after_outage, explained, missing_driver, restarting
from campaign_lab.store.postgres.url import shown

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

    from campaign_lab.store.connection import Con

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds from submitting a function to giving up on the server. The SDK gives up on an append after 60 and drops it."""
CONNECTIONS = 4
"""Connections of one process at most: as many functions run side by side."""
CONNECT_S = 10
"""Seconds that one try to connect may take."""
IDLE_S = 60.0
"""Seconds without work after which a connection is closed."""
BORROW_S = 2.0
"""Seconds to wait for a connection of the pool before we look ourselves why none comes."""
PAUSE_S = 0.05
"""Seconds between the first two tries on a server that does not answer; then twice as long each time, up to a second."""
SETTINGS = {
    "timezone": "UTC",
    "application_name": "campaign_lab",
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",  # a process that hangs must not keep the lock for ever
    "client_min_messages": "warning",
    "jit": "off",  # compiling costs more than any of our queries
}
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
        self.place = url
        self.path = shown(url)
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
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._queues: dict[str, deque[_ServerWork]] = {}

    # -- the caller's side

    def submit(self, f: Callable[[Con], T], *, scope: str = "") -> Future[T]:
        """Run ``f(con)`` as soon as it is its turn. Raises StoreError if the store was closed."""
        with self._lock:
            if self._closed:
                raise StoreError(self.path, "was closed by this process", "Open it again.")
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
        with self._lock:  # not before: what is still to be done may open it
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def prepare(self) -> None:
        """Bring the database up to date and learn whether it lets us in as one user only. Raises StoreError.

        A server that says it is starting up or shutting down is waited for; one that does not answer is not.
        """
        deadline, pause = time.monotonic() + self._patience, PAUSE_S
        while True:
            try:
                self.role = self._prepared()
                return
            except self._errors.Error as error:
                if not restarting(error) or time.monotonic() + pause > deadline:
                    raise explained(self.path, error) from error
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _prepared(self) -> str | None:
        """The role that the database binds us to, once it is up to date."""
        with self._errors.connect(self.place, connect_timeout=CONNECT_S) as raw:
            _configure(raw)
            con = ServerCon(raw)
            if schema.version(con, self.path) < schema.NEWEST:
                schema.migrate(con, self.path)
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
        self._inside.now, pause = True, PAUSE_S
        try:
            while True:
                try:
                    return self._transact(f, scope, deadline)
                except self._errors.Error as error:
                    if not after_outage(error):
                        raise explained(self.path, error) from error
                    if time.monotonic() + pause > deadline:
                        raise explained(self.path, error) from error
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
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
        with self._connection(deadline) as raw:
            raw.isolation_level, raw.read_only = self._errors.IsolationLevel.REPEATABLE_READ, True
            result = f(ServerCon(raw))
            raw.rollback()
            return result

    def _write(self, f: Callable[[Con], T], scope: str, deadline: float) -> T:
        """Alone with its scope. Each statement sees what was committed before it, which is everything of the scope."""
        with self._connection(deadline) as raw:
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
        pause = PAUSE_S
        while True:
            with suppress(self._errors.OperationalError), self._connection(deadline) as raw:
                row = raw.execute("SELECT pg_xact_status(%s::xid8)", [transaction]).fetchone()
                if row is not None and row[0] != "in progress":
                    return bool(row[0] == "committed")
            if time.monotonic() + pause > deadline:
                raise StoreError(
                    self.path,
                    "did not answer while it was committing, so nobody knows yet whether this was stored",
                    "See that the server runs, and run again: what was stored is found and not made twice.",
                    UNAVAILABLE,
                )
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool. What was not committed is rolled back; a broken one is thrown away."""
        pool = self._opened_pool()
        raw = self._borrowed(pool, deadline)
        try:
            yield raw
        except BaseException:
            with suppress(self._errors.Error):
                raw.rollback()
            raise
        finally:
            pool.putconn(raw)

    def _opened_pool(self) -> ConnectionPool[psycopg.Connection[Any]]:
        from psycopg_pool import ConnectionPool

        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self.place, min_size=0, max_size=2 * CONNECTIONS, max_idle=IDLE_S, reconnect_timeout=BORROW_S / 2,
                    configure=_configure,
                    kwargs={"connect_timeout": CONNECT_S}, open=True, name="campaign_lab",
                )  # fmt: skip
            return self._pool

    def _borrowed(self, pool: ConnectionPool[psycopg.Connection[Any]], deadline: float) -> psycopg.Connection[Any]:
        """The pool says only that it was too late; why, a try of our own tells."""
        from psycopg_pool import PoolTimeout

        try:
            return pool.getconn(timeout=max(0.1, min(BORROW_S, deadline - time.monotonic())))
        except PoolTimeout:
            self._errors.connect(self.place, connect_timeout=CONNECT_S).close()
            raise

    # -- fork: a child must not talk over its parent's connections

    def after_fork_in_child(self) -> None:
        """Begin anew with connections and threads of our own. What the parent had submitted is the parent's."""
        _inherited.append((self._pool, self._threads))  # their end would speak to the server in the parent's name
        self._inside = threading.local()
        self._reset()


def _configure(raw: psycopg.Connection[Any]) -> None:
    """Settings and number types of each new connection."""
    from psycopg.adapt import Loader

    class Whole(Loader):
        """A sum of whole numbers comes as ``numeric``, which Python would take for Decimal."""

        def load(self, data: Any) -> float:
            text = bytes(data).decode()
            return int(text) if text.lstrip("-").isdigit() else float(text)

    raw.prepare_threshold = None  # a plan kept from when a table was small would scan it for ever; poolers like it, too
    raw.adapters.register_loader("numeric", Whole)
    names = ", ".join("set_config(%s, %s, false)" for _ in SETTINGS)
    raw.execute(f"SELECT {names}", [each for pair in SETTINGS.items() for each in pair])
    raw.commit()


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
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # what it warns of, our errors say
