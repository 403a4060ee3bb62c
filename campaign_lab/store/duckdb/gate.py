"""The gate: one process at a time has the lab file open, the others stand in line for it.

Two lock files lie beside the lab file. Who wants the file locks the turnstile (``.lock.wait``) and then the file's
owner lock (``.lock.own``); so the owner sees at the turnstile whether somebody waits. flock() is served in order of
arrival and freed by the kernel when a process dies, however it dies. Lock files that were removed or replaced are no gate:
they are opened anew. The locks are advisory and local: a lab file on a network share is safe only where flock() is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from dataclasses import dataclass, field

SIGNED = 20
"""How many bytes of the owner's lock file say who is inside; a note stands behind them."""
TRIES = 100
"""How often lock files are opened anew that are taken away as soon as they are there."""
NOTE = 4096
"""The longest note, in bytes."""


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
                self._renew()
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

    def sound(self) -> bool:
        """Are the lock files still those that others find? If not, somebody else may be inside with us."""
        try:
            return self._descriptors is not None and all(
                os.path.samestat(os.fstat(descriptor), os.stat(path))
                for descriptor, path in zip(self._descriptors, self._paths, strict=True)
            )
        except FileNotFoundError:
            return False

    def noted(self) -> str:
        """What was noted under the gate last, by whichever process."""
        return os.pread(self._files()[1], NOTE, SIGNED).decode("ascii", "replace").strip("\0 \n")

    def note(self, words: str) -> None:
        """Write down what whoever comes next is to know; at most ``NOTE`` bytes of ASCII."""
        owner = self._files()[1]
        os.pwrite(owner, words.encode("ascii") + b"\n", SIGNED)
        os.ftruncate(owner, SIGNED + len(words) + 1)

    def release(self) -> None:
        """Hand the gate over."""
        fcntl.flock(self._files()[1], fcntl.LOCK_UN)

    def holder(self) -> int | None:
        """The id of the process that took the gate last."""
        with contextlib.suppress(OSError, ValueError):
            return int(os.pread(self._files()[1], SIGNED, 0))
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

    def _renew(self) -> None:
        """Forget lock files that nobody else finds any more. Not while they are locked or waited for."""
        if self._descriptors is not None and not self.sound():
            self._close_files()

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
        if taken and not self.sound():  # taken away in this very moment
            fcntl.flock(owner, fcntl.LOCK_UN)
            return False
        if taken:
            _sign(owner)
        return taken

    def _stand_in_line(self, ticket: _Ticket) -> None:
        # flock() has no timeout, so a thread waits in it and `acquire` waits for the thread.
        try:
            for _ in range(TRIES):
                self._lock()
                if self.sound():
                    break
                self._close_files()  # and with them our lock on a file that nobody else finds
            else:
                raise OSError(errno.ESTALE, "the lock files beside it are taken away over and over")
        except OSError as error:
            ticket.error = error
        with self._mutex:
            ticket.ready.set()
            if ticket.error is None and ticket.wanted:
                _sign(self._files()[1])
            elif ticket.error is None:  # given up meanwhile
                fcntl.flock(self._files()[1], fcntl.LOCK_UN)
            if not ticket.wanted:
                self._ticket = None

    def _lock(self) -> None:
        """Wait at the turnstile, then for the owner's lock, however long it takes."""
        turnstile, owner = self._files()
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(owner, fcntl.LOCK_EX)
        finally:
            fcntl.flock(turnstile, fcntl.LOCK_UN)


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
