"""How often a store is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from campaign_lab.store.connection import Con, Store

T = TypeVar("T")


class Counting:
    """A connection that counts the statements that go through it."""

    def __init__(self, con: Con) -> None:
        self._con = con
        self.statements = 0

    def execute(self, *given: Any) -> Any:
        """As the connection, and counted."""
        self.statements += 1
        return self._con.execute(*given)


@contextmanager
def statements_of(store: Store) -> Iterator[list[int]]:
    """Inside, a list gets the number of statements of each transaction of the store."""
    counts: list[int] = []
    submit = store.submit

    def counted(f: Callable[[Con], T], *, scope: str = "") -> Future[T]:
        def work(con: Con) -> T:
            counting = Counting(con)
            found = f(counting)
            counts.append(counting.statements)
            return found

        return submit(work, scope=scope)

    with patch.object(store, "submit", counted):
        yield counts
