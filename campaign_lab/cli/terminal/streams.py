"""stdout and stderr of a command: any encoding will do, and one that takes no more, such as a closed pipe, ends nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class Lenient:
    """A stream as it was, until it takes no more: what is written from then on goes nowhere. ``lost`` says why."""

    def __init__(self, stream: TextIO) -> None:
        self.lost: OSError | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text. Never raises OSError."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Sends on what was written. Never raises OSError."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Leads the stream nowhere: what it still holds would fail again, and Python tries once more when it ends."""
        self.lost = self.lost or error
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lenient_streams() -> Iterator[Lenient]:
    """Makes both streams lenient while it is entered, and gives stdout's. One that was closed from the start leads nowhere.

    What stdout's encoding cannot carry is replaced; stderr does so by itself.
    """
    before = sys.stdout, sys.stderr
    out, err = (Lenient(stream or _nowhere(number)) for number, stream in enumerate(before, 1))
    with suppress(AttributeError):  # a stream of somebody's own, as in a test
        out.reconfigure(errors="replace")
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _nowhere(number: int) -> TextIO:
    """A stream that leads nowhere, at the number of a standard one: the next file that is opened must not get it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
    return os.fdopen(number, "w", encoding="utf-8", errors="replace", closefd=False)
