"""What the rest of the package knows of a store: functions of a connection, run one after another, wherever the rows lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Result(Protocol):
    """What a statement found."""

    def fetchone(self) -> Any:
        """The next row as a tuple; None when there is none left."""

    def fetchall(self) -> list[Any]:
        """The rows that are left, as tuples."""


class Con(Protocol):
    """A connection inside a transaction. Statements are written for DuckDB and PostgreSQL alike, with ``?`` for values."""

    def execute(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ..., /) -> Result:
        """Runs a statement. Values are bound, never written into it."""


class Store(Protocol):
    """Where a lab is kept: ``engine.DuckFile``, or ``server.PostgresStore``.

    ``f(con)`` runs in one transaction, as if alone. It returns finished values, never ``con`` or a cursor. When it raises,
    its transaction is rolled back and the error is the caller's. It may be run a second time, so it touches nothing but
    ``con``. A function with a ``scope`` needs to be alone only with those of the same scope.
    """

    @property
    def display_url(self) -> str:
        """What users see of where the lab lies: the file's path, or the server's url without its password."""

    @property
    def location(self) -> str:
        """What opens the store again: the file's path, or the server's url with its password. It is never shown."""

    @property
    def role(self) -> str | None:
        """Who the store itself lets in as; None when it leaves that to us."""

    def submit(self, f: Callable[[Con], T], *, scope: str = "") -> Future[T]:
        """Runs ``f(con)`` as soon as it is its turn."""

    async def run(self, f: Callable[[Con], T], *, scope: str = "") -> T:
        """``submit``, awaited."""

    def call(self, f: Callable[[Con], T]) -> T:
        """``submit``, waited for. Not from inside such a function."""

    def strangers(self, users: Collection[str]) -> list[str]:
        """Which of the users the store itself cannot let in, because it does not know them; none of a file's."""

    def compact(self) -> tuple[int, int]:
        """Gives the space of deleted rows back. Returns the size in bytes before and after."""

    def close(self) -> None:
        """Finishes what was submitted and lets go. Closing again does nothing."""
