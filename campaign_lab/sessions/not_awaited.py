"""What ``run`` returns before it is awaited: work that has not begun, whose repr and warning ask for the ``await``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Generator
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class NotBegun(Coroutine[Any, Any, T]):
    """Work that begins when it is awaited, or handed to ``asyncio.gather`` or ``lab.run_sync``: a coroutine for all of them."""

    def __init__(self, name: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._name = name
        self._begin = begin
        self._work: Coroutine[Any, Any, T] | None = None
        self._shown = False

    def _begun(self) -> Coroutine[Any, Any, T]:
        if self._work is None:
            self._work = self._begin()
        return self._work

    def __await__(self) -> Generator[Any, Any, T]:
        return self._begun().__await__()

    def send(self, value: Any, /) -> Any:
        """As a coroutine's."""
        return self._begun().send(value)

    def throw(self, *error: Any) -> Any:
        """As a coroutine's."""
        return self._begun().throw(*error)

    def close(self) -> None:
        """As a coroutine's. Work that has not begun never begins."""
        self._begun().close()

    def __repr__(self) -> str:
        self._shown = True
        return f'{self._name}(…) has not begun: write "await" before it; in a script, lab.run_sync({self._name}(…)).'

    def __del__(self) -> None:
        if self._work is None and not self._shown:
            logging.getLogger("campaign_lab").warning("%r", self)


def awaited(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, NotBegun[T]]:
    """The method, changed to return NotBegun, which says that it must be awaited."""

    @wraps(method)
    def not_begun(*args: P.args, **kwargs: P.kwargs) -> NotBegun[T]:
        return NotBegun(method.__name__, partial(method, *args, **kwargs))

    return not_begun
