"""The connections of one process to a PostgreSQL server: made when they are needed, with our settings, and closed when idle."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

CONNECTIONS = 4
"""Functions of one process that run side by side, each on a connection."""
CONNECT_S = 10
"""Seconds that one try to connect may take."""
IDLE_S = 60.0
"""Seconds without work after which a connection is closed."""
BORROW_S = 2.0
"""Seconds to wait for a connection of the pool before we look ourselves why none comes."""
SETTINGS = {
    "timezone": "UTC",
    "application_name": "campaign_lab",
    "statement_timeout": "60s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",  # a process that hangs must not keep the lock for ever
    "client_min_messages": "warning",
    "jit": "off",  # compiling costs more than any of our queries
}


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection of its own, with our settings. Raises psycopg.Error."""
    import psycopg

    raw = psycopg.connect(url, connect_timeout=CONNECT_S)
    try:
        _configure(raw)
    except BaseException:
        raw.close()
        raise
    return raw


class Connections:
    """The pool of one process, opened with the first connection that is borrowed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._pool: ConnectionPool[psycopg.Connection[Any]] | None = None

    @contextmanager
    def borrowed(self, deadline: float) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool. What was not committed is rolled back; a broken one is thrown away. Raises psycopg.Error.

        ``deadline``: until when (``time.monotonic()``) it is waited for.
        """
        import psycopg

        pool = self._opened()
        raw = self._taken(pool, deadline)
        try:
            yield raw
        except BaseException:
            with suppress(psycopg.Error):
                raw.rollback()
            raise
        finally:
            pool.putconn(raw)

    def close(self) -> None:
        """Closes all connections. Closing again does nothing."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _opened(self) -> ConnectionPool[psycopg.Connection[Any]]:
        from psycopg_pool import ConnectionPool

        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(
                    self._url, min_size=0, max_size=2 * CONNECTIONS, max_idle=IDLE_S, reconnect_timeout=BORROW_S / 2,
                    configure=_configure, kwargs={"connect_timeout": CONNECT_S}, open=True, name="campaign_lab",
                )  # fmt: skip
            return self._pool

    def _taken(self, pool: ConnectionPool[psycopg.Connection[Any]], deadline: float) -> psycopg.Connection[Any]:
        """The pool says only that it was too late; why, a try of our own tells."""
        import psycopg
        from psycopg_pool import PoolTimeout

        try:
            return pool.getconn(timeout=max(0.1, min(BORROW_S, deadline - time.monotonic())))
        except PoolTimeout:
            psycopg.connect(self._url, connect_timeout=CONNECT_S).close()
            raise


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


logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())  # what it warns of, our errors say
