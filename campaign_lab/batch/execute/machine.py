"""How many notebooks this machine can run at once: by its cores, and by the memory that is free at the moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

NOTEBOOK_BYTES = 512 * 2**20
"""The memory of a running notebook: its kernel and the CLI below it. Measured at the peak of a whole campaign in rehearsal:
423 to 478 MiB with shared pages divided among their users, and 499 MiB with shared pages counted in full."""
PER_CORE = 2
"""Notebooks per core. They wait for answers most of the time: twice as many as cores keep two cores busy."""
CGROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
LOOK_S = 0.2
"""How often whoever waits looks whether something has changed, in seconds."""
KERNEL = "ipykernel_launcher"
"""A part of the command line of every Python kernel."""
UNLIMITED = 2**60
"""What cgroup v1 writes for no limit is a little less than 2**63."""


def workers(todo: int, wanted: int | None = None) -> int:
    """Returns how many notebooks to run at once, from 1 to ``todo``: ``wanted``, else what cores and memory allow."""
    allowed = wanted or min(PER_CORE * len(os.sched_getaffinity(0)), free_memory() // NOTEBOOK_BYTES)
    return max(1, min(todo, allowed))


def room_for_one(running: int) -> bool:
    """Is there memory for one more notebook? Memory that the ``running`` ones have not used yet is reserved for them."""
    if not running:
        return True
    to_come = max(0, running * NOTEBOOK_BYTES - _used_below())
    return free_memory() - to_come >= NOTEBOOK_BYTES


class KernelSlots:
    """The running kernels of this process: one more may start while there are fewer than the limit and memory for it.

    The first one never waits, unless ``shared``: then it waits while memory is short and kernels of other processes run here.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def taken(self, limit: int, stop: Callable[[], bool], *, on_wait: Callable[[], None]) -> Iterator[bool]:
        """Waits for a slot, holds it, and yields True; or yields False when ``stop`` came first.

        ``on_wait`` is called once if it must wait.
        """
        free, waits = False, False
        while not stop() and not (free := self._take(limit)):
            if not waits:
                on_wait()
                waits = True
            time.sleep(LOOK_S)
        try:
            yield free
        finally:
            if free:
                with self._lock:
                    self._running -= 1

    def _take(self, limit: int) -> bool:
        with self._lock:
            if self._running >= limit or not room_for_one(self._running):
                return False
            if self._shared and not self._running and free_memory() < NOTEBOOK_BYTES and _kernel_runs_here():
                return False
            self._running += 1
            return True


def _kernel_runs_here() -> bool:
    """Does a kernel run on this machine, such as one of another worker? When it ends there is memory again."""
    return any(KERNEL in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


def free_memory() -> int:
    """Returns how many bytes processes can still use: what the machine has free, or less if a control group limits it."""
    return min([psutil.virtual_memory().available, *_left_in_cgroups(CGROUPS, MOUNT)])


def _used_below() -> int:
    """Returns how many bytes all processes started from this one hold; shared pages are divided among their users."""
    used = 0
    for process in psutil.Process().children(recursive=True):
        try:
            used += process.memory_full_info().pss
        except psutil.Error:  # it has ended, or is not ours to look into
            continue
    return used


def _left_in_cgroups(cgroups: Path, mount: Path) -> list[int]:
    """Returns how many bytes each control group of this process leaves (Linux, versions 1 and 2); empty where there is none."""
    try:
        lines = cgroups.read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names, root = ("memory.max", "memory.current", "inactive_file"), mount
        elif "memory" in controllers.split(","):
            names, root = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), mount / "memory"
        else:
            continue
        left += [free for folder in _upwards(root, path) if (free := _left(folder, *names)) is not None]
    return left


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """Yields the folder of the group and its parents. In a container the path may be the host's: then the root is ours."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:length])


def _left(folder: Path, limit: str, usage: str, cache: str) -> int | None:
    """Returns how many bytes a group's limit leaves; unused files in the page cache count as free. None without a limit."""
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        gives_way = int(stat.get(cache, 0))
    except (OSError, ValueError):  # no such group here, or "max"
        return None
    return None if most >= UNLIMITED else max(0, most - used + gives_way)
