"""How many notebooks this machine can run at once: by its cores, and by the memory that is really free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

NOTEBOOK_BYTES = 512 * 2**20
"""What a running notebook takes: its kernel and the CLI below it. Measured at the peak of a whole campaign (research, strategy,
copy) in rehearsal: 423 to 478 MiB, pages that several processes share counted by share, and 499 MiB counted in full."""
PER_CORE = 2
"""Notebooks wait for answers most of the time: twice as many as cores keep two cores busy."""
CGROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
UNLIMITED = 2**60
"""What cgroup v1 writes for no limit is a little less than 2**63."""


def workers(todo: int, given: int | None = None) -> int:
    """How many notebooks to run at once, at least 1: as many as were asked for, else what cores and memory allow."""
    allowed = given or min(PER_CORE * len(os.sched_getaffinity(0)), free_memory() // NOTEBOOK_BYTES)
    return max(1, min(todo, allowed))


def room_for_one(running: int) -> bool:
    """Is there memory for one notebook more? Those that run may not have grown to their full size yet: that is kept for them."""
    if not running:
        return True
    to_come = max(0, running * NOTEBOOK_BYTES - _used_below())
    return free_memory() - to_come >= NOTEBOOK_BYTES


def free_memory() -> int:
    """Bytes that processes here can still take: what the machine has free, or a cgroup's limit leaves, if that is less."""
    return min([psutil.virtual_memory().available, *_left_in_cgroups(CGROUPS, MOUNT)])


def _used_below() -> int:
    """Bytes that all processes started from this one hold: pages that several share are counted by share."""
    used = 0
    for process in psutil.Process().children(recursive=True):
        try:
            used += process.memory_full_info().pss
        except psutil.Error:  # it has ended, or is not ours to look into
            continue
    return used


def _left_in_cgroups(cgroups: Path, mount: Path) -> list[int]:
    """What the limit of each control group around us leaves, in bytes. Linux, versions 1 and 2; nothing where there is none."""
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
    """The group's folder and those around it. In a container the path may be the host's: then the root is ours."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:length])


def _left(folder: Path, limit: str, usage: str, cache: str) -> int | None:
    """Bytes that a group's limit leaves. Files in the page cache that nobody uses give way, so they count as free."""
    try:
        most = int((folder / limit).read_text())
        used = int((folder / usage).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        gives_way = int(stat.get(cache, 0))
    except (OSError, ValueError):  # no such group here, or "max"
        return None
    return None if most >= UNLIMITED else max(0, most - used + gives_way)
