"""Which file the lab file is: a process goes on with the file that it has met, and with what a compaction made of it.

A file that was put in its place, by cloud sync or by hand, is another one: what was acknowledged is not in it. Each
process knows a file by device and inode. A compaction moves a fresh file into the place; it says so beforehand in the
owner's lock file, where the inodes that the lab file has had stand one after the other.
"""

from __future__ import annotations

import contextlib
import os

from campaign_lab.errors import UNAVAILABLE, StoreError
from campaign_lab.store.duckdb.gate import Gate

KEPT = 32
"""How many inodes are remembered: who has not looked for so many compactions must open the file anew."""
ANNOUNCED = "?"
"""What stands behind the inode of a fresh file that is about to be moved into the place."""


class Identity:
    """The lab file as one process knows it. All is called under the gate. Raises StoreError."""

    def __init__(self, path: str, gate: Gate) -> None:
        self._path, self._gate = path, gate
        self._known: os.stat_result | None = None

    def meet(self) -> None:
        """Before and after the file is opened: it must be the one that was met before, or what became of it."""
        now = self._now()
        if now is None:
            if self._known is not None:
                raise self._lost("removed", "Put it back, or open the lab again to begin with an empty one.")
            return
        if not now.st_size and self._known is None:
            return  # it is about to be made
        before = self._gate.noted().split()
        line = [name for each in before if (name := each.rstrip(ANNOUNCED)) == each or name == str(now.st_ino)]
        if self._known is not None and not self._became(now, line):
            raise self._replaced()
        if self._known is not None and not now.st_size:
            raise self._lost("emptied", "Put back a copy of it, or choose another lab file.")
        if line[-1:] != [str(now.st_ino)]:
            line = [str(now.st_ino)]
        if line != before:
            with contextlib.suppress(
                OSError
            ):  # a full disk: then only who slept through a compaction must open it anew
                self._gate.note(" ".join(line[-KEPT:]))
        self._known = now

    def check(self) -> None:
        """While the file is open: the path must still lead to it. Before a transaction, and before it is acknowledged."""
        now = self._now()
        if now is None or self._known is None:
            self.meet()
        elif not os.path.samestat(now, self._known):
            raise self._replaced()

    def announce(self, draft: str) -> None:
        """Before a compaction moves its draft into the place: the others are to go on with it."""
        inode = os.stat(draft).st_ino
        self._gate.note(f"{self._gate.noted()} {inode}{ANNOUNCED}")

    def _became(self, now: os.stat_result, line: list[str]) -> bool:
        """Is it the known file, or what compactions made of it?"""
        assert self._known is not None
        if now.st_dev == self._known.st_dev and str(self._known.st_ino) in line:
            return str(now.st_ino) == line[-1]
        return os.path.samestat(now, self._known)

    def _now(self) -> os.stat_result | None:
        try:
            return os.stat(self._path)
        except FileNotFoundError:
            return None

    def _replaced(self) -> StoreError:
        advice = "Open the lab again to work with the file that is there now; nothing was written into that one."
        return self._lost("replaced by another file", advice)

    def _lost(self, how: str, advice: str) -> StoreError:
        return StoreError(self._path, f"was {how} while it was in use", advice, UNAVAILABLE)
