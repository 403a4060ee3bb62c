"""The gate: one process at a time has the lab file open, the others stand in line for it.

Two lock files lie beside the lab file. Who wants the file locks the turnstile (``.lock.wait``) and then the file's
owner lock (``.lock.own``); so the owner sees at the turnstile whether somebody waits. flock() is served in order of
arrival and freed by the kernel when a process dies, however it dies. The locks are advisory and local: a lab file on
a network share is safe only where flock() is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from dataclasses import dataclass, field


class GateTimeout(Exception):
    """The gate was not handed over in time. ``holder`` is the id of the process that has it, None if unknown."""

    def __init__(self, holder: int | None) -> None:
        super().__init__(holder)
        self.holder = holder


@dataclass(slots=True)
class _Ticket:
    """A place in the line. It outlives the wait that drew it, so that who tries again has not lost the place."""

    wanted: bool = True
    ready: threading.Event = field(default_factory=threading.Event)
    error: OSError | None = None


class Gate:
    """The gate of one lab file, as one thread of this process uses it. Raises OSError when locks cannot be made."""

    def __init__(self, path: str) -> None:
        self._paths = (path + ".lock.wait", path + ".lock.own")
        self._descriptors: tuple[int, int] | None = None
        self._ticket: _Ticket | None = None
        self._mutex = threading.Lock()

    def acquire(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds for the gate; a free gate is taken even at 0. Raises GateTimeout."""
        with self._mutex:
            ticket = self._ticket
            if ticket is None:
                if self._take_if_free():
                    return
                ticket = self._ticket = _Ticket()
                threading.Thread(target=self._stand_in_line, args=(ticket,), name="lab-gate", daemon=True).start()
            ticket.wanted = True
        ticket.ready.wait(timeout)
        with self._mutex:
            ticket.wanted = False
            if not ticket.ready.is_set():
                raise GateTimeout(self.holder())
            self._ticket = None
            if ticket.error is not None:
                raise ticket.error

    def wanted(self) -> bool:
        """Whether somebody stands at the turnstile while we hold the gate."""
        turnstile, _ = self._files()
        if not _lock_now(turnstile):
            return True
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        return False

    def release(self) -> None:
        """Hand the gate over."""
        fcntl.flock(self._files()[1], fcntl.LOCK_UN)

    def holder(self) -> int | None:
        """The id of the process that took the gate last."""
        with contextlib.suppress(OSError, ValueError):
            return int(os.pread(self._files()[1], 20, 0))
        return None

    def close(self) -> None:
        """Close the lock files, unless a thread of ours still stands in line with them (it lets go by itself)."""
        with self._mutex:
            if self._ticket is None:
                self._close_files()

    def after_fork(self) -> None:
        """In the child: forget the parent's place and files.

        An flock() belongs to the open file, which both share, so the child must never unlock it; closing its copy
        leaves the parent's lock alone.
        """
        self._close_files()
        self._ticket = None
        self._mutex = threading.Lock()

    def _close_files(self) -> None:
        descriptors, self._descriptors = self._descriptors, None
        for descriptor in descriptors or ():
            os.close(descriptor)

    def _files(self) -> tuple[int, int]:
        if self._descriptors is None:
            turnstile = _open(self._paths[0])
            try:
                self._descriptors = (turnstile, _open(self._paths[1]))
            except OSError:
                os.close(turnstile)
                raise
        return self._descriptors

    def _take_if_free(self) -> bool:
        turnstile, owner = self._files()
        if not _lock_now(turnstile):
            return False
        try:
            taken = _lock_now(owner)
        finally:
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        if taken:
            _sign(owner)
        return taken

    def _stand_in_line(self, ticket: _Ticket) -> None:
        # flock() has no timeout, so a thread waits in it and `acquire` waits for the thread.
        try:
            turnstile, owner = self._files()
            fcntl.flock(turnstile, fcntl.LOCK_EX)
            try:
                fcntl.flock(owner, fcntl.LOCK_EX)
            finally:
                fcntl.flock(turnstile, fcntl.LOCK_UN)
        except OSError as error:
            ticket.error = error
        with self._mutex:
            ticket.ready.set()
            if ticket.error is None and ticket.wanted:
                _sign(owner)
            elif ticket.error is None:  # given up meanwhile
                fcntl.flock(owner, fcntl.LOCK_UN)
            if not ticket.wanted:
                self._ticket = None


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)  # as open() would: whom the umask lets


def _lock_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(owner: int) -> None:
    with contextlib.suppress(OSError):  # a full disk must not cost us the gate: the id is only for a message
        os.pwrite(owner, b"%-19d\n" % os.getpid(), 0)
