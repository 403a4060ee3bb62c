"""Lab files that cost turns: one of the processes that share the tests makes them, and each has a copy."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A copy of the lab file that ``make`` makes at the path it is given, once for all processes of this run."""
    root = folders.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    shared = root / "made"
    shared.mkdir(exist_ok=True)
    made = shared / f"{name}.duckdb"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            (draft := shared / f"{name}.draft.duckdb").unlink(missing_ok=True)
            make(draft)
            draft.rename(made)
    return Path(shutil.copy(made, folders.mktemp(name) / "lab.duckdb"))
