"""Which file the lab file is: a process goes on with the file that it has met, and with what a compaction made of it.

A file that was put in its place, by cloud sync or by hand, is another one: what was acknowledged is not in it. Each
process knows a file by device and inode. A compaction moves a fresh file into the place; it says so beforehand in the
owner's lock file, where the inodes that the lab file has had stand one after the other.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

from campaign_lab.errors import UNAVAILABLE, StoreError
from campaign_lab.store.duckdb.gate import Gate

KEPT = 32
"""How many inodes are remembered: who has not looked for so many compactions must open the file anew."""
ANNOUNCED = "?"
"""What stands behind the inode of a fresh file that is about to be moved into the place."""


@dataclass(frozen=True)
class FileId:
    """What the file system calls a file."""

    device: int
    inode: int
    empty: bool = False


class Identity:
    """The lab file as one process knows it. All is called under the gate. Raises StoreError."""

    def __init__(self, path: str, gate: Gate) -> None:
        self._path, self._gate = path, gate
        self._known: FileId | None = None

    def meet(self) -> None:
        """Before and after the file is opened: it must be the one that was met before, or what became of it."""
        now = self._now()
        if now is None:
            if self._known is not None:
                raise self._lost("removed", "Put it back, or open the lab again to begin with an empty one.")
            return
        if now.empty and self._known is None:
            return  # it is about to be made
        before = self._gate.noted().split()
        line = [name for each in before if (name := each.rstrip(ANNOUNCED)) == each or name == str(now.inode)]
        if self._known is not None and not self._became(now, line):
            raise self._replaced()
        if self._known is not None and now.empty:
            raise self._lost("emptied", "Put back a copy of it, or choose another lab file.")
        if line[-1:] != [str(now.inode)]:
            line = [str(now.inode)]
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
        elif (now.device, now.inode) != (self._known.device, self._known.inode):
            raise self._replaced()

    def announce(self, draft: str) -> None:
        """Before a compaction moves its draft into the place: the others are to go on with it."""
        inode = os.stat(draft).st_ino
        self._gate.note(f"{self._gate.noted()} {inode}{ANNOUNCED}")

    def _became(self, now: FileId, line: list[str]) -> bool:
        """Is it the known file, or what compactions made of it?"""
        assert self._known is not None
        if now.device != self._known.device:
            return False
        if str(self._known.inode) in line:
            return str(now.inode) == line[-1]
        return now.inode == self._known.inode

    def _now(self) -> FileId | None:
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return None
        return FileId(found.st_dev, found.st_ino, found.st_size == 0)

    def _replaced(self) -> StoreError:
        advice = "Open the lab again to work with the file that is there now; nothing was written into that one."
        return self._lost("replaced by another file", advice)

    def _lost(self, how: str, advice: str) -> StoreError:
        return StoreError(self._path, f"was {how} while it was in use", advice, UNAVAILABLE)
