"""Temporary folders of this user. The process that works in one locks it, so the folders of dead processes can be found.

They lie in one folder of the temporary folder, for this user alone. The kernel frees a lock with its process, however that one
ends; so a folder that is not locked belongs to nobody.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NOTEBOOK, KERNEL, JUPYTERLAB = "notebook", "kernel", "lab"
"""Kinds of folders in which nothing is left to book: of a batch's notebook, of its kernel, of a JupyterLab that we start."""


def base() -> Path:
    """The folder of all throw-away folders. Raises PermissionError when somebody else made it first."""
    return own_folder(Path(tempfile.gettempdir()) / f"campaign-lab-{os.getuid()}")


def own_folder(path: Path) -> Path:
    """The folder, made for this user alone. Raises PermissionError when somebody else made it first."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{path} belongs to somebody else; remove it or set TMPDIR to a folder of your own")
    return path


@contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """Yields a new folder, called by its kind and something random. It is removed at the end."""
    folder, lock = _new(kind)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def dead_folders(kind: str) -> list[Path]:
    """The folders whose name begins with the kind, and whose process has ended without removing them."""
    found = []
    for path in sorted(base().glob(f"{kind}-*")):
        if (lock := _lock_of_dead(path)) is not None:
            os.close(lock)
            found.append(path)
    return found


def remove_dead(path: Path) -> None:
    """Removes a folder that nobody works in; one that somebody does stays."""
    if (lock := _lock_of_dead(path)) is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _new(kind: str) -> tuple[Path, int]:
    """A folder and the lock on it. It is made again when a sweep took it before it was locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=base()))
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(lock)):
                return path, lock
        os.close(lock)


def _lock_of_dead(path: Path) -> int | None:
    """The lock on a folder that nobody had locked; None when somebody has, or when it is no folder of ours."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
